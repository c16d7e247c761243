//! Rules of the repository that a compiler does not keep: who may depend on whom, what a file opens with,
//! what is not written anywhere, and that documents and files agree.

#[expect(dead_code, reason = "other test binaries use the rest of it")]
mod common;

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;
use std::process::Command;

use common::root;
use serde_json::Value;

/// Longer functions do not fit a screen.
const FUNCTION_LINES: usize = 70;

fn package(name: &str) -> Value {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let arguments = ["metadata", "--no-deps", "--offline", "--format-version", "1"];
    let output = Command::new(cargo)
        .args(arguments)
        .current_dir(root())
        .output()
        .expect("cargo metadata");
    let metadata: Value = serde_json::from_slice(&output.stdout).expect("cargo metadata prints JSON");
    let packages = metadata["packages"].as_array().expect("packages").clone();
    packages
        .into_iter()
        .find(|package| package["name"] == name)
        .expect("the package is in the workspace")
}

fn dependencies(package: &Value) -> Vec<(String, bool)> {
    let all = package["dependencies"].as_array().expect("dependencies").iter();
    all.map(|found| {
        (
            found["name"].as_str().unwrap_or_default().to_owned(),
            found["path"].is_string(),
        )
    })
    .collect()
}

/// Every Rust file of the workspace, with its text.
fn sources() -> Vec<(PathBuf, String)> {
    let mut found = Vec::new();
    let mut folders: Vec<PathBuf> = ["runner", "stub-coordinator", "conformance"]
        .map(|name| root().join(name))
        .to_vec();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder)
            .expect("a folder of the workspace")
            .flatten()
        {
            let path = entry.path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|ending| ending == "rs") {
                let text = fs::read_to_string(&path).expect("a source file");
                found.push((
                    path.strip_prefix(root()).expect("below the root").to_owned(),
                    text,
                ));
            }
        }
    }
    assert!(found.len() > 20, "the scan looks in the wrong place");
    found
}

/// The files that are compiled for tests alone: those in `tests/`, and modules behind `cfg(test)`.
fn test_files(sources: &[(PathBuf, String)]) -> BTreeSet<PathBuf> {
    let mut found = BTreeSet::new();
    for (path, text) in sources {
        let folder = match path.file_stem().and_then(|stem| stem.to_str()) {
            Some("mod" | "lib" | "main") | None => path.with_file_name(""),
            Some(_) => path.with_extension(""),
        };
        for after in text.split("#[cfg(test)]").skip(1) {
            let declared = after
                .trim_start()
                .trim_start_matches("pub(crate) ")
                .strip_prefix("mod ");
            if let Some((name, _)) = declared.and_then(|rest| rest.split_once(';'))
                && name
                    .chars()
                    .all(|character| character.is_ascii_alphanumeric() || character == '_')
            {
                found.insert(folder.join(format!("{name}.rs")));
                found.insert(folder.join(name).join("mod.rs"));
            }
        }
        if path.components().any(|part| part.as_os_str() == "tests") {
            found.insert(path.clone());
        }
    }
    // So is what a test file consists of.
    let folders: Vec<PathBuf> = found.iter().map(|file| file.with_extension("")).collect();
    let within = |path: &&PathBuf| folders.iter().any(|folder| path.starts_with(folder));
    found.extend(sources.iter().map(|(path, _)| path).filter(within).cloned());
    found
}

/// The part of a file that ends up in the product.
fn product(text: &str) -> &str {
    let tests = text.find("#[cfg(test)]\nmod tests {");
    tests.map_or(text, |tests| &text[..tests])
}

fn none(rule: &str, broken: &[String]) {
    assert!(broken.is_empty(), "{rule}:\n  {}", broken.join("\n  "));
}

#[test]
fn the_runner_can_be_linked_by_nothing_and_knows_no_other_package() {
    let runner = package("runner");
    let targets = runner["targets"].as_array().expect("targets");
    let kinds: Vec<&str> = targets
        .iter()
        .filter_map(|target| target["kind"][0].as_str())
        .collect();
    assert!(
        !kinds.iter().any(|kind| kind.contains("lib")),
        "the runner has a library target: {kinds:?}"
    );
    for (name, by_path) in dependencies(&runner) {
        assert!(!by_path, "the runner depends on {name} by path");
        assert_ne!(name, "axum", "the runner is no server");
    }
}

#[test]
fn a_package_depends_on_those_below_it_alone() {
    let by_path = |name| -> Vec<String> {
        dependencies(&package(name))
            .into_iter()
            .filter(|(_, by_path)| *by_path)
            .map(|(name, _)| name)
            .collect()
    };
    assert_eq!(by_path("stub-coordinator"), Vec::<String>::new());
    assert_eq!(by_path("conformance"), ["stub-coordinator"]);
    assert_eq!(
        by_path("conformance-selftest"),
        ["conformance", "stub-coordinator"]
    );
}

#[test]
fn the_decision_is_pure() {
    let text = fs::read_to_string(root().join("runner/src/scheduler.rs"))
        .expect("the decision has a file of its own");
    let code = text.split("#[cfg(test)]").next().unwrap_or_default();
    let code: Vec<&str> = code
        .lines()
        .filter(|line| !line.trim_start().starts_with("//"))
        .collect();
    for word in [
        "std::fs",
        "fs::",
        "std::net",
        "std::time",
        "SystemTime",
        "Instant",
        "tokio",
        "reqwest",
        "http",
        "jiff",
    ] {
        assert!(
            !code.iter().any(|line| line.contains(word)),
            "runner/src/scheduler.rs names `{word}`"
        );
    }
}

#[test]
fn every_file_says_what_it_is_for() {
    let silent = sources().into_iter().filter(|(_, text)| !text.starts_with("//!"));
    none(
        "these open without `//!`",
        &silent
            .map(|(path, _)| path.display().to_string())
            .collect::<Vec<_>>(),
    );
}

#[test]
fn nothing_is_ignored_allowed_or_slept_through() {
    // Put together here, so that this file does not break its own rule.
    let attribute = |name: &str| format!("#[{name}");
    let everywhere = [
        attribute("ignore"),
        attribute("allow"),
        attribute("cfg_attr(test, ignore"),
        ["todo", "!("].concat(),
    ];
    let in_tests = [["thread::", "sleep"].concat(), ["time::", "sleep("].concat()];
    let mut broken = Vec::new();
    let sources = sources();
    let test_files = test_files(&sources);
    for (path, text) in sources {
        let tests = if test_files.contains(&path) {
            text.as_str()
        } else {
            &text[product(&text).len()..]
        };
        let found = everywhere.iter().filter(|word| text.contains(word.as_str()));
        let slept = in_tests.iter().filter(|word| tests.contains(word.as_str()));
        broken.extend(
            found
                .chain(slept)
                .map(|word| format!("{}: {word}", path.display())),
        );
    }
    none("found what is not written here", &broken);
}

#[test]
fn the_runner_never_unwraps() {
    let mut broken = Vec::new();
    let sources = sources();
    let test_files = test_files(&sources);
    let product_files = sources.iter().filter(|(path, _)| !test_files.contains(path));
    for (path, text) in product_files.filter(|(path, _)| path.starts_with("runner/src")) {
        let code = product(text);
        for (number, line) in code
            .lines()
            .enumerate()
            .filter(|(_, line)| !line.trim_start().starts_with("//"))
        {
            if [".unwrap()", ".expect(", "panic!(", "unreachable!("]
                .iter()
                .any(|word| line.contains(word))
            {
                broken.push(format!("{}:{}: {}", path.display(), number + 1, line.trim()));
            }
        }
    }
    none("the runner must not panic", &broken);
}

#[test]
fn functions_fit_a_screen() {
    let mut long = Vec::new();
    let sources = sources();
    let test_files = test_files(&sources);
    for (path, text) in sources.iter().filter(|(path, _)| !test_files.contains(path)) {
        let lines: Vec<&str> = product(text).lines().collect();
        for (start, line) in lines.iter().enumerate() {
            let code = line.trim_start();
            let indent = &line[..line.len() - code.len()];
            let opens = [
                "fn ",
                "pub fn ",
                "pub(crate) fn ",
                "pub(super) fn ",
                "async fn ",
                "pub async fn ",
                "pub(crate) async fn ",
                "pub(super) async fn ",
            ];
            if !opens.iter().any(|opening| code.starts_with(opening)) {
                continue;
            }
            let end = lines[start..]
                .iter()
                .position(|line| *line == format!("{indent}}}"))
                .unwrap_or(0);
            if end + 1 > FUNCTION_LINES {
                long.push(format!("{}:{}: {} lines", path.display(), start + 1, end + 1));
            }
        }
    }
    none("these functions do not fit a screen", &long);
}
