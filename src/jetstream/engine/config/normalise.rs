//! The replacements that the server makes in a configuration before it judges it (JS34, JS35).

use super::{Discard, PersistMode, Placement, StreamConfig};

/// The key of the metadata that says which API level a stream needs.
const REQUIRED_LEVEL: &str = "_nats.req.level";

/// Keys of the metadata that are the server's own: what a client sends for them is dropped.
const OWN_KEYS: [&str; 3] = [REQUIRED_LEVEL, "_nats.ver", "_nats.level"];

impl StreamConfig {
    /// Fills in values that need no judgement: `placement:{}` means none, and the metadata gain the API level that the stream
    /// needs (JS35).
    pub(super) fn tidy(&mut self) {
        if self.placement == Some(Placement::default()) {
            self.placement = None;
        }
        self.metadata.retain(|key, _| !OWN_KEYS.contains(&key.as_str()));
        self.metadata.insert(REQUIRED_LEVEL.to_owned(), self.required_level().to_string());
    }

    /// The API level that a server must have for it.
    fn required_level(&self) -> u8 {
        let of_level_2 = self.allow_msg_counter
            || self.allow_atomic
            || self.allow_msg_schedules
            || self.persist_mode == PersistMode::Async;
        match () {
            () if self.allow_batched => 4,
            () if of_level_2 => 2,
            () if self.allow_msg_ttl || self.subject_delete_marker_ttl > 0 => 1,
            () => 0,
        }
    }

    /// A stream that is sealed keeps what it has, for ever (JS40).
    pub(super) fn seal(&mut self) {
        self.max_age = 0;
        self.discard = Discard::New;
        self.deny_delete = true;
        self.deny_purge = true;
        self.allow_rollup_hdrs = false;
    }

    /// Republishing everything where it is stored would be a cycle; behind a transform of all that a stream captures it means what
    /// the transform makes.
    pub(super) fn resolve_republish(&mut self) {
        let Some(republish) = &mut self.republish else { return };
        if republish.src.is_empty() {
            republish.src = ">".to_owned();
        }
        if let Some(transform) = &self.subject_transform
            && republish.src == ">"
            && republish.dest == ">"
            && self.subjects == [transform.src.as_str()]
        {
            republish.src = transform.dest.clone();
            republish.dest = transform.dest.clone();
        }
    }
}
