//! `conformance export`: the scenarios that are built in, as files to begin own ones with.

use std::path::Path;
use std::{fs, io};

use conformance::exit_codes::HarnessExit;
use conformance::scenario::{Scenario, json_schema, scenario_files};
use conformance::stdio;
use conformance::suite_selection::fail;

/// Writes them below a folder that does not exist or is empty, so that no file of the user's is lost.
pub(super) fn export(folder: &Path) -> Result<HarnessExit, HarnessExit> {
    let shown = folder.display();
    let is_used = fs::read_dir(folder).is_ok_and(|mut entries| entries.next().is_some());
    if is_used {
        let message = format!("{shown} is not empty; name a folder that is not there yet");
        return Err(fail(HarnessExit::WrongUsage, &message));
    }
    let count = write(folder).map_err(|error| {
        let message = format!("the scenarios can't be written to {shown}: {error}; name another folder");
        fail(HarnessExit::WrongUsage, &message)
    })?;
    stdio::write_stdout(&format!(
        "{count} scenarios are in {shown} now; `conformance run --scenarios {shown}` runs them\n"
    ));
    Ok(HarnessExit::Holds)
}

fn write(folder: &Path) -> io::Result<usize> {
    let files = scenario_files::built_in();
    for file in &files {
        let path = folder.join(format!("{}.toml", file.id));
        fs::create_dir_all(path.parent().unwrap_or(folder))?;
        fs::write(path, file.text()?.as_bytes())?;
    }
    // The first line of each scenario names it, for editors.
    fs::write(folder.join("schema.json"), json_schema::of::<Scenario>())?;
    Ok(files.len())
}
