//! What an operator says, parsed once into final types and checked before anything is bound. The only place that reads the
//! environment.

mod env_file;
mod error;
mod layers;
mod values;

pub use error::{ConfigError, ConfigErrors};

use std::{
    collections::{BTreeMap, HashSet},
    fmt::Write,
    net::{Ipv6Addr, SocketAddr},
    path::{Path, PathBuf},
    time::Duration,
};

use axum::http::Uri;
use config::Value;

use crate::{
    http::{AllowedOrigin, AuthMode, AuthSettings, CorsOrigins, TrustedProxies},
    livekit::{ApiKey, Proxy, ProxyVariables},
    presence::Rules,
    store::RedisAddress,
};

use layers::Variables;
use values::{
    Values, address, bytes, duration, duration_or_auto, limit, lines, list, networks,
    optional_text, switch, text, whole_number,
};

/// How long a list counts as confirmed where LiveKit's API confirms it regularly.
const TTL_WITH_API: Duration = Duration::from_mins(1);
/// And where nothing but webhooks does.
const TTL_WITHOUT_API: Duration = Duration::from_hours(24);

const MILLISECOND: Duration = Duration::from_millis(1);
/// A round trip to anywhere fits.
const MIN_TIMEOUT: Duration = Duration::from_millis(10);
/// A heartbeat visits a part of all streams.
const MIN_HEARTBEAT: Duration = Duration::from_millis(10);
const HOUR: Duration = Duration::from_hours(1);
/// A change that waits for longer than a minute is no live list.
const MAX_COALESCE: Duration = Duration::from_mins(1);
const DAY: Duration = Duration::from_hours(24);
/// What is longer than a month was meant to be "never", for which there is no word.
const MONTH: Duration = Duration::from_hours(24 * 30);
/// LiveKit Cloud allows 1,000.
const MAX_CALLS_PER_MINUTE: u32 = 1_000_000;

/// The whole configuration.
#[derive(Clone, Debug)]
pub struct Config {
    pub bind: SocketAddr,
    pub cors_origins: CorsOrigins,
    pub trusted_proxies: TrustedProxies,
    pub head_timeout: Duration,
    pub idle_timeout: Duration,
    pub livekit: LiveKitConfig,
    pub auth: AuthSettings,
    /// Beside LiveKit's own keys, which may sign clients' tokens too.
    pub auth_keys: Vec<ApiKey>,
    pub store: StoreConfig,
    /// None: one minute with LiveKit's API, a day without.
    pub presence_ttl: Option<Duration>,
    pub reconcile: ReconcileConfig,
    pub stream: StreamConfig,
    pub limits: LimitsConfig,
    pub drain: Duration,
    pub log: LogConfig,
}

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
    /// From HTTPS_PROXY, HTTP_PROXY, ALL_PROXY and NO_PROXY.
    pub proxy: Option<Proxy>,
}

/// Where rooms are kept.
#[derive(Clone, Debug)]
pub struct StoreConfig {
    /// None: in this process.
    pub redis: Option<RedisAddress>,
    pub key_prefix: String,
    pub ca_file: Option<PathBuf>,
}

/// How LiveKit's lists are compared with ours.
#[derive(Clone, Debug)]
pub struct ReconcileConfig {
    pub every: Duration,
    pub grace: Duration,
    pub prove_life: bool,
}

/// How streams are fed.
#[derive(Clone, Debug)]
pub struct StreamConfig {
    pub enabled: bool,
    pub coalesce: Duration,
    pub heartbeat: Duration,
    pub write_timeout: Duration,
    pub max_age: Duration,
    pub pinned_bytes: usize,
}

/// Limits. Zero means none, except for `streams`.
#[derive(Clone, Debug)]
pub struct LimitsConfig {
    /// None: as many as there are descriptors for.
    pub streams: Option<usize>,
    pub streams_per_address: u32,
    pub streams_per_identity: u32,
    pub reads_per_address: u32,
    pub lookups_per_address: u32,
    pub refused_webhooks_per_address: u32,
    pub body_bytes: usize,
    pub head_bytes: usize,
}

/// How to log.
#[derive(Clone, Debug)]
pub struct LogConfig {
    pub format: LogFormat,
    /// A filter as `tracing_subscriber::EnvFilter` reads it.
    pub level: String,
}

/// The form of log lines.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LogFormat {
    /// Human on a terminal, else JSON.
    #[default]
    Auto,
    Human,
    Json,
}

/// What differs between the ways to start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StartMode {
    Serve,
    /// Keys are made up, and anybody reads.
    Demo,
}

impl Config {
    /// Reads the configuration of this process.
    ///
    /// # Errors
    /// All that is wrong with it.
    pub fn load(file: Option<&Path>, start_mode: StartMode) -> Result<Self, ConfigErrors> {
        Self::parse(file, &Variables::of_process()?, start_mode).map(|(config, _)| config)
    }

    /// Reads it as if the environment were `variables`, and nothing else.
    ///
    /// # Errors
    /// All that is wrong with it.
    pub fn from_variables(
        variables: impl IntoIterator<Item = (String, String)>,
        start_mode: StartMode,
    ) -> Result<Self, ConfigErrors> {
        Self::parse(None, &Variables::new(variables), start_mode).map(|(config, _)| config)
    }

    /// What is in effect, one `key = value` per line, secrets masked.
    ///
    /// # Errors
    /// All that is wrong with it.
    pub fn describe(file: Option<&Path>) -> Result<String, ConfigErrors> {
        let variables = Variables::of_process()?;
        Self::parse(file, &variables, StartMode::Serve).map(|(_, description)| description)
    }

    fn parse(
        file: Option<&Path>,
        variables: &Variables,
        start_mode: StartMode,
    ) -> Result<(Self, String), ConfigErrors> {
        let merged = layers::merge(file, variables)?;
        let mut values = Values::new(merged.clone());
        let config = Self::take(&mut values, variables, start_mode);
        let errors = values.finish();
        if !errors.is_empty() {
            return Err(ConfigErrors(errors));
        }
        let description = config.description(&merged);
        Ok((config, description))
    }

    fn take(values: &mut Values, variables: &Variables, start_mode: StartMode) -> Self {
        let bind = take_bind(values, variables);
        let cors_origins = take_cors_origins(values);
        let auth = take_auth(values, &cors_origins, start_mode);
        let keys = take_keys(values, variables, start_mode);
        let url = values.take("livekit.url", livekit_url);
        Self {
            bind,
            head_timeout: values.take("http.head_timeout", duration(MIN_TIMEOUT..=HOUR)),
            idle_timeout: values.take("http.idle_timeout", duration(MIN_TIMEOUT..=DAY)),
            auth_keys: take_auth_keys(values, &keys),
            auth,
            cors_origins,
            trusted_proxies: TrustedProxies(values.take("http.trusted_proxies", networks)),
            livekit: LiveKitConfig {
                proxy: url.as_ref().and_then(|url| take_proxy(values, variables, url)),
                url,
                keys,
                calls_per_minute: values
                    .take("livekit.calls_per_minute", whole_number(1..=MAX_CALLS_PER_MINUTE)),
                timeout: values.take("livekit.timeout", duration(MIN_TIMEOUT..=HOUR)),
                ca_file: values.take("livekit.ca_file", optional_text).map(PathBuf::from),
            },
            store: take_store(values),
            presence_ttl: values.take("presence.ttl", duration_or_auto(MILLISECOND..=MONTH)),
            reconcile: ReconcileConfig {
                every: values.take("reconcile.every", duration(MIN_TIMEOUT..=DAY)),
                grace: values.take("reconcile.grace", duration(Duration::ZERO..=DAY)),
                prove_life: values.take("reconcile.prove_life", switch),
            },
            stream: StreamConfig {
                enabled: values.take("stream.enabled", switch),
                coalesce: values.take("stream.coalesce", duration(Duration::ZERO..=MAX_COALESCE)),
                heartbeat: values.take("stream.heartbeat", duration(MIN_HEARTBEAT..=DAY)),
                write_timeout: values.take("stream.write_timeout", duration(MIN_TIMEOUT..=HOUR)),
                max_age: values.take("stream.max_age", duration(MIN_TIMEOUT..=MONTH)),
                pinned_bytes: values.take("stream.pinned_bytes", bytes),
            },
            limits: LimitsConfig {
                streams: Some(values.take("limits.streams", limit) as usize)
                    .filter(|streams| *streams > 0),
                streams_per_address: values.take("limits.streams_per_address", limit),
                streams_per_identity: values.take("limits.streams_per_identity", limit),
                reads_per_address: values.take("limits.reads_per_address", limit),
                lookups_per_address: values.take("limits.lookups_per_address", limit),
                refused_webhooks_per_address: values
                    .take("limits.refused_webhooks_per_address", limit),
                body_bytes: values.take("limits.body_bytes", bytes),
                head_bytes: values.take("limits.head_bytes", bytes),
            },
            drain: values.take("shutdown.drain", duration(Duration::ZERO..=DAY)),
            log: LogConfig {
                format: values.take("log.format", log_format),
                level: values.take("log.level", log_level),
            },
        }
    }

    /// The rules of rooms, as configured.
    pub fn rules(&self) -> Rules {
        let trust = match (self.presence_ttl, &self.livekit.url) {
            (Some(ttl), _) => ttl,
            (None, Some(_)) => TTL_WITH_API,
            (None, None) => TTL_WITHOUT_API,
        };
        Rules {
            trust,
            extra_trust: Duration::ZERO,
            grace: self.reconcile.grace,
            can_probe: self.reconcile.prove_life,
            // A session that has shown no life between two comparisons is probed at the second.
            probe_every: self.reconcile.every / 2,
        }
    }

    /// The keys that may sign clients' tokens.
    pub fn client_keys(&self) -> Vec<ApiKey> {
        self.livekit.keys.iter().chain(&self.auth_keys).cloned().collect()
    }

    fn description(&self, merged: &BTreeMap<String, Value>) -> String {
        let masked = |keys: &[ApiKey]| {
            let keys: Vec<_> = keys.iter().map(|key| format!("{}: ****", key.name())).collect();
            keys.join(", ")
        };
        let mut description = String::new();
        for (key, value) in merged {
            let value = match key.as_str() {
                "http.bind" => self.bind.to_string(),
                "store.redis_url" => {
                    self.store.redis.as_ref().map_or(String::new(), |redis| format!("{redis:?}"))
                }
                "livekit.keys" => masked(&self.livekit.keys),
                "auth.keys" => masked(&self.auth_keys),
                _ => match list(value) {
                    Ok(items) => items.join(", "),
                    Err(problem) => problem,
                },
            };
            let _ = writeln!(description, "{key} = {value:?}");
        }
        description
    }
}

/// The longest prefix of a key in Redis, in bytes.
const MAX_PREFIX_BYTES: usize = 64;

fn take_store(values: &mut Values) -> StoreConfig {
    let redis = values.take("store.redis_url", optional_text);
    let redis = redis.and_then(|address| match RedisAddress::parse(&address) {
        Ok(address) => Some(address),
        Err(problem) => {
            values.reject("store.redis_url", problem);
            None
        }
    });
    StoreConfig {
        redis,
        key_prefix: values.take("store.key_prefix", key_prefix),
        ca_file: values.take("store.ca_file", optional_text).map(PathBuf::from),
    }
}

fn key_prefix(value: &Value) -> Result<String, String> {
    let prefix = text(value)?;
    if prefix.contains(['{', '}']) {
        return Err(format!(
            "{prefix:?} has braces, which would spread a room over a Cluster; leave them out"
        ));
    }
    if prefix.len() > MAX_PREFIX_BYTES || prefix.contains(char::is_control) {
        return Err(format!(
            "must have at most {MAX_PREFIX_BYTES} bytes and no control characters"
        ));
    }
    Ok(prefix)
}

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

fn take_auth(
    values: &mut Values,
    cors_origins: &CorsOrigins,
    start_mode: StartMode,
) -> AuthSettings {
    let mode = values.take("auth.mode", auth_mode).unwrap_or(AuthMode::LiveKit);
    let cookie = values.take("auth.cookie", optional_text);
    if cookie.is_some() && *cors_origins == CorsOrigins::Any {
        values.reject(
            "auth.cookie",
            "cannot be used with `http.cors_origins` = \"*\": any page could read with its visitor's cookie; name the origins",
        );
    }
    match start_mode {
        StartMode::Serve => AuthSettings { mode, cookie },
        StartMode::Demo => AuthSettings { mode: AuthMode::Open, cookie: None },
    }
}

fn auth_mode(value: &Value) -> Result<Option<AuthMode>, String> {
    match text(value)?.as_str() {
        "livekit" => Ok(Some(AuthMode::LiveKit)),
        "open" => Ok(Some(AuthMode::Open)),
        other => Err(format!("{other:?} is no mode; write livekit or open")),
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

/// The names are those that other programs read too. Of the upper and the lower case the upper counts.
fn take_proxy(values: &mut Values, variables: &Variables, url: &Uri) -> Option<Proxy> {
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

fn take_keys(values: &mut Values, variables: &Variables, start_mode: StartMode) -> Vec<ApiKey> {
    let mut keys = Vec::new();
    match (variables.get("LIVEKIT_API_KEY"), variables.get("LIVEKIT_API_SECRET")) {
        (Ok(Some(name)), Ok(Some(secret))) => {
            let name = unquoted(values, "LIVEKIT_API_KEY", &name);
            let secret = unquoted(values, "LIVEKIT_API_SECRET", &secret);
            match ApiKey::new(name, secret) {
                Ok(key) => keys.push(key),
                Err(error) => values.reject("LIVEKIT_API_KEY", error.to_string()),
            }
        }
        (Ok(Some(_)), Ok(None)) => {
            values.reject(
                "LIVEKIT_API_SECRET",
                "is missing; LIVEKIT_API_KEY is of no use without it",
            );
        }
        (Ok(None), Ok(Some(_))) => {
            values.reject(
                "LIVEKIT_API_KEY",
                "is missing; LIVEKIT_API_SECRET is of no use without it",
            );
        }
        (Ok(None), Ok(None)) => {}
        (name, secret) => {
            let errors = [name.err(), secret.err()].into_iter().flatten();
            values.errors.extend(errors.flat_map(|errors| errors.0));
        }
    }
    let configured = values.take("livekit.keys", lines);
    keys.extend(take_key_lines(values, "livekit.keys", &configured));
    refuse_twice(values, "livekit.keys", &[], &keys);
    let has_errors = !values.errors.is_empty();
    if keys.is_empty() && start_mode == StartMode::Serve && !has_errors {
        values.reject(
            "livekit.keys",
            "is empty, so no webhook could be verified; set LIVEKIT_API_KEY and LIVEKIT_API_SECRET, or LIVEKIT_KEYS",
        );
    }
    keys
}

fn take_auth_keys(values: &mut Values, livekit_keys: &[ApiKey]) -> Vec<ApiKey> {
    let configured = values.take("auth.keys", lines);
    let keys = take_key_lines(values, "auth.keys", &configured);
    refuse_twice(values, "auth.keys", livekit_keys, &keys);
    keys
}

fn take_key_lines(values: &mut Values, key: &str, lines: &str) -> Vec<ApiKey> {
    ApiKey::parse_lines(lines).unwrap_or_else(|error| {
        values.reject(key, format!("{error}; {}", error.advice()));
        Vec::new()
    })
}

/// A value without the space around it. `docker run --env-file` leaves quotes in a variable as they stand in its file.
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

/// A token's `iss` chooses its key, so each name is there once.
fn refuse_twice(values: &mut Values, key: &str, known: &[ApiKey], more: &[ApiKey]) {
    let mut names: HashSet<_> = known.iter().map(ApiKey::name).collect();
    for twice in more.iter().filter(|one| !names.insert(one.name())) {
        values.reject(key, format!("the key `{}` is there twice; remove one", twice.name()));
    }
}

fn log_format(value: &Value) -> Result<LogFormat, String> {
    match text(value)?.as_str() {
        "auto" => Ok(LogFormat::Auto),
        "human" => Ok(LogFormat::Human),
        "json" => Ok(LogFormat::Json),
        other => Err(format!("{other:?} is no format; write human, json or auto")),
    }
}

fn log_level(value: &Value) -> Result<String, String> {
    let level = text(value)?;
    // The filter's parser takes any other word for the name of a module, and then nothing is logged.
    let is_level = |word: &str| word.parse::<tracing::Level>().is_ok() || word == "off";
    let is_plain = |word: &&str| !word.contains(['=', '[', ':']);
    if let Some(word) =
        level.split(',').map(str::trim).filter(is_plain).find(|word| !is_level(word))
    {
        return Err(format!("{word:?} is no level; write error, warn, info, debug or trace"));
    }
    match level.parse::<tracing_subscriber::filter::EnvFilter>() {
        Ok(_) if !level.is_empty() => Ok(level),
        _ => Err(format!("{level:?} is no level; write error, warn, info, debug or trace")),
    }
}

#[cfg(test)]
mod tests;
