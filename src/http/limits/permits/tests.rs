use super::*;

const MOST: PermitLimits = PermitLimits {
    connections: 4,
    webhook_connections: 1,
    connections_per_address: 2,
    large_heads: 2,
    large_heads_per_address: 1,
    streams: 4,
    streams_per_address: 3,
    streams_per_identity: 2,
};

fn address(last: u8) -> ClientAddress {
    ClientAddress::of([192, 0, 2, last].into())
}

fn peer(last: u8) -> Peer {
    Peer { address: address(last), is_proxy: false }
}

const PROXY: u8 = 200;

fn proxy() -> Peer {
    Peer { address: address(PROXY), is_proxy: true }
}

fn refused(permits: &Arc<Permits>, peer: Peer) -> Option<TooMany> {
    permits.connect(peer).err()
}

/// A connection that is being answered, so that it is not told to leave.
fn busy(permits: &Arc<Permits>, peer: Peer) -> Seat {
    let seat = permits.connect(peer).ok().unwrap();
    permits.begin(&seat.permit);
    seat
}

async fn is_told_to_leave(seat: &Seat) -> bool {
    let told = seat.told_to_leave.notified();
    tokio::time::timeout(Duration::ZERO, told).await.is_ok()
}

#[test]
fn the_limits_of_streams_refuse_the_newcomer_and_a_dropped_permit_makes_room() {
    let permits = Permits::new(MOST);
    let refused = |address, identity| permits.open_stream(address, identity).err();
    let first = permits.open_stream(address(1), None).unwrap();
    let _second = permits.open_stream(address(1), None).unwrap();
    let _third = permits.open_stream(address(1), None).unwrap();
    assert_eq!(refused(address(1), None), Some(TooMany::OfAddress));
    let _fourth = permits.open_stream(address(2), None).unwrap();
    assert_eq!(refused(address(3), None), Some(TooMany::InAll));
    drop(first);
    assert!(permits.open_stream(address(1), None).is_ok());
}

#[test]
fn the_newest_stream_of_an_identity_takes_the_place_of_the_oldest() {
    let permits = Permits::new(MOST);
    let alice = IdentityKey::of("key", "alice");
    let open = |identity| {
        let stream = permits.open_stream(address(1), identity).unwrap();
        let crowded = permits.begin_stream(&stream);
        (stream, crowded)
    };
    let (first, none) = open(Some(alice));
    let (second, _) = open(Some(alice));
    assert_eq!(none, None);
    let (third, crowded) = open(Some(alice));
    assert_eq!(crowded, Some(alice));
    assert_eq!(permits.revoke_oldest(alice), [first.key()]);
    assert!(first.is_revoked() && !second.is_revoked() && !third.is_revoked());
    assert!(permits.revoke_oldest(alice).is_empty(), "there are no more than may be");
    drop(first);
    drop(second);
    assert_eq!(open(Some(alice)).1, None, "there is room");
    assert_eq!(open(Some(IdentityKey::of("key", "bob"))).1, None);
}

#[test]
fn one_address_cannot_have_all_connections_but_a_proxy_can() {
    let permits = Permits::new(MOST);
    let _first = busy(&permits, peer(1));
    let second = busy(&permits, peer(1));
    assert_eq!(refused(&permits, peer(1)), Some(TooMany::OfAddress));
    let _proxied = busy(&permits, proxy());
    assert_eq!(refused(&permits, peer(2)), Some(TooMany::InAll));
    drop(second);
    assert!(permits.connect(proxy()).is_ok());
}

#[tokio::test]
async fn connections_that_never_asked_anything_valid_go_first_and_the_oldest_of_them() {
    let permits = Permits::new(PermitLimits { connections_per_address: 4, ..MOST });
    let asked = busy(&permits, peer(1));
    permits.wait(&asked.permit, peer(1), true);
    let wrong = busy(&permits, peer(1));
    let silent = permits.connect(peer(2)).ok().unwrap();
    permits.wait(&wrong.permit, peer(1), false);
    let _new = busy(&permits, peer(3));
    assert!(is_told_to_leave(&wrong).await, "it is older, and nothing it asked was valid");
    let _new = busy(&permits, peer(3));
    assert!(is_told_to_leave(&silent).await);
    let _new = busy(&permits, peer(3));
    assert!(is_told_to_leave(&asked).await, "it waits for nothing");
    assert_eq!(refused(&permits, peer(4)), Some(TooMany::InAll), "all are busy");
}

#[tokio::test]
async fn an_idle_connection_of_a_proxy_or_a_webhook_sender_is_not_told_to_leave() {
    let permits = Permits::new(MOST);
    for peer in [proxy(), peer(9)] {
        permits.remember_webhook_sender(peer);
        let seat = busy(&permits, peer);
        permits.wait(&seat.permit, peer, true);
        std::mem::forget(seat);
    }
    let _third = busy(&permits, peer(1));
    assert_eq!(refused(&permits, peer(2)), Some(TooMany::InAll));
}

#[tokio::test]
async fn a_share_is_kept_for_peers_that_have_sent_a_verified_webhook() {
    let permits = Permits::new(MOST);
    let taken = [busy(&permits, peer(1)), busy(&permits, peer(1)), busy(&permits, peer(2))];
    let livekit = peer(9);
    assert_eq!(refused(&permits, livekit), Some(TooMany::InAll), "it is not known yet");
    permits.remember_webhook_sender(livekit);
    let first = permits.connect(livekit).ok().unwrap();
    assert_eq!(first.share, Share::Webhooks);
    let _second = busy(&permits, livekit);
    assert!(is_told_to_leave(&first).await, "who says nothing there makes room, too");
    assert_eq!(refused(&permits, livekit), Some(TooMany::InAll));
    drop(taken);
    assert_eq!(permits.connect(livekit).ok().unwrap().share, Share::Anybody);
}

#[test]
fn large_heads_are_limited_in_all_and_per_address() {
    let permits = Permits::new(MOST);
    let (one, other) = (busy(&permits, peer(1)), busy(&permits, proxy()));
    let first = permits.read_large_head(&one.permit, peer(1)).unwrap();
    let refused = permits.read_large_head(&one.permit, peer(1)).err();
    assert_eq!(refused, Some(TooMany::OfAddress));
    let _second = permits.read_large_head(&other.permit, proxy()).unwrap();
    let refused = permits.read_large_head(&other.permit, proxy()).err();
    assert_eq!(refused, Some(TooMany::InAll), "both are being answered");
    drop(first);
    assert!(permits.read_large_head(&other.permit, proxy()).is_ok());
}

#[tokio::test]
async fn the_large_head_that_takes_the_longest_makes_room() {
    let permits = Permits::new(MOST);
    let answered = busy(&permits, peer(1));
    let _first = permits.read_large_head(&answered.permit, peer(1)).unwrap();
    let slow = permits.connect(peer(2)).ok().unwrap();
    let second = permits.read_large_head(&slow.permit, peer(2)).unwrap();
    let newest = permits.connect(peer(3)).ok().unwrap();
    let _third = permits.read_large_head(&newest.permit, peer(3)).unwrap();
    assert!(is_told_to_leave(&slow).await);
    assert!(!is_told_to_leave(&answered).await && !is_told_to_leave(&newest).await);
    drop((second, slow));
    let next = permits.connect(peer(2)).ok().unwrap();
    assert!(permits.read_large_head(&next.permit, peer(2)).is_ok(), "its own count is given back");
    assert!(is_told_to_leave(&newest).await);
}

#[test]
fn an_address_with_streams_of_many_people_looks_like_a_proxy() {
    let permits = Permits::new(PermitLimits { streams: 100, streams_per_address: 0, ..MOST });
    let now = Instant::now();
    let open = |number: usize| {
        let identity = IdentityKey::of("key", &number.to_string());
        permits.open_stream(address(1), Some(identity)).unwrap()
    };
    let _few: Vec<_> = (0..9).map(open).collect();
    assert!(!permits.looks_like_proxy(address(1), now));
    let _one_more = open(9);
    let later = now + LOOK_FOR_PROXY_INTERVAL;
    assert!(!permits.looks_like_proxy(address(1), later - Duration::from_millis(1)));
    assert!(permits.looks_like_proxy(address(1), later));
}

#[test]
fn connections_and_streams_that_are_gone_or_were_refused_leave_nothing_behind() {
    let permits = Permits::new(PermitLimits { streams_per_identity: 1, ..MOST });
    let alice = IdentityKey::of("key", "alice");
    let stream = permits.open_stream(address(1), Some(alice)).unwrap();
    permits.begin_stream(&stream);
    let next = permits.open_stream(address(2), Some(alice)).unwrap();
    permits.begin_stream(&next);
    permits.revoke_oldest(alice);
    let mut seats: Vec<_> = (0..6).filter_map(|last| permits.connect(peer(last)).ok()).collect();
    let head = permits.read_large_head(&seats[5].permit, peer(1)).unwrap();
    permits.settle(seats.remove(1).permit, &stream);
    drop((stream, next, head, seats));
    let given = permits.given();
    assert!(given.holders.is_empty() && given.seats.is_empty());
    assert_eq!((given.streams, given.large_heads.len()), (0, 0));
    assert!(given.connections_of.is_empty() && given.large_heads_of.is_empty());
    assert!(given.streams_of.is_empty() && given.streams_as.is_empty());
}
