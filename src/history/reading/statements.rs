//! What the database is asked, for a test that looks at how it would answer.

use super::{
    export::{export_statement, last_statement},
    instances::{Lives, Order, counts_statement, instances_statement},
    people::{attended_condition, count_statement, people_statement},
    person::{open_statement, person_statement},
    roster::{
        LIFE_STATEMENT, UNINVITED_STATEMENT, rows_statement, stay_statement, stays_statement,
    },
    side::Side,
    usage::{Asked, first_join_statement, usage_statement},
};

/// A statement, and the index that must keep it from reading everything.
#[derive(Clone, Debug)]
pub struct Planned {
    pub route: &'static str,
    pub statement: String,
    pub index: &'static str,
}

/// The statements of every route.
pub fn planned() -> Vec<Planned> {
    [attendance(), lives(), analytics(), roster()]
        .into_iter()
        .flatten()
        .chain([
            question("person", person_statement(), "sessions_by_identity"),
            question("person: inside now", open_statement(), "sessions_by_identity"),
            question("export: the last", last_statement(), "sessions_pkey"),
            question("export", export_statement(), "sessions_pkey"),
        ])
        .collect()
}

fn question(route: &'static str, statement: String, index: &'static str) -> Planned {
    Planned { route, statement, index }
}

fn attendance() -> Vec<Planned> {
    let count = |column| count_statement(&attended_condition(column));
    vec![
        question("attendance", people_statement("room"), "sessions_by_room"),
        question("attendance: how many", count("room"), "sessions_by_room"),
        question("attendance by instance", people_statement("instance"), "sessions_by_instance"),
        question("session: how many", count("instance"), "sessions_by_instance"),
    ]
}

fn lives() -> Vec<Planned> {
    let newest = |of| instances_statement(of, Order::NewestFirst);
    vec![
        question(
            "lives of a room",
            instances_statement(Lives::OfRoom, Order::OldestFirst),
            "room_instances_by_room",
        ),
        question("sessions", newest(Lives::Of(Side::Ends)), "room_instances_by_end"),
        question(
            "sessions of long ago",
            newest(Lives::Of(Side::Beginnings)),
            "room_instances_by_start",
        ),
        question("sessions: how many people", counts_statement(3), "sessions_by_instance"),
    ]
}

fn roster() -> Vec<Planned> {
    vec![
        question("roster", rows_statement(), "roster_pkey"),
        question("roster: who was there", stays_statement(), "sessions_by_identity"),
        question("roster: the last life", LIFE_STATEMENT.to_owned(), "room_instances_by_room"),
        question("roster: uninvited", UNINVITED_STATEMENT.to_owned(), "sessions_by_room"),
        question("roster: one person", stay_statement(false), "sessions_by_identity"),
        question("roster: one uninvited", stay_statement(true), "sessions_by_identity"),
    ]
}

fn analytics() -> Vec<Planned> {
    let all = |side, index, [read, count, first]: [&'static str; 3]| {
        let asked = Asked::AllRooms(side);
        [
            question(read, usage_statement(asked), index),
            question(count, count_statement(&asked.condition()), index),
            question(first, first_join_statement(asked), index),
        ]
    };
    let room = Asked::Room("general");
    let of_room = [
        question("analytics of a room", usage_statement(room), "sessions_by_room"),
        question(
            "analytics of a room: how many",
            count_statement(&room.condition()),
            "sessions_by_room",
        ),
        question("analytics of a room: the first", first_join_statement(room), "sessions_by_room"),
    ];
    let recent = ["analytics", "analytics: how many", "analytics: the first"];
    let old = [
        "analytics of long ago",
        "analytics of long ago: how many",
        "analytics of long ago: the first",
    ];
    [
        all(Side::Ends, "sessions_by_end", recent),
        all(Side::Beginnings, "sessions_by_start", old),
        of_room,
    ]
    .concat()
}

#[cfg(test)]
mod tests {
    use super::planned;

    #[test]
    fn only_the_export_reads_metadata() {
        for question in planned() {
            let reads = question.statement.contains(", metadata");
            assert_eq!(reads, question.route == "export", "{}", question.route);
        }
    }
}
