//! Who lets the bridge in: TLS, nkeys, and servers that want neither.

use crate::fixture::{PATIENCE, Remote, bus, start, text};
use crate::support::nats_server::{self, NatsServer};
use postroom::bridge::{Bridge, StartError};
use std::fs;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

/// Files in the target directory, taken away at the end.
struct Files(PathBuf);

impl Files {
    fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let name = format!("bridge-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let folder = nats_server::target().join(name);
        fs::create_dir_all(&folder).unwrap();
        Files(folder)
    }

    fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.0.join(name);
        fs::write(&path, text).unwrap();
        path
    }
}

impl Drop for Files {
    fn drop(&mut self) {
        // What can't be taken away is in the target directory anyhow.
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn tls() -> (Files, String, PathBuf) {
    let files = Files::new();
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned(), "127.0.0.1".to_owned()]).unwrap();
    let certificate = files.write("cert.pem", &made.cert.pem());
    let key = files.write("key.pem", &made.signing_key.serialize_pem());
    let config = format!("tls {{ cert_file: {certificate:?}, key_file: {key:?} }}");
    (files, config, certificate)
}

#[test]
fn a_server_behind_tls() {
    let (_files, config, certificate) = tls();
    let (server, bus) = (NatsServer::start(&config), bus());
    let options = || async_nats::ConnectOptions::new().add_root_certificates(certificate.clone()).require_tls(true);
    let remote = Remote::connect_with(&server.url(), options());
    let mut all = remote.subscribe("a");
    let bridge = start(Bridge::builder(&bus).server(server.url()).connect_options(options()).export("a"));
    bus.connect().publish("a", "safe").unwrap();
    bridge.flush(PATIENCE).wait().unwrap();
    assert_eq!(text(&all.next()), "safe");
    // Not known to who has not been told of it.
    let stranger = Bridge::builder(&bus).server(server.url()).require_connected(Duration::from_secs(1)).start();
    let Err(StartError::NotConnected { reason, .. }) = stranger else { panic!("{stranger:?}") };
    assert!(reason.contains("certificate"), "{reason}");
}

#[test]
fn an_nkey_opens_the_door_and_another_does_not() {
    let (known, unknown) = (nkeys::KeyPair::new_user(), nkeys::KeyPair::new_user());
    let config = format!("authorization {{ users: [ {{ nkey: {} }} ] }}", known.public_key());
    let (server, bus) = (NatsServer::start(&config), bus());
    let builder = |pair: &nkeys::KeyPair| {
        let options = async_nats::ConnectOptions::with_nkey(pair.seed().unwrap());
        Bridge::builder(&bus).server(server.url()).connect_options(options).require_connected(PATIENCE)
    };
    let _in = builder(&known).start().unwrap();
    let refused = builder(&unknown).start();
    assert!(matches!(refused, Err(StartError::Refused { .. })), "{refused:?}");
}
