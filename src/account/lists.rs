//! The entries of a list of permissions.

use crate::subject::Pattern;
use std::time::Duration;

/// All that is written down of what a connection may do.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Lists {
    pub(super) publish: AllowDeny,
    pub(super) subscribe: AllowDeny,
    pub(super) responses: Option<AllowResponses>,
    pub(super) strict_subscribe: bool,
}

/// An allow and a deny list.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct AllowDeny {
    pub(super) allow: Vec<Entry>,
    pub(super) deny: Vec<Entry>,
}

/// A line of a list: a pattern, and for subscriptions the queue groups it speaks of (P6).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) pattern: Pattern,
    pub(super) queue: Option<String>,
}

/// Leave to answer: a connection that receives a message with a reply may publish there (P7).
///
/// The leave is for that very reply subject. It ends with `max` publishes, or when `expires` has passed on the bus's clock since the
/// message was let in; whatever is lost before it is received has given leave all the same. None is given where the connection may
/// publish to the reply anyway.
///
/// A further message with the same reply begins anew only if the leave has been used up or has expired. While it has not, it uses
/// up one of the publishes: so does nats-server 2.15.1. With `max: Some(1)` a connection that gets a request twice, by two
/// subscriptions, may therefore not answer it at all.
///
/// A connection holds at most [`Limits::RESPONSES_MAX`](crate::Limits::RESPONSES_MAX) leaves, and those to replies of
/// 8 MiB in all; beyond that the oldest go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct AllowResponses {
    /// How many answers; `None` means any number. Default 1.
    pub max: Option<u64>,
    /// For how long; zero means without end. Default 2 min.
    pub expires: Duration,
}

impl Default for AllowResponses {
    fn default() -> Self {
        AllowResponses { max: Some(1), expires: Duration::from_secs(120) }
    }
}
