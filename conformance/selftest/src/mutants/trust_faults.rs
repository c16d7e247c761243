//! Faults about who can lead a runner astray: jobs that write settings and links, and everybody on the host.

use std::fs::{self, OpenOptions, Permissions};
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use toml::Table;

use super::proxied_exchange::send;
use super::{MutantKind, fired, queue, variable};
use conformance::sandbox::STAGES;

const OTHERS_WRITE: u32 = 0o002;

/// Keeps in mind where the settings point when the runner starts.
pub(super) fn note_address() -> std::io::Result<()> {
    fs::write(noted_address(), address())
}

/// Takes its token to the host that the settings have come to name, and a claim that would be a real one anywhere.
pub(super) fn call_new_address() -> std::io::Result<()> {
    let (old, new) = (fs::read_to_string(noted_address())?, address());
    if old.is_empty() || old == new {
        return Ok(());
    }
    let host = new
        .trim_start_matches("http://")
        .split('/')
        .next()
        .unwrap_or_default();
    let (token, factory) = (variable("AQ_FLEET_TOKEN"), variable("AQ_FACTORY_ID"));
    let body = format!("{{\"factoryId\":\"{factory}\",\"caps\":[]}}");
    let fields = format!("authorization: Bearer {token}\r\nidempotency-key: follows\r\n");
    // Whatever is answered, the coordinator has seen it.
    drop(send(host, "/v1/claims", &fields, body.as_bytes()));
    fired(MutantKind::FollowsTheSettings)
}

/// Writes to whatever file a link below `.state` leads to.
pub(super) fn write_through_links(folder: &Path) -> std::io::Result<()> {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if entry.file_type()?.is_dir() {
            write_through_links(&path)?;
        } else if entry.file_type()?.is_symlink() && path.is_file() {
            OpenOptions::new()
                .append(true)
                .open(&path)?
                .write_all(b"more\n")?;
            fired(MutantKind::FollowsLinks)?;
        }
    }
    Ok(())
}

/// Moves what is in work to where a stage that is a link leads.
pub(super) fn move_through_links() -> std::io::Result<()> {
    for stage in STAGES
        .map(|stage| queue().join(stage))
        .iter()
        .filter(|stage| stage.is_symlink())
    {
        for entry in fs::read_dir(queue().join("building"))?.flatten() {
            fs::rename(entry.path(), stage.join(entry.file_name()))?;
            fired(MutantKind::MovesThroughLinks)?;
        }
    }
    Ok(())
}

/// Hides from the runner what others can write.
pub(super) fn hide_access() -> std::io::Result<()> {
    let folders = STAGES.map(|stage| queue().join(stage)).into_iter();
    let waiting = fs::read_dir(queue().join("inbox"))
        .into_iter()
        .flatten()
        .flatten();
    let waiting = waiting.map(|entry| entry.path());
    for path in folders.chain([queue().join("aq.toml")]).chain(waiting) {
        let Ok(metadata) = path.symlink_metadata() else {
            continue;
        };
        let mode = metadata.permissions().mode();
        if mode & OTHERS_WRITE != 0 {
            fs::set_permissions(&path, Permissions::from_mode(mode & !OTHERS_WRITE))?;
            fired(MutantKind::TrustsEverybody)?;
        }
    }
    Ok(())
}

fn address() -> String {
    let text = fs::read_to_string(queue().join("aq.toml")).unwrap_or_default();
    let settings: Table = text.parse().unwrap_or_default();
    let url = settings.get("fleet").and_then(|fleet| fleet.get("url"));
    url.and_then(|url| url.as_str()).unwrap_or_default().to_owned()
}

fn noted_address() -> PathBuf {
    PathBuf::from(variable("TMPDIR")).join("address-at-the-start")
}
