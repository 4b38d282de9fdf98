//! The differences of two configurations, and whether a running server can take them over.

use super::loader::Config;
use super::process::ProcessOptions;
use crate::Permissions;
#[cfg(feature = "jetstream")]
use crate::jetstream::JetStreamOptions;
use crate::protocol::ServerVersion;
use crate::server::error::ReloadError;
use crate::server::monitor::{friendly_bytes, go_duration};
use crate::server::users::{Auth, User};
use crate::server::{ServerOptions, TlsOptions};
use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// One difference that a running server takes over without dropping a client that is still allowed.
///
/// Shown as nats-server shows it in its log, behind `Reloaded: `. No secret is in it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Change {
    /// Lines of the level "debug" in the log, or no longer.
    Debug(bool),
    /// A trace in the log, or no longer.
    Trace(bool),
    /// A trace of everything, or no longer.
    TraceVerbose(bool),
    /// Lines of the log have a time, or no longer.
    Logtime(bool),
    /// The time in the log is UTC, or no longer.
    LogtimeUtc(bool),
    /// Another log file.
    LogFile(Option<PathBuf>),
    /// Another file for the process's id.
    PidFile(Option<PathBuf>),
    /// Another folder for the file with the ports.
    PortsFileDir(Option<PathBuf>),
    /// Other certificates, or TLS turned on (true) or off (false). New connections only.
    Tls(bool),
    /// How long a handshake may take.
    TlsTimeout(Duration),
    /// TLS before INFO, or no longer.
    TlsHandshakeFirst(bool),
    /// Users, in the order of their names; default permissions and the end of
    /// [`no_auth_user`](ServerOptions::no_auth_user) are in it too. Clients that are no longer allowed must go (P1),
    /// and subscriptions that are no longer allowed must end.
    Users {
        /// New ones.
        added: Vec<String>,
        /// Those that are there no more.
        removed: Vec<String>,
        /// Those with another password or other permissions.
        changed: Vec<String>,
    },
    /// The token is another one, or there is one, or none any more.
    Token,
    /// How long a client may take to show its credentials.
    AuthTimeout(Duration),
    /// Connections at one time; those above it must go.
    MaxConnections(usize),
    /// Bytes of one message.
    MaxPayload(usize),
    /// Bytes of a control line.
    MaxControlLine(usize),
    /// Time between two PINGs.
    PingInterval(Duration),
    /// PINGs that may be unanswered.
    PingMax(u32),
    /// How long a write may take.
    WriteDeadline(Duration),
    /// Publishers are no longer slowed down (true), or again.
    NoFastProducerStall(bool),
    /// JetStream starts, or ends.
    JetStream(bool),
    /// Bytes of all streams with memory storage.
    JetStreamMaxMemory(i64),
    /// Bytes of all streams with file storage.
    JetStreamMaxStorage(i64),
    /// Other limits of JetStream.
    JetStreamLimits,
}

impl Change {
    /// Whether connections must show again that they are allowed what they do.
    #[must_use]
    pub fn is_authorization(&self) -> bool {
        matches!(self, Change::Users { .. } | Change::Token)
    }

    /// Whether it is about the process, its log and its files, and not about the server.
    #[must_use]
    pub fn is_process(&self) -> bool {
        let of_log = matches!(
            self,
            Change::Debug(_) | Change::Trace(_) | Change::TraceVerbose(_) | Change::Logtime(_) | Change::LogtimeUtc(_)
        );
        of_log || matches!(self, Change::LogFile(_) | Change::PidFile(_) | Change::PortsFileDir(_))
    }
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = |path: &Option<PathBuf>| path.as_deref().map(|path| path.display().to_string()).unwrap_or_default();
        match self {
            Change::Debug(on) => write!(f, "debug = {on}"),
            Change::Trace(on) => write!(f, "trace = {on}"),
            Change::TraceVerbose(on) => write!(f, "trace_verbose = {on}"),
            Change::Logtime(on) => write!(f, "logtime = {on}"),
            Change::LogtimeUtc(on) => write!(f, "logtime_utc = {on}"),
            Change::LogFile(path) => write!(f, "log_file = {}", shown(path)),
            Change::PidFile(path) => write!(f, "pid_file = {}", shown(path)),
            Change::PortsFileDir(path) => write!(f, "ports_file_dir = {}", shown(path)),
            Change::Tls(on) => write!(f, "tls = {}", if *on { "enabled" } else { "disabled" }),
            Change::TlsTimeout(timeout) => write!(f, "tls timeout = {}", timeout.as_secs_f64()),
            Change::TlsHandshakeFirst(first) => write!(f, "Client TLS handshake first: {first}"),
            Change::Users { .. } => f.write_str("authorization users"),
            Change::Token => f.write_str("authorization token"),
            Change::AuthTimeout(timeout) => write!(f, "authorization timeout = {}", timeout.as_secs_f64()),
            Change::MaxConnections(connections) => write!(f, "max_connections = {connections}"),
            Change::MaxPayload(bytes) => write!(f, "max_payload = {bytes}"),
            Change::MaxControlLine(bytes) => write!(f, "max_control_line = {bytes}"),
            Change::PingInterval(interval) => write!(f, "ping_interval = {}", go_duration(*interval)),
            Change::PingMax(pings) => write!(f, "ping_max = {pings}"),
            Change::WriteDeadline(deadline) => write!(f, "write_deadline = {}", go_duration(*deadline)),
            Change::JetStream(_) => f.write_str("JetStream"),
            Change::JetStreamMaxMemory(bytes) => write!(f, "JetStream max_mem_store = {}", friendly_bytes(*bytes)),
            Change::JetStreamMaxStorage(bytes) => write!(f, "JetStream max_file_store = {}", friendly_bytes(*bytes)),
            Change::JetStreamLimits => f.write_str("JetStream limits"),
            Change::NoFastProducerStall(on) => {
                write!(f, "fast producers will {}be stalled", if *on { "not " } else { "" })
            }
        }
    }
}

fn refuse<T: PartialEq>(
    option: &'static str,
    old: &T,
    new: &T,
    text: impl Fn(&T) -> String,
) -> Result<(), ReloadError> {
    if old == new { Ok(()) } else { Err(ReloadError { option, old: text(old), new: text(new) }) }
}

/// The changes that a running server must make to get from one configuration to another: none, if the
/// list is empty.
///
/// A new [`port`](ProcessOptions::port) of 0 means that the port stays. An old one of 0 fits to no other: put in the port that
/// the server got.
///
/// # Errors
///
/// [`ReloadError`] for the first option that differs and cannot change live, which are those that nats-server refuses: host
/// and ports, `http_base_path`, `server_name`, `no_header_support`, `max_pending`, `max_subscriptions`,
/// `max_subscription_tokens`, the two of lame duck mode, `no_auth_user` unless it goes together with its user, and the
/// version.
///
/// # Example
///
/// ```
/// use postroom::server::config::{Change, Config, changes};
///
/// let old = Config::parse("max_payload: 1mb\nserver_name: one", None)?;
/// let new = Config::parse("max_payload: 2mb\nserver_name: one\ndebug: true", None)?;
/// assert_eq!(changes(&old, &new), Ok(vec![Change::Debug(true), Change::MaxPayload(2 << 20)]));
///
/// let other = Config::parse("server_name: two", None)?;
/// let refused = changes(&old, &other).unwrap_err();
/// assert_eq!(refused.to_string(), "config reload not supported for ServerName: old=one, new=two");
/// # Ok::<_, postroom::server::config::ConfigError>(())
/// ```
pub fn changes(old: &Config, new: &Config) -> Result<Vec<Change>, ReloadError> {
    let mut all = process_changes(&old.process, &new.process)?;
    all.extend(server_changes(&old.server, &new.server)?);
    Ok(all)
}

fn process_changes(old: &ProcessOptions, new: &ProcessOptions) -> Result<Vec<Change>, ReloadError> {
    // As in the file: -1 is a free port, and 0 none.
    let port = |port: &Option<u16>| match port {
        None => "0".to_owned(),
        Some(0) => "-1".to_owned(),
        Some(port) => port.to_string(),
    };
    refuse("Host", &old.host, &new.host, String::clone)?;
    if new.port != 0 {
        refuse("Port", &Some(old.port), &Some(new.port), port)?;
    }
    let http_host = |options: &ProcessOptions| options.http_host.clone().unwrap_or(options.host.clone());
    refuse("HTTPHost", &http_host(old), &http_host(new), String::clone)?;
    refuse("HTTPPort", &old.http_port, &new.http_port, port)?;
    refuse("HTTPBasePath", &old.http_base_path, &new.http_base_path, String::clone)?;
    let mut all = Vec::new();
    let mut add = |differs: bool, change: Change| all.extend(differs.then_some(change));
    let path = |path: &Option<PathBuf>| path.as_deref().map(Path::to_owned);
    add(old.debug != new.debug, Change::Debug(new.debug));
    add(old.trace != new.trace, Change::Trace(new.trace));
    add(old.trace_verbose != new.trace_verbose, Change::TraceVerbose(new.trace_verbose));
    add(old.logtime != new.logtime, Change::Logtime(new.logtime));
    add(old.logtime_utc != new.logtime_utc, Change::LogtimeUtc(new.logtime_utc));
    add(old.log_file != new.log_file, Change::LogFile(path(&new.log_file)));
    add(old.pid_file != new.pid_file, Change::PidFile(path(&new.pid_file)));
    add(old.ports_file_dir != new.ports_file_dir, Change::PortsFileDir(path(&new.ports_file_dir)));
    Ok(all)
}

/// As [`changes`], of the server's own options only.
///
/// # Errors
///
/// As [`changes`].
pub fn server_changes(old: &ServerOptions, new: &ServerOptions) -> Result<Vec<Change>, ReloadError> {
    let name = |name: &Option<String>| name.clone().unwrap_or_default();
    let time = |duration: &Duration| go_duration(*duration);
    refuse("ServerName", &old.name, &new.name, name)?;
    refuse("Version", &old.version, &new.version, |version: &ServerVersion| format!("{version:?}"))?;
    refuse("NoHeaderSupport", &!old.headers, &!new.headers, bool::to_string)?;
    refuse("MaxPending", &old.max_pending, &new.max_pending, usize::to_string)?;
    refuse("MaxSubs", &old.max_subscriptions, &new.max_subscriptions, usize::to_string)?;
    refuse("MaxSubTokens", &old.max_subscription_tokens, &new.max_subscription_tokens, usize::to_string)?;
    refuse("LameDuckDuration", &old.lame_duck_duration, &new.lame_duck_duration, time)?;
    refuse("LameDuckGracePeriod", &old.lame_duck_grace, &new.lame_duck_grace, time)?;
    let jetstream = jetstream_changes(old, new)?;
    let gone = new.auth.no_auth_user.is_none();
    let stays = old.auth.no_auth_user.iter().any(|name| new.auth.users.known_as(name).is_some());
    if !gone || stays {
        refuse("NoAuthUser", &old.auth.no_auth_user, &new.auth.no_auth_user, name)?;
    }
    let mut all = Vec::new();
    let mut add = |differs: bool, change: Change| all.extend(differs.then_some(change));
    let [before, after] = [old, new].map(|options| options.tls.as_ref().map(TlsOptions::files));
    add(before != after, Change::Tls(new.tls.is_some()));
    if let (Some(old), Some(new)) = (&old.tls, &new.tls) {
        add(old.timeout != new.timeout, Change::TlsTimeout(new.timeout));
        add(old.handshake_first != new.handshake_first, Change::TlsHandshakeFirst(new.handshake_first));
    }
    add(old.max_connections != new.max_connections, Change::MaxConnections(new.max_connections));
    all.extend(user_changes(&old.auth, &new.auth));
    let mut add = |differs: bool, change: Change| all.extend(differs.then_some(change));
    add(old.auth.token != new.auth.token, Change::Token);
    let [before, after] = [old, new].map(ServerOptions::auth_timeout_in_force);
    add(before != after, Change::AuthTimeout(after));
    add(old.ping_interval != new.ping_interval, Change::PingInterval(new.ping_interval));
    add(old.ping_max != new.ping_max, Change::PingMax(new.ping_max));
    add(old.max_control_line != new.max_control_line, Change::MaxControlLine(new.max_control_line));
    add(old.max_payload != new.max_payload, Change::MaxPayload(new.max_payload));
    add(old.write_deadline != new.write_deadline, Change::WriteDeadline(new.write_deadline));
    let stall = new.no_fast_producer_stall;
    add(old.no_fast_producer_stall != stall, Change::NoFastProducerStall(stall));
    all.extend(jetstream);
    Ok(all)
}

#[cfg(not(feature = "jetstream"))]
fn jetstream_changes(_: &ServerOptions, _: &ServerOptions) -> Result<Vec<Change>, ReloadError> {
    Ok(Vec::new())
}

/// Memory and storage may grow, and other limits change; JetStream may start and end. All else stays as it is.
#[cfg(feature = "jetstream")]
fn jetstream_changes(old: &ServerOptions, new: &ServerOptions) -> Result<Vec<Change>, ReloadError> {
    let (old, new) = match (&old.jetstream, &new.jetstream) {
        (Some(old), Some(new)) => (old, new),
        (None, None) => return Ok(Vec::new()),
        (_, new) => return Ok(vec![Change::JetStream(new.is_some())]),
    };
    let unshown = |option| Err(ReloadError { option, old: String::new(), new: String::new() });
    let (before, after) = (old.limits(), new.limits());
    refuse("NoJetStreamStrict", &!old.is_strict(), &!new.is_strict(), bool::to_string)?;
    if after.max_memory < before.max_memory || after.max_storage < before.max_storage {
        return unshown("decreasing jetstream max memory and store");
    }
    let text = |text: &Option<&str>| text.unwrap_or_default().to_owned();
    refuse("JetStreamDomain", &old.domain_name(), &new.domain_name(), text)?;
    refuse("JetStreamUniqueTag", &old.tag(), &new.tag(), |tag| (*tag).to_owned())?;
    let usual = JetStreamOptions::new().buffered_messages_max();
    let messages = |messages: &usize| if *messages == usual { "0".to_owned() } else { messages.to_string() };
    refuse("StreamMaxBufferedMsgs", &old.buffered_messages_max(), &new.buffered_messages_max(), messages)?;
    if old.folder() != new.folder() {
        return unshown("jetstream storage directory");
    }
    let time = |duration: &Duration| go_duration(*duration);
    refuse("SyncInterval", &old.sync_interval_in_force(), &new.sync_interval_in_force(), time)?;
    refuse("SyncAlways", &old.syncs_always(), &new.syncs_always(), bool::to_string)?;
    let mut all = Vec::new();
    let mut add = |differs: bool, change: Change| all.extend(differs.then_some(change));
    add(before.max_memory != after.max_memory, Change::JetStreamMaxMemory(after.max_memory));
    add(before.max_storage != after.max_storage, Change::JetStreamMaxStorage(after.max_storage));
    let mut same = before.clone();
    (same.max_memory, same.max_storage) = (after.max_memory, after.max_storage);
    add(same != *after, Change::JetStreamLimits);
    Ok(all)
}

fn user_changes(old: &Auth, new: &Auth) -> Option<Change> {
    /// The user, with the permissions in force.
    fn users(auth: &Auth) -> BTreeMap<&str, (&User, Option<&Permissions>)> {
        let default = auth.default_permissions.as_ref();
        auth.users.iter().map(|user| (user.name(), (user, user.permissions.as_ref().or(default)))).collect()
    }
    let (before, after) = (users(old), users(new));
    let names = |names: &mut dyn Iterator<Item = &&str>| names.map(|name| (*name).to_owned()).collect::<Vec<_>>();
    let added = names(&mut after.keys().filter(|name| !before.contains_key(*name)));
    let removed = names(&mut before.keys().filter(|name| !after.contains_key(*name)));
    let differs = |name: &&&str| match (before.get(**name), after.get(**name)) {
        (Some((old, may)), Some((new, may_now))) => old.credentials != new.credentials || may != may_now,
        _ => false,
    };
    let changed = names(&mut after.keys().filter(differs));
    let same = added.is_empty() && removed.is_empty() && changed.is_empty();
    if same { None } else { Some(Change::Users { added, removed, changed }) }
}
