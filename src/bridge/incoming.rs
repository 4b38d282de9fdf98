//! From the server to the bus.
//!
//! Messages of the rules go through a buffer to a thread that does nothing but publish them: callbacks on the bus run there, and
//! may wait for responses, which have a way of their own.

use super::buffer::Slot;
use super::core::{Core, Phase};
use super::crossing::Inbound;
use super::delivery::Delivery;
use super::headers;
use super::pull::Pull;
use super::reply::Request;
use super::rule::RuleKind;
use super::server_link::ServerLink;
use super::stats::LossReason;
use super::wire;
use crate::publish::RawMessage;
use crate::{Payload, PublishError, Subject};
use futures_core::Stream;
use std::collections::VecDeque;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::task::Poll;
use tokio::sync::oneshot;

/// How many messages are put into the buffer at once: the more, the less often the thread that publishes them is woken.
const BATCH_IN: usize = 256;

/// How many messages are taken from the buffer at once. They are beyond its bounds.
const BATCH: usize = 64;

/// The next message; `None` at the end of the subscription.
///
/// Cancel safety: loses nothing.
pub(super) async fn next(subscriber: &mut async_nats::Subscriber) -> Option<async_nats::Message> {
    poll_fn(|cx| Pin::new(&mut *subscriber).poll_next(cx)).await
}

/// The message that is there now; `None` if there is none, or the subscription has ended.
async fn next_if_there(subscriber: &mut async_nats::Subscriber) -> Option<async_nats::Message> {
    poll_fn(|cx| match Pin::new(&mut *subscriber).poll_next(cx) {
        Poll::Ready(message) => Poll::Ready(message),
        Poll::Pending => Poll::Ready(None),
    })
    .await
}

/// Puts the messages of a rule's subscription into the buffer, until it is told to stop; then those that are
/// there still.
pub(super) async fn pull(
    link: Arc<ServerLink>,
    rule: usize,
    mut subscriber: async_nats::Subscriber,
    mut stop: oneshot::Receiver<()>,
) {
    let core = &link.core;
    let mut batch = Vec::with_capacity(BATCH_IN);
    let add = |batch: &mut Vec<Inbound>, message: async_nats::Message| {
        if let Some(token) = token_of(&link, &message) {
            // Messages for the bridge itself come by a way of their own; but a 503 comes by one way only, and by any that
            // fits (R4).
            if headers::is_no_responders(&message) {
                take_response(&link, token, &message);
            }
        } else {
            batch.extend(wire::taken(core, rule, message));
        }
    };
    let mut is_open = true;
    while is_open {
        tokio::select! {
            biased;
            message = next(&mut subscriber) => match message {
                Some(message) => add(&mut batch, message),
                None => return,
            },
            _ = &mut stop => {
                is_open = false;
                unsubscribe(&mut subscriber).await;
            }
        }
        while let Some(message) = next_if_there(&mut subscriber).await {
            add(&mut batch, message);
            if batch.len() == BATCH_IN {
                push(core, &mut batch);
            }
        }
        push(core, &mut batch);
    }
}

fn push(core: &Core, batch: &mut Vec<Inbound>) {
    if core.inbox.push_many(batch) {
        core.enter(Phase::Draining);
    }
}

/// Also done by the drop; asked for now, so that it comes before what is sent next. If the connection is gone, there is nothing to
/// unsubscribe from, and no receiver for the command.
async fn unsubscribe(subscriber: &mut async_nats::Subscriber) {
    poll_fn(|cx| {
        let _ = std::pin::pin!(subscriber.unsubscribe()).poll(cx);
        Poll::Ready(())
    })
    .await;
}

/// Publishes the buffered messages, until the buffer is closed and empty.
pub(super) async fn publish_all(core: Arc<Core>) {
    let mut batch = VecDeque::new();
    while core.inbox.take(&mut batch, BATCH).await {
        let mut published = 0;
        while let Some(slot) = batch.pop_front() {
            match slot {
                Slot::Item(item) => match publish(&core, &item) {
                    Ok(()) => published += 1,
                    Err(reason) => core.inbox.lost(&item, reason),
                },
                Slot::Barrier(barrier) => {
                    core.inbox.delivered(std::mem::take(&mut published));
                    // The waiter may have gone.
                    let _ = barrier.done.send(Ok(()));
                }
            }
        }
        core.inbox.delivered(published);
    }
}

fn publish(core: &Core, item: &Inbound) -> Result<(), LossReason> {
    let subject = wire::subject_on_bus(core, item)?;
    let rest = item.rest.as_deref();
    let reply = rest.and_then(|rest| rest.reply.as_ref()).map(|reply| {
        if core.keeps_reply(reply) {
            return reply.as_str().to_owned();
        }
        let request = Request {
            reply: reply.as_str().to_owned(),
            subject: item.subject.as_str().to_owned(),
            rule: None,
            wants_no_responders: core.incoming.get(item.rule).kind == RuleKind::Serve,
        };
        format!("{}.{}", core.bus_inbox, core.served.open(request))
    });
    // JetStream's message is shown with the subject that it has in its stream.
    let shown = rest.filter(|rest| rest.is_renamed).map(|_| Subject::new(&*item.subject));
    let shown = shown.transpose().map_err(|_| LossReason::Invalid)?;
    let raw = RawMessage::new(&subject, wire::payload(item)).reply(reply.as_deref()).shown_as(&shown);
    let published = core.client.publish_raw(raw.headers(rest.and_then(|rest| rest.head.clone())));
    published.map(|_| ()).map_err(|error| match error {
        PublishError::MaxPayloadExceeded { .. } => LossReason::TooLarge,
        PublishError::Closed => LossReason::Discarded,
        _ => LossReason::Invalid,
    })
}

/// Passes responses on to the requesters on the bus, until the connection is gone.
pub(super) async fn take_responses(link: Arc<ServerLink>, mut subscriber: async_nats::Subscriber) {
    while let Some(message) = next(&mut subscriber).await {
        take_response(&link, token_of(&link, &message).unwrap_or_default(), &message);
    }
}

/// The name of the request that a subject below the bridge's own inbox is for.
fn token_of<'a>(link: &ServerLink, message: &'a async_nats::Message) -> Option<&'a str> {
    message.subject.strip_prefix(link.inbox())?.strip_prefix('.').map(Pull::token_of)
}

/// False if nothing waits for it any more.
pub(super) fn take_response(link: &ServerLink, token: &str, message: &async_nats::Message) -> bool {
    let is_taken = link.take_own_response(token) || pass_on(link, token, message);
    if !is_taken {
        link.core.late_replies.fetch_add(1, Relaxed);
    }
    is_taken
}

/// False if no request waits for it.
fn pass_on(link: &ServerLink, token: &str, message: &async_nats::Message) -> bool {
    let core = &link.core;
    let Some(request) = core.called.find(token) else { return false };
    let has_no_responders = headers::is_no_responders(message);
    if has_no_responders {
        core.called.close(token);
        if core.is_taken_here(&request) {
            // As in a cluster: it was delivered to a subscription.
            return true;
        }
    }
    // DIFFERENCE: for a message of a stream too, so that its acknowledgement finds the way back, unless a rule takes it there.
    let reply = message.reply.as_ref().map(|reply| reply_on_bus(core, reply, message));
    let headers = if has_no_responders {
        headers::no_responders(&request.subject).header_block()
    } else {
        headers::block(message, true)
    };
    // Lent: it is a slice of all that the client library read at once.
    let payload = Payload::from(&message.payload[..]);
    let is_renamed = !message.subject.starts_with(link.inbox());
    // A message of a stream is shown with its subject there.
    let Ok(shown) = is_renamed.then(|| Subject::new(&*message.subject)).transpose() else { return false };
    let raw = RawMessage::new(&request.reply, payload).reply(reply.as_deref()).headers(headers).shown_as(&shown);
    match core.client.publish_raw(raw) {
        Ok(1..) => {
            core.responses.fetch_add(1, Relaxed);
            true
        }
        Ok(0) | Err(_) => {
            core.called.close(token);
            false
        }
    }
}

/// A reply subject on the bus, from which responses find the way back.
fn reply_on_bus(core: &Core, reply: &str, message: &async_nats::Message) -> String {
    if core.keeps_reply(reply) {
        return reply.to_owned();
    }
    let back = Request {
        reply: reply.to_owned(),
        subject: message.subject.as_str().to_owned(),
        rule: None,
        wants_no_responders: true,
    };
    format!("{}.{}", core.bus_inbox, core.served.open(back))
}

/// Passes a message of a push consumer on to the inbox that the consumer delivers to. A message without an acknowledgement keeps its reply
/// subject, which says its sequences (JC81).
pub(super) fn deliver(link: &ServerLink, delivery: &Delivery, message: &async_nats::Message) {
    let core = &link.core;
    let reply = message.reply.as_ref().map(|reply| match delivery.is_unacknowledged && reply.starts_with("$JS.ACK.") {
        true => reply.as_str().to_owned(),
        false => reply_on_bus(core, reply, message),
    });
    let is_renamed = message.subject.as_str() != delivery.subject;
    let Ok(shown) = is_renamed.then(|| Subject::new(&*message.subject)).transpose() else { return };
    // Lent: it is a slice of all that the client library read at once.
    let raw = RawMessage::new(&delivery.subject, Payload::from(&message.payload[..])).reply(reply.as_deref());
    match core.client.publish_raw(raw.headers(headers::block(message, true)).shown_as(&shown)) {
        Ok(1..) => {
            core.responses.fetch_add(1, Relaxed);
        }
        // The inbox is gone, or the message is larger than the bus's messages may be.
        Ok(0) | Err(_) => {
            core.late_replies.fetch_add(1, Relaxed);
        }
    }
}

/// Hears of other bridges of the same bus.
pub(super) async fn take_announcements(link: Arc<ServerLink>, mut subscriber: async_nats::Subscriber) {
    while let Some(message) = next(&mut subscriber).await {
        let number = message.subject.as_str().rsplit_once('.').map(|(_, number)| u64::from_str_radix(number, 16));
        if let Some(Ok(number)) = number {
            link.core.member.heard_of(number);
        }
    }
}
