//! A database that takes its time: who waits for whom, and what is answered all the same.

use std::pin::pin;

use sqlx::AnyPool;

use crate::harness::{eventually, patiently};

use super::*;

/// How many questions for analytics wait for a lock on their table.
async fn waiting(pool: &AnyPool) -> i64 {
    let waits = "SELECT COUNT(*) FROM pg_stat_activity \
                 WHERE wait_event_type = 'Lock' AND query = 'SELECT MIN(joined_at) FROM sessions'";
    sqlx::query_scalar(waits).fetch_one(pool).await.unwrap()
}

impl WithPast {
    async fn get_as(&self, identity: &str, target: &str) -> Response {
        let video = VideoGrant { room_list: true, ..VideoGrant::default() };
        let bearer = format!("Bearer {}", self.app.token_with(video, identity, 60));
        self.app.get(&format!("/api/livekit/{target}"), &[("Authorization", &bearer)]).await
    }
}

#[tokio::test]
async fn a_client_that_asks_all_the_time_keeps_no_other_from_an_answer() {
    let with = WithPast::on_postgres(&[]).await;
    assert_eq!(with.get_as("somebody", "sessions").await.status, 200);
    let pool = with.database.reader().await.unwrap();
    let mut held = pool.begin().await.unwrap();
    sqlx::query("LOCK TABLE sessions").execute(&mut *held).await.unwrap();
    let greedy = async || with.get_as("greedy", "analytics").await;
    let others = async {
        eventually("a question to wait", async || waiting(pool).await > 0).await;
        // Lives of rooms are in another table.
        with.get_as("somebody", "sessions").await
    };
    let (first, second, third, other) = tokio::join!(greedy(), greedy(), greedy(), others);
    assert_eq!(other.status, 200, "{}", other.text());
    let mut greedy = [first, second, third];
    greedy.sort_by_key(|answer| answer.status);
    let [second, third, first] = greedy;
    assert!(first.problem(503).contains("did not answer in time"));
    for late in [second, third] {
        assert!(late.problem(429).contains("one question at a time"));
        assert_eq!(late.header("retry-after"), "1");
    }
}

#[tokio::test]
async fn where_others_take_all_turns_the_answer_says_busy_and_when_to_ask_again() {
    let with = WithPast::on_postgres(&[]).await;
    assert_eq!(with.get_as("somebody", "sessions").await.status, 200);
    let pool = with.database.reader().await.unwrap();
    let mut held = pool.begin().await.unwrap();
    sqlx::query("LOCK TABLE sessions").execute(&mut *held).await.unwrap();
    let others = async |identity| with.get_as(identity, "analytics").await;
    // On a machine that takes two seconds to ask the three, the fourth has its turn when they have given up.
    patiently("the fourth to come in time", async || {
        let three = async { tokio::join!(others("alice"), others("bob"), others("carol")) };
        let mut three = pin!(three);
        let wait = eventually("three questions to wait", async || waiting(pool).await == 3);
        tokio::select! {
            _ = &mut three => return false,
            () = wait => {}
        }
        let (_, late) = tokio::join!(three, with.get_as("somebody", "sessions"));
        if late.status == 200 {
            return false;
        }
        assert!(late.problem(503).contains("busy with other questions"));
        assert_eq!(late.header("retry-after"), "1");
        true
    })
    .await;
}

#[tokio::test]
async fn a_page_by_instance_ends_where_the_database_takes_long_and_the_next_one_goes_on() {
    let sids: Vec<_> = (0..6).map(|nth| format!("RM_{nth}")).collect();
    let sessions: Vec<_> = sids
        .iter()
        .map(|sid| past(&format!("PA_{sid}"), "general", "alice", 0, Some(1_000)).in_instance(sid))
        .collect();
    let with = WithPast::on_postgres(&sessions).await;
    for (nth, sid) in (0..).zip(&sids) {
        life(&with, sid, "general", nth, Some(1_000)).await;
    }
    let mut target = format!("rooms/general/attendance?by=instance&{ON_THE_DAY}");
    assert_eq!(with.json(&target).await["instances"].as_array().unwrap().len(), 6);
    // Each look into the table takes a quarter of a second, and a life of a room needs four.
    let pool = with.database.reader().await.unwrap();
    for statement in [
        "ALTER TABLE sessions RENAME TO quick",
        "CREATE VIEW sessions AS WITH slow AS MATERIALIZED (SELECT pg_sleep(0.25)) \
         SELECT quick.* FROM slow CROSS JOIN quick",
    ] {
        sqlx::query(statement).execute(pool).await.unwrap();
    }
    let (mut seen, mut pages) = (Vec::new(), 0);
    loop {
        let page = with.json(&target).await;
        pages += 1;
        for instance in page["instances"].as_array().unwrap() {
            assert_eq!(instance["people"][0]["identity"], "alice");
            seen.push(instance["sid"].as_str().unwrap().to_owned());
        }
        let Some(next) = page["next"].as_str() else { break };
        target = format!("rooms/general/attendance?by=instance&cursor={next}");
    }
    assert_eq!(seen, sids);
    assert!(pages > 1);
}
