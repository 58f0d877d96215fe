//! What connections share.

use std::sync::Arc;

use axum::Router;
use tokio_util::sync::CancellationToken;

use crate::{
    delivery::Workers,
    http::{
        middleware::unavailable::UnavailableLog,
        router::router,
        settings::ServerSettings,
        state::{Http, HttpState},
    },
};

use super::refusal::Refusals;

pub(super) struct Service {
    pub http: Http,
    pub router: Router,
    pub refusals: Refusals,
    pub unavailable: Arc<UnavailableLog>,
    pub workers: Arc<Workers>,
    pub settings: ServerSettings,
    /// Ends connections once what is under way on them is answered.
    pub stop: CancellationToken,
}

impl Service {
    pub fn new(
        state: Arc<HttpState>,
        workers: Arc<Workers>,
        settings: ServerSettings,
        stop: CancellationToken,
    ) -> Self {
        let http = Http(state);
        let unavailable = Arc::<UnavailableLog>::default();
        Self {
            router: router(http.clone(), Arc::clone(&unavailable)),
            refusals: Refusals::new(&http, Arc::clone(&unavailable)),
            unavailable,
            http,
            workers,
            settings,
            stop,
        }
    }
}
