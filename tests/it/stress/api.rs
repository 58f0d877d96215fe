//! The API of the simulated LiveKit: who is listed, ghosts included, which rooms there are, and who is alive.

use std::{io, sync::Arc, time::Duration};

use axum::body::Body;
use http_body_util::BodyExt;
use hyper::{
    Request, Response, StatusCode, body::Incoming, header, server::conn::http1, service::service_fn,
};
use hyper_util::rt::TokioIo;
use livekit_presence::{
    livekit::{ApiKey, Keys},
    presence::{Identity, RoomName},
};
use serde_json::{Value, json};
use tokio::{net::TcpListener, sync::watch, task::JoinHandle};

use crate::harness::{ApiFault, PROCESS_KEYS, is_allowed};

use super::{journal::Journal, livekit::LiveKit, wording};

/// A call that a session's node must carry out is given up after this time where there is no such node.
const NO_NODE_ANSWERS: Duration = Duration::from_secs(3);

/// A running server. Stops when dropped.
pub struct Api {
    shared: Arc<Shared>,
    running: JoinHandle<()>,
}

struct Shared {
    livekit: Arc<LiveKit>,
    journal: Arc<Journal>,
    keys: Keys,
    fault: watch::Sender<ApiFault>,
}

impl Api {
    pub fn start(listener: TcpListener, livekit: Arc<LiveKit>, journal: Arc<Journal>) -> Self {
        let keys = Keys::new(&ApiKey::parse_lines(PROCESS_KEYS).unwrap());
        let fault = watch::Sender::new(ApiFault::None);
        let shared = Arc::new(Shared { livekit, journal, keys, fault });
        Self { running: tokio::spawn(accept(listener, Arc::clone(&shared))), shared }
    }

    pub fn set_fault(&self, fault: ApiFault) {
        self.shared.fault.send_replace(fault);
    }
}

impl Drop for Api {
    fn drop(&mut self) {
        self.running.abort();
    }
}

async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    while let Ok((socket, _)) = listener.accept().await {
        let shared = Arc::clone(&shared);
        let serve = service_fn(move |request| {
            let shared = Arc::clone(&shared);
            async move { shared.answer(request).await }
        });
        tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(socket), serve));
    }
}

impl Shared {
    /// An error closes the connection without an answer: there is no server, or none any more.
    async fn answer(&self, request: Request<Incoming>) -> io::Result<Response<Body>> {
        let crashed = || io::Error::from(io::ErrorKind::ConnectionReset);
        if !self.livekit.is_up() {
            return Err(crashed());
        }
        let answer = self.answer_while_up(request).await?;
        if self.livekit.is_up() { Ok(answer) } else { Err(crashed()) }
    }

    async fn answer_while_up(&self, request: Request<Incoming>) -> io::Result<Response<Body>> {
        let (head, body) = request.into_parts();
        let body = body.collect().await.map_err(io::Error::other)?.to_bytes();
        let request: Value = serde_json::from_slice(&body)?;
        let method = head.uri.path().rsplit('/').next().unwrap_or_default().to_owned();
        self.journal.count(format!("calls of LiveKit's API: {method}"));
        let mut fault = self.fault.subscribe();
        let fault =
            *fault.wait_for(|fault| *fault != ApiFault::Hangs).await.map_err(io::Error::other)?;
        let room = request["room"].as_str().unwrap_or_default();
        if fault == ApiFault::Refuses || !is_allowed(&self.keys, &head.headers, room) {
            return answer(StatusCode::UNAUTHORIZED, "invalid API key\n");
        }
        match fault {
            ApiFault::Fails => return answer(StatusCode::BAD_GATEWAY, ""),
            ApiFault::NoNodes => return unavailable(),
            ApiFault::Limits(secs) => {
                let mut limited = answer(StatusCode::TOO_MANY_REQUESTS, "")?;
                limited.headers_mut().insert(header::RETRY_AFTER, secs.into());
                return Ok(limited);
            }
            ApiFault::None | ApiFault::Hangs | ApiFault::Refuses => {}
        }
        match method.as_str() {
            "ListParticipants" => self.list_participants(&room_name(room)?),
            "ListRooms" => self.list_rooms(&request["names"]),
            "UpdateSubscriptions" => {
                let identity = Identity::new(request["identity"].as_str().unwrap_or_default());
                self.probe(&room_name(room)?, &identity).await
            }
            _ => answer(StatusCode::NOT_FOUND, ""),
        }
    }

    fn list_participants(&self, room: &RoomName) -> io::Result<Response<Body>> {
        let list = self.livekit.list_participants(room);
        let list: Vec<_> = list.iter().map(wording::listed).collect();
        answer(StatusCode::OK, &json!({"participants": list}).to_string())
    }

    fn list_rooms(&self, names: &Value) -> io::Result<Response<Body>> {
        let names = names.as_array().map(Vec::as_slice).unwrap_or_default();
        let is_wanted = |room: &&RoomName| names.is_empty() || names.contains(&json!(room));
        let rooms = self.livekit.names().filter(is_wanted);
        let rooms = rooms.filter(|room| self.livekit.has_room(room));
        let rooms: Vec<_> =
            rooms.map(|room| json!({"name": room, "num_participants": 99})).collect();
        answer(StatusCode::OK, &json!({"rooms": rooms}).to_string())
    }

    async fn probe(&self, room: &RoomName, identity: &Identity) -> io::Result<Response<Body>> {
        if self.livekit.answers(room, identity) {
            return answer(StatusCode::OK, "{}");
        }
        tokio::time::sleep(NO_NODE_ANSWERS).await;
        unavailable()
    }
}

fn unavailable() -> io::Result<Response<Body>> {
    let body =
        json!({"code": "unavailable", "msg": "twirp error unknown: no response from servers"});
    answer(StatusCode::SERVICE_UNAVAILABLE, &body.to_string())
}

#[expect(clippy::unnecessary_wraps, reason = "so that callers read as one sentence")]
fn answer(status: StatusCode, body: &str) -> io::Result<Response<Body>> {
    Ok(Response::builder().status(status).body(Body::from(body.to_owned())).unwrap())
}

fn room_name(name: &str) -> io::Result<RoomName> {
    RoomName::parse(name).map_err(io::Error::other)
}
