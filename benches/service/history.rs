//! The history: what it costs webhooks, how large a million sessions are, and how long the slowest questions take.
//!
//! With SQLite, and with the PostgreSQL that `BENCH_POSTGRES` names (`postgres://…`, an empty database). What they write counts as
//! kept: SQLite syncs each transaction, and so does PostgreSQL unless it is told otherwise.

use std::{net::SocketAddr, path::PathBuf, time::Instant};

use livekit_presence::{
    clock::Clock,
    history::{Database, HistoryAddress, identity_key},
};
use sqlx::{Any, AssertSqlSafe, Transaction};

use super::{
    fill_rooms, load,
    process::Measured,
    report::median,
    shared::{PORT, until_ready},
};

const SESSIONS: i64 = 1_000_000;
const ROOMS: i64 = 2_000;
const PEOPLE: i64 = 50_000;
/// Sessions of the one large room.
const LARGE: i64 = 10_000;
const DAYS: i64 = 28;
const WEBHOOKS: usize = 40_000;
/// LiveKit has one webhook of each room on its way, and those of this many rooms at the same time.
const ROOMS_AT_ONCE: usize = 64;
const MINUTE: i64 = 60_000;
const DAY: i64 = 24 * 60 * MINUTE;
/// Rows of one statement.
const AT_ONCE: usize = 500;
const ASKED: usize = 7;

pub fn measure() {
    let folder =
        std::env::temp_dir().join(format!("livekit-presence-bench-{}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("a folder");
    let sqlite = |name: &str| format!("sqlite:{}", folder.join(name).display());
    let postgres = std::env::var("BENCH_POSTGRES").ok();
    if postgres.is_none() {
        println!("BENCH_POSTGRES names no database: nothing measured with PostgreSQL");
    }
    webhooks(&sqlite("webhooks.db"), postgres.as_deref());
    let file = folder.join("million.db");
    questions("SQLite", &sqlite("million.db"), Some(&file));
    if let Some(url) = &postgres {
        questions("PostgreSQL", url, None);
    }
    std::fs::remove_dir_all(&folder).expect("it is there");
}

/// Webhooks a second, with the history beside without.
fn webhooks(sqlite: &str, postgres: Option<&str>) {
    println!("\nwebhooks a second, with a history beside without:");
    let off = in_memory("embedded, without", &[]);
    share("embedded, SQLite", in_memory("embedded, SQLite", &[("HISTORY_URL", sqlite)]), off);
    if let Some(url) = postgres {
        let on = in_memory("embedded, PostgreSQL", &[("HISTORY_URL", url)]);
        share("embedded, PostgreSQL", on, off);
    }
    let Some(off) = in_redis("Redis, without", &[]) else { return };
    let urls = [("Redis, SQLite", Some(sqlite)), ("Redis, PostgreSQL", postgres)];
    for (name, url) in urls.into_iter().filter_map(|(name, url)| Some((name, url?))) {
        let on = in_redis(name, &[("HISTORY_URL", url)]).expect("Redis was there");
        share(name, on, off);
    }
}

fn in_memory(name: &str, settings: &[(&str, &str)]) -> f64 {
    flood(name, &Measured::service_with(settings))
}

/// None where Redis is not installed.
fn in_redis(name: &str, settings: &[(&str, &str)]) -> Option<f64> {
    let _redis = Measured::redis(PORT)?;
    let url = format!("redis://127.0.0.1:{PORT}");
    let settings: Vec<_> = settings.iter().copied().chain([("REDIS_URL", &*url)]).collect();
    let service = Measured::service_with(&settings);
    until_ready(service.address);
    Some(flood(name, &service))
}

fn flood(name: &str, service: &Measured) -> f64 {
    fill_rooms(service.address);
    let before = service.cpu();
    let requests = load::track_requests(WEBHOOKS);
    let (count, per_sec) = load::flood_from(ROOMS_AT_ONCE, &requests, &[service.address]);
    let micros = (service.cpu() - before).as_secs_f64() * 1e6 / count as f64;
    println!("  {name:<24} {per_sec:>8.0} a second, {micros:.1} µs of CPU each");
    per_sec
}

fn share(name: &str, on: f64, off: f64) {
    println!("  {name}: {:.2} of what it is without (goal: at least 0.8)", on / off);
}

/// A million sessions: their size, and how long questions about them take.
fn questions(name: &str, url: &str, file: Option<&PathBuf>) {
    let now = i64::try_from(Clock::system().now().as_millis()).expect("a time");
    let started = Instant::now();
    let runtime = tokio::runtime::Runtime::new().expect("threads");
    runtime.block_on(async {
        let address = HistoryAddress::parse(url).expect("an address");
        let database = Database::connect(&address).await.expect("a database");
        fill(&database, now).await;
    });
    println!(
        "\n{name}: {SESSIONS} sessions, put in within {:.0} s",
        started.elapsed().as_secs_f64()
    );
    if let Some(file) = file {
        let bytes = std::fs::metadata(file).expect("it is there").len();
        let mib = bytes / 1024 / 1024;
        println!("  {mib} MiB, {:.0} bytes a session", bytes as f64 / SESSIONS as f64);
    }
    let service = Measured::service_with(&[("HISTORY_URL", url)]);
    let month = format!("from={}&to={now}", now - DAYS * DAY);
    let day = format!("from={}&to={now}", now - DAY);
    for target in [
        format!("rooms/large/attendance?{day}"),
        format!("rooms/large/attendance?{day}&limit=1000"),
        format!("rooms/large/attendance?{day}&by=instance"),
        format!("rooms/room-7/attendance?{month}"),
        format!("sessions?{day}"),
        format!("sessions?{month}"),
        "sessions/RM_of_7".to_owned(),
        format!("people/person-7?{month}"),
        format!("analytics?by=hour&{day}"),
        format!("analytics?by=day&{month}"),
        format!("analytics?by=day&{month}&limit=1000"),
        format!("analytics?by=day&{month}&room=room-7"),
    ] {
        ask(service.address, &target, now);
    }
}

fn ask(address: SocketAddr, target: &str, now: i64) {
    let request = format!("GET /api/livekit/{target} HTTP/1.1\r\nHost: bench\r\n\r\n");
    let times: Vec<f64> = (0..ASKED)
        .map(|_| {
            let asked = Instant::now();
            load::flood_again(&[request.clone().into_bytes()], 1, address);
            asked.elapsed().as_secs_f64() * 1e3
        })
        .collect();
    let shown = target.replace(&now.to_string(), "now");
    let first = times[0];
    println!("  {:>8.1} ms (the first time {first:.1} ms)  {shown}", median(times.into_iter()));
}

async fn fill(database: &Database, now: i64) {
    let rows: Vec<i64> = (0..SESSIONS).collect();
    for rows in rows.chunks(AT_ONCE * 100) {
        let mut transaction = begin(database).await;
        for rows in rows.chunks(AT_ONCE) {
            let columns =
                "sid, identity, identity_key, room, instance, name, joined_at, left_at, spans";
            let same = [
                ("kind", "'STANDARD'"),
                ("agent", "0"),
                ("exact", "1"),
                ("joined_told_by", "'webhook'"),
                ("left_told_by", "'webhook'"),
                ("left_why", "'said'"),
                ("seq", "1"),
            ];
            let query = sqlx::query(AssertSqlSafe(insert("sessions", columns, &same, rows.len())));
            let query = rows.iter().fold(query, |query, row| {
                let made = Made::of(*row, now);
                let identity = format!("person-{}", made.person);
                query
                    .bind(format!("PA_{row:012}"))
                    .bind(identity.clone())
                    .bind(identity_key(&identity))
                    .bind(made.room.clone())
                    .bind(made.instance.clone())
                    .bind(format!("Person number {}", made.person))
                    .bind(made.from)
                    .bind(made.to)
                    .bind(made.spans())
            });
            query.execute(&mut *transaction).await.expect("rows");
        }
        transaction.commit().await.expect("rows");
    }
    fill_instances(database, now).await;
    let pool = database.reader().await.expect("a database");
    sqlx::query("ANALYZE").execute(pool).await.expect("statistics");
}

async fn fill_instances(database: &Database, now: i64) {
    let instances: Vec<i64> = (0..(SESSIONS - LARGE) / 10).collect();
    let same = [
        ("exact", "1"),
        ("peak_people", "7"),
        ("total_people", "9"),
        ("total_sessions", "10"),
        ("seq", "1"),
    ];
    let mut transaction = begin(database).await;
    for rows in instances.chunks(AT_ONCE) {
        let columns = "sid, room, started_at, finished_at";
        let query =
            sqlx::query(AssertSqlSafe(insert("room_instances", columns, &same, rows.len())));
        let query = rows.iter().fold(query, |query, row| {
            let Made { room, instance, from, .. } = Made::of(row * 10 + LARGE, now);
            query.bind(instance).bind(room).bind(from).bind(from + 60 * MINUTE)
        });
        query.execute(&mut *transaction).await.expect("rows");
    }
    transaction.commit().await.expect("rows");
}

async fn begin(database: &Database) -> Transaction<'static, Any> {
    database.reader().await.expect("a database").begin().await.expect("a transaction")
}

/// A statement with places for the values of some columns. Other columns have the same value in every row.
fn insert(table: &str, columns: &str, same: &[(&str, &str)], rows: usize) -> String {
    let width = columns.split(", ").count();
    let (names, values): (Vec<&str>, Vec<&str>) = same.iter().copied().unzip();
    let rows: Vec<String> = (0..rows)
        .map(|row| {
            let places = (1..=width).map(|place| format!("${}", row * width + place));
            let all: Vec<String> =
                places.chain(values.iter().map(|one| (*one).to_owned())).collect();
            format!("({})", all.join(", "))
        })
        .collect();
    format!("INSERT INTO {table} ({columns}, {}) VALUES {}", names.join(", "), rows.join(", "))
}

/// One session of the million.
struct Made {
    room: String,
    instance: String,
    person: i64,
    from: i64,
    to: i64,
}

impl Made {
    fn spans(&self) -> String {
        let Self { from, to, .. } = self;
        let (muted, unmuted) = (from + MINUTE, from + 2 * MINUTE);
        format!("{{\"inside\":[[{from},{to}]],\"microphone\":[[{from},{muted}],[{unmuted},{to}]]}}")
    }

    fn of(row: i64, now: i64) -> Self {
        if row < LARGE {
            let from = now - DAY + (row * 7_919) % (DAY - 60 * MINUTE);
            let (person, instance) = (row % (LARGE / 2), "RM_large".to_owned());
            return Self {
                room: "large".to_owned(),
                instance,
                person,
                from,
                to: from + 20 * MINUTE,
            };
        }
        let place = (row - LARGE) / 10;
        let from = now - DAYS * DAY + place * (DAYS * DAY - 70 * MINUTE) / (SESSIONS / 10);
        let from = from + row % 10 * MINUTE;
        Self {
            room: format!("room-{}", place % ROOMS),
            instance: format!("RM_of_{place}"),
            person: row * 31 % PEOPLE,
            from,
            to: from + (20 + row % 30) * MINUTE,
        }
    }
}
