//! A run's token, and the search for it afterwards (clause O-9): in files, outputs, argument lists and in
//! the environment of whatever the runner started.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use crate::fake_engine::engine_run::EngineRun;

/// More of a file than this is not searched.
const FILE_LIMIT: u64 = 16 << 20;

/// Tokens of one run.
#[derive(Debug, Clone)]
pub struct RunTokens {
    /// The one that the coordinator knows.
    pub token: String,
    /// One that it does not know.
    pub wrong: String,
}

impl RunTokens {
    /// Two tokens that nobody can have by chance.
    pub fn random() -> std::io::Result<RunTokens> {
        let mut bytes = [0_u8; 32];
        File::open("/dev/urandom")?.read_exact(&mut bytes)?;
        let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
        Ok(RunTokens {
            token: hex(&bytes[..16]),
            wrong: hex(&bytes[16..]),
        })
    }

    /// Where either token, or the path of its file, can be found though it must not be.
    pub fn leaks(&self, root: &Path, token_file: &Path, runs: &[EngineRun]) -> Vec<String> {
        let mut found = Vec::new();
        self.search_folder(root, root, token_file, &mut found);
        let path = token_file.to_string_lossy();
        for run in runs {
            let who = format!(
                "{} of {}",
                run.tool,
                run.job.as_deref().unwrap_or("an unknown job")
            );
            for (name, value) in &run.hello.environment {
                if self.is_in(value) || value.contains(path.as_ref()) {
                    found.push(format!("environment of {who}: {name}"));
                }
            }
            if run.hello.arguments.iter().any(|argument| self.is_in(argument)) {
                found.push(format!("arguments of {who}"));
            }
            if let Some(above) = run.hello.ancestors.iter().find(|command| self.is_in(command)) {
                found.push(format!("arguments of a process above {who}: {above}"));
            }
        }
        found
    }

    fn is_in(&self, text: &str) -> bool {
        text.contains(&self.token) || text.contains(&self.wrong)
    }

    fn search_folder(&self, folder: &Path, root: &Path, token_file: &Path, found: &mut Vec<String>) {
        for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
            let path = entry.path();
            match entry.file_type() {
                Ok(kind) if kind.is_dir() => self.search_folder(&path, root, token_file, found),
                Ok(kind) if kind.is_file() && path != token_file => {
                    let mut bytes = Vec::new();
                    let read =
                        File::open(&path).and_then(|file| file.take(FILE_LIMIT).read_to_end(&mut bytes));
                    if read.is_ok() && self.is_in(&String::from_utf8_lossy(&bytes)) {
                        found.push(format!(
                            "file {}",
                            path.strip_prefix(root).unwrap_or(&path).display()
                        ));
                    }
                }
                _ => {}
            }
        }
    }
}
