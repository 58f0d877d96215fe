//! Looks whether LiveKit's servers go on writing to `nodes`. Where that may not be read it is said once, and nobody is told of a
//! crash.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use redis::RedisError;
use tokio::time::timeout;
use tracing::{debug, info, warn};

use crate::redis_client::no_answer;

use super::{
    connection::Connection,
    error::LiveKitRedisError,
    lost::{is_refused, told},
    metrics::What,
    nodes::Nodes,
    shared::Shared,
};

/// A reading takes this long at most, since pings and pushes wait for it.
const READ_TIMEOUT: Duration = Duration::from_millis(500);

/// Sees LiveKit's servers crash. Outlives connections, so that one that crashed while there was none is seen, too.
pub(super) struct NodeWatch {
    shared: Arc<Shared>,
    nodes: Nodes,
    /// Whether the log says that they may not be read.
    is_refused: bool,
}

impl NodeWatch {
    pub fn new(shared: Arc<Shared>) -> Self {
        Self { shared, nodes: Nodes::default(), is_refused: false }
    }

    /// Reads who has written.
    pub async fn look(&mut self, connection: &mut Connection) {
        let read = timeout(READ_TIMEOUT, connection.nodes()).await;
        match read.unwrap_or_else(|_| Err(no_answer())) {
            Ok(fields) => {
                self.is_refused = false;
                let bytes = fields.iter().map(|(id, value)| id.len() + value.len()).sum();
                self.shared.metrics.read(What::Nodes, &Ok(()));
                self.shared.metrics.brought(bytes);
                self.shared.budget().take_part(bytes, bytes, Instant::now());
                let lost = self.nodes.read(fields, Instant::now());
                self.shared.note_nodes(self.nodes.alive(), lost);
                if lost > 0 {
                    info!(
                        nodes = lost,
                        "a server of LiveKit may have crashed: it no longer writes to LiveKit's Redis, or is gone from it"
                    );
                }
            }
            Err(error) => self.failed(&error),
        }
    }

    /// A connection that does not work any more is found by pings.
    fn failed(&mut self, error: &RedisError) {
        let down = LiveKitRedisError::Down(told(error));
        self.shared.metrics.read(What::Nodes, &Err::<(), _>(down));
        self.shared.note_nodes(0, 0);
        if !is_refused(error) {
            debug!(error = told(error), "cannot read LiveKit's servers in its Redis");
        } else if !std::mem::replace(&mut self.is_refused, true) {
            warn!(
                error = told(error),
                "the user in `livekit.redis_url` may not read the key `nodes`, which tells when a server of LiveKit crashes, so \
                 people in quiet rooms are probed as often as without `livekit.redis_url`; give it ~nodes to spare these calls"
            );
        }
    }
}
