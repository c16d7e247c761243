//! A stub behind a proxy that ends TLS: the commands speak https to it, and to nobody whose certificate they can't check.

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};

use super::*;

/// A certificate for 127.0.0.1 of a CA whose own is written to a file.
fn certificate(folder: &Path) -> (ServerConfig, PathBuf) {
    let mut authority = CertificateParams::new(Vec::new()).expect("names");
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority_key = KeyPair::generate().expect("a key");
    let authority_certificate = authority.self_signed(&authority_key).expect("a certificate");
    let file = folder.join("ca.pem");
    std::fs::write(&file, authority_certificate.pem()).expect("written");
    let issuer = Issuer::new(authority, authority_key);
    let key = KeyPair::generate().expect("a key");
    let names = CertificateParams::new(vec!["127.0.0.1".to_owned()]).expect("names");
    let certificate = names.signed_by(&key, &issuer).expect("a certificate");
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_no_client_auth()
        .with_single_cert(
            vec![CertificateDer::from(certificate.der().to_vec())],
            PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der())),
        )
        .expect("its key");
    (config, file)
}

/// Passes one request a connection on to the stub, until the test ends.
fn proxy(config: ServerConfig, to: String) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let url = format!("https://{}", listener.local_addr().expect("an address"));
    let config = Arc::new(config);
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let connection = ServerConnection::new(Arc::clone(&config)).expect("a connection");
            let mut stream = StreamOwned::new(connection, stream.expect("a stream"));
            let mut head = Vec::new();
            let mut byte = [0];
            while !head.ends_with(b"\r\n\r\n") && matches!(stream.read(&mut byte), Ok(1)) {
                head.push(byte[0]);
            }
            // Who does not trust the certificate leaves before it says anything.
            if head.is_empty() {
                continue;
            }
            let mut stub = TcpStream::connect(&to).expect("connects");
            stub.write_all(b"GET /").expect("written");
            let rest = head.strip_prefix(b"GET /").expect("a read");
            let rest = String::from_utf8_lossy(rest).replace("\r\n\r\n", "\r\nconnection: close\r\n\r\n");
            stub.write_all(rest.as_bytes()).expect("written");
            let mut answer = Vec::new();
            stub.read_to_end(&mut answer).expect("an answer");
            stream.write_all(&answer).expect("written");
            stream.conn.send_close_notify();
            stream.flush().expect("written");
        }
    });
    url
}

#[test]
fn a_stub_behind_https_is_worked_by_who_trusts_its_certificate_and_by_nobody_else() {
    let folder = tempfile::tempdir().expect("a folder");
    let (config, authority) = certificate(folder.path());
    let stub = start(&[]);
    let url = proxy(config, stub.address());
    let mut counters = command(&["counters", "--url", &url]);
    let trusting = counters
        .env("SSL_CERT_FILE", authority)
        .output()
        .expect("it runs");
    let said = String::from_utf8_lossy(&trusting.stdout);
    assert!(said.starts_with("mutations total 0\n"), "{trusting:?}");
    let doubting = run(&["counters", "--url", &url]);
    assert_eq!(doubting.status.code(), Some(3), "{doubting:?}");
}
