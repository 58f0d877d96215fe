//! The rooms of the demo, and the people in them.

use std::net::SocketAddr;

use tokio::time::sleep;

use crate::{
    clock::Clock,
    livekit::{ApiKey, Keys},
};

use super::{poster::Poster, room::SimulatedRoom};

const KEY: &str = "demo";
const SECRET: &str = "demo-secret-that-signs-nothing-but-the-demo";
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

/// Has people come and go in a few rooms of the service at `address`, for ever.
pub async fn run(address: SocketAddr, clock: Clock) {
    let rooms = ROOMS.map(|(name, people)| {
        let poster = Poster::new(address, Keys::new(&keys()), clock.clone());
        let room = SimulatedRoom::new(name, people, clock.clone(), fastrand::Rng::new());
        live(room, poster)
    });
    futures_util::future::join_all(rooms).await;
}

/// Lets one room live. Its webhooks go out one after the other, as LiveKit's do.
async fn live(mut room: SimulatedRoom, poster: Poster) {
    loop {
        for webhook in room.act() {
            poster.post(webhook).await;
        }
        sleep(room.pause()).await;
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
