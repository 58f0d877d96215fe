//! What the routes of the history answer, who may ask them, and what they refuse.

mod pages;
mod rights;
mod slow;

use livekit_presence::{history::Database, livekit::VideoGrant};
use serde_json::{Value, json};

use crate::{
    harness::{
        PROCESS_KEYS, RedisServer, Response, TestApp, TestDatabase, joined, published, started,
    },
    history::past::{self, PastSession, insert, insert_instance},
};

/// The app with a past, and where the past is kept.
struct WithPast {
    app: TestApp,
    database: Database,
    _kind: TestDatabase,
}

const MINUTE: i64 = 60_000;
/// The first of January 2100. What ends so late is not deleted as having been kept long enough, and no test is in its way.
const DAY: i64 = 4_102_444_800_000;
/// The range with everything that these tests make up.
const ON_THE_DAY: &str = "from=2100-01-01&to=2100-01-02";

/// A session on the day, from one time of it to another.
fn past(sid: &str, room: &str, identity: &str, from: i64, to: Option<i64>) -> PastSession {
    past::past(sid, room, identity, DAY + from, to.map(|to| DAY + to))
}

/// A life of a room on the day.
async fn life(with: &WithPast, sid: &str, room: &str, from: i64, to: Option<i64>) {
    insert_instance(&with.database, sid, room, DAY + from, to.map(|to| DAY + to)).await;
}

impl WithPast {
    async fn of(sessions: &[PastSession]) -> Self {
        Self::on(TestDatabase::sqlite(), sessions).await
    }

    async fn on_postgres(sessions: &[PastSession]) -> Self {
        Self::on(TestDatabase::postgres().await, sessions).await
    }

    async fn on(kind: TestDatabase, sessions: &[PastSession]) -> Self {
        let database = kind.connect().await;
        insert(&database, sessions).await;
        let app = TestApp::with(&[("HISTORY_URL", &kind.url())]).await;
        Self { app, database, _kind: kind }
    }

    async fn get(&self, target: &str) -> Response {
        let response = self.app.get_as_operator(&format!("/api/livekit/{target}")).await;
        assert_eq!(response.status, 200, "{target}: {}", response.text());
        assert_eq!(response.header("cache-control"), "no-store");
        response
    }

    async fn json(&self, target: &str) -> Value {
        let response = self.get(target).await;
        assert_eq!(response.header("content-type"), "application/json");
        response.json()
    }
}

#[tokio::test]
async fn attendance_says_who_was_in_a_room_and_for_how_long() {
    let alice = past("PA_1", "a/b %?", "alice", 0, Some(20 * MINUTE))
        .in_instance("RM_1")
        .with_microphone(DAY + 5 * MINUTE, Some(DAY + 15 * MINUTE));
    let with = WithPast::of(&[alice, past("PA_2", "a/b", "bob", 0, Some(MINUTE))]).await;
    let answer = with
        .json("rooms/a%2Fb%20%25%3F/attendance?from=4102445400000&to=2100-01-01T02:00:00%2B01:00")
        .await;
    assert_eq!(
        answer,
        json!({
            "room": "a/b %?",
            "from": "2100-01-01T00:10:00.000Z", "fromMs": DAY + 600_000,
            "to": "2100-01-01T01:00:00.000Z", "toMs": DAY + 3_600_000,
            "people": [{
                "identity": "alice", "name": "ALICE", "kind": "STANDARD",
                "firstJoinedAt": "2100-01-01T00:00:00.000Z", "firstJoinedAtMs": DAY,
                "lastLeftAt": "2100-01-01T00:20:00.000Z", "lastLeftAtMs": DAY + 1_200_000,
                "isInside": false, "durationMs": 600_000,
                "microphoneMs": 300_000, "cameraMs": 0, "screenMs": 0, "exact": true,
                "sessions": [{
                    "sid": "PA_1", "instance": "RM_1",
                    "joinedAt": "2100-01-01T00:00:00.000Z", "joinedAtMs": DAY,
                    "leftAt": "2100-01-01T00:20:00.000Z", "leftAtMs": DAY + 1_200_000,
                    "durationMs": 600_000, "exact": true, "reason": null, "source": "webhook",
                    "intervals": [[DAY + 600_000, DAY + 1_200_000]], "microphone": [[DAY + 600_000, DAY + 900_000]],
                    "camera": [], "screen": [],
                }],
            }],
        })
    );
    let nobody = with.json("rooms/nowhere/attendance").await;
    assert_eq!((&nobody["people"], nobody.get("next")), (&json!([]), None));
}

#[tokio::test]
async fn attendance_by_instance_has_the_people_of_each_life_of_the_room() {
    let sessions: Vec<_> = (0..5)
        .map(|nth| {
            let instance = if nth < 3 { "RM_1" } else { "RM_2" };
            let identity = format!("person-{nth}");
            past(&format!("PA_{nth}"), "general", &identity, nth * 1_000, Some(nth * 1_000 + 5_000))
                .in_instance(instance)
        })
        .collect();
    let with = WithPast::of(&sessions).await;
    life(&with, "RM_1", "general", 0, Some(9_000)).await;
    life(&with, "RM_2", "general", 3_000, None).await;
    let mut target = format!("rooms/general/attendance?by=instance&{ON_THE_DAY}&limit=2");
    let mut pages = Vec::new();
    loop {
        let page = with.json(&target).await;
        let instances = page["instances"].as_array().unwrap().iter().map(|instance| {
            let people = instance["people"].as_array().unwrap().iter();
            let people = people.map(|person| person["identity"].as_str().unwrap().to_owned());
            (instance["sid"].as_str().unwrap().to_owned(), people.collect::<Vec<_>>())
        });
        pages.push(instances.collect::<Vec<_>>());
        let Some(next) = page["next"].as_str() else { break };
        target = format!("rooms/general/attendance?by=instance&limit=2&cursor={next}");
    }
    let expected = json!([
        [["RM_1", ["person-0", "person-1"]]],
        [["RM_1", ["person-2"]], ["RM_2", ["person-3"]]],
        [["RM_2", ["person-4"]]],
    ]);
    assert_eq!(json!(pages), expected);
    let first = with.json(&format!("rooms/general/attendance?by=instance&{ON_THE_DAY}")).await;
    let first = &first["instances"][0];
    assert_eq!((&first["endedAtMs"], &first["peak"]), (&json!(DAY + 9_000), &json!(3)));
}

#[tokio::test]
async fn a_life_of_a_room_that_has_ended_says_when() {
    let with = WithPast::of(&[]).await;
    life(&with, "RM_1", "ended", 1_000, Some(9_000)).await;
    let ended = &with.json(&format!("sessions?{ON_THE_DAY}&room=ended")).await["sessions"][0];
    assert_eq!(ended["endedAt"], "2100-01-01T00:00:09.000Z");
    assert_eq!(ended["endedAtMs"], json!(DAY + 9_000));
}

#[tokio::test]
async fn sessions_have_the_field_names_of_livekit_cloud() {
    let sessions = [
        past("PA_1", "general", "alice", 1_000, Some(5_000)).in_instance("RM_1"),
        past("PA_2", "general", "alice", 6_000, None)
            .in_instance("RM_1")
            .with_microphone(DAY + 6_000, None),
        past("PA_3", "general", "bob", 2_000, Some(3_000)).in_instance("RM_1"),
    ];
    let with = WithPast::of(&sessions).await;
    life(&with, "RM_1", "general", 1_000, None).await;
    let list = with.json(&format!("sessions?{ON_THE_DAY}&room=general")).await;
    let session = &list["sessions"][0];
    assert_eq!((&session["sessionId"], &session["roomName"]), (&json!("RM_1"), &json!("general")));
    assert_eq!(session["createdAt"], "2100-01-01T00:00:01.000Z");
    assert_eq!((&session["startTimeMs"], &session["endTime"]), (&json!(DAY + 1_000), &json!(null)));
    assert_eq!(
        (&session["numParticipants"], &session["numActiveParticipants"]),
        (&json!(2), &json!(1))
    );
    assert_eq!(
        with.json(&format!("sessions?{ON_THE_DAY}&room=other")).await["sessions"],
        json!([])
    );

    assert_eq!((&session["endedAt"], &session["endedAtMs"]), (&json!(null), &json!(null)));

    let one = with.json("sessions/RM_1?limit=1").await;
    assert_eq!(
        (&one["roomId"], &one["roomName"], &one["peak"]),
        (&json!("RM_1"), &json!("general"), &json!(2))
    );
    let alice = &one["participants"][0];
    assert_eq!(alice["participantIdentity"], "alice");
    assert_eq!((&alice["isActive"], &alice["leftAt"]), (&json!(true), &json!(null)));
    assert_eq!(alice["sessions"][0]["sessionId"], "PA_1");
    assert_eq!(
        alice["publishedSources"],
        json!({"microphoneTrack": true, "cameraTrack": false, "screenShareTrack": false})
    );
    let next = one["next"].as_str().unwrap();
    let rest = with.json(&format!("sessions/RM_1?{ON_THE_DAY}&cursor={next}")).await;
    assert_eq!(rest["participants"][0]["participantIdentity"], "bob");
    assert_eq!(with.json("sessions/RM_none").await["participants"], json!([]));
}

#[tokio::test]
async fn a_person_is_where_the_lists_say_and_was_where_the_history_says() {
    let with = WithPast::of(&[past("PA_0", "other", "alice/1", 1_000, Some(2_000))]).await;
    with.app.webhook(started()).await;
    with.app.webhook(joined("alice/1")).await;
    with.app.webhook(published("alice/1", "TR_1")).await;
    let answer = with.json(&format!("people/alice%2F1?{ON_THE_DAY}")).await;
    assert_eq!(answer["identity"], "alice/1");
    let now = &answer["now"][0];
    assert_eq!((&now["room"], &now["sid"]), (&json!("general"), &json!("PA_alice/1")));
    assert_eq!(now["kind"], "STANDARD");
    assert_eq!(answer["sessions"][0]["room"], "other");
    assert_eq!(answer["sessions"][0]["intervals"], json!([[DAY + 1_000, DAY + 2_000]]));
    let tomorrow = with.json("people/alice%2F1?from=2101-01-01&to=2101-01-02").await;
    assert_eq!((&tomorrow["now"], &tomorrow["sessions"]), (&answer["now"], &json!([])));
    let nobody = with.json("people/nobody").await;
    assert_eq!(nobody, json!({"identity": "nobody", "name": "", "now": [], "sessions": []}));
}

#[tokio::test]
async fn somebody_with_several_devices_is_in_several_rooms_and_once_in_each() {
    let with = WithPast::of(&[]).await;
    with.app.webhook(joined("alice").sid("PA_phone")).await;
    with.app.webhook(joined("alice").sid("PA_laptop").room("other")).await;
    with.app.webhook(joined("alice").sid("PA_tablet")).await;
    let answer = with.json("people/alice").await;
    let now: Vec<_> =
        answer["now"].as_array().unwrap().iter().map(|one| [&one["room"], &one["sid"]]).collect();
    assert_eq!(json!(now), json!([["general", "PA_tablet"], ["other", "PA_laptop"]]));
}

#[tokio::test]
async fn analytics_count_people_by_the_hour_or_the_day() {
    let hour = 60 * MINUTE;
    let sessions = [
        past("PA_1", "general", "alice", 30 * MINUTE, Some(90 * MINUTE)),
        past("PA_2", "general", "bob", 45 * MINUTE, Some(60 * MINUTE)),
    ];
    let with = WithPast::of(&sessions).await;
    let answer = with.json(&format!("analytics?by=hour&{ON_THE_DAY}")).await;
    assert_eq!((&answer["by"], &answer["toMs"]), (&json!("hour"), &json!(DAY + 24 * hour)));
    assert_eq!(
        answer["rows"],
        json!([
            {"room": "general", "start": "2100-01-01T00:00:00.000Z", "startMs": DAY, "people": 2, "sessions": 2,
             "minutes": 45.0, "peak": 2, "averageStayMs": 1_350_000},
            {"room": "general", "start": "2100-01-01T01:00:00.000Z", "startMs": DAY + hour, "people": 1, "sessions": 1,
             "minutes": 30.0, "peak": 1, "averageStayMs": 1_800_000},
        ])
    );
    let day = with.json(&format!("analytics?{ON_THE_DAY}")).await;
    assert_eq!((&day["by"], day["rows"].as_array().unwrap().len()), (&json!("day"), 1));
}

#[tokio::test]
async fn where_a_person_was_is_told_also_while_the_store_is_away() {
    let kind = TestDatabase::sqlite();
    let database = kind.connect().await;
    insert(&database, &[past("PA_1", "general", "alice", 1_000, None)]).await;
    let mut redis = RedisServer::start().await;
    let settings = [("HISTORY_URL", &*kind.url())];
    let app = TestApp::on(Some(&redis), &settings, PROCESS_KEYS).await;
    let target = format!("/api/livekit/people/alice?{ON_THE_DAY}");
    assert_eq!(app.get_as_operator(&target).await.json()["now"], json!([]));
    redis.kill().await;
    let answer = app.get_as_operator(&target).await.json();
    assert_eq!((&answer["now"], &answer["sessions"][0]["sid"]), (&json!(null), &json!("PA_1")));
}
