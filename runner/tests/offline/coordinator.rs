//! A coordinator of a few lines for what a test has to meet halfway: it has one job, and tells of every request.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

pub const WAIT_MAX: Duration = Duration::from_secs(30);

/// Status and body for a request, by its path and what was sent; none: the honest answer.
/// The `Idempotency-Key` is among what was sent, as `key`.
type Answer = Box<dyn Fn(&str, &Value) -> Option<(u16, Value)> + Send + Sync>;

pub struct Coordinator {
    pub url: String,
    told: Receiver<String>,
}

struct Shared {
    job: Mutex<Option<Value>>,
    answer: Answer,
    tell: Sender<String>,
}

impl Coordinator {
    /// A `date` in an answer is sent as the header `Date` as well.
    ///
    /// Hands the job out once, with fencing token 7 and a lease of a minute.
    pub fn with(
        job: Value,
        answer: impl Fn(&str, &Value) -> Option<(u16, Value)> + Send + Sync + 'static,
    ) -> Coordinator {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let (tell, told) = channel();
        let shared = Arc::new(Shared {
            job: Mutex::new(Some(job)),
            answer: Box::new(answer),
            tell,
        });
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let shared = Arc::clone(&shared);
                std::thread::spawn(move || serve(stream.unwrap(), &shared));
            }
        });
        Coordinator { url, told }
    }

    /// What makes a factory take its work from here.
    pub fn route(&self) -> [(&str, &str); 4] {
        [
            ("AQ_FLEET", "1"),
            ("AQ_FLEET_ROUTE", "1"),
            ("AQ_FLEET_URL", &self.url),
            ("AQ_FACTORY_ID", "forge"),
        ]
    }

    /// The next request.
    pub fn next(&self) -> String {
        self.told.recv_timeout(WAIT_MAX).unwrap()
    }

    /// A request that was not waited for.
    pub fn late(&self) -> Option<String> {
        self.told.try_recv().ok()
    }

    /// Waits for a request: `claims`, `renew`, `release`, `quarantine`, or the stage that is reported.
    pub fn wait_for(&self, what: &str) {
        let ends = Instant::now() + WAIT_MAX;
        loop {
            let next = self
                .told
                .recv_timeout(ends.saturating_duration_since(Instant::now()));
            if next.unwrap_or_else(|_| panic!("no {what} came")) == what {
                return;
            }
        }
    }
}

fn serve(mut stream: TcpStream, shared: &Shared) {
    while let Some((path, body)) = request(&mut stream) {
        let verb = path.rsplit('/').next().unwrap().to_owned();
        let what = body["stage"].as_str().map_or(verb.clone(), str::to_owned);
        let (status, answer) = (shared.answer)(&path, &body).unwrap_or_else(|| shared.honest(&verb, &body));
        // Told before it is answered, so that what follows from the answer comes later.
        let _ = shared.tell.send(what);
        let text = if status == 204 {
            String::new()
        } else {
            answer.to_string()
        };
        let kind = if status < 300 {
            "application/json"
        } else {
            "application/problem+json"
        };
        let date = answer["date"].as_str();
        let date = date.map_or(String::new(), |date| format!("date: {date}\r\n"));
        let head = format!(
            "HTTP/1.1 {status} X\r\n{date}content-type: {kind}\r\ncontent-length: {}\r\n\r\n",
            text.len()
        );
        if stream.write_all(format!("{head}{text}").as_bytes()).is_err() {
            return;
        }
    }
}

impl Shared {
    fn honest(&self, verb: &str, body: &Value) -> (u16, Value) {
        let lease = |job: &Value| {
            json!({"id": "lease-1", "jobId": job["id"], "factoryId": "forge", "fencingToken": 7, "ttlMs": 60_000,
                   "expiresAt": "2026-03-02T09:30:45.250Z"})
        };
        match verb {
            "claims" => match self.job.lock().unwrap().take() {
                Some(job) => {
                    let lease = lease(&job);
                    (200, json!({"job": job, "lease": lease}))
                }
                None => (204, Value::Null),
            },
            "reports" => (
                202,
                json!({"accepted": true, "stage": body["stage"], "instructions": []}),
            ),
            "renew" => (200, json!({"lease": lease(&json!({"id": "a"}))})),
            "quarantine" => (202, json!({"stage": "quarantined", "recorded": true})),
            _ => (200, json!({"stage": "queued"})),
        }
    }
}

fn request(stream: &mut TcpStream) -> Option<(String, Value)> {
    let mut bytes = Vec::new();
    let mut chunk = [0; 4096];
    loop {
        let text = String::from_utf8_lossy(&bytes).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head.lines().find_map(|line| {
                let (name, value) = line.split_once(':')?;
                (name.eq_ignore_ascii_case("content-length")).then(|| value.trim().parse().unwrap())
            });
            if body.len() >= length.unwrap_or(0) {
                let path = head.split(' ').nth(1)?.to_owned();
                let mut body: Value = serde_json::from_str(body).unwrap_or(Value::Null);
                let key = head.lines().find_map(|line| {
                    let (name, value) = line.split_once(':')?;
                    name.eq_ignore_ascii_case("idempotency-key").then(|| value.trim())
                });
                if let (Some(key), Some(body)) = (key, body.as_object_mut()) {
                    body.insert("key".to_owned(), key.into());
                }
                return Some((path, body));
            }
        }
        match stream.read(&mut chunk) {
            Ok(0) | Err(_) => return None,
            Ok(read) => bytes.extend_from_slice(&chunk[..read]),
        }
    }
}
