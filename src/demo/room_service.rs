//! The simulated LiveKit's API: those calls of `RoomService` that the service makes, over HTTP on a port of its own.

use std::{convert::Infallible, io, net::SocketAddr, sync::Arc};

use axum::{
    body::Body,
    http::{Request, Response, StatusCode, header},
};
use http_body_util::{BodyExt, Collected};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tracing::warn;

use super::{room::SimulatedRoom, simulation::RoomTask};

/// The simulated LiveKit's API. It answers anybody on this machine: nothing is behind it but the simulation.
pub struct RoomService {
    listener: TcpListener,
    rooms: Arc<Vec<RoomTask>>,
}

impl RoomService {
    /// # Errors
    /// This machine gives no port.
    pub(super) async fn bind(rooms: Arc<Vec<RoomTask>>) -> io::Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        Ok(Self { listener, rooms })
    }

    /// # Errors
    /// The listener has no address.
    pub fn address(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// Answers calls, for ever.
    pub(super) async fn run(&self) {
        loop {
            let socket = match self.listener.accept().await {
                Ok((socket, _)) => socket,
                Err(error) => {
                    warn!(%error, "the demo's LiveKit cannot be called");
                    return;
                }
            };
            let rooms = Arc::clone(&self.rooms);
            let service = service_fn(move |request| answer(request, Arc::clone(&rooms)));
            tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(socket), service));
        }
    }
}

async fn answer(
    request: Request<Incoming>,
    rooms: Arc<Vec<RoomTask>>,
) -> Result<Response<Body>, Infallible> {
    let method = request.uri().path().rsplit('/').next().unwrap_or_default().to_owned();
    let body = request.into_body().collect().await.map(Collected::to_bytes).unwrap_or_default();
    let arguments = serde_json::from_slice(&body).unwrap_or_default();
    let (status, answer) = match call(&method, &arguments, &rooms) {
        Some(answer) => (StatusCode::OK, answer),
        None => {
            (StatusCode::NOT_FOUND, json!({ "code": "not_found", "msg": "not in the simulation" }))
        }
    };
    let mut response = Response::new(Body::from(answer.to_string()));
    *response.status_mut() = status;
    let json = header::HeaderValue::from_static("application/json");
    response.headers_mut().insert(header::CONTENT_TYPE, json);
    Ok(response)
}

/// What a method answers. None: what it names is not there.
fn call(method: &str, arguments: &Value, rooms: &[RoomTask]) -> Option<Value> {
    let text = |name: &str| arguments[name].as_str().unwrap_or_default();
    if method == "ListRooms" {
        return Some(list_rooms(&arguments["names"], rooms));
    }
    let room = rooms.iter().find(|room| room.name() == text("room"))?;
    let identity = text("identity");
    match method {
        "ListParticipants" => Some(room.ask(SimulatedRoom::participants)),
        "GetParticipant" => room.ask(|room| room.participant(identity)),
        // The liveness probe.
        "UpdateSubscriptions" => room.ask(|room| room.participant(identity)).map(|_| json!({})),
        "UpdateParticipant" => room.change(|room| room.update(identity, arguments)),
        "RemoveParticipant" => room.change(|room| room.remove(identity)),
        "MutePublishedTrack" => {
            let muted = arguments["muted"].as_bool().unwrap_or_default();
            room.change(|room| room.mute(identity, text("track_sid"), muted))
        }
        "DeleteRoom" => room.change(SimulatedRoom::delete),
        _ => None,
    }
}

fn list_rooms(names: &Value, rooms: &[RoomTask]) -> Value {
    let names = names.as_array().map(Vec::as_slice).unwrap_or_default();
    let is_asked = |room: &&RoomTask| {
        names.is_empty() || names.iter().any(|name| name.as_str() == Some(room.name()))
    };
    let open = rooms.iter().filter(is_asked).filter(|room| room.ask(SimulatedRoom::is_open));
    json!({ "rooms": open.map(|room| json!({ "name": room.name() })).collect::<Vec<_>>() })
}
