//! What a page holds of its rooms, folded from the events of a stream, with the checks that a page relies on: versions rise, and
//! changes fit what it holds.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::harness::Event;

use super::wording::canonical;

/// A room as a page shows it after an event.
pub struct Shown {
    pub room: String,
    pub version: u64,
    /// In canonical form.
    pub list: String,
    /// Whether it is older than what the page held before it reconnected. That happens with an instance that is behind, where a
    /// stream of many rooms does not tell what the page holds, and after the store has lost what the page was shown.
    pub is_older: bool,
}

#[derive(Default)]
pub struct ClientView {
    rooms: BTreeMap<String, HeldRoom>,
}

#[derive(Default)]
struct HeldRoom {
    version: Option<u64>,
    /// Whether it came on the connection that is open now.
    is_of_connection: bool,
    people: Vec<Value>,
}

impl ClientView {
    pub fn of_rooms<'name>(rooms: impl IntoIterator<Item = &'name str>) -> Self {
        let room = |name: &str| (name.to_owned(), HeldRoom::default());
        Self { rooms: rooms.into_iter().map(room).collect() }
    }

    /// Forgets everything, as a page does that is loaded again.
    pub fn forget(&mut self) {
        self.rooms.values_mut().for_each(|room| *room = HeldRoom::default());
    }

    pub fn begin_connection(&mut self) {
        self.rooms.values_mut().for_each(|room| room.is_of_connection = false);
    }

    /// The version of the only room, for `Last-Event-ID`.
    pub fn version(&self) -> Option<u64> {
        self.rooms.values().next()?.version
    }

    /// The list of a room in canonical form; none before the first one came.
    pub fn list(&self, room: &str) -> Option<String> {
        let room = &self.rooms[room];
        room.version.map(|_| room.list())
    }

    /// Folds an event in. An error tells what is wrong with the event.
    pub fn take(&mut self, event: &Event) -> Result<Shown, String> {
        match event.name.as_str() {
            "participants:update" => self.update(event),
            "room:snapshot" => self.snapshot(&event.json()),
            "room:delta" => self.delta(&event.json()),
            other => Err(format!("an event {other:?}")),
        }
    }

    fn update(&mut self, event: &Event) -> Result<Shown, String> {
        let (name, room) = self.rooms.iter_mut().next().expect("a page has a room");
        let version = event.version();
        // The page has said what it holds, so an older list means that the store has nothing later.
        let is_older = room.version > Some(version);
        room.replace(version, &event.json())?;
        Ok(room.shown(name, is_older))
    }

    fn snapshot(&mut self, body: &Value) -> Result<Shown, String> {
        let (name, room) = self.room(body)?;
        let version = number(body, "version")?;
        let is_older = room.version > Some(version);
        room.replace(version, &body["participants"])?;
        Ok(room.shown(name, is_older))
    }

    fn delta(&mut self, body: &Value) -> Result<Shown, String> {
        let (name, room) = self.room(body)?;
        let (prev, version) = (number(body, "prev")?, number(body, "version")?);
        if !room.is_of_connection || room.version != Some(prev) {
            return Err(format!(
                "a difference from {prev} to a page that holds {:?}",
                room.version
            ));
        }
        if version <= prev {
            return Err(format!("a difference from {prev} to {version}"));
        }
        for departure in array(body, "left")? {
            let index = room.find(departure).ok_or_else(|| format!("who left: {departure}"))?;
            let gone = room.people.remove(index);
            if gone["sid"] != departure["sid"] {
                return Err(format!("{departure} left, but {gone} was there"));
            }
        }
        for person in array(body, "updated")? {
            let index = room.find(person).ok_or_else(|| format!("who is updated: {person}"))?;
            if room.people[index] == *person {
                return Err(format!("updated, but nothing is different: {person}"));
            }
            room.people[index] = person.clone();
        }
        for person in array(body, "joined")? {
            if room.find(person).is_some() {
                return Err(format!("joined twice: {person}"));
            }
            room.people.push(person.clone());
        }
        room.people.sort_by(|a, b| order(a).cmp(&order(b)));
        room.version = Some(version);
        Ok(room.shown(name, false))
    }

    fn room<'body>(&mut self, body: &'body Value) -> Result<(&'body str, &mut HeldRoom), String> {
        let name = body["room"].as_str().unwrap_or_default();
        let room = self.rooms.get_mut(name);
        Ok((name, room.ok_or_else(|| format!("a room that was not asked for: {name:?}"))?))
    }
}

impl HeldRoom {
    fn replace(&mut self, version: u64, list: &Value) -> Result<(), String> {
        if self.is_of_connection && self.version >= Some(version) {
            return Err(format!("version {version} after {:?} on one connection", self.version));
        }
        let people = list.as_array().ok_or_else(|| format!("no list: {list}"))?;
        if !people.is_sorted_by(|a, b| order(a) < order(b)) {
            return Err(format!("a list that is not in order: {list}"));
        }
        self.people.clone_from(people);
        self.version = Some(version);
        self.is_of_connection = true;
        Ok(())
    }

    fn shown(&self, room: &str, is_older: bool) -> Shown {
        let version = self.version.expect("it was just taken");
        Shown { room: room.to_owned(), version, list: self.list(), is_older }
    }

    fn list(&self) -> String {
        canonical(&Value::Array(self.people.clone()))
    }

    fn find(&self, person: &Value) -> Option<usize> {
        self.people.iter().position(|one| one["identity"] == person["identity"])
    }
}

fn order(person: &Value) -> (Option<i64>, Option<&str>) {
    (person["joinedAt"].as_i64(), person["identity"].as_str())
}

fn number(body: &Value, field: &str) -> Result<u64, String> {
    body[field].as_u64().ok_or_else(|| format!("no {field}: {body}"))
}

fn array<'body>(body: &'body Value, field: &str) -> Result<&'body Vec<Value>, String> {
    body[field].as_array().ok_or_else(|| format!("no {field}: {body}"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn person(identity: &str) -> Value {
        json!({"sid": format!("PA_{identity}"), "identity": identity, "joinedAt": 1})
    }

    fn snapshot(version: u64, people: &[&str]) -> Event {
        let people: Vec<_> = people.iter().map(|one| person(one)).collect();
        let data = json!({"room": "r", "version": version, "participants": people}).to_string();
        Event { name: "room:snapshot".into(), data, ..Event::default() }
    }

    fn delta(prev: u64, version: u64, joined: &[&str], left: &[&str]) -> Event {
        let people = |people: &[&str]| people.iter().map(|one| person(one)).collect::<Vec<_>>();
        let (joined, left) = (people(joined), people(left));
        let data = json!({"room": "r", "prev": prev, "version": version, "joined": joined,
            "updated": [], "left": left})
        .to_string();
        Event { name: "room:delta".into(), data, ..Event::default() }
    }

    /// Takes all of these events on one connection. All but the last must be right; returns the result of the last.
    fn last_of(events: &[Event]) -> Result<String, String> {
        let mut held = ClientView::of_rooms(["r"]);
        held.begin_connection();
        let (last, before) = events.split_last().unwrap();
        for event in before {
            assert!(held.take(event).is_ok(), "{event:?}");
        }
        held.take(last).map(|shown| shown.list)
    }

    #[test]
    fn differences_are_folded_into_what_is_held() {
        let list = last_of(&[
            snapshot(5, &["bob"]),
            delta(5, 6, &["alice"], &[]),
            delta(6, 9, &["carol"], &["bob"]),
        ]);
        assert_eq!(list, Ok(canonical(&json!([person("alice"), person("carol")]))));
    }

    #[test]
    fn faults_of_a_stream_are_told() {
        let begin = snapshot(5, &["alice"]);
        let wrong = [
            ("a version twice", snapshot(5, &["alice"])),
            ("an older version", snapshot(4, &[])),
            ("a gap", delta(6, 7, &["bob"], &[])),
            ("a change twice", delta(4, 5, &["bob"], &[])),
            ("a version that does not rise", delta(5, 5, &["bob"], &[])),
            ("who is inside joins", delta(5, 6, &["alice"], &[])),
            ("who is not inside leaves", delta(5, 6, &[], &["bob"])),
            ("a list out of order", snapshot(6, &["bob", "alice"])),
            ("somebody twice", snapshot(6, &["alice", "alice"])),
        ];
        for (what, event) in wrong {
            assert!(last_of(&[begin.clone(), event]).is_err(), "{what}");
        }
        assert!(last_of(&[delta(0, 1, &[], &[])]).is_err(), "a change before a list");
    }

    #[test]
    fn only_a_page_that_comes_back_may_be_shown_an_older_list() {
        let mut held = ClientView::of_rooms(["r"]);
        assert!(!held.take(&snapshot(5, &["alice"])).unwrap().is_older);
        held.begin_connection();
        assert!(held.take(&snapshot(4, &[])).unwrap().is_older);
    }
}
