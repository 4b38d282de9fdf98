//! The lists of what a connection may publish and subscribe to, as they are written down.

use super::lists::{AllowResponses, Entry, Lists};
use super::rules::Rules;
use crate::subject::{SubjectError, ToPattern};
use std::fmt;
use std::sync::{Arc, OnceLock};

/// Lists of patterns that a connection may, or may not, publish and subscribe to (P2); given to
/// [`ConnectOptions::permissions`](crate::ConnectOptions::permissions).
///
/// Without lists everything is allowed. A deny entry wins over an allow entry. With an allow list, only what it covers is
/// allowed; with deny entries alone, everything else is.
///
/// # Publishing
///
/// The subject is matched against the entries as it is, so that a [lenient](crate::ConnectOptions::lenient) connection that
/// publishes `foo.*` needs an entry which covers the token `*` (P3). The reply is not looked at. A refused message is a
/// [`PublishError::PermissionDenied`](crate::PublishError::PermissionDenied), reaches no subscriber, and gets no 503 (R2).
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
/// A message that is withheld counts as not delivered: a member of the queue group is passed over, a request that reaches no other
/// subscriber has no responders, and the ledger does not know of it. [`strict_subscribe`](Permissions::strict_subscribe) shuts the
/// gap in the third row. A refused subscription is a [`SubscribeError::PermissionDenied`](crate::SubscribeError::PermissionDenied).
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
#[derive(Clone, Default)]
#[must_use]
pub struct Permissions {
    /// Shared by all connections that have the same.
    written: Arc<Written>,
}

#[derive(Clone, Default)]
struct Written {
    lists: Lists,
    /// The same, laid out for questions, once there was one.
    rules: OnceLock<Arc<Rules>>,
}

impl PartialEq for Permissions {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.written, &other.written) || self.written.lists == other.written.lists
    }
}

impl Eq for Permissions {}

impl fmt::Debug for Permissions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Lists { publish, subscribe, responses, strict_subscribe } = &self.written.lists;
        f.debug_struct("Permissions")
            .field("publish", publish)
            .field("subscribe", subscribe)
            .field("responses", responses)
            .field("strict_subscribe", strict_subscribe)
            .finish()
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
    /// Those of [`Pattern::new`](crate::Pattern::new).
    pub fn allow_publish(mut self, pattern: impl ToPattern) -> Result<Self, SubjectError> {
        self.lists().publish.allow.push(Entry { pattern: pattern.into_pattern()?, queue: None });
        Ok(self)
    }

    /// Must not publish to what `pattern` covers.
    ///
    /// # Errors
    ///
    /// Those of [`Pattern::new`](crate::Pattern::new).
    pub fn deny_publish(mut self, pattern: impl ToPattern) -> Result<Self, SubjectError> {
        self.lists().publish.deny.push(Entry { pattern: pattern.into_pattern()?, queue: None });
        Ok(self)
    }

    /// May subscribe to what `pattern` covers, in any queue group or none.
    ///
    /// # Errors
    ///
    /// Those of [`Pattern::new`](crate::Pattern::new).
    pub fn allow_subscribe(mut self, pattern: impl ToPattern) -> Result<Self, SubjectError> {
        self.lists().subscribe.allow.push(Entry { pattern: pattern.into_pattern()?, queue: None });
        Ok(self)
    }

    /// Must not subscribe to what `pattern` covers, in any queue group or none.
    ///
    /// # Errors
    ///
    /// Those of [`Pattern::new`](crate::Pattern::new).
    pub fn deny_subscribe(mut self, pattern: impl ToPattern) -> Result<Self, SubjectError> {
        self.lists().subscribe.deny.push(Entry { pattern: pattern.into_pattern()?, queue: None });
        Ok(self)
    }

    /// May subscribe to what `pattern` covers in queue groups that `queue` covers; a `*` or `>` token in `queue` stands for tokens as
    /// in a pattern (P6).
    ///
    /// # Errors
    ///
    /// Those of [`Pattern::new`](crate::Pattern::new).
    pub fn allow_queue_subscribe(
        mut self,
        pattern: impl ToPattern,
        queue: impl Into<String>,
    ) -> Result<Self, SubjectError> {
        self.lists().subscribe.allow.push(Entry { pattern: pattern.into_pattern()?, queue: Some(queue.into()) });
        Ok(self)
    }

    /// Must not subscribe to what `pattern` covers in queue groups that `queue` covers (P6).
    ///
    /// # Errors
    ///
    /// Those of [`Pattern::new`](crate::Pattern::new).
    pub fn deny_queue_subscribe(
        mut self,
        pattern: impl ToPattern,
        queue: impl Into<String>,
    ) -> Result<Self, SubjectError> {
        self.lists().subscribe.deny.push(Entry { pattern: pattern.into_pattern()?, queue: Some(queue.into()) });
        Ok(self)
    }

    /// May publish to the reply subjects of messages it received, though not otherwise allowed (P7).
    ///
    /// Without an entry that allows to publish, nothing else may be published then.
    pub fn allow_responses(mut self, responses: AllowResponses) -> Self {
        self.lists().responses = Some(responses);
        self
    }

    /// Whether a pattern is compared with the lists as a pattern, and not as a subject. Default false. With `true` it is allowed if
    /// an allow entry matches every subject that it matches, and refused if a deny entry does (S12). Messages that it shares with a
    /// deny entry beyond that are withheld. So a subscription never gets what the lists do not allow, as it may with nats-server
    /// (P5).
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
        self.lists().strict_subscribe = strict;
        self
    }

    /// The lists, to add to them. Other holders keep them as they are.
    fn lists(&mut self) -> &mut Lists {
        let written = Arc::make_mut(&mut self.written);
        written.rules.take();
        &mut written.lists
    }

    /// The lists as an index, built once for all holders of these permissions.
    pub(crate) fn rules(&self) -> Arc<Rules> {
        self.written.rules.get_or_init(|| Arc::new(Rules::new(&self.written.lists))).clone()
    }
}
