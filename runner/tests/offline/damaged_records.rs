//! One job whose record or file can't be worked with: it is set aside with a code, and every other job, and every
//! command, goes on beside it.

use std::fs;
use std::os::unix::fs::{chown, symlink};
use std::path::Path;

use rustix::process::geteuid;
use serde_json::Value;

use crate::queue_fixture::QueueFixture;

/// What can lie in the place of a record, and what it is called.
type Damage = (&'static str, fn(&Path, &Path));

/// The folder of the job in `.state`, and its record there.
const DAMAGES: &[Damage] = &[
    ("zeros", |_, record| fs::write(record, [0; 4096]).unwrap()),
    ("zeros between lines", |_, record| {
        let text = fs::read(record).unwrap();
        fs::write(record, [&text[..], &[0; 300], b"\n", &text[..]].concat()).unwrap();
    }),
    ("half a line", |_, record| {
        let text = fs::read_to_string(record).unwrap();
        fs::write(record, format!("{}\n{text}", &text[..text.len() / 2])).unwrap();
    }),
    ("another schema", |_, record| {
        fs::write(record, "{\"at\":\"now\",\"stage\":7}\n").unwrap();
    }),
    ("no UTF-8", |_, record| fs::write(record, b"\xff\xfe\n").unwrap()),
    ("a folder", |_, record| {
        fs::remove_file(record).unwrap();
        fs::create_dir(record).unwrap();
    }),
    ("a link to nothing", |_, record| {
        fs::remove_file(record).unwrap();
        symlink("nowhere", record).unwrap();
    }),
    ("a link to itself", |_, record| {
        fs::remove_file(record).unwrap();
        symlink("history.jsonl", record).unwrap();
    }),
    ("a file in place of its folder", |folder, _| {
        fs::remove_dir_all(folder).unwrap();
        fs::write(folder, "no folder").unwrap();
    }),
    ("a link in place of its folder", |folder, _| {
        fs::remove_dir_all(folder).unwrap();
        symlink(folder, folder).unwrap();
    }),
];

/// With three jobs that wait, of which the one in the middle is damaged.
fn damaged(damage: &Damage) -> QueueFixture {
    let fixture = QueueFixture::new();
    for id in ["a", "b", "c"] {
        fixture.add(id, "", "echo $AQ_JOB_ID >> $FIXTURE/runs");
    }
    let folder = fixture.queue(".state/jobs/b");
    (damage.1)(&folder, &folder.join("history.jsonl"));
    fixture
}

fn row(fixture: &QueueFixture, id: &str) -> Value {
    let listed = fixture.aq(&["list", "--all", "--json"]);
    assert_eq!(listed.code, 0, "{}", listed.stderr);
    let rows: Vec<Value> = serde_json::from_str(&listed.stdout).unwrap();
    rows.into_iter().find(|row| row["id"] == id).unwrap()
}

#[test]
fn a_job_whose_record_is_damaged_is_set_aside_and_the_others_run() {
    for damage in DAMAGES {
        let fixture = damaged(damage);
        let done = fixture.aq(&["run", "--drain"]);
        assert_eq!(done.code, 0, "{}: {}", damage.0, done.stderr);
        assert_eq!(fixture.lines("runs"), ["a", "c"], "{}", damage.0);
        let stages = ["a", "b", "c"].map(|id| fixture.stage(id));
        assert_eq!(stages, ["shipped", "quarantine", "shipped"], "{}", damage.0);
        assert!(
            done.stderr.contains("b  quarantined: record_damaged"),
            "{}: {}",
            damage.0,
            done.stderr
        );
    }
}

#[test]
fn every_command_works_beside_a_damaged_record_and_says_which_it_is() {
    for damage in DAMAGES {
        let fixture = damaged(damage);
        for place in ["inbox", "quarantine"] {
            assert_eq!(row(&fixture, "b")["reason"], "record_damaged", "{}", damage.0);
            assert_eq!(fixture.reason("b"), "record_damaged", "{}", damage.0);
            let advice = fixture.detail("b");
            assert!(advice.contains("aq repair b"), "{}: {advice}", damage.0);
            for command in ["list", "status"] {
                let done = fixture.aq(&[command]);
                assert_eq!(done.code, 0, "{} {command}: {}", damage.0, done.stderr);
            }
            let checked = fixture.aq(&["doctor", "--json"]).stdout;
            assert!(checked.contains("record_damaged"), "{}: {checked}", damage.0);
            assert_eq!(fixture.stage("b"), place, "{}", damage.0);
            assert_eq!(fixture.aq(&["run", "--drain"]).code, 0);
        }
        assert_eq!(fixture.aq(&["prune", "a"]).code, 0);
        fixture.add("d", "", "exit 1");
        fixture.add("e", "", "true");
        assert_eq!(fixture.aq(&["cancel", "e"]).code, 0);
        assert_eq!(fixture.aq(&["run", "--drain"]).code, 0);
        assert_eq!(fixture.aq(&["retry", "d"]).code, 0);
        assert_eq!(fixture.stage("b"), "quarantine", "{}", damage.0);
    }
}

#[test]
fn a_record_is_repaired_with_what_was_there_kept_beside_it_and_the_job_can_run_again() {
    for damage in DAMAGES {
        let fixture = damaged(damage);
        assert_eq!(fixture.aq(&["run", "--drain"]).code, 0);
        let repaired = fixture.aq(&["repair", "--json", "b"]);
        assert_eq!(repaired.code, 0, "{}: {}", damage.0, repaired.stderr);
        let told: Value = serde_json::from_str(&repaired.stdout).unwrap();
        let kept = Path::new(told["kept"].as_str().unwrap());
        assert!(kept.symlink_metadata().is_ok(), "{}: {told}", damage.0);
        let detail = fixture.detail("b");
        assert_eq!(fixture.reason("b"), "record_damaged", "{}", damage.0);
        assert!(detail.starts_with("repaired: "), "{}: {detail}", damage.0);
        assert_eq!(
            fixture.aq(&["repair", "b"]).code,
            0,
            "a second time changes nothing"
        );
        assert_eq!(fixture.detail("b"), detail);
        assert_eq!(fixture.aq(&["retry", "b"]).code, 0, "{}", damage.0);
        assert_eq!(fixture.aq(&["run", "--drain"]).code, 0);
        assert_eq!(fixture.stage("b"), "shipped", "{}", damage.0);
    }
}

#[test]
fn lines_that_can_still_be_read_are_kept_by_a_repair() {
    let fixture = QueueFixture::new();
    fixture.add("a", "", "exit 3");
    assert_eq!(fixture.aq(&["run", "--drain"]).code, 0);
    let record = fixture.queue(".state/jobs/a/history.jsonl");
    let text = fs::read_to_string(&record).unwrap();
    fs::write(&record, format!("{}{text}", "\0".repeat(80) + "\n")).unwrap();
    assert_eq!(
        (fixture.stage("a"), fixture.reason("a")),
        ("failed".into(), "record_damaged".into())
    );
    assert_eq!(fixture.aq(&["repair", "a"]).code, 0);
    let shown: Value = serde_json::from_str(&fixture.aq(&["show", "--json", "a"]).stdout).unwrap();
    assert_eq!(shown["attempts"], 1);
    assert_eq!(
        shown["history"].as_array().unwrap().len(),
        text.lines().count() + 1
    );
}

#[test]
fn a_record_of_another_user_is_no_reason_to_stop_and_repair_says_what_to_type() {
    if !geteuid().is_root() {
        eprintln!("skipped: only root can give a file to another user");
        return;
    }
    for part in [".state/jobs/b/history.jsonl", ".state/jobs/b"] {
        let fixture = damaged(&("nothing", |_, _| {}));
        chown(fixture.queue(part), Some(4321), Some(4321)).unwrap();
        let _ = chown(
            fixture.queue(".state/jobs/b/history.jsonl"),
            Some(4321),
            Some(4321),
        );
        let done = fixture.aq(&["run", "--drain"]);
        assert_eq!(
            (done.code, fixture.lines("runs").len()),
            (0, 2),
            "{}",
            done.stderr
        );
        assert_eq!(fixture.stage("b"), "quarantine");
        assert_eq!(fixture.reason("b"), "record_damaged");
        let told = fixture.aq(&["repair", "b"]);
        assert_eq!(told.code, 1);
        assert!(
            told.stderr.contains("uid 4321") && told.stderr.contains("chown -R"),
            "{}",
            told.stderr
        );
        for place in [part, ".state/jobs/b/history.jsonl"] {
            chown(fixture.queue(place), Some(0), Some(0)).unwrap();
        }
        assert_eq!(fixture.aq(&["repair", "b"]).code, 0);
        assert_eq!(fixture.aq(&["retry", "b"]).code, 0);
    }
}

#[test]
fn a_job_that_a_dead_runner_left_with_a_damaged_record_is_set_aside() {
    for stage in ["building", "testing", "review"] {
        let fixture = damaged(&DAMAGES[0]);
        fs::rename(fixture.queue("inbox/b.md"), fixture.queue(stage).join("b.md")).unwrap();
        let done = fixture.aq(&["run", "--drain"]);
        assert_eq!(
            (done.code, fixture.lines("runs").len()),
            (0, 2),
            "{stage}: {}",
            done.stderr
        );
        assert_eq!(fixture.stage("b"), "quarantine", "{stage}");
    }
}

#[test]
fn a_job_that_can_not_be_locked_is_set_aside_or_passed_over() {
    for (kind, stage) in [("job", "quarantine"), ("owner", "inbox")] {
        let fixture = damaged(&("nothing", |_, _| {}));
        let lock = fixture.queue(".state/locks").join(kind).join("b");
        fs::create_dir(&lock).unwrap();
        let done = fixture.aq(&["run", "--drain"]);
        assert_eq!(fixture.lines("runs"), ["a", "c"], "{kind}: {}", done.stderr);
        assert_eq!(fixture.stage("b"), stage, "{kind}");
        assert_eq!(
            done.stderr.matches("record_damaged").count(),
            1,
            "{kind}: {}",
            done.stderr
        );
        assert_eq!(
            fixture.aq(&["repair", "b"]).code,
            1,
            "{kind}: a lock is none of its business"
        );
        fs::remove_dir(&lock).unwrap();
        if kind == "job" {
            assert_eq!(fixture.reason("b"), "record_damaged");
            assert_eq!(fixture.aq(&["retry", "b"]).code, 0);
        }
        assert_eq!(fixture.aq(&["run", "--drain"]).code, 0);
        assert_eq!(fixture.stage("b"), "shipped", "{kind}");
    }
}

#[test]
fn where_the_folder_of_all_records_can_not_be_read_no_job_is_blamed() {
    let fixture = damaged(&("nothing", |_, _| {}));
    fs::rename(fixture.queue(".state/jobs"), fixture.path("away")).unwrap();
    fs::write(fixture.queue(".state/jobs"), "no folder").unwrap();
    let done = fixture.aq(&["run", "--drain"]);
    assert_eq!(
        (done.code, fixture.stage("b")),
        (1, "inbox".to_owned()),
        "{}",
        done.stderr
    );
}
