//! What handlers share.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use axum::extract::FromRef;
use prometheus_client::{encoding::text::encode, registry::Registry};
use tokio::runtime::Handle;

use crate::{
    clock::Clock,
    coordination::Peers,
    delivery::{Permit, Pinned, Workers},
    figures::{Figures, Fleet},
    history::History,
    hub::{Events, Hub},
    livekit::{Keys, Roles},
    moderation::{Bans, Moderation},
    presence::RoomName,
    roster::Roster,
    store::{Outbox, Store},
    webhook_log::WebhookLog,
};

use super::{
    limits::{
        client_address::{ClientAddress, TrustedProxies},
        identity_key::IdentityKey,
        limit_set::Limits,
    },
    metrics::HttpMetrics,
    origin::CorsOrigins,
    problem::Problem,
    room_list::RoomList,
    settings::{AuthSettings, StreamSettings},
    tokens::Tokens,
    webhook_outage::WebhookOutage,
};

/// What the service knows of itself.
pub struct Observed {
    /// Everything that `/metrics` shows.
    registry: Registry,
    /// The last hour of it.
    pub figures: Figures,
    /// None where there is only this instance.
    pub fleet: Option<Arc<Fleet>>,
    pub webhook_log: WebhookLog,
}

impl Observed {
    /// `peers` are those with whom figures are shared, if the store is shared.
    pub fn new(registry: Registry, peers: Option<Arc<dyn Peers>>) -> Self {
        let instance = format!("{:08x}", fastrand::u32(..));
        let webhook_log = WebhookLog::new(&instance);
        let fleet = peers.map(|peers| Arc::new(Fleet::new(peers, instance)));
        Self { registry, figures: Figures::default(), fleet, webhook_log }
    }

    /// Everything that `/metrics` shows, as `OpenMetrics`.
    ///
    /// # Errors
    /// A metric cannot be written.
    pub fn metrics(&self) -> Result<String, std::fmt::Error> {
        let mut text = String::new();
        encode(&mut text, &self.registry)?;
        Ok(text)
    }
}

/// Everything that handlers need.
pub struct HttpState {
    pub hub: Hub,
    pub events: Events,
    pub store: Arc<dyn Store>,
    /// What steps on rooms add to the history, until the history has it; none where no history is kept.
    pub outbox: Option<Arc<dyn Outbox>>,
    /// None where no history is kept.
    pub history: Option<Arc<History>>,
    /// None where LiveKit's API is not configured.
    pub moderation: Option<Arc<Moderation>>,
    /// None where no history is kept.
    pub roster: Option<Roster>,
    pub bans: Arc<Bans>,
    /// May sign webhooks.
    pub keys: Keys,
    /// May sign clients' tokens.
    pub client_keys: Keys,
    pub auth: AuthSettings,
    /// What people may do in a room, by their role.
    pub roles: Roles,
    /// None where no tokens are issued.
    pub tokens: Option<Tokens>,
    pub cors: CorsOrigins,
    pub trusted_proxies: TrustedProxies,
    pub streams: StreamSettings,
    pub limits: Limits,
    pub metrics: HttpMetrics,
    pub observed: Observed,
    pub clock: Clock,
    /// What slow clients keep in memory, streams and answers alike.
    pub pinned: Arc<Pinned>,
    pub workers: Arc<Workers>,
    /// Where the messages of WebSockets are answered.
    pub runtime: Handle,
    pub room_list: RoomList,
    /// The instance is shutting down, and not ready for traffic.
    pub is_draining: AtomicBool,
    pub webhook_outage: WebhookOutage,
}

impl HttpState {
    pub fn start_draining(&self) {
        self.is_draining.store(true, Ordering::Release);
    }

    pub(super) fn is_draining(&self) -> bool {
        self.is_draining.load(Ordering::Acquire)
    }

    /// Counts a stream. A service that is shutting down refuses it, since it would end it at once.
    pub(super) fn open_stream(
        &self,
        address: ClientAddress,
        identity: Option<IdentityKey>,
    ) -> Result<Permit, Problem> {
        if self.is_draining() {
            return Err(Problem::draining());
        }
        self.limits.open_stream(address, identity)
    }

    /// These names, in the memory that the hub has for those of hot rooms.
    pub(super) fn shared_names(&self, rooms: Vec<RoomName>) -> Vec<RoomName> {
        rooms.into_iter().map(|room| self.hub.shared_name(&room).unwrap_or(room)).collect()
    }

    /// Ends the oldest streams of an identity that has too many.
    pub(super) fn end_oldest_streams(&self, identity: IdentityKey) {
        for oldest in self.limits.permits.revoke_oldest(identity) {
            self.workers.replace(oldest);
        }
    }
}

/// What axum clones per request.
#[derive(Clone)]
pub(super) struct Http(pub Arc<HttpState>);

impl std::ops::Deref for Http {
    type Target = HttpState;

    fn deref(&self) -> &HttpState {
        &self.0
    }
}

impl FromRef<Http> for Arc<HttpState> {
    fn from_ref(http: &Http) -> Self {
        Self::clone(&http.0)
    }
}
