//! Messages, and copies for one subscription, that an observer delays: how they are routed later.

use super::context::{Context, DelayPoint, KeptContext};
use super::deferred::Deferred;
use super::filter::hand_over;
use super::finish::finish;
use super::no_responders::notify_delayed_request;
use super::route::{reach, route};
use crate::account::Subscription;
use crate::delivery::DropReason;
use crate::id::{ClientId, MessageId};
use crate::message::{Message, Publication};
use crate::observe::{Delay, Reroute};
use smol_str::SmolStr;
use std::sync::{Arc, Weak};

impl Delay for DelayPoint<'_> {
    fn reach(&self) -> usize {
        reach(self.cx, self.routed)
    }

    fn delay_message(&self) -> Box<dyn Reroute> {
        Box::new(LaterMessage { kept: self.cx.keep(), routed: self.routed.into() })
    }

    fn delay_delivery(&self) -> Option<Box<dyn Reroute>> {
        let to = Arc::downgrade(self.to?);
        Some(Box::new(LaterDelivery { kept: self.cx.keep(), routed: self.routed.into(), to }))
    }
}

/// A message that is routed later.
struct LaterMessage {
    kept: KeptContext,
    routed: SmolStr,
}

impl LaterMessage {
    fn cx(&self) -> Context<'_> {
        self.kept.context()
    }
}

impl Reroute for LaterMessage {
    fn publisher(&self) -> ClientId {
        self.cx().publisher().id
    }

    fn release(&self, id: MessageId, message: Message) -> usize {
        let probe = &self.cx().services().probe;
        // A subject that a bus let through once is not looked at again.
        let mut out = Publication::routed_to(&self.routed, &message).trusted().with_trace(probe.trace(id, &message));
        let accepted = route(self.cx(), &mut out, None, message.size(), None).unwrap_or(0);
        if !out.matched {
            notify_delayed_request(self.cx(), &self.routed, message.reply());
        }
        probe.emit_returned(id);
        accepted
    }

    /// It has not been published yet.
    fn lose(&self, _: &Message) {}
}

/// A copy that is delivered later.
struct LaterDelivery {
    /// The connection that published it.
    kept: KeptContext,
    routed: SmolStr,
    /// The subscription, which is not kept alive.
    to: Weak<Subscription>,
}

impl Reroute for LaterDelivery {
    fn publisher(&self) -> ClientId {
        self.kept.context().publisher().id
    }

    fn release(&self, id: MessageId, message: Message) -> usize {
        let (cx, Some(to)) = (self.kept.context(), self.to.upgrade()) else { return 0 };
        let probe = &cx.services().probe;
        let message = match probe.trace(id, &message) {
            Some(trace) => message.traced(trace),
            None => message,
        };
        let (envelope, mut deferred) = (cx.envelope(&self.routed, message.weight()), Deferred::default());
        let accepted = hand_over(cx, &to, &message, &envelope, &mut deferred);
        probe.emit_routed(id, &deferred.take_accepted());
        cx.publisher().counters().count_more_routed(accepted as u64, false);
        drop(message);
        // `unmatched` was already updated when the copy was delayed.
        let more = if deferred.is_empty() { 0 } else { finish(cx, deferred, 1, &envelope, None).accepted };
        accepted + more
    }

    fn lose(&self, message: &Message) {
        let (cx, Some(to)) = (self.kept.context(), self.to.upgrade()) else { return };
        let reason = DropReason::Fault;
        if to.target.close_reason().is_none() && to.target.queue().count_drop(reason).is_ok() {
            cx.publisher().counters().count_more_routed(1, false);
            to.emit_lost(&cx.services().probe, message, reason);
        }
    }
}
