//! The requests that come most often do not go through the router: finding their handler there costs a dozen allocations, as much as
//! the answer.

use std::pin::pin;

use axum::{
    http::{Method, request::Parts},
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
    pub fn of(head: &Parts) -> Option<Self> {
        let path = head.uri.path();
        match head.method {
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
        head: &Parts,
    ) -> Response {
        let Around { http, .. } = &self.reads;
        let address = ClientAddress::behind(connection.address, http, &head.headers);
        let answering = pin!(async {
            participants::answer(http, slow_client, head, address).await.into_response()
        });
        let answering = pin!(self.reads.answer(&head.headers, address, answering));
        let in_progress = RequestInProgress::of(&head.method, &head.uri, &head.headers);
        self.reads.surround(participants::PATH.into(), in_progress, answering).await
    }

    pub async fn webhook(
        &self,
        path: &'static str,
        connection: &ConnectionState,
        head: &Parts,
        body: Incoming,
    ) -> Response {
        let Around { http, .. } = &self.webhooks;
        let address = ClientAddress::behind(connection.address, http, &head.headers);
        let answering = pin!(async {
            webhook::answer(http, address, &head.headers, body).await.into_response()
        });
        let answering = pin!(self.webhooks.answer(&head.headers, address, answering));
        let in_progress = RequestInProgress::of(&head.method, &head.uri, &head.headers);
        self.webhooks.surround(path.into(), in_progress, answering).await
    }
}
