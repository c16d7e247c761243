//! What is drawn for someone who looks at a terminal.

use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};

use crate::queue_fixture::QueueFixture;
use crate::recorded_engines::recorded_output;

/// What comes out at the other side of a terminal, as it comes.
struct Screen {
    pieces: mpsc::Receiver<Vec<u8>>,
    text: String,
}

impl Screen {
    fn open() -> (Screen, File) {
        let near = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
        grantpt(&near).unwrap();
        unlockpt(&near).unwrap();
        let path = ptsname(&near, Vec::new()).unwrap().into_string().unwrap();
        let far = OpenOptions::new()
            .read(true)
            .write(true)
            .custom_flags(OpenptFlags::NOCTTY.bits() as i32)
            .open(path)
            .unwrap();
        let (sender, pieces) = mpsc::channel();
        std::thread::spawn(move || {
            let (mut near, mut piece) = (File::from(near), [0; 4096]);
            // Ends with an error when the last one on the other side is gone.
            while let Ok(count @ 1..) = near.read(&mut piece) {
                if sender.send(piece[..count].to_vec()).is_err() {
                    return;
                }
            }
        });
        let text = String::new();
        (Screen { pieces, text }, far)
    }

    /// Until that is seen, or to the end.
    fn read_until(&mut self, what: Option<&str>) {
        // In all: what is drawn over and over would never let a limit on each piece pass.
        let ends = Instant::now() + Duration::from_secs(30);
        while what.is_none_or(|what| !self.text.contains(what)) {
            let left = ends.saturating_duration_since(Instant::now());
            match self.pieces.recv_timeout(left) {
                Ok(piece) => self.text += &String::from_utf8_lossy(&piece),
                Err(mpsc::RecvTimeoutError::Disconnected) if what.is_none() => return,
                Err(error) => panic!("{what:?}: {error}: {:?}", self.text),
            }
        }
    }
}

/// Does not outlive a test that fails.
struct Run(Child);

impl Drop for Run {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Starts `aq` on a terminal of the usual 80 columns.
fn start(fixture: &QueueFixture, arguments: &[&str], term: &str) -> (Screen, Run) {
    start_with(fixture, arguments, term, "1")
}

fn start_with(fixture: &QueueFixture, arguments: &[&str], term: &str, no_color: &str) -> (Screen, Run) {
    let (screen, far) = Screen::open();
    let run = Command::new(env!("CARGO_BIN_EXE_aq"))
        .args(arguments)
        .current_dir(fixture.path("work"))
        .env_clear()
        .env("PATH", "/usr/bin:/bin")
        .env("FIXTURE", fixture.path(""))
        .env("TERM", term)
        .env("NO_COLOR", no_color)
        .env("AQ_QUEUE", fixture.path("queue"))
        .stdin(Stdio::null())
        .stdout(far.try_clone().unwrap())
        .stderr(far)
        .spawn()
        .unwrap();
    (screen, Run(run))
}

/// All that it has drawn in the end.
fn end(mut screen: Screen, mut run: Run) -> String {
    assert!(run.0.wait().unwrap().success(), "{:?}", screen.text);
    screen.read_until(None);
    screen.text
}

#[test]
fn a_running_job_has_a_line_with_its_last_output_that_is_gone_when_the_run_ends() {
    let fixture = QueueFixture::new();
    fixture.pipe("go");
    fixture.add(
        "a",
        "",
        "printf '\\033[31mhalfway\\033[0m there\\n\\n'; read x < $FIXTURE/go",
    );
    let (mut screen, run) = start(&fixture, &["run", "--drain"], "xterm");
    screen.read_until(Some("  halfway there"));
    fixture.release("go");
    let text = end(screen, run);
    let after = text.rsplit("\x1b[1A\r\x1b[J").next().unwrap();
    assert!(!after.contains("halfway"), "{text:?}");
    assert!(after.contains("1 shipped"), "{text:?}");
    assert!(!text.contains("\x1b[3"), "NO_COLOR: {text:?}");
}

#[test]
fn what_a_job_prints_on_its_line_neither_steers_the_terminal_nor_wraps() {
    let fixture = QueueFixture::new();
    fixture.pipe("go");
    fixture.add("a", "", "printf 'ring\\007 %0200d\\n' 0; read x < $FIXTURE/go");
    let (mut screen, run) = start(&fixture, &["run", "--drain"], "xterm");
    screen.read_until(Some("  ring\\u{7} 000"));
    fixture.release("go");
    let text = end(screen, run);
    assert!(!text.contains('\x07'), "{text:?}");
    let drawn = text
        .lines()
        .map(|line| line.trim_start_matches("\x1b[1A\r\x1b[J"));
    let longest = drawn.max_by_key(|line| line.chars().count()).unwrap();
    assert!(longest.chars().count() <= 80, "{longest:?}");
}

#[test]
fn of_an_engine_that_tells_events_the_line_has_what_it_did_last() {
    let fixture = QueueFixture::new();
    fixture.pipes(&["up", "go"]);
    let output = recorded_output("claude", "tool");
    let until_call = output.lines().take(2).collect::<Vec<_>>().join("\n");
    std::fs::write(fixture.path("output"), until_call + "\n").unwrap();
    fixture.engine(
        "mine",
        "cat $FIXTURE/output; echo > $FIXTURE/up; read x < $FIXTURE/go",
    );
    let program = fixture.path("bin/mine").display().to_string();
    let table = format!("[engine.mine]\ncommand = \"{program}\"\nevents = \"claude\"\n");
    std::fs::create_dir(fixture.queue("")).unwrap();
    std::fs::write(fixture.queue("aq.toml"), table).unwrap();
    let file = fixture.file("a", "engine: mine", "work");
    assert_eq!(fixture.aq(&["add", &file]).code, 0);
    let (mut screen, run) = start(&fixture, &["run", "--drain"], "xterm");
    fixture.wait_for("up");
    screen.read_until(Some("> Bash  echo from the tool"));
    fixture.release("go");
    assert!(!end(screen, run).contains("tool_use"));
}

#[test]
fn what_stays_comes_above_the_lines_that_change() {
    let fixture = QueueFixture::new();
    fixture.pipe("go");
    fixture.add("a", "", "true");
    fixture.add("b", "", "read x < $FIXTURE/go");
    let (mut screen, run) = start(&fixture, &["run", "--drain", "--workers", "2"], "xterm");
    screen.read_until(Some("a  shipped"));
    fixture.release("go");
    let text = end(screen, run);
    // The line of `b` was there, and is taken away before something is said for good.
    let said = text.lines().find(|line| line.contains("a  shipped")).unwrap();
    assert!(said.contains("\x1b[J"), "{text:?}");
}

#[test]
fn many_jobs_leave_room_for_what_else_there_is_to_say() {
    let fixture = QueueFixture::new();
    let go = fixture.pipe("go");
    // Open for both, so that nobody waits for the other to open it.
    let mut go = OpenOptions::new().read(true).write(true).open(go).unwrap();
    for number in 0..9 {
        fixture.add(&format!("j{number}"), "", "read x < $FIXTURE/go");
    }
    let (mut screen, run) = start(&fixture, &["run", "--drain", "--workers", "9"], "xterm");
    screen.read_until(Some("and 2 more"));
    go.write_all(&[b'\n'; 9]).unwrap();
    assert!(end(screen, run).contains("9 shipped"));
}

#[test]
fn a_terminal_that_can_not_draw_is_told_the_same_without() {
    let fixture = QueueFixture::new();
    fixture.pipe("go");
    fixture.add("a", "", "echo halfway; read x < $FIXTURE/go");
    let (screen, run) = start(&fixture, &["run", "--drain"], "dumb");
    fixture.release("go");
    let text = end(screen, run);
    assert!(text.contains("1 shipped"), "{text:?}");
    assert!(!text.contains('\x1b') && !text.contains("halfway"), "{text:?}");
}

#[test]
fn the_output_of_a_job_does_not_steer_the_terminal_that_it_is_shown_on() {
    let fixture = QueueFixture::new();
    fixture.add("a", "", "printf '\\033]0;title\\007\\tred\\r\\n'");
    assert_eq!(fixture.aq(&["run", "--drain"]).code, 0);
    let (screen, run) = start(&fixture, &["logs", "a"], "xterm");
    let text = end(screen, run);
    assert_eq!(text, "\\u{1b}]0;title\\u{7}\tred\r\n");
    // What goes through a pipe often ends on a terminal all the same.
    let piped = fixture.aq(&["logs", "a"]).stdout;
    assert_eq!(piped, "\\u{1b}]0;title\\u{7}\tred\n");
    let raw = fixture.aq(&["logs", "--raw", "a"]).stdout;
    assert_eq!(raw, "\x1b]0;title\x07\tred\r\n");
}

#[test]
fn a_job_can_not_pass_a_line_off_as_one_of_aq() {
    let fixture = QueueFixture::new();
    let forged = "┄ aq: 1 bytes are missing here ┄";
    let scripts = [
        ("a", format!("echo '{forged}'")),
        ("b", format!("printf '\\033[2m{forged}\\033[0m\\n'")),
        (
            "c",
            format!("printf 'x\\033[A\\r\\033[2K{forged}\\342'; printf '\\224\\204\\n'"),
        ),
    ];
    for (id, script) in scripts {
        fixture.add(id, "", &script);
        assert_eq!(fixture.aq(&["run", "--drain"]).code, 0);
        let (screen, run) = start_with(&fixture, &["logs", id], "xterm", "");
        for shown in [end(screen, run), fixture.aq(&["logs", id]).stdout] {
            assert!(!shown.contains(['┄', '\u{fffd}']), "{shown:?}");
            assert!(shown.contains("\\u{2504} aq: 1 bytes"), "{shown:?}");
            assert!(
                !shown.contains("\x1b[A") && !shown.contains("\x1b[2K"),
                "{shown:?}"
            );
        }
        assert!(fixture.aq(&["logs", "--raw", id]).stdout.contains(forged));
    }
}

#[test]
fn the_colours_of_a_job_are_shown_unless_they_are_unwanted() {
    let fixture = QueueFixture::new();
    // The letter lies across the border of what is read at a time, and one of the colours too.
    let script = "head -c 65535 /dev/zero | tr '\\0' x; printf 'é\\033[1;31mred\\033[2Jend'";
    fixture.add("a", "", script);
    assert_eq!(fixture.aq(&["run", "--drain"]).code, 0);
    let shown = |no_color| {
        let (screen, run) = start_with(&fixture, &["logs", "a"], "xterm", no_color);
        end(screen, run).trim_start_matches('x').to_owned()
    };
    assert_eq!(shown(""), "é\x1b[1;31mred\\u{1b}[2Jend\x1b[0m");
    assert_eq!(shown("1"), "éred\\u{1b}[2Jend");
    let piped = fixture.aq(&["logs", "a"]).stdout;
    assert_eq!(piped.trim_start_matches('x'), "éred\\u{1b}[2Jend");
}

#[test]
fn a_long_fact_of_fleet_status_is_wrapped_on_a_terminal_and_one_line_for_a_program() {
    let fixture = QueueFixture::new();
    assert_eq!(fixture.aq(&["init"]).code, 0);
    let settings =
        "[route]\nallow_commands = [\"make check-everything\", \"make test\", \"git push origin main\"]\n";
    std::fs::write(fixture.queue("aq.toml"), settings).unwrap();
    let (screen, run) = start(&fixture, &["fleet-status"], "xterm");
    let text = end(screen, run);
    let lines: Vec<&str> = text.lines().collect();
    assert!(lines.iter().all(|line| line.chars().count() <= 80), "{text}");
    let first = lines.iter().position(|line| line.starts_with("route ")).unwrap();
    let further = lines[first + 1..]
        .iter()
        .take_while(|line| line.starts_with("             "));
    let wrapped: Vec<&str> = [&lines[first]]
        .into_iter()
        .chain(further)
        .map(|line| line[13..].trim_end())
        .collect();
    let told = fixture.aq(&["fleet-status"]).stdout;
    let told = told.lines().find(|line| line.starts_with("route ")).unwrap();
    assert_eq!(wrapped.join(" "), told[13..]);
    assert!(wrapped.len() > 1, "{text}");
}

#[test]
fn no_column_of_the_status_is_cut_on_a_terminal_of_80() {
    let fixture = QueueFixture::new();
    assert_eq!(fixture.aq(&["init"]).code, 0);
    let flags = "status --fleet 1 --shadow 1 --fleet-url http://127.0.0.1:9";
    let arguments: Vec<&str> = flags.split(' ').collect();
    let (screen, run) = start(&fixture, &arguments, "xterm");
    let text = end(screen, run);
    assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
    let words = |text: &str| text.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
    let (shown, told) = (words(&text), words(&fixture.aq(&arguments).stdout));
    assert!(
        !text.contains('…') && shown.ends_with(&told[told.len() - 5..]),
        "{text}"
    );
}
