//! What was found, for people and for machines.

use std::fmt;

use serde::Serialize;

use super::finding::{Checked, Verdict};

/// What all checks have to say.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    verdict: Verdict,
    /// Where the service was looked for.
    address: String,
    checks: Vec<Checked>,
}

impl Report {
    pub(super) fn new(address: String, checks: Vec<Checked>) -> Self {
        let worst = checks.iter().map(|checked| checked.verdict).max();
        let verdict = worst.filter(|worst| *worst > Verdict::Skipped).unwrap_or(Verdict::Ok);
        Self { verdict, address, checks }
    }

    /// Whether something is wrong that needs mending.
    pub fn is_wrong(&self) -> bool {
        self.verdict == Verdict::Wrong
    }

    /// As one line of JSON.
    pub fn to_json(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }
}

/// A line for each check, and below it what was found.
impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "The service is looked for at {}.", self.address)?;
        for Checked { check, verdict, summary, findings } in &self.checks {
            let after = if summary.is_empty() { "" } else { ": " };
            writeln!(f, "{:8} {}{after}{summary}", verdict.as_str(), check.as_str())?;
            for finding in findings {
                writeln!(f, "         - {}", finding.what)?;
                writeln!(f, "           {}", finding.remedy)?;
            }
        }
        let count = |verdict: Verdict| {
            let findings = self.checks.iter().flat_map(|checked| &checked.findings);
            findings.filter(|finding| finding.verdict == verdict).count()
        };
        match (count(Verdict::Wrong), count(Verdict::Warning)) {
            (0, 0) => writeln!(f, "Nothing is wrong."),
            (0, warnings) => writeln!(f, "Nothing is wrong; warnings: {warnings}."),
            (wrong, warnings) => writeln!(f, "Wrong: {wrong}; warnings: {warnings}."),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::finding::Check;

    #[test]
    fn each_check_is_a_line_with_what_it_found_below() {
        let checks = vec![
            Checked::of(Check::Descriptors).saying("20000 files may be open"),
            Checked::skipped(Check::Redis, "`store.redis_url` is empty"),
            Checked::of(Check::Webhooks).wrong("They do not arrive.", "Let them."),
        ];
        let report = Report::new("http://localhost:8080".to_owned(), checks);
        assert!(report.is_wrong());
        assert_eq!(
            report.to_string(),
            "The service is looked for at http://localhost:8080.\n\
             ok       descriptors: 20000 files may be open\n\
             skipped  redis: `store.redis_url` is empty\n\
             wrong    webhooks\n         - They do not arrive.\n           Let them.\n\
             Wrong: 1; warnings: 0.\n"
        );
        let json: serde_json::Value = serde_json::from_str(&report.to_json()).unwrap();
        assert_eq!(json["verdict"], "wrong");
        assert_eq!(
            json["checks"][2]["findings"][0],
            serde_json::json!({"check": "webhooks", "verdict": "wrong", "what": "They do not arrive.", "remedy": "Let them."})
        );
    }

    #[test]
    fn what_was_skipped_is_not_wrong() {
        let skipped = Report::new(String::new(), vec![Checked::skipped(Check::Cors, "no origin")]);
        assert!(!skipped.is_wrong() && skipped.to_json().contains(r#""verdict":"ok""#));
    }
}
