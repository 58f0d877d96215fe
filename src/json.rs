//! JSON that every client reads as one line.
//!
//! JSON allows U+0085, U+2028 and U+2029 unescaped in strings (RFC 8259, 7), and the lines of an event stream end only at CR and
//! LF (HTML, 9.2.5). But common clients split lines at every character that Unicode calls a line break, and cut a `data:` line in
//! two.

use std::io;

use serde::Serialize;
use serde_json::ser::{Formatter, Serializer};

/// Appends a value to `out` as JSON, in one line.
///
/// # Panics
/// JSON cannot represent the value, such as a map whose keys are not strings. The service has no such values.
pub fn write_line(out: &mut Vec<u8>, value: &impl Serialize) {
    let mut serializer = Serializer::with_formatter(out, OneLine);
    value.serialize(&mut serializer).expect("JSON can represent the value");
}

/// A value as JSON, in one line.
pub fn line(value: &impl Serialize) -> Vec<u8> {
    let mut out = Vec::new();
    write_line(&mut out, value);
    out
}

/// How many bytes [`line()`] has of a value.
pub fn line_bytes(value: &impl Serialize) -> usize {
    let mut count = Count(0);
    let mut serializer = Serializer::with_formatter(&mut count, OneLine);
    value.serialize(&mut serializer).expect("JSON can represent the value");
    count.0
}

/// Counts what is written.
struct Count(usize);

impl io::Write for Count {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0 += bytes.len();
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Writes compact JSON, and escapes the line breaks that JSON would allow. All others are control characters, which JSON always
/// escapes.
struct OneLine;

impl Formatter for OneLine {
    fn write_string_fragment<W>(&mut self, writer: &mut W, fragment: &str) -> io::Result<()>
    where
        W: ?Sized + io::Write,
    {
        write_in_one_line(writer, fragment)
    }

    /// Writes JSON that was made elsewhere. The three breaks occur only in its strings; CR and LF only between its tokens, where a
    /// space means the same.
    fn write_raw_fragment<W>(&mut self, writer: &mut W, fragment: &str) -> io::Result<()>
    where
        W: ?Sized + io::Write,
    {
        write_in_one_line(writer, fragment)
    }
}

fn write_in_one_line<W: ?Sized + io::Write>(writer: &mut W, fragment: &str) -> io::Result<()> {
    let bytes = fragment.as_bytes();
    // In UTF-8 the line breaks begin with one of these bytes.
    if !bytes.iter().any(|byte| matches!(byte, 0xc2 | 0xe2 | b'\n' | b'\r')) {
        return writer.write_all(bytes);
    }
    let mut written = 0;
    for (start, line_break) in
        fragment.match_indices(['\u{85}', '\u{2028}', '\u{2029}', '\n', '\r'])
    {
        writer.write_all(&bytes[written..start])?;
        writer.write_all(match line_break {
            "\u{85}" => b"\\u0085",
            "\u{2028}" => b"\\u2028",
            "\u{2029}" => b"\\u2029",
            _ => b" ",
        })?;
        written = start + line_break.len();
    }
    writer.write_all(&bytes[written..])
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    /// Where Python's `str.splitlines` splits, which is also where Unicode has mandatory breaks.
    fn ends_a_line(letter: char) -> bool {
        matches!(
            letter,
            '\n' | '\r' | '\u{b}' | '\u{c}' | '\u{1c}'
                ..='\u{1e}' | '\u{85}' | '\u{2028}' | '\u{2029}'
        )
    }

    #[test]
    fn line_breaks_are_escaped_and_their_neighbours_are_not() {
        let cases = [
            ("", r#""""#),
            ("plain", r#""plain""#),
            ("\u{2028}", r#""\u2028""#),
            ("a\u{2028}\u{2029}b\u{85}", r#""a\u2028\u2029b\u0085""#),
            ("\"\u{85}\\\u{2029}\n", r#""\"\u0085\\\u2029\n""#),
            ("a\u{7f}\r\u{b}\u{c}\u{1c}", "\"a\u{7f}\\r\\u000b\\f\\u001c\""),
            ("\u{84}\u{86}\u{a0}\u{2027}\u{202a}é…", "\"\u{84}\u{86}\u{a0}\u{2027}\u{202a}é…\""),
        ];
        for (text, expected) in cases {
            assert_eq!(String::from_utf8(line(&text)).unwrap(), expected, "{text:?}");
        }
        let keys = json!({ "a\u{2028}": ["\u{85}"] });
        assert_eq!(line(&keys), br#"{"a\u2028":["\u0085"]}"#);
    }

    #[test]
    fn json_that_was_made_elsewhere_becomes_one_line_as_well() {
        let made = "{\n  \"a\u{2028}\": [\"\u{85}\u{2029}é\",\r\n 1]\n}";
        let raw: Box<serde_json::value::RawValue> = serde_json::from_str(made).unwrap();
        let written = String::from_utf8(line(&json!([raw]))).unwrap();
        let direct = String::from_utf8(line(&[&raw])).unwrap();
        assert!(!direct.contains(ends_a_line), "{direct:?}");
        assert_eq!(
            serde_json::from_str::<Value>(&direct).unwrap(),
            serde_json::from_str::<Value>(&written).unwrap()
        );
    }

    #[test]
    fn any_text_becomes_one_line_and_is_read_back_unchanged() {
        let special =
            ['\n', '\r', '\u{85}', '\u{2028}', '\u{2029}', '"', '\\', '\u{c2}', '\u{2000}'];
        let mut random = fastrand::Rng::with_seed(20);
        for _ in 0..20_000 {
            let length = random.usize(..12);
            let text: String = (0..length)
                .map(|_| {
                    if random.bool() {
                        random.char(..)
                    } else {
                        special[random.usize(..special.len())]
                    }
                })
                .collect();
            let value = json!({ &text: [&text, 1, null] });
            let written = String::from_utf8(line(&value)).unwrap();
            assert!(!written.contains(ends_a_line), "{written:?}");
            assert_eq!(serde_json::from_str::<Value>(&written).unwrap(), value, "{written:?}");
        }
    }
}
