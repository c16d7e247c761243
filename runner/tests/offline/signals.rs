//! Signals: those that a run is started with, ignored or blocked, and those that end it: O-3, O-8.

use std::fs::{self, File};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::{Arc, Once};

use rustix::process::Signal;
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};

use crate::observed_process::wait_for_end;
use crate::queue_fixture::QueueFixture;
use crate::started_command::StartedCommand;

const AQ: &str = env!("CARGO_BIN_EXE_aq");
/// The two that the C library keeps for itself: it ignores them in what it starts, and nobody can change that by it.
const OF_THE_C_LIBRARY: u64 = 0b11 << 31;
const LOOK: &str = "grep -E '^Sig(Blk|Ign)' /proc/self/status >>";

/// `aq`, started with these ignored.
fn start_ignoring<'a>(fixture: &'a QueueFixture, signals: &str, arguments: &str) -> StartedCommand<'a> {
    let script = format!("trap '' {signals}; exec {AQ} {arguments}");
    fixture.program(Path::new("sh"), &["-c", &script], &[])
}

/// `aq`, started with these blocked.
fn start_blocking<'a>(fixture: &'a QueueFixture, signals: &str, arguments: &[&str]) -> StartedCommand<'a> {
    let block = format!("--block-signal={signals}");
    let words: Vec<&str> = [block.as_str(), AQ].iter().chain(arguments).copied().collect();
    fixture.program(Path::new("env"), &words, &[])
}

fn mask(status: &str, name: &str) -> u64 {
    let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap();
    u64::from_str_radix(line.trim_matches([':', '\t', '\n']), 16).unwrap()
}

/// What is ignored here, as after `nohup`, would be ignored by all that is started from here; what is listened to is not.
pub fn hand_none_of_it_on() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        // Elsewhere it is not known here, and whoever starts these tests has to see to it.
        let Ok(status) = fs::read_to_string("/proc/self/status") else {
            return;
        };
        let ignored = mask(&status, "SigIgn");
        for signal in [Signal::HUP, Signal::INT, Signal::QUIT, Signal::TERM] {
            if ignored >> (signal.as_raw() - 1) & 1 == 1 {
                signal_hook::flag::register(signal.as_raw(), Arc::default()).unwrap();
            }
        }
    });
}

fn assert_fresh(fixture: &QueueFixture, names: &[&str]) {
    for name in names {
        let status = fs::read_to_string(fixture.path(name)).unwrap();
        for kind in ["SigBlk", "SigIgn"] {
            assert_eq!(mask(&status, kind) & !OF_THE_C_LIBRARY, 0, "{name}: {status}");
        }
    }
}

#[test]
fn a_command_has_the_default_for_every_signal_whatever_the_run_was_started_with() {
    let fixture = QueueFixture::new();
    let numbers = (1..=64).filter(|number| ![9, 19, 32, 33].contains(number));
    let all = numbers
        .map(|number| number.to_string())
        .collect::<Vec<_>>()
        .join(" ");
    let keys = format!("verify: {LOOK} $FIXTURE/verify\nship: {LOOK} $FIXTURE/ship");
    fixture.add("a", &keys, &format!("{LOOK} $FIXTURE/engine"));
    let done = start_ignoring(&fixture, &all, "run --drain").end();
    assert_eq!(
        (done.code, fixture.stage("a").as_str()),
        (0, "shipped"),
        "{}",
        done.stderr
    );
    assert_fresh(&fixture, &["engine", "verify", "ship"]);
    // The same of a job that a person ships, and of one whose run had them blocked.
    fixture.add(
        "b",
        &format!("review: true\nship: {LOOK} $FIXTURE/approved"),
        &format!("{LOOK} $FIXTURE/blocked"),
    );
    let everything = "HUP,INT,QUIT,PIPE,ALRM,TERM,CHLD,TSTP,TTIN,TTOU,USR1,USR2,WINCH,XFSZ,RTMIN,RTMAX";
    let done = start_blocking(&fixture, everything, &["run", "--drain"]).end();
    assert_eq!(
        (done.code, fixture.stage("b").as_str()),
        (0, "review"),
        "{}",
        done.stderr
    );
    assert_eq!(start_ignoring(&fixture, &all, "ship b").end().code, 0);
    assert_fresh(&fixture, &["blocked", "approved"]);
}

#[test]
fn the_programs_that_doctor_asks_are_heard_where_the_end_of_children_is_ignored() {
    let fixture = QueueFixture::new();
    fixture.engine("claude", "echo 1.2.3");
    let told = |done: crate::started_command::CompletedCommand| {
        done.stdout.replace(|letter: char| letter.is_ascii_digit(), "")
    };
    let plain = told(fixture.aq(&["doctor"]));
    assert_eq!(told(start_ignoring(&fixture, "CHLD PIPE", "doctor").end()), plain);
}

#[test]
fn a_run_hears_what_ends_it_although_it_was_blocked_at_the_start() {
    for (signal, code) in [(Signal::TERM, 143), (Signal::HUP, 143), (Signal::INT, 130)] {
        let fixture = QueueFixture::new();
        fixture.pipe("up");
        fixture.add("a", "", "echo > $FIXTURE/up; exec sleep 1000");
        let run = start_blocking(&fixture, "TERM,HUP,INT,CHLD", &["run"]);
        fixture.wait_for("up");
        run.signal(signal);
        let done = run.end();
        assert_eq!((done.code, done.stdout.as_str()), (code, "1 put back\n"));
        assert_eq!(fixture.stage("a"), "inbox");
    }
}

#[test]
fn sigterm_ends_a_run_that_was_started_with_it_ignored() {
    let fixture = QueueFixture::new();
    fixture.pipe("up");
    fixture.add("a", "", "echo > $FIXTURE/up; exec sleep 1000");
    let run = start_ignoring(&fixture, "TERM CHLD", "run");
    fixture.wait_for("up");
    run.signal(Signal::TERM);
    assert_eq!(run.end().code, 143);
    assert_eq!(fixture.stage("a"), "inbox");
}

#[test]
fn a_run_goes_on_after_a_hang_up_or_an_interrupt_that_it_was_started_to_ignore() {
    let fixture = QueueFixture::new();
    fixture.pipes(&["up", "go"]);
    fixture.add("a", "", "echo > $FIXTURE/up; read x < $FIXTURE/go");
    let run = start_ignoring(&fixture, "HUP INT", "run --drain");
    fixture.wait_for("up");
    run.signal(Signal::HUP);
    run.signal(Signal::INT);
    fixture.release("go");
    assert_eq!((run.end().code, fixture.stage("a").as_str()), (0, "shipped"));
}

#[test]
fn a_hang_up_while_a_person_ships_leaves_nothing_running_and_says_that_nobody_knows() {
    let fixture = QueueFixture::new();
    fixture.pipe("up");
    fixture.add(
        "a",
        "review: true\nship: echo >> $FIXTURE/runs; echo > $FIXTURE/up; exec sleep 1000",
        "true",
    );
    assert_eq!(fixture.aq(&["run", "--drain"]).code, 0);
    let ship = fixture.start(&["ship", "a"], &[]);
    fixture.wait_for("up");
    ship.signal(Signal::HUP);
    assert_eq!(ship.end().code, 143);
    fixture.assert_ship_unknown();
}

/// A terminal that is gone once the first of the two is dropped, and its path. The second keeps it from being so before
/// somebody is on it.
fn terminal() -> (File, String, File) {
    let near = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
    // Nobody else may hold it, or closing it here would not close the terminal. A Mac can't say so at once.
    rustix::io::fcntl_setfd(&near, rustix::io::FdFlags::CLOEXEC).unwrap();
    grantpt(&near).unwrap();
    unlockpt(&near).unwrap();
    let path = ptsname(&near, Vec::new()).unwrap().into_string().unwrap();
    let far = File::options()
        .read(true)
        .write(true)
        .custom_flags(OpenptFlags::NOCTTY.bits() as i32)
        .open(&path)
        .unwrap();
    (near.into(), path, far)
}

/// The run is the leader of the terminal's session, and nobody is left to show anything to.
#[test]
fn a_terminal_that_is_closed_puts_the_running_job_back() {
    let fixture = QueueFixture::new();
    fixture.pipe("up");
    fixture.add("a", "", "echo > $FIXTURE/up; exec sleep 1000");
    let (near, path, _far) = terminal();
    let script = format!("exec {AQ} run < {path} > {path} 2>&1");
    let words = ["sh", "-c", &script];
    let run = fixture.program(Path::new("setsid"), &words, &[("TERM", "xterm")]);
    fixture.wait_for("up");
    drop(near);
    assert_eq!(run.end().code, 143);
    let told = (fixture.stage("a"), fixture.reason("a"));
    assert_eq!(told, ("inbox".into(), "interrupted".into()));
}

/// The shell tells the run, and the system does when the shell has ended.
#[test]
fn a_terminal_that_is_closed_under_a_shell_leaves_the_grace_to_what_runs() {
    let fixture = QueueFixture::new();
    fixture.pipes(&["up", "asked", "go"]);
    let last = "echo > $FIXTURE/asked; read x < $FIXTURE/go; echo cleaned > $FIXTURE/cleaned; exit 1";
    fixture.add(
        "a",
        "",
        &format!("trap '{last}' TERM; echo $PPID > $FIXTURE/up; while :; do sleep 0.1 || :; done"),
    );
    let (mut near, path, _far) = terminal();
    let script = format!("exec bash --norc --noprofile -i < {path} > {path} 2>&1");
    let shell = fixture.program(
        Path::new("setsid"),
        &["sh", "-c", &script],
        &[("AQ_GRACE", "20s")],
    );
    writeln!(near, "{AQ} run").unwrap();
    let supervisor = fixture.wait_for("up");
    drop(near);
    fixture.wait_for("asked");
    // By its end the second was sent.
    assert_ne!(shell.end().code, 0);
    fixture.release("go");
    wait_for_end(&supervisor);
    assert_eq!(fixture.lines("cleaned"), ["cleaned"]);
    // The run is nobody's child here: it has let go of the job when the next one may have it.
    fixture.job_lock("a");
    assert_eq!(
        (fixture.stage("a"), fixture.reason("a")),
        ("inbox".into(), "interrupted".into())
    );
}

#[test]
fn a_second_hang_up_that_is_no_terminals_ends_at_once() {
    let fixture = QueueFixture::new();
    fixture.pipes(&["up", "asked"]);
    fixture.add(
        "a",
        "",
        "trap 'echo > $FIXTURE/asked; read x < $FIXTURE/none' TERM; echo > $FIXTURE/up; while :; do sleep 0.1 || :; done",
    );
    fixture.pipe("none");
    // In a session of its own it has no terminal, wherever the tests run.
    let run = fixture.program(Path::new("setsid"), &[AQ, "run"], &[("AQ_GRACE", "1h")]);
    fixture.wait_for("up");
    run.signal(Signal::HUP);
    fixture.wait_for("asked");
    run.signal(Signal::HUP);
    assert_eq!((run.end().code, fixture.stage("a").as_str()), (143, "inbox"));
}
