//! The whole configuration: its tables, read from the layers and checked together.

use std::{collections::BTreeMap, fmt::Write, path::Path, time::Duration};

use axum::http::Uri;
use config::Value;

use crate::{
    livekit::{ApiKey, Roles},
    presence::Rules,
};

use super::{
    auth::{AuthConfig, take_settings},
    error::ConfigErrors,
    events::EventsConfig,
    history::HistoryConfig,
    http::{HttpConfig, parse_public_url},
    layers::{self, Variables},
    limits::LimitsConfig,
    livekit::LiveKitConfig,
    log::LogConfig,
    presence::PresenceConfig,
    reconcile::ReconcileConfig,
    roles::take_roles,
    shutdown::ShutdownConfig,
    start_mode::StartMode,
    store::StoreConfig,
    stream::StreamConfig,
    tokens::TokensConfig,
    values::{Values, list},
};

/// The whole configuration, one field for each table of `config/default.toml`.
#[derive(Clone, Debug)]
pub struct Config {
    pub http: HttpConfig,
    pub livekit: LiveKitConfig,
    pub auth: AuthConfig,
    pub roles: Roles,
    pub tokens: TokensConfig,
    pub store: StoreConfig,
    pub events: EventsConfig,
    pub history: HistoryConfig,
    pub presence: PresenceConfig,
    pub reconcile: ReconcileConfig,
    pub stream: StreamConfig,
    pub limits: LimitsConfig,
    pub shutdown: ShutdownConfig,
    pub log: LogConfig,
}

impl Config {
    /// Reads the configuration of this process.
    ///
    /// # Errors
    /// Everything that is wrong with it.
    pub fn load(file: Option<&Path>, start_mode: StartMode) -> Result<Self, ConfigErrors> {
        Self::parse(file, &Variables::of_process()?, start_mode).map(|(config, _)| config)
    }

    /// Reads it as if the environment held `variables` and nothing else.
    ///
    /// # Errors
    /// Everything that is wrong with it.
    pub fn from_variables(
        variables: impl IntoIterator<Item = (String, String)>,
        start_mode: StartMode,
    ) -> Result<Self, ConfigErrors> {
        Self::parse(None, &Variables::new(variables), start_mode).map(|(config, _)| config)
    }

    /// Reads an address of the service, as `http.public_url` has it.
    ///
    /// # Errors
    /// What to write.
    pub fn parse_public_url(url: &str) -> Result<Uri, String> {
        parse_public_url(url)
    }

    /// What is in effect, one `key = value` per line, secrets masked.
    ///
    /// # Errors
    /// Everything that is wrong with it.
    pub fn describe(file: Option<&Path>) -> Result<String, ConfigErrors> {
        let variables = Variables::of_process()?;
        Self::parse(file, &variables, StartMode::Serve).map(|(_, description)| description)
    }

    /// The configuration and its description.
    pub(super) fn parse(
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
        let http = HttpConfig::take(values, variables);
        let settings = take_settings(values, &http.cors_origins, start_mode);
        let store = StoreConfig::take(values);
        let livekit = LiveKitConfig::take(values, variables, start_mode, &store);
        let auth = AuthConfig::take(values, settings, &livekit.keys);
        Self {
            tokens: TokensConfig::take(values, variables, &livekit, &auth.keys, start_mode),
            auth,
            http,
            livekit,
            roles: take_roles(values),
            store,
            events: EventsConfig::take(values),
            history: HistoryConfig::take(values, start_mode),
            presence: PresenceConfig::take(values),
            reconcile: ReconcileConfig::take(values),
            stream: StreamConfig::take(values),
            limits: LimitsConfig::take(values),
            shutdown: ShutdownConfig::take(values),
            log: LogConfig::take(values),
        }
    }

    /// The rules of rooms, as configured.
    pub fn rules(&self) -> Rules {
        Rules {
            trust: self.presence.trust(self.livekit.url.is_some()),
            extra_trust: Duration::ZERO,
            grace: self.reconcile.grace,
            can_probe: self.reconcile.prove_life,
            // A session that has shown no life between two comparisons is probed at the second.
            probe_every: self.reconcile.every / 2,
        }
    }

    /// The keys that may sign clients' tokens.
    pub fn client_keys(&self) -> Vec<ApiKey> {
        self.livekit.keys.iter().chain(&self.auth.keys).cloned().collect()
    }

    fn description(&self, merged: &BTreeMap<String, Value>) -> String {
        let masked = |keys: &[ApiKey]| {
            let keys: Vec<_> = keys.iter().map(|key| format!("{}: ****", key.name())).collect();
            keys.join(", ")
        };
        let mut description = String::new();
        for (key, value) in merged {
            let value = match key.as_str() {
                "http.bind" => self.http.bind.to_string(),
                "store.redis_url" => {
                    self.store.redis.as_ref().map_or(String::new(), |redis| format!("{redis:?}"))
                }
                "livekit.redis_url" => {
                    let redis = self.livekit.redis.as_ref();
                    redis.map_or(String::new(), |redis| format!("{:?}", redis.address))
                }
                "history.url" => {
                    let address = self.history.address.as_ref();
                    address.map_or(String::new(), |address| format!("{address:?}"))
                }
                "livekit.keys" => masked(&self.livekit.keys),
                "auth.keys" => masked(&self.auth.keys),
                "tokens.keys" => masked(&self.tokens.keys),
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
