//! Where there is no Redis of this LiveKit to follow, lists come from LiveKit's API as without `LIVEKIT_REDIS_URL`.

use crate::harness::{
    Follower, PROCESS_KEYS, Process, RedisServer, ScriptedLiveKit, Sender, eventually, free_port,
    identities, joined, started, url_of,
};

use super::{fixture::write, service::metric};

const IS_DOWN: &str = "livekit_presence_livekit_redis_up 0";
const IS_WRONG: &str = "cannot follow LiveKit's Redis";

/// Starts the service, which asks LiveKit about a watched room five times a second.
async fn beside(livekit: &ScriptedLiveKit, redis_url: &str) -> Process {
    Process::start(&[
        ("LIVEKIT_URL", &livekit.url()),
        ("LIVEKIT_REDIS_URL", redis_url),
        ("LKP__RECONCILE__EVERY", "200ms"),
    ])
    .await
}

/// What no webhook tells is shown, of rooms that are watched and of others.
async fn is_right_by_the_api(service: &Process, livekit: &ScriptedLiveKit) {
    let (alice, bob, carol) = (joined("alice"), joined("bob"), joined("carol"));
    livekit.list("general", std::slice::from_ref(&alice));
    livekit.list("cold", std::slice::from_ref(&carol));
    let sender = Sender::to(&[service.address.port()]);
    sender.deliver(&started()).await;
    sender.deliver(&alice).await;
    let follower = Follower::of_room(service.address.port(), "general");
    follower.until_people("general", &["alice"]).await;
    livekit.list("general", &[alice.clone(), bob]);
    follower.until_people("general", &["alice", "bob"]).await;
    livekit.list("general", &[alice]);
    follower.until_people("general", &["alice"]).await;
    let cold = service.get("/api/livekit/participants?room=cold").await;
    assert_eq!(identities(&cold.json()), ["carol"]);
    eventually("the list of rooms", async || {
        let rooms = service.get("/api/livekit/rooms").await.json();
        rooms.as_array().is_some_and(|rooms| rooms.iter().any(|room| room["name"] == "general"))
    })
    .await;
}

/// The same, and the log says once why, however often it was tried meanwhile: that is each second, so this takes some.
async fn is_right_without(redis_url: &str, reason: &str) {
    let livekit = ScriptedLiveKit::start(PROCESS_KEYS).await;
    let service = beside(&livekit, redis_url).await;
    eventually("the log to say it", async || service.log().contains(reason)).await;
    assert_eq!(service.get("/readyz").await.status, 200);
    is_right_by_the_api(&service, &livekit).await;
    livekit.until_called("ListParticipants", livekit.calls("ListParticipants", None) + 15).await;
    assert!(metric(&service, IS_DOWN).await);
    let log = service.log();
    assert_eq!(log.matches(IS_WRONG).count(), 1, "{log}");
    assert!(log.contains("its API is asked instead"), "{log}");
}

#[tokio::test]
async fn an_address_where_nobody_listens_keeps_nobody_from_starting() {
    is_right_without(&url_of(free_port()), "Connection refused").await;
}

#[tokio::test]
async fn a_redis_that_no_livekit_uses_is_not_followed() {
    let server = RedisServer::start().await;
    is_right_without(&server.url(), "it has no `livekit_version`").await;
}

#[tokio::test]
async fn a_layout_of_a_later_livekit_is_not_followed() {
    let server = RedisServer::start().await;
    server.ask(&["SET", "livekit_version", "2.0.1"]).await;
    write(&server, "general", "stranger", "Stranger").await;
    is_right_without(&server.url(), "update this service").await;
}

/// LiveKit used it once, and keeps its rooms in memory now.
#[tokio::test]
async fn a_redis_that_livekit_has_left_says_nothing_of_its_rooms() {
    let server = RedisServer::start().await;
    server.ask(&["SET", "livekit_version", "1.13.5"]).await;
    let livekit = ScriptedLiveKit::start(PROCESS_KEYS).await;
    let service = beside(&livekit, &server.url()).await;
    eventually("it to be found", async || {
        service.log().contains("following LiveKit's Redis, which tells of changes")
    })
    .await;
    is_right_by_the_api(&service, &livekit).await;
    let is_told = "does not have the people whom LiveKit lists";
    eventually("the log to say it", async || service.log().contains(is_told)).await;
    livekit.until_called("ListParticipants", livekit.calls("ListParticipants", None) + 15).await;
    assert_eq!(service.log().matches(is_told).count(), 1, "{}", service.log());
    let people = service.get("/api/livekit/participants?room=general").await;
    assert_eq!(identities(&people.json()), ["alice"]);
}
