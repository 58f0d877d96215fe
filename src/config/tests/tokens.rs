//! The table `[tokens]`.

use super::*;
use crate::livekit::Grants;

const KEYS: (&str, &str) = ("LKP__TOKENS__KEYS", "app: secret-of-the-app-0123456789abcdef");
const URL: (&str, &str) = ("LKP__TOKENS__URL", "wss://livekit.example.com");
const JWKS: (&str, &str) = ("LKP__TOKENS__JWKS_URL", "https://app.example.com/jwks.json?x=1");

#[test]
fn nobody_gets_tokens_unless_something_says_who_asks() {
    assert!(with(&[]).unwrap().tokens.settings.is_none());
    assert!(
        with(&[("LIVEKIT_URL", "wss://livekit.example.com")]).unwrap().tokens.settings.is_none()
    );
    for on in [
        KEYS,
        ("LKP__TOKENS__AUTHORIZE_URL", "http://app:3000/api/who"),
        ("LKP__TOKENS__INSECURE", "true"),
    ] {
        let settings = with(&[on, URL]).unwrap().tokens.settings.unwrap();
        assert_eq!((settings.url.as_str(), settings.per_minute), ("wss://livekit.example.com", 20));
        assert_eq!(settings.insecure, on.0 == "LKP__TOKENS__INSECURE");
        assert_eq!(settings.life, Duration::from_mins(10));
        assert_eq!(settings.default_grants, Grants::parse("subscribe").unwrap());
    }
}

#[test]
fn clients_are_told_livekits_address_as_they_write_it() {
    let cases = [
        ("wss://livekit.example.com", "wss://livekit.example.com"),
        ("https://livekit.example.com/rtc/", "wss://livekit.example.com/rtc"),
        ("http://livekit:7880", "ws://livekit:7880"),
    ];
    for (livekit, told) in cases {
        let config = with(&[KEYS, ("LIVEKIT_URL", livekit)]).unwrap();
        assert_eq!(config.tokens.settings.unwrap().url, told);
    }
    let own = with(&[KEYS, URL, ("LIVEKIT_URL", "http://livekit:7880")]).unwrap();
    assert_eq!(own.tokens.settings.unwrap().url, "wss://livekit.example.com");
    let found = errors(&[KEYS]);
    assert!(found[0].starts_with("`tokens.url`: is empty, and so is `livekit.url`"), "{found:?}");
}

#[test]
fn keys_that_sign_other_tokens_sign_none_here() {
    let reader = ("LKP__AUTH__KEYS", "APIreader: another-secret-of-at-least-32-chars");
    let taken = [
        "APIone: a-third-secret-of-at-least-32-characters",
        "app: a-secret-of-at-least-32-characters",
        "APIreader: a-third-secret-of-at-least-32-characters",
        "app: another-secret-of-at-least-32-chars",
    ];
    for keys in taken {
        let found = errors(&[reader, URL, ("LKP__TOKENS__KEYS", keys)]);
        assert_eq!(found.len(), 1, "{keys}: {found:?}");
        assert!(found[0].starts_with("`tokens.keys`: the key `"), "{found:?}");
        assert!(found[0].contains("make one of its own"), "{found:?}");
        assert!(!found[0].contains("secret-of"), "no secret is shown");
    }
    let twice = "app: secret-of-the-app-0123456789abcdef\napp: secret-of-another-0123456789abcdef";
    assert!(errors(&[URL, ("LKP__TOKENS__KEYS", twice)])[0].starts_with("`tokens.keys`: "));
}

#[test]
fn what_does_not_fit_together_is_told_with_what_to_do() {
    let audience = ("LKP__TOKENS__AUDIENCE", "https://presence.example.com");
    assert!(with(&[JWKS, URL, audience]).is_ok());
    let cases: [(&[(&str, &str)], &str); 8] = [
        (&[JWKS, URL], "`tokens.audience`: is empty, and `tokens.jwks_url` needs it"),
        (&[audience], "`tokens.audience`: says what tokens of the app name, but none are taken"),
        (&[("LKP__TOKENS__ISSUER", "x")], "`tokens.issuer`: says what tokens of the app name"),
        (&[("LKP__TOKENS__AUTHORIZE_URL", "app.example.com"), URL], "`tokens.authorize_url`: "),
        (&[("LKP__TOKENS__AUTHORIZE_URL", "file:///etc/passwd"), URL], "`tokens.authorize_url`: "),
        (
            &[("LKP__TOKENS__AUTHORIZE_URL", "http://user:hunter2@app/"), URL],
            "`tokens.authorize_url`: must not hold a user or a password",
        ),
        (&[KEYS, ("LKP__TOKENS__URL", "livekit.example.com")], "`tokens.url`: "),
        (
            &[KEYS, URL, ("LKP__TOKENS__DEFAULT_GRANTS", "all")],
            "`tokens.default_grants`: \"all\" is no grant",
        ),
    ];
    for (variables, expected) in cases {
        let found = errors(variables);
        assert!(found.iter().any(|one| one.starts_with(expected)), "{expected}: {found:?}");
        assert!(!found.iter().any(|one| one.contains("hunter2")), "{found:?}");
    }
}

#[test]
fn the_demo_gives_tokens_to_anybody() {
    let demo = Config::from_variables([], StartMode::Demo).unwrap();
    let settings = demo.tokens.settings.unwrap();
    assert!(settings.insecure);
    assert_eq!(settings.url, "ws://localhost:7880");
}

#[test]
fn secrets_are_masked() {
    let variables = Variables::new(
        [KEYS, URL, ("LIVEKIT_KEYS", "APIone: a-secret-of-at-least-32-characters")]
            .map(|(name, value)| (name.to_owned(), value.to_owned())),
    );
    let (_, description) = Config::parse(None, &variables, StartMode::Serve).unwrap();
    assert!(description.contains("tokens.keys = \"app: ****\"\n"), "{description}");
    assert!(!description.contains("secret-of"), "{description}");
}
