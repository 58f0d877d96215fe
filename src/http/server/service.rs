//! What connections share.

use std::sync::Arc;

use axum::Router;
use tokio_util::sync::CancellationToken;

use crate::{
    delivery::Workers,
    http::{
        middleware::unavailable::UnavailableLog,
        router::{Surroundings, router},
        settings::ServerSettings,
        state::{Http, HttpState},
    },
};

use super::{direct::Direct, refusal::Refusals};

pub(super) struct Service {
    pub http: Http,
    pub router: Router,
    pub direct: Direct,
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
        let surroundings = Surroundings::new(http.clone(), Arc::clone(&unavailable));
        Self {
            router: router(&surroundings),
            direct: Direct::new(&surroundings),
            refusals: Refusals::new(&http, Arc::clone(&unavailable)),
            unavailable,
            http,
            workers,
            settings,
            stop,
        }
    }
}
