//! Many: streams of several instances and their rolling restart, people and watchers of one room, rooms that are only known.
//!
//! `cargo bench --bench service -- scale`, five minutes; `scale instances`, `scale big-room` or `scale known-rooms` for one of them.

mod big_room;
mod instances;
mod known_rooms;

pub fn measure(what: Option<&str>) {
    let all: [(&str, fn()); 3] = [
        ("instances", instances::measure),
        ("big-room", big_room::measure),
        ("known-rooms", known_rooms::measure),
    ];
    for (_, measure) in all.into_iter().filter(|(name, _)| what.is_none_or(|what| what == *name)) {
        measure();
    }
}
