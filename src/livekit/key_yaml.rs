//! `key: secret` pairs as LiveKit reads them: its `LIVEKIT_KEYS` and its `key_file` are YAML (`pkg/config/config.go`, by
//! gopkg.in/yaml.v3).

use std::mem::replace;

use saphyr_parser::{Event, Parser, ScalarStyle, Span};

use super::key::{ApiKey, InvalidKey};

impl ApiKey {
    /// Reads `key: secret` lines as LiveKit's own `LIVEKIT_KEYS` has them, which is YAML: with quotes, comments, or in braces.
    ///
    /// # Errors
    /// The first that LiveKit would drop, or would read as something else.
    pub fn parse_lines(lines: &str) -> Result<Vec<Self>, InvalidKey> {
        parse(lines)
    }
}

fn parse(text: &str) -> Result<Vec<ApiKey>, InvalidKey> {
    let text = text.trim_start_matches('\u{feff}');
    // YAML 1.1, which LiveKit reads, ends lines here, and YAML 1.2 does not.
    if let Some(line) =
        text.lines().position(|line| line.contains(['\u{85}', '\u{2028}', '\u{2029}']))
    {
        return Err(InvalidKey::NotYaml { line: line + 1 });
    }
    let mut pairs = Pairs { keys: Vec::new(), awaits: Awaits::Document };
    for event in Parser::new_from_str(text) {
        let (event, span) = event.map_err(|error| unreadable(text, error.marker().line()))?;
        pairs.take(event, span).map_err(|fault| match fault {
            Fault::Key(error) => error,
            Fault::Structure { line } => unreadable(text, line),
        })?;
    }
    Ok(pairs.keys)
}

/// What has been read, and what has to come next.
struct Pairs {
    keys: Vec<ApiKey>,
    awaits: Awaits,
}

enum Awaits {
    Document,
    /// The one mapping of the document.
    Mapping,
    Name,
    SecretOf(String),
    /// Nothing: there is one document.
    End,
}

enum Fault {
    Key(InvalidKey),
    Structure { line: usize },
}

impl Pairs {
    fn take(&mut self, event: Event<'_>, span: Span) -> Result<(), Fault> {
        let wrong = Err(Fault::Structure { line: span.start.line() });
        let awaited = replace(&mut self.awaits, Awaits::End);
        self.awaits = match (awaited, event) {
            (awaited, Event::StreamStart | Event::StreamEnd | Event::DocumentEnd) => awaited,
            (Awaits::Document, Event::DocumentStart(_)) => Awaits::Mapping,
            (Awaits::Mapping, Event::MappingStart(0, None)) => Awaits::Name,
            // An empty document, such as one of comments only.
            (Awaits::Mapping, Event::Scalar(text, ScalarStyle::Plain, 0, None))
                if matches!(&*text, "" | "~") =>
            {
                Awaits::End
            }
            (Awaits::Name, Event::MappingEnd) => Awaits::End,
            (Awaits::Name, Event::Scalar(name, style, 0, None)) => {
                let is_merge = style == ScalarStyle::Plain && name == "<<";
                if is_merge {
                    return wrong;
                }
                Awaits::SecretOf(name.into_owned())
            }
            (Awaits::SecretOf(name), Event::Scalar(secret, style, 0, None)) => {
                self.keys.push(pair(&name, &secret, style).map_err(Fault::Key)?);
                Awaits::Name
            }
            (
                Awaits::SecretOf(name),
                Event::Scalar(..)
                | Event::SequenceStart(..)
                | Event::MappingStart(..)
                | Event::Alias(_),
            ) => return Err(Fault::Key(InvalidKey::NotAText(name))),
            _ => return wrong,
        };
        Ok(())
    }
}

fn pair(name: &str, secret: &str, style: ScalarStyle) -> Result<ApiKey, InvalidKey> {
    let key = ApiKey::new(name, secret)?;
    if style == ScalarStyle::Plain && !is_text(secret) {
        return Err(InvalidKey::NotAText(name.to_owned()));
    }
    Ok(key)
}

/// Whether LiveKit reads an unquoted value as text. It drops a key whose secret is something else, and does not say so
/// (`resolve.go` of yaml.v3). A value of digits only is a number, whatever its length.
fn is_text(plain: &str) -> bool {
    let is_word = matches!(
        plain,
        "~" | "null" | "Null" | "NULL" | "true" | "True" | "TRUE" | "false" | "False" | "FALSE"
    );
    let unsigned = plain.strip_prefix(['+', '-']).unwrap_or(plain);
    let is_special = matches!(unsigned, ".inf" | ".Inf" | ".INF" | ".nan" | ".NaN" | ".NAN");
    !(is_word || is_special || is_number(plain) || is_date(plain))
}

fn is_number(plain: &str) -> bool {
    let starts_like_one = |first: u8| first.is_ascii_digit() || matches!(first, b'+' | b'-' | b'.');
    if !plain.bytes().next().is_some_and(starts_like_one) {
        return false;
    }
    let digits = plain.replace('_', "").to_ascii_lowercase();
    let unsigned = digits.strip_prefix(['+', '-']).unwrap_or(&digits);
    let with_base = |prefix: &str, base: u32| {
        unsigned.strip_prefix(prefix).is_some_and(|rest| u64::from_str_radix(rest, base).is_ok())
    };
    let is_whole = with_base("0x", 16) || with_base("0o", 8) || with_base("0b", 2);
    // Rust would also read words such as "infinity".
    let is_decimal = unsigned.bytes().all(|byte| byte.is_ascii_digit() || b".e+-".contains(&byte));
    is_whole || is_decimal && digits.parse::<f64>().is_ok_and(f64::is_finite)
}

/// Whether it begins like a date. This refuses a little more than LiveKit reads as a date, and no likely secret.
fn is_date(plain: &str) -> bool {
    let mut parts = plain.split(['-', 'T', 't', ' ']);
    let mut is_part = |lengths: std::ops::RangeInclusive<usize>| {
        parts.next().is_some_and(|part| {
            lengths.contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_digit())
        })
    };
    plain.as_bytes().get(4) == Some(&b'-') && is_part(4..=4) && is_part(1..=2) && is_part(1..=2)
}

/// The most likely mistake in a text that is not YAML, or not a list of keys.
fn unreadable(text: &str, line: usize) -> InvalidKey {
    let is_plain =
        |text: &&str| !text.is_empty() && !text.starts_with(['#', '{', '"', '\'', '-', '}']);
    let lines = text.lines().map(str::trim).enumerate();
    for (index, content) in lines.filter(|(_, content)| is_plain(content)) {
        let line = index + 1;
        match content.split_once(':') {
            None => return InvalidKey::NoColon { line },
            Some((_, rest)) if !rest.is_empty() && !rest.starts_with([' ', '\t']) => {
                return InvalidKey::NoSpace { line };
            }
            Some(_) => {}
        }
    }
    InvalidKey::NotYaml { line }
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret;

    use super::*;

    fn pairs(text: &str) -> Result<Vec<(String, String)>, InvalidKey> {
        let keys = parse(text)?;
        let shown =
            keys.iter().map(|key| (key.name.clone(), key.secret.expose_secret().to_owned()));
        Ok(shown.collect())
    }

    // The right column is what yaml.v3 3.0.1 gives LiveKit for the left one.
    const AS_LIVEKIT_READS_THEM: [(&str, &[(&str, &str)]); 31] = [
        ("", &[]),
        ("# nothing yet", &[]),
        ("---\n", &[]),
        ("{}", &[]),
        ("A: secret", &[("A", "secret")]),
        ("A: one\nB: two", &[("A", "one"), ("B", "two")]),
        ("A: one\r\nB: two\r\n", &[("A", "one"), ("B", "two")]),
        ("\u{feff}A: one", &[("A", "one")]),
        ("\n\nA: one\n\n# rotated: 2026-09\nB: two # the new one\n", &[("A", "one"), ("B", "two")]),
        ("  A: one\n  B: two\n", &[("A", "one"), ("B", "two")]),
        ("A:    one  ", &[("A", "one")]),
        ("A : one", &[("A", "one")]),
        ("A: one\n  two", &[("A", "one two")]),
        ("{A: x+/=}", &[("A", "x+/=")]),
        (
            "A: -x\nB: ++1\nC: 9e5abc\nD: 0x12345678901234567890",
            &[("A", "-x"), ("B", "++1"), ("C", "9e5abc"), ("D", "0x12345678901234567890")],
        ),
        ("A: \"one\"", &[("A", "one")]),
        ("A: 'it''s'", &[("A", "it's")]),
        ("\"A\": \"o\\\"n\\u0065\"", &[("A", "o\"ne")]),
        ("{A: one}", &[("A", "one")]),
        ("{A: one, B: 'two'}", &[("A", "one"), ("B", "two")]),
        ("{\"A\": \"one\", \"B\": \"two\"}", &[("A", "one"), ("B", "two")]),
        ("{\n  A: one,\n  B: two\n}", &[("A", "one"), ("B", "two")]),
        ("A: one:two#three", &[("A", "one:two#three")]),
        ("A: one two", &[("A", "one two")]),
        (
            "A: 1a\nB: 0x\nC: 1e9999\nD: 12:30",
            &[("A", "1a"), ("B", "0x"), ("C", "1e9999"), ("D", "12:30")],
        ),
        (
            "A: yes\nB: on\nC: nUll\nD: inf",
            &[("A", "yes"), ("B", "on"), ("C", "nUll"), ("D", "inf")],
        ),
        ("A: \"123\"\nB: 'true'", &[("A", "123"), ("B", "true")]),
        ("123: one\ntrue: two", &[("123", "one"), ("true", "two")]),
        ("A: |\n  one\n", &[("A", "one\n")]),
        ("A: >-\n  one\n  two\n", &[("A", "one two")]),
        ("---\nA: one\n...\n", &[("A", "one")]),
    ];

    #[test]
    fn keys_are_read_as_livekit_reads_them() {
        for (text, expected) in AS_LIVEKIT_READS_THEM {
            let expected =
                expected.iter().map(|(name, secret)| ((*name).to_owned(), (*secret).to_owned()));
            assert_eq!(pairs(text), Ok(expected.collect()), "{text:?}");
        }
    }

    /// None of these is text to yaml.v3.
    #[rustfmt::skip]
    const NOT_TEXT: [&str; 34] = [
        "123", "-1", "+12_000", "1.5", "1e5", ".5", "0x1F", "0o17", "0b11", "017", "~", "null",
        "true", "False", ".inf", "-.Inf", ".nan", "2026-09-01", "2026-9-1T10:00:00Z",
        "12345678901234567890123456789012", "[one]", "{b: one}", "\n  B: one", "!!str one",
        "!!int 1", "&x one", "\n- one", "018", "0x_1", "1__2", "+.5", "1.e5", "0B11", "-0x1F",
    ];

    #[test]
    fn a_key_that_livekit_drops_is_refused_by_its_name() {
        for value in NOT_TEXT {
            let error = pairs(&format!("A: {value}"));
            assert_eq!(error, Err(InvalidKey::NotAText("A".into())), "{value:?}");
        }
        for value in ["", " # comment", " \"\"", " ''"] {
            let error = pairs(&format!("A:{value}"));
            assert_eq!(error, Err(InvalidKey::NoSecret("A".into())), "{value:?}");
        }
    }

    #[test]
    fn a_text_that_is_not_a_list_of_keys_is_refused_with_its_line() {
        use InvalidKey::{NoColon, NoName, NoSpace, NotYaml};
        let cases = [
            ("secret", NoColon { line: 1 }),
            ("A: one\nhunter2", NoColon { line: 2 }),
            ("A: one\n\n# comment\nhunter2", NoColon { line: 4 }),
            ("A:hunter2", NoSpace { line: 1 }),
            ("A: one\nB:hunter2", NoSpace { line: 2 }),
            ("A: one, B: two", NotYaml { line: 1 }),
            ("A: \"one", NotYaml { line: 1 }),
            ("{A: one", NotYaml { line: 1 }),
            ("[A, B]", NoColon { line: 1 }),
            ("- A: one", NotYaml { line: 1 }),
            ("A: one\n---\nB: two", NoColon { line: 2 }),
            ("A: one\u{2028}B: two", NotYaml { line: 1 }),
            ("A: one\n\tB: two", NotYaml { line: 2 }),
            ("<<: {A: one}", NotYaml { line: 1 }),
            ("? [A]\n: one", NoColon { line: 1 }),
            (": one", NoName),
            ("\"\": one", NoName),
        ];
        for (text, expected) in cases {
            let error = pairs(text).unwrap_err();
            let is_right = error == expected
                || matches!((&error, &expected), (NotYaml { .. }, NotYaml { .. } | NoColon { .. }));
            assert!(is_right, "{text:?}: {error:?}");
            assert!(!error.to_string().contains("hunter2"), "{text:?}");
        }
    }

    #[test]
    fn deep_nesting_is_refused() {
        for text in ["[", "{a: ", "- ", "? ", "&a "] {
            assert!(pairs(&text.repeat(10_000)).is_err(), "{text}");
        }
    }
}
