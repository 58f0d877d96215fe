//! Webhooks of a real LiveKit. After each of them the list is what a model says that is independent of this service's own rules.

use std::collections::BTreeMap;

use hyper::body::Bytes;
use serde_json::Value;

use crate::conformance::{
    captured::{rewritten, rooms},
    case::{Case, Judged, ensure},
    group::Group,
    model::Model,
    room::Room,
    shown::Shown,
};

const SOURCE: &str = "livekit-server 1.13.5";

struct Scenario {
    name: &'static str,
    must: &'static str,
    /// One body a line.
    lines: &'static str,
    /// How many webhooks there are.
    webhooks: usize,
    /// How many people are shown at most at the same time. In the end nobody is.
    most: usize,
}

macro_rules! scenarios {
    ($($name:literal $webhooks:literal $most:literal $must:literal)+) => {
        static SCENARIOS: &[Scenario] = &[$(Scenario {
            name: $name,
            must: $must,
            lines: include_str!(concat!("../captured/", $name, ".jsonl")),
            webhooks: $webhooks,
            most: $most,
        },)+];
    };
}

scenarios! {
    "join-one" 4 1 "One person joins, stays, leaves; the room closes."
    "publish-unpublish" 14 2 "Somebody publishes three tracks, ends one, and leaves with the others still published."
    "mute-unmute" 6 1 "A track is muted, of which no webhook tells."
    "killed-client" 10 2 "A client is killed, and its leave comes 20 seconds later."
    "duplicate-identity" 12 1 "Two clients join one after the other under an identity that is present."
    "same-identity-storm" 53 2 "One identity joins 24 times from three places at once."
    "resume" 12 2 "A client resumes, of which no webhook tells, and another fails to, and becomes a new session."
    "full-reconnect" 22 2 "A client that publishes connects anew, in each of the ways that the SDK has."
    "removed-by-api" 10 2 "Somebody is removed by the API and comes back."
    "delete-room" 10 3 "A room is deleted with three people inside."
    "room-reused" 22 2 "A room's name is used again at once, three times, by the same people."
    "hidden-recorder-agent" 30 7 "People of every kind, of whom some must not be shown."
    "created-empty" 6 1 "A room is made by the API, and nobody comes; another is entered just before it closes."
    "unicode" 22 8 "Names, metadata and rooms in all scripts."
    "never-active" 11 1 "Sessions that are never active, and end by an abort."
    "answer-lost" 9 2 "A webhook is taken, its answer is lost, and it comes again."
    "receiver-503" 10 2 "A webhook comes five times before it is taken."
    "crash-memory" 19 4 "LiveKit is killed with three people inside: nobody leaves, and the room begins anew."
    "crash-redis" 19 4 "The same with Redis: the room begins anew under its old sid."
    "data-only" 6 2 "People who publish nothing but data."
}

pub(in crate::conformance) fn cases() -> Vec<Case> {
    let case = |scenario: &'static Scenario| {
        Case::new(Group::Captured, scenario.name, SOURCE, scenario.must, move |room| {
            Box::pin(play(room, scenario))
        })
    };
    SCENARIOS.iter().map(case).collect()
}

async fn play(room: Room, scenario: &Scenario) -> Judged {
    let suffix = format!("-{}", room.name());
    let events = rewritten(scenario.lines, &suffix, room.target().now_secs());
    ensure(events.len() == scenario.webhooks, || format!("{} webhooks were read", events.len()))?;
    let rooms: BTreeMap<_, _> =
        rooms(&events).into_iter().map(|name| (name, room.named(name))).collect();
    let mut models: BTreeMap<&str, Model> = BTreeMap::new();
    let mut most = 0;
    for (number, event) in events.iter().enumerate() {
        let name = event["room"]["name"].as_str().unwrap_or_default();
        let Some(played) = rooms.get(name) else { continue };
        played.post_body(Bytes::from(event.to_string())).await?;
        models.entry(name).or_default().apply(event);
        is_as_in(played, &models[name])
            .await
            .map_err(|shown| after(number, event, &models[name], &shown))?;
        most = most.max(models.values().map(|model| model.visible().len()).sum());
    }
    let last: usize = models.values().map(|model| model.visible().len()).sum();
    ensure((most, last) == (scenario.most, 0), || {
        format!("there were {most} people at most, and {last} in the end")
    })
}

async fn is_as_in(room: &Room, model: &Model) -> Judged {
    let expected = model.visible();
    let is_so = |shown: &Shown| {
        let sids = expected.keys().all(|sid| shown.has(sid)) && shown.len() == expected.len();
        let tracks = |(sid, tracks): (&&str, &Vec<&str>)| {
            let mut shown = shown.tracks_of(sid);
            shown.sort_unstable();
            shown == *tracks
        };
        sids && expected.iter().all(tracks)
    };
    room.shown_when(is_so).await.map(|_| ())
}

fn after(number: usize, event: &Value, model: &Model, shown: &str) -> String {
    let expected: Vec<_> = model.visible().into_keys().collect();
    let event = event["event"].as_str().unwrap_or_default();
    format!("after webhook {} ({event}) {shown} instead of [{}]", number + 1, expected.join(", "))
}
