//! What an erasure leaves: nothing that names the person.

use livekit_presence::history::Totals;

use crate::harness::{TestApp, TestDatabase, eventually};
use livekit_presence::clock::Clock;

use super::rows::{closed, identities, instances, item, joined, left, opened};

#[tokio::test]
async fn a_life_of_a_room_that_has_ended_is_counted_again_without_the_person() {
    for kind in TestDatabase::both().await {
        let database = kind.connect().await;
        let meeting = [
            opened(1_000),
            joined("PA_a", "alice", 2_000),
            joined("PA_b", "bob", 3_000),
            left("PA_a", "alice", 2_000, 5_000),
            left("PA_b", "bob", 3_000, 6_000),
            closed(7_000),
        ];
        database
            .write((1..).zip(meeting).map(|(seq, record)| item(seq, record)).collect())
            .await
            .unwrap();
        database.erase("alice", 8_000).await.unwrap();
        let totals = async || instances(&database).await[0].totals.unwrap();
        assert_eq!(totals().await, Totals { peak: 1, people: 1, sessions: 1 });
        database.erase("bob", 8_000).await.unwrap();
        assert_eq!(totals().await, Totals::default());
    }
}

#[tokio::test]
async fn the_files_hold_nothing_of_an_erased_person() {
    let kind = TestDatabase::sqlite();
    let database = kind.connect().await;
    let name = "alice@example.com";
    for seq in 1..50 {
        let other = format!("user-{seq}");
        database
            .write(vec![item(seq * 2, joined(&format!("PA_{seq}"), name, 1_000))])
            .await
            .unwrap();
        database
            .write(vec![item(seq * 2 + 1, joined(&format!("PB_{seq}"), &other, 1_000))])
            .await
            .unwrap();
    }
    let TestDatabase::Sqlite(folder) = &kind else { panic!("it is a file") };
    let holds = |what: &str| {
        let mut files = std::fs::read_dir(folder.path()).unwrap();
        files.any(|file| {
            let bytes = std::fs::read(file.unwrap().path()).unwrap();
            bytes.windows(what.len()).any(|window| window == what.as_bytes())
        })
    };
    assert!(holds(name));
    assert_eq!(database.erase(name, 2_000).await.unwrap(), 49);
    assert!(!holds(name));
    assert!(holds("user-49"));
}

#[tokio::test]
async fn an_erasure_outlives_a_history_that_is_kept_for_a_short_time() {
    let kind = TestDatabase::sqlite();
    let database = kind.connect().await;
    let now = i64::try_from(Clock::system().now().as_millis()).unwrap();
    let hours_ago = |hours: i64| now - hours * 3_600_000;
    database.write(vec![item(1, left("PA_old", "old", hours_ago(9), hours_ago(8)))]).await.unwrap();
    database.erase("alice", hours_ago(5)).await.unwrap();
    let _app = TestApp::with(&[("HISTORY_URL", &*kind.url()), ("LKP__HISTORY__KEEP", "2h")]).await;
    eventually("the sweep", async || identities(&database).await.is_empty()).await;
    eventually("the sweep to end", async || {
        // A transaction that writes begins after those of the sweep.
        database.write(vec![item(2, joined("PA_a", "alice", hours_ago(6)))]).await.is_ok()
    })
    .await;
    assert_eq!(identities(&database).await, [""; 0]);
}
