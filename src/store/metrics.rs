//! Counts and times every call to a store.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use async_trait::async_trait;
use prometheus_client::{
    encoding::{EncodeLabelSet, EncodeLabelValue},
    metrics::{
        counter::Counter,
        family::Family,
        histogram::{Histogram, exponential_buckets},
    },
    registry::{Registry, Unit},
};

use crate::presence::{
    Applied, Event, Repaired, Repairs, Room, RoomName, StoreTime, Subjects, Version,
};

use super::{
    error::StoreError, feed::Feed, interface::Store, position::Position, summary::RoomSummary,
};

/// Counts and times calls to the store.
#[derive(Clone, Debug)]
pub struct StoreMetrics {
    calls: Family<CallLabels, Counter>,
    seconds: Family<KindLabel, Histogram, fn() -> Histogram>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct CallLabels {
    kind: Kind,
    outcome: OperationOutcome,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct KindLabel {
    kind: Kind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EncodeLabelValue)]
#[expect(non_camel_case_types, reason = "these are the labels as operators see them")]
enum Kind {
    apply,
    repair,
    read,
    position,
    lift,
    rooms,
    follow,
    renew,
    now,
    check,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EncodeLabelValue)]
#[expect(non_camel_case_types, reason = "these are the labels as operators see them")]
enum OperationOutcome {
    ok,
    failed,
}

impl StoreMetrics {
    pub fn register(registry: &mut Registry) -> Self {
        let metrics = Self {
            calls: Family::default(),
            seconds: Family::new_with_constructor(|| {
                Histogram::new(exponential_buckets(0.000_01, 4.0, 10))
            }),
        };
        registry.register("store_calls", "Calls to the store", metrics.calls.clone());
        registry.register_with_unit(
            "store_call",
            "Time of a call to the store",
            Unit::Seconds,
            metrics.seconds.clone(),
        );
        metrics
    }
}

/// A store whose calls are counted and timed.
pub struct MeteredStore {
    store: Arc<dyn Store>,
    metrics: StoreMetrics,
}

impl MeteredStore {
    pub fn new(store: Arc<dyn Store>, metrics: StoreMetrics) -> Self {
        Self { store, metrics }
    }

    async fn metered<T>(
        &self,
        kind: Kind,
        call: impl Future<Output = Result<T, StoreError>> + Send,
    ) -> Result<T, StoreError> {
        let started = Instant::now();
        let result = call.await;
        let outcome = if result.is_ok() { OperationOutcome::ok } else { OperationOutcome::failed };
        self.metrics.calls.get_or_create(&CallLabels { kind, outcome }).inc();
        let took = started.elapsed().as_secs_f64();
        self.metrics.seconds.get_or_create(&KindLabel { kind }).observe(took);
        result
    }
}

#[async_trait]
impl Store for MeteredStore {
    async fn apply(&self, event: &Event) -> Result<Applied, StoreError> {
        self.metered(Kind::apply, self.store.apply(event)).await
    }

    async fn repair(
        &self,
        room: &RoomName,
        repairs: &Repairs,
        subjects: &Subjects,
    ) -> Result<Repaired, StoreError> {
        self.metered(Kind::repair, self.store.repair(room, repairs, subjects)).await
    }

    async fn read(&self, room: &RoomName) -> Result<Option<Arc<Room>>, StoreError> {
        self.metered(Kind::read, self.store.read(room)).await
    }

    async fn position(&self, room: &RoomName) -> Result<Option<Position>, StoreError> {
        self.metered(Kind::position, self.store.position(room)).await
    }

    async fn advance(&self, room: &RoomName, held: Version) -> Result<(), StoreError> {
        self.metered(Kind::lift, self.store.advance(room, held)).await
    }

    async fn rooms(&self) -> Result<Vec<RoomSummary>, StoreError> {
        self.metered(Kind::rooms, self.store.rooms()).await
    }

    async fn follow(&self, room: &RoomName) -> Result<Feed, StoreError> {
        self.metered(Kind::follow, self.store.follow(room)).await
    }

    async fn renew(&self, room: &RoomName) -> Result<(), StoreError> {
        self.metered(Kind::renew, self.store.renew(room)).await
    }

    fn trust_longer(&self, by: Duration) {
        self.store.trust_longer(by);
    }

    async fn now(&self) -> Result<StoreTime, StoreError> {
        self.metered(Kind::now, self.store.now()).await
    }

    fn estimated_now(&self) -> Option<StoreTime> {
        self.store.estimated_now()
    }

    async fn check(&self) -> Result<(), StoreError> {
        self.metered(Kind::check, self.store.check()).await
    }
}
