use std::time::Duration;

use crate::{
    presence::RoomName,
    store::outbox::{HistoryItem, OutboxSettings},
};

use super::*;

fn bucket() -> Bucket {
    Bucket::numbered(7).unwrap()
}

fn new(seq: u64) -> NewItem {
    let room = RoomName::parse("general").unwrap();
    let settings = OutboxSettings { metadata: false, max: 10, keep: Duration::from_mins(1) };
    NewItem::new(HistoryItem { room, seq, opening: None, records: Vec::new() }, settings)
}

fn seqs(items: &[PendingItem]) -> Vec<u64> {
    items.iter().filter_map(|one| one.item.as_ref()).map(|item| item.seq).collect()
}

/// What is known without reading; none where the outbox has to be read.
fn known(waiting: &Waiting) -> Option<Vec<u64>> {
    let found = waiting.oldest(100);
    found.unread.is_empty().then(|| seqs(&found.items))
}

fn all(items: &[(StreamId, u64)]) -> KnownItems {
    let mut all = KnownItems::default();
    for (id, seq) in items {
        all.push(*id, Some(new(*seq).item), 1);
    }
    all
}

/// The items of these ids were written, each with that number of items afterwards.
fn wrote(items: &[(StreamId, u64)]) -> Waiting {
    let mut waiting = Waiting::default();
    for (at, (id, count)) in items.iter().enumerate() {
        waiting.wrote(bucket(), *id, *count, 0, new(at as u64));
    }
    waiting
}

#[test]
fn what_lies_there_is_known_only_if_nobody_else_can_have_written_in_between() {
    for (what, items, expected) in [
        ("the first", &[((5, 0), 1)][..], Some(vec![0])),
        ("one after the other", &[((5, 0), 1), ((5, 1), 2)], Some(vec![0, 1])),
        ("the first was taken off", &[((5, 0), 1), ((5, 1), 1)], Some(vec![1])),
        ("it was empty in between", &[((5, 0), 1), ((6, 0), 1)], Some(vec![1])),
        ("another instance wrote the first", &[((5, 1), 2)], None),
        ("another wrote in between", &[((5, 0), 1), ((5, 2), 3)], None),
        ("another wrote, and took ours off", &[((5, 0), 1), ((5, 2), 2)], None),
        ("another began anew", &[((5, 0), 1), ((6, 1), 2)], None),
        ("the answers came in another order", &[((5, 1), 2), ((5, 0), 1)], None),
        ("the clock was set back", &[((5, 0), 1), ((4, 0), 1)], None),
    ] {
        assert_eq!(known(&wrote(items)), expected, "{what}");
    }
}

#[test]
fn an_outbox_that_was_read_is_known_from_then_on() {
    let mut waiting = wrote(&[((5, 1), 2)]);
    let unread = waiting.oldest(100).unread.pop().unwrap();
    assert_eq!((unread.bucket, unread.count), (bucket(), 2));
    waiting.read_all(&unread, all(&[((5, 0), 7), ((5, 1), 8)]));
    assert_eq!(known(&waiting), Some(vec![7, 8]));
    waiting.wrote(bucket(), (5, 2), 3, 0, new(9));
    assert_eq!(known(&waiting), Some(vec![7, 8, 9]));
}

#[test]
fn what_was_written_while_it_was_read_has_it_read_again() {
    let mut waiting = wrote(&[((5, 1), 2)]);
    let unread = waiting.oldest(100).unread.pop().unwrap();
    waiting.wrote(bucket(), (5, 2), 3, 0, new(9));
    waiting.read_all(&unread, all(&[((5, 0), 7), ((5, 1), 8)]));
    assert_eq!(known(&waiting), None);
}

#[test]
fn an_outbox_waits_until_all_that_was_known_of_it_is_done() {
    let mut waiting = wrote(&[((5, 0), 1), ((5, 1), 2)]);
    let news = waiting.news_of(bucket());
    waiting.done(bucket(), &[(5, 0)], 1, news);
    assert_eq!(known(&waiting), Some(vec![1]));
    waiting.wrote(bucket(), (5, 2), 2, 0, new(2));
    waiting.done(bucket(), &[(5, 1)], 1, news);
    assert_eq!((known(&waiting), waiting.counts().waiting), (Some(vec![2]), 1));
    waiting.done(bucket(), &[(5, 2)], 0, waiting.news_of(bucket()));
    assert!(waiting.is_empty() && waiting.bytes == 0);
}

#[test]
fn a_doubt_remains_until_the_outbox_is_read_or_empty() {
    let mut waiting = wrote(&[((5, 0), 1)]);
    waiting.doubt(bucket());
    assert_eq!((known(&waiting), waiting.bytes), (None, 0));
    waiting.done(bucket(), &[(5, 0)], 0, waiting.news_of(bucket()) - 1);
    assert!(!waiting.is_empty(), "it came up while that was on its way");
    waiting.done(bucket(), &[(5, 0)], 1, waiting.news_of(bucket()));
    assert!(!waiting.is_empty(), "something is left");
    waiting.done(bucket(), &[(5, 1)], 0, waiting.news_of(bucket()));
    assert!(waiting.is_empty());
}

#[test]
fn what_is_known_takes_no_more_memory_than_it_may() {
    let mut waiting = wrote(&[((5, 0), 1)]);
    let one = waiting.bytes;
    waiting.bytes = MAX_BYTES - one;
    waiting.wrote(bucket(), (5, 1), 2, 0, new(1));
    assert_eq!(known(&waiting), Some(vec![0, 1]), "this one fits");
    waiting.wrote(bucket(), (5, 2), 3, 0, new(2));
    assert_eq!(known(&waiting), None);
    assert!(waiting.bytes < MAX_BYTES, "what has to be read again takes none");
}

#[test]
fn each_outbox_gets_its_turn_and_one_that_cannot_be_read_waits_for_the_others() {
    let other = |number| Bucket::numbered(number).unwrap();
    let mut waiting = Waiting::default();
    for number in [7, 3, 5] {
        waiting.found(other(number), 40);
    }
    let turns = |waiting: &Waiting, max| -> Vec<_> {
        let unread = waiting.oldest(max).unread;
        unread.iter().map(|one| (one.bucket.number(), one.count)).collect()
    };
    assert_eq!(turns(&waiting, 100), [(7, 40), (3, 40), (5, 20)]);
    waiting.put_off(other(7));
    assert_eq!(turns(&waiting, 50), [(3, 40), (5, 10)]);
    assert_eq!(waiting.counts().waiting, 120);
    waiting.found(other(3), 90);
    waiting.doubt(other(9));
    assert_eq!(turns(&waiting, 200), [(3, 90), (5, 40), (7, 40), (9, 16)]);
}

#[test]
fn what_was_dropped_is_counted() {
    let mut waiting = wrote(&[((5, 0), 1)]);
    waiting.wrote(bucket(), (5, 1), 1, 1, new(1));
    assert_eq!(waiting.counts(), OutboxCounts { waiting: 1, dropped: 1 });
    assert_eq!(known(&waiting), None, "who knows what else is gone");
}

#[test]
fn what_others_have_put_there_since_does_not_wait_here() {
    let mut waiting = wrote(&[((5, 0), 1)]);
    waiting.done(bucket(), &[(5, 0)], 1, waiting.news_of(bucket()));
    assert!(waiting.is_empty());
    assert_eq!(waiting.counts().waiting, 0);
}

#[test]
fn only_what_lies_there_for_two_looks_was_left_behind() {
    let mut waiting = Waiting::default();
    waiting.looked(bucket(), 2, Some((5, 0)));
    assert!(!waiting.is_empty(), "nobody knows for how long it has been there at the first look");
    waiting.has_looked();
    let unread = waiting.oldest(100).unread.pop().unwrap();
    waiting.read_all(&unread, KnownItems::default());
    for oldest in [(6, 0), (7, 0)] {
        waiting.looked(bucket(), 1, Some(oldest));
        assert!(waiting.is_empty(), "the instance that wrote {oldest:?} takes care of it");
    }
    waiting.looked(bucket(), 0, None);
    waiting.looked(bucket(), 3, Some((8, 0)));
    assert!(waiting.is_empty());
    waiting.looked(bucket(), 3, Some((8, 0)));
    assert_eq!(waiting.oldest(100).unread[0].count, 3);
}

#[test]
fn what_is_left_to_others_is_not_looked_for_again() {
    let mut waiting = wrote(&[((5, 0), 1), ((5, 1), 2)]);
    waiting.leave(bucket(), &[(5, 0)]);
    assert_eq!((known(&waiting), waiting.counts().waiting), (Some(vec![1]), 1));
    waiting.done(bucket(), &[(5, 1)], 1, waiting.news_of(bucket()));
    assert!(waiting.is_empty() && waiting.is_left(bucket(), (5, 0)));
    for _ in 0..2 {
        waiting.looked(bucket(), 1, Some((5, 0)));
        assert!(waiting.is_empty());
    }
    waiting.looked(bucket(), 2, Some((5, 0)));
    assert!(!waiting.is_empty(), "there is more");
    waiting.looked(bucket(), 0, None);
    assert!(!waiting.is_left(bucket(), (5, 0)), "it is forgotten once it is gone");
}
