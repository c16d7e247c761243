//! The environment that commands of a run get: nothing of the harness's own, the sandbox's folders, the
//! coordinator's address and token, then what the scenario says.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::Sandbox;
use super::token_leaks::RunTokens;
use crate::scenario::{Scenario, TokenVia};

/// The id under which the runner under test presents itself.
pub const FACTORY: &str = "conformance-factory";

/// Limits of the runner's own, where the scenario sets none.
const RUNNER_TIMEOUT: &str = "15s";

/// Which run of a scenario this is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RunVariant {
    /// As the scenario says.
    AsWritten,
    /// The same without a fleet: what clause S-4 compares with.
    Offline,
    /// The same with these variables on top.
    With(BTreeMap<String, String>),
}

/// The environment of every command but `add`.
pub fn of(
    scenario: &Scenario,
    sandbox: &Sandbox,
    variant: &RunVariant,
    url: &str,
    secret: &RunTokens,
) -> BTreeMap<String, String> {
    let mut environment = bare(sandbox);
    environment.insert("AQ_FLEET_URL".into(), url.to_owned());
    // Where time is not what a scenario is about, a busy machine must not make it so.
    for limit in ["AQ_FLEET_TIMEOUT", "AQ_FLEET_DRAIN"] {
        environment.insert(limit.into(), RUNNER_TIMEOUT.into());
    }
    match scenario.runner.token {
        TokenVia::Env => environment.insert("AQ_FLEET_TOKEN".into(), secret.token.clone()),
        TokenVia::Wrong => environment.insert("AQ_FLEET_TOKEN".into(), secret.wrong.clone()),
        TokenVia::File => {
            let path = sandbox.token_file().to_string_lossy().into_owned();
            environment.insert("AQ_FLEET_TOKEN_FILE".into(), path)
        }
        TokenVia::Open => None,
    };
    for (name, value) in &scenario.runner.env {
        environment.insert(name.clone(), substitute(value, sandbox, url));
    }
    match variant {
        RunVariant::AsWritten => {}
        // Address, token and the other flags stay: it is the master switch that must keep it from calling.
        RunVariant::Offline => {
            environment.insert("AQ_FLEET".into(), "0".into());
        }
        RunVariant::With(more) => environment.extend(more.clone()),
    }
    for name in &scenario.runner.unset {
        environment.remove(name);
    }
    environment
}

/// The environment of `add`, which is no part of what is tested: no fleet in it.
pub fn bare(sandbox: &Sandbox) -> BTreeMap<String, String> {
    let folder = |name: &str| sandbox.root.join(name).to_string_lossy().into_owned();
    BTreeMap::from([
        ("AQ_QUEUE".into(), folder("queue")),
        ("AQ_FACTORY_ID".into(), FACTORY.into()),
        ("HOME".into(), folder("home")),
        ("TMPDIR".into(), folder("tmp")),
        ("PATH".into(), path(&sandbox.root.join("bin"))),
        ("TZ".into(), "UTC".into()),
        ("LC_ALL".into(), "C".into()),
    ])
}

/// Replaces the words that stand for what only the run knows.
pub fn substitute(text: &str, sandbox: &Sandbox, url: &str) -> String {
    let path = |path: PathBuf| path.to_string_lossy().into_owned();
    text.replace("{queue}", &path(sandbox.queue()))
        .replace("{work}", &path(sandbox.work()))
        .replace("{jobs}", &path(sandbox.root.join("jobs")))
        .replace("{token_file}", &path(sandbox.token_file()))
        .replace("{url}", url)
}

/// The fake engines first, then only the folders in which a shell and the usual tools lie.
fn path(fake_engines: &Path) -> String {
    let own = std::env::var_os("PATH").unwrap_or_default();
    let mut folders = vec![fake_engines.to_owned()];
    for tool in ["sh", "cat", "env"] {
        let holds = std::env::split_paths(&own).find(|folder| folder.join(tool).is_file());
        folders.extend(holds.filter(|folder| !folders.contains(folder)));
    }
    let folders: Vec<String> = folders
        .iter()
        .map(|folder| folder.to_string_lossy().into_owned())
        .collect();
    folders.join(":")
}
