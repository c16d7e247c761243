//! The files of a release agree: what is built is what is offered, and the job that may write runs nothing of it.

use std::collections::BTreeSet;

use crate::{COMMIT, faults, read};

/// The platforms that this text names.
fn targets(text: &str) -> BTreeSet<&str> {
    let is_of_a_word = |letter: char| letter.is_ascii_alphanumeric() || letter == '-' || letter == '_';
    let words = text.split(|letter| !is_of_a_word(letter));
    let words = words.map(|word| word.trim_matches('-'));
    let is_target = |word: &&str| {
        let ends = ["-apple-darwin", "-unknown-linux-gnu"];
        let machine = ends.iter().find_map(|end| word.strip_suffix(end));
        machine.is_some_and(|machine| ["x86_64", "aarch64"].contains(&machine))
    };
    words.filter(is_target).collect()
}

#[test]
fn every_platform_that_is_offered_is_built() {
    let workflow = read(".github/workflows/release.yml");
    let built = targets(&workflow);
    assert_eq!(built.len(), 4, "{built:?}");
    for file in ["packaging/agent-queue.rb.in", "docs/install.md"] {
        assert_eq!(targets(&read(file)), built, "{file}");
    }
}

#[test]
fn every_program_is_found_in_the_archive_by_the_name_that_it_is_built_with() {
    let script = read("packaging/build");
    assert!(script.contains("name=agent-queue-$version-$target\n"), "{script}");
    assert!(script.contains("tar -C target/packaging -czf \"$out/$name.tar.gz\" \"$name\""));
    for package in ["runner", "stub-coordinator", "conformance"] {
        let manifest: toml::Table = read(&format!("{package}/Cargo.toml")).parse().expect("TOML");
        let metadata = &manifest["package"]["metadata"]["binstall"];
        let archive = "agent-queue-{ version }-{ target }";
        let url = format!("{{ repo }}/releases/download/v{{ version }}/{archive}.tar.gz");
        assert_eq!(metadata["pkg-url"].as_str(), Some(url.as_str()), "{package}");
        let folder = format!("{archive}/bin/{{ bin }}");
        assert_eq!(metadata["bin-dir"].as_str(), Some(folder.as_str()), "{package}");
    }
}

/// A workflow that publishes after a tag, with these lines as its last job.
fn publishing(job: &str) -> String {
    format!(
        "name: x\n\non:\n  push:\n    tags: [\"v[0-9]*\"]\n\njobs:\n  build:\n    steps:\n      - run: cargo build\n\n  publish:\n{job}"
    )
}

#[test]
fn a_job_that_may_write_runs_nothing_of_the_repository() {
    let rights = "    permissions:\n      contents: write\n      id-token: write\n";
    let fetch = format!("    steps:\n      - uses: actions/download-artifact@{COMMIT} # v1\n");
    let publish = "      - run: gh release create \"$GITHUB_REF_NAME\" release/*\n";
    let good = publishing(&format!("{rights}{fetch}{publish}"));
    assert_eq!(faults(&good), Vec::<String>::new());
    let careful = "        with:\n          persist-credentials: false\n";
    let checkout = format!("      - uses: actions/checkout@{COMMIT} # v1\n{careful}");
    let other_right = rights.replace("id-token", "packages");
    let without_tag = good.replace("    tags: [\"v[0-9]*\"]\n", "    branches: [main]\n");
    for (text, wrong) in [
        (publishing(&format!("{rights}{fetch}{publish}{checkout}")), 2),
        (
            publishing(&format!(
                "{rights}{fetch}{publish}      - run: release/aq --version\n"
            )),
            2,
        ),
        (publishing(&format!("{other_right}{fetch}{publish}")), 1),
        (
            publishing(&format!(
                "{rights}{fetch}{publish}    env:\n      TOKEN: ${{{{ secrets.TOKEN }}}}\n"
            )),
            1,
        ),
        (without_tag, 2),
        // What another job is given is no right of this one.
        (
            good.replace(
                "  build:\n",
                "  build:\n    permissions:\n      contents: write\n",
            ),
            1,
        ),
    ] {
        assert_eq!(faults(&text).len(), wrong, "{text}{:?}", faults(&text));
    }
}
