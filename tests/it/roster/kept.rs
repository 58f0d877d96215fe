//! How long rosters are kept, and what a message that was lost does.

use livekit_presence::{
    history::{Database, HistoryError, RosterRow, RosterRows, RosterSubject, RosterWrite},
    presence::RoomName,
};
use serde_json::json;

use crate::{
    harness::{TestDatabase, joined, now, now_ms, started},
    history::past::{insert, past},
};

use super::{ROSTER, Stage, counts, expected, next_roster, statuses};

/// Writes somebody into the roster of a room, and tells nobody.
async fn write_silently(database: &Database, room: &str, identity: &str, at_millis: u64) {
    let row = RosterRow {
        identity: identity.to_owned(),
        role: "host".to_owned(),
        can_speak: None,
        can_video: None,
        note: None,
        invited: true,
        since: i64::try_from(at_millis).unwrap(),
        version: 0,
    };
    let put = |_: &RosterRows| {
        Ok::<_, HistoryError>(RosterWrite { put: vec![row], ..RosterWrite::default() })
    };
    let (room, everybody) = (RoomName::parse(room).unwrap(), RosterSubject::Everybody);
    database.change_roster(&room, everybody, at_millis * 1_000, put).await.unwrap();
}

#[tokio::test]
async fn a_roster_goes_once_its_room_is_no_longer_used() {
    const DAY: u64 = 86_400_000;
    for kind in TestDatabase::both().await {
        let database = kind.connect().await;
        for (room, at) in [("old", DAY), ("new", 9 * DAY), ("used", DAY)] {
            write_silently(&database, room, "alice", at).await;
        }
        insert(&database, &[past("PA_1", "used", "alice", 0, Some(9 * 86_400_000))]).await;
        let rooms = async || {
            let rooms = "SELECT room FROM roster ORDER BY room";
            let rooms = sqlx::query_scalar::<_, String>(rooms);
            rooms.fetch_all(database.reader().await.unwrap()).await.unwrap()
        };
        let five_days = 5 * 86_400_000;
        database.sweep(five_days, 0).await.unwrap();
        assert_eq!(rooms().await, ["new", "old", "used"], "people are invited long before");
        database.sweep(five_days, five_days).await.unwrap();
        assert_eq!(rooms().await, ["new", "used"]);
        database.sweep(2 * five_days, 2 * five_days).await.unwrap();
        assert_eq!(rooms().await, Vec::<String>::new());
    }
}

#[tokio::test]
async fn what_was_written_without_a_word_is_found_by_the_next_reading() {
    let stage = Stage::new().await;
    let mut stream = stage.watch().await;
    assert_eq!(counts(&next_roster(&mut stream).await), [&json!(0), &json!(0)]);
    write_silently(&stage.kind.connect().await, "stage", "alice", now_ms()).await;
    // The first join has the history read soon.
    stage.app.webhooks([started(), joined("bob")].map(|one| now(one.room("stage")))).await;
    let came = next_roster(&mut stream).await;
    assert_eq!(statuses(&came["changed"]), expected(&[("bob", "JOINED")]));
    let found = next_roster(&mut stream).await;
    assert_eq!(statuses(&found["changed"]), expected(&[("alice", "INVITED")]));
    assert_eq!(counts(&stage.list().await), [&json!(1), &json!(2)]);
    assert_eq!(stage.ok("GET", &format!("{ROSTER}/alice"), None).await["role"], "host");
}

#[tokio::test]
async fn versions_rise_also_where_a_clock_was_set_back() {
    for kind in TestDatabase::both().await {
        let database = kind.connect().await;
        let version = async || {
            let version = sqlx::query_scalar::<_, i64>("SELECT MAX(version) FROM roster");
            version.fetch_one(database.reader().await.unwrap()).await.unwrap()
        };
        write_silently(&database, "stage", "alice", 1_000).await;
        assert_eq!(version().await, 1_000_000);
        write_silently(&database, "stage", "alice", 500).await;
        assert_eq!(version().await, 1_000_001);
    }
}
