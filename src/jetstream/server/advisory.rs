//! Advisories: what the server tells of itself under `$JS.EVENT.ADVISORY` (JS88, JS89, JS63).

use super::outgoing::Outgoing;
use super::shared::Shared;
use crate::jetstream::engine::{AbandonReason, Advisory, Event};
use crate::jetstream::json::write::Object;
use std::time::Duration;

/// The account that a bus stands for.
const ACCOUNT: &str = "$G";

/// What was done to a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum StreamAction {
    Created,
    Updated,
    Deleted,
}

/// The advisory of an action on a stream; none if nobody listens.
pub(super) fn stream_action(shared: &Shared, stream: &str, action: StreamAction) -> Option<Outgoing> {
    let (token, word) = match action {
        StreamAction::Created => ("CREATED", "create"),
        StreamAction::Updated => ("UPDATED", "modify"),
        StreamAction::Deleted => ("DELETED", "delete"),
    };
    let subject = format!("$JS.EVENT.ADVISORY.STREAM.{token}.{stream}");
    advisory(shared, subject, "stream_action", |object| {
        object.text("stream", stream);
        object.text("action", word);
        domain(shared, object);
    })
}

/// The advisory of an atomic batch that came to nothing.
pub(super) fn batch_abandoned(shared: &Shared, stream: &str, batch: &str, reason: AbandonReason) -> Option<Outgoing> {
    let subject = format!("$JS.EVENT.ADVISORY.STREAM.BATCH_ABANDONED.{stream}");
    advisory(shared, subject, "stream_batch_abandoned", |object| {
        object.text("stream", stream);
        domain(shared, object);
        object.text("batch", batch);
        object.text("reason", reason.as_str());
    })
}

/// The advisory of an event of a consumer (JC190 to JC197).
pub(super) fn consumer_event(shared: &Shared, stream: &str, advisory: &Advisory) -> Option<Outgoing> {
    let Advisory { consumer, event } = advisory;
    let (token, kind) = match event {
        Event::Created => ("CREATED", "consumer_action"),
        Event::Deleted => ("DELETED", "consumer_action"),
        Event::Pause { .. } => ("PAUSE", "consumer_pause"),
        Event::Naked { .. } => ("MSG_NAKED", "nak"),
        Event::Terminated { .. } => ("MSG_TERMINATED", "terminated"),
        Event::MaxDeliveries { .. } => ("MAX_DELIVERIES", "max_deliver"),
        Event::Pinned { .. } => ("PINNED", "consumer_group_pinned"),
        Event::Unpinned { .. } => ("UNPINNED", "consumer_group_unpinned"),
    };
    let subject = format!("$JS.EVENT.ADVISORY.CONSUMER.{token}.{stream}.{consumer}");
    send_as(shared, subject, &format!("advisory.v1.{kind}"), |object| {
        if let Event::Pinned { .. } | Event::Unpinned { .. } = event {
            object.text("account", ACCOUNT);
        }
        object.text("stream", stream);
        object.text("consumer", consumer);
        match event {
            Event::Created => object.text("action", "create"),
            Event::Deleted => object.text("action", "delete"),
            Event::Pause { is_paused, until } => {
                object.plain("paused", is_paused);
                object.instant("pause_until", *until);
            }
            Event::Naked { consumer_seq, stream_seq, deliveries } => {
                numbers(object, (*consumer_seq, *stream_seq, *deliveries));
            }
            Event::Terminated { consumer_seq, stream_seq, deliveries, reason } => {
                numbers(object, (*consumer_seq, *stream_seq, *deliveries));
                object.some_text("reason", reason);
            }
            Event::MaxDeliveries { stream_seq, deliveries } => {
                object.plain("stream_seq", stream_seq);
                object.plain("deliveries", deliveries);
            }
            Event::Pinned { group, id } => {
                object.text("group", group);
                object.text("pinned_id", id);
            }
            Event::Unpinned { group, reason } => {
                object.text("group", group);
                object.text("reason", reason.as_str());
            }
        }
        domain(shared, object);
    })
}

/// The metric of an acknowledgement (JC198); `seqs` are its consumer sequence, its stream sequence and its deliveries.
pub(super) fn ack_metric(
    shared: &Shared,
    stream: &str,
    consumer: &str,
    seqs: (u64, u64, u64),
    ack_time: Duration,
) -> Option<Outgoing> {
    let subject = format!("$JS.EVENT.METRIC.CONSUMER.ACK.{stream}.{consumer}");
    send_as(shared, subject, "metric.v1.consumer_ack", |object| {
        object.text("stream", stream);
        object.text("consumer", consumer);
        object.plain("consumer_seq", seqs.0);
        object.plain("stream_seq", seqs.1);
        object.plain("ack_time", ack_time.as_nanos());
        object.plain("deliveries", seqs.2);
        domain(shared, object);
    })
}

fn numbers(object: &mut Object<'_>, (consumer_seq, stream_seq, deliveries): (u64, u64, u64)) {
    object.plain("consumer_seq", consumer_seq);
    object.plain("stream_seq", stream_seq);
    object.plain("deliveries", deliveries);
}

/// The advisory of an API call and its response.
pub(super) fn api_audit(shared: &Shared, subject: &str, request: &[u8], response: &str) -> Option<Outgoing> {
    advisory(shared, "$JS.EVENT.ADVISORY.API".to_owned(), "api_audit", |object| {
        object.text("server", &shared.server_name());
        object.some_object("client", Some(&()), |object, ()| {
            object.text("acc", ACCOUNT);
            object.text("server", &shared.server_name());
        });
        object.text("subject", subject);
        object.some_text("request", &String::from_utf8_lossy(request));
        object.text("response", response);
        domain(shared, object);
    })
}

fn domain(shared: &Shared, object: &mut Object<'_>) {
    object.some_text("domain", shared.domain().unwrap_or_default());
}

fn advisory(shared: &Shared, subject: String, kind: &str, fields: impl FnOnce(&mut Object<'_>)) -> Option<Outgoing> {
    send_as(shared, subject, &format!("advisory.v1.{kind}"), fields)
}

/// A message of the server's own; none if nothing receives it.
fn send_as(shared: &Shared, subject: String, kind: &str, fields: impl FnOnce(&mut Object<'_>)) -> Option<Outgoing> {
    if !shared.has_interest(&subject) {
        return None;
    }
    let mut out = String::new();
    let mut object = Object::new(&mut out);
    object.text("type", &format!("io.nats.jetstream.{kind}"));
    object.text("id", &shared.new_id());
    object.instant("timestamp", Some(shared.now()));
    fields(&mut object);
    drop(object);
    Some(Outgoing::new(subject, out))
}
