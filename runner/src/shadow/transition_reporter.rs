//! Reports one transition to the coordinator, and notes its answer (clauses S-7 and S-8).
//!
//! The lane uses it for what the run loop moved, and commands that move a job use it themselves.

use crate::fleet::call_failure::{CallFailure, FailureKind};
use crate::fleet::client::{ClientError, CoordinatorClient, ShadowReportOutcome};
use crate::fleet::health_reporter::HealthReporter;
use crate::ids::JobId;
use crate::settings::Settings;
use crate::stage::Stage;

use super::log::{ShadowLog, ShadowLogEvent, ShadowLogLine};
use super::report_ledger::{ReportLedger, ReportState};

/// Sends one report, and returns whether the coordinator knows the job. An answer, whatever it says, is written to the
/// ledger; a failure to the log.
///
/// # Errors
/// No answer: the report is still due.
pub(super) async fn report(
    client: &CoordinatorClient,
    log: &ShadowLog,
    ledger: &ReportLedger,
    job: &JobId,
    stage: Stage,
) -> Result<bool, CallFailure> {
    match client.shadow_report(job, stage).await {
        Ok(answer) => {
            ledger.note(ReportState::Answered, job, stage);
            if let Some(detail) = unexpected_content(&answer, stage) {
                let event = ShadowLogEvent::ReportDivergence;
                log.append(&ShadowLogLine::note(event, Some(job.as_str()), &detail));
            }
            Ok(answer != ShadowReportOutcome::UnknownJob)
        }
        Err(failure) => {
            log.append_report_failure(Some(job), &failure);
            Err(failure)
        }
    }
}

/// What an answer has that deserves a line. It is noted and never acted on.
fn unexpected_content(answer: &ShadowReportOutcome, stage: Stage) -> Option<String> {
    let reported = stage.wire_name();
    match answer {
        // This is noted once for each job, because its later stages are as unknown as its first.
        ShadowReportOutcome::UnknownJob => {
            (stage == Stage::Building).then(|| format!("{reported}: the coordinator does not know the job"))
        }
        ShadowReportOutcome::Noted {
            accepted,
            stage,
            unknown,
        } => {
            let mut odd = Vec::new();
            if !accepted {
                odd.push(String::from("not accepted"));
            }
            if stage != reported {
                odd.push(format!("its view says {stage}"));
            }
            if !unknown.is_empty() {
                let names = unknown.join(", ");
                odd.push(format!("it has {names} beyond the API, which is not acted on"));
            }
            (!odd.is_empty()).then(|| format!("{reported}: {}", odd.join("; ")))
        }
    }
}

/// A client, made at the first use.
pub(super) fn client(
    settings: &Settings,
    health: &HealthReporter,
    kept: &mut Option<CoordinatorClient>,
) -> Result<CoordinatorClient, CallFailure> {
    if let Some(client) = kept {
        return Ok(client.clone());
    }
    let made = CoordinatorClient::new(settings);
    let failed = |error: ClientError| CallFailure::indefinite(FailureKind::ConnectFailed, &error.to_string());
    let made = made.map_err(failed)?;
    Ok(kept.insert(made.reporting_to(health)).clone())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn noted(accepted: bool, stage: &str, unknown: &[&str]) -> ShadowReportOutcome {
        let unknown = unknown.iter().map(|&name| name.to_owned()).collect();
        ShadowReportOutcome::Noted {
            accepted,
            stage: stage.to_owned(),
            unknown,
        }
    }

    #[test]
    fn only_what_is_odd_is_noted() {
        for (answer, stage, detail) in [
            (noted(true, "building", &[]), Stage::Building, None),
            (noted(true, "queued", &[]), Stage::Inbox, None),
            (
                noted(false, "building", &[]),
                Stage::Building,
                Some("building: not accepted"),
            ),
            (
                noted(true, "failed", &[]),
                Stage::Testing,
                Some("testing: its view says failed"),
            ),
            (
                noted(false, "queued", &["action", "lease"]),
                Stage::Quarantine,
                Some(
                    "quarantined: not accepted; its view says queued; it has action, lease beyond the API, which is not acted on",
                ),
            ),
            (
                ShadowReportOutcome::UnknownJob,
                Stage::Building,
                Some("building: the coordinator does not know the job"),
            ),
            (ShadowReportOutcome::UnknownJob, Stage::Shipped, None),
        ] {
            assert_eq!(unexpected_content(&answer, stage).as_deref(), detail);
        }
    }
}
