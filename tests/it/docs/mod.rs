//! The documentation: its commands work, its links lead somewhere, and what it names exists.

mod layout;
mod markdown;
mod monitoring;
mod names;
mod shell;

use std::path::Path;

use futures_util::future::join_all;

use markdown::{Block, Document, ROOT, documents};
use shell::{Fixture, Reason, Target, steps};

fn shell_blocks(document: &Document) -> Vec<Block> {
    let mut blocks = document.blocks();
    blocks.retain(|block| ["sh", "console"].contains(&block.language.as_str()));
    blocks
}

#[tokio::test]
async fn every_shell_snippet_works_and_shows_what_is_written_below_it() {
    let documents = documents();
    let runs = documents.iter().map(async |document| {
        let blocks = shell_blocks(document);
        let run = blocks.iter().map(|block| (Target::of(block), block));
        let run: Vec<_> = run.filter(|(target, _)| !matches!(target, Target::NotRun(_))).collect();
        if run.is_empty() {
            return 0;
        }
        let fixture = Fixture::prepare().await;
        for (target, block) in &run {
            for step in steps(block) {
                fixture.run(*target, &step).await;
            }
        }
        run.len()
    });
    let count: usize = join_all(runs).await.into_iter().sum();
    assert!(count >= 15, "only {count} blocks were found");
}

#[test]
fn a_snippet_is_left_out_only_for_a_known_reason_and_its_targets_exist() {
    let documents = documents();
    let blocks: Vec<_> = documents.iter().flat_map(shell_blocks).collect();
    let left_out = |reason| {
        let of_reason = move |block: &&Block| Target::of(block) == Target::NotRun(reason);
        blocks.iter().filter(of_reason).collect::<Vec<_>>()
    };
    for reason in Reason::ALL {
        assert!(!left_out(reason).is_empty(), "{reason:?} is no reason any more");
    }
    for block in left_out(Reason::BuildsForMinutes) {
        for line in block.text.lines() {
            let command = line.split('#').next().unwrap().trim();
            if let Some(arguments) = command.strip_prefix("make ") {
                has_targets(&block.place.to_string(), arguments);
            }
        }
    }
}

/// Checks that these targets exist, without making them.
fn has_targets(place: &str, arguments: &str) {
    let mut make = std::process::Command::new("make");
    make.args(["--dry-run", "--directory", ROOT]).args(arguments.split(' '));
    // The tests may run under make themselves.
    make.env_remove("MAKEFLAGS");
    let output = make.output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{place}: make {arguments}: {said}");
}

#[test]
fn every_block_says_what_it_is() {
    for block in documents().iter().flat_map(Document::blocks) {
        let known = [
            "console", "http", "js", "json", "jsx", "mermaid", "rust", "sh", "text", "toml", "tsx",
            "yaml",
        ];
        assert!(known.contains(&block.language.as_str()), "{}: ```{}", block.place, block.language);
    }
}

#[test]
fn every_link_leads_to_a_file_and_a_heading() {
    let documents = documents();
    let mut count = 0;
    for link in documents.iter().flat_map(Document::links) {
        let (path, anchor) = link.target.split_once('#').unwrap_or((&link.target, ""));
        let from = Path::new(ROOT).join(&link.place.path);
        let file = match path {
            "" => from,
            path => from.parent().unwrap().join(path),
        };
        assert!(file.exists(), "{}: there is no {path}", link.place);
        if !anchor.is_empty() {
            let file = file.canonicalize().unwrap();
            let document = Document::named(file.strip_prefix(ROOT).unwrap().to_str().unwrap());
            let is_there = document.anchors().iter().any(|one| one == anchor);
            assert!(is_there, "{}: {path} has no heading #{anchor}", link.place);
        }
        count += 1;
    }
    assert!(count >= 30, "only {count} links were found");
}
