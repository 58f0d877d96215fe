//! Turns an error of Redis into a [`StoreError`], with advice for the operator.

use std::error::Error;

use redis::{ErrorKind, RedisError, ServerErrorKind, make_extension_error};

use crate::store::{Cause, StoreError};

/// After these words Redis repeats the arguments of an unknown command: keys, and in them the names of rooms.
const ARGUMENTS: &str = ", with args beginning with";

/// The error for those above. Its source is the error of Redis, without the arguments of commands.
pub(super) fn failed(error: &RedisError) -> StoreError {
    let text = error.to_string();
    let (text, source) = match text.split_once(ARGUMENTS) {
        Some((start, _)) => (start, without_arguments(error, start)),
        None => (text.as_str(), error.clone()),
    };
    let cause = Cause::new(source).with_advice(advice(error, text));
    match error.kind() {
        _ if error.is_timeout() => StoreError::TimedOut(cause),
        // It starts, or another server takes over. This passes by itself.
        ErrorKind::Server(
            ServerErrorKind::BusyLoading
            | ServerErrorKind::ClusterDown
            | ServerErrorKind::MasterDown
            | ServerErrorKind::TryAgain,
        ) => StoreError::Unreachable(cause),
        ErrorKind::Server(_)
        | ErrorKind::Extension
        | ErrorKind::AuthenticationFailed
        | ErrorKind::RESP3NotSupported => StoreError::Refused(cause),
        ErrorKind::Parse | ErrorKind::UnexpectedReturnType => StoreError::Malformed(cause),
        // The connection failed, or there is no address to connect to. The library may add kinds.
        _ => StoreError::Unreachable(cause),
    }
}

/// Whether Redis refuses this until an operator changes something. Other refusals pass: it is full, or another server takes over.
pub(super) fn refuses_always(error: &StoreError) -> bool {
    let StoreError::Refused(_) = error else { return false };
    let Some(error) = error.source().and_then(|source| source.downcast_ref::<RedisError>()) else {
        return false;
    };
    let text = error.to_string();
    let mut words = [NO_RIGHT, NO_COMMAND, OTHER_TYPE].into_iter().flatten();
    words.any(|word| says(error, &text, word))
}

/// The library parses some codes. Others, and those of errors in scripts, stand in the text.
fn says(error: &RedisError, text: &str, word: &str) -> bool {
    error.code() == Some(word) || text.contains(word)
}

fn without_arguments(error: &RedisError, start: &str) -> RedisError {
    let code = error.code().unwrap_or("ERR");
    let detail = start.trim_start_matches(code).trim_start_matches([':', ' ']);
    make_extension_error(code.to_owned(), Some(detail.to_owned()))
}

const NO_RIGHT: &[&str] = &["NOPERM", "executing the script can't", "can't run this command"];
const NO_COMMAND: &[&str] = &["unknown command", "Unknown Redis command", "unknown subcommand"];
const OTHER_TYPE: &[&str] = &["WRONGTYPE"];
/// What an operator can do about an error whose code is one of these words, or whose text has one.
const ADVICE: [(&[&str], &str); 7] = [
    (
        NO_RIGHT,
        "give the user in `store.redis_url` +@read +@write +@scripting +@pubsub +@connection -@dangerous +time +info (on a Cluster +cluster|info +cluster|nodes +cluster|slots too) on the keys and channels that begin with `store.key_prefix`",
    ),
    (
        NO_COMMAND,
        "the service needs what Redis 6.2 has, EVAL, EVALSHA, TIME, PUBLISH and SUBSCRIBE among it, and for streams of all events and the history XADD, XRANGE, XLEN, XDEL and XTRIM: connect to Redis itself if a proxy refuses it",
    ),
    (&["NOAUTH", "WRONGPASS"], CHECK_PASSWORD),
    (OTHER_TYPE, "another program uses this key; choose another `store.key_prefix`"),
    (
        &["CROSSSLOT"],
        "no command of the service names keys of several slots, so please report this",
    ),
    (&["OOM"], "Redis is full; raise its maxmemory"),
    (
        &["certificate"],
        "name hosts in `store.redis_url` as the certificates do, and the authority in `store.ca_file` if it is your own",
    ),
];
const CHECK_PASSWORD: &str = "check the user and the password in `store.redis_url`";
const ALLOW_HELLO: &str = "a Cluster's subscriptions need HELLO 3 (RESP3), so allow it";
const CHECK_SERVICE: &str = "check the service's name at the end of `store.redis_url`, or wait until the sentinels agree on a master";

/// What an operator can do, where that is known.
pub(super) fn advice(error: &RedisError, text: &str) -> Option<&'static str> {
    if error.kind() == ErrorKind::MasterNameNotFoundBySentinel {
        return Some(CHECK_SERVICE);
    }
    let says = |word: &str| says(error, text, word);
    if says("NOPROTO") || text.to_ascii_lowercase().contains("hello") {
        return Some(ALLOW_HELLO);
    }
    let known = ADVICE.iter().find(|(words, _)| words.iter().any(|word| says(word)));
    match error.kind() {
        _ if known.is_some() => known.map(|(_, advice)| *advice),
        ErrorKind::AuthenticationFailed => Some(CHECK_PASSWORD),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use std::io;

    use redis::{Value, from_redis_value};

    use super::*;

    /// The error that the library makes of an answer.
    fn answered(line: &str) -> StoreError {
        let error = redis::parse_redis_value(format!("-{line}\r\n").as_bytes())
            .and_then(Value::extract_error)
            .and_then(|value| Ok(from_redis_value::<String>(value)?))
            .unwrap_err();
        failed(&error)
    }

    #[test]
    fn each_refusal_says_what_an_operator_can_do() {
        for (line, advice) in [
            ("NOPERM User default has no permissions to run the 'evalsha' command", "+@scripting"),
            ("NOPERM No permissions to access a channel", "`store.key_prefix`"),
            ("ERR unknown command 'EVALSHA', with args beginning with: ", "EVALSHA, TIME"),
            ("ERR Unknown Redis command called from script script: 5f2c", "EVALSHA, TIME"),
            ("NOPERM User default has no permissions to run the 'hello' command", "HELLO 3"),
            ("ERR unknown command 'HELLO', with args beginning with: '3' ", "HELLO 3"),
            ("NOPROTO unsupported protocol version", "HELLO 3"),
            ("NOAUTH Authentication required.", "password"),
            ("WRONGTYPE Operation against a key holding the wrong kind of value", "key_prefix"),
            ("CROSSSLOT Keys in request don't hash to the same slot", "several slots"),
            ("OOM command not allowed when used memory > 'maxmemory'.", "maxmemory"),
        ] {
            let error = answered(line);
            assert!(matches!(error, StoreError::Refused(_)), "{line}: {error:?}");
            assert!(error.to_string().contains(advice), "{line}: {error}");
        }
        let unknown = answered("BUSY Redis is busy");
        assert_eq!(unknown.to_string(), "the store refused what it was asked");
    }

    #[test]
    fn only_what_an_operator_has_to_change_is_refused_always() {
        for (line, always) in [
            ("NOPERM User default has no permissions to run the 'xadd' command", true),
            ("ERR unknown command 'XADD', with args beginning with: 'OOM'", true),
            ("ERR Unknown Redis command called from script script: 5f2c", true),
            ("WRONGTYPE Operation against a key holding the wrong kind of value", true),
            ("OOM command not allowed when used memory > 'maxmemory'.", false),
            ("READONLY You can't write against a read only replica.", false),
            ("MISCONF Redis is configured to save RDB snapshots", false),
            ("NOREPLICAS Not enough good replicas to write.", false),
            ("LOADING Redis is loading the dataset in memory", false),
        ] {
            assert_eq!(refuses_always(&answered(line)), always, "{line}");
        }
    }

    #[test]
    fn the_source_is_what_redis_said_without_the_arguments_of_commands() {
        let source = |line| answered(line).source().unwrap().to_string();
        assert!(source("OOM command not allowed").contains("command not allowed"));
        let said = source("ERR unknown command 'EVALSHA', with args beginning with: 'lkp:room'");
        assert!(said.ends_with("unknown command 'EVALSHA'") && !said.contains("lkp"), "{said}");
    }

    #[test]
    fn advice_is_for_what_redis_said_and_not_for_the_names_in_it() {
        let error = answered(
            "ERR unknown command 'EVALSHA', with args beginning with: 'lkp:room:{b1}:hello' 'OOM' ",
        );
        assert!(error.to_string().contains("Redis 6.2"), "{error}");
    }

    #[test]
    fn a_redis_that_starts_or_fails_over_is_unreachable() {
        for line in [
            "LOADING Redis is loading the dataset in memory",
            "CLUSTERDOWN The cluster is down",
            "MASTERDOWN Link with MASTER is down",
            "TRYAGAIN Multiple keys request during rehashing of slot",
        ] {
            let error = answered(line);
            assert!(matches!(error, StoreError::Unreachable(_)), "{line}: {error:?}");
        }
    }

    #[test]
    fn a_connection_that_fails_and_an_answer_that_is_late_are_told_apart() {
        let of = |kind: io::ErrorKind| failed(&io::Error::from(kind).into());
        assert!(matches!(of(io::ErrorKind::TimedOut), StoreError::TimedOut(_)));
        assert!(matches!(of(io::ErrorKind::ConnectionRefused), StoreError::Unreachable(_)));
        assert!(matches!(of(io::ErrorKind::BrokenPipe), StoreError::Unreachable(_)));
    }

    #[test]
    fn an_answer_of_another_type_is_malformed() {
        let error = from_redis_value::<u64>(Value::Okay).unwrap_err();
        assert!(matches!(failed(&error.into()), StoreError::Malformed(_)));
    }
}
