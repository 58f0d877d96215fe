//! The table `[http]`: where to listen, which origins may read, which proxies are believed.

use std::{
    net::{Ipv6Addr, SocketAddr},
    time::Duration,
};

use axum::http::Uri;
use config::Value;

use crate::http::{AllowedOrigin, CorsOrigins, TrustedProxies};

use super::{
    bounds::{DAY, HOUR, MIN_TIMEOUT},
    layers::Variables,
    values::{Values, address, duration, list, networks, optional_text},
};

/// How the service listens.
#[derive(Clone, Debug)]
pub struct HttpConfig {
    pub bind: SocketAddr,
    /// Where browsers and LiveKit reach the service. Only `livekit-presence doctor` asks there.
    pub public_url: Option<Uri>,
    pub cors_origins: CorsOrigins,
    pub trusted_proxies: TrustedProxies,
    pub head_timeout: Duration,
    pub idle_timeout: Duration,
}

impl HttpConfig {
    pub(super) fn take(values: &mut Values, variables: &Variables) -> Self {
        Self {
            bind: take_bind(values, variables),
            public_url: values.take("http.public_url", public_url),
            cors_origins: take_cors_origins(values),
            trusted_proxies: TrustedProxies(values.take("http.trusted_proxies", networks)),
            head_timeout: values.take("http.head_timeout", duration(MIN_TIMEOUT..=HOUR)),
            idle_timeout: values.take("http.idle_timeout", duration(MIN_TIMEOUT..=DAY)),
        }
    }
}

/// `http.bind` with the port of `PORT`, where hosting platforms put it.
fn take_bind(values: &mut Values, variables: &Variables) -> SocketAddr {
    let mut bind = values
        .take("http.bind", address)
        .unwrap_or(SocketAddr::from((Ipv6Addr::UNSPECIFIED, 8080)));
    match variables.get("PORT").map(|port| port.map(|port| port.parse::<u16>())) {
        Ok(None) => {}
        Ok(Some(Ok(port))) => bind.set_port(port),
        Ok(Some(Err(_))) => values.reject("PORT", "is no port; write a number from 0 to 65535"),
        Err(errors) => values.errors.extend(errors.0),
    }
    bind
}

fn public_url(value: &Value) -> Result<Option<Uri>, String> {
    optional_text(value)?.map(|url| parse_public_url(&url)).transpose()
}

/// Reads an address of the service.
///
/// # Errors
/// What to write.
pub(super) fn parse_public_url(url: &str) -> Result<Uri, String> {
    let problem = || {
        format!(
            "{url:?} is no address of the service; write one such as https://presence.example.com"
        )
    };
    let parsed: Uri = url.trim_end_matches('/').parse().map_err(|_| problem())?;
    let is_plain = parsed.query().is_none() && !url.contains(['@', '#']);
    let is_http = matches!(parsed.scheme_str(), Some("http" | "https"));
    (is_http && is_plain).then_some(parsed).ok_or_else(problem)
}

fn take_cors_origins(values: &mut Values) -> CorsOrigins {
    let origins = values.take("http.cors_origins", list);
    if origins.is_empty() {
        return CorsOrigins::None;
    }
    if origins == ["*"] {
        return CorsOrigins::Any;
    }
    let mut named = Vec::new();
    for origin in origins {
        match AllowedOrigin::parse(&origin) {
            Ok(origin) => named.push(origin),
            Err(error) => values.reject("http.cors_origins", format!("{origin:?} {error}")),
        }
    }
    CorsOrigins::These(named)
}
