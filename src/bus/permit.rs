//! The checks of a connection's permissions, and the effects of a change of them.

use super::connection::Connection;
use super::event::{Denied, Event};
use crate::account::{Permissions, Subscription, SubscriptionInfo, Watch};
use crate::error::{CloseReason, PublishError, SubscribeError};
use crate::message::Publication;
use crate::sync::atomic::{AtomicU8, Ordering};
use std::sync::Arc;

/// The reasons why a publish needs further checks. One word, so that nearly all publishes ask one
/// question.
//
// ORDERING: Relaxed; coherence shows a change to each thread that is told of it afterwards.
#[derive(Debug, Default)]
pub(super) struct Gate(AtomicU8);

impl Gate {
    pub(super) const CLOSED: u8 = 1;
    /// There are permissions.
    const RULED: u8 = 2;
    const LENIENT: u8 = 4;
    pub(super) const OBSERVED: u8 = 8;

    pub(super) fn new(closed: bool, ruled: bool, lenient: bool, observed: bool) -> Self {
        let flag = |is: bool, flag: u8| if is { flag } else { 0 };
        let permits = flag(closed, Self::CLOSED) | flag(ruled, Self::RULED) | flag(lenient, Self::LENIENT);
        let flags = permits | flag(observed, Self::OBSERVED);
        Gate(AtomicU8::new(flags))
    }

    #[inline]
    pub(super) fn flags(&self) -> u8 {
        self.0.load(Ordering::Relaxed)
    }

    pub(super) fn close(&self) {
        self.0.fetch_or(Self::CLOSED, Ordering::Relaxed);
    }

    fn set_ruled(&self, ruled: bool) {
        if ruled {
            self.0.fetch_or(Self::RULED, Ordering::Relaxed);
        } else {
            self.0.fetch_and(!Self::RULED, Ordering::Relaxed);
        }
    }
}

/// S9: the subjects that lenient connections may not publish to.
fn is_reserved_subject(subject: &str) -> bool {
    subject.starts_with("$NRG.") || is_below(subject, "_GR_.")
}

/// S10: the replies that they may not publish with.
fn is_reserved_reply(reply: &str) -> bool {
    reply.starts_with("_R_.") || is_below(reply, "$JS.ACK.") || is_below(reply, "_GR_.")
}

/// A queue group that nats-server keeps for itself.
const RESERVED_QUEUE: &str = "_sys_";

fn is_below(text: &str, prefix: &str) -> bool {
    text.len() > prefix.len() && text.starts_with(prefix)
}

impl Connection {
    /// For a publish that met a flag at the gate.
    #[cold]
    #[inline(never)]
    pub(super) fn pass_gate(&self, flags: u8, out: &Publication<'_>) -> Result<(), PublishError> {
        let subject = out.routed();
        if flags & Gate::CLOSED != 0 {
            return Err(PublishError::Closed);
        }
        let lenient = flags & Gate::LENIENT != 0;
        if flags & Gate::RULED != 0 {
            // An invalid subject is reported as invalid, not as denied.
            self.check_address(subject, out.is_trusted())?;
            if !self.owner.may_publish(subject, || self.shared.timers.now()) {
                return Err(self.publish_denied(subject));
            }
        }
        if lenient && is_reserved_subject(subject) {
            return Err(self.publish_denied(subject));
        }
        if let Some(reply) = out.reply().filter(|reply| lenient && is_reserved_reply(reply.as_str())) {
            return Err(self.reply_denied(reply.as_str()));
        }
        Ok(())
    }

    /// Whether [`Connection::pass_gate`] would let a message through, asked beforehand: nothing is used up. A refusal is told to
    /// the observer, for a caller that is refused does not publish.
    pub(crate) fn check_publish(&self, subject: &str, reply: Option<&str>) -> Result<(), PublishError> {
        self.ask_publish(subject, reply).inspect_err(|error| self.tell_address_refused(subject, reply, error))
    }

    fn ask_publish(&self, subject: &str, reply: Option<&str>) -> Result<(), PublishError> {
        let flags = self.gate.flags();
        if flags & Gate::CLOSED != 0 {
            return Err(PublishError::Closed);
        }
        let lenient = flags & Gate::LENIENT != 0;
        let ruled = flags & Gate::RULED != 0;
        let allowed = !ruled || self.owner.could_publish(subject, || self.shared.timers.now());
        if !allowed || (lenient && is_reserved_subject(subject)) {
            return Err(self.publish_denied(subject));
        }
        match reply.filter(|reply| lenient && is_reserved_reply(reply)) {
            Some(reply) => Err(self.reply_denied(reply)),
            None => Ok(()),
        }
    }

    fn reply_denied(&self, reply: &str) -> PublishError {
        let reply = reply.to_owned();
        self.tell_denied(|| Denied::Reply { reply: reply.clone() });
        PublishError::ReplyDenied { reply }
    }

    pub(super) fn publish_denied(&self, subject: &str) -> PublishError {
        let subject = subject.to_owned();
        self.tell_denied(|| Denied::Publish { subject: subject.clone() });
        PublishError::PermissionDenied { subject }
    }

    /// As [`Connection::may_subscribe`]; not to be called under a lock, for a refusal is told.
    pub(crate) fn check_subscribe(&self, pattern: &str, queue: Option<&str>) -> Result<(), SubscribeError> {
        if self.may_subscribe(pattern, queue) { Ok(()) } else { Err(self.subscribe_denied(pattern, queue)) }
    }

    /// Whether a subscription may be made; `pattern` need not be valid.
    pub(super) fn may_subscribe(&self, pattern: &str, queue: Option<&str>) -> bool {
        let flags = self.gate.flags();
        let reserved = flags & Gate::LENIENT != 0 && queue == Some(RESERVED_QUEUE);
        !reserved && (flags & Gate::RULED == 0 || self.owner.may_subscribe(pattern, queue))
    }

    #[cold]
    pub(super) fn subscribe_denied(&self, pattern: &str, queue: Option<&str>) -> SubscribeError {
        let (pattern, queue) = (pattern.to_owned(), queue.map(str::to_owned));
        self.tell_denied(|| Denied::Subscribe { pattern: pattern.clone(), queue: queue.clone() });
        SubscribeError::PermissionDenied { pattern, queue }
    }

    fn tell_denied(&self, denied: impl FnOnce() -> Denied) {
        let told = || Event::PermissionDenied { client: self.id, name: self.options.name.clone(), denied: denied() };
        self.shared.hub.tell(told);
    }

    /// Whether each copy for an allowed subscription is checked: by permissions, or by an observer.
    pub(super) fn watch_of(&self, subscription: &Subscription) -> Watch {
        let queue = subscription.queue.as_ref().map(|name| name.as_str());
        let watched = self.shared.observed.is_some() || self.owner.watches(&subscription.pattern, queue);
        if watched { Watch::Each } else { Watch::No }
    }

    /// From when this returns, publishes and subscriptions are held to the new permissions. Ends the subscriptions that are no
    /// longer allowed, and gives them back.
    pub(crate) fn set_permissions(&self, permissions: Option<Permissions>) -> Vec<SubscriptionInfo> {
        let rules = permissions.map(|permissions| permissions.rules());
        let mut denied: Vec<Arc<Subscription>> = Vec::new();
        // Subscriptions seen here are dropped with no lock held: one of them may be the last of its kind.
        let mut seen = Vec::new();
        self.with_registered(&mut seen, |subscriptions| {
            let ruled = rules.is_some();
            // A publish that meets the flag before the rules is let through, and was before them.
            self.owner.set_rules(rules);
            self.gate.set_ruled(ruled);
            for subscription in subscriptions {
                let queue = subscription.queue.as_ref().map(|name| name.as_str());
                let allowed = self.owner.may_subscribe(subscription.pattern.as_str(), queue);
                subscription.set_watch(match (allowed, subscription.outlet.is_direct()) {
                    (true, _) => self.watch_of(subscription),
                    (false, true) => Watch::Suspended,
                    (false, false) => {
                        denied.push(subscription.clone());
                        Watch::Suspended
                    }
                });
            }
        });
        denied.retain(|subscription| self.end(subscription, CloseReason::PermissionDenied));
        denied.iter().map(|subscription| subscription.info()).collect()
    }
}
