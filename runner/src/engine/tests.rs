//! The command lines that the engines get, worked out from their manuals.

use super::*;
use crate::job::{JobIdSource, parse};

fn job(engine: &str, yolo: bool, prompt: &str) -> Job {
    let text = format!("---\nengine: {engine}\nyolo: {yolo}\n---\n{prompt}");
    parse(JobIdSource::FileName("a"), "a.md", text.as_bytes())
        .unwrap()
        .job
}

fn args_of(engines: &EngineRegistry, job: &Job) -> Vec<String> {
    // The programs themselves need not be installed for this.
    let mut adapter = engines.adapters[&job.engine].clone();
    adapter.command = "/bin/sh".to_owned();
    let engines = EngineRegistry {
        adapters: BTreeMap::from([(job.engine.clone(), adapter)]),
        own: BTreeSet::new(),
    };
    let invocation = engines
        .invocation(job, Path::new("/p/prompt.md"), Path::new("/w"))
        .unwrap();
    invocation
        .args
        .into_iter()
        .map(|arg| arg.into_string().unwrap())
        .collect()
}

#[test]
fn permission_questions_are_skipped_only_where_the_job_says_so() {
    let engines = EngineRegistry::new(&BTreeMap::new()).unwrap();
    let cases: [(&str, &[&str], &[&str]); 6] = [
        ("claude", &["-p"], &["-p", "--dangerously-skip-permissions"]),
        (
            "codex",
            &["exec", "--skip-git-repo-check", "-"],
            &[
                "exec",
                "--skip-git-repo-check",
                "--dangerously-bypass-approvals-and-sandbox",
                "-",
            ],
        ),
        (
            "devin",
            &["-p", "--prompt-file", "/p/prompt.md"],
            &[
                "-p",
                "--permission-mode",
                "dangerous",
                "--prompt-file",
                "/p/prompt.md",
            ],
        ),
        ("gemini", &["-p", ""], &["--yolo", "-p", ""]),
        ("opencode", &["run"], &["run", "--auto"]),
        ("sh", &["-e", "/p/prompt.md"], &["-e", "/p/prompt.md"]),
    ];
    for (engine, careful, yolo) in cases {
        assert_eq!(
            args_of(&engines, &job(engine, false, "do it")),
            careful,
            "{engine}"
        );
        assert_eq!(
            args_of(&engines, &job(engine, true, "do it")),
            yolo,
            "{engine} with yolo"
        );
    }
}

#[test]
fn a_prompt_too_long_for_an_argument_goes_by_file() {
    let table = toml::from_str("command = \"mine\"\nargs = [\"--\", \"{prompt}\"]").unwrap();
    let engines = EngineRegistry::new(&BTreeMap::from([("mine".to_owned(), table)])).unwrap();
    assert_eq!(args_of(&engines, &job("mine", false, "short")), ["--", "short"]);
    let long = args_of(&engines, &job("mine", false, &"x".repeat(ARGUMENT_BYTES_MAX + 1)));
    assert_eq!(long, ["--", "Read the file /p/prompt.md and do what it says."]);
}

#[test]
fn a_table_that_could_not_work_is_refused_with_what_to_do() {
    let cases = [
        ("args = []", "command"),
        ("command = \"x\"\nstdin = \"nothing\"", "{prompt_file}"),
        ("command = \"x\"\nyolo = [\"--yes\"]", "{yolo}"),
        ("command = \"x\"\nprompt = \"argument\"", "prompt"),
        ("comand = \"x\"", "did you mean `command`?"),
        (
            "command = \"x\"\nneeds-output = true",
            "did you mean `needs_output`?",
        ),
        ("command = \"x\"\nfailure = [\"\"]", "how the line begins"),
        ("command = \"x\"\nsuccess = [\"{no json\"]", "the members"),
    ];
    for (table, advice) in cases {
        let tables = BTreeMap::from([("mine".to_owned(), toml::from_str(table).unwrap())]);
        let message = EngineRegistry::new(&tables).unwrap_err().to_string();
        assert!(
            message.starts_with("[engine.mine]") && message.contains(advice),
            "{table}: {message}"
        );
    }
}

#[test]
fn the_words_of_each_engine_are_understood() {
    let engines = EngineRegistry::new(&BTreeMap::new()).unwrap();
    // As the programs print them; docs/engines.md says in which version.
    let failures = [
        (
            "claude",
            "API Error: 400 bad thing\n",
            Some("API Error: 400 bad thing"),
        ),
        (
            "claude",
            r#"{"type":"result","subtype":"success","is_error":true,"result":"API Error: 400 bad thing"}"#,
            Some("API Error: 400 bad thing"),
        ),
        ("claude", "The API Error is mended.\n", None),
        (
            "codex",
            "codex\nwarning: x\nERROR: unexpected status 401 Unauthorized\n",
            Some("ERROR: unexpected status 401 Unauthorized"),
        ),
        (
            "codex",
            "{\"type\":\"turn.started\"}\n{\"type\":\"turn.failed\",\"error\":{\"message\":\"no quota\"}}\n",
            Some("no quota"),
        ),
        ("gemini", "", Some("it printed nothing")),
        (
            "gemini",
            r#"{"type":"result","status":"error","error":{"type":"unknown","message":"[API Error: x]"}}"#,
            Some("[API Error: x]"),
        ),
        ("gemini", "Done.", None),
        (
            "opencode",
            "\x1b[0m\n> build · m\n\x1b[91m\x1b[1mError: \x1b[0mbad thing\n",
            Some("Error: bad thing"),
        ),
        ("sh", "", None),
    ];
    for (engine, tail, expected) in failures {
        let name = EngineName::new(engine).unwrap();
        assert_eq!(
            engines.failure_message(&name, || tail.to_owned()).as_deref(),
            expected,
            "{engine}: {tail}"
        );
    }
    let limits = [
        ("claude", "You've hit your session limit · resets 3pm (UTC)", true),
        (
            "codex",
            "ERROR: You've hit your usage limit. Visit https://chatgpt.com/settings/usage",
            true,
        ),
        (
            "gemini",
            "You have exhausted your daily quota on this model.",
            true,
        ),
        (
            "opencode",
            "5 hour usage limit reached. It will reset in 2 hours.",
            true,
        ),
        ("codex", "ERROR: unexpected status 401 Unauthorized", false),
        ("sh", "usage limit reached", false),
    ];
    for (engine, tail, expected) in limits {
        let name = EngineName::new(engine).unwrap();
        assert_eq!(engines.limit(&name, tail).is_some(), expected, "{engine}: {tail}");
    }
}
