//! What asks LiveKit's API: comparisons, moderators, and the removals of those who are banned.

use std::sync::Arc;

use prometheus_client::registry::Registry;

use crate::{
    clock::Clock,
    config::Config,
    history::History,
    livekit::{Api, ApiMetrics, ApiSettings, Keys, redis::LiveKitRedis},
    moderation::{
        Audit, BanMetrics, Bans, Moderation, ModerationMetrics, ModerationParts, Removals,
    },
    reconcile::{ReconcileMetrics, ReconcileSettings, Reconciler, ReconcilerParts},
};

use super::{assembly::StartError, kept::Kept, livekit_redis::start_livekit_redis};

/// What asks LiveKit; nothing where its API is not configured.
pub(super) struct Asking {
    pub reconciler: Option<Reconciler>,
    pub moderation: Option<Arc<Moderation>>,
    removals: Option<Arc<Removals>>,
    ban_metrics: BanMetrics,
    audit: Audit,
}

impl Asking {
    /// # Errors
    /// The file with authorities cannot be read.
    pub fn start(
        config: &Config,
        kept: &Kept,
        clock: &Clock,
        registry: &mut Registry,
    ) -> Result<Self, StartError> {
        let store = &kept.store;
        let acts = ModerationMetrics::register(registry);
        let audit = Audit::new(Arc::clone(store), clock.clone(), acts);
        let ban_metrics = BanMetrics::register(registry);
        let alone = Self { reconciler: None, moderation: None, removals: None, ban_metrics, audit };
        let Some(api) = make_api(config, clock, registry)? else { return Ok(alone) };
        let removals = start_removals(&api, kept, clock, &alone.ban_metrics);
        let livekit_redis = start_livekit_redis(config, registry)?;
        let reconciler =
            start_reconciler(config, &api, kept, Arc::clone(&removals), livekit_redis, registry);
        removals.take_calls_from(reconciler.clone());
        let parts = ModerationParts {
            api,
            store: Arc::clone(store),
            reconciler: reconciler.clone(),
            clock: clock.clone(),
            audit: alone.audit.clone(),
        };
        let moderation = Moderation::new(parts);
        Ok(Self {
            reconciler: Some(reconciler),
            moderation: Some(moderation),
            removals: Some(removals),
            ..alone
        })
    }

    /// Who must not be in a room, with or without LiveKit's API.
    pub fn start_bans(&self, config: &Config, kept: &Kept, history: Option<&History>) -> Arc<Bans> {
        let Kept { store, peers, .. } = kept;
        let (removals, records) = (self.removals.clone(), history.map(History::bans));
        let (metrics, is_shared) = (self.ban_metrics.clone(), config.store.redis.is_some());
        let (peers, audit) = (Arc::clone(peers), self.audit.clone());
        Bans::start(Arc::clone(store), removals, records, peers, metrics, audit, is_shared)
    }
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

/// Has LiveKit remove people who are banned.
fn start_removals(
    api: &Arc<Api>,
    Kept { store, peers, .. }: &Kept,
    clock: &Clock,
    metrics: &BanMetrics,
) -> Arc<Removals> {
    let (api, store, peers) = (Arc::clone(api), Arc::clone(store), Arc::clone(peers));
    Removals::start(api, store, peers, clock.clone(), metrics.clone())
}

/// Compares rooms with LiveKit's own lists.
fn start_reconciler(
    config: &Config,
    api: &Arc<Api>,
    Kept { store, peers, .. }: &Kept,
    removals: Arc<Removals>,
    livekit_redis: Option<Arc<LiveKitRedis>>,
    registry: &mut Registry,
) -> Reconciler {
    let settings = ReconcileSettings {
        every: config.reconcile.every,
        calls_per_minute: config.livekit.calls_per_minute,
    };
    let (api, store, peers) = (Arc::clone(api), Arc::clone(store), Arc::clone(peers));
    let metrics = ReconcileMetrics::register(registry);
    let parts = ReconcilerParts { api, store, peers, banned: removals, livekit_redis };
    Reconciler::start(parts, config.rules(), settings, metrics)
}
