//! A connection's stream, from its greeting to its very end.
//!
//! Operating systems that close a socket with unread input, or get more input for it later, tell the other side at once that it is gone,
//! and throw away what that side has not fetched yet. A client that is sent away would so lose deliveries, and the `-ERR` that says why,
//! if it reads late. DIFFERENCE: nats-server leaves it at that. Here the writing end is shut down first, and what the client still sends
//! is read and dropped, within bounds, until it closes too.

use super::connection::Connection;
use super::handler::ClientSession;
use super::reader::read;
use super::registry::Registry;
use super::snapshot;
use super::writer::write;
use crate::protocol::{DisconnectReason, Session};
use bytes::BytesMut;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite};

/// How long a client that was sent away may take to close its end, in real time.
const LINGER_TIME: Duration = Duration::from_secs(1);

/// How much of what it sends meanwhile is read and dropped.
const LINGER_BYTES: usize = 16 << 20;

/// Serves a connection until it is out of the server's list, and then waits for the client to close the stream, which delays
/// nothing else: the server and its bus have done with it.
pub(super) async fn run(
    mut reader: impl AsyncRead + Unpin + Send,
    writer: impl AsyncWrite + Unpin + Send + 'static,
    session: Session,
    handler: ClientSession,
    registry: Arc<Registry>,
    connection: Arc<Connection>,
) {
    let writing = write(writer, registry.clone(), connection.clone());
    let reading = read(&mut reader, session, handler, &registry, &connection);
    let mut writing = match registry.bus.activity() {
        None => {
            let writing = tokio::spawn(writing);
            reading.await;
            writing
        }
        // Tracked, since the bus would not see their work between a timer, or bytes that came, and
        // their calls to it.
        Some(activity) => {
            let name = |does: &str| format!("the server, which {does} wire connection {}", connection.cid);
            let writing = tokio::spawn(activity.task(writing).named(&name("writes to")));
            activity.task(reading).named(&name("reads from")).await;
            writing
        }
    };
    // A client that left has nothing to lose; and a server that ends does so at once, as nats-server
    // does (C18).
    let at_once =
        matches!(connection.close_reason(), Some(DisconnectReason::ClientClosed | DisconnectReason::ServerShutdown));
    let place = if at_once { None } else { registry.lingering.clone().try_acquire_owned().ok() };
    let mut rest = pin!(discard(reader, if place.is_some() { LINGER_BYTES } else { 0 }));
    // A client that writes all before it reads would otherwise wait for the server, which waits for the client.
    let closed = tokio::select! {
        // The last bytes for the client are written, or can't be.
        _ = &mut writing => false,
        () = &mut rest => {
            let _ = writing.await;
            true
        }
    };
    let in_vain = closed || place.is_none() || connection.out.is_discarded();
    let time = registry.bus.sleep_real(LINGER_TIME);
    registry.leave(&connection, snapshot::picture(&connection, &registry));
    drop((registry, connection));
    if !in_vain {
        tokio::select! {
            () = &mut rest => {}
            () = time => {}
        }
    }
}

/// Reads and drops input until there is none any more, or so much was read.
async fn discard(mut reader: impl AsyncRead + Unpin, mut most: usize) {
    let mut input = BytesMut::new();
    while most > 0 {
        input.clear();
        input.reserve(4 << 10);
        match reader.read_buf(&mut input).await {
            Ok(0) | Err(_) => return,
            Ok(count) => most = most.saturating_sub(count),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::LINGER_BYTES;
    use crate::server::pipe;
    use crate::server::registry::LINGERING_MAX;
    use crate::{Bus, Clock, Server};
    use tokio::io::AsyncWriteExt;

    /// The clock stands still, and the wait ends.
    #[test]
    fn only_so_many_clients_are_waited_for() {
        let bus = Bus::builder().clock(Clock::manual()).build();
        let server = Server::builder(&bus).build().unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let send_to_the_end = || {
            runtime.block_on(async {
                let mut pipe = server.pipe();
                pipe.write_all(b"XYZ\r\n").await.unwrap();
                let mut sent = 0;
                while sent <= LINGER_BYTES + 4 * pipe::CAPACITY && pipe.write_all(&[b'y'; 4 << 10]).await.is_ok() {
                    sent += 4 << 10;
                }
                sent
            })
        };
        let places = &server.registry.lingering;
        let all = places.clone().try_acquire_many_owned(LINGERING_MAX as u32).unwrap();
        assert!(send_to_the_end() <= 4 * pipe::CAPACITY);
        drop(all);
        let sent = send_to_the_end();
        assert!(sent > 4 * pipe::CAPACITY && sent <= LINGER_BYTES + 4 * pipe::CAPACITY, "{sent}");
    }
}
