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
//! | `connection_access` | a connection's part in its subscriptions: its permissions, and leave to answer |
//! | `retired` | the counts of subscriptions and connections that are gone |
//! | `subscription` | one interest of one connection |
//! | `lifecycle` | the end of a subscription, and of its counts |
//! | `interest` | which patterns are subscribed to, for those who watch |
//! | `roster` | the connections of a bus, by number |
//! | `watchdog` | tasks that wait while another, which was woken, does not act |

mod connection_access;
pub(crate) mod interest;
mod ledger;
pub(crate) mod lifecycle;
mod lists;
mod permissions;
mod retired;
mod roster;
mod rules;
mod subscription;
#[cfg(all(test, not(postroom_shuttle)))]
mod tests;
mod watchdog;

pub(crate) use connection_access::{ConnectionAccess, SubscriptionOwner};
pub(crate) use ledger::Totals;
pub use ledger::{Ledger, Traffic};
pub use lists::AllowResponses;
pub use permissions::Permissions;
pub(crate) use retired::{CountsKey, RetiredTotals};
pub(crate) use roster::Roster;
pub(crate) use subscription::{DeliveryFilter, Subscription};
pub(crate) use watchdog::{Awaited, watchdog};

use crate::error::PublishError;
use crate::limits::Limits;
use crate::matcher::Matcher;
use crate::message::Publication;
use crate::subject::check_subject;
use crate::sync::Mutex;
use interest::InterestTracker;
use std::sync::Arc;

/// See the [module](self).
#[derive(Debug)]
pub(crate) struct Account {
    pub(crate) matcher: Matcher<Arc<Subscription>>,
    pub(crate) limits: Limits,
    /// The totals of subscriptions and connections that are gone. LOCK ORDER: before the bus's list of connections, before
    /// a connection's registry.
    pub(crate) retired: Mutex<RetiredTotals>,
    pub(crate) interest: InterestTracker,
}

impl Account {
    pub(crate) fn new(matcher: Matcher<Arc<Subscription>>, limits: Limits, interest: InterestTracker) -> Self {
        Account { matcher, limits, retired: Mutex::new(RetiredTotals::default()), interest }
    }

    /// The size of the message, which must not be too large (L4).
    #[inline]
    pub(crate) fn check_size(&self, out: &Publication<'_>) -> Result<usize, PublishError> {
        let (size, max) = (out.size(), self.limits.max_payload);
        if size > max { Err(PublishError::MaxPayloadExceeded { size, max }) } else { Ok(size) }
    }

    /// Whether a subject, a reply or a pattern is within the bound on their length; `error` is made of the length and the bound.
    #[inline]
    pub(crate) fn check_len<E>(&self, text: &str, error: impl FnOnce(usize, usize) -> E) -> Result<(), E> {
        let (len, max) = (text.len(), self.limits.max_subject_len);
        if len > max { Err(error(len, max)) } else { Ok(()) }
    }

    /// Whether a publish there would find a subscription. The length is checked, since the matcher remembers a subject that it was
    /// asked about, which is then not checked again.
    pub(crate) fn has_interest(&self, subject: &str, lenient: bool) -> bool {
        self.check_len(subject, |_, _| ()).is_ok()
            && (lenient || check_subject(subject).is_ok())
            && self.matcher.has_interest(subject)
    }
}
