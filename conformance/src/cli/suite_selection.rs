//! What is run, and with what: the scenarios that globs name, and the suite around the runner that was asked for.

use std::path::PathBuf;
use std::process::ExitCode;

use conformance::driver::stop_signal::StopSignal;
use conformance::profile::{self, Profile, ProfileError};
use conformance::report::escape_control;
use conformance::sandbox::FolderRetention;
use conformance::scenario::parse;
use conformance::scenario::scenario_files::{self, ScenarioFile};
use conformance::stdio;
use conformance::suite::{self, Suite, chain};

use super::{BROKEN, CommonArguments, USAGE, fail};

/// Both of them; where one can't be had, why is said already.
pub(super) fn chosen(
    globs: &[String],
    options: &CommonArguments,
) -> Result<(Vec<ScenarioFile>, Suite), ExitCode> {
    Ok((select(globs, options)?, suite_for(options)?))
}

/// The suite around the runner that the options name; where it can't be had, why is said already.
pub(super) fn suite_for(options: &CommonArguments) -> Result<Suite, ExitCode> {
    suite_around(options, profile::find_aq)
}

/// The same with this `aq` where the options name no profile.
pub(super) fn suite_around(
    options: &CommonArguments,
    aq: impl FnOnce() -> Result<PathBuf, ProfileError>,
) -> Result<Suite, ExitCode> {
    let broken = |message: String| fail(BROKEN, &message);
    let profile = match &options.profile {
        Some(file) => profile::read(file).map_err(|error| fail(USAGE, &chain(&error)))?,
        None => Profile::aq(&aq().map_err(|error| broken(chain(&error)))?),
    };
    let harness =
        std::env::current_exe().map_err(|error| broken(format!("its own binary can't be found: {error}")))?;
    let keep = if options.keep {
        FolderRetention::Folders
    } else {
        FolderRetention::Nothing
    };
    Ok(Suite {
        profile,
        harness,
        keep,
        today: suite::today(),
        stop: StopSignal::default(),
    })
}

/// Prints the scenarios with the clauses that they prove.
pub(super) fn list(globs: &[String], options: &CommonArguments) -> Result<ExitCode, ExitCode> {
    let found = select(globs, options)?;
    let width = found.iter().map(|found| found.id.len()).max().unwrap_or(0);
    let mut text = String::new();
    let mut code = ExitCode::SUCCESS;
    for found in &found {
        match parse::read(&found.path) {
            Ok(scenario) => {
                text.push_str(&format!(
                    "{:width$}  {} [{}]\n",
                    escape_control(&found.id),
                    escape_control(&scenario.title),
                    scenario.clauses.join(" ")
                ));
            }
            Err(error) => {
                stdio::say(chain(&error));
                code = ExitCode::from(BROKEN);
            }
        }
    }
    stdio::write_stdout(&text);
    Ok(code)
}

/// The scenarios that were asked for; a glob that names none is wrong usage, never an empty success.
pub(super) fn select(globs: &[String], options: &CommonArguments) -> Result<Vec<ScenarioFile>, ExitCode> {
    let folder = options.scenarios.clone().unwrap_or_else(suite::default_folder);
    let all = scenario_files::all(&folder).map_err(|error| {
        let folder = folder.display();
        fail(
            USAGE,
            &format!("the scenarios in {folder} can't be listed: {error}; name their folder by --scenarios"),
        )
    })?;
    if let Some(glob) = globs
        .iter()
        .find(|glob| !all.iter().any(|found| scenario_files::names(glob, &found.id)))
    {
        let message = format!("no scenario is named `{glob}`; `conformance list` shows them all");
        return Err(fail(USAGE, &message));
    }
    let wanted = |found: &ScenarioFile| {
        globs.is_empty() || globs.iter().any(|glob| scenario_files::names(glob, &found.id))
    };
    let mut wanted: Vec<ScenarioFile> = all.into_iter().filter(wanted).collect();
    if let Some(seed) = options.shuffle {
        scenario_files::shuffle(&mut wanted, seed);
    }
    Ok(wanted)
}
