//! Webhooks become rows, whatever happens to the database in between.

use std::time::Duration;

use livekit_presence::{
    app::{App, StartError},
    clock::Clock,
    config::{Config, StartMode},
    history::{Database, HistoryAddress},
    presence::HostTime,
};
use tokio::time;

use crate::harness::{
    Folder, PROCESS_KEYS, PostgresServer, RedisServer, TestApp, TestDatabase, eventually, finished,
    joined, left, started,
};

use super::rows::{self, identities, instances, sessions};

/// The service with this database, and rooms in memory.
async fn app(url: &str) -> TestApp {
    TestApp::with(&[("HISTORY_URL", url), ("LKP__HISTORY__METADATA", "true")]).await
}

#[tokio::test]
async fn a_webhook_that_was_answered_is_in_the_database() {
    for kind in TestDatabase::both().await {
        let app = app(&kind.url()).await;
        app.webhook(started()).await;
        app.webhook(joined("alice").metadata("a desk by the window")).await;
        let database = kind.connect().await;
        let [alice] = sessions(&database).await.try_into().unwrap();
        assert_eq!((alice.identity.as_str(), alice.left_at), ("alice", None));
        assert_eq!(alice.metadata.as_deref(), Some("a desk by the window"));
        app.webhook(left("alice")).await;
        assert!(sessions(&database).await[0].left_at.is_some());
        app.webhook(finished()).await;
        let [room] = instances(&database).await.try_into().unwrap();
        assert_eq!(room.totals.map(|totals| totals.people), Some(1));
        assert!(app.metric(r#"history_items_total{outcome="written"}"#).await >= 4.0);
        eventually("nothing to wait", async || app.metric("history_waiting").await == 0.0).await;
    }
}

#[tokio::test]
async fn what_is_written_after_the_clock_was_set_back_is_newer_than_the_rows() {
    for kind in TestDatabase::both().await {
        let before = app(&kind.url()).await;
        before.webhook(started()).await;
        before.webhook(joined("alice")).await;
        drop(before);
        let database = kind.connect().await;
        for table in ["sessions", "room_instances"] {
            let an_hour_ahead = format!("UPDATE {table} SET seq = seq + 3600000000");
            let pool = database.reader().await.unwrap();
            sqlx::query(sqlx::AssertSqlSafe(an_hour_ahead)).execute(pool).await.unwrap();
        }
        let after = app(&kind.url()).await;
        after.webhook(left("alice")).await;
        assert!(sessions(&database).await[0].left_at.is_some());
        after.webhook(finished()).await;
        assert!(instances(&database).await[0].finished_at.is_some());
    }
}

#[tokio::test]
async fn while_postgres_is_away_lists_are_right_and_everything_is_written_when_it_is_back() {
    let mut server = PostgresServer::not_running().await;
    let app = app(&server.url()).await;
    assert_eq!(app.post(&joined("alice")).await.status, 503);
    assert_eq!(app.participants("general").await.json()[0]["identity"], "alice");
    assert_eq!(app.get("/readyz", &[]).await.status, 200);
    let is_known = async || app.metric("history_database_up").await == 0.0;
    eventually("the metric to say so", is_known).await;
    assert_eq!(app.metric("history_waiting").await, 1.0);
    server.start_again().await;
    eventually("all to be written", async || app.metric("history_waiting").await == 0.0).await;
    app.webhook(joined("bob")).await;
    server.kill().await;
    let carol = joined("carol");
    assert_eq!(app.post(&carol).await.status, 503);
    server.start_again().await;
    let repeated = async || app.post(&carol).await.status == 200;
    eventually("the webhook that LiveKit sends again to be taken", repeated).await;
    let database = Database::connect(&HistoryAddress::parse(&server.url()).unwrap()).await;
    assert_eq!(identities(&database.unwrap()).await, ["alice", "bob", "carol"]);
    assert_eq!(app.metric("history_database_up").await, 1.0);
}

#[tokio::test]
async fn on_redis_webhooks_are_taken_while_postgres_is_away_and_another_instance_writes_them() {
    let redis = RedisServer::start().await;
    let mut server = PostgresServer::not_running().await;
    let url = server.url();
    let settings = [("HISTORY_URL", &*url), ("LKP__SHUTDOWN__DRAIN", "0s")];
    let mut first = TestApp::on(Some(&redis), &settings, PROCESS_KEYS).await;
    first.webhook(started()).await;
    first.webhook(joined("alice")).await;
    first.webhook(joined("bob")).await;
    first.tell_to_end();
    first.ended().await;
    server.start_again().await;
    let second = TestApp::on(Some(&redis), &settings, PROCESS_KEYS).await;
    second.webhook(left("alice")).await;
    let database = Database::connect(&HistoryAddress::parse(&url).unwrap()).await.unwrap();
    let is_written = async || {
        let rows = sessions(&database).await;
        let ends: Vec<_> = rows.iter().map(|row| (&*row.identity, row.left_at.is_some())).collect();
        ends == [("alice", true), ("bob", false)]
    };
    eventually("all of it to be written", is_written).await;
    eventually("the outbox to be empty", async || redis.keys("lkp:history:{b*").await.is_empty())
        .await;
    assert_eq!(instances(&database).await.len(), 1);
}

#[tokio::test]
async fn what_waits_in_redis_goes_as_early_as_the_history_would_delete_it() {
    let redis = RedisServer::start().await;
    let server = PostgresServer::not_running().await;
    let settings = [("HISTORY_URL", &*server.url()), ("LKP__HISTORY__KEEP", "2h")];
    let app = TestApp::on(Some(&redis), &settings, PROCESS_KEYS).await;
    app.webhook(joined("alice")).await;
    let key = &redis.keys("lkp:history:{b*").await[0];
    let secs: i64 = redis.ask(&["TTL", key]).await.text().parse().unwrap();
    assert!((7_190..=7_200).contains(&secs), "{secs}");
}

#[tokio::test]
async fn while_another_process_holds_the_file_webhooks_wait_and_none_is_lost() {
    let kind = TestDatabase::sqlite();
    let app = app(&kind.url()).await;
    app.webhook(joined("alice")).await;
    let other = kind.connect().await;
    assert_eq!(identities(&other).await, ["alice"]);
    let held = other.reader().await.unwrap().begin_with("BEGIN IMMEDIATE").await.unwrap();
    assert_eq!(app.post(&joined("bob")).await.status, 503);
    assert_eq!(identities(&other).await, ["alice"]);
    held.rollback().await.unwrap();
    let carol = joined("carol");
    eventually("webhooks to be taken", async || app.post(&carol).await.status == 200).await;
    assert_eq!(identities(&other).await, ["alice", "bob", "carol"]);
}

#[tokio::test]
async fn a_step_that_the_database_refuses_is_left_out_and_all_others_are_written() {
    let mut server = PostgresServer::not_running().await;
    let app = app(&server.url()).await;
    // No index row of PostgreSQL holds it, and it does not compress.
    let long: String = (0..20_000).map(|_| fastrand::alphanumeric()).collect();
    let webhooks = [joined("alice"), joined("bob").sid(&long), joined("carol")];
    let posts = webhooks.each_ref().map(|webhook| app.post(webhook));
    for response in futures_util::future::join_all(posts).await {
        assert_eq!(response.status, 503);
    }
    server.start_again().await;
    let database = Database::connect(&HistoryAddress::parse(&server.url()).unwrap()).await.unwrap();
    let written = async || {
        let mut written = identities(&database).await;
        written.sort();
        written == ["alice", "carol"]
    };
    eventually("all others to be written", written).await;
    eventually("all to be done", async || app.metric("history_waiting").await == 0.0).await;
    assert_eq!(app.metric(r#"history_items_total{outcome="refused"}"#).await, 1.0);
}

#[tokio::test]
async fn what_was_kept_long_enough_is_deleted_at_the_start() {
    for kind in TestDatabase::both().await {
        let database = kind.connect().await;
        let hours_ago = |hours: u64| {
            let now = Clock::system().now().as_millis() - hours * 3_600_000;
            i64::try_from(now).unwrap()
        };
        let old = rows::left("PA_old", "old", hours_ago(9), hours_ago(3));
        let young = rows::left("PA_young", "young", hours_ago(9), hours_ago(1));
        let items = vec![rows::item(1, old), rows::item(2, young)];
        database.write(items).await.unwrap();
        let settings = [("HISTORY_URL", &*kind.url()), ("LKP__HISTORY__KEEP", "2h")];
        let app = TestApp::with(&settings).await;
        eventually("the old row to go", async || identities(&database).await == ["young"]).await;
        let deleted = r#"history_rows_deleted_total{rows="sessions"}"#;
        eventually("the metric", async || app.metric(deleted).await == 1.0).await;
    }
}

#[tokio::test]
async fn what_was_kept_long_enough_meanwhile_is_deleted_each_hour() {
    let kind = TestDatabase::sqlite();
    let database = kind.connect().await;
    let now = Clock::system().now();
    let millis = |minutes: u64| i64::try_from(now.as_millis() - minutes * 60_000).unwrap();
    let old = rows::left("PA_old", "old", millis(200), millis(180));
    let young = rows::left("PA_young", "young", millis(200), millis(90));
    database.write(vec![rows::item(1, old), rows::item(2, young)]).await.unwrap();
    let settings = [("HISTORY_URL", &*kind.url()), ("LKP__HISTORY__KEEP", "2h")];
    let app = TestApp::with(&settings).await;
    let deleted = r#"history_rows_deleted_total{rows="sessions"}"#;
    eventually("the sweep at the start", async || app.metric(deleted).await == 1.0).await;
    assert_eq!(identities(&database).await, ["young"]);
    app.clock.set(HostTime::from_micros(now.as_micros() + 3_600_000_000));
    time::pause();
    time::advance(Duration::from_hours(1)).await;
    time::resume();
    eventually("the next one", async || app.metric(deleted).await == 2.0).await;
    assert_eq!(identities(&database).await, [""; 0]);
}

#[tokio::test]
async fn metadata_is_in_no_row_unless_the_operator_wants_it() {
    let redis = RedisServer::start().await;
    for redis in [None, Some(&redis)] {
        let kind = TestDatabase::sqlite();
        let app = TestApp::on(redis, &[("HISTORY_URL", &*kind.url())], PROCESS_KEYS).await;
        app.webhooks([started(), joined("alice").metadata("a desk by the window")]).await;
        let database = kind.connect().await;
        eventually("the row", async || identities(&database).await == ["alice"]).await;
        app.webhook(left("alice").metadata("a desk by the door")).await;
        let has_left = async || sessions(&database).await[0].left_at.is_some();
        eventually("the row's end", has_left).await;
        assert_eq!(sessions(&database).await[0].metadata, None);
    }
}

#[tokio::test]
async fn a_file_that_cannot_be_written_is_an_error_at_the_start() {
    let folder = Folder::new("history");
    let no_database = folder.path().join("notes.txt");
    std::fs::write(&no_database, "These are notes and no database. ".repeat(100)).unwrap();
    for path in [folder.path().join("missing/history.db"), no_database, folder.path().into()] {
        let url = format!("sqlite:{}", path.display());
        let variables = [
            ("LIVEKIT_KEYS", PROCESS_KEYS),
            ("LKP__HTTP__BIND", "127.0.0.1:0"),
            ("HISTORY_URL", &*url),
        ];
        let variables = variables.map(|(name, value)| (name.to_owned(), value.to_owned()));
        let config = Config::from_variables(variables, StartMode::Serve).unwrap();
        let refused = App::build(&config, Clock::system()).await.err().expect("it cannot start");
        assert!(matches!(refused, StartError::History { .. }), "{refused}");
        let told = refused.to_string();
        assert!(told.contains(&url) && told.contains("`history.url` must"), "{told}");
    }
}

#[tokio::test]
async fn a_file_that_another_process_holds_does_not_keep_the_service_from_starting() {
    let kind = TestDatabase::sqlite();
    let other = kind.connect().await;
    let held = other.reader().await.unwrap().begin_with("BEGIN IMMEDIATE").await.unwrap();
    let url = kind.url();
    let variables = [
        ("LIVEKIT_KEYS", PROCESS_KEYS),
        ("LKP__HTTP__BIND", "127.0.0.1:0"),
        ("HISTORY_URL", &*url),
    ];
    let variables = variables.map(|(name, value)| (name.to_owned(), value.to_owned()));
    let config = Config::from_variables(variables, StartMode::Serve).unwrap();
    let started =
        tokio::time::timeout(Duration::from_secs(15), App::build(&config, Clock::system()));
    assert!(started.await.unwrap().is_ok());
    drop(held);
}
