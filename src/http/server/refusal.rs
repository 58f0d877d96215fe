//! Answers whom no route can answer: a request that hyper cannot read, and a connection for which there is no place. As a problem,
//! with the headers of every other answer, so that pages of other origins can read why.

use std::{fmt::Write as _, sync::Arc, time::Duration};

use axum::{
    Extension, Router,
    body::Body,
    http::{HeaderValue, Request, Response, StatusCode, header},
    middleware::{from_fn, from_fn_with_state},
};
use http_body_util::BodyExt;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::{Instant, timeout_at},
};
use tower::ServiceExt;

use crate::http::{
    middleware::{
        cors, count, request_id,
        unavailable::{self, UnavailableLog},
    },
    origin::CorsOrigins,
    problem::Problem,
    state::Http,
};

use super::connection;

/// A line of a head that is longer holds no origin: a host's name has 253 bytes.
const MAX_ORIGIN_LINE_BYTES: usize = 512;
/// What is read of a head that is too large, only to find its origin.
const MAX_SKIPPED_BYTES: usize = 1024 * 1024;
/// An answer has to be taken within this time.
const TAKEN_WITHIN: Duration = Duration::from_secs(2);

/// Answers without a route.
pub(in crate::http) struct Refusals {
    router: Router,
    /// Whether it matters which origin asks.
    names_origins: bool,
}

impl Refusals {
    pub fn new(http: &Http, unavailable: Arc<UnavailableLog>) -> Self {
        let router = Router::new()
            .fallback(|Extension(problem): Extension<Problem>| async { problem })
            .layer(cors::layer(&http.cors, http.auth.cookie.is_some()))
            .layer(from_fn_with_state(http.clone(), count::count_answer))
            .layer(from_fn_with_state(unavailable, unavailable::log))
            .layer(from_fn(request_id::name_request))
            .with_state(http.clone());
        let names_origins = !matches!(http.cors, CorsOrigins::None | CorsOrigins::Any);
        Self { router, names_origins }
    }

    /// Answers and closes. `read` is what was read of the request; for the rest of its head it waits as long as `patience`, if that
    /// can tell the origin.
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

    /// The same where it is known which origin asks.
    pub async fn answer_to(
        &self,
        origin: Option<HeaderValue>,
        mut socket: TcpStream,
        problem: Problem,
    ) {
        let bytes = self.encode(problem, origin).await;
        let deadline = Instant::now() + TAKEN_WITHIN;
        if matches!(timeout_at(deadline, socket.write_all(&bytes)).await, Ok(Ok(()))) {
            connection::linger(socket).await;
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
    let (head, body) = response.into_parts();
    let body = body.collect().await.map(|body| body.to_bytes()).unwrap_or_default();
    let mut bytes = encode_status(head.status).into_bytes();
    let mut length = String::new();
    let _ = write!(length, "connection: close\r\ncontent-length: {}\r\n", body.len());
    bytes.extend_from_slice(length.as_bytes());
    for (name, value) in head.headers.iter().filter(|(name, _)| *name != header::CONTENT_LENGTH) {
        bytes.extend_from_slice(name.as_str().as_bytes());
        bytes.extend_from_slice(b": ");
        bytes.extend_from_slice(value.as_bytes());
        bytes.extend_from_slice(b"\r\n");
    }
    bytes.extend_from_slice(b"\r\n");
    bytes.extend_from_slice(&body);
    bytes
}

fn encode_status(status: StatusCode) -> String {
    let reason = status.canonical_reason().unwrap_or_default();
    format!("HTTP/1.1 {} {reason}\r\n", status.as_u16())
}

/// Looks for the origin in a head, however large, and keeps no more than a line of it.
#[derive(Default)]
struct OriginScan {
    line: Vec<u8>,
    found: Option<HeaderValue>,
    is_at_end: bool,
}

impl OriginScan {
    fn read(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            if self.is_at_end {
                return;
            }
            match byte {
                b'\n' => self.end_line(),
                _ if self.line.len() < MAX_ORIGIN_LINE_BYTES => self.line.push(byte),
                _ => {}
            }
        }
    }

    fn end_line(&mut self) {
        let line = std::mem::take(&mut self.line);
        let line = line.trim_ascii();
        if line.is_empty() || self.found.is_some() {
            self.is_at_end = true;
        } else if let Some((name, value)) = line.split_at_checked(b"origin:".len())
            && name.eq_ignore_ascii_case(b"origin:")
            && line.len() < MAX_ORIGIN_LINE_BYTES
        {
            self.found = HeaderValue::from_bytes(value.trim_ascii()).ok();
        }
    }

    async fn read_on(&mut self, socket: &mut TcpStream, patience: Duration) {
        let deadline = Instant::now() + patience;
        let mut scratch = [0; 8 * 1024];
        let mut skipped = 0;
        while !self.is_at_end && self.found.is_none() && skipped < MAX_SKIPPED_BYTES {
            match timeout_at(deadline, socket.read(&mut scratch)).await {
                Ok(Ok(count)) if count > 0 => {
                    self.read(&scratch[..count]);
                    skipped += count;
                }
                _ => return,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_origin_is_found_wherever_it_stands_in_whatever_pieces() {
        let long = "x".repeat(100_000);
        let head =
            format!("GET /{long} HTTP/1.1\r\nX: {long}\r\nORIGIN:  https://a.example \r\n\r\n");
        for size in [1, 7, 4096, head.len()] {
            let mut scan = OriginScan::default();
            head.as_bytes().chunks(size).for_each(|piece| scan.read(piece));
            assert_eq!(scan.found.as_ref().unwrap(), "https://a.example");
        }
    }

    #[test]
    fn no_origin_is_found_where_there_is_none() {
        for head in [
            "",
            "GET / HTTP/1.1\r\nX-Origin: https://a.example\r\n\r\n",
            "GET / HTTP/1.1\r\n\r\nOrigin: https://a.example\r\n\r\n",
            "GET / HTTP/1.1\r\nOrigin: https://a.example",
        ] {
            let mut scan = OriginScan::default();
            scan.read(head.as_bytes());
            assert_eq!(scan.found, None, "{head}");
        }
    }
}
