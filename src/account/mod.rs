//! One subject space: its subscriptions, its limits, and the fate of all messages.
//!
//! A bus has one account. Permissions, imports and exports belong here.
//!
//! | file | reason to change |
//! |---|---|
//! | `ledger` | the counts |
//! | `lists` | the lines of permissions |
//! | `permissions` | the permissions of a connection, as they are written down |
//! | `rules` | the decision of permissions about one subject or pattern |
//! | `owner` | a connection's part in its subscriptions: its permissions, and leave to answer |
//! | `past` | the counts of subscriptions and connections that are gone |
//! | `subscription` | one interest of one connection |

mod ledger;
mod lists;
mod owner;
mod past;
mod permissions;
mod rules;
mod subscription;
#[cfg(all(test, not(postroom_shuttle)))]
mod tests;

pub(crate) use ledger::Totals;
pub use ledger::{Ledger, SubscriptionInfo};
pub use lists::AllowResponses;
pub(crate) use owner::{Owner, SubscriptionOwner};
pub(crate) use past::{Past, Place};
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
    pub(crate) past: Mutex<Past>,
}
