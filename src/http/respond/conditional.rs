//! The answer to a GET that may be conditional (RFC 9110, 8.8.3 and 13.1.2): the body under its tag, or 304 for a client that has
//! it.

use std::convert::Infallible;

use axum::{
    body::{Body, Bytes},
    extract::FromRequestParts,
    http::{HeaderMap, HeaderValue, StatusCode, header, request::Parts},
    response::Response,
};

use crate::http::problem::Problem;

/// What proxies that compress add to a tag, before its closing quote (Apache's `mod_deflate` and `mod_brotli`, Caddy's `encode`).
const CODINGS: [&str; 4] = ["-gzip", "-br", "-zstd", "-deflate"];

/// How many headers an answer has, with those that are added to it later.
const HEADERS: usize = 12;

/// An entity tag of letters and digits, quoted.
pub(in crate::http) fn etag(opaque: impl std::fmt::Display) -> HeaderValue {
    HeaderValue::from_str(&format!("\"{opaque}\"")).expect("letters and digits")
}

/// The same for an answer that counts as equal to another with the same tag, whether or not its bytes are.
pub(in crate::http) fn weak_etag(opaque: impl std::fmt::Display) -> HeaderValue {
    HeaderValue::from_str(&format!("W/\"{opaque}\"")).expect("letters and digits")
}

/// What a request says that its client has: its `If-None-Match`.
pub(in crate::http) struct KnownTags(Vec<HeaderValue>);

/// Answers 304 if the client has what this tag names. Otherwise it answers with the JSON that `body` makes. Caches ask again each
/// time.
pub(in crate::http) fn json_unless_known(
    known: &KnownTags,
    etag: HeaderValue,
    body: impl FnOnce() -> Result<Bytes, Problem>,
) -> Result<Response, Problem> {
    let is_known = known.contain(&etag);
    let mut response = Response::new(if is_known { Body::empty() } else { Body::from(body()?) });
    let headers = response.headers_mut();
    headers.reserve(HEADERS);
    headers.insert(header::ETAG, etag);
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    if is_known {
        *response.status_mut() = StatusCode::NOT_MODIFIED;
    } else {
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    }
    Ok(response)
}

impl KnownTags {
    pub fn of(headers: &HeaderMap) -> Self {
        Self(headers.get_all(header::IF_NONE_MATCH).iter().cloned().collect())
    }

    fn contain(&self, etag: &HeaderValue) -> bool {
        let own = etag.to_str().ok().and_then(opaque);
        let known = self.0.iter().filter_map(|value| value.to_str().ok());
        let mut tags = known.flat_map(|value| value.split(',')).map(str::trim);
        tags.any(|tag| tag == "*" || own.is_some() && opaque(tag) == own)
    }
}

impl<S: Sync> FromRequestParts<S> for KnownTags {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        Ok(Self::of(&parts.headers))
    }
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
            let known = KnownTags::of(&headers);
            assert_eq!(known.contain(&etag(17)), expected, "{value}");
            assert_eq!(known.contain(&weak_etag(17)), expected, "{value}");
        }
        assert!(!KnownTags::of(&HeaderMap::new()).contain(&etag(17)));
    }
}
