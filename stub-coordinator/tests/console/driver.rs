//! A browser by way of the WebDriver protocol: one session, and waiting for conditions inside the page.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use serde_json::{Value, json};
use tempfile::TempDir;

/// No condition takes this long; a test that waits so long has failed.
const TIME_LIMIT: Duration = Duration::from_secs(30);
const BROWSERS: [&str; 4] = [
    "chromium",
    "chromium-browser",
    "google-chrome",
    "google-chrome-stable",
];
const ELEMENT: &str = "element-6066-11e4-a52e-4f735466cecf";

/// Keys as the protocol writes them.
pub const TAB: &str = "\u{E004}";
pub const ENTER: &str = "\u{E007}";

/// A headless Chromium with a profile of its own, and the driver that steers it; both end with this.
pub struct Browser {
    driver: Child,
    port: u16,
    session: String,
    _profile: TempDir,
}

impl Browser {
    pub fn open() -> Browser {
        Browser::open_with(&[])
    }

    /// The same with further arguments.
    pub fn open_with(more: &[&str]) -> Browser {
        let (Some(chromium), Some(program)) = (BROWSERS.iter().find_map(on_path), on_path(&"chromedriver"))
        else {
            panic!(
                "these tests need Chromium and its driver on PATH; on Debian: apt-get install chromium chromium-driver"
            );
        };
        let mut driver = Command::new(program)
            .arg("--port=0")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("chromedriver starts");
        let port = port_of(&mut driver);
        let profile = TempDir::new().expect("a folder");
        let mut browser = Browser {
            driver,
            port,
            session: String::new(),
            _profile: profile,
        };
        let answer = browser.send("POST", "/session", Some(&browser.wishes(&chromium, more)));
        browser.session = answer["sessionId"].as_str().expect("a session").to_owned();
        browser
    }

    fn wishes(&self, chromium: &PathBuf, more: &[&str]) -> Value {
        let profile = format!("--user-data-dir={}", self._profile.path().display());
        let arguments = [
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-quic",
            "--no-first-run",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
            "--disable-dev-shm-usage",
            "--window-size=1280,900",
            &profile,
        ];
        let arguments = [&arguments[..], more].concat();
        json!({"capabilities": {"alwaysMatch": {
            "browserName": "chrome",
            "timeouts": {"script": TIME_LIMIT.as_millis(), "pageLoad": TIME_LIMIT.as_millis()},
            "goog:loggingPrefs": {"browser": "ALL", "performance": "ALL"},
            "goog:chromeOptions": {"binary": chromium, "args": arguments},
        }}})
    }

    pub fn go(&self, url: &str) {
        self.ask("POST", "/url", &json!({"url": url}));
    }

    /// Shows the page as on a screen of this size, smaller than a window can be made.
    pub fn resize(&self, width: u32, height: u32) {
        let size = json!({"width": width, "height": height, "deviceScaleFactor": 1, "mobile": false});
        let order = json!({"cmd": "Emulation.setDeviceMetricsOverride", "params": size});
        self.ask("POST", "/goog/cdp/execute", &order);
    }

    pub fn click(&self, css: &str) {
        let found = self.ask(
            "POST",
            "/element",
            &json!({"using": "css selector", "value": css}),
        );
        let element = found[ELEMENT].as_str().expect("an element");
        self.ask("POST", &format!("/element/{element}/click"), &json!({}));
    }

    /// Presses and lets go of keys, one after the other, wherever the focus is.
    pub fn press(&self, keys: &[&str]) {
        let strokes: Vec<Value> = keys
            .iter()
            .flat_map(|key| ["keyDown", "keyUp"].map(|kind| json!({"type": kind, "value": key})))
            .collect();
        let actions = json!({"actions": [{"type": "key", "id": "keyboard", "actions": strokes}]});
        self.ask("POST", "/actions", &actions);
    }

    /// What an expression is worth in the page.
    pub fn value(&self, expression: &str) -> Value {
        let script = format!("return ({expression});");
        self.ask("POST", "/execute/sync", &json!({"script": script, "args": []}))
    }

    /// What a script in the page says that it is done with, by calling `done`.
    pub fn answer(&self, script: &str) -> Value {
        let script = format!("const done = arguments[0]; {script}");
        self.ask("POST", "/execute/async", &json!({"script": script, "args": []}))
    }

    /// Waits until a condition holds in the page: looked at now, and whenever the page changes.
    pub fn until(&self, condition: &str) {
        let script = format!(
            "const done = arguments[0];
             const holds = () => ({condition});
             if (holds()) return done(true);
             const watch = new MutationObserver(() => {{
               if (holds()) {{ watch.disconnect(); done(true); }}
             }});
             watch.observe(document, {{subtree: true, childList: true, characterData: true, attributes: true}});"
        );
        let body = json!({"script": script, "args": []});
        let answer = self.send(
            "POST",
            &format!("/session/{}/execute/async", self.session),
            Some(&body),
        );
        if answer != Value::Bool(true) {
            let seen = self.value("document.body.innerText");
            panic!(
                "never held: {condition}\n{answer}\nthe page:\n{}",
                seen.as_str().unwrap_or_default()
            );
        }
    }

    /// What the page complained about.
    pub fn complaints(&self) -> Vec<String> {
        self.log("browser")
            .iter()
            .map(|entry| entry["message"].to_string())
            .collect()
    }

    /// Every address that was asked for by a page from `url`; the browser's own first page asks for things as well.
    pub fn requests(&self, url: &str) -> Vec<String> {
        self.log("performance")
            .iter()
            .filter_map(|entry| serde_json::from_str::<Value>(entry["message"].as_str()?).ok())
            .map(|entry| entry["message"].clone())
            .filter(|message| message["method"] == "Network.requestWillBeSent")
            .filter(|message| {
                let page = message["params"]["documentURL"].as_str();
                page.is_some_and(|page| page.starts_with(url))
            })
            .filter_map(|message| {
                message["params"]["request"]["url"]
                    .as_str()
                    .map(ToOwned::to_owned)
            })
            .collect()
    }

    fn log(&self, kind: &str) -> Vec<Value> {
        let entries = self.ask("POST", "/se/log", &json!({"type": kind}));
        entries.as_array().expect("log entries").clone()
    }

    fn ask(&self, method: &str, path: &str, body: &Value) -> Value {
        let answer = self.send(method, &format!("/session/{}{path}", self.session), Some(body));
        assert!(answer["error"].is_null(), "{method} {path} {body}: {answer}");
        answer
    }

    fn send(&self, method: &str, path: &str, body: Option<&Value>) -> Value {
        let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)).expect("the driver listens");
        let patience = TIME_LIMIT * 2;
        stream.set_read_timeout(Some(patience)).expect("a timeout");
        let body = body.map(Value::to_string).unwrap_or_default();
        let head = format!(
            "{method} {path} HTTP/1.1\r\nhost: localhost:{}\r\ncontent-type: application/json\r\nconnection: close\r\n\
             content-length: {}\r\n\r\n",
            self.port,
            body.len()
        );
        (&stream)
            .write_all(format!("{head}{body}").as_bytes())
            .expect("it is sent");
        let mut answer = answer_of(&mut BufReader::new(stream));
        answer["value"].take()
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        if !self.session.is_empty() && !std::thread::panicking() {
            self.send("DELETE", &format!("/session/{}", self.session), None);
        } else if let Ok(mut stream) = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)) {
            // Its browser ends with the session; that this fails, too, would hide why the test did.
            let request = format!(
                "DELETE /session/{} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n",
                self.session
            );
            let _ = stream.set_read_timeout(Some(TIME_LIMIT));
            let _ = stream.write_all(request.as_bytes());
            let _ = stream.read(&mut [0; 64]);
        }
        let _ = self.driver.kill();
        let _ = self.driver.wait();
    }
}

fn on_path(name: &&str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path)
        .map(|folder| folder.join(name))
        .find(|program| program.is_file())
}

/// The port that the driver says it took.
fn port_of(driver: &mut Child) -> u16 {
    let said = BufReader::new(driver.stdout.take().expect("a pipe"));
    let mut lines = said.lines().map_while(Result::ok);
    let port = lines.find_map(|line| {
        let (_, port) = line.split_once("started successfully on port ")?;
        port.trim_end_matches('.').parse().ok()
    });
    // It may go on talking; somebody has to listen.
    std::thread::spawn(move || lines.for_each(drop));
    port.expect("chromedriver says which port it took")
}

fn answer_of(stream: &mut impl BufRead) -> Value {
    let mut length = 0;
    loop {
        let mut line = String::new();
        stream.read_line(&mut line).expect("a line of the head");
        if let Some((name, value)) = line.split_once(':')
            && name.eq_ignore_ascii_case("content-length")
        {
            length = value.trim().parse().expect("a length");
        }
        if line.trim().is_empty() {
            break;
        }
    }
    let mut body = vec![0; length];
    stream.read_exact(&mut body).expect("the whole body");
    serde_json::from_slice(&body).expect("the driver speaks JSON")
}
