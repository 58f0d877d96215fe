//! One request and its answer on a new connection. Errors are returned, since the server may be killed.

use std::{io, net::Ipv4Addr};

use axum::body::{Body, Bytes};
use http_body_util::BodyExt;
use hyper::{Request, Response, body::Incoming, client::conn::http1};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

use super::openapi::Asked;

/// Sends a request to a local port, and returns the head of the answer with its body still to come.
pub async fn ask(port: u16, mut request: Request<Body>) -> io::Result<Response<Incoming>> {
    let socket = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await?;
    socket.set_nodelay(true)?;
    let (mut sender, connection) =
        http1::handshake(TokioIo::new(socket)).await.map_err(io::Error::other)?;
    tokio::spawn(connection);
    let host = format!("127.0.0.1:{port}").parse().unwrap();
    request.headers_mut().insert("host", host);
    let asked = Asked::new(request.method().as_str(), request.uri().path(), port);
    let mut response = sender.send_request(request).await.map_err(io::Error::other)?;
    asked.check_head(response.status().as_u16(), &|name| header(&response, name));
    response.extensions_mut().insert(asked);
    Ok(response)
}

fn header<'response>(
    response: &'response Response<Incoming>,
    name: &str,
) -> Option<&'response str> {
    response.headers().get(name)?.to_str().ok()
}

/// Sends a request and reads the answer to its end.
pub async fn fetch(port: u16, request: Request<Body>) -> io::Result<(u16, Bytes)> {
    let response = ask(port, request).await?;
    let (head, body) = response.into_parts();
    let (status, body) = (head.status.as_u16(), body.collect().await.map_err(io::Error::other)?);
    let body = body.to_bytes();
    if let Some(asked) = head.extensions.get::<Asked>() {
        asked.check_body(status, &|name| head.headers.get(name)?.to_str().ok(), &body);
    }
    Ok((status, body))
}

pub async fn get(port: u16, target: &str) -> io::Result<(u16, Bytes)> {
    fetch(port, Request::get(target).body(Body::empty()).unwrap()).await
}
