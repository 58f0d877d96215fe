//! A run, in phases: people act and faults happen, then all faults are healed and everybody must become right.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use axum::body::Body;
use http_body_util::BodyExt;
use hyper::Request;
use livekit_presence::presence::RoomName;
use tokio::{
    task::{JoinSet, LocalSet},
    time::{sleep, timeout},
};

use crate::harness::{RoomListFollower, wire};

use super::{
    faults::Faults,
    fixture::{Fixture, INSTANCES, MAX_GET, ROOMS},
    fleet::Instance,
    journal::Journal,
    page::{Page, Surroundings},
    wording,
};

/// More than rooms, so that each room is watched somewhere.
const PAGES_OF_ONE_ROOM: usize = 36;
const PAGES_OF_MANY_ROOMS: usize = 24;

/// In milliseconds.
const BETWEEN_ACTIONS: std::ops::Range<u64> = 0..40;

/// Two comparisons, the rest of LiveKit's retries, and the longest pause after its API failed.
const RIGHT_WITHIN: Duration = Duration::from_secs(35);
/// With ghosts in LiveKit's list, which have to fail liveness probes first.
const RIGHT_WITHIN_DESPITE_GHOSTS: Duration = Duration::from_secs(90);
const BETWEEN_CHECKS: Duration = Duration::from_millis(300);
/// Everybody must stay right for this time.
const STAYS_RIGHT: Duration = Duration::from_secs(1);

/// A run has at least this many phases.
const MIN_PHASES: u32 = 2;

pub struct Settings {
    pub seed: u64,
    pub time: Duration,
}

/// Runs for some time. Panics with a report if a promise is broken.
pub async fn run(settings: &Settings) {
    let journal = Arc::new(Journal::new());
    let seed = settings.seed;
    journal.note(&format!("STRESS_SEED={seed} for {:?}", settings.time));
    let mut run = Run::begin(seed, &journal).await;
    let fleet = Arc::clone(&run.fixture.fleet);
    let violation = LocalSet::new().run_until(run.play_to_the_end(settings.time)).await.err();
    println!("\n{}\n", journal.summary());
    if let Some(violation) = violation {
        let words = timeout(Duration::from_secs(25), fleet.last_words()).await.unwrap_or_default();
        panic!(
            "{violation}\n\nSTRESS_SEED={seed}; what was done:\n{}\n\nwhat the instances said:\n{words}",
            journal.lines()
        );
    }
}

pub(super) struct Run {
    pub(super) fixture: Arc<Fixture>,
    random: fastrand::Rng,
    faults: Faults,
    pub(super) pages: Vec<Arc<Page>>,
    /// A subscriber of the list of rooms at each instance.
    lists: Vec<RoomListFollower>,
    /// Ends the pages with the run.
    looking: JoinSet<()>,
    is_quiet: Arc<AtomicBool>,
}

impl Run {
    async fn begin(seed: u64, journal: &Arc<Journal>) -> Self {
        let mut random = fastrand::Rng::with_seed(seed);
        let (fixture, rooms) = Fixture::start(seed, &mut random, journal).await;
        let is_quiet = Arc::new(AtomicBool::new(false));
        let around = Surroundings {
            fleet: Arc::clone(&fixture.fleet),
            journal: Arc::clone(journal),
            snapshots: Arc::clone(&fixture.snapshots),
            is_quiet: Arc::clone(&is_quiet),
        };
        let pages = open_pages(&rooms, &around, &mut random);
        let mut looking = JoinSet::new();
        for page in &pages {
            let look = Arc::clone(page).look(random.fork());
            looking.spawn(async move { match look.await {} });
        }
        let faults = Faults::new(random.fork(), INSTANCES, fixture.livekits_links.len());
        let list_at = |number: usize| {
            let fleet = Arc::clone(&fixture.fleet);
            RoomListFollower::at_any(move || fleet.instances()[number].port())
        };
        let lists = (0..INSTANCES).map(list_at).collect();
        Self { fixture, random, faults, pages, lists, looking, is_quiet }
    }

    /// An error is the promise that was broken.
    async fn play_to_the_end(&mut self, time: Duration) -> Result<(), String> {
        let journal = Arc::clone(&self.fixture.journal);
        tokio::select! {
            () = self.play(time) => Ok(()),
            violation = journal.violation() => Err(violation),
        }
    }

    async fn play(&mut self, time: Duration) {
        let mut phases = 0;
        while phases < MIN_PHASES || self.fixture.journal.time() < time {
            self.is_quiet.store(false, Ordering::Relaxed);
            self.load().await;
            self.is_quiet.store(true, Ordering::Relaxed);
            self.quiet().await;
            phases += 1;
            self.fixture.journal.count("phases that ended right");
        }
    }

    /// Has people act and faults happen, and heals all faults in the end.
    async fn load(&mut self) {
        let begin = Instant::now();
        let time = self.faults.load_time();
        let mut next_fault = begin;
        let mut under_way = JoinSet::new();
        while begin.elapsed() < time {
            let room = self.random.usize(..ROOMS);
            self.fixture.livekit.act(room);
            if next_fault <= Instant::now() {
                next_fault += self.faults.pause();
                if let Some(dealt) = self.faults.deal() {
                    under_way.spawn_local(dealt.happen(Arc::clone(&self.fixture)));
                }
            }
            sleep(Duration::from_millis(self.random.u64(BETWEEN_ACTIONS))).await;
        }
        self.fixture.journal.note("nothing more happens; faults are healed");
        while let Some(healed) = under_way.join_next().await {
            healed.expect("a fault heals");
        }
    }

    /// Waits until everybody is right.
    async fn quiet(&mut self) {
        let journal = &self.fixture.journal;
        let has_ghosts = self.fixture.livekit.has_ghosts();
        let limit = if has_ghosts { RIGHT_WITHIN_DESPITE_GHOSTS } else { RIGHT_WITHIN };
        let with = if has_ghosts { "with" } else { "without" };
        journal.note(&format!("it is quiet, {with} ghosts in LiveKit's list"));
        let begin = Instant::now();
        let mut took = Duration::ZERO;
        let mut right_since = None;
        while right_since.is_none_or(|since: Instant| since.elapsed() < STAYS_RIGHT) {
            sleep(BETWEEN_CHECKS).await;
            let wrong = self.who_is_wrong().await;
            if wrong.is_empty() {
                right_since.get_or_insert_with(Instant::now);
                continue;
            }
            right_since = None;
            took = begin.elapsed();
            if took > limit {
                journal.violated(format!(
                    "{} are wrong after {took:?}: {}\n{}",
                    wrong.len(),
                    wrong[..wrong.len().min(6)].join("\n"),
                    self.wrong_answers().await
                ));
            }
        }
        journal.took(
            if has_ghosts {
                "time until everybody was right, with ghosts"
            } else {
                "time until everybody was right, without ghosts"
            },
            took,
        );
        journal.note(&format!("everybody is right after {took:.2?}"));
        self.end_phase().await;
    }

    /// Checks what must hold whenever everybody is right.
    async fn end_phase(&mut self) {
        for instance in self.fixture.fleet.instances() {
            instance.check_log().await;
        }
        self.lists.iter().for_each(RoomListFollower::is_content);
        self.fixture.snapshots.everybody_is_right();
        let livekit = &self.fixture.livekit;
        let rooms = livekit.names().map(|room| (room, livekit.people_inside(room)));
        self.fixture.counter.everybody_is_right(rooms);
        if let Some(ended) = self.looking.try_join_next() {
            ended.expect("a page understands what it is sent");
        }
    }

    /// Pages and instances that do not show exactly the people inside, with what they show.
    async fn who_is_wrong(&self) -> Vec<String> {
        let mut wrong = Vec::new();
        if !self.fixture.livekit.is_idle() {
            wrong.push("webhooks are under way".to_owned());
        }
        for room in self.fixture.livekit.names() {
            let people = self.fixture.livekit.people_inside(room);
            wrong.extend(self.fixture.counter.wrong(room, &people));
            let inside = wording::shown(&people);
            let pages = self.pages.iter().filter(|page| page.rooms.contains(room));
            for page in pages {
                let shown = page.list(room);
                if shown.as_ref() != Some(&inside) {
                    wrong.push(format!(
                        "{} at {} shows in {room}\n  {}\ninside are\n  {inside}",
                        page.name,
                        self.fixture.fleet.name_at(page.port()),
                        shown.as_deref().unwrap_or("nothing")
                    ));
                }
                self.fixture.journal.count("checks of pages");
            }
            // Instances that are asked now would only have less time to become right.
            if !wrong.is_empty() {
                continue;
            }
            wrong.extend(self.answered_wrongly(room, &inside).await);
        }
        if wrong.is_empty() {
            wrong.extend(self.wrong_lists());
            wrong.extend(self.wrong_metadata().await);
            wrong.extend(self.fixture.not_following().await);
        }
        wrong
    }

    /// Instances that answer something else than the people inside.
    async fn answered_wrongly(&self, room: &RoomName, inside: &str) -> Vec<String> {
        let mut wrong = Vec::new();
        for (number, instance) in self.fixture.fleet.instances().iter().enumerate() {
            let shown = self.read(instance, room).await;
            if shown.as_deref() != Some(inside) {
                wrong.push(format!(
                    "instance {number} answers for {room}\n  {}\ninside are\n  {inside}",
                    shown.as_deref().unwrap_or("nothing")
                ));
            }
            self.fixture.journal.count("checks of instances");
        }
        wrong
    }

    /// For a report: what instances answer wrongly of any room.
    async fn wrong_answers(&self) -> String {
        let mut wrong = Vec::new();
        for room in self.fixture.livekit.names() {
            let inside = wording::shown(&self.fixture.livekit.people_inside(room));
            wrong.extend(self.answered_wrongly(room, &inside).await);
        }
        wrong.join("\n")
    }

    /// Instances whose list of rooms does not count exactly the people inside.
    fn wrong_lists(&self) -> Vec<String> {
        let livekit = &self.fixture.livekit;
        let count = |room: &RoomName| (room.to_string(), livekit.people_inside(room).len() as u64);
        let mut inside: Vec<_> = livekit.names().map(count).collect();
        inside.retain(|(_, count)| *count > 0);
        inside.sort();
        let mut wrong = Vec::new();
        for (number, list) in self.lists.iter().enumerate() {
            let shown = list.shown();
            let shown = shown.counts().into_iter().filter(|(_, count)| *count > 0);
            let shown: Vec<_> = shown.map(|(name, count)| (name.to_owned(), count)).collect();
            if shown != inside {
                wrong.push(format!(
                    "instance {number} lists the rooms
  {shown:?}
and inside are
  {inside:?}"
                ));
            }
            self.fixture.journal.count("checks of lists of rooms");
        }
        wrong
    }

    async fn read(&self, instance: &Instance, room: &RoomName) -> Option<String> {
        let request = Request::get(format!("/api/livekit/participants?room={room}"));
        let request = request.body(Body::empty()).unwrap();
        let answer = timeout(MAX_GET, wire::ask(instance.port(), request)).await.ok()?.ok()?;
        let (head, body) = answer.into_parts();
        let body = body.collect().await.ok()?.to_bytes();
        let version = head.headers.get("etag")?.to_str().ok()?.trim_matches('"').parse().ok()?;
        let list = wording::canonical(&serde_json::from_slice(&body).ok()?);
        if let Err(fault) = self.fixture.snapshots.check(room.as_str(), version, &list) {
            self.fixture.journal.violated(fault);
        }
        Some(list)
    }
}

/// Opens a page for each room, more for the first rooms, and some that show several.
fn open_pages(
    rooms: &[RoomName],
    around: &Surroundings,
    random: &mut fastrand::Rng,
) -> Vec<Arc<Page>> {
    let mut pages = Vec::new();
    for index in 0..PAGES_OF_ONE_ROOM {
        let room = rooms[index % rooms.len()].clone();
        pages.push(Page::new(format!("page {index}"), vec![room], around.clone()));
    }
    for index in 0..PAGES_OF_MANY_ROOMS {
        let some = random.usize(2..6);
        let some = random.choose_multiple(rooms.iter().cloned(), some);
        pages.push(Page::new(format!("page of rooms {index}"), some, around.clone()));
    }
    pages
}
