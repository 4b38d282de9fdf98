//! What a connection may publish and subscribe to: the lists, as they are written down.

use crate::subject::{Pattern, SubjectError, ToPattern};
use std::time::Duration;

/// Lists of patterns that a connection may, or may not, publish and subscribe to (P2); given to
/// [`ConnectOptions::permissions`](crate::ConnectOptions::permissions).
///
/// Without lists everything is allowed. A deny entry wins over an allow entry. With an allow list, only what it covers is
/// allowed; with deny entries alone, everything else is.
///
/// # Publishing
///
/// The subject is matched against the entries as it is, so that a [lenient](crate::ConnectOptions::lenient) connection that publishes
/// `foo.*` needs an entry which covers the token `*` (P3). The reply is not looked at. What is refused is a
/// [`PublishError::PermissionDenied`](crate::PublishError::PermissionDenied), reaches nobody, and gets no 503 (R2).
///
/// # Subscribing
///
/// As in nats-server, the *text* of the pattern is matched against the entries as if it were a subject (P5):
///
/// | entries | pattern | |
/// |---|---|---|
/// | allow `in.>` | `in.x`, `in.*`, `in.>` | allowed |
/// | allow `in.>` | `>`, `out` | refused |
/// | allow `foo.*` | `foo.>` | **allowed**, for the token `>` is matched by `*`, and then gets `foo.a.b` as well |
/// | deny `foo.*` | `foo.a`, `foo.*`, `foo.>` | refused |
/// | deny `in.secret` | `in.>` | allowed, but messages on `in.secret` are withheld from it |
///
/// A message that is withheld counts as not delivered: a member of the queue group is passed over, a request that reaches nobody else
/// has no responders, and the ledger does not know of it. [`strict_subscribe`](Permissions::strict_subscribe) shuts the gap in the
/// third row. What is refused is a [`SubscribeError::PermissionDenied`](crate::SubscribeError::PermissionDenied).
///
/// # Queue groups
///
/// An entry for a queue group speaks of the groups it names, and of nothing else (P6):
///
/// | entries | a plain subscription to `foo` | group `v1` | group `v2` |
/// |---|---|---|---|
/// | allow `foo` | allowed | allowed | allowed |
/// | allow `foo` in `v1` | refused | allowed | refused |
/// | allow `foo`, and `foo` in `v1` | allowed | allowed | refused |
/// | deny `foo` in `v1` | allowed | refused | allowed |
///
/// # Example
///
/// ```
/// use postroom::{Bus, ConnectOptions, Permissions, PublishError};
///
/// let bus = Bus::new();
/// let rules = Permissions::new().allow_publish("orders.>")?.deny_subscribe("orders.secret")?;
/// let client = bus.connect_with(ConnectOptions::new().permissions(rules));
///
/// let orders = client.subscribe("orders.*")?;
/// assert_eq!(client.publish("orders.eu", "1")?, 1);
/// assert_eq!(client.publish("orders.secret", "2")?, 0); // withheld from `orders.*`
/// assert_eq!(client.publish("stock", "3"), Err(PublishError::PermissionDenied { subject: "stock".into() }));
/// assert_eq!(orders.len(), 1);
/// # Ok::<_, Box<dyn std::error::Error>>(())
/// ```
///
/// Source: P2, P3, P5 to P7.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[must_use]
pub struct Permissions {
    pub(crate) publish: Lists,
    pub(crate) subscribe: Lists,
    pub(crate) responses: Option<AllowResponses>,
    pub(crate) strict_subscribe: bool,
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
///
/// The leave is for that very reply subject. It ends with `max` publishes, or when `expires` has passed on the bus's clock since the
/// message was let in; whatever is lost before it is received has given leave all the same. None is given where the connection may
/// publish to the reply anyway.
///
/// A further message with the same reply begins anew only if the leave has been used up or has expired. While it has not, it uses
/// up one of the publishes: so does nats-server 2.15.1. With `max: Some(1)` a connection that gets a request twice, by two
/// subscriptions, may therefore not answer it at all.
///
/// A connection holds at most [`Limits::RESPONSES_MAX`](crate::Limits::RESPONSES_MAX) leaves; beyond that the oldest go.
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
    ///
    /// # Errors
    ///
    /// Those of [`Pattern::new`].
    pub fn allow_publish(mut self, pattern: impl ToPattern) -> Result<Self, SubjectError> {
        self.publish.allow.push(Entry { pattern: pattern.into_pattern()?, queue: None });
        Ok(self)
    }

    /// Must not publish to what `pattern` covers.
    ///
    /// # Errors
    ///
    /// Those of [`Pattern::new`].
    pub fn deny_publish(mut self, pattern: impl ToPattern) -> Result<Self, SubjectError> {
        self.publish.deny.push(Entry { pattern: pattern.into_pattern()?, queue: None });
        Ok(self)
    }

    /// May subscribe to what `pattern` covers, in any queue group or none.
    ///
    /// # Errors
    ///
    /// Those of [`Pattern::new`].
    pub fn allow_subscribe(mut self, pattern: impl ToPattern) -> Result<Self, SubjectError> {
        self.subscribe.allow.push(Entry { pattern: pattern.into_pattern()?, queue: None });
        Ok(self)
    }

    /// Must not subscribe to what `pattern` covers, in any queue group or none.
    ///
    /// # Errors
    ///
    /// Those of [`Pattern::new`].
    pub fn deny_subscribe(mut self, pattern: impl ToPattern) -> Result<Self, SubjectError> {
        self.subscribe.deny.push(Entry { pattern: pattern.into_pattern()?, queue: None });
        Ok(self)
    }

    /// May subscribe to what `pattern` covers in queue groups that `queue` covers; a `*` or `>` token in `queue` stands for tokens as
    /// in a pattern (P6).
    ///
    /// # Errors
    ///
    /// Those of [`Pattern::new`].
    pub fn allow_queue_subscribe(
        mut self,
        pattern: impl ToPattern,
        queue: impl Into<String>,
    ) -> Result<Self, SubjectError> {
        self.subscribe.allow.push(Entry { pattern: pattern.into_pattern()?, queue: Some(queue.into()) });
        Ok(self)
    }

    /// Must not subscribe to what `pattern` covers in queue groups that `queue` covers (P6).
    ///
    /// # Errors
    ///
    /// Those of [`Pattern::new`].
    pub fn deny_queue_subscribe(
        mut self,
        pattern: impl ToPattern,
        queue: impl Into<String>,
    ) -> Result<Self, SubjectError> {
        self.subscribe.deny.push(Entry { pattern: pattern.into_pattern()?, queue: Some(queue.into()) });
        Ok(self)
    }

    /// May publish to the reply subjects of messages it received, though not otherwise allowed (P7).
    ///
    /// Without an entry that allows to publish, nothing else may be published then.
    pub fn allow_responses(mut self, responses: AllowResponses) -> Self {
        self.responses = Some(responses);
        self
    }

    /// Whether a pattern is compared with the lists as a pattern, and not as a subject. Default false. With `true` it is allowed if an
    /// allow entry matches every subject that it matches, and refused if a deny entry does (S12). What it shares with a deny entry beyond that is
    /// withheld. So a subscription never gets what the lists do not allow, as it may with nats-server (P5).
    ///
    /// # Example
    ///
    /// ```
    /// use postroom::{Bus, ConnectOptions, Permissions};
    ///
    /// let bus = Bus::new();
    /// let faithful = Permissions::new().allow_subscribe("foo.*")?;
    /// let strict = faithful.clone().strict_subscribe(true);
    /// assert!(bus.connect_with(ConnectOptions::new().permissions(faithful)).subscribe("foo.>").is_ok());
    /// assert!(bus.connect_with(ConnectOptions::new().permissions(strict)).subscribe("foo.>").is_err());
    /// # Ok::<_, Box<dyn std::error::Error>>(())
    /// ```
    pub fn strict_subscribe(mut self, strict: bool) -> Self {
        self.strict_subscribe = strict;
        self
    }
}
