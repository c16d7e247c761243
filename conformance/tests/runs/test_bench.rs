//! A folder in which a test starts the harness as its users do, with scenarios and a runner of its own. The tests of the
//! self-test's command line use it too, with their own binary.

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

use tempfile::TempDir;

/// A folder with scenarios of one command each, and a runner that is a script.
pub struct TestBench {
    pub folder: TempDir,
}

/// What a scenario expects decides how it comes out, as the runner always exits 0.
pub const PASS: &str = "exit = 0\n";
pub const FAIL: &str = "exit = 3\n";
pub const BROKEN: &str = "[[step]]\non = { ship = \"alpha\" }\ndo = \"kill\"\n";

impl TestBench {
    pub fn new(runner: &str, scenarios: &[(&str, &str)], profile: &str) -> TestBench {
        let folder = tempfile::tempdir().expect("a folder");
        let bench = TestBench { folder };
        for (id, expect) in scenarios {
            bench.scenario(id, "F-1", expect);
        }
        bench.runner(runner);
        let text = format!(
            "name = \"a script\"\ncommand = [\"sh\", \"{}\"]\n{profile}",
            bench.path("runner.sh").display()
        );
        fs::write(bench.path("profile.toml"), text).expect("a profile");
        bench
    }

    pub fn scenario(&self, id: &str, clause: &str, expect: &str) {
        let path = self.path(&format!("scenarios/{id}.toml"));
        fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
        let text = format!(
            "title = \"t\"\nclauses = [\"{clause}\"]\n[runner]\nargs = [\"run\"]\n\n[expect]\n{expect}"
        );
        fs::write(path, text).expect("a scenario");
    }

    pub fn runner(&self, script: &str) {
        fs::write(self.path("runner.sh"), script).expect("a script");
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn text(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
    }

    /// The harness in this folder, with the CI around these tests out of its sight.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(crate::HARNESS);
        command
            .args(arguments)
            .args(["--scenarios", "scenarios", "--profile", "profile.toml"]);
        self.at_home(&mut command);
        command
    }

    /// Without an option that was not asked for.
    pub fn alone(&self, arguments: &[&str]) -> (Option<i32>, String, String) {
        let mut command = Command::new(crate::HARNESS);
        command.args(arguments);
        self.at_home(&mut command);
        texts(&command.output().expect("the harness can be started"))
    }

    pub fn at_home(&self, command: &mut Command) {
        command.current_dir(self.folder.path()).stdin(Stdio::null());
        for name in [
            "AQ_BIN",
            "CARGO_PKG_NAME",
            "GITHUB_ACTIONS",
            "GITHUB_STEP_SUMMARY",
            "GITHUB_WORKSPACE",
        ] {
            command.env_remove(name);
        }
    }

    pub fn run(&self, arguments: &[&str]) -> (Option<i32>, String, String) {
        texts(
            &self
                .command(arguments)
                .output()
                .expect("the harness can be started"),
        )
    }

    /// What a person gets who pastes this command.
    pub fn pasted(&self, text: &str) -> (Option<i32>, String, String) {
        let mut command = Command::new("bash");
        command.args(["-c", text]);
        self.at_home(&mut command);
        texts(&command.output().expect("bash"))
    }
}

pub fn texts(output: &Output) -> (Option<i32>, String, String) {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (output.status.code(), text(&output.stdout), text(&output.stderr))
}

/// The line that follows the one which says that it is the command to run a failure alone.
pub fn printed_command(output: &str) -> &str {
    let mut lines = output.lines();
    lines
        .find(|line| line.starts_with("run it alone"))
        .unwrap_or_else(|| panic!("no command is printed\n{output}"));
    lines.next().expect("a command").trim()
}
