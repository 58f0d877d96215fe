//! Which other origins' pages may read.

use std::time::Duration;

use axum::http::{HeaderName, HeaderValue, Method, header};
use tower_http::cors::{AllowOrigin, CorsLayer};

/// Origins that browsers are told to let in.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum CorsOrigins {
    /// Only pages of this service's own origin.
    #[default]
    None,
    Any,
    These(Vec<HeaderValue>),
}

impl CorsOrigins {
    /// Whether a page of this origin was named.
    pub(super) fn name(&self, origin: &HeaderValue) -> bool {
        matches!(self, Self::These(origins) if origins.contains(origin))
    }
}

pub(super) fn layer(origins: &CorsOrigins, with_cookies: bool) -> CorsLayer {
    let origins = match origins {
        CorsOrigins::None => return CorsLayer::new(),
        CorsOrigins::Any => AllowOrigin::any(),
        CorsOrigins::These(origins) => AllowOrigin::list(origins.clone()),
    };
    CorsLayer::new()
        .allow_origin(origins)
        .allow_credentials(with_cookies)
        .allow_methods([Method::GET, Method::HEAD])
        .allow_headers([
            header::AUTHORIZATION,
            header::IF_NONE_MATCH,
            HeaderName::from_static("last-event-id"),
        ])
        .expose_headers([header::ETAG, header::RETRY_AFTER, HeaderName::from_static("x-cache")])
        .max_age(Duration::from_hours(2))
}
