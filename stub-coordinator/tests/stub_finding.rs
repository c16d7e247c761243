//! Which stub a command speaks to, and what it says to whom on the way there.

mod common;

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream, ToSocketAddrs};
use std::thread::JoinHandle;

use common::program::*;
use serde_json::json;

/// Answers everybody with these words, and hands over what it was told.
fn stranger(address: &str, says: String) -> JoinHandle<String> {
    let listener = TcpListener::bind(address).expect("its port is free");
    std::thread::spawn(move || {
        let mut heard = String::new();
        for stream in listener.incoming() {
            let mut stream = stream.expect("a connection");
            let mut lines = BufReader::new(stream.try_clone().expect("a copy"));
            let mut head = String::new();
            while !head.ends_with("\r\n\r\n") && lines.read_line(&mut head).expect("text") > 0 {}
            if head.starts_with("GET /the-end") {
                return heard;
            }
            let length = says.len();
            write!(
                stream,
                "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n{says}"
            )
            .expect("written");
            drop(stream.shutdown(Shutdown::Write));
            heard += &head;
            // It may leave in the middle of a body.
            let _ = lines.read_to_string(&mut heard);
        }
        heard
    })
}

/// Ends a stranger, who says what it heard.
fn end(address: &str, stranger: JoinHandle<String>) -> String {
    let mut end = TcpStream::connect(address).expect("connects");
    end.write_all(b"GET /the-end HTTP/1.1\r\n\r\n").expect("written");
    stranger.join().expect("it ends")
}

#[test]
fn in_an_outage_nobody_but_the_stub_hears_the_token() {
    let api = place(7_750);
    let stub = serve(&api, &["--token", "open-sesame:admin", "--control-port", "7759"]);
    let with = |words: &[&'static str], url: &str| say(&[words, &["--token", "open-sesame"]].concat(), url);
    let url = format!("http://{api}");
    assert!(with(&["preset", "use", "outage"], &url).0);
    // A stranger on the next port says what it likes.
    let lie = json!({"stub": "s", "url": url, "controlUrl": format!("http://{}", place(7_751)), "rules": []});
    let stranger = stranger(&place(7_751), lie.to_string());
    with(&["preset", "use", "agree"], &url);
    let folder = tempfile::tempdir().expect("a folder");
    let state = folder.path().join("state.json");
    fs::write(&state, json!({"tokens": "another-sesame"}).to_string()).expect("written");
    let (imported, said) = say(&["state", "import", state.to_str().expect("text")], &url);
    assert!(
        !imported && said.contains(&format!("give --url http://{}", place(7_751))),
        "{said}"
    );
    let heard = end(&place(7_751), stranger);
    assert!(
        heard.contains("GET /_stub/identity"),
        "it was asked who it is: {heard}"
    );
    assert!(!heard.contains("sesame"), "{heard}");
    assert!(with(&["preset", "use", "agree"], &control_of(&stub)).0 && !is_refused(&api));
}

#[test]
fn in_an_outage_a_stub_with_tokens_is_asked_where_the_url_says() {
    let stub = serve(&place(7_760), &["--token", "root:admin"]);
    assert!(told(&stub, &["preset", "use", "outage", "--token", "root"]).0);
    let (fine, said) = told(&stub, &["preset", "use", "agree", "--token", "root"]);
    assert!(
        !fine && said.contains(&format!("give --url {}", control_of(&stub))),
        "{said}"
    );
    assert!(say(&["preset", "use", "agree", "--token", "root"], &control_of(&stub)).0);
}

#[test]
fn a_stub_that_happens_to_be_on_the_next_port_is_not_the_one_meant() {
    let first = serve(&place(7_770), &["--control-port", "7779"]);
    let second = serve(&place(7_771), &[]);
    assert!(told(&first, &["preset", "use", "outage"]).0);
    let (fine, said) = told(&first, &["preset", "use", "5xx"]);
    assert!(!fine && said.contains("no stub answers at"), "{said}");
    assert!(told_by(&second).starts_with("HTTP/1.1 200"));
}

#[test]
fn what_is_no_stub_is_told_of_and_hears_no_token() {
    let stranger = stranger(&place(7_780), "<html>".to_owned());
    let url = format!("http://{}", place(7_780));
    let (fine, said) = say(&["counters", "--token", "open-sesame"], &url);
    assert!(!fine && said.contains("not like a stub; check --url"), "{said}");
    let heard = end(&place(7_780), stranger);
    assert!(!heard.contains("sesame"), "{heard}");
}

/// Passes connections on, as the published port of a container does, until the test ends.
fn publish(address: &str, to: String) {
    let listener = TcpListener::bind(address).expect("its port is free");
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let here = stream.expect("a connection");
            let there = TcpStream::connect(&to).expect("connects");
            let copy = |stream: &TcpStream| stream.try_clone().expect("a copy");
            for (mut from, mut to) in [(copy(&here), copy(&there)), (there, here)] {
                std::thread::spawn(move || {
                    // However it ends, the other side is told of the end.
                    let _ = std::io::copy(&mut from, &mut to);
                    let _ = to.shutdown(Shutdown::Write);
                });
            }
        }
    });
}

#[test]
#[cfg_attr(not(target_os = "linux"), ignore = "needs a second loopback address")]
fn where_ports_are_mapped_the_stub_is_asked_where_the_url_says() {
    let stub = serve("127.0.0.1:0", &["--token", "root:admin"]);
    publish(&place(7_790), stub.address());
    let url = format!("http://{}", place(7_790));
    let counters = ["counters", "--token", "root"];
    let (fine, said) = say(&counters, &url);
    assert!(fine, "control is not published: {said}");
    // On the port of that number is another stub.
    let control = control_of(&stub);
    let port = control.rsplit_once(':').expect("a port").1;
    let there = format!("{}:{port}", own_address());
    let _other = serve(&there, &["--control-port", "0", "--token", "other:admin"]);
    let (fine, said) = say(&counters, &url);
    assert!(fine, "{said}");
}

#[test]
#[cfg_attr(not(target_os = "linux"), ignore = "needs a second loopback address")]
fn who_passes_on_what_a_stub_says_of_itself_hears_no_token() {
    let stub = serve("127.0.0.1:0", &["--token", "root:admin"]);
    publish(&place(7_800), stub.address());
    // On the port of that number, at the address that is published, somebody says all that the stub says.
    let says = stub.send("GET", "/_stub/identity", "", "");
    let (_, identity) = says.split_once("\r\n\r\n").expect("a body");
    let control = control_of(&stub);
    let there = format!(
        "{}:{}",
        own_address(),
        control.rsplit_once(':').expect("a port").1
    );
    let stranger = stranger(&there, identity.to_owned());
    let (fine, said) = say(
        &["counters", "--token", "root"],
        &format!("http://{}", place(7_800)),
    );
    assert!(fine, "it is asked where the URL says: {said}");
    let heard = end(&there, stranger);
    assert!(!heard.contains("root"), "{heard}");
}

#[test]
fn a_url_that_is_no_name_of_the_stub_s_own_takes_a_token() {
    let stub = serve("0.0.0.0:0", &["--token", "root:admin"]);
    let url = stub.line["url"].as_str().expect("a url");
    let (fine, said) = say(&["counters"], url);
    assert!(
        !fine && said.contains("give --token-file or STUB_TOKEN"),
        "{said}"
    );
    let (fine, said) = say(&["counters", "--token", "wrong"], url);
    assert!(!fine, "{said}");
    let (fine, said) = say(&["counters", "--token", "root"], url);
    assert!(fine, "{said}");
}

#[test]
fn a_stub_on_the_same_port_of_another_address_is_not_the_one_meant() {
    if TcpListener::bind("[::1]:0").is_err() {
        return;
    }
    let other = serve(&place(0), &[]);
    let port = other.address().rsplit_once(':').expect("a port").1.to_owned();
    let meant = serve(&format!("[::1]:{port}"), &["--control-port", "0"]);
    assert!(told(&meant, &["preset", "use", "5xx"]).0);
    assert!(told_by(&meant).starts_with("HTTP/1.1 500"));
    assert!(told_by(&other).starts_with("HTTP/1.1 200"));
}

#[test]
fn a_name_of_two_stubs_is_no_name_of_one() {
    let one = serve("127.0.0.1:0", &["--control-port", "0"]);
    let port = one.address().rsplit_once(':').expect("a port").1.to_owned();
    let named: Vec<SocketAddr> = format!("localhost:{port}")
        .to_socket_addrs()
        .expect("a name")
        .collect();
    let other = format!("[::1]:{port}");
    if !named.contains(&other.parse().expect("an address")) || TcpListener::bind("[::1]:0").is_err() {
        return;
    }
    let url = format!("http://localhost:{port}");
    assert!(say(&["counters"], &url).0, "one stub has the name to itself");
    let other = serve(&other, &["--control-port", "0"]);
    let (fine, said) = say(&["preset", "use", "outage"], &url);
    assert!(!fine && said.contains(&format!("http://[::1]:{port}")), "{said}");
    assert!(said.contains(&format!("http://127.0.0.1:{port}")), "{said}");
    assert!(told_by(&one).starts_with("HTTP/1.1 200") && told_by(&other).starts_with("HTTP/1.1 200"));
}

#[test]
fn one_stub_by_two_addresses_is_one() {
    if TcpListener::bind("[::1]:0").is_err() {
        return;
    }
    let stub = serve("[::]:0", &["--token", "root:admin"]);
    let port = stub.address().rsplit_once(':').expect("a port").1.to_owned();
    let url = format!("http://localhost:{port}");
    let (fine, said) = say(&["preset", "use", "5xx", "--token", "root"], &url);
    assert!(fine, "{said}");
}
