//! What the history answers, on databases of both kinds.

use std::{
    future::poll_fn,
    pin::pin,
    sync::Arc,
    time::{Duration, Instant},
};

use livekit_presence::{
    history::{
        Attended, Order, Page, Period, Person, Position, Reader, ReadingError, TimeRange,
        identity_key,
    },
    presence::RoomName,
};

use crate::harness::TestDatabase;

use super::past::{PastSession, insert, insert_instance, past};

const HOUR: i64 = 3_600_000;
const RANGE: TimeRange = TimeRange { from: 0, to: 1_000, now: 10_000 };

async fn reader(kind: &TestDatabase, sessions: &[PastSession]) -> Reader {
    let database = kind.connect().await;
    insert(&database, sessions).await;
    Reader::new(Arc::new(database))
}

fn general() -> RoomName {
    RoomName::parse("general").unwrap()
}

fn identities(people: &[Person]) -> Vec<&str> {
    people.iter().map(|person| &*person.identity).collect()
}

/// All pages, one after the other.
async fn all_pages<T>(read: impl AsyncFn(Option<&Position>) -> Page<T>) -> Vec<Vec<T>> {
    let mut pages = Vec::new();
    let mut after = None;
    loop {
        let page = read(after.as_ref()).await;
        pages.push(page.entries);
        assert!(pages.len() < 1_000, "it never ends");
        match page.next {
            Some(next) => after = Some(next),
            None => return pages,
        }
    }
}

#[tokio::test]
async fn people_come_in_order_of_their_first_join_then_of_the_hash_of_their_identity() {
    for kind in TestDatabase::both().await {
        let sessions = [
            past("PA_1", "general", "dora", 100, Some(200)),
            past("PA_2", "general", "Bob", 50, Some(60)),
            past("PA_3", "general", "ärnie", 50, Some(60)),
            past("PA_4", "general", "alice", 50, Some(60)),
            past("PA_5", "general", "dora", 20, Some(30)),
            past("PA_6", "other", "eve", 50, Some(60)),
            past("PA_7", "general", "gone", -50, Some(0)),
            past("PA_8", "general", "later", 1_000, Some(1_100)),
        ];
        let reader = reader(&kind, &sessions).await;
        let room = general();
        let pages = all_pages(async |after| {
            reader.people(Attended::Room(&room), &RANGE, after, 2).await.unwrap()
        });
        let pages = pages.await;
        let pages: Vec<_> = pages.iter().map(|page| identities(page)).collect();
        let mut together = ["alice", "ärnie", "Bob"];
        together.sort_by_key(|identity| identity_key(identity));
        let [second, third, fourth] = together;
        assert_eq!(pages, [["dora", second], [third, fourth]]);
    }
}

/// Sessions of 60 people, which overlap.
fn random_sessions(random: &mut fastrand::Rng) -> Vec<PastSession> {
    let session = |nth: u32| {
        let from = random.i64(-200..1_200);
        let to = random.bool().then(|| from + random.i64(0..300));
        let identity = format!("person-{}", random.u32(0..60));
        past(&format!("PA_{nth:03}"), "general", &identity, from, to)
    };
    (0..300).map(session).collect()
}

#[tokio::test]
async fn pages_of_any_size_have_the_same_people_as_one() {
    for kind in TestDatabase::both().await {
        let sessions = random_sessions(&mut fastrand::Rng::with_seed(7));
        let reader = reader(&kind, &sessions).await;
        let room = general();
        let ask = async |after: Option<&Position>, limit| {
            reader.people(Attended::Room(&room), &RANGE, after, limit).await.unwrap()
        };
        let whole = ask(None, 1_000).await;
        assert_eq!(whole.next, None);
        for limit in [1, 7, 59] {
            let pages = all_pages(async |after| ask(after, limit).await).await;
            assert!(pages.iter().all(|page| page.len() <= limit));
            assert_eq!(pages.concat(), whole.entries, "pages of {limit}");
        }
        let expected = (0..60).filter(|nth| {
            let identity = format!("person-{nth}");
            let is_inside = |at: i64| {
                sessions.iter().any(|session| {
                    let span = session.spans.inside[0];
                    session.identity == identity
                        && span.from <= at
                        && span.to.is_none_or(|to| at < to)
                })
            };
            let millis = (0..1_000).filter(|at| is_inside(*at)).count();
            let person = whole.entries.iter().find(|person| person.identity == identity);
            assert_eq!(
                person.map_or(0, |person| person.duration_ms),
                i64::try_from(millis).unwrap()
            );
            person.is_some()
        });
        assert_eq!(expected.count(), whole.entries.len());
    }
}

#[tokio::test]
async fn lives_of_rooms_come_newest_first_with_who_is_in_those_that_go_on() {
    for kind in TestDatabase::both().await {
        let mut agent = past("PA_4", "general", "agent", 500, None).in_instance("RM_2");
        agent.agent = true;
        let sessions = [
            past("PA_1", "general", "alice", 500, None).in_instance("RM_2"),
            past("PA_2", "general", "alice", 510, Some(520)).in_instance("RM_2"),
            past("PA_3", "general", "bob", 510, Some(520)).in_instance("RM_2"),
            agent,
        ];
        let reader = reader(&kind, &sessions).await;
        let database = kind.connect().await;
        insert_instance(&database, "RM_1", "general", 0, Some(100)).await;
        insert_instance(&database, "RM_2", "general", 500, None).await;
        insert_instance(&database, "RM_3", "other", 500, Some(700)).await;
        insert_instance(&database, "RM_0", "general", -50, Some(0)).await;
        let lives = |room: Option<&'static str>, order, limit| {
            let reader = reader.clone();
            async move {
                let pages = all_pages(async |after| {
                    reader.instances(room, &RANGE, order, after, limit).await.unwrap()
                });
                pages.await.concat()
            }
        };
        let sids = |lives: &[livekit_presence::history::CountedInstance]| {
            lives.iter().map(|life| life.row.sid.clone()).collect::<Vec<_>>()
        };
        let all = lives(None, Order::NewestFirst, 1).await;
        assert_eq!(sids(&all), ["RM_3", "RM_2", "RM_1"]);
        let of_room = lives(Some("general"), Order::OldestFirst, 5).await;
        assert_eq!(sids(&of_room), ["RM_1", "RM_2"]);
        let open = &of_room[1];
        assert_eq!((open.people, open.sessions, open.active), (2, 3, 1));
        assert_eq!(reader.peak(&open.row).await.unwrap(), 2);
        assert_eq!(reader.instance("RM_2").await.unwrap().as_ref(), Some(open));
        assert_eq!(reader.instance("RM_\0").await.unwrap(), None);
    }
}

#[tokio::test]
async fn sessions_of_a_person_come_newest_first_and_no_other_persons() {
    for kind in TestDatabase::both().await {
        let sessions = [
            past("PA_1", "general", "alice", 100, Some(200)),
            past("PA_2", "other", "alice", 300, None),
            past("PA_3", "general", "alice", 100, Some(150)),
            past("PA_4", "general", "bob", 100, Some(200)),
            past("PA_5", "general", "alice", 2_000, None),
        ];
        let reader = reader(&kind, &sessions).await;
        let pages = all_pages(async |after| {
            reader.sessions_of_person("alice", &RANGE, after, 2).await.unwrap()
        });
        let pages = pages.await;
        let sids: Vec<_> = pages.iter().flatten().map(|row| &*row.sid).collect();
        assert_eq!(sids, ["PA_2", "PA_3", "PA_1"]);
        let open = reader.open_sessions_of("alice").await.unwrap();
        let open: Vec<_> = open.iter().map(|row| &*row.sid).collect();
        assert_eq!(open, ["PA_5", "PA_2"]);
        assert!(reader.open_sessions_of("al\0ice").await.unwrap().is_empty());
    }
}

#[tokio::test]
async fn usage_is_the_same_in_pages_of_any_size_and_skips_times_without_anybody() {
    for kind in TestDatabase::both().await {
        let mut random = fastrand::Rng::with_seed(9);
        let years = 50 * 365 * 24 * HOUR;
        let sessions: Vec<_> = (0..400)
            .map(|nth| {
                // Some in 1980, the rest in 2020.
                let decade = if nth % 40 == 0 { 10 } else { 50 };
                let from = years / 50 * decade + random.i64(0..72 * HOUR);
                let room = format!("room-{}", random.u32(0..4));
                let identity = format!("person-{}", random.u32(0..30));
                past(
                    &format!("PA_{nth}"),
                    &room,
                    &identity,
                    from,
                    Some(from + random.i64(0..3 * HOUR)),
                )
            })
            .collect();
        let reader = reader(&kind, &sessions).await;
        let range = TimeRange { from: 0, to: 2 * years, now: 2 * years };
        let ask = async |room: Option<&str>, after: Option<&Position>, limit| {
            reader.usage(room, Period::Hour, &range, after, limit).await.unwrap()
        };
        let whole = all_pages(async |after| ask(None, after, 1_000).await).await.concat();
        let starts: Vec<_> = whole.iter().map(|one| (one.start_ms, &*one.room)).collect();
        assert!(starts.is_sorted(), "by hour, then by room");
        assert!(whole.len() > 200);
        for limit in [1, 50] {
            let pages = all_pages(async |after| ask(None, after, limit).await).await;
            assert!(pages.iter().all(|page| page.len() <= limit));
            assert_eq!(pages.concat(), whole, "pages of {limit}");
        }
        let of_room = all_pages(async |after| ask(Some("room-2"), after, 10).await).await.concat();
        let expected: Vec<_> = whole.iter().filter(|one| one.room == "room-2").cloned().collect();
        assert_eq!(of_room, expected);
        assert!(ask(Some("nowhere"), None, 10).await.entries.is_empty());
    }
}

#[tokio::test]
async fn a_question_about_too_much_is_refused_before_it_is_read() {
    let kind = TestDatabase::sqlite();
    let many: Vec<_> = (0..100_001)
        .map(|nth| past(&format!("PA_{nth}"), "general", "alice", nth % 900, Some(950)))
        .collect();
    let reader = reader(&kind, &many).await;
    let room = general();
    let refused = reader.people(Attended::Room(&room), &RANGE, None, 1).await;
    assert!(matches!(refused, Err(ReadingError::TooMuch { max: 100_000 })), "{refused:?}");
    let refused = reader.usage(None, Period::Hour, &RANGE, None, 1).await;
    assert!(matches!(refused, Err(ReadingError::PeriodTooLarge { max: 50_000 })), "{refused:?}");
}

/// The longest time that a question holds the thread of its task without giving way, as a part of all its time.
async fn longest_part<T>(question: impl Future<Output = T>) -> f64 {
    let mut question = pin!(question);
    let start = Instant::now();
    let mut longest = Duration::ZERO;
    poll_fn(|context| {
        let begin = Instant::now();
        let polled = question.as_mut().poll(context);
        longest = longest.max(begin.elapsed());
        polled
    })
    .await;
    longest.as_secs_f64() / start.elapsed().as_secs_f64()
}

#[tokio::test]
async fn a_long_answer_holds_no_thread_that_others_need() {
    for kind in TestDatabase::both().await {
        let sessions: Vec<_> = (0..15_000)
            .map(|nth| {
                let identity = format!("person-{}", nth % 900);
                past(&format!("PA_{nth}"), "general", &identity, nth % 500, Some(950))
                    .in_instance("RM_1")
            })
            .collect();
        let reader = reader(&kind, &sessions).await;
        insert_instance(&kind.connect().await, "RM_1", "general", 0, None).await;
        let life = reader.instance("RM_1").await.unwrap().unwrap().row;
        let room = general();
        let parts = [
            longest_part(reader.people(Attended::Room(&room), &RANGE, None, 1_000)).await,
            longest_part(reader.usage(None, Period::Hour, &RANGE, None, 1_000)).await,
            longest_part(reader.peak(&life)).await,
        ];
        assert!(parts.iter().all(|part| *part < 0.2), "{parts:?}");
    }
}
