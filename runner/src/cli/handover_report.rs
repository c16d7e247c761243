//! What became of each job that was handed over or taken back, as it is printed, and the exit code that follows.

use std::io::{Write, stdout};

use super::OutputFormat;
use super::error::CliError;
use crate::engine::EngineRegistry;
use crate::exit_codes::ProgramExit;
use crate::fleet::admission_policy::AdmissionPolicy;
use crate::fleet::client::CoordinatorClient;
use crate::fleet::job_handover::JobHandover;
use crate::fleet::job_handover::handover_answers::HandoverOutcome;
use crate::ids::JobId;
use crate::mode::SwitchState;
use crate::queue::{Queue, QueueError};
use crate::settings::Settings;
use crate::stage::Stage;
use crate::terminal::{ColorChoice, error_chain, escape_control};

/// What a command that asks the coordinator about jobs works with.
pub(super) struct CoordinatorAccess {
    pub(super) queue: Queue,
    pub(super) engines: EngineRegistry,
    client: CoordinatorClient,
    policy: Result<AdmissionPolicy, String>,
    url: String,
}

impl CoordinatorAccess {
    pub(super) fn new(settings: &Settings, queue: Queue) -> Result<CoordinatorAccess, CliError> {
        queue.complete()?;
        let engines = EngineRegistry::new(&settings.engines)?;
        let policy = policy(settings, &engines);
        let client = CoordinatorClient::new(settings)?;
        let url = settings.fleet.url.as_ref().map(|url| url.value.to_string());
        Ok(CoordinatorAccess {
            queue,
            engines,
            client,
            policy,
            url: url.unwrap_or_default(),
        })
    }

    pub(super) fn url(&self) -> &str {
        &self.url
    }

    pub(super) fn handover(&self) -> JobHandover<'_, CoordinatorClient> {
        JobHandover {
            queue: &self.queue,
            client: &self.client,
            url: self.url.clone(),
            policy: self.policy.as_ref().map_err(String::as_str),
            engines: &self.engines,
        }
    }

    /// Whether the coordinator answers and knows the token, before any job is touched.
    pub(super) async fn check(&self) -> Result<(), CliError> {
        self.client.check_token().await.map_err(CliError::Coordinator)
    }
}

/// What a job may be whose text is the coordinator's, or why none is taken (clauses F-12 and T-16).
fn policy(settings: &Settings, engines: &EngineRegistry) -> Result<AdmissionPolicy, String> {
    if let (SwitchState::Off, Some(url)) = (settings.fleet.insecure.value, settings.fleet.plain_http()) {
        return Err(format!(
            "{} is plain http from another host, which takes AQ_FLEET_INSECURE=1",
            url.value
        ));
    }
    let here = std::env::current_dir().map_err(|error| format!("this folder is gone: {error}"))?;
    AdmissionPolicy::of(settings, engines, &here)
        .map_err(|error| format!("[route] cwd is no folder: {error}"))
}

/// What a person can do about a token that is refused.
const SCOPE: &str = "name a token of scope `submit` with --fleet-token-file";

/// Collects what became of each job, and prints it at once for people.
pub(super) struct HandoverReport {
    format: OutputFormat,
    rows: Vec<serde_json::Value>,
    exit: ProgramExit,
    /// Why the rest of the jobs is left alone.
    stopped: Option<&'static str>,
}

impl HandoverReport {
    pub(super) fn new(format: OutputFormat) -> HandoverReport {
        HandoverReport {
            format,
            rows: Vec::new(),
            exit: ProgramExit::Done,
            stopped: None,
        }
    }

    /// Trouble with one job is told, and keeps no other back. Without an answer the coordinator is asked whether it answers
    /// at all; `next`: how to go on then.
    pub(super) async fn note(
        &mut self,
        access: &CoordinatorAccess,
        id: &JobId,
        outcome: Result<HandoverOutcome, QueueError>,
        next: &str,
    ) {
        let outcome =
            outcome.unwrap_or_else(|error| HandoverOutcome::Refused(error_chain(&CliError::Queue(error))));
        match &outcome {
            HandoverOutcome::TokenRefused(_) => self.stopped = Some("the coordinator refuses the token"),
            HandoverOutcome::Unclear(_) if access.check().await.is_err() => {
                self.stopped = Some("the coordinator does not answer");
            }
            _ => {}
        }
        self.exit = match (self.exit, &outcome) {
            (ProgramExit::Failed, _)
            | (
                _,
                HandoverOutcome::Held(_) | HandoverOutcome::Refused(_) | HandoverOutcome::TokenRefused(_),
            ) => ProgramExit::Failed,
            (_, HandoverOutcome::Unclear(_)) => ProgramExit::Inconclusive,
            (exit, HandoverOutcome::Handed | HandoverOutcome::Recalled | HandoverOutcome::Finished(_)) => {
                exit
            }
        };
        let (word, stage, detail) = facts(&outcome);
        self.rows.push(serde_json::json!({
            "id": id.as_str(), "outcome": word, "stage": stage.map(Stage::folder), "detail": detail,
        }));
        self.say(id, &sentence(&outcome, next));
    }

    /// Whether this job is left alone; that is told.
    pub(super) fn leaves(&mut self, id: &JobId) -> bool {
        let Some(why) = self.stopped else {
            return false;
        };
        if self.exit == ProgramExit::Done {
            self.exit = ProgramExit::Failed;
        }
        self.rows.push(serde_json::json!({
            "id": id.as_str(), "outcome": "not_tried", "stage": null, "detail": why,
        }));
        self.say(id, &format!("not tried: {why}"));
        true
    }

    /// A line that can't be printed changes nothing of what was done.
    fn say(&self, id: &JobId, text: &str) {
        if !self.format.json {
            let id = ColorChoice::of(&stdout()).bold(id.as_str());
            let _ = writeln!(stdout(), "{id}  {}", escape_control(text));
        }
    }

    pub(super) fn finish(self, nothing: &str) -> Result<ProgramExit, CliError> {
        let value = serde_json::json!({ "jobs": self.rows });
        let is_empty = self.rows.is_empty();
        self.format.print_done(&value, |out| match is_empty {
            true => writeln!(out, "{nothing}"),
            false => Ok(()),
        })?;
        Ok(self.exit)
    }
}

/// For programs.
fn facts(outcome: &HandoverOutcome) -> (&'static str, Option<Stage>, Option<&str>) {
    match outcome {
        HandoverOutcome::Handed => ("handed", None, None),
        HandoverOutcome::Recalled => ("recalled", Some(Stage::Inbox), None),
        HandoverOutcome::Finished(stage) => ("finished", Some(*stage), None),
        HandoverOutcome::Held(why) => ("held", None, Some(why)),
        HandoverOutcome::Refused(why) | HandoverOutcome::TokenRefused(why) => ("refused", None, Some(why)),
        HandoverOutcome::Unclear(why) => ("unclear", None, Some(why)),
    }
}

/// For people.
fn sentence(outcome: &HandoverOutcome, next: &str) -> String {
    match outcome {
        HandoverOutcome::Handed => String::from("handed to the coordinator"),
        HandoverOutcome::Recalled => String::from("in the inbox"),
        HandoverOutcome::Finished(stage) => format!("nothing to take back: it is {stage}"),
        HandoverOutcome::Held(why) => format!("stays: {why}"),
        HandoverOutcome::Refused(why) => format!("refused: {why}"),
        HandoverOutcome::TokenRefused(why) => format!("refused: {why}; {SCOPE}"),
        HandoverOutcome::Unclear(why) => format!(
            "nobody knows whether the coordinator did it ({why}): nothing starts it here until that is known; {next}"
        ),
    }
}

/// What a crash had cut off, and could not be finished.
pub(super) fn warn_of(troubles: Vec<QueueError>) {
    for trouble in troubles {
        let text = error_chain(&CliError::Queue(trouble));
        let _ = writeln!(std::io::stderr(), "aq: {}", escape_control(&text));
    }
}
