//! What is said of people: fields as LiveKit's webhooks have them, and those that nobody knows yet.

use serde_json::{Value, json};

use crate::conformance::{
    case::{Judged, cases, ensure},
    person::{Person, Track},
    room::Room,
    shown::excerpt,
    webhook::Webhook,
};

cases! {
    Details
    "identity", "livekit_models.proto (ParticipantInfo.identity)",
    "Everybody has their identity." => |room| {
        let alice = room.person("alice");
        field_is(&room, &alice, "/identity", &json!("alice")).await
    }
    "name", "livekit_models.proto (ParticipantInfo.name)",
    "Everybody has their name, which is not their identity." => |room| {
        let alice = room.person("alice").with("name", json!("Alice Liddell"));
        field_is(&room, &alice, "/name", &json!("Alice Liddell")).await
    }
    "no-name", "protojson: what is empty is left out",
    "Where there is no name it is empty." => |room| {
        let alice = room.person("alice").without("name");
        field_is(&room, &alice, "/name", &json!("")).await
    }
    "metadata", "livekit_models.proto (ParticipantInfo.metadata)",
    "Metadata is text, also where it is JSON." => |room| {
        let alice = room.person("alice").with("metadata", json!("{\"team\": \"blue\"}"));
        field_is(&room, &alice, "/metadata", &json!("{\"team\": \"blue\"}")).await
    }
    "attributes", "livekit_models.proto (ParticipantInfo.attributes)",
    "Attributes are shown." => |room| {
        let attributes = json!({"seat": "7", "sip.callStatus": "active"});
        let alice = room.person("alice").with("attributes", attributes.clone());
        field_is(&room, &alice, "/attributes", &attributes).await
    }
    "no-attributes", "protojson: what is empty is left out",
    "Where there are no attributes they are an empty object." => |room| {
        field_is(&room, &room.person("alice"), "/attributes", &json!({})).await
    }
    "empty-attribute", "livekit_models.proto (ParticipantInfo.attributes)",
    "An attribute may be empty." => |room| {
        let alice = room.person("alice").with("attributes", json!({"hand": ""}));
        field_is(&room, &alice, "/attributes", &json!({"hand": ""})).await
    }
    "hundred-attributes", "livekit/livekit pkg/config (limit.max_attributes_size)",
    "There may be many attributes." => |room| {
        let attributes = (0..100).map(|number| (format!("key-{number}"), json!("value")));
        let attributes = Value::Object(attributes.collect());
        let alice = room.person("alice").with("attributes", attributes.clone());
        field_is(&room, &alice, "/attributes", &attributes).await
    }
    "joined-at", "livekit_models.proto (ParticipantInfo.joined_at_ms)",
    "`joinedAt` is in milliseconds." => |room| {
        let alice = room.person("alice");
        field_is(&room, &alice, "/joinedAt", &json!(alice.joined_ms())).await
    }
    "joined-at-in-seconds", "livekit/livekit 1.8",
    "`joinedAt` is in milliseconds also of an older LiveKit, which says it in seconds alone." => |room| {
        let alice = room.person("alice").without("joinedAtMs");
        field_is(&room, &alice, "/joinedAt", &json!(alice.joined_ms() / 1000 * 1000)).await
    }
    "joined-at-as-a-number", "protojson: an integer may be a number or text",
    "The time of joining is read as a number too, though LiveKit writes it as text." => |room| {
        let alice = room.person("alice");
        let alice = alice.clone().with("joinedAtMs", json!(alice.joined_ms()));
        field_is(&room, &alice, "/joinedAt", &json!(alice.joined_ms())).await
    }
    "kind", "livekit_models.proto (ParticipantInfo.Kind)",
    "A person is STANDARD, which LiveKit leaves out." => |room| {
        field_is(&room, &room.person("alice"), "/kind", &json!("STANDARD")).await
    }
    "kind-as-a-number", "protojson: an enum may be a number",
    "A kind that is written as a number is read." => |room| {
        let agent = room.person("agent").with("kind", json!(4));
        field_is(&room, &agent, "/kind", &json!("AGENT")).await
    }
    "unknown-kind", "DESIGN 3.7",
    "Somebody of a kind that nobody knows yet is shown." => |room| {
        is_shown(&room, &room.person("alice").with("kind", json!("HOLOGRAM"))).await
    }
    "unknown-number-of-a-kind", "DESIGN 3.7",
    "Somebody is shown of whose kind LiveKit has a number alone." => |room| {
        is_shown(&room, &room.person("alice").with("kind", json!(99))).await
    }
    "unknown-state", "DESIGN 3.7",
    "Somebody in a state that nobody knows yet is shown." => |room| {
        is_shown(&room, &room.person("alice").with("state", json!("HOVERING"))).await
    }
    "unknown-fields", "DESIGN 3.7",
    "Fields that nobody knows yet are passed over, wherever they are." => |room| {
        let alice = room.person("alice").with("future", json!({"deep": [1, {"x": null}]}));
        let joined = alice.joined().with("future", json!(["x"]));
        room.post(&joined).await?;
        room.shows(&[&alice]).await
    }
    "unknown-capabilities", "livekit_models.proto (ParticipantInfo.capabilities)",
    "Names and numbers that nobody knows yet, among known ones, are passed over." => |room| {
        is_shown(&room, &room.person("alice").with("capabilities", json!(["CAP_PACKET_TRAILER", "CAP_NEW", 77]))).await
    }
    "nulls", "protojson: null is the default",
    "What is null is not there." => |room| {
        let alice = ["metadata", "attributes", "tracks", "kind", "region"]
            .into_iter()
            .fold(room.person("alice"), |alice, field| alice.with(field, Value::Null));
        is_shown(&room, &alice).await
    }
    "not-publishing", "livekit_models.proto (ParticipantInfo.is_publisher)",
    "Who publishes nothing is not a publisher." => |room| {
        field_is(&room, &room.person("alice"), "/isPublisher", &json!(false)).await
    }
    "publishing", "livekit_models.proto (ParticipantInfo.is_publisher)",
    "Who publishes something is a publisher." => |room| {
        published_is(&room, &Track::microphone(), "/isPublisher", &json!(true)).await
    }
    "not-publishing-any-more", "livekit_models.proto (ParticipantInfo.is_publisher)",
    "Who has unpublished everything is not a publisher any more." => |room| {
        let (alice, camera) = (room.person("alice"), Track::camera());
        room.post_all(&[alice.joined(), alice.published(&camera), alice.unpublished(&camera)]).await?;
        shown_is(&room, &alice, "/isPublisher", &json!(false)).await
    }
    "source-of-a-track", "livekit_models.proto (TrackSource)",
    "A track has its source." => |room| {
        published_is(&room, &Track::microphone(), "/tracks/0/source", &json!("MICROPHONE")).await
    }
    "source-as-a-number", "protojson: an enum may be a number",
    "A source that is written as a number is read." => |room| {
        published_is(&room, &Track::camera().with("source", json!(3)), "/tracks/0/source", &json!("SCREEN_SHARE")).await
    }
    "unknown-source", "DESIGN 3.7",
    "A track from somewhere that nobody knows yet is shown." => |room| {
        let track = Track::camera().with("source", json!("HOLODECK"));
        published_is(&room, &track, "/tracks/0/sid", &json!(track.sid())).await
    }
    "type-of-a-track", "livekit_models.proto (TrackType)",
    "A track has its type." => |room| {
        published_is(&room, &Track::camera(), "/tracks/0/type", &json!("VIDEO")).await
    }
    "type-that-is-left-out", "protojson: what is zero is left out",
    "A track without a type is AUDIO, which LiveKit leaves out." => |room| {
        published_is(&room, &Track::microphone(), "/tracks/0/type", &json!("AUDIO")).await
    }
    "name-of-a-track", "livekit_models.proto (TrackInfo.name)",
    "A track has its name." => |room| {
        published_is(&room, &Track::camera().with("name", json!("my camera")), "/tracks/0/name", &json!("my camera")).await
    }
    "muted", "livekit_models.proto (TrackInfo.muted)",
    "A track that was published muted is muted." => |room| {
        published_is(&room, &Track::camera().with("muted", json!(true)), "/tracks/0/muted", &json!(true)).await
    }
    "not-muted", "protojson: what is false is left out",
    "A track that LiveKit does not call muted is not." => |room| {
        published_is(&room, &Track::microphone(), "/tracks/0/muted", &json!(false)).await
    }
    "three-tracks", "DESIGN 3.4",
    "Somebody may publish several tracks, and each is shown." => |room| {
        let (alice, tracks) = (room.person("alice"), [Track::microphone(), Track::camera(), Track::camera()]);
        room.post(&alice.joined()).await?;
        for track in &tracks {
            room.post(&alice.published(track)).await?;
        }
        room.shows_tracks(&alice, &tracks.each_ref().map(Track::sid)).await
    }
    "tracks-of-two", "DESIGN 3.4",
    "Two people publish a track of the same name, and one ends: the other's stays." => |room| {
        let (alice, bob) = (room.person("alice"), room.person("bob"));
        let (hers, his) = (Track::camera(), Track::camera());
        room.post_all(&[alice.joined(), bob.joined(), alice.published(&hers), bob.published(&his)]).await?;
        room.post(&alice.unpublished(&hers)).await?;
        let shown = room.settled().await?;
        ensure(shown.tracks_of(alice.sid()).is_empty() && shown.tracks_of(bob.sid()) == [his.sid()], || {
            "the wrong track is gone".to_owned()
        })
    }
    "hundred-people", "DESIGN 1 (list)",
    "A hundred people are all in the list, in their order." => |room| {
        let people: Vec<Person> = (0..100).map(|number| room.person(&format!("p{number:03}"))).collect();
        room.post_all(&people.iter().map(Person::joined).collect::<Vec<_>>()).await?;
        room.shows_in_order(&people.iter().collect::<Vec<_>>()).await
    }
    "unknown-event", "DESIGN 3.7",
    "An event of a name that nobody knows yet is taken, and changes nothing." => |room| {
        let alice = room.person("alice");
        let unknown = alice.joined().with("event", json!("participant_levitated"));
        room.post(&unknown).await?;
        room.shows(&[]).await
    }
    "egress-event", "livekit_webhook.proto (egress_info)",
    "An event of an egress is taken, and shows nobody." => |room| {
        let info = json!({"egressId": "EG_x", "roomName": room.name(), "status": "EGRESS_ACTIVE"});
        let objects = json!({"egressInfo": info, "room": room.opening().brief()});
        room.post(&Webhook::new("egress_started", room.opening().created_ms, objects)).await?;
        room.shows(&[]).await
    }
    "ingress-event", "livekit_webhook.proto (ingress_info)",
    "An event of an ingress is taken, and shows nobody." => |room| {
        let objects = json!({"ingressInfo": {"ingressId": "IN_x", "roomName": room.name(), "streamKey": "secret"}});
        room.post(&Webhook::new("ingress_started", room.opening().created_ms, objects)).await?;
        room.shows(&[]).await
    }
}

async fn is_shown(room: &Room, person: &Person) -> Judged {
    room.post(&person.joined()).await?;
    room.shows(&[person]).await
}

pub(super) async fn field_is(
    room: &Room,
    person: &Person,
    pointer: &str,
    expected: &Value,
) -> Judged {
    room.post(&person.joined()).await?;
    shown_is(room, person, pointer, expected).await
}

async fn published_is(room: &Room, track: &Track, pointer: &str, expected: &Value) -> Judged {
    let alice = room.person("alice");
    room.post_all(&[alice.joined(), alice.published(track)]).await?;
    shown_is(room, &alice, pointer, expected).await
}

async fn shown_is(room: &Room, person: &Person, pointer: &str, expected: &Value) -> Judged {
    let shown = room.settled().await?;
    let entry = shown.of(person.sid()).ok_or_else(|| "they are not in the list".to_owned())?;
    let found = entry.pointer(pointer).cloned().unwrap_or_default();
    let short = |value: &Value| excerpt(&value.to_string());
    ensure(found == *expected, || {
        format!("{pointer} is {} instead of {}", short(&found), short(expected))
    })
}
