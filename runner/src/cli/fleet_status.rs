//! `aq fleet-status`: what the fleet's settings amount to, whether the coordinator answers, and how it fares with the
//! runners at work (clauses F-7 and F-9).
//!
//! With `AQ_FLEET=0` it makes no connection (clause F-1). It shows where the token comes from, never the token.

use std::fmt::Display;
use std::io::{self, Write, stdout};

use serde::Serialize;

use super::error::CliError;
use super::handed_job::HandedJobs;
use super::status::print_flags;
use super::{OutputFormat, active_runners};
use crate::engine::EngineRegistry;
use crate::exit_codes::ProgramExit;
use crate::fleet::call_failure::CallFailure;
use crate::fleet::client::CoordinatorClient;
use crate::fleet::coordinator_health::ComparisonHalt;
use crate::fleet::dry_run_check::{self, DryRunSupport};
use crate::fleet::routed_job_permissions::{POWERS_NOTICE, RoutePermissions};
use crate::fleet::routing_record::RoutingRecord;
use crate::fleet::token_scopes::ScopeGaps;
use crate::mode::{Mode, SwitchState};
use crate::platform_limits::{LIMITS, PlatformLimit};
use crate::run::{RunnerRecord, runners_at_work};
use crate::settings::{FlagLine, SettingValue, Settings};
use crate::terminal::{ColorChoice, escape_control, wrap};

/// All that is shown, as `--json` prints it.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct FleetOverview {
    mode: String,
    flags: Vec<FlagLine>,
    url: Option<ShownSetting>,
    factory: ShownSetting,
    caps: Vec<String>,
    /// What a routed job may do here.
    route: RoutePermissions,
    /// Where the token comes from.
    token: Option<String>,
    /// Whose certificates the coordinator may show.
    authorities: String,
    /// Whether work may come over plain http from another host.
    insecure: ShownSetting,
    timeout_ms: u64,
    drain_ms: u64,
    warnings: Vec<String>,
    /// None while the fleet is off: the coordinator was not asked.
    coordinator: Option<CoordinatorContact>,
    runners: Vec<RunnerRecord>,
    /// What routing met with. Null where that is nothing.
    routing: Option<RoutingRecord>,
    /// What this queue handed over, and the coordinator alone has.
    handed: HandedJobs,
    /// What this system can't keep of the contract.
    limits: &'static [PlatformLimit],
}

#[derive(Debug, Serialize)]
struct ShownSetting {
    value: String,
    origin: String,
}

impl ShownSetting {
    fn of<T: Display>(setting: &SettingValue<T>) -> ShownSetting {
        ShownSetting {
            value: setting.value.to_string(),
            origin: setting.origin.to_string(),
        }
    }
}

/// The result of asking the coordinator.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct CoordinatorContact {
    reachable: bool,
    /// Whether it takes the token, or needs none. Null if it was not reached.
    authorised: Option<bool>,
    /// Null where decisions are not compared, or that was not reached.
    dry_run: Option<DryRunSupport>,
    /// What the token may do. Null where there is none, nothing is asked of it, or the coordinator does not tell.
    scopes: Option<Vec<String>>,
    /// What it lacks for this mode, and for the way back. Null where `scopes` is.
    lacks: Option<ScopeGaps>,
    problem: Option<ContactProblem>,
}

#[derive(Debug, Serialize)]
struct ContactProblem {
    kind: String,
    detail: String,
}

pub(super) fn run(settings: &Settings, format: OutputFormat) -> Result<ProgramExit, CliError> {
    let overview = overview(settings)?;
    let exit = format.print(&overview, |out| print(out, ColorChoice::of(&stdout()), &overview))?;
    Ok(match &overview.coordinator {
        Some(contact) if contact.problem.is_some() => ProgramExit::Failed,
        Some(_) | None => exit,
    })
}

fn overview(settings: &Settings) -> Result<FleetOverview, CliError> {
    let fleet = &settings.fleet;
    let mut caps: Vec<String> = settings.factory_caps.iter().map(ToString::to_string).collect();
    let engines = EngineRegistry::new(&settings.engines)?;
    caps.extend(engines.available().iter().map(|name| format!("engine:{name}")));
    let millis = |duration: std::time::Duration| u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
    Ok(FleetOverview {
        mode: settings.mode.to_string(),
        flags: settings.describe_flags(),
        url: fleet.url.as_ref().map(ShownSetting::of),
        factory: ShownSetting::of(&settings.factory_id),
        caps,
        route: RoutePermissions::of(&settings.route, &engines),
        token: fleet.token.as_ref().map(|token| token.origin.to_string()),
        authorities: fleet.authorities.to_string(),
        insecure: ShownSetting::of(&fleet.insecure),
        timeout_ms: millis(fleet.timeout.value),
        drain_ms: millis(fleet.drain.value),
        warnings: settings.warnings(),
        coordinator: match settings.mode {
            Mode::Offline => None,
            Mode::Local | Mode::Shadow | Mode::Route => Some(ask(settings)?),
        },
        runners: runners_at_work(&settings.queue.value),
        routing: RoutingRecord::of_queue(&settings.queue.value),
        handed: HandedJobs::of(&settings.queue.value)?,
        limits: LIMITS,
    })
}

fn ask(settings: &Settings) -> Result<CoordinatorContact, CliError> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let failed = |reachable, authorised, kind: String, detail| CoordinatorContact {
        reachable,
        authorised,
        dry_run: None,
        scopes: None,
        lacks: None,
        problem: Some(ContactProblem { kind, detail }),
    };
    let client = match CoordinatorClient::new(settings) {
        Ok(client) => client,
        Err(error) => return Ok(failed(false, None, String::from("no-client"), error.to_string())),
    };
    let outcome = |failure: &CallFailure| (failure.kind().to_string(), failure.detail());
    Ok(runtime.block_on(async {
        if let Err(failure) = client.health().await {
            let (kind, detail) = outcome(&failure);
            return failed(failure.status().is_some(), None, kind, detail);
        }
        let authorised = client.check_token().await;
        let scopes = match (&authorised, settings.mode) {
            (Ok(()), Mode::Shadow | Mode::Route) => client.token_scopes().await.ok().flatten(),
            _ => None,
        };
        let lacks = scopes
            .as_deref()
            .map(|scopes| ScopeGaps::of(settings.mode, scopes));
        let dry_run = match (&authorised, settings.mode) {
            (Ok(()), Mode::Shadow) => dry_run_check::check(&client).await.map(Some),
            _ => Ok(None),
        };
        match authorised.and(dry_run) {
            Ok(dry_run) => CoordinatorContact {
                reachable: true,
                authorised: Some(true),
                dry_run,
                problem: scope_problem(lacks.as_ref(), dry_run),
                scopes,
                lacks,
            },
            Err(failure) => {
                let refused = failure.is_credential_refused();
                let (kind, detail) = outcome(&failure);
                failed(true, refused.then_some(false), kind, detail)
            }
        }
    }))
}

/// A scope that is missing for what the mode does, as the coordinator tells, or as its answer to a dry run does.
fn scope_problem(lacks: Option<&ScopeGaps>, dry_run: Option<DryRunSupport>) -> Option<ContactProblem> {
    let refused = dry_run.filter(|support| *support == DryRunSupport::ScopeMissing);
    let refused = refused.and_then(DryRunSupport::problem).map(str::to_owned);
    let detail = lacks.and_then(ScopeGaps::problem).or(refused)?;
    let kind = ComparisonHalt::ScopeMissing.name().to_owned();
    Some(ContactProblem { kind, detail })
}

fn print(out: &mut impl Write, palette: ColorChoice, overview: &FleetOverview) -> io::Result<()> {
    let mut fact = |label: &str, text: &str| {
        let label = palette.dim(&format!("{label:<12}"));
        writeln!(out, "{label} {}", wrap(&escape_control(text), 13))
    };
    let sourced = |found: &ShownSetting| format!("{}  ({})", found.value, found.origin);
    fact("mode", &overview.mode)?;
    let url = overview.url.as_ref().map(sourced);
    fact("url", url.as_deref().unwrap_or("none"))?;
    fact("factory", &sourced(&overview.factory))?;
    match overview.caps.join(", ").as_str() {
        "" => fact("caps", "none")?,
        caps => fact("caps", caps)?,
    }
    fact("route", &format!("{}; {POWERS_NOTICE}", overview.route))?;
    match &overview.token {
        Some(origin) => fact("token", &format!("from {origin}, not shown"))?,
        None => fact("token", "none")?,
    }
    fact("authorities", &overview.authorities)?;
    if overview.insecure.value == SwitchState::On.to_string() {
        fact("insecure", &sourced(&overview.insecure))?;
    }
    match &overview.coordinator {
        None => fact("coordinator", "not asked: AQ_FLEET is 0")?,
        Some(contact) => fact("coordinator", &contact_text(contact, overview))?,
    }
    if let Some(handed) = overview.handed.summary() {
        fact("handed", &handed)?;
    }
    for warning in &overview.warnings {
        fact("warning", warning)?;
    }
    for limit in overview.limits {
        let clause = limit
            .clause
            .map_or_else(String::new, |clause| format!("{clause}, "));
        fact("limit", &format!("{clause}{}: {}", limit.part, limit.effect))?;
    }
    writeln!(out)?;
    active_runners::print(out, &overview.runners)?;
    writeln!(out)?;
    active_runners::print_routing(out, overview.routing.as_ref())?;
    print_flags(out, palette, &overview.flags)
}

fn contact_text(contact: &CoordinatorContact, overview: &FleetOverview) -> String {
    let problem = |problem: &ContactProblem| format!("{} ({})", problem.kind, problem.detail);
    let dry_run = contact.dry_run.and_then(DryRunSupport::problem);
    let dry_run = dry_run.map_or_else(String::new, |problem| format!("; {problem}"));
    let way_back = contact.lacks.as_ref().and_then(ScopeGaps::way_back_problem);
    let way_back = way_back.map_or_else(String::new, |problem| format!("; {problem}"));
    match (&contact.problem, contact.reachable, contact.authorised) {
        (None, _, _) if overview.token.is_some() => {
            format!("answers, and takes the token{dry_run}{way_back}")
        }
        (None, _, _) => format!("answers, and asks for no token{dry_run}"),
        (Some(found), true, Some(true)) => {
            format!("answers, and knows the token, but {}{way_back}", found.detail)
        }
        (Some(found), true, Some(false)) => {
            let what = overview.token.as_ref().map_or_else(
                || String::from("no token is set"),
                |origin| format!("it does not take the token from {origin}"),
            );
            format!("answers, but {what}: {}", problem(found))
        }
        (Some(found), true, None) => format!("answers, but not as it should: {}", problem(found)),
        (Some(found), false, _) => format!("can't be reached: {}", problem(found)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::shadow::test_coordinator::{RecordedRequest, TestCoordinator, settings};

    fn answer(seen: &RecordedRequest) -> Option<(u16, String)> {
        match seen.path.as_str() {
            "/v1/health" => Some((200, String::from(r#"{"status":"ok","serverTime":"x"}"#))),
            "/v1/shadow/claims" => Some((204, String::new())),
            "/v1/jobs?limit=1" => Some((200, String::from(r#"{"jobs":[]}"#))),
            other => Some((500, other.to_owned())),
        }
    }

    fn text(overview: &FleetOverview) -> String {
        let mut text = Vec::new();
        print(&mut text, ColorChoice::Plain, overview).unwrap();
        String::from_utf8(text).unwrap()
    }

    #[test]
    fn a_coordinator_that_answers_is_said_to() {
        let folder = tempfile::tempdir().unwrap();
        let coordinator = TestCoordinator::start(answer);
        let overview = overview(&settings(folder.path(), &coordinator.url)).unwrap();
        let contact = overview.coordinator.as_ref().unwrap();
        assert!(contact.reachable && contact.authorised == Some(true) && contact.problem.is_none());
        let text = text(&overview);
        assert!(
            text.contains("coordinator  answers, and asks for no token"),
            "{text}"
        );
        assert!(text.contains("mode         shadow"), "{text}");
    }

    #[test]
    fn a_token_that_is_refused_is_told_from_a_coordinator_that_is_not_there() {
        let folder = tempfile::tempdir().unwrap();
        let coordinator = TestCoordinator::start(|seen| match seen.path.as_str() {
            "/v1/health" => answer(seen),
            _ => Some((401, String::from("{}"))),
        });
        let refused = overview(&settings(folder.path(), &coordinator.url))
            .unwrap()
            .coordinator
            .unwrap();
        assert_eq!((refused.reachable, refused.authorised), (true, Some(false)));
        assert_eq!(refused.problem.unwrap().kind, "status-401");

        let absent = overview(&settings(folder.path(), "http://127.0.0.1:1")).unwrap();
        let contact = absent.coordinator.as_ref().unwrap();
        assert_eq!((contact.reachable, contact.authorised), (false, None));
        assert!(
            text(&absent).contains("can't be reached: connection-refused"),
            "{}",
            text(&absent)
        );
    }

    #[test]
    fn with_the_fleet_off_nobody_is_asked() {
        let folder = tempfile::tempdir().unwrap();
        let coordinator = TestCoordinator::start(answer);
        let mut settings = settings(folder.path(), &coordinator.url);
        settings.mode = Mode::Offline;
        let overview = overview(&settings).unwrap();
        assert!(overview.coordinator.is_none() && coordinator.seen().is_empty());
        assert!(text(&overview).contains("not asked: AQ_FLEET is 0"));
    }
}
