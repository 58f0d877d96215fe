//! A database that stands still, and rows that are not understood.

use livekit_presence::history::{Database, HistoryAddress, HistoryError};

use crate::harness::{
    PROCESS_KEYS, PostgresServer, Process, RedisServer, TcpProxy, TestApp, TestDatabase,
    eventually, joined as join, patiently, started, within_deadline,
};

use super::rows::{identities, item, joined, left};

async fn connect(url: &str) -> Database {
    Database::connect(&HistoryAddress::parse(url).unwrap()).await.unwrap()
}

#[tokio::test]
async fn questions_take_no_connection_from_what_is_written() {
    for kind in TestDatabase::both().await {
        let database = kind.connect().await;
        let mut taken = Vec::new();
        while let Ok(connection) = database.reader().await.unwrap().acquire().await {
            taken.push(connection);
        }
        database.write(vec![item(1, joined("PA_a", "alice", 1_000))]).await.unwrap();
        drop(taken);
        assert_eq!(identities(&database).await, ["alice"]);
    }
}

#[tokio::test]
async fn a_question_that_nobody_waits_for_any_more_ends() {
    let kind = TestDatabase::postgres().await;
    let database = kind.connect().await;
    let asked = sqlx::query("SELECT pg_sleep(600)").execute(database.reader().await.unwrap());
    within_deadline("it to end", asked).await.unwrap_err();
}

#[tokio::test]
async fn an_instance_that_is_gone_while_it_writes_does_not_keep_others_from_it() {
    let server = PostgresServer::start().await;
    let proxy = TcpProxy::start(server.port).await;
    let through = server.url().replace(&server.port.to_string(), &proxy.port.to_string());
    let other = connect(&server.url()).await;
    let gone = connect(&through).await;
    let pool = other.reader().await.unwrap();
    let mut held = pool.begin().await.unwrap();
    sqlx::query("LOCK TABLE sessions").execute(&mut *held).await.unwrap();
    let writing = tokio::spawn(async move {
        let _ = gone.write(vec![item(1, joined("PA_a", "alice", 1_000))]).await;
    });
    let waits = "SELECT COUNT(*) FROM pg_locks WHERE NOT granted";
    eventually("it to wait in the middle of a transaction", async || {
        sqlx::query_scalar::<_, i64>(waits).fetch_one(pool).await.unwrap() == 1
    })
    .await;
    proxy.black_hole();
    held.rollback().await.unwrap();
    let writes = async || other.write(vec![item(2, joined("PA_b", "bob", 1_000))]).await.is_ok();
    patiently("the other to write", writes).await;
    writing.abort();
}

#[tokio::test]
async fn what_waits_is_told_while_the_database_stands_still() {
    let kind = TestDatabase::postgres().await;
    let other = kind.connect().await;
    let app = TestApp::with(&[("HISTORY_URL", &*kind.url())]).await;
    app.webhook(join("alice")).await;
    assert_eq!(sorted(&other).await, ["alice"]);
    let mut held = other.reader().await.unwrap().begin().await.unwrap();
    sqlx::query("LOCK TABLE journal").execute(&mut *held).await.unwrap();
    let webhooks = [join("bob"), join("carol"), join("dora")];
    let posts = webhooks.each_ref().map(|webhook| app.post(webhook));
    for response in futures_util::future::join_all(posts).await {
        assert_eq!(response.status, 503);
    }
    assert_eq!(app.metric("history_waiting").await, 3.0);
    held.rollback().await.unwrap();
    eventually("all to be written", async || app.metric("history_waiting").await == 0.0).await;
    assert_eq!(sorted(&other).await, ["alice", "bob", "carol", "dora"]);
}

async fn sorted(database: &Database) -> Vec<String> {
    let mut identities = identities(database).await;
    identities.sort();
    identities
}

#[tokio::test]
async fn a_row_of_a_later_release_is_not_taken_for_data_that_is_refused() {
    for kind in TestDatabase::both().await {
        let database = kind.connect().await;
        database.write(vec![item(1, left("PA_a", "alice", 1_000, 2_000))]).await.unwrap();
        let later = "UPDATE sessions SET left_why = 'vanished'";
        sqlx::query(later).execute(database.reader().await.unwrap()).await.unwrap();
        let again = database.write(vec![item(2, left("PA_a", "alice", 1_000, 3_000))]).await;
        assert!(matches!(again, Err(HistoryError::Unreadable(_))), "{again:?}");
    }
}

#[tokio::test]
async fn what_an_instance_took_that_was_killed_is_written_by_one_that_runs() {
    let redis = RedisServer::start().await;
    let mut server = PostgresServer::not_running().await;
    let url = server.url();
    let settings = [("HISTORY_URL", &*url)];
    let app = TestApp::on(Some(&redis), &settings, PROCESS_KEYS).await;
    let mut killed = Process::start(&[("REDIS_URL", &redis.url()), settings[0]]).await;
    killed.webhooks([started(), join("alice"), join("bob")]).await;
    killed.kill().await;
    server.start_again().await;
    let database = connect(&url).await;
    patiently("it to be written", async || identities(&database).await == ["alice", "bob"]).await;
    patiently("the outbox to be empty", async || redis.keys("lkp:history:{b*").await.is_empty())
        .await;
    eventually("nothing to wait", async || app.metric("history_waiting").await == 0.0).await;
}

#[tokio::test]
async fn what_was_answered_is_in_the_history_although_the_process_was_killed_at_once() {
    for kind in TestDatabase::both().await {
        let url = kind.url();
        let settings = [("HISTORY_URL", &*url)];
        let mut killed = Process::start(&settings).await;
        killed.webhooks([started(), join("alice"), join("bob")]).await;
        killed.kill().await;
        let _next = Process::start(&settings).await;
        assert_eq!(identities(&kind.connect().await).await, ["alice", "bob"]);
    }
}
