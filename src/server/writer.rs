//! The writer of a connection: writes what waits for it until its end.

use super::chunks::ChunkQueue;
use super::connection::{Connection, in_u64};
use super::outbound::{End, Outbound};
use super::registry::Registry;
use crate::protocol::DisconnectReason;
use bytes::Buf;
use std::future::poll_fn;
use std::io::{self, IoSlice};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::task::{Context, Poll};
use tokio::io::{AsyncWrite, AsyncWriteExt};

/// Chunks that are written at once, at most.
const SLICES: usize = 64;

/// Writes what waits for the connection until its end.
pub(super) async fn write(mut writer: impl AsyncWrite + Unpin, registry: Arc<Registry>, connection: Arc<Connection>) {
    let out = &connection.out;
    let mut taken = out.nothing();
    let mut messages = 0;
    while out.take(&mut taken).await {
        let so_far = out.counts().messages;
        if so_far != std::mem::replace(&mut messages, so_far) {
            connection.traffic.last_delivery.store(in_u64(registry.bus.clock().now().as_millis()), Relaxed);
        }
        if let Err(reason) = write_one(&mut writer, &mut taken, &registry, out).await {
            connection.close_in_turns(reason).await;
            // If it had ended before, the rest that still waits has no receiver now.
            out.end(End::Discard);
            break;
        }
    }
    if out.is_discarded() {
        // The publisher that exceeded the bound could not close the connection itself.
        connection.close_in_turns(DisconnectReason::SlowConsumerPendingBytes).await;
    }
    // The peer may be gone already.
    let _ = writer.shutdown().await;
}

async fn write_one<W: AsyncWrite + Unpin>(
    writer: &mut W,
    taken: &mut ChunkQueue,
    registry: &Registry,
    out: &Outbound,
) -> Result<(), DisconnectReason> {
    let mut writing = pin!(async {
        while !taken.is_empty() {
            let count = poll_fn(|context| poll_write(writer, taken, context)).await?;
            if count == 0 {
                return Err(io::ErrorKind::WriteZero.into());
            }
            taken.advance(count);
            out.written(count);
        }
        writer.flush().await
    });
    // No timer for a write that is done at once, as nearly all are.
    let first = poll_fn(|context| Poll::Ready(writing.as_mut().poll(context))).await;
    let result = match first {
        Poll::Ready(result) => result,
        Poll::Pending => tokio::select! {
            result = &mut writing => result,
            () = out.discarded() => return Err(DisconnectReason::SlowConsumerPendingBytes),
            () = registry.bus.sleep(registry.options().write_deadline) => return Err(DisconnectReason::SlowConsumerWriteDeadline),
        },
    };
    result.map_err(|_| DisconnectReason::WriteError)
}

fn poll_write(
    writer: &mut (impl AsyncWrite + Unpin),
    chunks: &ChunkQueue,
    context: &mut Context<'_>,
) -> Poll<io::Result<usize>> {
    if !writer.is_write_vectored() {
        return Pin::new(writer).poll_write(context, chunks.chunk());
    }
    let mut slices = [IoSlice::new(&[]); SLICES];
    let filled = chunks.chunks_vectored(&mut slices);
    Pin::new(writer).poll_write_vectored(context, &slices[..filled])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::{SessionHandler, Subscribe};
    use crate::server::ServerOptions;
    use crate::server::listener::begin;
    use crate::server::workers::AT_ONCE;
    use crate::{Bus, Client};

    /// L1: others have their turn while the subscriptions of a slow consumer end.
    #[test]
    fn a_slow_consumer_with_many_subscriptions_is_closed_in_turns() {
        let registry = Registry::new(Bus::new(), ServerOptions::new().max_pending(1_000).max_payload(100)).unwrap();
        let (connection, session, mut handler) = begin(&registry, None);
        handler.connect(session.options()).unwrap();
        let slices = 4;
        for sid in 0..AT_ONCE * slices {
            let sid = sid.to_string();
            handler.subscribe(Subscribe { subject: "a", queue: None, sid: sid.as_bytes() }).unwrap();
        }
        connection.out.send(&[b'x'; 1_001]);
        let live = || connection.state.lock().client.as_ref().map_or(0, Client::subscriptions);
        assert!(connection.out.is_discarded() && live() == AT_ONCE * slices);
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let turns = runtime.block_on(async {
            let mut writing = pin!(write(tokio::io::sink(), registry.clone(), connection.clone()));
            let mut turns = 0;
            poll_fn(|context| {
                turns += 1;
                writing.as_mut().poll(context)
            })
            .await;
            turns
        });
        assert_eq!((turns, registry.bus.stats().subscriptions), (slices, 0));
        assert_eq!(connection.close_reason(), Some(DisconnectReason::SlowConsumerPendingBytes));
    }
}
