use super::*;

const RATE: u64 = 8 * 1024 * 1024;

fn pace() -> ReadingPace {
    ReadingPace::new(ByteRate::new(RATE))
}

fn budget(start: Instant) -> ByteBudget {
    ByteBudget::new(ByteRate::new(RATE), start)
}

fn room(name: &str) -> RoomName {
    RoomName::parse(name).unwrap()
}

/// Makes what readings are possible in `secs`, each of which takes a millisecond, while each room is told of a change every
/// `every` milliseconds. Returns, for each room, how often it was read, and the longest wait for a change to be read.
fn run(rooms: &[(&str, usize)], every: u64, secs: u64) -> Vec<(usize, u64)> {
    let start = Instant::now();
    let (mut pace, mut budget) = (pace(), budget(start));
    for (name, _) in rooms {
        pace.watch(&room(name), start);
    }
    let mut seen = vec![(0, 0); rooms.len()];
    for millis in 0..secs * 1000 {
        let now = start + Duration::from_millis(millis);
        if millis % every == 0 {
            for (name, _) in rooms {
                pace.changed(&room(name), now);
            }
        }
        while let Ok(reading) = pace.next(&mut budget, now) {
            let index = rooms.iter().position(|(name, _)| room(name) == reading.room).unwrap();
            let waited = reading.changed_at.map_or(0, |at| (now - at).as_millis());
            let (count, longest) = &mut seen[index];
            *count += 1;
            *longest = u64::try_from(waited).unwrap().max(*longest);
            let bytes = rooms[index].1;
            budget.take_part(bytes.saturating_sub(reading.charged), bytes, now);
            pace.read(&reading.room, bytes);
        }
    }
    seen
}

#[test]
fn a_small_room_is_read_at_once_and_then_each_fifty_milliseconds() {
    assert_eq!(run(&[("small", 3_000)], 10, 10), [(200, 40)]);
    assert_eq!(run(&[("quiet", 3_000)], 1_000, 10), [(10, 0)], "its changes are read at once");
}

// 3 MB · 4 / 8 MiB a second: every 1.43 s, which is 2 MiB a second.
#[test]
fn a_room_of_five_thousand_with_a_hundred_changes_a_second_uses_a_quarter_of_the_rate() {
    assert_eq!(run(&[("large", 3_000_000)], 10, 60), [(42, 1_430)]);
}

#[test]
fn all_rooms_together_stay_within_the_rate_and_none_starves() {
    let names: Vec<_> = (0..20).map(|number| format!("large-{number}")).collect();
    let mut rooms: Vec<_> = names.iter().map(|name| (name.as_str(), 3_000_000)).collect();
    rooms.push(("small", 300));
    let seen = run(&rooms, 10, 60);
    let bytes: usize = seen.iter().zip(&rooms).map(|((count, _), (_, bytes))| count * bytes).sum();
    // A minute, a second's worth in the bucket, and the reading that runs into debt.
    assert!(bytes <= 61 * 8 * 1024 * 1024 + 3_000_000 * 2, "{bytes}");
    let counts: Vec<_> = seen[..20].iter().map(|(count, _)| *count).collect();
    assert!(counts.iter().all(|count| (8..=10).contains(count)), "{counts:?}");
    let (small, longest) = seen[20];
    assert!(small >= 8 && longest < 8_000, "{small} readings, {longest} ms");
}

#[test]
fn rooms_are_read_in_the_order_of_their_oldest_unread_change() {
    let start = Instant::now();
    let at = |millis| start + Duration::from_millis(millis);
    let (mut pace, mut budget) = (pace(), budget(start));
    for name in ["a", "b", "c"] {
        pace.watch(&room(name), start);
        let reading = pace.next(&mut budget, start).unwrap();
        pace.read(&reading.room, 100);
    }
    pace.changed(&room("b"), at(60));
    pace.changed(&room("a"), at(61));
    pace.changed(&room("b"), at(62));
    pace.changed(&room("c"), at(63));
    let order: Vec<_> = std::iter::from_fn(|| pace.next(&mut budget, at(64)).ok())
        .map(|reading| (reading.room.to_string(), reading.changed_at.unwrap() - start))
        .collect();
    let expected = [("b", 60), ("a", 61), ("c", 63)]
        .map(|(name, millis)| (name.to_owned(), Duration::from_millis(millis)));
    assert_eq!(order, expected);
}

#[test]
fn a_change_while_a_room_is_read_has_it_read_again() {
    let start = Instant::now();
    let at = |millis| start + Duration::from_millis(millis);
    let (mut pace, mut budget) = (pace(), budget(start));
    pace.watch(&room("general"), start);
    assert!(pace.next(&mut budget, start).is_ok());
    pace.changed(&room("general"), at(1));
    assert_eq!(pace.next(&mut budget, at(200)), Err(None), "one reading at a time");
    pace.read(&room("general"), 100);
    assert_eq!(pace.next(&mut budget, at(201)).map(|reading| reading.changed_at), Ok(Some(at(1))));
}

#[test]
fn a_reading_for_later_waits_for_its_time_or_for_a_change() {
    let start = Instant::now();
    let at = |millis| start + Duration::from_millis(millis);
    let (mut pace, mut budget) = (pace(), budget(start));
    pace.watch(&room("general"), start);
    let _ = pace.next(&mut budget, start);
    pace.read(&room("general"), 100);
    pace.read_again(&room("general"), at(2_000));
    assert_eq!(pace.next(&mut budget, at(100)), Err(Some(at(2_000))));
    pace.changed(&room("general"), at(100));
    assert!(pace.next(&mut budget, at(100)).is_ok());
    pace.read(&room("general"), 100);
    assert_eq!(pace.next(&mut budget, at(3_000)), Err(None));
}

#[test]
fn a_room_that_cannot_be_read_is_read_again_later_and_later_whatever_is_told_meanwhile() {
    let start = Instant::now();
    let at = |millis| start + Duration::from_millis(millis);
    let (mut pace, mut budget) = (pace(), budget(start));
    pace.watch(&room("general"), start);
    let mut now = 0;
    let mut delays = Vec::new();
    for _ in 0..10 {
        assert!(pace.next(&mut budget, at(now)).is_ok());
        pace.failed(&room("general"), 0, at(now));
        pace.everything_changed(at(now));
        let Err(Some(again)) = pace.next(&mut budget, at(now)) else {
            panic!("it is to be read again")
        };
        let later = u64::try_from((again - start).as_millis()).unwrap();
        delays.push(later - now);
        now = later;
    }
    assert_eq!(delays[..4], [500, 1_000, 2_000, 4_000]);
    assert_eq!(delays[4..], [8_000, 16_000, 32_000, 64_000, 64_000, 64_000]);
    assert!(pace.next(&mut budget, at(now)).is_ok());
    pace.read(&room("general"), 100);
    assert_eq!(pace.next(&mut budget, at(now)), Err(None), "it was read");
    pace.changed(&room("general"), at(now + 50));
    assert!(pace.next(&mut budget, at(now + 50)).is_ok());
}

#[test]
fn a_room_that_nobody_watches_is_not_read_and_not_remembered() {
    let start = Instant::now();
    let (mut pace, mut budget) = (pace(), budget(start));
    pace.changed(&room("unknown"), start);
    pace.watch(&room("general"), start);
    pace.unwatch(&room("general"));
    assert_eq!(pace.next(&mut budget, start), Err(None));
    assert!(pace.rooms.is_empty() && pace.small.is_empty() && pace.later.is_empty());
    pace.watch(&room("general"), start);
    let _ = pace.next(&mut budget, start);
    pace.unwatch(&room("general"));
    pace.read(&room("general"), 100);
    assert!(pace.rooms.is_empty(), "nor if it was being read");
}

/// Changes at each of these times, in milliseconds, are read at these times. A reading takes 20 ms.
fn read_at(changes: &[u64]) -> Vec<u64> {
    let start = Instant::now();
    let at = |millis| start + Duration::from_millis(millis);
    let (mut pace, mut budget) = (pace(), budget(start));
    pace.watch(&room("general"), start);
    let (mut readings, mut until) = (Vec::new(), None);
    for millis in 0..1_000 {
        if until == Some(millis) {
            pace.read(&room("general"), 1_000);
            until = None;
        }
        if changes.contains(&millis) {
            pace.changed(&room("general"), at(millis));
        }
        if pace.next(&mut budget, at(millis)).is_ok() {
            readings.push(millis);
            until = Some(millis + 20);
        }
    }
    readings
}

#[test]
fn a_change_is_read_at_once_or_fifty_milliseconds_after_the_beginning_of_the_last_reading() {
    for (changes, readings) in [
        (vec![100], vec![0, 100]),
        (vec![50], vec![0, 50]),
        (vec![49], vec![0, 50]),
        (vec![1], vec![0, 50]),
        (vec![100, 101], vec![0, 100, 150]),
        (vec![100, 149, 150], vec![0, 100, 150]),
        (vec![100, 101, 102, 149], vec![0, 100, 150]),
        (vec![100, 119, 151], vec![0, 100, 150, 200]),
    ] {
        assert_eq!(read_at(&changes), readings, "{changes:?}");
    }
}

#[test]
fn the_debt_of_a_large_room_delays_no_small_one() {
    let large = ("large", 64 << 20);
    let rooms = [large, ("one", 3_000), ("two", 30_000)];
    let seen = run(&rooms, 10, 66);
    assert_eq!(seen[0].0, 3, "at the beginning, and each 32 seconds");
    // The first reading of all is without any change.
    assert!(seen[1..].iter().all(|(count, longest)| *count >= 1_310 && *longest <= 50), "{seen:?}");
}

#[test]
fn small_rooms_that_want_more_than_all_leave_a_quarter_to_a_large_one() {
    let names: Vec<_> = (0..40).map(|number| format!("small-{number}")).collect();
    let mut rooms: Vec<_> = names.iter().map(|name| (name.as_str(), 60_000)).collect();
    rooms.push(("large", 3_000_000));
    let seen = run(&rooms, 10, 60);
    assert!(seen[40].0 >= 38, "{:?}", seen[40]);
    let (fewest, most) = (seen[..40].iter().min().unwrap().0, seen[..40].iter().max().unwrap().0);
    assert!(most - fewest <= 2, "{fewest} {most}");
}

#[test]
fn one_large_room_is_read_at_a_time() {
    let start = Instant::now();
    let at = |millis| start + Duration::from_millis(millis);
    let (mut pace, mut budget) = (pace(), budget(start));
    for name in ["a", "b"] {
        pace.watch(&room(name), start);
        let reading = pace.next(&mut budget, start).unwrap();
        pace.read(&reading.room, 1_000_000);
        pace.changed(&reading.room, at(1));
    }
    assert_eq!(pace.next(&mut budget, at(900)).unwrap().room, room("a"));
    assert_eq!(pace.next(&mut budget, at(900)), Err(None));
    pace.read(&room("a"), 1_000_000);
    assert_eq!(pace.next(&mut budget, at(900)).unwrap().room, room("b"));
    pace.unwatch(&room("b"));
    pace.changed(&room("a"), at(2_000));
    assert!(pace.next(&mut budget, at(2_000)).is_ok(), "nobody watches b any more");
}

#[test]
fn a_room_that_cannot_be_read_keeps_its_size() {
    let start = Instant::now();
    let at = |millis| start + Duration::from_millis(millis);
    let (mut pace, mut budget) = (pace(), budget(start));
    pace.watch(&room("general"), start);
    for (bytes, next) in [(40 << 20, 20_000), (0, 40_000)] {
        let now = next - 20_000;
        assert!(pace.next(&mut budget, at(now)).is_ok());
        pace.failed(&room("general"), bytes, at(now));
        assert_eq!(pace.next(&mut budget, at(now)), Err(Some(at(next))), "{bytes}");
    }
}
