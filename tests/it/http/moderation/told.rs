//! Where an act is told: on the feed of events, in the log, in the metrics.

use livekit_presence::{
    clock::Clock,
    livekit::{AccessToken, ApiKey, Keys},
};

use crate::harness::{Connection, PROCESS_KEYS, Process, eventually};

use super::*;

#[tokio::test]
async fn the_feed_tells_of_each_act_and_of_what_follows_from_it() {
    let with = Moderated::start().await;
    let mut feed = with.app.feed("?room=general").await;
    feed.next_message().await.unwrap();
    let mut told = async |count: usize| {
        let mut told = Vec::new();
        while told.len() < count {
            told.push(feed.next_message().await.unwrap().json());
        }
        told
    };
    with.ask("PATCH", MICROPHONE, &json!({"muted": true})).await;
    let [muted] = told(1).await.try_into().unwrap();
    assert_eq!(
        (muted["event"].as_str(), muted["room"].as_str()),
        (Some("moderation"), Some("general"))
    );
    assert_eq!(
        muted["data"],
        json!({"room": {"name": "general"}, "action": "track_muted", "by": "maria",
            "identity": "alice", "track": "TR_alice"})
    );
    with.ask("PATCH", ALICE, &json!({"name": "Alice B."})).await;
    with.ask("DELETE", ALICE, &Value::Null).await;
    let [updated, left, removed] = told(3).await.try_into().unwrap();
    assert_eq!(updated["data"]["action"], "participant_updated");
    assert_eq!(
        (left["event"].as_str(), left["source"].as_str()),
        (Some("participant_left"), Some("moderation"))
    );
    assert_eq!(left["data"]["participant"]["identity"], "alice");
    assert_eq!(removed["data"]["action"], "participant_removed");
    with.ask("DELETE", ROOM, &Value::Null).await;
    let [left, ended] = told(2).await.try_into().unwrap();
    assert_eq!(left["data"]["participant"]["identity"], "bob");
    assert_eq!(
        ended["data"],
        json!({"room": {"name": "general"}, "action": "room_ended", "by": "maria"})
    );
}

#[tokio::test]
async fn the_feed_tells_nothing_of_hidden_people_and_of_what_was_not_done() {
    let with = Moderated::with(&[], &[joined("alice"), joined("eve").hidden()]).await;
    let mut feed = with.app.feed("?event=moderation").await;
    feed.next_message().await.unwrap();
    let person = |identity: &str| format!("{ROOM}/participants/{identity}");
    with.ask("PATCH", &person("eve"), &json!({"name": "Eve"})).await;
    with.ask("DELETE", &person("eve"), &Value::Null).await;
    with.ask("DELETE", &person("nobody"), &Value::Null).await;
    with.ask("PATCH", ALICE, &json!({"name": "Alice"})).await;
    assert_eq!(feed.next_message().await.unwrap().json()["data"]["identity"], "alice");
}

#[tokio::test]
async fn acts_are_counted_by_what_came_of_them() {
    let with = Moderated::start().await;
    with.ask("PATCH", MICROPHONE, &json!({"muted": true})).await;
    with.ask("PATCH", MICROPHONE, &json!({"muted": false})).await;
    with.ask("DELETE", &format!("{ROOM}/participants/nobody"), &Value::Null).await;
    for (action, outcome) in [
        ("track_muted", "done"),
        ("track_unmuted", "refused"),
        ("participant_removed", "not_found"),
    ] {
        let name = format!("moderation_total{{action=\"{action}\",outcome=\"{outcome}\"}}");
        assert_eq!(with.app.metric(&name).await, 1.0, "{name}");
    }
}

/// The lines of the log that tell of acts, in short.
fn audited(log: &str) -> Vec<String> {
    const FIELDS: [&str; 6] =
        ["by", "action", "room.name", "participant.identity", "track.sid", "outcome"];
    let lines = log.lines().filter(|line| line.contains("a moderator acted on a room"));
    let in_short = |line: &str| {
        let line: Value = serde_json::from_str(line).unwrap();
        FIELDS.map(|field| line[field].as_str().unwrap_or("-").to_owned()).join(" ")
    };
    lines.map(in_short).collect()
}

#[tokio::test]
async fn the_log_has_a_line_of_each_act_also_of_one_that_was_refused_and_no_metadata() {
    let livekit = ScriptedLiveKit::start(PROCESS_KEYS).await;
    let people = [speaker("alice")];
    livekit.list("general", &people);
    let app = Process::start(&[("LIVEKIT_URL", &livekit.url())]).await;
    app.webhooks(people).await;
    let keys = Keys::new(&ApiKey::parse_lines(PROCESS_KEYS).unwrap());
    let exp = Clock::system().now().as_secs() + 60;
    let token = AccessToken::sign("maria", admin_of("general"), exp, &keys).unwrap();
    let bearer = format!("Bearer {token}");
    for (target, body) in
        [(ALICE, json!({"metadata": "private-metadata"})), (MICROPHONE, json!({"muted": false}))]
    {
        let body = body.to_string();
        let length = body.len().to_string();
        let headers = [("Authorization", &*bearer), ("Content-Length", &*length)];
        let mut request = request_head("PATCH", target, &headers);
        request.extend_from_slice(body.as_bytes());
        let mut connection = Connection::open(app.address).await;
        connection.send(&request).await;
        connection.response().await;
    }
    eventually("both lines", async || audited(&app.log()).len() == 2).await;
    assert_eq!(
        audited(&app.log()),
        [
            "maria participant_updated general alice - done",
            "maria track_unmuted general alice TR_alice refused",
        ]
    );
    assert!(!app.log().contains("private-metadata"));
}
