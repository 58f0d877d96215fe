//! A room that clients were shown, and that the store has lost.

use crate::harness::{ApiFault, patiently};

use super::with_api;

#[tokio::test]
async fn a_client_keeps_the_list_of_a_lost_room_until_livekit_says_that_nobody_is_inside() {
    let (app, livekit) = with_api(&[("LKP__RECONCILE__EVERY", "1s")]).await;
    livekit.set_fault(ApiFault::Fails);
    let shown = app.clock.clock().now().as_micros().to_string();
    let mut subscriber = app.subscriber_with("general", &[("Last-Event-ID", &shown)]).await;
    let first = subscriber.next_of_any_kind().await.unwrap();
    assert_eq!(first.name, "heartbeat", "nobody has said that they are gone");
    livekit.set_fault(ApiFault::None);
    patiently("LiveKit to say so", async || {
        app.participants("general").await.header("x-cache") == "hot"
    })
    .await;
    let empty: [&str; 0] = [];
    assert_eq!(subscriber.next_list().await, empty, "LiveKit has");
}
