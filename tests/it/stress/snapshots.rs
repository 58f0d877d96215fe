//! One version of a room is one list, whoever shows it, on whichever instance.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, Mutex},
};

use super::journal::Journal;

/// So many versions of a room are remembered.
const REMEMBERED: usize = 300;

pub struct Snapshots {
    journal: Arc<Journal>,
    known: Mutex<Known>,
}

#[derive(Default)]
struct Known {
    rooms: HashMap<String, BTreeMap<u64, String>>,
    /// Redis lost rooms, and not everybody is right again.
    has_lost_rooms: bool,
}

impl Snapshots {
    pub fn new(journal: Arc<Journal>) -> Self {
        Self { journal, known: Mutex::default() }
    }

    /// From now until everybody is right, an instance that held a room goes on showing whom the store lost, beside whom it has
    /// anew. Another that did not hold it shows only these, under the same version.
    pub fn rooms_are_lost(&self) {
        self.known.lock().unwrap().has_lost_rooms = true;
    }

    pub fn everybody_is_right(&self) {
        *self.known.lock().unwrap() = Known::default();
    }

    /// Compares a list with what others were shown under the same version.
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
