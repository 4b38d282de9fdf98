//! The options of a JetStream server: its limits, its domain, how it reads requests.

use crate::jetstream::engine::config::{AccountLimits, ServerLimits};
use std::time::Duration;

/// The options of a [`JetStreamServer`](super::JetStreamServer).
///
/// Limits have the defaults of nats-server, but for the sizes of memory and disk, which are fixed numbers and never follow from the
/// machine (JL7).
///
/// # Example
///
/// ```
/// use postroom::jetstream::server::{JetStreamOptions, JetStreamServer};
/// use postroom::Bus;
///
/// let options = JetStreamOptions::new().max_memory(64 << 20).max_streams(10).domain("hub");
/// let server = JetStreamServer::start(&Bus::new(), options)?;
/// # drop(server);
/// # Ok::<_, postroom::jetstream::server::StartError>(())
/// ```
#[derive(Clone, Debug)]
#[must_use]
pub struct JetStreamOptions {
    pub(super) server: ServerLimits,
    pub(super) account: AccountLimits,
    pub(super) domain: Option<String>,
    pub(super) is_strict: bool,
    pub(super) server_name: String,
}

impl JetStreamOptions {
    /// 1 GiB of memory storage, 16 GiB of file storage, no other limits, no domain, strict.
    pub fn new() -> Self {
        JetStreamOptions {
            server: ServerLimits::default(),
            account: AccountLimits::default(),
            domain: None,
            is_strict: true,
            server_name: "postroom".to_owned(),
        }
    }

    /// Bytes of all streams with memory storage; default 1 GiB. With 0 there can be no such stream. A stream with a `max_bytes`
    /// reserves that much (10028); a publish beyond it is refused (10023).
    pub fn max_memory(mut self, bytes: u64) -> Self {
        self.server.max_memory = limit(bytes);
        self
    }

    /// Bytes of all streams with file storage; default 16 GiB. Else as [`JetStreamOptions::max_memory`] (10047, 10023).
    pub fn max_storage(mut self, bytes: u64) -> Self {
        self.server.max_storage = limit(bytes);
        self
    }

    /// Streams at once (10027); default: no limit.
    pub fn max_streams(mut self, streams: u64) -> Self {
        self.account.max_streams = limit(streams);
        self
    }

    /// Consumers of one stream (10026); default: no limit.
    pub fn max_consumers(mut self, consumers: u64) -> Self {
        self.account.max_consumers = limit(consumers);
        self
    }

    /// The largest `max_bytes` of a stream with memory storage (10122); default: no limit.
    pub fn memory_max_stream_bytes(mut self, bytes: u64) -> Self {
        self.account.memory_max_stream_bytes = limit(bytes);
        self
    }

    /// The largest `max_bytes` of a stream with file storage (10122); default: no limit.
    pub fn storage_max_stream_bytes(mut self, bytes: u64) -> Self {
        self.account.storage_max_stream_bytes = limit(bytes);
        self
    }

    /// Whether each stream must have a `max_bytes` (10113); default false.
    pub fn max_bytes_required(mut self, required: bool) -> Self {
        self.account.max_bytes_required = required;
        self
    }

    /// The default and the largest `duplicate_window` of a stream (10052). Default: two minutes, without a largest one.
    pub fn duplicate_window(mut self, window: Duration) -> Self {
        self.server.duplicate_window = i64::try_from(window.as_nanos()).unwrap_or(i64::MAX);
        self
    }

    /// All limits of the server, in place of those set before.
    pub fn server_limits(mut self, limits: ServerLimits) -> Self {
        self.server = limits;
        self
    }

    /// All limits of the account, in place of those set before.
    pub fn account_limits(mut self, limits: AccountLimits) -> Self {
        self.account = limits;
        self
    }

    /// The domain, under whose prefix `$JS.<domain>.API` the API is found as well (JS6); default none.
    pub fn domain(mut self, domain: impl Into<String>) -> Self {
        self.domain = Some(domain.into());
        self
    }

    /// Whether requests with unknown keys are refused (JS12); default true.
    pub fn strict(mut self, strict: bool) -> Self {
        self.is_strict = strict;
        self
    }

    /// The name that responses show as that of the server; default `postroom`.
    pub fn server_name(mut self, name: impl Into<String>) -> Self {
        self.server_name = name.into();
        self
    }
}

impl Default for JetStreamOptions {
    fn default() -> Self {
        JetStreamOptions::new()
    }
}

/// A limit as the engine counts it.
fn limit(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}
