//! Which changes of an existing stream are refused, in the server's order (JS38).

use super::validate::invalid;
use super::{Retention, StreamConfig};
use crate::jetstream::engine::error::{ApiError, codes};

impl StreamConfig {
    /// Whether a stream of this configuration may become `new`, both being valid by themselves.
    ///
    /// # Errors
    ///
    /// 10052 with the reason, or 10055 for a mirror that is added or changed.
    pub(super) fn check_change(&self, new: &StreamConfig) -> Result<(), ApiError> {
        let is_work_queue = |config: &StreamConfig| config.retention == Retention::WorkQueue;
        let to_or_from_work_queue = self.retention != new.retention && (is_work_queue(self) || is_work_queue(new));
        let refused = [
            (self.storage != new.storage, "can not change storage type"),
            (to_or_from_work_queue, "can not change retention policy to/from workqueue"),
            (self.sealed && !new.sealed, "can not unseal a sealed stream"),
            (self.deny_delete && !new.deny_delete, "can not cancel deny message deletes"),
            (self.deny_purge && !new.deny_purge, "can not cancel deny purge"),
        ];
        if let Some((_, text)) = refused.into_iter().find(|(is, _)| *is) {
            return Err(invalid(format!("stream configuration update {text}")));
        }
        if new.mirror.is_some() && self.mirror != new.mirror {
            return Err(codes::STREAM_MIRROR_NOT_UPDATABLE.error());
        }
        new.check_discard()?;
        let refused = [
            (self.allow_msg_ttl && !new.allow_msg_ttl, "message TTL status can not be disabled"),
            (
                self.allow_msg_counter != new.allow_msg_counter,
                "stream configuration update can not change message counter setting",
            ),
            (self.allow_msg_schedules && !new.allow_msg_schedules, "message schedules can not be disabled"),
            (self.persist_mode != new.persist_mode, "stream configuration update can not change persist mode"),
        ];
        match refused.into_iter().find(|(is, _)| *is) {
            Some((_, text)) => Err(invalid(text)),
            None => Ok(()),
        }
    }
}
