//! What a watchdog ends a command for: stronger reasons first, and silence that was not broken.

use std::fs::File;
use std::io::Write;

use super::super::unlimited_log::{unlimited_log, unlimited_spec};
use super::*;

fn order() -> CommandSpec {
    CommandSpec {
        program: "true".into(),
        args: Vec::new(),
        cwd: "/".into(),
        within: None,
        timeout_ms: 3_600_000,
        idle_timeout_ms: Some(60_000),
        grace_ms: 0,
        log: unlimited_spec(),
        fence: None,
    }
}

#[test]
fn what_outweighs_is_not_taken_back_by_what_is_said_later() {
    let (socket, other) = UnixStream::pair().unwrap();
    let mut watchdog =
        CommandWatchdog::new(&socket, unlimited_log(tempfile::tempfile().unwrap()), &order()).unwrap();
    for (message, stop_reason) in [
        (ControlMessage::End, WatchdogStop::End),
        (ControlMessage::Kill, WatchdogStop::Kill),
        (ControlMessage::End, WatchdogStop::Kill),
    ] {
        watchdog.take(message);
        assert_eq!(watchdog.stop_reason, stop_reason);
    }
    drop(other);
    watchdog.listen();
    assert!(watchdog.runner_gone && watchdog.stop_reason == WatchdogStop::Kill);
}

#[test]
fn output_sets_the_idle_clock_back_and_silence_runs_it_down() {
    let limit = Duration::from_secs(60);
    let (socket, _other) = UnixStream::pair().unwrap();
    // A log that can't be written: what it misses was output all the same.
    let unwritable = File::open("/dev/null").unwrap();
    let mut watchdog = CommandWatchdog::new(&socket, unlimited_log(unwritable), &order()).unwrap();
    let mut command = File::from(watchdog.output().try_clone_to_owned().unwrap());
    let first = Instant::now() + limit;
    assert!(!watchdog.is_idle(first - limit / 2), "too early to say");
    command.write_all(b"a line").unwrap();
    assert!(
        !watchdog.is_idle(first),
        "there is something that nobody has seen yet"
    );
    let last = watchdog.idle.as_ref().unwrap().quiet_since;
    assert!(last > first - limit, "the clock was set back");
    assert!(!watchdog.is_idle(last + limit / 2));
    assert!(watchdog.is_idle(last + limit), "nothing since");
}
