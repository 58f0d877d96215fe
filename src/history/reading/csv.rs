//! Tables as CSV (RFC 4180), which spreadsheets open without running anything in them.

use super::time::Rfc3339;

/// Spreadsheets take a cell that begins with one of these for a formula, some of them in the wide form, too. Names and identities
/// are what people choose, and an operator opens the table.
const BEGINS_FORMULA: [char; 11] = ['=', '+', '-', '@', '\t', '\r', '\n', '＝', '＋', '－', '＠'];

/// Where the separator is another one than the comma, as in many countries, a cell begins after each of these as well: quotes that are
/// not at the beginning of such a cell are of no use.
const SEPARATES: [char; 4] = [';', '\t', '\r', '\n'];
const BEGINS_FORMULA_WITHIN: [char; 8] = ['=', '+', '-', '@', '＝', '＋', '－', '＠'];

/// A table that is being written.
#[derive(Debug, Default)]
pub struct Csv {
    text: String,
    /// Whether the row has a cell already.
    is_within_row: bool,
}

impl Csv {
    /// A table with these names of columns.
    pub fn with_columns(names: &[&str]) -> Self {
        let mut csv = Self::default();
        for name in names {
            csv.text(name);
        }
        csv.end_row();
        csv
    }

    /// A cell with a text, which stays a text: an apostrophe comes before what would be a formula, here or where the text is split.
    pub fn text(&mut self, text: &str) -> &mut Self {
        let is_formula = text.starts_with(BEGINS_FORMULA);
        let needs_quotes = text.contains(['"', ',', '\n', '\r']) || text.trim() != text;
        self.separate();
        if needs_quotes {
            self.text.push('"');
        }
        if is_formula {
            self.text.push('\'');
        }
        self.text.push_str(&without_formulas_within(text).replace('"', "\"\""));
        if needs_quotes {
            self.text.push('"');
        }
        self
    }

    /// A cell with a number, or `true` or `false`.
    pub fn value(&mut self, value: impl ToString) -> &mut Self {
        self.separate();
        self.text.push_str(&value.to_string());
        self
    }

    /// An empty cell.
    pub fn nothing(&mut self) -> &mut Self {
        self.separate();
        self
    }

    /// Two cells with a time, as RFC 3339 and in milliseconds; empty ones if there is none.
    pub fn time(&mut self, millis: Option<i64>) -> &mut Self {
        match millis {
            Some(millis) => self.value(Rfc3339(millis)).value(millis),
            None => self.nothing().nothing(),
        }
    }

    /// A cell with a text that may be missing.
    pub fn optional(&mut self, text: Option<&str>) -> &mut Self {
        self.text(text.unwrap_or_default())
    }

    pub fn end_row(&mut self) {
        self.text.push_str("\r\n");
        self.is_within_row = false;
    }

    /// What was written since the last call.
    pub fn take(&mut self) -> String {
        std::mem::take(&mut self.text)
    }

    fn separate(&mut self) {
        if self.is_within_row {
            self.text.push(',');
        }
        self.is_within_row = true;
    }
}

fn without_formulas_within(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for part in text.split_inclusive(SEPARATES) {
        let begins_cell = safe.ends_with(SEPARATES);
        if begins_cell && part.trim_start_matches('"').starts_with(BEGINS_FORMULA_WITHIN) {
            safe.push('\'');
        }
        safe.push_str(part);
    }
    safe
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_are_quoted_where_they_must_be_and_never_begin_a_formula() {
        let cases = [
            ("Alice", "Alice"),
            ("", ""),
            ("Doe, Jane", "\"Doe, Jane\""),
            ("the \"boss\"", "\"the \"\"boss\"\"\""),
            ("two\nlines", "\"two\nlines\""),
            (" padded", "\" padded\""),
            ("=1+1", "'=1+1"),
            ("+49 123", "'+49 123"),
            ("-x", "'-x"),
            ("@SUM(A1)", "'@SUM(A1)"),
            ("=HYPERLINK(\"http://x\",\"y\")", "\"'=HYPERLINK(\"\"http://x\"\",\"\"y\"\")\""),
            ("\t=1", "\"'\t'=1\""),
            ("\r=1", "\"'\r'=1\""),
            ("x;=cmd|'/C calc'!A0;", "x;'=cmd|'/C calc'!A0;"),
            ("x;;\t@SUM(A1)", "x;;\t'@SUM(A1)"),
            ("x\n-1", "\"x\n'-1\""),
            ("x;\"=1", "\"x;'\"\"=1\""),
            ("a;b", "a;b"),
            ("＝1", "'＝1"),
            ("a=1", "a=1"),
            ("Ünal 🚪", "Ünal 🚪"),
        ];
        for (text, expected) in cases {
            let mut csv = Csv::default();
            csv.text(text).end_row();
            assert_eq!(csv.take(), format!("{expected}\r\n"), "{text:?}");
        }
    }

    #[test]
    fn a_table_has_its_columns_first_and_a_missing_time_is_two_empty_cells() {
        let mut csv = Csv::with_columns(&["name", "at", "atMs", "leftAt", "leftAtMs", "inside"]);
        csv.text("a").time(Some(1_500)).time(None).value(true).end_row();
        assert_eq!(
            csv.take(),
            "name,at,atMs,leftAt,leftAtMs,inside\r\na,1970-01-01T00:00:01.500Z,1500,,,true\r\n"
        );
    }
}
