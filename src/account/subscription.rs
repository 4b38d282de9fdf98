//! One interest of one connection.

use super::{ConnectionAccess, CountsKey, SubscriptionOwner};
use crate::delivery::{DeliveryTarget, DropReason, Receiver};
use crate::id::{MessageId, SubscriptionId};
use crate::matcher::EntryId;
use crate::message::Message;
use crate::observe::SubscriptionInfo;
use crate::services::Probe;
use crate::subject::{Pattern, Subject};
use crate::sync::atomic::{
    AtomicBool, AtomicU8,
    Ordering::{Relaxed, SeqCst},
};
use crate::user_code::UserCode;
use smol_str::SmolStr;
use std::sync::Arc;
use std::time::Duration;

/// The entry of the matcher. Kept small: a million idle ones are an ordinary thing to have.
#[derive(Debug)]
pub(crate) struct Subscription {
    pub(crate) pattern: Pattern,
    pub(crate) queue: Option<Box<SmolStr>>,
    pub(crate) target: DeliveryTarget,
    /// Its name in the matcher, and in statistics and events.
    pub(crate) entry: EntryId,
    /// Its owner.
    pub(crate) access: Arc<ConnectionAccess>,
    /// Its place in the connection's registry.
    pub(crate) slot: u32,
    /// As a member of a queue group it comes after those that are not (Q6).
    pub(crate) fallback: bool,
    /// A [`DeliveryFilter`]. ORDERING: Relaxed; written under the registry's lock by the thread that changes the permissions and then
    /// tells others.
    pub(crate) filter: AtomicU8,
    pub(crate) lifecycle: Lifecycle,
}

/// The effect of permissions on the messages to a subscription.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum DeliveryFilter {
    None,
    /// Some may be withheld, or give leave to answer.
    Each,
    /// All are withheld: an inbox for requests that its connection may no longer subscribe to.
    Suspended,
}

/// How far the end of a subscription has come.
//
// | field     | written by                          | read by  | invariant                                             |
// | detached  | the drop of the handle              | `retire` | set after the target was closed                       |
// | retired   | the thread that retires it          | the same | set once, and its counts are final then               |
#[derive(Debug, Default)]
pub(crate) struct Lifecycle {
    detached: AtomicBool,
    retired: AtomicBool,
}

impl Drop for Subscription {
    fn drop(&mut self) {
        let receiver = self.target.take_receiver();
        if let Receiver::Other(receiver) = receiver {
            // A callback goes with what it has captured, which may have destructors.
            self.access.reporter.contain(UserCode::Destructor, || drop(receiver));
        }
    }
}

impl Subscription {
    /// Its number.
    pub(crate) fn id(&self) -> SubscriptionId {
        SubscriptionId::new(self.entry.number())
    }

    pub(crate) fn info(&self) -> SubscriptionInfo {
        SubscriptionInfo {
            id: self.id(),
            client: self.access.id,
            pattern: self.pattern.clone(),
            queue: self.queue.as_ref().map(|name| name.to_string()),
        }
    }

    /// The connection that it belongs to, while that is there.
    pub(crate) fn connection(&self) -> Option<Arc<dyn SubscriptionOwner>> {
        self.access.connection.upgrade()
    }

    /// Its place among all that is counted.
    pub(crate) fn place(&self) -> CountsKey {
        CountsKey { connection: self.access.id.get(), slot: Some(self.slot as usize) }
    }

    /// A copy of a message for it: one that does not count where its connection does not.
    pub(crate) fn copy_of(&self, message: &Message) -> Message {
        if self.access.is_untracked { message.untracked() } else { message.clone() }
    }

    /// Whether each message is looked at before it may go in; nearly all subscriptions let all in.
    #[inline]
    pub(crate) fn is_filtered(&self) -> bool {
        self.filter.load(Relaxed) != DeliveryFilter::None as u8
    }

    pub(crate) fn set_filter(&self, filter: DeliveryFilter) {
        self.filter.store(filter as u8, Relaxed);
    }

    /// A receiver that is neither a queue of ours nor a callback has taken its copy of message `id` at once.
    pub(crate) fn emit_handed_over(&self, probe: &Probe, id: MessageId) {
        if !self.target.is_queue() && !self.target.is_callback() {
            probe.emit_received(id, self.id());
        }
    }

    /// A copy was lost.
    #[inline]
    pub(crate) fn emit_lost(&self, probe: &Probe, message: &Message, reason: DropReason) {
        probe.emit_lost(message, || self.info(), reason);
    }

    /// Whether the permissions let a message in; see [`ConnectionAccess::lets_in`].
    #[cold]
    pub(crate) fn lets_in(&self, subject: &str, reply: Option<&Subject>, now: impl FnOnce() -> Duration) -> bool {
        if self.filter.load(Relaxed) == DeliveryFilter::Suspended as u8 {
            return false;
        }
        let queue = self.queue.as_deref().map(SmolStr::as_str);
        self.access.lets_in(subject, reply.map(Subject::as_smol), queue, now)
    }

    /// Notes that no handle is left.
    pub(crate) fn mark_detached(&self) {
        self.lifecycle.detached.store(true, SeqCst);
    }

    /// Whether no handle is left.
    pub(crate) fn is_detached(&self) -> bool {
        self.lifecycle.detached.load(SeqCst)
    }

    /// Its counts are in the retired totals.
    pub(crate) fn is_retired(&self) -> bool {
        self.lifecycle.retired.load(SeqCst)
    }

    /// True for one caller, once nothing can change the counts any more: the target is closed and empty, and has no handle.
    pub(crate) fn may_retire(&self) -> bool {
        // ORDERING: SeqCst; the handle's drop and the end of a callback that still ran may come here at once, and the later
        // of the two must see what the other did.
        self.lifecycle.detached.load(SeqCst) && self.target.is_ended() && !self.lifecycle.retired.swap(true, SeqCst)
    }
}
