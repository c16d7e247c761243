//! The second runner, in bash, with what a Mac has: tools without GNU's options, none of Linux's own tools, the awk of
//! its authors, no `/proc`, and nothing that bash learned after 3.2. The tools are scripts that refuse what those of a
//! Mac do not know; what they refuse is written down.

#[expect(dead_code, reason = "other test binaries use the rest of it")]
mod common;

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use common::{root, suite};
use conformance::profile::{self, Profile};
use conformance::scenario::scenario_files;
use conformance::suite::default_jobs;

/// Something of everything that the tools and `/proc` are for: limits, what is left running, files that are still
/// written, approval in another process, the lane, the report.
const SOME: [&str; 13] = [
    "shadow/agree",
    "shadow/diverge-order",
    "shadow/exit-is-bounded",
    "faults/huge",
    "offline/approved-from-elsewhere",
    "offline/left-running",
    "offline/lock",
    "offline/log-is-kept",
    "offline/signals-at-the-start",
    "offline/slow-writer",
    "offline/terminated",
    "offline/timeout",
    "report/counts",
];

/// Each tool with the words that only GNU's knows, as patterns of a shell.
const REFUSED: [(&str, &str); 15] = [
    ("cp", "--*|-a|-d|-T|-u|-P"),
    ("date", "--*|-d|-I*|*%N*|*%[0-9]N*"),
    ("env", "--*|-0"),
    ("find", "-printf|-regextype|-quit"),
    ("grep", "--*|-P|-z"),
    ("head", "--*|-[0-9]*"),
    ("mktemp", "--*|-p"),
    ("mv", "--*|-T|-t|-u"),
    ("readlink", "--*|-e|-m|-f"),
    ("rm", "--*|-I"),
    ("sed", "--*|-i|-r|-z"),
    ("sort", "--*|-z|-V"),
    ("stat", "--*|-c"),
    ("tail", "--*"),
    ("xargs", "--*|-d|-r"),
];
const ABSENT: [&str; 9] = [
    "flock",
    "md5sum",
    "nproc",
    "setsid",
    "sha256sum",
    "shuf",
    "tac",
    "timeout",
    "truncate",
];

/// Of `lsof -Fa -- FILE`, the line with the access of each descriptor.
const LSOF: &str = r#"case $1 in -Fa) ;; *) refuse "$@" ;; esac
for descriptor in /proc/[0-9]*/fd/*; do
    [ "$descriptor" -ef "$3" ] || continue
    process=${descriptor%/fd/*}
    while read -r key flags; do
        case $key$flags in
        flags:*[1]) echo aw ;;
        flags:*[2]) echo au ;;
        flags:*) echo ar ;;
        esac
    done <"$process/fdinfo/${descriptor##*/}"
done 2>/dev/null"#;

struct MacTools {
    folder: tempfile::TempDir,
}

impl MacTools {
    fn new() -> MacTools {
        let tools = MacTools {
            folder: tempfile::tempdir().expect("a folder"),
        };
        for (tool, words) in REFUSED {
            // Behind its variables, the words of `env` are another program's.
            let end = if tool == "env" {
                "-*|*=*) ;; *) break;;"
            } else {
                ""
            };
            let check = format!("for word; do case $word in {words}) refuse;; {end} esac; done");
            tools.script(tool, &format!("{check}\nexec {} \"$@\"", real(tool).display()));
        }
        for tool in ABSENT {
            tools.script(tool, "refuse");
        }
        // Of `ps` on a Mac, what the runner asks for, said as on Linux.
        let ps = real("ps");
        let words = format!(
            "case \"$*\" in\n'-A -E -ww -o '*) exec {0} axeww -o pid=,pgid=,stat=,args=;;\n'-o lstart= -p '*) exec {0} \
             \"$@\";;\nesac\nrefuse",
            ps.display()
        );
        tools.script("ps", &words);
        tools.script("lsof", LSOF);
        // Where it is installed; the awk that Debian has is no GNU awk either.
        if let Some(awk) = find("original-awk") {
            symlink(awk, tools.folder.path().join("awk")).expect("a link");
        }
        tools
    }

    fn script(&self, name: &str, body: &str) {
        let path = self.folder.path().join(name);
        let refuse = format!(
            "refuse() {{ echo \"{name} $*\" >>'{}'; exit 64; }}",
            self.refusals().display()
        );
        let script = format!("#!/bin/sh\n{refuse}\n{body}\n").replace("refuse;;", "refuse \"$@\";;");
        fs::write(&path, script).expect("written");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).expect("executable");
    }

    fn refusals(&self) -> PathBuf {
        self.folder.path().join("refused")
    }

    /// The runner in bash, started with these tools first on PATH.
    fn profile(&self) -> Profile {
        let reference = root().join("conformance/reference-runner");
        let mut profile = profile::read(&reference.join("profile.toml")).expect("the profile can be read");
        let start = self.folder.path().join("start-runner");
        let script = format!(
            "#!/bin/sh\nPATH='{}':$PATH REFERENCE_PLAIN=1\nexport PATH REFERENCE_PLAIN\nexec bash '{}' \"$@\"\n",
            self.folder.path().display(),
            reference.join("runner").display()
        );
        fs::write(&start, script).expect("written");
        fs::set_permissions(&start, fs::Permissions::from_mode(0o755)).expect("executable");
        profile.command = vec![start.to_string_lossy().into_owned()];
        profile
    }
}

/// The program that PATH finds now.
fn find(tool: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut found = std::env::split_paths(&path).map(|folder| folder.join(tool));
    found.find(|path| path.is_file())
}

fn real(tool: &str) -> PathBuf {
    find(tool).unwrap_or_else(|| panic!("there is no {tool}"))
}

#[test]
#[cfg_attr(
    not(target_os = "linux"),
    ignore = "a Mac has these tools, and tests/reference.rs runs with them"
)]
fn the_runner_in_bash_needs_no_more_than_a_mac_has() {
    let tools = MacTools::new();
    let mut found = scenario_files::all(&common::scenarios()).expect("scenarios");
    found.retain(|found| SOME.contains(&found.id.as_str()));
    assert_eq!(found.len(), SOME.len(), "a scenario of the list is gone");
    let verdicts = suite(tools.profile()).run(&found, default_jobs(), |_| {});
    let refused = fs::read_to_string(tools.refusals()).unwrap_or_default();
    assert_eq!(refused, "", "a Mac knows nothing of these");
    for verdict in verdicts {
        common::assert_passed(&verdict);
    }
}

/// Words that bash learned after 3.2, which is the last one on a Mac.
const NEW_IN_BASH: [&str; 9] = [
    "declare -A",
    "local -A",
    "mapfile",
    "readarray",
    "coproc",
    ",,}",
    "^^}",
    "&>>",
    "exec {",
];

fn scripts() -> Vec<PathBuf> {
    let mut scripts: Vec<PathBuf> = [
        "conformance/reference-runner/runner",
        "docs/check-engines.sh",
        ".github/actions/conformance/judge",
        "stub-coordinator/tests/schemathesis/run.sh",
        ".ci/run",
    ]
    .map(|name| root().join(name))
    .to_vec();
    let library = fs::read_dir(root().join("conformance/reference-runner/lib")).expect("its library");
    scripts.extend(library.map(|entry| entry.expect("a file").path()));
    scripts.retain(|path| path.extension().is_none_or(|extension| extension == "sh"));
    scripts
}

/// What is said of a new word beside the place where an old shell does without it.
fn is_switched(line: &str) -> bool {
    line.contains("HAS_NEW_BASH") || line.contains("HAS_PROC")
}

fn new_words(path: &Path) -> Vec<String> {
    let text = fs::read_to_string(path).expect("a script");
    let code = text
        .lines()
        .enumerate()
        .filter(|(_, line)| !line.trim_start().starts_with('#'));
    let new =
        code.filter(|(_, line)| !is_switched(line) && NEW_IN_BASH.iter().any(|word| line.contains(word)));
    new.map(|(number, line)| format!("{}:{}: {}", path.display(), number + 1, line.trim()))
        .collect()
}

#[test]
fn the_scripts_use_no_word_that_the_bash_of_a_mac_does_not_know() {
    let scripts = scripts();
    assert!(scripts.len() > 8, "{scripts:?}");
    let found: Vec<String> = scripts.iter().flat_map(|path| new_words(path)).collect();
    assert!(found.is_empty(), "new in bash:\n  {}", found.join("\n  "));
}

#[test]
fn a_word_that_is_new_in_bash_is_found() {
    let folder = tempfile::tempdir().expect("a folder");
    let script = folder.path().join("script.sh");
    fs::write(
        &script,
        "# mapfile\ndeclare -A a\n[[ -n $HAS_NEW_BASH ]] && mapfile b\necho ${c,,}\n",
    )
    .expect("written");
    assert_eq!(new_words(&script).len(), 2, "{:?}", new_words(&script));
}
