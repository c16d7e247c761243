//! Finds scenario files and picks those that a glob names. A scenario's id is its path below the folder,
//! without the ending: `shadow/agree`.

use std::borrow::Cow;
use std::path::{Path, PathBuf};

use super::Scenario;
use super::parse::{self, ScenarioError};

/// The scenarios of the repository, which the build script lists: id and text.
const BUILT_IN: &[(&str, &str)] = include!(concat!(env!("OUT_DIR"), "/built_in_scenarios.rs"));

/// A scenario file and the id that reports name it by.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct ScenarioFile {
    pub id: String,
    /// Where it lies: on this host, or in the repository where it is built in.
    pub path: PathBuf,
    /// The text of one that is built in; any other is read when it is needed.
    built_in: Option<&'static str>,
}

impl ScenarioFile {
    /// The file at `path`, below the folder.
    pub fn below(folder: &Path, path: PathBuf) -> ScenarioFile {
        ScenarioFile {
            id: id_of(folder, &path),
            path,
            built_in: None,
        }
    }

    /// What is written in it.
    pub fn text(&self) -> std::io::Result<Cow<'static, str>> {
        match self.built_in {
            Some(text) => Ok(Cow::Borrowed(text)),
            None => std::fs::read_to_string(&self.path).map(Cow::Owned),
        }
    }

    /// Reads and checks it.
    pub fn read(&self) -> Result<Scenario, ScenarioError> {
        let text = self.text().map_err(|source| ScenarioError::Unreadable {
            path: self.path.clone(),
            source,
        })?;
        parse::parse(&text, &self.path)
    }
}

/// The scenarios that the program carries, in order of id.
pub fn built_in() -> Vec<ScenarioFile> {
    let file = |(id, text): &(&str, &'static str)| ScenarioFile {
        id: (*id).to_owned(),
        path: format!("scenarios/{id}.toml").into(),
        built_in: Some(text),
    };
    let mut files: Vec<ScenarioFile> = BUILT_IN.iter().map(file).collect();
    files.sort();
    files
}

/// Every scenario below `folder`, in order of id. What is hidden is none: editors and Macs leave files such as
/// `.#agree.toml` and `._agree.toml`. A folder that a link leads back to is not entered again.
pub fn all(folder: &Path) -> std::io::Result<Vec<ScenarioFile>> {
    let mut found = Vec::new();
    let mut folders = vec![(folder.to_owned(), vec![folder.canonicalize()?])];
    while let Some((current, above)) = folders.pop() {
        for entry in std::fs::read_dir(&current)? {
            let entry = entry?;
            if entry.file_name().as_encoded_bytes().starts_with(b".") {
                continue;
            }
            let path = entry.path();
            if path.is_dir() {
                let real = path.canonicalize()?;
                if !above.contains(&real) {
                    let above = above.iter().cloned().chain([real]).collect();
                    folders.push((path, above));
                }
            } else if path.extension().is_some_and(|ending| ending == "toml") {
                found.push(ScenarioFile::below(folder, path));
            }
        }
    }
    found.sort();
    Ok(found)
}

/// The same scenarios in an order that the seed decides: what comes out may not depend on it.
pub fn shuffle(found: &mut [ScenarioFile], seed: u64) {
    let place = |found: &ScenarioFile| {
        let mut state = seed ^ 0xcbf2_9ce4_8422_2325;
        for byte in found.id.bytes() {
            state = (state ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        }
        state ^ (state >> 29)
    };
    found.sort_by_key(place);
}

fn id_of(folder: &Path, path: &Path) -> String {
    path.strip_prefix(folder)
        .unwrap_or(path)
        .with_extension("")
        .to_string_lossy()
        .into_owned()
}

/// Whether `glob` names `id`: `*` stands for any text, `?` for one character, and an area for all in it.
pub fn names(glob: &str, id: &str) -> bool {
    let glob = glob.trim_end_matches('/').trim_end_matches(".toml");
    let glob = glob.strip_prefix("scenarios/").unwrap_or(glob);
    fits(glob.as_bytes(), id.as_bytes()) || id.strip_prefix(glob).is_some_and(|rest| rest.starts_with('/'))
}

fn fits(glob: &[u8], text: &[u8]) -> bool {
    match (glob.split_first(), text.split_first()) {
        (None, None) => true,
        (Some((b'*', rest)), _) => (0..=text.len()).any(|skipped| fits(rest, &text[skipped..])),
        (Some((b'?', rest)), Some((_, others))) => fits(rest, others),
        (Some((wanted, rest)), Some((given, others))) => wanted == given && fits(rest, others),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use std::fs;
    use std::os::unix::fs::symlink;

    use super::{ScenarioFile, all, names, shuffle};

    #[test]
    fn hidden_files_are_none_and_a_folder_that_leads_back_is_entered_once() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        for made in ["shadow/deep", "route", ".git"] {
            fs::create_dir_all(path(made)).unwrap();
        }
        for file in [
            "shadow/agree.toml",
            "shadow/deep/x.toml",
            "shadow/.#agree.toml",
            "shadow/._agree.toml",
            "shadow/agree.toml~",
            ".git/x.toml",
            "schema.json",
        ] {
            fs::write(path(file), "").unwrap();
        }
        symlink(".", path("shadow/itself")).unwrap();
        symlink(folder.path(), path("shadow/deep/root")).unwrap();
        symlink("../shadow", path("route/shadow")).unwrap();
        symlink("../route", path("shadow/route")).unwrap();
        let ids: Vec<String> = all(folder.path())
            .unwrap()
            .into_iter()
            .map(|found| found.id)
            .collect();
        // A link to another folder is one more way to its scenarios, as often as it can be gone without turning back.
        assert_eq!(
            ids,
            [
                "route/shadow/agree",
                "route/shadow/deep/x",
                "shadow/agree",
                "shadow/deep/x"
            ]
        );
    }

    #[test]
    fn a_seed_decides_the_order_and_loses_nothing() {
        let order = |seed| {
            let ids = ["a/1", "a/2", "b/1", "b/2", "c/1", "c/2"];
            let mut found = ids.map(|id| ScenarioFile::below(Path::new(""), id.into()));
            shuffle(&mut found, seed);
            found.map(|found| found.id)
        };
        assert_eq!(order(7), order(7));
        assert!(
            (0..20).any(|seed| order(seed) != order(7)),
            "no seed changes anything"
        );
        let mut sorted = order(7);
        sorted.sort();
        assert_eq!(sorted, ["a/1", "a/2", "b/1", "b/2", "c/1", "c/2"]);
    }

    #[test]
    fn a_glob_an_area_or_a_path_names_a_scenario() {
        for glob in [
            "shadow/agree",
            "shadow/*",
            "*agree",
            "shadow",
            "shadow/",
            "scenarios/shadow/agree.toml",
            "sh?dow/*",
        ] {
            assert!(names(glob, "shadow/agree"), "{glob}");
        }
        for glob in ["shadow/agre", "shad", "agree", "", "shadow/agree/x"] {
            assert!(!names(glob, "shadow/agree"), "{glob}");
        }
    }
}
