//! Every bound of the bus: its unit, its default and where the default comes from.

use crate::error::LimitsError;
use std::time::Duration;

/// Bounds of a [`Bus`](crate::Bus), fixed when it is built.
///
/// Each one is enforced with a typed error or a counted drop, never in silence. A field that is out of its range is
/// refused by [`BusBuilder::build`](crate::BusBuilder::build).
///
/// # Example
///
/// ```
/// use postroom::{Bus, Limits, PublishError};
///
/// let limits = Limits::new().max_payload(4).max_subscriptions(100);
/// let client = Bus::builder().limits(limits).build().connect();
/// assert!(matches!(
///     client.publish("a", "12345"),
///     Err(PublishError::MaxPayloadExceeded { size: 5, max: 4 })
/// ));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limits {
    /// Bytes of payload plus encoded headers of one message. Default 1,048,576, as nats-server (L4, H1).
    pub max_payload: usize,
    /// Bytes of a subject or pattern. Default 4,096: what a NATS control line can carry (C21). At least 28, so that
    /// there is room for inboxes, and at most 16,777,216: [`Subject::MAX_LEN`](crate::Subject::MAX_LEN).
    pub max_subject_len: usize,
    /// Tokens of a pattern that is subscribed to; 0 means no bound. Default 0, as nats-server (S11).
    pub max_subscription_tokens: usize,
    /// Subscriptions one connection may hold; 0 means no bound. Default 0, as nats-server (L5).
    pub max_subscriptions: usize,
    /// Messages one subscription may have queued, unless its options say otherwise. Default 65,536, as async-nats (L8). At
    /// most [`Limits::CAPACITY_MAX`].
    pub subscription_capacity: usize,
    /// Bytes one subscription may have queued: payloads, encoded headers, and subjects and replies of more than 64 bytes. Default
    /// 67,108,864, as nats.go (L7). At most [`Limits::CAPACITY_BYTES_MAX`].
    pub subscription_capacity_bytes: usize,
    /// How long [`Client::request`](crate::Client::request) waits for its answer. Default 10 s, as async-nats.
    pub request_timeout: Duration,
    /// Requests of one connection that may wait for an answer at once. Default 65,536. At most 1,000,000.
    pub max_requests: usize,
    /// Responses that one request-many may have queued before its caller takes them, of `subscription_capacity_bytes` at most. Those
    /// beyond either bound are late. Default 65,536.
    pub request_many_capacity: usize,
    /// Subjects whose route one thread remembers for one bus. Default 1,024, as nats-server's result cache; 0 turns the
    /// cache off. At most 65,536. One entry takes about 150 bytes plus its subject and 8 for each subscriber it leads to; routes to more than
    /// 4,096 are not remembered.
    pub route_cache_entries: usize,
    /// Events one [`EventStream`](crate::event::EventStream) of a bus holds before the oldest are dropped and counted. Default 1,024.
    pub events_capacity: usize,
}

impl Limits {
    /// The largest capacity of a subscription, in messages.
    pub const CAPACITY_MAX: usize = 1 << 20;

    /// The largest capacity of a subscription, in bytes: 64 GiB; on targets of 32 bits, whose memory is smaller, 2 GiB.
    pub const CAPACITY_BYTES_MAX: usize = 1 << if usize::BITS > 36 { 36 } else { 31 };

    /// Permits to respond that one connection holds at most; see [`AllowResponses`](crate::AllowResponses).
    pub const RESPONSES_MAX: usize = 1 << 16;

    /// The defaults.
    pub fn new() -> Self {
        Limits::default()
    }

    /// The first field that is out of its range, with its value and the range.
    pub(crate) fn check(&self) -> Result<(), LimitsError> {
        let within = |name, value: usize, min: usize, max: usize| {
            if value < min || value > max { Err(LimitsError { name, value, min, max }) } else { Ok(()) }
        };
        within("max_payload", self.max_payload, 0, Self::CAPACITY_BYTES_MAX)?;
        within("max_subject_len", self.max_subject_len, 28, 16 << 20)?;
        within("subscription_capacity", self.subscription_capacity, 1, Self::CAPACITY_MAX)?;
        within("subscription_capacity_bytes", self.subscription_capacity_bytes, 1, Self::CAPACITY_BYTES_MAX)?;
        within("max_requests", self.max_requests, 1, 1_000_000)?;
        within("request_many_capacity", self.request_many_capacity, 1, Self::CAPACITY_MAX)?;
        within("route_cache_entries", self.route_cache_entries, 0, 65_536)?;
        within("events_capacity", self.events_capacity, 1, Self::CAPACITY_MAX)
    }
}

/// Implements a setter for each field, for limits in one expression.
macro_rules! setters {
    ($($name:ident: $unit:ty),* $(,)?) => {
        impl Limits {$(
            #[doc = concat!("The same with another [`", stringify!($name), "`](#structfield.", stringify!($name), ").")]
            #[must_use]
            pub fn $name(mut self, value: $unit) -> Self {
                self.$name = value;
                self
            }
        )*}
    };
}

setters! {
    max_payload: usize,
    max_subject_len: usize,
    max_subscription_tokens: usize,
    max_subscriptions: usize,
    subscription_capacity: usize,
    subscription_capacity_bytes: usize,
    request_timeout: Duration,
    max_requests: usize,
    request_many_capacity: usize,
    route_cache_entries: usize,
    events_capacity: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            max_payload: 1 << 20,
            max_subject_len: 4_096,
            max_subscription_tokens: 0,
            max_subscriptions: 0,
            subscription_capacity: 65_536,
            subscription_capacity_bytes: 64 << 20,
            request_timeout: Duration::from_secs(10),
            max_requests: 65_536,
            request_many_capacity: 65_536,
            route_cache_entries: 1_024,
            events_capacity: 1_024,
        }
    }
}
