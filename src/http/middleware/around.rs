//! What surrounds every handler: the request's id, the answer within five seconds, the limit on how often an address asks, CORS,
//! the count of answers, and the log of 503s. It is one layer, because axum allocates for each layer of each request.

use std::{
    borrow::Cow,
    future::poll_fn,
    panic::AssertUnwindSafe,
    pin::{Pin, pin},
    sync::Arc,
    task::Poll,
    time::Duration,
};

use axum::{
    extract::{MatchedPath, Request, State},
    http::{HeaderMap, Method},
    middleware::Next,
    response::{IntoResponse, Response},
};
use futures_util::FutureExt;
use tokio::time::{Sleep, sleep};
use tracing::debug;

use crate::http::{
    limits::client_address::ClientAddress,
    problem::{self, Problem},
    state::Http,
};

use super::{
    cors::{Cors, Reader},
    limit::Limit,
    request_id::RequestInProgress,
    unavailable::UnavailableLog,
};

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
    let path = request.extensions().get::<MatchedPath>();
    let route = path.map_or("none".into(), |path| path.as_str().to_owned().into());
    let in_progress = RequestInProgress::of(request.method(), request.uri(), request.headers());
    let answering = pin!(async {
        match &around.cors {
            Some(cors) if *request.method() == Method::OPTIONS => cors.answer_preflight(request),
            Some(_) | None => around.answer_routed(request, next).await,
        }
    });
    around.surround(route, in_progress, answering).await
}

// An `async fn` that takes a future keeps it twice, as its argument and where it waits for it. In several around each other, that
// grows to kilobytes that are copied for each request, so these are handed only where the future is.
impl Around {
    /// What every answer gets, with and without the router.
    pub async fn surround(
        &self,
        route: Cow<'static, str>,
        request: RequestInProgress,
        answering: Pin<&mut impl Future<Output = Response>>,
    ) -> Response {
        let id = request.id().clone();
        let answering = pin!(async {
            let response = answering.await;
            self.unavailable.look_at(&route, &response);
            self.http.metrics.answered(route, response.status().as_u16());
            debug!(http.status = response.status().as_u16(), "answered");
            response
        });
        let mut response = request.scope(answering).await;
        super::request_id::name(&mut response, id);
        response
    }

    /// Answers within the limit and in time, so that pages can read the answer.
    pub async fn answer(
        &self,
        headers: &HeaderMap,
        address: ClientAddress,
        answering: Pin<&mut impl Future<Output = Response>>,
    ) -> Response {
        let reader = self.cors.as_ref().map(|cors| cors.reader(headers));
        let within_limit = self.limit.take(&self.http, || Ok(address));
        self.answer_to(reader, within_limit, answering).await
    }

    async fn answer_routed(&self, request: Request, next: Next) -> Response {
        let reader = self.cors.as_ref().map(|cors| cors.reader(request.headers()));
        let address =
            || ClientAddress::of_request(&self.http, request.extensions(), request.headers());
        let within_limit = self.limit.take(&self.http, address);
        self.answer_to(reader, within_limit, pin!(next.run(request))).await
    }

    async fn answer_to(
        &self,
        reader: Option<Reader<'_>>,
        within_limit: Result<(), Problem>,
        answering: Pin<&mut impl Future<Output = Response>>,
    ) -> Response {
        let mut response = match within_limit {
            Ok(()) => in_time(answering).await,
            Err(refusal) => refusal.into_response(),
        };
        if let Some(reader) = reader {
            reader.let_read(&mut response);
        }
        response
    }
}

async fn in_time(answering: Pin<&mut impl Future<Output = Response>>) -> Response {
    let mut answering = pin!(AssertUnwindSafe(answering).catch_unwind());
    // Most answers are there at once, and need no timer.
    let mut time_is_up = pin!(None::<Sleep>);
    let answered = poll_fn(|context| {
        if let Poll::Ready(answered) = answering.as_mut().poll(context) {
            return Poll::Ready(Some(answered));
        }
        if time_is_up.is_none() {
            time_is_up.set(Some(sleep(ANSWER_WITHIN)));
        }
        let time_is_up = time_is_up.as_mut().as_pin_mut().expect("it was just set");
        time_is_up.poll(context).map(|()| None)
    });
    match answered.await {
        Some(Ok(response)) => response,
        Some(Err(panic)) => problem::after_panic(panic).into_response(),
        None => {
            let detail = "this could not be answered in time; send it again";
            Problem::unavailable(detail, 1).into_response()
        }
    }
}
