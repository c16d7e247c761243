//! A coordinator behind a certificate of a private CA: spoken with if AQ_FLEET_CA names that CA, and told nothing at all
//! otherwise.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};

use crate::queue_fixture::QueueFixture;

struct Coordinator {
    url: String,
    /// The first line of each request that got through.
    told: Receiver<String>,
}

/// Its certificate is for `name`, of a CA whose certificate is written to `ca.pem`.
fn coordinator(fixture: &QueueFixture, name: &str) -> Coordinator {
    let mut authority = CertificateParams::new(Vec::new()).unwrap();
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority_key = KeyPair::generate().unwrap();
    let authority_certificate = authority.self_signed(&authority_key).unwrap();
    std::fs::write(fixture.path("ca.pem"), authority_certificate.pem()).unwrap();
    let issuer = Issuer::new(authority, authority_key);
    let key = KeyPair::generate().unwrap();
    let certificate = CertificateParams::new(vec![name.to_owned()])
        .unwrap()
        .signed_by(&key, &issuer)
        .unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(
            vec![CertificateDer::from(certificate.der().to_vec())],
            PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der())),
        )
        .unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("https://{}", listener.local_addr().unwrap());
    let (tell, told) = channel();
    std::thread::spawn(move || serve(&listener, &Arc::new(config), &tell));
    Coordinator { url, told }
}

fn serve(listener: &TcpListener, config: &Arc<ServerConfig>, tell: &Sender<String>) {
    for stream in listener.incoming() {
        let connection = ServerConnection::new(Arc::clone(config)).unwrap();
        let mut stream = StreamOwned::new(connection, stream.unwrap());
        let mut head = Vec::new();
        let mut byte = [0];
        while !head.ends_with(b"\r\n\r\n") && matches!(stream.read(&mut byte), Ok(1)) {
            head.push(byte[0]);
        }
        let Some(line) = String::from_utf8_lossy(&head).lines().next().map(str::to_owned) else {
            continue;
        };
        let body = match line.contains("/v1/health") {
            true => r#"{"status":"ok","serverTime":"x"}"#,
            false => r#"{"jobs":[]}"#,
        };
        let length = body.len();
        let _ = tell.send(line);
        let _ = write!(
            stream,
            "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{body}"
        );
        stream.conn.send_close_notify();
        let _ = stream.flush();
    }
}

/// What `aq fleet-status` comes to: its exit code and what it says.
fn contact(fixture: &QueueFixture, url: &str, ca: Option<&str>) -> (i32, String) {
    let mut variables = vec![
        ("AQ_FLEET", "1"),
        ("AQ_FLEET_URL", url),
        ("AQ_FLEET_TOKEN", "sesame"),
    ];
    variables.extend(ca.map(|ca| ("AQ_FLEET_CA", ca)));
    let done = fixture.aq_with(&variables, &["fleet-status"]);
    (done.code, format!("{}{}", done.stdout, done.stderr))
}

#[test]
fn a_private_ca_is_trusted_where_it_is_named_and_nowhere_else() {
    let fixture = QueueFixture::new();
    let coordinator = coordinator(&fixture, "127.0.0.1");
    let (code, said) = contact(&fixture, &coordinator.url, None);
    assert_eq!(code, 1, "{said}");
    assert_eq!(coordinator.told.try_iter().count(), 0, "{said}");
    let ca = fixture.path("ca.pem");
    let (code, said) = contact(&fixture, &coordinator.url, ca.to_str());
    assert_eq!(code, 0, "{said}");
    let told: Vec<String> = coordinator.told.try_iter().collect();
    assert_eq!(told, ["GET /v1/health HTTP/1.1", "GET /v1/jobs?limit=1 HTTP/1.1"]);
}

#[test]
fn a_ca_of_ones_own_is_trusted_besides_those_of_the_system() {
    let fixture = QueueFixture::new();
    let theirs = coordinator(&fixture, "127.0.0.1");
    let system = fixture.path("system.pem");
    std::fs::rename(fixture.path("ca.pem"), &system).unwrap();
    // Another CA, that signed nothing of this coordinator's.
    coordinator(&fixture, "127.0.0.1");
    let own = fixture.path("ca.pem");
    let contact = |system: &str| {
        let variables = [
            ("AQ_FLEET", "1"),
            ("AQ_FLEET_URL", theirs.url.as_str()),
            ("AQ_FLEET_CA", own.to_str().unwrap()),
            ("SSL_CERT_FILE", system),
        ];
        fixture.aq_with(&variables, &["fleet-status"])
    };
    let refused = contact(own.to_str().unwrap());
    assert_eq!(
        (refused.code, theirs.told.try_iter().count()),
        (1, 0),
        "{refused:?}"
    );
    let done = contact(system.to_str().unwrap());
    assert_eq!((done.code, theirs.told.try_iter().count()), (0, 2), "{done:?}");
}

#[test]
fn a_ca_that_is_the_only_one_takes_the_place_of_those_of_the_system() {
    let fixture = QueueFixture::new();
    let theirs = coordinator(&fixture, "127.0.0.1");
    let system = fixture.path("system.pem");
    std::fs::rename(fixture.path("ca.pem"), &system).unwrap();
    let ours = coordinator(&fixture, "127.0.0.1");
    let own = fixture.path("ca.pem");
    let contact = |of: &Coordinator, only: &[(&str, &str)]| {
        let mut variables = vec![
            ("AQ_FLEET", "1"),
            ("AQ_FLEET_URL", of.url.as_str()),
            ("AQ_FLEET_CA", own.to_str().unwrap()),
            ("SSL_CERT_FILE", system.to_str().unwrap()),
        ];
        variables.extend(only);
        let done = fixture.aq_with(&variables, &["fleet-status"]);
        (done.code, of.told.try_iter().count())
    };
    let only = [("AQ_FLEET_CA_ONLY", "1")];
    assert_eq!(contact(&theirs, &[]), (0, 2));
    assert_eq!(contact(&theirs, &only), (1, 0), "a CA of the system's signed it");
    assert_eq!(contact(&ours, &only), (0, 2));
    assert_eq!(contact(&theirs, &[("AQ_FLEET_CA_ONLY", "0")]), (0, 2));
    assert_eq!(fixture.aq(&["init"]).code, 0);
    std::fs::write(fixture.queue("aq.toml"), "[fleet]\nca_only = true\n").unwrap();
    assert_eq!(contact(&theirs, &[]), (1, 0), "aq.toml says it too");
    let shown = fixture.aq_with(&[("AQ_FLEET_CA", own.to_str().unwrap())], &["fleet-status"]);
    assert!(
        shown.stdout.contains(&format!("{}, and no other", own.display())),
        "{shown:?}"
    );
}

#[test]
fn to_trust_no_ca_but_one_that_is_not_named_stops_the_command() {
    let fixture = QueueFixture::new();
    let fleet = [("AQ_FLEET", "1"), ("AQ_FLEET_URL", "https://127.0.0.1:9")];
    for (value, words) in [("1", "AQ_FLEET_CA="), ("only", "use 0 or 1")] {
        let variables: Vec<_> = fleet.into_iter().chain([("AQ_FLEET_CA_ONLY", value)]).collect();
        let done = fixture.aq_with(&variables, &["fleet-status"]);
        assert_eq!(done.code, 2, "{done:?}");
        assert!(
            done.stderr.contains("AQ_FLEET_CA_ONLY") && done.stderr.contains(words),
            "{done:?}"
        );
    }
    let off = fixture.aq_with(&[("AQ_FLEET_CA_ONLY", "1")], &["fleet-status"]);
    assert_eq!(off.code, 0, "{off:?}");
}

#[test]
fn a_certificate_for_another_host_is_refused_whoever_signed_it() {
    let fixture = QueueFixture::new();
    let coordinator = coordinator(&fixture, "elsewhere.example");
    let ca = fixture.path("ca.pem");
    let (code, said) = contact(&fixture, &coordinator.url, ca.to_str());
    assert_eq!(code, 1, "{said}");
    assert_eq!(coordinator.told.try_iter().count(), 0, "{said}");
}

#[test]
fn a_file_that_holds_no_certificate_is_named_with_what_to_give_instead() {
    let fixture = QueueFixture::new();
    let nothing = fixture.path("nothing.pem");
    std::fs::write(&nothing, "no certificate\n").unwrap();
    let (code, said) = contact(&fixture, "https://127.0.0.1:9", nothing.to_str());
    assert_ne!(code, 0, "{said}");
    assert!(said.contains("AQ_FLEET_CA") && said.contains("PEM"), "{said}");
    let (code, said) = contact(
        &fixture,
        "https://127.0.0.1:9",
        fixture.path("nowhere.pem").to_str(),
    );
    assert_eq!(code, 2, "{said}");
    assert!(
        said.contains("AQ_FLEET_CA") && said.contains("nowhere.pem"),
        "{said}"
    );
}
