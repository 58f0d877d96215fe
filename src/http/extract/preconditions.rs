//! `If-Match` and `If-None-Match` of a request that changes something (RFC 9110, 13.1).

use std::convert::Infallible;

use axum::{
    extract::FromRequestParts,
    http::{HeaderMap, HeaderName, header, request::Parts},
};

use crate::{
    http::respond::conditional::opaque,
    roster::{Preconditions, Tags},
};

/// On which version a change builds.
pub(in crate::http) struct PreconditionHeaders(pub Preconditions);

impl<S: Sync> FromRequestParts<S> for PreconditionHeaders {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        let headers = &parts.headers;
        Ok(Self(Preconditions {
            if_match: tags(headers, &header::IF_MATCH),
            if_none_match: tags(headers, &header::IF_NONE_MATCH),
        }))
    }
}

/// What is no tag matches nothing.
fn tags(headers: &HeaderMap, name: &HeaderName) -> Option<Tags> {
    let values = headers.get_all(name).iter().map(|value| value.to_str().unwrap_or_default());
    let tags: Vec<_> = values.flat_map(|value| value.split(',')).map(str::trim).collect();
    if tags.is_empty() {
        return None;
    }
    let is_any = tags.contains(&"*");
    let these = || tags.iter().filter_map(|tag| opaque(tag)).map(str::to_owned).collect();
    Some(if is_any { Tags::Any } else { Tags::These(these()) })
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    #[test]
    fn tags_are_read_whatever_a_proxy_made_of_them() {
        let these =
            |tags: &[&str]| Some(Tags::These(tags.iter().map(|tag| (*tag).to_owned()).collect()));
        let cases: [(&[&'static str], Option<Tags>); 6] = [
            (&[], None),
            (&["\"17\""], these(&["17"])),
            (&["W/\"17-gzip\", \"18\""], these(&["17", "18"])),
            (&["\"17\"", "\"18\""], these(&["17", "18"])),
            (&["*"], Some(Tags::Any)),
            (&["17"], these(&[])),
        ];
        for (values, expected) in cases {
            let mut headers = HeaderMap::new();
            for value in values {
                headers.append(header::IF_MATCH, HeaderValue::from_static(value));
            }
            assert_eq!(tags(&headers, &header::IF_MATCH), expected, "{values:?}");
        }
    }
}
