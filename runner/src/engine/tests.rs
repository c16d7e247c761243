//! The command lines that the engines get, worked out from their manuals.

use std::io::Cursor;

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
        (
            "claude",
            &["-p", "--output-format", "stream-json", "--verbose"],
            &[
                "-p",
                "--output-format",
                "stream-json",
                "--verbose",
                "--dangerously-skip-permissions",
            ],
        ),
        (
            "codex",
            &["exec", "--json", "--skip-git-repo-check", "-"],
            &[
                "exec",
                "--json",
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
        (
            "gemini",
            &["-o", "stream-json", "-p", ""],
            &["-o", "stream-json", "--yolo", "-p", ""],
        ),
        (
            "opencode",
            &["run", "--format", "json"],
            &["run", "--format", "json", "--auto"],
        ),
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
        ("command = \"x\"\nevents = \"amp\"", "events"),
        (
            "command = \"x\"\nevents = \"claude\"\nneeds_output = true",
            "beside `events`",
        ),
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

fn told(engine: &str, is_success: bool, output: &str) -> Option<EngineProblem> {
    let engines = EngineRegistry::new(&BTreeMap::new()).unwrap();
    let name = EngineName::new(engine).unwrap();
    engines
        .report(&name, is_success, |_| Ok(Cursor::new(output.to_owned())))
        .problem
}

#[test]
fn the_words_of_each_engine_are_understood() {
    // As the programs print them; docs/engines.md says in which version.
    let limits = [
        (
            "claude",
            r#"{"type":"result","subtype":"success","is_error":true,"result":"You've hit your limit · resets 2:30pm (UTC)"}"#,
        ),
        (
            "codex",
            r#"{"type":"turn.failed","error":{"message":"You’ve hit your usage limit. Upgrade to Pro or try again at 2:30 PM."}}"#,
        ),
        (
            "gemini",
            r#"{"type":"result","status":"error","error":{"message":"[API Error: You have exhausted your daily quota on this model.]\nPlease wait"}}"#,
        ),
        (
            "opencode",
            r#"{"type":"error","error":{"name":"UnknownError","data":{"message":"5 hour usage limit reached. It will reset in 2 hours."}}}"#,
        ),
        ("devin", "working\nERROR: usage limit reached"),
    ];
    for (engine, output) in limits {
        let problem = told(engine, false, output);
        assert!(
            matches!(problem, Some(EngineProblem::UsageLimit { .. })),
            "{engine}: {problem:?}"
        );
    }
    let logins = [
        (
            "claude",
            r#"{"type":"result","subtype":"success","is_error":true,"result":"Invalid API key · Please run /login"}"#,
        ),
        (
            "codex",
            r#"{"type":"turn.failed","error":{"message":"unexpected status 401 Unauthorized: Incorrect API key provided"}}"#,
        ),
        (
            "gemini",
            r#"{"type":"result","status":"error","error":{"message":"[API Error: {\"reason\":\"API_KEY_INVALID\"}]"}}"#,
        ),
        ("gemini", "Invalid auth method selected.\n"),
        (
            "gemini",
            "Update your environment and try again (no reload needed if using .env)!\n",
        ),
        (
            "opencode",
            r#"{"type":"error","error":{"name":"ProviderAuthError","data":{"message":"no key"}}}"#,
        ),
        ("claude", "Invalid API key · Please run /login"),
    ];
    for (engine, output) in logins {
        let problem = told(engine, false, output);
        assert!(
            matches!(problem, Some(EngineProblem::LoginFailure { .. })),
            "{engine}: {problem:?}"
        );
    }
}

#[test]
fn words_in_the_work_itself_say_nothing_of_the_engine() {
    let middle = "usage limit reached\nthe test of it failed\n";
    assert_eq!(told("devin", false, middle), None);
    assert_eq!(told("devin", true, "usage limit reached\n"), None);
    assert_eq!(told("sh", false, "usage limit reached"), None);
    let text = r#"{"type":"assistant","message":{"content":[{"type":"text","text":"Not logged in: usage limit reached"}]}}"#;
    let end = r#"{"type":"result","subtype":"error_max_turns","is_error":true}"#;
    let failure = EngineProblem::Failure("error_max_turns".to_owned());
    assert_eq!(told("claude", false, &format!("{text}\n{end}")), Some(failure));
    // It ended in the middle: of that its exit code says enough.
    assert_eq!(told("claude", false, text), None);
}

#[test]
fn without_the_event_of_success_exit_code_0_is_none() {
    for engine in ["claude", "codex", "gemini", "opencode"] {
        for output in [
            "",
            "Loaded cached credentials.\n",
            "API Error: 500\n(node:1) Warning: x\n",
            "{}\n",
        ] {
            let problem = told(engine, true, output);
            assert!(
                matches!(problem, Some(EngineProblem::Failure(_))),
                "{engine}: {output}"
            );
        }
    }
    assert_eq!(told("devin", true, ""), None);
    assert_eq!(told("sh", true, ""), None);
}

#[test]
fn an_engine_of_ones_own_tells_its_events_in_a_known_format() {
    let table = "command = \"amp\"\nargs = [\"-x\", \"--stream-json\"]\nevents = \"claude\"\nlimit = [\"out of credits\"]";
    let engines = EngineRegistry::new(&BTreeMap::from([(
        "amp".to_owned(),
        toml::from_str(table).unwrap(),
    )]));
    let name = EngineName::new("amp").unwrap();
    let report = |output: &'static str| {
        let output = |_| Ok(Cursor::new(output));
        engines.as_ref().unwrap().report(&name, true, output).problem
    };
    assert_eq!(
        report(r#"{"type":"result","subtype":"success","is_error":false,"result":"Done."}"#),
        None
    );
    let used_up =
        r#"{"type":"result","subtype":"error_during_execution","is_error":true,"error":"Out of credits"}"#;
    assert!(matches!(report(used_up), Some(EngineProblem::UsageLimit { .. })));
}
