//! How the sources are laid out: no layer imports a higher one, and no file is too long to be read at once.

use std::path::Path;

use super::{markdown::ROOT, names::rust_files};

/// The modules of `src`, bottom-up, in the order of the code map of `docs/ARCHITECTURE.md`.
const LAYERS: [&str; 32] = [
    "presence",
    "clock",
    "json",
    "metrics",
    "error_chain",
    "abort_on_panic",
    "blocking",
    "http_client",
    "jwt",
    "redis_client",
    "livekit",
    "app_auth",
    "coordination",
    "store",
    "reconcile",
    "moderation",
    "web_socket",
    "sse",
    "hub",
    "delivery",
    "history",
    "roster",
    "figures",
    "webhook_log",
    "http",
    "config",
    "app",
    "doctor",
    "conformance",
    "demo",
    "lib",
    "main",
];
const MAX_LINES: usize = 400;

fn rank(layer: &str) -> usize {
    let rank = LAYERS.iter().position(|one| *one == layer);
    rank.unwrap_or_else(|| panic!("{layer} has no place among the layers: say which it has"))
}

/// The top-level modules that a source imports: after `crate::`, or each name of `crate::{…}`.
fn imported(source: &str) -> Vec<String> {
    let mut names = Vec::new();
    for rest in source.split("crate::").skip(1) {
        let Some(group) = rest.strip_prefix('{') else {
            names.push(rest);
            continue;
        };
        let mut depth = 0;
        for part in group.split_inclusive([',', '{', '}']) {
            if depth == 0 {
                names.push(part.trim_start());
            }
            match part.chars().last() {
                Some('{') => depth += 1,
                Some('}') if depth == 0 => break,
                Some('}') => depth -= 1,
                _ => {}
            }
        }
    }
    let is_part = |one: char| one.is_ascii_lowercase() || one == '_';
    let words =
        names.into_iter().map(|name| name.chars().take_while(|one| is_part(*one)).collect());
    words.filter(|name: &String| !name.is_empty()).collect()
}

#[test]
fn no_layer_imports_a_higher_one() {
    let mut count = 0;
    for (file, source) in rust_files("src") {
        let inside = file.strip_prefix(Path::new(ROOT).join("src")).unwrap();
        let layer = inside.iter().next().unwrap().to_str().unwrap().trim_end_matches(".rs");
        for name in imported(&source) {
            let is_upward = rank(&name) > rank(layer);
            assert!(!is_upward, "{} imports {name}, which is above {layer}", inside.display());
            count += 1;
        }
    }
    assert!(count >= 300, "only {count} imports were found");
}

#[test]
fn no_file_is_longer_than_can_be_read_at_once() {
    for folder in ["src", "tests/it", "benches", "fuzz/fuzz_targets"] {
        for (file, source) in rust_files(folder) {
            let lines = source.lines().count();
            assert!(lines <= MAX_LINES, "{} has {lines} lines: split it", file.display());
        }
    }
}
