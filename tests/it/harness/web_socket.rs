//! A WebSocket client that shows a test every frame, and sends whatever frames a test wants.

use std::{io::Cursor, net::SocketAddr};

use serde_json::Value;
use tungstenite::protocol::frame::{
    FrameHeader,
    coding::{Control, Data, OpCode},
};

use super::client::{Connection, Head};

/// An open WebSocket.
pub struct WebSocket {
    pub connection: Connection,
    pub head: Head,
}

/// A frame of the service, or the end of the connection.
#[derive(Clone, Debug, PartialEq)]
pub enum Received {
    Text(String),
    Pong(Vec<u8>),
    Close(Option<u16>, String),
    End,
}

/// The headers of a handshake, as in RFC 6455, 1.3.
pub fn upgrade_headers() -> [(&'static str, &'static str); 4] {
    [
        ("Connection", "keep-alive, Upgrade"),
        ("Upgrade", "websocket"),
        ("Sec-WebSocket-Version", "13"),
        ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="),
    ]
}

/// A frame as a client sends it: its first byte as it is, and its payload masked.
pub fn masked(first: u8, payload: &[u8]) -> Vec<u8> {
    let mask = [0x37, 0xfa, 0x21, 0x3d];
    let header = FrameHeader { mask: Some(mask), ..FrameHeader::default() };
    let mut frame = Vec::new();
    header.format(payload.len() as u64, &mut frame).unwrap();
    frame[0] = first;
    frame.extend(payload.iter().zip(mask.iter().cycle()).map(|(byte, mask)| byte ^ mask));
    frame
}

impl WebSocket {
    pub async fn open(address: SocketAddr, target: &str, headers: &[(&str, &str)]) -> Self {
        Self::over(Connection::open(address).await, target, headers).await
    }

    /// Opens one on a connection.
    pub async fn over(mut connection: Connection, target: &str, headers: &[(&str, &str)]) -> Self {
        let headers = [&upgrade_headers(), headers].concat();
        connection.request("GET", target, &headers).await;
        Self::accepted(connection).await
    }

    /// Takes over a connection on which one was requested.
    pub async fn accepted(mut connection: Connection) -> Self {
        let head = connection.head().await;
        assert_eq!(head.status(), 101, "{head:?}");
        Self { connection, head }
    }

    pub async fn send(&mut self, text: &str) {
        self.send_frame(0x81, text.as_bytes()).await;
    }

    pub async fn send_frame(&mut self, first: u8, payload: &[u8]) {
        self.connection.send(&masked(first, payload)).await;
    }

    /// The next frame of any kind.
    pub async fn receive(&mut self) -> Received {
        let Some(header) = self.header().await else { return Received::End };
        let (FrameHeader { is_final, opcode, mask, rsv1, rsv2, rsv3 }, length) = header;
        assert!(is_final && mask.is_none() && !rsv1 && !rsv2 && !rsv3);
        let payload = self.connection.exactly(usize::try_from(length).unwrap()).await;
        let payload = payload.expect("a frame is sent whole");
        match opcode {
            OpCode::Data(Data::Text) => {
                let text = String::from_utf8(payload).unwrap();
                if let Some(asked) = &self.connection.asked {
                    asked.check_message(&text);
                }
                Received::Text(text)
            }
            OpCode::Control(Control::Pong) => Received::Pong(payload),
            OpCode::Control(Control::Close) => {
                let code = payload.first_chunk().map(|code| u16::from_be_bytes(*code));
                let reason = payload.get(2..).unwrap_or_default().to_vec();
                Received::Close(code, String::from_utf8(reason).unwrap())
            }
            other => panic!("the service sends no {other:?}"),
        }
    }

    async fn header(&mut self) -> Option<(FrameHeader, u64)> {
        let mut bytes = Vec::new();
        loop {
            bytes.extend(self.connection.exactly(1).await?);
            if let Some(header) = FrameHeader::parse(&mut Cursor::new(&bytes)).unwrap() {
                return Some(header);
            }
        }
    }

    /// The next message other than a heartbeat.
    pub async fn next(&mut self) -> Value {
        loop {
            let message = self.next_of_any_kind().await;
            if message["event"] != "heartbeat" {
                return message;
            }
        }
    }

    pub async fn next_of_any_kind(&mut self) -> Value {
        match self.receive().await {
            Received::Text(text) => serde_json::from_str(&text).unwrap(),
            other => panic!("a message was expected: {other:?}"),
        }
    }

    /// The code and the reason with which the service closes the connection. Answers the close, as every client does.
    pub async fn closed(&mut self) -> (u16, String) {
        loop {
            match self.receive().await {
                Received::Close(code, reason) => {
                    let code = code.expect("the service says why");
                    self.send_frame(0x88, &code.to_be_bytes()).await;
                    assert_eq!(self.receive().await, Received::End, "nothing follows the close");
                    return (code, reason);
                }
                Received::End => panic!("a close comes before the end"),
                Received::Text(_) | Received::Pong(_) => {}
            }
        }
    }
}
