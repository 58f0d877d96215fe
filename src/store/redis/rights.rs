//! What the user of Redis must be allowed: a command of each kind that the service sends, each of which changes nothing that lasts.

use redis::{Cmd, Pipeline, RedisError};

use crate::presence::RoomName;

use super::keys::{Bucket, KeyFormat};

/// What is made for the purpose ends by itself if it is not deleted.
const SCRATCH_SECS: &str = "30";
/// No hash has a field of this name, since names of rooms have no control characters.
const NOBODY: &str = "\u{1}livekit-presence-doctor";
const NO_RIGHT: [&str; 3] =
    ["no permissions", "can't run this command", "executing the script can't"];
const NO_COMMAND: [&str; 2] = ["unknown command", "unknown subcommand"];
/// Before the arguments of an unknown command, which Redis repeats.
const ARGUMENTS: &str = ", with args beginning with";

/// The commands that are tried.
pub(super) struct Samples {
    /// On keys of one slot that are made for the purpose, in an order in which each can do its work. They are sent as one, so that
    /// nothing stays without an expiry if we go away in between. MULTI would need a right that the service does not need.
    pub on_scratch: Pipeline,
    /// Each on its own, in any order.
    pub others: Vec<Cmd>,
}

pub(super) fn samples(keys: &KeyFormat, is_cluster: bool) -> Samples {
    let scratch = |kind: &str| keys.shared(&format!("doctor:{:016x}:{kind}", fastrand::u64(..)));
    let [text, hash, list, stream] = ["text", "hash", "list", "stream"].map(scratch);
    let channel = keys.probe("doctor");
    let (publish, more): (_, &[&[&str]]) = if is_cluster {
        ("SPUBLISH", &[&["CLUSTER", "NODES"], &["CLUSTER", "SLOTS"]])
    } else {
        ("PUBLISH", &[])
    };
    let last: [&[&str]; 6] = [
        &["EVAL", "return 1", "1", &text],
        &["EVALSHA", "0000000000000000000000000000000000000000", "1", &text],
        &["DEL", &text],
        &["DEL", &hash],
        &["DEL", &list],
        &["DEL", &stream],
    ];
    let last = last.map(command);
    let mut on_scratch = Pipeline::new();
    for command in
        on_values(&text, &hash).into_iter().chain(on_sequences(&list, &stream)).chain(last)
    {
        on_scratch.add_command(command);
    }
    let keyless: [&[&str]; 3] = [&["TIME"], &["INFO"], &[publish, &channel, ""]];
    let mut others: Vec<_> = keyless.iter().chain(more).map(|words| command(words)).collect();
    others.extend(on_each_kind(keys));
    Samples { on_scratch, others }
}

fn on_values(text: &str, hash: &str) -> Vec<Cmd> {
    let all: [&[&str]; 11] = [
        &["SET", text, "1", "NX", "EX", SCRATCH_SECS],
        &["GET", text],
        &["EXISTS", text],
        &["PEXPIRE", text, "30000"],
        &["HSET", hash, "f", "1"],
        &["EXPIRE", hash, SCRATCH_SECS],
        &["HGET", hash, "f"],
        &["HMGET", hash, "f", "g"],
        &["HGETALL", hash],
        &["HEXISTS", hash, "f"],
        &["HDEL", hash, "g"],
    ];
    all.iter().map(|words| command(words)).collect()
}

fn on_sequences(list: &str, stream: &str) -> Vec<Cmd> {
    let all: [&[&str]; 10] = [
        &["RPUSH", list, "1"],
        &["EXPIRE", list, SCRATCH_SECS],
        &["LRANGE", list, "0", "0"],
        &["LTRIM", list, "0", "0"],
        &["XADD", stream, "MAXLEN", "~", "10", "*", "f", "1"],
        &["EXPIRE", stream, SCRATCH_SECS],
        &["XLEN", stream],
        &["XRANGE", stream, "-", "+", "COUNT", "1"],
        &["XTRIM", stream, "MAXLEN", "10"],
        &["XDEL", stream, "0-1"],
    ];
    all.iter().map(|words| command(words)).collect()
}

/// Deletes a field that no hash has from a key of each kind. Where the key is no hash, Redis says so.
fn on_each_kind(keys: &KeyFormat) -> Vec<Cmd> {
    let bucket = Bucket::of(NOBODY);
    let mut all = vec![
        keys.index(bucket),
        keys.log_on(bucket),
        keys.outbox(bucket),
        keys.history(bucket),
        keys.turns(NOBODY),
    ];
    all.extend(keys.event_log().into_iter().take(2));
    all.extend(RoomName::parse("livekit-presence-doctor").map(|room| keys.room(&room)));
    all.iter().map(|key| command(&["HDEL", key, NOBODY])).collect()
}

fn command(words: &[&str]) -> Cmd {
    let mut command = Cmd::new();
    for word in words {
        command.arg(*word);
    }
    command
}

/// Its first word, or two where the second says which command it is.
pub(super) fn name_of(command: &Cmd) -> String {
    let words = command.args_iter().filter_map(|argument| match argument {
        redis::Arg::Simple(word) => Some(String::from_utf8_lossy(word).into_owned()),
        _ => None,
    });
    let words: Vec<_> = words.take(2).collect();
    match &*words {
        [first, second] if first == "CLUSTER" => format!("{first} {second}"),
        [first, ..] => first.clone(),
        [] => String::new(),
    }
}

/// Whether Redis refuses a command for good: the user may not send it, or nobody knows it.
pub(super) fn is_refusal(error: &RedisError) -> bool {
    let text = error.to_string().to_ascii_lowercase();
    let says = |words: &[&str]| words.iter().any(|word| text.contains(word));
    error.code() == Some("NOPERM") || says(&NO_RIGHT) || says(&NO_COMMAND)
}

/// What Redis said, without the arguments of a command.
pub(super) fn told(error: &RedisError) -> String {
    let text = error.to_string();
    text.split_once(ARGUMENTS).map_or(text.as_str(), |(start, _)| start).to_owned()
}
