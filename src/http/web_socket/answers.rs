//! The text messages that a client's messages are answered with.

use std::sync::Arc;

use serde::Serialize;

use crate::{
    http::problem::{Problem, ProblemBody},
    json,
    presence::RoomName,
    sse::Frame,
    web_socket::write_text,
};

#[derive(Serialize)]
#[serde(tag = "event", rename_all = "lowercase")]
enum Answer<'answer> {
    /// The rooms that the connection watches now.
    Watching {
        rooms: &'answer [&'answer RoomName],
    },
    Error {
        data: ProblemBody<'answer>,
    },
}

pub(super) fn watching(rooms: &[&RoomName]) -> Arc<Frame> {
    encode(&Answer::Watching { rooms })
}

pub(super) fn error(problem: &Problem) -> Arc<Frame> {
    encode(&Answer::Error { data: problem.body() })
}

fn encode(answer: &Answer<'_>) -> Arc<Frame> {
    let mut message = Vec::new();
    write_text(&mut message, &json::line(answer));
    Arc::new(Frame::of_web_socket(message))
}
