//! What instances on one Redis share.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use redis::Value;
use serde::{Deserialize, Serialize};

use crate::{
    coordination::{CallBucket, Lease, LeaseToken, Peers, SharedRooms},
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
        }
    }
}

#[async_trait]
impl Peers for RedisPeers {
    async fn lease(&self, lease: &Lease, time: Duration) -> Result<Option<LeaseToken>, StoreError> {
        let held = LeaseToken(format!("{:016x}", fastrand::u64(..)));
        let millis = u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        let mut set = redis::cmd("SET");
        set.arg(self.key(lease)).arg(&held.0).arg("NX").arg("PX").arg(millis.max(1));
        let answer: Value = self.link.query(&set).await?;
        Ok((answer != Value::Nil).then_some(held))
    }

    async fn release(&self, lease: &Lease, held: LeaseToken) -> Result<(), StoreError> {
        let connection = self.link.connection().await?;
        let keys = [self.key(lease)];
        let arguments = [held.0.as_bytes()];
        let call = self.scripts.release.call(&keys, &arguments);
        self.link.invoke(connection, &call).await
    }

    async fn take_call(&self, buckets: &[CallBucket]) -> Result<Duration, StoreError> {
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
        self.link.invoke(connection, &call).await.map(Duration::from_micros)
    }

    async fn share_wait(&self, wait: Duration, fresh: Duration) -> Result<Duration, StoreError> {
        let key = self.keys.shared("wait");
        let mut get = redis::cmd("GET");
        get.arg(&key);
        let told: Option<u64> = self.link.query(&get).await?;
        let told = told.map(Duration::from_micros).unwrap_or_default();
        // Two that write at the same time write again soon; the shorter wait does not last.
        if wait > told {
            let millis = u64::try_from(fresh.as_millis()).unwrap_or(u64::MAX);
            let mut set = redis::cmd("SET");
            set.arg(&key).arg(wait.as_micros().to_string()).arg("PX").arg(millis.max(1));
            let _: redis::Value = self.link.query(&set).await?;
        }
        Ok(wait.max(told))
    }

    async fn share_rooms(&self, rooms: &SharedRooms, fresh: Duration) -> Result<(), StoreError> {
        let names = rooms.names.iter().map(|name| name.as_str().into()).collect();
        let told = to_json(&Told { asked_at: rooms.asked_at, names });
        let millis = u64::try_from(fresh.as_millis()).unwrap_or(u64::MAX);
        let mut set = redis::cmd("SET");
        set.arg(self.keys.shared("listing")).arg(told).arg("PX").arg(millis.max(1));
        self.link.query(&set).await
    }

    async fn shared_rooms(&self) -> Result<Option<SharedRooms>, StoreError> {
        let mut get = redis::cmd("GET");
        get.arg(self.keys.shared("listing"));
        let told: Option<Vec<u8>> = self.link.query(&get).await?;
        Ok(told.map(|told| read(&told)).transpose()?)
    }
}

/// What an instance tells the others of LiveKit's rooms.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Told {
    asked_at: StoreTime,
    names: Vec<String>,
}

fn read(told: &[u8]) -> Result<SharedRooms, Unreadable> {
    let Told { asked_at, names } =
        serde_json::from_slice(told).map_err(|_| Unreadable::Malformed)?;
    let names = names.iter().map(|name| RoomName::parse(name)).collect::<Result<_, _>>();
    Ok(SharedRooms { asked_at, names: names.map_err(|_| Unreadable::Malformed)? })
}
