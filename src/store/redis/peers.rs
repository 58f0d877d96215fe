//! What instances on one Redis with one key prefix share: [`Peers`], carried by Redis.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use redis::Value;
use serde::{Deserialize, Serialize};

use crate::{
    coordination::{
        CallBucket, CoordinationError, Lease, LeaseToken, Peers, SharedRooms, SlidingWindow, Told,
        Turn,
    },
    presence::{RoomName, StoreTime},
    store::StoreError,
};

use super::{
    keys::KeyFormat,
    link::Link,
    rows::{Unreadable, to_json},
    scripts::Scripts,
};

/// The instances on one Redis with one key prefix.
pub struct RedisPeers {
    link: Arc<Link>,
    keys: KeyFormat,
    scripts: Scripts,
}

impl RedisPeers {
    pub(super) fn new(link: Arc<Link>, keys: KeyFormat) -> Self {
        Self { link, keys, scripts: Scripts::new() }
    }

    fn key(&self, lease: &Lease) -> String {
        match lease {
            Lease::Comparison(room) => self.keys.lease(room),
            Lease::Rooms => self.keys.shared("listing:lease"),
            Lease::Sweep => self.keys.shared("sweep:lease"),
            Lease::Outbox => self.keys.shared("history:outbox:lease"),
            Lease::Retention => self.keys.shared("history:retention:lease"),
            Lease::Audit => self.keys.shared("history:audit:lease"),
            Lease::Bans => self.keys.shared("bans:lease"),
            Lease::Removal(room, sid) => self.keys.removal_lease(room, sid),
        }
    }
}

impl From<StoreError> for CoordinationError {
    fn from(error: StoreError) -> Self {
        Self::new(error)
    }
}

#[async_trait]
impl Peers for RedisPeers {
    async fn lease(
        &self,
        lease: &Lease,
        time: Duration,
    ) -> Result<Option<LeaseToken>, CoordinationError> {
        let held = LeaseToken(format!("{:016x}", fastrand::u64(..)));
        let mut set = redis::cmd("SET");
        set.arg(self.key(lease)).arg(&held.0).arg("NX").arg("PX").arg(as_millis(time));
        let answer: Value = self.link.query(&set).await?;
        Ok((answer != Value::Nil).then_some(held))
    }

    async fn release(&self, lease: &Lease, held: LeaseToken) -> Result<(), CoordinationError> {
        let connection = self.link.connection().await?;
        let keys = [self.key(lease)];
        let arguments = [held.0.as_bytes()];
        let call = self.scripts.release.call(&keys, &arguments);
        Ok(self.link.invoke(connection, &call).await?)
    }

    async fn take_call(&self, buckets: &[CallBucket]) -> Result<Duration, CoordinationError> {
        let connection = self.link.connection().await?;
        let keys = [self.keys.shared("calls")];
        let times: Vec<_> = buckets
            .iter()
            .flat_map(|bucket| {
                let micros = |time: Duration| time.as_micros().to_string();
                let times = [bucket.cost, bucket.burst, bucket.reserve].map(micros);
                [bucket.name.to_owned()].into_iter().chain(times)
            })
            .collect();
        let arguments: Vec<_> = times.iter().map(String::as_bytes).collect();
        let call = self.scripts.take_call.call(&keys, &arguments);
        Ok(self.link.invoke(connection, &call).await.map(Duration::from_micros)?)
    }

    async fn share_wait(
        &self,
        wait: Duration,
        fresh: Duration,
    ) -> Result<Duration, CoordinationError> {
        let key = self.keys.shared("wait");
        let mut get = redis::cmd("GET");
        get.arg(&key);
        let told: Option<u64> = self.link.query(&get).await?;
        let told = told.map(Duration::from_micros).unwrap_or_default();
        // Of two instances that write at once the shorter wait may win, until both write again soon.
        if wait > told {
            let mut set = redis::cmd("SET");
            set.arg(&key).arg(wait.as_micros().to_string()).arg("PX").arg(as_millis(fresh));
            let _: Value = self.link.query(&set).await?;
        }
        Ok(wait.max(told))
    }

    async fn share_rooms(
        &self,
        rooms: &SharedRooms,
        fresh: Duration,
    ) -> Result<(), CoordinationError> {
        let names = rooms.names.iter().map(|name| name.as_str().into()).collect();
        let listing = to_json(&SharedListing { asked_at: rooms.asked_at, names });
        let mut set = redis::cmd("SET");
        set.arg(self.keys.shared("listing")).arg(listing).arg("PX").arg(as_millis(fresh));
        Ok(self.link.query(&set).await?)
    }

    async fn shared_rooms(&self) -> Result<Option<SharedRooms>, CoordinationError> {
        let mut get = redis::cmd("GET");
        get.arg(self.keys.shared("listing"));
        let listing: Option<Vec<u8>> = self.link.query(&get).await?;
        Ok(listing.map(|listing| read(&listing)).transpose().map_err(StoreError::from)?)
    }

    async fn take_turn(&self, who: &str, window: SlidingWindow) -> Result<Turn, CoordinationError> {
        let connection = self.link.connection().await?;
        let keys = [self.keys.turns(who)];
        let (max, length) = (window.max.to_string(), window.length.as_micros().to_string());
        let arguments = [max.as_bytes(), length.as_bytes()];
        let call = self.scripts.take_turn.call(&keys, &arguments);
        let (is_taken, left, frees_in): (bool, u32, u64) =
            self.link.invoke(connection, &call).await?;
        let frees_in = Duration::from_micros(frees_in);
        Ok(if is_taken { Turn::Taken { left, frees_in } } else { Turn::Refused { wait: frees_in } })
    }

    async fn tell(
        &self,
        told: &Told,
        keep: usize,
        fresh: Duration,
    ) -> Result<(), CoordinationError> {
        let connection = self.link.connection().await?;
        let keys = [self.keys.shared("told"), self.keys.told(&told.instance)];
        let value = format!("{}:{}", told.layout, told.at_ms);
        let numbers = [told.at_ms, keep as u64, as_millis(fresh)].map(|number| number.to_string());
        let first = [told.instance.as_bytes(), value.as_bytes()];
        let lines = told.lines.iter().map(String::as_bytes);
        let arguments: Vec<_> =
            first.into_iter().chain(numbers.iter().map(String::as_bytes)).chain(lines).collect();
        let call = self.scripts.tell.call(&keys, &arguments);
        let _: Value = self.link.invoke(connection, &call).await?;
        Ok(())
    }

    async fn told(&self, newest: usize, instances: usize) -> Result<Vec<Told>, CoordinationError> {
        let mut get = redis::cmd("HGETALL");
        get.arg(self.keys.shared("told"));
        let values: Vec<(String, String)> = self.link.query(&get).await?;
        let mut all: Vec<_> = values.into_iter().filter_map(told_of).collect();
        all.sort_by(|one, other| {
            other.at_ms.cmp(&one.at_ms).then(one.instance.cmp(&other.instance))
        });
        for told in all.iter_mut().take(instances) {
            let mut lines = redis::cmd("LRANGE");
            lines.arg(self.keys.told(&told.instance)).arg(format!("-{newest}")).arg(-1);
            told.lines = self.link.query(&lines).await?;
        }
        Ok(all)
    }
}

/// When an instance told something, as it lies in Redis: `layout:time`.
fn told_of((instance, value): (String, String)) -> Option<Told> {
    let (layout, at_ms) = value.split_once(':')?;
    let (layout, at_ms) = (layout.parse().ok()?, at_ms.parse().ok()?);
    Some(Told { instance, at_ms, layout, lines: Vec::new() })
}

/// For `PX`, which refuses zero.
fn as_millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX).max(1)
}

/// LiveKit's rooms, as they lie in Redis.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct SharedListing {
    asked_at: StoreTime,
    names: Vec<String>,
}

fn read(listing: &[u8]) -> Result<SharedRooms, Unreadable> {
    let SharedListing { asked_at, names } =
        serde_json::from_slice(listing).map_err(|_| Unreadable::Malformed)?;
    let names = names.iter().map(|name| RoomName::parse(name)).collect::<Result<_, _>>();
    Ok(SharedRooms { asked_at, names: names.map_err(|_| Unreadable::Malformed)? })
}
