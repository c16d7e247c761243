//! What each mutant does before, around and after the real runner.

use std::fs;
use std::io::Read;
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::time::Duration;

use serde_json::Value;

use super::Kind;
use super::proxy::{self, Extra};

/// A mutant that waits does not wait for ever.
const WAIT_LIMIT: Duration = Duration::from_secs(15);

/// Runs the runner with this fault; the exit code is the mutant's.
pub(super) fn run(kind: Kind, runner: &str, arguments: &[String]) -> std::io::Result<i32> {
    let working = arguments.first().is_some_and(|command| command == "run");
    let mut command = Command::new(runner);
    command.args(arguments).stdin(Stdio::null());
    match kind {
        Kind::DoesNothing if working => return fired(kind).map(|()| 0),
        Kind::SaysNothing => {
            command.stdout(Stdio::null()).stderr(Stdio::null());
            let code = code_of(&mut command)?;
            return fired(kind).map(|()| code);
        }
        Kind::MiscountsItsReport if arguments.iter().any(|argument| argument == "--json") => {
            return miscounted(&mut command).and_then(|code| fired(kind).map(|()| code));
        }
        Kind::StaysOffline if working => {
            command.env("AQ_FLEET", "0");
            fired(kind)?;
        }
        _ if !working => return not_working(kind, &mut command, arguments),
        Kind::IdlesOffline if variable("AQ_FLEET") != "1" => return fired(kind).map(|()| 0),
        Kind::WatchesAlways => {
            command.env("AQ_FLEET_SHADOW", "1");
            fired(kind)?;
        }
        _ => {}
    }
    between(kind, &mut command)?;
    around_engines(kind, &mut command)?;
    let code = code_of(&mut command)?;
    after(kind, code)
}

/// Faults of the commands that start no work.
fn not_working(kind: Kind, command: &mut Command, arguments: &[String]) -> std::io::Result<i32> {
    let is = |verb: &str| arguments.first().is_some_and(|first| first == verb);
    match kind {
        Kind::RefusesToAdd if is("add") => code_of(command).and_then(|_| fired(kind)).map(|()| 1),
        Kind::FailsItsReport if is("fleet-shadow-report") => {
            code_of(command).and_then(|_| fired(kind)).map(|()| 3)
        }
        Kind::FailsAfterwards if !is("add") => code_of(command).and_then(|_| fired(kind)).map(|()| 1),
        Kind::ForgetsReasons if is("show") => {
            let output = command.stderr(Stdio::inherit()).output()?;
            let text = String::from_utf8_lossy(&output.stdout);
            println!("{}", text.replace("\"reason\"", "\"reason\":\"mislaid\",\"was\""));
            fired(kind)?;
            Ok(output.status.code().unwrap_or(70))
        }
        _ => code_of(command),
    }
}

/// Faults on the way to the coordinator, done by a proxy.
fn between(kind: Kind, command: &mut Command) -> std::io::Result<()> {
    let fleet = variable("AQ_FLEET") == "1";
    let extra = match kind {
        Kind::ClaimsForReal => Extra::RealClaim,
        Kind::AsksTwice => Extra::Again,
        Kind::TellsItsDecision => Extra::Decision,
        Kind::MisshapesClaims => Extra::Misshapen,
        Kind::TalksNonsense => Extra::Nonsense,
        Kind::WaitsForTheLane => Extra::Nothing,
        Kind::ConnectsWhenOff if !fleet => {
            drop(TcpStream::connect(
                variable("AQ_FLEET_URL").trim_start_matches("http://"),
            )?);
            return fired(kind);
        }
        _ => return Ok(()),
    };
    if !fleet {
        return Ok(());
    }
    let proxy = proxy::start(&variable("AQ_FLEET_URL"), extra)?;
    command.env("AQ_FLEET_URL", &proxy.url);
    if kind == Kind::WaitsForTheLane {
        let own = std::env::current_exe()?;
        shim(
            command,
            &format!("'{}' mutant --wait {}", own.display(), proxy.gate),
        )?;
    }
    fired(kind)
}

/// Faults around the engines, done by scripts in front of them, or by an edit of the jobs.
fn around_engines(kind: Kind, command: &mut Command) -> std::io::Result<()> {
    let first = match kind {
        Kind::RunsTwice => "\"$real\" \"$@\" </dev/null",
        Kind::PassesTheFleetOn => "AQ_FLEET=1; export AQ_FLEET",
        Kind::HoldsStdinOpen => "sleep 3 | \"$real\" \"$@\"; exit $?",
        Kind::SkipsPermissions => "set -- --yolo \"$@\"",
        Kind::MarksItsEngines if variable("AQ_FLEET") == "1" => "IN_A_FLEET=1; export IN_A_FLEET",
        Kind::LosesThePrompt => "set -- -p; exec </dev/null",
        Kind::IgnoresLocks => return without("lock:").and_then(|()| fired(kind)),
        Kind::IgnoresPriorities => return without("priority:").and_then(|()| fired(kind)),
        _ => return Ok(()),
    };
    shim(command, first)?;
    fired(kind)
}

/// Takes a key out of the jobs that wait.
fn without(key: &str) -> std::io::Result<()> {
    for entry in fs::read_dir(queue().join("inbox"))?.flatten() {
        let text = fs::read_to_string(entry.path())?;
        let lines: Vec<&str> = text.lines().filter(|line| !line.starts_with(key)).collect();
        fs::write(entry.path(), lines.join("\n") + "\n")?;
    }
    Ok(())
}

/// `mutant --wait PORT`: returns when the proxy's gate opens.
pub(super) fn wait(arguments: &[String]) -> ExitCode {
    let port = arguments
        .first()
        .and_then(|port| port.parse::<u16>().ok())
        .unwrap_or(0);
    if let Ok(mut gate) = TcpStream::connect(("127.0.0.1", port)) {
        let _ = gate.set_read_timeout(Some(WAIT_LIMIT));
        let _ = gate.read(&mut [0]);
    }
    ExitCode::SUCCESS
}

fn after(kind: Kind, code: i32) -> std::io::Result<i32> {
    let log = queue().join(".state/fleet-shadow.log");
    match kind {
        Kind::AgreesAlways => {
            let text = fs::read_to_string(&log).unwrap_or_default();
            let agreeing: Vec<String> = text.lines().map(agree).collect();
            if !agreeing.is_empty() {
                fs::write(&log, agreeing.join("\n") + "\n")?;
                fired(kind)?;
            }
        }
        Kind::LogsAlways | Kind::QuarantinesAtWill | Kind::TouchesItsFiles => meddle(kind)?,
        Kind::NeedsItsLog if !log.is_file() => return fired(kind).map(|()| 1),
        Kind::HidesSkips
        | Kind::HidesEvents
        | Kind::HidesErrors
        | Kind::LogsTwice
        | Kind::TearsItsLog
        | Kind::ForgetsADecision => {
            let text = fs::read_to_string(&log).unwrap_or_default();
            if !text.is_empty() {
                fs::write(&log, edited(kind, &text))?;
                fired(kind)?;
            }
        }
        Kind::KeepsACopy => {
            for entry in fs::read_dir(queue().join("shipped"))?.flatten() {
                fs::copy(entry.path(), queue().join("failed").join(entry.file_name()))?;
                fired(kind)?;
            }
        }
        Kind::ShipsAfterALoss => {
            for entry in fs::read_dir(queue().join("quarantine"))?.flatten() {
                let id = entry.path().with_extension("");
                Command::new(crate::stand_in::SHIP)
                    .args(id.file_name())
                    .stdin(Stdio::null())
                    .status()?;
                fired(kind)?;
            }
        }
        Kind::MovesAFailure => {
            for entry in fs::read_dir(queue().join("failed"))?.flatten() {
                fs::rename(entry.path(), queue().join("shipped").join(entry.file_name()))?;
                fired(kind)?;
            }
        }
        Kind::ActsOnDiverge => {
            for line in objects(&log).iter().filter(|line| line["verdict"] == "DIVERGE") {
                run_named(line["coordJob"].as_str().unwrap_or_default())?;
                fired(kind)?;
            }
        }
        Kind::FailsOnShadowErrors if objects(&log).iter().any(|line| line["event"] == "shadow-error") => {
            fired(kind)?;
            return Ok(1);
        }
        Kind::LeaksTheToken => leak_the_token()?,
        Kind::LeavesAProcess => {
            Command::new("setsid")
                .args(["sleep", "60"])
                .stdin(Stdio::null())
                .stdout(Stdio::null())
                .spawn()?;
            fired(kind)?;
        }
        _ => {}
    }
    Ok(code)
}

fn leak_the_token() -> std::io::Result<()> {
    let text = format!("token={}\n", variable("AQ_FLEET_TOKEN"));
    fs::write(queue().join(".state/debug.txt"), text)?;
    fired(Kind::LeaksTheToken)
}

/// Faults done to the queue when all work is over.
fn meddle(kind: Kind) -> std::io::Result<()> {
    if kind == Kind::LogsAlways {
        let line = r#"{"ts":"2026-05-01T10:00:00.000Z","event":"comparison","decision":"x","localJob":"a","coordJob":"a","verdict":"AGREE"}"#;
        fs::create_dir_all(queue().join(".state"))?;
        fs::write(queue().join(".state/fleet-shadow.log"), format!("{line}\n"))?;
        return fired(kind);
    }
    for entry in fs::read_dir(queue().join("shipped"))?.flatten() {
        match kind {
            Kind::QuarantinesAtWill => {
                fs::rename(entry.path(), queue().join("quarantine").join(entry.file_name()))?;
            }
            _ if variable("AQ_FLEET") == "1" => {
                let text = fs::read_to_string(entry.path())?;
                fs::write(entry.path(), format!("{text}\n"))?;
            }
            _ => {}
        }
        fired(kind)?;
    }
    Ok(())
}

/// Prints the runner's report with one AGREE more.
fn miscounted(command: &mut Command) -> std::io::Result<i32> {
    let output = command.stderr(Stdio::inherit()).output()?;
    let mut report: Value = serde_json::from_slice(&output.stdout)?;
    let agreed = report["verdicts"]["AGREE"].as_u64().unwrap_or(0);
    report["verdicts"]["AGREE"] = (agreed + 1).into();
    println!("{report}");
    Ok(output.status.code().unwrap_or(70))
}

/// The shadow log with what this mutant makes of it.
fn edited(kind: Kind, text: &str) -> String {
    let lines = text.lines().flat_map(|line| match kind {
        Kind::HidesErrors if line.contains("\"shadow-error\"") => Vec::new(),
        Kind::HidesSkips if line.contains("\"event\":\"skipped\"") => Vec::new(),
        Kind::HidesEvents if line.contains("\"decision\":null") => Vec::new(),
        Kind::LogsTwice => vec![line, line],
        _ => vec![line],
    });
    let whole = lines.map(|line| format!("{line}\n")).collect::<String>();
    match kind {
        Kind::TearsItsLog => whole[..whole.len().saturating_sub(20)].to_owned(),
        Kind::ForgetsADecision => {
            let last = whole.trim_end().rfind('\n').map_or(0, |newline| newline + 1);
            whole[..last].to_owned()
        }
        _ => whole,
    }
}

/// Says that the fault was exercised, so that a mutant nobody noticed can be told from one that did nothing.
fn fired(kind: Kind) -> std::io::Result<()> {
    eprintln!("mutant {kind:?}: fired");
    Ok(())
}

fn code_of(command: &mut Command) -> std::io::Result<i32> {
    Ok(command.status()?.code().unwrap_or(70))
}

fn variable(name: &str) -> String {
    std::env::var(name).unwrap_or_default()
}

fn queue() -> PathBuf {
    PathBuf::from(variable("AQ_QUEUE"))
}

fn objects(log: &Path) -> Vec<Value> {
    let text = fs::read_to_string(log).unwrap_or_default();
    text.lines()
        .filter_map(|line| serde_json::from_str(line).ok())
        .collect()
}

/// The line with whatever verdict it has turned into AGREE.
fn agree(line: &str) -> String {
    let Ok(mut object) = serde_json::from_str::<Value>(line) else {
        return line.to_owned();
    };
    if object["verdict"].is_string() {
        object["verdict"] = "AGREE".into();
        object["coordJob"] = object["localJob"].clone();
    }
    object.to_string()
}

/// Starts an engine on the job that the coordinator named, wherever its file lies.
fn run_named(id: &str) -> std::io::Result<()> {
    let lies_in = |stage: &str| queue().join(stage).join(format!("{id}.md")).is_file();
    let Some(stage) = crate::sandbox::STAGES.into_iter().find(|stage| lies_in(stage)) else {
        return Ok(());
    };
    let file = queue().join(stage).join(format!("{id}.md"));
    let mut command = Command::new("devin");
    command
        .args(["-p", "--prompt-file"])
        .arg(file)
        .stdin(Stdio::null());
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("AQ_FLEET")) {
        command.env_remove(name);
    }
    command.status().map(drop)
}

/// Puts a script in front of every engine that does `first`, then becomes the engine, its PATH restored.
fn shim(command: &mut Command, first: &str) -> std::io::Result<()> {
    let path = variable("PATH");
    let real = PathBuf::from(path.split(':').next().unwrap_or_default());
    let folder = PathBuf::from(variable("TMPDIR")).join("shims");
    fs::create_dir_all(&folder)?;
    for entry in fs::read_dir(&real)?
        .flatten()
        .filter(|entry| entry.file_name() != crate::stand_in::SHIP)
    {
        let script = folder.join(entry.file_name());
        let real = entry.path();
        let lines = [
            "#!/bin/sh",
            &format!("PATH='{path}'"),
            "export PATH",
            &format!("real='{}'", real.display()),
            first,
        ];
        fs::write(&script, format!("{}\nexec \"$real\" \"$@\"\n", lines.join("\n")))?;
        fs::set_permissions(&script, fs::Permissions::from_mode(0o755))?;
    }
    command.env("PATH", format!("{}:{path}", folder.display()));
    Ok(())
}
