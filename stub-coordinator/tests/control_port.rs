//! Control's own port as a person and a script meet it: where it is, and who else may be there.

mod common;

use std::io::{BufRead, BufReader};
use std::net::TcpListener;

use common::program::*;
use serde_json::Value;

#[test]
fn control_is_on_the_next_port_at_the_same_address_and_ends_an_outage() {
    let api = place(7_700);
    let mut command = command(&["--listen", &own_address().to_string(), "--port", "7700"]);
    let child = command.spawn().expect("it starts");
    let mut stub = Running {
        child,
        line: Value::Null,
    };
    let mut text = String::new();
    BufReader::new(stub.child.stdout.as_mut().expect("a pipe"))
        .read_line(&mut text)
        .expect("a line");
    let next = place(7_701);
    let begins = format!("{{\"url\":\"http://{api}\",\"controlUrl\":\"http://{next}\",\"pid\":");
    assert!(text.starts_with(&begins), "{text}");
    stub.line = serde_json::from_str(&text).expect("one JSON object");

    assert_eq!(
        told(&stub, &["preset", "use", "outage"]),
        (true, "outage: 1 rule armed\n".to_owned())
    );
    assert!(is_refused(&api) && !is_refused(&next));
    assert!(told(&stub, &["rule", "list"]).1.contains("outage-1  on *: down"));
    assert!(told(&stub, &["preset", "use", "agree"]).0);
    assert!(dry_run(&stub, "sh").starts_with("HTTP/1.1 204"));
    // The control URL names the stub as well.
    for preset in ["outage", "agree"] {
        let (fine, said) = say(&["preset", "use", preset], &format!("http://{next}"));
        assert!(fine && is_refused(&api) == (preset == "outage"), "{said}");
    }
}

#[test]
fn a_port_that_is_chosen_or_free_is_at_the_api_s_address_too() {
    let chosen = serve(&place(7_710), &["--control-port", "7719"]);
    assert_eq!(control_of(&chosen), format!("http://{}", place(7_719)));
    let free = serve(&place(0), &[]);
    let url = control_of(&free);
    assert!(
        url.starts_with(&format!("http://{}:", own_address())) && !url.ends_with(":0"),
        "{url}"
    );
    for stub in [&chosen, &free] {
        let url = control_of(stub);
        assert!(told(stub, &["preset", "use", "outage"]).0 && is_refused(&stub.address()));
        assert!(say(&["preset", "use", "agree"], &url).0 && !is_refused(&stub.address()));
    }
    assert!(told(&chosen, &["preset", "use", "outage"]).0);
    // Nobody can know from the API's port which one that was.
    let (found, said) = told(&chosen, &["preset", "use", "agree"]);
    assert!(!found && said.contains("in an outage the controlUrl"), "{said}");
}

#[test]
fn whoever_listens_everywhere_is_controlled_from_everywhere_by_token() {
    let stub = serve("0.0.0.0:0", &[]);
    let token = stub.line["token"].as_str().expect("a token").to_owned();
    let url = control_of(&stub);
    assert!(url.starts_with("http://0.0.0.0:"), "{url}");
    for host in ["127.0.0.1".to_owned(), own_address().to_string()] {
        let url = url.replace("0.0.0.0", &host);
        let (fine, said) = say(&["counters"], &url);
        assert!(!fine && said.contains("the stub asks for a token"), "{said}");
        let with = ["--token", &token];
        assert!(say(&[&["preset", "use", "outage"][..], &with].concat(), &url).0);
        assert!(is_refused(&stub.address()));
        assert!(say(&[&["preset", "use", "agree"][..], &with].concat(), &url).0);
        assert!(!is_refused(&stub.address()));
    }
}

#[test]
fn an_address_of_ipv6_has_its_control_there() {
    if TcpListener::bind("[::1]:0").is_err() {
        return;
    }
    let stub = serve("[::1]:0", &[]);
    let url = control_of(&stub);
    assert!(url.starts_with("http://[::1]:"), "{url}");
    assert!(told(&stub, &["preset", "use", "outage"]).0 && is_refused(&stub.address()));
    assert!(say(&["preset", "use", "agree"], &url).0 && !is_refused(&stub.address()));
}

#[test]
fn stubs_on_neighbouring_ports_are_told_of_each_other() {
    let first = place(7_730);
    let control = place(7_731);
    let _first = serve(&first, &["--token", "root:admin"]);
    let told = refusal(&["--listen", &control]);
    let why = format!("{control} is the control port of the stub at http://{first}");
    assert!(
        told.contains(&format!("can't listen on {control}")) && told.contains(&why),
        "{told}"
    );
    assert!(
        told.contains("choose another port") && told.contains("which takes another one by --control-port"),
        "{told}"
    );

    let told = refusal(&["--listen", &place(7_729)]);
    let why = format!("{first} is the port of another stub's API");
    assert!(
        told.contains(&format!("can't listen on {first}")) && told.contains(&why),
        "{told}"
    );
    assert!(told.contains("choose another --control-port"), "{told}");

    let told = refusal(&["--listen", &place(7_739), "--control-port", "7731"]);
    assert!(told.contains("is the control port of the stub at"), "{told}");
    let told = refusal(&["--listen", &first]);
    assert!(told.contains("is the port of another stub's API"), "{told}");
    let told = refusal(&["--listen", &place(7_738), "--control-port", "7738"]);
    assert!(
        told.contains(&format!("can't listen on {}", place(7_738))),
        "{told}"
    );
}

#[test]
fn a_control_port_that_a_stranger_has_keeps_the_stub_from_starting() {
    let stranger = TcpListener::bind(place(7_741)).expect("its port is free");
    for more in [&[][..], &["--control-port", "7741"]] {
        let told = refusal(&[&["--listen", &place(7_740)], more].concat());
        let wanted = format!("can't listen on {} for control", place(7_741));
        assert!(
            told.contains(&wanted) && told.contains("--control-port"),
            "{told}"
        );
    }
    drop(stranger);
}

#[test]
fn a_stub_in_an_outage_keeps_its_port_from_neighbours_and_comes_back_to_it() {
    let first = serve(&place(7_781), &["--control-port", "0"]);
    assert!(say(&["preset", "use", "outage"], &control_of(&first)).0);
    assert!(is_refused(&first.address()));
    for listen in [place(7_780), place(7_781)] {
        let told = refusal(&["--listen", &listen]);
        let wanted = format!("can't listen on {}", place(7_781));
        assert!(told.contains(&wanted), "{told}");
    }
    assert!(say(&["preset", "use", "agree"], &control_of(&first)).0);
    assert!(told_by(&first).starts_with("HTTP/1.1 200"));
}

#[test]
fn behind_the_last_port_there_is_none() {
    let last = place(65_535);
    let told = refusal(&["--listen", &last]);
    assert!(
        told.contains("65535") && told.contains("--control-port"),
        "{told}"
    );
    assert!(told_by(&serve(&last, &["--control-port", "0"])).starts_with("HTTP/1.1 200"));
}
