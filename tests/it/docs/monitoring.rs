//! The alerts and the dashboard of `deploy`: they use metrics that there are, and each alert has a runbook and its tests.

use std::{collections::BTreeMap, path::Path};

use super::markdown::{Document, ROOT};

const PREFIX: &str = "livekit_presence_";

fn file(path: &str) -> String {
    std::fs::read_to_string(Path::new(ROOT).join(path)).unwrap()
}

/// The metrics that the documentation names, each with its row. Another test holds them against the sources.
fn documented() -> BTreeMap<String, String> {
    let document = Document::named("docs/metrics.md");
    let table = document.text.split("\n## All of them\n").nth(1).unwrap();
    let rows = table.lines().filter_map(|line| line.strip_prefix("| `")?.split_once(" |"));
    let named = rows.flat_map(|(names, what)| {
        let names = names.split(", ").map(|name| name.trim_matches('`').to_owned());
        names.map(|name| (name, what.to_owned())).collect::<Vec<_>>()
    });
    named.collect()
}

fn is_of_a_name(one: char) -> bool {
    one.is_ascii_lowercase() || one.is_ascii_digit() || one == '_'
}

/// Each use of a metric, with its selectors, if it has any.
fn uses(text: &str) -> Vec<(String, String)> {
    // In JSON, quotes inside of a text are escaped.
    let text = text.replace("\\\"", "\"");
    let uses = text.split(PREFIX).skip(1).map(|rest| {
        let name: String = rest.chars().take_while(|one| is_of_a_name(*one)).collect();
        let selectors = rest[name.len()..].strip_prefix('{');
        let selectors = selectors.and_then(|rest| rest.split('}').next()).unwrap_or_default();
        (name.trim_end_matches("_bucket").to_owned(), selectors.to_owned())
    });
    uses.collect()
}

/// The values that a selector like `outcome=~"dropped|refused"` lets pass, but those of the instance.
fn values(selectors: &str) -> Vec<String> {
    let selectors =
        selectors.split(", ").filter(|one| !one.contains('$') && !one.contains("route="));
    let values = selectors.filter_map(|one| one.split('"').nth(1));
    values.flat_map(|values| values.split('|').map(str::to_owned)).collect()
}

#[test]
fn alerts_and_the_dashboard_use_only_metrics_that_there_are() {
    let documented = documented();
    for (path, least) in
        [("deploy/prometheus/alerts.yml", 30), ("deploy/grafana/dashboard.json", 50)]
    {
        let uses = uses(&file(path));
        for (name, selectors) in &uses {
            let Some(row) = documented.get(name) else {
                panic!("{path}: there is no metric {name}")
            };
            for value in values(selectors) {
                let is_named = row.split(|one| !is_of_a_name(one)).any(|word| word == value);
                let is_status = name == "http_requests_total" && value == "503";
                assert!(is_named || is_status, "{path}: {name} has no {value}");
            }
        }
        assert!(uses.len() >= least, "{path} has {} uses of metrics only", uses.len());
    }
}

#[test]
fn each_alert_has_a_runbook_and_is_shown_to_fire_and_not_to_fire() {
    let alerts = file("deploy/prometheus/alerts.yml");
    let names: Vec<_> =
        alerts.lines().filter_map(|line| line.trim().strip_prefix("- alert: ")).collect();
    let links = alerts.lines().filter_map(|line| line.trim().strip_prefix("runbook_url: "));
    let links: Vec<_> = links.collect();
    let tests = std::fs::read_dir(Path::new(ROOT).join("deploy/prometheus/tests")).unwrap();
    let tests: String =
        tests.map(|entry| std::fs::read_to_string(entry.unwrap().path()).unwrap()).collect();
    let headings = Document::named("docs/runbooks.md").anchors();
    for name in &names {
        let anchor = name.to_lowercase();
        assert!(headings.contains(&anchor), "docs/runbooks.md has nothing of {name}");
        let link = format!("docs/runbooks.md#{anchor}");
        assert!(links.contains(&link.as_str()), "{name} has no runbook_url {link}");
        let quiet = format!("alertname: {name}\n        exp_alerts: []\n");
        assert!(tests.contains(&quiet), "no test shows that {name} does not fire");
        let fires = format!("alertname: {name}\n        exp_alerts:\n");
        assert!(tests.contains(&fires), "no test shows that {name} fires");
    }
    assert_eq!(links.len(), names.len());
    let about = headings.iter().filter(|heading| heading.starts_with("presence")).count();
    assert_eq!(about, names.len(), "docs/runbooks.md tells of an alert that there is not");
}
