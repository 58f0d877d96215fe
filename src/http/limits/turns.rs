//! One question to the history at a time for each client, so that one that asks all the time keeps nobody out. The questions of a
//! client wait for each other.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::{client_address::ClientAddress, identity_key::IdentityKey};

/// Whose questions wait for each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(in crate::http) enum Asker {
    /// The holder of a token.
    Identity(IdentityKey),
    /// Who shows no token, or one that names nobody.
    Address(ClientAddress),
}

/// The clients that ask at the moment. Forgets a client once none of its questions waits or is answered.
#[derive(Clone, Debug, Default)]
pub(in crate::http) struct Turns(Arc<Mutex<HashMap<Asker, Arc<Semaphore>>>>);

/// A client's turn, until it is dropped.
#[derive(Debug)]
pub(in crate::http) struct Turn {
    // Dropped first, because it holds the queue too.
    _permit: OwnedSemaphorePermit,
    _place: Place,
}

/// A place in a client's queue.
#[derive(Debug)]
struct Place {
    turns: Turns,
    asker: Asker,
    queue: Arc<Semaphore>,
}

impl Turns {
    /// Waits until the questions that this client asked before have been answered.
    pub async fn take(&self, asker: Asker) -> Turn {
        let place = self.line_up(asker);
        let permit = Arc::clone(&place.queue).acquire_owned().await;
        Turn { _permit: permit.expect("nobody closes it"), _place: place }
    }

    fn line_up(&self, asker: Asker) -> Place {
        let mut queues = self.0.lock().expect("nothing panics while it is locked");
        let queue = queues.entry(asker).or_insert_with(|| Arc::new(Semaphore::new(1)));
        Place { turns: self.clone(), asker, queue: Arc::clone(queue) }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut queues = self.turns.0.lock().expect("nothing panics while it is locked");
        // The map's, and this one. Others are made only under the lock.
        if Arc::strong_count(&self.queue) == 2 {
            queues.remove(&self.asker);
        }
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;

    fn address(text: &str) -> Asker {
        Asker::Address(ClientAddress::of(text.parse().unwrap()))
    }

    #[test]
    fn questions_of_one_client_come_one_after_the_other_and_those_of_others_beside_them() {
        let turns = Turns::default();
        let (alice, bob) = (address("192.0.2.1"), address("192.0.2.2"));
        let first = turns.take(alice).now_or_never().unwrap();
        assert!(turns.take(alice).now_or_never().is_none());
        let other = turns.take(bob).now_or_never().unwrap();
        let mut second = Box::pin(turns.take(alice));
        assert!(second.as_mut().now_or_never().is_none());
        drop(first);
        let second = second.now_or_never().unwrap();
        assert!(turns.take(alice).now_or_never().is_none());
        drop((second, other));
        assert!(turns.take(alice).now_or_never().is_some());
    }

    #[test]
    fn a_client_is_forgotten_once_it_asks_nothing() {
        let turns = Turns::default();
        let alice = address("192.0.2.1");
        let first = turns.take(alice).now_or_never().unwrap();
        // Nobody waits for it any more.
        assert!(turns.take(alice).now_or_never().is_none());
        assert_eq!(turns.0.lock().unwrap().len(), 1);
        drop(first);
        assert_eq!(turns.0.lock().unwrap().len(), 0);
    }
}
