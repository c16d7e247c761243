//! Lists the scenarios for the program, which carries them, so that it judges a runner where no checkout is. A file that
//! comes or goes changes the list, and the tests that are generated from the files; Cargo can't know that by itself.

use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::{env, fs, io};

fn main() -> io::Result<()> {
    println!("cargo::rerun-if-changed=../scenarios");
    let folder = Path::new("../scenarios").canonicalize()?;
    let mut list = String::from("&[\n");
    for path in scenarios(&folder)? {
        let id = path.strip_prefix(&folder).unwrap_or(&path).with_extension("");
        // The text is the compiler's to read, so a change of it needs no run of this.
        let _ = writeln!(
            list,
            "    ({:?}, include_str!({path:?})),",
            id.display().to_string()
        );
    }
    list.push_str("]\n");
    let output = PathBuf::from(env::var_os("OUT_DIR").unwrap_or_default());
    fs::write(output.join("built_in_scenarios.rs"), list)
}

/// Every scenario below the folder, in order of its path.
fn scenarios(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(current) = folders.pop() {
        for entry in fs::read_dir(&current)? {
            let entry = entry?;
            // What editors and Macs leave is no scenario.
            if entry.file_name().as_encoded_bytes().starts_with(b".") {
                continue;
            }
            let path = entry.path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|ending| ending == "toml") {
                found.push(path);
            }
        }
    }
    found.sort();
    Ok(found)
}
