//! A room that is not known to be complete: its clients wait for LiveKit, which is asked once for all of them.

use std::time::{Duration, Instant};

use futures_util::future::join_all;

use crate::harness::{ApiFault, Response, identities, joined, left, started};

use super::with_api;

fn cache(response: &Response) -> &str {
    response.header("x-cache")
}

#[tokio::test]
async fn a_room_that_sprang_up_from_one_join_shows_everybody_who_is_inside() {
    let (app, livekit) = with_api(&[]).await;
    // The service has forgotten alice, since nobody looked for a long time.
    livekit.list("general", &[joined("alice"), joined("bob")]);
    app.webhook(joined("bob")).await;
    let answer = app.participants("general").await;
    assert_eq!(identities(&answer.json()), ["alice", "bob"]);
    assert_eq!(cache(&answer), "livekit");
    let again = app.participants("general").await;
    assert_eq!(cache(&again), "store");
    let calls = livekit.calls("ListParticipants", Some("general"));
    assert_eq!(calls, 1, "the first answer confirmed it");
}

#[tokio::test]
async fn however_many_ask_livekit_is_asked_once() {
    let (app, livekit) = with_api(&[]).await;
    livekit.list("general", &[joined("alice")]);
    livekit.set_fault(ApiFault::Hangs);
    let answers = async { join_all((0..50).map(|_| app.participants("general"))).await };
    let release = async {
        livekit.until_called("ListParticipants", 1).await;
        livekit.set_fault(ApiFault::None);
    };
    let (answers, ()) = tokio::join!(answers, release);
    for answer in answers {
        assert_eq!(identities(&answer.json()), ["alice"]);
    }
    assert_eq!(livekit.calls("ListParticipants", None), 1);
}

#[tokio::test]
async fn a_stream_of_a_cold_room_begins_with_everybody_too() {
    let (app, livekit) = with_api(&[]).await;
    livekit.list("general", &[joined("alice")]);
    let mut subscriber = app.subscriber("general").await;
    assert_eq!(subscriber.next_list().await, ["alice"]);
    assert_eq!(cache(&app.participants("general").await), "hot");
}

#[tokio::test]
async fn when_livekit_does_not_answer_clients_get_what_is_known_and_streams_correct_themselves() {
    let (app, livekit) = with_api(&[]).await;
    app.webhook(joined("bob")).await;
    livekit.list("general", &[joined("alice"), joined("bob")]);
    livekit.set_fault(ApiFault::Hangs);
    let asked_at = Instant::now();
    let answer = app.participants("general").await;
    assert!(asked_at.elapsed() < Duration::from_secs(4));
    assert_eq!(identities(&answer.json()), ["bob"]);
    assert_eq!(cache(&answer), "stale");
    let mut subscriber = app.subscriber("general").await;
    assert_eq!(subscriber.next_list().await, ["bob"]);
    livekit.set_fault(ApiFault::None);
    assert_eq!(subscriber.next_list().await, ["alice", "bob"]);
}

#[tokio::test]
async fn a_complete_room_costs_no_call() {
    let (app, livekit) = with_api(&[]).await;
    app.webhook(started()).await;
    app.webhook(joined("alice")).await;
    let answer = app.participants("general").await;
    assert_eq!((cache(&answer), identities(&answer.json())), ("store", vec!["alice".to_owned()]));
    assert_eq!(livekit.calls("ListParticipants", None), 0);
}

#[tokio::test]
async fn trust_ends_and_then_livekit_is_asked_again() {
    let (app, livekit) = with_api(&[]).await;
    app.webhook(started()).await;
    app.webhook(joined("alice")).await;
    livekit.list("general", &[joined("alice"), joined("bob")]);
    app.clock.set(app.clock.clock().now() + Duration::from_secs(61));
    let answer = app.participants("general").await;
    assert_eq!(cache(&answer), "livekit");
    assert_eq!(identities(&answer.json()), ["alice", "bob"]);
}

#[tokio::test]
async fn made_up_rooms_fill_no_store_and_cost_few_calls() {
    let (app, livekit) = with_api(&[("LKP__LIMITS__LOOKUPS_PER_ADDRESS", "1")]).await;
    for _ in 0..3 {
        assert_eq!(app.participants("made-up").await.text(), "[]");
    }
    assert_eq!(livekit.calls("ListParticipants", None), 1, "that nobody is there is remembered");
    for number in 0..30 {
        app.participants(&format!("made-up-{number}")).await;
    }
    let calls = livekit.calls("ListParticipants", None);
    assert!(calls <= 11, "{calls} calls of one address");
    assert_eq!(cache(&app.participants("made-up-29").await), "stale");
    assert_eq!(app.rooms().await, serde_json::json!([]));
    // The room comes into being.
    app.webhook(started().room("made-up")).await;
    app.webhook(joined("alice").room("made-up")).await;
    assert_eq!(identities(&app.participants("made-up").await.json()), ["alice"]);
}

#[tokio::test]
async fn a_sign_of_a_missed_join_has_the_room_compared_at_once() {
    let (app, livekit) = with_api(&[]).await;
    app.webhook(started()).await;
    app.webhook(joined("alice")).await;
    let mut subscriber = app.subscriber("general").await;
    assert_eq!(subscriber.next_list().await, ["alice"]);
    livekit.list("general", &[joined("alice"), joined("carol")]);
    // The joins of bob and carol were lost; bob leaves.
    app.webhook(left("bob")).await;
    assert_eq!(subscriber.next_list().await, ["alice", "carol"]);
}

/// A stream waits two seconds for LiveKit. Of these forty rooms ten wait one of the two for calls that the budget allows; they
/// would wait longer without the share of watched rooms. What is left may be too little on a busy machine, through no fault of
/// the service: then another service that has just started tries it, twice at most. One that leaves rooms out by itself does so
/// each time.
#[tokio::test]
async fn after_a_restart_one_stream_of_many_rooms_begins_with_everybody() {
    let mut complete = Vec::new();
    for _ in 0..3 {
        complete.push(begin_with_everybody().await);
        assert!(*complete.last().unwrap() >= 30, "rooms that began with everybody: {complete:?}");
        if complete.ends_with(&[ROOMS]) {
            return;
        }
    }
    panic!("of {ROOMS} rooms began with everybody: {complete:?}");
}

/// How many there are in that stream.
const ROOMS: usize = 40;

/// How many rooms of a stream begin with everybody.
async fn begin_with_everybody() -> usize {
    let (app, livekit) = with_api(&[("LKP__LIMITS__LOOKUPS_PER_ADDRESS", "1")]).await;
    let names: Vec<_> = (0..ROOMS).map(|number| format!("room-{number}")).collect();
    for name in &names {
        livekit.list(name, &[joined("alice").room(name)]);
    }
    let names: Vec<_> = names.iter().map(String::as_str).collect();
    let mut subscriber = app.rooms_subscriber(&names).await;
    let mut complete = 0;
    for _ in &names {
        let event = subscriber.next().await.unwrap();
        complete += usize::from(identities(&event.json()["participants"]) == ["alice"]);
    }
    complete
}

#[tokio::test]
async fn a_client_that_waited_in_vain_gets_what_came_meanwhile() {
    let (app, livekit) = with_api(&[]).await;
    app.webhook(joined("alice")).await;
    livekit.set_fault(ApiFault::Hangs);
    let read = app.participants("general");
    let join = async {
        livekit.until_called("ListParticipants", 1).await;
        app.webhook(joined("bob")).await;
    };
    let (answer, ()) = tokio::join!(read, join);
    assert_eq!(identities(&answer.json()), ["alice", "bob"]);
    assert_eq!(cache(&answer), "stale");
}
