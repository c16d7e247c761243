//! The figures of a queue for Prometheus: what stands in the file, that it is whole, and that nothing about it harms a job.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use rustix::process::Signal;

use crate::coordinator::Coordinator;
use crate::engine_breaker::add_jobs;
use crate::queue_fixture::QueueFixture;

/// The samples of a text, by name and labels as they stand there. Each line is held against the rules of the format.
fn samples(text: &str) -> BTreeMap<String, f64> {
    let is_name = |name: &str| {
        name.starts_with("aq_")
            && name
                .bytes()
                .all(|byte| byte.is_ascii_lowercase() || byte == b'_' || byte.is_ascii_digit())
    };
    assert!(text.ends_with('\n'), "{text}");
    let (mut samples, mut types, mut told) = (BTreeMap::new(), BTreeMap::new(), BTreeSet::new());
    for line in text.lines() {
        if let Some(help) = line.strip_prefix("# HELP ") {
            let (name, what) = help.split_once(' ').unwrap();
            assert!(
                is_name(name) && !what.is_empty() && told.insert(name.to_owned()),
                "{line}"
            );
            continue;
        }
        if let Some(kind) = line.strip_prefix("# TYPE ") {
            let (name, kind) = kind.split_once(' ').unwrap();
            assert!(["gauge", "counter", "histogram"].contains(&kind), "{line}");
            assert!(told.contains(name) && types.insert(name.to_owned(), kind.to_owned()).is_none());
            assert_eq!(kind == "counter", name.ends_with("_total"), "{line}");
            continue;
        }
        let (sample, value) = line.rsplit_once(' ').unwrap();
        let (name, labels) = sample.split_once('{').unwrap_or((sample, "}"));
        assert!(is_name(name), "{line}");
        // The labels, in the grammar of the format; a time after the value would be taken for one of them.
        let mut rest = labels.strip_suffix('}').unwrap_or_else(|| panic!("{line}"));
        while let Some((label, after)) = rest.split_once("=\"") {
            assert!(
                label
                    .bytes()
                    .all(|byte| byte.is_ascii_lowercase() || byte == b'_'),
                "{line}"
            );
            let end = after.find('"').unwrap();
            assert!(
                !after[..end].contains(['\\', '\n']),
                "no label here needs an escape: {line}"
            );
            rest = after[end + 1..].trim_start_matches(',');
        }
        assert_eq!(rest, "", "{line}");
        let family = ["_bucket", "_sum", "_count"]
            .iter()
            .find_map(|part| name.strip_suffix(part));
        let family = family.filter(|family| types.get(*family).is_some_and(|kind| kind == "histogram"));
        assert_eq!(
            types
                .keys()
                .filter(|known| *known == family.unwrap_or(name))
                .count(),
            1,
            "{line}"
        );
        let value: f64 = value.parse().unwrap();
        assert!(
            samples.insert(sample.to_owned(), value).is_none(),
            "twice: {line}"
        );
    }
    samples
}

fn read(path: &Path) -> BTreeMap<String, f64> {
    samples(&fs::read_to_string(path).unwrap())
}

fn figures(fixture: &QueueFixture) -> BTreeMap<String, f64> {
    read(&fixture.queue(".state/metrics.prom"))
}

#[test]
fn what_runs_have_done_and_what_the_queue_holds_is_told_over_several_runs() {
    let fixture = QueueFixture::new();
    fixture.add("fails", "retries: 1", "exit 3");
    fixture.add("waits", "review: true", "true");
    fixture.add("works", "", "true");
    let before = jiff::Timestamp::now().as_second() as f64;
    assert_eq!(fixture.aq(&["run", "--drain"]).code, 0);
    fixture.add("more", "", "true");
    fs::write(fixture.queue("inbox/odd.md"), "---\nengine: [\n---\n").unwrap();
    assert_eq!(fixture.aq(&["run", "--drain"]).code, 0);
    let told = figures(&fixture);
    for (sample, value) in [
        ("aq_jobs{stage=\"inbox\"}", 0.0),
        ("aq_jobs{stage=\"building\"}", 0.0),
        ("aq_jobs{stage=\"review\"}", 1.0),
        ("aq_jobs{stage=\"shipped\"}", 2.0),
        ("aq_jobs{stage=\"failed\"}", 2.0),
        ("aq_attempts_started_total", 5.0),
        ("aq_attempt_duration_seconds_count", 5.0),
        ("aq_attempt_duration_seconds_bucket{le=\"+Inf\"}", 5.0),
        ("aq_job_results_total{stage=\"inbox\",reason=\"exit_code\"}", 1.0),
        ("aq_job_results_total{stage=\"failed\",reason=\"exit_code\"}", 1.0),
        (
            "aq_job_results_total{stage=\"failed\",reason=\"job_invalid\"}",
            1.0,
        ),
        ("aq_job_results_total{stage=\"review\",reason=\"none\"}", 1.0),
        ("aq_job_results_total{stage=\"shipped\",reason=\"none\"}", 2.0),
        ("aq_runners{mode=\"offline\"}", 0.0),
        ("aq_runners{mode=\"route\"}", 0.0),
        ("aq_workers", 0.0),
        ("aq_engine_paused{engine=\"claude\"}", 0.0),
        ("aq_host_trouble{kind=\"disk-full\"}", 0.0),
    ] {
        assert_eq!(told.get(sample), Some(&value), "{sample}: {told:?}");
    }
    let version = format!("aq_build_info{{version=\"{}\"}}", env!("CARGO_PKG_VERSION"));
    assert_eq!(told[&version], 1.0);
    assert!(told["aq_metrics_written_timestamp_seconds"] >= before);
    assert!(!told.contains_key("aq_coordinator_trouble"), "{told:?}");
}

#[test]
fn a_runner_at_work_is_told_with_its_mode_its_lane_and_the_engines_that_are_paused() {
    let fixture = QueueFixture::new();
    fixture.engine(
        "claude",
        "[ \"$1\" = auth ] && exit 1\necho 'Invalid API key · Please run /login'; exit 1",
    );
    add_jobs(&fixture, "claude", "", &["a"]);
    assert_eq!(fixture.aq(&["run", "--drain"]).code, 1);
    let told = figures(&fixture);
    assert_eq!(told["aq_engine_paused{engine=\"claude\"}"], 1.0);
    let end = told["aq_engine_pause_end_timestamp_seconds{engine=\"claude\"}"];
    assert!(end > told["aq_metrics_written_timestamp_seconds"], "{told:?}");
    let coordinator = Coordinator::with(serde_json::Value::Null, |path, _| {
        path.ends_with("/claims").then_some((503, serde_json::json!({})))
    });
    fixture.pipes(&["up", "go"]);
    fixture.add("b", "", "echo > $FIXTURE/up; read x < $FIXTURE/go");
    let variables = [
        ("AQ_FLEET", "1"),
        ("AQ_FLEET_SHADOW", "1"),
        ("AQ_FLEET_URL", coordinator.url.as_str()),
    ];
    let run = fixture.start(&["run", "--workers", "3"], &variables);
    fixture.wait_for("up");
    run.wait_for_message("status-503");
    // Whoever ends writes, and tells of all that are at work.
    fixture.aq(&["run", "--once"]);
    let told = figures(&fixture);
    assert_eq!(told["aq_runners{mode=\"shadow\"}"], 1.0, "{told:?}");
    assert_eq!(told["aq_workers"], 3.0);
    assert_eq!(told["aq_jobs{stage=\"building\"}"], 1.0);
    assert_eq!(told["aq_coordinator_trouble"], 1.0);
    assert_eq!(told["aq_shadow_comparison_stopped"], 0.0);
    fixture.release("go");
    run.signal(Signal::TERM);
    assert_eq!(run.end().code, 143);
    assert_eq!(figures(&fixture)["aq_runners{mode=\"shadow\"}"], 0.0);
}

#[test]
fn two_runners_that_end_at_once_are_both_counted() {
    let fixture = QueueFixture::new();
    for number in 10..30 {
        fixture.add(&format!("j{number}"), "", "true");
    }
    let runs = [0, 1, 2].map(|_| fixture.start(&["run", "--drain"], &[]));
    runs.into_iter().for_each(|run| assert_eq!(run.end().code, 0));
    assert_eq!(figures(&fixture)["aq_attempts_started_total"], 20.0);
    let scratch = fs::read_dir(fixture.queue(".state/scratch")).unwrap().count();
    assert_eq!(scratch, 0);
}

#[test]
fn others_may_read_the_file_and_it_can_lie_elsewhere_or_nowhere() {
    let fixture = QueueFixture::new();
    let mode = |path: &Path| path.metadata().unwrap().permissions().mode() & 0o777;
    assert_eq!(fixture.aq(&["init"]).code, 0);
    assert_eq!(fixture.aq(&["run", "--drain"]).code, 0);
    assert_eq!(mode(&fixture.queue(".state/metrics.prom")), 0o644);
    assert_eq!(mode(&fixture.queue(".state")), 0o700);
    fs::remove_file(fixture.queue(".state/metrics.prom")).unwrap();
    fs::create_dir(fixture.path("textfile")).unwrap();
    fs::write(
        fixture.queue("aq.toml"),
        "[metrics]\nfile = \"../textfile/aq.prom\"\n",
    )
    .unwrap();
    let script = format!("umask 077; exec {} run --drain", env!("CARGO_BIN_EXE_aq"));
    let closed = fixture.program(Path::new("/bin/sh"), &["-c", &script], &[]);
    assert_eq!(closed.end().code, 0);
    let elsewhere = fixture.path("textfile/aq.prom");
    assert_eq!(read(&elsewhere)["aq_attempts_started_total"], 0.0);
    assert_eq!(mode(&elsewhere), 0o644);
    assert_eq!(fs::read_dir(fixture.path("textfile")).unwrap().count(), 1);
    fs::write(fixture.queue("aq.toml"), "[metrics]\nenabled = false\n").unwrap();
    fs::remove_file(&elsewhere).unwrap();
    assert_eq!(fixture.aq(&["run", "--drain"]).code, 0);
    assert!(!elsewhere.exists() && !fixture.queue(".state/metrics.prom").exists());
}

#[test]
fn nothing_that_is_in_the_way_of_the_file_is_in_the_way_of_a_job() {
    for place in ["folder", "link", "damaged", "no folder"] {
        let fixture = QueueFixture::new();
        fixture.add("a", "", "true");
        let file = fixture.queue(".state/metrics.prom");
        match place {
            "folder" => fs::create_dir(&file).unwrap(),
            "link" => std::os::unix::fs::symlink(fixture.path("target"), &file).unwrap(),
            "damaged" => fs::write(
                &file,
                b"aq_attempts_started_total 2\naq_job_results_total \xff\0 x\n",
            )
            .unwrap(),
            _ => fs::write(
                fixture.queue("aq.toml"),
                "[metrics]\nfile = \"/no/such/folder/aq.prom\"\n",
            )
            .unwrap(),
        }
        let done = fixture.aq(&["run", "--drain"]);
        assert_eq!(
            (done.code, fixture.stage("a").as_str()),
            (0, "shipped"),
            "{place}: {done:?}"
        );
        assert!(!fixture.path("target").exists(), "{place}");
        if place == "damaged" {
            assert_eq!(figures(&fixture)["aq_attempts_started_total"], 3.0);
        }
    }
}

#[test]
fn a_runner_that_waits_writes_it_again_and_again() {
    let fixture = QueueFixture::new();
    fixture.pipe("up");
    fixture.add("a", "", "echo > $FIXTURE/up");
    let file = fixture.queue(".state/metrics.prom");
    let run = fixture.start(&["run"], &[]);
    fixture.wait_for("up");
    run.wait_for_message("waiting for jobs");
    let mut watch = crate::observed_process::FileWatch::of(&fixture.queue(".state"));
    while fs::read_to_string(&file).map_or(true, |text| samples(&text)["aq_attempts_started_total"] < 1.0) {
        assert!(watch.wait(), "it is not written");
    }
    assert_eq!(figures(&fixture)["aq_runners{mode=\"offline\"}"], 1.0);
    run.signal(Signal::TERM);
    assert_eq!(run.end().code, 143);
}
