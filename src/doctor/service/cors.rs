//! Whether a page of another origin may read.

use axum::http::{HeaderMap, Method, header};
use hyper::body::Bytes;

use crate::doctor::finding::{Check, Checked};

use super::{Service, with_headers};

const TARGET: &str = "/api/livekit/rooms";

pub(super) async fn check(service: &Service, origin: Option<&str>) -> Checked {
    let Some(origin) = origin else {
        return Checked::skipped(Check::Cors, "no page is named with --origin");
    };
    let bearer = service.bearer();
    let headers = [("authorization", bearer.as_str()), ("origin", origin)];
    let asking = [
        ("origin", origin),
        ("access-control-request-method", "GET"),
        ("access-control-request-headers", "authorization"),
    ];
    let preflight = with_headers(service.request(Method::OPTIONS, TARGET), &asking);
    let (read, preflight) =
        tokio::join!(service.get(TARGET, &headers), service.send(preflight, Bytes::new()));
    let (Ok(read), Ok(preflight)) = (read, preflight) else {
        return Checked::skipped(Check::Cors, "the list of rooms was not answered");
    };
    let checked = Checked::of(Check::Cors);
    match (allowed(read.headers(), origin), allowed(preflight.headers(), origin)) {
        (Allowed::Yes, Allowed::Yes) => checked.saying(format!("pages of {origin} may read")),
        (Allowed::Twice, _) | (_, Allowed::Twice) => checked.wrong(
            "The answer has `Access-Control-Allow-Origin` twice, and browsers refuse that.",
            "Leave CORS to the service, and remove the proxy's own header.",
        ),
        (Allowed::Yes, Allowed::No) => checked.wrong(
            format!("Pages of {origin} get no answer to the preflight (OPTIONS) before a request with a token."),
            "Let the proxy hand OPTIONS on to the service.",
        ),
        (Allowed::No, _) => checked.wrong(
            format!("Pages of {origin} may not read."),
            format!("Add {origin} to `http.cors_origins` (LKP__HTTP__CORS_ORIGINS), and let the proxy hand `Origin` on."),
        ),
    }
}

enum Allowed {
    Yes,
    No,
    Twice,
}

fn allowed(headers: &HeaderMap, origin: &str) -> Allowed {
    let mut values = headers.get_all(header::ACCESS_CONTROL_ALLOW_ORIGIN).iter();
    match (values.next(), values.next()) {
        (Some(_), Some(_)) => Allowed::Twice,
        (Some(value), None) if value == origin || value == "*" => Allowed::Yes,
        (Some(_) | None, None) | (None, Some(_)) => Allowed::No,
    }
}
