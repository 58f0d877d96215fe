//! The Lua scripts that run in Redis. None of them knows a rule of a room.

use std::sync::LazyLock;

use redis::{Arg, Cmd};

/// A call has, beside keys and arguments, a name, the script, and the number of keys.
const ADDED_PARTS: usize = 3;
/// Room for the name and the number of keys.
const NAME_BYTES: usize = 16;

const READ: &str = include_str!("read.lua");
static READ_HASH: LazyLock<String> = LazyLock::new(|| Script::new(READ).hash);

/// Whether a command is the script that reads entries of a stream, which can be a megabyte.
pub(super) fn reads_entries(command: &Cmd) -> bool {
    let mut arguments = command.args_iter();
    matches!(arguments.next(), Some(Arg::Simple(b"EVALSHA")))
        && matches!(arguments.next(), Some(Arg::Simple(hash)) if hash == READ_HASH.as_bytes())
}

/// Scripts by what they do. Each is sent by its hash, and as a whole only where Redis does not know it.
#[derive(Debug)]
pub(super) struct Scripts {
    pub commit: Script,
    pub take_off: Script,
    pub relay: Script,
    pub tend: Script,
    pub read: Script,
    pub release: Script,
    pub take_call: Script,
    pub take_turn: Script,
    pub tell: Script,
}

#[derive(Debug)]
pub(super) struct Script {
    code: &'static str,
    hash: String,
}

pub(super) struct Call<'call> {
    script: &'call Script,
    keys: &'call [String],
    arguments: &'call [&'call [u8]],
}

impl Call<'_> {
    pub fn by_hash(&self) -> Cmd {
        self.command("EVALSHA", &self.script.hash)
    }

    /// By its text; afterwards Redis knows it by its hash too. Unlike `SCRIPT LOAD`, this goes to the node that has the keys.
    pub fn by_text(&self) -> Cmd {
        self.command("EVAL", self.script.code)
    }

    fn command(&self, name: &str, script: &str) -> Cmd {
        let parts = self.arguments.len() + self.keys.len() + ADDED_PARTS;
        let keys = self.keys.iter().map(String::len).sum::<usize>();
        let bytes = self.arguments.iter().map(|argument| argument.len()).sum::<usize>();
        let mut call = Cmd::with_capacity(parts, script.len() + keys + bytes + NAME_BYTES);
        call.arg(name).arg(script).arg(self.keys.len()).arg(self.keys);
        for argument in self.arguments {
            call.arg(*argument);
        }
        call
    }
}

impl Script {
    fn new(code: &'static str) -> Self {
        let hash = redis::Script::new(code).get_hash().to_owned();
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
            commit: Script::new(include_str!("commit.lua")),
            take_off: Script::new(include_str!("take_off.lua")),
            relay: Script::new(include_str!("relay.lua")),
            tend: Script::new(include_str!("tend.lua")),
            read: Script::new(READ),
            release: Script::new(include_str!("release.lua")),
            take_call: Script::new(include_str!("take_call.lua")),
            take_turn: Script::new(include_str!("take_turn.lua")),
            tell: Script::new(include_str!("tell.lua")),
        }
    }
}
