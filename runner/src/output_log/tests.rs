//! Files as a supervisor leaves them at any step, and what is read of them.

use std::fs;

use super::*;

/// An output in a queue folder, in these files.
fn output(files: &[(&str, &str)]) -> (tempfile::TempDir, OutputLog) {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in files {
        fs::write(folder.path().join(name), text).unwrap();
    }
    let root = QueueRoot::at(folder.path());
    let log = OutputLog::new(&root, folder.path().join("engine.out"));
    (folder, log)
}

/// What is read from a place on; `[N]` where so much is missing.
fn shown(log: &OutputLog, place: u64) -> String {
    let parts = log.parts_from(place).unwrap().into_iter();
    let text = parts.map(|mut part| {
        let mut text = String::new();
        if part.missing > 0 {
            text = format!("[{}]", part.missing);
        }
        part.bytes.read_to_string(&mut text).unwrap();
        text
    });
    text.collect()
}

#[test]
fn the_files_of_an_output_are_read_as_one_and_what_is_missing_between_them_is_counted() {
    let cases: [(&[(&str, &str)], &str); 8] = [
        (&[], ""),
        (&[("engine.out", "")], ""),
        (&[("engine.out", "first")], "first"),
        (&[("engine.out", "first"), ("engine.out.5", "next")], "firstnext"),
        (
            &[
                ("engine.out", "first"),
                ("engine.out.10", "c"),
                ("engine.out.9", "b"),
            ],
            "first[4]bc",
        ),
        // One was begun, and nothing was written into it.
        (
            &[
                ("engine.out", "first"),
                ("engine.out.7", "x"),
                ("engine.out.8", ""),
            ],
            "first[2]x",
        ),
        // The disk was full for a while.
        (
            &[("engine.out", "fi"), ("engine.out.5", "n"), ("engine.out.9", "t")],
            "fi[3]n[3]t",
        ),
        (
            &[
                ("engine.out", "first"),
                ("engine.out.x", "no"),
                ("engine.outer", "no"),
                ("ship.out.5", "no"),
            ],
            "first",
        ),
    ];
    for (files, expected) in cases {
        assert_eq!(shown(&output(files).1, 0), expected, "{files:?}");
    }
    let (_folder, log) = output(&[("engine.out", "first"), ("engine.out.9", "bcd")]);
    let rests = [
        (2, "rst[4]bcd"),
        (5, "[4]bcd"),
        (7, "[2]bcd"),
        (10, "cd"),
        (12, ""),
        (99, ""),
    ];
    for (place, expected) in rests {
        assert_eq!(shown(&log, place), expected, "{place}");
    }
    assert_eq!(log.size().unwrap(), OutputSize { kept: 8, missing: 4 });
}

#[test]
fn the_end_of_an_output_is_read_over_the_borders_of_its_files() {
    let (_folder, log) = output(&[
        ("engine.out", "first"),
        ("engine.out.9", "bcd"),
        ("engine.out.12", "ef"),
    ]);
    let end = |bytes_max| io::read_to_string(log.end(bytes_max).unwrap()).unwrap();
    assert_eq!(end(100), "first\nbcdef");
    assert_eq!(end(7), "st\nbcdef");
    assert_eq!(end(4), "cdef");
    assert_eq!(end(1), "f");
    assert_eq!(end(0), "");
}
