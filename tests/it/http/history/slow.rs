//! A database that takes its time: who waits for whom, and what is answered all the same.

use sqlx::AnyPool;

use crate::harness::eventually;

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
    let late = async {
        eventually("three questions to wait", async || waiting(pool).await == 3).await;
        with.get_as("somebody", "sessions").await
    };
    let (.., late) = tokio::join!(others("alice"), others("bob"), others("carol"), late);
    assert!(late.problem(503).contains("busy with other questions"));
    assert_eq!(late.header("retry-after"), "1");
}
