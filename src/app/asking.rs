//! What asks LiveKit's API: comparisons, moderators, and the removals of those who are banned.

use std::sync::Arc;

use prometheus_client::registry::Registry;

use crate::{
    clock::Clock,
    config::Config,
    history::History,
    livekit::{Api, ApiMetrics, ApiSettings, Keys},
    moderation::{BanMetrics, Bans, Moderation, ModerationMetrics, ModerationParts, Removals},
    reconcile::{ReconcileMetrics, ReconcileSettings, Reconciler},
};

use super::{assembly::StartError, kept::Kept};

/// What asks LiveKit; nothing where its API is not configured.
#[derive(Default)]
pub(super) struct Asking {
    pub reconciler: Option<Reconciler>,
    pub moderation: Option<Arc<Moderation>>,
    pub removals: Option<Arc<Removals>>,
}

impl Asking {
    /// # Errors
    /// The file with authorities cannot be read.
    pub fn start(
        config: &Config,
        kept: &Kept,
        clock: &Clock,
        bans: &BanMetrics,
        registry: &mut Registry,
    ) -> Result<Self, StartError> {
        let Some(api) = make_api(config, clock, registry)? else { return Ok(Self::default()) };
        let Kept { store, peers, .. } = kept;
        let removals = Removals::start(
            Arc::clone(&api),
            Arc::clone(store),
            Arc::clone(peers),
            clock.clone(),
            bans.clone(),
        );
        let reconciler = start_reconciler(config, &api, kept, Arc::clone(&removals), registry);
        let parts = ModerationParts {
            api,
            store: Arc::clone(store),
            reconciler: reconciler.clone(),
            clock: clock.clone(),
        };
        let moderation = Moderation::new(parts, ModerationMetrics::register(registry));
        Ok(Self {
            reconciler: Some(reconciler),
            moderation: Some(moderation),
            removals: Some(removals),
        })
    }
}

/// Who must not be in a room, with or without LiveKit's API.
pub(super) fn start_bans(
    config: &Config,
    Kept { store, peers, .. }: &Kept,
    removals: Option<Arc<Removals>>,
    history: Option<&History>,
    metrics: BanMetrics,
) -> Bans {
    let records = history.map(History::bans);
    let is_shared = config.store.redis.is_some();
    Bans::start(Arc::clone(store), removals, records, Arc::clone(peers), metrics, is_shared)
}

/// The client of LiveKit's API, where that is configured.
fn make_api(
    config: &Config,
    clock: &Clock,
    registry: &mut Registry,
) -> Result<Option<Arc<Api>>, StartError> {
    let Some(url) = config.livekit.url.clone() else { return Ok(None) };
    let settings = ApiSettings {
        url,
        timeout: config.livekit.timeout,
        ca_file: config.livekit.ca_file.clone(),
        proxy: config.livekit.proxy.clone(),
    };
    let keys = Keys::new(&config.livekit.keys);
    Api::new(&settings, keys, clock.clone(), ApiMetrics::register(registry))
        .map(|api| Some(Arc::new(api)))
        .map_err(|error| StartError::CaFile { key: "livekit.ca_file", error })
}

/// Compares rooms with LiveKit's own lists.
fn start_reconciler(
    config: &Config,
    api: &Arc<Api>,
    Kept { store, peers, .. }: &Kept,
    removals: Arc<Removals>,
    registry: &mut Registry,
) -> Reconciler {
    let settings = ReconcileSettings {
        every: config.reconcile.every,
        calls_per_minute: config.livekit.calls_per_minute,
    };
    let (api, store, peers) = (Arc::clone(api), Arc::clone(store), Arc::clone(peers));
    let metrics = ReconcileMetrics::register(registry);
    Reconciler::start(api, store, peers, removals, config.rules(), settings, metrics)
}
