//! The command lines that the engines get, worked out from their manuals.

use super::*;
use crate::job::{Naming, parse};

fn job(engine: &str, yolo: bool, prompt: &str) -> Job {
    let text = format!("---\nengine: {engine}\nyolo: {yolo}\n---\n{prompt}");
    parse(Naming::File("a"), "a.md", text.as_bytes()).unwrap().job
}

fn args_of(engines: &Engines, job: &Job) -> Vec<String> {
    // The programs themselves need not be installed for this.
    let mut adapter = engines.adapters[&job.engine].clone();
    adapter.command = "/bin/sh".to_owned();
    let engines = Engines {
        adapters: BTreeMap::from([(job.engine.clone(), adapter)]),
    };
    let invocation = engines.invocation(job, Path::new("/p/prompt.md")).unwrap();
    invocation
        .args
        .into_iter()
        .map(|arg| arg.into_string().unwrap())
        .collect()
}

#[test]
fn permission_questions_are_skipped_only_where_the_job_says_so() {
    let engines = Engines::new(&BTreeMap::new()).unwrap();
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
        ("sh", &["/p/prompt.md"], &["/p/prompt.md"]),
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
    let engines = Engines::new(&BTreeMap::from([("mine".to_owned(), table)])).unwrap();
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
    ];
    for (table, advice) in cases {
        let tables = BTreeMap::from([("mine".to_owned(), toml::from_str(table).unwrap())]);
        let message = Engines::new(&tables).unwrap_err().to_string();
        assert!(
            message.starts_with("[engine.mine]") && message.contains(advice),
            "{table}: {message}"
        );
    }
}
