//! Every wrong value is explained in one sentence that says what to write instead.

use super::errors;

/// A variable, its wrong value, and the error that follows.
type WrongValue = (&'static str, &'static str, &'static str);

fn each_is_explained(wrong_values: &[WrongValue]) {
    for (name, value, expected) in wrong_values {
        assert_eq!(errors(&[(name, value)]), [*expected], "{name}={value}");
    }
}

const HTTP: &[WrongValue] = &[
    (
        "LKP__HTTP__BIND",
        "8080",
        "`http.bind`: \"8080\" is no address to listen on; write an IP address and a port, such as 0.0.0.0:8080 or [::]:8080 (from the environment)",
    ),
    ("PORT", "http", "`PORT`: is no port; write a number from 0 to 65535"),
    (
        "LKP__HTTP__TRUSTED_PROXIES",
        "10.0.0.0/8, proxy",
        "`http.trusted_proxies`: \"proxy\" is no network; write an address with a prefix length, such as 10.0.0.0/8 (from the environment)",
    ),
    (
        "LKP__HTTP__CORS_ORIGINS",
        "https://a.example/",
        "`http.cors_origins`: \"https://a.example/\" is not an origin; write scheme, host and port as browsers do, such as https://app.example.com, or only \"*\"",
    ),
    (
        "LKP__HTTP__CORS_ORIGINS",
        "null",
        "`http.cors_origins`: \"null\" is what all pages without an origin send, files and sandboxed frames among them, so it names nobody; serve the page from an origin of its own",
    ),
    (
        "LKP__HTTP__CORS_ORIGINS",
        "https://*.com",
        "`http.cors_origins`: \"https://*.com\" is not a pattern; only one leading label can be left open, below a domain of at least two, such as https://*.preview.example.com",
    ),
];

const KEYS: &[WrongValue] = &[
    (
        "LIVEKIT_URL",
        "wss://user:hunter2@livekit.example.com",
        "`livekit.url`: must not hold a user or a password; the API key is what opens LiveKit",
    ),
    (
        "LIVEKIT_URL",
        "livekit.example.com",
        "`livekit.url`: \"livekit.example.com\" is no address of LiveKit; write one such as wss://livekit.example.com or http://localhost:7880",
    ),
    (
        "LIVEKIT_API_KEY",
        "APItwo",
        "`LIVEKIT_API_SECRET`: is missing; LIVEKIT_API_KEY is of no use without it",
    ),
    (
        "LIVEKIT_API_SECRET",
        "x",
        "`LIVEKIT_API_KEY`: is missing; LIVEKIT_API_SECRET is of no use without it",
    ),
    (
        "LIVEKIT_KEYS",
        "APIone",
        "`livekit.keys`: line 1 is not of the form `key: secret`; write `key: secret`, one per line",
    ),
    (
        "LIVEKIT_KEYS",
        "APIone:",
        "`livekit.keys`: the secret of key `APIone` is empty; write `key: secret`, one per line",
    ),
    (
        "LIVEKIT_KEYS",
        "APIone:hunter2",
        "`livekit.keys`: line 1 has no space after its colon, so LiveKit does not read it as a key and its secret; write `key: secret`, one per line",
    ),
    (
        "LIVEKIT_KEYS",
        "APIone: 12345678901234567890123456789012",
        "`livekit.keys`: LiveKit reads the secret of key `APIone` as a number, a date, a switch or a collection instead of text, and drops the key; put quotes around it: `key: \"secret\"`",
    ),
    (
        "LIVEKIT_KEYS",
        "APIone: one, APItwo: two",
        "`livekit.keys`: line 1 is not YAML as LiveKit reads it, or is not a key and its secret; write `key: secret`, one per line",
    ),
    (
        "LIVEKIT_KEYS",
        "APIone: a\nAPIone: b",
        "`livekit.keys`: the key `APIone` is there twice; remove one",
    ),
    (
        "LIVEKIT_KEYS",
        "",
        "`livekit.keys`: is empty, so no webhook could be verified; set LIVEKIT_API_KEY and LIVEKIT_API_SECRET, or LIVEKIT_KEYS",
    ),
];

const OTHERS: &[WrongValue] = &[
    (
        "LKP__LOG__LEVEL",
        "inof",
        "`log.level`: \"inof\" is no level; write error, warn, info, debug or trace (from the environment)",
    ),
    (
        "LKP__STREAM__HEARTBEAT",
        "15",
        "`stream.heartbeat`: \"15\" is no duration; write a number and a unit, such as 250ms, 20s or 1h (from the environment)",
    ),
    (
        "LKP__STREAM__HEARTBEAT",
        "0s",
        "`stream.heartbeat`: \"0s\" is out of bounds; write a duration from 10ms to 1day (from the environment)",
    ),
    (
        "LKP__STREAM__ENABLED",
        "yes",
        "`stream.enabled`: \"yes\" is neither true nor false; write one of them (from the environment)",
    ),
    (
        "LKP__LIMITS__STREAMS",
        "many",
        "`limits.streams`: \"many\" is no whole number; write one from 0 to 1000000 (from the environment)",
    ),
    (
        "LKP__LIMITS__BODY_BYTES",
        "0",
        "`limits.body_bytes`: \"0\" is out of bounds; write a number from 1 to 4294967295 (from the environment)",
    ),
    (
        "LKP__AUTH__MODE",
        "none",
        "`auth.mode`: \"none\" is no mode; write livekit or open (from the environment)",
    ),
    (
        "REDIS_URL",
        "http://localhost",
        "`store.redis_url`: must be like redis://host:6379, redis://user:password@host:6379/0 or rediss://host:6379",
    ),
    (
        "LKP__STORE__KEY_PREFIX",
        "{lkp}:",
        "`store.key_prefix`: \"{lkp}:\" has braces, which would spread a room over a Cluster; leave them out (from the environment)",
    ),
    (
        "HISTORY_URL",
        "mysql://user:hunter2@db/history",
        "`history.url`: is no address of a database; write sqlite:/path/to/history.db or postgres://user:password@host:5432/database",
    ),
    (
        "LKP__HISTORY__KEEP",
        "forever",
        "`history.keep`: \"forever\" is no duration; write a number and a unit, such as 250ms, 20s or 1h (from the environment)",
    ),
    (
        "LKP__PRESENCE__TTL",
        "never",
        "`presence.ttl`: \"never\" is no duration; write a number and a unit, such as 250ms, 20s or 1h (from the environment)",
    ),
    (
        "LKP__LOG__FORMAT",
        "xml",
        "`log.format`: \"xml\" is no format; write human, json or auto (from the environment)",
    ),
    (
        "LKP__LOG__LEVEL",
        "loud=very=much",
        "`log.level`: \"loud=very=much\" is no level; write error, warn, info, debug or trace (from the environment)",
    ),
    (
        "LKP__STREAM__HARTBEAT",
        "1s",
        "`stream.hartbeat`: there is no such key; `config/default.toml` lists all of them",
    ),
];

#[test]
fn wrong_addresses_and_origins_are_explained() {
    each_is_explained(HTTP);
}

#[test]
fn wrong_keys_are_explained() {
    each_is_explained(KEYS);
}

#[test]
fn every_other_wrong_value_is_explained() {
    each_is_explained(OTHERS);
}
