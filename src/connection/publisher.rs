//! The parts of a connection that routing needs: who publishes, what it may, and its counters.

use super::access::{AccessFlags, RESERVED_QUEUE, is_reserved_reply, is_reserved_subject};
use super::counters::{PublishCounters, ThreadCounters};
use super::options::ConnectOptions;
use crate::account::{Account, ConnectionAccess, DeliveryFilter, Subscription, Traffic};
use crate::error::{PublishError, SubscribeError};
use crate::id::ClientId;
use crate::message::{Payload, Publication};
use crate::observe::{ClientLabel, RejectedPublish};
use crate::services::{Denied, Event, Services};
use crate::subject::{Subject, check_subject, check_word};
use std::sync::Arc;

/// See the [module](self).
#[derive(Debug)]
pub(crate) struct PublisherState {
    /// The connection's number.
    pub(crate) id: ClientId,
    pub(crate) options: ConnectOptions,
    /// The part of the connection that its subscriptions share: its permissions.
    pub(crate) access: Arc<ConnectionAccess>,
    pub(crate) flags: AccessFlags,
    pub(super) threads: ThreadCounters,
}

impl PublisherState {
    /// This thread's counters.
    #[inline]
    pub(crate) fn counters(&self) -> &PublishCounters {
        self.threads.get()
    }

    pub(super) fn traffic(&self) -> Traffic {
        self.threads.traffic()
    }

    pub(crate) fn info(&self) -> ClientLabel<'_> {
        ClientLabel { id: self.id, name: self.options.name.as_deref() }
    }

    /// For a publish that met a flag. True if its address has been checked as well.
    #[cold]
    #[inline(never)]
    pub(crate) fn check_access(
        &self,
        account: &Account,
        services: &Services,
        flags: u8,
        out: &Publication<'_>,
    ) -> Result<bool, PublishError> {
        let routed = out.routed();
        if flags & AccessFlags::CLOSED != 0 {
            return Err(PublishError::Closed);
        }
        let lenient = flags & AccessFlags::LENIENT != 0;
        if flags & AccessFlags::RESTRICTED != 0 {
            // An invalid subject is reported as invalid, not as denied.
            self.check_address(account, routed, out.is_trusted())?;
            if !self.access.may_publish(routed, || services.timers.now()) {
                return Err(self.publish_denied(services, routed));
            }
        }
        if lenient && is_reserved_subject(routed) {
            return Err(self.publish_denied(services, routed));
        }
        if let Some(reply) = out.reply().filter(|reply| lenient && is_reserved_reply(reply.as_str())) {
            return Err(self.reply_denied(services, reply.as_str()));
        }
        Ok(flags & AccessFlags::RESTRICTED != 0)
    }

    /// Whether the connection may publish there at all. Asked only where this thread does not remember the subject's route: a
    /// remembered subject is valid for every connection.
    #[inline]
    pub(crate) fn check_address(&self, account: &Account, routed: &str, is_trusted: bool) -> Result<(), PublishError> {
        if !is_trusted {
            let check = if self.options.lenient { check_word } else { check_subject };
            check(routed).map_err(PublishError::InvalidSubject)?;
        }
        account.check_len(routed, |len, max| PublishError::SubjectTooLong { len, max })
    }

    /// Whether [`check_access`](Self::check_access) would let a message through, asked beforehand: nothing is used up. A refusal is told to
    /// the observer, for a caller that is refused does not publish.
    pub(crate) fn check_publish(
        &self,
        services: &Services,
        subject: &str,
        reply: Option<&str>,
    ) -> Result<(), PublishError> {
        self.could_publish(services, subject, reply).inspect_err(|error| {
            if services.probe.is_on() {
                let reply = reply.map(|reply| Subject::unchecked(RejectedPublish::shown(reply)));
                let mut out = Publication::new(subject, Payload::empty()).with_reply(reply.as_ref());
                self.emit_rejected(services, &mut out, error);
            }
        })
    }

    fn could_publish(&self, services: &Services, subject: &str, reply: Option<&str>) -> Result<(), PublishError> {
        let flags = self.flags.get();
        if flags & AccessFlags::CLOSED != 0 {
            return Err(PublishError::Closed);
        }
        let lenient = flags & AccessFlags::LENIENT != 0;
        let restricted = flags & AccessFlags::RESTRICTED != 0;
        let allowed = !restricted || self.access.could_publish(subject, || services.timers.now());
        if !allowed || (lenient && is_reserved_subject(subject)) {
            return Err(self.publish_denied(services, subject));
        }
        match reply.filter(|reply| lenient && is_reserved_reply(reply)) {
            Some(reply) => Err(self.reply_denied(services, reply)),
            None => Ok(()),
        }
    }

    fn reply_denied(&self, services: &Services, reply: &str) -> PublishError {
        let reply = reply.to_owned();
        self.emit_denied(services, || Denied::Reply { reply: reply.clone() });
        PublishError::ReplyDenied { reply }
    }

    pub(crate) fn publish_denied(&self, services: &Services, subject: &str) -> PublishError {
        let subject = subject.to_owned();
        self.emit_denied(services, || Denied::Publish { subject: subject.clone() });
        PublishError::PermissionDenied { subject }
    }

    /// As [`may_subscribe`](Self::may_subscribe); not to be called under a lock, for a refusal is told.
    pub(crate) fn check_subscribe(
        &self,
        services: &Services,
        pattern: &str,
        queue: Option<&str>,
    ) -> Result<(), SubscribeError> {
        if self.may_subscribe(pattern, queue) { Ok(()) } else { Err(self.subscribe_denied(services, pattern, queue)) }
    }

    /// Whether a subscription may be made; `pattern` need not be valid.
    pub(super) fn may_subscribe(&self, pattern: &str, queue: Option<&str>) -> bool {
        let flags = self.flags.get();
        let reserved = flags & AccessFlags::LENIENT != 0 && queue == Some(RESERVED_QUEUE);
        !reserved && (flags & AccessFlags::RESTRICTED == 0 || self.access.may_subscribe(pattern, queue))
    }

    #[cold]
    pub(super) fn subscribe_denied(&self, services: &Services, pattern: &str, queue: Option<&str>) -> SubscribeError {
        let (pattern, queue) = (pattern.to_owned(), queue.map(str::to_owned));
        self.emit_denied(services, || Denied::Subscribe { pattern: pattern.clone(), queue: queue.clone() });
        SubscribeError::PermissionDenied { pattern, queue }
    }

    fn emit_denied(&self, services: &Services, denied: impl FnOnce() -> Denied) {
        let ClientLabel { id, name } = self.info();
        let name = || name.map(str::to_owned);
        services.events.emit(|| Event::PermissionDenied { client: id, name: name(), denied: denied() });
    }

    /// Tells the observer, if there is one, of a publish that is refused. Not to be called under a lock.
    pub(crate) fn emit_rejected(&self, services: &Services, out: &mut Publication<'_>, error: &PublishError) {
        if services.probe.is_on() {
            RejectedPublish::with(self.info(), out, error, services.reporter(), |rejected| {
                services.probe.emit_rejected(rejected);
            });
        }
    }

    /// Whether each copy for an allowed subscription is looked at: by permissions, or by an observer.
    pub(super) fn filter_of(&self, services: &Services, subscription: &Subscription) -> DeliveryFilter {
        let queue = subscription.queue.as_ref().map(|name| name.as_str());
        let filtered = services.probe.is_on() || self.access.filters(&subscription.pattern, queue);
        if filtered { DeliveryFilter::Each } else { DeliveryFilter::None }
    }
}
