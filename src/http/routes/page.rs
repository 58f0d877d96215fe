//! `GET /`: the page with every room, live. Its files are compiled in; six of them are built in `clients/js`.

use axum::{
    Router,
    extract::State,
    http::{HeaderValue, header},
    response::{IntoResponse, Response},
    routing::get,
};

use crate::http::{state::Http, tokens::Tokens};

/// Allows nothing from other origins and nothing inline.
const POLICY: &str = "default-src 'none'; script-src 'self'; worker-src 'self'; style-src 'self'; connect-src 'self'; img-src data:; \
     base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

const HTML: &str = "text/html; charset=utf-8";
const CSS: &str = "text/css; charset=utf-8";
const SCRIPT: &str = "text/javascript; charset=utf-8";

/// The path, content type and content of each file.
const FILES: [(&str, &str, &str); 22] = [
    ("/", HTML, include_str!("../../../web/page/index.html")),
    ("/page/style.css", CSS, include_str!("../../../web/page/style.css")),
    ("/page/main.js", SCRIPT, include_str!("../../../web/page/main.js")),
    ("/page/activity.js", SCRIPT, include_str!("../../../web/page/activity.js")),
    ("/page/attendance.js", SCRIPT, include_str!("../../../web/page/attendance.js")),
    ("/page/board.js", SCRIPT, include_str!("../../../web/page/board.js")),
    ("/page/card.js", SCRIPT, include_str!("../../../web/page/card.js")),
    ("/page/charts.js", SCRIPT, include_str!("../../../web/page/charts.js")),
    ("/page/connection.js", SCRIPT, include_str!("../../../web/page/connection.js")),
    ("/page/inside.js", SCRIPT, include_str!("../../../web/page/inside.js")),
    ("/page/livekit-presence.js", SCRIPT, include_str!("../../../web/page/livekit-presence.js")),
    ("/page/moderate.js", SCRIPT, include_str!("../../../web/page/moderate.js")),
    ("/page/parts.js", SCRIPT, include_str!("../../../web/page/parts.js")),
    ("/page/past.js", SCRIPT, include_str!("../../../web/page/past.js")),
    ("/page/room.js", SCRIPT, include_str!("../../../web/page/room.js")),
    ("/page/roster.js", SCRIPT, include_str!("../../../web/page/roster.js")),
    ("/page/time.js", SCRIPT, include_str!("../../../web/page/time.js")),
    ("/page/token.js", SCRIPT, include_str!("../../../web/page/token.js")),
    ("/page/uplot.css", CSS, include_str!("../../../web/page/uplot.css")),
    ("/page/uplot.js", SCRIPT, include_str!("../../../web/page/uplot.js")),
    ("/page/webhooks.js", SCRIPT, include_str!("../../../web/page/webhooks.js")),
    ("/page/worker.js", SCRIPT, include_str!("../../../web/page/worker.js")),
];

/// The same of the page that shows `/openapi.json`.
const API_FILES: [(&str, &str, &str); 3] = [
    ("/docs/api", HTML, include_str!("../../../web/api/index.html")),
    ("/page/api.css", CSS, include_str!("../../../web/api/api.css")),
    ("/page/api.js", SCRIPT, include_str!("../../../web/api/api.js")),
];

pub(in crate::http) fn routes() -> Router<Http> {
    let router = Router::new().route("/page/features.js", get(features));
    FILES.into_iter().chain(API_FILES).fold(router, |router, (path, content_type, content)| {
        router.route(path, get(move || async move { serve(content_type, content) }))
    })
}

/// What the page has to know before it asks: a browser logs each 404 as an error.
async fn features(State(http): State<Http>) -> Response {
    let keeps_history = http.history.is_some();
    let features = [
        ("hasHistory", keeps_history),
        // The roster is kept beside the history.
        ("hasRoster", keeps_history),
        ("makesTokens", http.tokens.as_ref().is_some_and(Tokens::is_insecure)),
    ];
    let script = features.map(|(name, has)| format!("export const {name} = {has};\n")).concat();
    serve(SCRIPT, script)
}

fn serve(content_type: &'static str, content: impl IntoResponse) -> Response {
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static(content_type)),
        (header::CACHE_CONTROL, HeaderValue::from_static("no-cache")),
        (header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY)),
        (header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
        (header::REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
    ];
    (headers, content).into_response()
}
