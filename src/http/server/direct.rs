//! The requests that come most often, past the router, in which each costs a dozen allocations, as much as its answer.

use axum::{
    http::{Method, Request},
    response::{IntoResponse, Response},
};
use hyper::body::Incoming;

use crate::http::{
    limits::client_address::ClientAddress,
    middleware::{around::Around, request_id::RequestInProgress},
    respond::kept_answer::SlowClient,
    router::Surroundings,
    routes::{misdirected::WEBHOOK_PATHS, participants, webhook},
};

use super::connection_state::ConnectionState;

/// What the router would do with these requests.
pub(super) struct Direct {
    reads: Around,
    webhooks: Around,
}

/// A request that needs no router.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum DirectRoute {
    List,
    /// At this path.
    Webhook(&'static str),
}

impl DirectRoute {
    pub fn of<B>(request: &Request<B>) -> Option<Self> {
        let path = request.uri().path();
        match *request.method() {
            Method::GET => (path == participants::PATH).then_some(Self::List),
            Method::POST => {
                WEBHOOK_PATHS.into_iter().find(|known| path == *known).map(Self::Webhook)
            }
            _ => None,
        }
    }
}

impl Direct {
    pub fn new(surroundings: &Surroundings) -> Self {
        Self { reads: surroundings.around_reads(), webhooks: surroundings.around_webhooks() }
    }

    pub async fn list(
        &self,
        connection: &ConnectionState,
        slow_client: &SlowClient,
        request: Request<Incoming>,
    ) -> Response {
        let (parts, _) = request.into_parts();
        let Around { http, .. } = &self.reads;
        let address = ClientAddress::behind(connection.address, http, &parts.headers);
        let in_progress = RequestInProgress::of(&parts.method, &parts.uri, &parts.headers);
        let answering = async {
            participants::answer(http, slow_client, &parts, address).await.into_response()
        };
        let answering = self.reads.answer(&parts.headers, address, answering);
        self.reads.surround(participants::PATH.into(), in_progress, answering).await
    }

    pub async fn webhook(
        &self,
        path: &'static str,
        connection: &ConnectionState,
        request: Request<Incoming>,
    ) -> Response {
        let (parts, body) = request.into_parts();
        let Around { http, .. } = &self.webhooks;
        let address = ClientAddress::behind(connection.address, http, &parts.headers);
        let in_progress = RequestInProgress::of(&parts.method, &parts.uri, &parts.headers);
        let answering =
            async { webhook::answer(http, address, &parts.headers, body).await.into_response() };
        let answering = self.webhooks.answer(&parts.headers, address, answering);
        self.webhooks.surround(path.into(), in_progress, answering).await
    }
}
