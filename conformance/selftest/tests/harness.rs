//! The harness itself: what it makes of scenarios that can't work, of runners that hang or leave processes,
//! and of being asked for nothing.

#[expect(dead_code, reason = "other test binaries use the rest of it")]
mod common;

use std::fs::{File, OpenOptions};
use std::io::Read;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::process::{Command, Stdio};

use common::{checks, inline, suite};
use conformance::case_result::CaseResult;
use conformance::outcome::Outcome;
use conformance::profile::Profile;
use conformance::report::timeline_events::TimelineEvent;
use conformance::scenario::parse;
use conformance::supervise::{ProcessExit, SupervisorReport};

/// A runner that is a shell script of one line.
fn shell(script: &str) -> Profile {
    let command = ["sh", "-c", script, "runner"].map(ToOwned::to_owned).to_vec();
    Profile {
        name: "a script".into(),
        command,
        ..Profile::aq(Path::new("unused"))
    }
}

fn judged(script: &str, scenario: &str) -> CaseResult {
    suite(shell(script)).judge_scenario("inline", &inline(scenario))
}

const DRAIN: &str = r#"
title = "a run"
clauses = ["F-1"]
[runner]
args = ["run", "--drain"]
deadline = "2s"
[expect]
"#;

#[test]
fn a_runner_that_exits_as_expected_passes() {
    let verdict = judged("exit 0", DRAIN);
    assert_eq!(verdict.outcome, Outcome::Pass, "{}", verdict.failure_report);
}

#[test]
fn a_wrong_exit_code_fails_the_check_of_that_name() {
    let verdict = judged("exit 3", DRAIN);
    assert_eq!(
        checks(&verdict, Outcome::Fail),
        ["exit"],
        "{}",
        verdict.failure_report
    );
}

#[test]
fn a_crash_is_no_valid_exit() {
    let verdict = judged("kill -SEGV $$", DRAIN);
    let failed = checks(&verdict, Outcome::Fail);
    assert!(
        failed.contains(&"no-crash") && failed.contains(&"exit"),
        "{failed:?}"
    );
}

#[test]
fn a_runner_that_hangs_is_ended_at_the_limit_and_reported_as_that() {
    let verdict = judged("sleep 600", DRAIN);
    assert!(
        checks(&verdict, Outcome::Fail).contains(&"ends-in-time"),
        "{}",
        verdict.failure_report
    );
}

#[test]
fn whatever_outlives_the_runner_is_found_and_ended() {
    let script = "(setsid sh -c 'trap \"\" TERM; sleep 601' >/dev/null 2>&1 &) ; exit 0";
    let verdict = judged(script, DRAIN);
    assert_eq!(
        checks(&verdict, Outcome::Fail),
        ["no-stragglers"],
        "{}",
        verdict.failure_report
    );
    assert!(
        verdict.failure_report.contains("sleep 601"),
        "the report names it\n{}",
        verdict.failure_report
    );
}

/// A pipe that whoever holds it open can be told by: its end shows once nobody does.
fn held_pipe(folder: &Path) -> (std::path::PathBuf, File) {
    let path = folder.join("held");
    let made = Command::new("mkfifo").arg(&path).status().expect("mkfifo");
    assert!(made.success());
    let flags = i32::try_from(rustix::fs::OFlags::NONBLOCK.bits()).expect("a flag");
    let reader = OpenOptions::new().read(true).custom_flags(flags).open(&path);
    (path, reader.expect("a pipe can be opened without a writer"))
}

/// A session of its own, signals ignored, a double fork, stopped, a chain of forks, output closed. Each says on
/// pipe 8 that it is up, and holds pipe 9.
const WAYS: [&str; 6] = [
    "setsid sh -c 'echo up >&8; sleep 605' &",
    "(trap '' TERM INT HUP; echo up >&8; sleep 605) &",
    "(setsid sh -c '(trap \"\" HUP TERM; echo up >&8; exec sleep 605) &' &)",
    "(sh -c 'echo up >&8; kill -STOP $$; sleep 605' &)",
    "f() { sleep 0.01; f & }; (echo up >&8; f &)",
    "(setsid sh -c 'echo up >&8; exec sleep 605 >/dev/null 2>&1 </dev/null' &)",
];

#[test]
fn no_process_outlives_its_scenario_however_it_tries_and_however_the_runner_ends() {
    let ends = [
        ("exit 0", "no-stragglers"),
        ("sleep 605", "ends-in-time"),
        ("kill -KILL $$", "no-stragglers"),
    ];
    for (end, check) in ends {
        let folder = tempfile::tempdir().expect("a folder");
        let (path, mut held) = held_pipe(folder.path());
        let script = format!(
            "exec 9>{}; mkfifo up; exec 8<>up\n{}\nfor way in 1 2 3 4 5 6; do read up <&8; echo up >&9; done\n{end}",
            path.display(),
            WAYS.join("\n")
        );
        let verdict = judged(&script, DRAIN);
        let mut said = String::new();
        let read = held.read_to_string(&mut said);
        assert!(read.is_ok(), "{end}: something still holds the pipe: {read:?}");
        assert_eq!(
            said,
            "up\n".repeat(WAYS.len()),
            "{end}\n{}",
            verdict.failure_report
        );
        assert!(
            checks(&verdict, Outcome::Fail).contains(&check),
            "{end}\n{}",
            verdict.failure_report
        );
    }
}

/// The runner asks while the engine still works: `ended alpha` came after the request, however late it is noticed.
#[test]
fn an_engine_that_is_alive_when_a_request_arrives_has_not_ended_before_it() {
    let script = "[ \"$1\" = run ] || exit 0; exec 4< <(echo 'fake-engine: alpha' | devin); read up <&4
        exec 3<>/dev/tcp/127.0.0.1/${AQ_FLEET_URL##*:}
        printf 'GET /v1/health HTTP/1.1\\r\\nHost: localhost\\r\\n\\r\\n' >&3; read line <&3; exec 3>&-; cat <&4";
    let command = ["bash", "-c", script, "runner"].map(ToOwned::to_owned).to_vec();
    let runner = Profile { command, ..shell("") };
    let scenario = |order: &str| {
        let held = "[[job]]\nid = \"alpha\"\nplace = \"inbox\"\n\
                    behaviour.engine = { prints = \"up\\n\", duration = \"300ms\" }\n[expect]\n";
        DRAIN.replace("[expect]\n", held) + order
    };
    for (order, right) in [
        ("order = [\"arrived health\", \"ended alpha\"]\n", true),
        ("order = [\"ended alpha\", \"arrived health\"]\n", false),
    ] {
        let verdict = suite(runner.clone()).judge_scenario("inline", &inline(&scenario(order)));
        let failed = checks(&verdict, Outcome::Fail);
        assert_eq!(
            failed.contains(&"order"),
            !right,
            "{order}\n{}",
            verdict.failure_report
        );
    }
}

/// The runner hands TERM on as TERM and INT as KILL, and ends once its engine has.
#[test]
fn an_engine_tells_sigterm_whether_it_ignores_it_or_not_and_an_end_without_it_is_none() {
    let script = "[ \"$1\" = run ] || exit 0; trap 'kill -TERM $!' TERM; trap 'kill -KILL $!' INT
        devin 'fake-engine: alpha' </dev/null & while kill -0 $! 2>&-; do wait $!; done";
    let first =
        |signal: &str| format!("[[step]]\non = {{ run = \"alpha\" }}\ndo = {{ signal = \"{signal}\" }}\n");
    let killed_once_told = "[[step]]\non = { term = \"alpha\" }\ndo = { signal = \"INT\" }\n";
    let told = first("TERM");
    for (ignores_term, steps, right) in [
        (false, told.clone(), true),
        (true, told + killed_once_told, true),
        (false, first("INT"), false),
        (true, first("INT"), false),
    ] {
        let scenario = format!(
            "title = \"a run\"\nclauses = [\"F-1\"]\n[runner]\nargs = [\"run\"]\n\
             [[job]]\nid = \"alpha\"\nplace = \"inbox\"\nbehaviour.engine = {{ duration = \"60s\", ignores_term = {ignores_term} }}\n\
             {steps}[expect]\norder = [\"run alpha\", \"term alpha\", \"ended alpha\"]\n"
        );
        let verdict = judged(script, &scenario);
        let failed = checks(&verdict, Outcome::Fail);
        assert_eq!(
            failed.contains(&"order"),
            !right,
            "{scenario}\n{}",
            verdict.failure_report
        );
        assert!(
            !failed.contains(&"ends-in-time"),
            "{scenario}\n{}",
            verdict.failure_report
        );
        assert!(
            checks(&verdict, Outcome::Broken).is_empty(),
            "{}",
            verdict.failure_report
        );
        let ended = |event: &TimelineEvent| event.what == "devin for alpha was ended";
        assert!(
            verdict.traces[0].events.iter().any(ended),
            "{}",
            verdict.failure_report
        );
    }
}

#[test]
fn a_connection_of_a_runner_that_should_make_none_is_counted() {
    let script = "exec 3<>/dev/tcp/127.0.0.1/${AQ_FLEET_URL##*:}";
    let command = ["bash", "-c", script, "runner"].map(ToOwned::to_owned).to_vec();
    let profile = Profile { command, ..shell("") };
    let verdict = suite(profile).judge_scenario("inline", &inline(DRAIN));
    assert_eq!(
        checks(&verdict, Outcome::Fail),
        ["connections"],
        "{}",
        verdict.failure_report
    );
}

#[test]
fn the_token_is_found_wherever_a_runner_writes_it() {
    let scenario = DRAIN.replace(
        "[runner]",
        "[runner]\nenv = { AQ_FLEET = \"1\", AQ_FLEET_SHADOW = \"1\" }",
    );
    for script in [
        "echo $AQ_FLEET_TOKEN",
        "echo $AQ_FLEET_TOKEN >&2",
        "echo $AQ_FLEET_TOKEN >$AQ_QUEUE/x",
        "echo x$AQ_FLEET_TOKEN >$HOME/y",
    ] {
        let verdict = judged(script, &scenario);
        assert_eq!(
            checks(&verdict, Outcome::Fail),
            ["token"],
            "{script}\n{}",
            verdict.failure_report
        );
    }
}

#[test]
fn a_step_that_never_comes_about_is_broken_not_green() {
    let step = "[[step]]\non = { ship = \"alpha\" }\ndo = { signal = \"TERM\" }\n[expect]";
    let verdict = judged("exit 0", &DRAIN.replace("[expect]", step));
    assert_eq!(verdict.outcome, Outcome::Broken);
    assert_eq!(checks(&verdict, Outcome::Broken), ["steps-done"]);
}

#[test]
fn a_rule_that_never_fires_is_broken_not_green() {
    let rule = "[[coordinator.rule]]\non = \"shadow.claim\"\nfault = \"reset\"\n[expect]";
    let verdict = judged("exit 0", &DRAIN.replace("[expect]", rule));
    assert_eq!(verdict.outcome, Outcome::Broken);
    assert_eq!(checks(&verdict, Outcome::Broken), ["rules-fired"]);
}

#[test]
fn unknown_keys_are_refused_with_file_line_and_the_nearest_key() {
    let cases = [
        (
            DRAIN.replace("args", "arsg"),
            "inline.toml:5: unknown key `arsg`; did you mean `args`?",
        ),
        (
            format!("{DRAIN}stagse = {{}}\n"),
            "inline.toml:8: unknown key `stagse`; did you mean `stages`?",
        ),
        (
            format!("{DRAIN}[[job]]\nid = \"a\"\nbehaviour.engine = {{ duratoin = \"1s\" }}\n"),
            "inline.toml:10: unknown key `duratoin`; did you mean `duration`?",
        ),
        (
            format!("{DRAIN}[[job]]\nid = \"a\"\ndoes = {{ exit = 1 }}\n"),
            "inline.toml:10: unknown key `does`; did you mean `behaviour.engine`?",
        ),
        (
            format!("{DRAIN}[[job]]\nid = \"a\"\nbehaviour.ship = {{ takes = \"1s\" }}\n"),
            "inline.toml:10: unknown key `takes`; did you mean `duration`?",
        ),
        (
            format!("{DRAIN}[[step]]\nonce = {{ run = \"a\" }}\ndo = \"kill\"\n"),
            "inline.toml:9: unknown key `once`; did you mean `on`?",
        ),
        (
            format!("{DRAIN}[[step]]\non = {{ lapsed = \"a\" }}\ndo = \"kill\"\n"),
            "inline.toml:9: unknown key `lapsed`; did you mean `lease_expired`?",
        ),
    ];
    for (text, message) in cases {
        let error = parse::parse(&text, Path::new("inline.toml")).expect_err("it has an unknown key");
        assert_eq!(error.to_string(), message);
    }
}

#[test]
fn contradictions_are_refused_before_anything_runs() {
    let cases = [
        (DRAIN.replace("[\"F-1\"]", "[]"), "name at least one clause"),
        (format!("{DRAIN}exits = [0]\n"), "1 codes for 0 commands"),
        (format!("{DRAIN}order = [\"runs alpha\"]\n"), "is no event"),
        (
            format!("{DRAIN}output = [{{ step = 1, contains = \"x\" }}]\n"),
            "a step that begins a `command`",
        ),
        (
            format!("{DRAIN}[[job]]\nid = \"a\"\n[[job]]\nid = \"a\"\n"),
            "two jobs have the id `a`",
        ),
        (
            format!("{DRAIN}[[job]]\nid = \"a\"\nbehaviour.engine = {{ until = \"x\" }}\n"),
            "no step releases `x`",
        ),
        (
            format!("{DRAIN}[[job]]\nid = \"a\"\nplace = \"steps\"\n"),
            "no step writes `a`",
        ),
        (
            format!("{DRAIN}[[step]]\non = {{ run = \"a\" }}\ndo = {{ write = {{ job = \"a\" }} }}\n"),
            "there is no job `a` to write",
        ),
        (
            format!(
                "{}[[job]]\nid = \"a\"\nplace = \"inbox\"\n",
                DRAIN.replace("args", "queue = \"absent\"\nargs")
            ),
            "put into it before the runner starts",
        ),
        (
            DRAIN.replace("[expect]", "folders = [\"a/../../b\"]\n[expect]"),
            "`folders` names `a/../../b`, which leads out by `..`",
        ),
        (
            format!("{DRAIN}[[step]]\non = {{}}\ndo = \"kill\"\n"),
            "exactly one of",
        ),
        (
            format!("{DRAIN}[[step]]\non = {{ all = [\"run a\"], count = 2 }}\ndo = \"kill\"\n"),
            "exactly one of",
        ),
        (
            format!("{DRAIN}[[step]]\non = {{ all = [\"runs a\"] }}\ndo = \"kill\"\n"),
            "exactly one of",
        ),
        (
            format!("{DRAIN}[[step]]\non = {{ run = \"a\" }}\ndo = \"kill\"\nexit = 1\n"),
            "only a step with `command`",
        ),
    ];
    for (text, part) in cases {
        let error = parse::parse(&text, Path::new("inline.toml"))
            .expect_err(part)
            .to_string();
        assert!(error.contains(part), "{error}");
    }
}

/// Each with its line and its key: paths by every key that takes one, and every way out of a folder.
#[test]
fn a_path_that_leads_out_of_the_sandbox_is_refused_with_line_and_key() {
    let runner = |line: &str| (6, DRAIN.replace("deadline = \"2s\"\n", &format!("{line}\n")));
    let job = |lines: &str| (9, format!("{DRAIN}[[job]]\n{lines}\n"));
    let by = |key: &str, path: &str| match key {
        "files" => runner(&format!("files = {{ '{path}' = \"\" }}")),
        "file" => runner(&format!(
            "repeated = [{{ file = '{path}', line = \"x\", times = 1 }}]"
        )),
        "folders" => runner(&format!("folders = ['{path}']")),
        "engines" => runner(&format!("engines = ['{path}']")),
        "id" => job(&format!("id = '{path}'")),
        "writes" => job(&format!("behaviour.engine.writes = ['{path}']\nid = \"a\"")),
        key => panic!("{key}"),
    };
    for key in ["files", "file", "folders", "engines", "id", "writes"] {
        for path in ["/etc/x", "../x", "a/../../x", "", "a//x", "./x", "x/", ".."] {
            let (line, text) = by(key, path);
            refused(&text, line, key, path);
        }
        let (line, text) = by(key, "x");
        let nul = text.replace("'x'", "\"x\\u0000\"");
        refused(&nul, line, key, "x\\0");
    }
    for (key, name) in [
        ("id", "a/b"),
        ("writes", "a/b"),
        ("engines", "a b"),
        ("engines", "x;id"),
        ("engines", "$(id)"),
    ] {
        let (line, text) = by(key, name);
        refused(&text, line, key, name);
    }
    let words = ["/etc/x", "../x", "--queue=/x", "{queue}/../../x", "-q=../x"];
    for word in words {
        refused(&DRAIN.replace("--drain", word), 5, "args", word);
        let (line, text) = runner(&format!("then = [[\"add\", \"{word}\"]]"));
        refused(&text, line, "then", word);
        let step = format!("[[step]]\non = {{ run = \"a\" }}\ndo = {{ command = [\"add\", \"{word}\"] }}\n");
        refused(&format!("{DRAIN}{step}"), 10, "command", word);
    }
    for (name, value, told) in [
        ("AQ_FLEET_CA", "/etc/x", "/etc/x"),
        ("A", "../x", "../x"),
        ("AQ_QUEUE", "q", "AQ_QUEUE"),
        ("HOME", "", "HOME"),
        ("PATH", "x", "PATH"),
    ] {
        let (line, text) = runner(&format!("env = {{ {name} = \"{value}\" }}"));
        refused(&text, line, "env", told);
        refused(
            &format!("{DRAIN}connects_with = {{ {name} = \"{value}\" }}\n"),
            8,
            "connects_with",
            told,
        );
    }
}

fn refused(text: &str, line: usize, key: &str, path: &str) {
    let path_of_file = Path::new("inline.toml");
    let error = parse::parse(text, path_of_file).expect_err(text).to_string();
    let expected = format!("inline.toml:{line}: `{key}` names `{path}`, which ");
    assert!(error.starts_with(&expected), "{expected}\n{error}\n{text}");
}

/// The runner starts one of the tools itself, where it was started and in the folder that the job names.
#[test]
fn an_engine_or_a_command_that_runs_elsewhere_than_its_job_says_is_found() {
    let job =
        "folders = [\"in here\"]\n[[job]]\nid = \"a\"\nplace = \"coordinator\"\ncwd = \"in here\"\n[expect]";
    let scenario = DRAIN.replace("[expect]", job);
    for (tool, count) in [
        ("devin -p 'fake-engine: a'", "runs"),
        ("verify-it a", "verifies"),
        ("ship-it a", "ships"),
    ] {
        let scenario = format!("{scenario}{count} = {{ a = 1 }}\n");
        for (folder, expected) in [(".", &["working-folder"][..]), ("in here", &[])] {
            let script = format!("cd '{folder}'; env -i PATH=\"$PATH\" {tool} </dev/null; exit 0");
            let verdict = judged(&script, &scenario);
            assert_eq!(
                checks(&verdict, Outcome::Fail),
                expected,
                "{tool}\n{}",
                verdict.failure_report
            );
        }
    }
}

/// Both jobs are published by the runner itself, and a step begins a second command of it then.
fn with_a_second(exit: &str) -> String {
    let step = format!(
        "[[step]]\non = {{ all = [\"ship a\", \"ship b\"] }}\ndo = {{ command = [\"second\"] }}\n{exit}\n\
         [[job]]\nid = \"a\"\nplace = \"coordinator\"\n[[job]]\nid = \"b\"\nplace = \"coordinator\"\n[expect]\n\
         ships = {{ a = 1, b = 1 }}\n"
    );
    DRAIN.replace("[expect]", &step)
}

/// A runner whose `exchange_run` waits for its `second`, which does this.
fn two_commands(second: &str) -> String {
    format!(
        "case $1 in second) : >\"$TMPDIR/second\"; {second};; \
         *) for id in b a; do env -i PATH=\"$PATH\" ship-it $id; done; \
            until [ -e \"$TMPDIR/second\" ]; do sleep 0.01; done; exit 0;; esac"
    )
}

#[test]
fn a_step_begins_a_second_command_beside_the_first_and_says_how_it_has_to_end() {
    let failed = |second: &str, exit: &str| {
        let verdict = judged(&two_commands(second), &with_a_second(exit));
        let failed: Vec<String> = checks(&verdict, Outcome::Fail)
            .into_iter()
            .map(ToOwned::to_owned)
            .collect();
        (failed, verdict.failure_report)
    };
    let none: [&str; 0] = [];
    let cases: [(&str, &str, &[&str]); 6] = [
        ("exit 0", "", &none),
        ("exit 3", "exit = 3", &none),
        ("exit 3", "", &["step-exit"]),
        ("exit 0", "exit = 3", &["step-exit"]),
        ("sleep 600", "", &["ends-in-time", "step-exit"]),
        ("(setsid sleep 600 &); exit 0", "", &["no-stragglers"]),
    ];
    for (second, exit, expected) in cases {
        let (failed, failure_report) = failed(second, exit);
        assert_eq!(failed, expected, "{second}, {exit}: {failure_report}");
    }
}

#[test]
fn the_end_of_a_command_that_a_step_began_sets_off_another_and_what_it_printed_is_looked_at() {
    let next = "[[step]]\non = { command_ended = \"1\" }\ndo = { command = [\"second\"] }";
    let scenario = |text: &str| {
        let output = format!("output = [{{ step = 2, contains = \"{text}\", times = 1 }}]\n");
        format!("{}{output}", with_a_second(next))
    };
    let second = "echo $$ >>\"$TMPDIR/times\"; echo done $(wc -l <\"$TMPDIR/times\")";
    for (text, expected) in [("done 2", &[] as &[&str]), ("done 1", &["output"])] {
        let verdict = judged(&two_commands(second), &scenario(text));
        assert_eq!(
            checks(&verdict, Outcome::Fail),
            expected,
            "{}",
            verdict.failure_report
        );
    }
}

#[test]
fn when_the_harness_is_gone_its_supervisor_ends_everything() {
    let folder = tempfile::tempdir().expect("a folder");
    let report = folder.path().join("killed.report");
    let script = "(setsid sh -c 'trap \"\" TERM; echo up; sleep 602' &); sleep 602";
    let mut supervisor = Command::new(common::harness())
        .arg("supervise")
        .arg(&report)
        .args(["sh", "-c", script])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("the supervisor can be started");
    let mut up = [0; 3];
    supervisor
        .stdout
        .take()
        .expect("a pipe")
        .read_exact(&mut up)
        .expect("the grandchild says that it is up");
    drop(supervisor.stdin.take());
    supervisor.wait().expect("it ends by itself");
    let text = std::fs::read(&report).expect("a report");
    let ended: SupervisorReport = serde_json::from_slice(&text).expect("JSON");
    assert_eq!(ended.exit, ProcessExit::Deadline);
    assert!(
        ended
            .stragglers
            .iter()
            .any(|left| left.command.contains("sleep 602")),
        "{ended:?}"
    );
}

/// What `SigIgn` and `SigBlk` show without the two signals that the C library keeps for itself.
fn mask(status: &str, name: &str) -> u64 {
    let line = status.lines().find_map(|line| line.strip_prefix(name));
    let mask = line.and_then(|line| u64::from_str_radix(line.trim(), 16).ok());
    mask.expect("a mask") & !(0b11 << 31)
}

#[test]
fn a_runner_is_started_with_the_default_for_every_signal_however_the_harness_was() {
    let folder = tempfile::tempdir().expect("a folder");
    let report = folder.path().join("started.report");
    let numbers = (1..=64).filter(|number| ![9, 19, 32, 33].contains(number));
    let all = numbers
        .map(|number| number.to_string())
        .collect::<Vec<_>>()
        .join(" ");
    let ignoring = format!("trap '' {all}; exec \"$@\"");
    let mut supervisor = Command::new("env")
        .args([
            "--block-signal=HUP,INT,QUIT,TERM,CHLD,USR1,RTMIN",
            "sh",
            "-c",
            &ignoring,
            "sh",
        ])
        .arg(common::harness())
        .arg("supervise")
        .arg(&report)
        .args(["grep", "^Sig", "/proc/self/status"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("the supervisor can be started");
    let mut status = String::new();
    let output = supervisor.stdout.as_mut().expect("a pipe");
    output.read_to_string(&mut status).expect("text");
    supervisor.wait().expect("it ends by itself");
    assert_eq!(
        (mask(&status, "SigIgn:"), mask(&status, "SigBlk:")),
        (0, 0),
        "{status}"
    );
    let ended: SupervisorReport =
        serde_json::from_slice(&std::fs::read(&report).expect("a report")).expect("JSON");
    assert_eq!((ended.exit, ended.stragglers), (ProcessExit::Code(0), Vec::new()));
}

#[test]
fn a_signal_that_can_not_be_ignored_is_refused() {
    let scenario = DRAIN.replace("[expect]", "ignores = [\"HUP\", \"KILL\"]\n[expect]");
    let refused = parse::parse(&scenario, Path::new("x.toml")).expect_err("nobody ignores SIGKILL");
    assert!(
        refused
            .to_string()
            .contains("`KILL` is no signal that can be ignored"),
        "{refused}"
    );
}

#[test]
fn a_crash_is_no_valid_refusal_even_where_that_exit_code_is_expected() {
    for (script, code) in [("exit 139", 139), ("echo 'x: syntax error' >&2; exit 2", 2)] {
        let verdict = judged(script, &format!("{DRAIN}exit = {code}\n"));
        assert_eq!(
            checks(&verdict, Outcome::Fail),
            ["no-crash"],
            "{}",
            verdict.failure_report
        );
    }
}

#[test]
fn an_outage_that_no_runner_met_is_broken_not_green() {
    let shadow = DRAIN.replace(
        "[runner]",
        "[runner]\nenv = { AQ_FLEET = \"1\", AQ_FLEET_SHADOW = \"1\" }",
    );
    let down = "[[coordinator.rule]]\non = \"*\"\nfault = \"down\"\n[expect]";
    let scenario = shadow.replace("[expect]", down);
    let silent = judged("exit 0", &scenario);
    assert_eq!(
        checks(&silent, Outcome::Broken),
        ["outage-met"],
        "{}",
        silent.failure_report
    );
    let line = r#"{"ts":"2026-05-01T10:00:01Z","localJob":null,"coordJob":null,"verdict":null,"event":"shadow-error","kind":"connection-refused","decision":"d"}"#;
    let script = format!("mkdir -p $AQ_QUEUE/.state; echo '{line}' >$AQ_QUEUE/.state/fleet-shadow.log");
    let met = judged(&script, &scenario);
    assert_eq!(met.outcome, Outcome::Pass, "{}", met.failure_report);
}

#[test]
fn a_rule_that_is_disarmed_before_it_fired_is_broken() {
    let armed = "[[job]]\nid = \"alpha\"\n[[coordinator.rule]]\nid = \"never\"\non = \"shadow.claim\"\nfault = \"reset\"\n\
                 [[step]]\non = { ship = \"alpha\" }\ndo = { disarm = \"never\" }\n[expect]";
    let verdict = judged(
        "[ \"$1\" = add ] || ship-it alpha",
        &DRAIN.replace("[expect]", armed),
    );
    assert_eq!(
        checks(&verdict, Outcome::Broken),
        ["steps-worked"],
        "{}",
        verdict.failure_report
    );
}
