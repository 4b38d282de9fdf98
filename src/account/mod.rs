//! One subject space: who is subscribed to what, within which limits, and what has become of all messages.
//!
//! A bus has one account. Permissions, imports and exports belong here.
//!
//! | file | reason to change |
//! |---|---|
//! | `ledger` | what is counted |
//! | `lists` | what a line of permissions can say |
//! | `permissions` | what can be written down of what a connection may do |
//! | `rules` | what that says of one subject or pattern |
//! | `owner` | a connection's part in its subscriptions: what it may do now, and leave to answer |
//! | `subscription` | one interest of one connection |

mod ledger;
mod lists;
mod owner;
mod permissions;
mod rules;
mod subscription;
#[cfg(all(test, not(postroom_shuttle)))]
mod tests;

pub(crate) use ledger::Totals;
pub use ledger::{Ledger, SubscriptionInfo};
pub use lists::AllowResponses;
pub(crate) use owner::Owner;
pub use permissions::Permissions;
pub(crate) use subscription::{Subscription, Watch};

use crate::limits::Limits;
use crate::matcher::Matcher;
use crate::sync::Mutex;
use std::sync::Arc;

/// See the [module](self).
#[derive(Debug)]
pub(crate) struct Account {
    pub(crate) matcher: Matcher<Arc<Subscription>>,
    pub(crate) limits: Limits,
    /// The totals of subscriptions and connections that are gone. LOCK ORDER: before the bus's list of connections, before
    /// a connection's registry.
    pub(crate) past: Mutex<Totals>,
}
