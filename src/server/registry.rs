//! The state that all connections of a server share: its identity, its options, and the list of
//! them.

use super::chunks::Pool;
use super::connection::{Connection, Counts};
use super::error::ServerError;
#[cfg(feature = "jetstream")]
use super::jetstream::JetStreamSlot;
use super::log::Log;
use super::monitor::{self, ClosedConnections, Monitor};
use super::options::ServerOptions;
use super::workers::{AT_ONCE, in_slices};
use super::{check, tls};
use crate::protocol::{DisconnectReason, Info, SessionLimits, SessionOptions};
use crate::sync::{Condvar, Mutex, RwLock};
use crate::{Bus, steps};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::time::{Duration, SystemTime};
use tokio::sync::{Notify, Semaphore};
use tokio::task::yield_now;
use tokio_rustls::TlsAcceptor;

/// The first number of a client: nats-server gives the lower ones to itself (C2).
const FIRST_CID: u64 = 5;

/// Streams of closed connections that the server waits for at once; of any more the input is not waited for.
pub(super) const LINGERING_MAX: usize = 1_024;

/// How long the end of a server waits, in real time, for what is still to be written to its connections.
const FAREWELL: Duration = Duration::from_secs(1);

pub(super) struct Registry {
    pub(super) bus: Bus,
    /// For what waits to be written.
    pub(super) pool: Arc<Pool>,
    options: RwLock<Arc<ServerOptions>>,
    tls: RwLock<Option<TlsAcceptor>>,
    identity: RwLock<ServerIdentity>,
    pub(super) started: SystemTime,
    /// In lame duck mode (C19). ORDERING: Relaxed; threads that let in connections, and those that tell them, both take the lock of
    /// the list after.
    lame: AtomicBool,
    next_cid: AtomicU64,
    all: Mutex<All>,
    pub(super) closed: ClosedConnections,
    /// Places for comparisons of passwords.
    pub(super) checks: Arc<Semaphore>,
    /// Places for connections that are closed, and whose clients have not closed theirs.
    pub(super) lingering: Arc<Semaphore>,
    pub(super) monitor: Monitor,
    pub(super) config: Mutex<ConfigMark>,
    pub(super) log: Log,
    #[cfg(feature = "jetstream")]
    pub(super) jetstream: JetStreamSlot,
    /// For those who wait for the last connection's task to end.
    gone: Condvar,
    /// Closed for good, or about to open again.
    stopped: Notify,
}

#[derive(Default)]
struct All {
    open: BTreeMap<u64, Arc<Connection>>,
    /// No connection is let in any more.
    shut: bool,
    /// How often it was shut: tells callers that began before a restart that they are too late.
    stops: u64,
    /// The counts of connections that have ended, and how many those are.
    counts: Totals,
    ended: u64,
}

/// The counts of connections that have ended, and counts that belong to no connection.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Totals {
    pub(super) connections: u64,
    pub(super) in_msgs: u64,
    pub(super) in_bytes: u64,
    pub(super) out_msgs: u64,
    pub(super) out_bytes: u64,
    pub(super) slow_consumers: u64,
    pub(super) stale: u64,
    pub(super) stalls: u64,
}

impl Totals {
    pub(super) fn add(&mut self, counts: &Counts) {
        self.in_msgs += counts.in_msgs;
        self.in_bytes += counts.in_bytes;
        self.out_msgs += counts.out_msgs;
        self.out_bytes += counts.out_bytes;
        self.stalls += counts.stalls;
    }
}

/// Which configuration is in force, for monitoring.
#[derive(Clone, Debug)]
pub(super) struct ConfigMark {
    /// When it was read.
    pub(super) time: SystemTime,
    /// `sha256:…` of its text, or empty.
    pub(super) digest: String,
}

#[derive(Clone, Debug)]
struct ServerIdentity {
    id: String,
    /// Shown because nats-server shows one; nothing is encrypted with it.
    exchange_key: String,
    /// Where it listens.
    address: Option<SocketAddr>,
}

/// Why a connection is not let in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NotLetIn {
    Full,
    Shut,
}

impl Registry {
    /// # Errors
    ///
    /// Those of [`Server::new`](super::Server::new) that lie in the options.
    pub(super) fn new(bus: Bus, options: ServerOptions) -> Result<Arc<Self>, ServerError> {
        options.check()?;
        let started = bus.clock().wall_time();
        let tls = options.tls.as_ref().map(tls::acceptor).transpose()?;
        let identity = ServerIdentity::new(&bus, None);
        Ok(Arc::new(Registry {
            pool: Arc::default(),
            tls: RwLock::new(tls),
            started,
            closed: ClosedConnections::default(),
            checks: check::places(),
            lingering: Arc::new(Semaphore::new(LINGERING_MAX)),
            monitor: Monitor::default(),
            config: Mutex::new(ConfigMark { time: started, digest: String::new() }),
            log: options.log.of(bus.reporter()),
            #[cfg(feature = "jetstream")]
            jetstream: JetStreamSlot::default(),
            options: RwLock::new(Arc::new(options)),
            identity: RwLock::new(identity),
            lame: AtomicBool::new(false),
            next_cid: AtomicU64::new(FIRST_CID),
            all: Mutex::default(),
            gone: Condvar::new(),
            stopped: Notify::new(),
            bus,
        }))
    }

    pub(super) fn tls(&self) -> Option<TlsAcceptor> {
        self.tls.read().clone()
    }

    pub(super) fn options(&self) -> Arc<ServerOptions> {
        self.options.read().clone()
    }

    /// # Errors
    ///
    /// As [`Registry::new`]; then the old ones stay.
    pub(super) fn set_options(&self, options: ServerOptions) -> Result<(), ServerError> {
        options.check()?;
        let tls = options.tls.as_ref().map(tls::acceptor).transpose()?;
        *self.tls.write() = tls;
        *self.options.write() = Arc::new(options);
        Ok(())
    }

    /// Changes an option that needs no check.
    #[cfg(feature = "jetstream")]
    pub(super) fn change_options(&self, change: impl FnOnce(&mut ServerOptions)) {
        let mut options = self.options.write();
        change(Arc::make_mut(&mut options));
    }

    pub(super) fn id(&self) -> String {
        self.identity.read().id.clone()
    }

    pub(super) fn name(&self) -> String {
        self.options().name.clone().unwrap_or_else(|| self.id())
    }

    pub(super) fn address(&self) -> Option<SocketAddr> {
        self.identity.read().address
    }

    pub(super) fn set_address(&self, address: Option<SocketAddr>) {
        self.identity.write().address = address;
    }

    pub(super) fn is_lame(&self) -> bool {
        self.lame.load(Relaxed)
    }

    /// False if it was lame before.
    pub(super) fn become_lame(&self) -> bool {
        !self.lame.swap(true, Relaxed)
    }

    /// The INFO for a connection (C2).
    pub(super) fn info(&self, connection: &Connection, connect_info: bool) -> Info {
        let options = self.options();
        let identity = self.identity.read().clone();
        let address = identity.address;
        let through_listener = connection.peer.is_some();
        // Where credentials are optional, the greeting alone hides that some users have them (C3).
        let is_greeting = !connect_info && !self.is_lame();
        let mut info = Info {
            version: options.version.as_str().to_owned(),
            proto: 1,
            api_lvl: options.version.api_level(),
            xkey: identity.exchange_key,
            server_name: options.name.clone().unwrap_or_else(|| identity.id.clone()),
            server_id: identity.id,
            host: address.map_or_else(|| "0.0.0.0".to_owned(), |address| address.ip().to_string()),
            port: address.map_or(0, |address| i64::from(address.port())),
            headers: options.headers,
            max_payload: self.max_payload(&options) as i64,
            client_id: connection.cid,
            client_ip: connection.peer.map(|peer| peer.ip().to_string()).unwrap_or_default(),
            auth_required: options.auth.is_required() && !(is_greeting && options.auth.no_auth_user.is_some()),
            tls_required: options.tls.is_some() && through_listener,
            tls_verify: through_listener && options.tls.as_ref().is_some_and(|tls| tls.client_authorities.is_some()),
            tls_available: options.tls.is_some(),
            nonce: connection.nonce.clone().unwrap_or_default(),
            ldm: self.is_lame(),
            ..Info::default()
        };
        #[cfg(feature = "jetstream")]
        if let Some(jetstream) = self.jetstream.get() {
            info.jetstream = true;
            info.domain = jetstream.options().domain_name().unwrap_or_default().to_owned();
        }
        if connect_info {
            info.connect_info = true;
            info.remote_account = "$G".to_owned();
        }
        info
    }

    /// The bound that holds for this bus: the server's or the bus's own.
    pub(super) fn max_payload(&self, options: &ServerOptions) -> usize {
        options.max_payload.min(self.bus.limits().max_payload)
    }

    pub(super) fn session_options(&self) -> SessionOptions {
        let options = self.options();
        SessionOptions {
            version: options.version,
            headers: options.headers,
            auth_required: options.auth.is_required(),
            no_auth_user: options.auth.has_user_of_silent(),
            auth_timeout: options.auth_timeout_in_force(),
            jitter: (self.bus.random() >> 11) as f64 / (1u64 << 53) as f64 * 0.2,
            limits: self.session_limits(),
        }
    }

    pub(super) fn session_limits(&self) -> SessionLimits {
        let options = self.options();
        SessionLimits {
            max_payload: self.max_payload(&options),
            max_control_line: options.max_control_line,
            ping_interval: options.ping_interval,
            ping_max: options.ping_max,
        }
    }

    /// A number for a connection that comes in.
    pub(super) fn next_cid(&self) -> u64 {
        self.next_cid.fetch_add(1, Relaxed)
    }

    /// The nonce that a client with an nkey is to sign; only where nkeys are known (C3).
    pub(super) fn nonce(&self) -> Option<String> {
        let wanted = self.options().auth.has_nkeys();
        wanted.then(|| {
            let mut bytes = [0; 11];
            let drawn = [self.bus.random(), self.bus.random()].map(u64::to_le_bytes);
            bytes.copy_from_slice(&drawn.as_flattened()[..11]);
            URL_SAFE_NO_PAD.encode(bytes)
        })
    }

    /// Enters a connection into the list. Each that is entered must be removed by its task's end, also if it was not let in.
    pub(super) fn enter(&self, connection: &Arc<Connection>) -> Result<(), NotLetIn> {
        let max = self.options().max_connections;
        let mut all = self.all.lock();
        all.counts.connections += 1;
        if all.shut || self.is_lame() {
            return Err(NotLetIn::Shut);
        }
        if max > 0 && all.open.len() >= max {
            return Err(NotLetIn::Full);
        }
        all.open.insert(connection.cid, connection.clone());
        Ok(())
    }

    /// Takes a connection that has ended out of the list, and keeps the last picture of it for monitoring.
    pub(super) fn leave(&self, connection: &Connection, picture: monitor::ConnectionSnapshot) {
        let reason = connection.close_reason().unwrap_or(DisconnectReason::ClientClosed);
        self.closed.push(picture, self.bus.clock().wall_time(), reason);
        let mut all = self.all.lock();
        if all.open.remove(&connection.cid).is_some() {
            all.ended += 1;
            // ORDERING: Relaxed; read and written under the lock of the list.
            connection.ended_as.store(all.ended, Relaxed);
            let counts = &mut all.counts;
            counts.add(&connection.counts());
            counts.slow_consumers += u64::from(matches!(
                reason,
                DisconnectReason::SlowConsumerPendingBytes | DisconnectReason::SlowConsumerWriteDeadline
            ));
            counts.stale += u64::from(reason == DisconnectReason::StaleConnection);
        }
        if all.open.is_empty() {
            self.gone.notify_all();
        }
    }

    /// The open connection of this number.
    pub(super) fn find(&self, cid: u64) -> Option<Arc<Connection>> {
        self.all.lock().open.get(&cid).cloned()
    }

    /// The open connections by their numbers. They are taken out of the list a slice at a time, so that others come and go meanwhile.
    pub(super) fn open(&self) -> impl Iterator<Item = Arc<Connection>> + '_ {
        let mut slice = Vec::new().into_iter();
        let mut from = 0;
        std::iter::from_fn(move || {
            if slice.len() == 0 {
                let all = self.all.lock();
                let next: Vec<_> =
                    all.open.range(from..).take(AT_ONCE).map(|(_, connection)| connection.clone()).collect();
                steps::count(next.len());
                drop(all);
                slice = next.into_iter();
            }
            let next: Option<Arc<Connection>> = slice.next();
            from = next.as_ref().map_or(from, |connection| connection.cid + 1);
            next
        })
    }

    /// How many connections are open.
    pub(super) fn open_count(&self) -> usize {
        self.all.lock().open.len()
    }

    /// The counts of all connections, and how many are open. They never go back: a connection that ends meanwhile counts once.
    pub(super) fn totals(&self) -> (Totals, usize) {
        let open: Vec<_> = self.open().collect();
        let (mut totals, ended, count) = {
            let all = self.all.lock();
            (all.counts, all.ended, all.open.len())
        };
        // Those that ended before that moment are in the totals.
        let is_counted = |connection: &Connection| (1..=ended).contains(&connection.ended_as.load(Relaxed));
        open.iter().filter(|connection| !is_counted(connection)).for_each(|one| totals.add(&one.counts()));
        (totals, count)
    }

    /// Sends a connection the server's INFO again, if it expects that (C19, C20).
    pub(super) fn send_info(&self, connection: &Connection) {
        if connection.state.lock().connect.protocol >= 1 {
            connection.out.send(&self.info(connection, false).to_line());
        }
    }

    /// Lets no connection in until it is opened again, and closes all there are.
    pub(super) fn shut(&self) {
        self.shut_unless(|_| false);
    }

    /// As [`Registry::shut`], unless it was shut since there were so many [`Registry::stops`].
    pub(super) fn shut_first_since(&self, stops: u64) {
        self.shut_unless(|all| all.stops != stops);
    }

    /// As [`Registry::shut`], for a task: others have their turn between two connections.
    pub(super) async fn shut_in_turns(&self) {
        if !self.begin_to_shut(|_| false) {
            return;
        }
        for connection in self.open().collect::<Vec<_>>() {
            connection.close_in_turns(DisconnectReason::ServerShutdown).await;
            yield_now().await;
        }
        self.stopped.notify_waiters();
    }

    /// No connection comes in from now on. False if it is too late for that.
    fn begin_to_shut(&self, late: impl FnOnce(&All) -> bool) -> bool {
        let was_shut = {
            let mut all = self.all.lock();
            if late(&all) {
                return false;
            }
            all.stops += 1;
            std::mem::replace(&mut all.shut, true)
        };
        if !was_shut {
            self.log.info(format_args!("Initiating Shutdown..."));
        }
        // Before connections are closed: requests that wait are answered.
        #[cfg(feature = "jetstream")]
        self.jetstream.stop(&self.log);
        true
    }

    fn shut_unless(&self, late: impl FnOnce(&All) -> bool) {
        if !self.begin_to_shut(late) {
            return;
        }
        for connection in in_slices(self.open()) {
            connection.close(DisconnectReason::ServerShutdown, None);
        }
        self.stopped.notify_waiters();
    }

    pub(super) fn is_shut(&self) -> bool {
        self.all.lock().shut
    }

    /// How often it was shut so far.
    pub(super) fn stops(&self) -> u64 {
        self.all.lock().stops
    }

    /// Waits until it is shut, or was since there were so many [`Registry::stops`]. Cancel-safe.
    pub(super) async fn stopped_since(&self, stops: u64) {
        let stopped = self.stopped.notified();
        let over = {
            let all = self.all.lock();
            all.shut || all.stops != stops
        };
        if !over {
            stopped.await;
        }
    }

    /// Blocks until the tasks of all connections have ended, but not for long.
    pub(super) fn wait_until_empty(&self) {
        let mut all = self.all.lock();
        while !all.open.is_empty() {
            if !self.gone.wait_for(&mut all, FAREWELL) {
                return;
            }
        }
    }

    /// Opens again as if it were a new server, under a new id (C2).
    pub(super) fn reopen(&self) {
        let address = self.address();
        *self.identity.write() = ServerIdentity::new(&self.bus, address);
        self.lame.store(false, Relaxed);
        self.all.lock().shut = false;
    }
}

impl ServerIdentity {
    fn new(bus: &Bus, address: Option<SocketAddr>) -> Self {
        let id = public_key(bus, nkeys::KeyPairType::Server);
        ServerIdentity { id, exchange_key: public_key(bus, nkeys::KeyPairType::Curve), address }
    }
}

/// A public nkey, 56 characters (C2).
fn public_key(bus: &Bus, kind: nkeys::KeyPairType) -> String {
    let mut seed = [0; 32];
    for part in seed.chunks_mut(8) {
        part.copy_from_slice(&bus.random().to_le_bytes());
    }
    nkeys::KeyPair::new_from_raw(kind, seed).expect("32 bytes are a seed").public_key()
}

#[cfg(test)]
mod tests;
