//! The Lua that runs in Redis: each step of a room is one call, so that all of it happens or nothing.

use redis::Script;

use crate::presence::{
    EVENT_MEMORY, GONE_MEMORY, ROOM_MEMORY, START_TOLERANCE_MILLIS, TRACK_MEMORY,
};

/// Scripts by what they do. Each is sent by its hash, and as a whole only where Redis does not know it.
#[derive(Debug)]
pub(super) struct Scripts {
    pub apply: Script,
    pub repair: Script,
    pub read: Script,
    pub position: Script,
    pub lift: Script,
    pub renew: Script,
    pub rooms: Script,
    pub release: Script,
    pub take_call: Script,
}

impl Scripts {
    pub fn new() -> Self {
        Self {
            apply: of_room(include_str!("apply.lua")),
            repair: of_room(include_str!("repair.lua")),
            read: of_room(include_str!("read.lua")),
            position: of_room(include_str!("position.lua")),
            lift: of_room(include_str!("lift.lua")),
            renew: of_room(include_str!("renew.lua")),
            rooms: Script::new(include_str!("rooms.lua")),
            release: Script::new(include_str!("release.lua")),
            take_call: Script::new(include_str!("take_call.lua")),
        }
    }
}

/// A script about one room, after what all of these share.
fn of_room(script: &str) -> Script {
    let constants = format!(
        "local EVENT_MEMORY, TRACK_MEMORY, GONE_MEMORY, ROOM_MEMORY = {}, {}, {}, {}\n\
         local START_TOLERANCE_MILLIS = {START_TOLERANCE_MILLIS}\n",
        EVENT_MEMORY.as_micros(),
        TRACK_MEMORY.as_micros(),
        GONE_MEMORY.as_micros(),
        ROOM_MEMORY.as_micros(),
    );
    Script::new(&[&constants, include_str!("room.lua"), script].concat())
}
