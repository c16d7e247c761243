//! What each mutant does before and around the real runner. Where nothing is left to be done afterwards the runner
//! takes the mutant's place, so that signals reach it.

use std::fs;
use std::net::TcpStream;
use std::path::Path;
use std::process::{Command, Stdio};

use rustix::process::{Pid, Signal, kill_process};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

use super::after::{after, edited, miscounted};
use super::beside;
use super::consent;
use super::shim::{go_on_after_failures, mislay_the_token, shim, without};
use super::strangers;
use super::tamper::Tamper;
use super::{Kind, Mutant, fired, queue, variable};
use crate::stand_in::SHIP;
use crate::stdio;

/// Runs the runner with this fault; the exit code is the mutant's.
pub(super) fn run(mutant: Mutant, runner: &str, arguments: &[String]) -> std::io::Result<i32> {
    let kind = mutant.kind;
    let working = arguments.iter().any(|argument| argument == "run");
    let mut command = Command::new(runner);
    command.args(arguments).stdin(Stdio::null());
    match kind {
        Kind::DoesNothing if working => return fired(kind).map(|()| 0),
        Kind::SaysNothing => {
            command.stdout(Stdio::null()).stderr(Stdio::null());
            let code = code_of(&mut command)?;
            return fired(kind).map(|()| code);
        }
        Kind::TellsTwice if working => {
            let output = command.stderr(Stdio::piped()).stdout(Stdio::inherit()).output()?;
            let told = String::from_utf8_lossy(&output.stderr);
            stdio::put_beside(&format!("{told}{told}"));
            return fired(kind).map(|()| output.status.code().unwrap_or(70));
        }
        Kind::Crashes if working => {
            fired(kind)?;
            std::process::abort();
        }
        Kind::MiscountsItsReport if arguments.iter().any(|argument| argument == "--json") => {
            return miscounted(&mut command).and_then(|code| fired(kind).map(|()| code));
        }
        _ if !working => return not_working(kind, &mut command, arguments),
        Kind::IdlesOffline if variable("AQ_FLEET") != "1" => return fired(kind).map(|()| 0),
        Kind::HearsOneSignal => return hear_one_signal(&mut command),
        Kind::HearsEveryHangUp => return hear_every_hang_up(&mut command),
        Kind::ShipsWithoutRunning => return ship_everything().map(|()| 0),
        _ => {}
    }
    otherwise_told(kind, &mut command)?;
    between(mutant, &mut command)?;
    around_engines(kind, &mut command)?;
    before(kind)?;
    if stays(kind) {
        let code = code_of(&mut command)?;
        return after(kind, code);
    }
    Err(beside::become_it(&mut command))
}

/// Whether the mutant stays the runner's parent, because it has something to do afterwards.
fn stays(kind: Kind) -> bool {
    !matches!(
        kind,
        Kind::Control
            | Kind::StaysOffline
            | Kind::DeafToChanges
            | Kind::KillsAtOnce
            | Kind::RequeuesRoutedJobs
            | Kind::ForgetsTheFinished
            | Kind::ForgetsTheInterrupted
            | Kind::ForgetsItsOutbox
            | Kind::LetsAnyFolderIn
    ) && Tamper::of(kind).is_none()
}

/// Passes the first signal on to the runner, and none after it.
fn hear_one_signal(command: &mut Command) -> std::io::Result<i32> {
    let mut signals = Signals::new([SIGINT, SIGTERM])?;
    let mut child = command.spawn()?;
    let pid = Pid::from_child(&child);
    std::thread::spawn(move || {
        let mut heard = signals.forever();
        if let Some(first) = heard.next().and_then(Signal::from_named_raw) {
            let _ = kill_process(pid, first);
        }
        for _ in heard {
            let _ = fired(Kind::HearsOneSignal);
        }
    });
    Ok(child.wait()?.code().unwrap_or(70))
}

/// Passes SIGHUP on as what ends a runner that does not hear it.
fn hear_every_hang_up(command: &mut Command) -> std::io::Result<i32> {
    let mut signals = Signals::new([SIGHUP])?;
    let mut child = command.spawn()?;
    let pid = Pid::from_child(&child);
    std::thread::spawn(move || {
        for _ in signals.forever() {
            let _ = fired(Kind::HearsEveryHangUp);
            let _ = kill_process(pid, Signal::TERM);
        }
    });
    Ok(child.wait()?.code().unwrap_or(70))
}

/// Faults of the commands that start no work.
fn not_working(kind: Kind, command: &mut Command, arguments: &[String]) -> std::io::Result<i32> {
    let is = |verb: &str| arguments.first().is_some_and(|first| first == verb);
    let shows = |verb: &String| verb == "status" || verb == "fleet-status";
    match kind {
        Kind::RefusesToAdd if is("add") => code_of(command).and_then(|_| fired(kind)).map(|()| 1),
        Kind::FailsItsReport if is("fleet-shadow-report") => {
            code_of(command).and_then(|_| fired(kind)).map(|()| 3)
        }
        Kind::TurnsTheGateRound if arguments.iter().any(|argument| argument == "--gate") => {
            let code = code_of(command)?;
            fired(kind)?;
            Ok(i32::from(code == 0))
        }
        Kind::JudgesThePast | Kind::StretchesItsSpan
            if arguments.iter().any(|argument| argument == "--gate") =>
        {
            before(kind)?;
            code_of(command)
        }
        Kind::FailsAfterwards if !is("add") => code_of(command).and_then(|_| fired(kind)).map(|()| 1),
        Kind::ShipsOnApproval if is("ship") => {
            let code = code_of(command)?;
            let job = arguments.last().map_or("", String::as_str);
            let mut own = Command::new(SHIP);
            code_of(own.arg(job).env("AQ_JOB_ID", job).stdin(Stdio::null()))?;
            fired(kind).map(|()| code)
        }
        Kind::ShipsAsTheApprover if is("ship") => {
            let job = arguments.last().map_or("", String::as_str);
            ship_here(job).and_then(|code| fired(kind).map(|()| code))
        }
        Kind::RetriesAnything if is("retry") => code_of(command).and_then(|_| fired(kind)).map(|()| 0),
        Kind::ForgetsReasons if is("show") => {
            let mislay = |text: &str| text.replace("\"reason\"", "\"reason\":\"mislaid\",\"was\"");
            reworded(command, mislay).and_then(|code| fired(kind).map(|()| code))
        }
        Kind::LosesWhatWasPrinted if is("logs") => {
            let last = |text: &str| text.lines().last().unwrap_or_default().to_owned();
            reworded(command, last).and_then(|code| fired(kind).map(|()| code))
        }
        Kind::HidesPauses if is("status") => {
            let hide = |text: &str| text.replace("paused", "engines");
            reworded(command, hide).and_then(|code| fired(kind).map(|()| code))
        }
        Kind::HidesRunners if arguments.iter().any(shows) => {
            let hide = |text: &str| text.replace("shadow", "nothing");
            reworded(command, hide).and_then(|code| fired(kind).map(|()| code))
        }
        _ => code_of(command),
    }
}

/// Publishes a job in review here and now, and moves its file by how that ended.
fn ship_here(job: &str) -> std::io::Result<i32> {
    let file = queue().join("review").join(format!("{job}.md"));
    let text = fs::read_to_string(&file)?;
    let value = text.lines().find_map(|line| line.strip_prefix("ship: "));
    let ship: String = serde_json::from_str(value.unwrap_or("\"true\""))?;
    let mut shell = Command::new("sh");
    shell
        .args(["-e", "-c", &ship])
        .env("AQ_JOB_ID", job)
        .stdin(Stdio::null());
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("AQ_FLEET")) {
        shell.env_remove(name);
    }
    let code = code_of(&mut shell)?;
    let stage = if code == 0 { "shipped" } else { "failed" };
    fs::rename(&file, queue().join(stage).join(format!("{job}.md")))?;
    Ok(code)
}

/// Runs the command and prints what this makes of what it prints.
fn reworded(command: &mut Command, other: impl Fn(&str) -> String) -> std::io::Result<i32> {
    let output = command.stderr(Stdio::inherit()).output()?;
    stdio::put(&format!("{}\n", other(&String::from_utf8_lossy(&output.stdout))));
    Ok(output.status.code().unwrap_or(70))
}

/// Faults of what the runner is told by its environment.
fn otherwise_told(kind: Kind, command: &mut Command) -> std::io::Result<()> {
    match kind {
        Kind::StaysOffline => command.env("AQ_FLEET", "0"),
        Kind::WatchesAlways => command.env("AQ_FLEET_SHADOW", "1"),
        Kind::ClaimsWhatItLacks => command.env("AQ_FACTORY_CAPS", "gpu"),
        // Where there is no grace, there is nobody to be asked.
        Kind::KillsAtOnce => command.env("AQ_GRACE", "0s"),
        Kind::DeafToChanges if variable("AQ_FLEET_ROUTE").is_empty() => command.env("AQ_FLEET_ROUTE", "0"),
        Kind::ObeysProxyVariables if !variable("http_proxy").is_empty() => {
            command.env("AQ_FLEET_URL", variable("http_proxy"))
        }
        _ => return Ok(()),
    };
    fired(kind)
}

/// Faults on the way to the coordinator, most of them done by a proxy.
fn between(mutant: Mutant, command: &mut Command) -> std::io::Result<()> {
    let fleet = variable("AQ_FLEET") == "1";
    if mutant.kind == Kind::ConnectsWhenOff && !fleet {
        let url = variable("AQ_FLEET_URL");
        drop(TcpStream::connect(url.trim_start_matches("http://"))?);
        return fired(mutant.kind);
    }
    if !fleet || Tamper::of(mutant.kind).is_none() {
        return Ok(());
    }
    let beside = beside::start(mutant, &variable("AQ_FLEET_URL"))?;
    command.env("AQ_FLEET_URL", &beside.url);
    if mutant.kind == Kind::WaitsForTheLane {
        let own = std::env::current_exe()?;
        let waits = format!("'{}' mutant --wait {}", own.display(), beside.gate);
        shim(command, &waits)?;
        return fired(mutant.kind);
    }
    Ok(())
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
        Kind::ObeysAnswers | Kind::FollowsTheView => {
            "\"$real\" \"$@\"; code=$?; [ -e \"$TMPDIR/fired\" ] && exit 1; exit $code"
        }
        Kind::HandsSignalsOn => "trap '' INT",
        Kind::IsDeafToItsEngines => "\"$real\" \"$@\" >\"$TMPDIR/fired\" 2>&1; exit $?",
        Kind::DropsRoutedWork => {
            "grep -q '^route_via_service = 0' \"$AQ_QUEUE/aq.toml\" && : >\"$TMPDIR/fired\" && exit 1"
        }
        // A copy has nobody who writes it.
        Kind::TakesHalfFiles => {
            "\"$real\" \"$@\"; code=$?; for file in \"$AQ_QUEUE\"/inbox/*.md; do
[ -f \"$file\" ] && cp \"$file\" \"$TMPDIR/half\" && mv \"$TMPDIR/half\" \"$file\" && : >\"$TMPDIR/fired\"
done; exit $code"
        }
        Kind::IgnoresItsFolder => {
            let here = std::env::current_dir()?;
            let first = format!("cd '{}'", here.display());
            return shim(command, &first).and_then(|()| fired(kind));
        }
        Kind::LosesItsToken => return mislay_the_token(command).and_then(|()| fired(kind)),
        Kind::IgnoresLocks => return without("lock:").and_then(|()| fired(kind)),
        Kind::IgnoresPriorities => return without("priority:").and_then(|()| fired(kind)),
        Kind::GoesOnAfterAFailure => return go_on_after_failures().and_then(|()| fired(kind)),
        _ => return Ok(()),
    };
    shim(command, first)?;
    // These say for themselves whether it came to their fault.
    match kind {
        Kind::IsDeafToItsEngines
        | Kind::DropsRoutedWork
        | Kind::TakesHalfFiles
        | Kind::ObeysAnswers
        | Kind::FollowsTheView => Ok(()),
        _ => fired(kind),
    }
}

/// Faults done to the queue before the runner looks at it.
fn before(kind: Kind) -> std::io::Result<()> {
    match kind {
        Kind::RequeuesRoutedJobs => move_all("building", &queue().join("inbox"), kind),
        Kind::ForgetsTheInterrupted => move_all("building", &queue().join("shipped"), kind),
        Kind::LetsAnyEngineIn
        | Kind::LetsAnyCommandIn
        | Kind::LetsYoloIn
        | Kind::LetsAnyFolderIn
        | Kind::ForgetsItsConsent => consent::rewrite(kind),
        Kind::ForgetsTheFinished | Kind::PrefersTheirs => {
            let away = Path::new(&variable("TMPDIR")).join("away");
            fs::create_dir_all(&away)?;
            let stage = match kind {
                Kind::PrefersTheirs => "inbox",
                _ => "shipped",
            };
            move_all(stage, &away, kind)?;
            move_all(".state/jobs", &away, kind)
        }
        Kind::ForgetsItsOutbox => {
            let away = Path::new(&variable("TMPDIR")).join("away");
            fs::create_dir_all(&away)?;
            move_all(".state/outbox", &away, kind)
        }
        Kind::JudgesThePast | Kind::StretchesItsSpan => {
            let log = queue().join(".state/fleet-shadow.log");
            fs::write(&log, edited(kind, &fs::read_to_string(&log)?))?;
            fired(kind)
        }
        Kind::FollowsTheSettings => strangers::note_address(),
        Kind::TrustsEverybody => strangers::hide_access(),
        // It says so now: when the signal comes, it is too late.
        Kind::DiesOfSignals => fired(kind),
        _ => Ok(()),
    }
}

/// Calls shipped whatever waits, and starts nothing.
fn ship_everything() -> std::io::Result<()> {
    fs::create_dir_all(queue().join("shipped"))?;
    move_all("inbox", &queue().join("shipped"), Kind::ShipsWithoutRunning)
}

fn move_all(from: &str, to: &Path, kind: Kind) -> std::io::Result<()> {
    for entry in fs::read_dir(queue().join(from)).into_iter().flatten().flatten() {
        fs::rename(entry.path(), to.join(entry.file_name()))?;
        fired(kind)?;
    }
    Ok(())
}

fn code_of(command: &mut Command) -> std::io::Result<i32> {
    Ok(command.status()?.code().unwrap_or(70))
}
