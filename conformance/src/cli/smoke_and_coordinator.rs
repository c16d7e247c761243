//! The two runs that are not of the scenario folder: the smoke scenarios, and the checks of a coordinator.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use conformance::coordinator::{
    self, AccessLevel, CheckRunControl, RestartAction, http_client::CoordinatorClient,
};
use conformance::driver::stop_signal::StopSignal;
use conformance::exit_codes::HarnessExit;
use conformance::invocation::HarnessInvocation;
use conformance::printable_text::error_chain;
use conformance::report::event_stream::{RunEndReason, RunStarted, VERSION};
use conformance::smoke;
use conformance::stdio;
use conformance::suite;
use conformance::suite_selection::fail;

use super::{CommonArguments, run};

/// The coordinator to be judged, and how.
pub(super) struct CoordinatorTarget {
    pub(super) url: String,
    pub(super) token_file: Option<PathBuf>,
    pub(super) ca: Option<PathBuf>,
    pub(super) observe: bool,
    pub(super) restart: Option<String>,
}

/// Runs the smoke scenarios; exit 3 where the profile is wrong, 1 where the runner is.
pub(super) fn smoke(only: &[String], options: &CommonArguments) -> Result<HarnessExit, HarnessExit> {
    let ids = wanted(smoke::scenarios().map(|(id, _)| id.to_owned()).collect(), only)?;
    let mut reports = run::reports(options)?;
    let suite = options.selection().suite()?;
    run::begin(&mut reports, run::started(&suite, "smoke", 1, ids, options))?;
    let began = Instant::now();
    suite.stop.stop_at_signals();
    let invocation = options.invocation();
    smoke::judge(&suite, only, |verdict| {
        let again = invocation.with(&["smoke", "--keep", &verdict.id]);
        reports.take_case(verdict.clone().reported(None, again));
    });
    reports.end(RunEndReason::of_stop(suite.stop.signal()), began.elapsed());
    Ok(reports.close())
}

/// Judges the coordinator at this address.
pub(super) fn coordinator(
    target: &CoordinatorTarget,
    only: Vec<String>,
    options: &CommonArguments,
) -> Result<HarnessExit, HarnessExit> {
    let access = match &target.restart {
        _ if target.observe => AccessLevel::Observe,
        Some(_) => AccessLevel::EverythingAndRestarts,
        None => AccessLevel::Everything,
    };
    let ids = wanted(coordinator::ids(access), &only)?;
    let client = client(target).map_err(|message| fail(HarnessExit::WrongUsage, &message))?;
    let mut reports = run::reports(options)?;
    client
        .recognise()
        .map_err(|message| fail(HarnessExit::Inconclusive, &message))?;
    let control = CheckRunControl {
        stop: StopSignal::default(),
        only,
        waits: Some(Arc::new(|ms| {
            stdio::say(format_args!(
                "waiting {ms} ms, so that a lease of the coordinator's comes to its end"
            ));
        })),
        restart: target
            .restart
            .clone()
            .map(|command| -> RestartAction { Arc::new(move || restart(&command)) }),
    };
    let started = RunStarted {
        version: VERSION,
        command: "coordinator".into(),
        harness: env!("CARGO_PKG_VERSION").into(),
        at: suite::now(),
        subject: target.url.clone(),
        jobs: 1,
        cases: ids,
        ..RunStarted::default()
    };
    run::begin(&mut reports, started)?;
    let began = Instant::now();
    control.stop.stop_at_signals();
    let invocation = options.invocation();
    coordinator::judge(&client, access, &control, |verdict| {
        let again = target.again(&verdict.id, &invocation);
        reports.take_case(verdict.clone().reported(None, again));
    });
    reports.end(RunEndReason::of_stop(control.stop.signal()), began.elapsed());
    Ok(reports.close())
}

impl CoordinatorTarget {
    /// The command that makes this check again.
    fn again(&self, id: &str, invocation: &HarnessInvocation) -> String {
        let token = self.token_file.as_deref().map(|path| path.to_string_lossy());
        let mut words = vec!["coordinator", id, "--url", &self.url];
        let token = token.as_deref().map(|path| ["--token-file", path]);
        words.extend(token.into_iter().flatten());
        let ca = self.ca.as_deref().map(|path| path.to_string_lossy());
        words.extend(ca.as_deref().map(|path| ["--ca", path]).into_iter().flatten());
        words.extend(self.observe.then_some("--observe"));
        let restart = self.restart.as_deref().map(|command| ["--restart", command]);
        words.extend(restart.into_iter().flatten());
        invocation.with(&words)
    }
}

/// Runs the command to its end; what it prints goes to standard error.
fn restart(command: &str) -> Result<(), String> {
    let ran = duct::cmd!("sh", "-c", command)
        .stdin_null()
        .stdout_to_stderr()
        .unchecked()
        .run();
    let status = ran
        .map_err(|error| format!("`{command}` can't be run: {error}"))?
        .status;
    match status.success() {
        true => Ok(()),
        false => Err(format!("`{command}` ended with {status}")),
    }
}

fn client(target: &CoordinatorTarget) -> Result<CoordinatorClient, String> {
    let token = target.token_file.as_deref().map(std::fs::read_to_string);
    let token = token
        .transpose()
        .map_err(|error| format!("the token file can't be read: {error}"))?;
    let token = token.map(|token| token.trim().to_owned());
    let authorities = target.ca.as_deref().map(std::fs::read).transpose();
    let authorities =
        authorities.map_err(|error| format!("the file of certificates can't be read: {error}"))?;
    CoordinatorClient::new(&target.url, token, authorities.as_deref()).map_err(|error| error_chain(&error))
}

/// Those of all that are named, or all where none is.
fn wanted(all: Vec<String>, only: &[String]) -> Result<Vec<String>, HarnessExit> {
    if let Some(unknown) = only.iter().find(|id| !all.contains(id)) {
        let message = format!("there is no `{unknown}` here; there are {}", all.join(", "));
        return Err(fail(HarnessExit::WrongUsage, &message));
    }
    let is_wanted = |id: &String| only.is_empty() || only.contains(id);
    Ok(all.into_iter().filter(is_wanted).collect())
}
