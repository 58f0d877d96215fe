//! A log that cannot be read.

use serde_json::json;

use crate::store::error::Cause;

use super::*;

/// Refuses every reading.
struct Unreadable;

#[async_trait]
impl EventLog for Unreadable {
    async fn read_after(&self, _after: LogId, _max: usize) -> Result<Reading, StoreError> {
        Err(StoreError::Refused(Cause::new("no right to read")))
    }
}

fn at(millis: u64) -> LogId {
    LogId::default().next(millis)
}

fn batch(prev: u64, id: u64) -> Batch {
    let event = FeedEvent::new(id.to_string(), "moon_landed".to_owned(), None, &json!({}), 0);
    let logged = LoggedEvent { id: at(id), prev: at(prev), event: Arc::new(event) };
    Batch { prev: at(prev), items: vec![Item::Event(logged)] }
}

async fn next_ids(feed: &mut EventFeed) -> Vec<LogId> {
    match feed.next().await {
        EventFeedMessage::Logged(logged) => logged.iter().map(|one| one.id).collect(),
        EventFeedMessage::Gap => panic!("nothing was lost"),
    }
}

#[tokio::test]
async fn a_follower_that_may_not_read_the_log_says_a_gap_and_goes_on_with_what_arrives() {
    let followers = Arc::<EventFollowers>::default();
    let mut feed = followers.add(at(1), Arc::new(Unreadable), || ());
    followers.send(batch(1, 2));
    followers.doubt();
    assert_eq!(next_ids(&mut feed).await, [at(2)]);
    followers.send(batch(3, 4));
    followers.send(batch(4, 5));
    assert!(matches!(feed.next().await, EventFeedMessage::Gap));
    assert_eq!(feed.position(), at(3), "what follows builds on it");
    assert_eq!(next_ids(&mut feed).await, [at(4)]);
    assert_eq!(next_ids(&mut feed).await, [at(5)]);
}
