//! The configuration as an operator gives it: variables, files, defaults.

mod livekit_redis;
mod tokens;
mod wrong_values;

use std::{path::Path, time::Duration};

use crate::{
    http::{AllowedOrigin, AuthMode, CorsOrigins},
    livekit::ApiKey,
};

use super::{
    Config, ConfigError, ConfigErrors, StartMode,
    layers::{self, Variables},
    values::list,
};

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
    assert_eq!(config.http.bind, "[::]:8080".parse().unwrap());
    assert_eq!(config.auth.settings.mode, AuthMode::LiveKit);
    assert_eq!(config.stream.heartbeat, Duration::from_secs(15));
    assert_eq!(config.limits.streams, None);
    assert_eq!(config.presence.ttl, None);
    assert_eq!(config.livekit.keys[0].name(), "APIone");
}

#[test]
fn a_missing_key_is_told_beside_whatever_else_is_wrong() {
    let wrong =
        [("LIVEKIT_KEYS", ""), ("LKP__HTTP__HEAD_TIMEOUT", "15"), ("LKP__LOG__LEVEL", "inof")];
    let told = errors(&wrong);
    for key in ["livekit.keys", "http.head_timeout", "log.level"] {
        assert!(told.iter().any(|error| error.contains(key)), "{key}: {told:?}");
    }
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
    assert_eq!(config.http.bind, "127.0.0.1:9001".parse().unwrap());
    let CorsOrigins::These(origins) = config.http.cors_origins else { panic!("two were named") };
    let named = ["https://a.example", "http://localhost:3000"];
    assert_eq!(origins, named.map(|origin| AllowedOrigin::parse(origin).unwrap()));
    assert_eq!(config.http.trusted_proxies.0.len(), 2);
    assert_eq!(config.auth.settings.mode, AuthMode::Open);
    assert_eq!(config.livekit.url.unwrap().to_string(), "https://livekit.example.com/");
    assert_eq!(config.limits.streams, Some(500));
    assert_eq!(config.presence.ttl, Some(Duration::from_secs(90)));
}

#[test]
fn the_public_address_is_one_of_http_without_a_query_or_a_password() {
    let of = |url| with(&[("LKP__HTTP__PUBLIC_URL", url)]);
    let url = of("https://presence.example.com/below/").unwrap().http.public_url.unwrap();
    assert_eq!(url.to_string(), "https://presence.example.com/below");
    assert!(of("").unwrap().http.public_url.is_none());
    for wrong in ["presence.example.com", "ws://presence", "https://u:p@presence", "http://a/?b=c"]
    {
        let found = errors(&[("LKP__HTTP__PUBLIC_URL", wrong)]);
        assert!(found[0].contains("write one such as https://presence.example.com"), "{found:?}");
    }
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

// `docker run --env-file` takes quotes as a part of the value, and `echo secret | base64` adds a new line.
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

/// Once, a huge duration made a task panic, which ended the process, and a duration of a nanosecond kept a thread busy for ever.
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
fn all_errors_are_told_at_once() {
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
    let document = include_str!("../../../docs/configuration.md");
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

#[test]
fn the_history_is_kept_where_an_address_says_so() {
    assert!(with(&[]).unwrap().history.outbox().is_none());
    let address = "postgres://u:hunter2@db:5432/history";
    let config = with(&[("HISTORY_URL", address), ("LKP__HISTORY__METADATA", "true")]).unwrap();
    assert_eq!(config.history.keep, Duration::from_hours(24 * 30));
    let outbox = config.history.outbox().unwrap();
    assert_eq!((outbox.max, outbox.metadata), (10_000, true));
    assert!(!format!("{config:?}").contains("hunter2"));
}
