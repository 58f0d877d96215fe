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
pub(super) async fn answer(
    service: Arc<Service>,
    connection: Arc<ConnectionState>,
    slow_client: SlowClient,
    request: Request<Incoming>,
) -> Result<Response<Body>, Infallible> {
    connection.head.read();
    let permits = &service.http.limits.permits;
    let is_post = request.method() == Method::POST;
    if !permits.begin(&connection.seat.permit) {
        // The connection was told to leave, and is about to be closed.
        return std::future::pending().await;
    }
    let is_kept_for_webhooks = connection.seat.share == Share::Webhooks;
    let mut response = if is_kept_for_webhooks && !is_post {
        let refusal = Problem::no_place().into_response();
        service.unavailable.look_at("none", &refusal);
        refusal
    } else {
        route(&service, &connection, slow_client, request).await
    };
    let status = response.status();
    if response.extensions().get::<SendsWebhooks>().is_some() {
        permits.remember_webhook_sender(connection.peer);
    } else if is_kept_for_webhooks && (!is_post || status.is_client_error()) {
        response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    let is_valid = status.is_success() || status.is_redirection();
    permits.wait(&connection.seat.permit, connection.peer, is_valid);
    Ok(response)
}

async fn route(
    service: &Service,
    connection: &ConnectionState,
    slow_client: SlowClient,
    request: Request<Incoming>,
) -> Response<Body> {
    match DirectRoute::of(&request) {
        Some(DirectRoute::List) => service.direct.list(connection, &slow_client, request).await,
        Some(DirectRoute::Webhook(path)) => service.direct.webhook(path, connection, request).await,
        // On the heap, because the others would otherwise take as much memory.
        None => Box::pin(route_others(service, connection, slow_client, request)).await,
    }
}

async fn route_others(
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
