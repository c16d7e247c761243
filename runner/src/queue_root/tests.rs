//! Links in the queue folder lead nowhere, and folders are made by several processes at once.

use std::fs;
use std::io::Read;
use std::os::unix::fs::{PermissionsExt, symlink};

use super::*;

/// A queue folder, reached by a link, and a folder outside of it.
fn root() -> (tempfile::TempDir, QueueRoot, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let [real, outside, link] = ["real", "outside", "link"].map(|name| folder.path().join(name));
    fs::create_dir(&real).unwrap();
    fs::create_dir(&outside).unwrap();
    fs::write(outside.join("file"), "theirs").unwrap();
    symlink(&real, &link).unwrap();
    (folder, QueueRoot::at(&link), outside)
}

fn is_link<T: std::fmt::Debug>(result: io::Result<T>) -> bool {
    PathRejection::of(&result.unwrap_err()) == Some(PathRejection::SymbolicLink)
}

#[test]
fn the_folder_itself_may_be_reached_by_a_link_and_nothing_below_it() {
    let (_folder, root, outside) = root();
    let at = |name: &str| root.path().join(name);
    root.make_folder(&at(".state/jobs/a")).unwrap();
    root.create(&at(".state/jobs/a/mine")).unwrap();
    symlink(outside.join("file"), at(".state/jobs/a/link")).unwrap();
    symlink(&outside, at(".state/jobs/b")).unwrap();
    let modes = [
        root.open(&at(".state/jobs/a/mine")).unwrap(),
        root.open(&at(".state/jobs")).unwrap(),
    ]
    .map(|file| file.metadata().unwrap().permissions().mode() & 0o777);
    assert_eq!(modes, [0o600, 0o700]);
    for path in [
        at(".state/jobs/a/link"),
        at(".state/jobs/b/file"),
        at(".state/jobs/b"),
    ] {
        assert!(is_link(root.open_with(&path, OFlags::RDONLY)), "{path:?}");
        assert!(is_link(root.open_kept(&path, OFlags::APPEND)), "{path:?}");
    }
    let below = at(".state/jobs/b/new");
    assert!(is_link(root.create(&below)) && is_link(root.make_folder(&below)));
    assert!(is_link(root.make_folder(&at(".state/jobs/b"))));
    assert!(is_link(root.names(&at(".state/jobs/b"))));
    assert!(is_link(root.rename(
        &at(".state/jobs/a/mine"),
        &below,
        RenameFlags::empty()
    )));
    assert!(is_link(root.remove(&at(".state/jobs/b/file"))));
    assert!(is_link(root.remove_folder(&below)));
    assert!(is_link(root.sync_folder(&at(".state/jobs/b"))));
    assert_eq!(fs::read_dir(&outside).unwrap().count(), 1);
}

#[test]
fn several_processes_make_the_same_folders_at_the_same_time() {
    let (_folder, root, _) = root();
    for round in 0..50 {
        let path = root.path().join(format!("{round}/.state/locks/kept"));
        let start = std::sync::Barrier::new(4);
        let made = std::thread::scope(|scope| {
            let make = || {
                start.wait();
                root.make_folder(&path).unwrap()
            };
            let threads: Vec<_> = (0..4).map(|_| scope.spawn(make)).collect();
            let made = threads.into_iter().map(|thread| thread.join().unwrap());
            made.filter(|made| *made).count()
        });
        assert_eq!(made, 1);
    }
}

#[test]
fn a_link_is_replaced_and_not_written_through_where_a_file_is_made() {
    let (_folder, root, outside) = root();
    let path = root.path().join("new");
    symlink(outside.join("file"), &path).unwrap();
    assert_eq!(root.create(&path).unwrap().metadata().unwrap().len(), 0);
    fs::remove_file(&path).unwrap();
    fs::hard_link(outside.join("file"), &path).unwrap();
    let refused = root.open_kept(&path, OFlags::APPEND).unwrap_err();
    assert_eq!(PathRejection::of(&refused), Some(PathRejection::HardLink));
    root.create(&path).unwrap();
    assert!(root.open_kept(&path, OFlags::APPEND).is_ok());
    assert_eq!(fs::read_to_string(outside.join("file")).unwrap(), "theirs");
}

#[test]
fn without_the_call_for_it_the_way_is_looked_at_step_by_step() {
    let (_folder, root, outside) = root();
    let handle = root.handle().unwrap();
    root.make_folder(&root.path().join("a/b")).unwrap();
    fs::write(root.path().join("a/b/file"), "mine").unwrap();
    symlink(&outside, root.path().join("a/link")).unwrap();
    symlink(outside.join("file"), root.path().join("a/b/link")).unwrap();
    let open = |path: &str| {
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        open_stepwise(handle, Path::new(path), flags, Mode::empty())
    };
    let mut text = String::new();
    File::from(open("a/b/file").unwrap())
        .read_to_string(&mut text)
        .unwrap();
    assert_eq!(text, "mine");
    assert_eq!(open("a/link/file").unwrap_err(), Errno::LOOP);
    assert_eq!(open("a/b/link").unwrap_err(), Errno::LOOP);
    assert_eq!(open("../outside/file").unwrap_err(), Errno::XDEV);
    assert_eq!(open("a/b/nothing").unwrap_err(), Errno::NOENT);
}

#[test]
fn what_its_name_leads_to_later_does_not_matter() {
    let (folder, root, outside) = root();
    root.make_folder(&root.path().join("inbox")).unwrap();
    fs::remove_file(folder.path().join("link")).unwrap();
    symlink(&outside, folder.path().join("link")).unwrap();
    assert_eq!(root.names(root.path()).unwrap(), ["inbox"]);
}
