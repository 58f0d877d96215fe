//! Somebody who moderates a room through the service, with a token of LiveKit's.

use std::time::{Duration, Instant};

use axum::body::Body;
use hyper::Request;
use serde_json::{Value, json};

use crate::harness::wire;

use super::{livekit_server::Key, token};

/// A moderator of one room.
pub struct Moderator {
    service_port: u16,
    room: String,
    token: String,
}

/// The service's answer.
#[derive(Debug)]
pub struct Moderated {
    pub status: u16,
    pub body: Value,
    pub took: Duration,
}

impl Moderator {
    pub fn of(service_port: u16, room: &str, identity: &str) -> Self {
        let video = json!({"roomAdmin": true, "room": room});
        let token = token::sign(Key::First, json!({"sub": identity, "video": video}));
        Self { service_port, room: room.to_owned(), token }
    }

    pub async fn update(&self, identity: &str, changes: Value) -> Moderated {
        self.ask("PATCH", &format!("/participants/{identity}"), &changes).await
    }

    pub async fn may_publish(&self, identity: &str, may: bool) -> Moderated {
        self.update(identity, json!({"permission": {"canPublish": may}})).await
    }

    pub async fn mute(&self, identity: &str, track: &str, muted: bool) -> Moderated {
        let path = format!("/participants/{identity}/tracks/{track}");
        self.ask("PATCH", &path, &json!({"muted": muted})).await
    }

    pub async fn remove(&self, identity: &str) -> Moderated {
        self.ask("DELETE", &format!("/participants/{identity}"), &json!({})).await
    }

    pub async fn mute_all(&self, except: &[&str]) -> Moderated {
        self.ask("POST", "/mute-all", &json!({"except": except})).await
    }

    pub async fn end_room(&self) -> Moderated {
        self.ask("DELETE", "", &json!({})).await
    }

    /// Changes what the roster says of somebody.
    pub async fn invites(&self, identity: &str, changes: Value) -> Moderated {
        self.ask("PUT", &format!("/roster/{identity}"), &changes).await
    }

    pub async fn changes_entry(&self, identity: &str, changes: Value) -> Moderated {
        self.ask("PATCH", &format!("/roster/{identity}"), &changes).await
    }

    pub async fn entry(&self, identity: &str) -> Value {
        self.ask("GET", &format!("/roster/{identity}"), &json!({})).await.body
    }

    pub async fn bans(&self, identity: &str) -> Moderated {
        self.ask("PUT", &format!("/bans/{identity}"), &json!({})).await
    }

    async fn ask(&self, method: &str, path: &str, body: &Value) -> Moderated {
        let request = Request::builder()
            .method(method)
            .uri(format!("/api/livekit/rooms/{}{path}", self.room))
            .header("authorization", format!("Bearer {}", self.token))
            .header("content-type", "application/json")
            .body(Body::from(body.to_string()))
            .unwrap();
        let asked_at = Instant::now();
        let (status, body) = wire::fetch(self.service_port, request).await.unwrap();
        let body = serde_json::from_slice(&body).unwrap_or_default();
        Moderated { status, body, took: asked_at.elapsed() }
    }
}

impl Moderated {
    /// Checks that it was done.
    pub fn done(self) -> Self {
        assert!(matches!(self.status, 200 | 201 | 204), "{self:?}");
        self
    }

    /// Checks that it was refused with this status, and returns the sentence.
    pub fn refused(self, status: u16) -> String {
        assert_eq!(self.status, status, "{self:?}");
        self.body["detail"].as_str().unwrap().to_owned()
    }
}
