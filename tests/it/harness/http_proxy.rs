//! A small HTTP proxy that forwards unresolvable names to a server of the test, and records its requests. Real proxies do
//! neither.

use std::{
    io,
    net::Ipv4Addr,
    sync::{Arc, Mutex},
};

use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader, copy_bidirectional},
    net::{TcpListener, TcpStream},
    task::JoinHandle,
};

/// Takes `CONNECT` and absolute addresses, and leads both to one port. Runs until dropped.
pub struct HttpProxy {
    pub port: u16,
    asked: Arc<Mutex<Vec<String>>>,
    running: JoinHandle<()>,
}

impl HttpProxy {
    /// With `credentials`, a request that does not show them in `Proxy-Authorization` is answered 407.
    pub async fn start(target: u16, credentials: Option<&'static str>) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let asked: Arc<Mutex<Vec<String>>> = Arc::default();
        let kept = Arc::clone(&asked);
        let running = tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(serve(client, target, credentials, Arc::clone(&kept)));
            }
        });
        Self { port, asked, running }
    }

    /// The first line of each request so far.
    pub fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }
}

impl Drop for HttpProxy {
    fn drop(&mut self) {
        self.running.abort();
    }
}

async fn serve(
    client: TcpStream,
    target: u16,
    credentials: Option<&str>,
    asked: Arc<Mutex<Vec<String>>>,
) -> io::Result<()> {
    let mut client = BufReader::new(client);
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        if client.read_until(b'\n', &mut head).await? == 0 {
            return Ok(());
        }
    }
    let head = String::from_utf8_lossy(&head).into_owned();
    let line = head.lines().next().unwrap_or_default().to_owned();
    asked.lock().unwrap().push(line.clone());
    let shows = |wanted: &str| {
        let lines = head.lines().map(str::to_owned);
        lines
            .into_iter()
            .any(|line| line.eq_ignore_ascii_case(&format!("proxy-authorization: {wanted}")))
    };
    if credentials.is_some_and(|wanted| !shows(wanted)) {
        let refused = b"HTTP/1.1 407 Proxy Authentication Required\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
        return client.get_mut().write_all(refused).await;
    }
    let mut server = TcpStream::connect((Ipv4Addr::LOCALHOST, target)).await?;
    if line.starts_with("CONNECT ") {
        client.get_mut().write_all(b"HTTP/1.1 200 Connection established\r\n\r\n").await?;
    } else {
        // To a server an absolute address means the same as its path.
        server.write_all(head.as_bytes()).await?;
    }
    copy_bidirectional(&mut client, &mut server).await.map(|_| ())
}
