//! What surrounds every handler: the request's id, the answer within five seconds, the limit on how often an address asks, CORS,
//! the count of answers, and the log of 503s. It is one layer, because axum allocates for each layer of each request.

use std::{panic::AssertUnwindSafe, sync::Arc, time::Duration};

use axum::{
    extract::{MatchedPath, Request, State},
    middleware::Next,
    response::{IntoResponse, Response},
};
use futures_util::FutureExt;
use tokio::time::timeout;
use tracing::debug;

use crate::http::{
    problem::{self, Problem},
    state::Http,
};

use super::{cors::Cors, limit::Limit, request_id::RequestInProgress, unavailable::UnavailableLog};

/// LiveKit has no timeout for the answer to a webhook, and sends the room's next webhook only after it.
const ANSWER_WITHIN: Duration = Duration::from_millis(4_500);

/// What surrounds the handlers of some routes.
pub(in crate::http) struct Around {
    pub http: Http,
    pub unavailable: Arc<UnavailableLog>,
    /// None where no page of another origin reads the answers.
    pub cors: Option<Cors>,
    pub limit: Limit,
}

/// The layer.
pub(in crate::http) async fn around(
    State(around): State<Arc<Around>>,
    request: Request,
    next: Next,
) -> Response {
    let in_progress = RequestInProgress::of(&request);
    let id = in_progress.id().clone();
    let answering = async {
        let response = around.answer(request, next).await;
        debug!(http.status = response.status().as_u16(), "answered");
        response
    };
    let mut response = in_progress.scope(answering).await;
    super::request_id::name(&mut response, id);
    response
}

impl Around {
    async fn answer(&self, request: Request, next: Next) -> Response {
        let path = request.extensions().get::<MatchedPath>().cloned();
        let response = match &self.cors {
            Some(cors) => {
                cors.surround(request, |request| self.answer_in_time(request, next)).await
            }
            None => self.answer_in_time(request, next).await,
        };
        let route = path.as_ref().map_or("none", MatchedPath::as_str);
        self.http.metrics.answered(route, response.status().as_u16());
        self.unavailable.look_at(route, &response);
        response
    }

    async fn answer_in_time(&self, request: Request, next: Next) -> Response {
        if let Err(refusal) = self.limit.take(&self.http, &request) {
            return refusal.into_response();
        }
        let answering = AssertUnwindSafe(timeout(ANSWER_WITHIN, next.run(request))).catch_unwind();
        match answering.await {
            Ok(Ok(response)) => response,
            Ok(Err(_)) => {
                let detail = "this could not be answered in time; send it again";
                Problem::unavailable(detail, 1).into_response()
            }
            Err(panic) => problem::after_panic(panic).into_response(),
        }
    }
}
