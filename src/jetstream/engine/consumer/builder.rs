//! A consumer's configuration is built by its constructors and setters; the fields stay open to be read and set.

use super::config::{AckPolicy, ConsumerConfig, DeliverPolicy, PriorityPolicy, ReplayPolicy, WrittenTime};
use crate::jetstream::engine::time::{Timestamp, count, nanos};
use std::time::Duration;

impl ConsumerConfig {
    /// A durable pull consumer of this name with explicit acknowledgements.
    #[must_use]
    pub fn durable(name: impl Into<String>) -> Self {
        ConsumerConfig { durable_name: name.into(), ack_policy: AckPolicy::Explicit, ..ConsumerConfig::default() }
    }

    /// Whether messages go to a subject of its own.
    #[must_use]
    pub fn is_push(&self) -> bool {
        !self.deliver_subject.is_empty()
    }

    /// Its filters; none take everything.
    #[must_use]
    pub fn filters(&self) -> &[String] {
        match self.filter_subject.as_str() {
            "" => &self.filter_subjects,
            _ => std::slice::from_ref(&self.filter_subject),
        }
    }

    /// A durable pull consumer of this name with explicit acknowledgements.
    #[must_use]
    pub fn pull(name: impl Into<String>) -> Self {
        ConsumerConfig::durable(name)
    }

    /// A durable push consumer of this name with explicit acknowledgements, which delivers to this subject.
    #[must_use]
    pub fn push(name: impl Into<String>, deliver_subject: impl Into<String>) -> Self {
        ConsumerConfig { deliver_subject: deliver_subject.into(), ..ConsumerConfig::durable(name) }
    }

    /// A pull consumer with explicit acknowledgements that the server names, and that goes when it is not used.
    #[must_use]
    pub fn ephemeral() -> Self {
        ConsumerConfig { ack_policy: AckPolicy::Explicit, ..ConsumerConfig::default() }
    }

    /// The name.
    #[must_use]
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.name = name.into();
        self
    }

    /// A text for people, at most 4,096 bytes.
    #[must_use]
    pub fn description(mut self, text: impl Into<String>) -> Self {
        self.description = text.into();
        self
    }

    /// The message to begin with; default [`DeliverPolicy::All`].
    #[must_use]
    pub fn deliver_policy(mut self, policy: DeliverPolicy) -> Self {
        self.deliver_policy = policy;
        self
    }

    /// It begins with the message of this sequence: [`DeliverPolicy::ByStartSequence`].
    #[must_use]
    pub fn start_sequence(mut self, seq: u64) -> Self {
        self.deliver_policy = DeliverPolicy::ByStartSequence;
        self.opt_start_seq = seq;
        self
    }

    /// It begins with the first message not before this instant: [`DeliverPolicy::ByStartTime`].
    #[must_use]
    pub fn start_time(mut self, at: Timestamp) -> Self {
        self.deliver_policy = DeliverPolicy::ByStartTime;
        self.opt_start_time = Some(WrittenTime::utc(at));
        self
    }

    /// The acknowledgements that are expected.
    #[must_use]
    pub fn ack_policy(mut self, policy: AckPolicy) -> Self {
        self.ack_policy = policy;
        self
    }

    /// How long an acknowledgement may take; default 30 s.
    #[must_use]
    pub fn ack_wait(mut self, wait: Duration) -> Self {
        self.ack_wait = nanos(wait);
        self
    }

    /// Deliveries of one message. Default: no limit.
    #[must_use]
    pub fn max_deliver(mut self, deliveries: u64) -> Self {
        self.max_deliver = count(deliveries);
        self
    }

    /// How long an acknowledgement may take after each delivery; the last one repeats.
    #[must_use]
    pub fn backoff(mut self, waits: impl IntoIterator<Item = Duration>) -> Self {
        self.backoff = waits.into_iter().map(nanos).collect();
        self
    }

    /// The subjects that it takes, as a pattern. Default: all.
    #[must_use]
    pub fn filter_subject(mut self, pattern: impl Into<String>) -> Self {
        self.filter_subject = pattern.into();
        self
    }

    /// The subjects that it takes, as several patterns.
    #[must_use]
    pub fn filter_subjects(mut self, patterns: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.filter_subjects = patterns.into_iter().map(Into::into).collect();
        self
    }

    /// The speed of deliveries; default [`ReplayPolicy::Instant`].
    #[must_use]
    pub fn replay_policy(mut self, policy: ReplayPolicy) -> Self {
        self.replay_policy = policy;
        self
    }

    /// Bits per second, of push consumers. Default: no limit.
    #[must_use]
    pub fn rate_limit_bps(mut self, bits: u64) -> Self {
        self.rate_limit_bps = bits;
        self
    }

    /// The share of acknowledgements that are measured, in percent.
    #[must_use]
    pub fn sample_freq(mut self, percent: u8) -> Self {
        self.sample_freq = percent.to_string();
        self
    }

    /// Pull requests that wait at once; default 512.
    #[must_use]
    pub fn max_waiting(mut self, requests: u64) -> Self {
        self.max_waiting = count(requests);
        self
    }

    /// Messages that wait for acknowledgements at once; default 1,000.
    #[must_use]
    pub fn max_ack_pending(mut self, messages: u64) -> Self {
        self.max_ack_pending = count(messages);
        self
    }

    /// Whether large amounts are delivered in pieces that the receiver asks for; of push consumers, default false.
    #[must_use]
    pub fn flow_control(mut self, flow_control: bool) -> Self {
        self.flow_control = flow_control;
        self
    }

    /// Whether deliveries have no payload; default false.
    #[must_use]
    pub fn headers_only(mut self, headers_only: bool) -> Self {
        self.headers_only = headers_only;
        self
    }

    /// Messages that one pull request may ask for. Default: no limit.
    #[must_use]
    pub fn max_batch(mut self, messages: u64) -> Self {
        self.max_batch = count(messages);
        self
    }

    /// How long a pull request may wait. Default: no limit.
    #[must_use]
    pub fn max_expires(mut self, time: Duration) -> Self {
        self.max_expires = nanos(time);
        self
    }

    /// Bytes that one pull request may ask for. Default: no limit.
    #[must_use]
    pub fn max_bytes(mut self, bytes: u64) -> Self {
        self.max_bytes = count(bytes);
        self
    }

    /// The queue group that receives the messages of a push consumer.
    #[must_use]
    pub fn deliver_group(mut self, group: impl Into<String>) -> Self {
        self.deliver_group = group.into();
        self
    }

    /// How long a push consumer may be silent. Default: no heartbeats.
    #[must_use]
    pub fn idle_heartbeat(mut self, interval: Duration) -> Self {
        self.idle_heartbeat = nanos(interval);
        self
    }

    /// After how long without use it goes. Default: 5 s without a durable name, else never.
    #[must_use]
    pub fn inactive_threshold(mut self, time: Duration) -> Self {
        self.inactive_threshold = nanos(time);
        self
    }

    /// Copies in a cluster.
    #[must_use]
    pub fn num_replicas(mut self, replicas: u8) -> Self {
        self.num_replicas = replicas.into();
        self
    }

    /// Whether its state is kept in memory; default false.
    #[must_use]
    pub fn mem_storage(mut self, mem_storage: bool) -> Self {
        self.mem_storage = mem_storage;
        self
    }

    /// Adds a pair of texts.
    #[must_use]
    pub fn metadata(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
        self.metadata.insert(key.into(), value.into());
        self
    }

    /// Nothing is delivered before this instant.
    #[must_use]
    pub fn pause_until(mut self, at: Timestamp) -> Self {
        self.pause_until = Some(WrittenTime::utc(at));
        self
    }

    /// Groups of pull requests.
    #[must_use]
    pub fn priority_groups(mut self, groups: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.priority_groups = groups.into_iter().map(Into::into).collect();
        self
    }

    /// The order among pull requests; default [`PriorityPolicy::None`].
    #[must_use]
    pub fn priority_policy(mut self, policy: PriorityPolicy) -> Self {
        self.priority_policy = policy;
        self
    }

    /// How long a pinned request stays so; default 2 min.
    #[must_use]
    pub fn priority_timeout(mut self, time: Duration) -> Self {
        self.priority_timeout = nanos(time);
        self
    }
}
