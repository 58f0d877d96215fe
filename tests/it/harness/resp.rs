//! A small client for Redis that shares nothing with the library of the service.

use std::io;

use tokio::{
    io::{AsyncBufRead, AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::TcpStream,
};

/// An answer of Redis.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reply {
    Bytes(Vec<u8>),
    Error(String),
    Integer(i64),
    Nil,
    List(Vec<Reply>),
}

impl Reply {
    /// The answer as text, which may be a number.
    pub fn text(&self) -> String {
        match self {
            Self::Bytes(bytes) => String::from_utf8_lossy(bytes).into_owned(),
            Self::Integer(number) => number.to_string(),
            other => panic!("no text: {other:?}"),
        }
    }

    pub fn texts(&self) -> Vec<String> {
        match self {
            Self::List(items) => items.iter().map(Self::text).collect(),
            other => panic!("no list: {other:?}"),
        }
    }
}

/// Sends one command on a new connection.
pub async fn ask(port: u16, password: Option<&str>, command: &[&str]) -> io::Result<Reply> {
    let mut socket = BufReader::new(TcpStream::connect(("127.0.0.1", port)).await?);
    if let Some(password) = password {
        send(&mut socket, &["AUTH", password]).await?;
        receive(&mut socket).await?;
    }
    send(&mut socket, command).await?;
    receive(&mut socket).await
}

async fn send(socket: &mut BufReader<TcpStream>, command: &[&str]) -> io::Result<()> {
    let mut request = format!("*{}\r\n", command.len());
    for part in command {
        request.extend([format!("${}\r\n", part.len()).as_str(), part, "\r\n"]);
    }
    socket.write_all(request.as_bytes()).await
}

async fn receive(socket: &mut (impl AsyncBufRead + Unpin)) -> io::Result<Reply> {
    let mut line = String::new();
    socket.read_line(&mut line).await?;
    let line = line.trim_end();
    if line.is_empty() {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    let (kind, rest) = line.split_at(1);
    let count = || rest.parse::<i64>().map_err(io::Error::other);
    match kind {
        "+" => Ok(Reply::Bytes(rest.as_bytes().to_vec())),
        "-" => Ok(Reply::Error(rest.to_owned())),
        ":" => count().map(Reply::Integer),
        "$" => {
            let Ok(length) = usize::try_from(count()?) else { return Ok(Reply::Nil) };
            let mut bytes = vec![0; length + 2];
            socket.read_exact(&mut bytes).await?;
            bytes.truncate(length);
            Ok(Reply::Bytes(bytes))
        }
        "*" => {
            let mut items = Vec::new();
            for _ in 0..count()? {
                items.push(Box::pin(receive(&mut *socket)).await?);
            }
            Ok(Reply::List(items))
        }
        _ => Err(io::Error::other(format!("unknown answer {line:?}"))),
    }
}
