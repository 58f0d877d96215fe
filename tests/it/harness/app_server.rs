//! An app's own server, which says who somebody is, or where its keys are; or does what no server should.

use std::{
    io,
    net::{Ipv4Addr, SocketAddr},
    sync::{Arc, Mutex},
};

use serde_json::Value;
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::{TcpListener, TcpStream},
    sync::watch,
    task::JoinHandle,
};

/// Answers every request with the same. Runs until dropped.
pub struct AppServer {
    pub address: SocketAddr,
    asked: Arc<Mutex<Vec<AppRequest>>>,
    reply: watch::Sender<AppReply>,
    running: JoinHandle<()>,
}

/// What it does with a request.
#[derive(Clone, Debug)]
pub enum AppReply {
    Json(u16, Value),
    /// A status, further lines of the head, and a body.
    Text(u16, &'static str, String),
    /// Nothing, until another reply is set.
    Hangs,
    /// A body that never ends.
    Endless,
}

/// A request as it came.
#[derive(Clone, Debug)]
pub struct AppRequest {
    pub head: String,
    pub body: String,
}

impl AppServer {
    pub async fn start(reply: AppReply) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let asked: Arc<Mutex<Vec<AppRequest>>> = Arc::default();
        let kept = Arc::clone(&asked);
        let (reply, replies) = watch::channel(reply);
        let running = tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(serve(client, replies.clone(), Arc::clone(&kept)));
            }
        });
        Self { address, asked, reply, running }
    }

    pub fn url(&self) -> String {
        format!("http://{}/who", self.address)
    }

    /// From now on, and for requests that hang.
    pub fn replies(&self, reply: AppReply) {
        self.reply.send_replace(reply);
    }

    /// The requests so far.
    pub fn asked(&self) -> Vec<AppRequest> {
        self.asked.lock().unwrap().clone()
    }
}

impl Drop for AppServer {
    fn drop(&mut self) {
        self.running.abort();
    }
}

impl AppRequest {
    /// The values of a header.
    pub fn values(&self, name: &str) -> Vec<&str> {
        let headers = self.head.lines().filter_map(|line| line.split_once(": "));
        headers.filter(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value).collect()
    }
}

async fn serve(
    client: TcpStream,
    mut replies: watch::Receiver<AppReply>,
    asked: Arc<Mutex<Vec<AppRequest>>>,
) -> io::Result<()> {
    let mut client = BufReader::new(client);
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        if client.read_until(b'\n', &mut head).await? == 0 {
            return Ok(());
        }
    }
    let mut request = AppRequest { head: String::from_utf8(head).unwrap(), body: String::new() };
    let length = request.values("content-length").first().map_or(0, |one| one.parse().unwrap());
    let mut body = vec![0; length];
    client.read_exact(&mut body).await?;
    request.body = String::from_utf8(body).unwrap();
    asked.lock().unwrap().push(request);
    let reply = replies.wait_for(|reply| !matches!(reply, AppReply::Hangs)).await.unwrap().clone();
    let (status, headers, body) = match reply {
        AppReply::Json(status, body) => {
            (status, "content-type: application/json\r\n", body.to_string())
        }
        AppReply::Text(status, headers, body) => (status, headers, body),
        AppReply::Endless => {
            client
                .write_all(b"HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n{\"identity\":\"")
                .await?;
            loop {
                client.write_all(&[b'a'; 8192]).await?;
            }
        }
        AppReply::Hangs => unreachable!("it waits until it does not"),
    };
    let length = body.len();
    let head = format!(
        "HTTP/1.1 {status} X\r\ncontent-length: {length}\r\nconnection: close\r\n{headers}\r\n"
    );
    client.write_all(head.as_bytes()).await?;
    client.write_all(body.as_bytes()).await?;
    client.shutdown().await
}
