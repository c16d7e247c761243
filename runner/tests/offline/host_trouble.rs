//! A host that runs out of something (O-20): no job is started until that is over, what runs goes on, no job is lost, and
//! none fails for it.

use std::fs;
use std::path::Path;
use std::process::Command;

use rustix::process::Signal;
use serde_json::Value;

use crate::queue_fixture::QueueFixture;
use crate::started_command::StartedCommand;

/// A queue on a disk of 1 MiB. It is mounted where nobody else sees it, so a script makes it and then is `aq`.
struct SmallDisk {
    fixture: QueueFixture,
}

impl SmallDisk {
    /// None, and the reason is said, where no disk can be mounted.
    fn new() -> Option<SmallDisk> {
        let probe = ["-m", "sh", "-c", "mount -t tmpfs -o size=1m none /mnt"];
        let can_mount = Command::new("unshare").args(probe).output();
        if !can_mount.is_ok_and(|done| done.status.success()) {
            eprintln!("skipped: nothing can be mounted here (unshare -m, mount -t tmpfs)");
            return None;
        }
        let fixture = QueueFixture::new();
        fs::create_dir(fixture.path("disk")).unwrap();
        Some(SmallDisk { fixture })
    }

    /// Starts a script in which the queue is on that disk.
    fn start(&self, script: &str) -> StartedCommand<'_> {
        let script = format!(
            "mount -t tmpfs -o size=1m,mode=755 none $FIXTURE/disk\nexport AQ_QUEUE=$FIXTURE/disk/queue\naq() {{ {} \
             \"$@\"; }}\nfill() {{ dd if=/dev/zero of=$FIXTURE/disk/ballast bs=4k 2>/dev/null; return 0; }}\n{script}",
            env!("CARGO_BIN_EXE_aq")
        );
        let arguments = ["-m", "sh", "-c", &script];
        self.fixture
            .program(Path::new("/usr/bin/unshare"), &arguments, &[])
    }

    fn end(&self, script: &str) -> (i32, String, String) {
        let done = self.start(script).end();
        (done.code, done.stdout, done.stderr)
    }
}

const ADD: &str = "for id in a b c; do printf -- '---\\nengine: sh\\n---\\necho $AQ_JOB_ID >> $FIXTURE/runs\\n' > $id.md; \
                   done; aq add a.md b.md c.md >&2";

/// Each line of what was listed, as `ID STAGE REASON`.
fn listed(json: &str) -> Vec<String> {
    let rows: Vec<Value> = serde_json::from_str(json.lines().last().unwrap()).unwrap();
    let mut rows: Vec<String> = rows
        .iter()
        .map(|row| format!("{} {} {}", row["id"], row["stage"], row["reason"]).replace('"', ""))
        .collect();
    rows.sort();
    rows
}

#[test]
fn on_a_full_disk_a_page_is_an_error_and_the_earlier_one_stays_whole() {
    let Some(disk) = SmallDisk::new() else { return };
    let (code, out, told) = disk.end(
        "cd $FIXTURE/disk; echo earlier > gate.html; fill; aq fleet-shadow-report --html gate.html
         echo code $?; cat gate.html; rm ballast; ls -A",
    );
    assert_eq!(
        (code, out.as_str()),
        (0, "code 1\nearlier\ngate.html\n"),
        "{told}"
    );
    assert!(told.contains("aq: can't write gate.html: "), "{told}");
}

#[test]
fn on_a_full_disk_a_run_waits_says_so_once_and_goes_on_when_there_is_room() {
    let Some(disk) = SmallDisk::new() else { return };
    let (code, out, told) = disk.end(&format!(
        "{ADD}; fill
         mkfifo told; (aq run --drain 2>told; echo $? >code) & exec 3<told
         while read line <&3; do case $line in *'no space is left'*) break;; esac; done
         aq status --json | grep -o '\"kind\":\"disk-full\"' >&2
         aq status | grep -o 'trouble [0-9]* starts no job' >&2
         test ! -e $FIXTURE/runs && echo nothing ran >&2
         rm $FIXTURE/disk/ballast; cat <&3 >&2; wait; cat code >&2; aq list --json"
    ));
    assert_eq!(code, 0, "{told}");
    assert!(
        told.contains("\"kind\":\"disk-full\"") && told.contains("nothing ran"),
        "{told}"
    );
    assert!(told.contains(" starts no job"), "{told}");
    assert!(told.contains("jobs are started again"), "{told}");
    assert_eq!(
        listed(&out),
        ["a shipped null", "b shipped null", "c shipped null"],
        "{told}"
    );
    assert_eq!(disk.fixture.lines("runs"), ["a", "b", "c"]);
}

#[test]
fn a_run_is_begun_on_a_full_disk_and_one_that_ends_there_loses_nothing() {
    let Some(disk) = SmallDisk::new() else { return };
    let (code, out, told) = disk.end(&format!(
        "{ADD}; fill
         mkfifo told; aq run 2>told & exec 3<told
         while read line <&3; do case $line in *'no space is left'*) break;; esac; done
         kill $(aq status --json | grep -o '\"pid\":[0-9]*' | cut -d: -f2); wait $!; echo ended with $? >&2
         rm $FIXTURE/disk/ballast; aq run --drain >&2; aq list --json"
    ));
    assert_eq!(code, 0, "{told}");
    assert!(told.contains("ended with 143"), "{told}");
    assert_eq!(
        listed(&out),
        ["a shipped null", "b shipped null", "c shipped null"],
        "{told}"
    );
}

#[test]
fn of_a_full_disk_the_command_of_notify_is_told_and_the_figures_follow_when_there_is_room() {
    let Some(disk) = SmallDisk::new() else { return };
    let (code, out, told) = disk.end(&format!(
        "aq init >&2; printf '[notify]\\ncommand = \"cat >> $FIXTURE/told\"\\n' > \
         $AQ_QUEUE/aq.toml
         {ADD}; fill
         mkfifo told; (aq run --drain 2>told; echo $? >code) & exec 3<told
         while read line <&3; do case $line in *'no space is left'*) break;; esac; done
         rm $FIXTURE/disk/ballast; cat <&3 >&2; wait; cat code >&2; grep -c ^aq_attempts_started_total.3$ \
         $AQ_QUEUE/.state/metrics.prom >&2; aq list --json"
    ));
    assert_eq!(code, 0, "{told}");
    assert!(out.contains("shipped") && told.ends_with("0\n1\n"), "{told}");
    let objects = disk.fixture.lines("told");
    let object: Value = serde_json::from_str(&objects[0]).unwrap();
    assert_eq!(objects.len(), 1, "{objects:?}");
    assert_eq!(
        (&object["event"], &object["reason"]),
        (&"host_trouble".into(), &"disk-full".into())
    );
}

#[test]
fn a_job_that_fills_the_disk_by_what_it_prints_ends_and_the_others_wait_for_room() {
    let Some(disk) = SmallDisk::new() else { return };
    let (code, out, told) = disk.end(
        "printf -- '---\\nengine: sh\\npriority: 1\\n---\\nhead -c 3000000 /dev/zero\\n' > big.md
         printf -- '---\\nengine: sh\\n---\\ntrue\\n' > small.md; aq add big.md small.md >&2
         mkfifo told; (aq run --drain 2>told; echo $? >code) & exec 3<told
         while read line <&3; do case $line in *'no space is left'*) break;; esac; done
         while ! aq prune big >&2; do read line <&3; done
         cat <&3 >&2; wait; cat code >&2; aq list --json",
    );
    assert_eq!(code, 0, "{told}");
    assert_eq!(listed(&out), ["small shipped null"], "{told}");
}

#[test]
fn a_job_that_fails_while_the_disk_is_full_is_put_back_uncounted() {
    let Some(disk) = SmallDisk::new() else { return };
    let (code, out, told) = disk.end(
        "printf -- '---\\nengine: sh\\nverify: test ! -e $FIXTURE/disk/ballast\\n---\\nif mkdir $FIXTURE/first; then dd \
         if=/dev/zero of=$FIXTURE/disk/ballast bs=4k; fi\\ntrue\\n' > a.md; aq add a.md >&2
         mkfifo told; (aq run --drain 2>told; echo $? >code) & exec 3<told
         while read line <&3; do case $line in *'put back'*) break;; esac; done
         rm $FIXTURE/disk/ballast; cat <&3 >&2; wait; cat code >&2; aq show a | grep host_trouble >&2; aq list --json",
    );
    assert_eq!(code, 0, "{told}");
    assert!(told.contains("host_trouble"), "{told}");
    assert_eq!(listed(&out), ["a shipped null"], "{told}");
}

/// Runs with so few descriptors that only some of the workers can be used.
fn drain_with_descriptors(fixture: &QueueFixture, limit: u32) -> (i32, String) {
    // What whoever started this test left open takes nothing of the room.
    let script = format!(
        "room={limit}; for fd in $(ls /dev/fd); do test $fd -gt 3 && test $fd -lt {limit} && room=$((room + 1)); done
         ulimit -n $room; exec {} run --drain --workers 8",
        env!("CARGO_BIN_EXE_aq")
    );
    let done = fixture.program(Path::new("/bin/sh"), &["-c", &script], &[]).end();
    (done.code, done.stderr)
}

#[test]
fn with_too_few_descriptors_for_its_workers_a_run_does_what_it_can_at_a_time() {
    // Room for one job, and for some. To watch the folders, the portable half needs four descriptors more.
    let watch = if cfg!(all(target_os = "linux", not(portable))) {
        0
    } else {
        4
    };
    for limit in [32 + watch, 40 + watch] {
        let fixture = QueueFixture::new();
        for number in 10..26 {
            fixture.add(
                &format!("j{number}"),
                "",
                "echo $AQ_JOB_ID >> $FIXTURE/runs; sleep 0.05",
            );
        }
        let (code, told) = drain_with_descriptors(&fixture, limit);
        assert_eq!(code, 0, "{limit}: {told}");
        assert_eq!(fixture.lines("runs").len(), 16, "{limit}: {told}");
        assert!(
            told.matches("no file descriptors left").count() <= 1 + told.matches("started again").count()
        );
        for number in 10..26 {
            assert_eq!(fixture.stage(&format!("j{number}")), "shipped", "{limit}: {told}");
        }
    }
}

#[test]
fn what_runs_goes_on_and_is_put_back_at_the_end_where_no_descriptor_is_left() {
    let fixture = QueueFixture::new();
    for number in 10..18 {
        fixture.add(
            &format!("j{number}"),
            "",
            "echo >> $FIXTURE/runs; exec sleep 1000",
        );
    }
    let script = format!("ulimit -n 24; exec {} run --workers 8", env!("CARGO_BIN_EXE_aq"));
    let run = fixture.program(Path::new("/bin/sh"), &["-c", &script], &[]);
    run.wait_for_message("no file descriptors left");
    run.signal(Signal::TERM);
    let done = run.end();
    assert_eq!(done.code, 143, "{}", done.stderr);
    for number in 10..18 {
        assert_eq!(fixture.stage(&format!("j{number}")), "inbox", "{}", done.stderr);
    }
    let spent = |id: &str| {
        let record = fs::read_to_string(fixture.queue(".state/jobs").join(id).join("history.jsonl")).unwrap();
        let last: Value = serde_json::from_str(record.lines().last().unwrap()).unwrap();
        last["spent"].clone()
    };
    assert_eq!(spent("j10"), 0, "the attempt that was cut off does not count");
}
