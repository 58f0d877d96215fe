//! A Redis, or a proxy before it, that refuses some commands.

use crate::harness::{RedisServer, eventually, joined, started};

use super::connections::working;

/// Where `INFO` is refused, a Cluster looks like one Redis that refuses commands about several slots. So do proxies before
/// several Redis.
#[tokio::test]
async fn the_list_of_rooms_names_no_keys_of_several_slots() {
    let redis = RedisServer::with(&["--cluster-enabled", "yes"]).await;
    redis.ask(&["CLUSTER", "ADDSLOTSRANGE", "0", "16383"]).await;
    eventually("the slots to be served", async || {
        redis.ask(&["CLUSTER", "INFO"]).await.text().contains("cluster_state:ok")
    })
    .await;
    redis.ask(&["ACL", "SETUSER", "default", "-info"]).await;
    let (service, sender) = working(&redis.url(), &[]).await;
    assert!(service.log().contains("\"cluster\":false"), "{}", service.log());
    for room in 0..12 {
        sender.deliver(&started().room(&format!("room-{room}"))).await;
        sender.deliver(&joined("alice").room(&format!("room-{room}"))).await;
    }
    let listed = service.get("/api/livekit/rooms").await;
    assert_eq!(listed.status, 200, "{}", service.log());
    assert_eq!(listed.json().as_array().unwrap().len(), 12);
}
