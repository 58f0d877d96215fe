//! What an error of Redis means to an operator, in one sentence: what was refused, and what is needed.

use redis::{ErrorKind, RedisError};

use crate::store::StoreError;

/// The error for those above, with what is needed where that is known.
pub(super) fn failed(error: &RedisError) -> StoreError {
    let mut reason = error.to_string();
    // Redis says what a command that it does not know began with: keys, and with them names.
    if let Some(arguments) = reason.find(", with args beginning with") {
        reason.truncate(arguments);
    }
    if let Some(need) = need(error, &reason) {
        reason = format!("{reason}; {need}");
    }
    StoreError { reason }
}

fn need(error: &RedisError, reason: &str) -> Option<&'static str> {
    // The library knows some codes, and leaves others, and those of errors in scripts, in the text.
    let says = |word: &str| error.code() == Some(word) || reason.contains(word);
    if says("NOPROTO") || reason.to_ascii_lowercase().contains("hello") {
        return Some("a Cluster's subscriptions need HELLO 3 (RESP3), so allow it");
    }
    if says("NOPERM") || says("can't run this command") {
        return Some(
            "give the user in `store.redis_url` +@read +@write +@scripting +@pubsub +@connection +time +info (on a Cluster +cluster too) on the keys and channels that begin with `store.key_prefix`",
        );
    }
    if says("unknown command") || says("Unknown Redis command") || says("unknown subcommand") {
        return Some(
            "the service needs what Redis 6.2 has, EVAL, EVALSHA, TIME, PUBLISH and SUBSCRIBE among it: connect to Redis itself if a proxy refuses it",
        );
    }
    if says("NOAUTH") || says("WRONGPASS") || error.kind() == ErrorKind::AuthenticationFailed {
        return Some("check the user and the password in `store.redis_url`");
    }
    if says("WRONGTYPE") {
        return Some("another program uses this key; choose another `store.key_prefix`");
    }
    if says("CROSSSLOT") {
        return Some("no command of the service names keys of several slots; say so to its makers");
    }
    if says("OOM") {
        return Some("Redis is full; raise its maxmemory");
    }
    if error.kind() == ErrorKind::MasterNameNotFoundBySentinel {
        return Some(
            "check the service's name at the end of `store.redis_url`, or wait until the sentinels agree on a master",
        );
    }
    if says("certificate") {
        return Some(
            "name hosts in `store.redis_url` as the certificates do, and the authority in `store.ca_file` if it is your own",
        );
    }
    None
}

#[cfg(test)]
mod tests {
    use redis::{Value, from_redis_value};

    use super::*;

    /// As the parser of the library makes it of an answer.
    fn answer(line: &str) -> String {
        let error = redis::parse_redis_value(format!("-{line}\r\n").as_bytes())
            .and_then(Value::extract_error)
            .and_then(|value| Ok(from_redis_value::<String>(value)?))
            .unwrap_err();
        failed(&error).reason
    }

    #[test]
    fn each_refusal_says_what_is_needed() {
        for (line, need) in [
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
            let reason = answer(line);
            assert!(reason.contains(need), "{line}: {reason}");
        }
        assert_eq!(answer("BUSY Redis is busy").matches(';').count(), 0);
    }
}
