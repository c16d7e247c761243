//! A queue is its user's alone: what jobs and other users put in the way changes nothing elsewhere (F-11, O-18, O-19).

use std::fs::{self, File, Permissions};
use std::os::unix::fs::{PermissionsExt, chown, symlink};
use std::path::Path;

use rustix::fs::{FlockOperation, flock};
use rustix::process::{geteuid, getpid};
use serde_json::json;

use crate::coordinator::Coordinator;
use crate::rig::Rig;

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
        "mkdir $JOB/attempt-2; ln -s $RIG/outside/file $JOB/attempt-2/engine.out",
        "quarantine",
    ),
    (
        "the output by a second name",
        "mkdir $JOB/attempt-2; ln $RIG/outside/file $JOB/attempt-2/engine.out",
        "quarantine",
    ),
    (
        "the attempt's folder",
        "ln -s $RIG/outside $JOB/attempt-2",
        "quarantine",
    ),
    (
        "the prompt",
        "mkdir $JOB/attempt-2; ln -s $RIG/outside/file $JOB/attempt-2/prompt.md",
        "shipped",
    ),
    (
        "the record",
        "ln -sf $RIG/outside/file $JOB/processes.jsonl",
        "shipped",
    ),
    (
        "the history",
        "ln -sf $RIG/outside/file $JOB/history.jsonl",
        "quarantine",
    ),
    (
        "all that is known of it",
        "mv $JOB $RIG/away; ln -s $RIG/outside $JOB",
        "quarantine",
    ),
    (
        "the wishes",
        "rmdir $AQ_QUEUE/.state/cancel; ln -s $RIG/outside $AQ_QUEUE/.state/cancel; touch $RIG/outside/a",
        "failed",
    ),
    (
        "the inbox",
        "mv $AQ_QUEUE/inbox $RIG/away; ln -s $RIG/outside $AQ_QUEUE/inbox",
        "building",
    ),
];

#[test]
fn a_link_that_a_job_puts_in_the_way_leads_the_runner_nowhere() {
    for (what, script, stage) in DIVERSIONS {
        let rig = Rig::new();
        fs::create_dir(rig.path("outside")).unwrap();
        fs::write(rig.path("outside/file"), "theirs\n").unwrap();
        let first = format!(
            "JOB=$AQ_QUEUE/.state/jobs/a; if [ $AQ_ATTEMPT = 1 ]; then {script}; echo printed; exit 1; fi"
        );
        rig.add("a", "retries: 1", &first);
        let done = rig.aq(&["run", "--drain"]);
        assert_eq!(
            fs::read_to_string(rig.path("outside/file")).unwrap(),
            "theirs\n",
            "{what}"
        );
        let mut left: Vec<_> = fs::read_dir(rig.path("outside"))
            .unwrap()
            .map(|entry| entry.unwrap().file_name())
            .collect();
        left.retain(|name| name != "a");
        assert_eq!(left, ["file"], "{what}");
        assert_eq!(rig.path("outside/a").exists(), what == "the wishes", "{what}");
        let place = rig.queue(stage).join("a.md");
        assert!(place.exists(), "{what}: {done:?}");
        match stage {
            "quarantine" => {
                // What is recorded of a job is compared before it is led anywhere.
                let is_record = ["the history", "all that is known of it"].contains(&what);
                let code = ["link_in_queue", "changed_in_work"][usize::from(is_record)];
                assert_eq!(rig.reason("a"), code, "{what}");
            }
            "building" => assert!(
                done.code == 1 && done.stderr.contains("it is a link"),
                "{what}: {done:?}"
            ),
            _ => assert_eq!(done.code, 0, "{what}"),
        }
    }
}

#[test]
fn what_verify_and_the_stages_lead_to_is_not_written_to_either() {
    let rig = Rig::new();
    fs::create_dir(rig.path("outside")).unwrap();
    fs::write(rig.path("outside/file"), "theirs\n").unwrap();
    let link = "ln -s $RIG/outside/file $AQ_QUEUE/.state/jobs/a/attempt-1/verify.out";
    rig.add("a", "verify: echo >> $RIG/verified; echo printed", link);
    rig.add("b", "", "echo >> $RIG/went-on");
    assert_eq!(rig.aq(&["run", "--drain"]).code, 0);
    assert_eq!([rig.stage("a"), rig.stage("b")], ["quarantine", "shipped"]);
    assert_eq!((rig.lines("verified").len(), rig.lines("went-on").len()), (0, 1));
    assert_eq!(rig.aq(&["logs", "a"]).code, 1, "nor is it read");
    rig.add(
        "c",
        "",
        "mv $AQ_QUEUE/shipped $RIG/away; ln -s $RIG/outside $AQ_QUEUE/shipped",
    );
    let done = rig.aq(&["run", "--drain"]);
    assert!(done.code == 1 && done.stderr.contains("it is a link"), "{done:?}");
    assert_eq!(fs::read_dir(rig.path("outside")).unwrap().count(), 1);
    assert_eq!(fs::read_to_string(rig.path("outside/file")).unwrap(), "theirs\n");
    let next = rig.aq(&["run", "--drain"]);
    assert!(
        next.code == 2 && next.stderr.contains("queue/shipped is a link"),
        "{next:?}"
    );
}

#[test]
fn the_queue_folder_itself_may_be_reached_by_a_link() {
    let rig = Rig::new();
    fs::create_dir(rig.path("real")).unwrap();
    symlink(rig.path("real"), rig.path("queue")).unwrap();
    rig.add("a", "", "true");
    assert_eq!(rig.aq(&["run", "--drain"]).code, 0);
    assert!(rig.path("real/shipped/a.md").exists());
}

#[test]
fn folders_that_others_can_write_are_refused_with_what_to_type() {
    for folder in ["", "inbox", "building", "shipped"] {
        for unsafe_mode in [0o777, 0o1777, 0o757] {
            let rig = Rig::new();
            rig.add("a", "", "true");
            let path = rig.queue(folder);
            set_mode(&path, unsafe_mode);
            for command in [&["run", "--drain"][..], &["list"], &["add", "a.md"]] {
                let refused = rig.aq(command);
                let path = path.display().to_string();
                let advice = format!("`chmod go-w {}`", path.trim_end_matches('/'));
                assert!(
                    refused.code == 2 && refused.stderr.contains(&advice),
                    "{folder} {unsafe_mode:o} {command:?}: {refused:?}"
                );
            }
            assert_eq!(rig.aq(&["doctor"]).code, 1);
            assert_eq!(rig.stage("a"), "inbox");
            set_mode(&path, 0o755);
            assert_eq!(rig.aq(&["run", "--drain"]).code, 0);
        }
    }
}

#[test]
fn a_folder_above_the_queue_in_which_everybody_can_replace_it_is_refused() {
    let rig = Rig::new();
    rig.add("a", "", "true");
    set_mode(&rig.path(""), 0o777);
    let refused = rig.aq(&["run", "--drain"]);
    let can = refused.stderr.contains("can be replaced by anybody") && refused.stderr.contains("`chmod o-w ");
    assert!(refused.code == 2 && can, "{refused:?}");
    set_mode(&rig.path(""), 0o1777);
    assert_eq!(rig.aq(&["run", "--drain"]).code, 0);
}

#[test]
fn what_aq_makes_is_its_owners_alone_whatever_the_umask() {
    let rig = Rig::new();
    let name = rig.file("a", "engine: sh\nlock: l", "echo printed");
    for arguments in [format!("add {name}"), "run --drain".to_owned()] {
        let loose = rig.path("bin/loose");
        let aq = env!("CARGO_BIN_EXE_aq");
        fs::write(&loose, format!("#!/bin/sh\numask 0\nexec {aq} {arguments}\n")).unwrap();
        set_mode(&loose, 0o755);
        let done = rig.program(&loose, &[], &[]).end();
        assert_eq!(done.code, 0, "{}", done.stderr);
    }
    let folders = ["", "inbox", "shipped"].map(|name| mode(&rig.queue(name)));
    assert_eq!(folders, [0o755; 3]);
    assert_eq!(mode(&rig.queue(".state")), 0o700);
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
        assert_eq!(mode(&rig.queue(file)), 0o600, "{file}");
    }
}

#[test]
fn a_queue_that_showed_its_state_is_tightened_without_a_word() {
    let rig = Rig::new();
    for loose in [0o755, 0o775, 0o777] {
        rig.add("a", "", "true");
        set_mode(&rig.queue(".state"), loose);
        let done = rig.aq(&["run", "--drain"]);
        assert!(done.code == 0 && !done.stderr.contains("chmod"), "{done:?}");
        assert_eq!(mode(&rig.queue(".state")), 0o700);
        assert_eq!(rig.aq(&["prune", "a"]).code, 0);
    }
}

const JOB: &str = "---\nengine: sh\n---\necho $AQ_JOB_ID >> $RIG/runs\n";

#[test]
fn a_file_of_another_user_in_the_inbox_is_set_aside_and_not_run() {
    let rig = Rig::new();
    fs::create_dir_all(rig.queue("inbox")).unwrap();
    let place = |name: &str| {
        let path = rig.queue("inbox").join(name);
        fs::write(&path, JOB).unwrap();
        path
    };
    set_mode(&place("open.md"), 0o666);
    place("own.md");
    let other = geteuid().as_raw() + 4321;
    let theirs = place("theirs.md");
    let is_theirs = chown(&theirs, Some(other), None).is_ok();
    if !is_theirs {
        fs::remove_file(&theirs).unwrap();
    }
    let done = rig.aq(&["run", "--drain"]);
    assert_eq!(
        (done.code, rig.lines("runs")),
        (0, vec!["own".to_owned()]),
        "{}",
        done.stderr
    );
    assert_eq!(rig.reason("open"), "foreign_file");
    assert!(
        rig.detail("open")
            .starts_with("everyone on this host can write to it")
    );
    if is_theirs {
        let (reason, detail) = (rig.reason("theirs"), rig.detail("theirs"));
        assert_eq!(reason, "foreign_file");
        assert!(
            detail.starts_with(&format!("it belongs to uid {other}")),
            "{detail}"
        );
        assert!(
            done.stderr.contains("theirs  failed: foreign_file"),
            "{}",
            done.stderr
        );
    }
}

#[test]
fn a_file_of_another_user_is_not_run_because_the_coordinator_names_it_either() {
    let rig = Rig::new();
    rig.add("first", "", "true");
    assert_eq!(rig.aq(&["run", "--drain"]).code, 0);
    let path = rig.queue("inbox/a.md");
    fs::write(&path, JOB).unwrap();
    set_mode(&path, 0o666);
    let coordinator = Coordinator::with(
        json!({"id": "a", "engine": "sh", "body": "echo theirs >> $RIG/runs"}),
        |_, _| None,
    );
    let run = rig.start(&["run"], &coordinator.route());
    coordinator.hear("release");
    run.signal(rustix::process::Signal::TERM);
    run.end();
    assert_eq!((rig.stage("a").as_str(), rig.lines("runs").len()), ("inbox", 0));
}

#[test]
fn who_keeps_the_queue_locked_is_told_and_ends_no_run() {
    let rig = Rig::new();
    rig.add("first", "", "echo $AQ_JOB_ID >> $RIG/runs");
    fs::write(rig.queue("inbox/second.md"), JOB).unwrap();
    let lock = File::open(rig.queue(".state/queue.lock")).unwrap();
    flock(&lock, FlockOperation::LockExclusive).unwrap();
    let run = rig.start(&["run", "--drain"], &[]);
    run.says(&format!("process {} (", getpid().as_raw_nonzero()));
    drop(lock);
    let done = run.end();
    assert_eq!((done.code, rig.lines("runs").len()), (0, 2), "{}", done.stderr);
    let told = done.stderr.matches("keeps ").count();
    assert_eq!(told, 1, "{}", done.stderr);
    let user = format!("uid {}", geteuid().as_raw());
    assert!(done.stderr.contains(&user), "{}", done.stderr);
}

#[test]
fn a_queue_in_the_folder_of_a_job_is_warned_of_where_that_shows() {
    let rig = Rig::new();
    let inside = rig.path("work/queue").display().to_string();
    let variables = [("AQ_QUEUE", inside.as_str())];
    let words = "lies in the folder that a job works in";
    for (id, keys, is_warned) in [
        ("a", "", true),
        ("b", "\ncwd: ..", true),
        ("c", "\ncwd: below", false),
    ] {
        fs::create_dir_all(rig.path("work/below")).unwrap();
        let name = rig.file(id, &format!("engine: sh{keys}"), "true");
        let add = rig.aq_with(&variables, &["add", &name]);
        let doctor = rig.aq_with(&variables, &["doctor"]);
        let run = rig.aq_with(&variables, &["run", "--drain"]);
        for told in [add.stderr, doctor.stdout, run.stderr] {
            assert_eq!(
                told.matches(words).count(),
                usize::from(is_warned),
                "{id}: {told}"
            );
        }
    }
    let name = rig.file("d", "engine: sh", "true");
    assert!(!rig.aq(&["add", &name]).stderr.contains(words));
}
