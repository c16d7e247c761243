//! The console in a real browser, against a running stub: what it shows, what its controls do, what it withstands.

#[path = "../common/mod.rs"]
mod common;
mod driver;
mod foreign_page;
mod keyboard;
mod runner;

use std::io::{Read, Write};
use std::net::TcpStream;

use common::*;
use driver::{Browser, ENTER, TAB};
use runner::Factory;
use serde_json::{Value, json};
use stub_coordinator::{ClockKind, ControlPlace, ExchangeMatch, Fault, GateFault, Rule, Stub, StubConfig};

/// Opens the page, and waits until it follows the stub.
fn open(stub: &Stub) -> Browser {
    let browser = Browser::open();
    browser.go(&stub.url());
    browser.until(LIVE);
    browser
}

const LIVE: &str =
    "document.querySelector('#link').dataset.state === 'live' && document.querySelector('#presets button')";

#[test]
fn the_page_loads_in_peace_and_asks_nobody_but_the_stub() {
    let stub = start(&["alpha", "beta"]);
    let browser = open(&stub);
    claim(&stub, "desk");
    browser.until("document.querySelector('#jobs').innerText.includes('lease-1 of desk, token 1')");
    browser.until("document.querySelector('#mutations').dataset.state === 'some'");
    assert_eq!(
        browser.value("document.querySelector('#mutations').innerText.replace(/\\s+/g, ' ')"),
        "1 mutation real state was written: claim 1"
    );
    browser.click("#journal .row");
    browser.until("document.querySelectorAll('.whole pre').length === 3");
    let whole = browser.value("document.querySelector('.whole').innerText");
    let digests = &stub.journal()[0];
    for part in [&digests.digest_before, &digests.digest_after] {
        assert!(whole.as_str().expect("text").contains(part.as_str()), "{whole}");
    }
    assert_eq!(browser.complaints(), Vec::<String>::new());
    let requests = browser.requests(&stub.url());
    assert!(
        requests.iter().any(|url| url.ends_with("/_stub/events")),
        "{requests:?}"
    );
    let elsewhere = |url: &&String| !url.starts_with(&stub.url()) && !url.starts_with("data:");
    assert_eq!(requests.iter().find(elsewhere), None);
    assert_eq!(stub.counters().unexpected, 0, "the page asks the API for nothing");
}

#[test]
fn a_click_on_5xx_is_followed_by_errors_in_the_log_of_a_real_runner() {
    let stub = start(&["alpha", "beta", "gamma"]);
    let browser = open(&stub);
    let factory = Factory::new(&stub.url());
    factory.add(&["alpha", "beta"]);
    factory.run();
    browser.until("document.querySelector('#agreement-text').textContent === '2 of 2 agree (100 %).'");
    let errors = |log: &[Value]| {
        let kinds = log.iter().filter(|line| line["event"] == "shadow-error");
        kinds.map(|line| line["kind"].clone()).collect::<Vec<_>>()
    };
    assert_eq!(errors(&factory.log()), Vec::<Value>::new());

    browser.click("[data-preset='5xx']");
    browser.until("document.querySelector('[data-preset=\"5xx\"]').getAttribute('aria-pressed') === 'true'");
    factory.add(&["gamma"]);
    factory.run();
    let kinds = errors(&factory.log());
    assert!(
        !kinds.is_empty() && kinds.iter().all(|kind| kind == "status-500"),
        "{kinds:?}"
    );
    browser.until(
        "[...document.querySelectorAll('#journal .outcome')].some((one) => one.textContent.startsWith('500, corrupted by 5xx-1'))",
    );
    browser.until(
        "document.querySelector('#agreement-text').textContent.startsWith('2 of 2 agree (100 %); 1 not comparable')",
    );
    assert_eq!(
        browser.value("document.querySelector('#mutations-total').textContent"),
        "0"
    );
    assert_eq!(stub.counters().mutations_total(), 0);
}

#[test]
fn an_outage_is_begun_and_ended_at_the_control_address_and_pointed_to_it_from_elsewhere() {
    let config = StubConfig {
        control: ControlPlace::Beside,
        ..StubConfig::default()
    };
    let stub = start_with(&["alpha"], config);
    let control = stub.control_url().expect("a place of its own");
    let browser = open(&stub);
    browser.click("[data-preset='outage']");
    browser.until("document.querySelector('#link').dataset.state === 'gone'");
    browser.until("!document.querySelector('#elsewhere').hidden");
    // What it was told last still holds, though the stream that would tell of it is gone.
    assert_eq!(
        browser.value("document.querySelector('[data-preset=\"outage\"]').getAttribute('aria-pressed')"),
        "true"
    );
    assert!(TcpStream::connect(stub.address()).is_err());
    browser.click("#elsewhere");
    browser.until(LIVE);
    assert_eq!(browser.value("location.origin"), json!(control));
    browser
        .until("document.querySelector('[data-preset=\"outage\"]').getAttribute('aria-pressed') === 'true'");
    browser.click("[data-preset='agree']");
    browser.until("document.querySelector('#told').dataset.state === 'done'");
    assert_eq!(shadow_claim(&stub, "desk").status, 200);
    browser.click("[data-preset='outage']");
    browser.until("document.querySelector('#preset-about').textContent.startsWith('now outage')");
    assert_eq!(
        browser.value("document.querySelector('#link').dataset.state"),
        "live"
    );
}

#[test]
fn agreement_is_drawn_and_told_and_only_good_answers_count() {
    let stub = start(&["alpha", "beta"]);
    let browser = open(&stub);
    let marks = |kind: &str| {
        browser.value(&format!(
            "document.querySelectorAll('#chart-marks .{kind}').length"
        ))
    };
    // Asked, given alpha, took alpha; a second report without a question has nothing to be compared with.
    shadow_claim(&stub, "desk");
    shadow_report(&stub, "desk", "alpha", "building");
    shadow_report(&stub, "desk", "beta", "building");
    // Another factory's question is its own: it was told alpha, and took beta.
    shadow_claim(&stub, "mill");
    shadow_report(&stub, "mill", "beta", "building");
    browser.until("document.querySelector('#agreement-text').textContent.startsWith('1 of 2 agree (50 %); 1 not comparable')");
    assert_eq!([marks("agree"), marks("diverge"), marks("unanswered")], [1, 1, 1]);
    browser.until("document.querySelector('#chart-text').textContent.endsWith('oldest first: agree, unanswered, diverge.')");
    // Nothing was on offer, and yet the factory took a job.
    shadow_claim(&stub, "desk");
    shadow_report(&stub, "desk", "alpha", "building");
    browser.until("document.querySelector('#comparisons li').textContent === 'desk took alpha; the answer was: nothing. diverges'");
}

#[test]
fn a_journal_that_is_held_stands_still_and_says_how_much_is_newer() {
    let stub = start(&["alpha"]);
    let browser = open(&stub);
    shadow_claim(&stub, "first");
    browser.until("document.querySelectorAll('#journal .row').length === 1");
    browser.click("#hold");
    shadow_claim(&stub, "second");
    browser.until("document.querySelector('#held').textContent === '(1 newer)'");
    assert_eq!(
        browser.value("document.querySelectorAll('#journal .row').length"),
        1
    );
    browser.click("#hold");
    browser.until("document.querySelectorAll('#journal .row').length === 2");
}

#[test]
fn what_hostile_clients_say_is_shown_as_text_and_does_nothing() {
    let stub = start(&["alpha"]);
    let browser = open(&stub);
    let hostile = "<img src=x onerror=\"document.title='owned'\"><script>document.title='owned'</script>";
    shadow_report(&stub, hostile, hostile, hostile);
    post(
        &stub,
        &format!("/v1/{}", "%3Cimg%20src=x%3E"),
        &json!({"factoryId": hostile}),
    );
    let body = json!({"on": "claim", "match": {"job": hostile}, "fault": {"gate": hostile}});
    post(&stub, "/_stub/rules", &body);
    browser.until("document.querySelectorAll('#journal .row').length === 2");
    browser.until("document.querySelector('#journal').textContent.includes('<img src=x onerror=')");
    browser.click("#journal li:last-child .row");
    browser.until("document.querySelector('.whole pre')?.textContent.includes('<script>document.title')");
    assert_eq!(
        browser.value("document.querySelectorAll('main img, main script').length"),
        0
    );
    assert_eq!(browser.value("document.title"), "0 mutations - stub coordinator");
    assert_eq!(browser.complaints(), Vec::<String>::new());
}

#[test]
fn nothing_sticks_out_on_a_narrow_screen_with_large_text() {
    let ids = ["a-job-with-quite-a-long-name-that-has-no-natural-place-to-break-and-goes-on-and-on"];
    let stub = start(&ids);
    let browser = open(&stub);
    claim(
        &stub,
        "a-factory-with-quite-a-long-name-that-has-no-natural-place-to-break",
    );
    browser.resize(400, 800);
    browser.value("document.documentElement.style.fontSize = '200%'");
    browser.click("#controls details > summary");
    browser.click("#journal .row");
    browser.until("document.querySelectorAll('.whole pre').length === 3");
    let width = browser
        .value("document.documentElement.clientWidth")
        .as_u64()
        .expect("a width");
    assert!(width <= 400, "the window is narrow: {width}");
    let sticking_out = "[...document.querySelectorAll('body *')].filter((one) => !one.matches('.skip, .unseen')
        && one.getBoundingClientRect().right > document.documentElement.clientWidth + 1).map((one) => one.outerHTML.slice(0, 80))";
    assert_eq!(browser.value(sticking_out), json!([]));
}

#[test]
fn rules_are_armed_and_disarmed_and_a_wrong_one_is_told() {
    let stub = start(&["alpha"]);
    let browser = open(&stub);
    browser.click("#controls details > summary");
    browser.click("#json-form button");
    browser.until("document.querySelector('#rules').innerText.includes('\"times\":2')");
    browser.click("#arm-form button");
    browser.until("document.querySelectorAll('#rules > li').length === 2");
    assert_eq!(stub.rules()[1].rule.fault, Fault::Hang);
    browser.value("document.querySelector('#json').value = '{\"on\": \"clam\", \"fault\": \"hang\"}'");
    browser.click("#json-form button");
    browser.until("document.querySelector('#told').textContent.includes('did you mean')");
    browser.click("#rules > li:first-child button");
    browser.until("document.querySelectorAll('#rules > li').length === 1");
    assert_eq!(stub.rules()[0].rule.fault, Fault::Hang);
}

#[test]
fn a_rule_that_overlaps_is_shown_with_those_that_go_first_until_they_are_gone() {
    let stub = start(&["alpha"]);
    let arm = |rule: Rule| drop(stub.arm(rule).expect("a sound rule"));
    arm(Rule::on("*", Fault::Hang).named("once").times(1));
    arm(Rule::on("claim", Fault::Empty).named("few").times(3));
    arm(Rule::on("claim", Fault::Reset).named("claims"));
    let browser = open(&stub);
    browser.until("document.querySelectorAll('#rules > li').length === 3");
    let behind = "[...document.querySelectorAll('#rules .behind')].map((told) => told.innerText)";
    let both = "is behind once, few: those go first where both fire";
    let one = "is behind once: that one goes first where both fire";
    assert_eq!(browser.value(behind), json!(["", one, both]));
    browser.click("#rules > li:first-child button");
    browser.until("document.querySelectorAll('#rules > li').length === 2");
    let one = "is behind few: that one goes first where both fire";
    assert_eq!(browser.value(behind), json!(["", one]));
}

#[test]
fn the_clock_is_advanced_and_a_reset_empties_the_page() {
    let config = StubConfig {
        clock: ClockKind::Manual,
        lease_ms: 20_000,
        ..StubConfig::default()
    };
    let stub = start_with(&["alpha"], config);
    claim(&stub, "desk");
    let browser = open(&stub);
    browser.until("document.querySelector('.left').textContent === '20 s left'");
    browser.click("#clock-form button");
    browser.until("document.querySelector('#told').textContent.includes('lease lease-1 on alpha ran out')");
    browser.until("document.querySelector('#jobs .stage').textContent === 'queued, 1 attempt lost'");
    browser.value("document.querySelector('#scope').value = 'all'");
    browser.click("#reset-form button");
    browser.until("document.querySelectorAll('#journal .row').length === 0");
    browser.until("document.querySelector('#mutations').dataset.state === 'none'");
}

#[test]
fn a_token_is_asked_for_and_kept_in_memory_only() {
    let config = StubConfig {
        control_token: Some("key".to_owned()),
        ..StubConfig::default()
    };
    let stub = start_with(&["alpha"], config);
    let browser = Browser::open();
    browser.go(&stub.url());
    browser.until("document.activeElement.id === 'token'");
    assert_eq!(browser.value("document.querySelector('#jobs').textContent"), "");
    browser.press(&["n", "o", ENTER]);
    browser.until("document.querySelector('#link').textContent === 'that token was refused'");
    browser.until("document.activeElement.id === 'token'");
    browser.press(&["k", "e", "y", ENTER]);
    browser.until(LIVE);
    browser.until("document.querySelector('#jobs').innerText.includes('alpha')");
    let kept = "localStorage.length + sessionStorage.length + document.cookie.length";
    assert_eq!(browser.value(kept), 0);
    browser.go(&stub.url());
    browser.until("!document.querySelector('#token-form').hidden");
}

#[test]
fn the_page_follows_a_stub_that_drops_its_connections() {
    let stub = start(&["alpha"]);
    let browser = open(&stub);
    shadow_claim(&stub, "before");
    browser.until("document.querySelectorAll('#journal .row').length === 1");
    let mut witness = TcpStream::connect(stub.address()).expect("connects");
    witness
        .write_all(&request_bytes("GET", "/_stub/events", &[], None))
        .expect("sent");
    witness
        .read_exact(&mut [0; 64])
        .expect("it is answered, so the stub knows of it");
    stub.restart();
    read_to_end(&mut witness);
    shadow_claim(&stub, "after");
    stub.wait(&ExchangeMatch::operation("shadow.claim"), 2, TIME_LIMIT)
        .expect("both");
    browser.until("document.querySelectorAll('#journal .row').length === 2");
    assert_eq!(
        browser.value("document.querySelector('#journal .who').textContent"),
        "after"
    );
}
