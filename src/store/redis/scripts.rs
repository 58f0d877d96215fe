//! The Lua that runs in Redis: each step of a room is one call, so that all of it happens or nothing.

use redis::{Cmd, cmd};

use crate::presence::{
    EVENT_MEMORY, GONE_MEMORY, MOST_REMOVED_TRACKS, ROOM_MEMORY, START_TOLERANCE_MILLIS,
    TRACK_MEMORY,
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
    pub release: Script,
    pub take_call: Script,
}

/// A script.
#[derive(Debug)]
pub(super) struct Script {
    code: String,
    hash: String,
}

/// A call of a script.
pub(super) struct Call<'call> {
    script: &'call Script,
    keys: &'call [String],
    arguments: &'call [&'call [u8]],
}

impl Call<'_> {
    /// By its hash.
    pub fn by_hash(&self) -> Cmd {
        self.command("EVALSHA", &self.script.hash)
    }

    /// By its text, which Redis then knows by its hash too. Unlike `SCRIPT LOAD`, this needs only the node that has the keys.
    pub fn by_text(&self) -> Cmd {
        self.command("EVAL", &self.script.code)
    }

    fn command(&self, name: &str, script: &str) -> Cmd {
        let mut call = cmd(name);
        call.arg(script).arg(self.keys.len()).arg(self.keys);
        for argument in self.arguments {
            call.arg(*argument);
        }
        call
    }
}

impl Script {
    fn new(code: String) -> Self {
        let hash = redis::Script::new(&code).get_hash().to_owned();
        Self { code, hash }
    }

    pub fn call<'call>(
        &'call self,
        keys: &'call [String],
        arguments: &'call [&'call [u8]],
    ) -> Call<'call> {
        Call { script: self, keys, arguments }
    }
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
            release: Script::new(include_str!("release.lua").to_owned()),
            take_call: Script::new(include_str!("take_call.lua").to_owned()),
        }
    }
}

/// A script about one room, after what all of these share.
fn of_room(script: &str) -> Script {
    let constants = format!(
        "local EVENT_MEMORY, TRACK_MEMORY, GONE_MEMORY, ROOM_MEMORY = {}, {}, {}, {}\n\
         local START_TOLERANCE_MILLIS = {START_TOLERANCE_MILLIS}\n\
         local MOST_REMOVED_TRACKS = {MOST_REMOVED_TRACKS}\n",
        EVENT_MEMORY.as_micros(),
        TRACK_MEMORY.as_micros(),
        GONE_MEMORY.as_micros(),
        ROOM_MEMORY.as_micros(),
    );
    Script::new([&constants, include_str!("room.lua"), script].concat())
}
