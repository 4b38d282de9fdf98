//! The handle of a server: how it starts, what it serves, and how it ends.

use super::address::ToListenAddress;
use super::config::{self, Change};
use super::control::Control;
#[cfg(feature = "jetstream")]
use super::enable;
use super::error::ServerError;
use super::listeners::{Listeners, host_of, resolve};
use super::options::ServerOptions;
use super::pipe::{self, PipeStream};
use super::registry::Registry;
use super::runtime::RuntimeGuard;
use super::{lame_duck, listener, reload};
use crate::Bus;
#[cfg(feature = "jetstream")]
use crate::jetstream::{JetStreamOptions, server::JetStreamReport};
use crate::protocol::Quoted;
use std::fmt;
use std::net::SocketAddr;
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
    pub(super) registry: Arc<Registry>,
    runtime: RuntimeGuard,
    pub(super) listeners: Arc<Listeners>,
    /// Held while it is shut down, restarted or sent into lame duck mode: one after the other.
    control: Control,
    /// Ends the server when the bus ends.
    watch: JoinHandle<()>,
}

/// Makes a [`Server`]; see [`Server::builder`].
///
/// # Example
///
/// ```
/// use postroom::server::ServerOptions;
/// use postroom::{Bus, Server};
///
/// let options = ServerOptions::new().max_payload(64 << 10);
/// let server = Server::builder(&Bus::new()).options(options).bind("127.0.0.1:0")?;
/// assert!(server.port().is_some());
/// # Ok::<_, postroom::server::ServerError>(())
/// ```
#[derive(Clone, Debug)]
#[must_use]
pub struct ServerBuilder {
    bus: Bus,
    options: ServerOptions,
    #[cfg(feature = "jetstream")]
    jetstream: Option<JetStreamOptions>,
}

impl ServerBuilder {
    /// The options. Default: those of [`ServerOptions::new`].
    pub fn options(mut self, options: ServerOptions) -> Self {
        self.options = options;
        self
    }

    /// With JetStream on the server's bus, from the server's start to its end, whatever the other options say. Default: as
    /// [`ServerOptions::jetstream`] has it.
    ///
    /// # Example
    ///
    /// ```
    /// use postroom::jetstream::JetStreamOptions;
    /// use postroom::{Bus, Server};
    ///
    /// let server = Server::builder(&Bus::new()).jetstream(JetStreamOptions::new().domain("hub")).bind("127.0.0.1:0")?;
    /// let info = server.bus().connect().request("$JS.API.INFO", "")?;
    /// assert!(String::from_utf8_lossy(info.payload()).contains(r#""domain":"hub""#));
    /// # Ok::<_, Box<dyn std::error::Error>>(())
    /// ```
    #[cfg(feature = "jetstream")]
    pub fn jetstream(mut self, options: JetStreamOptions) -> Self {
        self.jetstream = Some(options);
        self
    }

    /// Starts a server that listens on `address`; port 0 takes a free one. Clients can dial it when this returns.
    ///
    /// # Errors
    ///
    /// [`ServerError::Bind`] if the address can't be listened on, and those of [`ServerBuilder::build`].
    pub fn bind(self, address: impl ToListenAddress) -> Result<Server, ServerError> {
        let server = self.build()?;
        server.listen(address)?;
        Ok(server)
    }

    /// Starts a server without a listener, for [`Server::serve`], [`Server::pipe`] and [`Server::listen`].
    ///
    /// # Errors
    ///
    /// [`ServerError::Options`] if options contradict each other, [`ServerError::Tls`] if certificates or keys can't be used,
    /// [`ServerError::Runtime`] if there is no runtime and none can be started, [`ServerError::BusClosed`]; with JetStream also
    /// `ServerError::JetStream` if that can't start.
    pub fn build(self) -> Result<Server, ServerError> {
        #[cfg(feature = "jetstream")]
        {
            let mut options = self.options;
            let jetstream = self.jetstream.or_else(|| options.jetstream.take());
            options.jetstream = None;
            let server = Server::start(self.bus, options)?;
            if let Some(jetstream) = jetstream {
                server.enable_jetstream(jetstream)?;
            }
            Ok(server)
        }
        #[cfg(not(feature = "jetstream"))]
        Server::start(self.bus, self.options)
    }
}

impl Server {
    /// A server that listens on `address` with the default options; port 0 takes a free one. Clients can dial it when this returns.
    ///
    /// # Errors
    ///
    /// As [`ServerBuilder::bind`].
    pub fn bind(bus: &Bus, address: impl ToListenAddress) -> Result<Self, ServerError> {
        Server::builder(bus).bind(address)
    }

    /// A server with other options, or without an address to listen on.
    pub fn builder(bus: &Bus) -> ServerBuilder {
        ServerBuilder {
            bus: bus.clone(),
            options: ServerOptions::new(),
            #[cfg(feature = "jetstream")]
            jetstream: None,
        }
    }

    fn start(bus: Bus, options: ServerOptions) -> Result<Self, ServerError> {
        let registry = Registry::new(bus, options)?;
        let runtime = RuntimeGuard::find(registry.options().own_runtime)?;
        let listeners = Arc::<Listeners>::default();
        let end = End { registry: registry.clone(), listeners: listeners.clone() };
        let watch = runtime.spawn(end_with_bus(end));
        let server = Server { registry, runtime, listeners, control: Control::default(), watch };
        server.unless_bus_closed()
    }

    /// Starts JetStream on the server's bus. Clients that are connected already find it, but learn of it from the next INFO alone. It
    /// ends with the server. Does nothing if the server has JetStream.
    ///
    /// # Errors
    ///
    /// [`ServerError::JetStream`].
    #[cfg(feature = "jetstream")]
    pub fn enable_jetstream(&self, options: JetStreamOptions) -> Result<(), ServerError> {
        let _turn = self.control.enter();
        if self.registry.jetstream.get().is_some() {
            return Ok(());
        }
        self.registry.change_options(|all| all.jetstream = Some(options));
        enable::start(&self.registry).inspect_err(|_| self.registry.change_options(|all| all.jetstream = None))
    }

    /// What JetStream holds; `None` without it.
    #[cfg(feature = "jetstream")]
    #[must_use]
    pub fn jetstream_report(&self) -> Option<JetStreamReport> {
        self.registry.jetstream.get().map(|jetstream| jetstream.report())
    }

    /// Fails once the runtime that it lives on has ended.
    pub(super) fn unless_runtime_ended(&self) -> Result<(), ServerError> {
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

    /// Serves one more connection, over this stream, until either end closes it. On a server that was shut down it ends at once.
    pub fn serve<S>(&self, stream: S)
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        self.runtime.spawn(listener::attend(stream, self.registry.clone()));
    }

    /// A stream to this server: one more connection without a socket.
    pub fn pipe(&self) -> PipeStream {
        let (near, far) = tokio::io::duplex(pipe::CAPACITY);
        self.serve(far);
        PipeStream::new(near)
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
    /// what waits for them. Within a runtime it does not wait. The connections are closed on the calling thread: a runtime of several
    /// threads continues meanwhile, one of a single thread does not.
    pub fn shutdown(&self) {
        let _turn = self.control.enter();
        self.shut();
    }

    fn shut(&self) {
        self.listeners.close();
        self.registry.shut();
        if self.runtime.may_block() {
            self.registry.wait_until_empty();
        }
    }

    /// Ends all connections and listens again on the same port, under a new id: to its clients, a server that was restarted. The bus
    /// and its in-process clients notice nothing, but for JetStream: its streams with memory storage are gone, and those with file storage
    /// come back as `JetStreamServer::restart` says. It also brings back a server that was shut down.
    ///
    /// With JetStream, streams with memory storage are gone afterwards, and those with file storage are there (JS7). After
    /// [`Server::shutdown`], those are there that lie in the store directory.
    ///
    /// # Errors
    ///
    /// [`ServerError::NoListener`] if it was made without an address, [`ServerError::Bind`] or [`ServerError::Monitor`] if a port was
    /// taken meanwhile, [`ServerError::BusClosed`]; with JetStream also `ServerError::JetStream`. Then it is shut down.
    pub fn restart(&self) -> Result<(), ServerError> {
        let address = self.address().ok_or(ServerError::NoListener)?;
        let _turn = self.control.enter();
        let monitor = self.listeners.monitor_at();
        #[cfg(feature = "jetstream")]
        let restarted = self.registry.jetstream.begin_restart();
        self.shut();
        self.registry.reopen();
        #[cfg(feature = "jetstream")]
        self.registry.jetstream.end_restart(self.registry.name());
        let open = || {
            #[cfg(feature = "jetstream")]
            {
                restarted?;
                enable::start(&self.registry)?;
            }
            if let Some(monitor) = monitor {
                let failed = |error| ServerError::Monitor { address: monitor.to_string(), error };
                self.unless_runtime_ended()?;
                self.listeners.open_monitor(&self.registry, &[monitor], failed)?;
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
    /// Blocking: it visits every connection on the calling thread. A runtime of several threads continues meanwhile.
    ///
    /// If a client's password has another bcrypt hash now, nothing more is done for it before it was compared with that one,
    /// which may be after this returns.
    ///
    /// # Errors
    ///
    /// Then everything stays as it was: [`ServerError::Reload`] for an option that can't change live (see
    /// [`config::server_changes`]), [`ServerError::Options`] and [`ServerError::Tls`] as [`ServerBuilder::build`].
    ///
    /// # Example
    ///
    /// ```
    /// use postroom::server::ServerOptions;
    /// use postroom::server::config::Change;
    /// use postroom::{Bus, Server};
    ///
    /// let server = Server::bind(&Bus::new(), "127.0.0.1:0")?;
    /// let changed = server.reload(ServerOptions::new().max_payload(100))?;
    /// assert_eq!(changed, [Change::MaxPayload(100)]);
    /// let refused = server.reload(ServerOptions::new().name("other")).unwrap_err();
    /// assert_eq!(refused.to_string(), "config reload not supported for ServerName: old=, new=other");
    /// # Ok::<_, postroom::server::ServerError>(())
    /// ```
    pub fn reload(&self, options: ServerOptions) -> Result<Vec<Change>, ServerError> {
        let _turn = self.control.enter();
        let before = self.registry.options();
        let changes = config::server_changes(&before, &options)?;
        self.registry.set_options(options)?;
        #[cfg(feature = "jetstream")]
        if let Err(error) = enable::reload(&self.registry, &before) {
            // All or nothing: the options were in force before.
            self.registry.set_options((*before).clone())?;
            return Err(error);
        }
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
        self.listeners.close_to_clients();
        if self.registry.open_count() == 0 {
            self.shut();
        } else {
            self.runtime.spawn(lame_duck::fade(self.registry.clone(), stops));
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
        self.runtime.handle().block_on(self.stopped());
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
        self.unless_runtime_ended()?;
        let (listener, address, handle) = self.runtime.listen(addresses, failed)?;
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
        let before = self.listeners.clients.lock().replace(listener);
        if let Some(before) = before {
            before.close();
        }
        Ok(())
    }
}

/// Ends the server when the bus ends: its clients would wait for messages that can no longer come. When the runtime ends, this is
/// dropped, and does the same: a socket that is open and says nothing would be worse than none.
async fn end_with_bus(end: End) {
    end.registry.bus.closed().await;
    end.listeners.close();
    end.registry.shut_in_turns().await;
}

struct End {
    registry: Arc<Registry>,
    listeners: Arc<Listeners>,
}

impl Drop for End {
    fn drop(&mut self) {
        self.listeners.close();
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
            .field("connections", &self.registry.open_count())
            .finish_non_exhaustive()
    }
}
