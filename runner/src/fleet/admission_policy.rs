//! Whether this host takes a job that the coordinator handed over: what it has (clause T-7), and what its operator
//! allows (clause T-16).

use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::routed_job_permissions::RoutePermissions;
use crate::engine::{self, EngineRegistry};
use crate::ids::{Capability, EngineName};
use crate::job::Job;
use crate::job_reason::{JobReason, ReasonCode};
use crate::mode::SwitchState;
use crate::settings::{AllowedCommands, Settings};
use crate::work_folder::{WorkFolder, is_within};

const WHERE: &str = "under [route] in aq.toml, and start `aq run` again";
/// How many characters of a command a refusal shows.
const SHOWN_MAX: usize = 1024;

/// What a routed job may do here, as the settings were when routing began.
#[derive(Debug)]
pub(crate) struct AdmissionPolicy {
    /// From `[route]` of `aq.toml`.
    pub(crate) permissions: RoutePermissions,
    /// The factory's own, without those that its engines add.
    caps: Vec<Capability>,
    /// Shared with each routed attempt, which checks its folder again at each command.
    pub(crate) folders: Arc<RoutedFolders>,
}

/// Where the commands of a routed job may work.
#[derive(Debug)]
pub(crate) struct RoutedFolders {
    /// The folder of a job that names none; relative ones start here.
    pub(crate) home: PathBuf,
    /// In these and below, resolved when routing began: a link that is changed later opens nothing new.
    pub(crate) within: Vec<PathBuf>,
}

impl AdmissionPolicy {
    /// `here`: where the runner was started.
    ///
    /// # Errors
    /// The folder for routed work is none: then it is better to take no job than to refuse each.
    pub(crate) fn of(
        settings: &Settings,
        engines: &EngineRegistry,
        here: &Path,
    ) -> io::Result<AdmissionPolicy> {
        let mut permissions = RoutePermissions::of(&settings.route, engines);
        let home = permissions.cwd.as_deref().unwrap_or(here).canonicalize()?;
        let further = permissions.folders.iter();
        // A folder that is not there allows nothing.
        let further = further.filter_map(|folder| folder.canonicalize().ok());
        let within = std::iter::once(home.clone()).chain(further).collect();
        permissions.cwd = Some(home.clone());
        Ok(AdmissionPolicy {
            permissions,
            caps: settings.factory_caps.clone(),
            folders: Arc::new(RoutedFolders { home, within }),
        })
    }

    /// Returns all that keeps this job from running here, for its report. `found`: the engines on this host.
    pub(crate) fn refusal(&self, job: &Job, found: &BTreeSet<EngineName>) -> Option<JobReason> {
        let mut objections: Vec<JobReason> = Vec::new();
        objections.extend(self.engine(&job.engine, found));
        objections.extend(self.missing_caps(job, found));
        let commands = [("verify", &job.verify), ("ship", &job.ship)];
        let commands = commands
            .iter()
            .filter_map(|(key, command)| Some((key, command.as_ref()?)));
        objections.extend(commands.filter_map(|(key, command)| self.command(key, command)));
        if job.yolo && self.permissions.yolo == SwitchState::Off {
            objections.push(ReasonCode::YoloNotAllowed.with(format!(
                "no routed job may skip its engine's permission questions; to let them, write allow_yolo = true {WHERE}"
            )));
        }
        objections.extend(self.folder(job));
        let mut objections = objections.into_iter();
        let mut first = objections.next()?;
        for further in objections {
            first.detail = Some(format!("{}; {further}", first.detail.unwrap_or_default()));
        }
        Some(first)
    }

    fn engine(&self, engine: &EngineName, found: &BTreeSet<EngineName>) -> Option<JobReason> {
        if !found.contains(engine) {
            let detail = format!("this factory has no engine `{engine}`");
            return Some(ReasonCode::EngineMissing.with(detail));
        }
        if self.permissions.engines.contains(engine) {
            return None;
        }
        let allowed = self
            .permissions
            .engines
            .intersection(found)
            .map(EngineName::as_str);
        let allowed = list(allowed.chain([engine.as_str()]));
        Some(ReasonCode::EngineNotAllowed.with(format!(
            "no routed job may use the engine `{engine}`; to let them, write allow_engines = {allowed} {WHERE}"
        )))
    }

    fn missing_caps(&self, job: &Job, found: &BTreeSet<EngineName>) -> Option<JobReason> {
        let here = self.caps.iter().cloned().chain(engine::capabilities(found));
        let here: BTreeSet<Capability> = here.collect();
        let missing = job.caps.iter().filter(|cap| !here.contains(*cap));
        let missing: Vec<&str> = missing.map(Capability::as_str).collect();
        (!missing.is_empty()).then(|| {
            ReasonCode::CapsMissing.with(format!(
                "this factory lacks {} (AQ_FACTORY_CAPS, or caps under [fleet] in aq.toml)",
                missing.join(", ")
            ))
        })
    }

    fn command(&self, key: &str, command: &String) -> Option<JobReason> {
        let AllowedCommands::Listed(allowed) = &self.permissions.commands else {
            return None;
        };
        if allowed.contains(command) {
            return None;
        }
        let line = list(allowed.iter().chain([command]).map(String::as_str));
        let how = match line.len() <= SHOWN_MAX {
            true => format!("write allow_commands = {line}"),
            false => String::from("add it to the list allow_commands, or write allow_commands = \"any\","),
        };
        let detail = format!("no routed job may have this `{key}`; to let them, {how} {WHERE}");
        Some(ReasonCode::CommandNotAllowed.with(detail))
    }

    fn folder(&self, job: &Job) -> Option<JobReason> {
        let RoutedFolders { home, within } = &*self.folders;
        let path = job.cwd.as_ref().map_or(home.clone(), |cwd| home.join(cwd));
        match WorkFolder::open(&path).and_then(|folder| folder.place()) {
            Ok(place) if is_within(&place, within) => None,
            Ok(place) => Some(cwd_not_allowed(&place)),
            Err(_) => Some(ReasonCode::CwdMissing.with("its cwd is no folder on this factory")),
        }
    }
}

/// The refusal of a job whose folder is here, but not allowed.
pub(crate) fn cwd_not_allowed(place: &Path) -> JobReason {
    ReasonCode::CwdNotAllowed.with(format!(
        "no routed job may work in {}; to let them, add it to the list allow_cwd {WHERE}",
        place.display()
    ))
}

/// Writes a list as `aq.toml` has it.
fn list<'a>(texts: impl Iterator<Item = &'a str>) -> String {
    toml::Value::Array(texts.map(toml::Value::from).collect()).to_string()
}

#[cfg(test)]
mod tests;
