//! Fetches the app's keys from `tokens.jwks_url`. However many tokens want them at once, one request is under way.

use std::{
    sync::{Arc, Mutex, MutexGuard},
    time::{Duration, Instant},
};

use axum::http::{HeaderMap, Request, Uri, header};
use futures_util::{
    FutureExt,
    future::{BoxFuture, Shared},
};
use http_body_util::Full;
use hyper::body::Bytes;
use tracing::{info, warn};

use crate::{
    http_client::{ExchangeError, HttpClient},
    jwt::TokenHeader,
};

use super::{
    key_cache::{KeyCache, Lookup},
    key_set::{KeySet, NoKeySet},
    metrics::{AppAuthMetrics, FetchOutcome},
};

/// Larger answers are not read. A key takes half a kilobyte, with a certificate three.
const MAX_BYTES: usize = 512 * 1024;

/// Where the app's keys are.
pub struct KeySource(Arc<Source>);

struct Source {
    client: HttpClient,
    url: Uri,
    timeout: Duration,
    state: Mutex<State>,
    metrics: AppAuthMetrics,
}

#[derive(Default)]
struct State {
    cache: KeyCache,
    /// The request that is under way.
    flight: Option<Shared<BoxFuture<'static, ()>>>,
    /// The last request failed, and the log says so.
    is_away: bool,
}

/// Why there are no keys.
#[derive(Debug, thiserror::Error)]
enum FetchError {
    #[error(transparent)]
    Exchange(#[from] ExchangeError),
    #[error(
        "it answered with a redirect ({0}), which is not followed; name the address where the keys are"
    )]
    Redirect(u16),
    #[error("it answered {0}")]
    Status(u16),
    #[error(transparent)]
    NoKeySet(#[from] NoKeySet),
}

impl KeySource {
    pub fn new(client: HttpClient, url: Uri, timeout: Duration, metrics: AppAuthMetrics) -> Self {
        let state = Mutex::default();
        Self(Arc::new(Source { client, url, timeout, state, metrics }))
    }

    /// The key of a token, fetched if it has to be.
    pub(super) async fn key(&self, header: &TokenHeader) -> Lookup {
        if let Some(flight) = self.flight(header) {
            flight.await;
        }
        self.0.state().cache.look_up(header, Instant::now())
    }

    /// The request to wait for, if there is one.
    fn flight(&self, header: &TokenHeader) -> Option<Shared<BoxFuture<'static, ()>>> {
        let now = Instant::now();
        let mut state = self.0.state();
        if let Some(flight) = &state.flight {
            // Its answer may have the key.
            let is_known = matches!(state.cache.look_up(header, now), Lookup::Known(_));
            return (!is_known).then(|| flight.clone());
        }
        if !state.cache.is_fetch_due(header, now) {
            return None;
        }
        // It goes on if the client that caused it leaves.
        let task = tokio::spawn(Arc::clone(&self.0).fetch());
        let flight = async move {
            let _ = task.await;
        };
        let flight = flight.boxed().shared();
        state.flight = Some(flight.clone());
        Some(flight)
    }
}

impl Source {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("nothing panics while it is locked")
    }

    async fn fetch(self: Arc<Self>) {
        let fetched = self.ask().await;
        let now = Instant::now();
        self.metrics.fetched(FetchOutcome::of(fetched.is_ok()));
        let mut state = self.state();
        state.flight = None;
        let was_away = std::mem::replace(&mut state.is_away, fetched.is_err());
        match fetched {
            Ok((set, fresh)) => {
                if was_away {
                    info!(url = %self.url, "the app's keys can be fetched again");
                }
                state.cache.fetched(set, fresh, now);
            }
            Err(error) => {
                if !was_away {
                    warn!(url = %self.url, %error, "cannot fetch the app's keys (`tokens.jwks_url`); trying again");
                }
                state.cache.failed(error.to_string(), now);
            }
        }
    }

    async fn ask(&self) -> Result<(KeySet, Option<Duration>), FetchError> {
        let request = Request::get(self.url.clone())
            .header(header::ACCEPT, "application/jwk-set+json, application/json")
            .body(Full::from(Bytes::new()))
            .map_err(|error| ExchangeError::Unreachable(error.to_string()))?;
        let answer = self.client.send(request, self.timeout, MAX_BYTES).await?;
        match answer.status() {
            status if status.is_redirection() => Err(FetchError::Redirect(status.as_u16())),
            status if !status.is_success() => Err(FetchError::Status(status.as_u16())),
            _ => Ok((KeySet::parse(answer.body())?, fresh_for(answer.headers()))),
        }
    }
}

/// For how long `Cache-Control` allows an answer to be kept, if it says it.
fn fresh_for(headers: &HeaderMap) -> Option<Duration> {
    let values = headers.get_all(header::CACHE_CONTROL).iter();
    let directives = values.filter_map(|value| value.to_str().ok()).flat_map(|one| one.split(','));
    let mut fresh = None;
    for directive in directives.map(|one| one.trim().to_ascii_lowercase()) {
        if directive == "no-store" || directive == "no-cache" {
            return Some(Duration::ZERO);
        }
        let secs =
            directive.strip_prefix("max-age=").and_then(|secs| secs.trim_matches('"').parse().ok());
        fresh = secs.map(Duration::from_secs).or(fresh);
    }
    fresh
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cache_control_says_for_how_long_keys_are_fresh() {
        let of = |value: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert(header::CACHE_CONTROL, value.parse().unwrap());
            fresh_for(&headers).map(|fresh| fresh.as_secs())
        };
        assert_eq!(of("public, max-age=3600, must-revalidate"), Some(3_600));
        assert_eq!(of("Max-Age=60"), Some(60));
        assert_eq!(of("max-age=60, no-store"), Some(0));
        assert_eq!(of("no-cache"), Some(0));
        assert_eq!(of("s-maxage=60"), None);
        assert_eq!(of("max-age=soon"), None);
        assert_eq!(fresh_for(&HeaderMap::new()), None);
    }
}
