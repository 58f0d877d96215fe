//! What each act does to the people inside, and that every subscriber sees it without a webhook.

use crate::harness::{identities, left};

use super::*;

#[tokio::test]
async fn a_participant_is_changed_and_everybody_sees_it() {
    let with = Moderated::start().await;
    let mut subscriber = with.subscriber().await;
    let changes = json!({
        "name": "Alice B.", "metadata": "{\"seat\":1}", "attributes": {"hand": "up"},
        "permission": {"canPublish": true, "canSubscribe": true, "canPublishData": false,
            "canPublishSources": ["microphone", "screen_share"], "canUpdateMetadata": true},
    });
    let (answer, list) = with.seen_by(&mut subscriber, ("PATCH", ALICE, changes)).await;
    assert_eq!((answer.status, answer.header("content-type")), (200, "application/json"));
    let alice = answer.json();
    assert_eq!(alice, list[0], "the answer is the participant as the list shows them");
    assert_eq!(alice["name"], "Alice B.");
    assert_eq!(alice["metadata"], "{\"seat\":1}");
    assert_eq!(alice["attributes"], json!({"hand": "up"}));
    assert_eq!(alice["permission"]["canPublishData"], false);
    assert_eq!(alice["tracks"][0]["sid"], "TR_alice");
    assert_eq!(identities(&with.app.participants("general").await.json()), ["alice", "bob"]);
    let permission = &with.livekit.last_call("UpdateParticipant")["permission"];
    assert_eq!(permission["can_publish_sources"], json!(["MICROPHONE", "SCREEN_SHARE"]));
    assert_eq!(permission["can_update_metadata"], true);
}

#[tokio::test]
async fn an_attribute_goes_by_an_empty_value_or_null() {
    let people = [joined("alice").with("attributes", json!({"hand": "up", "seat": "1", "x": "y"}))];
    let with = Moderated::with(&[], &people).await;
    let changes = json!({"attributes": {"hand": "", "seat": null}});
    let answer = with.ask("PATCH", ALICE, &changes).await;
    assert_eq!(answer.json()["attributes"], json!({"x": "y"}));
}

#[tokio::test]
async fn what_a_permission_does_not_name_stays() {
    let permission = json!({"can_publish": true, "can_subscribe": true, "hidden": false});
    let with = Moderated::with(&[], &[joined("alice").with("permission", permission)]).await;
    let changes = json!({"permission": {"canPublish": false}});
    assert_eq!(with.ask("PATCH", ALICE, &changes).await.status, 200);
    assert_eq!(
        with.livekit.listed("general", "alice")["permission"],
        json!({"can_publish": false, "can_subscribe": true, "hidden": false})
    );
}

#[tokio::test]
async fn who_may_no_longer_publish_is_shown_without_tracks() {
    let with = Moderated::start().await;
    let mut subscriber = with.subscriber().await;
    let changes = json!({"permission": {"canPublish": false}});
    let (answer, list) = with.seen_by(&mut subscriber, ("PATCH", ALICE, changes)).await;
    assert_eq!(answer.json()["tracks"], json!([]));
    assert_eq!(list[0]["tracks"], json!([]));
    assert_eq!(list[0]["permission"]["canPublish"], false);
}

#[tokio::test]
async fn a_participant_is_removed_and_gone_for_everybody() {
    let with = Moderated::start().await;
    let mut subscriber = with.subscriber().await;
    let (answer, list) = with.seen_by(&mut subscriber, ("DELETE", ALICE, Value::Null)).await;
    assert_eq!((answer.status, answer.body.len()), (204, 0));
    assert_eq!(identities(&list), ["bob"]);
    with.app.webhook(left("alice")).await;
    with.app.webhook(joined("carol")).await;
    assert_eq!(subscriber.next_list().await, ["bob", "carol"], "her late leave changes nothing");
    assert!(with.livekit.last_call("RemoveParticipant")["revoke_token_ts"].is_null());
}

#[tokio::test]
async fn a_removal_can_revoke_the_tokens_that_were_made_until_then() {
    let with = Moderated::start().await;
    let now = with.app.clock.clock().now().as_secs();
    let answer = with.ask("DELETE", &format!("{ALICE}?revoke=true"), &Value::Null).await;
    assert_eq!(answer.status, 204);
    let revoked = with.livekit.last_call("RemoveParticipant")["revoke_token_ts"].as_u64().unwrap();
    assert!((now..now + 10).contains(&revoked));
}

#[tokio::test]
async fn a_track_is_muted_and_heard_again_where_livekit_allows_that() {
    let with = Moderated::start().await;
    with.livekit.let_unmute();
    let mut subscriber = with.subscriber().await;
    for muted in [true, false] {
        let change = ("PATCH", MICROPHONE, json!({"muted": muted}));
        let (answer, list) = with.seen_by(&mut subscriber, change).await;
        assert_eq!(
            answer.json(),
            json!({"sid": "TR_alice", "source": "MICROPHONE", "type": "AUDIO", "muted": muted, "name": ""})
        );
        assert_eq!(list[0]["tracks"], json!([answer.json()]));
    }
}

#[tokio::test]
async fn a_room_is_ended_and_the_next_life_of_it_is_another() {
    let with = Moderated::start().await;
    with.app.webhook(crate::harness::started()).await;
    let mut subscriber = with.subscriber().await;
    let (answer, list) = with.seen_by(&mut subscriber, ("DELETE", ROOM, Value::Null)).await;
    assert_eq!((answer.status, list), (204, json!([])));
    assert_eq!(with.app.rooms().await, json!([]));
    with.app.webhooks([left("alice"), left("bob"), crate::harness::finished()]).await;
    with.app.webhooks([crate::harness::started(), joined("alice").sid("PA_next")]).await;
    assert_eq!(subscriber.next_list().await, ["alice"]);
}

#[tokio::test]
async fn names_in_the_path_are_any_text() {
    let identity = "a/b %🎤";
    let room = "Zimmer 7/🚪";
    let with = Moderated::with(&[], &[]).await;
    let person = joined(identity).room(room).sid("PA_1");
    with.livekit.list(room, std::slice::from_ref(&person));
    with.app.webhook(person).await;
    let token = with.app.token_with(admin_of(room), "maria", 60);
    let bearer = format!("Bearer {token}");
    let path = "/api/livekit/rooms/Zimmer%207%2F%F0%9F%9A%AA/participants/a%2Fb%20%25%F0%9F%8E%A4";
    let headers = [("Authorization", &*bearer)];
    let changed = with.ask_with("PATCH", path, &headers, &json!({"name": "é"})).await;
    assert_eq!((changed.status, changed.json()["identity"].as_str()), (200, Some(identity)));
    assert_eq!(with.ask_with("DELETE", path, &headers, &Value::Null).await.status, 204);
    let call = with.livekit.last_call("RemoveParticipant");
    assert_eq!((call["room"].as_str(), call["identity"].as_str()), (Some(room), Some(identity)));
}

#[tokio::test]
async fn somebody_whose_webhook_is_still_to_come_is_changed_and_shown_so() {
    let with = Moderated::with(&[], &[joined("alice")]).await;
    with.livekit.list("general", &[joined("alice"), joined("bob").sid("PA_late")]);
    let bob = format!("{ROOM}/participants/bob");
    let changed = with.ask("PATCH", &bob, &json!({"name": "Bob"})).await;
    assert_eq!(changed.json()["name"], "Bob");
    with.app.webhook(joined("bob").sid("PA_late")).await;
    let list = with.app.participants("general").await.json();
    assert_eq!((list[1]["name"].as_str(), list.as_array().unwrap().len()), (Some("Bob"), 2));
}

#[tokio::test]
async fn who_is_removed_before_their_webhook_comes_is_never_shown() {
    let with = Moderated::with(&[], &[joined("alice")]).await;
    with.livekit.list("general", &[joined("alice"), joined("bob").sid("PA_late")]);
    let bob = format!("{ROOM}/participants/bob");
    assert_eq!(with.ask("DELETE", &bob, &Value::Null).await.status, 204);
    with.app.webhook(joined("bob").sid("PA_late")).await;
    assert_eq!(identities(&with.app.participants("general").await.json()), ["alice"]);
}

#[tokio::test]
async fn hidden_people_are_moderated_and_never_shown() {
    let tracks = json!([microphone("TR_eve")]);
    let eve = joined("eve").hidden().with("tracks", tracks);
    let with = Moderated::with(&[], &[joined("alice"), eve]).await;
    let person = format!("{ROOM}/participants/eve");
    let track = format!("{person}/tracks/TR_eve");
    let acts = [
        ("PATCH", &person, json!({"name": "Eve"})),
        ("PATCH", &track, json!({"muted": true})),
        ("DELETE", &person, Value::Null),
    ];
    for (method, target, body) in acts {
        let answer = with.ask(method, target, &body).await;
        assert_eq!((answer.status, answer.body.len()), (204, 0), "{method} {target}");
    }
    assert_eq!(with.livekit.acts(), 3);
}
