//! A client of LiveKit's `RoomService`, as a backend has one.

use std::{
    io,
    time::{Duration, Instant},
};

use axum::body::Body;
use hyper::Request;
use serde_json::{Value, json};

use crate::harness::wire;

use super::{Person, livekit_server::Key, token};

/// Calls one LiveKit. A call never panics, since LiveKit may be down in a scenario.
#[derive(Clone, Copy, Debug)]
pub struct Api {
    pub port: u16,
}

/// The outcome of a call.
#[derive(Clone, Debug)]
pub struct Answer {
    /// None if nobody answered.
    pub status: Option<u16>,
    pub body: Value,
    pub took: Duration,
}

impl Api {
    pub async fn list_rooms(&self) -> Answer {
        self.call("ListRooms", &json!({"roomList": true}), &json!({})).await
    }

    pub async fn list_participants(&self, room: &str) -> Answer {
        self.call_for_room("ListParticipants", room, json!({})).await
    }

    pub async fn remove_participant(&self, room: &str, identity: &str) -> Answer {
        self.call_for_room("RemoveParticipant", room, json!({"identity": identity})).await
    }

    pub async fn mute_track(&self, room: &str, identity: &str, track: &str, muted: bool) -> Answer {
        let body = json!({"identity": identity, "track_sid": track, "muted": muted});
        self.call_for_room("MutePublishedTrack", room, body).await
    }

    /// `update` has any of `metadata`, `name`, `attributes` and `permission`.
    pub async fn update_participant(
        &self,
        room: &str,
        identity: &str,
        mut update: Value,
    ) -> Answer {
        update["identity"] = json!(identity);
        self.call_for_room("UpdateParticipant", room, update).await
    }

    pub async fn update_room_metadata(&self, room: &str, metadata: &str) -> Answer {
        self.call_for_room("UpdateRoomMetadata", room, json!({"metadata": metadata})).await
    }

    pub async fn delete_room(&self, room: &str) -> Answer {
        self.call("DeleteRoom", &json!({"roomCreate": true}), &json!({"room": room})).await
    }

    async fn call_for_room(&self, method: &str, room: &str, mut body: Value) -> Answer {
        body["room"] = json!(room);
        self.call(method, &json!({"roomAdmin": true, "room": room}), &body).await
    }

    async fn call(&self, method: &str, grant: &Value, body: &Value) -> Answer {
        let token = token::sign(Key::First, json!({"sub": "backend", "video": grant}));
        let request = Request::post(format!("/twirp/livekit.RoomService/{method}"))
            .header("authorization", format!("Bearer {token}"))
            .header("content-type", "application/json")
            .body(Body::from(body.to_string()))
            .unwrap();
        let asked_at = Instant::now();
        Answer::of(wire::fetch(self.port, request).await, asked_at.elapsed())
    }
}

impl Answer {
    fn of(answered: io::Result<(u16, axum::body::Bytes)>, took: Duration) -> Self {
        match answered {
            Ok((status, body)) => {
                let body = serde_json::from_slice(&body).unwrap_or_default();
                Self { status: Some(status), body, took }
            }
            Err(_) => Self { status: None, body: Value::Null, took },
        }
    }

    /// Checks that the call succeeded.
    pub fn done(self) -> Self {
        assert_eq!(self.status, Some(200), "{self:?}");
        self
    }

    /// The active and visible people in a list; an error says why there is none.
    pub fn people(&self) -> Result<Vec<Person>, String> {
        match self.status {
            Some(200) => {
                let listed = self.body["participants"].as_array().into_iter().flatten();
                Ok(Person::read_all(
                    listed.filter(|one| {
                        one["state"] == "ACTIVE" && one["permission"]["hidden"] != true
                    }),
                ))
            }
            Some(status) => Err(format!("{status} after {:.1} s", self.took.as_secs_f64())),
            None => Err("no answer".to_owned()),
        }
    }
}
