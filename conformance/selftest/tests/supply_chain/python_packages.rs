//! The Python packages that the gate fetches, each by its hash.

use crate::{is_hex, read};

/// What is wrong with a file of Python packages by hash.
fn without_hash(text: &str) -> Vec<&str> {
    let joined: Vec<&str> = text.split_inclusive('\n').collect();
    let begins = |line: &&str| !line.starts_with([' ', '\n', '#']);
    let lines = joined.iter().enumerate().filter(|(_, line)| begins(line));
    let bare = lines.filter(|(at, line)| {
        let hash = joined
            .get(at + 1)
            .and_then(|next| next.trim().strip_prefix("--hash=sha256:"));
        let hash = hash.map(|hash| hash.trim_end_matches([' ', '\\']));
        !line.contains("==") || !hash.is_some_and(|hash| is_hex(hash, 64))
    });
    bare.map(|(_, line)| *line).collect()
}

#[test]
fn schemathesis_and_all_that_it_needs_are_fetched_by_hash() {
    let folder = "stub-coordinator/tests/schemathesis";
    let requirements = read(&format!("{folder}/requirements.txt"));
    assert_eq!(without_hash(&requirements), Vec::<&str>::new());
    assert!(requirements.contains("\nschemathesis=="), "{requirements}");
    assert_eq!(
        without_hash(&format!("{requirements}more==1.0\n")),
        ["more==1.0\n"]
    );
    assert_eq!(without_hash("more>=1.0 \\\n    --hash=sha256:00\n").len(), 1);
    let script = read(&format!("{folder}/run.sh"));
    let install = script.lines().filter(|line| line.contains("/pip\" install"));
    let install: Vec<&str> = install.collect();
    assert_eq!(install.len(), 1, "{install:?}");
    for option in ["--require-hashes", "--only-binary :all:", "-r \"$requirements\""] {
        assert!(install[0].contains(option), "{option}");
    }
}
