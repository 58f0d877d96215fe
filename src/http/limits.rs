//! How much anybody may ask for.

use std::{sync::Arc, time::Instant};

use axum::{
    extract::{Request, State},
    middleware::Next,
    response::Response,
};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::delivery::Permit;

use super::{
    Http,
    client_address::ClientAddress,
    permits::{MostPermits, Permits, TooMany},
    problem::Problem,
    rate_limit::RateLimit,
    reader::Reader,
};

/// What an operator can set about limits.
#[derive(Clone, Debug)]
pub struct LimitSettings {
    /// As many as there are descriptors for; one client address may have three quarters of them.
    pub connections: usize,
    pub streams: usize,
    /// Zero: no limit. So for those below.
    pub streams_per_address: u32,
    pub streams_per_identity: u32,
    /// A second; ten times that at once. A stream of many rooms reads each of them.
    pub reads_per_address: u32,
    /// Rooms that the store does not hold, for which LiveKit is asked.
    pub lookups_per_address: u32,
    pub refused_webhooks_per_address: u32,
    /// What the bodies of webhooks may take together while they are read.
    pub body_bytes: usize,
    /// What lists may take together that were read for one answer each, while they are written.
    pub answer_bytes: usize,
}

/// The limits, with what counts towards them.
pub struct Limits {
    pub(super) permits: Arc<Permits>,
    reads: RateLimit<ClientAddress>,
    lookups: RateLimit<ClientAddress>,
    pub(super) refused_webhooks: RateLimit<ClientAddress>,
    bodies: Arc<Semaphore>,
    answers: Arc<Semaphore>,
}

/// Who was refused a stream is to come back after this time, in seconds.
const STREAM_RETRY_SECS: u64 = 10;

impl Limits {
    pub fn new(settings: &LimitSettings) -> Self {
        Self {
            permits: Permits::new(MostPermits {
                connections: settings.connections,
                connections_per_address: settings.connections - settings.connections / 4,
                streams: settings.streams,
                streams_per_address: settings.streams_per_address as usize,
                streams_per_identity: settings.streams_per_identity as usize,
            }),
            reads: RateLimit::new(settings.reads_per_address),
            lookups: RateLimit::new(settings.lookups_per_address),
            refused_webhooks: RateLimit::new(settings.refused_webhooks_per_address),
            bodies: bytes(settings.body_bytes),
            answers: bytes(settings.answer_bytes),
        }
    }

    /// Counts that so many rooms are read.
    pub(super) fn take_reads(&self, address: ClientAddress, rooms: usize) -> Result<(), Problem> {
        self.reads.take_many(address, rooms, Instant::now()).map_err(|wait| {
            let secs = wait.as_secs() + 1;
            Problem::too_many("too many requests from this address; slow down", secs)
        })
    }

    /// Whether LiveKit may be asked, for this address, about a room that may be made up. Otherwise it is shown as unknown.
    pub(super) fn may_look_up(&self, address: ClientAddress) -> bool {
        self.lookups.take(address, Instant::now()).is_ok()
    }

    /// Counts a stream.
    pub(super) fn open_stream(
        &self,
        address: ClientAddress,
        reader: &Reader,
    ) -> Result<Permit, Problem> {
        self.permits.open_stream(address, reader.identity()).map_err(|refused| match refused {
            TooMany::InAll => Problem::unavailable(
                "this instance has as many streams as it can take; try another, or later",
                STREAM_RETRY_SECS,
            ),
            TooMany::OfAddress => Problem::too_many(
                "too many streams are open from this address; close some",
                STREAM_RETRY_SECS,
            ),
            TooMany::OfIdentity => Problem::too_many(
                "too many streams are open with this identity; close some",
                STREAM_RETRY_SECS,
            ),
        })
    }

    /// Reserves memory for a part of a body, or says that there is none at the moment.
    pub(super) fn reserve_body(&self, bytes: usize) -> Option<OwnedSemaphorePermit> {
        reserve(&self.bodies, bytes)
    }

    /// Reserves memory for an answer.
    pub(super) fn reserve_answer(&self, bytes: usize) -> Option<OwnedSemaphorePermit> {
        reserve(&self.answers, bytes)
    }
}

fn bytes(most: usize) -> Arc<Semaphore> {
    Arc::new(Semaphore::new(most.min(Semaphore::MAX_PERMITS)))
}

fn reserve(from: &Arc<Semaphore>, bytes: usize) -> Option<OwnedSemaphorePermit> {
    Arc::clone(from).try_acquire_many_owned(u32::try_from(bytes).ok()?).ok()
}

/// Lets an address read so often and no more.
pub(super) async fn limit_reads(
    State(http): State<Http>,
    address: ClientAddress,
    request: Request,
    next: Next,
) -> Result<Response, Problem> {
    http.limits.take_reads(address, 1)?;
    Ok(next.run(request).await)
}
