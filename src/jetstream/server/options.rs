//! The options of a JetStream server: its limits, its domain, how it reads requests.

use crate::jetstream::engine::config::{AccountLimits, ServerLimits};
use crate::jetstream::store::{OnStoreEvent, StoreEvent, SyncPolicy};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// How often streams on disk are written through to it, if nothing else is said.
const SYNC_INTERVAL: Duration = Duration::from_secs(120);

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
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub struct JetStreamOptions {
    pub(super) server: ServerLimits,
    pub(super) account: AccountLimits,
    pub(super) domain: Option<String>,
    pub(super) is_strict: bool,
    pub(super) server_name: String,
    pub(super) store_dir: Option<PathBuf>,
    pub(super) unique_tag: String,
    pub(super) sync_interval: Duration,
    pub(super) sync_always: bool,
    pub(super) max_buffered_messages: usize,
    pub(super) on_store_event: OnStoreEvent,
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
            store_dir: None,
            unique_tag: String::new(),
            sync_interval: SYNC_INTERVAL,
            sync_always: false,
            max_buffered_messages: 100_000,
            on_store_event: OnStoreEvent::default(),
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

    /// The folder in which streams with file storage outlive this process, however it ends: in its folder `jetstream`, which is made if
    /// it is not there. What was acknowledged is there again, unless the machine itself went down before it was on the disk: see
    /// [`JetStreamOptions::sync_interval`]. The messages stay in memory as well. One server at a time has a folder.
    ///
    /// Default none: then they outlive [`JetStreamServer::restart`](super::JetStreamServer::restart), and nothing is written.
    ///
    /// ```
    /// use postroom::jetstream::server::{JetStreamOptions, JetStreamServer};
    /// use postroom::Bus;
    ///
    /// # let folder = std::env::temp_dir().join(format!("postroom-doc-{}", std::process::id()));
    /// let options = JetStreamOptions::new().store_dir(&folder);
    /// let bus = Bus::new();
    /// let server = JetStreamServer::start(&bus, options.clone())?;
    /// let client = bus.connect();
    /// client.request("$JS.API.STREAM.CREATE.ORDERS", r#"{"name":"ORDERS","subjects":["orders.>"],"storage":"file"}"#)?;
    /// client.request("orders.eu", "hello")?;
    /// drop(server);
    ///
    /// let bus = Bus::new();
    /// let _server = JetStreamServer::start(&bus, options)?;
    /// assert_eq!(bus.connect().request("orders.eu", "again")?.payload(), br#"{"stream":"ORDERS","seq":2}"#);
    /// # std::fs::remove_dir_all(folder)?;
    /// # Ok::<_, Box<dyn std::error::Error>>(())
    /// ```
    pub fn store_dir(mut self, folder: impl Into<PathBuf>) -> Self {
        self.store_dir = Some(folder.into());
        self
    }

    /// Called with whatever an operator has to know of streams on disk; by the thread that found out, with no lock held. The last ones are
    /// also kept: [`JetStreamServer::store_events`](super::JetStreamServer::store_events). A panic of it is caught and told on the bus.
    pub fn on_store_event(mut self, tell: impl Fn(&StoreEvent) + Send + Sync + 'static) -> Self {
        self.on_store_event = OnStoreEvent(Some(Arc::new(tell)));
        self
    }

    /// Tells another one as well.
    #[cfg(feature = "server")]
    pub(crate) fn and_on_store_event(self, tell: impl Fn(&StoreEvent) + Send + Sync + 'static) -> Self {
        let first = self.on_store_event.0.clone();
        self.on_store_event(move |event| {
            if let Some(first) = &first {
                first(event);
            }
            tell(event);
        })
    }

    pub(super) fn sync_policy(&self) -> SyncPolicy {
        if self.sync_always { SyncPolicy::Always } else { SyncPolicy::Interval(self.sync_interval) }
    }

    /// The tag that no other server of a cluster has; monitoring shows it. Default: none.
    pub fn unique_tag(mut self, tag: impl Into<String>) -> Self {
        self.unique_tag = tag.into();
        self
    }
}

impl JetStreamOptions {
    /// How often streams on disk are written through to it; zero is the default, two minutes.
    pub fn sync_interval(mut self, interval: Duration) -> Self {
        self.sync_interval = if interval.is_zero() { SYNC_INTERVAL } else { interval };
        self.sync_always = false;
        self
    }

    /// Whether streams on disk are written through to it with each message; default false.
    pub fn sync_always(mut self, always: bool) -> Self {
        self.sync_always = always;
        self
    }

    /// Messages and answers of one stream that may wait for the thread that works for it (JS50); a publish beyond it is refused with the
    /// status 429 (10167). Default 100,000.
    pub fn max_buffered_messages(mut self, messages: usize) -> Self {
        self.max_buffered_messages = messages;
        self
    }

    /// The limits of the server.
    pub fn limits(&self) -> &ServerLimits {
        &self.server
    }

    /// Whether requests with unknown keys are refused.
    pub fn is_strict(&self) -> bool {
        self.is_strict
    }

    /// The domain, if there is one.
    pub fn domain_name(&self) -> Option<&str> {
        self.domain.as_deref()
    }

    /// How often streams on disk are written through to it.
    #[must_use]
    pub fn sync_interval_in_force(&self) -> Duration {
        self.sync_interval
    }

    /// Whether streams on disk are written through to it with each message.
    #[must_use]
    pub fn syncs_always(&self) -> bool {
        self.sync_always
    }

    /// Messages and answers of one stream that may wait.
    #[must_use]
    pub fn buffered_messages_max(&self) -> usize {
        self.max_buffered_messages
    }

    /// The unique tag, or nothing.
    #[must_use]
    pub fn tag(&self) -> &str {
        &self.unique_tag
    }

    /// The folder of streams with file storage, if they are kept on disk: `jetstream` in the one that was given.
    pub fn folder(&self) -> Option<PathBuf> {
        self.store_dir.as_ref().map(|folder| folder.join("jetstream"))
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
