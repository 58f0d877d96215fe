//! Routes, credentials, limits and errors. Handlers read as a sentence; status codes are named here and nowhere else.

mod answer_in_time;
mod auth;
mod client_address;
mod connection;
mod cors;
mod etag;
mod flush_tracking;
#[cfg(fuzzing)]
pub mod fuzzing;
mod head_watch;
mod health;
mod kept_answer;
mod limits;
mod metrics;
mod misdirected;
mod origin;
mod page;
mod participants;
mod permits;
mod problem;
mod query;
mod rate_limit;
mod refusal;
mod repeats;
mod request_id;
mod rooms;
mod rooms_stream;
mod seats;
mod server;
mod stream;
mod unavailable;
mod webhook;

pub use auth::{AuthMode, AuthSettings};
pub use client_address::TrustedProxies;
pub use cors::CorsOrigins;
pub use limits::{LimitSettings, Limits};
pub use metrics::HttpMetrics;
pub use origin::{AllowedOrigin, InvalidOrigin};
pub use rooms::RoomList;
pub use server::{Server, ServerSettings};
pub use stream::StreamSettings;
pub use webhook::Refusing;

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use axum::{
    Router,
    extract::FromRef,
    middleware::{from_fn, from_fn_with_state},
    routing::{get, post},
};
use prometheus_client::registry::Registry;
use tower::util::MapRequestLayer;
use tower_http::catch_panic::CatchPanicLayer;

use crate::{
    clock::Clock,
    delivery::{Permit, Pinned},
    hub::Hub,
    livekit::Keys,
    store::Store,
};

use auth::Client;
use client_address::ClientAddress;
use misdirected::WEBHOOK_PATHS;
use problem::Problem;
use unavailable::UnavailableLog;

/// Everything that handlers need.
pub struct HttpState {
    pub hub: Hub,
    pub store: Arc<dyn Store>,
    /// May sign webhooks.
    pub keys: Keys,
    /// May sign clients' tokens.
    pub client_keys: Keys,
    pub auth: AuthSettings,
    pub cors: CorsOrigins,
    pub trusted_proxies: TrustedProxies,
    pub streams: StreamSettings,
    pub limits: Limits,
    pub metrics: HttpMetrics,
    /// All that `/metrics` shows.
    pub registry: Registry,
    pub clock: Clock,
    /// What slow clients keep, whatever they asked for.
    pub pinned: Arc<Pinned>,
    pub room_list: RoomList,
    /// Shutting down: no longer fit for traffic.
    pub is_draining: AtomicBool,
    pub refusing: Refusing,
}

impl HttpState {
    pub fn start_draining(&self) {
        self.is_draining.store(true, Ordering::Release);
    }

    fn is_draining(&self) -> bool {
        self.is_draining.load(Ordering::Acquire)
    }

    /// Counts a stream, which a service that is about to end would only end again.
    fn open_stream(&self, address: ClientAddress, client: &Client) -> Result<Permit, Problem> {
        if self.is_draining() {
            return Err(Problem::draining());
        }
        self.limits.open_stream(address, client)
    }
}

/// What axum clones per request.
#[derive(Clone)]
struct Http(Arc<HttpState>);

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

/// All routes of the service.
fn router(http: Http, unavailable: Arc<UnavailableLog>) -> Router {
    let reads = Router::new()
        .route("/api/livekit/participants", get(participants::list))
        .route("/api/livekit/participants/stream", get(stream::open))
        .route("/api/livekit/rooms", get(rooms::list))
        .route("/api/rooms", get(rooms::list))
        .route("/api/livekit/rooms/stream", get(rooms_stream::open))
        .method_not_allowed_fallback(misdirected::no_method)
        .layer(from_fn_with_state(http.clone(), limits::limit_reads))
        // Within CORS, so that pages can read why.
        .layer(from_fn(answer_in_time::answer_in_time))
        .layer(CatchPanicLayer::custom(problem::after_panic))
        .layer(cors::layer(&http.cors, http.auth.cookie.is_some()))
        .layer(MapRequestLayer::new(cors::ask_for_what_is_allowed));
    let webhooks = WEBHOOK_PATHS
        .into_iter()
        .fold(Router::new(), |router, path| router.route(path, post(webhook::receive)));
    let looks = from_fn_with_state(http.clone(), limits::limit_looks);
    let metrics = from_fn_with_state(http.clone(), limits::limit_metrics);
    let wellbeing = Router::new()
        .route("/healthz", get(health::live).layer(looks.clone()))
        .route("/readyz", get(health::ready).layer(looks))
        .route("/metrics", get(metrics::show).layer(metrics));
    Router::new()
        .merge(reads)
        .merge(webhooks)
        .merge(wellbeing)
        .merge(page::routes())
        .fallback(misdirected::no_route)
        .method_not_allowed_fallback(misdirected::no_method)
        .layer(from_fn(answer_in_time::answer_in_time))
        .layer(CatchPanicLayer::custom(problem::after_panic))
        .layer(from_fn_with_state(http.clone(), metrics::count))
        .layer(from_fn_with_state(unavailable, unavailable::log))
        .layer(from_fn(request_id::name_request))
        .with_state(http)
}
