//! What instances on one Redis share.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use redis::Value;

use crate::{
    presence::{RoomName, StoreTime},
    store::{CallBucket, Lease, Peers, SharedRooms, StoreError},
};

use super::{
    keys::KeyFormat,
    link::Link,
    netstring::{Malformed, Packer, Unpacker},
    scripts::Scripts,
};

/// The instances on one Redis with one key prefix.
pub struct RedisPeers {
    link: Arc<Link>,
    keys: KeyFormat,
    scripts: Scripts,
    /// Names this instance among them.
    instance: String,
}

impl RedisPeers {
    pub(super) fn new(link: Arc<Link>, keys: KeyFormat, instance: String) -> Self {
        Self { link, keys, scripts: Scripts::new(), instance }
    }

    fn key(&self, lease: &Lease) -> String {
        match lease {
            Lease::Comparison(room) => self.keys.lease(room),
            Lease::Rooms => self.keys.shared("rooms:lease"),
        }
    }
}

#[async_trait]
impl Peers for RedisPeers {
    async fn lease(&self, lease: &Lease, time: Duration) -> Result<bool, StoreError> {
        let millis = u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        let mut set = redis::cmd("SET");
        set.arg(self.key(lease)).arg(&self.instance).arg("NX").arg("PX").arg(millis.max(1));
        let answer: Value = self.link.query(&set).await?;
        Ok(answer != Value::Nil)
    }

    async fn release(&self, lease: &Lease) -> Result<(), StoreError> {
        let connection = self.link.connection().await?;
        let mut call = self.scripts.release.prepare_invoke();
        call.key(self.key(lease)).arg(&self.instance);
        self.link.invoke(connection, &call).await
    }

    async fn take_call(&self, buckets: &[CallBucket]) -> Result<Duration, StoreError> {
        let connection = self.link.connection().await?;
        let mut call = self.scripts.take_call.prepare_invoke();
        call.key(self.keys.shared("calls"));
        for bucket in buckets {
            let micros = |time: Duration| u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
            call.arg(bucket.name).arg(micros(bucket.cost)).arg(micros(bucket.burst));
        }
        self.link.invoke(connection, &call).await.map(Duration::from_micros)
    }

    async fn share_rooms(&self, rooms: &SharedRooms, fresh: Duration) -> Result<(), StoreError> {
        let mut packer = Packer::default();
        packer.number(rooms.asked_at.as_micros());
        for name in &rooms.names {
            packer.text(name.as_str());
        }
        let millis = u64::try_from(fresh.as_millis()).unwrap_or(u64::MAX);
        let mut set = redis::cmd("SET");
        set.arg(self.keys.shared("rooms")).arg(packer.finish()).arg("PX").arg(millis.max(1));
        self.link.query(&set).await
    }

    async fn shared_rooms(&self) -> Result<Option<SharedRooms>, StoreError> {
        let mut get = redis::cmd("GET");
        get.arg(self.keys.shared("rooms"));
        let packed: Option<Vec<u8>> = self.link.query(&get).await?;
        Ok(packed.map(|packed| unpack(&packed)).transpose()?)
    }
}

fn unpack(packed: &[u8]) -> Result<SharedRooms, Malformed> {
    let mut packed = Unpacker::new(packed);
    let asked_at = StoreTime::from_micros(packed.number()?);
    let mut names = Vec::new();
    while !packed.is_empty() {
        names.push(RoomName::parse(packed.text()?).map_err(|_| Malformed)?);
    }
    Ok(SharedRooms { asked_at, names })
}
