//! The table `[tokens]`: who may have a token of LiveKit, and what it grants.

use std::{path::PathBuf, time::Duration};

use axum::http::Uri;
use config::Value;

use crate::{
    http::TokenSettings,
    http_client::Proxy,
    livekit::{ApiKey, Grants},
};

use super::{
    bounds::{DAY, MIN_TIMEOUT},
    keys::{reject_repeated, take_keys},
    layers::Variables,
    livekit::{LiveKitConfig, take_proxy},
    start_mode::StartMode,
    values::{Values, duration, list, optional_text, switch, whole_number},
};

/// A token is asked for by people, or by a page for them.
const MAX_PER_MINUTE: u32 = 1_000;
/// LiveKit accepts a token for a minute after its end. A shorter one might be over before it is used.
const MIN_LIFE: Duration = Duration::from_secs(10);
/// Requests are answered within 4.5 seconds, and the store has its part of that.
const MAX_TIMEOUT: Duration = Duration::from_secs(3);
/// Where a LiveKit for development listens.
const DEVELOPMENT_URL: &str = "ws://localhost:7880";

/// How the app says who asks for a token.
#[derive(Clone, Debug)]
pub struct TokensConfig {
    /// None: nobody gets tokens here.
    pub settings: Option<TokenSettings>,
    pub keys: Vec<ApiKey>,
    pub jwks: Option<AppAddress>,
    pub audience: Option<String>,
    pub issuer: Option<String>,
    pub authorize: Option<AppAddress>,
    pub timeout: Duration,
    pub ca_file: Option<PathBuf>,
}

/// An address of the app, and the proxy before it.
#[derive(Clone, Debug)]
pub struct AppAddress {
    /// Always http or https.
    pub url: Uri,
    pub proxy: Option<Proxy>,
}

impl TokensConfig {
    pub(super) fn take(
        values: &mut Values,
        variables: &Variables,
        livekit: &LiveKitConfig,
        auth_keys: &[ApiKey],
        start_mode: StartMode,
    ) -> Self {
        let keys = take_app_keys(values, &[&livekit.keys, auth_keys]);
        let insecure = values.take("tokens.insecure", switch) || start_mode == StartMode::Demo;
        let mut tokens = Self {
            settings: None,
            keys,
            jwks: take_address(values, variables, "tokens.jwks_url"),
            audience: values.take("tokens.audience", optional_text),
            issuer: values.take("tokens.issuer", optional_text),
            authorize: take_address(values, variables, "tokens.authorize_url"),
            timeout: values.take("tokens.timeout", duration(MIN_TIMEOUT..=MAX_TIMEOUT)),
            ca_file: values.take("tokens.ca_file", optional_text).map(PathBuf::from),
        };
        tokens.reject_what_does_not_fit(values);
        let is_on = tokens.names_callers() || insecure;
        let settings = TokenSettings {
            url: take_url(values, livekit, is_on, start_mode),
            life: values.take("tokens.life", duration(MIN_LIFE..=DAY)),
            per_minute: values.take("tokens.per_minute", whole_number(0..=MAX_PER_MINUTE)),
            default_grants: take_default_grants(values, start_mode),
            insecure,
        };
        tokens.settings = is_on.then_some(settings);
        tokens
    }

    /// Whether there is a way to know who asks.
    fn names_callers(&self) -> bool {
        !self.keys.is_empty() || self.jwks.is_some() || self.authorize.is_some()
    }

    fn reject_what_does_not_fit(&self, values: &mut Values) {
        if self.jwks.is_some() && self.audience.is_none() {
            values.reject(
                "tokens.audience",
                "is empty, and `tokens.jwks_url` needs it: its keys sign tokens for other services too; write what `aud` says in those for this one",
            );
        }
        if self.keys.is_empty() && self.jwks.is_none() {
            for (key, value) in
                [("tokens.audience", &self.audience), ("tokens.issuer", &self.issuer)]
            {
                if value.is_some() {
                    values.reject(
                        key,
                        "says what tokens of the app name, but none are taken; set `tokens.keys` or `tokens.jwks_url`, or leave it empty",
                    );
                }
            }
        }
    }
}

/// Keys of their own: a token for LiveKit, or one that only reads, must not become one that joins.
fn take_app_keys(values: &mut Values, others: &[&[ApiKey]]) -> Vec<ApiKey> {
    let keys = take_keys(values, "tokens.keys");
    reject_repeated(values, "tokens.keys", &[], &keys);
    for key in &keys {
        let is_taken = |other: &ApiKey| other.name() == key.name() || other.has_secret_of(key);
        if others.iter().any(|others| others.iter().any(is_taken)) {
            values.reject(
                "tokens.keys",
                format!(
                    "the key `{}`, or its secret, is in `livekit.keys` or `auth.keys` too, so that tokens for one room, or for reading, would get tokens for all; make one of its own",
                    key.name()
                ),
            );
        }
    }
    keys
}

fn take_address(values: &mut Values, variables: &Variables, key: &str) -> Option<AppAddress> {
    let url: Uri = values.take(key, app_url)?;
    Some(AppAddress { proxy: take_proxy(values, variables, &url), url })
}

fn app_url(value: &Value) -> Result<Option<Uri>, String> {
    let Some(text) = optional_text(value)? else { return Ok(None) };
    let url = text.parse::<Uri>().ok();
    let is_fit = |url: &Uri| {
        matches!(url.scheme_str(), Some("http" | "https"))
            && url.host().is_some_and(|host| !host.is_empty())
    };
    let url = url.filter(is_fit).ok_or_else(|| {
        format!("{text:?} is no address of an app; write one such as https://app.example.com/path")
    })?;
    if url.authority().is_some_and(|authority| authority.as_str().contains('@')) {
        return Err("must not hold a user or a password".to_owned());
    }
    Ok(Some(url))
}

/// What clients are told. By default LiveKit's address, as its clients write it.
fn take_url(
    values: &mut Values,
    livekit: &LiveKitConfig,
    is_on: bool,
    start_mode: StartMode,
) -> String {
    let own = values.take("tokens.url", client_url);
    let of_livekit = || {
        let url = livekit.url.as_ref()?.to_string();
        Some(format!("ws{}", url.strip_prefix("http")?.trim_end_matches('/')))
    };
    if let Some(url) = own.or_else(of_livekit) {
        return url;
    }
    if is_on && start_mode == StartMode::Serve {
        values.reject(
            "tokens.url",
            "is empty, and so is `livekit.url`, so that clients would not know where LiveKit is; set one of them",
        );
    }
    DEVELOPMENT_URL.to_owned()
}

fn client_url(value: &Value) -> Result<Option<String>, String> {
    let Some(url) = optional_text(value)? else { return Ok(None) };
    let problem =
        || format!("{url:?} is no address of LiveKit; write one such as wss://livekit.example.com");
    let parsed = url.parse::<Uri>().map_err(|_| problem())?;
    match parsed.scheme_str() {
        Some("ws" | "wss" | "http" | "https") if !url.contains('@') => Ok(Some(url)),
        _ => Err(problem()),
    }
}

/// In the demo every visitor moderates the simulated people.
fn take_default_grants(values: &mut Values, start_mode: StartMode) -> Grants {
    let configured = values.take("tokens.default_grants", grants);
    match start_mode {
        StartMode::Serve | StartMode::Export => configured,
        StartMode::Demo => Grants { admin: true, ..configured },
    }
}

fn grants(value: &Value) -> Result<Grants, String> {
    Grants::parse(&list(value)?.join(" ")).map_err(|error| error.to_string())
}
