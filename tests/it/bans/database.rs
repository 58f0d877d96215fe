//! Bans survive a restart, and a store that lost everything.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use livekit_presence::{
    clock::Clock,
    coordination::SingleInstance,
    history::{Database, HistoryAddress},
    moderation::{
        Audit, BanError, BanMetrics, BanPosition, BanRecord, BanRecords, Bans, ModerationMetrics,
        RecordError,
    },
    presence::{Applied, Ban, HostTime, Identity, RoomName, Rules, StoreTime},
    store::{MemoryStore, Store},
};
use prometheus_client::registry::Registry;

use crate::{
    harness::{
        PROCESS_KEYS, Process, RedisServer, TestClock, TestDatabase, eventually, identities,
        joined, started,
    },
    store::webhooks,
};

use super::{admin_of, ask, token};

fn room(name: &str) -> RoomName {
    webhooks::room(name)
}

fn bans_on(store: &Arc<dyn Store>, database: &Arc<Database>) -> Arc<Bans> {
    let records = Arc::clone(database) as Arc<dyn BanRecords>;
    bans_with(store, records)
}

fn bans_with(store: &Arc<dyn Store>, records: Arc<dyn BanRecords>) -> Arc<Bans> {
    let mut registry = Registry::default();
    let metrics = BanMetrics::register(&mut registry);
    let acts = ModerationMetrics::register(&mut registry);
    let audit = Audit::new(Arc::clone(store), Clock::system(), acts);
    let peers = Arc::<SingleInstance>::default();
    Bans::start(Arc::clone(store), None, Some(records), peers, metrics, audit, false)
}

fn memory(clock: &TestClock) -> Arc<dyn Store> {
    Arc::new(MemoryStore::new(Rules::default(), clock.clock()))
}

async fn ban_now(store: &Arc<dyn Store>, until: Option<Duration>) -> Ban {
    let now = StoreTime::from_millis(store.now().await.unwrap().as_millis());
    let until = until.map(|time| now + time);
    Ban { until, at: now, by: "mod\0erator".to_owned(), reason: Some("spam".to_owned()) }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_store_has_lost_is_put_back_and_what_was_lifted_is_not() {
    for kind in TestDatabase::both().await {
        let database = Arc::new(kind.connect().await);
        let clock = TestClock::default();
        let start = HostTime::from_millis(1_800_000_000_000);
        clock.set(start);
        let store = memory(&clock);
        let bans = bans_on(&store, &database);
        let long: String = (0..1_000).map(|_| fastrand::alphanumeric()).collect();
        let people = ["alice", "nul\0inside", "dé/ja 🚪", &long].map(Identity::new);
        for identity in &people {
            let ban = ban_now(&store, None).await;
            bans.set(&room("general"), identity, &ban).await.unwrap();
        }
        let soon = ban_now(&store, Some(Duration::from_mins(1))).await;
        bans.set(&room("other"), &people[0], &soon).await.unwrap();
        assert!(bans.lift(&room("general"), &people[0], "moderator").await.unwrap());
        assert!(!bans.lift(&room("general"), &people[0], "moderator").await.unwrap());

        clock.set(start + Duration::from_mins(1));
        let empty = memory(&clock);
        let restored = bans_on(&empty, &database);
        restored.restore().await;
        let mut banned: Vec<_> = restored.list(&room("general")).await.unwrap();
        let mut expected = bans.list(&room("general")).await.unwrap();
        // PostgreSQL takes no NUL in a name.
        for (_, ban) in &mut expected {
            ban.by = "mod\u{fffd}erator".to_owned();
        }
        banned.sort_by(|a, b| a.0.cmp(&b.0));
        assert_eq!(banned.len(), 3);
        assert_eq!(banned, expected);
        assert!(restored.list(&room("other")).await.unwrap().is_empty(), "it was over");
        let applied = empty.apply(&webhooks::joined(&room("general"), "nul\0inside", 1)).await;
        assert!(matches!(applied.unwrap(), Applied::OfBanned(_)));
        assert!(restored.is_banned(&room("general"), &people[2]).await.unwrap());
        let (records, _) = database.page(None, 10).await.unwrap();
        assert_eq!(records.len(), 3, "what is over is deleted");
    }
}

/// Records that a moderator deletes after they were read.
struct LiftedMeanwhile {
    database: Arc<Database>,
    /// How often somebody asked afterwards whether a ban is still there.
    asked: AtomicUsize,
}

#[async_trait]
impl BanRecords for LiftedMeanwhile {
    async fn save(&self, record: &BanRecord) -> Result<(), RecordError> {
        self.database.save(record).await
    }

    async fn delete(
        &self,
        room: &RoomName,
        identity: &Identity,
    ) -> Result<Option<Ban>, RecordError> {
        self.database.delete(room, identity).await
    }

    async fn has(&self, record: &BanRecord) -> Result<bool, RecordError> {
        self.asked.fetch_add(1, Ordering::Relaxed);
        self.database.has(record).await
    }

    async fn page(
        &self,
        after: Option<&BanPosition>,
        max: usize,
    ) -> Result<(Vec<BanRecord>, Option<BanPosition>), RecordError> {
        let (records, next) = self.database.page(after, max).await?;
        for record in &records {
            self.database.delete(&record.room, &record.identity).await?;
        }
        Ok((records, next))
    }

    async fn delete_ended(&self, now: StoreTime) -> Result<(), RecordError> {
        self.database.delete_ended(now).await
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_ban_that_is_lifted_while_it_is_put_back_is_lifted() {
    let kind = TestDatabase::sqlite();
    let database = Arc::new(kind.connect().await);
    let store = memory(&TestClock::default());
    let (general, bob) = (room("general"), Identity::new("bob"));
    let record = BanRecord {
        room: general.clone(),
        identity: bob.clone(),
        ban: ban_now(&store, None).await,
    };
    database.save(&record).await.unwrap();
    let records = Arc::new(LiftedMeanwhile { database, asked: AtomicUsize::new(0) });
    let bans = bans_with(&store, Arc::clone(&records) as Arc<dyn BanRecords>);
    eventually("it to be put back", async || records.asked.load(Ordering::Relaxed) > 0).await;
    eventually("it to be lifted", async || !bans.is_banned(&general, &bob).await.unwrap()).await;
}

#[tokio::test]
async fn records_come_in_pages_that_leave_nobody_out() {
    for kind in TestDatabase::both().await {
        let database = kind.connect().await;
        let store = memory(&TestClock::default());
        let mut expected = Vec::new();
        for number in 0..25 {
            let identity = Identity::new(format!("user-{number}"));
            let room = room(if number % 3 == 0 { "general" } else { "other" });
            let ban = Ban { by: "moderator".to_owned(), ..ban_now(&store, None).await };
            let record = BanRecord { room, identity, ban };
            database.save(&record).await.unwrap();
            // In place of the first.
            database.save(&record).await.unwrap();
            assert!(database.has(&record).await.unwrap());
            expected.push(record);
        }
        let (mut found, mut after): (Vec<BanRecord>, Option<BanPosition>) = (Vec::new(), None);
        loop {
            let (page, next) = database.page(after.as_ref(), 7).await.unwrap();
            assert!(page.len() <= 7);
            found.extend(page);
            match next {
                Some(next) => after = Some(next),
                None => break,
            }
        }
        let by_name = |one: &BanRecord| one.identity.clone();
        found.sort_by_key(by_name);
        expected.sort_by_key(by_name);
        assert_eq!(found, expected);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn while_the_database_is_away_a_ban_holds_and_none_is_lifted_in_vain() {
    let TestDatabase::Postgres(mut server) = TestDatabase::postgres().await else {
        panic!("it is a PostgreSQL")
    };
    let address = HistoryAddress::parse(&server.url()).unwrap();
    let database = Arc::new(Database::connect(&address).await.unwrap());
    let store = memory(&TestClock::default());
    let bans = bans_on(&store, &database);
    let (general, bob) = (room("general"), Identity::new("bob"));
    server.kill().await;
    let ban = ban_now(&store, None).await;
    let refused = bans.set(&general, &bob, &ban).await.unwrap_err();
    assert!(matches!(refused, BanError::NotRecorded(_)), "{refused:?}");
    assert!(bans.is_banned(&general, &bob).await.unwrap(), "it holds all the same");
    let refused = bans.lift(&general, &bob, "moderator").await.unwrap_err();
    assert!(matches!(refused, BanError::StillRecorded(_)), "{refused:?}");
    assert!(bans.is_banned(&general, &bob).await.unwrap());
    server.start_again().await;
    assert!(bans.lift(&general, &bob, "moderator").await.unwrap());
    assert!(!bans.is_banned(&general, &bob).await.unwrap());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_redis_that_was_emptied_has_its_bans_again() {
    let kind = TestDatabase::sqlite();
    let database = Arc::new(kind.connect().await);
    let redis = RedisServer::start().await;
    let store: Arc<dyn Store> = Arc::new(redis.store(Rules::default(), None).0);
    let bans = bans_on(&store, &database);
    let (general, bob) = (room("general"), Identity::new("bob"));
    let ban = ban_now(&store, None).await;
    bans.set(&general, &bob, &ban).await.unwrap();
    redis.ask(&["FLUSHALL"]).await;
    assert!(!bans.is_banned(&general, &bob).await.unwrap());
    bans.restore().await;
    assert!(bans.is_banned(&general, &bob).await.unwrap());
}

#[tokio::test]
async fn the_embedded_store_has_its_bans_before_the_first_webhook_after_a_restart() {
    let kind = TestDatabase::sqlite();
    let url = kind.url();
    let settings = [("HISTORY_URL", url.as_str())];
    let mut service = Process::start(&settings).await;
    let bearer = format!("Bearer {}", token(PROCESS_KEYS, admin_of("general"), "moderator"));
    let headers = [("Authorization", bearer.as_str())];
    let target = "/api/livekit/rooms/general/bans/bob";
    assert_eq!(ask(service.address, "PUT", target, &headers, "").await.status, 200);
    service.kill().await;

    let service = Process::start(&settings).await;
    service.webhooks([started(), joined("alice"), joined("bob")]).await;
    let list = service.get("/api/livekit/participants?room=general").await;
    assert_eq!(identities(&list.json()), ["alice"]);
    assert_eq!(ask(service.address, "DELETE", target, &headers, "").await.status, 204);
    let list = service.get("/api/livekit/participants?room=general").await;
    assert_eq!(identities(&list.json()), ["alice", "bob"]);
}
