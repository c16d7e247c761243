//! Reads what a run left behind: the stage folders with names and bytes, the folder tree, the shadow log.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use serde_json::{Map, Value};

use super::STAGES;
use crate::profile::log_format::LogFormat;

/// More of a file than this is not read.
const FILE_LIMIT: u64 = 16 << 20;
const TREE_LIMIT: usize = 400;

/// A file that lies in a stage folder.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct StageFile {
    pub stage: String,
    pub name: String,
    pub bytes: Vec<u8>,
}

/// A line of the shadow log.
#[derive(Debug, Clone, PartialEq)]
pub struct LogLine {
    pub number: usize,
    /// How long the log is up to its end, in bytes.
    pub end: u64,
    pub text: String,
    /// The object that it holds, where it holds one.
    pub object: Option<Map<String, Value>>,
}

/// The shadow log as it was found.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct ShadowLog {
    pub exists: bool,
    /// Whether its last byte is a newline, or it is empty.
    pub closed: bool,
    pub lines: Vec<LogLine>,
}

/// Every file of every stage folder, in order of stage and name.
pub fn stages(queue: &Path) -> Vec<StageFile> {
    let mut files = Vec::new();
    for stage in STAGES {
        for entry in std::fs::read_dir(queue.join(stage))
            .into_iter()
            .flatten()
            .flatten()
        {
            let name = entry.file_name().to_string_lossy().into_owned();
            files.push(StageFile {
                stage: stage.into(),
                name,
                bytes: bytes(&entry.path()),
            });
        }
    }
    files.sort();
    files
}

/// The shadow log at `path`, its lines in this form.
pub fn shadow_log(path: &Path, form: &LogFormat) -> ShadowLog {
    if !path.is_file() {
        return ShadowLog {
            closed: true,
            ..ShadowLog::default()
        };
    }
    let bytes = bytes(path);
    let mut end = 0;
    let pieces = bytes.split_inclusive(|byte| *byte == b'\n').enumerate();
    let lines = pieces.map(|(index, piece)| {
        end += piece.len() as u64;
        let text = String::from_utf8_lossy(piece);
        let text = text.strip_suffix('\n').unwrap_or(&text);
        let text = text.strip_suffix('\r').unwrap_or(text);
        LogLine {
            number: index + 1,
            end,
            text: text.to_owned(),
            object: form.read(text),
        }
    });
    ShadowLog {
        exists: true,
        closed: bytes.last().is_none_or(|last| *last == b'\n'),
        lines: lines.collect(),
    }
}

/// Every path below the run's queue and work folder with its size, for a person to look at.
pub fn tree(root: &Path) -> Vec<String> {
    let mut found = Vec::new();
    let mut folders = vec![root.join("queue"), root.join("work")];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).into_iter().flatten().flatten() {
            let path = entry.path();
            let shown = path.strip_prefix(root).unwrap_or(&path).display().to_string();
            match entry.metadata() {
                Ok(about) if about.is_dir() => {
                    found.push(format!("{shown}/"));
                    folders.push(path);
                }
                Ok(about) => found.push(format!("{shown} ({} bytes)", about.len())),
                Err(error) => found.push(format!("{shown} ({error})")),
            }
        }
    }
    found.sort();
    found.truncate(TREE_LIMIT);
    found
}

/// Text of a file, cut to `limit` bytes.
pub fn text(path: &Path, limit: u64) -> String {
    let mut bytes = Vec::new();
    let read = File::open(path).and_then(|file| file.take(limit).read_to_end(&mut bytes));
    match read {
        Ok(_) => String::from_utf8_lossy(&bytes).into_owned(),
        Err(_) => String::new(),
    }
}

fn bytes(path: &Path) -> Vec<u8> {
    let mut bytes = Vec::new();
    let _ = File::open(path).and_then(|file| file.take(FILE_LIMIT).read_to_end(&mut bytes));
    bytes
}
