//! Where the next page of an answer begins.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::range::TimeRange;

/// The last entry of a page: a time, and a text that orders entries of the same time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Position(pub i64, pub String);

/// What a page says about the one after it. It only tells where to go on. What is read, and whether the client may read it, is in
/// the request alone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cursor {
    #[serde(rename = "q")]
    question: String,
    #[serde(rename = "f")]
    from: i64,
    #[serde(rename = "t")]
    to: i64,
    #[serde(rename = "a")]
    pub after: Position,
    /// Where the entry `after` has entries of its own that go over several pages, the last of these.
    #[serde(rename = "w", default, skip_serializing_if = "Option::is_none")]
    pub within: Option<Position>,
}

impl Cursor {
    /// `question` is all that tells one request from another, apart from the range and the size of a page.
    pub fn new(question: &[&str], range: &TimeRange, after: Position) -> Self {
        let question = digest(question);
        Self { question, from: range.from, to: range.to, after, within: None }
    }

    /// Reads what [`Display`](std::fmt::Display) wrote. None for any other text, and for a cursor of another question.
    pub fn parse(text: &str, question: &[&str]) -> Option<Self> {
        let json = URL_SAFE_NO_PAD.decode(text).ok()?;
        let cursor: Self = serde_json::from_slice(&json).ok()?;
        (cursor.question == digest(question) && cursor.from < cursor.to).then_some(cursor)
    }

    /// The range of the first page, which had perhaps no end but its own time.
    pub fn range(&self, now: i64) -> TimeRange {
        TimeRange { from: self.from, to: self.to, now }
    }
}

impl std::fmt::Display for Cursor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let json = serde_json::to_vec(self).map_err(|_| std::fmt::Error)?;
        f.write_str(&URL_SAFE_NO_PAD.encode(json))
    }
}

fn digest(question: &[&str]) -> String {
    let mut hash = Sha256::new();
    for part in question {
        hash.update(part.len().to_be_bytes());
        hash.update(part);
    }
    URL_SAFE_NO_PAD.encode(&hash.finalize()[..9])
}

#[cfg(test)]
mod tests {
    use super::*;

    const RANGE: TimeRange = TimeRange { from: 5, to: 10, now: 20 };

    #[test]
    fn a_cursor_goes_on_with_the_range_of_the_first_page() {
        let mut cursor = Cursor::new(&["attendance", "a/ü"], &RANGE, Position(7, "al\0ice".into()));
        cursor.within = Some(Position(8, String::new()));
        let text = cursor.to_string();
        assert!(text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte)));
        let read = Cursor::parse(&text, &["attendance", "a/ü"]).unwrap();
        assert_eq!(read, cursor);
        assert_eq!(read.range(30), TimeRange { from: 5, to: 10, now: 30 });
    }

    #[test]
    fn a_cursor_of_another_question_and_any_other_text_are_none() {
        let cursor = Cursor::new(&["attendance", "ab"], &RANGE, Position(7, "alice".into()));
        let text = cursor.to_string();
        assert_eq!(Cursor::parse(&text, &["attendance", "other"]), None);
        assert_eq!(Cursor::parse(&text, &["attendancea", "b"]), None);
        let empty = Cursor::new(&[], &TimeRange { to: 5, ..RANGE }, Position(7, String::new()));
        assert_eq!(Cursor::parse(&empty.to_string(), &[]), None, "an empty range");
        for text in ["", "x", "bnVsbA", "e30", "=", &text[1..], &format!("{text}=")] {
            assert_eq!(Cursor::parse(text, &["attendance", "ab"]), None, "{text}");
        }
    }
}
