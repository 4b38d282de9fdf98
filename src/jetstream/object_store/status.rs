//! Facts about a store (JO11).

use crate::jetstream::context::StreamInfo;
use crate::jetstream::engine::config::Storage;
use crate::jetstream::engine::time::span;
use std::time::Duration;

/// A store as it was when a response told of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Status {
    info: StreamInfo,
}

impl Status {
    pub(super) fn new(info: StreamInfo) -> Self {
        Status { info }
    }

    /// Its name.
    #[must_use]
    pub fn bucket(&self) -> &str {
        let name = &self.info.config.name;
        name.strip_prefix("OBJ_").unwrap_or(name)
    }

    /// A text for people.
    #[must_use]
    pub fn description(&self) -> &str {
        &self.info.config.description
    }

    /// Its bytes, as the storage counts them, metadata included.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.info.state.bytes
    }

    /// Whether nothing changes any more.
    #[must_use]
    pub fn is_sealed(&self) -> bool {
        self.info.config.sealed
    }

    /// How old an object may become; zero: no limit.
    #[must_use]
    pub fn max_age(&self) -> Duration {
        span(self.info.config.max_age)
    }

    /// Where it is kept.
    #[must_use]
    pub fn storage(&self) -> Storage {
        self.info.config.storage
    }

    /// The stream behind it.
    #[must_use]
    pub fn stream(&self) -> &StreamInfo {
        &self.info
    }
}
