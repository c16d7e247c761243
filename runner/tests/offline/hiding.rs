//! Jobs run as the same user as the runner, which has the coordinator's token in its environment or its memory. Where
//! that user is not root, no other process of theirs can read either (clause O-9).

use std::fs;
use std::os::unix::fs::chown;
use std::path::Path;

use rustix::process::{Signal, geteuid};

use crate::rig::Rig;
use crate::started_command::Running;

/// A user without rights and without files.
const NOBODY: u32 = 65_534;

/// What a job can do to find out what its runner knows; it tells of itself, for comparison.
const SPY: &str = "read -r pid name state runner rest < /proc/$PPID/stat
cat /proc/$runner/environ > $RIG/environment || echo environment >> $RIG/refused
(: < /proc/$runner/mem) || echo memory >> $RIG/refused
ls /proc/$runner/fd || echo descriptors >> $RIG/refused
cat /proc/$$/environ > $RIG/own";

/// A queue that is used by a user who is not root.
fn rig() -> Rig {
    let rig = Rig::new();
    assert_eq!(rig.aq(&["init"]).code, 0);
    rig
}

/// Starts `aq` as that user, who owns all of the rig by then.
fn start<'a>(rig: &'a Rig, arguments: &[&str], variables: &[(&str, &str)]) -> Running<'a> {
    let program = rig.path("bin/aq");
    if !program.exists() {
        fs::copy(env!("CARGO_BIN_EXE_aq"), &program).unwrap();
    }
    if !geteuid().is_root() {
        return rig.program(&program, arguments, variables);
    }
    give_away(&rig.path(""));
    let user = ["--reuid=65534", "--regid=65534", "--clear-groups", "--"];
    let words = [&user[..], &[program.to_str().unwrap()], arguments].concat();
    rig.program(Path::new("setpriv"), &words, variables)
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
fn a_job_reads_the_token_neither_from_its_runners_environment_nor_from_its_memory() {
    let by_variable = [("AQ_FLEET_TOKEN", "sesame")];
    let by_file = [("AQ_FLEET_TOKEN_FILE", "../token")];
    for variables in [
        [local().as_slice(), &by_variable].concat(),
        [local().as_slice(), &by_file].concat(),
        by_variable.to_vec(),
    ] {
        let rig = rig();
        fs::write(rig.path("token"), "sesame\n").unwrap();
        rig.add("a", "", SPY);
        let done = start(&rig, &["run", "--drain"], &variables).end();
        assert_eq!(
            (done.code, rig.stage("a").as_str()),
            (0, "shipped"),
            "{}",
            done.stderr
        );
        assert_eq!(
            rig.lines("refused"),
            ["environment", "memory", "descriptors"],
            "{variables:?}"
        );
        let read = |name: &str| String::from_utf8_lossy(&fs::read(rig.path(name)).unwrap()).into_owned();
        assert_eq!(read("environment"), "");
        assert!(read("own").contains("AQ_JOB_ID=a"));
    }
}

#[test]
fn what_a_runner_that_hides_leaves_behind_is_found_all_the_same() {
    let rig = rig();
    rig.pipe("up");
    let tree = "test $AQ_ATTEMPT = 1 || exit 0
(env -i RIG=$RIG setsid sh -c 'echo $$ > $RIG/deaf; exec sleep 1000' <&- >&- 2>&- &)
setsid sh -c 'trap \"\" TERM; echo $$ > $RIG/far; echo $PPID > $RIG/up; while :; do sleep 9; done'";
    rig.add("a", "retries: 1", tree);
    let variables = [local().as_slice(), &[("AQ_FLEET_TOKEN", "sesame")]].concat();
    let run = start(&rig, &["run", "--drain"], &variables);
    rig.hear("up");
    run.signal(Signal::KILL);
    run.end();
    let done = start(&rig, &["run", "--drain"], &variables).end();
    assert_eq!(
        (done.code, rig.stage("a").as_str()),
        (0, "shipped"),
        "{}",
        done.stderr
    );
    rig.assert_none_lives(&["far"]);
}

#[test]
fn a_runner_that_hides_is_shown_to_its_user_and_ends_when_told_to() {
    let rig = rig();
    rig.add("a", "", "true");
    let variables = [local().as_slice(), &[("AQ_FLEET_TOKEN", "sesame")]].concat();
    let first = start(&rig, &["run"], &variables);
    first.says("a  shipped");
    let second = start(&rig, &["status", "--json"], &variables).end();
    assert!(second.stdout.contains(&first.pid().to_string()), "{second:?}");
    first.signal(Signal::TERM);
    assert_eq!(first.end().code, 143);
}
