//! A supervisor that is started ahead: nothing is lost with it, it knows nothing, and it outlives neither its use nor its
//! runner.

use std::fs;

use rustix::process::Signal;

use crate::rig::Rig;
use crate::started_command::{Running, wait_for_end};

/// A job's script: goes on when its runner has a supervisor beside this job's own, whose number it puts into a file.
const FIND_SPARE: &str = "
runner=$(cut -d' ' -f4 /proc/$PPID/stat)
spare=
until test -n \"$spare\"; do
  for child in $(cat /proc/$runner/task/$runner/children); do
    # Until it is one it is a copy of its runner.
    test $child = $PPID || ! grep -qs supervise /proc/$child/cmdline || spare=$child
  done
done
echo $spare > $RIG/spare\n";

fn spare(rig: &Rig) -> String {
    fs::read_to_string(rig.path("spare")).unwrap()
}

#[test]
fn a_supervisor_that_is_killed_before_it_has_a_job_costs_none() {
    let rig = Rig::new();
    let kill = format!("{FIND_SPARE} kill -9 $spare");
    rig.add("a", "", &kill);
    rig.add(
        "b",
        "verify: 'echo verified >> $RIG/runs'",
        "echo $AQ_ATTEMPT >> $RIG/runs",
    );
    let done = rig.aq(&["run", "--drain"]);
    assert_eq!(done.code, 0, "{}", done.stderr);
    assert!(!done.stderr.contains("supervisor was killed"), "{}", done.stderr);
    assert_eq!(rig.lines("runs"), ["1", "verified"]);
    assert_eq!(
        (rig.stage("a"), rig.stage("b")),
        ("shipped".to_owned(), "shipped".to_owned())
    );
}

#[test]
fn it_has_no_file_of_the_queue_or_its_runner_and_no_secret() {
    let rig = Rig::new();
    let look = format!(
        "{FIND_SPARE}
        ls -l /proc/$spare/fd | grep -o \"$RIG/.*\" > $RIG/files
        tr '\\0' '\\n' < /proc/$spare/environ > $RIG/environment"
    );
    rig.add("a", "lock: l", &look);
    rig.add("b", "lock: l", "true");
    let done = rig.aq_with(
        &[
            ("AQ_FLEET_TOKEN", "tok-en"),
            ("MY_COPY", "tok-en"),
            ("PLAIN", "x"),
        ],
        &["run", "--drain"],
    );
    assert_eq!(done.code, 0, "{}", done.stderr);
    assert_eq!(rig.lines("files"), Vec::<String>::new());
    let environment = rig.lines("environment");
    assert!(!environment.concat().contains("tok-en"), "{environment:?}");
}

/// A runner that is busy with one job while another waits, and its spare. `on` ends the job.
fn busy<'a>(rig: &'a Rig, words: &[&str]) -> (Running<'a>, String) {
    rig.pipes(&["up", "on"]);
    rig.add("a", "", &format!("{FIND_SPARE} echo > $RIG/up; cat $RIG/on"));
    rig.add("b", "", "true");
    let run = rig.start(words, &[]);
    rig.hear("up");
    (run, spare(rig))
}

#[test]
fn it_ends_when_its_runner_is_killed() {
    let rig = Rig::new();
    let (run, spare) = busy(&rig, &["run", "--drain"]);
    run.signal(Signal::KILL);
    run.end();
    wait_for_end(&spare);
}

#[test]
fn a_runner_that_waits_for_jobs_has_none() {
    let rig = Rig::new();
    let (run, spare) = busy(&rig, &["run"]);
    assert_eq!(rig.aq(&["cancel", "b"]).code, 0);
    rig.release("on");
    wait_for_end(&spare);
    run.signal(Signal::TERM);
    assert_eq!(run.end().code, 143);
}

#[test]
fn a_runner_that_is_paused_has_none_for_the_job_that_waits() {
    let rig = Rig::new();
    let (run, spare) = busy(&rig, &["run", "--drain"]);
    assert_eq!(rig.aq(&["pause"]).code, 0);
    wait_for_end(&spare);
    rig.release("on");
    assert_eq!(run.end().code, 1);
}

#[test]
fn each_command_has_its_own_environment_however_large() {
    let rig = Rig::new();
    let large = "x".repeat(120 * 1024);
    let names: Vec<String> = (0..12).map(|number| format!("LARGE_{number}")).collect();
    let mut variables: Vec<(&str, &str)> = names.iter().map(|name| (name.as_str(), large.as_str())).collect();
    variables.push(("LINES_OF", "one\ntwo=2"));
    let tell =
        "echo $AQ_JOB_ID ${#LARGE_0} ${#LARGE_11} \"$LINES_OF\" >> $RIG/told; echo $AQ_RUN >> $RIG/marks";
    rig.add("a", "", &format!("{FIND_SPARE} {tell}"));
    rig.add("b", &format!("verify: '{tell}'"), tell);
    let done = rig.start(&["run", "--drain"], &variables).end();
    assert_eq!(done.code, 0, "{}", done.stderr);
    let told = [
        "a 122880 122880 one",
        "two=2",
        "b 122880 122880 one",
        "two=2",
        "b 122880 122880 one",
        "two=2",
    ];
    assert_eq!(rig.lines("told"), told);
    let mut marks = rig.lines("marks");
    marks.sort();
    marks.dedup();
    assert_eq!(marks.len(), 3, "each command has a mark of its own");
}
