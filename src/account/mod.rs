//! One subject space: who is subscribed to what, within which limits, and what has become of all messages.
//!
//! A bus has one account. Permissions, imports and exports belong here.

mod ledger;
mod permissions;
mod subscription;

pub(crate) use ledger::Totals;
pub use ledger::{Ledger, SubscriptionInfo};
pub use permissions::{AllowResponses, Permissions};
pub(crate) use subscription::Subscription;

use crate::limits::Limits;
use crate::matcher::Matcher;
use crate::sync::Mutex;
use std::sync::Arc;

/// See the [module](self).
#[derive(Debug)]
pub(crate) struct Account {
    pub(crate) matcher: Matcher<Arc<Subscription>>,
    pub(crate) limits: Limits,
    /// What subscriptions and connections that are gone have left behind. LOCK ORDER: before the bus's list of connections,
    /// before a connection's registry.
    pub(crate) past: Mutex<Totals>,
}
