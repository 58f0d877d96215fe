//! The rules do on a few rows what they do on the whole room, whatever happens. They run as a store runs them: each step reads
//! the rows that it needs, and keeps only what it writes. What nobody has to remember is forgotten after each step.

use std::collections::BTreeMap;

use livekit_presence::presence::{
    Applied, Counts, Event, Identity, Needs, Repaired, Repairs, Room, RoomSlice, Rules,
    Step as SliceStep, StoreTime, Subjects,
};

use super::{Step, recorded};

const SCHEDULES: u64 = 500;

#[test]
fn on_slices_the_rules_do_what_they_do_on_whole_rooms() {
    let rules = Rules::default();
    let mut reads_of_everybody = 0;
    let mut steps = 0;
    for seed in 0..SCHEDULES {
        let (mut room, mut rows) = (Room::default(), Rows::default());
        for (number, (now, step)) in recorded(seed).into_iter().enumerate() {
            let place = || format!("seed {seed}, step {number}: {step:#?}");
            match &step {
                Step::Apply(event) => {
                    let expected = room.apply(event, now, &rules);
                    assert_eq!(rows.apply(event, now, &rules), expected, "{}", place());
                }
                Step::Repair(repairs) => {
                    let subjects = repairs.subjects(&room);
                    let expected = room.repair(repairs, now, &rules);
                    let repaired = rows.repair(repairs, &subjects, now, &rules);
                    assert_eq!(repaired, expected, "{}", place());
                }
                Step::Ban(identity, ban) => {
                    let expected = room.ban(identity, ban.clone(), now);
                    let changed = rows.step(std::slice::from_ref(identity), |slice| {
                        slice.ban(identity, ban.clone(), now)
                    });
                    assert_eq!(changed, expected, "{}", place());
                }
            }
            rows.forget(now);
            let kept = rows.everybody().into_room(now).expect("everybody is held");
            assert_eq!(kept.list(), room.list(), "{}", place());
            assert_eq!(kept.version(), room.version(), "{}", place());
            let counts = rows.slice([].into_iter()).counts();
            assert_eq!(counts, Counts::of(&room.list()), "{}", place());
            steps += 1;
        }
        reads_of_everybody += rows.reads_of_everybody;
    }
    assert!(reads_of_everybody * 10 < steps, "{reads_of_everybody} of {steps}");
}

/// The rows of a room, as JSON.
#[derive(Default)]
struct Rows {
    room: Option<String>,
    persons: BTreeMap<Identity, String>,
    reads_of_everybody: usize,
}

impl Rows {
    fn apply(&mut self, event: &Event, now: StoreTime, rules: &Rules) -> Applied {
        let persons: Vec<_> = event.whose().cloned().into_iter().collect();
        self.step(&persons, |slice| slice.apply(event, now, rules))
    }

    fn repair(
        &mut self,
        repairs: &Repairs,
        subjects: &Subjects,
        now: StoreTime,
        rules: &Rules,
    ) -> Repaired {
        let persons = subjects.of(0..repairs.steps.len()).map(Vec::from_iter);
        self.step(persons.as_deref().unwrap_or_default(), |slice| {
            slice.repair(repairs, persons.as_deref(), now, rules)
        })
    }

    fn step<T>(
        &mut self,
        persons: &[Identity],
        act: impl Fn(&mut RoomSlice) -> Result<SliceStep<T>, Needs>,
    ) -> T {
        let mut slice = self.slice(persons.iter());
        let step = act(&mut slice).unwrap_or_else(|needs| {
            assert_eq!(needs, Needs::Everybody);
            self.reads_of_everybody += 1;
            slice = self.everybody();
            act(&mut slice).expect("everybody is held")
        });
        self.room = Some(serde_json::to_string(&slice.row()).unwrap());
        for identity in step.touched {
            let row = slice.person_row(&identity);
            if row.is_empty() {
                self.persons.remove(&identity);
            } else {
                self.persons.insert(identity, serde_json::to_string(&row).unwrap());
            }
        }
        step.outcome
    }

    fn slice<'row>(&self, identities: impl Iterator<Item = &'row Identity>) -> RoomSlice {
        let room = self.room.as_ref().map(|row| serde_json::from_str(row).unwrap());
        let mut slice = RoomSlice::new(room);
        for identity in identities {
            let row = self.persons.get(identity);
            slice.load(identity, row.map(|row| serde_json::from_str(row).unwrap()));
        }
        slice
    }

    /// Takes out persons of whom nothing has to be remembered, as a store may at any time.
    fn forget(&mut self, now: StoreTime) {
        for identity in self.everybody().forget_some(usize::MAX, now) {
            self.persons.remove(&identity);
        }
    }

    fn everybody(&self) -> RoomSlice {
        let mut slice = self.slice(self.persons.keys());
        slice.loaded_everybody();
        slice
    }
}
