//! What clients send. A subscriber of an event stream has nothing to say; a WebSocket's client has messages, pings and a close.

use std::{
    io::{self, Read},
    sync::Arc,
};

use crate::web_socket::{Close, Incoming};

use super::{
    super::{
        client_messages::{Addressee, Reply, ReplyTo},
        close_reason::CloseReason,
        connection::{Ending, Phase, Written},
    },
    state::{Worker, short_key},
};

impl Worker {
    pub(super) fn on_readable(&mut self, key: usize) {
        let Some(connection) = self.connections.get_mut(key) else { return };
        if connection.web_socket.is_some() {
            self.read_messages(key);
        } else if let Some(reason) = connection.discard_input(&mut self.scratch) {
            self.client_is_gone(key, reason);
        }
    }

    fn client_is_gone(&mut self, key: usize, reason: CloseReason) {
        let connection = &self.connections[key];
        let has_ended = matches!(connection.phase, Phase::Closing);
        self.close(key, if has_ended { connection.end_reason } else { reason });
    }

    /// Takes what was read before the connection came here.
    pub(super) fn take_received(&mut self, key: usize, received: &[u8]) {
        let now = self.now();
        if let Some(socket) = self.web_socket(key) {
            let is_bearable = socket.push(received, now);
            debug_assert!(is_bearable, "less than one head");
            self.read_messages(key);
        }
    }

    /// Reads what a WebSocket's client sends, until there is nothing more, or until a message must be answered first: what comes
    /// after it waits in the socket.
    pub(super) fn read_messages(&mut self, key: usize) {
        while self.handle_received(key) {
            let now = self.now();
            let connection = &mut self.connections[key];
            let count = match connection.socket.read(&mut self.scratch) {
                Ok(0) => return self.client_is_gone(key, CloseReason::Client),
                Ok(count) => count,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return self.client_is_gone(key, CloseReason::of_read(&error)),
            };
            let Some(socket) = &mut connection.web_socket else { return };
            if !socket.push(&self.scratch[..count], now) {
                if matches!(connection.phase, Phase::Closing) {
                    return self.client_is_gone(key, CloseReason::TooMuchInput);
                }
                socket.break_off();
                return self.end(key, CloseReason::TooMuchInput);
            }
        }
    }

    /// Handles the frames that have arrived. Returns whether more may be read.
    fn handle_received(&mut self, key: usize) -> bool {
        loop {
            let now = self.now();
            let Some(socket) = self.web_socket(key).filter(|socket| !socket.is_busy()) else {
                return false;
            };
            match socket.next(now) {
                Ok(None) => {
                    let awaits_echo = socket.is_closed()
                        && !matches!(self.connections[key].phase, Phase::Closing);
                    // The client may have closed the connection right after, and its close is answered all the same.
                    return !awaits_echo;
                }
                Ok(Some(incoming)) => self.on_incoming(key, incoming),
                Err(reason) => self.end(key, reason),
            }
        }
    }

    fn on_incoming(&mut self, key: usize, incoming: Incoming) {
        let inbox = Arc::clone(&self.inbox);
        let connection = &mut self.connections[key];
        let is_ending = connection.is_ending();
        let Some(socket) = &mut connection.web_socket else { return };
        match incoming {
            Incoming::Text(message) if !is_ending => {
                let client = Arc::clone(&socket.client);
                socket.await_reply();
                let to = Addressee { connection: short_key(key), client: client.clone() };
                client.take(message, ReplyTo::new(inbox, to));
            }
            Incoming::Ping(payload) if !is_ending => {
                socket.pong(&payload);
                if matches!(connection.phase, Phase::Open) {
                    self.write_pending(key);
                }
            }
            Incoming::Close(code) => self.on_client_close(key, code),
            Incoming::Text(_) | Incoming::Ping(_) | Incoming::Part | Incoming::Pong => {}
        }
    }

    /// The client closes the connection, or answers our close.
    fn on_client_close(&mut self, key: usize, code: Option<u16>) {
        let connection = &mut self.connections[key];
        if !matches!(connection.phase, Phase::Closing) {
            if let Some(socket) = &mut connection.web_socket {
                socket.set_last(Close::echo(code));
            }
            return self.end(key, CloseReason::Client);
        }
        if connection.shut_down_writing().is_err() {
            let reason = connection.end_reason;
            self.close(key, reason);
        }
    }

    pub(super) fn on_reply(&mut self, to: &Addressee, reply: Reply) {
        let key = to.connection as usize;
        let is_of = |socket: &_| Arc::ptr_eq(&to.client, socket);
        if !self.web_socket(key).is_some_and(|socket| is_of(&socket.client)) {
            return;
        }
        let Reply { with_permit, end, unwatch, watch, answer, close } = reply;
        let connection = &mut self.connections[key];
        let is_ending = connection.is_ending();
        if let Some(socket) = &mut connection.web_socket {
            socket.replied(answer.filter(|_| !is_ending));
        }
        if !is_ending {
            if let Some(run) = with_permit {
                run(&connection.permit);
            }
            for topic in unwatch {
                self.stop_watching(key, topic);
            }
            for watch in watch {
                self.watch_more(key, watch);
            }
            if let Some(end) = end {
                self.end_at(key, end);
            }
            match close {
                Some(close) => self.refuse(key, &close),
                None => self.write_what_waits(key),
            }
        }
        self.read_messages(key);
    }

    /// Ends a connection whose client may not have what it asks for.
    fn refuse(&mut self, key: usize, close: &Close) {
        if let Some(socket) = self.web_socket(key) {
            socket.set_last(close.encode());
        }
        self.end(key, CloseReason::Refused);
    }

    /// Writes the answers that wait, and then the newest of every topic. A full socket has its turn when it drains.
    fn write_what_waits(&mut self, key: usize) {
        if matches!(self.connections[key].phase, Phase::Open) && self.write_pending(key) {
            self.catch_up(key);
        }
    }

    /// Writes the answers that wait. Tells whether all of them are out.
    pub(super) fn write_pending(&mut self, key: usize) -> bool {
        while let Some(frame) = self.web_socket(key).and_then(|socket| socket.pending()) {
            let written = self.connections[key].write(&frame);
            if let (Ok(Written::Whole | Written::Part(1..)), Some(socket)) =
                (&written, self.web_socket(key))
            {
                socket.pending_written();
            }
            match written {
                Ok(Written::Whole) => {
                    let bytes = self.connections[key].framing.bytes_of(&frame).len();
                    self.count(1, bytes);
                }
                Ok(Written::Part(written)) => {
                    self.block_after(key, &frame, written, Ending::No);
                    return false;
                }
                Err(error) => {
                    self.close(key, CloseReason::of_write(&error));
                    return false;
                }
            }
        }
        true
    }
}
