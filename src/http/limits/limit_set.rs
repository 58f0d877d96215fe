//! All limits on what clients may ask for, and the refusals when one is reached.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::timeout,
};
use tracing::warn;

use crate::{
    delivery::Permit,
    http::{problem::Problem, settings::LimitSettings},
};

use super::{
    client_address::{ClientAddress, Peer},
    identity_key::IdentityKey,
    permits::{PermitLimits, Permits, Seat, TooMany},
    rate_limit::RateLimit,
    repeats::Repeats,
    turns::{Asker, Turn, Turns},
};

/// The largest head of a request. It fits a token with 64 KiB of metadata (escaping may double that, and base64 adds a third) and
/// leaves room for the rest.
pub(in crate::http) const LARGE_HEAD_BYTES: usize = 256 * 1024;
/// The memory that hyper takes to read a large head: its buffer grows by doubling.
const LARGE_HEAD_MEMORY_BYTES: usize = 2 * LARGE_HEAD_BYTES;

/// All limits, with what counts towards them.
pub struct Limits {
    pub(in crate::http) permits: Arc<Permits>,
    settings: LimitSettings,
    reads: RateLimit<ClientAddress>,
    turns: Turns,
    wellbeing: RateLimit<ClientAddress>,
    has_named_proxies: AtomicBool,
    lookups: RateLimit<ClientAddress>,
    pub(in crate::http) refused_webhooks: RateLimit<ClientAddress>,
    /// Bounds the log lines about refused webhooks.
    pub(in crate::http) webhook_log: Repeats<String>,
    bodies: Arc<Semaphore>,
    /// Streams whose clients have not shown a token yet.
    without_token: Arc<Semaphore>,
}

/// A client that was refused a connection comes back after this time, in seconds. It may be LiveKit with a webhook.
const CONNECTION_RETRY_SECS: u64 = 1;
/// A client that was refused a stream comes back after this time, in seconds.
const STREAM_RETRY_SECS: u64 = 10;
/// How long a question to the history waits for those that the same client asked before. It must be answered within 4.5 seconds.
const TURN_TIMEOUT: Duration = Duration::from_secs(2);
/// A client that has asked the history too much comes back after this time, in seconds.
const TURN_RETRY_SECS: u64 = 1;
/// At most this part of the streams waits for a token at the same time, so that clients without any cannot take all.
const STREAMS_WITHOUT_TOKEN: usize = 4;

impl Limits {
    pub fn new(settings: &LimitSettings) -> Self {
        let large_heads = (settings.head_bytes / LARGE_HEAD_MEMORY_BYTES).max(1);
        Self {
            permits: Permits::new(PermitLimits {
                connections: settings.connections,
                webhook_connections: settings.webhook_connections,
                connections_per_address: settings.connections - settings.connections / 4,
                large_heads,
                large_heads_per_address: large_heads.div_ceil(2),
                streams: settings.streams,
                streams_per_address: settings.streams_per_address as usize,
                streams_per_identity: settings.streams_per_identity as usize,
            }),
            settings: settings.clone(),
            reads: RateLimit::new(settings.reads_per_address),
            turns: Turns::default(),
            wellbeing: RateLimit::new(settings.reads_per_address),
            has_named_proxies: AtomicBool::new(false),
            lookups: RateLimit::new(settings.lookups_per_address),
            refused_webhooks: RateLimit::new(settings.refused_webhooks_per_address),
            webhook_log: Repeats::default(),
            bodies: at_most(settings.body_bytes),
            without_token: at_most(settings.streams.div_ceil(STREAMS_WITHOUT_TOKEN)),
        }
    }

    /// Finds a place for a connection.
    pub(in crate::http) fn connect(&self, peer: Peer) -> Result<Seat, Problem> {
        self.permits.connect(peer).map_err(|refused| match refused {
            TooMany::InAll => Problem::no_place(),
            TooMany::OfAddress => Problem::too_many(
                "too many connections are open from this address; close some, or name it in `http.trusted_proxies` if it is a proxy",
                CONNECTION_RETRY_SECS,
            ),
        })
    }

    /// Counts a large head. It takes more memory than a connection is expected to.
    pub(in crate::http) fn read_large_head(
        &self,
        connection: &Permit,
        peer: Peer,
    ) -> Result<Permit, Problem> {
        self.permits.read_large_head(connection, peer).map_err(|_| {
            Problem::unavailable(
                "too many requests with large heads are being read at the moment (`limits.head_bytes`); ask again",
                CONNECTION_RETRY_SECS,
            )
        })
    }

    /// Counts this many rooms as read.
    pub(in crate::http) fn take_reads(
        &self,
        address: ClientAddress,
        rooms: usize,
    ) -> Result<(), Problem> {
        self.take(&self.reads, address, rooms)
    }

    /// Waits until this client may ask the history, which answers one question of each at a time.
    pub(in crate::http) async fn take_turn(&self, asker: Asker) -> Result<Turn, Problem> {
        timeout(TURN_TIMEOUT, self.turns.take(asker)).await.map_err(|_| {
            Problem::too_many(
                "the history is still busy with what you asked before; ask one question at a time",
                TURN_RETRY_SECS,
            )
        })
    }

    /// Counts a request for health or metrics, which costs as much as `cost` reads. Reads are counted apart: otherwise clients
    /// behind the same address would use up the limit and make the instance look unhealthy.
    pub(in crate::http) fn take_health_checks(
        &self,
        address: ClientAddress,
        cost: usize,
    ) -> Result<(), Problem> {
        self.take(&self.wellbeing, address, cost)
    }

    fn take(
        &self,
        limit: &RateLimit<ClientAddress>,
        address: ClientAddress,
        count: usize,
    ) -> Result<(), Problem> {
        limit.take_many(address, count, Instant::now()).map_err(|wait| {
            let most = self.settings.reads_per_address;
            let detail = format!(
                "too many requests from this address; slow down to `limits.reads_per_address` ({most}) a second"
            );
            Problem::too_many(detail, wait.as_secs() + 1)
        })
    }

    /// Whether this address may have LiveKit asked about a room that the store does not hold; its name may be invented. If not, the
    /// room is shown as unknown.
    pub(in crate::http) fn may_look_up(&self, address: ClientAddress) -> bool {
        self.lookups.take(address, Instant::now()).is_ok()
    }

    pub(in crate::http) fn open_stream(
        &self,
        address: ClientAddress,
        identity: Option<IdentityKey>,
    ) -> Result<Permit, Problem> {
        self.permits.open_stream(address, identity).map_err(|refused| match refused {
            TooMany::InAll => {
                let most = self.settings.streams;
                let detail = format!(
                    "this instance has as many streams as it can take, `limits.streams` ({most}); try another, or later"
                );
                Problem::unavailable(detail, STREAM_RETRY_SECS)
            }
            TooMany::OfAddress => {
                self.name_proxies(address);
                let most = self.settings.streams_per_address;
                let detail = format!(
                    "too many streams are open from this address; close some, or raise `limits.streams_per_address` ({most})"
                );
                Problem::too_many(detail, STREAM_RETRY_SECS)
            }
        })
    }

    /// Counts a stream whose client has not shown a token yet, until what is returned is dropped.
    pub(in crate::http) fn await_token(&self) -> Result<OwnedSemaphorePermit, Problem> {
        reserve(&self.without_token, 1).ok_or_else(|| {
            Problem::unavailable(
                "too many connections wait for their token at the moment; connect with a token in the address or a cookie, or later",
                CONNECTION_RETRY_SECS,
            )
        })
    }

    /// Tells the operator, once, that this address seems to be a proxy's.
    fn name_proxies(&self, address: ClientAddress) {
        if self.has_named_proxies.load(Ordering::Relaxed)
            || !self.permits.looks_like_proxy(address, Instant::now())
            || self.has_named_proxies.swap(true, Ordering::Relaxed)
        {
            return;
        }
        warn!(
            client.address = %address,
            "refusing streams at `limits.streams_per_address`, and this address has streams of many people; if it is a proxy, name it in `http.trusted_proxies`"
        );
    }

    /// Reserves memory for a part of a body. None if all of it is in use.
    pub(in crate::http) fn reserve_body(&self, bytes: usize) -> Option<OwnedSemaphorePermit> {
        reserve(&self.bodies, bytes)
    }
}

fn at_most(most: usize) -> Arc<Semaphore> {
    Arc::new(Semaphore::new(most.min(Semaphore::MAX_PERMITS)))
}

fn reserve(from: &Arc<Semaphore>, count: usize) -> Option<OwnedSemaphorePermit> {
    Arc::clone(from).try_acquire_many_owned(u32::try_from(count).ok()?).ok()
}
