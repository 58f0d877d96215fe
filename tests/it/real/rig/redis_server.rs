//! A Redis for LiveKit's rooms.

use std::{net::Ipv4Addr, process::Stdio};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    process::Command,
};

use super::{child::Child, patience::eventually, ports::free_port, tools::Tools};

pub struct RedisServer {
    pub port: u16,
    _running: Child,
}

impl RedisServer {
    /// Starts one that keeps nothing on disk, and waits until it answers.
    pub async fn start(tools: &Tools) -> Self {
        let port = free_port();
        let mut command = Command::new(&tools.redis_server);
        command
            .args(["--bind", "127.0.0.1", "--save", "", "--appendonly", "no"])
            .args(["--port", &port.to_string()])
            .current_dir(std::env::temp_dir())
            .stdin(Stdio::null())
            .stdout(Stdio::null());
        let running = Child::spawn(&mut command);
        eventually("Redis to answer", async || answers(port).await.unwrap_or(false)).await;
        Self { port, _running: running }
    }
}

async fn answers(port: u16) -> std::io::Result<bool> {
    let mut socket = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await?;
    socket.write_all(b"PING\r\n").await?;
    let mut answer = [0; 5];
    socket.read_exact(&mut answer).await?;
    Ok(&answer == b"+PONG")
}
