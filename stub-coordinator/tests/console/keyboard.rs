//! The console without a mouse.

use super::*;

#[test]
fn a_preset_is_chosen_and_a_gate_released_by_keyboard_alone() {
    let stub = start(&["alpha"]);
    stub.arm(
        Rule::on(
            "shadow.claim",
            GateFault {
                name: "hold".to_owned(),
            },
        )
        .named("held"),
    )
    .expect("armed");
    let browser = open(&stub);
    std::thread::scope(|scope| {
        let client = scope.spawn(|| shadow_claim(&stub, "desk"));
        browser.until("document.querySelector('#gates').innerText.includes('1 waiting')");
        let focused =
            "document.activeElement.getAttribute('aria-label') ?? document.activeElement.textContent";
        tab_until(&browser, focused, "release hold");
        let outline = browser.value("getComputedStyle(document.activeElement).outlineStyle");
        assert_eq!(outline, "solid", "the focus is seen");
        browser.press(&[ENTER]);
        browser.until("document.querySelector('#told').textContent === 'gate hold is open, 1 let go'");
        assert_eq!(client.join().expect("it ends").status, 200);
        browser.go(&stub.url());
        browser.until(LIVE);
        tab_until(&browser, focused, "diverge");
        browser.press(&[ENTER]);
        browser
            .until("document.querySelector('[data-preset=diverge]').getAttribute('aria-pressed') === 'true'");
    });
    assert_eq!(stub.rules()[0].id.to_string(), "diverge-1");
}

fn tab_until(browser: &Browser, focused: &str, wanted: &str) {
    for _ in 0..60 {
        browser.press(&[TAB]);
        if browser.value(focused) == wanted {
            return;
        }
    }
    panic!("no number of tabs leads to {wanted:?}");
}
