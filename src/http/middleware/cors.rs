//! CORS: which other origins' pages may read.

use std::{convert::Infallible, future::ready, time::Duration};

use axum::{
    extract::Request,
    http::{HeaderMap, HeaderName, HeaderValue, Method, header},
    response::Response,
};
use futures_util::FutureExt;
use tower::{Layer, ServiceExt, service_fn};
use tower_http::cors::{AllowHeaders, AllowOrigin, CorsLayer};

use crate::http::{origin::CorsOrigins, respond::table::NEXT_CURSOR, tokens::rate};

/// Headers that a preflight may ask for. A page asks for about ten.
const MAX_ASKED_HEADERS: usize = 64;

/// Prefixes of headers by which proxies say who asks, and for what. The service believes only its own proxies, but no page needs to
/// write these headers.
const WRITTEN_BY_PROXIES: [&str; 18] = [
    "cf-",
    "client-ip",
    "fastly-client-",
    "forwarded",
    "proxy-",
    "remote-user",
    "true-client-ip",
    "via",
    "x-auth-",
    "x-authenticated-",
    "x-client-ip",
    "x-cluster-client-ip",
    "x-forwarded",
    "x-http-method",
    "x-original-",
    "x-real-ip",
    "x-remote-",
    "x-rewrite-url",
];

/// Answers preflights, and lets pages read answers.
pub(in crate::http) struct Cors {
    layer: CorsLayer,
    origins: CorsOrigins,
    /// What the layer adds to every answer. It makes these headers anew each time, at the cost of many allocations.
    headers: Vec<(HeaderName, HeaderValue)>,
}

/// A page, or anybody else, that asked.
pub(in crate::http) struct Reader<'cors> {
    cors: &'cors Cors,
    /// That which the answer names.
    origin: Option<HeaderValue>,
}

impl Cors {
    pub fn new(origins: &CorsOrigins, with_cookies: bool) -> Self {
        Self::of(layer(origins, with_cookies), origins)
    }

    /// The same, where pages also read how many tokens they may ask for.
    pub fn with_rates(origins: &CorsOrigins, with_cookies: bool) -> Self {
        Self::of(layer_with_rates(origins, with_cookies), origins)
    }

    fn of(layer: CorsLayer, origins: &CorsOrigins) -> Self {
        // To a request without an origin, the layer adds all headers but that which repeats an origin.
        let mut answer = apply(&layer, Request::default());
        let headers = answer.headers_mut().drain();
        let headers = headers.filter_map(|(name, value)| Some((name?, value))).collect();
        Self { layer, origins: origins.clone(), headers }
    }

    pub fn answer_preflight(&self, request: Request) -> Response {
        apply(&self.layer, ask_for_what_is_allowed(request))
    }

    /// Who reads the answer to a request with these headers.
    pub fn reader(&self, headers: &HeaderMap) -> Reader<'_> {
        let origin = headers.get(header::ORIGIN).filter(|origin| self.repeats(origin));
        Reader { cors: self, origin: origin.cloned() }
    }

    /// Whether an answer names the origin that asked.
    fn repeats(&self, origin: &HeaderValue) -> bool {
        match self.origins {
            CorsOrigins::None | CorsOrigins::Any => false,
            CorsOrigins::These(_) => self.origins.name(origin),
        }
    }
}

impl Reader<'_> {
    /// Lets pages read an answer.
    pub fn let_read(self, response: &mut Response) {
        let headers = response.headers_mut();
        for (name, value) in &self.cors.headers {
            if *name == header::VARY {
                headers.append(name, value.clone());
            } else {
                headers.insert(name, value.clone());
            }
        }
        if let Some(origin) = self.origin {
            headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
        }
    }
}

/// What the layer answers to a request, around an empty answer.
fn apply(layer: &CorsLayer, request: Request) -> Response {
    let empty = service_fn(|_: Request| ready(Ok::<_, Infallible>(Response::default())));
    let answered = layer.layer(empty).oneshot(request).now_or_never();
    match answered.expect("no origin is looked up elsewhere") {
        Ok(response) => response,
        Err(never) => match never {},
    }
}

/// A preflight is allowed every header that it asks for, except those that proxies write. Tracing and monitoring add ever new
/// headers to each request (`traceparent`, `baggage`, `sentry-trace`, `x-datadog-…`), and a single forbidden one fails every poll
/// of the page. This is safe with cookies too: the handlers of these routes look at no header but the credential, `If-None-Match`
/// and `Last-Event-ID`, so no other changes the answer. Besides, any program can send any header, and only its origin decides
/// whether a page may read.
fn layer(origins: &CorsOrigins, with_cookies: bool) -> CorsLayer {
    let origins = match origins {
        CorsOrigins::None => return CorsLayer::new(),
        CorsOrigins::Any => AllowOrigin::any(),
        CorsOrigins::These(_) => {
            let origins = origins.clone();
            AllowOrigin::predicate(move |origin, _| origins.name(origin))
        }
    };
    CorsLayer::new()
        .allow_origin(origins)
        .allow_credentials(with_cookies)
        .allow_methods([
            Method::GET,
            Method::HEAD,
            Method::POST,
            Method::PUT,
            Method::PATCH,
            Method::DELETE,
        ])
        .allow_headers(AllowHeaders::mirror_request())
        .expose_headers(exposed())
        .max_age(Duration::from_hours(2))
}

fn layer_with_rates(origins: &CorsOrigins, with_cookies: bool) -> CorsLayer {
    if *origins == CorsOrigins::None {
        return layer(origins, with_cookies);
    }
    let rates = [rate::LIMIT, rate::REMAINING, rate::RESET];
    layer(origins, with_cookies)
        .expose_headers(rates.into_iter().chain(exposed()).collect::<Vec<_>>())
}

fn exposed() -> [HeaderName; 5] {
    [
        header::ETAG,
        header::RETRY_AFTER,
        HeaderName::from_static("x-cache"),
        NEXT_CURSOR.clone(),
        HeaderName::from_static("x-request-id"),
    ]
}

/// Removes the headers that are not allowed from a preflight's request, because [`layer`] answers with what was asked for.
fn ask_for_what_is_allowed(mut request: Request) -> Request {
    if request.headers().contains_key(header::ACCESS_CONTROL_REQUEST_HEADERS) {
        let headers = request.headers_mut();
        match allowed_of(headers) {
            Some(allowed) => headers.insert(header::ACCESS_CONTROL_REQUEST_HEADERS, allowed),
            None => headers.remove(header::ACCESS_CONTROL_REQUEST_HEADERS),
        };
    }
    request
}

fn allowed_of(headers: &HeaderMap) -> Option<HeaderValue> {
    let asked = headers.get_all(header::ACCESS_CONTROL_REQUEST_HEADERS).iter();
    let asked = asked.filter_map(|value| value.to_str().ok()).flat_map(|value| value.split(','));
    // Parsed, they are tokens in lower case.
    let names = asked.filter_map(|name| name.trim().parse::<HeaderName>().ok());
    let is_of_a_proxy =
        |name: &HeaderName| WRITTEN_BY_PROXIES.iter().any(|one| name.as_str().starts_with(one));
    let allowed: Vec<_> =
        names.filter(|name| !is_of_a_proxy(name)).take(MAX_ASKED_HEADERS).collect();
    let allowed: Vec<&str> = allowed.iter().map(HeaderName::as_str).collect();
    (!allowed.is_empty()).then(|| HeaderValue::from_str(&allowed.join(",")).ok())?
}

#[cfg(test)]
mod tests {
    use super::*;

    fn allowed(asked: &[&'static str]) -> Option<String> {
        let mut headers = HeaderMap::new();
        for value in asked {
            headers.append(header::ACCESS_CONTROL_REQUEST_HEADERS, HeaderValue::from_static(value));
        }
        allowed_of(&headers).map(|value| value.to_str().unwrap().to_owned())
    }

    #[test]
    fn a_page_may_send_what_has_no_meaning_here_and_nothing_that_proxies_write() {
        let cases: [(&[&str], Option<&str>); 9] = [
            (&[], None),
            (&[""], None),
            (&["authorization,if-none-match"], Some("authorization,if-none-match")),
            (&["Baggage, X-Made-Up-Tomorrow"], Some("baggage,x-made-up-tomorrow")),
            (&["baggage", "traceparent"], Some("baggage,traceparent")),
            (&["a b, tracestate, c;d, <x>"], Some("tracestate")),
            (&["x-forwarded-for"], None),
            (
                &["Forwarded,via,x-real-ip,x-request-id,x-forwarded-proto,cf-connecting-ip"],
                Some("x-request-id"),
            ),
            (&["x-http-method-override,x-client-info"], Some("x-client-info")),
        ];
        for (asked, expected) in cases {
            assert_eq!(allowed(asked).as_deref(), expected, "{asked:?}");
        }
    }

    #[test]
    fn a_preflight_that_asks_for_hundreds_is_answered_for_some() {
        let many: Vec<_> = (0..500).map(|number| format!("x-{number}")).collect();
        let mut headers = HeaderMap::new();
        let value = HeaderValue::from_str(&many.join(",")).unwrap();
        headers.insert(header::ACCESS_CONTROL_REQUEST_HEADERS, value);
        let answer = allowed_of(&headers).unwrap();
        assert_eq!(answer.to_str().unwrap().split(',').count(), MAX_ASKED_HEADERS);
    }
}
