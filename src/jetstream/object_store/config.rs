//! The configuration of a store, and of the stream behind it (JO1).

use crate::jetstream::bucket::{self, InvalidBucketName};
use crate::jetstream::engine::config::{Compression, Discard, Placement, Storage, StreamConfig};
use std::collections::BTreeMap;
use std::time::Duration;

/// The configuration of an object store.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
#[non_exhaustive]
pub struct Config {
    /// The name: `A` to `Z`, `a` to `z`, `0` to `9`, `_` and `-`.
    pub bucket: String,
    /// A text for people.
    pub description: String,
    /// How old an object may become; zero: no limit.
    pub max_age: Duration,
    /// The most bytes of the store; `None`: no limit.
    pub max_bytes: Option<u64>,
    /// Where it is kept.
    pub storage: Storage,
    /// Copies in a cluster.
    pub num_replicas: u8,
    /// Compression on disk.
    pub compression: bool,
    /// Where it is to be, in a cluster.
    pub placement: Option<Placement>,
    /// Pairs of texts.
    pub metadata: BTreeMap<String, String>,
}

impl Config {
    /// A store of this name without limits, on file storage.
    pub fn new(bucket: impl Into<String>) -> Self {
        Config {
            bucket: bucket.into(),
            description: String::new(),
            max_age: Duration::ZERO,
            max_bytes: None,
            storage: Storage::default(),
            num_replicas: 1,
            compression: false,
            placement: None,
            metadata: BTreeMap::new(),
        }
    }

    /// A text for people.
    pub fn description(mut self, text: impl Into<String>) -> Self {
        self.description = text.into();
        self
    }

    /// How old an object may become. Default, and zero: no limit.
    pub fn max_age(mut self, age: Duration) -> Self {
        self.max_age = age;
        self
    }

    /// The most bytes of the store; a chunk beyond them is refused. Default: no limit.
    pub fn max_bytes(mut self, bytes: u64) -> Self {
        self.max_bytes = Some(bytes);
        self
    }

    /// Where it is kept. Default: on file storage.
    pub fn storage(mut self, storage: Storage) -> Self {
        self.storage = storage;
        self
    }

    /// Copies in a cluster. Default: 1.
    pub fn num_replicas(mut self, replicas: u8) -> Self {
        self.num_replicas = replicas;
        self
    }

    /// Compression on disk. Default: none.
    pub fn compression(mut self, compression: bool) -> Self {
        self.compression = compression;
        self
    }

    /// Where it is to be, in a cluster.
    pub fn placement(mut self, placement: Placement) -> Self {
        self.placement = Some(placement);
        self
    }

    /// A pair of texts.
    pub fn metadata(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
        self.metadata.insert(key.into(), value.into());
        self
    }

    /// The stream behind the store: the configuration that the Go client sends.
    pub(super) fn stream(self) -> Result<StreamConfig, InvalidBucketName> {
        let bucket = bucket::checked(&self.bucket)?;
        let mut stream = StreamConfig::new(format!("OBJ_{bucket}"))
            .description(self.description)
            .subjects([format!("$O.{bucket}.C.>"), format!("$O.{bucket}.M.>")])
            .max_age(self.max_age)
            .discard(Discard::New)
            .storage(self.storage)
            .num_replicas(self.num_replicas)
            .allow_direct(true)
            .allow_rollup_hdrs(true);
        if let Some(bytes) = self.max_bytes.filter(|bytes| *bytes > 0) {
            stream = stream.max_bytes(bytes);
        }
        if self.compression {
            stream = stream.compression(Compression::S2);
        }
        stream.placement = self.placement;
        stream.metadata = self.metadata;
        Ok(stream)
    }
}
