//! Many subscribers at once.

use crate::harness::{Process, eventually, joined, started};

#[tokio::test]
async fn five_thousand_subscribers_of_one_room_all_see_each_change() {
    const SUBSCRIBERS: usize = 5_000;
    let app = Process::start(&[]).await;
    app.webhooks([started(), joined("alice")]).await;
    let mut subscribers = Vec::with_capacity(SUBSCRIBERS);
    for _ in 0..SUBSCRIBERS / 100 {
        let opening = (0..100).map(|_| app.subscriber("general"));
        subscribers.extend(futures_util::future::join_all(opening).await);
    }
    for subscriber in &mut subscribers {
        assert_eq!(subscriber.next_list().await, ["alice"]);
    }
    app.webhooks([joined("bob")]).await;
    let mut bytes = None;
    for subscriber in &mut subscribers {
        let event = subscriber.next().await.unwrap();
        assert_eq!(*bytes.get_or_insert_with(|| event.clone()), event, "the same bytes for all");
    }
    assert_eq!(bytes.unwrap().json()[1]["identity"], "bob");
    // Subscribers come and go while changes go out: those who stay miss nothing.
    for round in 0..5 {
        subscribers.drain(..subscribers.len() / 3);
        let opening = (0..300).map(|_| app.subscriber("general"));
        let name = format!("guest-{round}");
        let ((), mut fresh) =
            tokio::join!(app.webhooks([joined(&name)]), futures_util::future::join_all(opening));
        subscribers.append(&mut fresh);
    }
    let expected = ["alice", "bob", "guest-0", "guest-1", "guest-2", "guest-3", "guest-4"];
    for subscriber in &mut subscribers {
        subscriber.until_list(&expected).await;
    }
    let metrics = app.get("/metrics").await;
    assert!(metrics.text().contains("livekit_presence_heartbeat_repairs_total 0"));
    // The workers hear of those who went when their turn comes.
    let open = format!("livekit_presence_streams_open {}\n", subscribers.len());
    eventually("only the others to be open", async || {
        app.get("/metrics").await.text().contains(&open)
    })
    .await;
}
