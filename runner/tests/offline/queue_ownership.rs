//! A queue is its user's alone: what jobs and other users put in the way changes nothing elsewhere (F-11, O-18, O-19).

use std::fs::{self, File, Permissions};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;

use rustix::fs::{FlockOperation, flock};
use rustix::process::{geteuid, getpid};

use crate::foreign_files::JOB;
use crate::queue_fixture::QueueFixture;

pub fn mode(path: &Path) -> u32 {
    path.metadata().unwrap().permissions().mode() & 0o7777
}

pub fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
}

/// What a job does in its first attempt of two, and where it then lies.
const DIVERSIONS: [(&str, &str, &str); 9] = [
    (
        "the output",
        "mkdir $JOB/attempt-2; ln -s $FIXTURE/outside/file $JOB/attempt-2/engine.out",
        "quarantine",
    ),
    (
        "the output by a second name",
        "mkdir $JOB/attempt-2; ln $FIXTURE/outside/file $JOB/attempt-2/engine.out",
        "quarantine",
    ),
    (
        "the attempt's folder",
        "ln -s $FIXTURE/outside $JOB/attempt-2",
        "quarantine",
    ),
    (
        "the prompt",
        "mkdir $JOB/attempt-2; ln -s $FIXTURE/outside/file $JOB/attempt-2/prompt.md",
        "shipped",
    ),
    (
        "the record",
        "ln -sf $FIXTURE/outside/file $JOB/processes.jsonl",
        "shipped",
    ),
    (
        "the history",
        "ln -sf $FIXTURE/outside/file $JOB/history.jsonl",
        "quarantine",
    ),
    (
        "all that is known of it",
        "mv $JOB $FIXTURE/away; ln -s $FIXTURE/outside $JOB",
        "quarantine",
    ),
    (
        "the wishes",
        "rmdir $AQ_QUEUE/.state/cancel; ln -s $FIXTURE/outside $AQ_QUEUE/.state/cancel; touch $FIXTURE/outside/a",
        "failed",
    ),
    (
        "the inbox",
        "mv $AQ_QUEUE/inbox $FIXTURE/away; ln -s $FIXTURE/outside $AQ_QUEUE/inbox",
        "building",
    ),
];

#[test]
fn a_link_that_a_job_puts_in_the_way_leads_the_runner_nowhere() {
    for (what, script, stage) in DIVERSIONS {
        let fixture = QueueFixture::new();
        fs::create_dir(fixture.path("outside")).unwrap();
        fs::write(fixture.path("outside/file"), "theirs\n").unwrap();
        let first = format!(
            "JOB=$AQ_QUEUE/.state/jobs/a; if [ $AQ_ATTEMPT = 1 ]; then {script}; echo printed; exit 1; fi"
        );
        fixture.add("a", "retries: 1", &first);
        let done = fixture.aq(&["run", "--drain"]);
        assert_eq!(
            fs::read_to_string(fixture.path("outside/file")).unwrap(),
            "theirs\n",
            "{what}"
        );
        let mut left: Vec<_> = fs::read_dir(fixture.path("outside"))
            .unwrap()
            .map(|entry| entry.unwrap().file_name())
            .collect();
        left.retain(|name| name != "a");
        assert_eq!(left, ["file"], "{what}");
        assert_eq!(fixture.path("outside/a").exists(), what == "the wishes", "{what}");
        let place = fixture.queue(stage).join("a.md");
        assert!(place.exists(), "{what}: {done:?}");
        match stage {
            "quarantine" => {
                // What is recorded of a job is compared before it is led anywhere.
                let is_record = ["the history", "all that is known of it"].contains(&what);
                let code = ["link_in_queue", "changed_in_work"][usize::from(is_record)];
                assert_eq!(fixture.reason("a"), code, "{what}");
            }
            // Between the two there is no inbox.
            "building" => assert!(
                done.code == 1
                    && ["it is a link", "was removed"]
                        .iter()
                        .any(|words| done.stderr.contains(words)),
                "{what}: {done:?}"
            ),
            _ => assert_eq!(done.code, 0, "{what}"),
        }
    }
}

#[test]
fn what_verify_and_the_stages_lead_to_is_not_written_to_either() {
    let fixture = QueueFixture::new();
    fs::create_dir(fixture.path("outside")).unwrap();
    fs::write(fixture.path("outside/file"), "theirs\n").unwrap();
    let link = "ln -s $FIXTURE/outside/file $AQ_QUEUE/.state/jobs/a/attempt-1/verify.out";
    fixture.add("a", "verify: echo >> $FIXTURE/verified; echo printed", link);
    fixture.add("b", "", "echo >> $FIXTURE/went-on");
    assert_eq!(fixture.aq(&["run", "--drain"]).code, 0);
    assert_eq!(
        [fixture.stage("a"), fixture.stage("b")],
        ["quarantine", "shipped"]
    );
    assert_eq!(
        (fixture.lines("verified").len(), fixture.lines("went-on").len()),
        (0, 1)
    );
    assert_eq!(fixture.aq(&["logs", "a"]).code, 1, "nor is it read");
    fixture.add(
        "c",
        "",
        // The runner, which its own file is called after, sees both changes at once.
        "runner=$(ls $AQ_QUEUE/.state/runners | cut -d- -f1); kill -STOP $runner
         mv $AQ_QUEUE/shipped $FIXTURE/away; ln -s $FIXTURE/outside $AQ_QUEUE/shipped; kill -CONT $runner",
    );
    let done = fixture.aq(&["run", "--drain"]);
    assert!(done.code == 1 && done.stderr.contains("it is a link"), "{done:?}");
    assert_eq!(fs::read_dir(fixture.path("outside")).unwrap().count(), 1);
    assert_eq!(
        fs::read_to_string(fixture.path("outside/file")).unwrap(),
        "theirs\n"
    );
    let next = fixture.aq(&["run", "--drain"]);
    assert!(
        next.code == 2 && next.stderr.contains("queue/shipped is a link"),
        "{next:?}"
    );
}

#[test]
fn the_queue_folder_itself_may_be_reached_by_a_link() {
    let fixture = QueueFixture::new();
    fs::create_dir(fixture.path("real")).unwrap();
    symlink(fixture.path("real"), fixture.path("queue")).unwrap();
    fixture.add("a", "", "true");
    assert_eq!(fixture.aq(&["run", "--drain"]).code, 0);
    assert!(fixture.path("real/shipped/a.md").exists());
}

#[test]
fn folders_that_others_can_write_are_refused_with_what_to_type() {
    for folder in ["", "inbox", "building", "shipped"] {
        for unsafe_mode in [0o777, 0o1777, 0o757] {
            let fixture = QueueFixture::new();
            fixture.add("a", "", "true");
            let path = fixture.queue(folder);
            set_mode(&path, unsafe_mode);
            for command in [&["run", "--drain"][..], &["list"], &["add", "a.md"]] {
                let refused = fixture.aq(command);
                let path = path.display().to_string();
                let advice = format!("`chmod go-w {}`", path.trim_end_matches('/'));
                assert!(
                    refused.code == 2 && refused.stderr.contains(&advice),
                    "{folder} {unsafe_mode:o} {command:?}: {refused:?}"
                );
            }
            assert_eq!(fixture.aq(&["doctor"]).code, 1);
            assert_eq!(fixture.stage("a"), "inbox");
            set_mode(&path, 0o755);
            assert_eq!(fixture.aq(&["run", "--drain"]).code, 0);
        }
    }
}

#[test]
fn a_folder_above_the_queue_in_which_everybody_can_replace_it_is_refused() {
    let fixture = QueueFixture::new();
    fixture.add("a", "", "true");
    set_mode(&fixture.path(""), 0o777);
    let refused = fixture.aq(&["run", "--drain"]);
    let can = refused.stderr.contains("can be replaced by anybody") && refused.stderr.contains("`chmod o-w ");
    assert!(refused.code == 2 && can, "{refused:?}");
    set_mode(&fixture.path(""), 0o1777);
    assert_eq!(fixture.aq(&["run", "--drain"]).code, 0);
}

#[test]
fn what_aq_makes_is_its_owners_alone_whatever_the_umask() {
    let fixture = QueueFixture::new();
    let name = fixture.file("a", "engine: sh\nlock: l", "echo printed");
    for arguments in [format!("add {name}"), "run --drain".to_owned()] {
        let loose = fixture.path("bin/loose");
        let aq = env!("CARGO_BIN_EXE_aq");
        fs::write(&loose, format!("#!/bin/sh\numask 0\nexec {aq} {arguments}\n")).unwrap();
        set_mode(&loose, 0o755);
        let done = fixture.program(&loose, &[], &[]).end();
        assert_eq!(done.code, 0, "{}", done.stderr);
    }
    let folders = ["", "inbox", "shipped"].map(|name| mode(&fixture.queue(name)));
    assert_eq!(folders, [0o755; 3]);
    assert_eq!(mode(&fixture.queue(".state")), 0o700);
    let files = [
        "shipped/a.md",
        ".state/locks/owner/a",
        ".state/locks/job/a",
        ".state/locks/name/l",
        ".state/queue.lock",
        ".state/sequence",
        ".state/jobs/a/history.jsonl",
        ".state/jobs/a/processes.jsonl",
        ".state/jobs/a/attempt-1/engine.out",
    ];
    for file in files {
        assert_eq!(mode(&fixture.queue(file)), 0o600, "{file}");
    }
}

#[test]
fn a_queue_that_showed_its_state_is_tightened_without_a_word() {
    let fixture = QueueFixture::new();
    for loose in [0o755, 0o775, 0o777] {
        fixture.add("a", "", "true");
        set_mode(&fixture.queue(".state"), loose);
        let done = fixture.aq(&["run", "--drain"]);
        assert!(done.code == 0 && !done.stderr.contains("chmod"), "{done:?}");
        assert_eq!(mode(&fixture.queue(".state")), 0o700);
        assert_eq!(fixture.aq(&["prune", "a"]).code, 0);
    }
}

#[test]
fn who_keeps_the_queue_locked_is_told_and_ends_no_run() {
    let fixture = QueueFixture::new();
    fixture.add("first", "", "echo $AQ_JOB_ID >> $FIXTURE/runs");
    fs::write(fixture.queue("inbox/second.md"), JOB).unwrap();
    let lock = File::open(fixture.queue(".state/queue.lock")).unwrap();
    flock(&lock, FlockOperation::LockExclusive).unwrap();
    let run = fixture.start(&["run", "--drain"], &[]);
    // Elsewhere an `aq` alone says of itself that it has the lock.
    let (holder, user) = match cfg!(all(target_os = "linux", not(portable))) {
        true => (
            format!("process {} (", getpid().as_raw_nonzero()),
            format!("uid {}", geteuid().as_raw()),
        ),
        false => (
            String::from("a process that can't be seen from here keeps "),
            String::new(),
        ),
    };
    run.wait_for_message(&holder);
    drop(lock);
    let done = run.end();
    assert_eq!(
        (done.code, fixture.lines("runs").len()),
        (0, 2),
        "{}",
        done.stderr
    );
    let told = done.stderr.matches("keeps ").count();
    assert_eq!(told, 1, "{}", done.stderr);
    assert!(done.stderr.contains(&user), "{}", done.stderr);
}

#[test]
fn a_queue_in_the_folder_of_a_job_is_warned_of_where_that_shows() {
    let fixture = QueueFixture::new();
    let inside = fixture.path("work/queue").display().to_string();
    let variables = [("AQ_QUEUE", inside.as_str())];
    let words = "lies in the folder that a job works in";
    for (id, keys, is_warned) in [
        ("a", "", true),
        ("b", "\ncwd: ..", true),
        ("c", "\ncwd: below", false),
    ] {
        fs::create_dir_all(fixture.path("work/below")).unwrap();
        let name = fixture.file(id, &format!("engine: sh{keys}"), "true");
        let add = fixture.aq_with(&variables, &["add", &name]);
        let doctor = fixture.aq_with(&variables, &["doctor"]);
        let run = fixture.aq_with(&variables, &["run", "--drain"]);
        for told in [add.stderr, doctor.stdout, run.stderr] {
            assert_eq!(
                told.matches(words).count(),
                usize::from(is_warned),
                "{id}: {told}"
            );
        }
    }
    let name = fixture.file("d", "engine: sh", "true");
    assert!(!fixture.aq(&["add", &name]).stderr.contains(words));
}
