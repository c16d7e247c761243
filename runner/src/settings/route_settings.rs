//! `[route]` of `aq.toml`: what the operator lets a job from the coordinator do on this host (clause T-16).
//!
//! These settings stand in the file alone: the environment of one shell must not decide who may start commands here.

use std::path::{Path, PathBuf};

use super::error::SettingsError;
use super::known_keys;
use super::precedence::SettingSources;
use super::rollback_settings::RollbackSettings;
use super::setting_value::{RawSetting, TypedValue};
use super::value_parsers;
use crate::ids::EngineName;
use crate::mode::SwitchState;

/// The settings under `[route]`.
#[derive(Debug, Clone)]
pub(crate) struct RouteSettings {
    /// None: the engines that come with aq, but for the shell.
    pub(crate) engines: Option<Vec<EngineName>>,
    pub(crate) commands: AllowedCommands,
    pub(crate) yolo: SwitchState,
    /// Where a routed job works that names no folder; none: where the runner was started.
    pub(crate) cwd: Option<PathBuf>,
    /// Further folders in which, and below which, routed jobs may work.
    pub(crate) folders: Vec<PathBuf>,
    /// What is done where routing does harm.
    pub(crate) rollback: RollbackSettings,
}

/// What `verify` and `ship` of a routed job may be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum AllowedCommands {
    Any,
    /// Only one of these, character by character.
    Listed(Vec<String>),
}

impl RouteSettings {
    pub(super) fn resolve(sources: &SettingSources<'_>) -> Result<RouteSettings, SettingsError> {
        let file = sources.file;
        let commands = file.parsed(known_keys::ALLOW_COMMANDS, command_list)?;
        let yolo = file.parsed(known_keys::ALLOW_YOLO, value_parsers::switch)?;
        let cwd = sources.find_path(known_keys::ROUTE_CWD, None)?;
        let folders = file.get(known_keys::ALLOW_CWD.file);
        Ok(RouteSettings {
            engines: file.parsed(known_keys::ALLOW_ENGINES, value_parsers::engine_names)?,
            commands: commands.unwrap_or(AllowedCommands::Listed(Vec::new())),
            yolo: yolo.unwrap_or(SwitchState::Off),
            cwd: cwd.map(|(setting, _)| setting.value),
            folders: folders.map_or(Ok(Vec::new()), |raw| folder_list(file.folder(), &raw))?,
            rollback: RollbackSettings::resolve(file)?,
        })
    }
}

fn command_list(raw: &RawSetting) -> Result<AllowedCommands, SettingsError> {
    let want = "write \"any\", or a list of whole commands, such as [\"make test\", \"git push\"]";
    match &raw.typed {
        TypedValue::Text(text) if text == "any" => Ok(AllowedCommands::Any),
        // No job can have an empty command. A list that holds `any` was meant to allow every command, so it is refused
        // with the right spelling.
        TypedValue::List(commands) if !commands.iter().any(|one| one == "any" || one.trim().is_empty()) => {
            Ok(AllowedCommands::Listed(commands.clone()))
        }
        TypedValue::Text(_)
        | TypedValue::List(_)
        | TypedValue::Bool(_)
        | TypedValue::Integer(_)
        | TypedValue::Float(_) => Err(raw.refuse(want)),
    }
}

fn folder_list(base: &Path, raw: &RawSetting) -> Result<Vec<PathBuf>, SettingsError> {
    let folders = raw.list();
    match folders.contains(&"") {
        true => Err(raw.refuse("write a list of folders, such as [\"/srv/checkouts\"]")),
        false => Ok(folders.into_iter().map(|folder| base.join(folder)).collect()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::config_file::ConfigFile;

    fn read(lines: &str) -> Result<RouteSettings, String> {
        let file = ConfigFile::parse("/srv/queue/aq.toml".into(), &format!("[route]\n{lines}\n"));
        let sources = SettingSources {
            flags: &crate::settings::GlobalFlags::default(),
            environment: &std::collections::BTreeMap::new(),
            file: &file.map_err(|error| error.to_string())?,
            credentials: crate::settings::CredentialUse::Needed,
        };
        RouteSettings::resolve(&sources).map_err(|error| error.to_string())
    }

    #[test]
    fn where_nothing_is_said_nothing_is_allowed() {
        let nothing = read("").unwrap();
        assert_eq!((nothing.engines, nothing.cwd), (None, None));
        assert_eq!(nothing.commands, AllowedCommands::Listed(Vec::new()));
        assert_eq!((nothing.yolo, nothing.folders.len()), (SwitchState::Off, 0));
        assert_eq!(read("allow_engines = []").unwrap().engines, Some(Vec::new()));
    }

    #[test]
    fn what_is_said_is_taken_to_the_letter_and_paths_start_where_the_file_lies() {
        let settings = "allow_engines = [\"sh\", \"devin\"]\nallow_commands = [\"make a, b \", \"x\\ny\"]\nallow_yolo = true
cwd = \"work\"\nallow_cwd = [\"/srv/x\", \"../here\"]";
        let settings = read(settings).unwrap();
        assert_eq!(settings.engines.unwrap().len(), 2);
        let commands = ["make a, b ", "x\ny"].map(str::to_owned).into();
        assert_eq!(settings.commands, AllowedCommands::Listed(commands));
        assert_eq!(settings.yolo, SwitchState::On);
        assert_eq!(settings.cwd.unwrap(), Path::new("/srv/queue/work"));
        let folders = ["/srv/x", "/srv/queue/../here"].map(PathBuf::from);
        assert_eq!(settings.folders, folders);
        let any = read("allow_commands = \"any\"").unwrap();
        assert_eq!(any.commands, AllowedCommands::Any);
    }

    #[test]
    fn what_could_be_meant_in_two_ways_is_refused() {
        for lines in [
            "allow_commands = [\"any\"]",
            "allow_commands = \"make test\"",
            "allow_commands = true",
            "allow_commands = [\" \"]",
            "allow_engines = true",
            "allow_yolo = \"perhaps\"",
            "allow_cwd = [\"\"]",
            "cwd = \"\"",
            "cwd = [\"/srv\"]",
        ] {
            let refusal = read(lines).unwrap_err();
            assert!(
                refusal.starts_with("/srv/queue/aq.toml:2: route."),
                "{lines}: {refusal}"
            );
        }
    }

    #[test]
    fn a_key_at_its_former_place_is_refused_with_the_line_to_write() {
        for (old, new) in [
            ("allow_engines = [\"a\", 'b']", r#"`allow_engines = ["a", "b"]`"#),
            ("allow_engines = \"a, b\"", r#"`allow_engines = ["a", "b"]`"#),
            (
                "allow_cwd = [\n  \"/srv/x\", # here\n]",
                r#"`allow_cwd = ["/srv/x"]`"#,
            ),
        ] {
            let text = format!("[fleet]\nenabled = true\n{old}\n");
            let refusal = ConfigFile::parse("aq.toml".into(), &text)
                .unwrap_err()
                .to_string();
            let names_both = refusal.starts_with("aq.toml:3: ") && refusal.contains(new);
            assert!(names_both && refusal.contains("[route]"), "{refusal}");
        }
    }
}
