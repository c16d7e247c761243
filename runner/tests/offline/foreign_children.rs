//! Processes that can't be ended, as they became another user's: how long they are waited for is bounded, and who they are
//! is told (O-6, O-7).

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use rustix::process::{Pid, Signal, geteuid, kill_process};

use crate::queue_fixture::QueueFixture;
use crate::started_command::StartedCommand;

/// A user who is nobody else here.
const USER: &str = "4321";

/// A queue of that user, and a program that makes any command root's.
fn fixture() -> Option<QueueFixture> {
    let fixture = QueueFixture::new();
    let become_root = fixture.path("bin/become");
    if !geteuid().is_root() || fs::copy("/usr/bin/setpriv", &become_root).is_err() {
        eprintln!("skipped: only root can run a queue as another user (setpriv)");
        return None;
    }
    fs::set_permissions(&become_root, fs::Permissions::from_mode(0o4755)).unwrap();
    let own = Command::new("chown")
        .args(["-R", USER])
        .arg(fixture.path("work"))
        .status();
    assert!(own.unwrap().success());
    let root = fixture.path("");
    assert!(
        Command::new("chown")
            .arg(USER)
            .arg(root)
            .status()
            .unwrap()
            .success()
    );
    let tried = as_user(&fixture, "become --reuid 0 id -u").end();
    if tried.stdout.trim() != "0" {
        eprintln!("skipped: no program makes itself root's here ({tried:?})");
        return None;
    }
    Some(fixture)
}

fn as_user<'a>(fixture: &'a QueueFixture, script: &str) -> StartedCommand<'a> {
    let script = format!("aq() {{ {} \"$@\"; }}\n{script}", env!("CARGO_BIN_EXE_aq"));
    let arguments = ["--reuid", USER, "--clear-groups", "sh", "-c", &script];
    fixture.program(
        Path::new("/usr/bin/setpriv"),
        &arguments,
        &[("AQ_GRACE", "50ms"), ("AQ", env!("CARGO_BIN_EXE_aq"))],
    )
}

/// A job with a child of root's, which says who it is.
const JOB: &str = "printf -- '---\\nengine: sh\\nlock: l\\n---\\nbecome --reuid 0 sh -c \"echo \\$\\$ > $FIXTURE/work/root; \
                   echo > $FIXTURE/up; exec sleep 1000\"\\n' > a.md; aq add a.md";

struct RootsChild(Pid);

impl RootsChild {
    fn of(fixture: &QueueFixture) -> RootsChild {
        let text = fs::read_to_string(fixture.path("work/root")).unwrap();
        RootsChild(Pid::from_raw(text.trim().parse().unwrap()).unwrap())
    }
}

impl Drop for RootsChild {
    fn drop(&mut self) {
        let _ = kill_process(self.0, Signal::KILL);
    }
}

#[test]
fn a_child_that_became_another_users_is_told_of_with_its_owner_and_not_waited_for() {
    for signals in [1, 2] {
        let Some(fixture) = fixture() else { return };
        fixture.pipe("up");
        fs::set_permissions(fixture.path("up"), fs::Permissions::from_mode(0o666)).unwrap();
        assert_eq!(as_user(&fixture, JOB).end().code, 0);
        let run = as_user(&fixture, "exec $AQ run");
        fixture.wait_for("up");
        let child = RootsChild::of(&fixture);
        for _ in 0..signals {
            run.signal(Signal::TERM);
        }
        let done = run.end();
        let who = format!("process {}", child.0.as_raw_nonzero());
        assert_eq!(done.code, 143, "{}", done.stderr);
        assert!(
            done.stderr.contains(&who) && done.stderr.contains("root (uid 0)"),
            "{}",
            done.stderr
        );
        let shown = as_user(&fixture, "aq show --json a; aq list").end().stdout;
        assert!(
            shown.contains("orphan_unproven") && shown.contains("quarantine"),
            "{shown}"
        );
        let other =
            "printf -- '---\\nengine: sh\\nlock: l\\n---\\ntrue\\n' > b.md; aq add b.md; aq run --drain";
        let done = as_user(&fixture, other).end();
        assert!(
            done.stderr.contains("its lock `l` is kept by a"),
            "{}",
            done.stderr
        );
    }
}

#[test]
fn what_a_job_leaves_behind_that_is_another_users_ends_no_run_and_is_told_of() {
    let Some(fixture) = fixture() else { return };
    fixture.pipe("up");
    fs::set_permissions(fixture.path("up"), fs::Permissions::from_mode(0o666)).unwrap();
    let job = JOB.replace("\\n' > a.md", " &\\nread x < $FIXTURE/up\\n' > a.md");
    assert!(job.contains("read x"), "{job}");
    assert_eq!(as_user(&fixture, &job).end().code, 0);
    let done = as_user(&fixture, "aq run --drain").end();
    let _child = RootsChild::of(&fixture);
    assert_eq!(done.code, 0, "{}", done.stderr);
    assert!(done.stderr.contains("orphan_unproven"), "{}", done.stderr);
}

#[test]
fn what_a_killed_runner_left_that_is_another_users_is_given_up_after_a_while() {
    let Some(fixture) = fixture() else { return };
    fixture.pipe("up");
    fs::set_permissions(fixture.path("up"), fs::Permissions::from_mode(0o666)).unwrap();
    assert_eq!(as_user(&fixture, JOB).end().code, 0);
    let run = as_user(&fixture, "exec $AQ run");
    fixture.wait_for("up");
    let _child = RootsChild::of(&fixture);
    run.signal(Signal::KILL);
    run.end();
    let done = as_user(&fixture, "aq run --drain").end();
    assert!(
        done.stderr.contains("orphan_unproven") || done.stderr.contains("left behind"),
        "{}",
        done.stderr
    );
    let shown = as_user(&fixture, "aq show --json a").end().stdout;
    assert!(shown.contains("orphan_unproven"), "{shown}");
}
