//! Checks the coordinator, where the settings name one: whether it answers, takes the token, and agrees about the
//! time. Only calls that read are made.

use std::time::Duration;

use super::DoctorFinding;
use crate::engine::EngineRegistry;
use crate::fleet::call_failure::CallFailure;
use crate::fleet::client::CoordinatorClient;
use crate::fleet::routed_job_permissions::{POWERS_NOTICE, RoutePermissions};
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
            let next =
                "see whether it runs, and whether AQ_FLEET_URL, AQ_FLEET_CA and the way there are right";
            return vec![DoctorFinding::fail(AREA, &url, failure_text(&failure), next)];
        }
    };
    let mut findings = vec![DoctorFinding::ok(AREA, &url, "it answers")];
    findings.extend(
        server_time.and_then(|time| skew(&url, jiff::Timestamp::now().duration_since(time).unsigned_abs())),
    );
    findings.push(match client.check_token().await {
        Ok(()) => DoctorFinding::ok(AREA, &url, "it takes the token"),
        Err(failure) => {
            let next = "have the coordinator's owner look at the token and its scopes";
            DoctorFinding::fail(AREA, &url, failure_text(&failure), next)
        }
    });
    findings
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
