//! The table `[livekit]`: where LiveKit is, its keys, how often its API may be called, and its Redis.

use std::{path::PathBuf, time::Duration};

use axum::http::Uri;
use config::Value;

use crate::{
    http_client::{Proxy, ProxyVariables},
    livekit::ApiKey,
};

use super::{
    bounds::{HOUR, MIN_TIMEOUT},
    keys::{reject_repeated, take_keys},
    layers::Variables,
    livekit_redis::LiveKitRedisConfig,
    start_mode::StartMode,
    store::StoreConfig,
    values::{Values, duration, optional_text, whole_number},
};

/// LiveKit Cloud allows 1,000.
const MAX_CALLS_PER_MINUTE: u32 = 1_000_000;

/// LiveKit, and what it may be asked.
#[derive(Clone, Debug)]
pub struct LiveKitConfig {
    /// Always http or https.
    pub url: Option<Uri>,
    /// The first signs our own calls.
    pub keys: Vec<ApiKey>,
    pub calls_per_minute: u32,
    pub timeout: Duration,
    pub ca_file: Option<PathBuf>,
    /// From `HTTPS_PROXY`, `HTTP_PROXY`, `ALL_PROXY` and `NO_PROXY`.
    pub proxy: Option<Proxy>,
    /// LiveKit's own Redis, if it may be read.
    pub redis: Option<LiveKitRedisConfig>,
}

impl LiveKitConfig {
    pub(super) fn take(
        values: &mut Values,
        variables: &Variables,
        start_mode: StartMode,
        store: &StoreConfig,
    ) -> Self {
        let keys = take_all_keys(values, variables, start_mode);
        let url = values.take("livekit.url", livekit_url);
        let calls = whole_number(1..=MAX_CALLS_PER_MINUTE);
        Self {
            proxy: url.as_ref().and_then(|url| take_proxy(values, variables, url)),
            redis: LiveKitRedisConfig::take(values, url.is_some(), store),
            url,
            keys,
            calls_per_minute: values.take("livekit.calls_per_minute", calls),
            timeout: values.take("livekit.timeout", duration(MIN_TIMEOUT..=HOUR)),
            ca_file: values.take("livekit.ca_file", optional_text).map(PathBuf::from),
        }
    }
}

fn livekit_url(value: &Value) -> Result<Option<Uri>, String> {
    let Some(url) = optional_text(value)? else { return Ok(None) };
    let problem = || {
        format!(
            "{url:?} is no address of LiveKit; write one such as wss://livekit.example.com or http://localhost:7880"
        )
    };
    let (scheme, rest) = url.split_once("://").ok_or_else(problem)?;
    if rest.contains('@') {
        return Err("must not hold a user or a password; the API key is what opens LiveKit".into());
    }
    let scheme = match scheme.to_ascii_lowercase().as_str() {
        "ws" | "http" => "http",
        "wss" | "https" => "https",
        _ => return Err(problem()),
    };
    format!("{scheme}://{rest}").parse().map(Some).map_err(|_| problem())
}

/// The names are those that other programs read too. Where both cases are set, upper case wins.
pub(super) fn take_proxy(values: &mut Values, variables: &Variables, url: &Uri) -> Option<Proxy> {
    let mut get = |name: &str| {
        let found = variables.get(name).and_then(|upper| match upper {
            None => variables.get(&name.to_ascii_lowercase()),
            upper => Ok(upper),
        });
        found.unwrap_or_else(|errors| {
            values.errors.extend(errors.0);
            None
        })
    };
    let mut get = |name: &str| get(name).unwrap_or_default();
    let [http, https, all, no] =
        ["HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"].map(&mut get);
    Proxy::of(url, &ProxyVariables { http, https, all, no }).unwrap_or_else(|problem| {
        let is_https = url.scheme_str() == Some("https");
        values.reject(if is_https { "HTTPS_PROXY" } else { "HTTP_PROXY" }, problem);
        None
    })
}

/// The key of `LIVEKIT_API_KEY`, and those of `livekit.keys` after it.
fn take_all_keys(values: &mut Values, variables: &Variables, start_mode: StartMode) -> Vec<ApiKey> {
    let errors_before = values.errors.len();
    let mut keys = Vec::from_iter(take_single_key(values, variables));
    keys.extend(take_keys(values, "livekit.keys"));
    reject_repeated(values, "livekit.keys", &[], &keys);
    // A key that is wrong is told already.
    let is_told = values.errors.len() > errors_before;
    if keys.is_empty() && start_mode == StartMode::Serve && !is_told {
        values.reject(
            "livekit.keys",
            "is empty, so no webhook could be verified; set LIVEKIT_API_KEY and LIVEKIT_API_SECRET, or LIVEKIT_KEYS",
        );
    }
    keys
}

fn take_single_key(values: &mut Values, variables: &Variables) -> Option<ApiKey> {
    match (variables.get("LIVEKIT_API_KEY"), variables.get("LIVEKIT_API_SECRET")) {
        (Ok(Some(name)), Ok(Some(secret))) => {
            let name = unquoted(values, "LIVEKIT_API_KEY", &name);
            let secret = unquoted(values, "LIVEKIT_API_SECRET", &secret);
            let key = ApiKey::new(name, secret);
            key.map_err(|error| values.reject("LIVEKIT_API_KEY", error.to_string())).ok()
        }
        (Ok(Some(_)), Ok(None)) => {
            let problem = "is missing; LIVEKIT_API_KEY is of no use without it";
            values.reject("LIVEKIT_API_SECRET", problem);
            None
        }
        (Ok(None), Ok(Some(_))) => {
            let problem = "is missing; LIVEKIT_API_SECRET is of no use without it";
            values.reject("LIVEKIT_API_KEY", problem);
            None
        }
        (Ok(None), Ok(None)) => None,
        (name, secret) => {
            let errors = [name.err(), secret.err()].into_iter().flatten();
            values.errors.extend(errors.flat_map(|errors| errors.0));
            None
        }
    }
}

/// A value without the space around it. `docker run --env-file` leaves the quotes of its file in the variable.
fn unquoted<'value>(values: &mut Values, variable: &str, value: &'value str) -> &'value str {
    let value = value.trim();
    if ['"', '\''].iter().any(|quote| value.starts_with(*quote) && value.ends_with(*quote)) {
        values.reject(
            variable,
            "is in quotes, which would be part of it; remove them, or use LIVEKIT_KEYS if they are",
        );
    }
    value
}
