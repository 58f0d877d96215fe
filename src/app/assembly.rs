//! Makes the parts of the service from its configuration, and puts them together.

use std::{io, net::SocketAddr, sync::Arc};

use prometheus_client::{metrics::info::Info, registry::Registry};
use tokio::runtime::Handle;
use tracing::warn;

use crate::{
    clock::Clock,
    config::{Config, HistoryConfig},
    coordination::SingleInstance,
    delivery::{DeliveryConfig, DeliveryMetrics, Pinned, Workers},
    error_chain::Chain,
    history::{Database, History, HistoryAddress, HistoryMetrics, HistoryParts, HistorySettings},
    http::{
        HttpMetrics, HttpState, LimitSettings, Limits, Observed, RoomList, Server, ServerSettings,
        StreamSettings, WebhookOutage,
    },
    hub::{EventMetrics, Events, EventsConfig, Hub, HubConfig, HubMetrics, RosterTopics, Watchers},
    livekit::Keys,
    reconcile::Reconciler,
    roster::{Roster, RosterParts},
    store::{Outbox, Store},
};

use super::{
    asking::Asking,
    descriptors::Descriptors,
    figures,
    kept::Kept,
    service::App,
    tokens::{make_tokens, warn_about_tokens},
};

/// Why the service did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    #[error("cannot listen on {bind}: {error}; choose another address with `http.bind` or PORT")]
    Bind { bind: SocketAddr, error: io::Error },
    #[error("cannot start the workers: {0}")]
    Workers(io::Error),
    #[error("cannot read `{key}`: {error}; it must be a PEM file with certificates")]
    CaFile { key: &'static str, error: io::Error },
    #[error(
        "cannot keep the history in {address:?}: {cause}; `history.url` must name a file in a folder that this user may write"
    )]
    History { address: HistoryAddress, cause: String },
}

impl App {
    /// Binds, with the store that is configured. Must be called in a runtime.
    ///
    /// # Errors
    /// The address cannot be bound, the system gives no threads, a file cannot be read, or the history's cannot be written.
    pub async fn build(config: &Config, clock: Clock) -> Result<Self, StartError> {
        let mut registry = new_registry();
        let kept = match config.store.redis.clone() {
            None => Kept::in_memory(config, &clock),
            Some(address) => Kept::in_redis(config, address, &mut registry)?,
        };
        let app = Self::assemble(config, kept, clock, registry)?;
        if let Some(history) = &app.state.history {
            history.check().await.map_err(|error| StartError::History {
                address: history.database().address().clone(),
                cause: Chain(&error).to_string(),
            })?;
        }
        if config.store.redis.is_none() {
            app.state.bans.restore().await;
        }
        Ok(app)
    }

    /// Binds, with any store, as the only instance.
    ///
    /// # Errors
    /// The address cannot be bound, or the system gives no threads.
    pub fn with_store(
        config: &Config,
        store: Arc<dyn Store>,
        clock: Clock,
    ) -> Result<Self, StartError> {
        Self::with_outbox(config, store, None, clock)
    }

    /// As [`Self::with_store`]. The store adds to this outbox what the history has to know.
    ///
    /// # Errors
    /// As [`Self::with_store`].
    pub fn with_outbox(
        config: &Config,
        store: Arc<dyn Store>,
        outbox: Option<Arc<dyn Outbox>>,
        clock: Clock,
    ) -> Result<Self, StartError> {
        let kept = Kept { store, peers: Arc::new(SingleInstance::default()), outbox };
        Self::assemble(config, kept, clock, new_registry())
    }

    fn assemble(
        config: &Config,
        kept: Kept,
        clock: Clock,
        mut registry: Registry,
    ) -> Result<Self, StartError> {
        let kept = kept.metered(&mut registry);
        let (workers, pinned) = start_workers(config, &clock, &mut registry)?;
        let asking = Asking::start(config, &kept, &clock, &mut registry)?;
        let reconciler = asking.reconciler.clone();
        let history = start_history(config, &kept, reconciler.clone(), &clock, &mut registry)?;
        let bans = asking.start_bans(config, &kept, history.as_deref());
        let Kept { store, peers, outbox } = kept;
        let events =
            make_events(config, &store, reconciler.clone(), &workers, &clock, &mut registry);
        let hub = make_hub(config, &store, reconciler, &workers, &mut registry);
        let state = Arc::new(HttpState {
            roster: make_roster(config, history.as_ref(), &store, &hub, &workers, &clock),
            hub,
            events,
            store,
            outbox,
            history,
            moderation: asking.moderation,
            bans,
            keys: Keys::new(&config.livekit.keys),
            client_keys: Keys::new(&config.client_keys()),
            auth: config.auth.settings.clone(),
            roles: config.roles.clone(),
            tokens: make_tokens(&config.tokens, Arc::clone(&peers), &mut registry)?,
            cors: config.http.cors_origins.clone(),
            trusted_proxies: config.http.trusted_proxies.clone(),
            streams: streams_of(config),
            limits: Limits::new(&limits_of(config, Descriptors::raise())),
            metrics: HttpMetrics::register(&mut registry),
            observed: Observed::new(registry, config.store.redis.is_some().then_some(peers)),
            clock,
            pinned,
            workers: Arc::clone(&workers),
            runtime: Handle::current(),
            room_list: RoomList::default(),
            is_draining: false.into(),
            webhook_outage: WebhookOutage::default(),
        });
        begin(config, &state, asking.reconciler);
        Ok(Self { server: bind(config)?, workers, state, drain: config.shutdown.drain })
    }
}

fn start_history(
    config: &Config,
    kept: &Kept,
    reconciler: Option<Reconciler>,
    clock: &Clock,
    registry: &mut Registry,
) -> Result<Option<Arc<History>>, StartError> {
    let (Some(address), Some(outbox)) = (&config.history.address, kept.outbox.clone()) else {
        return Ok(None);
    };
    let (store, peers) = (Arc::clone(&kept.store), Arc::clone(&kept.peers));
    let database = Database::new(address).map_err(|error| StartError::History {
        address: address.clone(),
        cause: Chain(&error).to_string(),
    })?;
    let database = Arc::new(database);
    let parts = HistoryParts { database, store, outbox, peers, reconciler, clock: clock.clone() };
    let HistoryConfig { keep, metadata, .. } = config.history;
    let settings = HistorySettings { keep, metadata };
    let metrics = HistoryMetrics::register(registry);
    Ok(Some(Arc::new(History::start(parts, settings, metrics))))
}

fn make_hub(
    config: &Config,
    store: &Arc<dyn Store>,
    reconciler: Option<Reconciler>,
    workers: &Arc<Workers>,
    registry: &mut Registry,
) -> Hub {
    Hub::new(
        Arc::clone(store),
        reconciler,
        Arc::clone(workers) as Arc<dyn Watchers>,
        HubConfig { coalesce: config.stream.coalesce },
        HubMetrics::register(registry),
    )
}

/// Rosters are in the history's database.
fn make_roster(
    config: &Config,
    history: Option<&Arc<History>>,
    store: &Arc<dyn Store>,
    hub: &Hub,
    workers: &Arc<Workers>,
    clock: &Clock,
) -> Option<Roster> {
    let watchers = Arc::clone(workers) as Arc<dyn Watchers>;
    Some(Roster::new(RosterParts {
        history: Arc::clone(history?),
        store: Arc::clone(store),
        hub: hub.clone(),
        topics: RosterTopics::new(watchers, config.stream.coalesce),
        roles: config.roles.clone(),
        clock: clock.clone(),
    }))
}

fn make_events(
    config: &Config,
    store: &Arc<dyn Store>,
    reconciler: Option<Reconciler>,
    workers: &Arc<Workers>,
    clock: &Clock,
    registry: &mut Registry,
) -> Events {
    let settings = EventsConfig { coalesce: config.stream.coalesce, max_events: config.events.max };
    Events::new(
        Arc::clone(store),
        reconciler,
        Arc::clone(workers) as Arc<dyn Watchers>,
        clock.clone(),
        settings,
        EventMetrics::register(registry),
    )
}

fn bind(config: &Config) -> Result<Server, StartError> {
    let settings = ServerSettings {
        bind: config.http.bind,
        head_timeout: config.http.head_timeout,
        idle_timeout: config.http.idle_timeout,
        write_timeout: config.stream.write_timeout,
    };
    Server::bind(&settings).map_err(|error| StartError::Bind { bind: config.http.bind, error })
}

/// The workers, and the bound on what slow clients keep in memory.
fn start_workers(
    config: &Config,
    clock: &Clock,
    registry: &mut Registry,
) -> Result<(Arc<Workers>, Arc<Pinned>), StartError> {
    let settings = DeliveryConfig {
        threads: 0,
        heartbeat: config.stream.heartbeat,
        write_timeout: config.stream.write_timeout,
    };
    let pinned = Pinned::register(config.stream.pinned_bytes, registry);
    let metrics = DeliveryMetrics::register(registry);
    let workers = Workers::start(&settings, &metrics, clock, &pinned);
    Ok((workers.map_err(StartError::Workers)?, pinned))
}

fn new_registry() -> Registry {
    let mut registry = Registry::with_prefix("livekit_presence");
    let version = Info::new(vec![("version", env!("CARGO_PKG_VERSION"))]);
    registry.register("build", "What runs here", version);
    registry
}

fn streams_of(config: &Config) -> StreamSettings {
    StreamSettings { enabled: config.stream.enabled, max_age: config.stream.max_age }
}

fn limits_of(config: &Config, descriptors: Descriptors) -> LimitSettings {
    let limits = &config.limits;
    LimitSettings {
        connections: descriptors.connections(),
        webhook_connections: descriptors.webhook_connections(),
        streams: limits.streams.unwrap_or(descriptors.streams()),
        streams_per_address: limits.streams_per_address,
        streams_per_identity: limits.streams_per_identity,
        reads_per_address: limits.reads_per_address,
        lookups_per_address: limits.lookups_per_address,
        refused_webhooks_per_address: limits.refused_webhooks_per_address,
        body_bytes: limits.body_bytes,
        head_bytes: limits.head_bytes,
    }
}

fn begin(config: &Config, state: &Arc<HttpState>, reconciler: Option<Reconciler>) {
    figures::keep(state, reconciler);
    warn_about(config);
}

fn warn_about(config: &Config) {
    for key in config.livekit.keys.iter().filter(|key| key.is_weak()) {
        warn!(key.name = key.name(), "the secret of this API key has fewer than 32 characters");
    }
    if config.livekit.url.is_none() {
        warn!("without `livekit.url` (LIVEKIT_URL) nothing makes up for webhooks that get lost");
    }
    warn_about_tokens(&config.tokens);
}
