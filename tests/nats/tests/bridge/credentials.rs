//! The bridge's credentials: TLS, nkeys, tokens, and users that an operator's account has signed.

use crate::fixture::{PATIENCE, Remote, Restartable, bus, event, start, text, wait_until};
use crate::operator::{self, Operator};
use crate::support::nats_server::{self, NatsServer};
use postroom::Bridge;
use postroom::bridge::{BridgeEvent, BridgeState, StartError};
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
        // A file that can't be removed is in the target directory anyhow.
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
    // A bridge that has not been given the certificate does not know it.
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

#[test]
fn a_token_opens_the_door_in_the_options_or_in_the_url() {
    let (server, bus) = (NatsServer::start("authorization { token: right }"), bus());
    let builder = |token: &str| {
        let options = async_nats::ConnectOptions::with_token(token.to_owned());
        Bridge::builder(&bus).server(server.url()).connect_options(options).require_connected(PATIENCE)
    };
    let _in = builder("right").start().unwrap();
    let refused = builder("wrong").start();
    assert!(matches!(refused, Err(StartError::Refused { .. })), "{refused:?}");
    let by_url = |token: &str| {
        let url = server.url().replace("nats://", &format!("nats://{token}@"));
        Bridge::builder(&bus).server(url).require_connected(PATIENCE)
    };
    let _in = by_url("right").start().unwrap();
    let refused = by_url("wrong").start();
    assert!(matches!(refused, Err(StartError::Refused { .. })), "{refused:?}");
}

fn with_creds(bus: &postroom::Bus, url: String, creds: &str) -> postroom::bridge::BridgeBuilder {
    let options = async_nats::ConnectOptions::with_credentials(creds).unwrap();
    Bridge::builder(bus).server(url).connect_options(options)
}

#[test]
fn a_creds_file_opens_the_door() {
    let operator = Operator::new();
    let (server, bus, files) = (NatsServer::start(&operator.config(&[])), bus(), Files::new());
    let file = files.write("user.creds", &operator.user(None).creds());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let bridge = runtime.block_on(async {
        let options = async_nats::ConnectOptions::with_credentials_file(&file).await.unwrap();
        let builder = Bridge::builder(&bus).server(server.url()).connect_options(options).export("a");
        builder.require_connected(PATIENCE).start_async().await.unwrap()
    });
    let other = operator.user(None).creds();
    let remote = Remote::connect_with(&server.url(), async_nats::ConnectOptions::with_credentials(&other).unwrap());
    let mut all = remote.subscribe("a");
    bus.connect().publish("a", "signed").unwrap();
    bridge.flush(PATIENCE).wait().unwrap();
    assert_eq!(text(&all.next()), "signed");
}

#[test]
fn a_user_that_is_not_the_accounts_is_refused() {
    let operator = Operator::new();
    let user = operator.user(None);
    let revoked = operator.user(None);
    let server = NatsServer::start(&operator.config(&[revoked.public_key()]));
    let bus = bus();
    let _in = start(with_creds(&bus, server.url(), &user.creds()));
    let strangers = [
        ("expired", operator.user(Some(operator::now() - 1)).creds()),
        ("revoked", revoked.creds()),
        ("of another operator", Operator::new().user(None).creds()),
        ("signed with another's key", user.creds_signed_by(&nkeys::KeyPair::new_user())),
    ];
    for (what, creds) in strangers {
        let refused = with_creds(&bus, server.url(), &creds).require_connected(PATIENCE).start();
        assert!(matches!(refused, Err(StartError::Refused { .. })), "{what}: {refused:?}");
    }
}

#[test]
fn a_user_that_expires_is_told_of_and_does_not_come_back() {
    let operator = Operator::new();
    let (server, bus) = (NatsServer::start(&operator.config(&[])), bus());
    // Claims count in whole seconds: one that is over in the next may be over at once.
    let creds = operator.user(Some(operator::now() + 2)).creds();
    let builder = with_creds(&bus, server.url(), &creds).reconnect_delay(|_| Duration::from_millis(10));
    let bridge = builder.start().unwrap();
    let events = bridge.events();
    event(&events, |event| matches!(event, BridgeEvent::Connected { .. }).then_some(()));
    let complaint = event(&events, |event| match event {
        BridgeEvent::ServerError { text } => Some(text),
        _ => None,
    });
    assert!(complaint.to_lowercase().contains("expired"), "{complaint}");
    event(&events, |event| (event == BridgeEvent::Disconnected).then_some(()));
    event(&events, |event| matches!(event, BridgeEvent::ConnectFailed { .. }).then_some(()));
    // Within that second the server lets it in and out again; then not even that.
    wait_until("it is refused", || match bridge.state() {
        BridgeState::Disconnected { reason: Some(reason) } => reason.contains("authorization violation"),
        _ => false,
    });
}

#[test]
fn a_user_that_is_revoked_while_the_server_is_away_does_not_come_back() {
    let operator = Operator::new();
    let user = operator.user(None);
    let (mut server, bus) = (Restartable::start(&operator.config(&[])), bus());
    let bridge = start(with_creds(&bus, server.url(), &user.creds()).export("a"));
    let events = bridge.events();
    server.kill();
    server.restart_with(&operator.config(&[user.public_key()]));
    // While the server is down there is another reason; the state has the last one.
    wait_until("it is refused", || match bridge.state() {
        BridgeState::Disconnected { reason: Some(reason) } => reason.contains("authorization violation"),
        _ => false,
    });
    event(&events, |event| matches!(event, BridgeEvent::ConnectFailed { .. }).then_some(()));
    assert_eq!(bus.connect().publish("a", "later").unwrap(), 1, "it waits in the buffer");
    assert_eq!((bridge.stats().connects, bridge.stats().outgoing.queued), (1, 1));
}
