//! The configuration of a consumer: every field of nats-server 2.15.1, with the default of a key that a request leaves out.

use crate::jetstream::engine::time::Timestamp;
use smol_str::SmolStr;
use std::collections::BTreeMap;

/// The configuration of a consumer. Spans are nanoseconds, and may be negative until they are checked.
///
/// It is what a request says; [`Stream::create_consumer`](crate::jetstream::engine::Stream::create_consumer) fills in what the server
/// fills in (JC20).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ConsumerConfig {
    /// The name of a consumer that goes only if `inactive_threshold` is set.
    pub durable_name: String,
    /// The name; empty if the server chose one.
    pub name: String,
    /// A text for people, at most 4,096 bytes.
    pub description: String,
    /// The message to begin with.
    pub deliver_policy: DeliverPolicy,
    /// The sequence to begin with, for [`DeliverPolicy::ByStartSequence`].
    pub opt_start_seq: u64,
    /// The instant to begin with, for [`DeliverPolicy::ByStartTime`].
    pub opt_start_time: Option<WrittenTime>,
    /// The acknowledgements that are expected; default none.
    pub ack_policy: AckPolicy,
    /// How long an acknowledgement may take, in nanoseconds; default 30 s where there are acknowledgements.
    pub ack_wait: i64,
    /// Deliveries of one message; default −1, "no limit".
    pub max_deliver: i64,
    /// How long an acknowledgement may take after each delivery, in nanoseconds; the last element repeats.
    pub backoff: Vec<i64>,
    /// The subjects that it takes; an empty text is all.
    pub filter_subject: String,
    /// Several of them, instead.
    pub filter_subjects: Vec<String>,
    /// The speed of deliveries.
    pub replay_policy: ReplayPolicy,
    /// Bits per second, of push consumers; 0 is "no limit".
    pub rate_limit_bps: u64,
    /// The share of acknowledgements that are measured: a percentage, such as `50` or `50%`.
    pub sample_freq: String,
    /// Pull requests that wait; default 512, 0 on push consumers.
    pub max_waiting: i64,
    /// Messages that wait for acknowledgements; default 1,000 where there are acknowledgements, −1 is "no limit".
    pub max_ack_pending: i64,
    /// Large amounts are delivered in pieces that the receiver asks for.
    pub flow_control: bool,
    /// Deliveries have no payload.
    pub headers_only: bool,
    /// Messages that one pull request may ask for; 0 is "no limit".
    pub max_batch: i64,
    /// How long a pull request may wait, in nanoseconds; 0 is "no limit".
    pub max_expires: i64,
    /// Bytes that one pull request may ask for; 0 is "no limit".
    pub max_bytes: i64,
    /// Where messages go, of a push consumer; empty on pull consumers.
    pub deliver_subject: String,
    /// The queue group that receives them.
    pub deliver_group: String,
    /// How long there may be silence, in nanoseconds; 0: no heartbeats.
    pub idle_heartbeat: i64,
    /// After how long without use it goes, in nanoseconds; default 5 s without a durable name, else never.
    pub inactive_threshold: i64,
    /// Copies; kept and shown.
    pub num_replicas: i64,
    /// Kept and shown, without effect.
    pub mem_storage: bool,
    /// Of a server that mirrors; refused.
    pub direct: bool,
    /// Of a server that mirrors; refused.
    pub sourcing: bool,
    /// Pairs of texts, at most 128 KiB together.
    pub metadata: BTreeMap<String, String>,
    /// Nothing is delivered before it.
    pub pause_until: Option<WrittenTime>,
    /// Groups of pull requests.
    pub priority_groups: Vec<String>,
    /// The order among pull requests.
    pub priority_policy: PriorityPolicy,
    /// How long a pinned request stays so, in nanoseconds; default 2 min for [`PriorityPolicy::PinnedClient`].
    pub priority_timeout: i64,
}

/// The first message of a consumer (JC40).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum DeliverPolicy {
    /// The first that is there.
    #[default]
    All,
    /// The last that is there.
    Last,
    /// The next to come.
    New,
    /// That of a sequence.
    ByStartSequence,
    /// The first not before an instant.
    ByStartTime,
    /// The last of each subject, then all that come.
    LastPerSubject,
}

impl DeliverPolicy {
    /// The word in errors.
    pub(super) const fn text(self) -> &'static str {
        match self {
            DeliverPolicy::All => "all",
            DeliverPolicy::Last => "last",
            DeliverPolicy::New => "new",
            DeliverPolicy::ByStartSequence => "by start sequence",
            DeliverPolicy::ByStartTime => "by start time",
            DeliverPolicy::LastPerSubject => "last per subject",
        }
    }
}

/// The acknowledgements that a consumer expects.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum AckPolicy {
    /// None: a message is done with its delivery.
    #[default]
    None,
    /// One acknowledges all that came before.
    All,
    /// One for each message.
    Explicit,
    /// Those of a server that mirrors; refused (JC127).
    FlowControl,
}

/// The speed of deliveries.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum ReplayPolicy {
    /// At once.
    #[default]
    Instant,
    /// As they were stored (JC129).
    Original,
}

/// The order among pull requests.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum PriorityPolicy {
    /// In turn.
    #[default]
    None,
    /// Requests may wait until much is pending (JC170).
    Overflow,
    /// One client gets everything (JC176).
    PinnedClient,
    /// By their number (JC175).
    Prioritized,
}

/// An instant as it was written, zone included; instants are equal whatever their zones are.
#[derive(Clone, Debug)]
pub struct WrittenTime {
    /// The instant; the beginning of 1970 for all that lie before it.
    pub at: Timestamp,
    /// Its text, RFC 3339.
    pub text: SmolStr,
}

impl WrittenTime {
    /// An instant written in UTC.
    #[must_use]
    pub fn utc(at: Timestamp) -> Self {
        WrittenTime { at, text: at.to_string().into() }
    }
}

impl PartialEq for WrittenTime {
    fn eq(&self, other: &Self) -> bool {
        self.at == other.at
    }
}

impl Eq for WrittenTime {}
