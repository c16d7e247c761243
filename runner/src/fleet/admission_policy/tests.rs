//! What is let in, and what is said of what is not.

use super::*;
use crate::job::{JobIdSource, parse};
use crate::settings::GlobalFlags;

struct PolicyTestHost {
    root: tempfile::TempDir,
}

impl PolicyTestHost {
    fn new() -> PolicyTestHost {
        let host = PolicyTestHost {
            root: tempfile::tempdir().unwrap(),
        };
        for name in ["queue", "here", "here/below", "there", "there-not"] {
            std::fs::create_dir(host.path(name)).unwrap();
        }
        host
    }

    fn path(&self, name: &str) -> PathBuf {
        self.root.path().canonicalize().unwrap().join(name)
    }

    fn policy(&self, lines: &str) -> AdmissionPolicy {
        let text = format!("[fleet]\ncaps = [\"gpu\"]\n[route]\n{lines}\n");
        std::fs::write(self.path("queue/aq.toml"), text).unwrap();
        let environment = [("AQ_QUEUE".into(), self.path("queue").into())].into();
        let settings = Settings::resolve_in(&GlobalFlags::default(), &environment).unwrap();
        let engines = EngineRegistry::new(&settings.engines).unwrap();
        AdmissionPolicy::of(&settings, &engines, &self.path("here")).unwrap()
    }

    /// What is said of a job with these keys, where these engines are found.
    fn refusal(&self, lines: &str, keys: &str) -> Option<JobReason> {
        let text = format!("---\n{keys}\n---\ntrue\n");
        let job = parse(JobIdSource::FileName("a"), "a.md", text.as_bytes())
            .unwrap()
            .job;
        let found = ["claude", "mine", "sh"].map(|name| EngineName::new(name).unwrap());
        self.policy(lines).refusal(&job, &found.into())
    }
}

/// Of each of its parts, as people see them.
fn codes(refusal: Option<JobReason>) -> Vec<String> {
    let refusal = refusal.map(|refusal| refusal.to_string()).unwrap_or_default();
    let words = refusal.split(' ').filter_map(|word| word.strip_suffix(':'));
    words
        .filter(|word| word.contains('_'))
        .map(str::to_owned)
        .collect()
}

#[test]
fn each_thing_that_a_job_may_want_has_its_own_code_and_its_own_permission() {
    let host = PolicyTestHost::new();
    for (lines, keys, code) in [
        ("allow_engines = [\"sh\"]", "engine: sh", "engine_not_allowed"),
        ("allow_engines = [\"mine\"]", "engine: mine", "engine_not_allowed"),
        (
            "allow_commands = [\"x\"]",
            "engine: claude\nverify: x",
            "command_not_allowed",
        ),
        (
            "allow_commands = \"any\"",
            "engine: claude\nship: x",
            "command_not_allowed",
        ),
        (
            "allow_yolo = true",
            "engine: claude\nyolo: true",
            "yolo_not_allowed",
        ),
        (
            "allow_cwd = [\"../there\"]",
            "engine: claude\ncwd: ../there",
            "cwd_not_allowed",
        ),
        (
            "cwd = \"../there\"",
            "engine: claude\ncwd: ../there",
            "cwd_not_allowed",
        ),
    ] {
        assert_eq!(codes(host.refusal("", keys)), [code], "{keys}");
        assert_eq!(host.refusal(lines, keys), None, "{keys} with {lines}");
    }
    assert_eq!(
        host.refusal("", "engine: claude\ncwd: below\ncaps: [gpu, engine:mine]"),
        None
    );
}

#[test]
fn all_that_is_in_the_way_is_said_at_once() {
    let all = "engine: sh\nyolo: true\nverify: a\nship: b\ncaps: [tpu]\ncwd: ../there";
    let expected = [
        "engine_not_allowed",
        "caps_missing",
        "command_not_allowed",
        "command_not_allowed",
        "yolo_not_allowed",
        "cwd_not_allowed",
    ];
    assert_eq!(codes(PolicyTestHost::new().refusal("", all)), expected);
}

#[test]
fn what_this_factory_lacks_no_permission_brings() {
    let host = PolicyTestHost::new();
    let lines = "allow_engines = [\"codex\", \"claude\"]\nallow_cwd = [\"/\"]";
    for (keys, code) in [
        ("engine: codex", "engine_missing"),
        ("engine: no-such", "engine_missing"),
        ("engine: claude\ncaps: [gpu, tpu]", "caps_missing"),
        ("engine: claude\ncaps: [engine:codex]", "caps_missing"),
        ("engine: claude\ncwd: nowhere", "cwd_missing"),
        ("engine: claude\ncwd: ../queue/aq.toml", "cwd_missing"),
    ] {
        assert_eq!(codes(host.refusal(lines, keys)), [code], "{keys}");
    }
}

#[test]
fn a_command_is_allowed_to_the_letter_or_not_at_all() {
    let host = PolicyTestHost::new();
    let lines = "allow_commands = [\"make test\"]";
    for near in [
        "make test ",
        " make test",
        "make",
        "make tests",
        "make  test",
        "make test\\n",
        "Make test",
    ] {
        let refusal = host.refusal(lines, &format!("engine: claude\nship: \"{near}\""));
        assert_eq!(codes(refusal), ["command_not_allowed"], "{near}");
    }
    assert_eq!(host.refusal(lines, "engine: claude\nship: make test"), None);
}

#[test]
fn a_folder_that_was_not_there_when_routing_began_allows_nothing_whatever_takes_its_place() {
    let host = PolicyTestHost::new();
    let policy = host.policy("allow_cwd = [\"../later\"]");
    std::os::unix::fs::symlink("/", host.path("later")).unwrap();
    let job = parse(
        JobIdSource::FileName("a"),
        "a.md",
        b"---\nengine: claude\ncwd: ../later\n---\ntrue\n",
    );
    let found = [EngineName::new("claude").unwrap()].into();
    assert_eq!(
        codes(policy.refusal(&job.unwrap().job, &found)),
        ["cwd_not_allowed"]
    );
}

#[test]
fn a_folder_is_the_same_by_whichever_name_it_is_allowed_or_asked_for() {
    let host = PolicyTestHost::new();
    std::os::unix::fs::symlink(host.path("there"), host.path("link")).unwrap();
    for (allowed, asked) in [("link", "there"), ("there", "link")] {
        let lines = format!("allow_cwd = [{:?}]", host.path(allowed));
        let keys = format!("engine: claude\ncwd: {}", host.path(asked).display());
        assert_eq!(host.refusal(&lines, &keys), None, "{allowed}");
    }
}

#[test]
fn no_job_is_refused_for_a_folder_of_routed_work_that_is_not_there() {
    let host = PolicyTestHost::new();
    std::fs::write(host.path("queue/aq.toml"), "[route]\ncwd = \"nowhere\"\n").unwrap();
    let environment = [("AQ_QUEUE".into(), host.path("queue").into())].into();
    let settings = Settings::resolve_in(&GlobalFlags::default(), &environment).unwrap();
    let engines = EngineRegistry::new(&settings.engines).unwrap();
    assert!(AdmissionPolicy::of(&settings, &engines, &host.path("here")).is_err());
}
