//! The replacements that the server makes in a configuration before it judges it (JS34, JS35).

use super::{Discard, PersistMode, Placement, StreamConfig};

/// The key of the metadata that says which API level a stream needs.
const REQUIRED_LEVEL: &str = "_nats.req.level";

/// Keys of the metadata that are the server's own: what a client sends for them is dropped.
const OWN_KEYS: [&str; 3] = [REQUIRED_LEVEL, "_nats.ver", "_nats.level"];

/// Fills in values that need no judgement: `placement:{}` means none, and the metadata gain the API level that the stream
/// needs (JS35).
pub(super) fn tidy(config: &mut StreamConfig) {
    if config.placement == Some(Placement::default()) {
        config.placement = None;
    }
    config.metadata.retain(|key, _| !OWN_KEYS.contains(&key.as_str()));
    config.metadata.insert(REQUIRED_LEVEL.to_owned(), required_level(config).to_string());
}

/// The API level that a server must have for it.
fn required_level(config: &StreamConfig) -> u8 {
    let of_level_2 = config.allow_msg_counter
        || config.allow_atomic
        || config.allow_msg_schedules
        || config.persist_mode == PersistMode::Async;
    match () {
        () if config.allow_batched => 4,
        () if of_level_2 => 2,
        () if config.allow_msg_ttl || config.subject_delete_marker_ttl > 0 => 1,
        () => 0,
    }
}

/// A stream that is sealed keeps what it has, for ever (JS40).
pub(super) fn seal(config: &mut StreamConfig) {
    config.max_age = 0;
    config.discard = Discard::New;
    config.deny_delete = true;
    config.deny_purge = true;
    config.allow_rollup_hdrs = false;
}

/// Republishing everything where it is stored would be a cycle; behind a transform of all that a stream captures it means what
/// the transform makes.
pub(super) fn resolve_republish(config: &mut StreamConfig) {
    let Some(republish) = &mut config.republish else { return };
    if republish.src.is_empty() {
        republish.src = ">".to_owned();
    }
    if let Some(transform) = &config.subject_transform
        && republish.src == ">"
        && republish.dest == ">"
        && config.subjects == [transform.src.as_str()]
    {
        republish.src = transform.dest.clone();
        republish.dest = transform.dest.clone();
    }
}
