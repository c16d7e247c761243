//! What is run, and with what: the scenarios that globs name, and the suite around the runner that was asked for.

use std::path::PathBuf;

use crate::driver::stop_signal::StopSignal;
use crate::exit_codes::HarnessExit;
use crate::preflight;
use crate::printable_text::error_chain;
use crate::profile::{self, Profile, ProfileError};
use crate::sandbox::FolderRetention;
use crate::scenario::scenario_files::{self, ScenarioFile};
use crate::stdio;
use crate::suite::{self, Suite};

/// What the options of a command say of scenarios and runner.
#[derive(Debug, Clone, Default)]
pub struct SuiteSelection {
    /// The folder of the scenarios, where they are not those that are built in.
    pub scenarios: Option<PathBuf>,
    /// The profile of the runner; `aq` where there is none.
    pub profile: Option<PathBuf>,
    /// Decides the order of the scenarios, where it is not that of their ids.
    pub shuffle: Option<u64>,
    /// Whether the folders of the runs are kept.
    pub keep: bool,
}

/// Says why nothing comes of a command, and hands on how it ends.
pub fn fail(exit: HarnessExit, message: &str) -> HarnessExit {
    stdio::say(message);
    exit
}

impl SuiteSelection {
    /// Scenarios and suite; where one of them can't be had, why is said already.
    pub fn chosen(&self, globs: &[String]) -> Result<(Vec<ScenarioFile>, Suite), HarnessExit> {
        Ok((self.select(globs)?, self.suite()?))
    }

    /// The suite around the runner that the options name; where it can't be had, why is said already.
    pub fn suite(&self) -> Result<Suite, HarnessExit> {
        self.suite_around(profile::find_aq)
    }

    /// The same with this `aq` where the options name no profile.
    pub fn suite_around(
        &self,
        aq: impl FnOnce() -> Result<PathBuf, ProfileError>,
    ) -> Result<Suite, HarnessExit> {
        let broken = |message: String| fail(HarnessExit::Inconclusive, &message);
        let profile = match &self.profile {
            Some(file) => {
                profile::read(file).map_err(|error| fail(HarnessExit::WrongUsage, &error_chain(&error)))?
            }
            None => Profile::aq(&aq().map_err(|error| broken(error_chain(&error)))?),
        };
        preflight::check(&profile).map_err(broken)?;
        let harness = std::env::current_exe()
            .map_err(|error| broken(format!("its own binary can't be found: {error}")))?;
        let keep = match self.keep {
            true => FolderRetention::Folders,
            false => FolderRetention::Nothing,
        };
        Ok(Suite {
            profile,
            harness,
            keep,
            today: suite::today(),
            stop: StopSignal::default(),
        })
    }

    /// Every scenario that there is to choose from, or why they can't be listed.
    pub fn all(&self) -> Result<Vec<ScenarioFile>, String> {
        let Some(folder) = &self.scenarios else {
            return Ok(scenario_files::built_in());
        };
        scenario_files::all(folder).map_err(|error| {
            let folder = folder.display();
            format!("the scenarios in {folder} can't be listed: {error}; name their folder by --scenarios")
        })
    }

    /// The scenarios that were asked for; a glob that names none is wrong usage, never an empty success.
    pub fn select(&self, globs: &[String]) -> Result<Vec<ScenarioFile>, HarnessExit> {
        let wrong = |message: String| fail(HarnessExit::WrongUsage, &message);
        let all = self.all().map_err(wrong)?;
        if let Some(glob) = globs
            .iter()
            .find(|glob| !all.iter().any(|found| scenario_files::names(glob, &found.id)))
        {
            return Err(wrong(format!(
                "no scenario is named `{glob}`; `conformance list` shows them all"
            )));
        }
        let wanted = |found: &ScenarioFile| {
            globs.is_empty() || globs.iter().any(|glob| scenario_files::names(glob, &found.id))
        };
        let mut wanted: Vec<ScenarioFile> = all.into_iter().filter(wanted).collect();
        if let Some(seed) = self.shuffle {
            scenario_files::shuffle(&mut wanted, seed);
        }
        Ok(wanted)
    }
}
