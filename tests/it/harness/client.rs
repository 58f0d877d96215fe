//! A small HTTP client that shows a test every byte.

use std::net::SocketAddr;

use serde_json::Value;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpSocket, TcpStream},
};

use super::{
    openapi::{Asked, Requests},
    within_deadline,
};

/// A connection for requests, one after the other.
pub struct Connection {
    pub socket: TcpStream,
    received: Vec<u8>,
    requests: Requests,
    /// What the last answer is of.
    pub asked: Option<Asked>,
}

/// An answer, read to its end.
#[derive(Clone, Debug)]
pub struct Response {
    pub status: u16,
    pub head: Head,
    pub body: Vec<u8>,
}

/// The head of an answer.
#[derive(Clone, Debug)]
pub struct Head {
    pub status_line: String,
    pub headers: Vec<(String, String)>,
}

impl Connection {
    pub async fn open(address: SocketAddr) -> Self {
        Self::with_receive_buffer(address, None).await
    }

    /// Connects from another loopback address.
    pub async fn from(own: &str, address: SocketAddr) -> Self {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind(format!("{own}:0").parse().unwrap()).unwrap();
        let socket = within_deadline("a connection", socket.connect(address)).await.unwrap();
        Self::over(socket, address)
    }

    /// Connects with a receive buffer of this size; a small one makes a slow subscriber soon.
    pub async fn with_receive_buffer(address: SocketAddr, bytes: Option<u32>) -> Self {
        let socket = TcpSocket::new_v4().unwrap();
        if let Some(bytes) = bytes {
            socket.set_recv_buffer_size(bytes).unwrap();
        }
        let socket = within_deadline("a connection", socket.connect(address)).await.unwrap();
        Self::over(socket, address)
    }

    fn over(socket: TcpStream, address: SocketAddr) -> Self {
        let requests = Requests::to(address.port());
        Self { socket, received: Vec::new(), requests, asked: None }
    }

    pub async fn send(&mut self, bytes: &[u8]) {
        self.requests.sent(bytes);
        within_deadline("sending", self.socket.write_all(bytes)).await.unwrap();
    }

    /// Sends a request without a body.
    pub async fn request(&mut self, method: &str, target: &str, headers: &[(&str, &str)]) {
        self.send(&request_head(method, target, headers)).await;
    }

    /// Reads an answer to its end, which its length, its last chunk or the end of the connection marks.
    pub async fn response(&mut self) -> Response {
        self.response_to("GET").await
    }

    pub async fn response_to(&mut self, method: &str) -> Response {
        let head = self.head().await;
        let body = self.body(&head, method).await;
        if let Some(asked) = &self.asked {
            asked.check_body(head.status(), &|name| head.get(name), &body);
        }
        Response { status: head.status(), head, body }
    }

    /// Reads the head of an answer.
    pub async fn head(&mut self) -> Head {
        let end =
            self.receive_until("the head of an answer", |bytes| find(bytes, b"\r\n\r\n")).await;
        let head = String::from_utf8(self.received.drain(..end + 4).collect()).unwrap();
        let mut lines = head.trim_end().split("\r\n");
        let head = Head {
            status_line: lines.next().unwrap().to_owned(),
            headers: lines
                .map(|line| line.split_once(':').expect("a header"))
                .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
                .collect(),
        };
        let status = head.status();
        // 100 asks for the body, and the answer follows.
        if status == 101 || status >= 200 {
            self.asked = self.requests.answered();
        }
        if let Some(asked) = &self.asked {
            asked.check_head(status, &|name| head.get(name));
        }
        head
    }

    async fn body(&mut self, head: &Head, method: &str) -> Vec<u8> {
        if method == "HEAD" || matches!(head.status(), 204 | 304) {
            return Vec::new();
        }
        if let Some(length) = head.get("content-length") {
            let length: usize = length.parse().unwrap();
            self.receive_until("a body", |bytes| (bytes.len() >= length).then_some(0)).await;
            return self.received.drain(..length).collect();
        }
        if head.get("transfer-encoding").is_some_and(|coding| coding == "chunked") {
            let mut body = Vec::new();
            while let Some(chunk) = self.chunk().await {
                body.extend(chunk);
            }
            return body;
        }
        while self.receive().await > 0 {}
        std::mem::take(&mut self.received)
    }

    /// Reads a chunk; none for the last one, after which the connection ends or another answer follows.
    pub async fn chunk(&mut self) -> Option<Vec<u8>> {
        let end = self.receive_until("a chunk's length", |bytes| find(bytes, b"\r\n")).await;
        let line: Vec<u8> = self.received.drain(..end + 2).collect();
        let length = usize::from_str_radix(std::str::from_utf8(&line[..end]).unwrap(), 16).unwrap();
        self.receive_until("a chunk", |bytes| (bytes.len() >= length + 2).then_some(0)).await;
        let chunk: Vec<u8> = self.received.drain(..length + 2).collect();
        assert!(chunk.ends_with(b"\r\n"), "a chunk ends where its length says");
        (length > 0).then(|| chunk[..length].to_vec())
    }

    /// As many bytes; none at the end of the connection.
    pub async fn exactly(&mut self, count: usize) -> Option<Vec<u8>> {
        while self.received.len() < count {
            if self.receive().await == 0 {
                return None;
            }
        }
        Some(self.received.drain(..count).collect())
    }

    /// Everything that was not read yet, up to the end of the connection.
    pub async fn rest(&mut self) -> Vec<u8> {
        while self.receive().await > 0 {}
        std::mem::take(&mut self.received)
    }

    /// More bytes of a body that ends with the connection; none at its end.
    pub async fn more(&mut self) -> Option<Vec<u8>> {
        if self.received.is_empty() {
            self.receive().await;
        }
        let more = std::mem::take(&mut self.received);
        (!more.is_empty()).then_some(more)
    }

    /// Whether the other side closes the connection without sending anything more.
    pub async fn is_closed(&mut self) -> bool {
        self.received.is_empty() && self.receive().await == 0
    }

    async fn receive_until(
        &mut self,
        what: &str,
        is_there: impl Fn(&[u8]) -> Option<usize>,
    ) -> usize {
        loop {
            if let Some(position) = is_there(&self.received) {
                return position;
            }
            let count = self.receive().await;
            if count == 0 {
                let so_far = String::from_utf8_lossy(&self.received);
                panic!("the connection ended before {what}; so far: {so_far:?}");
            }
        }
    }

    async fn receive(&mut self) -> usize {
        let receiving = self.socket.read_buf(&mut self.received);
        // A reset is an end, too.
        within_deadline("more bytes", receiving).await.unwrap_or(0)
    }
}

impl Head {
    pub fn status(&self) -> u16 {
        self.status_line.split(' ').nth(1).unwrap().parse().unwrap()
    }

    pub fn get(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }
}

impl Response {
    pub fn header(&self, name: &str) -> &str {
        self.head.get(name).unwrap_or_else(|| panic!("no {name} in {:?}", self.head))
    }

    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }

    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|_| panic!("no JSON: {}", self.text()))
    }

    /// Checks that this is a problem with that status, and returns its detail.
    pub fn problem(&self, status: u16) -> String {
        assert_eq!(self.status, status, "{}", String::from_utf8_lossy(&self.body));
        assert_eq!(self.header("content-type"), "application/problem+json");
        assert_eq!(self.header("cache-control"), "no-store");
        let problem = self.json();
        assert_eq!(problem["status"], status);
        assert_eq!(problem["type"], "about:blank");
        assert!(problem["title"].is_string());
        problem["detail"].as_str().expect("a problem has a detail").to_owned()
    }
}

pub fn request_head(method: &str, target: &str, headers: &[(&str, &str)]) -> Vec<u8> {
    let mut head = format!("{method} {target} HTTP/1.1\r\nHost: presence.test\r\n");
    for (name, value) in headers {
        head.push_str(name);
        head.push_str(": ");
        head.push_str(value);
        head.push_str("\r\n");
    }
    head.push_str("\r\n");
    head.into_bytes()
}

fn find(bytes: &[u8], wanted: &[u8]) -> Option<usize> {
    bytes.windows(wanted.len()).position(|window| window == wanted)
}
