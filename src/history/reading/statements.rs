//! What the database is asked, for a test that looks at how it would answer.

use super::{
    export::export_statement,
    instances::{Order, counts_statement, instances_statement},
    people::{count_statement, people_statement},
    person::person_statement,
    usage::{first_join_statement, room_condition, usage_statement},
};

/// A statement, and the index that must keep it from reading everything.
#[derive(Debug)]
pub struct Planned {
    pub route: &'static str,
    pub statement: String,
    pub index: &'static str,
}

/// The statements of every route.
pub fn planned() -> Vec<Planned> {
    let planned = |route, statement, index| Planned { route, statement, index };
    let in_room = Some("general");
    vec![
        planned("attendance", people_statement("room"), "sessions_by_room"),
        planned("attendance: how many", count_statement("AND room = $4"), "sessions_by_room"),
        planned("attendance by instance", people_statement("instance"), "sessions_by_instance"),
        planned("session: how many", count_statement("AND instance = $4"), "sessions_by_instance"),
        planned(
            "lives of a room",
            instances_statement(true, Order::OldestFirst),
            "room_instances_by_room",
        ),
        planned(
            "sessions",
            instances_statement(false, Order::NewestFirst),
            "room_instances_by_end",
        ),
        planned("sessions: how many people", counts_statement(3), "sessions_by_instance"),
        planned("person", person_statement(), "sessions_by_identity"),
        planned("analytics", usage_statement(None), "sessions_by_end"),
        planned("analytics: how many", count_statement(room_condition(None)), "sessions_by_end"),
        planned("analytics: the first", first_join_statement(None), "sessions_by_end"),
        planned("analytics of a room", usage_statement(in_room), "sessions_by_room"),
        planned(
            "analytics of a room: how many",
            count_statement(room_condition(in_room)),
            "sessions_by_room",
        ),
        planned(
            "analytics of a room: the first",
            first_join_statement(in_room),
            "sessions_by_room",
        ),
        planned("export", export_statement(), "sessions_pkey"),
    ]
}
