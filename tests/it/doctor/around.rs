//! What is around the service: Redis, the database, descriptors.

use std::time::Duration;

use futures_util::future::join_all;
use tokio::process::Command;

use crate::harness::{PROCESS_KEYS, PostgresServer, RedisServer, TcpProxy, eventually, free_port};

use super::{Deployment, Said};

/// As the documentation has them.
const RIGHTS: &str =
    "~lkp:* &lkp:* +@read +@write +@scripting +@pubsub +@connection -@dangerous +time +info";

/// What is said with these variables where no service runs, as of what is around it.
async fn said_with(variables: &[(&str, &str)]) -> Said {
    let deployment = Deployment::with(&[]).await;
    deployment.examined_with(&[], variables).await
}

#[tokio::test]
async fn a_redis_that_drops_rooms_is_named() {
    let redis =
        RedisServer::with(&["--maxmemory", "100mb", "--maxmemory-policy", "allkeys-lru"]).await;
    let said = said_with(&[("REDIS_URL", &redis.url())]).await;
    said.is_only("redis", "maxmemory-policy is allkeys-lru", "noeviction");
}

#[tokio::test]
async fn a_command_that_the_user_of_redis_may_not_send_is_named() {
    let redis = RedisServer::start().await;
    let user = |name: &str, more: &str| {
        format!("ACL SETUSER {name} on >secret {RIGHTS} {more}")
            .split_whitespace()
            .map(str::to_owned)
            .collect::<Vec<_>>()
    };
    for words in [user("documented", ""), user("without", "-xadd")] {
        let words: Vec<_> = words.iter().map(String::as_str).collect();
        redis.ask(&words).await;
    }
    let url = |name: &str| format!("redis://{name}:secret@127.0.0.1:{}", redis.port);
    let of = async |name: &str| said_with(&[("REDIS_URL", &url(name))]).await;
    let (documented, without) = tokio::join!(of("documented"), of("without"));
    documented.is_all(&[]);
    without.is_only("redis", "Redis refuses XADD to the user", "~lkp:* &lkp:* +@read");
    assert_eq!(redis.keys("*").await, Vec::<String>::new(), "nothing is left");
}

#[tokio::test]
async fn a_redis_that_is_far_away_is_said_to_be_slow_and_not_to_be_gone() {
    let redis = RedisServer::start().await;
    let proxy = TcpProxy::start(redis.port).await;
    proxy.delay(Duration::from_millis(120));
    let said = said_with(&[("REDIS_URL", &format!("redis://127.0.0.1:{}", proxy.port))]).await;
    assert_eq!(said.verdict("redis"), "warning", "{:#}", said.report);
    assert!(said.report.to_string().contains("the median of some pings"));
    assert_eq!(redis.keys("*").await, Vec::<String>::new(), "nothing is left");
}

#[tokio::test]
async fn a_redis_that_is_away_a_wrong_password_and_a_replica_are_named() {
    let redis = RedisServer::with_password("secret").await;
    let master = RedisServer::start().await;
    let replica = RedisServer::replica_of(master.port).await;
    let nobody = format!("redis://127.0.0.1:{}", free_port());
    let wrong = [
        (nobody, "Connection refused", "Start it, or correct `store.redis_url`"),
        (
            format!("redis://:other@127.0.0.1:{}", redis.port),
            "cannot be used",
            "check the user and the password",
        ),
        (replica.url(), "is a replica", "Name its master"),
    ];
    join_all(wrong.map(async |(url, what, remedy)| {
        said_with(&[("REDIS_URL", &url)]).await.is_only("redis", what, remedy);
    }))
    .await;
}

#[tokio::test]
async fn a_cluster_is_looked_at_and_slots_that_nobody_serves_are_named() {
    let cluster = RedisServer::as_only_node().await;
    cluster.ask(&["CLUSTER", "ADDSLOTSRANGE", "0", "16382"]).await;
    let said = said_with(&[("REDIS_URL", &cluster.url())]).await;
    said.is_only("redis", "Nobody serves 1 of the Cluster's 16384 slots", "--cluster fix");
    cluster.ask(&["CLUSTER", "ADDSLOTS", "16383"]).await;
    eventually("the Cluster to be whole", async || {
        cluster.ask(&["CLUSTER", "INFO"]).await.text().contains("cluster_state:ok")
    })
    .await;
    said_with(&[("REDIS_URL", &cluster.url())]).await.is_all(&[]);
    let rights = format!("{RIGHTS} +cluster|info +cluster|nodes +cluster|slots");
    let words = format!("ACL SETUSER documented on >secret {rights}");
    cluster.ask(&words.split(' ').collect::<Vec<_>>()).await;
    let url = format!("redis://documented:secret@127.0.0.1:{}", cluster.port);
    said_with(&[("REDIS_URL", &url)]).await.is_all(&[]);
    assert_eq!(cluster.keys("*").await, Vec::<String>::new(), "nothing is left");
}

#[tokio::test]
async fn a_redis_that_is_not_livekits_is_named() {
    let redis = RedisServer::start().await;
    let url = redis.url();
    let nobody = format!("ws://127.0.0.1:{}", free_port());
    let said = said_with(&[("LIVEKIT_REDIS_URL", &url), ("LIVEKIT_URL", &nobody)]).await;
    assert_eq!(said.verdict("livekit-redis"), "wrong");
    redis.ask(&["SET", "livekit_version", "1.13.5"]).await;
    redis.ask(&["HSET", "nodes", "ND_1", "x"]).await;
    let said = said_with(&[("LIVEKIT_REDIS_URL", &url), ("LIVEKIT_URL", &nobody)]).await;
    assert_eq!(said.verdict("livekit-redis"), "ok");
}

#[tokio::test]
async fn a_database_that_is_away_or_read_only_is_named() {
    let postgres = PostgresServer::start().await;
    let (good, away) = (postgres.url(), format!("postgres://u@127.0.0.1:{}/d", free_port()));
    let read_only = format!("{good}?options=-c%20default_transaction_read_only%3Don");
    let file = "sqlite:/proc/history.db";
    let of = async |url: &str| said_with(&[("HISTORY_URL", url)]).await;
    let (good, read_only, away, file) =
        tokio::join!(of(&good), of(&read_only), of(&away), of(file));
    good.is_all(&[]);
    read_only.is_only("database", "cannot be written", "not read-only");
    away.is_only("database", "cannot be used", "Start it");
    file.is_only("database", "sqlite:/proc/history.db", "the service's user may write");
}

#[tokio::test]
async fn too_few_descriptors_are_named() {
    let deployment = Deployment::with(&[]).await;
    let mut command = Command::new("sh");
    command
        .args(["-c", "ulimit -n 256; exec \"$0\" doctor --json --patience 2s"])
        .arg(env!("CARGO_BIN_EXE_livekit-presence"))
        .env_clear()
        .envs([
            ("LIVEKIT_KEYS", PROCESS_KEYS),
            ("LKP__LIMITS__STREAMS", "5000"),
            ("LKP__HTTP__BIND", &deployment.service.address.to_string()),
        ])
        .current_dir(std::env::temp_dir())
        .kill_on_drop(true);
    let said = Said::by(command).await;
    said.is_only(
        "descriptors",
        "`limits.streams` is 5000, but 256 files may be open",
        "LimitNOFILE=",
    );
}
