//! From the bus to the server: one task writes the buffered messages, in order.

use super::buffer::Slot;
use super::crossing::Outbound;
use super::deliveries::Deliveries;
use super::pulls::Pulls;
use super::server_link::{ConnectionLost, ServerLink};
use super::stats::LossReason;
use super::wire::{Wire, WireExtras};
use async_nats::client::PublishErrorKind;
use std::collections::VecDeque;
use std::future::pending;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

/// How many messages are taken from the buffer at once. They are beyond its bounds.
const BATCH: usize = 128;

/// How long, in real time, sent messages may stay without a checkpoint while the window has room.
const CHECKPOINT_AFTER: Duration = Duration::from_millis(250);

/// The subscriptions of consumers: they end with the connection.
#[derive(Default)]
struct Consumers {
    pulls: Pulls,
    deliveries: Deliveries,
}

/// Sends for ever. `follow` brings the interest that there is on the bus into force on the server.
///
/// Cancel safety: messages that were not sent are in the buffer or, first, in `batch`.
pub(super) async fn send(
    link: &Arc<ServerLink>,
    batch: &mut VecDeque<Slot<Outbound>>,
    follow: impl AsyncFn() -> Result<(), ConnectionLost>,
) -> Result<(), ConnectionLost> {
    let core = &link.core;
    // When a checkpoint is to follow the sent messages, if the window does not ask for one before.
    let mut due: Option<Pin<Box<crate::time::Sleep>>> = None;
    let (mut has_room, mut last) = (false, None);
    let mut consumers = Consumers::default();
    let keeps = link.window(|window| window.keeps());
    loop {
        if batch.is_empty() {
            if !link.window(|window| window.needs_checkpoint()) {
                due = None;
            } else if due.is_none() {
                due = Some(Box::pin(core.bus.sleep_real(CHECKPOINT_AFTER)));
            }
            let has_due = due.is_some();
            tokio::select! {
                biased;
                more = core.outbox.take(batch, BATCH) => {
                    if !more {
                        link.checkpoint().await?;
                        pending::<()>().await;
                    }
                    core.announce_room();
                }
                () = wait_for(&mut due), if has_due => {
                    due = None;
                    link.checkpoint().await?;
                }
            }
            continue;
        }
        if let Some(Slot::Barrier(_)) = batch.front() {
            // Interest that there was when the barrier was set is in force when it is done.
            follow().await?;
            if let Some(Slot::Barrier(barrier)) = batch.pop_front() {
                link.window(|window| window.barrier(barrier));
                link.checkpoint().await?;
            }
            continue;
        }
        if !has_room {
            wait_for_room(link).await?;
        }
        let Some(Slot::Item(out)) = batch.front() else { continue };
        let sent = match Wire::new(core, out, link.client.max_payload(), &mut last) {
            Ok(wire) => publish(link, &mut consumers, wire).await?,
            Err(reason) => Err(reason),
        };
        match sent {
            Ok(()) => {
                let state = link.window(|window| window.sent(out));
                match batch.pop_front() {
                    Some(Slot::Item(out)) if keeps => link.window(|window| window.keep(out)),
                    // Where no lock is held: it may run code of a user's.
                    done => drop(done),
                }
                has_room = state.has_room;
                if state.is_checkpoint_due {
                    link.checkpoint().await?;
                }
            }
            Err(reason) => {
                core.outbox.lost(out, reason);
                batch.pop_front();
            }
        }
    }
}

async fn wait_for(due: &mut Option<Pin<Box<crate::time::Sleep>>>) {
    match due {
        Some(due) => due.as_mut().await,
        None => pending().await,
    }
}

async fn wait_for_room(link: &ServerLink) -> Result<(), ConnectionLost> {
    if !link.window(|window| window.has_room()) && link.window(|window| window.needs_checkpoint()) {
        link.checkpoint().await?;
    }
    link.until(|window| window.has_room().then_some(())).await;
    Ok(())
}

async fn publish(
    link: &Arc<ServerLink>,
    consumers: &mut Consumers,
    wire: Wire,
) -> Result<Result<(), LossReason>, ConnectionLost> {
    let Wire { subject, payload, rest } = wire;
    let client = &link.client;
    let published = match rest.map(|rest| *rest) {
        None => client.publish(subject, payload).await,
        Some(WireExtras { reply, headers, pull, delivery }) => {
            if let Some(delivery) = delivery {
                consumers.deliveries.begin(link, delivery).await?;
            }
            let reply = match pull {
                Some(pull) => Some(consumers.pulls.begin(link, pull).await?),
                None => reply,
            };
            match (reply, headers) {
                (None, None) => client.publish(subject, payload).await,
                (Some(reply), None) => client.publish_with_reply(subject, reply, payload).await,
                (None, Some(headers)) => client.publish_with_headers(subject, headers, payload).await,
                (Some(reply), Some(headers)) => {
                    client.publish_with_reply_and_headers(subject, reply, headers, payload).await
                }
            }
        }
    };
    match published.map_err(|error| error.kind()) {
        Ok(()) => Ok(Ok(())),
        Err(PublishErrorKind::MaxPayloadExceeded) => Ok(Err(LossReason::TooLarge)),
        Err(PublishErrorKind::InvalidSubject) => Ok(Err(LossReason::Invalid)),
        Err(_) => Err(ConnectionLost),
    }
}
