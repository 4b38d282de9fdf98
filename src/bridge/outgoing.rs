//! From the bus to the server: one task writes the buffered messages, in order.

use super::buffer::Slot;
use super::core::Out;
use super::interest::Subscriptions;
use super::session::{Gone, Line};
use super::stats::LossReason;
use super::window::Ask;
use super::wire::{Wire, WireRest};
use async_nats::client::PublishErrorKind;
use std::collections::VecDeque;
use std::future::pending;
use std::pin::Pin;
use std::time::Duration;

/// How many messages are taken from the buffer at once. They are beyond its bounds.
const BATCH: usize = 128;

/// How long, in real time, sent messages may stay without a mark while the window has room.
const MARK_AFTER: Duration = Duration::from_millis(250);

/// A mark that is not answered within this real time will not be, where a 503 is the answer.
const ANSWER_WITHIN: Duration = Duration::from_secs(10);

/// Sends for ever.
///
/// Cancel safety: messages that were not sent are in the buffer or, first, in `batch`.
pub(super) async fn send(
    line: &Line,
    batch: &mut VecDeque<Slot<Out>>,
    subscriptions: &tokio::sync::Mutex<Subscriptions>,
) -> Result<(), Gone> {
    let core = &line.core;
    // When sent messages are to be marked, if the window does not ask for it before.
    let mut due: Option<Pin<Box<crate::time::Sleep>>> = None;
    let (mut has_room, mut last) = (false, None);
    let keeps = line.window(|window| window.keeps());
    loop {
        if batch.is_empty() {
            if !line.window(|window| window.has_unmarked()) {
                due = None;
            } else if due.is_none() {
                due = Some(Box::pin(core.bus.sleep_real(MARK_AFTER)));
            }
            let has_due = due.is_some();
            tokio::select! {
                biased;
                more = core.outbox.take(batch, BATCH) => {
                    if !more {
                        line.mark().await?;
                        pending::<()>().await;
                    }
                    core.announce_room();
                }
                () = wait_for(&mut due), if has_due => {
                    due = None;
                    line.mark().await?;
                }
            }
            continue;
        }
        if let Some(Slot::Barrier(_)) = batch.front() {
            // Interest that there was when it was asked for is in force when it is answered.
            subscriptions.lock().await.follow().await?;
            if let Some(Slot::Barrier(barrier)) = batch.pop_front() {
                line.window(|window| window.barrier(barrier));
                line.mark().await?;
            }
            continue;
        }
        if !has_room {
            wait_for_room(line).await?;
        }
        let Some(Slot::Item(out)) = batch.front() else { continue };
        let sent = match Wire::new(core, out, line.client.max_payload(), &mut last) {
            Ok(wire) => publish(line, wire).await?,
            Err(reason) => Err(reason),
        };
        match sent {
            Ok(()) => {
                let standing = line.window(|window| window.sent(out));
                match batch.pop_front() {
                    Some(Slot::Item(out)) if keeps => line.window(|window| window.keep(out)),
                    // Where no lock is held: it may run code of a user's.
                    done => drop(done),
                }
                has_room = standing.has_room;
                if standing.is_markable {
                    line.mark().await?;
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

async fn wait_for_room(line: &Line) -> Result<(), Gone> {
    loop {
        if line.window(|window| window.has_room()) {
            return Ok(());
        }
        if line.window(|window| window.has_unmarked()) {
            line.mark().await?;
        }
        let has_room = line.until(|window| window.has_room().then_some(()));
        if line.window(|window| window.ask) != Ask::Nobody {
            has_room.await;
            return Ok(());
        }
        tokio::select! {
            () = has_room => {}
            () = line.core.bus.sleep_real(ANSWER_WITHIN) => line.stop_asking().await?,
        }
    }
}

async fn publish(line: &Line, wire: Wire) -> Result<Result<(), LossReason>, Gone> {
    let Wire { subject, payload, rest } = wire;
    let client = &line.client;
    let published = match rest.map(|rest| *rest) {
        None | Some(WireRest { reply: None, headers: None }) => client.publish(subject, payload).await,
        Some(WireRest { reply: Some(reply), headers: None }) => {
            client.publish_with_reply(subject, reply, payload).await
        }
        Some(WireRest { reply: None, headers: Some(headers) }) => {
            client.publish_with_headers(subject, headers, payload).await
        }
        Some(WireRest { reply: Some(reply), headers: Some(headers) }) => {
            client.publish_with_reply_and_headers(subject, reply, headers, payload).await
        }
    };
    match published.map_err(|error| error.kind()) {
        Ok(()) => Ok(Ok(())),
        Err(PublishErrorKind::MaxPayloadExceeded) => Ok(Err(LossReason::TooLarge)),
        Err(PublishErrorKind::InvalidSubject) => Ok(Err(LossReason::Invalid)),
        Err(_) => Err(Gone),
    }
}
