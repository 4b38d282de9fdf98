//! Facts about a bucket (JK17).

use crate::jetstream::context::StreamInfo;
use crate::jetstream::engine::config::{Compression, Storage};
use crate::jetstream::engine::time::span;
use std::time::Duration;

/// A bucket as it was when a response told of it.
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
        name.strip_prefix("KV_").unwrap_or(name)
    }

    /// Entries: values, those of the history and markers.
    #[must_use]
    pub fn values(&self) -> u64 {
        self.info.state.messages
    }

    /// Values of each key that are kept.
    #[must_use]
    pub fn history(&self) -> u64 {
        u64::try_from(self.info.config.max_msgs_per_subject).unwrap_or(0)
    }

    /// How old an entry may become; zero: no limit.
    #[must_use]
    pub fn max_age(&self) -> Duration {
        span(self.info.config.max_age)
    }

    /// How long a marker of an expired key stays; zero: there are none.
    #[must_use]
    pub fn limit_markers(&self) -> Duration {
        span(self.info.config.subject_delete_marker_ttl)
    }

    /// Its bytes, as the storage counts them (JK18).
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.info.state.bytes
    }

    /// Where it is kept.
    #[must_use]
    pub fn storage(&self) -> Storage {
        self.info.config.storage
    }

    /// Whether it is compressed on disk.
    #[must_use]
    pub fn is_compressed(&self) -> bool {
        self.info.config.compression != Compression::None
    }

    /// The stream behind it.
    #[must_use]
    pub fn stream(&self) -> &StreamInfo {
        &self.info
    }
}
