//! Reads streams, each answer about a megabyte at most: the log of events, and what lies in outboxes.

use std::sync::Arc;

use redis::FromRedisValue;

use crate::store::StoreError;

use super::{link::Link, scripts::Scripts};

/// So that the answers to other commands need not wait long.
const MAX_PAGE_BYTES: usize = 1024 * 1024;

pub(super) struct StreamReader {
    link: Arc<Link>,
    scripts: Scripts,
}

/// Entries of a stream, with their ids.
pub(super) struct Page<T> {
    pub entries: Vec<(String, T)>,
    /// Whether there were none after them.
    pub is_last: bool,
}

impl StreamReader {
    pub fn new(link: Arc<Link>) -> Self {
        Self { link, scripts: Scripts::new() }
    }

    /// Reads entries of a stream: at least one if there is one, at most `count`, and about a megabyte.
    pub async fn read<T: FromRedisValue>(
        &self,
        stream: &str,
        start: &str,
        count: usize,
    ) -> Result<Page<T>, StoreError> {
        let connection = self.link.connection().await?;
        let keys = [stream.to_owned()];
        let (count, bytes) = (count.to_string(), MAX_PAGE_BYTES.to_string());
        let arguments = [start.as_bytes(), count.as_bytes(), bytes.as_bytes()];
        let call = self.scripts.read.call(&keys, &arguments);
        let (entries, is_last): (Vec<(String, T)>, bool) =
            self.link.invoke(connection, &call).await?;
        Ok(Page { entries, is_last })
    }
}
