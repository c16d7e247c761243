//! A supervisor that is started ahead: nothing is lost with it, it knows nothing, and it outlives neither its use nor its
//! runner.

use std::fs;

use rustix::process::Signal;

use crate::observed_process::wait_for_end;
use crate::queue_fixture::QueueFixture;
use crate::started_command::StartedCommand;

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
echo $spare > $FIXTURE/spare\n";

fn spare(fixture: &QueueFixture) -> String {
    fs::read_to_string(fixture.path("spare")).unwrap()
}

#[test]
fn a_supervisor_that_is_killed_before_it_has_a_job_costs_none() {
    let fixture = QueueFixture::new();
    let kill = format!("{FIND_SPARE} kill -9 $spare");
    fixture.add("a", "", &kill);
    fixture.add(
        "b",
        "verify: 'echo verified >> $FIXTURE/runs'",
        "echo $AQ_ATTEMPT >> $FIXTURE/runs",
    );
    let done = fixture.aq(&["run", "--drain"]);
    assert_eq!(done.code, 0, "{}", done.stderr);
    assert!(!done.stderr.contains("supervisor was killed"), "{}", done.stderr);
    assert_eq!(fixture.lines("runs"), ["1", "verified"]);
    assert_eq!(
        (fixture.stage("a"), fixture.stage("b")),
        ("shipped".to_owned(), "shipped".to_owned())
    );
}

#[test]
fn it_has_no_file_of_the_queue_or_its_runner_and_no_secret() {
    let fixture = QueueFixture::new();
    let look = format!(
        "{FIND_SPARE}
        ls -l /proc/$spare/fd | grep -o \"$FIXTURE/.*\" > $FIXTURE/files
        tr '\\0' '\\n' < /proc/$spare/environ > $FIXTURE/environment"
    );
    fixture.add("a", "lock: l", &look);
    fixture.add("b", "lock: l", "true");
    let done = fixture.aq_with(
        &[
            ("AQ_FLEET_TOKEN", "tok-en"),
            ("MY_COPY", "tok-en"),
            ("PLAIN", "x"),
        ],
        &["run", "--drain"],
    );
    assert_eq!(done.code, 0, "{}", done.stderr);
    assert_eq!(fixture.lines("files"), Vec::<String>::new());
    let environment = fixture.lines("environment");
    assert!(!environment.concat().contains("tok-en"), "{environment:?}");
}

/// A runner that is busy with one job while another waits, and its spare. `on` ends the job.
fn busy<'a>(fixture: &'a QueueFixture, words: &[&str]) -> (StartedCommand<'a>, String) {
    fixture.pipes(&["up", "on"]);
    fixture.add(
        "a",
        "",
        &format!("{FIND_SPARE} echo > $FIXTURE/up; cat $FIXTURE/on"),
    );
    fixture.add("b", "", "true");
    let run = fixture.start(words, &[]);
    fixture.wait_for("up");
    (run, spare(fixture))
}

#[test]
fn it_ends_when_its_runner_is_killed() {
    let fixture = QueueFixture::new();
    let (run, spare) = busy(&fixture, &["run", "--drain"]);
    run.signal(Signal::KILL);
    run.end();
    wait_for_end(&spare);
}

#[test]
fn a_runner_that_waits_for_jobs_has_none() {
    let fixture = QueueFixture::new();
    let (run, spare) = busy(&fixture, &["run"]);
    assert_eq!(fixture.aq(&["cancel", "b"]).code, 0);
    fixture.release("on");
    wait_for_end(&spare);
    run.signal(Signal::TERM);
    assert_eq!(run.end().code, 143);
}

#[test]
fn a_runner_that_is_paused_has_none_for_the_job_that_waits() {
    let fixture = QueueFixture::new();
    let (run, spare) = busy(&fixture, &["run", "--drain"]);
    assert_eq!(fixture.aq(&["pause"]).code, 0);
    wait_for_end(&spare);
    fixture.release("on");
    assert_eq!(run.end().code, 1);
}

#[test]
fn each_command_has_its_own_environment_however_large() {
    let fixture = QueueFixture::new();
    let large = "x".repeat(120 * 1024);
    let names: Vec<String> = (0..12).map(|number| format!("LARGE_{number}")).collect();
    let mut variables: Vec<(&str, &str)> = names.iter().map(|name| (name.as_str(), large.as_str())).collect();
    variables.push(("LINES_OF", "one\ntwo=2"));
    let tell = "echo $AQ_JOB_ID ${#LARGE_0} ${#LARGE_11} \"$LINES_OF\" >> $FIXTURE/told; echo $AQ_RUN >> $FIXTURE/marks";
    fixture.add("a", "", &format!("{FIND_SPARE} {tell}"));
    fixture.add("b", &format!("verify: '{tell}'"), tell);
    let done = fixture.start(&["run", "--drain"], &variables).end();
    assert_eq!(done.code, 0, "{}", done.stderr);
    let told = [
        "a 122880 122880 one",
        "two=2",
        "b 122880 122880 one",
        "two=2",
        "b 122880 122880 one",
        "two=2",
    ];
    assert_eq!(fixture.lines("told"), told);
    let mut marks = fixture.lines("marks");
    marks.sort();
    marks.dedup();
    assert_eq!(marks.len(), 3, "each command has a mark of its own");
}
