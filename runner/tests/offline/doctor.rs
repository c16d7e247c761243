//! `aq doctor`: what would go wrong is told before it does, and telling it changes nothing.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use serde_json::Value;

use crate::coordinator::Coordinator;
use crate::observed_process::is_alive;
use crate::queue_fixture::QueueFixture;

const OPENCODE: &str = "case \"$*\" in
    --version) echo 'a warning'; echo '1.2.3 (test)' ;;
    'run --help') echo \"  --format F  --auto$SUFFIX  approve\" ;;
    *) exit 9 ;;
esac";

fn examine(fixture: &QueueFixture, variables: &[(&str, &str)]) -> (i32, Value) {
    let done = fixture.aq_with(variables, &["doctor", "--json"]);
    let findings = serde_json::from_str(&done.stdout).unwrap_or_else(|_| panic!("{done:?}"));
    (done.code, findings)
}

/// The texts of the findings of that level about that subject.
fn told(findings: &Value, level: &str, subject: &str) -> Vec<String> {
    let all = findings["findings"].as_array().unwrap();
    all.iter()
        .filter(|finding| finding["level"] == level && finding["subject"] == subject)
        .map(|finding| format!("{} → {}", finding["text"], finding["next"]))
        .collect()
}

#[test]
fn a_healthy_queue_is_told_to_be_one_with_the_version_of_its_engine() {
    let fixture = QueueFixture::new();
    fixture.engine("opencode", OPENCODE);
    let file = fixture.file("a", "engine: opencode", "work");
    assert_eq!(fixture.aq(&["add", &file]).code, 0);
    let (code, findings) = examine(&fixture, &[]);
    assert_eq!((code, &findings["fail"]), (0, &0.into()), "{findings}");
    let engine = told(&findings, "ok", "opencode");
    assert!(engine[0].contains("1.2.3 (test)"), "{engine:?}");
    assert!(told(&findings, "ok", "inbox")[0].contains("can run here"));
    assert_eq!(fixture.stage("a"), "inbox");
    let text = fixture.aq(&["doctor"]).stdout;
    assert!(
        text.contains("ok    opencode") && text.contains("0 that will go wrong"),
        "{text}"
    );
}

#[test]
fn what_the_system_can_not_keep_is_told_and_is_no_finding() {
    let fixture = QueueFixture::new();
    fixture.engine("opencode", OPENCODE);
    assert_eq!(fixture.aq(&["init"]).code, 0);
    let (code, told) = examine(&fixture, &[]);
    assert_eq!((code, &told["fail"]), (0, &0.into()), "{told}");
    let status = fixture.aq(&["fleet-status", "--json"]).stdout;
    let status: Value = serde_json::from_str(&status).unwrap();
    assert_eq!(told["limits"], status["limits"]);
    let limits = told["limits"].as_array().unwrap();
    let texts = ["doctor", "fleet-status"].map(|command| fixture.aq(&[command]).stdout);
    if cfg!(all(target_os = "linux", not(portable))) {
        assert!(limits.is_empty(), "{limits:?}");
        assert!(!texts[0].contains("can't keep") && !texts[1].contains("limit "));
        return;
    }
    assert!(limits.iter().any(|limit| limit["clause"] == "O-10"), "{limits:?}");
    for limit in limits {
        let part = limit["part"].as_str().unwrap();
        assert!(texts[0].contains(part) && texts[1].contains("limit "), "{part}");
    }
}

#[test]
fn an_engine_whose_help_no_longer_knows_a_switch_is_found_before_a_job_fails_of_it() {
    let fixture = QueueFixture::new();
    fixture.add("a", "", "true");
    fixture.engine("opencode", OPENCODE);
    let (code, findings) = examine(&fixture, &[("SUFFIX", "-approve")]);
    assert_eq!(code, 1);
    let told = told(&findings, "fail", "opencode");
    assert!(
        told[0].contains("no longer names --auto") && told[0].contains("[engine.opencode]"),
        "{told:?}"
    );
}

#[test]
fn what_an_engine_of_ones_own_does_not_answer_is_told_and_stops_nothing() {
    let fixture = QueueFixture::new();
    fixture.engine(
        "mine",
        "case $1 in --version) echo 1.0; exit 3 ;; whoami) exit 4 ;; *) exit ${HELP:-5} ;; esac",
    );
    fixture.add("a", "", "true");
    let tables = "[engine.mine]\ncommand = \"mine\"\nargs = [\"--go\"]\nlogin = [\"whoami\"]\n
                  [engine.absent]\ncommand = \"absent\"\n";
    fs::write(fixture.queue("aq.toml"), tables).unwrap();
    let (code, findings) = examine(&fixture, &[]);
    assert_eq!(code, 0, "{findings}");
    let mine = told(&findings, "warn", "mine");
    for what in [
        "does not tell its version: exit code 3",
        "gives no help: exit code 5",
        "ended with exit code 4",
    ] {
        assert!(
            mine.iter().any(|text| text.contains(what)),
            "no {what} in {mine:?}"
        );
    }
    assert!(told(&findings, "warn", "absent")[0].contains("not found on PATH"));
    let (code, findings) = examine(&fixture, &[("HELP", "0")]);
    assert_eq!(code, 0, "{findings}");
    let mine = told(&findings, "warn", "mine");
    assert!(
        mine.iter().any(|text| text.contains("no longer names --go")),
        "{mine:?}"
    );
}

#[test]
fn jobs_that_wait_for_a_person_are_told() {
    let fixture = QueueFixture::new();
    fixture.add("a", "", "true");
    assert_eq!(fixture.aq(&["run", "--drain"]).code, 0);
    fs::rename(fixture.queue("shipped/a.md"), fixture.queue("quarantine/a.md")).unwrap();
    let (code, findings) = examine(&fixture, &[]);
    assert_eq!(code, 0, "{findings}");
    assert!(told(&findings, "warn", "jobs")[0].contains("1 in quarantine"));
}

#[test]
fn what_an_engine_leaves_behind_when_it_is_asked_is_gone_afterwards() {
    let fixture = QueueFixture::new();
    fixture.engine("mine", "setsid sleep 60 & echo $! > $FIXTURE/pid; echo 1.0");
    fixture.add("a", "", "true");
    fs::write(fixture.queue("aq.toml"), "[engine.mine]\ncommand = \"mine\"\n").unwrap();
    let (code, findings) = examine(&fixture, &[]);
    assert_eq!(code, 0, "{findings}");
    let pid = fs::read_to_string(fixture.path("pid")).unwrap();
    assert!(!is_alive(&pid), "{pid} is alive");
}

#[test]
fn jobs_that_could_not_run_here_are_named_with_what_they_lack() {
    let fixture = QueueFixture::new();
    fixture.add("folder", "cwd: nowhere", "true");
    fixture.add("means", "caps: [gpu]", "true");
    let file = fixture.file("engine", "engine: nobody", "work");
    assert_eq!(fixture.aq(&["add", &file]).code, 0);
    fs::write(fixture.queue("inbox/bad.md"), "no job").unwrap();
    let (code, findings) = examine(&fixture, &[]);
    assert_eq!(code, 1);
    for (job, lacks) in [
        ("folder", "nowhere is not there"),
        ("means", "gpu"),
        ("engine", "`nobody` is not here"),
        ("bad", "bad.md:1"),
    ] {
        let told = told(&findings, "fail", job);
        assert!(told.len() == 1 && told[0].contains(lacks), "{job}: {told:?}");
    }
    assert_eq!(fixture.stage("bad"), "inbox", "it only looks");
    let (code, _) = examine(&fixture, &[("AQ_FACTORY_CAPS", "gpu")]);
    assert_eq!(code, 1);
}

#[test]
fn settings_that_stop_every_command_are_the_first_finding() {
    let fixture = QueueFixture::new();
    fixture.add("a", "", "true");
    fs::write(fixture.queue("aq.toml"), "[engine.mine]\ncomand = \"x\"\n").unwrap();
    let (code, findings) = examine(&fixture, &[]);
    assert_eq!(code, 1);
    let engines = told(&findings, "fail", "aq.toml");
    assert!(engines[0].contains("did you mean `command`?"), "{engines:?}");
    fs::write(fixture.queue("aq.toml"), "grase = \"2s\"\n").unwrap();
    let (code, findings) = examine(&fixture, &[]);
    assert_eq!(code, 1);
    let settings = told(&findings, "fail", "settings");
    assert!(settings[0].contains("did you mean `grace`?"), "{settings:?}");
}

#[test]
fn the_coordinator_is_asked_only_where_the_settings_say_that_there_is_one() {
    let fixture = QueueFixture::new();
    fixture.add("a", "", "true");
    let coordinator = Coordinator::with(Value::Null, |path, _| match path {
        "/v1/health" => Some((200, serde_json::json!({"status": "ok"}))),
        _ => Some((200, serde_json::json!({"jobs": []}))),
    });
    let variables = |fleet| [("AQ_FLEET", fleet), ("AQ_FLEET_URL", coordinator.url.as_str())];
    let (code, findings) = examine(&fixture, &variables("0"));
    assert_eq!((code, coordinator.late()), (0, None));
    assert!(told(&findings, "ok", "AQ_FLEET")[0].contains("off"));
    let (code, findings) = examine(&fixture, &variables("1"));
    assert_eq!(code, 0, "{findings}");
    assert_eq!(
        (coordinator.next().as_str(), coordinator.next().as_str()),
        ("health", "jobs?limit=1")
    );
    assert_eq!(coordinator.late(), None);
}

#[test]
fn a_coordinator_that_is_not_there_will_go_wrong() {
    let fixture = QueueFixture::new();
    fixture.add("a", "", "true");
    let url = "http://127.0.0.1:9/";
    let (code, findings) = examine(&fixture, &[("AQ_FLEET", "1"), ("AQ_FLEET_URL", url)]);
    assert_eq!(code, 1);
    assert_eq!(told(&findings, "fail", url).len(), 1, "{findings}");
}

#[test]
fn clocks_that_are_far_apart_are_told_and_those_that_agree_are_not() {
    let fixture = QueueFixture::new();
    fixture.add("a", "", "true");
    let now = jiff::fmt::rfc2822::DateTimePrinter::new();
    let now = now.timestamp_to_rfc9110_string(&jiff::Timestamp::now()).unwrap();
    for (date, is_told) in [(now, false), ("Sun, 06 Nov 1994 08:49:37 GMT".to_owned(), true)] {
        let coordinator = Coordinator::with(Value::Null, move |path, _| match path {
            "/v1/health" => Some((200, serde_json::json!({"status": "ok", "date": date}))),
            _ => Some((200, serde_json::json!({"jobs": []}))),
        });
        let url = coordinator.url.as_str();
        let (code, findings) = examine(&fixture, &[("AQ_FLEET", "1"), ("AQ_FLEET_URL", url)]);
        assert_eq!(code, 0, "{findings}");
        let address = format!("{url}/");
        let told = told(&findings, "warn", &address);
        assert_eq!(told.len(), usize::from(is_told), "{findings}");
        let clock = told
            .iter()
            .all(|text| text.contains("clock") && text.contains("apart"));
        assert!(clock, "{told:?}");
    }
}

#[test]
fn an_engine_that_skips_no_questions_for_root_is_told_to_root_alone() {
    let fixture = QueueFixture::new();
    fixture.engine(
        "claude",
        "test \"$1\" = --version && echo 2.0; echo ' --print --dangerously-skip-permissions '",
    );
    let cautious = fixture.file("cautious", "engine: claude", "work");
    let yolo = fixture.file("bold", "engine: claude\nyolo: true", "work");
    let is_root = rustix::process::geteuid().is_root();
    for (file, level) in [(cautious, "warn"), (yolo, "fail")] {
        assert_eq!(fixture.aq(&["add", &file]).code, 0);
        let of_root = |variables: &[(&str, &str)]| {
            let (_, findings) = examine(&fixture, variables);
            let told = told(&findings, level, "claude");
            told.iter().filter(|text| text.contains("for root")).count()
        };
        assert_eq!(of_root(&[]), usize::from(is_root), "{level}");
        assert_eq!(of_root(&[("IS_SANDBOX", "1")]), 0, "{level}");
    }
}

#[test]
fn a_token_file_that_others_can_read_is_used_and_named_with_what_to_do() {
    let fixture = QueueFixture::new();
    fixture.add("a", "", "true");
    let path = fixture.path("secret");
    fs::write(&path, "tokentokentoken\n").unwrap();
    let secret = path.display().to_string();
    let coordinator = Coordinator::with(Value::Null, |path, _| match path {
        "/v1/health" => Some((200, serde_json::json!({"status": "ok"}))),
        _ => Some((200, serde_json::json!({"jobs": []}))),
    });
    let variables = [
        ("AQ_FLEET", "1"),
        ("AQ_FLEET_URL", coordinator.url.as_str()),
        ("AQ_FLEET_TOKEN_FILE", secret.as_str()),
    ];
    for (mode, is_told) in [(0o600, false), (0o640, true), (0o604, true)] {
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        let (code, findings) = examine(&fixture, &variables);
        assert_eq!((code, told(&findings, "ok", "token").len()), (0, 1), "{findings}");
        let told = told(&findings, "warn", "settings");
        let advice = format!("`chmod 600 {secret}`");
        assert_eq!(
            told.iter().any(|text| text.contains(&advice)),
            is_told,
            "{told:?}"
        );
        let run = fixture.aq_with(&variables, &["run", "--drain"]);
        assert_eq!((run.code, run.stderr.contains(&advice)), (0, is_told), "{run:?}");
    }
}

#[test]
fn a_token_that_systemd_hands_over_is_not_warned_of_and_its_place_stays_out_of_jobs() {
    let fixture = QueueFixture::new();
    fixture.add("a", "", "env > $FIXTURE/seen");
    let folder = fixture.path("credentials");
    fs::create_dir(&folder).unwrap();
    let secret = folder.join("token");
    fs::write(&secret, "tokentokentoken\n").unwrap();
    fs::set_permissions(&secret, fs::Permissions::from_mode(0o440)).unwrap();
    let [folder, secret] = [&folder, &secret].map(|path| path.display().to_string());
    let variables = [
        ("AQ_FLEET", "1"),
        ("AQ_FLEET_URL", "http://127.0.0.1:9"),
        ("AQ_FLEET_TOKEN_FILE", secret.as_str()),
        ("CREDENTIALS_DIRECTORY", folder.as_str()),
    ];
    let run = fixture.aq_with(&variables, &["run", "--drain"]);
    assert!(run.code == 0 && !run.stderr.contains("chmod"), "{run:?}");
    assert!(!fixture.lines("seen").iter().any(|line| line.contains(&folder)));
}

#[test]
fn a_folder_that_can_not_carry_a_queue_is_told_with_the_reason() {
    let fixture = QueueFixture::new();
    fixture.add("a", "", "true");
    fs::remove_dir(fixture.queue("shipped")).unwrap();
    std::os::unix::fs::symlink("/proc", fixture.queue("shipped")).unwrap();
    let (code, findings) = examine(&fixture, &[]);
    assert_eq!(code, 1);
    let root = fixture.path("queue").display().to_string();
    let told = told(&findings, "fail", &root);
    assert!(told.iter().any(|text| text.contains("is a link")), "{told:?}");
}

#[test]
fn a_pause_that_was_forgotten_is_told() {
    let fixture = QueueFixture::new();
    fixture.add("a", "", "true");
    assert_eq!(fixture.aq(&["pause"]).code, 0);
    let (code, findings) = examine(&fixture, &[]);
    assert_eq!(code, 0);
    assert!(told(&findings, "warn", "pause")[0].contains("aq resume"));
}
