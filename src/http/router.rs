//! Which handler answers which path, and the middleware around the handlers.

use std::sync::Arc;

use axum::{
    Router,
    middleware::from_fn_with_state,
    routing::{delete, get, patch, post, put},
};

use super::{
    middleware::{
        around::{self, Around},
        cors::Cors,
        limit::Limit,
        unavailable::UnavailableLog,
    },
    origin::CorsOrigins,
    routes::{
        bans, diagnosis, dry_run, events, figures, health,
        history::{analytics, attendance, people, sessions},
        metrics,
        misdirected::{self, WEBHOOK_PATHS},
        moderation::{self, mute_all, participant, track},
        openapi, page, participants, participants_ws, room, rooms, rooms_stream, rooms_ws, roster,
        stream, token, webhook, webhooks,
    },
    state::Http,
    tokens::Tokens,
};

/// What is.
fn now_routes() -> Router<Http> {
    Router::new()
        .route(participants::PATH, get(participants::list))
        .route("/api/livekit/participants/stream", get(stream::open))
        .route("/api/livekit/rooms", get(rooms::list))
        .route("/api/rooms", get(rooms::list))
        .route("/api/livekit/rooms/stream", get(rooms_stream::open))
        .route("/api/events", get(events::open))
        .route("/api/livekit/diagnosis", get(diagnosis::read))
        .route("/openapi.json", get(openapi::show))
}

/// What was.
fn history_routes() -> Router<Http> {
    Router::new()
        .route("/api/livekit/rooms/{room}/attendance", get(attendance::read))
        .route("/api/livekit/sessions", get(sessions::list))
        .route("/api/livekit/sessions/{sid}", get(sessions::read))
        .route("/api/livekit/people/{identity}", get(people::read))
        .route("/api/livekit/people/{identity}/history", delete(people::erase))
        .route("/api/livekit/analytics", get(analytics::read))
}

/// What the service itself does.
fn inside_routes() -> Router<Http> {
    Router::new()
        .route("/api/livekit/figures", get(figures::read))
        .route("/api/livekit/webhooks", get(webhooks::list))
        .route("/api/livekit/webhooks/{id}", get(webhooks::read))
        .route("/api/livekit/webhooks/{id}/dry-run", post(dry_run::play))
}

/// How somebody gets in.
fn token_routes() -> Router<Http> {
    Router::new()
        .route("/api/livekit/token", post(token::issue).get(token::issue_insecurely))
        .method_not_allowed_fallback(misdirected::no_method)
}

/// What moderators change.
fn moderation_routes() -> Router<Http> {
    let person = patch(participant::change).delete(participant::remove);
    Router::new()
        .route("/api/livekit/rooms/{room}", delete(moderation::room::end).get(room::read))
        .route("/api/livekit/rooms/{room}/mute-all", post(mute_all::mute))
        .route("/api/livekit/rooms/{room}/participants/{identity}", person)
        .route(
            "/api/livekit/rooms/{room}/participants/{identity}/tracks/{sid}",
            patch(track::change),
        )
}

/// Who is expected.
fn roster_routes() -> Router<Http> {
    use roster::{collection, entry};
    let everybody = get(collection::list)
        .put(collection::put)
        .patch(collection::patch)
        .delete(collection::empty);
    let one = get(entry::read).put(entry::put).patch(entry::patch).delete(entry::remove);
    Router::new()
        .route("/api/livekit/rooms/{room}/roster", everybody)
        .route("/api/livekit/rooms/{room}/roster/{identity}", one)
}

/// Who must not be in a room.
fn ban_routes() -> Router<Http> {
    Router::new()
        .route("/api/livekit/rooms/{room}/bans", get(bans::list))
        .route("/api/livekit/rooms/{room}/bans/{identity}", put(bans::set).delete(bans::lift))
}

/// What surrounds the handlers of each group of routes.
pub(super) struct Surroundings {
    http: Http,
    unavailable: Arc<UnavailableLog>,
}

impl Surroundings {
    pub fn new(http: Http, unavailable: Arc<UnavailableLog>) -> Self {
        Self { http, unavailable }
    }

    /// For pages of other origins too.
    pub fn around_reads(&self) -> Around {
        let cors = Cors::new(&self.http.cors, self.http.auth.cookie.is_some());
        self.around(Limit::Reads, Some(cors))
    }

    pub fn around_webhooks(&self) -> Around {
        self.around(Limit::None, None)
    }

    fn around(&self, limit: Limit, cors: Option<Cors>) -> Around {
        let http = self.http.clone();
        Around { http, unavailable: Arc::clone(&self.unavailable), cors, limit }
    }

    fn of(routes: Router<Http>, around: Around) -> Router<Http> {
        routes.layer(from_fn_with_state(Arc::new(around), around::around))
    }

    /// The same, where cookies count for the app alone.
    fn of_tokens(&self, routes: Router<Http>) -> Router<Http> {
        let takes_cookies = self.http.tokens.as_ref().is_some_and(Tokens::takes_cookies);
        let with_cookies = takes_cookies && self.http.cors != CorsOrigins::Any;
        let cors = Cors::with_rates(&self.http.cors, with_cookies);
        Self::of(routes, self.around(Limit::Reads, Some(cors)))
    }
}

pub(super) fn router(surroundings: &Surroundings) -> Router {
    let reads = now_routes()
        .merge(history_routes())
        .merge(moderation_routes())
        .merge(roster_routes())
        .merge(ban_routes())
        .merge(inside_routes())
        .method_not_allowed_fallback(misdirected::no_method);
    let health = Router::new()
        .route("/healthz", get(health::live))
        .route("/readyz", get(health::ready))
        .method_not_allowed_fallback(misdirected::no_method);
    let metrics = Router::new()
        .route("/metrics", get(metrics::show))
        .method_not_allowed_fallback(misdirected::no_method);
    // WebSockets are within no limit and no CORS: a page is told by a close code why it may not read.
    let web_sockets = Router::new()
        .route("/api/livekit/participants/ws", get(participants_ws::open))
        .route("/api/livekit/rooms/ws", get(rooms_ws::open));
    let others = WEBHOOK_PATHS
        .into_iter()
        .fold(web_sockets, |router, path| router.route(path, post(webhook::receive)))
        .merge(page::routes())
        .fallback(misdirected::no_route)
        .method_not_allowed_fallback(misdirected::no_method);
    Surroundings::of(others, surroundings.around_webhooks())
        .merge(Surroundings::of(reads, surroundings.around_reads()))
        .merge(surroundings.of_tokens(token_routes()))
        .merge(Surroundings::of(health, surroundings.around(Limit::Health, None)))
        .merge(Surroundings::of(metrics, surroundings.around(Limit::Metrics, None)))
        .with_state(surroundings.http.clone())
}
