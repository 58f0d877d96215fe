//! What the steps of a schedule add to the history, against the truth. Where nothing was lost, the rows are exactly what happened.
//! Whatever was lost, the open ones are the list at every moment, and an item that is written again changes nothing.

use std::time::Duration;

use livekit_presence::{
    history::{Rows, SessionRow, Span},
    presence::{LeftWhy, RoomSid, StoreTime},
    store::HistoryItem,
};

use super::{
    past::{Past, check_row},
    schedule::Schedule,
    truth::TrueSession,
};

const SCHEDULES: u64 = 1_000;

#[test]
fn where_nothing_is_lost_the_rows_are_exactly_what_happened() {
    let (mut compared, mut lives) = (0, 0);
    for seed in 0..SCHEDULES {
        let schedule = lossless(seed).unwrap_or_else(|failure| panic!("seed {seed}: {failure}"));
        let past = schedule.past.expect("it is noted");
        for (sid, truth) in past.truth.sessions() {
            let Some(row) = past.rows.session(sid.as_str()) else {
                assert!(truth.is_silent, "seed {seed}: nothing is known of {sid}");
                continue;
            };
            if truth.is_silent {
                continue;
            }
            let expected = (truth.joined_at, &truth.inside, &truth.microphone, true);
            let kept = (row.joined_at, &row.spans.inside, &row.spans.microphone, row.exact);
            assert_eq!(kept, expected, "seed {seed}, {sid}: {row:#?}");
            assert_eq!(row.identity, truth.identity.as_str());
            let life = truth.life.as_ref().map(RoomSid::as_str);
            assert_eq!(row.instance.as_deref(), life, "seed {seed}: {row:#?}");
            compared += 1;
        }
        for (sid, (started_at, finished_at)) in &past.truth.lives {
            let row = past.rows.instance(sid.as_str()).expect("its start was told");
            assert_eq!(row.started_at, *started_at, "seed {seed}: {row:#?}");
            if finished_at.is_some() {
                let kept = (row.finished_at, row.exact);
                assert_eq!(kept, (*finished_at, true), "seed {seed}: {row:#?}");
            }
            lives += 1;
        }
        for row in past.rows.sessions() {
            assert!(past.truth.session(&row.sid).is_some(), "seed {seed}: nobody saw {row:#?}");
        }
    }
    assert!(compared > 2 * SCHEDULES && lives > SCHEDULES, "{compared} sessions, {lives} lives");
}

#[test]
fn whatever_is_lost_the_open_rows_are_the_list_and_the_joins_are_right() {
    let (mut joins, mut ends) = (0, 0);
    for seed in 0..SCHEDULES {
        let past = faulty(seed).unwrap_or_else(|failure| panic!("seed {seed}: {failure}"));
        for row in past.rows.sessions() {
            let truth = past.truth.session(&row.sid);
            let truth = truth.unwrap_or_else(|| panic!("seed {seed}: nobody saw {row:#?}"));
            if truth.is_silent {
                continue;
            }
            assert_eq!(row.joined_at, truth.joined_at, "seed {seed}: {row:#?}");
            joins += 1;
            ends += usize::from(has_right_end(row, truth).unwrap_or_else(|end| {
                panic!("seed {seed}: it left at {end}, {row:#?}");
            }));
        }
    }
    assert!(joins > 2 * SCHEDULES && ends > 500, "{joins} joins, {ends} ends");
}

/// Whether a webhook told of the end, and then not far from it.
fn has_right_end(row: &SessionRow, truth: &TrueSession) -> Result<bool, i64> {
    let end = truth.inside.last().and_then(|span| span.to);
    let (Some(kept), Some(end), Some(LeftWhy::Said)) = (row.left_at, end, row.left_why) else {
        return Ok(false);
    };
    // Its arrival, up to two seconds after the second in which it happened, or that second.
    let late = if row.exact { 0..=3_000 } else { -999..=0 };
    if late.contains(&(kept - end)) { Ok(true) } else { Err(end) }
}

#[test]
fn items_that_are_written_again_or_in_other_batches_lead_to_the_same_rows() {
    for seed in 0..SCHEDULES / 4 {
        let past = faulty(seed).unwrap_or_else(|failure| panic!("seed {seed}: {failure}"));
        let mut rng = fastrand::Rng::with_seed(seed);
        let mut kept = Rows::default();
        let mut from = 0;
        while from < past.items.len() {
            let to = rng.usize(from + 1..=past.items.len().min(from + 8));
            // The last batch was written, and its items were not taken off.
            let again = rng.usize(from.saturating_sub(8)..=from);
            kept = write(&kept, &past.items[again..to]);
            from = to;
        }
        assert_same(&kept, &past.rows, seed);
        assert_same(&write(&kept, &past.items), &past.rows, seed);
        let mut again = past.rows.clone();
        for item in &past.items {
            again.apply(item);
        }
        assert_same(&again, &past.rows, seed);
    }
}

/// Writes a batch as the writer does: it loads the rows that the batch touches, and saves those that changed.
fn write(kept: &Rows, batch: &[HistoryItem]) -> Rows {
    let keys = Rows::keys_of(batch);
    let sessions = kept.sessions().filter(|row| {
        let is_homeless = row.is_open() && row.instance.is_none();
        keys.sids.contains(&row.sid) || is_homeless && keys.rooms.contains(&row.room)
    });
    let instances = kept.instances().filter(|row| {
        keys.instances.contains(&row.sid) || row.is_open() && keys.rooms.contains(&row.room)
    });
    let mut rows = Rows::new(sessions.cloned(), instances.cloned());
    for item in batch {
        rows.apply(item);
    }
    let changed = rows.changed();
    let untouched = |row: &&SessionRow| changed.sessions.iter().all(|one| one.sid != row.sid);
    let sessions = kept.sessions().filter(untouched).chain(changed.sessions.iter().copied());
    let instances = kept
        .instances()
        .filter(|row| changed.instances.iter().all(|one| one.sid != row.sid))
        .chain(changed.instances.iter().copied());
    Rows::new(sessions.cloned(), instances.cloned())
}

fn assert_same(rows: &Rows, expected: &Rows, seed: u64) {
    let sessions = |rows: &Rows| {
        let mut rows: Vec<_> = rows.sessions().cloned().collect();
        rows.sort_by(|a, b| a.sid.cmp(&b.sid));
        rows
    };
    let instances = |rows: &Rows| {
        let mut rows: Vec<_> = rows.instances().cloned().collect();
        rows.sort_by(|a, b| a.sid.cmp(&b.sid));
        rows
    };
    assert_eq!(sessions(rows), sessions(expected), "seed {seed}");
    assert_eq!(instances(rows), instances(expected), "seed {seed}");
}

fn noting(seed: u64) -> Schedule {
    let mut schedule = Schedule::new(seed);
    // The history takes both clocks for one.
    schedule.livekit.set_clock(i64::try_from(schedule.now.as_millis()).expect("it is not so late"));
    schedule.past = Some(Past::of("simulated"));
    schedule
}

/// Delivers every webhook at the moment at which it is made.
fn lossless(seed: u64) -> Result<Schedule, String> {
    let mut schedule = noting(seed);
    for _ in 0..schedule.rng.usize(1..60) {
        schedule.livekit.act();
        let webhooks = schedule.livekit.take_webhooks();
        let now = schedule.livekit.now_ms();
        let people = schedule.livekit.people_inside();
        if let Some(past) = &mut schedule.past {
            past.truth.see(&people, &webhooks, now);
        }
        for event in webhooks {
            schedule.now = schedule.now.max(StoreTime::from_micros(event.received_at.as_micros()));
            schedule.deliver(&event)?;
            check(&schedule)?;
        }
        schedule.now = schedule.now.max(StoreTime::from_millis(now.unsigned_abs()));
        let pause = schedule.rng.u64(..20_000);
        schedule.pass(Duration::from_millis(pause))?;
    }
    Ok(schedule)
}

/// Lets webhooks and lists come with every fault, and then has the room compared.
fn faulty(seed: u64) -> Result<Past, String> {
    let mut schedule = noting(seed);
    for _ in 0..schedule.rng.usize(1..60) {
        schedule.step()?;
        check(&schedule)?;
    }
    schedule.settle()?;
    check(&schedule)?;
    Ok(schedule.past.expect("it is noted"))
}

fn check(schedule: &Schedule) -> Result<(), String> {
    let past = schedule.past.as_ref().expect("it is noted");
    past.check_open(&schedule.room)?;
    past.rows.sessions().try_for_each(check_row)
}

#[test]
fn a_row_with_overlapping_spans_is_found() {
    let past = lossless(1).unwrap_or_else(|failure| panic!("{failure}")).past.expect("it is noted");
    let mut row = past.rows.sessions().next().expect("somebody came").clone();
    assert_eq!(check_row(&row), Ok(()));
    row.spans.microphone = vec![Span::open(row.joined_at - 1)];
    assert!(check_row(&row).is_err());
}
