use super::*;

fn with(variables: &[(&str, &str)]) -> Result<Config, ConfigErrors> {
    let key = [("LIVEKIT_KEYS", "APIone: a-secret-of-at-least-32-characters")];
    let variables = key.iter().chain(variables);
    let variables = variables.map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    Config::from_variables(variables, StartMode::Serve)
}

fn errors(variables: &[(&str, &str)]) -> Vec<String> {
    with(variables)
        .err()
        .map(|errors| errors.0.iter().map(ConfigError::to_string).collect())
        .unwrap_or_default()
}

#[test]
fn the_defaults_need_nothing_but_a_key() {
    let config = with(&[]).unwrap();
    assert_eq!(config.bind, "[::]:8080".parse().unwrap());
    assert_eq!(config.auth.mode, AuthMode::LiveKit);
    assert_eq!(config.stream.heartbeat, Duration::from_secs(15));
    assert_eq!(config.limits.streams, None);
    assert_eq!(config.presence_ttl, None);
    assert_eq!(config.livekit.keys[0].name(), "APIone");
}

#[test]
fn the_environment_says_what_differs() {
    let config = with(&[
        ("LKP__STREAM__HEARTBEAT", "250ms"),
        ("LKP__STREAM__COALESCE", "0ms"),
        ("LKP__HTTP__BIND", "127.0.0.1:9000"),
        ("PORT", "9001"),
        ("LKP__HTTP__CORS_ORIGINS", "https://a.example, http://localhost:3000"),
        ("LKP__HTTP__TRUSTED_PROXIES", "10.0.0.0/8,192.0.2.7"),
        ("LKP__AUTH__MODE", "open"),
        ("LIVEKIT_URL", "wss://livekit.example.com"),
        ("LKP__LIMITS__STREAMS", "500"),
        ("LKP__PRESENCE__TTL", "90s"),
    ])
    .unwrap();
    assert_eq!(config.stream.heartbeat, Duration::from_millis(250));
    assert_eq!(config.stream.coalesce, Duration::ZERO);
    assert_eq!(config.bind, "127.0.0.1:9001".parse().unwrap());
    let CorsOrigins::These(origins) = config.cors_origins else { panic!("two were named") };
    let named = ["https://a.example", "http://localhost:3000"];
    assert_eq!(origins, named.map(|origin| AllowedOrigin::parse(origin).unwrap()));
    assert_eq!(config.trusted_proxies.0.len(), 2);
    assert_eq!(config.auth.mode, AuthMode::Open);
    assert_eq!(config.livekit.url.unwrap().to_string(), "https://livekit.example.com/");
    assert_eq!(config.limits.streams, Some(500));
    assert_eq!(config.presence_ttl, Some(Duration::from_secs(90)));
}

#[test]
fn the_single_key_comes_before_the_others() {
    let config = with(&[("LIVEKIT_API_KEY", "APIfirst"), ("LIVEKIT_API_SECRET", "x")]).unwrap();
    let names: Vec<_> = config.livekit.keys.iter().map(ApiKey::name).collect();
    assert_eq!(names, ["APIfirst", "APIone"]);
}

#[test]
fn clients_tokens_may_be_signed_by_keys_of_their_own() {
    let config =
        with(&[("LKP__AUTH__KEYS", "APIreader: another-secret-of-at-least-32-chars")]).unwrap();
    let names: Vec<_> = config.client_keys().iter().map(|key| key.name().to_owned()).collect();
    assert_eq!(names, ["APIone", "APIreader"]);
    assert_eq!(config.livekit.keys.len(), 1, "webhooks are not");
    assert_eq!(
        errors(&[("LKP__AUTH__KEYS", "APIone: x")]),
        ["`auth.keys`: the key `APIone` is there twice; remove one"]
    );
    assert_eq!(
        errors(&[("LKP__AUTH__KEYS", "APIreader")]),
        ["`auth.keys`: line 1 is not of the form `key: secret`; write `key: secret`, one per line"]
    );
}

#[test]
fn keys_are_yaml_as_they_are_for_livekit() {
    let secret = "a-secret-of-at-least-32-characters";
    let forms = [
        format!("# rotated: 2026-09\nAPIone: \"{secret}\" # the new one\nAPItwo: '{secret}'"),
        format!("{{APIone: {secret}, APItwo: {secret}}}"),
        format!("\n    APIone: {secret}\n    APItwo: {secret}\n"),
        format!("APIone: {secret}\r\nAPItwo: {secret}\r\n"),
    ];
    for keys in forms {
        let config = with(&[("LIVEKIT_KEYS", &keys)]).unwrap();
        let names: Vec<_> = config.livekit.keys.iter().map(ApiKey::name).collect();
        assert_eq!(names, ["APIone", "APItwo"], "{keys}");
        assert!(config.livekit.keys.iter().all(|key| key.has_secret(secret)), "{keys}");
    }
}

// `docker run --env-file` takes quotes for a part of the value, and `echo secret | base64` adds a new line.
#[test]
fn a_single_key_in_quotes_is_refused_and_space_around_it_does_not_count() {
    let pair = |name, secret| [("LIVEKIT_API_KEY", name), ("LIVEKIT_API_SECRET", secret)];
    for secret in ["\"hunter2\"", "'hunter2'"] {
        let found = errors(&pair("APItwo", secret));
        assert_eq!(
            found,
            [
                "`LIVEKIT_API_SECRET`: is in quotes, which would be part of it; remove them, or use LIVEKIT_KEYS if they are"
            ]
        );
    }
    let config = with(&pair("APItwo\n", " hunter2\n")).unwrap();
    assert_eq!(config.livekit.keys[0].name(), "APItwo");
    assert!(config.livekit.keys[0].has_secret("hunter2"));
}

#[test]
fn secrets_can_come_from_files() {
    let file = std::env::temp_dir().join(format!("lkp-secret-{}", std::process::id()));
    std::fs::write(&file, "from-a-file\n").unwrap();
    let path = file.to_str().unwrap();
    let config = with(&[("LIVEKIT_API_KEY", "APIf"), ("LIVEKIT_API_SECRET_FILE", path)]).unwrap();
    assert_eq!(config.livekit.keys[0].name(), "APIf");
    std::fs::remove_file(&file).unwrap();
    assert_eq!(
        errors(&[("LIVEKIT_API_KEY", "APIf"), ("LIVEKIT_API_SECRET_FILE", path)]),
        [format!(
            "`LIVEKIT_API_SECRET_FILE`: {path} cannot be read: No such file or directory (os error 2)"
        )]
    );
}

#[test]
fn every_wrong_value_is_explained_in_one_sentence_that_names_the_fix() {
    let cases = [
        (
            "LKP__LOG__LEVEL",
            "inof",
            "`log.level`: \"inof\" is no level; write error, warn, info, debug or trace (from the environment)",
        ),
        (
            "LIVEKIT_URL",
            "wss://user:hunter2@livekit.example.com",
            "`livekit.url`: must not hold a user or a password; the API key is what opens LiveKit",
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
            "`http.cors_origins`: \"https://a.example/\" is no origin; write scheme, host and port as browsers do, such as https://app.example.com, or only \"*\"",
        ),
        (
            "LKP__HTTP__CORS_ORIGINS",
            "null",
            "`http.cors_origins`: \"null\" is what all pages without an origin send, files and sandboxed frames among them, so it names nobody; serve the page from an origin of its own",
        ),
        (
            "LKP__HTTP__CORS_ORIGINS",
            "https://*.com",
            "`http.cors_origins`: \"https://*.com\" is no pattern; only one leading label can be left open, below a domain of at least two, such as https://*.preview.example.com",
        ),
        (
            "LKP__AUTH__MODE",
            "none",
            "`auth.mode`: \"none\" is no mode; write livekit or open (from the environment)",
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
    for (name, value, expected) in cases {
        assert_eq!(errors(&[(name, value)]), [expected], "{name}={value}");
    }
}

/// A duration without an end made a task panic, which ended the process; one next to nothing kept a thread busy for ever.
#[test]
fn every_duration_and_every_number_has_bounds_that_are_told_at_start() {
    let defaults = layers::merge(None, &Variables::new([])).unwrap();
    let mut bounded = 0;
    for (key, default) in defaults {
        let default = list(&default).unwrap().join(",");
        let is_number = default.parse::<u64>().is_ok();
        let is_duration = humantime::parse_duration(&default).is_ok() && !is_number;
        let extremes: &[&str] = match key.as_str() {
            "presence.ttl" => &["1ns", "500years", "99999999999999999999years"],
            "stream.coalesce" | "reconcile.grace" | "shutdown.drain" => {
                &["500years", "18446744073709551615s", "99999999999999999999years"]
            }
            _ if is_duration => &["0s", "1ns", "500years", "18446744073709551615s"],
            _ if is_number => &["-1", "4294967296", "99999999999999999999999"],
            _ => continue,
        };
        bounded += 1;
        let variable = format!("LKP__{}", key.replace('.', "__").to_uppercase());
        for extreme in extremes {
            let found = errors(&[(&variable, extreme)]);
            assert!(found[0].starts_with(&format!("`{key}`: ")), "{key}={extreme}: {found:?}");
            assert!(found[0].contains(" from ") && found[0].contains(" to "), "{found:?}");
        }
    }
    assert!(bounded >= 21, "{bounded}");
}

#[test]
fn a_cookie_is_not_taken_from_any_page() {
    let found = errors(&[("LKP__AUTH__COOKIE", "session"), ("LKP__HTTP__CORS_ORIGINS", "*")]);
    assert!(found[0].starts_with("`auth.cookie`: cannot be used with"), "{found:?}");
}

#[test]
fn all_faults_are_told_at_once() {
    let found =
        errors(&[("LKP__STREAM__HEARTBEAT", "x"), ("LKP__AUTH__MODE", "x"), ("LKP__X__Y", "1")]);
    assert_eq!(found.len(), 3, "{found:?}");
}

#[test]
fn a_file_says_what_differs_and_the_environment_has_the_last_word() {
    let file = std::env::temp_dir().join(format!("lkp-config-{}.toml", std::process::id()));
    std::fs::write(
        &file,
        "[stream]\nheartbeat = \"1s\"\nmax_age = \"2h\"\n[livekit]\nkeys = [\"APIa: x\", \"APIb: y\"]\n",
    )
    .unwrap();
    let variables = Variables::new([("LKP__STREAM__HEARTBEAT".to_owned(), "3s".to_owned())]);
    let (config, description) = Config::parse(Some(&file), &variables, StartMode::Serve).unwrap();
    std::fs::remove_file(&file).unwrap();
    assert_eq!(config.stream.heartbeat, Duration::from_secs(3));
    assert_eq!(config.stream.max_age, Duration::from_hours(2));
    assert_eq!(config.livekit.keys.len(), 2);
    assert!(description.contains("livekit.keys = \"APIa: ****, APIb: ****\""), "{description}");
    assert!(description.contains("stream.heartbeat = \"3s\""), "{description}");
}

#[test]
fn the_documentation_names_every_key_with_its_variable_and_its_default() {
    let defaults = layers::merge(None, &Variables::new([])).unwrap();
    let document = include_str!("../../docs/configuration.md");
    let rows: Vec<_> = document.lines().filter(|line| line.contains("`LKP__")).collect();
    for (key, default) in &defaults {
        let variable = format!("LKP__{}", key.replace('.', "__").to_uppercase());
        let default = match list(default).unwrap().join(", ") {
            none if none.is_empty() => " ".to_owned(),
            value => format!(" `{value}` "),
        };
        let start = format!("| `{key}` | `{variable}` |{default}|");
        assert!(rows.iter().any(|row| row.starts_with(&start)), "no row {start}");
    }
    let table = rows.iter().filter(|row| row.starts_with("| `"));
    assert_eq!(table.count(), defaults.len(), "no row but these");
}

#[test]
fn a_missing_file_is_named() {
    let missing =
        Config::parse(Some(Path::new("/nowhere.toml")), &Variables::new([]), StartMode::Serve);
    assert_eq!(missing.unwrap_err().to_string(), "`--config`: there is no file /nowhere.toml");
}

#[test]
fn debug_output_has_no_secret() {
    assert!(!format!("{:?}", with(&[]).unwrap()).contains("a-secret-of"));
}
