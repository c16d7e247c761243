//! A job that prints more than its log keeps: O-24. Beginning and end stay, and what is missing is counted.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use crate::queue_fixture::QueueFixture;
use crate::recorded_engines::recorded_output;

/// The least that can be set.
const LOG_MAX: u64 = 1024 * 1024;
/// More than twice as much, and how it is printed.
const NUMBERS: &str = "seq 1 400000";

fn with_small_logs() -> QueueFixture {
    let fixture = QueueFixture::new();
    fs::create_dir(fixture.queue("")).unwrap();
    fs::write(fixture.queue("aq.toml"), "[run]\nlog_max = \"1MiB\"\n").unwrap();
    fixture
}

fn numbers() -> String {
    (1..=400_000).map(|number| format!("{number}\n")).collect()
}

fn run(fixture: &QueueFixture) {
    let done = fixture.aq(&["run", "--drain"]);
    assert_eq!(done.code, 0, "{}", done.stderr);
}

/// Of a line of `aq` about what is missing: how much that is.
fn missing_of(line: &str) -> Option<usize> {
    let told = line
        .strip_prefix("┄ aq: ")?
        .strip_suffix(" bytes are missing here ┄")?;
    Some(told.parse().unwrap())
}

/// How much is missing in a log of this output, which is right in everything else. It may end early.
fn missing_in(log: &str, printed: &str) -> usize {
    let (mut place, mut missing) = (0, 0);
    for line in log.split_inclusive('\n') {
        if let Some(count) = missing_of(line.trim_end()) {
            assert!(printed[..place].ends_with('\n'), "the end of a line stays");
            (place, missing) = (place + count, missing + count);
            assert!(
                printed[..place].ends_with('\n'),
                "and so does the beginning of one"
            );
        } else {
            let rest = &printed[place..];
            assert!(
                rest.starts_with(line),
                "at {place}: {line:?} for {:?}",
                &rest[..20]
            );
            place += line.len();
        }
    }
    missing
}

/// A log that was followed is right to its end, too. What came while a line was written may have cut that line.
fn assert_followed(log: &str, printed: &str) {
    let mut lines = log.split_inclusive('\n').peekable();
    let mut places = BTreeSet::from([0]);
    while let Some(line) = lines.next() {
        if let Some(count) = missing_of(line.trim_end()) {
            places = places.iter().map(|place| place + count).collect();
            continue;
        }
        let is_gap = |next: &&&str| missing_of(next.trim_end()).is_some();
        let cut = lines.peek().filter(is_gap).map(|_| line.trim_end());
        let of_place = |place: &usize| {
            let rest = printed.get(*place..).unwrap_or_default();
            let found = [Some(line), cut]
                .into_iter()
                .flatten()
                .filter(|text| rest.starts_with(*text));
            found.map(|text| place + text.len()).collect::<Vec<_>>()
        };
        let next: BTreeSet<usize> = places.iter().flat_map(of_place).collect();
        assert!(!next.is_empty(), "at {places:?}: {line:?}");
        places = next;
    }
    assert!(places.contains(&printed.len()), "{places:?} of {}", printed.len());
}

/// What lies in the folder of the first attempt, in bytes.
fn disk_usage(fixture: &QueueFixture, id: &str) -> u64 {
    let folder = fixture.queue(&format!(".state/jobs/{id}/attempt-1"));
    let files = fs::read_dir(folder).unwrap().map(Result::unwrap);
    files
        .filter(|file| file.file_name().to_string_lossy().contains(".out"))
        .map(|file| file.metadata().unwrap().size())
        .sum()
}

#[test]
fn beginning_and_end_are_kept_and_what_is_missing_between_them_is_told_in_one_line() {
    let fixture = with_small_logs();
    fixture.add("a", "", NUMBERS);
    run(&fixture);
    let (log, printed) = (fixture.aq(&["logs", "a"]).stdout, numbers());
    let missing = missing_in(&log, &printed);
    assert!(log.starts_with("1\n2\n") && log.ends_with("\n399999\n400000\n"));
    assert_eq!(log.lines().filter_map(missing_of).count(), 1);
    let kept = printed.len() - missing;
    assert!((700_000..=1_048_576).contains(&kept), "{kept}");
    assert_eq!(disk_usage(&fixture, "a"), kept as u64);
    // A program gets the bytes, and is told beside them.
    let raw = fixture.aq(&["logs", "--raw", "a"]);
    assert_eq!(missing_of(raw.stderr.trim_end()), Some(missing));
    let told = log.lines().find(|line| missing_of(line).is_some()).unwrap();
    assert_eq!(raw.stdout, log.replace(&format!("{told}\n"), ""));
    let shown = fixture.aq(&["show", "--json", "a"]).stdout;
    let shown: serde_json::Value = serde_json::from_str(&shown).unwrap();
    let of_engine = &shown["logsOfAttempts"][0]["logs"][0];
    assert_eq!([&of_engine["bytes"], &of_engine["missingBytes"]], [kept, missing]);
}

#[test]
fn what_fits_is_kept_to_the_last_byte() {
    let fixture = with_small_logs();
    fixture.add("a", "", "seq 1 100000; printf 'and no end'");
    run(&fixture);
    let printed: String = (1..=100_000).map(|number| format!("{number}\n")).collect();
    assert_eq!(fixture.aq(&["logs", "a"]).stdout, printed + "and no end");
    assert_eq!(fixture.aq(&["logs", "--raw", "a"]).stderr, "");
}

#[test]
fn all_commands_of_an_attempt_share_the_limit_and_each_of_them_has_room() {
    let fixture = with_small_logs();
    fixture.add("all", &format!("verify: {NUMBERS}\nship: {NUMBERS}"), NUMBERS);
    fixture.add("last", &format!("ship: {NUMBERS}"), "echo little");
    run(&fixture);
    for id in ["all", "last"] {
        let usage = disk_usage(&fixture, id);
        assert!((LOG_MAX / 2..=LOG_MAX).contains(&usage), "{id}: {usage}");
    }
    let log = fixture.aq(&["logs", "all"]).stdout;
    let printed = numbers();
    assert_eq!(log.matches("\n399999\n400000\n").count(), 3);
    assert_eq!(log.lines().filter(|line| *line == "1").count(), 3);
    let outputs = log.split_inclusive("\n400000\n");
    let missing: Vec<usize> = outputs.map(|output| missing_in(output, &printed)).collect();
    assert!(missing.len() == 3 && missing[0] < missing[1], "{missing:?}");
    let log = fixture.aq(&["logs", "last"]).stdout;
    // What the engine left free is there for the last command.
    let kept = printed.len() - missing_in(log.strip_prefix("little\n").unwrap(), &printed);
    assert!(kept > 700_000, "{kept}");
}

#[test]
fn a_line_without_an_end_is_cut_between_characters() {
    let fixture = with_small_logs();
    for (id, text) in [("a", "é漢🦀"), ("b", "xé"), ("c", "\\033[31m漢")] {
        fixture.add(
            id,
            "",
            &format!("yes \"$(printf '{text}')\" | tr -d '\\n' | head -c 3000024"),
        );
        run(&fixture);
        let raw = fixture.path("raw");
        let save = format!("{} logs --raw {id} > {}", env!("CARGO_BIN_EXE_aq"), raw.display());
        let told = fixture.program(Path::new("sh"), &["-c", &save], &[]).end().stderr;
        // It would be valid by chance every second time at best, and there are two borders.
        let kept = String::from_utf8(fs::read(raw).unwrap()).unwrap();
        assert_eq!(
            kept.len() + missing_of(told.trim_end()).unwrap(),
            3_000_024,
            "{id}"
        );
        let log = fixture.aq(&["logs", id]).stdout;
        assert!(!log.contains('\u{fffd}') && log.lines().filter_map(missing_of).count() == 1);
    }
}

#[test]
fn the_last_event_of_an_engine_is_kept_and_decides() {
    let fixture = with_small_logs();
    let output = recorded_output("claude", "tool");
    let (first, rest) = output.split_once('\n').unwrap();
    fs::write(fixture.path("first"), format!("{first}\n")).unwrap();
    fs::write(fixture.path("rest"), rest).unwrap();
    let much = r#"{"type":"user","message":{"content":[{"type":"tool_result","content":"much"}]}}"#;
    let script = format!("cat $FIXTURE/first; yes '{much}' | head -n 50000; cat $FIXTURE/rest");
    fixture.engine("claude", &script);
    for (id, keys) in [("a", ""), ("b", "\nverify: seq 1 400000")] {
        let file = fixture.file(id, &format!("engine: claude{keys}"), "work");
        assert_eq!(fixture.aq(&["add", &file]).code, 0);
        run(&fixture);
        assert_eq!(
            (fixture.stage(id).as_str(), fixture.reason(id).as_str()),
            ("shipped", "none")
        );
        let log = fixture.aq(&["logs", id]).stdout;
        let told = "\nAll is done.\nsuccess (300 tokens in, 14 out, $0.0015)\n";
        assert!(
            log.contains(told) && missing_of(log.lines().next().unwrap()).is_some(),
            "{log}"
        );
    }
}

#[test]
fn a_log_that_is_followed_has_all_that_was_there_and_ends() {
    let fixture = with_small_logs();
    let script = format!("{NUMBERS}; echo > $FIXTURE/up; read x < $FIXTURE/go; {NUMBERS}; echo last");
    let printed = numbers() + &numbers() + "last\n";
    for id in ["a", "b"] {
        fixture.pipes(&["up", "go"]);
        fixture.add(id, "", &script);
        let early = fixture.start(&["logs", "-f", id], &[]);
        let run = fixture.start(&["run", "--drain"], &[]);
        fixture.wait_for("up");
        let late = fixture.start(&["logs", "-f", id], &[]);
        assert!(
            fixture.aq(&["logs", id]).stdout.ends_with("\n400000\n"),
            "and while it runs"
        );
        fixture.release("go");
        assert_eq!(run.end().code, 0);
        for follower in [early.end(), late.end()] {
            assert_followed(&follower.stdout, &printed);
            assert!(
                follower.stdout.ends_with("\n400000\nlast\n"),
                "{}",
                follower.stderr
            );
        }
        for name in ["up", "go"] {
            fs::remove_file(fixture.path(name)).unwrap();
        }
    }
}

#[test]
fn a_job_that_prints_its_own_bounded_log_does_not_feed_it() {
    let fixture = with_small_logs();
    let aq = env!("CARGO_BIN_EXE_aq");
    fixture.add(
        "a",
        "",
        &format!("{NUMBERS}; {aq} logs $AQ_JOB_ID; echo and itself"),
    );
    fixture.add(
        "b",
        &format!("verify: {aq} logs $AQ_JOB_ID; {aq} logs --raw $AQ_JOB_ID"),
        NUMBERS,
    );
    run(&fixture);
    for id in ["a", "b"] {
        assert_eq!(fixture.stage(id), "shipped");
        assert!(disk_usage(&fixture, id) <= LOG_MAX, "{id}");
    }
    assert!(
        fixture
            .aq(&["logs", "a"])
            .stdout
            .ends_with("\n400000\nand itself\n")
    );
}

// It ends a supervisor, which is the parent of a command.
#[test]
fn a_log_is_readable_whoever_was_killed_while_it_was_written() {
    let fixture = with_small_logs();
    let printed = numbers() + &numbers();
    for (id, whom) in [("supervisor", "$PPID"), ("itself", "$$"), ("both", "$PPID $$")] {
        fixture.add(id, "", &format!("{NUMBERS}; {NUMBERS}; kill -9 {whom}; sleep 60"));
        run(&fixture);
        let told = (fixture.stage(id), fixture.aq(&["show", id]).code);
        assert_eq!(told, ("failed".to_owned(), 0), "{id}");
        let log = fixture.aq(&["logs", id]).stdout;
        assert!(missing_in(&log, &printed) > 4_000_000, "{id}");
        assert!(disk_usage(&fixture, id) <= LOG_MAX, "{id}");
    }
}

#[test]
fn a_limit_that_leaves_no_room_for_an_event_is_refused_and_so_is_one_without_a_unit() {
    let fixture = with_small_logs();
    assert_eq!(fixture.aq(&["init"]).code, 0);
    for value in [
        "\"64KiB\"",
        "\"1023KiB\"",
        "\"0MiB\"",
        "\"1000000\"",
        "1048576",
        "\"-1MiB\"",
        "\"all\"",
        "true",
    ] {
        fs::write(fixture.queue("aq.toml"), format!("[run]\nlog_max = {value}\n")).unwrap();
        let done = fixture.aq(&["status"]);
        assert_eq!(done.code, 2, "{value}");
        assert!(done.stderr.contains("aq.toml:2: run.log_max"), "{}", done.stderr);
        assert!(done.stderr.contains("MiB"), "{}", done.stderr);
    }
    fs::write(fixture.queue("aq.toml"), "[run]\nlog_max = \"2GiB\"\n").unwrap();
    assert_eq!(fixture.aq(&["status"]).code, 0);
}
