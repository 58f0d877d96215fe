//! Why LiveKit's Redis is not followed, and what an operator can do about it.

use redis::{ErrorKind, RedisError};

/// Why LiveKit's Redis is not followed.
#[derive(Debug, thiserror::Error)]
pub(super) enum Lost {
    #[error("the connection was closed")]
    Closed,
    #[error("no answer to pings")]
    Silent,
    #[error("the connection leads to another server, or slots of the Cluster moved")]
    Moved,
    #[error("it is a replica, whose lists may be late: name its master")]
    Replica,
    #[error("it, or a proxy before it, speaks only RESP2; {NEEDS_RESP3}")]
    OnlyResp2,
    #[error("{}{}", told(.0), advice(.0))]
    Failed(#[from] RedisError),
}

const NEEDS_RESP3: &str = "changes are told by RESP3 and CLIENT TRACKING, so it must be Redis 6 or later, without a proxy that does not know them";
/// A right is missing.
const RIGHTS: [&str; 2] = ["noperm", "no permissions"];
/// Before the arguments of an unknown command, which Redis repeats.
const ARGUMENTS: &str = ", with args beginning with";
/// What an operator can do about an error whose code is one of these words, or whose text has one. Looked for in lower case.
const ADVICE: [(&[&str], &str); 4] = [
    (&["noproto", "hello", "unknown command", "unknown subcommand", "syntax error"], NEEDS_RESP3),
    (
        &RIGHTS,
        "give the user in `livekit.redis_url` +hello +client|tracking +client|id +hgetall +hget +get +ping (+select with a database number, +role with Sentinel, +cluster|slots +cluster|nodes on a Cluster) on the keys room_participants:*, rooms, livekit_version and, so that crashes of LiveKit are seen, nodes",
    ),
    (&["noauth", "wrongpass"], "check the user and the password in `livekit.redis_url`"),
    (
        &["certificate"],
        "name hosts in `livekit.redis_url` as the certificates do, and the authority in `livekit.redis_ca_file` if it is your own",
    ),
];

/// What Redis said, on one line, without the arguments of a command, which may be names of rooms.
pub(super) fn told(error: &RedisError) -> String {
    let text = error.to_string().split_whitespace().collect::<Vec<_>>().join(" ");
    match text.split_once(ARGUMENTS) {
        Some((start, _)) => start.to_owned(),
        None => text,
    }
}

/// Whether the user of Redis lacks a right.
pub(super) fn is_refused(error: &RedisError) -> bool {
    RIGHTS.iter().any(|word| says(error, word))
}

fn says(error: &RedisError, word: &str) -> bool {
    let code = error.code().unwrap_or_default().to_ascii_lowercase();
    code == word || told(error).to_ascii_lowercase().contains(word)
}

/// What an operator can do, where that is known.
fn advice(error: &RedisError) -> String {
    let says = |word: &&str| says(error, word);
    let known = match error.kind() {
        ErrorKind::RESP3NotSupported => Some(NEEDS_RESP3),
        ErrorKind::MasterNameNotFoundBySentinel => Some(
            "check the service's name at the end of `livekit.redis_url`, or wait until the sentinels agree on a master",
        ),
        // Rights first: the name of a refused command stands in its error.
        _ if is_refused(error) => Some(ADVICE[1].1),
        _ => ADVICE.iter().find(|(words, _)| words.iter().any(says)).map(|(_, advice)| *advice),
    };
    known.map(|advice| format!("; {advice}")).unwrap_or_default()
}
