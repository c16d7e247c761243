//! What the tests of this folder share: small values, and a coordinator of a few lines that answers as it is told.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::thread;

use serde_json::Value;

use super::{LocalDecision, LocalPick};
use crate::ids::{EngineName, JobId};
use crate::scheduler::{QueueSnapshot, WaitingJob};
use crate::settings::{GlobalFlags, Settings};

pub(crate) fn id(text: &str) -> JobId {
    JobId::new(text).unwrap()
}

/// A job of `sh` without a lock.
pub(crate) fn pick(job: &str) -> LocalPick {
    LocalPick {
        job: id(job),
        engine: EngineName::new("sh").unwrap(),
        has_lock: false,
    }
}

/// Settings of shadow mode for a queue folder.
pub(crate) fn settings(queue: &Path, url: &str) -> Settings {
    let environment: BTreeMap<std::ffi::OsString, std::ffi::OsString> = [
        ("AQ_QUEUE", queue.to_str().unwrap()),
        ("AQ_FLEET", "1"),
        ("AQ_FLEET_SHADOW", "1"),
        ("AQ_FLEET_URL", url),
        ("AQ_FACTORY_ID", "forge-2"),
    ]
    .into_iter()
    .map(|(name, value)| (name.into(), value.into()))
    .collect();
    Settings::resolve_in(&GlobalFlags::default(), &environment).unwrap()
}

/// A decision with these jobs waiting, all eligible.
pub(crate) fn decision(local: Option<&str>, waiting: &[&str]) -> LocalDecision {
    let engine = EngineName::new("sh").unwrap();
    let jobs = waiting.iter().enumerate().map(|(place, name)| {
        let job = WaitingJob {
            id: id(name),
            priority: 0,
            sequence: place as u64,
            lock: None,
            engine: engine.clone(),
            caps: Vec::new(),
            retry_at_ms: None,
        };
        (job.place(), Arc::new(job))
    });
    let caps = [crate::ids::Capability::new("engine:sh").unwrap()].into();
    let view = QueueSnapshot {
        waiting: jobs.collect(),
        caps,
        ..QueueSnapshot::default()
    };
    LocalDecision {
        local: local.map(pick),
        view: Arc::new(view),
    }
}

/// A coordinator's answer to a claim: the job `a` under a lease of a minute.
pub(crate) const CLAIMED: &str = r#"{"job":{"id":"a","engine":"sh","body":"true"},
    "lease":{"id":"lease-9","jobId":"a","fencingToken":4,"ttlMs":60000}}"#;

/// Runs it on an event loop of its own, of this thread.
pub(crate) fn block_on<T>(work: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.unwrap().block_on(work)
}

/// One request as the coordinator saw it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RecordedRequest {
    pub(crate) path: String,
    pub(crate) body: Value,
    /// The `Idempotency-Key` of the request.
    pub(crate) key: Option<String>,
}

impl RecordedRequest {
    /// `claim`, or `JOB STAGE` of a report, or the path of anything else.
    pub(crate) fn brief(&self) -> String {
        match self.path.as_str() {
            "/v1/shadow/claims" => String::from("claim"),
            "/v1/shadow/reports" => {
                format!(
                    "{} {}",
                    self.body["jobId"].as_str().unwrap(),
                    self.body["stage"].as_str().unwrap()
                )
            }
            other => other.to_owned(),
        }
    }
}

/// A coordinator for tests; it answers until the test's process ends.
#[derive(Debug, Clone)]
pub(crate) struct TestCoordinator {
    pub(crate) url: String,
    seen: Arc<Mutex<Vec<RecordedRequest>>>,
}

impl TestCoordinator {
    /// `answer` gives status and JSON body; none keeps the connection open without a word.
    pub(crate) fn start(
        answer: impl Fn(&RecordedRequest) -> Option<(u16, String)> + Send + Sync + 'static,
    ) -> TestCoordinator {
        TestCoordinator::serving(answer, "application/json")
    }

    /// The same, its refusals being problem+json.
    pub(crate) fn start_with_problems(
        answer: impl Fn(&RecordedRequest) -> Option<(u16, String)> + Send + Sync + 'static,
    ) -> TestCoordinator {
        TestCoordinator::serving(answer, "application/problem+json")
    }

    fn serving(
        answer: impl Fn(&RecordedRequest) -> Option<(u16, String)> + Send + Sync + 'static,
        refusals: &'static str,
    ) -> TestCoordinator {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let seen = Arc::new(Mutex::new(Vec::new()));
        let (theirs, answer) = (Arc::clone(&seen), Arc::new(answer));
        thread::spawn(move || {
            for stream in listener.incoming() {
                let (theirs, answer) = (Arc::clone(&theirs), Arc::clone(&answer));
                thread::spawn(move || serve(stream.unwrap(), &theirs, answer.as_ref(), refusals));
            }
        });
        TestCoordinator { url, seen }
    }

    pub(crate) fn seen(&self) -> Vec<RecordedRequest> {
        self.seen.lock().unwrap().clone()
    }

    pub(crate) fn briefly(&self) -> Vec<String> {
        self.seen().iter().map(RecordedRequest::brief).collect()
    }
}

fn serve(
    mut stream: TcpStream,
    seen: &Mutex<Vec<RecordedRequest>>,
    answer: &dyn Fn(&RecordedRequest) -> Option<(u16, String)>,
    refusals: &str,
) {
    let mut bytes = Vec::new();
    let mut chunk = [0; 4096];
    loop {
        while let Some((request, used)) = request_in(&bytes) {
            bytes.drain(..used);
            seen.lock().unwrap().push(request.clone());
            let Some((status, body)) = answer(&request) else {
                // Until the other side gives up.
                while stream.read(&mut chunk).is_ok_and(|read| read > 0) {}
                return;
            };
            let content_type = if status < 400 {
                "application/json"
            } else {
                refusals
            };
            // What is answered 204 has no body, and says nothing about one.
            let about = match status {
                204 => String::new(),
                _ => format!(
                    "content-type: {content_type}\r\ncontent-length: {}\r\n",
                    body.len()
                ),
            };
            let head = format!("HTTP/1.1 {status} X\r\n{about}\r\n");
            if stream.write_all((head + &body).as_bytes()).is_err() {
                return;
            }
        }
        match stream.read(&mut chunk) {
            Ok(read) if read > 0 => bytes.extend_from_slice(&chunk[..read]),
            _ => return,
        }
    }
}

/// A whole request at the start of `bytes`, and how long it is.
fn request_in(bytes: &[u8]) -> Option<(RecordedRequest, usize)> {
    let text = String::from_utf8_lossy(bytes);
    let head = text.find("\r\n\r\n")?;
    let header = |name: &str| {
        let mut lines = text[..head].lines();
        lines.find_map(|line| {
            let (found, value) = line.split_once(": ")?;
            found.eq_ignore_ascii_case(name).then(|| value.to_owned())
        })
    };
    let length: usize = header("content-length")
        .and_then(|value| value.parse().ok())
        .unwrap_or(0);
    let end = head + 4 + length;
    let body = bytes.get(head + 4..end)?;
    let path = text.split(' ').nth(1)?.to_owned();
    Some((
        RecordedRequest {
            path,
            body: serde_json::from_slice(body).unwrap_or(Value::Null),
            key: header("idempotency-key"),
        },
        end,
    ))
}
