//! What a real LiveKit keeps in Redis, beside what it lists. With `LIVEKIT_CAPTURE=1` the values are written to
//! `tests/fixtures/livekit-redis`, where `kept_values.rs` reads them.

use serde_json::{Value, json};

use crate::{
    harness::{Reply, patiently},
    kept_values::{KeptValues, Moment},
};

use super::scenario::{Client, Guest, Key, Plan, ROOM, Scenario, Source, sign};

#[tokio::test]
async fn livekit_keeps_in_redis_what_it_lists() {
    let plan = Plan { redis: true, ..Plan::named("what LiveKit keeps in Redis") };
    let Some(scenario) = plan.start().await else { return };
    let version = scenario.livekit.version;
    let host = host(&scenario).await;
    let microphone = host.publish(Source::Microphone).await;
    let camera = host.publish(Source::Camera).await;
    host.publish(Source::ScreenShare).await;
    host.mute(&camera, true).await;
    host.until_muted(&camera, true).await;
    let mut moments = vec![
        moment(&scenario, "three tracks, one muted", |list| {
            list.as_array()
                .is_some_and(|all| all[0]["tracks"].as_array().is_some_and(|all| all.len() == 3))
        })
        .await,
    ];
    let _others = special_guests(&scenario).await;
    if version.has_data_tracks() {
        host.publish_data("telemetry").await;
    }
    scenario.api().update_room_metadata(ROOM, "{\"topic\":\"Größe\"}").await.done();
    scenario.api().mute_track(ROOM, "host", &microphone, true).await.done();
    moments.push(
        moment(&scenario, "all kinds of people", |list| list.as_array().unwrap().len() == 5).await,
    );
    let update = json!({
        "name": "Zoë", "metadata": "", "attributes": {"hand": ""},
        "permission": {"can_subscribe": true, "can_publish": true, "hidden": true},
    });
    scenario.api().update_participant(ROOM, "host", update).await.done();
    moments.push(moment(&scenario, "after an update that hides", |_| true).await);
    for moment in &moments {
        moment.check();
    }
    if std::env::var("LIVEKIT_CAPTURE").as_deref() == Ok("1") {
        KeptValues { version: version.to_string(), moments }.capture();
    }
}

/// Somebody with all that a participant can have.
async fn host(scenario: &Scenario) -> Client {
    let attributes = [("hand", "up"), ("leer", ""), ("größe", "1,80 m")];
    let attributes = attributes.map(|(name, value)| (name.to_owned(), value.to_owned()));
    let guest = Guest {
        name: "Zoë 🎧".to_owned(),
        metadata: "{\"team\":\"blue\"}".to_owned(),
        attributes: attributes.to_vec(),
        ..Scenario::guest("host")
    };
    scenario.join_as(guest).await
}

/// Somebody of each other kind: hidden, a recorder, an agent, and one who may publish only some sources.
async fn special_guests(scenario: &Scenario) -> Vec<Client> {
    let driver = scenario.new_driver().await;
    let grants = [
        ("hidden", json!({"hidden": true})),
        ("recorder", json!({"recorder": true, "hidden": true})),
        ("agent", json!({"agent": true})),
        (
            "speaker",
            json!({"canPublishSources": ["microphone"], "canSubscribeMetrics": true, "canPublishData": false}),
        ),
    ];
    let mut guests = Vec::new();
    for (identity, mut video) in grants {
        video["roomJoin"] = json!(true);
        video["room"] = json!(ROOM);
        let mut claims = json!({"sub": identity, "video": video});
        if identity == "agent" {
            claims["kind"] = json!("agent");
            claims["kindDetails"] = json!(["cloud_agent", "forwarded"]);
        }
        let token = sign(Key::First, claims);
        let url = scenario.livekit.url();
        let guest = Scenario::guest(identity);
        guests.push(Client::join_with(&driver, &url, &token, &guest).await.unwrap().0);
    }
    guests
}

/// The room once LiveKit lists it as `settled` says. LiveKit may change it at any time, so both are read until the list before
/// and the one after agree.
async fn moment(scenario: &Scenario, what: &str, settled: impl Fn(&Value) -> bool) -> Moment {
    let mut read = None;
    patiently(what, async || {
        let before = scenario.api().list_participants(ROOM).await.done().body;
        let moment = read_redis(scenario, what).await;
        let is_settled =
            settled(&moment.list["participants"]) && by_sid(&before) == by_sid(&moment.list);
        read = is_settled.then_some(moment);
        is_settled
    })
    .await;
    read.unwrap()
}

async fn read_redis(scenario: &Scenario, what: &str) -> Moment {
    let redis = scenario.redis.as_ref().unwrap();
    let Reply::List(fields) = redis.ask(&["HGETALL", &format!("room_participants:{ROOM}")]).await
    else {
        panic!("no hash")
    };
    let participants = fields.chunks(2).map(|pair| (pair[0].text(), bytes(&pair[1])));
    let rooms = scenario.api().list_rooms().await.done().body;
    Moment {
        what: what.to_owned(),
        participants: participants.collect(),
        room: bytes(&redis.ask(&["HGET", "rooms", ROOM]).await),
        listed_room: rooms["rooms"][0].clone(),
        list: scenario.api().list_participants(ROOM).await.done().body,
    }
}

fn by_sid(list: &Value) -> Vec<Value> {
    let mut people = list["participants"].as_array().cloned().unwrap_or_default();
    people.sort_by_key(|one| one["sid"].as_str().unwrap().to_owned());
    people
}

fn bytes(reply: &Reply) -> Vec<u8> {
    match reply {
        Reply::Bytes(bytes) => bytes.clone(),
        other => panic!("no bytes: {other:?}"),
    }
}
