//! SIGTERM ends the service in order.

use std::time::Duration;

use crate::harness::{Process, eventually, joined};

#[tokio::test]
async fn sigterm_drains_and_exits_with_zero() {
    for signal in ["TERM", "INT"] {
        let mut app = Process::start(&[("LKP__SHUTDOWN__DRAIN", "300ms")]).await;
        let mut subscriber = app.subscriber("general").await;
        subscriber.next_list().await;
        app.webhooks([joined("alice")]).await;
        assert_eq!(subscriber.next_list().await, ["alice"]);
        app.signal(signal);
        assert_eq!(subscriber.end().await, "drain");
        assert_eq!(app.ended().await.code(), Some(0));
        eventually("its last line", async || app.log().contains("ended in order")).await;
    }
}

#[tokio::test]
async fn a_second_signal_ends_it_at_once() {
    let mut app = Process::start(&[("LKP__SHUTDOWN__DRAIN", "1h")]).await;
    let mut subscriber = app.subscriber("general").await;
    subscriber.next_list().await;
    app.signal("TERM");
    eventually("the first to be heard", async || app.log().contains("shutting down")).await;
    app.signal("TERM");
    let ended = tokio::time::timeout(Duration::from_secs(5), app.ended()).await.unwrap();
    assert_eq!(ended.code(), Some(1));
}
