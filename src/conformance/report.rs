//! The score, for people and for machines.

use std::fmt;

use serde::Serialize;

use super::{case::CaseInfo, group::Group};

/// What all cases have to say.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// Where the implementation is.
    address: String,
    score: Score,
    groups: Vec<GroupScore>,
    cases: Vec<Outcome>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
struct Score {
    passed: usize,
    of: usize,
    skipped: usize,
}

#[derive(Clone, Debug, Serialize)]
struct GroupScore {
    group: Group,
    #[serde(flatten)]
    score: Score,
}

/// How one case went.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Outcome {
    #[serde(flatten)]
    pub case: CaseInfo,
    pub verdict: Verdict,
    /// What was wrong, or why nothing was tried.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub what: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Verdict {
    Passed,
    Failed,
    Skipped,
}

impl Score {
    fn of<'outcomes>(outcomes: impl IntoIterator<Item = &'outcomes Outcome>) -> Self {
        outcomes.into_iter().fold(Self::default(), |score, outcome| match outcome.verdict {
            Verdict::Passed => Self { passed: score.passed + 1, of: score.of + 1, ..score },
            Verdict::Failed => Self { of: score.of + 1, ..score },
            Verdict::Skipped => Self { skipped: score.skipped + 1, ..score },
        })
    }

    fn is_full(self) -> bool {
        self.of > 0 && self.passed == self.of
    }
}

impl Report {
    pub(super) fn new(address: String, cases: Vec<Outcome>) -> Self {
        let score_of =
            |group: Group| Score::of(cases.iter().filter(|outcome| outcome.case.group == group));
        let groups =
            Group::ALL.iter().map(|group| GroupScore { group: *group, score: score_of(*group) });
        let groups = groups.filter(|one| one.score.of + one.score.skipped > 0).collect();
        Self { address, score: Score::of(&cases), groups, cases }
    }

    /// Whether something was tried, and all of it is right.
    pub fn has_full_marks(&self) -> bool {
        self.score.is_full()
    }

    /// As one line of JSON.
    pub fn to_json(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }
}

/// What failed, and then the score.
impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "The implementation is at {}.", self.address)?;
        for Outcome { case, verdict, what } in &self.cases {
            if *verdict == Verdict::Failed {
                writeln!(f, "failed   {}", case.id)?;
                writeln!(f, "         - {} ({})", case.must, case.source)?;
                writeln!(f, "           But {what}.")?;
            }
        }
        for GroupScore { group, score: Score { passed, of, skipped } } in &self.groups {
            write!(f, "{group:11}{passed:3} of {of:3}")?;
            match skipped {
                0 => writeln!(f)?,
                _ => writeln!(f, ", {skipped} not tried")?,
            }
        }
        let Score { passed, of, .. } = self.score;
        writeln!(f, "Score: {passed} of {of}.")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outcome(group: Group, name: &str, verdict: Verdict, what: &str) -> Outcome {
        let case = CaseInfo {
            id: format!("{group}/{name}"),
            group,
            must: "It holds.",
            source: "RFC 9110, 8.8",
        };
        Outcome { case, verdict, what: what.to_owned() }
    }

    #[test]
    fn what_failed_is_told_with_what_must_hold_and_groups_have_their_scores() {
        let outcomes = vec![
            outcome(Group::Order, "join", Verdict::Passed, ""),
            outcome(Group::Order, "leave", Verdict::Failed, "the list has bob (PA_1)"),
            outcome(Group::Tokens, "none", Verdict::Skipped, "anybody may read"),
        ];
        let report = Report::new("http://localhost:1".to_owned(), outcomes);
        assert!(!report.has_full_marks());
        assert_eq!(
            report.to_string(),
            "The implementation is at http://localhost:1.\n\
             failed   order/leave\n         - It holds. (RFC 9110, 8.8)\n           But the list has bob (PA_1).\n\
             order        1 of   2\n\
             tokens       0 of   0, 1 not tried\n\
             Score: 1 of 2.\n"
        );
        let json: serde_json::Value = serde_json::from_str(&report.to_json()).unwrap();
        assert_eq!(json["score"], serde_json::json!({"passed": 1, "of": 2, "skipped": 1}));
        assert_eq!(
            json["cases"][1],
            serde_json::json!({"case": "order/leave", "group": "order", "must": "It holds.",
                "source": "RFC 9110, 8.8", "verdict": "failed", "what": "the list has bob (PA_1)"})
        );
    }
}
