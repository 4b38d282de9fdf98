//! JetStream on a bus: unmodified NATS clients find streams on it.
//!
//! A [`JetStreamServer`] attaches to a [`Bus`] as any client does. It answers the API under `$JS.API`, captures what is published on the
//! subjects of its streams, and acknowledges it, as nats-server 2.15.1 does. A message is stored when its publish returns, and what a
//! client of the [server](crate#features) sent before a PING is applied before its PONG. A publish inside a callback is stored when that
//! callback returns or waits, as callbacks run one after the other.
//!
//! | file | reason to change |
//! |---|---|
//! | `options` | what can be set |
//! | `shared` | what all parts share |
//! | `stream` | how a stream is changed and its effects are carried out |
//! | `streams` | what is decided by all streams together |
//! | `capture` | how a stream takes what is published |
//! | `api` | the calls of clients |
//! | `acks` | acknowledgements and flow control responses |
//! | `follow`, `bind` | whether a push consumer has receivers |
//! | `recover`, `image`, `sync` | streams that come back, and when they are on the disk |
//! | `domain` | the API under the prefix of a domain |
//! | `error` | why JetStream does not start |
//! | `ack`, `advisory`, `outgoing` | what is sent |
//! | `report` | what is shown to those who watch over it |
//! | `time`, `usage` | when things happen, how much is held |

mod ack;
mod acks;
mod advisory;
mod api;
mod bind;
mod capture;
mod domain;
mod error;
mod follow;
mod image;
mod options;
mod outgoing;
mod recover;
mod report;
mod shared;
mod stream;
mod streams;
mod sync;
mod time;
mod usage;

pub use crate::jetstream::json::info::API_LEVEL;
pub use error::StartError;
pub use options::JetStreamOptions;
pub use report::{DetailOptions, JetStreamReport, StreamDetail};

use crate::jetstream::engine::config::ServerLimits;
use crate::jetstream::store::{StoreEvent, SyncPolicy};
use crate::{Bus, SubscriptionGuard};
use api::Api;
use shared::Shared;
use std::fmt;
use std::sync::Arc;
use stream::ServedStream;
use sync::SyncTimer;

/// JetStream on a bus. It ends when this is dropped.
///
/// # Example
///
/// ```
/// use postroom::jetstream::server::{JetStreamOptions, JetStreamServer};
/// use postroom::Bus;
///
/// let bus = Bus::new();
/// let server = JetStreamServer::start(&bus, JetStreamOptions::new())?;
/// let client = bus.connect();
/// client.request("$JS.API.STREAM.CREATE.ORDERS", r#"{"name":"ORDERS","subjects":["orders.>"]}"#)?;
/// assert_eq!(client.request("orders.eu", "hello")?.payload(), br#"{"stream":"ORDERS","seq":1}"#);
///
/// server.shutdown();
/// assert!(client.request("orders.eu", "hello").unwrap_err().is_no_responders());
/// # Ok::<_, Box<dyn std::error::Error>>(())
/// ```
#[must_use = "JetStream ends when this is dropped"]
pub struct JetStreamServer {
    api: Arc<Api>,
    _sync: Option<Arc<SyncTimer>>,
    /// The subscriptions of the API.
    guards: Vec<SubscriptionGuard>,
}

impl JetStreamServer {
    /// Starts JetStream on a bus, with the streams of its [store directory](JetStreamOptions::store_dir) if it has one. It needs no thread.
    ///
    /// Blocking: it reads what the streams hold. A stream whose files are damaged is offline: calls that concern it are refused with 10194,
    /// and [`JetStreamServer::store_events`] names the file. The others are there.
    ///
    /// # Errors
    ///
    /// [`StartError::Store`] if the store directory can't be made, read or locked, or another server has it;
    /// [`StartError::InvalidDomain`] if the domain holds `.`, `*` or `>`, or can't be a token of a subject; [`StartError::Subscribe`]
    /// if the bus is closed, draining, or has no room for another subscription.
    pub fn start(bus: &Bus, options: JetStreamOptions) -> Result<Self, StartError> {
        if let Some(domain) = &options.domain {
            domain::check(domain)?;
        }
        let shared = Arc::new(Shared::new(bus, options)?);
        let api = Arc::new(Api::new(shared.clone()));
        // Not kept alive: the bus holds what it calls, and would hold itself.
        let weak = Arc::downgrade(&api);
        let served = shared.client.subscribe_fn(format!("{}>", api::PREFIX), move |message| {
            if let Some(api) = weak.upgrade() {
                api.serve(&message);
            }
        })?;
        let mut guards = vec![served];
        for pattern in acks::PATTERNS {
            let weak = Arc::downgrade(&api);
            guards.push(shared.client.subscribe_fn(pattern, move |message| {
                if let Some(api) = weak.upgrade() {
                    acks::serve(api.shared(), api.streams(), &message);
                }
            })?);
        }
        guards.extend(domain::map(&shared)?);
        recover::from_disk(&shared, api.streams())?;
        let _sync = match shared.options.sync_policy() {
            SyncPolicy::Interval(every) if shared.store.is_some() => Some(SyncTimer::start(&api, every)),
            _ => None,
        };
        Ok(JetStreamServer { api, _sync, guards })
    }

    /// Ends all streams and brings back those with file storage, as a restart of nats-server does: with their messages, and with the
    /// deliveries of their consumers. Pull requests and open atomic batches end; streams and consumers with memory storage are gone.
    ///
    /// Blocking: it reads what the streams hold, if there is a store directory.
    ///
    /// # Errors
    ///
    /// [`StartError::Store`] if the streams in the store directory can't be listed; then there are none.
    pub fn restart(&self) -> Result<(), StartError> {
        let (streams, shared) = (self.api.streams(), self.api.shared_arc());
        self.api.reset_counts();
        for recovery in streams.clear() {
            // Only records without a configuration make no stream.
            if let Ok(machine) = recover::finish(shared, recovery) {
                let stream = ServedStream::restored(machine, None, shared, shared.bus.watches_streams());
                recover::bring_back(shared, streams, stream);
            }
        }
        Ok(recover::from_disk(shared, streams)?)
    }

    /// The last things that an operator has to know of streams on disk, oldest first: at most 256.
    #[must_use]
    pub fn store_events(&self) -> Vec<StoreEvent> {
        self.api.shared().events()
    }

    /// Other limits of the server from now on. What is there already stays, and streams keep what they were made with.
    pub fn set_limits(&self, limits: ServerLimits) {
        self.api.shared().set_limits(limits.clone());
        self.api.streams().set_limits(&limits);
    }

    /// The limits of the server in force.
    #[must_use]
    pub fn limits(&self) -> ServerLimits {
        (*self.api.shared().limits()).clone()
    }

    /// Another name of the server from now on: that of [`JetStreamOptions::server_name`].
    pub fn set_server_name(&self, name: impl Into<String>) {
        self.api.shared().set_server_name(name.into());
    }

    /// The options that it was started with.
    pub fn options(&self) -> &JetStreamOptions {
        &self.api.shared().options
    }

    /// Ends it: its streams are gone from the bus, with all that they held; those in the store directory are there when it is started
    /// again. Dropping it does the same.
    pub fn shutdown(self) {
        drop(self);
    }
}

impl Drop for JetStreamServer {
    fn drop(&mut self) {
        self.guards.clear();
        drop(self.api.streams().clear());
    }
}

impl fmt::Debug for JetStreamServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JetStreamServer").field("streams", &self.api.streams().len()).finish_non_exhaustive()
    }
}
