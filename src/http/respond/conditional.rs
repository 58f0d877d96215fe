//! The answer to a GET that may be conditional (RFC 9110, 8.8.3 and 13.1.2): the body under its tag, or 304 for a client that has
//! it.

use axum::{
    body::{Body, Bytes},
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};

use crate::http::problem::Problem;

/// An entity tag of letters and digits, quoted.
pub(in crate::http) fn etag(opaque: impl std::fmt::Display) -> HeaderValue {
    HeaderValue::from_str(&format!("\"{opaque}\"")).expect("letters and digits")
}

/// Answers 304 if the request's headers name this tag. Otherwise it answers with the JSON that `body` makes. Caches ask again
/// each time.
pub(in crate::http) fn json_unless_known(
    headers: &HeaderMap,
    etag: HeaderValue,
    body: impl FnOnce() -> Result<Bytes, Problem>,
) -> Result<Response, Problem> {
    let is_known = is_known(headers, &etag);
    let caching =
        [(header::ETAG, etag), (header::CACHE_CONTROL, HeaderValue::from_static("no-cache"))];
    if is_known {
        return Ok((StatusCode::NOT_MODIFIED, caching).into_response());
    }
    let content_type = [(header::CONTENT_TYPE, "application/json")];
    Ok((caching, content_type, Body::from(body()?)).into_response())
}

/// Whether the client has this already.
fn is_known(headers: &HeaderMap, etag: &HeaderValue) -> bool {
    let known =
        headers.get_all(header::IF_NONE_MATCH).iter().filter_map(|value| value.to_str().ok());
    known.flat_map(|value| value.split(',')).map(str::trim).any(|tag| {
        tag == "*" || tag.strip_prefix("W/").unwrap_or(tag).as_bytes() == etag.as_bytes()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tag_is_known_if_the_client_names_it_among_others_weak_or_strong() {
        let cases = [
            ("\"17\"", true),
            ("W/\"17\"", true),
            ("\"16\", W/\"17\"", true),
            ("*", true),
            ("\"16\"", false),
            ("17", false),
        ];
        for (value, expected) in cases {
            let mut headers = HeaderMap::new();
            headers.insert(header::IF_NONE_MATCH, HeaderValue::from_static(value));
            assert_eq!(is_known(&headers, &etag(17)), expected, "{value}");
        }
        assert!(!is_known(&HeaderMap::new(), &etag(17)));
    }
}
