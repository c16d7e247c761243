//! Engines as data: which program works on a job, with which arguments, and how it gets the prompt.
//!
//! The name of an engine and how it is started stand in `adapters.toml` and in a queue's `aq.toml`. The supervisor
//! starts it.

mod adapter;
mod argument_template;
mod engine_event;
mod engine_report;
mod event_format;
mod event_summary;
mod failure_rules;
mod output_lines;
mod program_search;
mod reset_time;
mod usage_limit;

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use jiff::tz::TimeZone;

use crate::ids::{Capability, EngineName};
use crate::job::Job;

use adapter::EngineAdapter;
pub(crate) use adapter::EngineStdin;
use argument_template::{ArgumentTemplate, ArgumentValues};
pub(crate) use engine_event::{EngineEvent, WorkEnd};
use engine_report::ReportTime;
pub(crate) use engine_report::{EngineProblem, EngineReport};
pub(crate) use event_format::EventFormat;
pub(crate) use output_lines::{LineSplitter, OutputLine};
pub(crate) use program_search::find as find_program;

/// A prompt longer than this goes by file where an adapter would pass it as an argument.
const ARGUMENT_BYTES_MAX: usize = 48 * 1024;

/// The engine of `adapters.toml` to which the body of a job is a script.
const SHELL: &str = "sh";

/// The engines that a run knows. It is built when a command starts, and does not change: what `aq.toml` says later counts
/// from the next start (clause F-11).
#[derive(Debug, Clone)]
pub(crate) struct EngineRegistry {
    /// Embedded ones, each replaced by the table of its name in `aq.toml`.
    adapters: BTreeMap<EngineName, EngineAdapter>,
    /// The engines whose table stands in `aq.toml`.
    own: BTreeSet<EngineName>,
}

/// What is known of an engine before it works.
#[derive(Debug, Clone)]
pub(crate) struct EngineProfile {
    pub(crate) name: EngineName,
    pub(crate) command: String,
    /// None: it is not found.
    pub(crate) program: Option<PathBuf>,
    pub(crate) version: Vec<String>,
    /// The arguments that make it print the switches below.
    pub(crate) help: Vec<String>,
    /// All switches that the adapter uses.
    pub(crate) switches: Vec<String>,
    pub(crate) login: Vec<String>,
    pub(crate) root_needs: Option<String>,
}

/// A program with its arguments, ready to be started.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct CommandInvocation {
    pub(crate) program: PathBuf,
    pub(crate) args: Vec<OsString>,
    pub(crate) stdin: EngineStdin,
}

#[derive(Debug, thiserror::Error)]
pub(crate) enum EngineError {
    #[error("[engine.{name}] of aq.toml: {problem}")]
    Table { name: String, problem: String },
    #[error("the engines that come with aq can't be read")]
    Embedded(#[source] toml::de::Error),
}

impl EngineRegistry {
    /// The embedded adapters, each replaced by the configured one of its name.
    pub(crate) fn new(configured: &BTreeMap<String, toml::Table>) -> Result<EngineRegistry, EngineError> {
        let embedded: BTreeMap<String, toml::Table> =
            toml::from_str(include_str!("engine/adapters.toml")).map_err(EngineError::Embedded)?;
        let (mut adapters, mut own) = (BTreeMap::new(), BTreeSet::new());
        for (name, table) in embedded.iter().chain(configured) {
            let refuse = |problem: String| EngineError::Table {
                name: name.clone(),
                problem,
            };
            let key = EngineName::new(name).map_err(|error| refuse(error.to_string()))?;
            if configured.contains_key(name) {
                own.insert(key.clone());
            }
            adapters.insert(key, EngineAdapter::new(table).map_err(refuse)?);
        }
        Ok(EngineRegistry { adapters, own })
    }

    /// The engines whose program is found on this host at this moment.
    pub(crate) fn available(&self) -> BTreeSet<EngineName> {
        let adapters = self.adapters.iter();
        let found = adapters.filter(|(_, adapter)| program_search::find(&adapter.command).is_some());
        found.map(|(name, _)| name.clone()).collect()
    }

    /// The engines that come with aq and are no shell. What another program does with the body of a job is not known
    /// here: it may be a shell too.
    pub(crate) fn agents(&self) -> impl Iterator<Item = &EngineName> {
        let is_agent = |name: &&EngineName| !self.own.contains(*name) && name.as_str() != SHELL;
        self.adapters.keys().filter(is_agent)
    }

    pub(crate) fn profiles(&self) -> Vec<EngineProfile> {
        let adapters = self.adapters.iter();
        adapters
            .map(|(name, adapter)| EngineProfile {
                name: name.clone(),
                command: adapter.command.clone(),
                program: program_search::find(&adapter.command),
                version: adapter.version.clone(),
                help: adapter.help(),
                // That of a shell, `-e`, is in every shell, and the help of many names none.
                switches: match name.as_str() {
                    SHELL if !self.own.contains(name) => Vec::new(),
                    _ => adapter.switches(),
                },
                login: adapter.login.clone(),
                root_needs: adapter.root_needs.clone(),
            })
            .collect()
    }

    /// What a run of the engine tells that is over. `is_success`: by its exit code. `output` is called only if there is
    /// something to look for, and gives the last bytes of what was printed, so many at most.
    pub(crate) fn report<O: Read>(
        &self,
        name: &EngineName,
        is_success: bool,
        output: impl Fn(u64) -> io::Result<O>,
    ) -> EngineReport {
        let Some(adapter) = self
            .adapters
            .get(name)
            .filter(|adapter| adapter.tells(is_success))
        else {
            return EngineReport::default();
        };
        let host = TimeZone::system();
        let time = ReportTime {
            now: Timestamp::now(),
            host: &host,
        };
        let report = adapter.report(is_success, output, &time);
        report.unwrap_or_else(|error| adapter.unread(&error))
    }

    /// How the engine tells events; none: it tells none.
    pub(crate) fn event_format(&self, name: &EngineName) -> Option<EventFormat> {
        self.adapters.get(name)?.events
    }

    /// How the engine is asked whether it is logged in, if there is a way.
    pub(crate) fn login_question(&self, name: &EngineName) -> Option<CommandInvocation> {
        let adapter = self
            .adapters
            .get(name)
            .filter(|adapter| !adapter.login.is_empty())?;
        Some(CommandInvocation {
            program: program_search::find(&adapter.command)?,
            args: adapter.login.iter().map(OsString::from).collect(),
            stdin: EngineStdin::Nothing,
        })
    }

    /// Whether its jobs may fail within seconds without a fault of the engine.
    pub(crate) fn fails_fast(&self, name: &EngineName) -> bool {
        self.adapters.get(name).is_some_and(|adapter| adapter.fails_fast)
    }

    pub(crate) fn knows(&self, name: &EngineName) -> bool {
        self.adapters.contains_key(name)
    }

    pub(crate) fn names(&self) -> impl Iterator<Item = &EngineName> {
        self.adapters.keys()
    }

    /// What the engine gets as the body of the job. A shell takes the end of a line of other systems for a part of its
    /// last word.
    pub(crate) fn prompt<'a>(&self, job: &'a Job) -> Cow<'a, str> {
        match job.engine.as_str() == SHELL && job.prompt.contains("\r\n") {
            true => Cow::Owned(job.prompt.replace("\r\n", "\n")),
            false => Cow::Borrowed(&job.prompt),
        }
    }

    /// How the job's engine is started; `None`: its program is no longer found.
    pub(crate) fn invocation(
        &self,
        job: &Job,
        prompt_file: &Path,
        folder: &Path,
    ) -> Option<CommandInvocation> {
        let adapter = self.adapters.get(&job.engine)?;
        let program = program_search::find(&adapter.command)?;
        let values = ArgumentValues {
            prompt: &prompt_argument(job, prompt_file),
            prompt_file: prompt_file.as_os_str(),
            folder: folder.as_os_str(),
        };
        let mut args = Vec::new();
        for template in &adapter.args {
            match template {
                ArgumentTemplate::Word(parts) => args.push(argument_template::word(parts, &values)),
                ArgumentTemplate::Yolo if job.yolo => args.extend(adapter.yolo.iter().map(OsString::from)),
                ArgumentTemplate::Yolo => {}
            }
        }
        Some(CommandInvocation {
            program,
            args,
            stdin: adapter.stdin,
        })
    }
}

/// A command of a job file (`verify`, `ship`). Its first line that fails ends it: a publication must not depend on the
/// last line alone.
pub(crate) fn shell(command: &str) -> CommandInvocation {
    let args = ["-e", "-c", command].map(OsString::from).into();
    CommandInvocation {
        program: PathBuf::from("/bin/sh"),
        args,
        stdin: EngineStdin::Nothing,
    }
}

/// The capabilities that these engines add to a factory.
pub(crate) fn capabilities(engines: &BTreeSet<EngineName>) -> impl Iterator<Item = Capability> + '_ {
    engines
        .iter()
        .filter_map(|name| Capability::new(&format!("engine:{name}")).ok())
}

/// The last words of an engine, for people.
pub(crate) fn last_words(tail: &str) -> String {
    failure_rules::one_line(&failure_rules::last_line(tail))
}

fn prompt_argument(job: &Job, prompt_file: &Path) -> OsString {
    if job.prompt.len() <= ARGUMENT_BYTES_MAX && !job.prompt.contains('\0') {
        return OsString::from(&job.prompt);
    }
    let mut text = OsString::from("Read the file ");
    text.push(prompt_file);
    text.push(" and do what it says.");
    text
}

#[cfg(test)]
mod tests;
