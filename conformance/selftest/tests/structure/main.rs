//! The structure of the code, held as data: which module may name which (`directions.toml`), no circles, no two types
//! of one name, plain names, and files that fit a screen or three.

#[expect(dead_code, reason = "other test binaries use the rest of it")]
#[path = "../common/mod.rs"]
mod common;
mod module_edges;
mod source_tree;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::process::Command;

use common::root;
use module_edges::{Edges, circles, edges};
use source_tree::{ModulePath, SourceTree};
use syn::Item;

/// Longer files are two.
const FILE_LINES: usize = 350;
/// Of the type names of a crate, in per cent: more can't all be the contract's own words.
const ONE_WORD_PERCENT: usize = 25;
const GLOSSARY_TERMS: usize = 60;

const CRATES: [(&str, &str); 4] = [
    ("runner", "runner"),
    ("stub_coordinator", "stub-coordinator"),
    ("conformance", "conformance"),
    ("conformance_selftest", "conformance/selftest"),
];

fn trees() -> impl Iterator<Item = SourceTree> {
    CRATES
        .into_iter()
        .map(|(name, folder)| SourceTree::read(name, folder))
}

fn none(rule: &str, broken: &[String]) {
    assert!(broken.is_empty(), "{rule}:\n  {}", broken.join("\n  "));
}

/// The modules directly below the root, and whom each names.
fn directions(tree: &SourceTree) -> Edges<String> {
    let mut found = Edges::new();
    for (module, targets) in edges(tree) {
        let Some(from) = module.first() else { continue };
        let to = targets.iter().filter_map(|target| target.first());
        let to = to.filter(|to| *to != from).cloned();
        let all: &mut BTreeSet<String> = found.entry(from.clone()).or_default();
        all.extend(to);
    }
    found.retain(|_, to| !to.is_empty());
    found
}

#[test]
fn modules_name_each_other_only_as_directions_toml_allows() {
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/structure/directions.toml");
    let text = fs::read_to_string(file).expect("the directions");
    let allowed: BTreeMap<String, Edges<String>> =
        toml::from_str(&text).expect("a table a crate, a list a module");
    let mut broken = Vec::new();
    for tree in trees() {
        let allowed = allowed.get(tree.crate_name).cloned().unwrap_or_default();
        let found = directions(&tree);
        for module in allowed.keys().chain(found.keys()).collect::<BTreeSet<_>>() {
            let (allowed, found) = (allowed.get(module), found.get(module));
            let (allowed, found) = (
                allowed.cloned().unwrap_or_default(),
                found.cloned().unwrap_or_default(),
            );
            let name = |other: &String| format!("{}: {module} -> {other}", tree.crate_name);
            broken.extend(
                found
                    .difference(&allowed)
                    .map(|other| name(other) + " is not allowed"),
            );
            broken.extend(
                allowed
                    .difference(&found)
                    .map(|other| name(other) + " is there no more"),
            );
        }
    }
    none("tests/structure/directions.toml and the code differ", &broken);
}

#[test]
fn no_modules_name_each_other_in_a_circle() {
    let shown = |module: &ModulePath| module.join("::");
    let mut broken = Vec::new();
    for tree in trees() {
        let modules = circles(&edges(&tree));
        let rooms = circles(&directions(&tree));
        for circle in modules
            .into_iter()
            .map(|circle| circle.iter().map(shown).collect())
            .chain(rooms)
        {
            let members: Vec<String> = circle.into_iter().collect();
            broken.push(format!("{}: {}", tree.crate_name, members.join(", ")));
        }
    }
    none("these modules name each other in a circle", &broken);
}

/// All type names of a crate, with how often each is defined.
fn type_names(tree: &SourceTree) -> BTreeMap<String, usize> {
    let mut names = BTreeMap::new();
    for item in tree.modules.values().flatten() {
        let name = match item {
            Item::Struct(item) => &item.ident,
            Item::Enum(item) => &item.ident,
            Item::Trait(item) => &item.ident,
            Item::Type(item) => &item.ident,
            Item::Union(item) => &item.ident,
            _ => continue,
        };
        *names.entry(name.to_string()).or_insert(0) += 1;
    }
    assert!(names.len() > 20, "{}: the scan finds no types", tree.crate_name);
    names
}

fn is_one_word(name: &str) -> bool {
    name.chars().filter(char::is_ascii_uppercase).count() == 1
}

/// The terms of `docs/glossary.md`: the first cell of each row, and the file in its third.
fn glossary() -> Vec<(String, String)> {
    let text = fs::read_to_string(root().join("docs/glossary.md")).expect("the glossary");
    let rows = text.lines().filter(|line| line.starts_with("| "));
    let cells = rows.map(|row| row.split('|').map(str::trim).collect::<Vec<_>>());
    let terms = cells.filter(|cells| cells.len() > 4 && !cells[1].starts_with("---") && cells[1] != "Term");
    terms
        .map(|cells| (cells[1].to_lowercase(), cells[3].trim_matches('`').to_owned()))
        .collect()
}

#[test]
fn no_two_types_of_a_crate_share_a_name() {
    let mut broken = Vec::new();
    for tree in trees() {
        let shared = type_names(&tree).into_iter().filter(|(_, count)| *count > 1);
        broken.extend(shared.map(|(name, count)| format!("{}: {name}, {count} times", tree.crate_name)));
    }
    none("these names stand for more than one type", &broken);
}

#[test]
fn a_type_of_one_word_is_a_term_of_the_glossary() {
    let terms: BTreeSet<String> = glossary().into_iter().map(|(term, _)| term).collect();
    let mut broken = Vec::new();
    for tree in trees() {
        let names = type_names(&tree);
        let short: Vec<&String> = names.keys().filter(|name| is_one_word(name)).collect();
        if short.len() * 100 > names.len() * ONE_WORD_PERCENT {
            broken.push(format!(
                "{}: {} of {} names",
                tree.crate_name,
                short.len(),
                names.len()
            ));
        }
        let unknown = short.iter().filter(|name| !terms.contains(&name.to_lowercase()));
        broken.extend(unknown.map(|name| format!("{}: {name}", tree.crate_name)));
    }
    none(
        "these names are one word and no term of docs/glossary.md",
        &broken,
    );
}

#[test]
fn the_glossary_is_short_and_its_files_are_there() {
    let terms = glossary();
    assert!(terms.len() > 30, "{} terms: the page is not read", terms.len());
    assert!(
        terms.len() <= GLOSSARY_TERMS,
        "{} terms are too many",
        terms.len()
    );
    let missing = terms.iter().filter(|(_, file)| !root().join(file).is_file());
    let missing: Vec<String> = missing.map(|(term, file)| format!("{term}: {file}")).collect();
    none("these files of the glossary are not there", &missing);
}

#[test]
fn no_file_is_longer_than_350_lines() {
    let listed = Command::new("git")
        .args(["ls-files", "*.rs", "*.sh", "*.js"])
        .current_dir(root())
        .output()
        .expect("git ls-files");
    let listed = String::from_utf8(listed.stdout).expect("paths");
    assert!(listed.lines().count() > 100, "the scan finds no files");
    let lines = |file: &str| {
        let text = fs::read_to_string(root().join(file)).unwrap_or_default();
        text.lines().count()
    };
    let long = listed.lines().map(|file| (file, lines(file)));
    let long = long.filter(|(_, lines)| *lines > FILE_LINES);
    let long: Vec<String> = long
        .map(|(file, lines)| format!("{file}: {lines} lines"))
        .collect();
    none("these files are too long", &long);
}
