//! Checks the coordinator, where the settings name one: whether it answers, takes the token, and agrees about the
//! time. Only calls that read are made, and where decisions are compared, a dry run.

use std::time::Duration;

use super::{DoctorFinding, FindingLevel};
use crate::engine::EngineRegistry;
use crate::fleet::call_failure::{CallFailure, FailureKind};
use crate::fleet::client::CoordinatorClient;
use crate::fleet::dry_run_check::{self, DryRunSupport};
use crate::fleet::routed_job_permissions::{POWERS_NOTICE, RoutePermissions};
use crate::fleet::token_scopes::ScopeGaps;
use crate::mode::Mode;
use crate::settings::Settings;
use crate::terminal::{duration, error_chain};

const AREA: &str = "fleet";
const ROUTE: &str = "[route]";
/// No lease is kept by a wall clock, but certificates are, and people compare times.
const SKEW_MAX: Duration = Duration::from_secs(30);

pub(super) async fn examine(settings: &Settings, engines: &EngineRegistry) -> Vec<DoctorFinding> {
    if settings.mode == Mode::Offline {
        return vec![DoctorFinding::ok(
            AREA,
            "AQ_FLEET",
            "off: no coordinator is asked",
        )];
    }
    let mut findings = vec![DoctorFinding::ok(AREA, "mode", settings.mode.to_string())];
    for warning in settings.warnings() {
        findings.push(DoctorFinding::warn(
            AREA,
            "settings",
            warning,
            "`aq fleet-status` shows all of them",
        ));
    }
    findings.extend(permissions(settings, engines));
    findings.push(match &settings.fleet.token {
        Some(token) => DoctorFinding::ok(AREA, "token", format!("from {}", token.origin)),
        None => DoctorFinding::warn(
            AREA,
            "token",
            "there is none",
            "set AQ_FLEET_TOKEN_FILE, unless the coordinator asks for none",
        ),
    });
    match CoordinatorClient::new(settings) {
        Ok(client) => findings.extend(ask(settings, &client).await),
        Err(error) => {
            let next = "correct AQ_FLEET_URL or AQ_FLEET_CA";
            findings.push(DoctorFinding::fail(
                AREA,
                "coordinator",
                error_chain(&error),
                next,
            ));
        }
    }
    findings
}

async fn ask(settings: &Settings, client: &CoordinatorClient) -> Vec<DoctorFinding> {
    let url = settings
        .fleet
        .url
        .as_ref()
        .map_or_else(String::new, |url| url.value.to_string());
    let server_time = match client.health().await {
        Ok(server_time) => server_time,
        Err(failure) => {
            return vec![DoctorFinding::fail(
                AREA,
                &url,
                failure_text(&failure),
                advice(&failure),
            )];
        }
    };
    let mut findings = vec![DoctorFinding::ok(AREA, &url, "it answers")];
    findings.extend(
        server_time.and_then(|time| skew(&url, jiff::Timestamp::now().duration_since(time).unsigned_abs())),
    );
    findings.push(match client.check_token().await {
        Ok(()) if settings.fleet.token.is_some() => DoctorFinding::ok(AREA, &url, "it takes the token"),
        Ok(()) => DoctorFinding::ok(AREA, &url, "it asks for no token"),
        Err(failure) => DoctorFinding::fail(AREA, &url, failure_text(&failure), advice(&failure)),
    });
    let calls = matches!(settings.mode, Mode::Shadow | Mode::Route);
    if calls && findings.iter().all(|found| found.level != FindingLevel::Fail) {
        findings.extend(scopes(settings, &url, client).await);
    }
    if settings.mode == Mode::Shadow && findings.iter().all(|found| found.level != FindingLevel::Fail) {
        findings.push(dry_run(&url, client).await);
    }
    findings
}

/// What the token lacks for this mode, and for the way back from it.
async fn scopes(settings: &Settings, url: &str, client: &CoordinatorClient) -> Vec<DoctorFinding> {
    let told = client.token_scopes().await.ok().flatten();
    let Some(told) = told else {
        let is_asked = settings.fleet.token.is_some() && settings.mode == Mode::Route;
        let text = "it does not tell what the token may do: routing needs the scope `work`, and the way back `shadow`";
        return is_asked
            .then(|| DoctorFinding::note(AREA, url, text))
            .into_iter()
            .collect();
    };
    let gaps = ScopeGaps::of(settings.mode, &told);
    let next = "have the coordinator's owner give the token that scope";
    let now = gaps.problem();
    let now = now.map(|text| DoctorFinding::fail(AREA, url, text, next));
    let way_back = gaps.way_back_problem();
    let way_back = way_back.map(|text| DoctorFinding::warn(AREA, url, text, next));
    now.into_iter().chain(way_back).collect()
}

/// A shadowing run is there for the comparison, so what makes that impossible goes wrong.
async fn dry_run(url: &str, client: &CoordinatorClient) -> DoctorFinding {
    match dry_run_check::check(client).await {
        Ok(support) => match support.problem() {
            None => DoctorFinding::ok(AREA, url, "it answers dry runs"),
            Some(problem) => {
                let next = match support {
                    DryRunSupport::ScopeMissing => "have the coordinator's owner give the token that scope",
                    _ => "ask its owner for the two shadow operations of the API, or set AQ_FLEET_SHADOW=0",
                };
                DoctorFinding::fail(AREA, url, problem, next)
            }
        },
        Err(failure) => DoctorFinding::fail(AREA, url, failure_text(&failure), advice(&failure)),
    }
}

/// What to do about a call that failed, which depends on how far it got.
fn advice(failure: &CallFailure) -> &'static str {
    match failure.kind() {
        _ if failure.is_credential_refused() => {
            "have the coordinator's owner look at the token and its scopes"
        }
        FailureKind::Status(500..) => {
            "it runs and has trouble of its own: have its owner look at its log, and try again"
        }
        FailureKind::ConnectionRefused
        | FailureKind::ConnectFailed
        | FailureKind::ConnectionReset
        | FailureKind::ConnectionClosed
        | FailureKind::Timeout => {
            "see whether it runs, and whether AQ_FLEET_URL, AQ_FLEET_CA and the way there are right"
        }
        FailureKind::Status(_)
        | FailureKind::Truncated
        | FailureKind::NotJson
        | FailureKind::WrongContentType
        | FailureKind::WrongShape
        | FailureKind::TooLarge
        | FailureKind::Redirect => {
            "something answers there, but not as a coordinator: is AQ_FLEET_URL right?"
        }
    }
}

/// What the coordinator may do here, also before routing is on. Warnings about that matter only once it is.
fn permissions(settings: &Settings, engines: &EngineRegistry) -> Vec<DoctorFinding> {
    let permissions = RoutePermissions::of(&settings.route, engines);
    let mut findings = vec![DoctorFinding::ok(
        AREA,
        ROUTE,
        format!("{permissions}; {POWERS_NOTICE}"),
    )];
    if settings.mode != Mode::Route {
        return findings;
    }
    let warnings = permissions.warnings().into_iter();
    findings.extend(
        warnings.map(|warning| DoctorFinding::warn(AREA, ROUTE, warning, "correct [route] in aq.toml")),
    );
    if let Some(cwd) = permissions.cwd.filter(|cwd| !cwd.is_dir()) {
        let text = format!(
            "{}, the folder for routed work, is not there: `aq run` routes nothing",
            cwd.display()
        );
        findings.push(DoctorFinding::fail(
            AREA,
            ROUTE,
            text,
            "make it, or correct `cwd` under [route] in aq.toml",
        ));
    }
    findings
}

fn skew(url: &str, apart: Duration) -> Option<DoctorFinding> {
    let next = "let both hosts take their time from the network";
    (apart > SKEW_MAX).then(|| {
        let text = format!("its clock and this host's are {} apart", duration(apart));
        DoctorFinding::warn(AREA, url, text, next)
    })
}

fn failure_text(failure: &CallFailure) -> String {
    format!("{}: {}", failure.kind(), failure.detail())
}
