//! What the documentation says of the cases, and whether the captured webhooks are those of the fixtures.

use std::path::Path;

use super::GROUPS;
use crate::captures::Capture;

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

#[test]
fn the_documentation_has_the_number_of_cases_of_each_group() {
    let text = std::fs::read_to_string(Path::new(ROOT).join("docs/conformance.md")).unwrap();
    for (group, count) in GROUPS {
        let row = text.lines().find(|line| line.starts_with(&format!("| `{group}` | {count} |")));
        assert!(row.is_some(), "docs/conformance.md has no row of {group} with {count}");
    }
    let all: u64 = GROUPS.iter().map(|(_, count)| count).sum();
    assert!(text.contains(&format!("{all} cases")), "docs/conformance.md does not say {all} cases");
}

#[test]
fn the_captured_webhooks_are_those_of_the_fixtures() {
    let folder = Path::new(ROOT).join("src/conformance/captured");
    let captures = Capture::all();
    let mut count = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_stem().unwrap().to_str().unwrap();
        let capture = captures.iter().find(|capture| capture.name == name).unwrap();
        let bodies = capture.webhooks().map(|webhook| String::from_utf8_lossy(&webhook.body));
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(bodies.eq(text.lines()), "{} has other webhooks than the fixture", path.display());
        count += 1;
    }
    assert_eq!(count, 20);
}
