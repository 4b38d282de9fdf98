//! The servers, started alike.

use crate::support::nats_server::NatsServer;
use postroom::jetstream::{JetStreamOptions, JetStreamServer};
use postroom::server::{ServerOptions, TlsOptions, User};
use postroom::{Bus, Permissions, Server};
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

/// The options that a server is started with; by default, open to all.
#[derive(Default)]
pub(crate) struct Setup {
    /// `ann` with the password `secret`, whose permissions are to publish and subscribe to `ok.>` and inboxes only; `root`
    /// with the password `everything`.
    pub(crate) users: bool,
    pub(crate) token: Option<&'static str>,
    /// The public key of the only user.
    pub(crate) nkey: Option<String>,
    pub(crate) tls: Option<Tls>,
    pub(crate) max_payload: Option<usize>,
    pub(crate) max_connections: Option<usize>,
    pub(crate) jetstream: bool,
}

pub(crate) struct Tls {
    /// Where the certificates are.
    pub(crate) files: Certificates,
    pub(crate) verify_clients: bool,
    pub(crate) handshake_first: bool,
}

pub(crate) trait AnyServer: Send + Sync + 'static {
    fn start(setup: &Setup) -> Self;

    fn url(&self) -> String;

    /// Ends it with all its connections, and begins anew on the same port.
    fn restart(&mut self);

    fn lame_duck(&self);
}

const ALLOWED: [&str; 2] = ["ok.>", "_INBOX.>"];

/// Ours, on a bus of its own.
pub(crate) struct Postroom {
    server: Server,
    _streams: Option<JetStreamServer>,
}

impl AnyServer for Postroom {
    fn start(setup: &Setup) -> Self {
        let mut options = ServerOptions::new();
        if setup.users {
            let allowed = ALLOWED.iter().fold(Permissions::new(), |permissions, pattern| {
                permissions.allow_publish(pattern).unwrap().allow_subscribe(pattern).unwrap()
            });
            options =
                options.user(User::new("ann", "secret").permissions(allowed)).user(User::new("root", "everything"));
        }
        options = setup.token.into_iter().fold(options, ServerOptions::token);
        options = setup.nkey.iter().fold(options, |options, key| options.user(User::nkey(key)));
        options = setup.max_payload.into_iter().fold(options, ServerOptions::max_payload);
        options = setup.max_connections.into_iter().fold(options, ServerOptions::max_connections);
        if let Some(tls) = &setup.tls {
            let read = |path: PathBuf| fs::read(path).expect("written before");
            let mut made = TlsOptions::new(read(tls.files.server_certificate()), read(tls.files.server_key()));
            made = made.handshake_first(tls.handshake_first);
            made = if tls.verify_clients { made.verify_clients(read(tls.files.authority())) } else { made };
            options = options.tls(made);
        }
        let bus = Bus::new();
        let streams = || JetStreamServer::start(&bus, JetStreamOptions::new()).expect("it starts");
        let streams = setup.jetstream.then(streams);
        let server = Server::builder(&bus).options(options).bind("127.0.0.1:0").expect("it starts");
        Postroom { server, _streams: streams }
    }

    fn url(&self) -> String {
        self.server.url().expect("it listens")
    }

    fn restart(&mut self) {
        self.server.restart().expect("it starts again");
    }

    fn lame_duck(&self) {
        self.server.lame_duck();
    }
}

/// The real one.
pub(crate) struct RealServer {
    /// `None` only while it restarts.
    server: Option<NatsServer>,
    config: String,
    /// Of its streams.
    folder: Option<PathBuf>,
}

impl RealServer {
    fn server(&self) -> &NatsServer {
        self.server.as_ref().expect("it runs")
    }
}

impl AnyServer for RealServer {
    fn start(setup: &Setup) -> Self {
        static MADE: AtomicU32 = AtomicU32::new(0);
        let mut config = config(setup);
        let folder = setup.jetstream.then(|| {
            let name = format!("streams-{}-{}", std::process::id(), MADE.fetch_add(1, Ordering::Relaxed));
            Path::new(env!("CARGO_TARGET_TMPDIR")).join(name)
        });
        if let Some(folder) = &folder {
            writeln!(config, "jetstream {{ store_dir: {folder:?} }}").expect("a string");
        }
        RealServer { server: Some(NatsServer::start(&config)), config, folder }
    }

    fn url(&self) -> String {
        self.server().url()
    }

    fn restart(&mut self) {
        let port = self.server().port().to_string();
        // Ended before the next one starts, which needs its port.
        self.server = None;
        self.server = Some(NatsServer::start_with(&self.config, &["--port", &port]));
    }

    fn lame_duck(&self) {
        let pid = self.server().pid().to_string();
        let done = Command::new("kill").args(["-USR2", &pid]).status().expect("kill runs");
        assert!(done.success(), "the signal was not sent");
    }
}

impl Drop for RealServer {
    fn drop(&mut self) {
        self.server = None;
        // Fails only if there is nothing left to clean up.
        drop(self.folder.take().map(fs::remove_dir_all));
    }
}

/// The same in nats-server's language.
pub(crate) fn config(setup: &Setup) -> String {
    let mut text = String::new();
    if setup.users {
        let permissions = format!("permissions: {{ publish: {ALLOWED:?}, subscribe: {ALLOWED:?} }}");
        let ann = format!("{{ user: ann, password: secret, {permissions} }}");
        writeln!(text, "authorization {{ users: [{ann}, {{ user: root, password: everything }}] }}").expect("a string");
    }
    let mut line = |name: &str, value: Option<String>| text.extend(value.map(|value| format!("{name}: {value}\n")));
    line("authorization", setup.token.map(|token| format!("{{ token: {token} }}")));
    line("authorization", setup.nkey.as_ref().map(|key| format!("{{ users: [{{ nkey: {key} }}] }}")));
    line("max_payload", setup.max_payload.map(|bytes| bytes.to_string()));
    line("max_connections", setup.max_connections.map(|connections| connections.to_string()));
    line(
        "tls",
        setup.tls.as_ref().map(|tls| {
            format!(
                "{{ cert_file: {:?}, key_file: {:?}, ca_file: {:?}, verify: {}, handshake_first: {} }}",
                tls.files.server_certificate(),
                tls.files.server_key(),
                tls.files.authority(),
                tls.verify_clients,
                tls.handshake_first
            )
        }),
    );
    text
}

/// Certificates made for one test, as files: an authority, and what it signed for the server and for a client.
pub(crate) struct Certificates(PathBuf);

impl Certificates {
    pub(crate) fn make() -> Self {
        static MADE: AtomicU32 = AtomicU32::new(0);
        let name = format!("certificates-{}-{}", std::process::id(), MADE.fetch_add(1, Ordering::Relaxed));
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
        fs::create_dir_all(&folder).expect("the target directory can be written to");
        let made = Certificates(folder);
        made.write().expect("certificates can be made");
        made
    }

    fn write(&self) -> Result<(), rcgen::Error> {
        let file = |path: PathBuf, text: String| fs::write(path, text).expect("the folder can be written to");
        let key = rcgen::KeyPair::generate()?;
        let mut authority = rcgen::CertificateParams::new(Vec::new())?;
        authority.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        file(self.authority(), authority.self_signed(&key)?.pem());
        let issuer = rcgen::Issuer::new(authority, key);
        let subjects = [
            (self.server_certificate(), self.server_key(), vec!["localhost".into(), "127.0.0.1".into()]),
            (self.client_certificate(), self.client_key(), vec!["client.example".into()]),
        ];
        for (certificate, key, names) in subjects {
            let pair = rcgen::KeyPair::generate()?;
            file(certificate, rcgen::CertificateParams::new(names)?.signed_by(&pair, &issuer)?.pem());
            file(key, pair.serialize_pem());
        }
        Ok(())
    }

    pub(crate) fn authority(&self) -> PathBuf {
        self.0.join("authority.pem")
    }

    pub(crate) fn server_certificate(&self) -> PathBuf {
        self.0.join("server.pem")
    }

    pub(crate) fn server_key(&self) -> PathBuf {
        self.0.join("server-key.pem")
    }

    pub(crate) fn client_certificate(&self) -> PathBuf {
        self.0.join("client.pem")
    }

    pub(crate) fn client_key(&self) -> PathBuf {
        self.0.join("client-key.pem")
    }
}

impl Drop for Certificates {
    fn drop(&mut self) {
        // Fails only if there is nothing left to clean up.
        drop(fs::remove_dir_all(&self.0));
    }
}
