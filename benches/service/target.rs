//! What each kind of server is asked: to stream a room, and to publish an event there.
//!
//! An event of the service is two webhooks: somebody joins, and the person who is longest in the room leaves. So each event is two frames, both
//! with a list of as many people. Servers that only pass on what they are given get the same two lists.

use std::net::SocketAddr;

use livekit_presence::clock::Clock;
use serde::{Deserialize, Serialize};

use super::{bare_loop, load, schedule::Schedule};

/// In the metadata of who joins: the run and the number of the event.
pub const MARKER: &[u8] = b"mark=";

/// What readers stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Kind {
    /// A service with webhooks and whole lists: this one, or the plain one in Node.js.
    Lists,
    /// This service, which sends what changed.
    Deltas,
    BareLoop,
    Nchan,
}

impl Kind {
    pub fn subscribe(self, room: usize) -> Vec<u8> {
        let path = match self {
            Self::Lists => format!("/api/livekit/participants/stream?room=room-{room}"),
            Self::Deltas => format!("/api/livekit/rooms/stream?room=room-{room}"),
            Self::BareLoop => return bare_loop::subscribe(room),
            Self::Nchan => format!("/sub?id=room-{room}"),
        };
        format!("GET {path} HTTP/1.1\r\nHost: bench\r\nAccept: text/event-stream\r\nCache-Control: no-cache\r\n\r\n").into_bytes()
    }

    fn takes_webhooks(self) -> bool {
        match self {
            Self::Lists | Self::Deltas => true,
            Self::BareLoop | Self::Nchan => false,
        }
    }
}

/// Requests that follow each other.
pub type Event = Vec<Vec<u8>>;

/// Servers of one kind that share their rooms, and who is in these.
pub struct Target {
    pub kind: Kind,
    pub addresses: Vec<SocketAddr>,
    people: u64,
    /// When the first person of a room joined, in milliseconds.
    joined_from: u64,
    /// How many have left each room.
    left: Vec<u64>,
    /// Size of a list, for servers that are given it.
    list_bytes: usize,
}

impl Target {
    pub fn new(kind: Kind, addresses: &[SocketAddr], rooms: usize, people: usize) -> Self {
        let joined_from = Clock::system().now().as_millis();
        let people = people as u64;
        Self {
            kind,
            addresses: addresses.to_vec(),
            people,
            joined_from,
            left: vec![0; rooms],
            list_bytes: 0,
        }
    }

    /// Lists have this size, for servers that are given them.
    pub fn with_list_bytes(mut self, bytes: usize) -> Self {
        self.list_bytes = bytes;
        self
    }

    /// Puts people, or a first message, into each room.
    pub fn fill(&self) {
        let all: Vec<usize> = (0..self.left.len()).collect();
        // Not all at once: the requests take more memory than the rooms.
        for rooms in all.chunks(2_000) {
            self.fill_some(rooms);
        }
    }

    fn fill_some(&self, rooms: &[usize]) {
        let unmarked = "kram=0.00000;";
        let requests = match self.kind {
            Kind::Lists | Kind::Deltas => {
                let starts = rooms.iter().map(|room| self.webhook("room_started", *room, None, ""));
                load::flood(&load::sign_all(starts), &self.addresses);
                let join =
                    |room, person| self.webhook("participant_joined", room, Some(person), unmarked);
                let joins = (0..self.people)
                    .flat_map(|person| rooms.iter().map(move |room| join(*room, person)));
                load::sign_all(joins)
            }
            Kind::BareLoop => return,
            Kind::Nchan => rooms.iter().map(|room| self.message(*room, unmarked)).collect(),
        };
        load::flood(&requests, &self.addresses);
    }

    /// The requests of all events of a schedule.
    pub fn events(&mut self, schedule: &Schedule) -> Vec<Event> {
        (0..schedule.total)
            .map(|event| {
                let room = usize::try_from(event % schedule.rooms).expect("few rooms");
                let marker = format!("mark={}.{event:05};", schedule.run);
                let oldest = self.left[room];
                self.left[room] += 1;
                if self.kind.takes_webhooks() {
                    let newest = oldest + self.people;
                    return load::sign_all([
                        self.webhook("participant_joined", room, Some(newest), &marker),
                        self.webhook("participant_left", room, Some(oldest), ""),
                    ]);
                }
                let twin = marker.replace("mark", "kram");
                vec![self.message(room, &marker), self.message(room, &twin)]
            })
            .collect()
    }

    /// A webhook with all that LiveKit sends.
    fn webhook(&self, event: &str, room: usize, person: Option<u64>, metadata: &str) -> String {
        let from = self.joined_from;
        let participant = person.map_or_else(String::new, |person| {
            let (joined, has_left) = (from + person, event == "participant_left");
            let (state, version, reason) = match has_left {
                true => ("DISCONNECTED", 5, r#","disconnectReason":"CLIENT_INITIATED""#),
                false => ("ACTIVE", 3, ""),
            };
            format!(
                r#","participant":{{"sid":"PA_{room:05}{person:07}","identity":"user-{room}-{person:06}","state":"{state}","metadata":"{metadata}","joinedAt":"{}","joinedAtMs":"{joined}","name":"Member {person:06}","version":{version},"permission":{{"canSubscribe":true,"canPublish":true,"canPublishData":true}}{reason}}}"#,
                joined / 1000,
            )
        });
        let (id, people) = (fastrand::u64(..), self.people);
        format!(
            r#"{{"event":"{event}","room":{{"sid":"RM_{room:012}","name":"room-{room}","emptyTimeout":300,"departureTimeout":20,"creationTime":"{}","creationTimeMs":"{from}","enabledCodecs":[{{"mime":"audio/opus"}},{{"mime":"audio/red"}},{{"mime":"video/VP8"}},{{"mime":"video/H264"}}],"numParticipants":{people}}}{participant},"id":"EV_{id:016x}","createdAt":"{}"}}"#,
            from / 1000,
            from / 1000,
        )
    }

    /// A list to pass on, with the marker where the newest person's metadata would be.
    fn message(&self, room: usize, marker: &str) -> Vec<u8> {
        let rest = self.list_bytes.saturating_sub(marker.len() + 20);
        let list = format!(
            r#"[{{"x":"{}"}},{{"metadata":"{marker}"}}]"#,
            "x".repeat(rest.saturating_sub(12))
        );
        match self.kind {
            Kind::BareLoop => {
                let event = format!("event: participants:update\ndata: {list}\n\n");
                bare_loop::publish(room, format!("{:x}\r\n{event}\r\n", event.len()).as_bytes())
            }
            Kind::Nchan => format!(
                "POST /pub?id=room-{room} HTTP/1.1\r\nHost: bench\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{list}",
                list.len()
            )
            .into_bytes(),
            Kind::Lists | Kind::Deltas => unreachable!("they make their lists themselves"),
        }
    }
}
