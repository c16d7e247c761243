//! Other runners: a profile is read strictly, drives a runner with words, variables and a log form of its own, and
//! the smoke scenarios tell what is wrong with a profile from what is wrong with a runner.

#[expect(dead_code, reason = "other test binaries use the rest of it")]
mod common;

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use common::{aq, scenario, suite};
use conformance::case_result::CaseResult;
use conformance::outcome::Outcome;
use conformance::profile::{self, Profile};
use conformance::scenario::json_schema;
use conformance::smoke;
use tempfile::TempDir;

/// A runner with words, variables and a log form of its own: `aq` behind a script that translates.
const TRANSLATOR: &str = r#"#!/bin/sh
AQ_QUEUE=$JOBS_DIR AQ_FLEET=${FLEET:-0} AQ_FLEET_SHADOW=${WATCH:-0} AQ_FLEET_URL=$FLEET_AT
export AQ_QUEUE AQ_FLEET AQ_FLEET_SHADOW AQ_FLEET_URL
unset JOBS_DIR FLEET WATCH FLEET_AT
verb=$1; shift
case $verb in
    enqueue) set -- add "$@" ;;
    work) set -- run --drain "$@" ;;
    *) set -- "$verb" "$@" ;;
esac
'AQ' "$@"; code=$?
log=$AQ_QUEUE/.state/fleet-shadow.log
[ ! -s "$log" ] || sed -e 's/^{"ts":\("[^"]*"\).*"localJob":\("[^"]*"\|null\),"coordJob":\("[^"]*"\|null\),"verdict":\("[^"]*"\|null\).*$/FORM/' \
    -e 's/null/-/g' -e 's/"//g' "$log" >"$AQ_QUEUE/watch.log"
rm -f "$log"
exit $code
"#;

const PROFILE: &str = r#"
name = "the translated one"
command = ["./runner"]
unsupported = ["T-1", "S-4"]

[commands]
add = ["enqueue"]
run = ["work"]

[options]
"--drain" = []

[environment]
AQ_QUEUE = "JOBS_DIR"
AQ_FLEET = "FLEET"
AQ_FLEET_SHADOW = "WATCH"
AQ_FLEET_URL = "FLEET_AT"

[log]
path = "watch.log"
none = "-"
"#;

const PAIRS: (&str, &str) = (
    r"ts=\1 here=\2 there=\3 verdict=\4",
    "form = \"key-value\"\nfields = { localJob = \"here\", coordJob = \"there\" }\n",
);
const TABS: (&str, &str) = (
    r"\1\t\2\t\3\t\4",
    "form = \"tab\"\ncolumns = [\"ts\", \"localJob\", \"coordJob\", \"verdict\"]\n",
);

fn folder(form: &str, profile: &str) -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().expect("a folder");
    let script = TRANSLATOR
        .replace("AQ' \"$@\"", &format!("{}' \"$@\"", aq().command[0]))
        .replace("FORM", form);
    let runner = folder.path().join("runner");
    fs::write(&runner, script).expect("a script");
    fs::set_permissions(&runner, fs::Permissions::from_mode(0o755)).expect("it may be run");
    let file = folder.path().join("profile.toml");
    fs::write(&file, profile).expect("a profile");
    (folder, file)
}

fn smoked(form: &str, text: &str) -> Vec<CaseResult> {
    let (_folder, file) = folder(form, text);
    let profile = profile::read(&file).expect("a readable profile");
    smoke::judge(&suite(profile), &[], |_| {})
}

#[test]
fn the_runner_of_this_repository_passes_the_smoke_scenarios() {
    for verdict in smoke::judge(&suite(aq()), &[], |_| {}) {
        assert_eq!(verdict.outcome, Outcome::Pass, "{}", verdict.failure_report);
    }
}

#[test]
fn a_runner_with_its_own_words_variables_and_log_is_driven_by_its_profile() {
    for (form, keys) in [PAIRS, TABS] {
        // A DIVERGE of these forms has no reason; the scenario of that verdict says so.
        for verdict in smoked(form, &format!("{PROFILE}{keys}")) {
            let expected = if verdict.id == "smoke/diverge" {
                Outcome::Fail
            } else {
                Outcome::Pass
            };
            assert_eq!(verdict.outcome, expected, "{}", verdict.failure_report);
        }
    }
}

#[test]
fn a_wrong_profile_is_told_from_a_wrong_runner_by_the_key_to_change() {
    let right = format!("{PROFILE}{}", PAIRS.1);
    let cases = [
        ("\"./runner\"", "\"./other\"", "`command`"),
        ("[\"enqueue\"]", "[\"list\", \"--no-such\"]", "`commands.add`"),
        ("[\"work\"]", "[\"list\"]", "`commands.run`"),
        ("\"WATCH\"", "\"WATCHES\"", "`environment`"),
        ("watch.log", "watches.log", "`log.path`"),
        ("key-value", "json", "`log.form`"),
    ];
    for (good, bad, key) in cases {
        let verdicts = smoked(PAIRS.0, &right.replace(good, bad));
        assert_eq!(verdicts[0].outcome, Outcome::Broken, "{key}");
        let told = format!("the profile, not the runner: {key}");
        assert!(
            verdicts[0].failure_report.starts_with(&told),
            "{key}\n{}",
            verdicts[0].failure_report
        );
    }
    let wrong = Profile {
        command: ["sh", "-c", "exit 0", "x"].map(ToOwned::to_owned).to_vec(),
        ..aq()
    };
    let verdicts = smoke::judge(&suite(wrong), &[], |_| {});
    assert!(verdicts.iter().all(|verdict| verdict.outcome != Outcome::Pass));
}

#[test]
fn a_scenario_whose_clause_is_not_claimed_is_not_applicable() {
    let mut profile = aq();
    profile.unsupported.insert("S-7".into());
    let verdict = suite(profile).judge_scenario("shadow/agree", &scenario("shadow/agree"));
    assert_eq!(verdict.outcome, Outcome::NotApplicable);
}

/// The profile with its log elsewhere.
fn log_at(path: &str) -> String {
    let own = PROFILE.lines().find(|line| line.starts_with("path"));
    let own = own.expect("the profile says where its log is");
    PROFILE.replace(own, &format!("path = \"{path}\""))
}

#[test]
fn a_profile_is_refused_with_line_and_what_to_write() {
    let cases = [
        (
            PROFILE.replace("unsupported", "lacks"),
            ":4: unknown key `lacks`; did you mean `unsupported`?",
        ),
        (
            PROFILE.replace("unsupported", "unsuported"),
            ":4: unknown key `unsuported`; did you mean `unsupported`?",
        ),
        (PROFILE.replace("S-4", "S-44"), ":4: `S-44` is no clause"),
        (
            log_at("/etc/passwd"),
            "`path` names `/etc/passwd`, which is absolute",
        ),
        (
            log_at("../../log"),
            "`path` names `../../log`, which leads out by `..`",
        ),
        (log_at(""), "`path` names ``, which is empty"),
        (
            PROFILE.replace("[\"./runner\"]", "[]"),
            ":3: `command` names no program",
        ),
        (format!("{PROFILE}form = \"tab\"\n"), "`columns` goes with"),
        (
            format!("{PROFILE}[[known_failure]]\nscenario = \"a/b\"\nreason = \"x\"\nuntil = \"soon\"\n"),
            "`soon` is no day",
        ),
    ];
    for (text, part) in cases {
        let (_folder, file) = folder("", &text);
        let error = profile::read(&file).expect_err(part).to_string();
        assert!(error.contains(part), "{error}");
    }
}

#[test]
fn the_schema_of_profiles_that_is_checked_in_is_the_one_of_the_types() {
    let checked_in = include_str!("../../profile.schema.json");
    assert!(
        checked_in == json_schema::of::<Profile>(),
        "run `cargo run -p conformance -- schema profile >conformance/profile.schema.json`"
    );
}

/// What `aq` can't keep where it uses no call of Linux alone: the page lists what the table of `aq` does, as a test of
/// that holds, and its profile leaves the clauses out.
#[test]
fn the_profile_of_the_portable_half_leaves_out_what_the_page_of_platforms_lists() {
    let page = fs::read_to_string(common::root().join("docs/platforms.md")).expect("the page");
    let (_, table) = page
        .split_once("| clause | what weakens | what to expect |\n|---|---|---|\n")
        .expect("the table");
    let rows = table.lines().map_while(|row| row.strip_prefix("| "));
    let clauses = rows.filter_map(|row| row.split(" | ").next());
    let listed: BTreeSet<String> = clauses
        .filter(|clause| *clause != "none")
        .map(str::to_owned)
        .collect();
    let profile = profile::read(&common::root().join("conformance/portable-profile.toml"));
    assert_eq!(profile.expect("a profile").unsupported, listed);
}
