//! JetStream: streams that keep what is published, and hand it out again.
//!
//! | part | what it is |
//! |---|---|
//! | [`engine`] | one stream as a machine, without a bus |
//! | [`server`] | streams on a bus, for unmodified NATS clients |
//! | [`context`] | what a program holds to use streams, in this process or behind a bridge |
//! | [`kv`] | buckets of keys and values, on the context |
//! | [`object_store`] | stores of objects of any size, on the context |

mod bucket;
mod bucket_names;
mod buckets;
pub mod context;
pub mod engine;
mod json;
pub mod kv;
pub mod object_store;
pub mod server;
pub mod store;

pub use bucket::InvalidBucketName;
pub use bucket_names::BucketNames;
pub use context::{
    Consumer, ContextOptions, JetStream, JetStreamError, JsMessage, MessagesError, MessagesOptions, PublishAck,
    PublishAckFuture, PublishOptions, Stream, StreamInfo, StreamMessage, new, with_domain, with_options,
};
pub use engine::config::{Discard, Retention, Storage, StreamConfig};
pub use engine::consumer::{AckPolicy, ConsumerConfig, ConsumerInfo, DeliverPolicy, ReplayPolicy};
pub use engine::{Purge, Timestamp};
pub use server::{JetStreamOptions, JetStreamServer};
