//! Runs the cases, side by side, each in a room of its own.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use futures_util::{StreamExt, stream};
use tokio::time::timeout;

use crate::{clock::Clock, doctor::without_controls};

use super::{
    case::{Case, CaseInfo, Judged, Judging},
    cases,
    options::Options,
    reach::reach,
    report::{Outcome, Report, Verdict},
    room::Room,
    target::Target,
};

/// A case waits for several things, one after the other, each for at most `--timeout`.
const MAX_WAITS: u32 = 12;

/// What is tried, in the order of the groups: a line for each case.
pub fn list_cases() -> String {
    let mut cases: Vec<CaseInfo> = cases::all().into_iter().map(|case| case.info).collect();
    cases.sort_by_key(|case| case.group);
    let line = |case: &CaseInfo| format!("{}: {} ({})", case.id, case.must, case.source);
    cases.iter().map(line).collect::<Vec<_>>().join("\n") + "\n"
}

/// Tries the cases, and says how they went. Must be called in a runtime, with a provider of cryptography for TLS.
///
/// # Errors
/// Nothing can be tried. Says why, and what to do about it.
pub async fn run(options: &Options, clock: &Clock) -> Result<Report, String> {
    let mut cases = cases::all();
    cases.retain(|case| options.only.is_empty() || options.only.contains(&case.info.group));
    something_is_tried(&cases, options)?;
    let target = Target::new(options, clock)
        .map_err(|error| format!("cannot read the file of --ca-file: {error}"))?;
    let target = Arc::new(target);
    // No other run has this in the names of its rooms.
    let run = format!("{:08x}", fastrand::u32(..));
    reach(&target, format!("conformance-{run}")).await.map_err(|error| without_controls(&error))?;
    let judging = cases.iter().map(|case| judge(case, options, &target, &run));
    let mut outcomes: Vec<Outcome> =
        stream::iter(judging).buffer_unordered(options.at_once.max(1)).collect().await;
    outcomes.sort_by(|one, other| {
        (one.case.group, &one.case.id).cmp(&(other.case.group, &other.case.id))
    });
    Ok(Report::new(target.base.clone(), outcomes))
}

/// A score of nothing would look like full marks.
fn something_is_tried(cases: &[Case], options: &Options) -> Judged {
    let mut reasons = BTreeSet::new();
    for case in cases {
        match case.idle_reason(options) {
            None => return Ok(()),
            Some(reason) => reasons.insert(reason),
        };
    }
    let reasons = reasons.into_iter().collect::<Vec<_>>().join("; ");
    Err(format!(
        "nothing can be tried: {reasons}. Choose other groups with --only, or change that option."
    ))
}

async fn judge(case: &Case, options: &Options, target: &Arc<Target>, run: &str) -> Outcome {
    let outcome = |verdict, what: &str| Outcome {
        case: case.info.clone(),
        verdict,
        what: without_controls(what),
    };
    if let Some(reason) = case.idle_reason(options) {
        return outcome(Verdict::Skipped, reason);
    }
    let name = format!("conformance-{run}-{}", case.info.id.replace('/', "-"));
    let limit = options.timeout * MAX_WAITS + options.silence;
    match within(limit, case.judge(Room::new(Arc::clone(target), name))).await {
        Ok(()) => outcome(Verdict::Passed, ""),
        Err(what) => outcome(Verdict::Failed, &what),
    }
}

/// A case that never ends would keep the whole run from its end.
async fn within(limit: Duration, judging: Judging) -> Judged {
    let judged = timeout(limit, judging).await;
    judged.unwrap_or_else(|_| Err(format!("the case did not end within {limit:?}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_case_that_never_ends_fails_at_its_limit() {
        let judged = within(Duration::from_secs(80), Box::pin(std::future::pending())).await;
        assert_eq!(judged, Err("the case did not end within 80s".to_owned()));
    }
}
