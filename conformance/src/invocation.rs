//! How this harness was called, so that a command to be pasted calls it in the same way.

use std::path::Path;

use crate::suite_selection::SuiteSelection;

/// The words before a subcommand, and the options that decide who is judged by what.
#[derive(Debug, Clone)]
pub struct HarnessInvocation {
    harness: String,
    /// `--profile` and `--scenarios`, quoted.
    options: Vec<String>,
    /// The stream that this run writes, quoted, where a command can read it.
    events: Option<String>,
}

impl HarnessInvocation {
    /// The way this process was called, with the stream that it writes.
    pub fn of_this_process(selection: &SuiteSelection, events: Option<&Path>) -> HarnessInvocation {
        let mut words = Vec::new();
        let mut path = |option: &str, value: Option<&Path>| {
            words.extend(value.map(|value| format!("{option} {}", quoted(&value.to_string_lossy()))));
        };
        path("--profile", selection.profile.as_deref());
        path("--scenarios", selection.scenarios.as_deref());
        HarnessInvocation {
            harness: harness(),
            options: words,
            // Where commands are pasted on another machine, as after a run in CI, the stream is not at hand.
            events: events
                .filter(|_| std::env::var_os(COMMAND).is_none())
                .map(|path| quoted(&path.to_string_lossy())),
        }
    }

    /// The command that runs this scenario alone: off the stream where there is one, which is not asked what to run.
    pub fn alone(&self, id: &str) -> String {
        let mut words = vec![self.harness.clone()];
        match &self.events {
            Some(file) => words.extend(["replay".into(), "--keep".into(), file.clone()]),
            None => words.extend(["run".into(), "--keep".into()]),
        }
        words.extend(self.options.iter().cloned());
        if id.starts_with('-') {
            words.push("--".into());
        }
        words.push(quoted(id));
        words.join(" ")
    }

    /// The command with these words after its name.
    pub fn with(&self, words: &[&str]) -> String {
        let words = words.iter().map(|word| quoted(word));
        let all: Vec<String> = std::iter::once(self.harness.clone())
            .chain(words)
            .chain(self.options.iter().cloned())
            .collect();
        all.join(" ")
    }
}

/// What stands for the harness in commands that are printed, where it is not to be what was typed.
const COMMAND: &str = "CONFORMANCE_COMMAND";

/// As it was typed; Cargo's way where Cargo started it. What AQ_BIN names goes along. The self-test, whose binary lies
/// beside that of `conformance`, prints commands of `conformance` too.
fn harness() -> String {
    if let Ok(named) = std::env::var(COMMAND) {
        return named;
    }
    let own = env!("CARGO_PKG_NAME");
    let by_cargo = std::env::var("CARGO_PKG_NAME").is_ok_and(|name| name.starts_with(own));
    let typed = std::env::args().next().unwrap_or_else(|| own.into());
    let program = match by_cargo {
        true => format!("cargo run -p {own} --"),
        false => quoted(typed.strip_suffix("-selftest").unwrap_or(&typed)),
    };
    match std::env::var("AQ_BIN") {
        Ok(named) => format!("AQ_BIN={} {program}", quoted(&named)),
        Err(_) => program,
    }
}

/// A word as a shell reads it back.
fn quoted(word: &str) -> String {
    let plain = |character: char| character.is_ascii_alphanumeric() || "-_./:=@%+,".contains(character);
    if !word.is_empty() && word.chars().all(plain) {
        return word.to_owned();
    }
    if word.chars().any(char::is_control) {
        // What a terminal would take for an order is written as bash reads it.
        let bytes = word.bytes().map(|byte| match byte {
            b'\'' | b'\\' => format!("\\{}", char::from(byte)),
            b' '..=b'~' => char::from(byte).to_string(),
            other => format!("\\x{other:02x}"),
        });
        return format!("$'{}'", bytes.collect::<String>());
    }
    format!("'{}'", word.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_come_back_from_a_shell_as_they_were() {
        for word in [
            "shadow/agree",
            "it's",
            "a b$(c)`d`\"",
            "",
            "-x",
            "line\nbreak\u{1b}[1m'\\ü",
            "*",
        ] {
            let script = format!("printf %s {}", quoted(word));
            let output = std::process::Command::new("bash").args(["-c", &script]).output();
            let output = output.expect("bash");
            assert_eq!(String::from_utf8_lossy(&output.stdout), word, "{script}");
        }
    }
}
