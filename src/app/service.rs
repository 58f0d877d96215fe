//! The service from its start to its end in order.

use std::{io, net::SocketAddr, sync::Arc, time::Duration};

use tokio::time::timeout;
use tokio_util::{sync::CancellationToken, task::AbortOnDropHandle};
use tracing::{info, warn};

use crate::{
    delivery::Workers,
    http::{HttpState, Server},
};

use super::early_timer::keep_one_timer_early;

/// Requests and streams under way at shutdown get this long after the drain has ended.
const LAST_ANSWERS: Duration = Duration::from_secs(6);

/// The service, bound and ready to run.
pub struct App {
    pub(super) server: Server,
    pub(super) workers: Arc<Workers>,
    pub(super) state: Arc<HttpState>,
    pub(super) drain: Duration,
}

impl App {
    /// Where it listens.
    ///
    /// # Errors
    /// The system does not say.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.server.local_addr()
    }

    /// Serves until `shutdown`, then: no longer ready, no longer listening, requests under way are answered, streams end
    /// spread over `shutdown.drain`.
    pub async fn run(self, shutdown: impl Future<Output = ()>) {
        let _early_timer = AbortOnDropHandle::new(tokio::spawn(keep_one_timer_early()));
        let stop = CancellationToken::new();
        let serving = tokio::spawn(self.server.run(
            Arc::clone(&self.state),
            Arc::clone(&self.workers),
            stop.clone(),
        ));
        shutdown.await;
        info!(drain.secs = self.drain.as_secs_f64(), "shutting down");
        self.state.start_draining();
        stop.cancel();
        let drained = async {
            let ((), served) = tokio::join!(self.workers.drain(self.drain), serving);
            served
        };
        match timeout(self.drain + LAST_ANSWERS, drained).await {
            Ok(Ok(())) => info!("ended in order"),
            Ok(Err(error)) => warn!(%error, "serving ended out of order"),
            Err(_) => warn!("some connections did not end in time; leaving them"),
        }
    }
}
