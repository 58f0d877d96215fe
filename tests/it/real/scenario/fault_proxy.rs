//! A proxy between LiveKit and the service that does to webhooks what networks do.

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

/// What goes wrong with a webhook.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WebhookFault {
    /// The service gets it, and LiveKit gets the answer.
    None,
    /// LiveKit gets this status, and the service gets nothing.
    Refuse(u16),
    /// LiveKit's connection is closed without an answer, and the service gets nothing.
    Close,
    /// The service gets it, but the answer is lost.
    LoseAnswer,
    /// LiveKit is answered 200, but the service gets nothing.
    Swallow,
    /// The service gets it late.
    Delay(Duration),
}

/// A running proxy.
pub struct FaultProxy {
    pub port: u16,
    fault: Arc<Mutex<WebhookFault>>,
    deliveries: Arc<Deliveries>,
    running: JoinHandle<()>,
}

impl FaultProxy {
    /// Starts a proxy that passes everything on to the service on that port.
    pub async fn start(service_port: u16) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let fault = Arc::new(Mutex::new(WebhookFault::None));
        let deliveries = Arc::new(Deliveries::default());
        let path =
            Path { service_port, fault: Arc::clone(&fault), deliveries: Arc::clone(&deliveries) };
        Self { port, fault, deliveries, running: tokio::spawn(accept(listener, path)) }
    }

    pub fn set_fault(&self, fault: WebhookFault) {
        *self.fault.lock().unwrap() = fault;
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
    fault: Arc<Mutex<WebhookFault>>,
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
        let fault = *self.fault.lock().unwrap();
        let answered = match fault {
            WebhookFault::None => self.pass(Request::from_parts(head, body)).await,
            WebhookFault::Delay(time) => {
                tokio::time::sleep(time).await;
                self.pass(Request::from_parts(head, body)).await
            }
            WebhookFault::LoseAnswer => {
                let _ = self.pass(Request::from_parts(head, body)).await;
                Err(io::ErrorKind::ConnectionAborted.into())
            }
            WebhookFault::Refuse(status) => Ok(status),
            WebhookFault::Swallow => Ok(200),
            WebhookFault::Close => Err(io::ErrorKind::ConnectionAborted.into()),
        };
        delivery.answered = answered.as_ref().ok().copied();
        self.deliveries.add(delivery);
        let status = StatusCode::from_u16(answered?).map_err(io::Error::other)?;
        Ok(Response::builder().status(status).body(Body::empty()).unwrap())
    }

    /// The service's answer; an error if it is down.
    async fn pass(&self, request: Request<Bytes>) -> io::Result<u16> {
        Ok(wire::fetch(self.service_port, request.map(Body::from)).await?.0)
    }
}
