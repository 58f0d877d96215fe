//! Makes what issues tokens of LiveKit, where somebody may have them.

use std::sync::Arc;

use prometheus_client::registry::Registry;
use tracing::{info, warn};

use crate::{
    app_auth::{AppAuthMetrics, AppTokens, Authorizer, KeySource},
    config::{AppAddress, TokensConfig},
    coordination::Peers,
    http::Tokens,
    http_client::{HttpClient, HttpClientSettings},
};

use super::assembly::StartError;

pub(super) fn make_tokens(
    config: &TokensConfig,
    peers: Arc<dyn Peers>,
    registry: &mut Registry,
) -> Result<Option<Tokens>, StartError> {
    let Some(settings) = config.settings.clone() else { return Ok(None) };
    let metrics = AppAuthMetrics::register(registry);
    let key_source = |jwks: &AppAddress| {
        let client = client(config, jwks)?;
        Ok(KeySource::new(client, jwks.url.clone(), config.timeout, metrics.clone()))
    };
    let key_source = config.jwks.as_ref().map(key_source).transpose()?;
    let takes_tokens = !config.keys.is_empty() || key_source.is_some();
    let app_tokens = takes_tokens.then(|| {
        AppTokens::new(&config.keys, key_source, config.audience.clone(), config.issuer.clone())
    });
    let authorizer = |authorize: &AppAddress| {
        let client = client(config, authorize)?;
        Ok(Authorizer::new(client, authorize.url.clone(), config.timeout, metrics.clone()))
    };
    let authorizer = config.authorize.as_ref().map(authorizer).transpose()?;
    Ok(Some(Tokens::new(settings, app_tokens, authorizer, peers, registry)))
}

fn client(config: &TokensConfig, address: &AppAddress) -> Result<HttpClient, StartError> {
    if let Some(proxy) = &address.proxy {
        info!(?proxy, url = %address.url, "calling the app through a proxy");
    }
    let settings = HttpClientSettings {
        url: address.url.clone(),
        connect_timeout: config.timeout,
        ca_file: config.ca_file.clone(),
        proxy: address.proxy.clone(),
    };
    HttpClient::new(&settings).map_err(|error| StartError::CaFile { key: "tokens.ca_file", error })
}

pub(super) fn warn_about_tokens(config: &TokensConfig) {
    for key in config.keys.iter().filter(|key| key.is_weak()) {
        warn!(
            key.name = key.name(),
            "the secret of this key of `tokens.keys` has fewer than 32 characters"
        );
    }
    if config.settings.as_ref().is_some_and(|settings| settings.insecure) {
        warn!(
            "`tokens.insecure` is on: anybody who reaches this service gets a token for any room under any name; never use it but for development"
        );
    }
}
