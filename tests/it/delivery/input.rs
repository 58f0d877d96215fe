//! Bytes that a client sends after its request.

use crate::harness::{TestApp, eventually, joined};

#[tokio::test]
async fn bytes_that_a_client_sends_after_its_request_are_thrown_away() {
    let app = TestApp::start().await;
    let mut subscriber = app.subscriber("general").await;
    subscriber.next_list().await;
    for _ in 0..60 {
        subscriber.connection.send(&[b'x'; 1024]).await;
    }
    app.webhook(joined("alice")).await;
    assert_eq!(subscriber.next_list().await, ["alice"], "it is served all the same");
}

#[tokio::test]
async fn a_client_that_talks_without_end_is_closed() {
    let app = TestApp::start().await;
    let mut subscriber = app.subscriber("general").await;
    subscriber.next_list().await;
    for _ in 0..65 {
        subscriber.connection.send(&[b'x'; 1024]).await;
    }
    eventually("it to be closed", async || {
        app.metric("streams_closed_total{reason=\"too_much_input\"}").await == 1.0
    })
    .await;
}
