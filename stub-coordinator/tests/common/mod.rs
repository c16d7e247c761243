//! A small raw HTTP client for the black-box tests: what it sends is written out, what it gets is bytes.
#![expect(dead_code, reason = "each test binary uses its own part of this")]

pub mod program;

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use serde_json::{Value, json};
use stub_coordinator::{NewJob, Stub, StubConfig};

/// No answer takes this long; a test that waits so long has failed.
pub const TIME_LIMIT: Duration = Duration::from_secs(20);

/// What came back.
#[derive(Debug, Clone)]
pub struct Reply {
    pub status: u16,
    pub head: String,
    pub text: String,
}

impl Reply {
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    pub fn code(&self) -> String {
        assert!(
            self.head
                .to_lowercase()
                .contains("content-type: application/problem+json"),
            "not a problem: {self:?}"
        );
        self.json()["code"]
            .as_str()
            .unwrap_or_else(|| panic!("no code: {self:?}"))
            .to_owned()
    }

    pub fn header(&self, name: &str) -> Option<String> {
        self.head.lines().find_map(|line| {
            let (key, value) = line.split_once(':')?;
            key.eq_ignore_ascii_case(name).then(|| value.trim().to_owned())
        })
    }
}

/// All bytes of one exchange on a connection of its own, and how the connection ended.
pub fn raw(stub: &Stub, request: &[u8]) -> (Vec<u8>, Option<ErrorKind>) {
    let mut stream = TcpStream::connect(stub.address()).expect("connects");
    stream.set_read_timeout(Some(TIME_LIMIT)).expect("a timeout");
    // A server that refuses early may close while we still write; what it said is what counts.
    let _ = stream.write_all(request);
    read_to_end(&mut stream)
}

pub fn read_to_end(stream: &mut TcpStream) -> (Vec<u8>, Option<ErrorKind>) {
    let mut bytes = Vec::new();
    let mut buffer = [0_u8; 65_536];
    loop {
        match stream.read(&mut buffer) {
            Ok(0) => return (bytes, None),
            Ok(count) => bytes.extend_from_slice(&buffer[..count]),
            // A read with a time limit ends with whatever signal comes; a test that starts programs gets some.
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return (bytes, Some(error.kind())),
        }
    }
}

pub fn request_bytes(method: &str, path: &str, headers: &[(&str, &str)], body: Option<&str>) -> Vec<u8> {
    let mut request = format!("{method} {path} HTTP/1.1\r\nhost: 127.0.0.1\r\nconnection: close\r\n");
    for (name, value) in headers {
        request.push_str(&format!("{name}: {value}\r\n"));
    }
    if let Some(body) = body {
        request.push_str(&format!(
            "content-type: application/json\r\ncontent-length: {}\r\n",
            body.len()
        ));
    }
    request.push_str("\r\n");
    request.push_str(body.unwrap_or_default());
    request.into_bytes()
}

pub fn parse(bytes: &[u8]) -> Reply {
    let text = String::from_utf8_lossy(bytes).into_owned();
    let (head, body) = text
        .split_once("\r\n\r\n")
        .unwrap_or_else(|| panic!("no whole head: {text:?}"));
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok());
    Reply {
        status: status.unwrap_or_else(|| panic!("no status: {head:?}")),
        head: head.to_owned(),
        text: body.to_owned(),
    }
}

pub fn send(stub: &Stub, method: &str, path: &str, headers: &[(&str, &str)], body: Option<&Value>) -> Reply {
    let body = body.map(Value::to_string);
    parse(&raw(stub, &request_bytes(method, path, headers, body.as_deref())).0)
}

pub fn post(stub: &Stub, path: &str, body: &Value) -> Reply {
    send(stub, "POST", path, &[], Some(body))
}

pub fn get(stub: &Stub, path: &str) -> Reply {
    send(stub, "GET", path, &[], None)
}

pub fn start(jobs: &[&str]) -> Stub {
    start_with(jobs, StubConfig::default())
}

pub fn start_with(jobs: &[&str], config: StubConfig) -> Stub {
    let jobs = jobs.iter().map(|id| NewJob::named(id, "sh")).collect();
    Stub::start(StubConfig { jobs, ..config }).expect("the stub starts")
}

pub const AT: &str = "2026-01-01T00:00:00.000Z";

pub fn claim(stub: &Stub, factory: &str) -> Reply {
    post(
        stub,
        "/v1/claims",
        &json!({"factoryId": factory, "caps": ["engine:sh"]}),
    )
}

pub fn shadow_claim(stub: &Stub, factory: &str) -> Reply {
    post(
        stub,
        "/v1/shadow/claims",
        &json!({"factoryId": factory, "caps": ["engine:sh"], "shadow": 1}),
    )
}

pub fn shadow_report(stub: &Stub, factory: &str, job: &str, stage: &str) -> Reply {
    let body = json!({"factoryId": factory, "jobId": job, "stage": stage, "at": AT, "shadow": 1});
    post(stub, "/v1/shadow/reports", &body)
}

/// What `lease.renew`, `lease.release` and reports say about who they are.
pub struct Held {
    pub job: String,
    pub lease: String,
    pub token: u64,
    pub factory: String,
}

pub fn held(reply: &Reply) -> Held {
    let body = reply.json();
    let text = |value: &Value| value.as_str().expect("a string").to_owned();
    Held {
        job: text(&body["job"]["id"]),
        lease: text(&body["lease"]["id"]),
        token: body["lease"]["fencingToken"].as_u64().expect("a token"),
        factory: text(&body["lease"]["factoryId"]),
    }
}

impl Held {
    pub fn renew(&self, stub: &Stub) -> Reply {
        let body = json!({"factoryId": self.factory, "fencingToken": self.token});
        post(stub, &format!("/v1/leases/{}/renew", self.lease), &body)
    }

    pub fn release(&self, stub: &Stub) -> Reply {
        let body = json!({"factoryId": self.factory, "fencingToken": self.token});
        post(stub, &format!("/v1/leases/{}/release", self.lease), &body)
    }

    pub fn report(&self, stub: &Stub, stage: &str) -> Reply {
        let body = json!({"factoryId": self.factory, "leaseId": self.lease, "fencingToken": self.token,
                          "stage": stage, "at": AT});
        post(stub, &format!("/v1/jobs/{}/reports", self.job), &body)
    }

    pub fn quarantine(&self, stub: &Stub, reason: &str) -> Reply {
        let body = json!({"factoryId": self.factory, "leaseId": self.lease, "fencingToken": self.token,
                          "reason": reason});
        post(stub, &format!("/v1/jobs/{}/quarantine", self.job), &body)
    }
}

pub fn stage_of(stub: &Stub, job: &str) -> String {
    get(stub, &format!("/v1/jobs/{job}")).json()["stage"]
        .as_str()
        .expect("a stage")
        .to_owned()
}
