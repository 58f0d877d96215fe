//! The answer to a GET that may be conditional (RFC 9110, 8.8.3 and 13.1.2): the body under its tag, or 304 for a client that has
//! it.

use axum::{
    body::{Body, Bytes},
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};

use crate::http::problem::Problem;

/// What proxies that compress add to a tag, before its closing quote (Apache's `mod_deflate` and `mod_brotli`, Caddy's `encode`).
const CODINGS: [&str; 4] = ["-gzip", "-br", "-zstd", "-deflate"];

/// An entity tag of letters and digits, quoted.
pub(in crate::http) fn etag(opaque: impl std::fmt::Display) -> HeaderValue {
    HeaderValue::from_str(&format!("\"{opaque}\"")).expect("letters and digits")
}

/// The same for an answer that counts as equal to another with the same tag, whether or not its bytes are.
pub(in crate::http) fn weak_etag(opaque: impl std::fmt::Display) -> HeaderValue {
    HeaderValue::from_str(&format!("W/\"{opaque}\"")).expect("letters and digits")
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
    let own = etag.to_str().ok().and_then(opaque);
    let known =
        headers.get_all(header::IF_NONE_MATCH).iter().filter_map(|value| value.to_str().ok());
    let mut tags = known.flat_map(|value| value.split(',')).map(str::trim);
    tags.any(|tag| tag == "*" || own.is_some() && opaque(tag) == own)
}

/// What stands between a tag's quotes, without what a proxy has added to it.
pub(in crate::http) fn opaque(tag: &str) -> Option<&str> {
    let opaque = tag.strip_prefix("W/").unwrap_or(tag).strip_prefix('"')?.strip_suffix('"')?;
    Some(CODINGS.iter().find_map(|coding| opaque.strip_suffix(coding)).unwrap_or(opaque))
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
            ("\"17-gzip\"", true),
            ("W/\"17-br\"", true),
            ("\"1-gzip\"", false),
            ("\"17-x\"", false),
            ("\"16\"", false),
            ("17", false),
        ];
        for (value, expected) in cases {
            let mut headers = HeaderMap::new();
            headers.insert(header::IF_NONE_MATCH, HeaderValue::from_static(value));
            assert_eq!(is_known(&headers, &etag(17)), expected, "{value}");
            assert_eq!(is_known(&headers, &weak_etag(17)), expected, "{value}");
        }
        assert!(!is_known(&HeaderMap::new(), &etag(17)));
    }
}
