//! One version of a room is one list, on every page and every instance.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, Mutex},
};

use super::journal::Journal;

/// Versions that are remembered for each room.
const REMEMBERED: usize = 300;

pub struct Snapshots {
    journal: Arc<Journal>,
    known: Mutex<Known>,
}

#[derive(Default)]
struct Known {
    rooms: HashMap<String, BTreeMap<u64, String>>,
    /// Whether Redis lost rooms, and not everybody is right since.
    has_lost_rooms: bool,
}

impl Snapshots {
    pub fn new(journal: Arc<Journal>) -> Self {
        Self { journal, known: Mutex::default() }
    }

    /// Redis loses rooms now. Until everybody is right, an instance that held a room shows those whom the store lost beside
    /// those who are new; another instance shows only the new ones, under the same version.
    pub fn rooms_are_lost(&self) {
        self.known.lock().unwrap().has_lost_rooms = true;
    }

    pub fn everybody_is_right(&self) {
        *self.known.lock().unwrap() = Known::default();
    }

    /// Compares a list with the one that others were shown under the same version.
    pub fn check(&self, room: &str, version: u64, list: &str) -> Result<(), String> {
        let known = &mut *self.known.lock().unwrap();
        let versions = known.rooms.entry(room.to_owned()).or_default();
        match versions.get(&version) {
            Some(other) if other == list => {}
            Some(_) if known.has_lost_rooms => {
                self.journal.count("second lists under one version, after Redis lost rooms");
            }
            Some(other) => {
                return Err(format!("version {version} of {room} is two lists:\n{other}\n{list}"));
            }
            None => {
                versions.insert(version, list.to_owned());
                if versions.len() > REMEMBERED {
                    versions.pop_first();
                }
            }
        }
        Ok(())
    }
}
