//! What a mutant does when the real runner has ended: to the queue, to the shadow log, to the exit code.

use std::fs::{self, File};
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::Value;

use super::trust_faults;
use super::{MutantKind, each_in, fired, fired_file, hide_fleet, move_all, queue, variable};
use conformance::fake_engine::SHIP;
use conformance::stdio;

/// Does to what the runner left what this mutant does; the exit code is the mutant's.
pub(super) fn after(kind: MutantKind, code: i32) -> std::io::Result<i32> {
    let log = queue().join(".state/fleet-shadow.log");
    match kind {
        MutantKind::AgreesAlways => {
            let text = fs::read_to_string(&log).unwrap_or_default();
            let agreeing: Vec<String> = text.lines().map(agree).collect();
            if !agreeing.is_empty() {
                fs::write(&log, agreeing.join("\n") + "\n")?;
                fired(kind)?;
            }
        }
        MutantKind::LogsAlways => log_agreement(&log)?,
        MutantKind::QuarantinesAtWill => move_all("shipped", &queue().join("quarantine"), kind)?,
        MutantKind::TouchesItsFiles => each_in("shipped", kind, touch)?,
        MutantKind::NeedsItsLog if !log.is_file() => return fired(kind).map(|()| 1),
        MutantKind::HidesSkips
        | MutantKind::HidesEvents
        | MutantKind::HidesErrors
        | MutantKind::LogsTwice
        | MutantKind::TearsItsLog
        | MutantKind::ForgetsADecision
        | MutantKind::HidesItsEpochs
        | MutantKind::BlamesTheOrder => {
            let text = fs::read_to_string(&log).unwrap_or_default();
            if !text.is_empty() {
                fs::write(&log, edited(kind, &text))?;
                fired(kind)?;
            }
        }
        MutantKind::KeepsACopy => each_in("shipped", kind, |file| {
            let copy = queue().join("failed").join(file.file_name().unwrap_or_default());
            fs::copy(file, copy).map(drop)
        })?,
        MutantKind::ShipsAfterALoss => each_in("quarantine", kind, ship)?,
        MutantKind::MovesAFailure => move_all("failed", &queue().join("shipped"), kind)?,
        MutantKind::RunsWhatItBecame => run_what_it_became()?,
        MutantKind::ActsOnDiverge => {
            for line in objects(&log).iter().filter(|line| line["verdict"] == "DIVERGE") {
                run_named(line["coordJob"].as_str().unwrap_or_default())?;
                fired(kind)?;
            }
        }
        MutantKind::FailsOnShadowErrors
            if objects(&log).iter().any(|line| line["event"] == "shadow-error") =>
        {
            fired(kind)?;
            return Ok(1);
        }
        MutantKind::FollowsTheSettings => trust_faults::call_new_address()?,
        MutantKind::FollowsLinks => trust_faults::write_through_links(&queue().join(".state"))?,
        MutantKind::MovesThroughLinks => trust_faults::move_through_links()?,
        MutantKind::LeaksTheToken => leak_the_token()?,
        MutantKind::NeverEnds => {
            fired(kind)?;
            stay()
        }
        kind if is_fault_of_a_script(kind) && fired_file().exists() => fired(kind)?,
        MutantKind::LeavesAProcess => {
            leave_a_process()?;
            fired(kind)?;
        }
        _ => {}
    }
    Ok(code)
}

/// Its script in front of the engines notes that it came to the fault.
fn is_fault_of_a_script(kind: MutantKind) -> bool {
    matches!(
        kind,
        MutantKind::IsDeafToItsEngines
            | MutantKind::TrustsExitCodes
            | MutantKind::BelievesTheWork
            | MutantKind::DropsRoutedWork
            | MutantKind::TurnsRouteOn
            | MutantKind::TakesHalfFiles
            | MutantKind::ForgetsPauses
    )
}

fn stay() -> ! {
    loop {
        std::thread::park();
    }
}

fn leave_a_process() -> std::io::Result<()> {
    // A Mac has no `setsid`.
    let mut sleep = match cfg!(target_os = "linux") {
        true => Command::new("setsid"),
        false => Command::new("env"),
    };
    sleep.args(["sleep", "60"]);
    sleep.stdin(Stdio::null()).stdout(Stdio::null()).spawn()?;
    Ok(())
}

fn ship(file: &Path) -> std::io::Result<()> {
    let mut ship = Command::new(SHIP);
    ship.args(file.file_stem()).stdin(Stdio::null()).status()?;
    Ok(())
}

fn run_what_it_became() -> std::io::Result<()> {
    for entry in fs::read_dir(queue().join("quarantine"))?.flatten() {
        let file = entry.path();
        let text = fs::read_to_string(&file).unwrap_or_default();
        if text.contains("engine: claude") {
            let mut engine = Command::new("claude");
            engine.env("AQ_JOB_ID", file.file_stem().unwrap_or_default());
            engine.arg("-p").stdin(File::open(&file)?).status()?;
            fired(MutantKind::RunsWhatItBecame)?;
        }
    }
    Ok(())
}

fn leak_the_token() -> std::io::Result<()> {
    let text = format!("token={}\n", variable("AQ_FLEET_TOKEN"));
    fs::write(queue().join(".state/debug.txt"), text)?;
    fired(MutantKind::LeaksTheToken)
}

fn log_agreement(log: &Path) -> std::io::Result<()> {
    let line = r#"{"ts":"2026-05-01T10:00:00.000Z","event":"comparison","decision":"x","localJob":"a","coordJob":"a","verdict":"AGREE"}"#;
    fs::create_dir_all(queue().join(".state"))?;
    fs::write(log, format!("{line}\n"))?;
    fired(MutantKind::LogsAlways)
}

/// Beside a coordinator alone.
fn touch(file: &Path) -> std::io::Result<()> {
    match variable("AQ_FLEET") == "1" {
        true => fs::write(file, fs::read_to_string(file)? + "\n"),
        false => Ok(()),
    }
}

/// Prints the runner's report with one AGREE more.
pub(super) fn miscounted(command: &mut Command) -> std::io::Result<i32> {
    let output = command.stderr(Stdio::inherit()).output()?;
    let mut report: Value = serde_json::from_slice(&output.stdout)?;
    let agreed = report["verdicts"]["AGREE"].as_u64().unwrap_or(0);
    report["verdicts"]["AGREE"] = (agreed + 1).into();
    stdio::write_stdout(&format!("{report}\n"));
    Ok(output.status.code().unwrap_or(70))
}

/// The shadow log with what this mutant makes of it.
pub(super) fn edited(kind: MutantKind, text: &str) -> String {
    let lines = text.lines().flat_map(|line| match kind {
        MutantKind::HidesErrors if line.contains("\"shadow-error\"") => Vec::new(),
        MutantKind::HidesSkips if line.contains("\"event\":\"skipped\"") => Vec::new(),
        MutantKind::HidesEvents if line.contains("\"decision\":null") => Vec::new(),
        MutantKind::LogsTwice => vec![line, line],
        _ => vec![line],
    });
    let whole = lines.map(|line| format!("{line}\n")).collect::<String>();
    match kind {
        MutantKind::TearsItsLog => whole[..whole.len().saturating_sub(20)].to_owned(),
        MutantKind::ForgetsADecision => {
            let last = whole.trim_end().rfind('\n').map_or(0, |newline| newline + 1);
            whole[..last].to_owned()
        }
        MutantKind::JudgesThePast => {
            let disagreeing = |line: &&str| !line.contains("\"AGREE\"");
            let last = text.lines().rev().take_while(disagreeing).count();
            let kept = whole.split_inclusive('\n').take(text.lines().count() - last);
            kept.collect()
        }
        MutantKind::MixesEpochs => whole.replace("00000000000000aa", "00000000000000bb"),
        MutantKind::PoolsItsEngines => whole.replace("\"engine\":\"codex\"", "\"engine\":\"devin\""),
        MutantKind::CountsTheAcknowledged if whole.contains("\"acknowledges\"") => {
            whole.replace("\"verdict\":\"DIVERGE\"", "\"verdict\":\"AGREE\"")
        }
        MutantKind::NeverForgives => {
            let (agreed, others): (Vec<&str>, Vec<&str>) = whole
                .split_inclusive('\n')
                .partition(|line| line.contains("\"AGREE\""));
            agreed.concat() + &others.concat()
        }
        MutantKind::ForgetsWhatPeopleSaid => {
            let said = ["\"acknowledged\"", "\"restarted\"", "\"left-out\""];
            let kept = whole
                .split_inclusive('\n')
                .filter(|line| !said.iter().any(|event| line.contains(event)));
            kept.collect()
        }
        MutantKind::HidesItsEpochs => whole.replace("\"epoch\":", "\"mislaid\":"),
        MutantKind::BlamesTheOrder => whole.replace("\"not_mirrored\"", "\"order\""),
        MutantKind::StretchesItsSpan => whole.replacen("\"2026-05-", "\"2026-04-", text.lines().count() / 2),
        _ => whole,
    }
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
    let Some(stage) = conformance::sandbox::STAGES
        .into_iter()
        .find(|stage| lies_in(stage))
    else {
        return Ok(());
    };
    let file = queue().join(stage).join(format!("{id}.md"));
    let mut command = Command::new("devin");
    command
        .args(["-p", "--prompt-file"])
        .arg(file)
        .stdin(Stdio::null());
    hide_fleet(&mut command);
    command.status().map(drop)
}
