//! Real NATS clients attach to a bus: over any byte stream, or through a listener.
//!
//! A [`Server`] speaks the NATS client protocol for a [`Bus`], so that an unmodified NATS client of any language is one more client of
//! it: wire clients and in-process clients share subjects, queue groups, requests and no-responders. It can do nothing that an
//! in-process client could not: each connection is a [`Client`](crate::Client), each SUB a [sink](crate::Client::subscribe_sink_with).
//!
//! It is a test double and a way to grow, not a production server: there is no cluster and nothing is stored.
//!
//! | file | reason to change |
//! |---|---|
//! | `options` | the options of a server |
//! | `address` | the forms of an address |
//! | `listener` | the listener, which lets connections in |
//! | `connection` | the two tasks of a connection, and its end |
//! | `linger` | the end of a connection's stream |
//! | `host` | the effects of a client's operations on the bus |
//! | `outbound` | bytes that wait to be written, and the treatment of slow clients |
//! | `pieces` | the memory of waiting bytes |
//! | `slice` | the amount of work before others get their turn |
//! | `registry` | identity, options, the list of connections |
//! | `auth` | credentials |
//! | `check` | passwords that take long to check |
//! | `tls` | certificates and handshakes |
//! | `lame_duck` | a slow farewell |
//! | `control` | one change of the whole after the other |
//! | `reload` | other options while it runs |
//! | `home` | the runtime it lives on |
//! | `pipe` | a connection without a socket |
//! | `error` | reasons why it did not start |
//! | `log` | the log |
//! | `monitor` | the monitor: typed snapshots and HTTP |
//! | `monitoring` | the server's methods for it |
//! | `snapshot` | the state that it shows |
//! | `trace` | the protocol as log lines |
//! | `config` | nats-server's configuration language |

mod address;
mod auth;
mod check;
pub mod config;
mod connection;
mod control;
mod error;
mod home;
mod host;
mod lame_duck;
mod linger;
mod listener;
mod log;
mod monitor;
mod monitoring;
mod options;
mod outbound;
mod pieces;
mod pipe;
mod registry;
mod reload;
mod slice;
mod snapshot;
mod tls;
mod trace;
mod users;

pub use address::ToListenAddress;
pub use config::Config;
pub use error::ServerError;
pub use log::{LogLevel, Logger};
pub use monitor::{
    ConnInfo, ConnState, Connz, ConnzOptions, Healthz, HealthzError, HealthzOptions, MonitorError, ShowSubscriptions,
    SlowConsumerStats, SortBy, StaleConnectionStats, SubDetail, SublistStats, Subsz, SubszOptions, Varz,
};
pub use options::{ServerOptions, TlsOptions, User};
pub use pipe::Pipe;

use crate::Bus;
use crate::protocol::Quoted;
use crate::sync::Mutex;
use config::Change;
use control::Control;
use home::Home;
use listener::Listener;
use monitoring::Http;
use options::{Auth, Secret};
use registry::Registry;
use std::fmt;
use std::net::{SocketAddr, ToSocketAddrs};
use std::sync::Arc;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::task::JoinHandle;

/// A server that real NATS clients attach to; dropping it stops it.
///
/// It lives on the tokio runtime that is current when it is made, and ends with it. Where there is none it brings one of its own, so that it can
/// be used from code that knows no runtime; and where [asked to](ServerOptions::own_runtime), so that it outlives the current one: a server in
/// a `static` that several tests share, each of which has a runtime. On a current runtime without IO (one that was built without
/// `enable_io`) its sockets, but not its pipes, are served by one of its own; tokio's complaint of that goes through the panic hook.
///
/// Messages are routed on the runtime's threads, callbacks of in-process subscribers included. The work of one connection is done
/// in slices, between which the others have their turn. A callback that blocks, or a full queue with
/// [`OverflowPolicy::Block`](crate::OverflowPolicy::Block), holds up the connection that published, and what that connection has brought to
/// others before is on its way then. If it waits through the bus (for a response, a message, room), another thread of the runtime
/// takes its place meanwhile, so that it may wait for wire clients. For other waits there is
/// [`blocking::wait`](crate::blocking::wait): without it, as in any task, a thread of the runtime is missing as long. On a
/// `current_thread` runtime any wait in a callback holds up all connections.
///
/// # Example
///
/// ```
/// use postroom::{Bus, Server};
///
/// let bus = Bus::new();
/// let server = Server::bind(&bus, "127.0.0.1:0")?;
/// println!("connect your NATS client to {}", server.url().expect("it listens"));
/// let orders = bus.connect().subscribe("orders.>")?; // gets what it publishes
/// # drop(orders);
/// # Ok::<_, Box<dyn std::error::Error>>(())
/// ```
#[must_use = "dropping it stops the server"]
pub struct Server {
    registry: Arc<Registry>,
    home: Home,
    doors: Arc<Doors>,
    /// Held while it is shut down, restarted or sent into lame duck mode: one after the other.
    control: Control,
    /// Ends the server when the bus ends.
    watch: JoinHandle<()>,
}

/// Where others come in, while they may.
#[derive(Debug, Default)]
struct Doors {
    clients: Mutex<Option<Arc<Listener>>>,
    monitor: Mutex<Option<Http>>,
}

impl Doors {
    /// No client can dial any more when it returns.
    fn close_to_clients(&self) {
        let listener = self.clients.lock().take();
        if let Some(listener) = listener {
            listener.close();
        }
    }

    /// No client and no monitor request can.
    fn close(&self) {
        self.close_to_clients();
        let monitor = self.monitor.lock().take();
        drop(monitor);
    }
}

impl Server {
    /// A server that listens on `address` with the default options; port 0 takes a free one.
    ///
    /// # Errors
    ///
    /// As [`Server::bind_with`].
    pub fn bind(bus: &Bus, address: impl ToListenAddress) -> Result<Self, ServerError> {
        Server::bind_with(bus, address, ServerOptions::new())
    }

    /// A server that listens on `address`. Clients can dial it when this returns.
    ///
    /// # Errors
    ///
    /// [`ServerError::Bind`] if the address can't be listened on, and what [`Server::new`] fails with.
    pub fn bind_with(bus: &Bus, address: impl ToListenAddress, options: ServerOptions) -> Result<Self, ServerError> {
        let server = Server::new(bus, options)?;
        server.listen(address)?;
        Ok(server)
    }

    /// A server without a listener, for [`Server::serve`], [`Server::open_pipe`] and [`Server::listen`].
    ///
    /// # Errors
    ///
    /// [`ServerError::Options`] if options contradict each other, [`ServerError::Tls`] if certificates or keys can't be used,
    /// [`ServerError::Runtime`] if there is no runtime and none can be started, [`ServerError::BusClosed`].
    pub fn new(bus: &Bus, options: ServerOptions) -> Result<Self, ServerError> {
        let registry = Registry::new(bus.clone(), options)?;
        let home = Home::find(registry.options().own_runtime)?;
        let doors = Arc::<Doors>::default();
        let end = End { registry: registry.clone(), doors: doors.clone() };
        let watch = home.spawn(end_with_bus(end));
        let server = Server { registry, home, doors, control: Control::default(), watch };
        server.unless_bus_closed()
    }

    /// Fails once the runtime that it lives on has ended.
    fn unless_homeless(&self) -> Result<(), ServerError> {
        // Else it only ends with the bus.
        if self.watch.is_finished() && !self.bus().is_closed() {
            let gone = "the runtime that the server lives on has ended";
            return Err(ServerError::Runtime(std::io::Error::other(gone)));
        }
        Ok(())
    }

    /// The server, if there is still something to serve.
    fn unless_bus_closed(self) -> Result<Self, ServerError> {
        if self.bus().is_closed() { Err(ServerError::BusClosed) } else { Ok(self) }
    }

    /// A server with the default options for one connection, over this stream. Dropping it ends the connection.
    ///
    /// # Errors
    ///
    /// As [`Server::new`].
    pub fn attach<S>(bus: &Bus, stream: S) -> Result<Self, ServerError>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let server = Server::new(bus, ServerOptions::new())?;
        server.serve(stream);
        Ok(server)
    }

    /// A stream to a server with the default options that exists for it alone: a NATS connection without a socket.
    ///
    /// # Errors
    ///
    /// As [`Server::new`].
    pub fn pipe(bus: &Bus) -> Result<Pipe, ServerError> {
        let server = Server::new(bus, ServerOptions::new())?;
        let (near, far) = tokio::io::duplex(pipe::CAPACITY);
        server.serve(far);
        Ok(Pipe::new(near, Some(server)))
    }

    /// Serves one more connection, over this stream, until either end closes it. On a server that was shut down it ends at once.
    pub fn serve<S>(&self, stream: S)
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        self.home.spawn(listener::attend(stream, self.registry.clone()));
    }

    /// A stream to this server: one more connection without a socket.
    pub fn open_pipe(&self) -> Pipe {
        let (near, far) = tokio::io::duplex(pipe::CAPACITY);
        self.serve(far);
        Pipe::new(near, None)
    }

    /// Where it listens; `None` if it does not.
    pub fn address(&self) -> Option<SocketAddr> {
        self.registry.address()
    }

    /// The port it listens on; `None` if it does not listen.
    pub fn port(&self) -> Option<u16> {
        self.address().map(|address| address.port())
    }

    /// The address for clients: `nats://127.0.0.1:PORT`, or `tls://…`. For a server that listens on all interfaces, the loopback
    /// address. `None` if it does not listen.
    pub fn url(&self) -> Option<String> {
        let mut address = self.address()?;
        if address.ip().is_unspecified() {
            let loopback: std::net::IpAddr = if address.is_ipv4() {
                std::net::Ipv4Addr::LOCALHOST.into()
            } else {
                std::net::Ipv6Addr::LOCALHOST.into()
            };
            address.set_ip(loopback);
        }
        let scheme = if self.registry.options().tls.is_some() { "tls" } else { "nats" };
        Some(format!("{scheme}://{address}"))
    }

    /// The server's id, which each start and restart makes anew: 56 characters (C2).
    pub fn id(&self) -> String {
        self.registry.id()
    }

    /// Its name; its id if it was given none.
    pub fn name(&self) -> String {
        self.registry.name()
    }

    /// The bus it serves.
    pub fn bus(&self) -> &Bus {
        &self.registry.bus
    }

    /// Closes the listener and all connections, as a server does that ends (C18). When it returns, new dials are refused and the
    /// subscriptions of all connections are gone. The bytes that wait to be written are still written.
    ///
    /// Blocking: on a runtime of its own it waits until the connections are closed, up to one second for those that don't take
    /// what waits for them. Within a runtime it does not wait.
    pub fn shutdown(&self) {
        let _turn = self.control.enter();
        self.shut();
    }

    fn shut(&self) {
        self.doors.close();
        self.registry.shut();
        if self.home.may_block() {
            self.registry.wait_until_empty();
        }
    }

    /// Ends all connections and listens again on the same port, under a new id: to its clients, a server that was restarted. The bus
    /// and its in-process clients notice nothing. It also brings back a server that was shut down.
    ///
    /// # Errors
    ///
    /// [`ServerError::NoListener`] if it was made without an address, [`ServerError::Bind`] or [`ServerError::Monitor`] if a port was
    /// taken meanwhile, [`ServerError::BusClosed`]. Then it is shut down.
    pub fn restart(&self) -> Result<(), ServerError> {
        let address = self.address().ok_or(ServerError::NoListener)?;
        let _turn = self.control.enter();
        let monitor = self.monitor_address();
        self.shut();
        self.registry.reopen();
        let open = || {
            if let Some(monitor) = monitor {
                let failed = |error| ServerError::Monitor { address: monitor.to_string(), error };
                self.open_monitor(&[monitor], failed)?;
            }
            self.open(&[address], &address.to_string())?;
            // Once the bus is closed, only a restart ends the server.
            if self.bus().is_closed() { Err(ServerError::BusClosed) } else { Ok(()) }
        };
        open().inspect_err(|_| self.shut())
    }

    /// Takes other options into force while it runs, and gives back what changed. Clients that are still allowed stay connected;
    /// others are closed. If a client stays, its subscriptions that are no longer allowed end, and it is told so. Limits hold from
    /// the next operation on; TLS and its certificates hold for new connections. As with nats-server, leaves to answer that
    /// [`allow_responses`](crate::Permissions::allow_responses) gave are forgotten, also if nothing changed.
    ///
    /// If a client's password has another bcrypt hash now, nothing more is done for it before it was compared with that one,
    /// which may be after this returns.
    ///
    /// # Errors
    ///
    /// Then everything stays as it was: [`ServerError::Reload`] for an option that can't change live (see
    /// [`config::server_changes`]), [`ServerError::Options`] and [`ServerError::Tls`] as [`Server::new`].
    ///
    /// # Example
    ///
    /// ```
    /// use postroom::server::config::Change;
    /// use postroom::{Bus, Server, ServerOptions};
    ///
    /// let server = Server::bind(&Bus::new(), "127.0.0.1:0")?;
    /// let changed = server.reload(ServerOptions::new().max_payload(100))?;
    /// assert_eq!(changed, [Change::MaxPayload(100)]);
    /// let refused = server.reload(ServerOptions::new().name("other")).unwrap_err();
    /// assert_eq!(refused.to_string(), "config reload not supported for ServerName: old=, new=other");
    /// # Ok::<_, postroom::ServerError>(())
    /// ```
    pub fn reload(&self, options: ServerOptions) -> Result<Vec<Change>, ServerError> {
        let _turn = self.control.enter();
        let before = self.registry.options();
        let changes = config::server_changes(&before, &options)?;
        self.registry.set_options(options)?;
        reload::enforce(&self.registry, &before);
        Ok(changes)
    }

    /// The options in force.
    pub fn options(&self) -> ServerOptions {
        (*self.registry.options()).clone()
    }

    /// Says farewell slowly (C19): no new connections from now on, and clients are told to go elsewhere; after the grace period
    /// connections are closed one by one; then the server is shut down. Returns at once; see [`Server::wait`]. Without connections it
    /// shuts down at once. Does nothing if it was called before.
    pub fn lame_duck(&self) {
        let _turn = self.control.enter();
        let stops = self.registry.stops();
        if !self.registry.become_lame() {
            return;
        }
        self.registry.log.info(format_args!("Entering lame duck mode, stop accepting new clients"));
        self.doors.close_to_clients();
        if self.registry.open().is_empty() {
            self.shut();
        } else {
            self.home.spawn(lame_duck::fade(self.registry.clone(), stops));
        }
    }

    /// Completes once the server is shut down, be it at the end of lame duck mode. Cancel-safe.
    pub async fn stopped(&self) {
        self.registry.stopped_since(self.registry.stops()).await;
    }

    /// Blocks until the server is shut down.
    ///
    /// # Panics
    ///
    /// Within a runtime, where [`Server::stopped`] is to be used.
    pub fn wait(&self) {
        self.home.handle().block_on(self.stopped());
        self.registry.wait_until_empty();
    }

    /// Listens on `address`; port 0 takes a free one. Clients can dial it when this returns. It takes the place of the address
    /// it listened on before.
    ///
    /// # Errors
    ///
    /// [`ServerError::Bind`] if the address can't be listened on.
    pub fn listen(&self, address: impl ToListenAddress) -> Result<(), ServerError> {
        let address = address.text();
        self.open(&resolve(&address)?, &address)
    }

    fn open(&self, addresses: &[SocketAddr], given: &str) -> Result<(), ServerError> {
        let failed = |error| ServerError::Bind { address: given.to_owned(), error };
        // Here and not in a task: so that it is open, or has failed, when this returns.
        self.unless_homeless()?;
        let (listener, address, handle) = self.home.listen(addresses, failed)?;
        self.registry.set_address(Some(address));
        let log = &self.registry.log;
        log.info(format_args!("Listening for client connections on {}:{}", host_of(given), address.port()));
        if let Some(tls) = &self.registry.options().tls {
            log.info(format_args!("TLS required for client connections"));
            if tls.handshake_first {
                let option = Quoted("TLS Handshake First".to_owned());
                log.warn(format_args!("Clients that are not using {option} option will fail to connect"));
            }
        }
        handle.spawn(listener::listen(listener.clone(), self.registry.clone()));
        let before = self.doors.clients.lock().replace(listener);
        if let Some(before) = before {
            before.close();
        }
        Ok(())
    }
}

/// The part before the port, as it was given.
fn host_of(address: &str) -> &str {
    address.rsplit_once(':').map_or(address, |(host, _)| host)
}

fn resolve(address: &str) -> Result<Vec<SocketAddr>, ServerError> {
    let failed = |error| ServerError::Bind { address: address.to_owned(), error };
    address.to_socket_addrs().map(Iterator::collect).map_err(failed)
}

/// Ends the server when the bus ends: its clients would wait for messages that can no longer come. When the runtime ends, this is
/// dropped, and does the same: a socket that is open and says nothing would be worse than none.
async fn end_with_bus(end: End) {
    end.registry.bus.closed().await;
}

struct End {
    registry: Arc<Registry>,
    doors: Arc<Doors>,
}

impl Drop for End {
    fn drop(&mut self) {
        self.doors.close();
        self.registry.shut();
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.watch.abort();
        self.shutdown();
    }
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server")
            .field("id", &self.id())
            .field("address", &self.address())
            .field("connections", &self.registry.open().len())
            .finish_non_exhaustive()
    }
}
