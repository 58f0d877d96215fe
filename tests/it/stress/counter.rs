//! Somebody who follows the log of events and counts who joins and who leaves, by session. When everybody is right, the sessions
//! counted are the people inside, unless the log said that it has a gap; then the counter begins again with those inside.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex},
    time::Duration,
};

use livekit_presence::{
    presence::{Participant, RoomName},
    store::{EventFeed, EventFeedMessage, LoggedEvent, RedisStore, Store},
};
use serde_json::Value;
use tokio::time::sleep;

use super::journal::Journal;

const FOLLOW_AGAIN: Duration = Duration::from_millis(300);

pub struct Counter {
    journal: Arc<Journal>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// The sessions inside, by room.
    inside: BTreeMap<RoomName, BTreeSet<String>>,
    has_gap: bool,
}

impl Counter {
    pub fn new(journal: Arc<Journal>) -> Arc<Self> {
        Arc::new(Self { journal, state: Mutex::default() })
    }

    /// Follows the log. Returns once it is followed; goes on in the background.
    pub async fn count(self: &Arc<Self>, store: RedisStore) {
        let mut feed = follow(&store).await;
        let counter = Arc::clone(self);
        tokio::spawn(async move {
            // It lives as long as its feed.
            let _store = store;
            loop {
                match feed.next().await {
                    EventFeedMessage::Logged(logged) => {
                        for logged in &logged {
                            counter.take(logged);
                        }
                    }
                    EventFeedMessage::Gap => {
                        counter.journal.count("gaps in the log of events");
                        counter.state.lock().unwrap().has_gap = true;
                    }
                }
            }
        });
    }

    fn take(&self, logged: &LoggedEvent) {
        self.journal.count("events in the log");
        let Some(room) = logged.event.room.clone() else { return };
        let data: Value = serde_json::from_str(logged.event.data.get()).unwrap();
        let sid = data["participant"]["sid"].as_str().unwrap_or_default().to_owned();
        let mut state = self.state.lock().unwrap();
        let inside = state.inside.entry(room).or_default();
        match logged.event.name.as_str() {
            "participant_joined" => _ = inside.insert(sid),
            "participant_left" => _ = inside.remove(&sid),
            _ => {}
        }
    }

    /// What is wrong with the count of a room.
    pub fn wrong(&self, room: &RoomName, people: &[Participant]) -> Option<String> {
        let state = self.state.lock().unwrap();
        let expected: BTreeSet<_> = people.iter().map(|one| one.sid.to_string()).collect();
        let counted = state.inside.get(room).cloned().unwrap_or_default();
        self.journal.count("checks of the log of events");
        (!state.has_gap && counted != expected).then(|| {
            format!("whoever counts joins and leaves in {room} has\n  {counted:?}\ninside are\n  {expected:?}")
        })
    }

    /// Everybody is right. After a gap, the count begins again.
    pub fn everybody_is_right<'room>(
        &self,
        rooms: impl Iterator<Item = (&'room RoomName, Vec<Participant>)>,
    ) {
        let mut state = self.state.lock().unwrap();
        if std::mem::take(&mut state.has_gap) {
            let sids =
                |people: Vec<Participant>| people.iter().map(|one| one.sid.to_string()).collect();
            state.inside = rooms.map(|(room, people)| (room.clone(), sids(people))).collect();
        }
    }
}

async fn follow(store: &RedisStore) -> EventFeed {
    loop {
        if let Ok(feed) = store.follow_events().await {
            return feed;
        }
        sleep(FOLLOW_AGAIN).await;
    }
}
