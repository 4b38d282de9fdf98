//! The keys of a consumer's configuration, and what is told of a consumer, in the server's order (JC20, JC50).

use super::info::{API_LEVEL, VERSION};
use super::read::{Decode, Fatal, Reader};
use super::response::Fields;
use super::write::{self, Object};
use crate::jetstream::engine::Timestamp;
use crate::jetstream::engine::consumer::{
    AckPolicy, ConsumerAction, ConsumerConfig, ConsumerInfo, ConsumerRequest, DeliverPolicy, PriorityGroup,
    PriorityPolicy, ReplayPolicy, SequencePair,
};
use std::collections::BTreeMap;
use std::time::Duration;

const DELIVER: [(&str, DeliverPolicy); 7] = [
    ("\"all\"", DeliverPolicy::All),
    ("\"undefined\"", DeliverPolicy::All),
    ("\"last\"", DeliverPolicy::Last),
    ("\"new\"", DeliverPolicy::New),
    ("\"by_start_sequence\"", DeliverPolicy::ByStartSequence),
    ("\"by_start_time\"", DeliverPolicy::ByStartTime),
    ("\"last_per_subject\"", DeliverPolicy::LastPerSubject),
];
const ACK: [(&str, AckPolicy); 4] = [
    ("\"none\"", AckPolicy::None),
    ("\"all\"", AckPolicy::All),
    ("\"explicit\"", AckPolicy::Explicit),
    ("\"flow_control\"", AckPolicy::FlowControl),
];
const REPLAY: [(&str, ReplayPolicy); 2] =
    [("\"instant\"", ReplayPolicy::Instant), ("\"original\"", ReplayPolicy::Original)];
const PRIORITY: [(&str, PriorityPolicy); 4] = [
    ("\"none\"", PriorityPolicy::None),
    ("\"overflow\"", PriorityPolicy::Overflow),
    ("\"pinned_client\"", PriorityPolicy::PinnedClient),
    ("\"prioritized\"", PriorityPolicy::Prioritized),
];
const ACTION: [(&str, ConsumerAction); 3] = [
    ("\"\"", ConsumerAction::CreateOrUpdate),
    ("\"create\"", ConsumerAction::Create),
    ("\"update\"", ConsumerAction::Update),
];

/// A request to create a consumer, with the stream that it names (JC5).
#[derive(Debug, Default)]
pub(crate) struct CreateRequest {
    pub(crate) stream_name: String,
    pub(crate) request: ConsumerRequest,
}

impl Decode for CreateRequest {
    const NAME: &'static str = "CreateConsumerRequest";

    fn decode(&mut self, from: &mut Reader<'_>) -> Result<(), Fatal> {
        let CreateRequest { stream_name, request } = self;
        let keys = ["stream_name", "config", "action", "pedantic"];
        from.object("server.CreateConsumerRequest", &keys, |reader, key| match key {
            "stream_name" => reader.text(stream_name),
            "config" => {
                reader.object("server.ConsumerConfig", KEYS, |reader, key| field(&mut request.config, reader, key))?;
                Ok(())
            }
            "action" => reader.word_or(&ACTION, &mut request.action, |raw| format!("unknown consumer action: {raw}")),
            _ => reader.flag(&mut request.pedantic),
        })?;
        Ok(())
    }
}

/// Writes a request to create a consumer.
pub(crate) fn encode_request(object: &mut Object<'_>, stream: &str, config: &ConsumerConfig, action: ConsumerAction) {
    object.text("stream_name", stream);
    encode_config(&mut Object::new(object.key("config")), config, &config.metadata);
    if action != ConsumerAction::CreateOrUpdate {
        object.word("action", &ACTION, &action);
    }
}

impl Fields for ConsumerInfo {
    const KEYS: &'static [&'static str] = &[
        "name",
        "created",
        "config",
        "delivered",
        "ack_floor",
        "num_ack_pending",
        "num_redelivered",
        "num_waiting",
        "num_pending",
        "push_bound",
        "pause_remaining",
        "priority_groups",
    ];

    fn field(&mut self, key: &'static str, from: &mut Reader<'_>) -> Result<(), Fatal> {
        match key {
            "name" => {
                let mut name = String::new();
                from.text(&mut name)?;
                self.name = name.into();
                Ok(())
            }
            "created" => {
                let mut created = None;
                from.instant(&mut created)?;
                self.created = created.unwrap_or_default();
                Ok(())
            }
            "config" => {
                from.object("server.ConsumerConfig", KEYS, |reader, key| field(&mut self.config, reader, key))?;
                Ok(())
            }
            "delivered" => decode_pair(&mut self.delivered, from),
            "ack_floor" => decode_pair(&mut self.ack_floor, from),
            "num_ack_pending" => from.integer("int", &mut self.num_ack_pending),
            "num_redelivered" => from.integer("int", &mut self.num_redelivered),
            "num_waiting" => from.integer("int", &mut self.num_waiting),
            "num_pending" => from.integer("uint64", &mut self.num_pending),
            "push_bound" => from.flag(&mut self.push_bound),
            "pause_remaining" => {
                let mut left = 0;
                from.span(&mut left)?;
                self.pause_remaining = u64::try_from(left).ok().filter(|left| *left > 0).map(Duration::from_nanos);
                Ok(())
            }
            _ => {
                let mut groups = None;
                from.list("[]server.PriorityGroupState", &mut groups, decode_group)?;
                self.priority_group = groups.unwrap_or_default().into_iter().next();
                Ok(())
            }
        }
    }
}

fn decode_pair(pair: &mut SequencePair, from: &mut Reader<'_>) -> Result<(), Fatal> {
    from.object("server.SequenceInfo", &["consumer_seq", "stream_seq", "last_active"], |reader, key| match key {
        "consumer_seq" => reader.integer("uint64", &mut pair.consumer),
        "stream_seq" => reader.integer("uint64", &mut pair.stream),
        _ => reader.instant(&mut pair.last_active),
    })?;
    Ok(())
}

fn decode_group(from: &mut Reader<'_>, group: &mut PriorityGroup) -> Result<(), Fatal> {
    let (mut pin, mut since) = (String::new(), None);
    let keys = ["group", "pinned_client_id", "pinned_ts"];
    from.object("server.PriorityGroupState", &keys, |reader, key| match key {
        "group" => reader.text(&mut group.group),
        "pinned_client_id" => reader.text(&mut pin),
        _ => reader.instant(&mut since),
    })?;
    group.pinned = (!pin.is_empty()).then(|| (pin.into(), since.unwrap_or_default()));
    Ok(())
}

const KEYS: &[&str] = &[
    "durable_name",
    "name",
    "description",
    "deliver_policy",
    "opt_start_seq",
    "opt_start_time",
    "ack_policy",
    "ack_wait",
    "max_deliver",
    "backoff",
    "filter_subject",
    "filter_subjects",
    "replay_policy",
    "rate_limit_bps",
    "sample_freq",
    "max_waiting",
    "max_ack_pending",
    "flow_control",
    "headers_only",
    "max_batch",
    "max_expires",
    "max_bytes",
    "deliver_subject",
    "deliver_group",
    "idle_heartbeat",
    "inactive_threshold",
    "num_replicas",
    "mem_storage",
    "direct",
    "sourcing",
    "metadata",
    "pause_until",
    "priority_groups",
    "priority_policy",
    "priority_timeout",
];

fn field(config: &mut ConsumerConfig, reader: &mut Reader<'_>, key: &'static str) -> Result<(), Fatal> {
    match key {
        "durable_name" => reader.text(&mut config.durable_name),
        "name" => reader.text(&mut config.name),
        "description" => reader.text(&mut config.description),
        "deliver_policy" => reader.word(&DELIVER, &mut config.deliver_policy),
        "opt_start_seq" => reader.integer("uint64", &mut config.opt_start_seq),
        "opt_start_time" => reader.written_instant(&mut config.opt_start_time),
        "ack_policy" => reader.word(&ACK, &mut config.ack_policy),
        "ack_wait" => reader.span(&mut config.ack_wait),
        "max_deliver" => reader.integer("int", &mut config.max_deliver),
        "backoff" => {
            let mut list = Some(std::mem::take(&mut config.backoff));
            reader.list("[]time.Duration", &mut list, Reader::span)?;
            config.backoff = list.unwrap_or_default();
            Ok(())
        }
        "filter_subject" => reader.text(&mut config.filter_subject),
        "filter_subjects" => reader.texts(&mut config.filter_subjects),
        "replay_policy" => reader.word(&REPLAY, &mut config.replay_policy),
        "rate_limit_bps" => reader.integer("uint64", &mut config.rate_limit_bps),
        "sample_freq" => reader.text(&mut config.sample_freq),
        "max_waiting" => reader.integer("int", &mut config.max_waiting),
        "max_ack_pending" => reader.integer("int", &mut config.max_ack_pending),
        "flow_control" => reader.flag(&mut config.flow_control),
        "headers_only" => reader.flag(&mut config.headers_only),
        "max_batch" => reader.integer("int", &mut config.max_batch),
        "max_expires" => reader.span(&mut config.max_expires),
        "max_bytes" => reader.integer("int", &mut config.max_bytes),
        "deliver_subject" => reader.text(&mut config.deliver_subject),
        "deliver_group" => reader.text(&mut config.deliver_group),
        "idle_heartbeat" => reader.span(&mut config.idle_heartbeat),
        "inactive_threshold" => reader.span(&mut config.inactive_threshold),
        "num_replicas" => reader.integer("int", &mut config.num_replicas),
        "mem_storage" => reader.flag(&mut config.mem_storage),
        "direct" => reader.flag(&mut config.direct),
        "sourcing" => reader.flag(&mut config.sourcing),
        "metadata" => reader.map(&mut config.metadata),
        "pause_until" => reader.written_instant(&mut config.pause_until),
        "priority_groups" => reader.texts(&mut config.priority_groups),
        "priority_policy" => {
            reader.word_or(&PRIORITY, &mut config.priority_policy, |raw| format!("unknown priority policy: {raw}"))
        }
        _ => reader.span(&mut config.priority_timeout),
    }
}

fn encode_config(object: &mut Object<'_>, config: &ConsumerConfig, metadata: &BTreeMap<String, String>) {
    object.some_text("durable_name", &config.durable_name);
    object.some_text("name", &config.name);
    object.some_text("description", &config.description);
    object.word("deliver_policy", &DELIVER, &config.deliver_policy);
    object.some_number("opt_start_seq", config.opt_start_seq);
    object.some_text("opt_start_time", config.opt_start_time.as_ref().map_or("", |time| &time.text));
    object.word("ack_policy", &ACK, &config.ack_policy);
    object.some_number("ack_wait", config.ack_wait);
    object.some_number("max_deliver", config.max_deliver);
    if !config.backoff.is_empty() {
        write::list(object.key("backoff"), &config.backoff, |out, span| out.push_str(&span.to_string()));
    }
    object.some_text("filter_subject", &config.filter_subject);
    object.some_texts("filter_subjects", &config.filter_subjects);
    object.word("replay_policy", &REPLAY, &config.replay_policy);
    object.some_number("rate_limit_bps", config.rate_limit_bps);
    object.some_text("sample_freq", &config.sample_freq);
    object.some_number("max_waiting", config.max_waiting);
    object.some_number("max_ack_pending", config.max_ack_pending);
    object.some_flag("flow_control", config.flow_control);
    object.some_flag("headers_only", config.headers_only);
    object.some_number("max_batch", config.max_batch);
    object.some_number("max_expires", config.max_expires);
    object.some_number("max_bytes", config.max_bytes);
    object.some_text("deliver_subject", &config.deliver_subject);
    object.some_text("deliver_group", &config.deliver_group);
    object.some_number("idle_heartbeat", config.idle_heartbeat);
    object.some_number("inactive_threshold", config.inactive_threshold);
    object.plain("num_replicas", config.num_replicas);
    object.some_flag("mem_storage", config.mem_storage);
    object.some_flag("direct", config.direct);
    object.some_flag("sourcing", config.sourcing);
    if !metadata.is_empty() {
        let mut object = Object::new(object.key("metadata"));
        metadata.iter().for_each(|(key, value)| object.text(key, value));
    }
    object.some_text("pause_until", config.pause_until.as_ref().map_or("", |time| &time.text));
    object.some_texts("priority_groups", &config.priority_groups);
    if config.priority_policy != PriorityPolicy::None {
        object.word("priority_policy", &PRIORITY, &config.priority_policy);
    }
    object.some_number("priority_timeout", config.priority_timeout);
}

/// What is shown of a consumer's configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ShownConfig {
    /// The server's version and level stand among the metadata (JC14).
    WithVersion,
    Plain,
    Hidden,
}

/// Writes the keys of a ConsumerInfo into an object.
pub(crate) fn encode(object: &mut Object<'_>, stream: &str, info: &ConsumerInfo, now: Timestamp, config: ShownConfig) {
    object.text("stream_name", stream);
    object.text("name", &info.name);
    object.instant("created", Some(info.created));
    if config != ShownConfig::Hidden {
        let mut metadata = info.config.metadata.clone();
        if config == ShownConfig::WithVersion {
            metadata.insert("_nats.ver".to_owned(), VERSION.to_owned());
            metadata.insert("_nats.level".to_owned(), API_LEVEL.to_string());
        }
        encode_config(&mut Object::new(object.key("config")), &info.config, &metadata);
    }
    for (name, pair) in [("delivered", &info.delivered), ("ack_floor", &info.ack_floor)] {
        encode_pair(&mut Object::new(object.key(name)), pair);
    }
    object.plain("num_ack_pending", info.num_ack_pending);
    object.plain("num_redelivered", info.num_redelivered);
    object.plain("num_waiting", info.num_waiting);
    object.plain("num_pending", info.num_pending);
    object.some_flag("push_bound", info.push_bound);
    object.some_flag("paused", info.pause_remaining.is_some());
    object.some_number("pause_remaining", info.pause_remaining.map_or(0, |left| left.as_nanos()));
    object.instant("ts", Some(now));
    if let Some(group) = &info.priority_group {
        object.objects("priority_groups", [group], |object, group| {
            object.text("group", &group.group);
            if let Some((pin, _)) = &group.pinned {
                object.text("pinned_client_id", pin);
            }
            object.instant("pinned_ts", group.pinned.as_ref().map(|(_, since)| *since));
        });
    }
}

fn encode_pair(object: &mut Object<'_>, pair: &SequencePair) {
    object.plain("consumer_seq", pair.consumer);
    object.plain("stream_seq", pair.stream);
    if pair.last_active.is_some() {
        object.instant("last_active", pair.last_active);
    }
}
