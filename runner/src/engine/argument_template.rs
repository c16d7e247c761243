//! One element of `args` of an engine, with the placeholders in it.

use std::ffi::{OsStr, OsString};

use serde::Deserialize;

/// All that may stand in braces.
const PLACEHOLDERS: &str = "{prompt}, {prompt_file}, {cwd} and {yolo}";

/// One element of `args`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub(super) enum ArgumentTemplate {
    /// One word of the command line.
    Word(Vec<WordPart>),
    /// The switch that skips permission questions, where the job asks for it: as many words as the adapter says.
    Yolo,
}

/// A part of a word.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum WordPart {
    Literal(String),
    Prompt,
    PromptFile,
    /// The folder that it works in, which it is started in as well.
    Folder,
}

/// What the placeholders of a word stand for in one job.
pub(super) struct ArgumentValues<'a> {
    pub(super) prompt: &'a OsStr,
    pub(super) prompt_file: &'a OsStr,
    pub(super) folder: &'a OsStr,
}

impl ArgumentTemplate {
    pub(super) fn has_prompt(&self) -> bool {
        let is_prompt = |part: &WordPart| matches!(part, WordPart::Prompt | WordPart::PromptFile);
        matches!(self, ArgumentTemplate::Word(parts) if parts.iter().any(is_prompt))
    }

    /// The word, if it is the same in every job.
    pub(super) fn literal(&self) -> Option<&str> {
        match self {
            ArgumentTemplate::Word(parts) if parts.len() <= 1 => self.beginning(),
            _ => None,
        }
    }

    /// What stands before the first placeholder.
    pub(super) fn beginning(&self) -> Option<&str> {
        match self {
            ArgumentTemplate::Word(parts) => match parts.first() {
                None => Some(""),
                Some(WordPart::Literal(text)) => Some(text),
                Some(_) => None,
            },
            ArgumentTemplate::Yolo => None,
        }
    }
}

/// The word of a job. A prompt at its beginning is no option, however it begins: a newline in front keeps its dash from
/// being the first letter of the word, and is nothing to who reads the prompt.
pub(super) fn word(parts: &[WordPart], values: &ArgumentValues<'_>) -> OsString {
    let mut word = OsString::new();
    for part in parts {
        match part {
            WordPart::Literal(text) => word.push(text),
            WordPart::Prompt => {
                if word.is_empty() && values.prompt.as_encoded_bytes().starts_with(b"-") {
                    word.push("\n");
                }
                word.push(values.prompt);
            }
            WordPart::PromptFile => word.push(values.prompt_file),
            WordPart::Folder => word.push(values.folder),
        }
    }
    word
}

impl TryFrom<String> for ArgumentTemplate {
    type Error = String;

    fn try_from(text: String) -> Result<ArgumentTemplate, String> {
        if text == "{yolo}" {
            return Ok(ArgumentTemplate::Yolo);
        }
        let mut parts = Vec::new();
        let mut literal = String::new();
        let mut rest = text.as_str();
        while let Some((before, braced)) = rest.split_once('{') {
            literal += before;
            // Twice the braces stand for themselves.
            if let Some((name, after)) = braced.strip_prefix('{').and_then(named)
                && let Some(after) = after.strip_prefix('}')
            {
                literal += &format!("{{{name}}}");
                rest = after;
                continue;
            }
            let Some((name, after)) = named(braced) else {
                literal.push('{');
                rest = braced;
                continue;
            };
            let part = match name {
                "prompt" => WordPart::Prompt,
                "prompt_file" => WordPart::PromptFile,
                "cwd" => WordPart::Folder,
                "yolo" => {
                    return Err(format!(
                        "`{text}` has {{yolo}} inside a word: it stands for whole words, so write it as one of its own"
                    ));
                }
                _ => {
                    return Err(format!(
                        "`{text}` has the unknown placeholder {{{name}}}: there are {PLACEHOLDERS}; write {{{{{name}}}}} if it is to stay as it is"
                    ));
                }
            };
            if !literal.is_empty() {
                parts.push(WordPart::Literal(std::mem::take(&mut literal)));
            }
            parts.push(part);
            rest = after;
        }
        literal += rest;
        if !literal.is_empty() {
            parts.push(WordPart::Literal(literal));
        }
        Ok(ArgumentTemplate::Word(parts))
    }
}

/// These words are the same in every job.
pub(super) fn refuse_placeholders(key: &str, word: &str) -> Result<(), String> {
    let found = word
        .match_indices('{')
        .find_map(|(start, _)| named(&word[start + 1..]));
    match found {
        Some((name, _)) => Err(format!(
            "`{key}` holds {{{name}}}: placeholders stand in `args` alone"
        )),
        None => Ok(()),
    }
}

/// A name and its closing brace, and what follows. What else stands in braces is text, such as a piece of JSON.
fn named(text: &str) -> Option<(&str, &str)> {
    let (name, rest) = text.split_once('}')?;
    let is_name = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-';
    (!name.is_empty() && name.bytes().all(is_name)).then_some((name, rest))
}
