//! The bus's own message that there are no responders (R2 to R6).

use super::context::{Context, DelayPoint};
use super::deferred::Deferred;
use super::deliver::try_deliver;
use super::finish::finish;
use super::follow_up::emit_accepted;
use crate::account::Subscription;
use crate::delivery::{DropReason, Envelope, Refused};
use crate::message::{Head, Message, Payload, Trace};
use crate::observe::{PublishAction, PublishContext};
use crate::subject::Subject;
use std::sync::Arc;

/// Tells one plain subscription of this connection that no subscription got the message.
///
/// Requests do not come here: they see from the number of subscribers that there are no
/// responders.
#[cold]
pub(super) fn notify_no_responders(cx: Context<'_>, routed: &str, reply: Option<&Subject>) {
    let Some(reply) = reply.filter(|_| cx.publisher().options.no_responders) else { return };
    if !cx.owns_inbox(reply) {
        send_notice(cx, routed, reply);
    }
}

/// The same for a request of this connection that an observer has delayed: its publish did not see that there are none.
pub(super) fn notify_delayed_request(cx: Context<'_>, routed: &str, reply: Option<&Subject>) {
    if let Some(reply) = reply.filter(|reply| cx.owns_inbox(reply))
        && cx.publisher().options.no_responders
    {
        send_notice(cx, routed, reply);
    }
}

#[cold]
fn send_notice(cx: Context<'_>, routed: &str, reply: &Subject) {
    let own_id = cx.publisher().id;
    let is_own = |subscription: &&Arc<Subscription>| {
        subscription.access.id == own_id && subscription.target.close_reason().is_none()
    };
    let matcher = &cx.account().matcher;
    // An observer is not told of a notice that no subscription would get.
    if !matcher.with_matches(reply.as_str(), |hit| hit.matches.plain().iter().any(|one| is_own(&one))) {
        return;
    }
    // As bytes: a header map would cut off white space at the ends of a subject.
    let reporter = cx.services().reporter();
    let head = Head::came(format!("NATS/1.0 503\r\nNats-Subject: {routed}\r\n\r\n").into(), reporter);
    let message = trace(cx, Message::assemble(reply.clone(), None, head, &mut Payload::empty(), reporter));
    let envelope = Envelope { routed: reply.as_str(), publisher: None, weight: message.weight() };
    let mut deferred = Deferred::default();
    let (mut accepted_by, mut lost_by) = (None, None);
    let routed = matcher.with_matches(reply.as_str(), |hit| {
        let Some(own) = hit.matches.plain().iter().find(is_own) else { return 0 };
        own.target.exempt(1);
        // DIFFERENCE: no-echo does not keep it away; it is the bus that speaks.
        let Err(refused) = try_deliver(own, &envelope, &mut deferred, || own.copy_of(&message), &message) else {
            accepted_by = Some(own.clone());
            return 1;
        };
        own.target.exempt(-1);
        if refused == Refused::Disconnected {
            deferred.disconnected(own, None);
        }
        let is_lost = refused == Refused::Full && own.target.queue().count_drop(DropReason::QueueFull).is_ok();
        lost_by = is_lost.then(|| own.clone());
        u64::from(is_lost)
    });
    let probe = &cx.services().probe;
    cx.publisher().counters().count_more_routed(routed, false);
    if let Some(own) = lost_by {
        own.emit_lost(probe, &message, DropReason::QueueFull);
    }
    if let (Some(id), Some(own)) = (message.trace().map(Trace::id), accepted_by) {
        emit_accepted(probe, id, &own);
    }
    // A callback has its own copy.
    drop(message);
    if !deferred.is_empty() {
        finish(cx, deferred, 1, &envelope, None);
    }
}

/// Numbers the notice on a bus that is observed.
fn trace(cx: Context<'_>, message: Message) -> Message {
    let probe = &cx.services().probe;
    if !probe.is_on() {
        return message;
    }
    let routed = message.subject().clone();
    let point = DelayPoint { cx, routed: routed.as_str(), to: None };
    let context = PublishContext::new(cx.publisher().info(), &message, routed.as_str(), true, &point);
    let Some(PublishAction::Route { id, .. }) = probe.ask_notice(&context) else { return message };
    match probe.trace(id, &message) {
        Some(trace) => message.traced(trace),
        None => message,
    }
}
