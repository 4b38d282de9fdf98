//! What a connection may publish and subscribe to.

use crate::subject::Pattern;
use std::time::Duration;

/// Lists of patterns that a connection may, or may not, publish and subscribe to (P2).
///
/// Without lists everything is allowed. A deny entry wins over an allow entry. With an allow list, only what it covers is
/// allowed; with deny entries alone, everything else is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[must_use]
pub struct Permissions {
    pub(crate) publish: Lists,
    pub(crate) subscribe: Lists,
    pub(crate) responses: Option<AllowResponses>,
}

/// An allow and a deny list.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Lists {
    pub(crate) allow: Vec<Entry>,
    pub(crate) deny: Vec<Entry>,
}

/// A line of a list: a pattern, and for subscriptions the queue groups it speaks of (P6).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) pattern: Pattern,
    pub(crate) queue: Option<String>,
}

/// Leave to answer: whoever receives a message with a reply may publish there (P7).
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

impl Permissions {
    /// Everything is allowed.
    pub fn new() -> Self {
        Permissions::default()
    }

    /// May publish to what `pattern` covers.
    pub fn allow_publish(mut self, pattern: Pattern) -> Self {
        self.publish.allow.push(Entry { pattern, queue: None });
        self
    }

    /// Must not publish to what `pattern` covers.
    pub fn deny_publish(mut self, pattern: Pattern) -> Self {
        self.publish.deny.push(Entry { pattern, queue: None });
        self
    }

    /// May subscribe to what `pattern` covers, in any queue group or none.
    pub fn allow_subscribe(mut self, pattern: Pattern) -> Self {
        self.subscribe.allow.push(Entry { pattern, queue: None });
        self
    }

    /// Must not subscribe to what `pattern` covers.
    pub fn deny_subscribe(mut self, pattern: Pattern) -> Self {
        self.subscribe.deny.push(Entry { pattern, queue: None });
        self
    }

    /// May subscribe to what `pattern` covers in queue groups that `queue` covers; `queue` may have wildcards (P6).
    pub fn allow_queue_subscribe(mut self, pattern: Pattern, queue: impl Into<String>) -> Self {
        self.subscribe.allow.push(Entry { pattern, queue: Some(queue.into()) });
        self
    }

    /// Must not subscribe to what `pattern` covers in queue groups that `queue` covers (P6).
    pub fn deny_queue_subscribe(mut self, pattern: Pattern, queue: impl Into<String>) -> Self {
        self.subscribe.deny.push(Entry { pattern, queue: Some(queue.into()) });
        self
    }

    /// May publish to the reply subjects of messages it received, though not otherwise allowed (P7).
    pub fn allow_responses(mut self, responses: AllowResponses) -> Self {
        self.responses = Some(responses);
        self
    }
}
