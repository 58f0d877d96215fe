//! Stands between LiveKit and the service, and does to webhooks what networks do.

use std::{
    io,
    net::Ipv4Addr,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use axum::body::{Body, Bytes};
use http_body_util::BodyExt;
use hyper::{
    Request, Response, StatusCode, body::Incoming, server::conn::http1, service::service_fn,
};
use hyper_util::rt::TokioIo;
use tokio::{net::TcpListener, task::JoinHandle};

use crate::harness::wire;

use super::deliveries::{Deliveries, Delivery};

/// What becomes of a webhook.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mood {
    /// The service gets it, and LiveKit the answer.
    Pass,
    /// LiveKit is answered this, and the service hears nothing.
    Refuse(u16),
    /// LiveKit's connection is closed without an answer, and the service hears nothing.
    Close,
    /// The service gets it, but the answer is lost.
    LoseAnswer,
    /// LiveKit is told that it was taken, but nobody took it.
    Swallow,
    /// It passes, late.
    Delay(Duration),
}

/// A running proxy.
pub struct FaultProxy {
    pub port: u16,
    mood: Arc<Mutex<Mood>>,
    deliveries: Arc<Deliveries>,
    running: JoinHandle<()>,
}

impl FaultProxy {
    /// Passes everything on to the service on that port.
    pub async fn start(service_port: u16) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let mood = Arc::new(Mutex::new(Mood::Pass));
        let deliveries = Arc::new(Deliveries::default());
        let path =
            Path { service_port, mood: Arc::clone(&mood), deliveries: Arc::clone(&deliveries) };
        Self { port, mood, deliveries, running: tokio::spawn(accept(listener, path)) }
    }

    pub fn set(&self, mood: Mood) {
        *self.mood.lock().unwrap() = mood;
    }

    pub fn deliveries(&self) -> &Deliveries {
        &self.deliveries
    }
}

impl Drop for FaultProxy {
    fn drop(&mut self) {
        self.running.abort();
    }
}

#[derive(Clone)]
struct Path {
    service_port: u16,
    mood: Arc<Mutex<Mood>>,
    deliveries: Arc<Deliveries>,
}

async fn accept(listener: TcpListener, path: Path) {
    while let Ok((socket, _)) = listener.accept().await {
        let path = path.clone();
        let serve = service_fn(move |request| {
            let path = path.clone();
            async move { path.take(request).await }
        });
        tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(socket), serve));
    }
}

impl Path {
    /// An error closes LiveKit's connection without an answer.
    async fn take(&self, request: Request<Incoming>) -> io::Result<Response<Body>> {
        let (head, body) = request.into_parts();
        let body = body.collect().await.map_err(io::Error::other)?.to_bytes();
        let authorization = head.headers.get("authorization").and_then(|it| it.to_str().ok());
        let mut delivery = Delivery::read(authorization.unwrap_or_default(), &body, Instant::now());
        let mood = *self.mood.lock().unwrap();
        let answered = match mood {
            Mood::Pass => self.pass(Request::from_parts(head, body)).await,
            Mood::Delay(time) => {
                tokio::time::sleep(time).await;
                self.pass(Request::from_parts(head, body)).await
            }
            Mood::LoseAnswer => {
                let _ = self.pass(Request::from_parts(head, body)).await;
                Err(io::ErrorKind::ConnectionAborted.into())
            }
            Mood::Refuse(status) => Ok(status),
            Mood::Swallow => Ok(200),
            Mood::Close => Err(io::ErrorKind::ConnectionAborted.into()),
        };
        delivery.answered = answered.as_ref().ok().copied();
        self.deliveries.add(delivery);
        let status = StatusCode::from_u16(answered?).map_err(io::Error::other)?;
        Ok(Response::builder().status(status).body(Body::empty()).unwrap())
    }

    /// The service's answer; an error where it is down.
    async fn pass(&self, request: Request<Bytes>) -> io::Result<u16> {
        Ok(wire::fetch(self.service_port, request.map(Body::from)).await?.0)
    }
}
