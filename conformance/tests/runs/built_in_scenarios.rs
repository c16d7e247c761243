//! The harness where no checkout is: it carries its scenarios, and finds an `aq` that was installed with it or before it.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;
use tempfile::TempDir;

use crate::test_bench::{FAIL, TestBench, texts};
use crate::{HARNESS, scenarios};

/// Every file below the folder, by its path there.
fn files(folder: &Path) -> BTreeMap<PathBuf, String> {
    let mut found = BTreeMap::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(current) = folders.pop() {
        for entry in fs::read_dir(current).expect("a folder") {
            let path = entry.expect("an entry").path();
            match path.is_dir() {
                true => folders.push(path),
                false => {
                    let name = path.strip_prefix(folder).expect("it lies below").to_owned();
                    found.insert(name, fs::read_to_string(path).expect("a file"));
                }
            }
        }
    }
    found
}

#[test]
fn the_scenarios_that_are_built_in_are_those_of_the_repository() {
    let bench = TestBench::new("exit 0", &[], "");
    let (code, output, errors) = bench.alone(&["export", "mine"]);
    assert_eq!(code, Some(0), "{output}{errors}");
    let repository = files(&scenarios());
    let exported = files(&bench.path("mine"));
    assert!(exported.keys().eq(repository.keys()), "{:?}", exported.keys());
    for (path, text) in &repository {
        assert_eq!(&exported[path], text, "{}", path.display());
    }
    let count = repository.len() - 1; // one is the schema
    assert!(output.contains(&format!("{count} scenarios")), "{output}");
    let (code, output, errors) = bench.alone(&["list"]);
    assert_eq!((code, output.lines().count()), (Some(0), count), "{errors}");
}

#[test]
fn what_is_exported_replaces_nothing() {
    let bench = TestBench::new("exit 0", &[("a/1", FAIL)], "");
    let own = bench.text("scenarios/a/1.toml");
    let (code, _, errors) = bench.alone(&["export", "scenarios"]);
    assert_eq!(code, Some(2), "{errors}");
    assert!(errors.contains("not empty"), "{errors}");
    assert_eq!(files(&bench.path("scenarios")).len(), 1);
    assert_eq!(bench.text("scenarios/a/1.toml"), own);
}

#[test]
fn a_run_names_the_scenarios_that_it_chose_from() {
    // A folder of the user's that has the same name is not taken for them.
    let bench = TestBench::new("exit 0", &[("a/1", FAIL)], "");
    let count = files(&scenarios()).len() - 1;
    let profile = ["--profile", "profile.toml", "run"];
    let (_, output, errors) = bench.alone(&[&profile[..], &["shadow/agree"]].concat());
    assert!(
        output.contains(&format!("\nscenarios: built in ({count})\n")),
        "{output}{errors}"
    );
    let (_, output, errors) = bench.run(&["run"]);
    assert!(
        output.contains("\nscenarios: scenarios (1)\n"),
        "{output}{errors}"
    );
    let source = |output: &str| {
        let json: Value = serde_json::from_str(output).expect("JSON");
        json["scenarioSource"].clone()
    };
    let (_, output, _) = bench.alone(&[&profile[..], &["shadow/agree", "--json"]].concat());
    let built_in = serde_json::json!({"builtIn": true, "folder": null, "count": count});
    assert_eq!(source(&output), built_in);
    let (_, output, _) = bench.run(&["run", "--json"]);
    let own = serde_json::json!({"builtIn": false, "folder": "scenarios", "count": 1});
    assert_eq!(source(&output), own);
}

/// A copy of the harness that no checkout is around.
struct InstalledHarness {
    folder: TempDir,
}

impl InstalledHarness {
    fn new() -> InstalledHarness {
        let folder = tempfile::tempdir().expect("a folder");
        for name in ["bin", "path", "empty"] {
            fs::create_dir(folder.path().join(name)).expect("a folder");
        }
        // Another process writes it: a child of a test beside this one would inherit the file open for writing, and no
        // such file can be started.
        let mut copy = Command::new("cp");
        copy.arg(HARNESS).arg(folder.path().join("bin/conformance"));
        assert!(copy.status().expect("cp").success());
        InstalledHarness { folder }
    }

    /// Puts a runner there that does nothing.
    fn runner(&self, name: &str, mode: u32) -> String {
        let path = self.folder.path().canonicalize().expect("a folder").join(name);
        fs::write(&path, "#!/bin/sh\nexit 0\n").expect("a script");
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).expect("its mode");
        path.to_string_lossy().into_owned()
    }

    /// Which program was judged, or what was said instead.
    fn judged(&self, path: &str) -> Result<String, (Option<i32>, String)> {
        let mut command = Command::new(self.folder.path().join("bin/conformance"));
        let output = command
            .args(["run", "shadow/agree", "--events", "e.ndjson"])
            .env_clear()
            .env("PATH", self.folder.path().join(path))
            .current_dir(self.folder.path().join("empty"))
            .output()
            .expect("the harness can be started");
        let (code, _, errors) = texts(&output);
        let stream = fs::read_to_string(self.folder.path().join("empty/e.ndjson"));
        let first = stream
            .ok()
            .and_then(|text| text.lines().next().map(str::to_owned));
        let Some(first) = first else {
            return Err((code, errors));
        };
        let started: Value = serde_json::from_str(&first).expect("JSON");
        Ok(started["program"][0].as_str().expect("a program").to_owned())
    }
}

#[test]
fn outside_a_checkout_the_runner_is_the_aq_beside_the_harness_or_on_path() {
    let installed = InstalledHarness::new();
    let (code, errors) = installed.judged("path").expect_err("there is no aq");
    assert_eq!(code, Some(3), "{errors}");
    for way_out in ["no `aq`", "PATH", "AQ_BIN", "--profile"] {
        assert!(errors.contains(way_out), "{way_out}: {errors}");
    }
    // What nobody may start is no runner.
    installed.runner("bin/aq", 0o600);
    let on_path = installed.runner("path/aq", 0o755);
    assert_eq!(installed.judged("path"), Ok(on_path));
    let beside = installed.runner("bin/aq", 0o755);
    assert_eq!(installed.judged("path"), Ok(beside));
}
