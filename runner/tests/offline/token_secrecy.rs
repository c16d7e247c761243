//! Jobs run as the same user as the runner, which has the coordinator's token in its environment or its memory. Where
//! that user is not root, no other process of theirs can read either (clause O-9).

use std::fs;
use std::os::unix::fs::chown;
use std::path::Path;
use std::process::Command;

use rustix::process::{Signal, geteuid};

use crate::queue_fixture::QueueFixture;
use crate::started_command::StartedCommand;

/// A user without rights and without files.
const NOBODY: u32 = 65_534;

/// What a job can do to find out what its runner knows; it tells of itself, for comparison.
#[cfg(all(target_os = "linux", not(portable)))]
const SPY: &str = "read -r pid name state runner rest < /proc/$PPID/stat
cat /proc/$runner/environ > $FIXTURE/environment || echo environment >> $FIXTURE/refused
(: < /proc/$runner/mem) || echo memory >> $FIXTURE/refused
ls /proc/$runner/fd || echo descriptors >> $FIXTURE/refused
cat /proc/$$/environ > $FIXTURE/own";

/// A queue that is used by a user who is not root.
fn fixture() -> QueueFixture {
    let fixture = QueueFixture::new();
    assert_eq!(fixture.aq(&["init"]).code, 0);
    fixture
}

/// Starts `aq` as that user, who owns all of the fixture by then.
fn start<'a>(
    fixture: &'a QueueFixture,
    arguments: &[&str],
    variables: &[(&str, &str)],
) -> StartedCommand<'a> {
    let program = fixture.path("bin/aq");
    if !program.exists() {
        // By a process of its own: a child that another test starts meanwhile would hold this one's descriptor of the
        // program, and nobody can start a program that is open for writing.
        let copied = Command::new("cp")
            .args([Path::new(env!("CARGO_BIN_EXE_aq")), &program])
            .status();
        assert!(copied.unwrap().success());
    }
    if !geteuid().is_root() {
        return fixture.program(&program, arguments, variables);
    }
    give_away(&fixture.path(""));
    let user = ["--reuid=65534", "--regid=65534", "--clear-groups", "--"];
    let words = [&user[..], &[program.to_str().unwrap()], arguments].concat();
    fixture.program(Path::new("setpriv"), &words, variables)
}

fn give_away(path: &Path) {
    chown(path, Some(NOBODY), Some(NOBODY)).unwrap();
    if path.symlink_metadata().unwrap().is_dir() {
        fs::read_dir(path)
            .unwrap()
            .for_each(|entry| give_away(&entry.unwrap().path()));
    }
}

fn local() -> [(&'static str, &'static str); 2] {
    [("AQ_FLEET", "1"), ("AQ_FLEET_URL", "http://127.0.0.1:1")]
}

#[test]
#[cfg(all(target_os = "linux", not(portable)))] // no other system forbids it: a limit without a clause
fn a_job_reads_the_token_neither_from_its_runners_environment_nor_from_its_memory() {
    let by_variable = [("AQ_FLEET_TOKEN", "sesame")];
    let by_file = [("AQ_FLEET_TOKEN_FILE", "../token")];
    for variables in [
        [local().as_slice(), &by_variable].concat(),
        [local().as_slice(), &by_file].concat(),
        by_variable.to_vec(),
    ] {
        let fixture = fixture();
        fs::write(fixture.path("token"), "sesame\n").unwrap();
        fixture.add("a", "", SPY);
        let done = start(&fixture, &["run", "--drain"], &variables).end();
        assert_eq!(
            (done.code, fixture.stage("a").as_str()),
            (0, "shipped"),
            "{}",
            done.stderr
        );
        assert_eq!(
            fixture.lines("refused"),
            ["environment", "memory", "descriptors"],
            "{variables:?}"
        );
        let read = |name: &str| String::from_utf8_lossy(&fs::read(fixture.path(name)).unwrap()).into_owned();
        assert_eq!(read("environment"), "");
        assert!(read("own").contains("AQ_JOB_ID=a"));
    }
}

// One of its processes is without a mark in a session of its own, and holds the lock: elsewhere nobody is told that.
#[cfg(all(target_os = "linux", not(portable)))]
#[test]
fn what_a_runner_that_hides_leaves_behind_is_found_all_the_same() {
    let fixture = fixture();
    fixture.pipe("up");
    let tree = "test $AQ_ATTEMPT = 1 || exit 0
(env -i FIXTURE=$FIXTURE setsid sh -c 'echo $$ > $FIXTURE/deaf; exec sleep 1000' <&- >&- 2>&- &)
setsid sh -c 'trap \"\" TERM; echo $$ > $FIXTURE/far; echo $PPID > $FIXTURE/up; while :; do sleep 9; done'";
    fixture.add("a", "retries: 1", tree);
    let variables = [local().as_slice(), &[("AQ_FLEET_TOKEN", "sesame")]].concat();
    let run = start(&fixture, &["run", "--drain"], &variables);
    fixture.wait_for("up");
    run.signal(Signal::KILL);
    run.end();
    let done = start(&fixture, &["run", "--drain"], &variables).end();
    assert_eq!(
        (done.code, fixture.stage("a").as_str()),
        (0, "shipped"),
        "{}",
        done.stderr
    );
    fixture.assert_none_lives(&["far"]);
}

#[test]
fn a_runner_that_hides_is_shown_to_its_user_and_ends_when_told_to() {
    let fixture = fixture();
    fixture.add("a", "", "true");
    let variables = [local().as_slice(), &[("AQ_FLEET_TOKEN", "sesame")]].concat();
    let first = start(&fixture, &["run"], &variables);
    first.wait_for_message("a  shipped");
    let second = start(&fixture, &["status", "--json"], &variables).end();
    assert!(second.stdout.contains(&first.pid().to_string()), "{second:?}");
    first.signal(Signal::TERM);
    assert_eq!(first.end().code, 143);
}
