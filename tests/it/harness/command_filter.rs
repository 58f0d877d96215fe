//! A proxy before Redis that closes a connection when it sees a command it does not know, as twemproxy does. Unlike twemproxy, it
//! lets subscriptions through, as other proxies do.

use std::net::Ipv4Addr;

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, copy},
    net::{TcpListener, TcpStream},
    task::JoinHandle,
};

/// Runs until dropped.
pub struct CommandFilter {
    pub port: u16,
    running: JoinHandle<()>,
}

impl CommandFilter {
    /// Starts before the server on that port; `unknown` is the command that closes a connection.
    pub async fn start(target: u16, unknown: &'static str) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let running = tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(carry(client, target, unknown));
            }
        });
        Self { port, running }
    }
}

impl Drop for CommandFilter {
    fn drop(&mut self) {
        self.running.abort();
    }
}

async fn carry(client: TcpStream, target: u16, unknown: &str) -> std::io::Result<()> {
    let server = TcpStream::connect((Ipv4Addr::LOCALHOST, target)).await?;
    let (mut from_client, mut to_client) = client.into_split();
    let (mut from_server, mut to_server) = server.into_split();
    let name = format!("\r\n{unknown}\r\n").into_bytes();
    let there = async {
        let mut buffer = vec![0; 65_536];
        loop {
            let count = from_client.read(&mut buffer).await?;
            let is_known = !buffer[..count].windows(name.len()).any(|bytes| bytes == name);
            if count == 0 || !is_known {
                return Ok::<_, std::io::Error>(());
            }
            to_server.write_all(&buffer[..count]).await?;
        }
    };
    tokio::select! {
        ended = there => ended,
        ended = copy(&mut from_server, &mut to_client) => ended.map(|_| ()),
    }
}
