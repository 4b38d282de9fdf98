//! Which subscription something is about.

use crate::id::{ClientId, SubscriptionId};
use crate::subject::Pattern;
use std::fmt;

/// Which subscription a statistic or an event is about.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct SubscriptionInfo {
    /// Its number, unique on the bus.
    pub id: SubscriptionId,
    /// The number of its client, unique on the bus.
    pub client: ClientId,
    /// Its pattern.
    pub pattern: Pattern,
    /// Its queue group.
    pub queue: Option<String>,
}

impl fmt::Display for SubscriptionInfo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let SubscriptionInfo { id, client, pattern, queue } = self;
        write!(f, "subscription {id} of client {client} to {pattern}")?;
        queue.as_ref().map_or(Ok(()), |queue| write!(f, " in queue group {queue}"))
    }
}
