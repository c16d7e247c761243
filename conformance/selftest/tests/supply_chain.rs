//! What this repository lets in: actions of others, images, packages. Each is named so that nobody can put another in
//! its place, and the rules are tried on files that break them.

#[expect(dead_code, reason = "other test binaries use the rest of it")]
mod common;
#[path = "supply_chain/python_packages.rs"]
mod python_packages;
#[path = "supply_chain/release_files.rs"]
mod release_files;

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use common::root;
use serde_json::Value;

fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).expect(path)
}

/// Every file below a folder whose name ends so.
fn files(folder: &str, ending: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![root().join(folder)];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).expect("a folder").flatten() {
            let path = entry.path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|found| found == ending) {
                found.push(path);
            }
        }
    }
    assert!(!found.is_empty(), "{folder} holds no .{ending}");
    found
}

fn is_hex(text: &str, digits: usize) -> bool {
    let digit = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
    text.len() == digits && text.bytes().all(digit)
}

/// The value of `key` in a line of YAML, and the comment behind it.
fn value_of<'a>(line: &'a str, key: &str) -> Option<(&'a str, &'a str)> {
    let line = line.trim_start().trim_start_matches("- ");
    let value = line.strip_prefix(key)?.strip_prefix(':')?;
    let (value, comment) = value.split_once(" #").unwrap_or((value, ""));
    Some((value.trim().trim_matches(['"', '\'']), comment.trim()))
}

fn indent(line: &str) -> usize {
    line.len() - line.trim_start().len()
}

/// What is wrong with the steps, images and triggers of this text.
fn faults(text: &str) -> Vec<String> {
    let lines: Vec<&str> = text.lines().collect();
    let mut faults = Vec::new();
    for (number, line) in lines.iter().enumerate() {
        let mut fault = |what: &str| faults.push(format!("{}: {what}: {}", number + 1, line.trim()));
        if let Some((action, version)) = value_of(line, "uses") {
            let commit = action.rsplit_once('@').filter(|(_, commit)| is_hex(commit, 40));
            let own = action.starts_with("./") || action.starts_with("OWNER/REPOSITORY/");
            let pinned = commit.is_some() && version.starts_with('v');
            if !own && !pinned {
                fault("name the full commit, and the version behind it as a comment");
            }
            if action.starts_with("actions/checkout")
                && !step_says(&lines, number, "persist-credentials", "false")
            {
                fault("a checkout leaves its token in the work folder without `persist-credentials: false`");
            }
        }
        let image = value_of(line, "container").or_else(|| value_of(line, "image"));
        let digest = |image: &str| {
            image
                .rsplit_once("@sha256:")
                .is_some_and(|(_, digest)| is_hex(digest, 64))
        };
        if image.is_some_and(|(image, _)| !image.is_empty() && !digest(image)) {
            fault("name the image by its digest");
        }
        let code = line.split('#').next().unwrap_or_default();
        let forbidden = ["pull_request_target", "workflow_run", "secrets.", ": write"];
        if forbidden.iter().any(|word| code.contains(word)) && !is_of_publishing(&lines, number) {
            fault("no job here has a secret or may write");
        }
    }
    faults
}

/// Whether the line gives a right that a release needs, to a job that runs nothing but actions and `gh`, after a tag.
fn is_of_publishing(lines: &[&str], at: usize) -> bool {
    let rights = ["contents: write", "id-token: write", "attestations: write"];
    let begins_a_job = |line: &&str| indent(line) == 2 && !line.trim_start().starts_with('#');
    let first = lines[..at].iter().rposition(begins_a_job).unwrap_or(0);
    let job = lines[first..]
        .iter()
        .skip(1)
        .take_while(|line| line.trim().is_empty() || indent(line) > 2);
    let runs_code = job
        .filter_map(|line| value_of(line, "run").or_else(|| value_of(line, "uses")))
        .any(|(what, _)| {
            let known = [
                "actions/download-artifact@",
                "actions/attest-build-provenance@",
                "gh release create ",
            ];
            !known.iter().any(|known| what.starts_with(known))
        });
    let after_a_tag = lines
        .join("\n")
        .contains("\non:\n  push:\n    tags: [\"v[0-9]*\"]\n\n");
    rights.contains(&lines[at].trim()) && after_a_tag && !runs_code
}

/// Whether the step to which this line belongs has the key with this value.
fn step_says(lines: &[&str], at: usize, key: &str, wanted: &str) -> bool {
    let dash = lines[at].trim_start().starts_with("- ");
    let column = indent(lines[at]) - if dash { 0 } else { 2 };
    let rest = lines[at + 1..].iter();
    let mut step = rest.take_while(|line| line.trim().is_empty() || indent(line) > column);
    step.any(|line| value_of(line, key).is_some_and(|(value, _)| value == wanted))
}

const COMMIT: &str = "0123456789abcdef0123456789abcdef01234567";

#[test]
fn every_action_and_image_is_pinned_and_no_checkout_leaves_its_token_behind() {
    let workflows = files(".github", "yml");
    for path in workflows.iter().chain(&files("docs", "md")) {
        let text = fs::read_to_string(path).expect("a file");
        let yaml = |block: &&str| block.contains("uses:");
        // Of a page, the blocks that show a workflow; what its sentences say is no rule.
        let blocks: Vec<&str> = match path.extension().is_some_and(|ending| ending == "md") {
            true => text.split("```").skip(1).step_by(2).filter(yaml).collect(),
            false => vec![&text],
        };
        for block in blocks {
            assert_eq!(faults(block), Vec::<String>::new(), "{}", path.display());
        }
    }
    for path in files(".github/workflows", "yml") {
        let text = fs::read_to_string(path).expect("a file");
        assert!(text.contains("\npermissions:\n  contents: read\n\n"), "{text}");
    }
}

#[test]
fn a_workflow_that_breaks_a_rule_is_found() {
    let checkout = |reference: &str, with: &str| {
        format!("    steps:\n      - uses: {reference}\n{with}      - run: x\n")
    };
    let careful = "        with:\n          persist-credentials: false\n";
    let pinned = format!("actions/checkout@{COMMIT} # v1.2.3");
    assert_eq!(faults(&checkout(&pinned, careful)), Vec::<String>::new());
    let named = format!("      - name: x\n        uses: {pinned}\n{careful}");
    assert_eq!(faults(&named), Vec::<String>::new());
    let wrong = [
        checkout("actions/checkout@v4", careful),
        checkout("actions/checkout@v4 # v4", careful),
        checkout(&format!("actions/checkout@{} # v4", &COMMIT[..39]), careful),
        checkout(&format!("actions/checkout@{COMMIT}"), careful),
        checkout("actions/checkout # v4", careful),
        checkout(&pinned, ""),
        checkout(&pinned, "        with:\n          persist-credentials: true\n"),
        // That of the next step is not its own.
        checkout(&pinned, &format!("      - uses: ./x\n{careful}")),
        "    container: rust:1.95-bookworm\n".into(),
        format!("    container:\n      image: rust@sha256:{COMMIT}\n"),
        "on:\n  pull_request_target:\n".into(),
        "permissions:\n  contents: write\n".into(),
        "permissions: write-all\n".into(),
        "    env:\n      TOKEN: ${{ secrets.TOKEN }}\n".into(),
    ];
    for text in wrong {
        assert_eq!(faults(&text).len(), 1, "{text}{:?}", faults(&text));
    }
}

/// What is wrong with where the packages of a lock file come from.
fn strange_sources(lock: &str) -> Vec<String> {
    let lock: toml::Table = lock.parse().expect("a lock file");
    let packages = lock["package"].as_array().expect("packages");
    let text = |package: &toml::Value, key: &str| package.get(key)?.as_str().map(str::to_owned);
    let sources: Vec<String> = packages
        .iter()
        .filter_map(|package| text(package, "source"))
        .collect();
    let strange = packages.iter().filter(|package| match text(package, "source") {
        Some(source) => {
            !source.starts_with("registry+") || source != sources[0] || text(package, "checksum").is_none()
        }
        None => {
            let own = [
                "runner",
                "stub-coordinator",
                "conformance",
                "conformance-selftest",
            ];
            !own.contains(&package["name"].as_str().unwrap_or(""))
        }
    });
    strange.map(ToString::to_string).collect()
}

#[test]
fn every_package_comes_from_the_one_registry_with_a_checksum() {
    let lock = read("Cargo.lock");
    assert_eq!(strange_sources(&lock), Vec::<String>::new());
    let last = "\n[[package]]\nname = \"x\"\nversion = \"1.0.0\"\n";
    for more in [
        "",
        "source = \"git+https://example.org/x#0123\"\n",
        "source = \"registry+https://example.org/index\"\nchecksum = \"00\"\n",
    ] {
        assert_eq!(strange_sources(&format!("{lock}{last}{more}")).len(), 1, "{more}");
    }
    let checksum = lock
        .lines()
        .find(|line| line.starts_with("checksum"))
        .expect("a checksum");
    assert_eq!(strange_sources(&lock.replace(checksum, "")).len(), 1);
}

/// Whether a licence expression of SPDX can be met by these licences alone.
fn permitted(expression: &str, allowed: &[String]) -> bool {
    let spaced = expression
        .replace('(', " ( ")
        .replace(')', " ) ")
        .replace('/', " OR ");
    let words: Vec<&str> = spaced.split_whitespace().collect();
    let mut rest = words.as_slice();
    any_of(&mut rest, allowed) && rest.is_empty()
}

fn any_of(rest: &mut &[&str], allowed: &[String]) -> bool {
    let mut holds = all_of(rest, allowed);
    while let ["OR", after @ ..] = *rest {
        *rest = after;
        holds |= all_of(rest, allowed);
    }
    holds
}

fn all_of(rest: &mut &[&str], allowed: &[String]) -> bool {
    let mut holds = one_of(rest, allowed);
    while let ["AND", after @ ..] = *rest {
        *rest = after;
        holds &= one_of(rest, allowed);
    }
    holds
}

fn one_of(rest: &mut &[&str], allowed: &[String]) -> bool {
    match *rest {
        ["(", after @ ..] => {
            *rest = after;
            let holds = any_of(rest, allowed);
            *rest = rest.strip_prefix(&[")"]).unwrap_or(&[]);
            holds
        }
        [licence, "WITH", exception, after @ ..] => {
            *rest = after;
            allowed.contains(&format!("{licence} WITH {exception}"))
        }
        [licence, after @ ..] => {
            *rest = after;
            allowed.iter().any(|allowed| allowed == licence)
        }
        [] => false,
    }
}

#[test]
#[cfg_attr(
    not(target_os = "linux"),
    ignore = "the packages for Linux are fetched there alone"
)]
fn every_package_is_under_a_licence_of_the_list() {
    let rules: toml::Table = read("deny.toml").parse().expect("TOML");
    let allowed = rules["licenses"]["allow"].as_array().expect("a list");
    let allowed: Vec<String> = allowed
        .iter()
        .filter_map(|name| name.as_str().map(str::to_owned))
        .collect();
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let arguments =
        "metadata --locked --offline --filter-platform x86_64-unknown-linux-gnu --format-version 1";
    let output = Command::new(cargo)
        .args(arguments.split(' '))
        .current_dir(root())
        .output()
        .expect("cargo metadata");
    let metadata: Value = serde_json::from_slice(&output.stdout).expect("cargo metadata prints JSON");
    let packages = metadata["packages"].as_array().expect("packages");
    assert!(packages.len() > 100, "{}", packages.len());
    let licence = |package: &&Value| package["license"].as_str().unwrap_or_default().to_owned();
    let refused = packages
        .iter()
        .filter(|package| !permitted(&licence(package), &allowed));
    let refused: Vec<String> = refused
        .map(|package| format!("{} {}", package["name"], licence(&package)))
        .collect();
    assert_eq!(refused, Vec::<String>::new());
}

#[test]
fn a_licence_expression_is_met_by_what_it_leaves_to_choose() {
    let allowed = ["MIT", "ISC"].map(str::to_owned);
    for good in [
        "MIT",
        "MIT OR GPL-3.0",
        "GPL-3.0/MIT",
        "ISC AND (GPL-3.0 OR MIT)",
        "Apache-2.0 WITH LLVM-exception OR MIT",
    ] {
        assert!(permitted(good, &allowed), "{good}");
    }
    for bad in [
        "",
        "GPL-3.0",
        "MIT AND GPL-3.0",
        "ISC AND (GPL-3.0 OR BSL-1.0)",
        "MIT WITH LLVM-exception",
        "(MIT OR ISC) AND GPL-3.0",
        "MIT MIT",
    ] {
        assert!(!permitted(bad, &allowed), "{bad}");
    }
}
