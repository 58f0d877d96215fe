//! Answers where no route can: a request that hyper cannot read, a connection for which there is no place, a stream that is opened
//! during a drain. Such an answer is a `Problem` like any other, with the same headers, so that pages of other origins can read
//! why.

use std::{sync::Arc, time::Duration};

use axum::{
    Extension, Router,
    body::Body,
    http::{HeaderValue, Request, Response, header},
    middleware::from_fn_with_state,
};
use http_body_util::BodyExt;
use tokio::{
    io::AsyncWriteExt,
    net::TcpStream,
    time::{Instant, timeout_at},
};
use tower::ServiceExt;

use crate::http::{
    middleware::{
        around::{self, Around},
        cors::Cors,
        limit::Limit,
        unavailable::UnavailableLog,
    },
    origin::CorsOrigins,
    problem::Problem,
    state::Http,
};

use super::{head, linger::linger, origin_scan::OriginScan};

/// The client must take the answer within this time.
const WRITE_TIMEOUT: Duration = Duration::from_secs(2);

/// Answers without a route.
pub(super) struct Refusals {
    router: Router,
    /// Whether answers differ by origin.
    names_origins: bool,
}

impl Refusals {
    pub fn new(http: &Http, unavailable: Arc<UnavailableLog>) -> Self {
        let cors = Some(Cors::new(&http.cors, http.auth.cookie.is_some()));
        let around = Around { http: http.clone(), unavailable, cors, limit: Limit::None };
        let router = Router::new()
            .fallback(|Extension(problem): Extension<Problem>| async { problem })
            .layer(from_fn_with_state(Arc::new(around), around::around));
        let names_origins = !matches!(http.cors, CorsOrigins::None | CorsOrigins::Any);
        Self { router, names_origins }
    }

    /// Answers and closes. `read` is what was read of the request. If that lacks its origin, and the origin matters, this waits for
    /// the rest of the head, at most for `patience`.
    pub async fn answer(
        &self,
        mut socket: TcpStream,
        read: &[u8],
        problem: Problem,
        patience: Duration,
    ) {
        let mut origin = OriginScan::default();
        origin.read(read);
        if self.names_origins {
            origin.read_on(&mut socket, patience).await;
        }
        self.answer_to(origin.found, socket, problem).await;
    }

    /// Answers a request whose origin is known, and closes.
    pub async fn answer_to(
        &self,
        origin: Option<HeaderValue>,
        mut socket: TcpStream,
        problem: Problem,
    ) {
        let bytes = self.encode(problem, origin).await;
        let deadline = Instant::now() + WRITE_TIMEOUT;
        if matches!(timeout_at(deadline, socket.write_all(&bytes)).await, Ok(Ok(()))) {
            linger(socket).await;
        }
    }

    async fn encode(&self, problem: Problem, origin: Option<HeaderValue>) -> Vec<u8> {
        let mut request = Request::new(Body::empty());
        request.extensions_mut().insert(problem);
        if let Some(origin) = origin {
            request.headers_mut().insert(header::ORIGIN, origin);
        }
        let Ok(response) = self.router.clone().oneshot(request).await;
        encode(response).await
    }
}

/// The bytes of the last answer on a connection.
async fn encode(response: Response<Body>) -> Vec<u8> {
    let (mut head, body) = response.into_parts();
    let body = body.collect().await.map(http_body_util::Collected::to_bytes).unwrap_or_default();
    head.headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
    head.headers.insert(header::CONTENT_LENGTH, body.len().into());
    let mut bytes = head::encode(&head);
    bytes.extend_from_slice(&body);
    bytes
}
