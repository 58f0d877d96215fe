//! Answers one request.

use std::{convert::Infallible, sync::Arc};

use axum::{
    body::Body,
    http::{HeaderValue, Method, Request, Response, Version, header},
    response::IntoResponse,
};
use hyper::body::Incoming;
use tower::ServiceExt;

use crate::{
    http::{
        extract::client_address::PeerAddress,
        limits::seats::Share,
        problem::Problem,
        respond::{event_stream::HandoffExtension, kept_answer::SlowClient},
        routes::webhook::SendsWebhooks,
    },
    sse::Framing,
};

use super::{
    connection_state::ConnectionState, direct::DirectRoute, hand_off::ReadyHandoff, head,
    service::Service,
};

/// Answers a request. hyper never gets the response of a stream: what a worker needs is put aside, and this future stays pending
/// until the connection is taken from hyper.
///
/// A block rather than an `async fn`, which would keep the request's head twice.
pub(super) fn answer(
    service: Arc<Service>,
    connection: Arc<ConnectionState>,
    slow_client: SlowClient,
    request: Request<Incoming>,
) -> impl Future<Output = Result<Response<Body>, Infallible>> {
    let (head, body) = request.into_parts();
    async move {
        connection.head.read();
        if !service.http.limits.permits.begin(&connection.seat.permit) {
            // The connection was told to leave, and is about to be closed.
            return std::future::pending().await;
        }
        let is_post = head.method == Method::POST;
        let mut response = match DirectRoute::of(&head) {
            _ if connection.seat.share == Share::Webhooks && !is_post => refuse(&service),
            Some(DirectRoute::List) => service.direct.list(&connection, &slow_client, &head).await,
            // On the heap, because a list would otherwise take as much memory.
            Some(DirectRoute::Webhook(path)) => {
                Box::pin(service.direct.webhook(path, &connection, &head, body)).await
            }
            None => {
                let request = Request::from_parts(head, body);
                Box::pin(route(&service, &connection, slow_client, request)).await
            }
        };
        end(&service, &connection, is_post, &mut response);
        Ok(response)
    }
}

fn refuse(service: &Service) -> Response<Body> {
    let refusal = Problem::no_place().into_response();
    service.unavailable.look_at("none", &refusal);
    refusal
}

/// Notes that a request is answered.
fn end(
    service: &Service,
    connection: &ConnectionState,
    is_post: bool,
    response: &mut Response<Body>,
) {
    let permits = &service.http.limits.permits;
    let status = response.status();
    let is_kept_for_webhooks = connection.seat.share == Share::Webhooks;
    if response.extensions().get::<SendsWebhooks>().is_some() {
        permits.remember_webhook_sender(connection.peer);
    } else if is_kept_for_webhooks && (!is_post || status.is_client_error()) {
        response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    let is_valid = status.is_success() || status.is_redirection();
    permits.wait(&connection.seat.permit, connection.peer, is_valid);
}

async fn route(
    service: &Service,
    connection: &ConnectionState,
    slow_client: SlowClient,
    request: Request<Incoming>,
) -> Response<Body> {
    let mut request = request.map(Body::new);
    request.extensions_mut().insert(PeerAddress(connection.address));
    request.extensions_mut().insert(slow_client);
    let framing = match request.version() {
        Version::HTTP_11 => Framing::Chunked,
        _ => Framing::UntilClose,
    };
    let origin = request.headers().get(header::ORIGIN).cloned();
    let Ok(response) = service.router.clone().oneshot(request).await;
    let taken = response.extensions().get::<HandoffExtension>().and_then(HandoffExtension::take);
    let Some(handed_off) = taken else { return response };
    let framing = handed_off.framing(framing);
    let head = head::encode_stream_head(response.into_parts().0, framing, &service.http.clock);
    connection.put_handoff(ReadyHandoff { handed_off, head, framing, origin });
    std::future::pending().await
}
