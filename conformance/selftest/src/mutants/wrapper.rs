//! What each mutant does before and around the real runner. Where nothing is left to be done afterwards the runner
//! takes the mutant's place, so that signals reach it.

use std::fs;
use std::net::TcpStream;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};

use rustix::process::{Pid, Signal, kill_process};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

use super::after_run::{after, edited, miscounted};
use super::consent_faults;
use super::engine_shim::{drop_token, go_on_after_failures, retry_at_once, shim, without};
use super::proxy_process;
use super::trust_faults;
use super::{COMMAND, FaultPlace, Mutant, MutantKind, fired, hide_fleet, move_all, queue, variable};
use conformance::fake_engine::SHIP;
use conformance::stdio;

/// Runs the runner with this fault; the exit code is the mutant's.
pub(super) fn run(mutant: Mutant, runner: &str, arguments: &[String]) -> std::io::Result<i32> {
    let kind = mutant.kind;
    let has = |words: &[&str]| {
        arguments
            .iter()
            .any(|argument| words.contains(&argument.as_str()))
    };
    let hands = has(&["fleet-submit", "fleet-recall"]);
    let working = hands || has(&["run"]);
    let mut command = Command::new(runner);
    command.args(arguments).stdin(Stdio::null());
    match kind {
        MutantKind::DoesNothing if working => return fired(kind).map(|()| 0),
        MutantKind::SaysNothing => {
            command.stdout(Stdio::null()).stderr(Stdio::null());
            let code = code_of(&mut command)?;
            return fired(kind).map(|()| code);
        }
        MutantKind::TellsTwice if working => {
            let output = command.stderr(Stdio::piped()).stdout(Stdio::inherit()).output()?;
            let errors = String::from_utf8_lossy(&output.stderr);
            stdio::write_stderr(&format!("{errors}{errors}"));
            return fired(kind).map(|()| output.status.code().unwrap_or(70));
        }
        MutantKind::Crashes if working => {
            fired(kind)?;
            std::process::abort();
        }
        MutantKind::MiscountsItsReport if arguments.iter().any(|argument| argument == "--json") => {
            return miscounted(&mut command).and_then(|code| fired(kind).map(|()| code));
        }
        _ if !working => return not_working(kind, &mut command, arguments),
        MutantKind::KeepsWhatItHandsOver if hands => return keep_what_it_hands_over(&mut command),
        MutantKind::IdlesOffline if variable("AQ_FLEET") != "1" => return fired(kind).map(|()| 0),
        MutantKind::HearsOneSignal => return forward_one_signal(&mut command),
        MutantKind::HearsEveryHangUp => return forward_every_hangup(&mut command),
        MutantKind::ShipsWithoutRunning => return ship_everything().map(|()| 0),
        _ => {}
    }
    change_environment(kind, &mut command)?;
    between(mutant, &mut command)?;
    around_engines(kind, &mut command)?;
    before(kind)?;
    match mutant.place {
        FaultPlace::Around => after(kind, code_of(&mut command)?),
        FaultPlace::Before | FaultPlace::Proxy => Err(command.exec()),
    }
}

/// Passes the first signal on to the runner, and none after it.
fn forward_one_signal(command: &mut Command) -> std::io::Result<i32> {
    let mut signals = Signals::new([SIGINT, SIGTERM])?;
    let mut child = command.spawn()?;
    let pid = Pid::from_child(&child);
    std::thread::spawn(move || {
        let mut rest = signals.forever();
        if let Some(first) = rest.next().and_then(Signal::from_named_raw) {
            let _ = kill_process(pid, first);
        }
        for _ in rest {
            let _ = fired(MutantKind::HearsOneSignal);
        }
    });
    Ok(child.wait()?.code().unwrap_or(70))
}

/// Passes SIGHUP on as what ends a runner that does not hear it.
fn forward_every_hangup(command: &mut Command) -> std::io::Result<i32> {
    let mut signals = Signals::new([SIGHUP])?;
    let mut child = command.spawn()?;
    let pid = Pid::from_child(&child);
    std::thread::spawn(move || {
        for _ in signals.forever() {
            let _ = fired(MutantKind::HearsEveryHangUp);
            let _ = kill_process(pid, Signal::TERM);
        }
    });
    Ok(child.wait()?.code().unwrap_or(70))
}

/// Faults of the commands that start no work.
fn not_working(kind: MutantKind, command: &mut Command, arguments: &[String]) -> std::io::Result<i32> {
    let is = |verb: &str| arguments.first().is_some_and(|first| first == verb);
    let has = |word: &str| arguments.iter().any(|argument| argument == word);
    let job = arguments.last().map_or("", String::as_str);
    let code = match kind {
        MutantKind::RefusesToAdd if is("add") => code_of(command).map(|_| 1),
        MutantKind::FailsItsReport if is("fleet-shadow-report") => code_of(command).map(|_| 3),
        MutantKind::TurnsTheGateRound if has("--gate") => code_of(command).map(|code| i32::from(code == 0)),
        kind if is_fault_of_the_gate(kind) && has("--gate") => {
            before(kind)?;
            return code_of(command);
        }
        MutantKind::ForgetsWhatPeopleSaid if is("fleet-shadow-report") => {
            before(kind)?;
            return code_of(command);
        }
        MutantKind::FailsAfterwards if !is("add") => code_of(command).map(|_| 1),
        MutantKind::ShipsOnApproval if is("ship") => {
            let code = code_of(command)?;
            let mut own = Command::new(SHIP);
            code_of(own.arg(job).env("AQ_JOB_ID", job).stdin(Stdio::null())).map(|_| code)
        }
        MutantKind::ShipsAsTheApprover if is("ship") => ship_here(job),
        MutantKind::RetriesAnything if is("retry") => code_of(command).map(|_| 0),
        MutantKind::ForgetsReasons if is("show") => reworded(command, |text| {
            text.replace("\"reason\"", "\"reason\":\"mislaid\",\"was\"")
        }),
        MutantKind::LosesWhatWasPrinted if is("logs") => {
            reworded(command, |text| text.lines().last().unwrap_or_default().to_owned())
        }
        MutantKind::HidesPauses if is("status") => {
            reworded(command, |text| text.replace("paused", "engines"))
        }
        MutantKind::HidesRunners if has("status") || has("fleet-status") => {
            reworded(command, |text| text.replace("shadow", "nothing"))
        }
        _ => return code_of(command),
    };
    let code = code?;
    fired(kind).map(|()| code)
}

/// Publishes a job in review here and now, and moves its file by how that ended.
fn ship_here(job: &str) -> std::io::Result<i32> {
    let file = queue().join("review").join(format!("{job}.md"));
    let text = fs::read_to_string(&file)?;
    let value = text.lines().find_map(|line| line.strip_prefix("ship: "));
    let ship: String = serde_json::from_str(value.unwrap_or("\"true\""))?;
    let mut shell = Command::new("sh");
    hide_fleet(&mut shell);
    shell.args(["-e", "-c", &ship]).env("AQ_JOB_ID", job);
    let code = code_of(shell.stdin(Stdio::null()))?;
    let stage = if code == 0 { "shipped" } else { "failed" };
    fs::rename(&file, queue().join(stage).join(format!("{job}.md")))?;
    Ok(code)
}

/// Runs the command and prints what this makes of what it prints.
fn reworded(command: &mut Command, other: impl Fn(&str) -> String) -> std::io::Result<i32> {
    let output = command.stderr(Stdio::inherit()).output()?;
    stdio::write_stdout(&format!("{}\n", other(&String::from_utf8_lossy(&output.stdout))));
    Ok(output.status.code().unwrap_or(70))
}

/// Faults of the runner's environment.
fn change_environment(kind: MutantKind, command: &mut Command) -> std::io::Result<()> {
    match kind {
        MutantKind::StaysOffline => command.env("AQ_FLEET", "0"),
        MutantKind::WatchesAlways => command.env("AQ_FLEET_SHADOW", "1"),
        MutantKind::ClaimsWhatItLacks => command.env("AQ_FACTORY_CAPS", "gpu"),
        MutantKind::OffersAnyEngine => command.env("AQ_FACTORY_CAPS", "engine:gemini"),
        // Where there is no grace, there is nobody to be asked.
        MutantKind::KillsAtOnce => command.env("AQ_GRACE", "0s"),
        MutantKind::DeafToChanges if variable("AQ_FLEET_ROUTE").is_empty() => {
            command.env("AQ_FLEET_ROUTE", "0")
        }
        MutantKind::ObeysProxyVariables if !variable("http_proxy").is_empty() => {
            command.env("AQ_FLEET_URL", variable("http_proxy"))
        }
        _ => return Ok(()),
    };
    fired(kind)
}

/// Faults on the way to the coordinator, most of them done by a proxy.
fn between(mutant: Mutant, command: &mut Command) -> std::io::Result<()> {
    let fleet = variable("AQ_FLEET") == "1";
    if mutant.kind == MutantKind::ConnectsWhenOff && !fleet {
        let url = variable("AQ_FLEET_URL");
        drop(TcpStream::connect(url.trim_start_matches("http://"))?);
        return fired(mutant.kind);
    }
    if !fleet || mutant.place != FaultPlace::Proxy {
        return Ok(());
    }
    let beside = proxy_process::start(mutant, &variable("AQ_FLEET_URL"))?;
    command.env("AQ_FLEET_URL", &beside.url);
    if mutant.kind == MutantKind::WaitsForTheLane {
        let own = std::env::current_exe()?;
        let waits = format!("'{}' {COMMAND} --wait {}", own.display(), beside.gate);
        shim(command, &waits)?;
        return fired(mutant.kind);
    }
    Ok(())
}

/// The events by which each engine tells a success, after whatever it printed itself.
const TELLS_SUCCESS: &str = r#""$real" "$@"; code=$?; [ $code = 0 ] && cat <<'EVENTS' && : >"$TMPDIR/fired"
{"type":"item.completed","item":{"type":"agent_message","text":"Done."}}
{"type":"message","role":"assistant","content":"Done."}
{"type":"text","part":{"text":"Done."}}
{"type":"turn.completed"}
{"type":"step_finish","part":{"reason":"stop"}}
{"type":"result","subtype":"success","is_error":false,"status":"success"}
EVENTS
exit $code"#;

/// Faults around the engines, done by scripts in front of them, or by an edit of the jobs.
fn around_engines(kind: MutantKind, command: &mut Command) -> std::io::Result<()> {
    let first = match kind {
        MutantKind::RunsTwice => "\"$real\" \"$@\" </dev/null",
        MutantKind::PassesTheFleetOn => "AQ_FLEET=1; export AQ_FLEET",
        MutantKind::HoldsStdinOpen => "sleep 3 | \"$real\" \"$@\"; exit $?",
        MutantKind::SkipsPermissions => "set -- --yolo \"$@\"",
        MutantKind::MarksItsEngines if variable("AQ_FLEET") == "1" => "IN_A_FLEET=1; export IN_A_FLEET",
        MutantKind::LosesThePrompt => "set -- -p; exec </dev/null",
        MutantKind::ObeysAnswers | MutantKind::FollowsTheView => {
            "\"$real\" \"$@\"; code=$?; [ -e \"$TMPDIR/fired\" ] && exit 1; exit $code"
        }
        MutantKind::HandsSignalsOn => "trap '' INT",
        MutantKind::IsDeafToItsEngines => "\"$real\" \"$@\" >\"$TMPDIR/fired\" 2>&1; exit $?",
        MutantKind::TrustsExitCodes => TELLS_SUCCESS,
        MutantKind::BelievesTheWork => {
            "\"$real\" \"$@\" >\"$TMPDIR/$$\"; code=$?; cat \"$TMPDIR/$$\"
[ $code != 0 ] && grep -io 'usage limit reached' \"$TMPDIR/$$\" && : >\"$TMPDIR/fired\"; exit $code"
        }
        MutantKind::ForgetsPauses => "rm \"$AQ_QUEUE\"/.state/paused/* 2>/dev/null && : >\"$TMPDIR/fired\"",
        MutantKind::DropsRoutedWork => {
            "grep -q '^route_via_service = 0' \"$AQ_QUEUE/aq.toml\" && : >\"$TMPDIR/fired\" && exit 1"
        }
        MutantKind::TurnsRouteOn => {
            "grep -q '^route_via_service = false' \"$AQ_QUEUE/aq.toml\" && : >\"$TMPDIR/fired\" &&
sed 's/^route_via_service = false/route_via_service = true/' \"$AQ_QUEUE/aq.toml\" >\"$TMPDIR/on\" &&
cp \"$TMPDIR/on\" \"$AQ_QUEUE/aq.toml\""
        }
        // A copy has nobody who writes it.
        MutantKind::TakesHalfFiles => {
            "\"$real\" \"$@\"; code=$?; for file in \"$AQ_QUEUE\"/inbox/*.md; do
[ -f \"$file\" ] && cp \"$file\" \"$TMPDIR/half\" && mv \"$TMPDIR/half\" \"$file\" && : >\"$TMPDIR/fired\"
done; exit $code"
        }
        MutantKind::IgnoresItsFolder => {
            let here = std::env::current_dir()?;
            let first = format!("cd '{}'", here.display());
            return shim(command, &first).and_then(|()| fired(kind));
        }
        MutantKind::LosesItsToken => return drop_token(command).and_then(|()| fired(kind)),
        MutantKind::IgnoresLocks => return without("lock:").and_then(|()| fired(kind)),
        MutantKind::RetriesAtOnce => return retry_at_once().and_then(|()| fired(kind)),
        MutantKind::IgnoresPriorities => return without("priority:").and_then(|()| fired(kind)),
        MutantKind::GoesOnAfterAFailure => return go_on_after_failures().and_then(|()| fired(kind)),
        _ => return Ok(()),
    };
    shim(command, first)?;
    // Where a script keeps that, it is known afterwards whether it came to the fault.
    match first.contains("$TMPDIR/fired") {
        true => Ok(()),
        false => fired(kind),
    }
}

/// Faults done to the queue before the runner looks at it.
fn before(kind: MutantKind) -> std::io::Result<()> {
    match kind {
        MutantKind::RequeuesRoutedJobs => move_all("building", &queue().join("inbox"), kind),
        MutantKind::ForgetsTheInterrupted => move_all("building", &queue().join("shipped"), kind),
        MutantKind::LetsAnyEngineIn
        | MutantKind::LetsAnyCommandIn
        | MutantKind::LetsYoloIn
        | MutantKind::LetsAnyFolderIn
        | MutantKind::IgnoresHarm
        | MutantKind::ForgetsItsConsent => consent_faults::rewrite(kind),
        MutantKind::ForgetsTheFinished => put_away(&["shipped", ".state/jobs"], kind),
        MutantKind::PrefersTheirs => put_away(&["inbox", ".state/jobs"], kind),
        MutantKind::ForgetsItsOutbox => put_away(&[".state/outbox"], kind),
        kind if is_fault_of_the_gate(kind) || kind == MutantKind::ForgetsWhatPeopleSaid => {
            let log = queue().join(".state/fleet-shadow.log");
            fs::write(&log, edited(kind, &fs::read_to_string(&log)?))?;
            fired(kind)
        }
        MutantKind::FollowsTheSettings => trust_faults::note_address(),
        MutantKind::TrustsEverybody => trust_faults::hide_access(),
        // It says so now: when the signal comes, it is too late.
        MutantKind::DiesOfSignals => fired(kind),
        _ => Ok(()),
    }
}

/// It changes the log that the gate is about to read.
fn is_fault_of_the_gate(kind: MutantKind) -> bool {
    matches!(
        kind,
        MutantKind::JudgesThePast
            | MutantKind::StretchesItsSpan
            | MutantKind::MixesEpochs
            | MutantKind::PoolsItsEngines
            | MutantKind::CountsTheAcknowledged
            | MutantKind::NeverForgives
    )
}

/// Calls shipped whatever waits, and starts nothing.
fn ship_everything() -> std::io::Result<()> {
    fs::create_dir_all(queue().join("shipped"))?;
    move_all("inbox", &queue().join("shipped"), MutantKind::ShipsWithoutRunning)
}

/// Puts what waited into the inbox again, as if nobody had been given it.
fn keep_what_it_hands_over(command: &mut Command) -> std::io::Result<i32> {
    let kind = MutantKind::KeepsWhatItHandsOver;
    let files = fs::read_dir(queue().join("inbox"))?.flatten();
    let kept: Vec<_> = files
        .map(|file| Ok((file.path(), fs::read(file.path())?)))
        .collect::<std::io::Result<_>>()?;
    let code = code_of(command)?;
    put_away(&[".state/handed"], kind)?;
    for (path, bytes) in kept {
        fs::write(path, bytes)?;
    }
    Ok(code)
}

/// Moves what lies in these folders to where no runner finds it.
fn put_away(folders: &[&str], kind: MutantKind) -> std::io::Result<()> {
    let away = Path::new(&variable("TMPDIR")).join("away");
    fs::create_dir_all(&away)?;
    folders
        .iter()
        .try_for_each(|folder| move_all(folder, &away, kind))
}

fn code_of(command: &mut Command) -> std::io::Result<i32> {
    Ok(command.status()?.code().unwrap_or(70))
}
