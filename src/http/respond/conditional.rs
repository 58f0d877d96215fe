//! Conditional requests (RFC 9110, 8.8.3 and 13.1.2).

use axum::http::{HeaderMap, HeaderValue, header};

/// An entity tag of letters and digits, quoted.
pub(in crate::http) fn etag(opaque: impl std::fmt::Display) -> HeaderValue {
    HeaderValue::from_str(&format!("\"{opaque}\"")).expect("letters and digits")
}

/// Whether the client has this already.
pub(in crate::http) fn is_known(headers: &HeaderMap, etag: &HeaderValue) -> bool {
    let known =
        headers.get_all(header::IF_NONE_MATCH).iter().filter_map(|value| value.to_str().ok());
    known.flat_map(|value| value.split(',')).map(|tag| tag.trim()).any(|tag| {
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
