//! The result of a scenario, in one printed line, with what LiveKit's own list said meanwhile.

use std::{
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use tokio::task::JoinHandle;

use super::{Api, Person, person::difference, tools::say};

/// The wait between an answer of LiveKit and the next question.
const PAUSE: Duration = Duration::from_millis(200);

/// Asks LiveKit for its list of a room repeatedly, while the test waits for the service to be right.
pub struct Meanwhile {
    api: Api,
    room: String,
    answers: Arc<Mutex<Vec<Answered>>>,
    running: JoinHandle<()>,
}

#[derive(Clone, Debug)]
struct Answered {
    asked_at: Instant,
    /// The people, or the reason why there is no list.
    list: Result<Vec<Person>, String>,
}

impl Meanwhile {
    pub fn watch(api: Api, room: &str) -> Self {
        let answers: Arc<Mutex<Vec<Answered>>> = Arc::default();
        let (kept, asked) = (Arc::clone(&answers), room.to_owned());
        let running = tokio::spawn(async move {
            loop {
                let answered = ask(api, &asked).await;
                kept.lock().unwrap().push(answered);
                tokio::time::sleep(PAUSE).await;
            }
        });
        Self { api, room: room.to_owned(), answers, running }
    }

    /// Compares its answers with the truth: what was wrong, and since when the list is right.
    pub async fn in_words(&self, truth: &[Person], since: Instant) -> String {
        let last = ask(self.api, &self.room).await;
        let mut answers = self.answers.lock().unwrap().clone();
        answers.push(last);
        let wrong = |answered: &Answered| match &answered.list {
            Ok(list) => difference(list, truth),
            Err(reason) => Some(reason.clone()),
        };
        let Some(last_wrong) = answers.iter().rposition(|one| wrong(one).is_some()) else {
            return "right".to_owned();
        };
        let words = wrong(&answers[last_wrong]).expect("it is wrong");
        match answers.get(last_wrong + 1) {
            Some(right) => {
                let after = right.asked_at.duration_since(since).as_secs_f64();
                format!("{words}; right after {after:.2} s")
            }
            None => format!("{words}; still so"),
        }
    }
}

impl Drop for Meanwhile {
    fn drop(&mut self) {
        self.running.abort();
    }
}

async fn ask(api: Api, room: &str) -> Answered {
    let asked_at = Instant::now();
    Answered { asked_at, list: api.list_participants(room).await.people() }
}

/// When subscribers were right.
#[derive(Clone, Copy, Debug)]
pub enum Right {
    /// They became right after this time.
    After(Duration),
    /// They were right during all of this time.
    Throughout(Duration),
}

/// Prints the line of a scenario.
pub fn print(scenario: &str, right: Right, meanwhile: &str) {
    let right = match right {
        Right::After(time) => format!("right after {:.2} s", time.as_secs_f64()),
        Right::Throughout(time) => format!("right throughout {:.0} s", time.as_secs_f64()),
    };
    say(&format!("{scenario} | {right} | LiveKit's own list meanwhile: {meanwhile}"));
}

/// The middle of some times, and what 99 of 100 are below.
pub fn percentiles(times: &mut [Duration]) -> String {
    times.sort();
    let at = |percent: usize| times[(times.len() * percent / 100).min(times.len() - 1)];
    format!("p50 {:.1} ms, p99 {:.1} ms", millis(at(50)), millis(at(99)))
}

fn millis(time: Duration) -> f64 {
    time.as_secs_f64() * 1_000.0
}
