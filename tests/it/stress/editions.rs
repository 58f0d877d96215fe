//! One version of a room is one list, whoever shows it, on whichever instance.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Mutex,
};

/// So many versions of a room are remembered.
const REMEMBERED: usize = 300;

#[derive(Default)]
pub struct Editions {
    rooms: Mutex<HashMap<String, BTreeMap<u64, String>>>,
}

impl Editions {
    /// Compares a list with what others were shown under the same version.
    pub fn check(&self, room: &str, version: u64, list: &str) -> Result<(), String> {
        let mut rooms = self.rooms.lock().unwrap();
        let versions = rooms.entry(room.to_owned()).or_default();
        match versions.get(&version) {
            Some(known) if known == list => {}
            Some(known) => {
                return Err(format!("version {version} of {room} is two lists:\n{known}\n{list}"));
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
