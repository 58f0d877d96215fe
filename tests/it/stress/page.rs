//! A page in a browser that shows one room or several, and reconnects to any instance when its stream ends.

use std::{
    convert::Infallible,
    io,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU16, Ordering},
    },
    time::Duration,
};

use axum::body::Body;
use hyper::Request;
use livekit_presence::presence::RoomName;
use tokio::time::{sleep, timeout};

use crate::harness::{Event, EventStream, wire};

use super::{client_view::ClientView, fleet::Fleet, journal::Journal, snapshots::Snapshots};

/// The wait before a reconnection, until the service names one.
const COME_BACK: Duration = Duration::from_secs(1);
/// Streams send a heartbeat every 15 s. A page closes a connection that is silent for longer than this.
const SILENCE: Duration = Duration::from_secs(40);
/// The time after which a page is loaded again, in seconds.
const LOADED_AGAIN: std::ops::Range<u64> = 5..90;

/// What all pages share.
#[derive(Clone)]
pub struct Surroundings {
    pub fleet: Arc<Fleet>,
    pub journal: Arc<Journal>,
    pub snapshots: Arc<Snapshots>,
    /// Whether no page is loaded again now.
    pub is_quiet: Arc<AtomicBool>,
}

impl Surroundings {
    async fn may_load_again(&self, time: Duration) {
        sleep(time).await;
        while self.is_quiet.load(Ordering::Relaxed) {
            sleep(COME_BACK).await;
        }
    }
}

pub struct Page {
    pub name: String,
    pub rooms: Vec<RoomName>,
    held: Mutex<ClientView>,
    is_open: AtomicBool,
    /// Of the instance that it is connected to, or was last.
    port: AtomicU16,
    around: Surroundings,
}

impl Page {
    pub fn new(name: String, rooms: Vec<RoomName>, around: Surroundings) -> Arc<Self> {
        let held = Mutex::new(ClientView::of_rooms(rooms.iter().map(RoomName::as_str)));
        Arc::new(Self {
            name,
            rooms,
            held,
            is_open: AtomicBool::new(false),
            port: AtomicU16::default(),
            around,
        })
    }

    /// The list that the page shows of a room, if it is connected and was sent one.
    pub fn list(&self, room: &RoomName) -> Option<String> {
        let is_open = self.is_open.load(Ordering::Relaxed);
        is_open.then(|| self.held.lock().unwrap().list(room.as_str())).flatten()
    }

    /// The port of the instance that it is connected to, or was last.
    pub fn port(&self) -> u16 {
        self.port.load(Ordering::Relaxed)
    }

    /// Shows its rooms until the run ends.
    pub async fn look(self: Arc<Self>, mut random: fastrand::Rng) -> Infallible {
        loop {
            let time = Duration::from_secs(random.u64(LOADED_AGAIN));
            tokio::select! {
                never = self.stay_connected(&mut random) => match never {},
                () = self.around.may_load_again(time) => {}
            }
            self.is_open.store(false, Ordering::Relaxed);
            if random.bool() {
                self.around.journal.count("pages loaded again");
                self.held.lock().unwrap().forget();
            } else {
                self.around.journal.count("pages that changed networks");
            }
        }
    }

    async fn stay_connected(&self, random: &mut fastrand::Rng) -> Infallible {
        let mut come_back = COME_BACK;
        loop {
            if let Some(instance) = self.around.fleet.a_living(random) {
                let port = instance.port();
                let ended = self.follow(port, &mut come_back).await;
                self.is_open.store(false, Ordering::Relaxed);
                self.around.journal.count(match ended {
                    Ok(reason) => format!("streams ended: {reason}"),
                    Err(_) => "streams broken, or not opened".into(),
                });
            }
            sleep(come_back).await;
        }
    }

    /// Follows a stream to its end, and tells why it ended.
    async fn follow(&self, port: u16, come_back: &mut Duration) -> io::Result<&'static str> {
        let response = match timeout(SILENCE, wire::ask(port, self.request())).await {
            Ok(response) => response?,
            Err(_) => return Ok("no head"),
        };
        match response.status().as_u16() {
            200 => {}
            503 => return Ok("refused with 503"),
            other => {
                self.around.journal.violated(format!("{} is answered {other}", self.name));
                return Ok("refused");
            }
        }
        self.held.lock().unwrap().begin_connection();
        self.port.store(port, Ordering::Relaxed);
        self.is_open.store(true, Ordering::Relaxed);
        let mut events = EventStream::of(response);
        let mut reason = "without a reason";
        loop {
            let event = match timeout(SILENCE, events.next()).await {
                Ok(event) => event?,
                Err(_) => return Ok("silent"),
            };
            let Some(event) = event else { return Ok(reason) };
            if let Some(millis) = event.retry {
                *come_back = Duration::from_millis(millis);
            }
            match event.name.as_str() {
                "" | "heartbeat" => {}
                "end" => reason = "in order",
                _ => self.take(&event),
            }
        }
    }

    fn request(&self) -> Request<Body> {
        let rooms: Vec<_> = self.rooms.iter().map(|room| format!("room={room}")).collect();
        let held = self.held.lock().unwrap();
        let request = match (rooms.as_slice(), held.version()) {
            ([room], None) => Request::get(format!("/api/livekit/participants/stream?{room}")),
            ([room], Some(version)) => {
                Request::get(format!("/api/livekit/participants/stream?{room}"))
                    .header("last-event-id", version)
            }
            _ => Request::get(format!("/api/livekit/rooms/stream?{}", rooms.join("&"))),
        };
        request.body(Body::empty()).unwrap()
    }

    fn take(&self, event: &Event) {
        let Surroundings { journal, snapshots, .. } = &self.around;
        journal.count(format!("frames: {}", event.name));
        let mut held = self.held.lock().unwrap();
        let checked = held.take(event).and_then(|shown| {
            if shown.is_older {
                journal.count("lists older than what the page held before it came back");
            }
            snapshots.check(&shown.room, shown.version, &shown.list)
        });
        if let Err(fault) = checked {
            journal.violated(format!("{} of {:?}: {fault}", self.name, self.rooms));
        }
    }
}
