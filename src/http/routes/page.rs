//! `GET /`: the page with every room, live. Its files are compiled in; `npm run build` in `clients/js` makes those of
//! `web/page/built`.

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
const TEXT: &str = "text/plain; charset=utf-8";

/// The path, content type and content of each file.
const FILES: [(&str, &str, &str); 11] = [
    ("/", HTML, include_str!("../../../web/page/index.html")),
    ("/page/style.css", CSS, include_str!("../../../web/page/built/style.css")),
    ("/page/main.js", SCRIPT, include_str!("../../../web/page/built/main.js")),
    (
        "/page/livekit-presence.js",
        SCRIPT,
        include_str!("../../../web/page/built/livekit-presence.js"),
    ),
    ("/page/shared.js", SCRIPT, include_str!("../../../web/page/built/shared.js")),
    ("/page/shared-2.js", SCRIPT, include_str!("../../../web/page/built/shared-2.js")),
    ("/page/shared-3.js", SCRIPT, include_str!("../../../web/page/built/shared-3.js")),
    ("/page/shared-4.js", SCRIPT, include_str!("../../../web/page/built/shared-4.js")),
    ("/page/websocket.js", SCRIPT, include_str!("../../../web/page/built/websocket.js")),
    ("/page/worker.js", SCRIPT, include_str!("../../../web/page/built/worker.js")),
    ("/page/uplot-license.txt", TEXT, include_str!("../../../web/page/built/uplot-license.txt")),
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
        ("hasInstances", http.observed.fleet.is_some()),
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_that_is_built_is_served() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/web/page/built");
        let built = std::fs::read_dir(folder).unwrap();
        let mut built: Vec<_> = built
            .map(|file| format!("/page/{}", file.unwrap().file_name().to_str().unwrap()))
            .collect();
        let mut served: Vec<_> = FILES[1..].iter().map(|(path, ..)| (*path).to_owned()).collect();
        built.sort();
        served.sort();
        assert_eq!(served, built);
    }
}
