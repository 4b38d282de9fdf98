//! The options of subscriptions and requests.

use crate::delivery::{OverflowPolicy, Policy};
use crate::error::SubscribeError;
use crate::limits::Limits;
use crate::message::HeaderMap;
use crate::services::Services;
use std::sync::Arc;
use std::time::Duration;

/// Bounds, policy and queue group of one subscription. Options that are not set follow the bus's
/// [`Limits`].
///
/// # Example
///
/// ```
/// use postroom::{Bus, OverflowPolicy, SubscribeOptions};
/// use postroom::stats::DropReason;
///
/// let client = Bus::new().connect();
/// let newest = SubscribeOptions::new().capacity(2).overflow(OverflowPolicy::DropOldest);
/// let readings = client.subscribe_with("temperature", newest)?;
/// for reading in ["17", "18", "19"] {
///     client.publish("temperature", reading)?;
/// }
/// assert_eq!(readings.recv()?.payload(), b"18");
/// assert_eq!(readings.ledger().dropped.of(DropReason::Oldest), 1);
/// # Ok::<_, Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[must_use]
pub struct SubscribeOptions {
    capacity: Option<usize>,
    capacity_bytes: Option<usize>,
    overflow: Option<OverflowPolicy>,
    pub(super) queue: Option<String>,
    fallback: bool,
}

impl SubscribeOptions {
    /// Nothing set.
    pub fn new() -> Self {
        SubscribeOptions::default()
    }

    /// Messages that may be queued: 1 to [`Limits::CAPACITY_MAX`]. Has no meaning for a user's channel, which has its own, nor
    /// for a callback.
    pub fn capacity(mut self, messages: usize) -> Self {
        self.capacity = Some(messages);
        self
    }

    /// Bytes of payload and headers that may be queued: 1 to [`Limits::CAPACITY_BYTES_MAX`]. A message that is larger than this never
    /// fits.
    pub fn capacity_bytes(mut self, bytes: usize) -> Self {
        self.capacity_bytes = Some(bytes);
        self
    }

    /// The policy for a message that finds no room. Default [`OverflowPolicy::DropNewest`].
    pub fn overflow(mut self, overflow: OverflowPolicy) -> Self {
        self.overflow = Some(overflow);
        self
    }

    /// Makes it a member of a queue group (Q1).
    pub fn queue(mut self, name: impl Into<String>) -> Self {
        self.queue = Some(name.into());
        self
    }

    /// Whether it is a member of its queue group that gets a message only if no other member of the group is there to get it (Q6): for parts
    /// of a program that carry messages to members elsewhere, as a leaf node does for the servers behind it. Default false.
    ///
    /// Among those whose pattern matches the message (Q2), a member is there if it is neither closed, nor at its limit, nor
    /// withheld by permissions or no-echo, nor a sink that refuses. A member that is merely full is there, and its [`OverflowPolicy`]
    /// applies, as with a leaf node: the message is not carried elsewhere because a member is slow. Among several fallback members
    /// one is chosen at random, and the next is tried when it can't take the message (Q3, Q4). In everything else it is a member
    /// as any other: it counts as a responder (R2), in the ledger, and in a drain.
    ///
    /// Without [`queue`](Self::queue) it is an error, [`SubscribeError::FallbackWithoutQueue`](crate::SubscribeError::FallbackWithoutQueue),
    /// since a plain subscription gets every message.
    ///
    /// # Example
    ///
    /// ```
    /// use postroom::{Bus, SubscribeOptions};
    ///
    /// let client = Bus::new().connect();
    /// let elsewhere = client.subscribe_with("work.>", SubscribeOptions::new().queue("workers").fallback(true))?;
    /// let here = client.queue_subscribe("work.*", "workers")?;
    /// client.publish("work.1", "")?;
    /// assert_eq!((here.len(), elsewhere.len()), (1, 0));
    /// here.unsubscribe();
    /// client.publish("work.2", "")?;
    /// assert_eq!((here.len(), elsewhere.len()), (1, 1));
    /// # Ok::<_, Box<dyn std::error::Error>>(())
    /// ```
    pub fn fallback(mut self, fallback: bool) -> Self {
        self.fallback = fallback;
        self
    }

    pub(super) fn policy(&self, services: &Services) -> Result<Arc<Policy>, SubscribeError> {
        let default = &services.default_policy;
        if self.capacity.is_none() && self.capacity_bytes.is_none() && self.overflow.is_none() {
            return Ok(default.clone());
        }
        let within = |value: usize, max: usize| {
            if value == 0 || value > max { Err(SubscribeError::InvalidCapacity { value, max }) } else { Ok(value) }
        };
        Ok(Arc::new(Policy {
            capacity: within(self.capacity.unwrap_or(default.capacity), Limits::CAPACITY_MAX)?,
            capacity_bytes: within(self.capacity_bytes.unwrap_or(default.capacity_bytes), Limits::CAPACITY_BYTES_MAX)?,
            overflow: self.overflow.unwrap_or(default.overflow),
        }))
    }

    /// The policy of a receiver that queues nothing of ours.
    pub(super) fn policy_without_queue(&self, services: &Services) -> Arc<Policy> {
        match self.overflow {
            None => services.unbounded.clone(),
            Some(overflow) => Arc::new(Policy { overflow, ..(*services.unbounded).clone() }),
        }
    }

    pub(super) fn overflow_asked(&self) -> Option<OverflowPolicy> {
        self.overflow
    }

    pub(super) fn is_fallback(&self) -> bool {
        self.fallback
    }

    /// The queue group's name, checked as NATS clients check it (S13). A fallback member needs one.
    pub(super) fn checked_queue(&self) -> Result<Option<&str>, SubscribeError> {
        let blank = |name: &str| name.is_empty() || name.contains([' ', '\t', '\r', '\n']);
        match self.queue.as_deref() {
            Some(name) if blank(name) => Err(SubscribeError::InvalidQueue { name: name.to_owned() }),
            None if self.fallback => Err(SubscribeError::FallbackWithoutQueue),
            queue => Ok(queue),
        }
    }
}

/// Time limit and headers of one request; given to [`Client::request_with`](crate::Client::request_with).
///
/// # Example
///
/// ```
/// use postroom::{Bus, HeaderMap, RequestOptions};
/// use std::time::Duration;
///
/// let client = Bus::new().connect();
/// let _service = client.subscribe_fn("who", |request| {
///     let id = request.headers().get("Id").unwrap_or("nobody").to_owned();
///     request.respond(id).unwrap();
/// })?;
/// let options = RequestOptions::new().timeout(Duration::from_secs(1)).headers([("Id", "7")].try_into()?);
/// assert_eq!(client.request_with("who", "", options)?.payload(), b"7");
/// # Ok::<_, Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[must_use]
pub struct RequestOptions {
    pub(super) timeout: Option<Duration>,
    pub(super) headers: HeaderMap,
}

impl RequestOptions {
    /// Nothing set.
    pub fn new() -> Self {
        RequestOptions::default()
    }

    /// How long to wait for the response, on the bus's clock. Default: the bus's
    /// [`request_timeout`](crate::Limits::request_timeout).
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = Some(timeout);
        self
    }

    /// The headers of the request. Default: none, or those of the message that is sent.
    pub fn headers(mut self, headers: HeaderMap) -> Self {
        self.headers = headers;
        self
    }
}
