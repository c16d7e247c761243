//! Documents and code agree: the schema, the examples, and every link of a page.

#[expect(dead_code, reason = "other test binaries use the rest of it")]
mod common;

use std::fs;
use std::path::{Path, PathBuf};

use common::root;
use conformance::scenario::{Scenario, json_schema};

#[test]
fn the_schema_that_is_checked_in_is_the_one_of_the_types() {
    let checked_in = fs::read_to_string(root().join("scenarios/schema.json")).expect("scenarios/schema.json");
    assert!(
        checked_in == json_schema::of::<Scenario>(),
        "run `cargo run -p conformance -- schema >scenarios/schema.json`"
    );
}

#[test]
fn the_scenario_in_the_docs_can_be_read() {
    let docs = fs::read_to_string(root().join("docs/scenarios.md")).expect("the docs of scenarios");
    let blocks = docs
        .split("```toml\n")
        .skip(1)
        .filter_map(|rest| rest.split("```").next());
    let scenarios: Vec<&str> = blocks.filter(|block| block.contains("\ntitle")).collect();
    assert!(!scenarios.is_empty(), "docs/scenarios.md shows no whole scenario");
    for text in scenarios {
        let read = conformance::scenario::parse::parse(text, Path::new("docs/scenarios.md"));
        assert!(read.is_ok(), "{}\n{text}", read.expect_err("it can't be read"));
    }
}

/// The pages that people read.
fn pages() -> Vec<PathBuf> {
    let below = |folder: &str| fs::read_dir(root().join(folder)).expect("a folder").flatten();
    let all = below("").chain(below("docs")).chain(below(".github"));
    let pages = all
        .map(|entry| entry.path())
        .filter(|path| path.extension().is_some_and(|ending| ending == "md"));
    pages.collect()
}

/// What a heading is linked by: its letters and digits, with hyphens for blanks.
fn anchors(page: &str) -> Vec<String> {
    let headings = page.lines().filter(|line| line.starts_with('#'));
    let anchor = |heading: &str| {
        let text = heading
            .trim_start_matches('#')
            .trim()
            .to_lowercase()
            .replace(' ', "-");
        text.chars()
            .filter(|character| character.is_alphanumeric() || "-_".contains(*character))
            .collect()
    };
    headings.map(anchor).collect()
}

#[test]
fn every_link_of_a_page_leads_somewhere() {
    let mut broken = Vec::new();
    let mut looked_at = 0;
    for page in pages() {
        let text = fs::read_to_string(&page).expect("a page");
        let prose: String = text.split("```").step_by(2).collect();
        let targets = prose.split("](").skip(1).filter_map(|rest| rest.split_once(')'));
        for (target, _) in targets.filter(|(target, _)| !target.contains("://")) {
            looked_at += 1;
            let (file, anchor) = target.split_once('#').unwrap_or((target, ""));
            let path = match file {
                "" => page.clone(),
                file => page.with_file_name(file),
            };
            let there = anchor.is_empty() && path.exists();
            let read = || fs::read_to_string(&path).unwrap_or_default();
            if !there && !anchors(&read()).iter().any(|found| found == anchor) {
                broken.push(format!("{}: {target}", page.display()));
            }
        }
    }
    assert!(looked_at > 50, "{looked_at} links are too few");
    assert!(
        broken.is_empty(),
        "these links lead nowhere:\n  {}",
        broken.join("\n  ")
    );
}
