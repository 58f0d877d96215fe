//! `.env`: `NAME=value`, one per line.
//!
//! Programs read such files differently: Compose, Ruby, and Node with an extension replace `$NAME`, others do not; shells remove
//! quotes and backslashes within a value, others do not. A value that programs would read differently is refused, with the name
//! of its variable, rather than guessed. Single quotes make it unambiguous: every program takes the text between them literally.

use std::collections::BTreeMap;

use super::error::ConfigErrors;

/// What a file says.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct EnvFile {
    pub values: BTreeMap<String, String>,
    /// Variables that programs read differently, and why. The service refuses to start only if it needs one of them: another
    /// program may use the file too.
    pub unclear: BTreeMap<String, String>,
}

impl EnvFile {
    /// Reads a file's content. If a variable is there twice, the last one counts.
    ///
    /// # Errors
    /// A line is not `NAME=value`, or nothing closes a quote. The errors never show a value.
    pub fn parse(content: &str) -> Result<Self, ConfigErrors> {
        let content = content.trim_start_matches('\u{feff}').replace("\r\n", "\n");
        let mut rest = Rest { text: &content, line: 1 };
        let mut file = Self::default();
        while let Some((name, line)) = rest.name()? {
            match rest.value() {
                Ok(value) => {
                    file.unclear.remove(&name);
                    file.values.insert(name, value);
                }
                Err(Unreadable::Unclear(reason)) => {
                    let problem = format!(
                        "line {line}: the value of {name} {reason}; put single quotes around it"
                    );
                    file.values.remove(&name);
                    file.unclear.insert(name, problem);
                }
                Err(Unreadable::NotClosed) => {
                    let problem = format!(
                        "line {line}: nothing closes the quote around the value of {name}; check its quotes"
                    );
                    return Err(ConfigErrors::one(".env", problem));
                }
            }
        }
        Ok(file)
    }
}

enum Unreadable {
    Unclear(&'static str),
    NotClosed,
}

const DOLLAR: Unreadable =
    Unreadable::Unclear("has a `$`, which some programs replace by a variable");
const QUOTE: Unreadable = Unreadable::Unclear("has a quote, which some programs take away");
const BACKSLASH: Unreadable = Unreadable::Unclear("has a backslash, which some programs take away");
const COMMENT: Unreadable =
    Unreadable::Unclear("begins with `#`, which some programs take for a comment");
const MORE: Unreadable = Unreadable::Unclear("goes on behind its closing quote");

/// The part of the file that is not read yet.
struct Rest<'text> {
    text: &'text str,
    line: usize,
}

impl<'text> Rest<'text> {
    /// The next variable's name, up to its `=`, and its line.
    fn name(&mut self) -> Result<Option<(String, usize)>, ConfigErrors> {
        let text = loop {
            if self.text.is_empty() {
                return Ok(None);
            }
            let line = self.text.split('\n').next().unwrap_or_default().trim();
            if !line.is_empty() && !line.starts_with('#') {
                break line;
            }
            self.end_line();
        };
        let line = self.line;
        let name = text.split_once('=').map(|(name, _)| name.trim_end());
        let name = name.map(|name| match name.split_once([' ', '\t']) {
            Some(("export", name)) => name.trim_start(),
            _ => name,
        });
        let Some(name) = name.filter(|name| is_name(name)) else {
            let problem = format!("line {line} is not of the form NAME=value; write it so");
            return Err(ConfigErrors::one(".env", problem));
        };
        let equals = self.text.find('=').unwrap_or_default();
        self.text = &self.text[equals + 1..];
        Ok(Some((name.to_owned(), line)))
    }

    /// The value behind the `=`. An unclear one is also read to its end, so that the next variable is found.
    fn value(&mut self) -> Result<String, Unreadable> {
        let start = self.text.trim_start_matches([' ', '\t']);
        match start.as_bytes().first() {
            Some(b'\'') => {
                let (value, rest) = start[1..].split_once('\'').ok_or(Unreadable::NotClosed)?;
                self.go_on_at(rest);
                self.end_of_line().map(|()| value.to_owned())
            }
            Some(b'"') => {
                let end = closing_quote(&start[1..]).ok_or(Unreadable::NotClosed)?;
                let value = &start[1..=end];
                self.go_on_at(&start[end + 2..]);
                self.end_of_line().and_then(|()| unescape(value))
            }
            _ => plain(self.end_line()),
        }
    }

    fn go_on_at(&mut self, rest: &'text str) {
        let read = &self.text[..self.text.len() - rest.len()];
        self.line += read.matches('\n').count();
        self.text = rest;
    }

    /// Takes the rest of the line.
    fn end_line(&mut self) -> &'text str {
        let (line, rest) = self.text.split_once('\n').unwrap_or((self.text, ""));
        self.text = rest;
        self.line += 1;
        line
    }

    /// After the closing quote only a comment may follow.
    fn end_of_line(&mut self) -> Result<(), Unreadable> {
        let rest = self.end_line().trim();
        if rest.is_empty() || rest.starts_with('#') { Ok(()) } else { Err(MORE) }
    }
}

fn is_name(name: &str) -> bool {
    let is_letter = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'-');
    !name.is_empty() && name.bytes().all(is_letter) && !name.as_bytes()[0].is_ascii_digit()
}

/// The position of the first double quote without a backslash before it.
fn closing_quote(text: &str) -> Option<usize> {
    let mut is_escaped = false;
    text.bytes().position(|byte| {
        let closes = byte == b'"' && !is_escaped;
        is_escaped = byte == b'\\' && !is_escaped;
        closes
    })
}

/// Between double quotes, `\n` is a new line, and a backslash before a quote, a dollar or a backslash goes away.
fn unescape(text: &str) -> Result<String, Unreadable> {
    let mut value = String::with_capacity(text.len());
    let mut letters = text.chars();
    while let Some(letter) = letters.next() {
        match letter {
            '$' => return Err(DOLLAR),
            '\\' => match letters.next() {
                Some('n') => value.push('\n'),
                Some(plain @ ('"' | '\\' | '$')) => value.push(plain),
                _ => return Err(BACKSLASH),
            },
            plain => value.push(plain),
        }
    }
    Ok(value)
}

/// Without quotes, a value ends where a comment begins: at a `#` after a space.
fn plain(line: &str) -> Result<String, Unreadable> {
    let is_comment = |(at, _): &(usize, &str)| line[..*at].ends_with([' ', '\t']);
    let comment = line.match_indices('#').find(is_comment);
    let value = line[..comment.map_or(line.len(), |(at, _)| at)].trim();
    if value.starts_with('#') {
        return Err(COMMENT);
    }
    for (letters, reason) in [("$", DOLLAR), ("'\"`", QUOTE), ("\\", BACKSLASH)] {
        if value.contains(|letter| letters.contains(letter)) {
            return Err(reason);
        }
    }
    Ok(value.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(content: &str) -> EnvFile {
        EnvFile::parse(content).unwrap()
    }

    #[test]
    fn a_value_that_all_programs_read_alike_is_taken() {
        let cases = [
            ("A=", ""),
            ("A=   # nothing", ""),
            ("A=plain", "plain"),
            ("A = plain  ", "plain"),
            ("export A=plain", "plain"),
            ("  export\tA=plain\r\n", "plain"),
            ("\u{feff}A=plain", "plain"),
            ("\n# comment\n\n   # another\nA=plain", "plain"),
            ("A=key: secret", "key: secret"),
            ("A=a=b==", "a=b=="),
            ("A=a#b", "a#b"),
            ("A=a #b", "a"),
            ("A=a\t# b $c 'd", "a"),
            ("A=redis://:p%24w@host:6379/0", "redis://:p%24w@host:6379/0"),
            ("A='p$w`d\\n\"#'", "p$w`d\\n\"#"),
            ("A='p$w' # comment", "p$w"),
            ("A=''", ""),
            ("A=\"p\\$w \\\"q\\\" \\\\ it's #1\"", "p$w \"q\" \\ it's #1"),
            ("A=\"one: a\\ntwo: b\"", "one: a\ntwo: b"),
            ("A=\"one: a\r\ntwo: b\"\r\n", "one: a\ntwo: b"),
            ("A='one: a\ntwo: b'#end", "one: a\ntwo: b"),
            ("A=first\nA=last", "last"),
            ("A=$first\nA=last", "last"),
        ];
        for (content, expected) in cases {
            let file = read(content);
            assert_eq!(file.values["A"], expected, "{content:?}");
            assert!(file.unclear.is_empty(), "{content:?}");
        }
    }

    #[test]
    fn a_value_that_programs_read_differently_is_named_and_never_shown() {
        let cases = [
            ("A=hunter$2", "`$`"),
            ("A=hunter2$", "`$`"),
            ("A=${hunter2}", "`$`"),
            ("A=\"hunter$2\"", "`$`"),
            ("A=\"hunter\\\\$2\"", "`$`"),
            ("A=hunter\\2", "backslash"),
            ("A=\"hunter\\t2\"", "backslash"),
            ("A=hunter'2'", "a quote"),
            ("A=it's hunter2", "a quote"),
            ("A=`hunter2`", "a quote"),
            ("A=#hunter2", "comment"),
            ("A='hunter'2", "behind"),
            ("A=\"hunter\" 2", "behind"),
            ("A=fine\nA=hunter$2", "`$`"),
        ];
        for (content, reason) in cases {
            let file = read(&format!("# first\n{content}\nB=next"));
            let problem = &file.unclear["A"];
            assert!(problem.contains(reason) && problem.contains("A "), "{content:?}: {problem}");
            assert!(problem.starts_with("line ") && !problem.contains("hunter"), "{problem}");
            assert!(!file.values.contains_key("A"));
            assert_eq!(file.values["B"], "next", "{content:?}: the rest is read");
        }
    }

    #[test]
    fn a_line_that_is_not_a_variable_is_refused_with_its_number() {
        let cases = [
            ("A=ok\nhunter2", "line 2 is not of the form NAME=value"),
            ("A='one\ntwo'\nB\n", "line 3 is not of the form NAME=value"),
            ("A: hunter2=", "line 1 is not of the form NAME=value"),
            ("=hunter2", "line 1 is not of the form NAME=value"),
            ("1A=hunter2", "line 1 is not of the form NAME=value"),
            ("\n\nA='hunter2", "line 3: nothing closes the quote around the value of A"),
            ("A=\"hunter2\\\"", "line 1: nothing closes the quote around the value of A"),
        ];
        for (content, expected) in cases {
            let error = EnvFile::parse(content).unwrap_err().to_string();
            assert!(error.contains(expected) && !error.contains("hunter2"), "{content:?}: {error}");
        }
    }

    #[test]
    fn a_value_in_single_quotes_is_taken_as_it_is() {
        let mut random = fastrand::Rng::with_seed(23);
        for _ in 0..5_000 {
            let letters = (0..random.usize(..20)).map(|_| match random.bool() {
                true => random.char(' '..'~'),
                false => random.char(..),
            });
            let value: String = letters.filter(|letter| !matches!(letter, '\'' | '\r')).collect();
            let file = read(&format!("A='{value}'\nB=next"));
            assert_eq!(file.values["A"], value);
            assert_eq!(file.values["B"], "next");
        }
    }
}
