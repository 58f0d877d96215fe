//! What a follower of all rooms receives: the names of rooms that may be listed differently now, or a gap where some were lost.
//!
//! A name is a hint. What the list of rooms says of the room is in the store, which the follower asks with
//! [`Store::summaries`](super::Store::summaries).

use std::{
    collections::HashSet,
    sync::{Arc, Mutex, MutexGuard},
};

use tokio::sync::mpsc;

use crate::presence::RoomName;

/// Names that wait for a follower. When there are more, it gets a gap instead, and reads the list again.
const MAX_WAITING: usize = 10_000;

/// The receiving end, which a follower of all rooms holds. Dropping it ends the following.
pub struct RoomsFeed {
    waiting: Arc<Mutex<TouchedRooms>>,
    woken: mpsc::Receiver<()>,
    _unfollow: Box<dyn Send + Sync>,
}

/// The sending end, which a store holds.
#[derive(Debug)]
pub struct RoomsFeedSender {
    waiting: Arc<Mutex<TouchedRooms>>,
    /// Has one place. If it is taken, the follower is about to look.
    wake: mpsc::Sender<()>,
}

/// What a follower receives: everything since it was told last.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TouchedRooms {
    pub rooms: HashSet<RoomName>,
    /// Names were lost: the whole list must be read again.
    pub is_gap: bool,
}

/// Makes the two ends. `unfollow` is dropped with the receiving end.
pub fn rooms_feed(unfollow: impl Send + Sync + 'static) -> (RoomsFeedSender, RoomsFeed) {
    let (wake, woken) = mpsc::channel(1);
    let waiting = Arc::default();
    let sender = RoomsFeedSender { waiting: Arc::clone(&waiting), wake };
    (sender, RoomsFeed { waiting, woken, _unfollow: Box::new(unfollow) })
}

impl RoomsFeedSender {
    /// Names a room that may be listed differently now. Never waits.
    pub fn touch(&self, room: &RoomName) {
        {
            let mut waiting = lock(&self.waiting);
            if waiting.is_gap {
                return;
            }
            waiting.rooms.insert(room.clone());
            if waiting.rooms.len() > MAX_WAITING {
                *waiting = TouchedRooms { is_gap: true, ..TouchedRooms::default() };
            }
        }
        let _ = self.wake.try_send(());
    }

    /// Something was lost, or may have been.
    pub fn gap(&self) {
        *lock(&self.waiting) = TouchedRooms { is_gap: true, ..TouchedRooms::default() };
        let _ = self.wake.try_send(());
    }
}

impl RoomsFeed {
    /// Waits until a room was touched, and takes all that were. Ends with the store.
    pub async fn next(&mut self) -> Option<TouchedRooms> {
        loop {
            self.woken.recv().await?;
            let touched = std::mem::take(&mut *lock(&self.waiting));
            if touched != TouchedRooms::default() {
                return Some(touched);
            }
        }
    }
}

fn lock(waiting: &Mutex<TouchedRooms>) -> MutexGuard<'_, TouchedRooms> {
    waiting.lock().expect("nothing panics while it is locked")
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;

    fn room(number: usize) -> RoomName {
        RoomName::parse(&format!("room-{number}")).unwrap()
    }

    #[tokio::test]
    async fn a_room_that_was_touched_often_is_named_once() {
        let (sender, mut feed) = rooms_feed(());
        for number in [1, 2, 1, 1] {
            sender.touch(&room(number));
        }
        let touched = feed.next().await.unwrap();
        assert_eq!(touched.rooms, HashSet::from([room(1), room(2)]));
        assert!(!touched.is_gap);
        assert!(feed.next().now_or_never().is_none(), "it was told of everything");
        sender.touch(&room(1));
        assert_eq!(feed.next().await.unwrap().rooms, HashSet::from([room(1)]));
    }

    #[tokio::test]
    async fn a_follower_that_looks_too_late_is_told_of_a_gap_and_then_goes_on() {
        let (sender, mut feed) = rooms_feed(());
        for number in 0..=MAX_WAITING {
            sender.touch(&room(number));
        }
        sender.touch(&room(0));
        let gap = TouchedRooms { is_gap: true, ..TouchedRooms::default() };
        assert_eq!(feed.next().await.unwrap(), gap);
        sender.touch(&room(7));
        assert_eq!(feed.next().await.unwrap().rooms, HashSet::from([room(7)]));
        sender.touch(&room(8));
        sender.gap();
        assert_eq!(feed.next().await.unwrap(), gap, "the list is read again in any case");
        drop(sender);
        assert_eq!(feed.next().await, None);
    }
}
