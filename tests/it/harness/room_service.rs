//! A fake of LiveKit's `RoomService`: Twirp over HTTP, tokens checked as LiveKit checks them, and faults on demand. What it lists
//! comes from its [`Rooms`].

use std::{io, sync::Arc, time::Duration};

use axum::body::{Body, Bytes};
use futures_util::{StreamExt, stream};
use http_body_util::BodyExt;
use hyper::{
    HeaderMap, Method, Request, Response, StatusCode, body::Incoming, header, server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::TokioIo;
use livekit_presence::{
    clock::Clock,
    livekit::{AccessToken, ApiKey, Keys},
    presence::RoomName,
};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpListener,
    sync::watch,
    task::JoinHandle,
};
use tokio_rustls::TlsAcceptor;

const PREFIX: &str = "/twirp/livekit.RoomService/";

/// What a `RoomService` knows of its rooms.
pub trait Rooms: Send + Sync + 'static {
    /// Whether the server runs. While it does not, connections are closed without an answer.
    fn is_up(&self) -> bool {
        true
    }

    /// Records a call before it is answered.
    fn called(&self, method: &str, request: &Value);

    /// The people in the list of a room, as Twirp's JSON; or the fault of that list.
    fn participants(&self, room: &str) -> Result<Vec<Value>, SpoiledList>;

    /// The names of all rooms.
    fn names(&self) -> Vec<String>;

    /// The metadata of a room; none where nothing is said of it.
    fn metadata(&self, _room: &str) -> Option<String> {
        None
    }

    /// How the node that holds a session answers a call about it.
    fn probe(&self, room: &str, identity: &str) -> ProbeReply;

    /// Carries out a call that changes something. None where nobody moderates.
    fn moderate(&self, _method: &str, _request: &Value) -> Option<ModerationReply> {
        None
    }
}

/// The status of the answer to a moderator, and its body.
pub type ModerationReply = (u16, Value);

/// A node's answer to a liveness probe.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProbeReply {
    Alive,
    /// The node has the room, and says that the session is not there.
    Gone,
    /// No node has the session, which LiveKit finds out after some time.
    NoResponse {
        after: Duration,
    },
}

/// What is wrong with the API.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ApiFault {
    None,
    /// Answers nothing until another fault is set, or none.
    Hangs,
    /// As LiveKit's middleware refuses an unknown key: 401 and plain text.
    Refuses,
    Fails,
    /// 429, and when to come back, in seconds.
    Limits(u32),
    /// Lists of participants are asked from the nodes, and no node has any room.
    NoNodes,
}

/// What is wrong with the list of one room, while everything else works.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SpoiledList {
    /// The connection breaks in the middle of the answer.
    CutOff,
    /// The answer is larger than the service reads.
    TooLarge,
    /// 500 for this room alone.
    Fails,
}

/// A running server. Stops when dropped.
pub struct RoomService {
    server: Arc<Server>,
    running: JoinHandle<()>,
}

struct Server {
    rooms: Arc<dyn Rooms>,
    keys: Keys,
    fault: watch::Sender<ApiFault>,
    probe_fault: watch::Sender<ApiFault>,
}

impl RoomService {
    /// Serves on a listener, with TLS if there is an acceptor for it. `keys` are lines as `LIVEKIT_KEYS` has them.
    pub fn serve(
        listener: TcpListener,
        tls: Option<TlsAcceptor>,
        keys: &str,
        rooms: Arc<dyn Rooms>,
    ) -> Self {
        let server = Arc::new(Server {
            rooms,
            keys: Keys::new(&ApiKey::parse_lines(keys).unwrap()),
            fault: watch::Sender::new(ApiFault::None),
            probe_fault: watch::Sender::new(ApiFault::None),
        });
        let running = tokio::spawn(accept(listener, tls, Arc::clone(&server)));
        Self { server, running }
    }

    pub fn set_fault(&self, fault: ApiFault) {
        self.server.fault.send_replace(fault);
    }

    /// Sets a fault of `UpdateSubscriptions` alone.
    pub fn set_probe_fault(&self, fault: ApiFault) {
        self.server.probe_fault.send_replace(fault);
    }
}

impl Drop for RoomService {
    fn drop(&mut self) {
        self.running.abort();
    }
}

async fn accept(listener: TcpListener, tls: Option<TlsAcceptor>, server: Arc<Server>) {
    while let Ok((socket, _)) = listener.accept().await {
        let (tls, server) = (tls.clone(), Arc::clone(&server));
        tokio::spawn(async move {
            match tls {
                None => serve(socket, server).await,
                Some(tls) => {
                    // A client that does not believe the certificate ends the handshake.
                    if let Ok(socket) = tls.accept(socket).await {
                        serve(socket, server).await;
                    }
                }
            }
        });
    }
}

async fn serve(socket: impl AsyncRead + AsyncWrite + Unpin, server: Arc<Server>) {
    let answer = service_fn(|request| server.answer(request));
    // A connection that breaks is the client's matter.
    let _ = http1::Builder::new().serve_connection(TokioIo::new(socket), answer).await;
}

impl Server {
    /// An error closes the connection without an answer, as a crash does before or during a call.
    async fn answer(&self, request: Request<Incoming>) -> io::Result<Response<Body>> {
        let crashed = || io::Error::from(io::ErrorKind::ConnectionReset);
        if !self.rooms.is_up() {
            return Err(crashed());
        }
        let answer = self.answer_while_up(request).await?;
        if self.rooms.is_up() { Ok(answer) } else { Err(crashed()) }
    }

    async fn answer_while_up(&self, request: Request<Incoming>) -> io::Result<Response<Body>> {
        let (head, body) = request.into_parts();
        let body = body.collect().await.map_err(io::Error::other)?.to_bytes();
        let method = head.uri.path().strip_prefix(PREFIX).filter(|_| head.method == Method::POST);
        let Some(method) = method else { return Ok(respond(StatusCode::NOT_FOUND, "")) };
        let request: Value = serde_json::from_slice(&body).expect("a call is JSON");
        self.rooms.called(method, &request);
        let fault = self.fault_of(method).await;
        let room = request["room"].as_str().unwrap_or_default();
        if fault == ApiFault::Refuses || !self.is_allowed(method, &head.headers, room) {
            return Ok(respond(StatusCode::UNAUTHORIZED, "invalid API key\n"));
        }
        Ok(match (fault, method) {
            (ApiFault::Fails, _) => respond(StatusCode::BAD_GATEWAY, ""),
            (ApiFault::Limits(secs), _) => limited(secs),
            (ApiFault::NoNodes, "ListParticipants") => unavailable(),
            (_, "ListParticipants") => match self.rooms.participants(room) {
                Ok(people) => success(&json!({"participants": people})),
                Err(spoiled) => spoil(spoiled),
            },
            (_, "ListRooms") => self.list_rooms(&request["names"]),
            (_, "UpdateSubscriptions") => self.probe(room, &request).await,
            (_, other) => {
                let moderated = self.rooms.moderate(other, &request);
                let (status, body) = moderated.unwrap_or_else(|| panic!("{other} is not called"));
                respond(StatusCode::from_u16(status).unwrap(), body.to_string())
            }
        })
    }

    /// The fault that a call meets, once nothing hangs any more.
    async fn fault_of(&self, method: &str) -> ApiFault {
        let answers = |fault: &ApiFault| *fault != ApiFault::Hangs;
        let fault = *self.fault.subscribe().wait_for(answers).await.unwrap();
        if method == "UpdateSubscriptions" && fault == ApiFault::None {
            return *self.probe_fault.subscribe().wait_for(answers).await.unwrap();
        }
        fault
    }

    /// As LiveKit checks it: a token for exactly this room, or the right to list rooms, or, to end one, the right to make them.
    fn is_allowed(&self, method: &str, headers: &HeaderMap, room: &str) -> bool {
        let token = headers[header::AUTHORIZATION].to_str().unwrap();
        let token = token.strip_prefix("Bearer ").unwrap();
        let now = Clock::system().now().as_secs();
        let Ok(token) = AccessToken::verify(token, &self.keys, now) else { return false };
        match RoomName::parse(room) {
            // The grant to make rooms is none that the service knows of clients' tokens.
            Ok(room) if method == "DeleteRoom" => !token.may_read(&room) && !token.may_list(),
            Ok(room) => token.may_read(&room) && !token.may_list(),
            Err(_) => token.may_list(),
        }
    }

    fn list_rooms(&self, wanted: &Value) -> Response<Body> {
        let wanted = wanted.as_array().map(Vec::as_slice).unwrap_or_default();
        let is_wanted = |name: &String| wanted.is_empty() || wanted.contains(&json!(name));
        let names = self.rooms.names().into_iter().filter(is_wanted);
        // The service takes no count from here.
        let rooms = names.map(|name| {
            let mut room = json!({"name": name, "num_participants": 99});
            if let Some(metadata) = self.rooms.metadata(&name) {
                room["metadata"] = metadata.into();
                room["creation_time_ms"] = (super::livekit::EPOCH_MS - 5_000).to_string().into();
            }
            room
        });
        success(&json!({"rooms": rooms.collect::<Vec<_>>()}))
    }

    async fn probe(&self, room: &str, request: &Value) -> Response<Body> {
        assert_eq!(request["track_sids"], json!([]), "a probe changes nothing");
        match self.rooms.probe(room, request["identity"].as_str().unwrap()) {
            ProbeReply::Alive => success(&json!({})),
            ProbeReply::Gone => {
                let body = json!({"code": "not_found", "msg": "participant does not exist"});
                respond(StatusCode::NOT_FOUND, body.to_string())
            }
            ProbeReply::NoResponse { after } => {
                tokio::time::sleep(after).await;
                unavailable()
            }
        }
    }
}

fn respond(status: StatusCode, body: impl Into<Body>) -> Response<Body> {
    Response::builder().status(status).body(body.into()).unwrap()
}

fn success(body: &Value) -> Response<Body> {
    respond(StatusCode::OK, body.to_string())
}

fn limited(secs: u32) -> Response<Body> {
    let mut limited = respond(StatusCode::TOO_MANY_REQUESTS, "");
    limited.headers_mut().insert(header::RETRY_AFTER, secs.into());
    limited
}

fn unavailable() -> Response<Body> {
    let body =
        json!({"code": "unavailable", "msg": "twirp error unknown: no response from servers"});
    respond(StatusCode::SERVICE_UNAVAILABLE, body.to_string())
}

fn spoil(how: SpoiledList) -> Response<Body> {
    match how {
        SpoiledList::CutOff => {
            let beginning = Bytes::from_static(b"{\"participants\":[");
            // The server sends what it has while the body has no more, so the beginning is out before the end breaks.
            let end = stream::once(async {
                tokio::task::yield_now().await;
                Err(io::Error::other("cut off"))
            });
            respond(StatusCode::OK, Body::from_stream(stream::iter([Ok(beginning)]).chain(end)))
        }
        SpoiledList::TooLarge => {
            const MEBIBYTES: usize = 80;
            let mebibyte = Bytes::from(vec![b' '; 1024 * 1024]);
            let all = std::iter::repeat_n(mebibyte, MEBIBYTES).map(Ok::<_, io::Error>);
            let mut large = respond(StatusCode::OK, Body::from_stream(stream::iter(all)));
            large.headers_mut().insert(header::CONTENT_LENGTH, (MEBIBYTES * 1024 * 1024).into());
            large
        }
        SpoiledList::Fails => respond(StatusCode::INTERNAL_SERVER_ERROR, ""),
    }
}
