//! Clients of LiveKit's own SDK.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, SystemTime},
};

use serde_json::{Value, json};

use crate::harness::patiently;

use super::{Person, driver::Driver, livekit_server::Key, token};

static NEXT: AtomicU64 = AtomicU64::new(1);

/// Somebody as their token describes them.
#[derive(Clone, Debug, Default)]
pub struct Guest {
    pub identity: String,
    pub room: String,
    pub name: String,
    pub metadata: String,
    pub attributes: Vec<(String, String)>,
    pub hidden: bool,
    /// Whether they may not publish.
    pub only_watches: bool,
}

/// The source of a track.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    Microphone,
    Camera,
    ScreenShare,
}

impl Source {
    fn as_str(self) -> &'static str {
        match self {
            Self::Microphone => "MICROPHONE",
            Self::Camera => "CAMERA",
            Self::ScreenShare => "SCREEN_SHARE",
        }
    }
}

/// A client in a room, connected or not.
#[derive(Clone)]
pub struct Client {
    pub identity: String,
    pub room: String,
    key: u64,
    driver: Arc<Driver>,
}

/// The times of a client's call, by the clock of the machine.
#[derive(Clone, Copy, Debug)]
pub struct Called {
    pub at: SystemTime,
    /// When the SDK's call returned.
    pub returned_at: SystemTime,
}

impl Client {
    /// Connects somebody. An error is the SDK's own.
    pub async fn join(
        driver: &Arc<Driver>,
        url: &str,
        guest: &Guest,
    ) -> Result<(Self, Called), String> {
        let attributes: serde_json::Map<_, _> =
            guest.attributes.iter().map(|(name, value)| (name.clone(), json!(value))).collect();
        let token = token::sign(
            Key::First,
            json!({
                "sub": guest.identity,
                "name": guest.name,
                "metadata": guest.metadata,
                "attributes": attributes,
                "video": {
                    "roomJoin": true,
                    "room": guest.room,
                    "hidden": guest.hidden,
                    "canPublish": !guest.only_watches,
                    "canUpdateOwnMetadata": true,
                },
            }),
        );
        Self::join_with(driver, url, &token, guest).await
    }

    /// Connects with a token that somebody else has signed for this guest.
    pub async fn join_with(
        driver: &Arc<Driver>,
        url: &str,
        token: &str,
        guest: &Guest,
    ) -> Result<(Self, Called), String> {
        let client = Self {
            identity: guest.identity.clone(),
            room: guest.room.clone(),
            key: NEXT.fetch_add(1, Ordering::Relaxed),
            driver: Arc::clone(driver),
        };
        let joined = client.tell("join", json!({"url": url, "token": token})).await?;
        Ok((client, Called::of(&joined)))
    }

    /// Connects somebody in the process of another, who will die with them.
    pub async fn beside(other: &Self, url: &str, guest: &Guest) -> Result<Self, String> {
        Ok(Self::join(&other.driver, url, guest).await?.0)
    }

    pub async fn leave(&self) -> Called {
        self.try_leave().await.unwrap()
    }

    pub async fn try_leave(&self) -> Result<Called, String> {
        Ok(Called::of(&self.tell("leave", json!({})).await?))
    }

    /// Publishes something, and returns the track's sid.
    pub async fn publish(&self, source: Source) -> String {
        self.try_publish(source).await.unwrap()
    }

    pub async fn try_publish(&self, source: Source) -> Result<String, String> {
        let published = self.tell("publish", json!({"source": source.as_str()})).await?;
        Ok(published["track"].as_str().unwrap().to_owned())
    }

    pub async fn unpublish(&self, track: &str) {
        self.try_unpublish(track).await.unwrap();
    }

    pub async fn try_unpublish(&self, track: &str) -> Result<(), String> {
        self.tell("unpublish", json!({"track": track})).await.map(drop)
    }

    /// Publishes a track of data, and returns when the SDK was called.
    pub async fn publish_data(&self, name: &str) -> SystemTime {
        called_at(&self.tell("publish-data", json!({"name": name})).await.unwrap())
    }

    pub async fn mute(&self, track: &str, muted: bool) {
        self.try_mute(track, muted).await.unwrap();
    }

    /// Returns when the SDK was called.
    pub async fn try_mute(&self, track: &str, muted: bool) -> Result<SystemTime, String> {
        Ok(called_at(&self.tell("mute", json!({"track": track, "muted": muted})).await?))
    }

    /// Changes the client's own `name`, `metadata` and `attributes`. Returns when the SDK was called.
    pub async fn update(&self, update: Value) -> SystemTime {
        self.try_update(update).await.unwrap()
    }

    pub async fn try_update(&self, update: Value) -> Result<SystemTime, String> {
        Ok(called_at(&self.tell("update", update).await?))
    }

    /// Has the SDK and LiveKit simulate a failure of the connection.
    pub async fn simulate(&self, scenario: &str) {
        self.try_simulate(scenario).await.unwrap();
    }

    pub async fn try_simulate(&self, scenario: &str) -> Result<(), String> {
        self.tell("simulate", json!({"scenario": scenario})).await.map(drop)
    }

    /// What the client says of itself; none if its process is dead.
    pub async fn state(&self) -> Option<Value> {
        self.tell("state", json!({})).await.ok()
    }

    /// Whether the client has left the room for good, or its process is dead.
    pub async fn has_given_up(&self) -> bool {
        self.state().await.is_none_or(|state| state["state"] == "disconnected")
    }

    /// The client's view of itself in the room, while it is connected.
    pub async fn person(&self) -> Option<Person> {
        let state = self.state().await?;
        (state["state"] == "connected").then(|| Person::read(&state))
    }

    /// The number of reconnections so far.
    pub async fn reconnects(&self) -> u64 {
        self.state().await.and_then(|state| state["reconnects"].as_u64()).unwrap_or_default()
    }

    /// Waits until the client has reconnected once more than `before`.
    pub async fn until_reconnected(&self, before: u64) {
        patiently(&format!("{} to be connected again", self.identity), async || {
            self.state().await.is_some_and(|state| {
                state["state"] == "connected" && state["reconnects"].as_u64() > Some(before)
            })
        })
        .await;
    }

    /// Waits until the client's view of itself satisfies a condition.
    pub async fn until(&self, what: &str, holds: impl Fn(&Person) -> bool) {
        patiently(what, async || self.person().await.is_some_and(|me| holds(&me))).await;
    }

    pub async fn until_muted(&self, track: &str, muted: bool) {
        let is_so =
            |me: &Person| me.tracks.get(track).is_some_and(|(_, is_muted)| *is_muted == muted);
        self.until("a change of mute", is_so).await;
    }

    /// Kills the client's process with everybody in it.
    pub async fn kill(&self) {
        self.driver.kill().await;
    }

    async fn tell(&self, action: &str, with: Value) -> Result<Value, String> {
        self.driver.tell(action, self.key, with).await
    }
}

impl Called {
    fn of(answer: &Value) -> Self {
        Self { at: called_at(answer), returned_at: time_of(&answer["returned_at"]) }
    }
}

fn called_at(answer: &Value) -> SystemTime {
    time_of(&answer["called_at"])
}

fn time_of(secs: &Value) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs_f64(secs.as_f64().unwrap())
}
