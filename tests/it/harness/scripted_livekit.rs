//! A LiveKit whose API does what a test needs: it is slow, refuses, limits, lists ghosts. A real server does none of this on
//! demand; `tests/it/real` tests what a real one does by itself.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard},
    time::Duration,
};

use rustls::pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject};
use serde_json::Value;
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use super::{
    ApiFault, SpoiledList, WebhookBody, eventually,
    moderated_rooms::ModeratedRooms,
    room_service::{ModerationReply, ProbeReply, RoomService, Rooms},
};

/// A running server. Stops when dropped.
pub struct ScriptedLiveKit {
    pub address: SocketAddr,
    script: Arc<Script>,
    service: RoomService,
}

#[derive(Default)]
struct Script(Mutex<Lists>);

#[derive(Default)]
struct Lists {
    rooms: BTreeMap<String, Vec<Value>>,
    metadata: BTreeMap<String, String>,
    /// Identities that are listed although their node is gone.
    dead: BTreeSet<String>,
    /// Rooms whose lists cannot be read.
    spoiled: BTreeMap<String, SpoiledList>,
    /// Identities that live, listed or not.
    alive: BTreeSet<String>,
    /// Identities that the node which holds their room denies.
    forgotten: BTreeSet<String>,
    may_unmute: bool,
    /// Answers to moderators that are not LiveKit's: nonsense.
    garbles: bool,
    calls: Vec<(String, Value)>,
}

impl ScriptedLiveKit {
    pub async fn start(keys: &str) -> Self {
        Self::serve(keys, None).await
    }

    /// With a certificate for `localhost`, signed by the authority in `tests/fixtures/tls/ca.pem`.
    pub async fn start_with_tls(keys: &str) -> Self {
        Self::serve(keys, Some(tls_acceptor())).await
    }

    async fn serve(keys: &str, tls: Option<TlsAcceptor>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let script = Arc::new(Script::default());
        let rooms = Arc::clone(&script) as Arc<dyn Rooms>;
        Self { address, script, service: RoomService::serve(listener, tls, keys, rooms) }
    }

    pub fn url(&self) -> String {
        format!("ws://{}", self.address)
    }

    pub fn set_fault(&self, fault: ApiFault) {
        self.service.set_fault(fault);
    }

    /// Sets a fault of `UpdateSubscriptions` alone.
    pub fn set_probe_fault(&self, fault: ApiFault) {
        self.service.set_probe_fault(fault);
    }

    /// Lists these people in a room from now on, as their webhooks describe them.
    pub fn list(&self, room: &str, people: &[WebhookBody]) {
        let people = people.iter().map(|webhook| as_listed(&webhook.0["participant"])).collect();
        self.lists().rooms.insert(room.to_owned(), people);
    }

    /// Lists a room with this metadata from now on, as of the life that webhooks with `room_metadata` tell of.
    pub fn describe(&self, room: &str, metadata: &str) {
        self.lists().metadata.insert(room.to_owned(), metadata.to_owned());
    }

    /// Has the room no longer.
    pub fn close(&self, room: &str) {
        self.lists().rooms.remove(room);
    }

    /// Spoils the list of a room from now on.
    pub fn spoil(&self, room: &str, how: SpoiledList) {
        self.lists().spoiled.insert(room.to_owned(), how);
    }

    /// Lists somebody whose node is gone.
    pub fn kill(&self, identity: &str) {
        self.lists().dead.insert(identity.to_owned());
    }

    pub fn revive(&self, identity: &str) {
        self.lists().dead.remove(identity);
    }

    /// Has somebody answer probes, whatever the lists say.
    pub fn keep_alive(&self, identity: &str) {
        self.lists().alive.insert(identity.to_owned());
    }

    /// Takes back [`Self::forget`].
    pub fn remember(&self, identity: &str) {
        self.lists().forgotten.remove(identity);
    }

    /// Somebody is gone, and the node that holds the room says so.
    pub fn forget(&self, identity: &str) {
        let mut lists = self.lists();
        lists.alive.remove(identity);
        lists.forgotten.insert(identity.to_owned());
    }

    /// Lets moderators have muted tracks heard again.
    pub fn let_unmute(&self) {
        self.lists().may_unmute = true;
    }

    /// Carries out what moderators want, and answers nonsense.
    pub fn garble(&self) {
        self.lists().garbles = true;
    }

    /// How somebody is listed now.
    pub fn listed(&self, room: &str, identity: &str) -> Value {
        let lists = self.lists();
        let mut people = lists.rooms.get(room).into_iter().flatten();
        people.find(|one| one["identity"] == identity).cloned().unwrap_or_default()
    }

    /// The last call of a method.
    pub fn last_call(&self, method: &str) -> Value {
        let lists = self.lists();
        let mut calls = lists.calls.iter().rev();
        calls.find(|(called, _)| called == method).expect("it was called").1.clone()
    }

    /// The calls by which moderators changed something.
    pub fn acts(&self) -> usize {
        let acts = ["UpdateParticipant", "RemoveParticipant", "MutePublishedTrack", "DeleteRoom"];
        acts.iter().map(|method| self.calls(method, None)).sum()
    }

    /// The calls of a method so far, about one room or about any.
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
        self.script.lists()
    }
}

impl Script {
    fn lists(&self) -> MutexGuard<'_, Lists> {
        self.0.lock().unwrap()
    }
}

impl Rooms for Script {
    fn called(&self, method: &str, request: &Value) {
        self.lists().calls.push((method.to_owned(), request.clone()));
    }

    fn participants(&self, room: &str) -> Result<Vec<Value>, SpoiledList> {
        let lists = self.lists();
        match lists.spoiled.get(room) {
            Some(spoiled) => Err(*spoiled),
            None => Ok(lists.rooms.get(room).cloned().unwrap_or_default()),
        }
    }

    fn metadata(&self, room: &str) -> Option<String> {
        self.lists().metadata.get(room).cloned()
    }

    fn names(&self) -> Vec<String> {
        self.lists().rooms.keys().cloned().collect()
    }

    fn moderate(&self, method: &str, request: &Value) -> Option<ModerationReply> {
        let mut lists = self.lists();
        let Lists { rooms, dead, may_unmute, garbles, .. } = &mut *lists;
        let rooms = ModeratedRooms { rooms, dead, may_unmute: *may_unmute };
        let answer = rooms.act(method, request);
        answer.map(|(status, body)| (status, if *garbles { Value::from("garbled") } else { body }))
    }

    fn probe(&self, room: &str, identity: &str) -> ProbeReply {
        let lists = self.lists();
        if lists.forgotten.contains(identity) {
            return ProbeReply::Gone;
        }
        let listed = lists.rooms.get(room).into_iter().flatten();
        let is_listed = listed.into_iter().any(|one| one["identity"] == identity);
        let is_alive = lists.alive.contains(identity) || is_listed;
        if lists.dead.contains(identity) || !is_alive {
            return ProbeReply::NoResponse { after: Duration::ZERO };
        }
        ProbeReply::Alive
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

/// A participant in the words of Twirp's answers: `snake_case`.
fn as_listed(participant: &Value) -> Value {
    let mut listed = participant.clone();
    listed["joined_at_ms"] = participant["joinedAtMs"].clone();
    listed.as_object_mut().unwrap().remove("joinedAtMs");
    listed
}
