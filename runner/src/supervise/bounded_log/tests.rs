//! What is kept of an output that comes in pieces of any size, and where it is cut.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use super::*;
use crate::output_log::OutputLog;
use crate::queue_root::QueueRoot;

fn log_in(folder: &Path, beginning: u64, end: u64) -> BoundedLog {
    let spec = LogSpec {
        name: "engine.out".into(),
        limits: OutputLimits { beginning, end },
    };
    let path = folder.join("engine.out");
    let file = File::options().append(true).create(true).open(path).unwrap();
    BoundedLog::new(file, File::open(folder).unwrap().into(), spec).unwrap()
}

/// The parts that are kept, each with what is missing before it.
fn kept(folder: &Path) -> Vec<(u64, String)> {
    let log = OutputLog::new(&QueueRoot::at(folder), folder.join("engine.out"));
    let parts = log.parts_from(0).unwrap().into_iter();
    parts
        .map(|part| (part.missing, io::read_to_string(part.bytes).unwrap()))
        .collect()
}

#[test]
fn beginning_and_end_are_kept_within_their_bounds_whatever_the_pieces_are() {
    let lines: String = (1000..2000).map(|number| format!("{number}\n")).collect();
    for piece in [1, 3, 7, 100, 4999, 5000] {
        let folder = tempfile::tempdir().unwrap();
        let mut log = log_in(folder.path(), 52, 84);
        for (number, chunk) in lines.as_bytes().chunks(piece).enumerate() {
            log.write(chunk);
            let printed = lines.len().min((number + 1) * piece);
            let mut place = 0;
            let mut size = 0;
            for (missing, text) in kept(folder.path()) {
                place += usize::try_from(missing).unwrap();
                assert!(lines[place..].starts_with(&text), "{piece}: {text:?}");
                place += text.len();
                size += text.len();
                assert!(
                    missing == 0 || text.starts_with(['1', '2']),
                    "a cut in a line: {text:?}"
                );
            }
            assert_eq!(place, printed, "{piece}: the end is there");
            assert!(size <= 52 + 84, "{piece}: {size}");
            assert!(
                printed < 52 + 63 || size >= 50 + 60,
                "{piece}: {size} of {printed}"
            );
        }
        assert_eq!(kept(folder.path())[0].1, lines[..50]);
    }
}

#[test]
fn a_line_without_an_end_is_cut_between_characters() {
    let text = "é漢🦀".repeat(100);
    for piece in [1, 2, 5, 64, 900] {
        let folder = tempfile::tempdir().unwrap();
        let mut log = log_in(folder.path(), 50, 40);
        text.as_bytes().chunks(piece).for_each(|chunk| log.write(chunk));
        let parts = kept(folder.path());
        let missing: u64 = parts.iter().map(|(missing, _)| missing).sum();
        let whole: String = parts.into_iter().map(|(_, text)| text).collect();
        assert_eq!(whole.len() + usize::try_from(missing).unwrap(), text.len());
        assert!(
            missing > 700 && text.starts_with(&whole[..50]),
            "{piece}: {whole}"
        );
    }
}

#[test]
fn what_can_not_be_written_is_missing_and_what_comes_later_is_kept() {
    let folder = tempfile::tempdir().unwrap();
    let mut log = log_in(folder.path(), 10, 40);
    log.write(b"123456789\n");
    // What lies there is not written to, and nothing of it is removed.
    let outside = tempfile::NamedTempFile::new().unwrap();
    symlink(outside.path(), folder.path().join("engine.out.10")).unwrap();
    log.write(b"lost\n");
    log.write(b"kept\n");
    assert_eq!(
        kept_but_links(folder.path()),
        [(0, "123456789\n".to_owned()), (5, "kept\n".to_owned())]
    );
    assert_eq!(fs::read(outside.path()).unwrap(), b"");
}

fn kept_but_links(folder: &Path) -> Vec<(u64, String)> {
    fs::remove_file(folder.join("engine.out.10")).unwrap();
    kept(folder)
}

#[test]
fn where_nothing_of_the_end_is_kept_the_beginning_is() {
    let folder = tempfile::tempdir().unwrap();
    let mut log = log_in(folder.path(), 8, 0);
    log.write(b"one\ntwo\nthree\nfour\n");
    log.write(b"five\n");
    assert_eq!(kept(folder.path()), [(0, "one\ntwo\n".to_owned())]);
}
