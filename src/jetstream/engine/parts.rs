//! What the steps of a stream share: its configuration, its messages, and the list of what is left to do.

use super::config::{Republish, Retention, ServerLimits, StreamConfig};
use super::dedup::Dedup;
use super::effect::Effect;
use super::interest::Interests;
use super::messages::Messages;
use super::steps::Steps;
use crate::rng::Rng;
use crate::subject::mapping::Transform;
use std::collections::VecDeque;

/// The state that checks, storing and retention work on. Open batches and consumers lie beside it.
#[derive(Debug)]
pub(crate) struct Parts {
    pub(super) config: StreamConfig,
    pub(super) limits: ServerLimits,
    pub(super) messages: Messages,
    pub(super) dedup: Dedup,
    /// The id of the message that was stored last; empty if it had none.
    pub(super) last_id: Box<[u8]>,
    pub(super) interests: Interests,
    pub(super) transform: Option<Transform>,
    pub(super) republish: Option<Transform>,
    pub(super) rng: Rng,
    pub(super) effects: VecDeque<Effect>,
    pub(super) steps: Steps,
}

impl Parts {
    pub(crate) fn new(config: StreamConfig, limits: &ServerLimits, seed: u64) -> Self {
        let mut parts = Parts {
            messages: Messages::new(config.storage, config.first_seq, seed),
            dedup: Dedup::new(seed),
            last_id: Box::default(),
            interests: Interests::default(),
            transform: None,
            republish: None,
            rng: Rng::new(seed, 8),
            effects: VecDeque::new(),
            steps: Steps::default(),
            limits: limits.clone(),
            config,
        };
        parts.compile();
        parts
    }

    /// Replaces the configuration; the old one.
    pub(crate) fn configure(&mut self, config: StreamConfig) -> StreamConfig {
        let old = std::mem::replace(&mut self.config, config);
        self.compile();
        old
    }

    /// Makes what is derived from the configuration.
    fn compile(&mut self) {
        let made = |src: &str, dest: &str| {
            // Invalid transforms were refused before; an empty destination means none.
            if dest.is_empty() { None } else { Transform::new(src, dest).ok() }
        };
        self.transform =
            self.config.subject_transform.as_ref().and_then(|transform| made(&transform.src, &transform.dest));
        // An update may leave a republish to where it came from (JS38), which would never end.
        let ends = |republish: &&Republish| republish.dest != ">";
        self.republish =
            self.config.republish.as_ref().filter(ends).and_then(|republish| made(&republish.src, &republish.dest));
    }

    /// Whether messages go when consumers have acknowledged them.
    pub(crate) fn keeps_for_consumers(&self) -> bool {
        self.config.retention != Retention::Limits
    }
}
