//! The table `[http]`: where to listen, which origins may read, which proxies are believed.

use std::{
    net::{Ipv6Addr, SocketAddr},
    time::Duration,
};

use crate::http::{AllowedOrigin, CorsOrigins, TrustedProxies};

use super::{
    bounds::{DAY, HOUR, MIN_TIMEOUT},
    layers::Variables,
    values::{Values, address, duration, list, networks},
};

/// How the service listens.
#[derive(Clone, Debug)]
pub struct HttpConfig {
    pub bind: SocketAddr,
    pub cors_origins: CorsOrigins,
    pub trusted_proxies: TrustedProxies,
    pub head_timeout: Duration,
    pub idle_timeout: Duration,
}

impl HttpConfig {
    pub(super) fn take(values: &mut Values, variables: &Variables) -> Self {
        Self {
            bind: take_bind(values, variables),
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
