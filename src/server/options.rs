//! The options of a server.

use super::error::ServerError;
use super::log::{Log, Logger};
use super::users::{Auth, Credentials, Secret, User};
use crate::Permissions;
#[cfg(feature = "jetstream")]
use crate::jetstream::JetStreamOptions;
use crate::protocol::ServerVersion;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

const WRITE_DEADLINE: Duration = Duration::from_secs(10);
const PING_INTERVAL: Duration = Duration::from_secs(120);
pub(crate) const TLS_TIMEOUT: Duration = Duration::from_secs(2);

/// As nats-server, to which a time of zero is one that was not given.
fn or_default(time: Duration, default: Duration) -> Duration {
    if time.is_zero() { default } else { time }
}

/// How a [`Server`](super::Server) behaves. Everything has nats-server's default unless a method says otherwise.
///
/// # Example
///
/// ```
/// use postroom::server::{ServerOptions, User};
/// use postroom::Permissions;
/// use std::time::Duration;
///
/// let options = ServerOptions::new()
///     .ping_interval(Duration::from_secs(20))
///     .user(User::new("ann", "secret").permissions(Permissions::new().allow_publish("orders.>")?));
/// # let _ = options;
/// # Ok::<_, Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
#[must_use]
pub struct ServerOptions {
    pub(crate) name: Option<String>,
    pub(crate) version: ServerVersion,
    pub(crate) headers: bool,
    pub(crate) max_payload: usize,
    pub(crate) max_control_line: usize,
    pub(crate) max_pending: usize,
    pub(crate) max_connections: usize,
    pub(crate) max_subscriptions: usize,
    pub(crate) max_subscription_tokens: usize,
    pub(crate) write_deadline: Duration,
    pub(crate) ping_interval: Duration,
    pub(crate) ping_max: u32,
    pub(crate) lame_duck_duration: Duration,
    pub(crate) lame_duck_grace: Duration,
    pub(crate) no_fast_producer_stall: bool,
    pub(crate) auth: Auth,
    pub(crate) tls: Option<TlsOptions>,
    pub(crate) own_runtime: bool,
    pub(crate) log: Log,
    #[cfg(feature = "jetstream")]
    pub(crate) jetstream: Option<JetStreamOptions>,
}

/// TLS on the listener: the server's certificate, and whether clients must show one (C27).
#[derive(Clone, PartialEq, Eq)]
#[must_use]
pub struct TlsOptions {
    /// Certificate chain, PEM.
    pub(crate) certificates: Vec<u8>,
    /// Private key, PEM.
    pub(crate) key: Vec<u8>,
    /// Authorities of client certificates, PEM: then each client must show one.
    pub(crate) client_authorities: Option<Vec<u8>>,
    pub(crate) timeout: Duration,
    /// TLS before INFO.
    pub(crate) handshake_first: bool,
}

impl TlsOptions {
    /// With this certificate chain and private key, both PEM. Read when the server starts, which is when they are checked.
    pub fn new(certificates: impl Into<Vec<u8>>, key: impl Into<Vec<u8>>) -> Self {
        TlsOptions {
            certificates: certificates.into(),
            key: key.into(),
            client_authorities: None,
            timeout: TLS_TIMEOUT,
            handshake_first: false,
        }
    }

    /// The texts that are read when the server starts.
    pub(crate) fn files(&self) -> (&[u8], &[u8], Option<&[u8]>) {
        (&self.certificates, &self.key, self.client_authorities.as_deref())
    }

    /// Clients must show a certificate that one of these authorities (PEM) signed.
    pub fn verify_clients(mut self, authorities: impl Into<Vec<u8>>) -> Self {
        self.client_authorities = Some(authorities.into());
        self
    }

    /// How long a handshake may take. Zero means the default, 2 s.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = or_default(timeout, TLS_TIMEOUT);
        self
    }

    /// The handshake comes before INFO, not after it (C27). Default false.
    pub fn handshake_first(mut self, first: bool) -> Self {
        self.handshake_first = first;
        self
    }
}

impl fmt::Debug for TlsOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TlsOptions")
            .field("verify_clients", &self.client_authorities.is_some())
            .field("timeout", &self.timeout)
            .field("handshake_first", &self.handshake_first)
            .finish_non_exhaustive()
    }
}

impl ServerOptions {
    /// nats-server 2.15.1 without authentication and TLS.
    pub fn new() -> Self {
        ServerOptions {
            name: None,
            version: ServerVersion::default(),
            headers: true,
            max_payload: 1 << 20,
            max_control_line: 4_096,
            max_pending: 64 << 20,
            max_connections: 65_536,
            max_subscriptions: 0,
            max_subscription_tokens: 0,
            write_deadline: WRITE_DEADLINE,
            ping_interval: PING_INTERVAL,
            ping_max: 2,
            lame_duck_duration: Duration::from_secs(120),
            lame_duck_grace: Duration::from_secs(10),
            no_fast_producer_stall: false,
            auth: Auth::default(),
            tls: None,
            own_runtime: false,
            log: Log::default(),
            #[cfg(feature = "jetstream")]
            jetstream: None,
        }
    }

    /// The server's name. Default: its id.
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.name = Some(name.into());
        self
    }

    /// Which version it speaks like, where versions differ.
    pub fn version(mut self, version: ServerVersion) -> Self {
        self.version = version;
        self
    }

    /// Whether headers are supported (H4). Default true.
    pub fn headers(mut self, supported: bool) -> Self {
        self.headers = supported;
        self
    }

    /// Bytes of payload plus header block of one message (L4). Default 1 MiB. The bus's own limit holds as well.
    pub fn max_payload(mut self, bytes: usize) -> Self {
        self.max_payload = bytes;
        self
    }

    /// Bytes of a control line's arguments (C21). Default 4,096.
    pub fn max_control_line(mut self, bytes: usize) -> Self {
        self.max_control_line = bytes;
        self
    }

    /// Bytes that may wait to be written to one connection before it is closed as a slow consumer (L1). Default 64 MiB.
    pub fn max_pending(mut self, bytes: usize) -> Self {
        self.max_pending = bytes;
        self
    }

    /// Connections at one time (L6); 0 means no bound. Default 65,536.
    pub fn max_connections(mut self, connections: usize) -> Self {
        self.max_connections = connections;
        self
    }

    /// Subscriptions of one connection (L5); 0 means no bound. Default 0.
    pub fn max_subscriptions(mut self, subscriptions: usize) -> Self {
        self.max_subscriptions = subscriptions;
        self
    }

    /// Tokens of a subscription's subject (S11); 0 means no bound. Default 0.
    pub fn max_subscription_tokens(mut self, tokens: usize) -> Self {
        self.max_subscription_tokens = tokens;
        self
    }

    /// How long one write may take before the connection is closed as a slow consumer (L2). Zero means the default, 10 s.
    pub fn write_deadline(mut self, deadline: Duration) -> Self {
        self.write_deadline = or_default(deadline, WRITE_DEADLINE);
        self
    }

    /// Time between two PINGs of the server (C17). Zero means the default, 2 min.
    pub fn ping_interval(mut self, interval: Duration) -> Self {
        self.ping_interval = or_default(interval, PING_INTERVAL);
        self
    }

    /// PINGs that may be unanswered (C17). Default 2.
    pub fn ping_max(mut self, pings: u32) -> Self {
        self.ping_max = pings;
        self
    }

    /// How long lame duck mode lasts in all, and for how long of that no client is closed yet (C19). Default 2 min
    /// and 10 s.
    pub fn lame_duck(mut self, duration: Duration, grace: Duration) -> Self {
        (self.lame_duck_duration, self.lame_duck_grace) = (duration, grace);
        self
    }

    /// A slow connection does not slow down publishers; messages for it are dropped instead (L3). Default false.
    pub fn no_fast_producer_stall(mut self, dropped: bool) -> Self {
        self.no_fast_producer_stall = dropped;
        self
    }

    /// How long a connection may take to show its credentials. Zero means the default: 2 s; with TLS 1 s more than its timeout. The
    /// time that a password waits to be compared with its hash counts, too: few are compared at once.
    pub fn auth_timeout(mut self, timeout: Duration) -> Self {
        self.auth.timeout = Some(timeout).filter(|timeout| !timeout.is_zero());
        self
    }

    /// Connections must show this token, plain or given here as its bcrypt hash (P1).
    pub fn token(mut self, token: impl Into<String>) -> Self {
        self.auth.token = Some(Secret(token.into()));
        self
    }

    /// One more user who may connect (P1).
    pub fn user(mut self, user: User) -> Self {
        self.auth.users.push(user);
        self
    }

    /// Which user is meant by a connection without credentials (P1).
    pub fn no_auth_user(mut self, name: impl Into<String>) -> Self {
        self.auth.no_auth_user = Some(name.into());
        self
    }

    /// Permissions of users without their own (P2).
    pub fn default_permissions(mut self, permissions: Permissions) -> Self {
        self.auth.default_permissions = Some(permissions);
        self
    }

    /// Where log lines go. Default: nowhere. A reload does not change it.
    pub fn logger(mut self, logger: Arc<dyn Logger>) -> Self {
        self.log = Log::new(logger);
        self
    }

    /// Whether the server brings a runtime of its own, with up to four threads, also where one is current: then it outlives the
    /// current one. Default false. A reload does not change it.
    pub fn own_runtime(mut self, own: bool) -> Self {
        self.own_runtime = own;
        self
    }

    /// JetStream on the server's bus, from its start to its end. Default: none.
    #[cfg(feature = "jetstream")]
    pub fn jetstream(mut self, options: JetStreamOptions) -> Self {
        self.jetstream = Some(options);
        self
    }

    /// Without JetStream.
    #[cfg(feature = "jetstream")]
    pub fn without_jetstream(mut self) -> Self {
        self.jetstream = None;
        self
    }

    /// The options of JetStream, if there is to be one.
    #[cfg(feature = "jetstream")]
    #[must_use]
    pub fn jetstream_options(&self) -> Option<&JetStreamOptions> {
        self.jetstream.as_ref()
    }

    /// Without the token and all users, so that others can take their place.
    pub fn without_credentials(mut self) -> Self {
        self.auth = Auth { timeout: self.auth.timeout, ..Auth::default() };
        self
    }

    /// TLS on the listener.
    pub fn tls(mut self, tls: TlsOptions) -> Self {
        self.tls = Some(tls);
        self
    }
}

impl ServerOptions {
    /// Checks for contradictions, reported in nats-server's words.
    pub(crate) fn check(&self) -> Result<(), ServerError> {
        let wrong = |text: String| Err(ServerError::Options(text));
        if self.max_payload > self.max_pending {
            return wrong(format!(
                "max_payload ({}) can't be higher than max_pending ({})",
                self.max_payload, self.max_pending
            ));
        }
        let Auth { token, users, no_auth_user, .. } = &self.auth;
        if token.is_some() && !users.is_empty() {
            return wrong("there can be a token or users, not both".to_owned());
        }
        if let Some(user) = users.twice() {
            return wrong(format!("user {:?} comes twice", user.name()));
        }
        for user in users.iter() {
            if let Credentials::Nkey(key) = &user.credentials
                && !(key.starts_with('U') && nkeys::KeyPair::from_public_key(key).is_ok())
            {
                return wrong(format!("{key:?} is no public nkey of a user"));
            }
        }
        match no_auth_user {
            Some(name) if users.known_as(name).is_none() => {
                wrong(format!("no_auth_user: {name:?} is not among the users"))
            }
            _ => Ok(()),
        }
    }

    /// How long a connection may take to show its credentials.
    pub(crate) fn auth_timeout_in_force(&self) -> Duration {
        let usual =
            self.tls.as_ref().map_or(Duration::from_secs(2), |tls| tls.timeout.saturating_add(Duration::from_secs(1)));
        self.auth.timeout.unwrap_or(usual)
    }
}

impl Default for ServerOptions {
    fn default() -> Self {
        ServerOptions::new()
    }
}
