//! Which changes of an existing stream are refused, in the server's order (JS38).

use super::refusal::invalid;
use super::{Retention, StreamConfig};
use crate::jetstream::engine::error::{ApiError, codes};

/// Whether a stream of this configuration may become `new`, both being valid by themselves.
///
/// # Errors
///
/// 10052 with the reason, or 10055 for a mirror that is added or changed.
pub(super) fn check_change(old: &StreamConfig, new: &StreamConfig) -> Result<(), ApiError> {
    let is_work_queue = |config: &StreamConfig| config.retention == Retention::WorkQueue;
    let to_or_from_work_queue = old.retention != new.retention && (is_work_queue(old) || is_work_queue(new));
    let refused = [
        (old.storage != new.storage, "can not change storage type"),
        (to_or_from_work_queue, "can not change retention policy to/from workqueue"),
        (old.sealed && !new.sealed, "can not unseal a sealed stream"),
        (old.deny_delete && !new.deny_delete, "can not cancel deny message deletes"),
        (old.deny_purge && !new.deny_purge, "can not cancel deny purge"),
    ];
    if let Some((_, text)) = refused.into_iter().find(|(is, _)| *is) {
        return Err(invalid(format!("stream configuration update {text}")));
    }
    if new.mirror.is_some() && old.mirror != new.mirror {
        return Err(codes::STREAM_MIRROR_NOT_UPDATABLE.error());
    }
    new.check_discard()?;
    let refused = [
        (old.allow_msg_ttl && !new.allow_msg_ttl, "message TTL status can not be disabled"),
        (
            old.allow_msg_counter != new.allow_msg_counter,
            "stream configuration update can not change message counter setting",
        ),
        (old.allow_msg_schedules && !new.allow_msg_schedules, "message schedules can not be disabled"),
        (old.persist_mode != new.persist_mode, "stream configuration update can not change persist mode"),
    ];
    match refused.into_iter().find(|(is, _)| *is) {
        Some((_, text)) => Err(invalid(text)),
        None => Ok(()),
    }
}
