//! The configuration of a stream: every field of nats-server 2.15.1, defaults, refusals, permitted changes.
//!
//! [`Directory`] judges a request against a stream's own rules and the other streams, in the server's order, and gives back the
//! configuration with all defaults filled in.

mod builder;
mod directory;
mod normalise;
mod refusal;
mod source;
mod update;
mod validate;

pub use directory::{Created, Directory};
pub use source::{ConsumerSource, External, SourceTransform, StreamSource};

use super::time::Timestamp;
use std::collections::BTreeMap;

/// The configuration of a stream. Spans are nanoseconds, and may be negative until they are checked; −1 is "no limit".
///
/// It is what a request says, with the default of each key that it leaves out; [`Directory::create`] fills in what the
/// server fills in (JS33, JS34).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StreamConfig {
    /// The name: no white space, `.`, `*`, `>`, `/`, `\`; at most 255 bytes.
    pub name: String,
    /// A text for people, at most 4,096 bytes.
    pub description: String,
    /// The subjects that it captures. None: the name, but for mirrors and streams that only have
    /// sources.
    pub subjects: Vec<String>,
    /// When messages go.
    pub retention: Retention,
    /// Consumers; default −1.
    pub max_consumers: i64,
    /// Messages; default −1.
    pub max_msgs: i64,
    /// Bytes, as [`Storage`] counts them; default −1.
    pub max_bytes: i64,
    /// Messages of one subject; default −1.
    pub max_msgs_per_subject: i64,
    /// How old a message may become, in nanoseconds; 0 is "no limit".
    pub max_age: i64,
    /// Bytes of header block and payload of one message; default −1.
    pub max_msg_size: i32,
    /// The messages that go when a limit is reached.
    pub discard: Discard,
    /// Where it is kept.
    pub storage: Storage,
    /// Copies: 1 is all that there is without a cluster; default 1.
    pub num_replicas: i64,
    /// Publishes get no answer.
    pub no_ack: bool,
    /// How long a `Nats-Msg-Id` is remembered, in nanoseconds. 0: two minutes, or less where a limit says so.
    pub duplicate_window: i64,
    /// Kept and shown, without effect.
    pub placement: Option<Placement>,
    /// The stream that this one copies.
    pub mirror: Option<StreamSource>,
    /// Streams whose messages this one takes in. An empty list is not the same as none (JS18).
    pub sources: Option<Vec<StreamSource>>,
    /// Kept and shown, without effect.
    pub compression: Compression,
    /// The first sequence; 0 is 1.
    pub first_seq: u64,
    /// Changes subjects before anything else is done with a message.
    pub subject_transform: Option<SubjectTransform>,
    /// Publishes stored messages again.
    pub republish: Option<Republish>,
    /// Whether it can be read with direct get.
    pub allow_direct: bool,
    /// Whether a mirror answers direct gets of its origin.
    pub mirror_direct: bool,
    /// `max_msgs_per_subject` refuses too, with discard new.
    pub discard_new_per_subject: bool,
    /// Nothing changes any more.
    pub sealed: bool,
    /// Messages can't be deleted one by one.
    pub deny_delete: bool,
    /// Messages can't be purged.
    pub deny_purge: bool,
    /// `Nats-Rollup` is obeyed.
    pub allow_rollup_hdrs: bool,
    /// Bounds and defaults of its consumers.
    pub consumer_limits: ConsumerLimits,
    /// `Nats-TTL` is obeyed.
    pub allow_msg_ttl: bool,
    /// How long a marker stays that takes the place of a subject's last message when that expires, in nanoseconds; 0: no markers.
    pub subject_delete_marker_ttl: i64,
    /// Messages are increments.
    pub allow_msg_counter: bool,
    /// Atomic batches are taken.
    pub allow_atomic: bool,
    /// `Nats-Schedule` is obeyed.
    pub allow_msg_schedules: bool,
    /// Fast batches are taken; refused here, since they are not built (JS64).
    pub allow_batched: bool,
    /// Kept and shown, without effect.
    pub persist_mode: PersistMode,
    /// Pairs of texts, at most 131,072 bytes together.
    pub metadata: BTreeMap<String, String>,
}

/// The time at which messages go, apart from limits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Retention {
    /// By limits alone.
    #[default]
    Limits,
    /// When each consumer that wants them has acknowledged them.
    Interest,
    /// When the one consumer that wants them has acknowledged them.
    WorkQueue,
}

/// The messages that go when a limit is reached.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Discard {
    /// The oldest messages.
    #[default]
    Old,
    /// The new message is refused.
    New,
}

/// Where messages are kept, which decides how their bytes are counted (JS69).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Storage {
    /// They outlive a restart.
    #[default]
    File,
    /// They do not.
    Memory,
}

impl Storage {
    /// The bytes that a message counts, with the stored subject (JS69).
    #[must_use]
    pub const fn size_of(self, subject: usize, head: usize, payload: usize) -> u64 {
        (match self {
            Storage::Memory => subject + head + payload + 16,
            Storage::File if head == 0 => subject + payload + 30,
            Storage::File => subject + payload + 30 + 4 + head,
        }) as u64
    }
}

/// How messages are pressed together on disk.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Compression {
    /// Not at all.
    #[default]
    None,
    /// With S2.
    S2,
}

/// When messages are written to disk.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum PersistMode {
    /// Before they are acknowledged.
    #[default]
    Default,
    /// Some time.
    Async,
}

/// Where a stream is to be, in a cluster.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Placement {
    /// A cluster's name.
    pub cluster: String,
    /// Tags that a server must have.
    pub tags: Vec<String>,
    /// A server; refused.
    pub preferred: String,
}

/// A change of subjects: see [`Transform`](crate::subject::mapping::Transform).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SubjectTransform {
    /// The subjects that are changed; an empty text is `>`.
    pub src: String,
    /// The new subject; nothing is changed if it is empty.
    pub dest: String,
}

/// The messages that are published again, and where.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Republish {
    /// Stored subjects; an empty text is `>`.
    pub src: String,
    /// Where; nothing is published if it is empty.
    pub dest: String,
    /// Without payloads.
    pub headers_only: bool,
}

/// Bounds and defaults of a stream's consumers; 0 is "none".
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ConsumerLimits {
    /// After how long without use they go, in nanoseconds.
    pub inactive_threshold: i64,
    /// Messages that wait for acknowledgements.
    pub max_ack_pending: i64,
}

/// Limits of the server that every stream and publish is held to. The defaults are those of nats-server, but for the sizes of memory
/// and disk, which are fixed numbers here and never what the machine has (JL7).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerLimits {
    /// Bytes of memory storage; default 1 GiB. 0 is "none at all".
    pub max_memory: i64,
    /// Bytes of file storage; default 16 GiB. 0 is "none at all".
    pub max_storage: i64,
    /// The default and the largest `duplicate_window`, in nanoseconds; 0: two minutes, without a largest one.
    pub duplicate_window: i64,
    /// Messages of an atomic batch; default 1,000.
    pub batch_max_msgs: usize,
    /// How long an atomic batch may stay without a further message, in nanoseconds; default 10 s.
    pub batch_timeout: i64,
    /// Atomic batches of one stream that are open at once; default 50.
    pub batch_max_inflight: usize,
    /// Atomic batches of all streams that are open at once; default 1,000.
    pub batch_max_inflight_total: usize,
    /// The default, if it is less than 1,000, and the largest `max_ack_pending` of a consumer; 0 is "no limit" (JL4).
    pub max_ack_pending: i64,
    /// The default and the largest `max_batch` of a pull consumer; 0 is "no limit" (JL4).
    pub max_request_batch: i64,
    /// Consumers of a stream where neither the stream nor the account has a limit; less than 1 is "no limit". Default 1,000.
    pub default_max_consumers: i64,
    /// Streams and consumers of a cluster's server; 0 is "no limit". It is only shown.
    pub max_ha_assets: i64,
}

impl Default for ServerLimits {
    fn default() -> Self {
        ServerLimits {
            max_memory: 1 << 30,
            max_storage: 16 << 30,
            duplicate_window: 0,
            batch_max_msgs: 1_000,
            batch_timeout: 10_000_000_000,
            batch_max_inflight: 50,
            batch_max_inflight_total: 1_000,
            max_ack_pending: 0,
            max_request_batch: 0,
            default_max_consumers: 1_000,
            max_ha_assets: 0,
        }
    }
}

/// Limits of an account; −1 is "no limit", 0 is "none at all".
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccountLimits {
    /// Bytes of memory storage.
    pub max_memory: i64,
    /// Bytes of file storage.
    pub max_storage: i64,
    /// Streams.
    pub max_streams: i64,
    /// Consumers of one stream.
    pub max_consumers: i64,
    /// The default, if it is less than 1,000, and the largest `max_ack_pending` of a consumer.
    pub max_ack_pending: i64,
    /// The largest `max_bytes` of a memory stream.
    pub memory_max_stream_bytes: i64,
    /// The largest `max_bytes` of a file stream.
    pub storage_max_stream_bytes: i64,
    /// Whether each stream must have a `max_bytes`.
    pub max_bytes_required: bool,
}

impl Default for AccountLimits {
    fn default() -> Self {
        AccountLimits {
            max_memory: -1,
            max_storage: -1,
            max_streams: -1,
            max_consumers: -1,
            max_ack_pending: -1,
            memory_max_stream_bytes: -1,
            storage_max_stream_bytes: -1,
            max_bytes_required: false,
        }
    }
}
