//! What the real engines printed, as `docs/check-engines.sh` recorded it.

use std::fs;
use std::path::PathBuf;

fn recorded(name: &str) -> String {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../docs/check-engines");
    fs::read_to_string(folder.join(name)).unwrap()
}

pub fn recorded_output(engine: &str, case: &str) -> String {
    recorded(&format!("shapes/{engine}.{case}.out"))
}

/// The cells of a case: its exit code, the stage that the job came to, and the reason.
fn row(engine: &str, case: &str) -> Vec<String> {
    let table = recorded("results.tsv");
    let mut rows = table
        .lines()
        .map(|line| line.split('\t').map(str::to_owned).collect::<Vec<_>>());
    rows.find(|row| row[0] == engine && row[1] == case).unwrap()
}

pub fn recorded_exit(engine: &str, case: &str) -> String {
    row(engine, case)[2].clone()
}

/// All cases, each with engine, case, and where a job with it comes to.
pub fn recorded_cases() -> Vec<[String; 4]> {
    let table = recorded("results.tsv");
    let rows = table.lines().skip(1).map(|line| {
        let mut cells = line.split('\t').map(str::to_owned);
        let mut next = || cells.next().unwrap();
        let (engine, case, _exit) = (next(), next(), next());
        [engine, case, next(), next()]
    });
    rows.collect()
}
