//! The harness itself: what it makes of scenarios that can't work, of runners that hang or leave processes,
//! and of being asked for nothing.

#[expect(dead_code, reason = "other test binaries use the rest of it")]
mod common;
#[path = "harness/process_ends.rs"]
mod process_ends;
#[path = "harness/scenario_refusals.rs"]
mod scenario_refusals;

use std::path::Path;

use common::{checks, inline, suite};
use conformance::case_result::CaseResult;
use conformance::diagnosis::timeline_events::TimelineEvent;
use conformance::outcome::Outcome;
use conformance::profile::Profile;

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
        ("(sleep 600 &); exit 0", "", &["no-stragglers"]),
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
