//! A page of somebody else in the same browser: what it tries on the stub, and that nothing comes of it.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};

use serde_json::Value;
use stub_coordinator::Stub;

use crate::common::*;
use crate::driver::Browser;

/// The browser takes this name for loopback, as it would a name whose owner says so.
const EVIL: &str = "evil.example";
/// As many as may follow at a time.
const FOLLOWERS: usize = 64;

fn browser() -> Browser {
    Browser::open_with(&[&format!("--host-resolver-rules=MAP {EVIL} 127.0.0.1")])
}

/// Serves an empty page to everybody, until the test ends. The port at which it does.
fn serve_page() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let port = listener.local_addr().expect("an address").port();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.expect("a connection");
            let mut lines = BufReader::new(stream.try_clone().expect("a copy")).lines();
            while lines
                .next()
                .is_some_and(|line| line.is_ok_and(|line| !line.is_empty()))
            {}
            let page = "<!doctype html><title>evil</title><iframe name=frame></iframe>";
            // A browser may have left.
            let _ = write!(
                stream,
                "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-type: text/html\r\ncontent-length: {}\r\n\r\n{page}",
                page.len()
            );
        }
    });
    port
}

fn refused(stub: &Stub) -> u64 {
    get(stub, "/_stub/health").json()["refusedRequests"]
        .as_u64()
        .expect("a count")
}

/// Runs what the page tries; it has arrived, was refused, and left no trace.
fn comes_to_nothing(stub: &Stub, browser: &Browser, what: &str, script: &str) -> Value {
    let (before, digest) = (refused(stub), stub.digest());
    let seen = browser.answer(script);
    assert!(refused(stub) > before, "{what} was refused: {seen}");
    assert_eq!(stub.digest(), digest, "{what}");
    assert_eq!((stub.journal(), stub.rules().len()), (vec![], 1), "{what}");
    let counters = stub.counters();
    assert_eq!(
        (counters.mutations_total(), counters.requests.len()),
        (0, 0),
        "{what}"
    );
    seen
}

/// A follower that was answered, and with which status.
fn follow(stub: &Stub) -> (TcpStream, String) {
    let mut stream = TcpStream::connect(stub.address()).expect("connects");
    stream.set_read_timeout(Some(TIME_LIMIT)).expect("a timeout");
    stream
        .write_all(b"GET /_stub/events HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n")
        .expect("written");
    let mut status = [0; 12];
    stream.read_exact(&mut status).expect("an answer");
    (stream, String::from_utf8_lossy(&status).into_owned())
}

/// A stub with a rule that the first request of its API would use up.
fn prepared() -> Stub {
    let stub = start(&["alpha"]);
    let rule = stub_coordinator::Rule::on("*", stub_coordinator::Fault::Empty).times(1);
    stub.arm(rule).expect("a sound rule");
    stub
}

/// A form of this kind, sent into the page's frame. Its one field makes a body that is a job in JSON.
fn form(url: &str, kind: &str) -> String {
    format!(
        "const form = document.createElement('form');
         Object.assign(form, {{method: 'post', action: '{url}/v1/jobs', enctype: '{kind}', target: 'frame'}});
         const field = document.createElement('input');
         field.name = '{{\"id\":\"x\",\"engine\":\"sh\",\"body\":\"true #'; field.value = '\"}}';
         form.append(field); document.body.append(form);
         document.querySelector('iframe').addEventListener('load', () => done('loaded'), {{once: true}});
         form.submit();"
    )
}

fn fetched(url: &str, options: &str) -> String {
    format!(
        "fetch('{url}', {options}).then((answer) => done(answer.type + answer.status), () => done('failed'));"
    )
}

#[test]
fn a_page_of_another_origin_gets_nothing_done_by_form_or_fetch() {
    let stub = prepared();
    let followers: Vec<_> = (1..FOLLOWERS).map(|_| follow(&stub)).collect();
    let browser = browser();
    let job = r#"{"id":"x","engine":"sh","body":"true"}"#;
    for host in [EVIL, "127.0.0.1", "localhost"] {
        let url = stub.url();
        browser.go(&format!("http://{host}:{}/", serve_page()));
        for kind in [
            "text/plain",
            "application/x-www-form-urlencoded",
            "multipart/form-data",
        ] {
            comes_to_nothing(&stub, &browser, kind, &form(&url, kind));
        }
        let jobs = format!("{url}/v1/jobs");
        for body in [format!("'{job}'"), format!("new Blob(['{job}'])")] {
            let options = format!("{{method: 'POST', mode: 'no-cors', body: {body}}}");
            comes_to_nothing(&stub, &browser, &options, &fetched(&jobs, &options));
        }
        let json =
            format!("{{method: 'POST', headers: {{'content-type': 'application/json'}}, body: '{job}'}}");
        assert_eq!(
            comes_to_nothing(&stub, &browser, &json, &fetched(&jobs, &json)),
            "failed"
        );
        let controls = [
            ("/_stub/rules", "DELETE", "cors"),
            ("/_stub/gates/g/release", "POST", "no-cors"),
            ("/v1/jobs", "GET", "cors"),
        ];
        for (path, method, mode) in controls {
            let options = format!("{{method: '{method}', mode: '{mode}'}}");
            comes_to_nothing(&stub, &browser, path, &fetched(&format!("{url}{path}"), &options));
        }
        let events = format!("{url}/_stub/events");
        comes_to_nothing(
            &stub,
            &browser,
            "a fetch of events",
            &fetched(&events, "{mode: 'no-cors'}"),
        );
        let source = format!(
            "const source = new EventSource('{events}');
             source.onopen = () => done('open'); source.onerror = () => done('refused');"
        );
        assert_eq!(
            comes_to_nothing(&stub, &browser, "a source of events", &source),
            "refused"
        );
    }
    assert!(followers.iter().all(|(_, status)| status == "HTTP/1.1 200"));
    assert_eq!(follow(&stub).1, "HTTP/1.1 200", "the last place is free");
}

#[test]
fn a_name_that_was_made_to_point_here_gets_a_page_nothing_done() {
    let stub = prepared();
    let browser = browser();
    browser.go(&format!("http://{EVIL}:{}/", stub.address().port()));
    let shown = browser.value("document.body.innerText");
    assert!(shown.as_str().expect("text").contains("foreign_host"), "{shown}");
    let job = r#"{"id":"x","engine":"sh","body":"true"}"#;
    for more in ["", ", authorization: 'Bearer x'"] {
        let json = format!(
            "{{method: 'POST', headers: {{'content-type': 'application/json'{more}}}, body: '{job}'}}"
        );
        for path in ["/v1/jobs", "/_stub/reset"] {
            assert_eq!(
                comes_to_nothing(&stub, &browser, path, &fetched(path, &json)),
                "basic403"
            );
        }
        let read = format!("{{headers: {{accept: 'application/json'{more}}}}}");
        for path in [
            "/v1/jobs",
            "/v1/openapi.json",
            "/_stub/state",
            "/_stub/events",
            "/_stub/identity",
            "/metrics",
        ] {
            assert_eq!(
                comes_to_nothing(&stub, &browser, path, &fetched(path, &read)),
                "basic403"
            );
        }
    }
}
