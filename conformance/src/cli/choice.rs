//! What is run, and with what: the scenarios that globs name, and the suite around the runner that was asked for.

use std::process::ExitCode;

use conformance::drive::stop::Stop;
use conformance::profile::{self, Profile};
use conformance::sandbox::Keep;
use conformance::scenario::parse;
use conformance::scenario::select::{self, Found};
use conformance::suite::{self, Suite, chain};

use super::{BROKEN, Options, USAGE, fail, print};

/// Both of them; where one can't be had, why is said already.
pub(super) fn chosen(globs: &[String], options: &Options) -> Result<(Vec<Found>, Suite), ExitCode> {
    Ok((select(globs, options)?, suite_for(options)?))
}

/// The suite around the runner that the options name; where it can't be had, why is said already.
pub(super) fn suite_for(options: &Options) -> Result<Suite, ExitCode> {
    let profile = match &options.profile {
        Some(file) => profile::read(file),
        None => profile::find_aq().map(|aq| Profile::aq(&aq)),
    };
    let suite = profile
        .map_err(|error| chain(&error))
        .and_then(|profile| suite_of(profile, options));
    suite.map_err(|message| fail(BROKEN, &message))
}

pub(super) fn suite_of(profile: Profile, options: &Options) -> Result<Suite, String> {
    let harness =
        std::env::current_exe().map_err(|error| format!("its own binary can't be found: {error}"))?;
    let keep = if options.keep {
        Keep::Folders
    } else {
        Keep::Nothing
    };
    Ok(Suite {
        profile,
        harness,
        keep,
        today: suite::today(),
        stop: Stop::default(),
    })
}

/// Prints the scenarios with the clauses that they prove.
pub(super) fn list(globs: &[String], options: &Options) -> ExitCode {
    let found = match select(globs, options) {
        Ok(found) => found,
        Err(code) => return code,
    };
    let width = found.iter().map(|found| found.id.len()).max().unwrap_or(0);
    let mut text = String::new();
    let mut code = ExitCode::SUCCESS;
    for found in &found {
        match parse::read(&found.path) {
            Ok(scenario) => {
                text.push_str(&format!(
                    "{:width$}  {} [{}]\n",
                    found.id,
                    scenario.title,
                    scenario.clauses.join(" ")
                ));
            }
            Err(error) => {
                eprintln!("conformance: {}", chain(&error));
                code = ExitCode::from(BROKEN);
            }
        }
    }
    print(&text);
    code
}

/// The scenarios that were asked for; a glob that names none is wrong usage, never an empty success.
pub(super) fn select(globs: &[String], options: &Options) -> Result<Vec<Found>, ExitCode> {
    let folder = options.scenarios.clone().unwrap_or_else(suite::default_folder);
    let all = select::all(&folder).map_err(|error| {
        eprintln!(
            "conformance: the scenarios in {} can't be listed: {error}",
            folder.display()
        );
        ExitCode::from(USAGE)
    })?;
    if let Some(glob) = globs
        .iter()
        .find(|glob| !all.iter().any(|found| select::names(glob, &found.id)))
    {
        eprintln!("conformance: no scenario is named `{glob}`; `conformance list` shows them all");
        return Err(ExitCode::from(USAGE));
    }
    let wanted = |found: &Found| globs.is_empty() || globs.iter().any(|glob| select::names(glob, &found.id));
    let mut wanted: Vec<Found> = all.into_iter().filter(wanted).collect();
    if let Some(seed) = options.shuffle {
        select::shuffle(&mut wanted, seed);
    }
    Ok(wanted)
}
