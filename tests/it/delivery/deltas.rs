//! A stream of many rooms that is a little behind is sent the changes that it missed, not the list.

use crate::harness::{Connection, Subscriber, TestApp, eventually, joined, started};

#[tokio::test]
async fn a_subscriber_that_was_busy_while_a_room_changed_is_sent_the_changes_in_order() {
    let app = TestApp::with(&[("LKP__STREAM__COALESCE", "0ms")]).await;
    app.webhooks([started(), joined("large").metadata(&"x".repeat(400_000))]).await;
    let mut connection = Connection::with_receive_buffer(app.address, Some(4096)).await;
    let bearer = format!("Bearer {}", app.list_token());
    let target = "/api/livekit/rooms/stream?room=general";
    connection.request("GET", target, &[("Authorization", &bearer)]).await;
    let mut busy = Subscriber::of(connection).await;
    eventually("its socket to be full", async || app.metric("slow_subscribers_total").await >= 1.0)
        .await;
    for number in 0..20 {
        app.webhook(joined("bob").version(number + 3).metadata(&number.to_string())).await;
    }
    let list = busy.next().await.unwrap();
    assert_eq!(list.name, "room:snapshot");
    let mut version = list.json()["version"].clone();
    for number in 0..20 {
        let event = busy.next().await.unwrap();
        assert_eq!(event.name, "room:delta", "the list has 400 KB, this change has less than one");
        let change = event.json();
        assert_eq!(change["prev"], version, "nothing was missed");
        version = change["version"].clone();
        let kind = if number == 0 { "joined" } else { "updated" };
        assert_eq!(change[kind][0]["metadata"], number.to_string());
    }
}
