//! The coordinator, where the settings say that there is one: whether it answers, takes the token, and agrees about the
//! time. Only what reads is asked.

use std::time::Duration;

use super::{Finding, chain};
use crate::engine::Engines;
use crate::fleet::client::Client;
use crate::fleet::failure::Failure;
use crate::fleet::routed::permissions::{HANDED_OVER, RoutePermissions};
use crate::mode::Mode;
use crate::settings::Settings;
use crate::terminal::duration;

const AREA: &str = "fleet";
const ROUTE: &str = "[route]";
/// Leases are kept by no wall clock, but certificates are, and times are compared by people.
const SKEW_MAX: Duration = Duration::from_secs(30);

pub(super) async fn examine(settings: &Settings, engines: &Engines) -> Vec<Finding> {
    if settings.mode == Mode::Offline {
        return vec![Finding::ok(AREA, "AQ_FLEET", "off: no coordinator is asked")];
    }
    let mut findings = vec![Finding::ok(AREA, "mode", settings.mode.to_string())];
    for warning in settings.warnings() {
        findings.push(Finding::warn(
            AREA,
            "settings",
            warning,
            "`aq fleet-status` shows all of them",
        ));
    }
    findings.extend(permissions(settings, engines));
    findings.push(match &settings.fleet.token {
        Some(token) => Finding::ok(AREA, "token", format!("from {}", token.origin)),
        None => Finding::warn(
            AREA,
            "token",
            "there is none",
            "set AQ_FLEET_TOKEN_FILE, unless the coordinator asks for none",
        ),
    });
    match Client::new(settings) {
        Ok(client) => findings.extend(ask(settings, &client).await),
        Err(error) => {
            let next = "correct AQ_FLEET_URL or AQ_FLEET_CA";
            findings.push(Finding::fail(AREA, "coordinator", chain(&error), next));
        }
    }
    findings
}

async fn ask(settings: &Settings, client: &Client) -> Vec<Finding> {
    let url = settings
        .fleet
        .url
        .as_ref()
        .map_or_else(String::new, |url| url.value.to_string());
    let told = match client.health().await {
        Ok(told) => told,
        Err(failure) => {
            let next =
                "see whether it runs, and whether AQ_FLEET_URL, AQ_FLEET_CA and the way there are right";
            return vec![Finding::fail(AREA, &url, words(&failure), next)];
        }
    };
    let mut findings = vec![Finding::ok(AREA, &url, "it answers")];
    findings
        .extend(told.and_then(|told| skew(&url, jiff::Timestamp::now().duration_since(told).unsigned_abs())));
    findings.push(match client.check_token().await {
        Ok(()) => Finding::ok(AREA, &url, "it takes the token"),
        Err(failure) => {
            let next = "have the coordinator's owner look at the token and its scopes";
            Finding::fail(AREA, &url, words(&failure), next)
        }
    });
    findings
}

/// What the coordinator may do here, also before it is let to; what is odd about that matters only then.
fn permissions(settings: &Settings, engines: &Engines) -> Vec<Finding> {
    let permissions = RoutePermissions::of(&settings.route, engines);
    let mut findings = vec![Finding::ok(AREA, ROUTE, format!("{permissions}; {HANDED_OVER}"))];
    if settings.mode != Mode::Route {
        return findings;
    }
    let doubts = permissions.doubts().into_iter();
    findings.extend(doubts.map(|doubt| Finding::warn(AREA, ROUTE, doubt, "correct [route] in aq.toml")));
    if let Some(cwd) = permissions.cwd.filter(|cwd| !cwd.is_dir()) {
        let text = format!(
            "{}, the folder for routed work, is not there: `aq run` routes nothing",
            cwd.display()
        );
        findings.push(Finding::fail(
            AREA,
            ROUTE,
            text,
            "make it, or correct `cwd` under [route] in aq.toml",
        ));
    }
    findings
}

fn skew(url: &str, apart: Duration) -> Option<Finding> {
    let next = "let both hosts take their time from the network";
    (apart > SKEW_MAX).then(|| {
        let text = format!("its clock and this host's are {} apart", duration(apart));
        Finding::warn(AREA, url, text, next)
    })
}

fn words(failure: &Failure) -> String {
    format!("{}: {}", failure.kind(), failure.detail())
}
