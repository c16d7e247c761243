//! A runner that is wrong on purpose: a script does the fault and then becomes the runner.

use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use conformance::profile::Profile;

/// The runner of a profile behind such a script, which is written into the folder. `fault` is a piece of shell, carried out
/// in the queue folder where there is one. It finds the runner in `$aq`, and the folder of the command in `$here`.
pub(crate) fn behind(base: &Profile, fault: &str, folder: &Path) -> io::Result<Profile> {
    let path = folder.join("runner");
    let real = base.command.first().map_or("aq", String::as_str);
    let script = format!(
        "#!/bin/sh\naq='{real}' here=$PWD\nif cd \"$AQ_QUEUE\" 2>/dev/null; then\n{fault}\nfi\ncd \"$here\"\nexec \"$aq\" \"$@\"\n"
    );
    fs::write(&path, script)?;
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755))?;
    Ok(Profile {
        command: vec![path.to_string_lossy().into_owned()],
        ..base.clone()
    })
}

/// Whether what was noted is about the fault. An error: it is about something else.
pub(crate) fn explains(noted: &str, symptoms: &[&str]) -> Result<(), String> {
    match symptoms.iter().any(|symptom| noted.contains(symptom)) {
        true => Ok(()),
        false => Err(format!("found by something else: {noted}")),
    }
}
