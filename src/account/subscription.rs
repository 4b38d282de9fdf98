//! One interest of one connection.

use super::{Owner, Place, SubscriptionInfo, SubscriptionOwner};
use crate::delivery::{Outlet, Receiver};
use crate::id::SubscriptionId;
use crate::matcher::EntryId;
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
    pub(crate) outlet: Outlet,
    /// Its name in the matcher, and in statistics and events.
    pub(crate) entry: EntryId,
    /// Its owner.
    pub(crate) owner: Arc<Owner>,
    /// Its place in the connection's registry.
    pub(crate) slot: u32,
    /// As a member of a queue group it comes after those that are not (Q6).
    pub(crate) fallback: bool,
    /// A [`Watch`]. ORDERING: Relaxed; written under the registry's lock by the thread that changes the permissions and then
    /// tells others.
    pub(crate) watch: AtomicU8,
    pub(crate) fate: Fate,
}

/// The effect of permissions on the messages to a subscription.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Watch {
    No,
    /// Some may be withheld, or give leave to answer.
    Each,
    /// All are withheld: an inbox for requests that its connection may no longer subscribe to.
    Suspended,
}

/// How far the end of a subscription has come.
//
// | field     | written by                          | read by  | invariant                                             |
// | abandoned | the drop of the handle              | `retire` | set after the outlet was closed                       |
// | retired   | the thread that retires it          | the same | set once, and its counts are final then               |
#[derive(Debug, Default)]
pub(crate) struct Fate {
    abandoned: AtomicBool,
    retired: AtomicBool,
}

impl Drop for Subscription {
    fn drop(&mut self) {
        let receiver = self.outlet.take_receiver();
        if let Receiver::Other(receiver) = receiver {
            // A callback goes with what it has captured, which may have destructors.
            self.owner.reporter.contain(UserCode::Destructor, || drop(receiver));
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
            client: self.owner.id,
            pattern: self.pattern.clone(),
            queue: self.queue.as_ref().map(|name| name.to_string()),
        }
    }

    /// The connection that it belongs to, while that is there.
    pub(crate) fn connection(&self) -> Option<Arc<dyn SubscriptionOwner>> {
        self.owner.connection.upgrade()
    }

    /// Its place among all that is counted.
    pub(crate) fn place(&self) -> Place {
        Place { connection: self.owner.id.get(), slot: Some(self.slot as usize) }
    }

    /// Whether messages may go in without being looked at, as nearly all may.
    #[inline]
    pub(crate) fn is_unwatched(&self) -> bool {
        self.watch.load(Relaxed) == Watch::No as u8
    }

    pub(crate) fn set_watch(&self, watch: Watch) {
        self.watch.store(watch as u8, Relaxed);
    }

    /// Whether the permissions let a message in; see [`Owner::lets_in`].
    #[cold]
    pub(crate) fn lets_in(&self, subject: &str, reply: Option<&Subject>, now: impl FnOnce() -> Duration) -> bool {
        if self.watch.load(Relaxed) == Watch::Suspended as u8 {
            return false;
        }
        let queue = self.queue.as_deref().map(SmolStr::as_str);
        self.owner.lets_in(subject, reply.map(Subject::as_smol), queue, now)
    }

    /// Notes that no handle is left.
    pub(crate) fn abandon(&self) {
        self.fate.abandoned.store(true, SeqCst);
    }

    /// Whether no handle is left.
    pub(crate) fn is_abandoned(&self) -> bool {
        self.fate.abandoned.load(SeqCst)
    }

    /// Its counts are in the past.
    pub(crate) fn is_retired(&self) -> bool {
        self.fate.retired.load(SeqCst)
    }

    /// True for one caller, once nothing can change the counts any more: the outlet is closed and empty, and has no handle.
    pub(crate) fn may_retire(&self) -> bool {
        // ORDERING: SeqCst; the handle's drop and the end of a callback that still ran may come here at once, and the later
        // of the two must see what the other did.
        self.fate.abandoned.load(SeqCst) && self.outlet.is_ended() && !self.fate.retired.swap(true, SeqCst)
    }
}
