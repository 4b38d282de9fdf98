//! Which changes of an existing consumer are refused, in the server's order (JC45).

use super::config::ConsumerConfig;
use crate::jetstream::engine::error::{ApiError, codes};

/// Whether a consumer of a configuration may become `new`, both being valid by themselves.
///
/// # Errors
///
/// 10012 with the first field that can't be changed.
pub(crate) fn check(old: &ConsumerConfig, new: &ConsumerConfig) -> Result<(), ApiError> {
    let refused = [
        (old.deliver_policy != new.deliver_policy, "deliver policy can not be updated"),
        (old.mem_storage != new.mem_storage, "storage type can not be updated"),
        (old.direct != new.direct, "direct can not be updated"),
        (old.sourcing != new.sourcing, "sourcing can not be updated"),
        (old.opt_start_seq != new.opt_start_seq, "start sequence can not be updated"),
        (old.opt_start_time != new.opt_start_time, "start time can not be updated"),
        (old.ack_policy != new.ack_policy, "ack policy can not be updated"),
        (old.replay_policy != new.replay_policy, "replay policy can not be updated"),
        (old.idle_heartbeat != new.idle_heartbeat, "heart beats can not be updated"),
        (old.flow_control != new.flow_control, "flow control can not be updated"),
        (!old.is_push() && new.is_push(), "can not update pull consumer to push based"),
        (old.is_push() && !new.is_push(), "can not update push consumer to pull based"),
        (old.max_waiting != new.max_waiting, "max waiting can not be updated"),
    ];
    match refused.into_iter().find(|(is, _)| *is) {
        Some((_, text)) => Err(codes::CONSUMER_CREATE.with(text)),
        None => Ok(()),
    }
}
