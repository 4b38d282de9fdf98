//! A configuration is built by its constructor and setters; the fields stay open to be read and set.

use super::{
    Compression, ConsumerLimits, Discard, PersistMode, Placement, Republish, Retention, Storage, StreamConfig,
    StreamSource, SubjectTransform,
};
use crate::jetstream::engine::time::{count, nanos};
use std::collections::BTreeMap;
use std::time::Duration;

impl StreamConfig {
    /// A stream of this name with all defaults.
    #[must_use]
    pub fn new(name: impl Into<String>) -> Self {
        StreamConfig {
            name: name.into(),
            description: String::new(),
            subjects: Vec::new(),
            retention: Retention::default(),
            max_consumers: -1,
            max_msgs: -1,
            max_bytes: -1,
            max_msgs_per_subject: -1,
            max_age: 0,
            max_msg_size: -1,
            discard: Discard::default(),
            storage: Storage::default(),
            num_replicas: 1,
            no_ack: false,
            duplicate_window: 0,
            placement: None,
            mirror: None,
            sources: None,
            compression: Compression::default(),
            first_seq: 0,
            subject_transform: None,
            republish: None,
            allow_direct: false,
            mirror_direct: false,
            discard_new_per_subject: false,
            sealed: false,
            deny_delete: false,
            deny_purge: false,
            allow_rollup_hdrs: false,
            consumer_limits: ConsumerLimits::default(),
            allow_msg_ttl: false,
            subject_delete_marker_ttl: 0,
            allow_msg_counter: false,
            allow_atomic: false,
            allow_msg_schedules: false,
            allow_batched: false,
            persist_mode: PersistMode::default(),
            metadata: BTreeMap::new(),
        }
    }

    /// The sources; none if there is no list.
    #[must_use]
    pub fn source_list(&self) -> &[StreamSource] {
        self.sources.as_deref().unwrap_or_default()
    }

    /// A text for people, at most 4,096 bytes.
    #[must_use]
    pub fn description(mut self, text: impl Into<String>) -> Self {
        self.description = text.into();
        self
    }

    /// The subjects that it captures. Default: the name.
    #[must_use]
    pub fn subjects(mut self, subjects: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.subjects = subjects.into_iter().map(Into::into).collect();
        self
    }

    /// When messages go, apart from limits; default [`Retention::Limits`].
    #[must_use]
    pub fn retention(mut self, retention: Retention) -> Self {
        self.retention = retention;
        self
    }

    /// The most consumers. Default: no limit.
    #[must_use]
    pub fn max_consumers(mut self, consumers: u64) -> Self {
        self.max_consumers = count(consumers);
        self
    }

    /// The most messages. Default: no limit.
    #[must_use]
    pub fn max_msgs(mut self, messages: u64) -> Self {
        self.max_msgs = count(messages);
        self
    }

    /// The most bytes, as [`Storage`] counts them. Default: no limit.
    #[must_use]
    pub fn max_bytes(mut self, bytes: u64) -> Self {
        self.max_bytes = count(bytes);
        self
    }

    /// The most messages of one subject. Default: no limit.
    #[must_use]
    pub fn max_msgs_per_subject(mut self, messages: u64) -> Self {
        self.max_msgs_per_subject = count(messages);
        self
    }

    /// How old a message may become. Default, and zero: no limit.
    #[must_use]
    pub fn max_age(mut self, age: Duration) -> Self {
        self.max_age = nanos(age);
        self
    }

    /// The most bytes of header block and payload of one message. Default: no limit.
    #[must_use]
    pub fn max_msg_size(mut self, bytes: u32) -> Self {
        self.max_msg_size = i32::try_from(bytes).unwrap_or(i32::MAX);
        self
    }

    /// The messages that go when a limit is reached; default [`Discard::Old`].
    #[must_use]
    pub fn discard(mut self, discard: Discard) -> Self {
        self.discard = discard;
        self
    }

    /// Where it is kept; default [`Storage::File`].
    #[must_use]
    pub fn storage(mut self, storage: Storage) -> Self {
        self.storage = storage;
        self
    }

    /// Copies in a cluster; default 1.
    #[must_use]
    pub fn num_replicas(mut self, replicas: u8) -> Self {
        self.num_replicas = replicas.into();
        self
    }

    /// Whether publishes get no acknowledgement; default false.
    #[must_use]
    pub fn no_ack(mut self, no_ack: bool) -> Self {
        self.no_ack = no_ack;
        self
    }

    /// How long a `Nats-Msg-Id` is remembered. Default: two minutes, or less where a limit says so.
    #[must_use]
    pub fn duplicate_window(mut self, window: Duration) -> Self {
        self.duplicate_window = nanos(window);
        self
    }

    /// Where it is to be in a cluster.
    #[must_use]
    pub fn placement(mut self, placement: Placement) -> Self {
        self.placement = Some(placement);
        self
    }

    /// The stream that this one copies.
    #[must_use]
    pub fn mirror(mut self, origin: StreamSource) -> Self {
        self.mirror = Some(origin);
        self
    }

    /// Streams whose messages this one takes in.
    #[must_use]
    pub fn sources(mut self, sources: impl IntoIterator<Item = StreamSource>) -> Self {
        self.sources = Some(sources.into_iter().collect());
        self
    }

    /// How messages are compressed on disk; default [`Compression::None`].
    #[must_use]
    pub fn compression(mut self, compression: Compression) -> Self {
        self.compression = compression;
        self
    }

    /// The sequence of its first message; default 1.
    #[must_use]
    pub fn first_seq(mut self, seq: u64) -> Self {
        self.first_seq = seq;
        self
    }

    /// A change of subjects before anything else is done with a message.
    #[must_use]
    pub fn subject_transform(mut self, transform: SubjectTransform) -> Self {
        self.subject_transform = Some(transform);
        self
    }

    /// The messages that are published again once they are stored.
    #[must_use]
    pub fn republish(mut self, republish: Republish) -> Self {
        self.republish = Some(republish);
        self
    }

    /// Whether it can be read with direct get; default false.
    #[must_use]
    pub fn allow_direct(mut self, allow: bool) -> Self {
        self.allow_direct = allow;
        self
    }

    /// Whether a mirror answers direct gets of its origin; default false.
    #[must_use]
    pub fn mirror_direct(mut self, allow: bool) -> Self {
        self.mirror_direct = allow;
        self
    }

    /// Whether `max_msgs_per_subject` refuses too, with [`Discard::New`]; default false.
    #[must_use]
    pub fn discard_new_per_subject(mut self, discard: bool) -> Self {
        self.discard_new_per_subject = discard;
        self
    }

    /// Whether messages can't be deleted one by one; default false.
    #[must_use]
    pub fn deny_delete(mut self, deny: bool) -> Self {
        self.deny_delete = deny;
        self
    }

    /// Whether messages can't be purged; default false.
    #[must_use]
    pub fn deny_purge(mut self, deny: bool) -> Self {
        self.deny_purge = deny;
        self
    }

    /// Whether `Nats-Rollup` is obeyed; default false.
    #[must_use]
    pub fn allow_rollup_hdrs(mut self, allow: bool) -> Self {
        self.allow_rollup_hdrs = allow;
        self
    }

    /// Bounds and defaults of its consumers.
    #[must_use]
    pub fn consumer_limits(mut self, limits: ConsumerLimits) -> Self {
        self.consumer_limits = limits;
        self
    }

    /// Whether `Nats-TTL` is obeyed; default false.
    #[must_use]
    pub fn allow_msg_ttl(mut self, allow: bool) -> Self {
        self.allow_msg_ttl = allow;
        self
    }

    /// How long a marker stays that takes the place of the last message of a subject when that expires. Default: no markers.
    #[must_use]
    pub fn subject_delete_marker_ttl(mut self, ttl: Duration) -> Self {
        self.subject_delete_marker_ttl = nanos(ttl);
        self
    }

    /// Whether messages are increments; default false.
    #[must_use]
    pub fn allow_msg_counter(mut self, allow: bool) -> Self {
        self.allow_msg_counter = allow;
        self
    }

    /// Whether atomic batches are taken; default false.
    #[must_use]
    pub fn allow_atomic(mut self, allow: bool) -> Self {
        self.allow_atomic = allow;
        self
    }

    /// Whether `Nats-Schedule` is obeyed; default false.
    #[must_use]
    pub fn allow_msg_schedules(mut self, allow: bool) -> Self {
        self.allow_msg_schedules = allow;
        self
    }

    /// When messages are written to disk; default [`PersistMode::Default`].
    #[must_use]
    pub fn persist_mode(mut self, mode: PersistMode) -> Self {
        self.persist_mode = mode;
        self
    }

    /// Adds a pair of texts.
    #[must_use]
    pub fn metadata(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
        self.metadata.insert(key.into(), value.into());
        self
    }
}
