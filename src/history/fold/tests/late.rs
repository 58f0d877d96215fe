//! What comes late, after a guess or after an end.

use super::*;
use crate::history::{fold::session::MAX_SPANS, row::Span};

/// Somebody in a life, shown by a webhook of their own.
fn shown_in(life: &str, sid: &str, joined_at: i64, at: i64) -> Record {
    let mut record = shown(sid, joined_at, NOTHING, at);
    if let Record::Shown(shown) = &mut record {
        shown.stay.room_sid = Some(RoomSid::new(life));
    }
    record
}

#[test]
fn somebody_who_is_shown_clearly_after_the_end_of_a_life_says_that_it_goes_on() {
    for told_by in [ToldBy::Comparison, ToldBy::Webhook] {
        let mut fixture = Fixture::default();
        fixture.opened("RM_1", 1_000).add(shown_in("RM_1", "PA_1", 2_000, 2_100));
        fixture.closed("RM_1", 9_000, told_by);
        fixture.add(shown_in("RM_1", "PA_1", 2_000, 11_000));
        assert_eq!(fixture.instance("RM_1").finished_at, Some(9_000), "it may have been overtaken");
        fixture.add(shown_in("RM_1", "PA_1", 2_000, 11_001));
        assert_eq!(fixture.instance("RM_1").finished_at, None, "{told_by:?}");
        fixture.closed("RM_1", 60_000, ToldBy::Webhook);
        let row = fixture.instance("RM_1");
        assert_eq!((row.finished_at, row.exact), (Some(60_000), true));
    }
}

#[test]
fn an_end_that_comes_after_the_next_start_of_the_same_life_does_not_end_it() {
    let mut fixture = Fixture::default();
    fixture.in_life("RM_1", 1_000).opened("RM_1", 1_000).opened("RM_1", 10_000);
    fixture.add(shown_in("RM_1", "PA_1", 10_200, 10_300));
    // The room goes on by its rules, as its item says.
    fixture.closed("RM_1", 10_500, ToldBy::Webhook);
    assert_eq!(fixture.instance("RM_1").finished_at, None);
    fixture.opening = None;
    fixture.closed("RM_1", 60_000, ToldBy::Webhook);
    let row = fixture.instance("RM_1");
    assert_eq!((row.finished_at, row.exact), (Some(60_000), true));
}

#[test]
fn the_late_end_of_an_unknown_life_does_not_end_the_one_that_goes_on() {
    let mut fixture = Fixture::default();
    fixture.opened("RM_2", 5_000).closed("RM_1", 5_300, ToldBy::Webhook);
    assert_eq!(fixture.instance("RM_2").finished_at, None);
    let row = fixture.instance("RM_1");
    assert_eq!((row.finished_at, row.exact), (Some(5_300), true));
    assert_eq!(row.reason.as_deref(), Some("DELETED"));
}

#[test]
fn what_was_concluded_before_an_audit_guessed_is_better_though_it_comes_later() {
    let mut fixture = Fixture::default();
    fixture.made_at(20).shown(MICROPHONE, 12).left(LeftWhy::Concluded, 90);
    fixture.made_at(35).left(LeftWhy::Concluded, 30);
    assert_eq!(fixture.spans(), "[[[10,30]],[[12,30]]]");
    // What was concluded later only repeats it.
    fixture.made_at(40).left(LeftWhy::Concluded, 20);
    assert_eq!(fixture.spans(), "[[[10,30]],[[12,30]]]");
}

#[test]
fn somebody_who_was_hidden_before_an_audit_guessed_was_hidden_until_revealed() {
    let mut fixture = Fixture::default();
    fixture.made_at(20).shown(MICROPHONE, 12).left(LeftWhy::Concluded, 90);
    fixture.made_at(35).left(LeftWhy::Hidden, 30).add(revealed(MICROPHONE, 80));
    assert_eq!(fixture.spans(), "[[[10,30],[80,null]],[[12,30],[80,null]]]");
}

#[test]
fn somebody_who_starts_and_stops_a_track_all_the_time_has_a_row_of_bounded_size() {
    let mut fixture = Fixture::default();
    let count = i64::try_from(MAX_SPANS).unwrap();
    for number in 1..=count {
        let at = number * 100;
        fixture.shown(MICROPHONE, at).shown(NOTHING, at + 50);
    }
    let last = count * 100 + 50;
    fixture.shown(MICROPHONE, last + 10).shown(NOTHING, last + 30);
    let spans = &fixture.session().spans.microphone;
    assert_eq!(spans.len(), MAX_SPANS);
    assert_eq!(spans[0], Span::closed(100, 150));
    assert_eq!(spans.last(), Some(&Span::closed(last - 50, last + 30)), "over the shortest gap");
    fixture.shown(MICROPHONE, last + 35).left(LeftWhy::Said, last + 60);
    let spans = &fixture.session().spans.microphone;
    assert_eq!((spans.len(), spans.last().unwrap().to), (MAX_SPANS, Some(last + 60)));
}

#[test]
fn tracks_are_not_joined_over_time_in_which_nobody_was_inside() {
    let mut fixture = Fixture::default();
    let count = i64::try_from(MAX_SPANS).unwrap();
    // The gap in which she was hidden is the shortest.
    fixture.shown(MICROPHONE, 12).left(LeftWhy::Hidden, 30).add(revealed(MICROPHONE, 31));
    fixture.shown(NOTHING, 40);
    for number in 1..count {
        let at = number * 100;
        fixture.shown(MICROPHONE, at).shown(NOTHING, at + 50);
    }
    let spans = &fixture.session().spans;
    assert_eq!(spans.microphone.len(), MAX_SPANS);
    assert_eq!(spans.microphone[..2], [Span::closed(12, 30), Span::closed(31, 40)][..]);
    assert_eq!(spans.inside.len(), 2);
}
