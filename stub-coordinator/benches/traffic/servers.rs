//! The two servers that are compared, each in a process of its own: this program, started again.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use axum::extract::Path;
use axum::routing::post;
use axum::{Json, Router};
use serde::{Deserialize, Serialize};
use stub_coordinator::{NewJob, Stub, StubConfig};

/// How many jobs the stub holds.
pub(crate) const JOBS: usize = 1_000;

/// Which server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// The stub, with journal, counters and digests, and with jobs in its queue.
    Stub,
    /// The stub without a job.
    IdleStub,
    /// A bare axum route that reads the same requests and writes answers of the same shape.
    Bare,
}

/// A server that runs; it ends when this is dropped.
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    child: Child,
}

impl Kind {
    fn flag(self) -> &'static str {
        match self {
            Kind::Stub => "--serve-stub",
            Kind::IdleStub => "--serve-idle-stub",
            Kind::Bare => "--serve-bare",
        }
    }

    pub(crate) fn served_by(argument: &str) -> Option<Kind> {
        [Kind::Stub, Kind::IdleStub, Kind::Bare]
            .into_iter()
            .find(|kind| kind.flag() == argument)
    }
}

impl Server {
    pub(crate) fn start(kind: Kind) -> io::Result<Server> {
        let mut child = Command::new(std::env::current_exe()?)
            .arg(kind.flag())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let mut line = String::new();
        if let Some(stdout) = child.stdout.take() {
            BufReader::new(stdout).read_line(&mut line)?;
        }
        let address = line.trim().parse().map_err(io::Error::other)?;
        Ok(Server { address, child })
    }

    /// Takes the lease that the renewals of the load are for.
    pub(crate) fn claim(&self) -> io::Result<()> {
        self.ask(
            "POST",
            "/v1/claims",
            r#"{"factoryId":"bench","caps":["engine:sh"]}"#,
        )
        .map(drop)
    }

    /// The processor time that the server's process has taken, in the ticks in which the kernel counts it.
    pub(crate) fn ticks(&self) -> io::Result<u64> {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.child.id()))?;
        // Behind the name, which may hold anything: the 12th and 13th field are user and system time.
        let fields = stat.rsplit_once(')').map_or("", |(_, fields)| fields);
        let times: Option<u64> = fields
            .split_whitespace()
            .skip(11)
            .take(2)
            .map(|field| field.parse::<u64>().ok())
            .sum();
        times.ok_or_else(|| io::Error::other("the kernel tells no processor time"))
    }

    /// Memory of the server's process that is resident.
    pub(crate) fn resident_mib(&self) -> io::Result<f64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id()))?;
        let kib = status.lines().find_map(|line| {
            line.strip_prefix("VmRSS:")?
                .trim()
                .strip_suffix(" kB")?
                .parse::<f64>()
                .ok()
        });
        kib.map(|kib| kib / 1_024.0)
            .ok_or_else(|| io::Error::other("the kernel tells no VmRSS"))
    }

    fn ask(&self, method: &str, path: &str, body: &str) -> io::Result<String> {
        let mut stream = TcpStream::connect(self.address)?;
        stream.write_all(&request(method, path, body, "close"))?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        match answer.starts_with("HTTP/1.1 2") {
            true => Ok(answer),
            false => Err(io::Error::other(answer)),
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // End of input ends it.
        drop(self.child.stdin.take());
        let _ = self.child.wait();
    }
}

/// From starting the process to having its first answer.
pub(crate) fn time_to_first_answer(kind: Kind) -> io::Result<Duration> {
    let start = Instant::now();
    let server = Server::start(kind)?;
    server.ask("POST", "/v1/shadow/claims", SHADOW_CLAIM)?;
    Ok(start.elapsed())
}

const SHADOW_CLAIM: &str = r#"{"factoryId":"bench","caps":["engine:sh","region:eu"],"shadow":1}"#;
const RENEWAL: &str = r#"{"factoryId":"bench","fencingToken":1}"#;

/// The requests of the load: a dry run, and one that changes real state.
pub(crate) fn requests() -> [(&'static str, Vec<u8>); 2] {
    [
        (
            "shadow.claim",
            request("POST", "/v1/shadow/claims", SHADOW_CLAIM, "keep-alive"),
        ),
        (
            "lease.renew",
            request("POST", "/v1/leases/lease-1/renew", RENEWAL, "keep-alive"),
        ),
    ]
}

fn request(method: &str, path: &str, body: &str, connection: &str) -> Vec<u8> {
    format!(
        "{method} {path} HTTP/1.1\r\nhost: 127.0.0.1\r\nconnection: {connection}\r\naccept: application/json\r\n\
         user-agent: aq/0.1\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    )
    .into_bytes()
}

/// Serves until standard input ends.
pub(crate) fn serve(kind: Kind) -> io::Result<()> {
    match kind {
        Kind::Stub | Kind::IdleStub => {
            let jobs = if kind == Kind::Stub { JOBS } else { 0 };
            let jobs = (0..jobs)
                .map(|number| NewJob::named(&format!("job-{number}"), "sh"))
                .collect();
            // A lease that outlives the measurement.
            let config = StubConfig {
                jobs,
                lease_ms: 86_400_000,
                ..StubConfig::default()
            };
            let stub = Stub::start(config).map_err(io::Error::other)?;
            until_told(stub.address())
        }
        Kind::Bare => {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()?;
            let listener = runtime.block_on(tokio::net::TcpListener::bind("127.0.0.1:0"))?;
            let address = listener.local_addr()?;
            std::thread::spawn(move || {
                use axum::serve::ListenerExt;
                let listener = listener.tap_io(|stream| {
                    let _ = stream.set_nodelay(true);
                });
                runtime.block_on(async move { axum::serve(listener, bare()).await })
            });
            until_told(address)
        }
    }
}

fn until_told(address: SocketAddr) -> io::Result<()> {
    println!("{address}");
    io::stdin().read_to_end(&mut Vec::new()).map(drop)
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Ask {
    factory_id: String,
    caps: Vec<String>,
    shadow: u8,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Renewal {
    factory_id: String,
    fencing_token: u64,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Offer {
    dry_run: bool,
    job: Job,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Job {
    id: String,
    engine: &'static str,
    yolo: bool,
    priority: i32,
    caps: Vec<String>,
    review: bool,
    retries: u32,
    body: &'static str,
    stage: &'static str,
    submitted_at: &'static str,
    attempts: u32,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Lease {
    id: String,
    job_id: &'static str,
    factory_id: String,
    fencing_token: u64,
    ttl_ms: u64,
    expires_at: &'static str,
}

/// Routes that read and write what the stub does, and think of nothing.
fn bare() -> Router {
    Router::new()
        .route("/v1/shadow/claims", post(offer))
        .route("/v1/leases/{id}/renew", post(renew))
}

async fn offer(Json(ask): Json<Ask>) -> Json<Offer> {
    Json(Offer {
        dry_run: ask.shadow == 1 && !ask.factory_id.is_empty(),
        job: Job {
            id: "job-1".to_owned(),
            engine: "sh",
            yolo: false,
            priority: 0,
            caps: ask.caps.into_iter().filter(|cap| cap.is_empty()).collect(),
            review: false,
            retries: 0,
            body: "",
            stage: "queued",
            submitted_at: "2026-01-01T00:00:00.000Z",
            attempts: 0,
        },
    })
}

async fn renew(Path(id): Path<String>, Json(renewal): Json<Renewal>) -> Json<serde_json::Value> {
    let lease = Lease {
        id,
        job_id: "job-0",
        factory_id: renewal.factory_id,
        fencing_token: renewal.fencing_token,
        ttl_ms: 86_400_000,
        expires_at: "2026-01-01T00:00:00.000Z",
    };
    Json(serde_json::json!({ "lease": lease }))
}
