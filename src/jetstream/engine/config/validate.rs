//! The refusals of a configuration by itself, in the server's order (JS36): the first fault is the answer.

use super::normalise;
use super::refusal::{invalid, is_stream_name, pedantic, refuse};
use super::source::{check_mirror, check_sources};
use super::{AccountLimits, Discard, PersistMode, Retention, ServerLimits, Storage, StreamConfig};
use crate::jetstream::engine::error::{ApiError, codes};
use crate::jetstream::engine::time::format_duration;
use crate::subject::mapping::Transform;
use crate::subject::{Pattern, relation};

const NAME_MAX: usize = 255;
const DESCRIPTION_MAX: usize = 4_096;
const METADATA_MAX: usize = 131_072;
const REPLICAS_MAX: i64 = 5;
const MS_100: i64 = 100_000_000;
const SECOND: i64 = 1_000_000_000;
const DEFAULT_WINDOW: i64 = 120 * SECOND;

impl StreamConfig {
    /// Steps 1 to 14 of JS36, but for cycles: they depend on other streams.
    pub(super) fn check_fields(&mut self, limits: &ServerLimits, is_pedantic: bool) -> Result<(), ApiError> {
        normalise::tidy(self);
        refuse(!is_stream_name(&self.name), r"stream name is required and can not contain '.', '*', '>', '\', '/'")?;
        self.check_lengths()?;
        refuse(self.num_replicas > REPLICAS_MAX, "maximum replicas is 5")?;
        if self.num_replicas < 0 {
            return Err(codes::REPLICAS_COUNT_CANNOT_BE_NEGATIVE.error());
        }
        self.num_replicas = self.num_replicas.max(1);
        self.fill_limits(is_pedantic)?;
        refuse(self.max_age < 0, "max age can not be negative")?;
        refuse(self.max_age > 0 && self.max_age < MS_100, "max age needs to be >= 100ms")?;
        self.check_window(limits, is_pedantic)?;
        refuse(self.deny_purge && self.allow_rollup_hdrs, "roll-ups require the purge permission")?;
        self.check_counter()?;
        self.check_discard()?;
        self.check_markers(is_pedantic)?;
        self.check_schedules(is_pedantic)?;
        self.check_persistence()?;
        check_mirror(self)?;
        check_sources(self)?;
        refuse(self.allow_batched, "fast batch publish is not supported by Postroom")
    }

    fn check_lengths(&self) -> Result<(), ApiError> {
        let metadata: usize = self.metadata.iter().map(|(key, value)| key.len() + value.len()).sum();
        refuse(self.name.len() > NAME_MAX, "stream name is too long, maximum allowed is 255")?;
        refuse(self.description.len() > DESCRIPTION_MAX, "stream description is too long, maximum allowed is 4096")?;
        refuse(metadata > METADATA_MAX, "stream metadata exceeds maximum size of 131072 bytes")
    }

    /// Step 4: no limit is −1, however it was said.
    fn fill_limits(&mut self, is_pedantic: bool) -> Result<(), ApiError> {
        let mut max_msg_size = i64::from(self.max_msg_size);
        let limits = [
            ("max_msgs must be set to -1", &mut self.max_msgs),
            ("max_msgs_per_subject must be set to -1", &mut self.max_msgs_per_subject),
            ("max_bytes must be set to -1", &mut self.max_bytes),
            ("max_msg_size must be set to -1", &mut max_msg_size),
            ("max_consumers must be set to -1", &mut self.max_consumers),
        ];
        for (text, limit) in limits {
            if *limit < -1 && is_pedantic {
                return Err(pedantic(text));
            }
            if *limit <= 0 {
                *limit = -1;
            }
        }
        if max_msg_size < 0 {
            self.max_msg_size = -1;
        }
        Ok(())
    }

    fn check_window(&mut self, limits: &ServerLimits, is_pedantic: bool) -> Result<(), ApiError> {
        if self.duplicate_window == 0 && self.mirror.is_none() && self.source_list().is_empty() {
            self.duplicate_window = DEFAULT_WINDOW;
            if limits.duplicate_window > 0 && limits.duplicate_window < self.duplicate_window {
                if is_pedantic {
                    return Err(pedantic("duplicate window limits are higher than current limits"));
                }
                self.duplicate_window = limits.duplicate_window;
            }
            if self.max_age != 0 && self.max_age < self.duplicate_window {
                if is_pedantic {
                    return Err(pedantic("duplicate window cannot be bigger than max age"));
                }
                self.duplicate_window = self.max_age;
            }
        }
        let window = self.duplicate_window;
        refuse(window < 0, "duplicates window can not be negative")?;
        refuse(self.max_age != 0 && window > self.max_age, "duplicates window can not be larger then max age")?;
        if limits.duplicate_window > 0 && window > limits.duplicate_window {
            let limit = format_duration(limits.duplicate_window);
            return Err(invalid(format!("duplicates window can not be larger then server limit of {limit}")));
        }
        refuse(window > 0 && window < MS_100, "duplicates window needs to be >= 100ms")
    }

    fn check_counter(&self) -> Result<(), ApiError> {
        if !self.allow_msg_counter {
            return Ok(());
        }
        refuse(self.discard == Discard::New, "counter stream cannot use discard new")?;
        refuse(self.allow_msg_ttl, "counter stream cannot use message TTLs")?;
        refuse(self.allow_msg_schedules, "counter stream cannot use message schedules")?;
        refuse(self.retention != Retention::Limits, "counter stream can only use limits retention")
    }

    pub(super) fn check_discard(&self) -> Result<(), ApiError> {
        if !self.discard_new_per_subject {
            return Ok(());
        }
        refuse(self.discard != Discard::New, "discard new per subject requires discard new policy to be set")?;
        refuse(self.max_msgs_per_subject <= 0, "discard new per subject requires max msgs per subject > 0")
    }

    fn check_markers(&mut self, is_pedantic: bool) -> Result<(), ApiError> {
        let ttl = self.subject_delete_marker_ttl;
        refuse(ttl < 0, "subject delete marker TTL must not be negative")?;
        if ttl == 0 {
            return Ok(());
        }
        refuse(ttl < SECOND, "subject delete marker TTL must be at least 1 second")?;
        let without = |allowed: bool| is_pedantic && !allowed;
        let text = "subject delete marker cannot be set if message TTLs are disabled";
        refuse(without(self.allow_msg_ttl), text)?;
        let text = "subject delete marker cannot be set if roll-ups are disabled";
        refuse(without(self.allow_rollup_hdrs), text)?;
        self.allow_msg_ttl = true;
        self.allow_rollup_hdrs = true;
        self.deny_purge = false;
        Ok(())
    }

    fn check_schedules(&mut self, is_pedantic: bool) -> Result<(), ApiError> {
        if !self.allow_msg_schedules {
            return Ok(());
        }
        refuse(self.discard == Discard::New, "message scheduling cannot use discard new")?;
        let text = "message scheduling cannot be set if roll-ups are disabled";
        refuse(is_pedantic && !self.allow_rollup_hdrs, text)?;
        self.allow_rollup_hdrs = true;
        self.deny_purge = false;
        Ok(())
    }

    fn check_persistence(&self) -> Result<(), ApiError> {
        if self.persist_mode != PersistMode::Async {
            return Ok(());
        }
        refuse(self.storage != Storage::File, "async persist mode is only supported on file storage")?;
        refuse(self.num_replicas > 1, "async persist mode is not supported on replicated streams")?;
        refuse(self.allow_atomic, "async persist mode is not supported with atomic batch publish")
    }

    /// Steps 15 to 19 of JS36.
    pub(super) fn check_subjects(&mut self, account: &AccountLimits, is_pedantic: bool) -> Result<(), ApiError> {
        if self.subjects.is_empty() && self.mirror.is_none() && self.source_list().is_empty() {
            self.subjects.push(self.name.clone());
        }
        for (at, subject) in self.subjects.iter().enumerate() {
            self.check_subject(subject)?;
            let later = self.subjects[at + 1..].iter().find(|other| relation::overlaps(subject, other));
            if let Some(other) = later {
                return Err(invalid(format!("subject {subject:?} overlaps with {other:?}")));
            }
        }
        self.check_max_bytes(account)?;
        self.check_transform()?;
        self.check_republish(is_pedantic)?;
        let preferred = self.placement.as_ref().is_some_and(|placement| !placement.preferred.is_empty());
        refuse(preferred, "preferred server not permitted in placement")
    }

    fn check_subject(&self, subject: &str) -> Result<(), ApiError> {
        refuse(Pattern::new(subject).is_err(), "invalid subject")?;
        if self.no_ack {
            return Ok(());
        }
        refuse(subject == ">", "capturing all subjects requires no-ack to be true")?;
        let of_api = ["$JS.>", "$JSC.>", "$NRG.>"].iter().any(|api| relation::overlaps(subject, api));
        let is_event = relation::includes("$JS.EVENT.>", subject);
        refuse(of_api && !is_event, "subjects that overlap with jetstream api require no-ack to be true")?;
        let of_system = relation::overlaps(subject, "$SYS.>") && !relation::includes("$SYS.ACCOUNT.>", subject);
        refuse(of_system, "subjects that overlap with system api require no-ack to be true")
    }

    fn check_max_bytes(&self, account: &AccountLimits) -> Result<(), ApiError> {
        if account.max_bytes_required && self.max_bytes <= 0 {
            return Err(codes::STREAM_MAX_BYTES_REQUIRED.error());
        }
        let max = match self.storage {
            Storage::Memory => account.memory_max_stream_bytes,
            Storage::File => account.storage_max_stream_bytes,
        };
        if max > 0 && self.max_bytes > max {
            return Err(codes::STREAM_MAX_STREAM_BYTES_EXCEEDED.error());
        }
        Ok(())
    }

    fn check_transform(&self) -> Result<(), ApiError> {
        let Some(transform) = &self.subject_transform else { return Ok(()) };
        if !transform.src.is_empty() && Pattern::new(&transform.src).is_err() {
            return Err(codes::STREAM_TRANSFORM_INVALID_SOURCE.with(format!("invalid subject {}", transform.src)));
        }
        if transform.dest.is_empty() {
            return Ok(());
        }
        let made = Transform::new(&transform.src, &transform.dest);
        made.map(drop).map_err(|error| codes::STREAM_TRANSFORM_INVALID_DESTINATION.with(error.to_string()))
    }

    fn check_republish(&mut self, is_pedantic: bool) -> Result<(), ApiError> {
        if is_pedantic && self.republish.as_ref().is_some_and(|republish| republish.src.is_empty()) {
            return Err(pedantic("republish source can not be empty"));
        }
        normalise::resolve_republish(self);
        let Some(republish) = self.republish.as_ref().filter(|republish| !republish.dest.is_empty()) else {
            return Ok(());
        };
        let is_cycle = self.subjects.iter().any(|subject| relation::overlaps(&republish.dest, subject));
        refuse(is_cycle, "stream configuration for republish destination forms a cycle")?;
        let (src, dest) = (&republish.src, &republish.dest);
        if Transform::new(src, dest).is_err() {
            let text = format!("stream configuration for republish with transform from '{src}' to '{dest}' not valid");
            return Err(invalid(text));
        }
        Ok(())
    }
}
