//! What a job from the coordinator may do on this host, as people and programs are shown it (clause T-16).

use std::collections::BTreeSet;
use std::fmt;
use std::path::PathBuf;

use serde::{Serialize, Serializer};
use serde_json::json;

use crate::engine::EngineRegistry;
use crate::ids::EngineName;
use crate::mode::SwitchState;
use crate::settings::{AllowedCommands, RouteSettings};

/// This stands wherever the permissions are shown.
pub(crate) const POWERS_NOTICE: &str = "routing hands the coordinator these powers over this host";

/// The settings, with what they mean for the engines of this host.
#[derive(Debug, Clone)]
pub(crate) struct RoutePermissions {
    /// The allowed engines, whether they are found here or not.
    pub(crate) engines: BTreeSet<EngineName>,
    are_engines_named: bool,
    /// The engines that were found here when this was made.
    found: BTreeSet<EngineName>,
    pub(crate) commands: AllowedCommands,
    pub(crate) yolo: SwitchState,
    /// None: jobs work where the runner is started.
    pub(crate) cwd: Option<PathBuf>,
    pub(crate) folders: Vec<PathBuf>,
}

impl RoutePermissions {
    pub(crate) fn of(settings: &RouteSettings, engines: &EngineRegistry) -> RoutePermissions {
        let allowed = match &settings.engines {
            Some(named) => named.iter().cloned().collect(),
            None => engines.agents().cloned().collect(),
        };
        RoutePermissions {
            engines: allowed,
            are_engines_named: settings.engines.is_some(),
            found: engines.available(),
            commands: settings.commands.clone(),
            yolo: settings.yolo,
            cwd: settings.cwd.clone(),
            folders: settings.folders.clone(),
        }
    }

    /// The engines that are allowed and found here.
    pub(crate) fn usable_engines(&self) -> Vec<&str> {
        let usable = self.engines.intersection(&self.found);
        usable.map(EngineName::as_str).collect()
    }

    /// Warnings about settings that the operator may not have meant.
    pub(crate) fn warnings(&self) -> Vec<String> {
        let mut warnings = Vec::new();
        if self.usable_engines().is_empty() {
            warnings.push(String::from(
                "no engine that routed jobs may use is here: each of them is refused",
            ));
        }
        let unknown = self.engines.difference(&self.found);
        let unknown = unknown.filter(|_| self.are_engines_named);
        warnings.extend(unknown.map(|name| format!("allow_engines names `{name}`, which is not found here")));
        let missing = self.folders.iter().filter(|folder| !folder.is_dir());
        warnings.extend(missing.map(|folder| {
            let folder = folder.display();
            format!("allow_cwd names {folder}, which is no folder here: it allows nothing until `aq run` starts again")
        }));
        warnings
    }
}

impl Serialize for RoutePermissions {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let commands = match &self.commands {
            AllowedCommands::Any => json!("any"),
            AllowedCommands::Listed(listed) => json!(listed),
        };
        let shown = |path: &PathBuf| path.display().to_string();
        let folders: Vec<String> = self.folders.iter().map(shown).collect();
        let shown = json!({
            "engines": self.usable_engines(), "commands": commands, "yolo": self.yolo == SwitchState::On,
            "cwd": self.cwd.as_ref().map(shown), "allowCwd": folders,
        });
        shown.serialize(serializer)
    }
}

impl fmt::Display for RoutePermissions {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let engines = match self.usable_engines() {
            none if none.is_empty() => String::from("no engine that is here"),
            some => some.join(", "),
        };
        let commands = match &self.commands {
            AllowedCommands::Any => String::from("any `verify` and `ship` command"),
            AllowedCommands::Listed(none) if none.is_empty() => String::from("no `verify` or `ship` command"),
            AllowedCommands::Listed(some) => format!("as `verify` and `ship`: `{}`", some.join("`, `")),
        };
        let yolo = match self.yolo {
            SwitchState::On => "yolo too",
            SwitchState::Off => "no yolo",
        };
        let started = String::from("the folder that `aq run` is started in");
        let shown = |path: &PathBuf| path.display().to_string();
        let folders = std::iter::once(self.cwd.as_ref().map_or(started, shown));
        let folders: Vec<String> = folders.chain(self.folders.iter().map(shown)).collect();
        write!(
            formatter,
            "routed jobs may run: {engines}; {commands}; {yolo}; in {} and below",
            folders.join(", ")
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::{GlobalFlags, Settings};

    fn permissions(lines: &str) -> RoutePermissions {
        let queue = tempfile::tempdir().unwrap();
        std::fs::write(queue.path().join("aq.toml"), lines).unwrap();
        let environment = [("AQ_QUEUE".into(), queue.path().into())].into();
        let settings = Settings::resolve_in(&GlobalFlags::default(), &environment).unwrap();
        let engines = EngineRegistry::new(&settings.engines).unwrap();
        RoutePermissions::of(&settings.route, &engines)
    }

    fn engines(permissions: &RoutePermissions) -> Vec<&str> {
        permissions.engines.iter().map(EngineName::as_str).collect()
    }

    #[test]
    fn where_nothing_is_said_the_engines_are_those_that_come_with_aq_but_for_the_shell() {
        let agents = ["claude", "codex", "devin", "gemini", "opencode"];
        assert_eq!(engines(&permissions("")), agents);
        // What a program does with the body of a job nobody can see from here.
        let own = "[engine.mine]\ncommand = \"mine\"\n[engine.codex]\ncommand = \"codex\"\n";
        assert_eq!(
            engines(&permissions(own)),
            ["claude", "devin", "gemini", "opencode"]
        );
        let named = format!("[route]\nallow_engines = [\"mine\", \"sh\"]\n{own}");
        assert_eq!(engines(&permissions(&named)), ["mine", "sh"]);
    }

    #[test]
    fn what_is_allowed_is_said_in_a_sentence_and_to_programs() {
        let nothing = permissions("[route]\nallow_engines = []\n");
        assert_eq!(
            nothing.to_string(),
            "routed jobs may run: no engine that is here; no `verify` or `ship` command; no yolo; in the folder that `aq \
             run` is started in and below"
        );
        let some = "[route]\nallow_engines = [\"sh\", \"no-such\"]\nallow_commands = [\"make test\", \"git push\"]\n\
                    allow_yolo = true\ncwd = \"/srv/work\"\nallow_cwd = [\"/srv/site\"]\n";
        let some = permissions(some);
        assert_eq!(
            some.to_string(),
            "routed jobs may run: sh; as `verify` and `ship`: `make test`, `git push`; yolo too; in /srv/work, /srv/site \
             and below"
        );
        let shown = json!({"engines": ["sh"], "commands": ["make test", "git push"], "yolo": true,
                          "cwd": "/srv/work", "allowCwd": ["/srv/site"]});
        assert_eq!(json!(some), shown);
        let any = permissions("[route]\nallow_commands = \"any\"\n");
        assert_eq!(json!(any)["commands"], "any");
    }
}
