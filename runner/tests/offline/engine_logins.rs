//! When an engine is believed that it is not logged in (O-22).

use serde_json::Value;

use crate::engine_breaker::{LOGGED_OUT, add_jobs, paused, spent};
use crate::queue_fixture::QueueFixture;

#[test]
fn an_engine_that_can_t_be_asked_is_believed_in_its_last_line_alone() {
    let fixture = QueueFixture::new();
    fixture.engine(
        "gemini",
        "echo start >> $FIXTURE/runs; echo 'Please set an Auth method in your settings'; exit 41",
    );
    fixture.engine(
        "opencode",
        "echo 'the test expects: invalid api key'; echo 'one test failed'; exit 1",
    );
    add_jobs(&fixture, "gemini", "", &["a", "b"]);
    add_jobs(&fixture, "opencode", "", &["c", "d"]);
    assert_eq!(fixture.aq(&["run", "--drain"]).code, 1);
    assert_eq!(fixture.lines("runs").len(), 1);
    assert_eq!(
        ["a", "b", "c", "d"].map(|id| fixture.stage(id)),
        ["inbox", "inbox", "failed", "failed"]
    );
    assert_eq!(paused(&fixture)[0]["cause"], "login");
}

#[test]
fn words_about_a_login_count_wherever_they_stand_where_the_engine_confirms_them() {
    let fixture = QueueFixture::new();
    let warned = LOGGED_OUT.replace(
        "; exit 1",
        "; echo '(node:7) Warning: use `node --trace-warnings`' >&2; exit 1",
    );
    fixture.engine("claude", &warned);
    fixture.engine(
        "codex",
        "[ \"$1\" = login ] && exit 1; echo start >> $FIXTURE/runs
         printf 'Not logged in.\\n\\033[31mrun codex login\\033[0m\\n\\nbye\\n'; exit 1",
    );
    add_jobs(&fixture, "claude", "", &["a", "b"]);
    add_jobs(&fixture, "codex", "", &["c", "d"]);
    assert_eq!(fixture.aq(&["run", "--drain"]).code, 1);
    assert_eq!(fixture.lines("runs").len(), 2);
    assert_eq!(["a", "b", "c", "d"].map(|id| fixture.stage(id)), ["inbox"; 4]);
    let paused = paused(&fixture);
    assert_eq!(
        paused.iter().map(|engine| &engine["cause"]).collect::<Vec<_>>(),
        ["login", "login"]
    );
    assert_eq!(paused[1]["detail"], "run codex login");
}

#[test]
fn an_event_that_tells_of_a_refused_key_needs_no_confirmation() {
    for event in [
        r#"{"type":"result","subtype":"success","is_error":true,"api_error_status":401,"result":"Invalid API key"}"#,
        r#"{"type":"assistant","message":{"content":[]},"error":"authentication_failed"}
{"type":"result","subtype":"success","is_error":true,"result":"OAuth token revoked"}"#,
    ] {
        let fixture = QueueFixture::new();
        // A key is there, which is all that it is asked about.
        let script =
            format!("[ \"$1\" = auth ] && exit 0; echo start >> $FIXTURE/runs; echo '{event}'; exit 1");
        fixture.engine("claude", &script);
        add_jobs(&fixture, "claude", "retries: 1", &["a", "b", "c", "d"]);
        assert_eq!(fixture.aq(&["run", "--drain"]).code, 1);
        assert_eq!(fixture.lines("runs").len(), 1);
        assert_eq!((fixture.stage("a").as_str(), spent(&fixture, "a")), ("inbox", 0));
        assert_eq!(paused(&fixture)[0]["cause"], "login");
    }
}

#[test]
fn words_about_a_login_count_for_nothing_where_the_engine_says_that_it_is_logged_in() {
    let fixture = QueueFixture::new();
    fixture.engine(
        "claude",
        "[ \"$1\" = auth ] && { echo asked >> $FIXTURE/asked; exit 0; }
         echo 'the page says: Please run /login'; exit 1",
    );
    add_jobs(&fixture, "claude", "", &["a", "b"]);
    assert_eq!(fixture.aq(&["run", "--drain"]).code, 0);
    assert_eq!(["a", "b"].map(|id| fixture.stage(id)), ["failed", "failed"]);
    assert_eq!(fixture.reason("a"), "exit_code");
    assert_eq!(fixture.lines("asked").len(), 2);
    assert_eq!(paused(&fixture), Vec::<Value>::new());
}

#[test]
fn a_question_about_the_login_that_hangs_ends_with_its_runner_and_the_job_goes_back() {
    let fixture = QueueFixture::new();
    fixture.pipes(&["asked", "never"]);
    fixture.engine(
        "claude",
        "[ \"$1\" = auth ] && { echo $$ > $FIXTURE/asker; echo > $FIXTURE/asked; read x < $FIXTURE/never; }
         echo 'Please run /login'; exit 1",
    );
    add_jobs(&fixture, "claude", "", &["a"]);
    let run = fixture.start(&["run"], &[]);
    fixture.wait_for("asked");
    run.signal(rustix::process::Signal::TERM);
    assert_eq!(run.end().code, 143);
    fixture.assert_none_lives(&["asker"]);
    assert_eq!((fixture.stage("a").as_str(), spent(&fixture, "a")), ("inbox", 0));
    assert_eq!(fixture.reason("a"), "interrupted");
}
