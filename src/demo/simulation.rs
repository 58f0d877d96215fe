//! The rooms of the demo, and the people in them.

use std::{
    io,
    net::SocketAddr,
    sync::{Arc, Mutex, PoisonError},
};

use axum::http::Uri;
use futures_util::future::join_all;
use serde_json::Value;
use tokio::{sync::mpsc, time::sleep};

use crate::{
    clock::Clock,
    livekit::{ApiKey, Keys},
};

use super::{moderated::Done, poster::Poster, room::SimulatedRoom, room_service::RoomService};

const KEY: &str = "demo";
const SECRET: &str = "demo-secret-that-signs-nothing-but-the-demo";
/// Webhooks of a room that wait for the one before them.
const MAX_OUTGOING: usize = 1_000;
pub(super) const ROOMS: [(&str, &[&str]); 5] = [
    ("general", &["Ada", "Amir", "Anouk", "Ben", "Chiara", "Dmitri", "Elif", "Femi"]),
    ("standup", &["Grace", "Hana", "Ines", "Jonas", "Kofi"]),
    ("music", &["Lena", "Mateo", "Nadia", "Olu", "Priya", "Quentin"]),
    ("support", &["Concierge", "Rosa", "Sven", "Tomoko"]),
    ("late night café ☕", &["Uma", "Viktor", "Wanjiru", "Yusuf"]),
];

/// The key with which the simulated LiveKit signs.
pub fn keys() -> Vec<ApiKey> {
    ApiKey::new(KEY, SECRET).into_iter().collect()
}

/// The address of the page of a service that listens at `address`.
pub fn page_url(address: SocketAddr) -> String {
    if address.ip().is_unspecified() {
        format!("http://localhost:{}/", address.port())
    } else {
        format!("http://{address}/")
    }
}

/// The simulated LiveKit: its rooms, and its API.
pub struct Simulation {
    rooms: Arc<Vec<RoomTask>>,
    service: RoomService,
    clock: Clock,
}

impl Simulation {
    /// # Errors
    /// This machine gives no port for its API.
    pub async fn new(clock: Clock) -> io::Result<Self> {
        let rooms = ROOMS.map(|(name, people)| {
            RoomTask::new(SimulatedRoom::new(name, people, clock.clone(), fastrand::Rng::new()))
        });
        let rooms = Arc::new(Vec::from(rooms));
        let service = RoomService::bind(Arc::clone(&rooms)).await?;
        Ok(Self { rooms, service, clock })
    }

    /// Where its API is: what `livekit.url` would name.
    ///
    /// # Errors
    /// The listener has no address.
    pub fn url(&self) -> io::Result<Uri> {
        let url = format!("http://{}/", self.service.address()?);
        url.parse().map_err(io::Error::other)
    }

    /// Has people come and go in a few rooms of the service at `address`, for ever.
    pub async fn run(&self, address: SocketAddr) {
        let rooms = self.rooms.iter().map(|room| async {
            let poster = Poster::new(address, Keys::new(&keys()), self.clock.clone());
            tokio::join!(room.live(), room.post_by(&poster));
        });
        tokio::join!(self.service.run(), join_all(rooms));
    }
}

/// One room, whose webhooks go out one after the other, as LiveKit's do.
pub(super) struct RoomTask {
    name: &'static str,
    room: Mutex<SimulatedRoom>,
    /// Filled under the room's lock, so that they are in order.
    outgoing: mpsc::Sender<Value>,
    to_post: tokio::sync::Mutex<mpsc::Receiver<Value>>,
}

impl RoomTask {
    fn new(room: SimulatedRoom) -> Self {
        let (outgoing, to_post) = mpsc::channel(MAX_OUTGOING);
        Self { name: room.name(), room: Mutex::new(room), outgoing, to_post: to_post.into() }
    }

    pub fn name(&self) -> &'static str {
        self.name
    }

    /// Looks at the room.
    pub fn ask<T>(&self, ask: impl FnOnce(&SimulatedRoom) -> T) -> T {
        ask(&self.room.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Has the room do something. Returns its answer.
    pub fn change(&self, change: impl FnOnce(&mut SimulatedRoom) -> Option<Done>) -> Option<Value> {
        let mut room = self.room.lock().unwrap_or_else(PoisonError::into_inner);
        let (answer, webhooks) = change(&mut room)?;
        for webhook in webhooks {
            // The queue is full only where the service has not answered for minutes.
            let _ = self.outgoing.try_send(webhook);
        }
        Some(answer)
    }

    /// Has people come and go.
    async fn live(&self) {
        loop {
            self.change(|room| Some((Value::Null, room.act())));
            let pause = self.room.lock().unwrap_or_else(PoisonError::into_inner).pause();
            sleep(pause).await;
        }
    }

    async fn post_by(&self, poster: &Poster) {
        let mut to_post = self.to_post.lock().await;
        while let Some(webhook) = to_post.recv().await {
            poster.post(webhook).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_is_where_the_service_listens() {
        let cases = [
            ("[::]:8080", "http://localhost:8080/"),
            ("0.0.0.0:8080", "http://localhost:8080/"),
            ("127.0.0.1:9000", "http://127.0.0.1:9000/"),
            ("[::1]:9000", "http://[::1]:9000/"),
            ("192.0.2.7:80", "http://192.0.2.7:80/"),
        ];
        for (address, expected) in cases {
            assert_eq!(page_url(address.parse().unwrap()), expected);
        }
    }
}
