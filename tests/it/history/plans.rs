//! How databases of both kinds answer what the routes ask: through an index, so that the price depends on what is asked about and
//! not on all that is kept.

use livekit_presence::history::{
    Database, Dialect, Planned, homeless_statement, identity_key, planned,
};
use sqlx::{AssertSqlSafe, Row, any::AnyRow};

use crate::harness::TestDatabase;

use super::past::{insert, insert_instance, past};

/// A past in which a scan of everything would be a mistake: many rooms and people, over a long time.
async fn long_past(database: &Database) {
    let sessions: Vec<_> = (0..20_000)
        .map(|nth| {
            let (room, person) = (format!("room-{}", nth % 200), format!("person-{}", nth % 1_000));
            past(&format!("PA_{nth}"), &room, &person, nth * 1_000, Some(nth * 1_000 + 60_000))
                .in_instance(&format!("RM_{}", nth / 10))
        })
        .collect();
    insert(database, &sessions).await;
    invite(database).await;
    for nth in 0..2_000 {
        let (room, start) = (format!("room-{}", nth % 200), nth * 10_000);
        insert_instance(database, &format!("RM_{nth}"), &room, start, Some(start + 60_000)).await;
    }
}

/// Puts somebody on the roster of each room.
async fn invite(database: &Database) {
    let pool = database.reader().await.unwrap();
    for nth in 0..1_000_i64 {
        let (room, person) = (format!("room-{}", nth % 200), format!("person-{nth}"));
        sqlx::query(
            "INSERT INTO roster (room, identity_key, identity, role, invited, since, version) \
             VALUES ($1, $2, $3, 'viewer', 1, 0, 1)",
        )
        .bind(room)
        .bind(identity_key(&person))
        .bind(person)
        .execute(pool)
        .await
        .unwrap();
    }
}

async fn analyze(database: &Database) {
    let pool = database.reader().await.unwrap();
    sqlx::query("ANALYZE").execute(pool).await.unwrap();
}

/// The values of a statement's parameters, for an hour of the past.
fn values(route: &str) -> &'static str {
    match route {
        "attendance" | "attendance by instance" => {
            "'room-7', 19900000, 20000000, 0, 4711, 101, 20001"
        }
        "lives of a room" => "19900000, 20000000, 0, '', 101, 'room-7'",
        "sessions" => "19900000, 20000000, 20000000, '', 101",
        "sessions of long ago" => "0, 100000, 20000000, '', 101",
        "sessions: how many people" => "'RM_1', 'RM_2', 'RM_3'",
        "person" => "4711, 'person-7', 19900000, 20000000, 20000000, '', 101",
        "analytics" | "analytics: how many" => "19900000, 20000000, 50001",
        "analytics: the first" => "19900000, 20000000",
        "analytics of long ago" | "analytics of long ago: how many" => "0, 100000, 50001",
        "analytics of long ago: the first" => "0, 100000",
        "person: inside now" => "4711, 'person-7'",
        "export: the last" => "'PA_5', 10000",
        "analytics of a room: the first" => "19900000, 20000000, 'room-7'",
        "writing" => "'general'",
        "roster" | "roster: who was there" | "roster: the last life" => "'room-7'",
        "roster: uninvited" => "'room-7', 19900000, 20000, 'RM_1'",
        "roster: one person" => "4711, 'person-7', 'room-7', 19900000",
        "roster: one uninvited" => "4711, 'person-7', 'room-7', 19900000, 'RM_1'",
        "export" => "'PA_5', 0, 20000000, 'PA_6', 1000",
        _ => "19900000, 20000000, 100001, 'room-7'",
    }
}

async fn plan(database: &Database, question: &Planned) -> String {
    let statement = &question.statement;
    let mut connection = database.reader().await.unwrap().acquire().await.unwrap();
    let explain = match database.dialect() {
        Dialect::Sqlite => {
            // Parameters without values would be NULL, and everything is after NULL: once the tables are analyzed, that is a reason
            // to read them from end to end.
            let values = values(question.route).split(", ").enumerate();
            let with_values = values.fold(statement.clone(), |statement, (nth, value)| {
                statement.replace(&format!("${}", nth + 1), value)
            });
            format!("EXPLAIN QUERY PLAN {with_values}")
        }
        Dialect::Postgres => {
            let prepare = format!("DEALLOCATE ALL; PREPARE question AS {statement}");
            sqlx::raw_sql(AssertSqlSafe(prepare)).execute(&mut *connection).await.unwrap();
            format!("EXPLAIN EXECUTE question ({})", values(question.route))
        }
    };
    let rows = sqlx::raw_sql(AssertSqlSafe(explain)).fetch_all(&mut *connection).await.unwrap();
    // SQLite has numbers before its lines.
    let line = |row: &AnyRow| row.get(row.len() - 1);
    rows.iter().map(line).collect::<Vec<String>>().join("\n")
}

#[tokio::test]
async fn every_question_is_answered_through_an_index() {
    for kind in TestDatabase::both().await {
        let database = kind.connect().await;
        long_past(&database).await;
        if database.dialect() == Dialect::Sqlite {
            // It may know nothing of what it holds: nobody analyzes it.
            check_plans(&database).await;
        }
        analyze(&database).await;
        // SQLite reads what it knows of its tables when a connection begins.
        check_plans(&kind.connect().await).await;
    }
}

#[tokio::test]
async fn what_sqlite_learns_of_its_tables_each_hour_keeps_it_from_reading_them_all() {
    let kind = TestDatabase::sqlite();
    let database = kind.connect().await;
    let tables = async || {
        let known = "SELECT name FROM sqlite_schema WHERE name LIKE 'sqlite_stat%' ORDER BY name";
        let known = sqlx::query_scalar::<_, String>(known);
        known.fetch_all(database.reader().await.unwrap()).await.unwrap()
    };
    // At first there is little, and then much before the next hour.
    let few = [past("PA_a", "room-7", "person-7", -60_000, Some(-1_000)).in_instance("RM_a")];
    insert(&database, &few).await;
    insert_instance(&database, "RM_a", "room-7", -60_000, Some(-1_000)).await;
    database.sweep(-100_000, 0).await.unwrap();
    assert!(tables().await.is_empty(), "it learns nothing of few rows");
    long_past(&database).await;
    check_plans(&kind.connect().await).await;
    database.sweep(-100_000, 0).await.unwrap();
    let rows = "SELECT MAX(CAST(stat AS BIGINT)) FROM sqlite_stat1 WHERE tbl = 'sessions'";
    let rows = sqlx::query_scalar::<_, i64>(rows);
    let rows = rows.fetch_one(database.reader().await.unwrap()).await.unwrap();
    assert!(rows > 10_000, "{rows}");
    check_plans(&kind.connect().await).await;
    let samples = sqlx::query_scalar::<_, i64>("SELECT COUNT(*) FROM sqlite_stat4");
    let samples = samples.fetch_one(database.reader().await.unwrap()).await.unwrap();
    assert_eq!(samples, 0, "it keeps no values of rows");
}

async fn check_plans(database: &Database) {
    for question in planned() {
        let plan = plan(database, &question).await;
        let reads_all = ["SCAN sessions", "SCAN room_instances", "SCAN roster", "Seq Scan"];
        let reads_all = reads_all.into_iter().any(|scan| {
            // SQLite says SCAN also where it goes through an index from its beginning.
            plan.lines().any(|line| line.contains(scan) && !line.contains("USING INDEX"))
        });
        assert!(!reads_all, "{}: {plan}", question.route);
        let index = match database.dialect() {
            // SQLite gives the index of a primary key a name of its own.
            Dialect::Sqlite if question.index == "sessions_pkey" => "sqlite_autoindex_sessions_1",
            Dialect::Sqlite if question.index == "roster_pkey" => "sqlite_autoindex_roster_1",
            Dialect::Sqlite | Dialect::Postgres => question.index,
        };
        assert!(plan.contains(index), "{}: {plan}", question.route);
    }
}

#[tokio::test]
async fn a_batch_does_not_read_all_who_are_inside_a_room() {
    for kind in TestDatabase::both().await {
        let database = kind.connect().await;
        let of_room = |room: &'static str, count: i64| {
            (0..count).map(move |nth| past(&format!("PA_{room}_{nth}"), room, "alice", nth, None))
        };
        let full = of_room("general", 5_000).map(|session| session.in_instance("RM_1"));
        let sessions: Vec<_> = full.chain(of_room("other", 500)).collect();
        insert(&database, &sessions).await;
        let pool = database.reader().await.unwrap();
        sqlx::query("ANALYZE").execute(pool).await.unwrap();
        let statement = homeless_statement();
        let question = Planned { route: "writing", statement, index: "sessions_by_room" };
        let plan = plan(&database, &question).await;
        let is_cheap = match database.dialect() {
            Dialect::Sqlite => plan.contains("(room=? AND left_at=? AND instance=?)"),
            // It takes this index, or that of the lives, by how many it knows there are.
            Dialect::Postgres => plan
                .lines()
                .any(|line| line.contains("Index Cond") && line.contains("instance IS NULL")),
        };
        assert!(is_cheap, "{plan}");
    }
}
