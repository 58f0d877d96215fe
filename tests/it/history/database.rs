//! What the database has after items were written, of both kinds.

use std::sync::Arc;

use livekit_presence::{
    history::{Database, HistoryAddress, HistoryError, InstanceRow, Span, Totals},
    presence::{LeftWhy, ToldBy},
    store::HistoryItem,
};

use crate::harness::{Folder, TestDatabase};

use super::rows::{
    INSTANCE, ROOM, closed, identities, instances, item, item_of, joined, left, opened, sessions,
};

/// Two people in a room, which then ends.
fn meeting() -> Vec<HistoryItem> {
    vec![
        item(1, opened(1_000)),
        item(2, joined("PA_a", "alice", 2_000)),
        item(3, joined("PA_b", "bob", 3_000)),
        item(4, left("PA_a", "alice", 2_000, 5_000)),
        item(5, left("PA_b", "bob", 3_000, 6_000)),
        item(6, closed(7_000)),
    ]
}

#[tokio::test]
async fn what_was_written_is_read_back_as_it_was() {
    for kind in TestDatabase::both().await {
        let database = kind.connect().await;
        database.write(meeting()).await.unwrap();
        let [alice, bob] = sessions(&database).await.try_into().unwrap();
        assert_eq!((alice.identity.as_str(), alice.name.as_str()), ("alice", "ALICE"));
        assert_eq!((alice.room.as_str(), alice.instance.as_deref()), (ROOM, Some(INSTANCE)));
        assert_eq!((alice.joined_at, alice.left_at, alice.exact), (2_000, Some(5_000), true));
        assert_eq!(alice.reason.as_deref(), Some("CLIENT_INITIATED"));
        assert_eq!(alice.left_told_by, Some(ToldBy::Webhook));
        assert_eq!(alice.left_why, Some(LeftWhy::Said));
        let whole = [Span { from: 2_000, to: Some(5_000) }];
        assert_eq!(
            (&alice.spans.inside[..], &alice.spans.microphone[..]),
            (&whole[..], &whole[..])
        );
        assert_eq!((bob.joined_at, bob.left_at), (3_000, Some(6_000)));
        let [instance]: [InstanceRow; 1] = instances(&database).await.try_into().unwrap();
        assert_eq!((instance.started_at, instance.finished_at), (1_000, Some(7_000)));
        assert_eq!(instance.totals, Some(Totals { peak: 2, people: 2, sessions: 2 }));
    }
}

#[tokio::test]
async fn items_that_are_written_again_in_any_batches_change_nothing() {
    for kind in TestDatabase::both().await {
        let database = kind.connect().await;
        database.write(meeting()).await.unwrap();
        let once = (sessions(&database).await, instances(&database).await);
        database.write(meeting()).await.unwrap();
        for item in meeting() {
            database.write(vec![item]).await.unwrap();
        }
        assert_eq!((sessions(&database).await, instances(&database).await), once);
    }
}

#[tokio::test]
async fn two_instances_that_write_the_same_items_at_once_end_with_the_same_rows() {
    for kind in TestDatabase::both().await {
        let alone = TestDatabase::sqlite();
        let expected = alone.connect().await;
        expected.write(meeting()).await.unwrap();
        let databases = [Arc::new(kind.connect().await), Arc::new(kind.connect().await)];
        let mut writing = Vec::new();
        for (nth, database) in databases.iter().cloned().enumerate() {
            writing.push(tokio::spawn(async move {
                for start in 0..meeting().len() {
                    // The two cut the items into different batches.
                    for batch in meeting()[start..].chunks(nth + 1) {
                        database.write(batch.to_vec()).await.unwrap();
                    }
                }
            }));
        }
        for one in writing {
            one.await.unwrap();
        }
        assert_eq!(sessions(&databases[0]).await, sessions(&expected).await);
        assert_eq!(instances(&databases[0]).await, instances(&expected).await);
    }
}

#[tokio::test]
async fn a_second_join_of_a_person_is_a_second_row() {
    for kind in TestDatabase::both().await {
        let database = kind.connect().await;
        database.write(meeting()).await.unwrap();
        database.write(vec![item(7, joined("PA_c", "alice", 9_000))]).await.unwrap();
        assert_eq!(identities(&database).await, ["alice", "bob", "alice"]);
        let rows = sessions(&database).await;
        assert_eq!((rows[0].left_at, rows[2].left_at), (Some(5_000), None));
    }
}

#[tokio::test]
async fn a_batch_of_any_size_is_written() {
    for kind in TestDatabase::both().await {
        let database = kind.connect().await;
        let sid = |nth: u64| format!("PA_{nth:04}");
        let all = (0..1_000).map(|nth| item(nth + 1, joined(&sid(nth), "alice", 5_000)));
        database.write(all.collect()).await.unwrap();
        let all = (0..1_000).map(|nth| item(nth + 2_000, left(&sid(nth), "alice", 5_000, 6_000)));
        database.write(all.collect()).await.unwrap();
        let rows = sessions(&database).await;
        assert_eq!(rows.len(), 1_000);
        assert!(rows.iter().all(|row| row.left_at == Some(6_000)));
        database.write(Vec::new()).await.unwrap();
    }
}

#[tokio::test]
async fn names_with_nul_and_long_identities_are_kept() {
    for kind in TestDatabase::both().await {
        let database = kind.connect().await;
        let long: String = (0..20_000).map(|_| fastrand::alphanumeric()).collect();
        database
            .write(vec![
                item(1, joined("PA_a", "nul\0inside", 1_000)),
                item(2, joined("PA_b", &long, 1_000)),
            ])
            .await
            .unwrap();
        assert_eq!(identities(&database).await, ["nul\u{fffd}inside", long.as_str()]);
        assert_eq!(database.erase(&long, 2_000).await.unwrap(), 1);
        assert_eq!(database.erase("nul\0inside", 2_000).await.unwrap(), 1);
    }
}

#[tokio::test]
async fn data_that_the_database_refuses_is_told_apart_from_a_database_that_is_away() {
    let database = TestDatabase::postgres().await;
    let connected = database.connect().await;
    // More than an index row of PostgreSQL holds, and nothing that compresses.
    let sid: String = (0..20_000).map(|_| fastrand::alphanumeric()).collect();
    let refused = connected.write(vec![item(1, joined(&sid, "alice", 1_000))]).await.unwrap_err();
    assert!(matches!(refused, HistoryError::Refused(_)), "{refused:?}");
    let TestDatabase::Postgres(mut server) = database else { panic!("it is a PostgreSQL") };
    server.kill().await;
    let away = connected.write(meeting()).await.unwrap_err();
    assert!(matches!(away, HistoryError::Away(_)), "{away:?}");
    server.start_again().await;
    connected.write(meeting()).await.unwrap();
    assert_eq!(identities(&connected).await, ["alice", "bob"]);
}

#[tokio::test]
async fn what_ended_long_enough_ago_is_deleted_and_what_goes_on_stays() {
    for kind in TestDatabase::both().await {
        let database = kind.connect().await;
        database.write(meeting()).await.unwrap();
        database.write(vec![item(7, joined("PA_c", "carol", 1_500))]).await.unwrap();
        let swept = database.sweep(6_000, 0).await.unwrap();
        assert_eq!((swept.sessions, swept.instances), (1, 0));
        assert_eq!(identities(&database).await, ["bob", "carol"]);
        let swept = database.sweep(8_000, 0).await.unwrap();
        assert_eq!((swept.sessions, swept.instances), (1, 1));
        assert_eq!(identities(&database).await, ["carol"]);
    }
}

#[tokio::test]
async fn more_rows_than_one_transaction_deletes_are_deleted() {
    let kind = TestDatabase::sqlite();
    let database = kind.connect().await;
    for start in [0, 1_000, 2_000] {
        let all = (start..start + 1_000_u64)
            .map(|nth| item(nth + 1, left(&format!("PA_{nth}"), "alice", 1_000, 2_000)));
        database.write(all.collect()).await.unwrap();
    }
    assert_eq!(database.sweep(2_001, 0).await.unwrap().sessions, 3_000);
    assert!(sessions(&database).await.is_empty());
}

#[tokio::test]
async fn an_erased_person_is_not_written_again_but_by_a_later_join() {
    for kind in TestDatabase::both().await {
        let database = kind.connect().await;
        database.write(meeting()).await.unwrap();
        assert_eq!(database.erase("alice", 4_000).await.unwrap(), 1);
        assert_eq!(database.erase("nobody", 4_000).await.unwrap(), 0);
        let late = [
            item(8, left("PA_a", "alice", 2_000, 5_000)),
            item_of("other", 9, vec![joined("PA_x", "alice", 3_999), joined("PA_y", "bob", 3_999)]),
        ];
        database.write(late.to_vec()).await.unwrap();
        assert_eq!(identities(&database).await, ["bob", "bob"]);
        // LiveKit's clock may be a little ahead.
        database.write(vec![item(10, joined("PA_z", "alice", 9_000))]).await.unwrap();
        assert_eq!(identities(&database).await, ["bob", "bob"]);
        database.write(vec![item(11, joined("PA_z", "alice", 9_001))]).await.unwrap();
        assert_eq!(identities(&database).await, ["bob", "bob", "alice"]);
    }
}

#[tokio::test]
async fn an_erasure_beside_writing_leaves_no_row() {
    for kind in TestDatabase::both().await {
        let [writing, erasing] = [Arc::new(kind.connect().await), Arc::new(kind.connect().await)];
        for round in 0..20_u64 {
            let sid = format!("PA_{round}");
            let joins = vec![item(round + 1, joined(&sid, "alice", 1_000))];
            let writer = Arc::clone(&writing);
            let written = tokio::spawn(async move { writer.write(joins).await });
            erasing.erase("alice", 2_000).await.unwrap();
            written.await.unwrap().unwrap();
        }
        assert!(sessions(&writing).await.is_empty());
    }
}

#[tokio::test]
async fn several_processes_may_make_the_tables_at_once() {
    for kind in TestDatabase::both().await {
        let connecting: Vec<_> = (0..4)
            .map(|_| {
                let address = HistoryAddress::parse(&kind.url()).unwrap();
                tokio::spawn(async move { Database::connect(&address).await })
            })
            .collect();
        for one in connecting {
            one.await.unwrap().unwrap();
        }
    }
}

#[tokio::test]
async fn tables_of_a_later_release_are_refused() {
    for kind in TestDatabase::both().await {
        let database = kind.connect().await;
        let later = "UPDATE livekit_presence_migrations SET version = version + 98";
        sqlx::query(later).execute(database.reader().await.unwrap()).await.unwrap();
        let address = HistoryAddress::parse(&kind.url()).unwrap();
        let refused = Database::connect(&address).await.unwrap_err();
        assert!(matches!(refused, HistoryError::Schema(_)), "{refused:?}");
    }
}

#[tokio::test]
async fn nobody_else_may_read_the_file() {
    use std::os::unix::fs::PermissionsExt;
    let folder = Folder::new("history");
    let path = folder.path().join("a 100% history #1.db");
    let address = HistoryAddress::parse(&format!("sqlite:{}", path.display())).unwrap();
    let database = Database::connect(&address).await.unwrap();
    database.write(meeting()).await.unwrap();
    for file in std::fs::read_dir(folder.path()).unwrap() {
        let mode = file.unwrap().metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o077, 0, "{mode:o}");
    }
    assert!(path.exists());
}
