//! A Redis, or a proxy before it, that refuses some commands. The service does without those it does not need, and names the
//! others in one line of its log.

use serde_json::Value;

use crate::harness::{
    CommandFilter, Follower, RedisCluster, RedisServer, Sender, eventually, joined, started, url_of,
};

use super::{
    connections::{working, works},
    fixture::instance,
};

/// A Redis that does not know some commands.
async fn without(commands: &[&str]) -> RedisServer {
    let renamed: Vec<_> = commands.iter().flat_map(|name| ["--rename-command", name, ""]).collect();
    RedisServer::with(&renamed).await
}

/// Checks that streams work, and go on after the connection to Redis was lost.
async fn follows_by_resp2(redis: &RedisServer, url: &str) {
    let (service, sender) = working(url, &[]).await;
    works(&service, &sender, "alice").await;
    let said = || service.log().matches("changes are followed by RESP2").count();
    eventually("the reason to be logged", async || said() > 0).await;
    assert_eq!(said(), 1, "{}", service.log());
    let follower = Follower::of_room(service.address.port(), "general");
    follower.until("the room", |seen| seen.rooms.contains_key("general")).await;
    redis.ask(&["CLIENT", "KILL", "TYPE", "pubsub"]).await;
    sender.deliver(&joined("bob")).await;
    follower.until_people("general", &["bob"]).await;
    follower.was_never_cut();
}

#[tokio::test]
async fn a_redis_that_does_not_know_hello_is_followed_by_resp2() {
    let redis = without(&["HELLO"]).await;
    follows_by_resp2(&redis, &redis.url()).await;
}

#[tokio::test]
async fn a_proxy_that_closes_at_hello_is_followed_by_resp2() {
    let redis = RedisServer::start().await;
    let filter = CommandFilter::start(redis.port, "HELLO").await;
    follows_by_resp2(&redis, &url_of(filter.port)).await;
}

#[tokio::test]
async fn a_resp2_connection_that_stands_still_is_given_up() {
    let redis = without(&["HELLO"]).await;
    let (service, sender) = working(&redis.url(), &[]).await;
    let follower = Follower::of_room(service.address.port(), "general");
    follower.until("the room", |seen| seen.rooms.contains_key("general")).await;
    redis.pause();
    eventually("it to be unfit", async || service.get("/readyz").await.status == 503).await;
    redis.resume();
    eventually("it to be fit", async || service.get("/readyz").await.status == 200).await;
    sender.deliver(&joined("alice")).await;
    follower.until_people("general", &["alice"]).await;
}

#[tokio::test]
async fn commands_that_are_not_needed_may_be_refused() {
    let redis = without(&["CLIENT", "INFO", "CLUSTER"]).await;
    let (service, sender) = working(&redis.url(), &[]).await;
    works(&service, &sender, "alice").await;
    // Some proxies close a connection that names its library.
    let filter = CommandFilter::start(redis.port, "CLIENT").await;
    let (service, sender) = working(&url_of(filter.port), &[]).await;
    works(&service, &sender, "bob").await;
}

#[tokio::test]
async fn a_refused_command_that_is_needed_is_named_in_one_line() {
    for (command, needed) in [
        ("TIME", "TIME, PUBLISH"),
        ("EVALSHA", "unknown command 'EVALSHA'"),
        ("SUBSCRIBE", "unknown command 'SUBSCRIBE'"),
    ] {
        let redis = without(&[command]).await;
        let service = instance(&redis.url(), &[("LKP__LOG__LEVEL", "info")]).await;
        let sender = Sender::to(&[service.address.port()]);
        let is_told = async || {
            let _ = sender.try_once(&started()).await;
            service.get("/readyz").await;
            service.log().contains(needed) && service.log().contains("connect to Redis itself")
        };
        eventually("the reason to be logged", is_told).await;
        for room in 0..20 {
            let _ = sender.try_once(&joined("alice").room(&format!("room-{room}"))).await;
            service.get("/readyz").await;
        }
        let log = service.log();
        assert!(log.matches("no subscription to Redis").count() <= 2, "{command}:\n{log}");
        let answers = log.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        let mut reasons: Vec<_> = answers
            .filter(|line| {
                line["message"].as_str().is_some_and(|message| message.starts_with("answered 503"))
            })
            .map(|line| {
                [&line["http.route"], &line["reason"], &line["error"]].map(ToString::to_string)
            })
            .collect();
        reasons.sort();
        assert!(
            reasons.windows(2).all(|two| two[0] != two[1]),
            "{command}: a reason is said once a route:\n{log}"
        );
        assert!(!log.contains("room-"), "no command's arguments: {log}");
    }
}

#[tokio::test]
async fn a_user_without_a_right_is_told_which_ones_are_needed() {
    for right in ["-evalsha", "-subscribe", "-time"] {
        let redis = RedisServer::start().await;
        redis.ask(&["ACL", "SETUSER", "default", right]).await;
        let service = instance(&redis.url(), &[]).await;
        let sender = Sender::to(&[service.address.port()]);
        eventually("the rights to be logged", async || {
            let _ = sender.try_once(&started()).await;
            service.get("/readyz").await;
            service.log().contains("+@scripting +@pubsub")
        })
        .await;
    }
}

#[tokio::test]
async fn a_cluster_that_refuses_hello_says_what_its_streams_need() {
    let cluster = RedisCluster::with(&["--rename-command", "HELLO", ""]).await;
    let service = instance(&cluster.url(), &[]).await;
    eventually("the reason to be logged", async || {
        service.log().contains("a Cluster's subscriptions need HELLO 3")
    })
    .await;
}

/// Without `INFO` a Cluster looks like a single Redis that refuses commands about several slots. So does a proxy before several
/// Redis.
#[tokio::test]
async fn the_list_of_rooms_names_no_keys_of_several_slots() {
    let redis = RedisServer::as_only_node().await;
    redis.ask(&["CLUSTER", "ADDSLOTSRANGE", "0", "16383"]).await;
    eventually("the slots to be served", async || {
        redis.ask(&["CLUSTER", "INFO"]).await.text().contains("cluster_state:ok")
    })
    .await;
    redis.ask(&["ACL", "SETUSER", "default", "-info"]).await;
    let (service, sender) = working(&redis.url(), &[]).await;
    let taken_for_one = async || service.log().contains("\"cluster\":false");
    eventually("what it was taken for to be logged", taken_for_one).await;
    for room in 0..12 {
        sender.deliver(&started().room(&format!("room-{room}"))).await;
        sender.deliver(&joined("alice").room(&format!("room-{room}"))).await;
    }
    let listed = service.get("/api/livekit/rooms").await;
    assert_eq!(listed.status, 200, "{}", service.log());
    assert_eq!(listed.json().as_array().unwrap().len(), 12);
}

#[tokio::test]
async fn a_cluster_that_tells_nothing_of_itself_is_recognised_when_it_sends_us_elsewhere() {
    let cluster = RedisCluster::start().await;
    for node in &cluster.nodes {
        node.ask(&["ACL", "SETUSER", "default", "-info"]).await;
    }
    let service = instance(&cluster.url(), &[]).await;
    let sender = Sender::to(&[service.address.port()]);
    for room in 0..12 {
        sender.deliver(&started().room(&format!("room-{room}"))).await;
        sender.deliver(&joined("alice").room(&format!("room-{room}"))).await;
    }
    let listed = service.get("/api/livekit/rooms").await;
    assert_eq!(listed.json().as_array().unwrap().len(), 12);
    let follower = Follower::of_room(service.address.port(), "room-3");
    follower.until_people("room-3", &["alice"]).await;
}
