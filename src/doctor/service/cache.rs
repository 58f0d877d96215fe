//! Whether something before the service keeps its lists.

use axum::http::{HeaderMap, Response, StatusCode};
use hyper::body::Bytes;

use crate::doctor::finding::{Check, Checked};

use super::Service;

const TARGET: &str = "/api/livekit/rooms";

pub(super) async fn check(service: &Service) -> Checked {
    let bearer = service.bearer();
    let headers = [("authorization", bearer.as_str())];
    let (Ok(first), Ok(second)) =
        (service.get(TARGET, &headers).await, service.get(TARGET, &headers).await)
    else {
        return Checked::skipped(Check::Cache, "the list of rooms was not answered");
    };
    let checked = Checked::of(Check::Cache);
    match sign_of_cache(&first, &second) {
        Some(sign) => checked.wrong(
            format!("Something before the service answers lists from a cache: {sign}."),
            "Have the CDN or proxy pass /api/ by, or heed `Cache-Control` as the service sends it.",
        ),
        None => checked.saying("lists come from the service itself"),
    }
}

fn sign_of_cache(first: &Response<Bytes>, second: &Response<Bytes>) -> Option<String> {
    let text = |headers: &HeaderMap, name: &str| Some(headers.get(name)?.to_str().ok()?.to_owned());
    for answer in [first, second] {
        if answer.status() == StatusCode::NOT_MODIFIED {
            return Some("it answers 304 where nobody asked for that".to_owned());
        }
        for name in ["age", "x-cache", "x-cache-status", "cf-cache-status"] {
            let value = text(answer.headers(), name).unwrap_or_default();
            let is_hit =
                if name == "age" { value != "0" } else { value.to_uppercase().contains("HIT") };
            if !value.is_empty() && is_hit {
                return Some(format!("the answer has `{name}: {value}`"));
            }
        }
    }
    let id = text(first.headers(), "x-request-id")?;
    let is_same = text(second.headers(), "x-request-id") == Some(id);
    is_same.then(|| "two answers have the same `x-request-id`".to_owned())
}
