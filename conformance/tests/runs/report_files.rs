//! Files that options name: what is no regular file is written through, what can't be written is told before anything
//! runs, and what went wrong later reaches the exit code. Devices are reached by links of the test's own folder, so that
//! a harness that replaces what it is given harms nothing.

use std::fs::{self, File, OpenOptions};
use std::io::Read;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt, symlink};
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::test_bench::{FAIL, PASS, TestBench, texts};

/// The options that name a file, and how what is written there begins.
const FILES: [(&str, &str); 3] = [
    ("--junit", "<?xml"),
    ("--html", "<!doctype html"),
    ("--events", "{\"event\":\"run-started\""),
];

fn passing() -> TestBench {
    TestBench::new("exit 0", &[("a/pass", PASS)], "")
}

fn make_fifo(path: &Path) {
    let made = Command::new("mkfifo").arg(path).status().expect("mkfifo");
    assert!(made.success());
}

fn full() -> Stdio {
    let full = OpenOptions::new().write(true).open("/dev/full");
    full.expect("a device that is always full").into()
}

#[test]
fn a_device_is_written_through_and_the_link_to_it_stays() {
    for (option, _) in FILES {
        let bench = passing();
        let link = bench.path("report");
        symlink("/dev/null", &link).expect("a link");
        let (code, output, errors) = bench.run(&["run", option, "report"]);
        assert_eq!(code, Some(0), "{option}\n{output}{errors}");
        assert_eq!(fs::read_link(&link).expect(option), Path::new("/dev/null"));
        let null = fs::metadata(&link).expect("the null device");
        assert!(null.file_type().is_char_device(), "{option}");
    }
}

#[test]
fn a_link_is_followed_to_what_is_there_and_to_what_is_not_there_yet() {
    for (option, begins) in FILES {
        let bench = passing();
        fs::create_dir(bench.path("there")).expect("a folder");
        for name in ["old", "new"] {
            symlink(format!("there/{name}"), bench.path(name)).expect("a link");
        }
        symlink("old", bench.path("far")).expect("a link");
        fs::write(bench.path("there/old"), "of an earlier run").expect("a file");
        fs::set_permissions(bench.path("there/old"), fs::Permissions::from_mode(0o640)).expect("its mode");
        for name in ["far", "new"] {
            let (code, output, errors) = bench.run(&["run", option, name]);
            assert_eq!(code, Some(0), "{option} {name}\n{output}{errors}");
            assert!(bench.path(name).is_symlink(), "{option} {name}");
        }
        for name in ["there/old", "there/new"] {
            assert!(
                bench.text(name).to_lowercase().starts_with(begins),
                "{option} {name}"
            );
        }
        assert!(bench.path("old").is_symlink(), "{option}");
        let mode = fs::metadata(bench.path("there/old")).expect("a file").mode();
        assert_eq!(mode & 0o7777, 0o640, "{option}");
        assert_eq!(
            fs::read_dir(bench.path("there")).expect("a folder").count(),
            2,
            "no draft is left"
        );
    }
}

#[test]
fn every_name_of_a_file_shows_the_report_and_a_file_with_one_name_is_replaced_whole() {
    for (option, begins) in &FILES[..2] {
        let bench = passing();
        let inode = |name: &str| fs::metadata(bench.path(name)).expect("a file").ino();
        fs::write(bench.path("one"), "old").expect("a file");
        let held = File::open(bench.path("one")).expect("the file of an earlier run");
        bench.run(&["run", option, "one"]);
        let mut old = String::new();
        (&held)
            .read_to_string(&mut old)
            .expect("what whoever reads the old one still reads");
        assert_eq!(old, "old", "{option}");
        fs::hard_link(bench.path("one"), bench.path("two")).expect("another name");
        fs::write(bench.path("one"), "old").expect("a file");
        let before = inode("one");
        let (code, output, errors) = bench.run(&["run", option, "one"]);
        assert_eq!(code, Some(0), "{output}{errors}");
        assert_eq!((inode("one"), inode("two")), (before, before), "{option}");
        assert!(bench.text("two").to_lowercase().starts_with(begins), "{option}");
    }
}

#[test]
fn a_fifo_is_written_to_whoever_reads_it_and_stays_one() {
    for (option, begins) in FILES {
        let bench = passing();
        let pipe = bench.path("pipe");
        make_fifo(&pipe);
        let mut reader = Command::new("cat");
        let reader = reader.arg(&pipe).stdout(Stdio::piped()).spawn().expect("cat");
        let (code, output, errors) = bench.run(&["run", option, "pipe"]);
        let kind = fs::symlink_metadata(&pipe).expect("the FIFO").file_type();
        assert!(kind.is_fifo(), "{option}: {kind:?}");
        assert_eq!(code, Some(0), "{option}\n{output}{errors}");
        let (_, read, _) = texts(&reader.wait_with_output().expect("cat ends"));
        assert!(read.to_lowercase().starts_with(begins), "{option}\n{read}");
    }
}

#[test]
fn a_fifo_that_nobody_reads_is_waited_for_with_a_word_and_an_end() {
    let bench = passing();
    make_fifo(&bench.path("pipe"));
    let (code, output, errors) = bench.run(&["run", "--junit", "pipe", "--html", "page"]);
    assert_eq!(code, Some(3), "{output}{errors}");
    assert!(errors.contains("`--junit pipe` waits for a reader"), "{errors}");
    assert!(
        errors.contains("`--junit pipe` was not written: nobody"),
        "{errors}"
    );
    assert!(
        bench.text("page").contains("id=\"exit\">0<"),
        "the others are written"
    );
}

#[test]
fn a_socket_is_connected_to() {
    let bench = passing();
    let listener = UnixListener::bind(bench.path("socket")).expect("a socket");
    let reading = std::thread::spawn(move || {
        let mut read = String::new();
        let (mut stream, _) = listener.accept().expect("a connection");
        stream.read_to_string(&mut read).expect("text");
        read
    });
    let (code, output, errors) = bench.run(&["run", "--junit", "socket"]);
    assert_eq!(code, Some(0), "{output}{errors}");
    let kind = fs::symlink_metadata(bench.path("socket"))
        .expect("the socket")
        .file_type();
    assert!(kind.is_socket(), "{kind:?}");
    assert!(reading.join().expect("the reader").starts_with("<?xml"));
}

#[test]
fn a_descriptor_of_the_harness_is_written_where_it_stands() {
    let bench = passing();
    symlink("/dev/stdout", bench.path("out")).expect("a link");
    symlink("/dev/fd/2", bench.path("err")).expect("a link");
    let (code, output, errors) = bench.run(&["run", "--junit", "out", "--html", "err"]);
    assert_eq!(code, Some(0), "{output}{errors}");
    assert!(
        output.contains("<testsuites") && output.contains("1 passed, 0 failed"),
        "{output}"
    );
    assert!(errors.contains("</html>"), "{errors}");
    assert!(bench.path("out").is_symlink() && bench.path("err").is_symlink());

    // To a file: the report stands beside what is printed, and the shell's file stays the one that it is.
    let all = File::create(bench.path("all")).expect("a file");
    let mut command = bench.command(&["run", "--junit", "out"]);
    assert!(command.stdout(all).status().expect("the harness").success());
    let all = bench.text("all");
    assert!(
        all.contains("<testsuites") && all.contains("1 passed, 0 failed"),
        "{all}"
    );
}

#[test]
fn what_can_not_be_written_is_named_before_anything_runs() {
    let bench = TestBench::new("touch \"$(dirname \"$0\")/ran\"", &[("a/pass", PASS)], "");
    symlink("loop", bench.path("loop")).expect("a link");
    symlink("no/such", bench.path("astray")).expect("a link");
    fs::write(bench.path("file"), "").expect("a file");
    let bad = [
        "no/such/report",
        "scenarios",
        "loop",
        "astray",
        "new/",
        "file/",
        "file/below",
        "/proc/report",
    ];
    for file in bad {
        for (option, _) in FILES {
            let (code, output, errors) = bench.run(&["run", option, file]);
            assert_eq!(code, Some(2), "{option} {file}\n{output}{errors}");
            assert!(errors.contains(&format!("`{option} {file}`")), "{errors}");
        }
        let mut command = bench.command(&["run", "--github"]);
        let output = command
            .env("GITHUB_STEP_SUMMARY", file)
            .output()
            .expect("the harness");
        let (code, output, errors) = texts(&output);
        assert_eq!(code, Some(2), "GITHUB_STEP_SUMMARY {file}\n{output}{errors}");
        assert!(
            errors.contains("GITHUB_STEP_SUMMARY") && errors.contains(file),
            "{errors}"
        );
    }
    assert!(!bench.path("ran").exists(), "the runner was started all the same");
}

#[test]
fn two_options_that_name_one_file_are_refused_and_the_null_device_takes_both() {
    let bench = TestBench::new("touch \"$(dirname \"$0\")/ran\"", &[("a/pass", PASS)], "");
    fs::write(bench.path("one"), "old").expect("a file");
    fs::hard_link(bench.path("one"), bench.path("hard")).expect("another name");
    symlink("one", bench.path("soft")).expect("a link");
    symlink("new", bench.path("dangling")).expect("a link");
    symlink("/dev/stdout", bench.path("out")).expect("a link");
    symlink("/dev/null", bench.path("null")).expect("a link");
    for (one, other) in [
        ("one", "one"),
        ("one", "./one"),
        ("one", "hard"),
        ("soft", "one"),
        ("new", "dangling"),
    ] {
        let (code, output, errors) = bench.run(&["run", "--junit", one, "--html", other]);
        assert_eq!(code, Some(2), "{one} {other}\n{output}{errors}");
        assert!(
            errors.contains("--junit") && errors.contains("--html"),
            "{errors}"
        );
    }
    let (code, output, errors) = bench.run(&["run", "--json", "--events", "out"]);
    assert_eq!(code, Some(2), "{output}{errors}");
    assert!(
        errors.contains("--json") && errors.contains("--events"),
        "{errors}"
    );
    assert!(!bench.path("ran").exists(), "the runner was started all the same");
    assert_eq!(bench.text("one"), "old");
    let (code, output, errors) = bench.run(&["run", "--junit", "null", "--html", "null", "--events", "null"]);
    assert_eq!(code, Some(0), "{output}{errors}");
}

#[test]
fn a_run_that_never_began_leaves_the_stream_of_an_earlier_one() {
    let bench = passing();
    fs::write(bench.path("events"), "old").expect("a file");
    for wrong in [["run", "no/such"], ["replay", "no-such-stream"]] {
        let (code, _, errors) = bench.run(&[&wrong[..], &["--events", "events"]].concat());
        assert_eq!(code, Some(2), "{errors}");
        assert_eq!(bench.text("events"), "old", "{wrong:?}");
    }
}

#[test]
#[cfg_attr(not(target_os = "linux"), ignore = "needs /dev/full, a device of Linux")]
fn what_was_not_written_reaches_the_exit_code() {
    for (option, _) in FILES {
        let bench = passing();
        symlink("/dev/full", bench.path("report")).expect("a link");
        let (code, output, errors) = bench.run(&["run", option, "report"]);
        assert_eq!(code, Some(3), "{option}\n{output}{errors}");
        assert!(errors.contains(option), "{errors}");
    }
    let bench = passing();
    let told_to_full = |command: &mut Command| texts(&command.stdout(full()).output().expect("the harness"));
    for arguments in [&["run", "--json"][..], &["run"]] {
        let (code, _, errors) = told_to_full(&mut bench.command(arguments));
        assert_eq!(code, Some(3), "{arguments:?}\n{errors}");
        assert!(errors.contains("standard output can't be written"), "{errors}");
    }
    for arguments in [&["schema"][..], &["completions", "bash"], &["--help"]] {
        let mut command = Command::new(crate::HARNESS);
        let (code, _, errors) = told_to_full(command.args(arguments));
        assert_eq!(code, Some(3), "{arguments:?}\n{errors}");
    }
}

#[test]
#[cfg_attr(not(target_os = "linux"), ignore = "needs /dev/full, a device of Linux")]
fn a_failure_stays_a_failure_where_its_report_was_not_written() {
    let bench = TestBench::new("exit 0", &[("a/fail", FAIL)], "");
    symlink("/dev/full", bench.path("report")).expect("a link");
    let (code, output, errors) = bench.run(&["run", "--junit", "report"]);
    assert_eq!(code, Some(1), "{output}{errors}");
    assert!(errors.contains("`--junit report` was not written"), "{errors}");
}

/// Nobody reads what is printed, on either stream.
#[test]
fn a_reader_that_is_gone_changes_no_exit_code_and_ends_nothing() {
    let bench = passing();
    let cases = [
        (&["run", "--junit", "report"][..], 0),
        (&["run", "--json"], 0),
        (&["run", "no/such"], 2),
        (&["replay", "no-such-stream"], 2),
    ];
    let gone = || std::io::pipe().map(|(_, writer)| writer).expect("a pipe");
    for (arguments, expected) in cases {
        let status = bench.command(arguments).stdout(gone()).stderr(gone()).status();
        assert_eq!(
            status.expect("the harness").code(),
            Some(expected),
            "{arguments:?}"
        );
    }
    assert!(bench.text("report").starts_with("<?xml"));
    for (arguments, expected) in [
        (&["list"][..], 0),
        (&["completions", "bash"], 0),
        (&["--help"], 0),
        (&["no-such-command"], 2),
    ] {
        let mut command = Command::new(crate::HARNESS);
        let command = command.args(arguments).stdout(gone()).stderr(gone());
        let code = command.status().expect("the harness").code();
        assert_eq!(code, Some(expected), "{arguments:?}");
    }
}
