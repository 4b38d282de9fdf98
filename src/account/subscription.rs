//! One interest of one connection.

use super::SubscriptionInfo;
use crate::delivery::Outlet;
use crate::matcher::EntryId;
use crate::subject::Pattern;
use crate::sync::atomic::{AtomicBool, Ordering::SeqCst};
use smol_str::SmolStr;
use std::any::Any;
use std::sync::Weak;

/// What the matcher leads to. Kept small: a million idle ones are an ordinary thing to have.
#[derive(Debug)]
pub(crate) struct Subscription {
    pub(crate) pattern: Pattern,
    pub(crate) queue: Option<Box<SmolStr>>,
    pub(crate) outlet: Outlet,
    /// Its name in the matcher, and in statistics and events.
    pub(crate) entry: EntryId,
    /// The connection's number, for no-echo.
    pub(crate) client: u64,
    /// The connection itself, for those who answer.
    pub(crate) connection: Weak<dyn Any + Send + Sync>,
    /// Its place in the connection's registry.
    pub(crate) slot: u32,
    pub(crate) fate: Fate,
}

/// How far the end of a subscription has come.
//
// | field     | written by                          | read by  | invariant                                             |
// | abandoned | the drop of the handle              | `retire` | set after the outlet was closed                       |
// | retired   | who finds it ended and abandoned    | the same | set once, and its counts are final then               |
#[derive(Debug, Default)]
pub(crate) struct Fate {
    abandoned: AtomicBool,
    retired: AtomicBool,
}

impl Subscription {
    pub(crate) fn info(&self) -> SubscriptionInfo {
        SubscriptionInfo {
            id: self.entry.number(),
            client: self.client,
            pattern: self.pattern.clone(),
            queue: self.queue.as_ref().map(|name| name.to_string()),
        }
    }

    /// Notes that no handle is left.
    pub(crate) fn abandon(&self) {
        self.fate.abandoned.store(true, SeqCst);
    }

    /// Its counts are in the past.
    pub(crate) fn is_retired(&self) -> bool {
        self.fate.retired.load(SeqCst)
    }

    /// True for one caller, once nothing can change the counts any more: the outlet is closed and empty, and nobody holds it.
    pub(crate) fn may_retire(&self) -> bool {
        // ORDERING: SeqCst; the handle's drop and the end of a callback that still ran may come here at once, and the later
        // of the two must see what the other did.
        self.fate.abandoned.load(SeqCst) && self.outlet.is_ended() && !self.fate.retired.swap(true, SeqCst)
    }
}
