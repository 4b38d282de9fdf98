//! TLS on the listener (C27).

use crate::fixture::*;
use crate::wire::{FOREVER, Wire, connect_line, dial};
use postroom::server::{ServerError, ServerOptions, TlsOptions};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned, crypto::ring};

const NONE: [&str; 0] = [];

/// An authority that signs certificates for this machine.
struct Authority(CertifiedIssuer<'static, KeyPair>);

impl Authority {
    fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        Authority(CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap())
    }

    fn pem(&self) -> String {
        self.0.pem()
    }

    /// A certificate and its key, PEM.
    fn sign(&self) -> (String, String) {
        let names = vec!["localhost".to_owned(), "127.0.0.1".to_owned()];
        let key = KeyPair::generate().unwrap();
        let certificate = CertificateParams::new(names).unwrap().signed_by(&key, &self.0).unwrap();
        (certificate.pem(), key.serialize_pem())
    }

    fn tls(&self) -> TlsOptions {
        let (certificate, key) = self.sign();
        TlsOptions::new(certificate, key)
    }

    /// The client's side of a handshake, with a certificate of its own or none.
    fn client(&self, own: Option<(String, String)>) -> ClientConnection {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(self.pem().as_bytes()).unwrap()).unwrap();
        let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots);
        let config = match own {
            None => config.with_no_client_auth(),
            Some((certificate, key)) => {
                let chain = vec![CertificateDer::from_pem_slice(certificate.as_bytes()).unwrap()];
                config.with_client_auth_cert(chain, PrivateKeyDer::from_pem_slice(key.as_bytes()).unwrap()).unwrap()
            }
        };
        ClientConnection::new(Arc::new(config), ServerName::try_from("127.0.0.1").unwrap()).unwrap()
    }
}

fn fixture(tls: TlsOptions) -> Fixture {
    Fixture::new(Way::Tcp, ServerOptions::new().tls(tls).ping_interval(SECOND * 10_000).ping_max(1_000))
}

/// The greeting in plain text, byte by byte, so that nothing behind it is taken.
fn greeting(stream: &mut TcpStream) -> serde_json::Value {
    let mut line = Vec::new();
    while !line.ends_with(b"\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte).unwrap();
        line.push(byte[0]);
    }
    serde_json::from_slice(line.strip_prefix(b"INFO ").unwrap()).unwrap()
}

fn dialled(fixture: &Fixture) -> TcpStream {
    dial(fixture.server.address().unwrap())
}

#[test]
fn c27_the_handshake_comes_after_info_and_the_rest_is_as_ever() {
    let authority = Authority::new();
    let fixture = fixture(authority.tls());
    assert!(fixture.server.url().unwrap().starts_with("tls://127.0.0.1:"));
    let mut stream = dialled(&fixture);
    let info = greeting(&mut stream);
    assert_eq!((&info["tls_required"], info.get("tls_verify")), (&true.into(), None), "C2");
    let mut wire = Wire::over(StreamOwned::new(authority.client(None), stream));
    wire.send(connect_line(""));
    assert_eq!(wire.ask("SUB foo 1\r\nPUB foo 2\r\nhi\r\n"), ["MSG foo 1 2|hi"]);
    let large = "x".repeat(300_000);
    fixture.client().publish("foo", large.as_str()).unwrap();
    assert_eq!(wire.flush(), [format!("MSG foo 1 300000|{large}")]);
    // C18: with a proper farewell below.
    fixture.server.shutdown();
    assert_eq!(wire.rest(), NONE);
}

#[test]
fn c27_handshake_first_brings_info_under_tls() {
    let authority = Authority::new();
    let fixture = fixture(authority.tls().handshake_first(true));
    let mut wire = Wire::over(StreamOwned::new(authority.client(None), dialled(&fixture))).connect("");
    assert_eq!(wire.info["tls_required"], true);
    assert_eq!(wire.ask("SUB foo 1\r\nPUB foo 2\r\nhi\r\n"), ["MSG foo 1 2|hi"]);
}

/// C27.
#[test]
fn clients_with_a_certificate_of_the_right_authority_are_let_in_and_no_others() {
    let (authority, stranger) = (Authority::new(), Authority::new());
    let fixture = fixture(authority.tls().verify_clients(authority.pem()));
    let attempt = |own: Option<(String, String)>| {
        let mut stream = dialled(&fixture);
        assert_eq!(greeting(&mut stream)["tls_verify"], true, "C2");
        let mut stream = StreamOwned::new(authority.client(own), stream);
        // With TLS 1.3 a client learns of its refusal only when it reads.
        let line = connect_line("") + "PING\r\n";
        stream.write_all(line.as_bytes()).and_then(|()| stream.flush())?;
        let mut answer = [0; 6];
        stream.read_exact(&mut answer).map(|()| answer)
    };
    assert_eq!(&attempt(Some(authority.sign())).unwrap(), b"PONG\r\n");
    attempt(None).unwrap_err();
    attempt(Some(stranger.sign())).unwrap_err();
    fixture.wait_for_connections(0);
    assert_eq!(fixture.bus.stats().clients, 0);
    // And the next is served as ever.
    assert_eq!(&attempt(Some(authority.sign())).unwrap(), b"PONG\r\n");
}

#[test]
fn a_client_that_trusts_another_authority_goes_away_and_nobody_minds() {
    let (authority, other) = (Authority::new(), Authority::new());
    let fixture = fixture(authority.tls());
    let mut stream = dialled(&fixture);
    greeting(&mut stream);
    let mut stream = StreamOwned::new(other.client(None), stream);
    stream.write_all(b"PING\r\n").and_then(|()| stream.flush()).unwrap_err();
    drop(stream);
    fixture.wait_for_connections(0);
}

#[test]
fn a_handshake_that_never_comes_is_given_up() {
    let authority = Authority::new();
    for first in [false, true] {
        let fixture = fixture(authority.tls().handshake_first(first).timeout(SECOND * 3));
        let mut stream = dialled(&fixture);
        if !first {
            greeting(&mut stream);
        }
        fixture.next_deadline(SECOND * 3..=SECOND * 3);
        // Half a record does not count as a handshake either.
        stream.write_all(&[0x16, 3, 1]).unwrap();
        fixture.clock.advance(SECOND * 3 - std::time::Duration::from_nanos(1));
        assert_eq!(fixture.connections(), 1);
        fixture.clock.advance(std::time::Duration::from_nanos(1));
        fixture.wait_for_connections(0);
        assert!(matches!(stream.read(&mut [0]), Ok(0) | Err(_)));
    }
}

#[test]
fn a_plain_client_on_a_tls_port_is_sent_away() {
    let authority = Authority::new();
    for first in [false, true] {
        let fixture = fixture(authority.tls().handshake_first(first));
        let mut stream = dialled(&fixture);
        if !first {
            greeting(&mut stream);
        }
        stream.write_all(b"CONNECT {}\r\nSUB foo 1\r\nPING\r\n").unwrap();
        fixture.wait_for_connections(0);
        assert!(!fixture.bus.has_interest("foo"));
        // A TLS alert at most, and the end.
        let mut rest = Vec::new();
        let _ = stream.read_to_end(&mut rest);
        assert!(!rest.windows(4).any(|four| four == b"PONG"), "{}", rest.escape_ascii());
    }
}

#[test]
fn shutdown_does_not_wait_for_handshakes() {
    let authority = Authority::new();
    let fixture = fixture(authority.tls());
    let mut stream = dialled(&fixture);
    greeting(&mut stream);
    assert_eq!(fixture.connections(), 1);
    fixture.server.shutdown();
    assert_eq!(fixture.connections(), 0);
    stream.set_read_timeout(Some(FOREVER)).unwrap();
    assert!(matches!(stream.read(&mut [0]), Ok(0) | Err(_)));
}

#[test]
fn pipes_need_no_tls() {
    let authority = Authority::new();
    let fixture = fixture(authority.tls());
    let mut wire = Wire::pipe(fixture.server.pipe()).connect("");
    // C4.
    assert_eq!(wire.info.get("tls_required"), None);
    assert_eq!(wire.info["tls_available"], true);
    assert_eq!(wire.flush(), NONE);
}

#[test]
fn a_connection_limit_holds_under_tls_too() {
    let authority = Authority::new();
    let options = ServerOptions::new().tls(authority.tls()).max_connections(1);
    let fixture = Fixture::new(Way::Tcp, options);
    let mut first = dialled(&fixture);
    greeting(&mut first);
    let mut second = dialled(&fixture);
    let mut told = String::new();
    second.read_to_string(&mut told).unwrap();
    // L6: INFO, the text, the end, and no handshake.
    assert!(told.starts_with("INFO {") && told.ends_with("\r\n-ERR 'maximum connections exceeded'\r\n"), "{told}");
}

#[test]
fn certificates_that_cannot_be_used_are_a_typed_error() {
    let bus = postroom::Bus::new();
    let authority = Authority::new();
    let (certificate, key) = authority.sign();
    let (_, other_key) = authority.sign();
    for (tls, what) in [
        (TlsOptions::new("", key.clone()), "certificate"),
        (TlsOptions::new("nonsense", key.clone()), "certificate"),
        (TlsOptions::new(certificate.clone(), ""), "key"),
        (TlsOptions::new(certificate.clone(), other_key), "key"),
        (TlsOptions::new(certificate, key).verify_clients(""), "authorities"),
    ] {
        let error = postroom::Server::builder(&bus).options(ServerOptions::new().tls(tls)).build().unwrap_err();
        assert!(matches!(&error, ServerError::Tls(text) if text.contains(what)), "{error}");
    }
}
