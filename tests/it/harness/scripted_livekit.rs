//! LiveKit's API as a test needs it: slow, refusing, limited, with ghosts. A real server does none of this on demand; what it
//! does of itself is tested with a real one, in `tests/it/real`.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Debug,
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard},
    time::Duration,
};

use axum::{
    Router,
    body::{Body, Bytes},
    extract::{Path, State},
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
    routing::post,
    serve::Listener,
};
use futures_util::{StreamExt, stream};
use livekit_presence::livekit::{AccessToken, ApiKey, Keys};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject};
use serde_json::{Value, json};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::watch,
    task::JoinHandle,
};
use tokio_rustls::{TlsAcceptor, server::TlsStream};

use super::{WebhookBody, eventually};

/// A server of `RoomService`. Stops when dropped.
pub struct ScriptedLiveKit {
    pub address: SocketAddr,
    script: Arc<Script>,
    serving: JoinHandle<()>,
}

struct Script {
    keys: Keys,
    state: Mutex<Lists>,
    fault: watch::Sender<ApiFault>,
    probe_fault: watch::Sender<ApiFault>,
}

#[derive(Default)]
struct Lists {
    rooms: BTreeMap<String, Vec<Value>>,
    /// Identities that are listed, and whose node is gone.
    dead: BTreeSet<String>,
    /// Rooms whose lists cannot be read.
    spoiled: BTreeMap<String, Spoiled>,
    /// Identities that live, listed or not.
    alive: BTreeSet<String>,
    /// Identities of whom the node that holds their room says that they are not there.
    forgotten: BTreeSet<String>,
    calls: Vec<(String, Value)>,
}

/// What is wrong with the list of one room, while everything else works.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Spoiled {
    /// The connection breaks in the middle of the answer.
    CutOff,
    /// The answer is larger than anybody reads.
    TooLarge,
    /// 500 for this room alone.
    Fails,
}

/// What is wrong with the API.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ApiFault {
    None,
    /// Answers nothing until another fault is set, or none.
    Hangs,
    /// As its middleware refuses an unknown key: 401 and plain text.
    Refuses,
    Fails,
    /// 429, and when to come back, in seconds.
    Limits(u32),
    /// Lists of participants are asked from the nodes, and no node has any room.
    NoNodes,
}

impl ScriptedLiveKit {
    pub async fn start(keys: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        Self::serve(keys, address, listener)
    }

    /// With a certificate for `localhost`, signed by the authority in `tests/fixtures/tls/ca.pem`.
    pub async fn start_with_tls(keys: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        Self::serve(keys, address, TlsListener { listener, acceptor: tls_acceptor() })
    }

    fn serve<L>(keys: &str, address: SocketAddr, listener: L) -> Self
    where
        L: Listener,
        L::Addr: Debug,
    {
        let script = Arc::new(Script {
            keys: Keys::new(&ApiKey::parse_lines(keys).unwrap()),
            state: Mutex::default(),
            fault: watch::Sender::new(ApiFault::None),
            probe_fault: watch::Sender::new(ApiFault::None),
        });
        let router = Router::new()
            .route("/twirp/livekit.RoomService/{method}", post(answer))
            .with_state(Arc::clone(&script));
        Self {
            address,
            script,
            serving: tokio::spawn(async { axum::serve(listener, router).await.unwrap() }),
        }
    }

    pub fn url(&self) -> String {
        format!("ws://{}", self.address)
    }

    pub fn set_fault(&self, fault: ApiFault) {
        self.script.fault.send_replace(fault);
    }

    /// How `UpdateSubscriptions` is answered; the rest works.
    pub fn set_probe_fault(&self, fault: ApiFault) {
        self.script.probe_fault.send_replace(fault);
    }

    /// From now on these people are listed in a room, as their webhooks describe them.
    pub fn list(&self, room: &str, people: &[WebhookBody]) {
        let people = people.iter().map(|webhook| as_listed(&webhook.0["participant"])).collect();
        self.lists().rooms.insert(room.to_owned(), people);
    }

    /// LiveKit has the room no longer.
    pub fn close(&self, room: &str) {
        self.lists().rooms.remove(room);
    }

    /// From now on there is something wrong with the list of this room.
    pub fn spoil(&self, room: &str, how: Spoiled) {
        self.lists().spoiled.insert(room.to_owned(), how);
    }

    /// Goes on listing somebody whose node is gone.
    pub fn kill(&self, identity: &str) {
        self.lists().dead.insert(identity.to_owned());
    }

    pub fn revive(&self, identity: &str) {
        self.lists().dead.remove(identity);
    }

    /// Somebody is inside, whatever the lists say.
    pub fn keep_alive(&self, identity: &str) {
        self.lists().alive.insert(identity.to_owned());
    }

    /// [`Self::forget`] was a mistake.
    pub fn remember(&self, identity: &str) {
        self.lists().forgotten.remove(identity);
    }

    /// Somebody is gone, and the node that holds the room says so.
    pub fn forget(&self, identity: &str) {
        let mut lists = self.lists();
        lists.alive.remove(identity);
        lists.forgotten.insert(identity.to_owned());
    }

    /// How often a method was called so far, for a room or for any.
    pub fn calls(&self, method: &str, room: Option<&str>) -> usize {
        let lists = self.lists();
        let is_it = |(called, request): &&(String, Value)| {
            called == method && room.is_none_or(|room| request["room"] == room)
        };
        lists.calls.iter().filter(is_it).count()
    }

    pub async fn until_called(&self, method: &str, times: usize) {
        eventually("LiveKit to be called", async || self.calls(method, None) >= times).await;
    }

    fn lists(&self) -> MutexGuard<'_, Lists> {
        self.script.state.lock().unwrap()
    }
}

/// Accepts TLS connections.
struct TlsListener {
    listener: TcpListener,
    acceptor: TlsAcceptor,
}

impl Listener for TlsListener {
    type Io = TlsStream<TcpStream>;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Self::Io, SocketAddr) {
        loop {
            let Ok((socket, peer)) = self.listener.accept().await else { continue };
            if let Ok(socket) = self.acceptor.accept(socket).await {
                return (socket, peer);
            }
        }
    }

    fn local_addr(&self) -> std::io::Result<SocketAddr> {
        self.listener.local_addr()
    }
}

fn tls_acceptor() -> TlsAcceptor {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/tls/");
    let certificate = CertificateDer::from_pem_file(format!("{folder}localhost.pem")).unwrap();
    let key = PrivateKeyDer::from_pem_file(format!("{folder}localhost-key.pem")).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate], key)
        .unwrap();
    TlsAcceptor::from(Arc::new(config))
}

impl Drop for ScriptedLiveKit {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

async fn answer(
    State(script): State<Arc<Script>>,
    Path(method): Path<String>,
    headers: HeaderMap,
    body: String,
) -> Response {
    let request: Value = serde_json::from_str(&body).unwrap();
    script.state.lock().unwrap().calls.push((method.clone(), request.clone()));
    let mut fault = script.fault.subscribe();
    let mut fault = *fault.wait_for(|fault| *fault != ApiFault::Hangs).await.unwrap();
    if method == "UpdateSubscriptions" && fault == ApiFault::None {
        let mut probe_fault = script.probe_fault.subscribe();
        fault = *probe_fault.wait_for(|fault| *fault != ApiFault::Hangs).await.unwrap();
    }
    let room = request["room"].as_str().unwrap_or_default();
    if fault == ApiFault::Refuses || !is_allowed(&script.keys, &headers, room) {
        return (StatusCode::UNAUTHORIZED, "invalid API key\n").into_response();
    }
    let unavailable = || {
        let body =
            json!({"code": "unavailable", "msg": "twirp error unknown: no response from servers"});
        (StatusCode::SERVICE_UNAVAILABLE, body.to_string()).into_response()
    };
    match fault {
        ApiFault::None | ApiFault::NoNodes => {}
        ApiFault::Fails => return StatusCode::BAD_GATEWAY.into_response(),
        ApiFault::Limits(secs) => {
            return (StatusCode::TOO_MANY_REQUESTS, [(header::RETRY_AFTER, secs.to_string())])
                .into_response();
        }
        ApiFault::Hangs | ApiFault::Refuses => unreachable!("answered above"),
    }
    let lists = script.state.lock().unwrap();
    let answer = match method.as_str() {
        "ListParticipants" if fault == ApiFault::NoNodes => return unavailable(),
        "ListParticipants" if lists.spoiled.contains_key(room) => {
            return spoil(lists.spoiled[room]);
        }
        "ListParticipants" => {
            json!({"participants": lists.rooms.get(room).cloned().unwrap_or_default()})
        }
        "ListRooms" => {
            let names = request["names"].as_array().cloned().unwrap_or_default();
            let is_wanted = |name: &&String| names.is_empty() || names.contains(&json!(name));
            let rooms = lists.rooms.keys().filter(is_wanted);
            json!({"rooms": rooms.map(|name| json!({"name": name, "num_participants": 99})).collect::<Vec<_>>()})
        }
        "UpdateSubscriptions" => {
            assert_eq!(request["track_sids"], json!([]), "nothing may change");
            let identity = request["identity"].as_str().unwrap();
            if lists.forgotten.contains(identity) {
                let body = json!({"code": "not_found", "msg": "participant does not exist"});
                return (StatusCode::NOT_FOUND, body.to_string()).into_response();
            }
            let listed = lists.rooms.get(room).into_iter().flatten();
            let is_listed = listed.into_iter().any(|one| one["identity"] == identity);
            let is_alive = lists.alive.contains(identity) || is_listed;
            if lists.dead.contains(identity) || !is_alive {
                return unavailable();
            }
            json!({})
        }
        other => panic!("{other} is not called"),
    };
    answer.to_string().into_response()
}

fn spoil(how: Spoiled) -> Response {
    let mebibyte = Bytes::from(vec![b' '; 1024 * 1024]);
    match how {
        Spoiled::CutOff => {
            let beginning = Bytes::from_static(b"{\"participants\":[");
            // What has been written goes out in between.
            let end = stream::once(async {
                tokio::time::sleep(Duration::from_millis(20)).await;
                Err(std::io::Error::other("cut off"))
            });
            Body::from_stream(stream::iter([Ok(beginning)]).chain(end)).into_response()
        }
        Spoiled::TooLarge => {
            let endless = std::iter::repeat_n(mebibyte, 80).map(Ok::<_, std::io::Error>);
            let length = [(header::CONTENT_LENGTH, (80 * 1024 * 1024).to_string())];
            (length, Body::from_stream(stream::iter(endless))).into_response()
        }
        Spoiled::Fails => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}

/// As LiveKit checks it: a token for exactly this room, or the right to list rooms.
pub fn is_allowed(keys: &Keys, headers: &HeaderMap, room: &str) -> bool {
    let token = headers[header::AUTHORIZATION].to_str().unwrap().strip_prefix("Bearer ").unwrap();
    let now = livekit_presence::clock::Clock::system().now().as_secs();
    let Ok(token) = AccessToken::verify(token, keys, now) else { return false };
    match livekit_presence::presence::RoomName::parse(room) {
        Ok(room) => token.may_read(&room) && !token.may_list(),
        Err(_) => token.may_list(),
    }
}

/// A participant as Twirp answers word it: `snake_case`.
fn as_listed(participant: &Value) -> Value {
    let mut listed = participant.clone();
    listed["joined_at_ms"] = participant["joinedAtMs"].clone();
    listed.as_object_mut().unwrap().remove("joinedAtMs");
    listed
}
