//! The messages that a WebSocket's client sends, on their way to the code that understands them, and what comes back.

use std::sync::Arc;

use crate::{sse::Frame, web_socket::Close};

use super::{
    handoff::{HandoffWatch, StreamEnd},
    inbox::Inbox,
    permit::Permit,
};

/// Understands the messages of one WebSocket's client. `http` implements it.
pub trait ClientMessages: Send + Sync {
    /// Takes a message, and replies later. Until then the connection's next messages wait, so that one is on its way at a time.
    fn take(self: Arc<Self>, message: String, reply_to: ReplyTo);
}

/// What is done with a stream's permit.
pub type OnPermit = Box<dyn FnOnce(&Permit) + Send>;

/// What the reply to a message does with the connection, in this order.
#[derive(Default)]
pub struct Reply {
    /// Runs with the stream's permit.
    pub with_permit: Option<OnPermit>,
    /// When the stream ends from now on.
    pub end: Option<StreamEnd>,
    /// Topics that the connection no longer watches, by id.
    pub unwatch: Vec<u64>,
    pub watch: Vec<HandoffWatch>,
    /// Written before anything of the topics in `watch`.
    pub answer: Option<Arc<Frame>>,
    /// Ends the connection.
    pub close: Option<Close>,
}

/// Where the reply to a message goes. Without a reply, the connection goes on to its next message.
pub struct ReplyTo {
    inbox: Arc<Inbox>,
    to: Option<Addressee>,
}

/// The connection that sent a message. Its number may be another's by now, but its client is nobody else's.
pub(super) struct Addressee {
    pub connection: u32,
    pub client: Arc<dyn ClientMessages>,
}

impl ReplyTo {
    pub(super) fn new(inbox: Arc<Inbox>, to: Addressee) -> Self {
        Self { inbox, to: Some(to) }
    }

    pub fn send(mut self, reply: Reply) {
        self.send_once(reply);
    }

    fn send_once(&mut self, reply: Reply) {
        if let Some(to) = self.to.take() {
            self.inbox.send(|mail| mail.replies.push((to, reply)));
        }
    }
}

impl Drop for ReplyTo {
    fn drop(&mut self) {
        self.send_once(Reply::default());
    }
}
