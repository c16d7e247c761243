//! Signals that a run is started with, ignored or blocked: O-3, O-8.

use std::fs;
use std::path::Path;
use std::sync::{Arc, Once};

use rustix::process::Signal;

use crate::rig::{Rig, Running};

const AQ: &str = env!("CARGO_BIN_EXE_aq");
/// The two that the C library keeps for itself: it ignores them in what it starts, and nobody can change that by it.
const OF_THE_C_LIBRARY: u64 = 0b11 << 31;
const LOOK: &str = "grep -E '^Sig(Blk|Ign)' /proc/self/status >>";

/// `aq`, started with these ignored.
fn start_ignoring<'a>(rig: &'a Rig, signals: &str, arguments: &str) -> Running<'a> {
    let script = format!("trap '' {signals}; exec {AQ} {arguments}");
    rig.program(Path::new("sh"), &["-c", &script], &[])
}

/// `aq`, started with these blocked.
fn start_blocking<'a>(rig: &'a Rig, signals: &str, arguments: &[&str]) -> Running<'a> {
    let block = format!("--block-signal={signals}");
    let words: Vec<&str> = [block.as_str(), AQ].iter().chain(arguments).copied().collect();
    rig.program(Path::new("env"), &words, &[])
}

fn mask(status: &str, name: &str) -> u64 {
    let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap();
    u64::from_str_radix(line.trim_matches([':', '\t', '\n']), 16).unwrap()
}

/// What is ignored here, as after `nohup`, would be ignored by all that is started from here; what is listened to is not.
pub fn hand_none_of_it_on() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let ignored = mask(&fs::read_to_string("/proc/self/status").unwrap(), "SigIgn");
        for signal in [Signal::HUP, Signal::INT, Signal::QUIT, Signal::TERM] {
            if ignored >> (signal.as_raw() - 1) & 1 == 1 {
                signal_hook::flag::register(signal.as_raw(), Arc::default()).unwrap();
            }
        }
    });
}

fn assert_fresh(rig: &Rig, names: &[&str]) {
    for name in names {
        let status = fs::read_to_string(rig.path(name)).unwrap();
        for kind in ["SigBlk", "SigIgn"] {
            assert_eq!(mask(&status, kind) & !OF_THE_C_LIBRARY, 0, "{name}: {status}");
        }
    }
}

#[test]
fn a_command_has_the_default_for_every_signal_whatever_the_run_was_started_with() {
    let rig = Rig::new();
    let numbers = (1..=64).filter(|number| ![9, 19, 32, 33].contains(number));
    let all = numbers
        .map(|number| number.to_string())
        .collect::<Vec<_>>()
        .join(" ");
    let keys = format!("verify: {LOOK} $RIG/verify\nship: {LOOK} $RIG/ship");
    rig.add("a", &keys, &format!("{LOOK} $RIG/engine"));
    let done = start_ignoring(&rig, &all, "run --drain").end();
    assert_eq!(
        (done.code, rig.stage("a").as_str()),
        (0, "shipped"),
        "{}",
        done.stderr
    );
    assert_fresh(&rig, &["engine", "verify", "ship"]);
    // The same of a job that a person ships, and of one whose run had them blocked.
    rig.add(
        "b",
        &format!("review: true\nship: {LOOK} $RIG/approved"),
        &format!("{LOOK} $RIG/blocked"),
    );
    let everything = "HUP,INT,QUIT,PIPE,ALRM,TERM,CHLD,TSTP,TTIN,TTOU,USR1,USR2,WINCH,XFSZ,RTMIN,RTMAX";
    let done = start_blocking(&rig, everything, &["run", "--drain"]).end();
    assert_eq!(
        (done.code, rig.stage("b").as_str()),
        (0, "review"),
        "{}",
        done.stderr
    );
    assert_eq!(start_ignoring(&rig, &all, "ship b").end().code, 0);
    assert_fresh(&rig, &["blocked", "approved"]);
}

#[test]
fn the_programs_that_doctor_asks_are_heard_where_the_end_of_children_is_ignored() {
    let rig = Rig::new();
    rig.engine("claude", "echo 1.2.3");
    let told = |done: crate::rig::Done| done.stdout.replace(|letter: char| letter.is_ascii_digit(), "");
    let plain = told(rig.aq(&["doctor"]));
    assert_eq!(told(start_ignoring(&rig, "CHLD PIPE", "doctor").end()), plain);
}

#[test]
fn a_run_hears_what_ends_it_although_it_was_blocked_at_the_start() {
    for (signal, code) in [(Signal::TERM, 143), (Signal::INT, 130)] {
        let rig = Rig::new();
        rig.pipe("up");
        rig.add("a", "", "echo > $RIG/up; exec sleep 1000");
        let run = start_blocking(&rig, "TERM,HUP,INT,CHLD", &["run"]);
        rig.hear("up");
        run.signal(signal);
        let done = run.end();
        assert_eq!((done.code, done.stdout.as_str()), (code, "1 put back\n"));
        assert_eq!(rig.stage("a"), "inbox");
    }
}

#[test]
fn sigterm_ends_a_run_that_was_started_with_it_ignored() {
    let rig = Rig::new();
    rig.pipe("up");
    rig.add("a", "", "echo > $RIG/up; exec sleep 1000");
    let run = start_ignoring(&rig, "TERM CHLD", "run");
    rig.hear("up");
    run.signal(Signal::TERM);
    assert_eq!(run.end().code, 143);
    assert_eq!(rig.stage("a"), "inbox");
}
