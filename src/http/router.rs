//! Which handler answers which path, and the middleware around the handlers.

use std::sync::Arc;

use axum::{
    Router,
    middleware::{from_fn, from_fn_with_state},
    routing::{delete, get, patch, post, put},
};
use tower::util::MapRequestLayer;
use tower_http::catch_panic::CatchPanicLayer;

use super::{
    middleware::{
        answer_in_time, cors, count, limit, request_id,
        unavailable::{self, UnavailableLog},
    },
    origin::CorsOrigins,
    problem,
    routes::{
        bans, events, health,
        history::{analytics, attendance, people, sessions},
        metrics,
        misdirected::{self, WEBHOOK_PATHS},
        moderation::{self, mute_all, participant, track},
        page, participants, participants_ws, room, rooms, rooms_stream, rooms_ws, roster, stream,
        token, webhook,
    },
    state::Http,
    tokens::Tokens,
};

/// What is.
fn now_routes() -> Router<Http> {
    Router::new()
        .route("/api/livekit/participants", get(participants::list))
        .route("/api/livekit/participants/stream", get(stream::open))
        .route("/api/livekit/rooms", get(rooms::list))
        .route("/api/rooms", get(rooms::list))
        .route("/api/livekit/rooms/stream", get(rooms_stream::open))
        .route("/api/events", get(events::open))
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

/// How somebody gets in. Cookies count here for the app alone.
fn token_routes(http: &Http) -> Router<Http> {
    let takes_cookies = http.tokens.as_ref().is_some_and(Tokens::takes_cookies);
    let with_cookies = takes_cookies && http.cors != CorsOrigins::Any;
    Router::new()
        .route("/api/livekit/token", post(token::issue).get(token::issue_insecurely))
        .method_not_allowed_fallback(misdirected::no_method)
        .layer(from_fn_with_state(http.clone(), limit::limit_reads))
        .layer(from_fn(answer_in_time::answer_in_time))
        .layer(CatchPanicLayer::custom(problem::after_panic))
        .layer(cors::layer_with_rates(&http.cors, with_cookies))
        .layer(MapRequestLayer::new(cors::ask_for_what_is_allowed))
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

pub(super) fn router(http: Http, unavailable: Arc<UnavailableLog>) -> Router {
    let reads = now_routes()
        .merge(history_routes())
        .merge(moderation_routes())
        .merge(roster_routes())
        .merge(ban_routes())
        .method_not_allowed_fallback(misdirected::no_method)
        .layer(from_fn_with_state(http.clone(), limit::limit_reads))
        // The layers above stand within CORS, so that pages of other origins can read their refusals.
        .layer(from_fn(answer_in_time::answer_in_time))
        .layer(CatchPanicLayer::custom(problem::after_panic))
        .layer(cors::layer(&http.cors, http.auth.cookie.is_some()))
        .layer(MapRequestLayer::new(cors::ask_for_what_is_allowed));
    // They are within no limit and no CORS: a page is told by a close code why it may not read.
    let web_sockets = Router::new()
        .route("/api/livekit/participants/ws", get(participants_ws::open))
        .route("/api/livekit/rooms/ws", get(rooms_ws::open));
    let webhooks = WEBHOOK_PATHS
        .into_iter()
        .fold(Router::new(), |router, path| router.route(path, post(webhook::receive)));
    let health_limit = from_fn_with_state(http.clone(), limit::limit_health);
    let metrics_limit = from_fn_with_state(http.clone(), limit::limit_metrics);
    let health_and_metrics = Router::new()
        .route("/healthz", get(health::live).layer(health_limit.clone()))
        .route("/readyz", get(health::ready).layer(health_limit))
        .route("/metrics", get(metrics::show).layer(metrics_limit));
    Router::new()
        .merge(reads)
        .merge(token_routes(&http))
        .merge(web_sockets)
        .merge(webhooks)
        .merge(health_and_metrics)
        .merge(page::routes())
        .fallback(misdirected::no_route)
        .method_not_allowed_fallback(misdirected::no_method)
        .layer(from_fn(answer_in_time::answer_in_time))
        .layer(CatchPanicLayer::custom(problem::after_panic))
        .layer(from_fn_with_state(http.clone(), count::count_answer))
        .layer(from_fn_with_state(unavailable, unavailable::log))
        .layer(from_fn(request_id::name_request))
        .with_state(http)
}
