//! What happens if the service fails between LiveKit's answer and the list, or if whoever asked does not wait.

use crate::harness::{ApiFault, StoreFault, eventually, identities};

use super::*;

#[tokio::test]
async fn what_livekit_did_and_the_store_did_not_take_is_told_and_compared() {
    let with = Moderated::start().await;
    let _subscriber = with.subscriber().await;
    with.livekit.set_fault(ApiFault::Hangs);
    let answering = with.ask("DELETE", ALICE, &Value::Null);
    let failing = async {
        with.livekit.until_called("RemoveParticipant", 1).await;
        with.app.store.set_fault(StoreFault::Fails);
        with.livekit.set_fault(ApiFault::None);
    };
    let (answer, ()) = tokio::join!(answering, failing);
    let problem = answer.problem(503);
    assert!(problem.contains("LiveKit did it"), "{problem}");
    with.app.store.set_fault(StoreFault::None);
    eventually("the comparison", async || {
        identities(&with.app.participants("general").await.json()) == ["bob"]
    })
    .await;
}

#[tokio::test]
async fn an_act_is_shown_although_the_moderator_has_hung_up() {
    let with = Moderated::start().await;
    let mut subscriber = with.subscriber().await;
    with.livekit.set_fault(ApiFault::Hangs);
    let token = with.app.token_with(admin_of("general"), "maria", 60);
    let bearer = format!("Bearer {token}");
    let mut connection = with.app.connect().await;
    connection.request("DELETE", ALICE, &[("Authorization", &bearer)]).await;
    with.livekit.until_called("RemoveParticipant", 1).await;
    drop(connection);
    with.livekit.set_fault(ApiFault::None);
    assert_eq!(subscriber.next_list().await, ["bob"]);
}

#[tokio::test]
async fn a_livekit_that_does_not_answer_is_given_up_within_the_time_of_a_request() {
    let with = Moderated::start().await;
    with.livekit.set_fault(ApiFault::Hangs);
    let problem = with.ask("DELETE", ALICE, &Value::Null).await.problem(503);
    assert!(problem.contains("may have done it"), "{problem}");
}

#[tokio::test]
async fn of_two_moderators_at_once_both_are_answered_and_the_list_is_as_livekits() {
    let with = Moderated::start().await;
    with.livekit.let_unmute();
    for _ in 0..10 {
        let (mute, unmute) = (json!({"muted": true}), json!({"muted": false}));
        let name = json!({"name": "Alice B."});
        let (one, other, name) = tokio::join!(
            with.ask("PATCH", MICROPHONE, &mute),
            with.ask("PATCH", MICROPHONE, &unmute),
            with.ask("PATCH", ALICE, &name),
        );
        assert_eq!([one.status, other.status, name.status], [200, 200, 200]);
        eventually("the list to be LiveKit's", async || {
            let list = with.app.participants("general").await.json();
            let livekit = with.livekit.listed("general", "alice");
            list[0]["tracks"][0]["muted"] == livekit["tracks"][0]["muted"]
        })
        .await;
    }
}
