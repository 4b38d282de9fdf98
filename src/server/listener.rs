//! How connections come in: the listening socket, and the first steps of each connection.

use super::connection::Connection;
use super::handler::ClientSession;
use super::linger::run;
use super::outbound::Outbound;
use super::registry::{NotLetIn, Registry};
use super::{snapshot, tls};
use crate::protocol::{DisconnectReason, ProtocolError, Session};
use crate::sync::Mutex;
use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::{Arc, Weak};
use std::task::Poll;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::Notify;
use tokio_rustls::TlsAcceptor;

/// How long to wait when the operating system has no more sockets for us: at first, and at most, doubled each time.
const PAUSE_MIN: Duration = Duration::from_millis(10);
const PAUSE_MAX: Duration = Duration::from_secs(1);

/// Dials that the operating system keeps until we let them in, as many as it takes at most. The standard library's 128 are soon
/// full when many dial at once, and a client that finds it full waits for a second before it tries again.
const BACKLOG: u32 = 4_096;

/// A listening socket that each of its holders can close at once.
#[derive(Debug)]
pub(super) struct Listener {
    socket: Mutex<Option<TcpListener>>,
    closed: Notify,
}

impl Listener {
    /// Listens on the first of these that can be listened on, and says where. Must be called within a runtime.
    pub(super) fn bind(addresses: &[SocketAddr]) -> io::Result<(Arc<Self>, SocketAddr)> {
        let mut outcome = Err(io::Error::new(io::ErrorKind::InvalidInput, "no address"));
        for address in addresses {
            outcome = bind_one(*address);
            if outcome.is_ok() {
                break;
            }
        }
        let socket = outcome?;
        let address = socket.local_addr()?;
        Ok((Arc::new(Listener { socket: Mutex::new(Some(socket)), closed: Notify::new() }), address))
    }

    /// New connections are refused by the operating system when this returns.
    pub(super) fn close(&self) {
        let socket = self.socket.lock().take();
        drop(socket);
        self.closed.notify_one();
    }

    /// Waits until it is closed.
    pub(super) async fn closed(&self) {
        let closed = self.closed.notified();
        if self.socket.lock().is_some() {
            closed.await;
        }
    }

    /// `None` once it is closed.
    pub(super) async fn accept(&self) -> Option<io::Result<(TcpStream, SocketAddr)>> {
        let closed = self.closed.notified();
        let accept = std::future::poll_fn(|context| match &*self.socket.lock() {
            Some(socket) => socket.poll_accept(context).map(Some),
            None => Poll::Ready(None),
        });
        tokio::select! {
            accepted = accept => accepted,
            () = closed => None,
        }
    }
}

fn bind_one(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    // So that a server can be restarted on its port. Elsewhere than on Unix this would let others take a port that is in use.
    if cfg!(unix) {
        socket.set_reuseaddr(true)?;
    }
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

/// Lets connections in until the listener is closed.
pub(super) async fn listen(listener: Arc<Listener>, registry: Arc<Registry>) {
    let mut pause = PAUSE_MIN;
    while let Some(accepted) = listener.accept().await {
        match accepted {
            Ok((stream, peer)) => {
                pause = PAUSE_MIN;
                tokio::spawn(welcome(stream, peer, registry.clone()));
            }
            // The peer was quicker to go than we to let it in.
            Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => {}
            Err(error) => {
                let wait = pause.as_millis();
                registry.log.error(format_args!("Temporary Client Accept Error({error}), sleeping {wait}ms"));
                tokio::select! {
                    () = registry.bus.sleep_real(pause) => {}
                    () = listener.closed() => return,
                }
                pause = (pause * 2).min(PAUSE_MAX);
            }
        }
    }
}

/// A connection that came through the listener, from its first byte to its last.
async fn welcome(stream: TcpStream, peer: SocketAddr, registry: Arc<Registry>) {
    // Only costs speed if it fails.
    let _ = stream.set_nodelay(true);
    let acceptor = registry.tls();
    let (connection, mut session, mut handler) = begin(&registry, Some(peer));
    let admitted = registry.enter(&connection);
    let _presence = Presence(Arc::downgrade(&registry), connection.cid);
    match acceptor {
        None => {
            admit(&mut session, &mut handler, &connection, admitted);
            let (reader, writer) = stream.into_split();
            run(reader, writer, session, handler, registry, connection).await;
        }
        Some(acceptor) => {
            if let Ok(stream) =
                secure(stream, acceptor, &mut session, &mut handler, &registry, &connection, admitted).await
            {
                let (reader, writer) = tokio::io::split(stream);
                run(reader, writer, session, handler, registry, connection).await;
            } else {
                connection.close(DisconnectReason::TlsHandshakeFailure, None);
                registry.leave(&connection, snapshot::picture(&connection, &registry));
            }
        }
    }
}

/// A connection over a stream that was there already, from its first byte to its last.
pub(super) async fn attend<S: AsyncRead + AsyncWrite + Unpin + Send + 'static>(stream: S, registry: Arc<Registry>) {
    let (connection, mut session, mut handler) = begin(&registry, None);
    let admitted = registry.enter(&connection);
    let _presence = Presence(Arc::downgrade(&registry), connection.cid);
    admit(&mut session, &mut handler, &connection, admitted);
    let (reader, writer) = tokio::io::split(stream);
    run(reader, writer, session, handler, registry, connection).await;
}

/// Takes a connection out of the list whose task is dropped, as all are when their runtime ends. Keeps nothing alive meanwhile.
struct Presence(Weak<Registry>, u64);

impl Drop for Presence {
    fn drop(&mut self) {
        if let Some(registry) = self.0.upgrade()
            && let Some(connection) = registry.find(self.1)
        {
            connection.close(DisconnectReason::ServerShutdown, None);
            registry.leave(&connection, snapshot::picture(&connection, &registry));
        }
    }
}

pub(super) fn begin(registry: &Arc<Registry>, peer: Option<SocketAddr>) -> (Arc<Connection>, Session, ClientSession) {
    let options = registry.options();
    let clock = registry.bus.clock();
    let (cid, started, log) = (registry.next_cid(), clock.wall_time(), registry.log.clone());
    let name = || format!("the server, which writes to wire connection {cid},");
    let watched = registry.bus.activity().map(|activity| (activity.clone(), name()));
    let out = Outbound::new(options.max_pending, options.no_fast_producer_stall, registry.pool.clone(), watched);
    let connection = Connection::new(cid, peer, started, registry.nonce(), out, log);
    let session = Session::new(registry.session_options(), clock.now());
    let handler = ClientSession::new(registry.clone(), connection.clone());
    (connection, session, handler)
}

/// INFO; and if there is no place for the connection, its end (L6).
fn admit(session: &mut Session, handler: &mut ClientSession, connection: &Connection, admitted: Result<(), NotLetIn>) {
    match admitted {
        Ok(()) => session.send_info(handler),
        Err(NotLetIn::Full) => {
            session.send_info(handler);
            connection.close(DisconnectReason::MaxConnectionsExceeded, Some(&ProtocolError::MaxConnections));
        }
        Err(NotLetIn::Shut) => {
            connection.close(DisconnectReason::ServerShutdown, None);
        }
    }
}

/// The handshake: after INFO in plain text, or before it (C27).
async fn secure(
    mut stream: TcpStream,
    acceptor: TlsAcceptor,
    session: &mut Session,
    handler: &mut ClientSession,
    registry: &Registry,
    connection: &Connection,
    admitted: Result<(), NotLetIn>,
) -> io::Result<tokio_rustls::server::TlsStream<TcpStream>> {
    let options = registry.options();
    let first = options.tls.as_ref().is_some_and(|tls| tls.handshake_first);
    let timeout = options.tls.as_ref().map_or(Duration::ZERO, |tls| tls.timeout);
    if !first {
        admit(session, handler, connection, admitted);
    }
    let handshake = async {
        stream.write_all_buf(&mut connection.out.take_now()).await?;
        if connection.close_reason().is_some() {
            return Err(io::ErrorKind::ConnectionAborted.into());
        }
        acceptor.accept(stream).await
    };
    let mut handshake = pin!(handshake);
    let stream = tokio::select! {
        // First, so that a client that is not let in is told why.
        biased;
        done = &mut handshake => done?,
        () = connection.closed() => return Err(io::ErrorKind::ConnectionAborted.into()),
        () = registry.bus.sleep(timeout) => return Err(io::ErrorKind::TimedOut.into()),
    };
    // It may have been nudged meanwhile.
    connection.nudge();
    connection.note_tls(tls::agreed(stream.get_ref().1));
    if first {
        admit(session, handler, connection, admitted);
    }
    Ok(stream)
}
