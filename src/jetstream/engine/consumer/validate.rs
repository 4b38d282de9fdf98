//! Defaults and refusals of a consumer's configuration, in the server's order (JC20, JC21, JC30, JC31): the first fault is the answer.

use super::config::{AckPolicy, ConsumerConfig, DeliverPolicy, PriorityPolicy};
use super::names::{is_group_name, is_name};
use crate::jetstream::engine::config::{AccountLimits, Retention, ServerLimits, StreamConfig};
use crate::jetstream::engine::error::{ApiError, codes};
use crate::jetstream::engine::filters::Tree;
use crate::jetstream::engine::time::format_duration;
use crate::subject::{Pattern, relation};
use smol_str::SmolStr;
use std::collections::BTreeMap;

const DESCRIPTION_MAX: usize = 4_096;
const METADATA_MAX: usize = 128 * 1_024;
const MS: i64 = 1_000_000;
const SECOND: i64 = 1_000 * MS;
const ACK_WAIT: i64 = 30 * SECOND;
const MAX_WAITING: i64 = 512;
const MAX_ACK_PENDING: i64 = 1_000;
const EPHEMERAL_THRESHOLD: i64 = 5 * SECOND;
const PIN_TIMEOUT: i64 = 120 * SECOND;

/// The key of the metadata that says which API level a consumer needs.
const REQUIRED_LEVEL: &str = "_nats.req.level";

/// Keys of the metadata that are the server's own: what a client sends for them is dropped (JC14).
const OWN_KEYS: [&str; 3] = [REQUIRED_LEVEL, "_nats.ver", "_nats.level"];

/// What a consumer is held to, apart from its own configuration.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bounds<'a> {
    pub(crate) stream: &'a StreamConfig,
    pub(crate) server: &'a ServerLimits,
    pub(crate) account: &'a AccountLimits,
}

fn pedantic(text: &str) -> ApiError {
    codes::PEDANTIC.with(text)
}

/// Rules without a code of their own.
fn invalid(text: &str) -> ApiError {
    codes::STREAM_INVALID_CONFIG.with(text)
}

fn expects_acks(config: &ConsumerConfig) -> bool {
    matches!(config.ack_policy, AckPolicy::All | AckPolicy::Explicit)
}

/// Fills in what the server fills in; with `is_pedantic` a correction is refused instead.
///
/// # Errors
///
/// 10157 with the first value that would be corrected.
pub(crate) fn fill(config: &mut ConsumerConfig, bounds: Bounds<'_>, is_pedantic: bool) -> Result<(), ApiError> {
    let Bounds { stream, server, account } = bounds;
    let refuse = |holds: bool, text: &str| if holds && is_pedantic { Err(pedantic(text)) } else { Ok(()) };
    if config.name.is_empty() {
        config.name.clone_from(&config.durable_name);
    }
    refuse(config.max_deliver < -1, "max_deliver must be set to -1")?;
    if config.max_deliver == 0 || config.max_deliver < -1 {
        config.max_deliver = -1;
    }
    if config.ack_wait == 0 && expects_acks(config) {
        config.ack_wait = ACK_WAIT;
    }
    refuse(config.max_waiting < 0, "max_waiting must not be negative")?;
    if config.max_waiting <= 0 {
        config.max_waiting = if config.is_push() { 0 } else { MAX_WAITING };
    }
    if let Some(first) = config.backoff.first() {
        refuse(config.ack_wait != *first, "first backoff value has to equal batch AckWait")?;
        config.ack_wait = *first;
    }
    let limits = stream.consumer_limits;
    if config.max_ack_pending == 0 {
        refuse(limits.max_ack_pending > 0, "max_ack_pending must be set if it's configured in stream limits")?;
        config.max_ack_pending = limits.max_ack_pending;
    }
    if config.max_ack_pending == 0 && expects_acks(config) {
        let limits = [server.max_ack_pending, account.max_ack_pending].into_iter().filter(|limit| *limit > 0);
        config.max_ack_pending = limits.fold(MAX_ACK_PENDING, i64::min);
    }
    refuse(config.max_ack_pending < -1, "max_ack_pending must be set to -1")?;
    config.max_ack_pending = config.max_ack_pending.max(-1);
    let spans = [
        (&mut config.max_batch, "max_batch must not be negative"),
        (&mut config.max_expires, "max_expires must not be negative"),
        (&mut config.max_bytes, "max_bytes must not be negative"),
        (&mut config.idle_heartbeat, "idle_heartbeat must not be negative"),
        (&mut config.inactive_threshold, "inactive_threshold must not be negative"),
        (&mut config.priority_timeout, "priority_timeout must not be negative"),
    ];
    for (value, text) in spans {
        refuse(*value < 0, text)?;
        *value = (*value).max(0);
    }
    if config.inactive_threshold == 0 {
        refuse(limits.inactive_threshold > 0, "inactive_threshold must be set if it's configured in stream limits")?;
        config.inactive_threshold = limits.inactive_threshold;
    }
    if !config.is_push() && config.max_batch == 0 && server.max_request_batch > 0 {
        refuse(true, "max_request_batch must be set if it's JetStream limits are set")?;
        config.max_batch = server.max_request_batch;
    }
    if config.priority_policy == PriorityPolicy::PinnedClient && config.priority_timeout == 0 {
        config.priority_timeout = PIN_TIMEOUT;
    }
    if config.ack_policy == AckPolicy::FlowControl && config.idle_heartbeat == 0 {
        config.idle_heartbeat = SECOND;
    }
    Ok(())
}

/// Gives a consumer without a durable name a threshold, if it has none.
pub(crate) fn limit_life(config: &mut ConsumerConfig, is_durable: bool) {
    if config.inactive_threshold == 0 && !is_durable {
        config.inactive_threshold = EPHEMERAL_THRESHOLD;
    }
}

/// Replaces the server's own metadata (JC14).
pub(crate) fn mark(config: &mut ConsumerConfig) {
    config.metadata.retain(|key, _| !OWN_KEYS.contains(&key.as_str()));
    let uses_priorities = config.priority_policy != PriorityPolicy::None
        || !config.priority_groups.is_empty()
        || config.priority_timeout != 0;
    let level = match () {
        () if config.ack_policy == AckPolicy::FlowControl => 4,
        () if uses_priorities || config.pause_until.is_some() => 1,
        () => 0,
    };
    config.metadata.insert(REQUIRED_LEVEL.to_owned(), level.to_string());
}

/// The metadata that a client gave.
pub(crate) fn own_metadata(config: &ConsumerConfig) -> BTreeMap<&str, &str> {
    let all = config.metadata.iter().map(|(key, value)| (key.as_str(), value.as_str()));
    all.filter(|(key, _)| !key.starts_with("_nats.")).collect()
}

/// Judges a configuration with all defaults filled in (JC30).
///
/// # Errors
///
/// The first fault in the server's order.
pub(crate) fn check(config: &ConsumerConfig, bounds: Bounds<'_>, is_pedantic: bool) -> Result<(), ApiError> {
    let stream = bounds.stream;
    let is_refused = |name: &String| !name.is_empty() && !is_name(name);
    if [&config.name, &config.durable_name].into_iter().any(is_refused) {
        return Err(invalid(r"consumer name can not contain '.', '*', '>', '\', '/'"));
    }
    if config.num_replicas > stream.num_replicas {
        return Err(codes::CONSUMER_REPLICAS_EXCEEDS_STREAM.error());
    }
    if config.num_replicas < 0 {
        return Err(codes::REPLICAS_COUNT_CANNOT_BE_NEGATIVE.error());
    }
    if config.backoff.iter().any(|wait| *wait < 0) {
        return Err(codes::CONSUMER_BACK_OFF_NEGATIVE.error());
    }
    if config.ack_wait < 0 {
        return Err(codes::CONSUMER_ACK_WAIT_NEGATIVE.error());
    }
    check_flow_control_acks(config, is_pedantic)?;
    let max_deliver = usize::try_from(config.max_deliver).unwrap_or(usize::MAX);
    if config.backoff.len() > max_deliver {
        return Err(codes::CONSUMER_MAX_DELIVER_BACKOFF.error());
    }
    if config.description.len() > DESCRIPTION_MAX {
        return Err(codes::CONSUMER_DESCRIPTION_TOO_LONG.with(DESCRIPTION_MAX.to_string()));
    }
    match config.is_push() {
        true => check_push(config, stream)?,
        false => check_pull(config, bounds)?,
    }
    check_limits(config, bounds)?;
    if config.direct && !config.is_push() {
        return Err(codes::CONSUMER_DIRECT_REQUIRES_PUSH.error());
    }
    if config.direct && !config.durable_name.is_empty() {
        return Err(codes::CONSUMER_DIRECT_REQUIRES_EPHEMERAL.error());
    }
    check_filters(config)?;
    check_start(config)?;
    sampling(config)?;
    if config.flow_control && config.idle_heartbeat == 0 {
        return Err(codes::CONSUMER_WITH_FLOW_CONTROL_NEEDS_HEARTBEATS.error());
    }
    let metadata: usize = config.metadata.iter().map(|(key, value)| key.len() + value.len()).sum();
    if metadata > METADATA_MAX {
        return Err(codes::CONSUMER_METADATA_LENGTH.with("128KB"));
    }
    check_priorities(config)?;
    // Only servers that mirror use them.
    let refused = [
        (config.ack_policy == AckPolicy::FlowControl, "flow control ack policy is not supported by Postroom"),
        (config.direct, "direct consumers are not supported by Postroom"),
        (config.sourcing, "sourcing consumers are not supported by Postroom"),
    ];
    match refused.into_iter().find(|(is, _)| *is) {
        Some((_, text)) => Err(invalid(text)),
        None => Ok(()),
    }
}

fn check_flow_control_acks(config: &ConsumerConfig, is_pedantic: bool) -> Result<(), ApiError> {
    if config.ack_policy != AckPolicy::FlowControl {
        return Ok(());
    }
    if !config.is_push() {
        return Err(codes::CONSUMER_ACK_FC_REQUIRES_PUSH.error());
    }
    if is_pedantic && !config.flow_control {
        return Err(codes::CONSUMER_ACK_FC_REQUIRES_FC.error());
    }
    if config.idle_heartbeat != SECOND {
        return Err(invalid("flow control ack policy heartbeat needs to be 1s"));
    }
    if config.max_ack_pending <= 0 {
        return Err(codes::CONSUMER_ACK_FC_REQUIRES_MAX_ACK_PENDING.error());
    }
    if config.ack_wait != 0 || !config.backoff.is_empty() {
        return Err(codes::CONSUMER_ACK_FC_REQUIRES_NO_ACK_WAIT.error());
    }
    if config.max_deliver > 0 {
        return Err(codes::CONSUMER_ACK_FC_REQUIRES_NO_MAX_DELIVER.error());
    }
    Ok(())
}

fn check_push(config: &ConsumerConfig, stream: &StreamConfig) -> Result<(), ApiError> {
    let subject = config.deliver_subject.as_str();
    if !relation::is_literal(subject) {
        return Err(codes::CONSUMER_DELIVER_TO_WILDCARDS.error());
    }
    if Pattern::new(subject).is_err() {
        return Err(codes::CONSUMER_INVALID_DELIVER_SUBJECT.error());
    }
    if stream.subjects.iter().any(|pattern| relation::matches(pattern, subject)) {
        return Err(codes::CONSUMER_DELIVER_CYCLE.error());
    }
    if config.max_waiting != 0 {
        return Err(codes::CONSUMER_PUSH_MAX_WAITING.error());
    }
    if config.max_ack_pending > 0 && config.ack_policy == AckPolicy::None {
        return Err(codes::CONSUMER_MAX_PENDING_ACK_POLICY_REQUIRED.error());
    }
    if config.idle_heartbeat > 0 && config.idle_heartbeat < 100 * MS {
        return Err(codes::CONSUMER_SMALL_HEARTBEAT.error());
    }
    Ok(())
}

fn check_pull(config: &ConsumerConfig, Bounds { stream, server, .. }: Bounds<'_>) -> Result<(), ApiError> {
    if stream.retention == Retention::WorkQueue && config.ack_policy == AckPolicy::None {
        return Err(codes::CONSUMER_PULL_REQUIRES_ACK.error());
    }
    if config.rate_limit_bps > 0 {
        return Err(codes::CONSUMER_PULL_WITH_RATE_LIMIT.error());
    }
    if config.idle_heartbeat > 0 {
        return Err(codes::CONSUMER_HB_REQUIRES_PUSH.error());
    }
    if config.flow_control {
        return Err(codes::CONSUMER_FC_REQUIRES_PUSH.error());
    }
    if config.max_expires > 0 && config.max_expires < MS {
        return Err(codes::CONSUMER_MAX_REQUEST_EXPIRES_TOO_SMALL.error());
    }
    if server.max_request_batch > 0 && config.max_batch > server.max_request_batch {
        return Err(codes::CONSUMER_MAX_REQUEST_BATCH_EXCEEDED.with(server.max_request_batch.to_string()));
    }
    Ok(())
}

fn check_limits(config: &ConsumerConfig, Bounds { stream, server, account }: Bounds<'_>) -> Result<(), ApiError> {
    let limits = stream.consumer_limits;
    for max in [server.max_ack_pending, account.max_ack_pending, limits.max_ack_pending] {
        if max > 0 && config.max_ack_pending > max {
            return Err(codes::CONSUMER_MAX_PENDING_ACK_EXCESS.with(max.to_string()));
        }
    }
    if limits.inactive_threshold > 0 && config.inactive_threshold > limits.inactive_threshold {
        return Err(codes::CONSUMER_INACTIVE_THRESHOLD_EXCESS.with(format_duration(limits.inactive_threshold)));
    }
    Ok(())
}

fn check_filters(config: &ConsumerConfig) -> Result<(), ApiError> {
    if !config.filter_subject.is_empty() && !config.filter_subjects.is_empty() {
        return Err(codes::CONSUMER_DUPLICATE_FILTER_SUBJECTS.error());
    }
    let filters = config.filters();
    if filters.iter().any(|filter| !filter.is_empty() && Pattern::new(filter).is_err()) {
        return Err(invalid("invalid subject"));
    }
    if filters.iter().any(String::is_empty) {
        return Err(codes::CONSUMER_EMPTY_FILTER.error());
    }
    let mut tree = Tree::default();
    filters.iter().for_each(|filter| tree.insert(filter));
    // Each is included by itself.
    match filters.iter().any(|filter| tree.including(filter) > 1) {
        true => Err(codes::CONSUMER_OVERLAPPING_SUBJECT_FILTERS.error()),
        false => Ok(()),
    }
}

/// JC31: start options have to fit the policy.
fn check_start(config: &ConsumerConfig) -> Result<(), ApiError> {
    let policy = config.deliver_policy;
    let fault = |what: &str| {
        let text = format!("consumer delivery policy is deliver {}, but optional start {what}", policy.text());
        Err(codes::CONSUMER_INVALID_POLICY.with(text))
    };
    let (has_seq, has_time) = (config.opt_start_seq > 0, config.opt_start_time.is_some());
    match policy {
        DeliverPolicy::ByStartSequence if !has_seq => fault("sequence is not set"),
        DeliverPolicy::ByStartSequence if has_time => fault("time is also set"),
        DeliverPolicy::ByStartTime if !has_time => fault("time is not set"),
        DeliverPolicy::ByStartTime if has_seq => fault("start sequence is also set"),
        DeliverPolicy::ByStartSequence | DeliverPolicy::ByStartTime => Ok(()),
        _ if has_seq => fault("sequence is also set"),
        _ if has_time => fault("time is also set"),
        DeliverPolicy::LastPerSubject if config.filters().is_empty() => {
            let text = "consumer delivery policy is deliver last per subject, but optional filter subject is not set";
            Err(codes::CONSUMER_INVALID_POLICY.with(text))
        }
        _ => Ok(()),
    }
}

/// The percentage of acknowledgements that are measured.
///
/// # Errors
///
/// 10095 for a text that is no integer of at least 0.
pub(crate) fn sampling(config: &ConsumerConfig) -> Result<u32, ApiError> {
    let text = config.sample_freq.strip_suffix('%').unwrap_or(&config.sample_freq);
    if config.sample_freq.is_empty() {
        return Ok(0);
    }
    let failed = |fault: &str| codes::CONSUMER_INVALID_SAMPLING.with(fault);
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    let is_number = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    if !is_number {
        return Err(failed(&format!("strconv.Atoi: parsing {text:?}: invalid syntax")));
    }
    match text.strip_prefix('+').unwrap_or(text).parse::<i64>() {
        Ok(share) if share < 0 => Err(failed("<nil>")),
        Ok(share) => Ok(u32::try_from(share).unwrap_or(u32::MAX)),
        Err(_) => Err(failed(&format!("strconv.Atoi: parsing {text:?}: value out of range"))),
    }
}

fn check_priorities(config: &ConsumerConfig) -> Result<(), ApiError> {
    if config.priority_policy == PriorityPolicy::None {
        if !config.priority_groups.is_empty() {
            return Err(codes::CONSUMER_PRIORITY_GROUP_WITH_POLICY_NONE.error());
        }
        if config.priority_timeout != 0 {
            return Err(codes::CONSUMER_PINNED_TTL_WITHOUT_PRIORITY_POLICY_NONE.error());
        }
        return Ok(());
    }
    if config.is_push() {
        return Err(codes::CONSUMER_PUSH_WITH_PRIORITY_GROUP.error());
    }
    if config.priority_groups.is_empty() {
        return Err(codes::CONSUMER_PRIORITY_POLICY_WITHOUT_GROUP.error());
    }
    for group in &config.priority_groups {
        if group.is_empty() {
            return Err(codes::CONSUMER_EMPTY_GROUP_NAME.error());
        }
        if !is_group_name(group) {
            return Err(codes::CONSUMER_INVALID_GROUP_NAME.error());
        }
    }
    Ok(())
}

/// The filters as the index of a stream takes them.
pub(crate) fn filters(config: &ConsumerConfig) -> Vec<SmolStr> {
    config.filters().iter().map(SmolStr::new).collect()
}
