//! What checks find.

use serde::Serialize;

/// How something is. In the order of how much it matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    Ok,
    Skipped,
    Warning,
    Wrong,
}

impl Verdict {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Skipped => "skipped",
            Self::Warning => "warning",
            Self::Wrong => "wrong",
        }
    }
}

macro_rules! checks {
    ($($check:ident $name:literal),+ $(,)?) => {
        /// What is looked at.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
        pub enum Check {
            $(#[serde(rename = $name)] $check,)+
        }

        impl Check {
            pub fn as_str(self) -> &'static str {
                match self {
                    $(Self::$check => $name,)+
                }
            }
        }
    };
}

checks! {
    LiveKit "livekit",
    Clock "clock",
    Service "service",
    ClientAddress "client-address",
    Credentials "credentials",
    Webhooks "webhooks",
    LiveKitWebhooks "livekit-webhooks",
    Stream "stream",
    WebSocket "websocket",
    Cache "cache",
    Cors "cors",
    Redis "redis",
    LiveKitRedis "livekit-redis",
    Database "database",
    Descriptors "descriptors",
}

/// One thing that is wrong, or may become so.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    pub check: Check,
    pub verdict: Verdict,
    /// A sentence that says what is wrong.
    pub what: String,
    /// A sentence that says what to do.
    pub remedy: String,
}

/// What one check has to say.
#[derive(Clone, Debug, Serialize)]
pub struct Checked {
    pub check: Check,
    pub verdict: Verdict,
    /// What was seen, or why nothing was looked at.
    pub summary: String,
    pub findings: Vec<Finding>,
}

impl Checked {
    /// A check that has found nothing yet.
    pub fn of(check: Check) -> Self {
        Self { check, verdict: Verdict::Ok, summary: String::new(), findings: Vec::new() }
    }

    pub fn skipped(check: Check, why: impl Into<String>) -> Self {
        Self { verdict: Verdict::Skipped, ..Self::of(check).saying(why) }
    }

    #[must_use]
    pub fn saying(mut self, summary: impl Into<String>) -> Self {
        self.summary = without_controls(&summary.into());
        self
    }

    #[must_use]
    pub fn wrong(self, what: impl Into<String>, remedy: impl Into<String>) -> Self {
        self.finding(Verdict::Wrong, what.into(), remedy.into())
    }

    #[must_use]
    pub fn warning(self, what: impl Into<String>, remedy: impl Into<String>) -> Self {
        self.finding(Verdict::Warning, what.into(), remedy.into())
    }

    fn finding(mut self, verdict: Verdict, what: String, remedy: String) -> Self {
        let (what, remedy) = (without_controls(&what), without_controls(&remedy));
        self.findings.push(Finding { check: self.check, verdict, what, remedy });
        self.verdict = self.verdict.max(verdict);
        self
    }
}

/// What others said stands in sentences, and must not steer the terminal that shows them.
pub(crate) fn without_controls(text: &str) -> String {
    let is_shown = |one: &char| !one.is_control() && !is_direction(*one);
    text.chars().map(|one| if one == '\n' { ' ' } else { one }).filter(is_shown).collect()
}

/// Whether a character turns around the direction in which what follows is read.
fn is_direction(one: char) -> bool {
    matches!(one, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_others_said_does_not_steer_a_terminal() {
        let hostile = "a\u{1b}[2Jb\r\u{9b}31m\nc\u{202e}d é";
        let plain = "a[2Jb31m cd é";
        let checked = Checked::of(Check::Redis).saying(hostile).wrong(hostile, hostile);
        let finding = &checked.findings[0];
        assert_eq!([&checked.summary, &finding.what, &finding.remedy], [plain; 3]);
        assert_eq!(Checked::skipped(Check::Redis, hostile).summary, plain);
    }
}
