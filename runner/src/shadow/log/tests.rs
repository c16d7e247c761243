//! The shadow log on a disk: its lines, writers at the same time, rotation, and what a killed writer leaves.

use std::fs;

use serde_json::{Value, json};

use super::*;
use crate::fleet::call_failure::{CallFailure, FailureKind};
use crate::shadow::comparison::{ComparisonVerdict, DecisionComparison, DivergenceReason};

const LIMITS: LogSettings = LogSettings {
    shadow_size: 1 << 30,
    shadow_age: Duration::MAX,
};

fn queue() -> (tempfile::TempDir, ShadowLog) {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join(".state")).unwrap();
    let log = ShadowLog::within(folder.path(), LIMITS);
    (folder, log)
}

fn lines(log: &ShadowLog) -> Vec<String> {
    fs::read_to_string(&log.path)
        .unwrap()
        .lines()
        .map(str::to_owned)
        .collect()
}

fn value(line: &ShadowLogLine) -> Value {
    let mut value = serde_json::to_value(line).unwrap();
    let ts = value.as_object_mut().unwrap().remove("ts").unwrap();
    assert_eq!(ts.as_str().unwrap().len(), "2026-03-02T09:30:45.250Z".len());
    value
}

#[test]
fn each_line_has_the_fields_that_readers_count_on() {
    let found = DecisionComparison {
        verdict: ComparisonVerdict::CoordEmpty,
        coord: None,
        reason: None,
        rank: None,
    };
    assert_eq!(
        value(&ShadowLogLine::comparison("d-1", Some("alpha"), &found)),
        json!({"event": "comparison", "localJob": "alpha", "coordJob": null, "verdict": "COORD_EMPTY", "decision": "d-1"})
    );
    let found = DecisionComparison {
        verdict: ComparisonVerdict::Diverge,
        coord: Some(String::from("beta")),
        reason: Some(DivergenceReason::LockHeld),
        rank: Some(2),
    };
    assert_eq!(
        value(&ShadowLogLine::comparison("d-2", Some("alpha"), &found)),
        json!({"event": "comparison", "localJob": "alpha", "coordJob": "beta", "verdict": "DIVERGE",
            "decision": "d-2", "reason": "lock_held", "rank": 2})
    );
    assert_eq!(
        value(&ShadowLogLine::skipped("d-3", None, SkipReason::ViewGap)),
        json!({"event": "skipped", "localJob": null, "coordJob": null, "verdict": null, "decision": "d-3", "reason": "view_gap"})
    );
    let failure = CallFailure::indefinite(FailureKind::Status(503), "busy\n");
    assert_eq!(
        value(&ShadowLogLine::error(
            "shadow.report",
            None,
            Some("alpha"),
            &failure
        )),
        json!({"event": "shadow-error", "localJob": "alpha", "coordJob": null, "verdict": null, "decision": null,
            "operation": "shadow.report", "kind": "status-503", "status": 503, "detail": "busy\\n"})
    );
    assert_eq!(
        value(&ShadowLogLine::lease(
            ShadowLogEvent::LeaseLeaked,
            Some("a"),
            "lease-9",
            "refused"
        )),
        json!({"event": "lease-leaked", "localJob": null, "coordJob": "a", "verdict": null, "decision": null,
            "lease": "lease-9", "detail": "refused"})
    );
}

#[test]
fn a_torn_tail_is_closed_off_and_whole_lines_are_left_alone() {
    let (_folder, log) = queue();
    fs::write(&log.path, "{\"verdict\":\"AGR").unwrap();
    log.append_all(&["d-1", "d-2"].map(|decision| ShadowLogLine::skipped(decision, None, SkipReason::Exit)));
    let lines = lines(&log);
    assert_eq!(lines.len(), 3);
    assert_eq!(lines[0], "{\"verdict\":\"AGR");
    assert!(lines[1].contains("d-1") && lines[2].contains("d-2"));
    assert_eq!(log.lost.get(), 0);
}

#[test]
fn what_is_no_file_is_never_written_to_and_never_waited_for() {
    for place in ["pipe", "link", "folder", "nowhere"] {
        let (folder, log) = queue();
        match place {
            "pipe" => {
                let made = std::process::Command::new("mkfifo").arg(&log.path).status();
                assert!(made.unwrap().success());
            }
            "link" => std::os::unix::fs::symlink("/dev/full", &log.path).unwrap(),
            "folder" => fs::create_dir(&log.path).unwrap(),
            _ => fs::remove_dir(folder.path().join(".state")).unwrap(),
        }
        log.append_all(
            &["d-1", "d-2"].map(|decision| ShadowLogLine::skipped(decision, None, SkipReason::Exit)),
        );
        assert_eq!(log.lost.get(), 2, "{place}");
    }
}

#[test]
fn writers_at_the_same_time_tear_no_line() {
    let (folder, log) = queue();
    let queue = folder.path();
    std::thread::scope(|scope| {
        for writer in 0..8 {
            scope.spawn(move || {
                let log = ShadowLog::within(queue, LIMITS);
                for count in 0..100 {
                    log.append(&ShadowLogLine::skipped(
                        &format!("{writer}-{count}"),
                        Some("alpha"),
                        SkipReason::Exit,
                    ));
                }
            });
        }
    });
    let mut decisions: Vec<String> = lines(&log)
        .iter()
        .map(|line| {
            serde_json::from_str::<Value>(line).unwrap()["decision"]
                .as_str()
                .unwrap()
                .to_owned()
        })
        .collect();
    decisions.sort();
    decisions.dedup();
    assert_eq!(decisions.len(), 800);
}

/// The decisions of a log in its order, and how many parts of it were pruned.
fn whole(log: &ShadowLog) -> (Vec<String>, u64) {
    let whole = rotation::open_all(&log.path).unwrap();
    let texts = whole
        .files
        .into_iter()
        .map(|file| io::read_to_string(file).unwrap());
    let text: String = texts.collect();
    let values = text
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap());
    let decisions = values.filter_map(|value| value["decision"].as_str().map(str::to_owned));
    (decisions.collect(), whole.pruned)
}

fn write(log: &ShadowLog, decisions: std::ops::Range<u32>) {
    for decision in decisions {
        log.append(&ShadowLogLine::skipped(
            &decision.to_string(),
            Some("alpha"),
            SkipReason::Exit,
        ));
    }
}

fn told(decisions: std::ops::Range<u32>) -> Vec<String> {
    decisions.map(|decision| decision.to_string()).collect()
}

fn rotating() -> (tempfile::TempDir, ShadowLog) {
    let (folder, mut log) = queue();
    log.limits.shadow_size = 1000;
    (folder, log)
}

#[test]
fn parts_are_read_in_order_as_one_log() {
    let (_folder, log) = rotating();
    write(&log, 0..100);
    let (decisions, pruned) = whole(&log);
    assert_eq!((decisions, pruned), (told(0..100), 0));
    let size = |name: &str| fs::metadata(log.path.with_extension(name)).unwrap().len();
    assert!((1000..1500).contains(&size("log.1")) && size("log") < 1500);
    assert!(log.path.with_extension("log.9").exists());
}

#[test]
fn writers_at_the_same_time_lose_and_tear_no_line_of_a_log_that_is_rotated() {
    let (folder, log) = rotating();
    let (queue, limits) = (folder.path(), log.limits);
    std::thread::scope(|scope| {
        for writer in 0..8 {
            scope.spawn(move || {
                write(
                    &ShadowLog::within(queue, limits),
                    writer * 100..writer * 100 + 100,
                );
            });
        }
    });
    let (mut decisions, pruned) = whole(&log);
    decisions.sort_by_key(|decision| decision.parse::<u32>().unwrap());
    assert_eq!((decisions, pruned), (told(0..800), 0));
}

#[test]
fn a_log_that_is_moved_aside_takes_what_it_continues_with_it() {
    let (folder, log) = rotating();
    write(&log, 0..50);
    fs::rename(&log.path, folder.path().join("aside")).unwrap();
    assert_eq!(
        rotation::open_all(&log.path).err().unwrap().kind(),
        io::ErrorKind::NotFound
    );
    write(&log, 50..52);
    assert_eq!(whole(&log), (told(50..52), 0));
    write(&log, 52..100);
    assert_eq!(whole(&log), (told(50..100), 0));
}

#[test]
fn who_was_killed_while_rotating_leaves_a_log_that_is_whole() {
    let (_folder, log) = rotating();
    write(&log, 0..20);
    // Made whole, and not exchanged any more; or not even whole.
    let parts = |count: u32| log.path.with_extension(format!("log.{count}"));
    let next = (1..).find(|count| !parts(*count).exists()).unwrap();
    for rest in [fs::read_to_string(&log.path).unwrap().lines().next().unwrap(), ""] {
        fs::write(parts(next), rest).unwrap();
        assert_eq!(whole(&log), (told(0..20), 0));
    }
    write(&log, 20..50);
    assert_eq!(whole(&log), (told(0..50), 0));
}

#[test]
fn what_can_not_be_rotated_goes_on_to_grow() {
    let (_folder, log) = rotating();
    write(&log, 0..5);
    // The next number is taken by what is no file.
    fs::create_dir(log.path.with_extension("log.1")).unwrap();
    write(&log, 5..30);
    assert_eq!((whole(&log), log.lost.get()), ((told(0..30), 0), 0));
}

#[test]
fn old_parts_go_but_for_what_holds_the_gate_and_all_that_came_after_it() {
    let (_folder, mut log) = rotating();
    write(&log, 0..50);
    log.limits.shadow_age = Duration::from_secs(3600);
    let age = |count: u32| {
        let long_ago = std::time::SystemTime::now() - Duration::from_secs(7200);
        let part = File::options()
            .append(true)
            .open(log.path.with_extension(format!("log.{count}")));
        part.unwrap().set_modified(long_ago).unwrap();
    };
    (1..=3).for_each(age);
    write(&log, 50..60);
    let (decisions, pruned) = whole(&log);
    assert_eq!(pruned, 3);
    assert_eq!(decisions.last().unwrap(), "59");
    let harm = DecisionComparison {
        verdict: ComparisonVerdict::Diverge,
        coord: Some(String::from("x")),
        reason: Some(DivergenceReason::Unknown),
        rank: None,
    };
    log.append(&ShadowLogLine::comparison("harm", Some("alpha"), &harm));
    write(&log, 60..80);
    let holds = |count: &u32| {
        fs::read_to_string(log.path.with_extension(format!("log.{count}")))
            .is_ok_and(|text| text.contains("harm"))
    };
    let holding = (1..20).find(holds).unwrap();
    (4..=holding + 1).for_each(age);
    write(&log, 80..90);
    let (decisions, pruned) = whole(&log);
    assert_eq!((pruned, u64::from(holding) - 1), (u64::from(holding) - 1, pruned));
    assert!(decisions.contains(&String::from("harm")) && decisions.ends_with(&told(80..90)));
}
