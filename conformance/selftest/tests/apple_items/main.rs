//! Whether a Mac has all that the code takes from the system. No compiler for Apple systems is at hand where this is
//! tested, so what the code names of `rustix`, `nix`, `libc` and `signal-hook` is looked up in their own sources, under
//! the conditions that stand on it there. What is called on a value (`file.method()`) is not seen.

#[expect(dead_code, reason = "other test binaries use the rest of it")]
#[path = "../common/mod.rs"]
mod common;
mod conditions;
mod crate_index;
mod macro_items;
mod used_items;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::LazyLock;

use common::root;
use conditions::AppleTarget;
use crate_index::{CrateIndex, CrateIndexes, is_there};
use serde_json::Value;

const CRATES: [&str; 4] = ["rustix", "nix", "libc", "signal-hook"];
const PACKAGES: [&str; 3] = ["stub-coordinator", "conformance", "conformance/selftest"];
/// The architectures of a Mac.
const ARCHITECTURES: [&str; 2] = ["aarch64", "x86_64"];

/// Read once for both tests: it is much to read.
static INDEXES: LazyLock<[CrateIndexes; 2]> = LazyLock::new(|| {
    let metadata = metadata();
    ARCHITECTURES.map(|architecture| indexes(&metadata, architecture))
});

fn metadata() -> Value {
    let arguments =
        "metadata --locked --offline --filter-platform x86_64-unknown-linux-gnu --format-version 1";
    let output = Command::new(env!("CARGO"))
        .args(arguments.split(' '))
        .current_dir(root())
        .output()
        .expect("cargo metadata");
    serde_json::from_slice(&output.stdout).expect("cargo metadata prints JSON")
}

/// The crates as `Cargo.lock` has them, with the features that are on.
fn indexes(metadata: &Value, architecture: &'static str) -> CrateIndexes {
    let packages = metadata["packages"].as_array().expect("packages");
    let nodes = metadata["resolve"]["nodes"].as_array().expect("nodes");
    let own = own_dependencies(metadata);
    let mut indexes = CrateIndexes::new();
    for package in packages {
        let name = package["name"].as_str().expect("a name");
        if !CRATES.contains(&name) || !own.contains(package["id"].as_str().expect("an id")) {
            continue;
        }
        let node = nodes.iter().find(|node| node["id"] == package["id"]);
        let features = node.expect("a node")["features"].as_array().expect("features");
        let features = features.iter().filter_map(Value::as_str).map(str::to_owned);
        let manifest = Path::new(package["manifest_path"].as_str().expect("a path"));
        let source = manifest.parent().expect("a folder").join("src/lib.rs");
        let target = AppleTarget {
            features: features.collect(),
            architecture,
        };
        indexes.insert(name.replace('-', "_"), CrateIndex::read(&source, target));
    }
    assert_eq!(indexes.len(), CRATES.len(), "not all of {CRATES:?} were found");
    indexes
}

/// The packages that ours and what they depend on directly name: `libc` comes through `nix`.
fn own_dependencies(metadata: &Value) -> BTreeSet<String> {
    let nodes = metadata["resolve"]["nodes"].as_array().expect("nodes");
    let of = |id: &str| -> Vec<String> {
        let node = nodes.iter().find(|node| node["id"] == id);
        let ids = node.and_then(|node| node["dependencies"].as_array());
        let ids = ids.into_iter().flatten().filter_map(Value::as_str);
        ids.map(str::to_owned).collect()
    };
    let members = metadata["workspace_members"].as_array().expect("members");
    let direct: Vec<String> = members.iter().filter_map(Value::as_str).flat_map(of).collect();
    let nix = direct.iter().filter(|id| id.contains("#nix@"));
    let below: Vec<String> = nix
        .flat_map(|id| of(id))
        .filter(|id| id.contains("#libc@"))
        .collect();
    direct.into_iter().chain(below).collect()
}

/// Everything that cargo compiles of a package: its library, its programs, its tests and its benchmarks.
fn roots(package: &str) -> Vec<PathBuf> {
    let folder = root().join(package);
    let mut roots: Vec<PathBuf> = ["src/lib.rs", "src/main.rs"]
        .map(|name| folder.join(name))
        .to_vec();
    for kind in ["tests", "benches"] {
        for entry in fs::read_dir(folder.join(kind)).into_iter().flatten().flatten() {
            let path = entry.path();
            let is_source = path.extension().is_some_and(|extension| extension == "rs");
            roots.push(match is_source {
                true => path,
                false => path.join("main.rs"),
            });
        }
    }
    roots.retain(|path| path.is_file());
    roots
}

fn target(architecture: &'static str) -> AppleTarget {
    AppleTarget {
        architecture,
        ..AppleTarget::default()
    }
}

/// Whether this path leads to what a Mac does not have.
fn is_missing(indexes: &CrateIndexes, path: &[String]) -> bool {
    let is_of_linux = path.len() > 2 && path[0] == "std" && path[1] == "os" && path[2] == "linux";
    is_of_linux || !is_there(indexes, path)
}

#[test]
#[cfg_attr(not(target_os = "linux"), ignore = "a Mac has a compiler that says so")]
fn the_code_names_nothing_that_a_mac_does_not_have() {
    let mut missing = BTreeSet::new();
    let mut looked_up = 0;
    for (architecture, indexes) in ARCHITECTURES.into_iter().zip(&*INDEXES) {
        for file in PACKAGES.into_iter().flat_map(roots) {
            for (file, (path, line)) in used_items::of_root(&file, &target(architecture)) {
                looked_up += usize::from(path.first().is_some_and(|first| indexes.contains_key(first)));
                if is_missing(indexes, &path) {
                    let file = file.strip_prefix(root()).unwrap_or(&file).display().to_string();
                    missing.insert(format!("{file}:{line}: {}", path.join("::")));
                }
            }
        }
    }
    assert!(looked_up > 200, "{looked_up}: the scan looks in the wrong place");
    let missing: Vec<String> = missing.into_iter().collect();
    assert!(
        missing.is_empty(),
        "a Mac does not have\n  {}",
        missing.join("\n  ")
    );
}

#[test]
#[cfg_attr(not(target_os = "linux"), ignore = "a Mac has a compiler that says so")]
fn what_only_linux_has_is_found_however_it_is_named() {
    let code = "
        use rustix::process::{self, Pid, pidfd_open};
        use rustix::pipe::PipeFlags;
        use nix::sys::signal::Signal;
        use std::os::linux::fs::MetadataExt;
        use rustix::fs::openat2;
        fn names() {
            process::set_child_subreaper(None);
            let _ = (Pid::from_raw(1), PipeFlags::DIRECT, Signal::SIGSTKFLT, Signal::SIGHUP);
            println!(\"{:?}\", rustix::fs::OFlags::TMPFILE | rustix::fs::OFlags::NOCTTY);
            #[cfg(target_os = \"linux\")]
            rustix::process::pidfd_getfd();
            nix::unistd::gettid();
            nix::libc::prctl();
            nix::libc::kill();
            signal_hook::consts::SIGCHLD;
        }
        #[cfg(all(target_os = \"linux\", not(portable)))]
        use rustix::fs::inotify;
        #[cfg(any(portable, not(target_os = \"linux\")))]
        use rustix::fs::memfd_create;
    ";
    let items = syn::parse_file(code).expect("code").items;
    for (architecture, indexes) in ARCHITECTURES.into_iter().zip(&*INDEXES) {
        let named = used_items::of_items(&items, &target(architecture));
        let missing = named.into_iter().filter(|(path, _)| is_missing(indexes, path));
        let missing: BTreeSet<(usize, String)> =
            missing.map(|(path, line)| (line, path.join("::"))).collect();
        let missing: Vec<String> = missing
            .into_iter()
            .map(|(line, path)| format!("{line} {path}"))
            .collect();
        let expected = [
            "2 rustix::process::pidfd_open",
            "3 rustix::pipe::PipeFlags",
            "5 std::os::linux::fs::MetadataExt",
            "6 rustix::fs::openat2",
            "8 rustix::process::set_child_subreaper",
            "9 nix::sys::signal::Signal::SIGSTKFLT",
            "9 rustix::pipe::PipeFlags::DIRECT",
            "10 rustix::fs::OFlags::TMPFILE",
            "13 nix::unistd::gettid",
            "14 nix::libc::prctl",
            "21 rustix::fs::memfd_create",
        ];
        assert_eq!(missing, expected);
    }
}
