//! How a worker takes over a handed-off stream, and begins it.

use std::{sync::Arc, time::Instant};

use mio::{Interest, Token};
use tracing::error;

use crate::{
    hub::Next,
    presence::Version,
    sse::{self, Frame, Framing},
};

use super::{
    super::{
        close_reason::CloseReason,
        connection::{Connection, Ending, FirstWritten, Rest, Tail},
        handoff::{Handoff, Transport},
        web_socket::WebSocket,
    },
    endings::retry_millis,
    state::{Worker, short_key},
};

/// What a new connection is sent first.
struct First {
    frames: Vec<Arc<Frame>>,
    versions: Vec<FirstSent>,
    /// A topic no longer keeps what the client needs.
    is_lagged: bool,
}

/// The version that a watch has once the frame with this index is begun.
struct FirstSent {
    frame: usize,
    watch: usize,
    version: Version,
}

impl Worker {
    pub(super) fn adopt(&mut self, handoff: Handoff, transport: Transport) {
        let Handoff { preface, watches, end, permit, client } = handoff;
        let Transport { socket, head, framing, received } = transport;
        self.metrics.streams_opened.inc();
        self.metrics.streams_open.inc();
        let mut socket = mio::net::TcpStream::from_std(socket);
        let key = self.connections.vacant_key();
        let registered = self.sockets.register(&mut socket, Token(key), Interest::READABLE);
        if let Err(error) = registered {
            error!(%error, "cannot watch a stream's socket");
            self.metrics.closed(CloseReason::Socket);
            self.inbox.connection_is_gone();
            return;
        }
        let permit_key = permit.key();
        let short_key = short_key(key);
        let (ends_at, end_reason) = self.end_of(end);
        let mut connection = Connection::new(
            socket,
            framing,
            self.watch_all(short_key, watches),
            self.wheel.enter(short_key, Instant::now()),
            ends_at,
            end_reason,
            permit,
        );
        if let Some(client) = client {
            connection.web_socket = Some(Box::new(WebSocket::new(client)));
            self.metrics.web_sockets_open.inc();
        }
        self.by_permit.insert(permit_key, short_key);
        self.connections.insert(connection);
        self.watch_end(key, self.now());
        self.begin(key, head, preface);
        // The stream may have been replaced on its way here, before any worker knew its permit.
        if self.connections.get(key).is_some_and(|one| one.permit.is_revoked()) {
            self.end(key, CloseReason::Replaced);
        }
        self.take_received(key, &received);
    }

    /// Writes the head, the delay before reconnecting, and what the client does not have yet. Each client gets a different delay;
    /// otherwise all clients of an instance that goes away would return at the same moment.
    fn begin(&mut self, key: usize, mut head: Vec<u8>, preface: Option<Arc<Frame>>) {
        let retry = sse::retry_frame(retry_millis());
        head.extend_from_slice(self.connections[key].framing.bytes_of(&retry));
        let First { frames, versions, is_lagged } = self.first_frames(key, preface.as_ref());
        let connection = &mut self.connections[key];
        let first = match connection.write_first(&head, &frames) {
            Ok(first) => first,
            Err(error) => return self.close(key, CloseReason::of_write(&error)),
        };
        let begun = versions.into_iter().filter(|sent| sent.frame < first.frames_begun);
        for FirstSent { watch, version, .. } in begun {
            connection.watches.as_mut_slice()[watch].sent = Some(version);
        }
        let begun = frames.iter().take(first.frames_begun);
        let bytes: usize = begun.map(|frame| connection.framing.bytes_of(frame).len()).sum();
        self.count(first.frames_begun, bytes);
        self.keep_rest(key, head, preface, &frames, &first);
        if is_lagged {
            self.end_lagged(key);
        }
    }

    /// The first frames of a new connection: the preface, then what brings it up to date with each topic. If there is neither: a
    /// heartbeat.
    fn first_frames(&self, key: usize, preface: Option<&Arc<Frame>>) -> First {
        let mut first = First {
            frames: preface.into_iter().cloned().collect(),
            versions: Vec::new(),
            is_lagged: false,
        };
        for (index, watch) in self.connections[key].watches.as_slice().iter().enumerate() {
            let Some(content) = watch.subscription.topic().newest() else { continue };
            match watch.next_of(&content) {
                Next::Nothing => {}
                Next::Frame(frame) => {
                    let (at, version) = (first.frames.len(), content.version());
                    first.versions.push(FirstSent { frame: at, watch: index, version });
                    first.frames.push(frame.into_owned());
                }
                Next::Lost => first.is_lagged = true,
            }
        }
        if first.frames.is_empty() {
            first.frames.push(Arc::new(sse::heartbeat(self.clock.now(), self.config.heartbeat)));
        }
        first
    }

    /// Notes what of a stream's beginning did not fit into the socket. The preface is kept in any case.
    fn keep_rest(
        &mut self,
        key: usize,
        mut head: Vec<u8>,
        preface: Option<Arc<Frame>>,
        frames: &[Arc<Frame>],
        first: &FirstWritten,
    ) {
        match (&first.rest, preface) {
            (Rest::OfHead(written), preface) => {
                if let Some(preface) = preface {
                    head.extend_from_slice(self.connections[key].framing.bytes_of(&preface));
                }
                let head = Arc::new(sse::encode_chunk(|out| out.extend_from_slice(&head)));
                let tail = Tail::new(self.pin(key, &head), Framing::UntilClose, *written);
                self.block(key, Some(tail), Ending::No);
            }
            (Rest::OfFrame(written), _) => {
                self.block_after(key, &frames[first.frames_begun - 1], *written, Ending::No);
            }
            (Rest::Nothing, Some(preface)) if first.frames_begun == 0 => {
                let tail = Tail::new(self.pin(key, &preface), self.connections[key].framing, 0);
                self.block(key, Some(tail), Ending::No);
            }
            (Rest::Nothing, _) if first.frames_begun < frames.len() => {
                self.block(key, None, Ending::No);
            }
            (Rest::Nothing, _) => {}
        }
    }
}
