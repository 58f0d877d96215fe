//! How a roster is merged, and what a change of it writes.

use std::sync::Arc;

use serde_json::json;

use super::{
    edit::{CollectionEdit, MAX_ENTRIES, Preconditions, RosterEdit, Tags},
    entry::RosterStatus,
    error::RosterError,
    view::RosterView,
};
use crate::{
    history::{ReadRoster, Rfc3339, RosterRow, RosterRows, Stayed},
    livekit::Roles,
    presence::Participant,
};

const NOW: i64 = 1_800_000_000_000;
const LINES: &str = "host: publish subscribe\nspeaker: microphone subscribe\nviewer: subscribe";

fn roles() -> Arc<Roles> {
    Arc::new(Roles::parse(LINES, "viewer").unwrap())
}

fn row(identity: &str, since: i64) -> RosterRow {
    RosterRow {
        identity: identity.to_owned(),
        role: "speaker".to_owned(),
        can_speak: None,
        can_video: None,
        note: None,
        invited: true,
        since,
        version: 7,
    }
}

fn stayed(joined_at: i64, left_at: Option<i64>) -> Stayed {
    Stayed { name: "Name".to_owned(), joined_at, left_at }
}

fn person(identity: &str, kind: &str, joined_at: i64) -> Participant {
    serde_json::from_value(json!({
        "sid": format!("PA_{identity}"), "identity": identity, "name": "Name", "metadata": "",
        "attributes": {}, "kind": kind, "joinedAt": joined_at, "tracks": [],
    }))
    .unwrap()
}

fn read(rows: &[RosterRow], stays: &[(&str, Stayed)]) -> ReadRoster {
    let stays = stays.iter().map(|(identity, stayed)| ((*identity).to_owned(), stayed.clone()));
    ReadRoster { rows: rows.to_vec(), stays: stays.collect() }
}

fn edit(json: serde_json::Value) -> RosterEdit {
    serde_json::from_value(json).unwrap()
}

#[test]
fn whether_somebody_is_there_follows_from_the_list_and_the_history() {
    use RosterStatus::{Invited, Joined, Left};
    let uninvited = RosterRow { invited: false, ..row("a", NOW) };
    let inside = || Some(person("a", "STANDARD", NOW + 5));
    let agent = || Some(person("a", "AGENT", NOW + 5));
    let before = stayed(NOW - 9_000, Some(NOW - 5_000));
    let over_it = stayed(NOW - 9_000, Some(NOW + 5_000));
    let open = stayed(NOW + 1, None);
    // What is written, who is inside, the last stay; the status, since when, until when.
    let cases = [
        (Some(row("a", NOW)), None, None, Some((Invited, None, None))),
        (Some(row("a", NOW)), inside(), None, Some((Joined, Some(5), None))),
        (Some(row("a", NOW)), inside(), Some(over_it.clone()), Some((Joined, Some(5), None))),
        (Some(row("a", NOW)), agent(), None, Some((Joined, Some(5), None))),
        (Some(row("a", NOW)), None, Some(before.clone()), Some((Invited, None, None))),
        (Some(row("a", NOW)), None, Some(over_it), Some((Left, Some(-9_000), Some(5_000)))),
        (Some(row("a", NOW)), None, Some(open), Some((Left, Some(1), None))),
        (Some(uninvited.clone()), None, None, Some((Left, None, None))),
        (Some(uninvited), inside(), None, Some((Joined, Some(5), None))),
        (None, inside(), None, Some((Joined, Some(5), None))),
        (None, None, Some(before), Some((Left, Some(-9_000), Some(-5_000)))),
        (None, agent(), None, None),
        (None, None, None, None),
    ];
    for (row, inside, stay, expected) in cases {
        let stays: Vec<_> = stay.iter().map(|stay| ("a", stay.clone())).collect();
        let rows: Vec<_> = row.clone().into_iter().collect();
        let view = RosterView::new(roles(), read(&rows, &stays), inside.as_slice());
        let entry = view.entry("a");
        let since = |time: Option<Rfc3339>| time.map(|Rfc3339(at)| at - NOW);
        let found = entry
            .as_ref()
            .map(|entry| (entry.status, since(entry.joined_at), since(entry.left_at)));
        assert_eq!(found, expected, "{row:?} {inside:?} {stay:?}");
        assert_eq!(view.entries(), entry.into_iter().collect::<Vec<_>>());
    }
}

#[test]
fn an_entry_has_the_rights_of_its_role_unless_a_moderator_said_otherwise() {
    let of = |role: &str, can_speak, can_video| {
        let row = RosterRow { role: role.to_owned(), can_speak, can_video, ..row("a", NOW) };
        let entry = RosterView::new(roles(), read(&[row], &[]), []).entry("a").unwrap();
        (entry.role, entry.can_speak, entry.can_video)
    };
    assert_eq!(of("host", None, None), ("host".into(), true, true));
    assert_eq!(of("host", Some(false), None), ("host".into(), false, true));
    assert_eq!(of("speaker", None, Some(true)), ("speaker".into(), true, true));
    assert_eq!(of("viewer", Some(true), None), ("viewer".into(), true, false));
    let gone = of("a role that is no longer configured", None, None);
    assert_eq!((gone.1, gone.2), (false, false), "it grants what the default role does");
    let uninvited = [person("a", "STANDARD", NOW)];
    let entry = RosterView::new(roles(), read(&[], &[]), &uninvited).entry("a").unwrap();
    assert_eq!((&*entry.role, entry.invited, &*entry.version), ("viewer", false, "0"));
    assert_eq!((entry.invited_at, &*entry.name), (None, "Name"));
}

#[test]
fn who_was_seen_leaving_has_left_until_the_history_knows_better() {
    let alice = [person("alice", "STANDARD", NOW)];
    let mut view = RosterView::new(roles(), read(&[], &[]), &alice);
    let change = view.set_inside([], NOW + 10_000);
    assert!(change.touched.contains("alice") && change.is_history);
    let left_at = |view: &RosterView| view.entry("alice").unwrap().left_at.unwrap().0 - NOW;
    assert_eq!(left_at(&view), 10_000);
    // It is behind: it knows nothing, or that she is inside.
    for behind in [read(&[], &[]), read(&[], &[("alice", stayed(NOW, None))])] {
        assert!(view.set_read(behind, NOW + 11_000).is_empty());
        assert_eq!(left_at(&view), 10_000);
    }
    let exact = read(&[], &[("alice", stayed(NOW, Some(NOW + 9_500)))]);
    assert!(view.set_read(exact, NOW + 12_000).contains("alice"));
    assert_eq!(left_at(&view), 9_500);
    // She was erased.
    assert!(view.set_read(read(&[], &[]), NOW + 13_000).contains("alice"));
    assert_eq!(view.entry("alice"), None);
}

#[test]
fn what_was_seen_is_forgotten_if_the_history_never_has_it() {
    let alice = [person("alice", "STANDARD", NOW)];
    let mut view = RosterView::new(roles(), read(&[], &[]), &alice);
    view.set_inside([], NOW);
    view.set_read(read(&[], &[]), NOW + 59_000);
    assert!(view.entry("alice").is_some());
    view.set_read(read(&[], &[]), NOW + 61_000);
    assert_eq!(view.entry("alice"), None);
}

#[test]
fn an_agent_that_leaves_was_never_in_the_roster() {
    let agent = [person("agent", "AGENT", NOW)];
    let mut view = RosterView::new(roles(), read(&[], &[]), &agent);
    view.set_inside([], NOW + 1_000);
    assert_eq!(view.entries(), []);
}

#[test]
fn put_replaces_and_patch_merges_and_null_is_what_was_never_said() {
    let before = RosterRow { can_speak: Some(true), note: Some("first".into()), ..row("a", NOW) };
    let put = |json| edit(json).put("a", Some(&before), &roles(), NOW + 1).unwrap();
    let patch = |json| edit(json).patch(&before, &roles()).unwrap();
    let plain = RosterRow { role: "viewer".into(), ..row("a", NOW) };
    assert_eq!(put(json!({})), plain, "the invitation stays");
    assert_eq!(put(json!({"note": ""})), plain);
    assert_eq!(patch(json!({})), before);
    let no_note = RosterRow { note: None, ..before.clone() };
    assert_eq!(patch(json!({"note": null})), no_note);
    let host = RosterRow { role: "host".into(), can_speak: None, ..before.clone() };
    assert_eq!(patch(json!({"role": "host", "canSpeak": null})), host);
    assert_eq!(patch(json!({"role": null})).role, "viewer");
    let came = edit(json!({"canVideo": true})).of_uninvited("a", &roles(), NOW).unwrap();
    assert_eq!((came.invited, came.can_video), (false, Some(true)));
    let invited = edit(json!({})).put("a", Some(&came), &roles(), NOW + 5).unwrap();
    assert_eq!((invited.invited, invited.since), (true, NOW + 5));
}

#[test]
fn what_is_no_change_of_a_roster_is_refused() {
    let put = |identity: &str, json| edit(json).put(identity, None, &roles(), NOW);
    let RosterError::Invalid(detail) = put("a", json!({"role": "king"})).unwrap_err() else {
        panic!("there is no such role")
    };
    assert!(detail.contains("host, speaker, viewer"), "{detail}");
    assert!(put("a", json!({"note": "x".repeat(1_000)})).is_ok());
    assert!(put("a", json!({"note": "x".repeat(1_001)})).is_err());
    for identity in ["", "a\0b", &"x".repeat(1_025)] {
        assert!(put(identity, json!({})).is_err(), "{identity:?}");
    }
    assert!(put(&"x".repeat(1_024), json!({})).is_ok());
    let unknown = serde_json::from_value::<RosterEdit>(json!({"rôle": "host"}));
    assert!(unknown.unwrap_err().to_string().contains("rôle"));
}

#[test]
fn a_collection_replaces_or_merges_and_writes_only_what_is_different() {
    let before = RosterRows { rows: vec![row("a", NOW), row("b", NOW), row("c", NOW)], count: 3 };
    let edits = || CollectionEdit {
        entries: vec![
            ("a".to_owned(), edit(json!({"role": "speaker"}))),
            ("b".to_owned(), edit(json!({"role": "host"}))),
            ("d".to_owned(), edit(json!({}))),
        ],
    };
    let put = edits().put(&before, &roles(), NOW + 1).unwrap();
    let written = |rows: &[RosterRow]| {
        rows.iter().map(|row| (row.identity.clone(), row.role.clone())).collect::<Vec<_>>()
    };
    let expected = [("b".into(), "host".into()), ("d".into(), "viewer".into())];
    assert_eq!((written(&put.put), put.removed), (expected.to_vec(), vec!["c".to_owned()]));
    let patch = edits().patch(&before, &roles(), NOW + 1).unwrap();
    assert_eq!((written(&patch.put), patch.removed), (expected.to_vec(), Vec::<String>::new()));
}

#[test]
fn a_roster_has_a_bound() {
    let many = |count: usize| CollectionEdit {
        entries: (0..count).map(|nth| (nth.to_string(), RosterEdit::default())).collect(),
    };
    let empty = RosterRows::default();
    assert!(many(MAX_ENTRIES).put(&empty, &roles(), NOW).is_ok());
    assert!(matches!(many(MAX_ENTRIES + 1).put(&empty, &roles(), NOW), Err(RosterError::Full)));
    let full = RosterRows {
        rows: (0..MAX_ENTRIES).map(|nth| row(&format!("x{nth}"), NOW)).collect(),
        count: MAX_ENTRIES,
    };
    assert!(many(5).put(&full, &roles(), NOW).is_ok(), "the others make room");
    assert!(matches!(many(1).patch(&full, &roles(), NOW), Err(RosterError::Full)));
}

#[test]
fn preconditions_are_about_what_moderators_wrote() {
    let written = row("a", NOW);
    let these = |tags: &[&str]| Some(Tags::These(tags.iter().map(ToString::to_string).collect()));
    // If-Match, If-None-Match; whether they hold for a row, for somebody inside, and for nobody.
    let cases = [
        (None, None, [true, true, true]),
        (these(&["7"]), None, [true, false, false]),
        (these(&["6", "7"]), None, [true, false, false]),
        (these(&["0"]), None, [false, true, true]),
        (Some(Tags::Any), None, [true, true, false]),
        (None, Some(Tags::Any), [false, true, true]),
        (None, these(&["7"]), [false, true, true]),
        (these(&[]), None, [false, false, false]),
    ];
    for (if_match, if_none_match, expected) in cases {
        let preconditions = Preconditions { if_match, if_none_match };
        let holds = [(Some(&written), false), (None, true), (None, false)]
            .map(|(row, is_inside)| preconditions.hold(row, is_inside));
        assert_eq!(holds, expected, "{preconditions:?}");
    }
}

#[test]
fn what_differs_is_touched_and_nothing_else() {
    let alice = person("alice", "STANDARD", NOW);
    let mut view = RosterView::new(roles(), read(&[row("bob", NOW)], &[]), [&alice]);
    assert!(view.set_inside([&alice], NOW).touched.is_empty());
    assert!(view.set_read(read(&[row("bob", NOW)], &[]), NOW).is_empty());
    let other = RosterRow { version: 8, ..row("bob", NOW) };
    let touched = view.set_read(read(&[other, row("carol", NOW)], &[]), NOW);
    assert_eq!(Vec::from_iter(touched), ["bob", "carol"]);
}
