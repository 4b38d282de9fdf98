//! The configuration of a bucket, and of the stream behind it (JK1).

use super::error::ConfigError;
use crate::jetstream::bucket;
use crate::jetstream::engine::config::{
    Compression, Discard, Placement, Republish, SourceTransform, Storage, StreamConfig, StreamSource,
};
use std::collections::BTreeMap;
use std::time::Duration;

/// Values of one key at most.
const HISTORY_MAX: u64 = 64;

/// The `duplicate_window` of a bucket whose entries live longer.
const DUPLICATE_WINDOW: Duration = Duration::from_secs(120);

/// The configuration of a bucket.
///
/// # Example
///
/// ```
/// use postroom::jetstream::kv::Config;
/// use std::time::Duration;
///
/// let config = Config::new("sessions").history(5).max_age(Duration::from_secs(3_600));
/// assert_eq!((config.bucket.as_str(), config.history), ("sessions", 5));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
#[non_exhaustive]
pub struct Config {
    /// The name: `A` to `Z`, `a` to `z`, `0` to `9`, `_` and `-`.
    pub bucket: String,
    /// A text for people.
    pub description: String,
    /// The most bytes of a value with its headers; `None`: no limit.
    pub max_value_size: Option<u32>,
    /// Values of each key that are kept, from 1 to 64.
    pub history: u64,
    /// How old an entry may become; zero: no limit.
    pub max_age: Duration,
    /// The most bytes of the bucket; `None`: no limit.
    pub max_bytes: Option<u64>,
    /// Where it is kept.
    pub storage: Storage,
    /// Copies in a cluster.
    pub num_replicas: u8,
    /// Entries that are published again.
    pub republish: Option<Republish>,
    /// The bucket that this one copies.
    pub mirror: Option<StreamSource>,
    /// Buckets whose entries this one takes in.
    pub sources: Vec<StreamSource>,
    /// Compression on disk.
    pub compression: bool,
    /// Where it is to be, in a cluster.
    pub placement: Option<Placement>,
    /// How long a marker stays that takes the place of an expired key; also allows entries with a time to live of their own. `None`:
    /// neither.
    pub limit_markers: Option<Duration>,
    /// Pairs of texts.
    pub metadata: BTreeMap<String, String>,
}

impl Config {
    /// A bucket of this name: one value of each key, without limits, on file storage.
    pub fn new(bucket: impl Into<String>) -> Self {
        Config {
            bucket: bucket.into(),
            description: String::new(),
            max_value_size: None,
            history: 1,
            max_age: Duration::ZERO,
            max_bytes: None,
            storage: Storage::default(),
            num_replicas: 1,
            republish: None,
            mirror: None,
            sources: Vec::new(),
            compression: false,
            placement: None,
            limit_markers: None,
            metadata: BTreeMap::new(),
        }
    }

    /// A text for people.
    pub fn description(mut self, text: impl Into<String>) -> Self {
        self.description = text.into();
        self
    }

    /// The most bytes of a value with its headers. Markers are held to it too: their headers take 31 bytes for a delete and 51 for a purge,
    /// and more with a revision or a time to live. Default: no limit.
    pub fn max_value_size(mut self, bytes: u32) -> Self {
        self.max_value_size = Some(bytes);
        self
    }

    /// Values of each key that are kept, at most 64; 0 is 1. Default: 1.
    pub fn history(mut self, values: u64) -> Self {
        self.history = values;
        self
    }

    /// How old an entry may become. Default, and zero: no limit.
    pub fn max_age(mut self, age: Duration) -> Self {
        self.max_age = age;
        self
    }

    /// The most bytes of the bucket; a value beyond them is refused (JK18). Default: no limit.
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

    /// Entries that are published again, and where.
    pub fn republish(mut self, republish: Republish) -> Self {
        self.republish = Some(republish);
        self
    }

    /// The bucket that this one copies; its name with or without `KV_`. A mirror's keys are read from the mirror and written to the origin.
    pub fn mirror(mut self, origin: StreamSource) -> Self {
        self.mirror = Some(origin);
        self
    }

    /// Buckets whose entries this one takes in; their names with or without `KV_`. Keys keep their names, unless a source has transforms of
    /// its own.
    pub fn sources(mut self, sources: impl IntoIterator<Item = StreamSource>) -> Self {
        self.sources = sources.into_iter().collect();
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

    /// A key that expires leaves a marker, which stays so long, at least a second (JK11). Keys may then have a time to live of their
    /// own. Default: no markers.
    pub fn limit_markers(mut self, ttl: Duration) -> Self {
        self.limit_markers = Some(ttl);
        self
    }

    /// A pair of texts.
    pub fn metadata(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
        self.metadata.insert(key.into(), value.into());
        self
    }

    /// The stream behind the bucket (JK1): the configuration that the Go client sends.
    pub(super) fn stream(self) -> Result<StreamConfig, ConfigError> {
        let bucket = bucket::checked(&self.bucket).map_err(ConfigError::BucketName)?;
        if self.history > HISTORY_MAX {
            return Err(ConfigError::History(self.history));
        }
        let subjects = format!("$KV.{bucket}.>");
        let window = match self.max_age {
            Duration::ZERO => DUPLICATE_WINDOW,
            age => age.min(DUPLICATE_WINDOW),
        };
        let mut stream = StreamConfig::new(format!("KV_{bucket}"))
            .description(self.description)
            .max_msgs_per_subject(self.history.max(1))
            .max_age(self.max_age)
            .discard(Discard::New)
            .storage(self.storage)
            .num_replicas(self.num_replicas)
            .duplicate_window(window)
            .allow_direct(true)
            .allow_rollup_hdrs(true)
            .deny_delete(true);
        if let Some(bytes) = self.max_bytes.filter(|bytes| *bytes > 0) {
            stream = stream.max_bytes(bytes);
        }
        if let Some(bytes) = self.max_value_size.filter(|bytes| *bytes > 0) {
            stream = stream.max_msg_size(bytes);
        }
        if self.compression {
            stream = stream.compression(Compression::S2);
        }
        if let Some(ttl) = self.limit_markers {
            stream = stream.allow_msg_ttl(true).subject_delete_marker_ttl(ttl);
        }
        match self.mirror {
            // JK22.
            Some(mut origin) => {
                origin.name = stream_name(&origin.name);
                stream = stream.mirror(origin).mirror_direct(true);
            }
            None if self.sources.is_empty() => stream = stream.subjects([subjects]),
            // JK23.
            None => {
                let sources = self.sources.into_iter().map(|source| transformed(source, bucket));
                stream.sources = Some(sources.collect());
                stream = stream.subjects([subjects]);
            }
        }
        stream.republish = self.republish;
        stream.placement = self.placement;
        stream.metadata = self.metadata;
        Ok(stream)
    }
}

/// The name of the stream of a bucket, given by either.
fn stream_name(name: &str) -> String {
    if name.starts_with("KV_") { name.to_owned() } else { format!("KV_{name}") }
}

/// A source whose keys become keys of this bucket.
fn transformed(source: StreamSource, bucket: &str) -> StreamSource {
    let name = stream_name(&source.name);
    let origin = name.strip_prefix("KV_").unwrap_or(&name);
    let is_same = source.external.is_some() && origin == bucket;
    let subject_transforms = match source.subject_transforms.is_empty() && !is_same {
        true => vec![SourceTransform { src: format!("$KV.{origin}.>"), dest: format!("$KV.{bucket}.>") }],
        false => source.subject_transforms,
    };
    StreamSource { name, subject_transforms, ..source }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(name: &str) -> StreamSource {
        StreamSource { name: name.to_owned(), ..StreamSource::default() }
    }

    /// JK1.
    #[test]
    fn a_bucket_is_a_stream_as_the_go_client_makes_it() {
        let stream = Config::new("b").history(0).max_age(Duration::from_secs(60)).stream().unwrap();
        let expected = StreamConfig::new("KV_b")
            .subjects(["$KV.b.>"])
            .max_msgs_per_subject(1)
            .max_age(Duration::from_secs(60))
            .discard(Discard::New)
            .duplicate_window(Duration::from_secs(60))
            .allow_direct(true)
            .allow_rollup_hdrs(true)
            .deny_delete(true);
        assert_eq!(stream, expected);
        let stream = Config::new("b").compression(true).limit_markers(Duration::from_secs(5)).stream().unwrap();
        assert_eq!((stream.compression, stream.allow_msg_ttl), (Compression::S2, true));
        assert_eq!((stream.subject_delete_marker_ttl, stream.duplicate_window), (5_000_000_000, 120_000_000_000));
        assert_eq!(Config::new("b").history(65).stream(), Err(ConfigError::History(65)));
        for name in ["", "a.b", "a b", "ä"] {
            assert!(matches!(Config::new(name).stream(), Err(ConfigError::BucketName(_))), "{name}");
        }
    }

    /// JK22, JK23.
    #[test]
    fn mirrors_and_sources_name_streams() {
        let mirror = Config::new("m").mirror(source("o")).stream().unwrap();
        assert_eq!((mirror.mirror.unwrap().name.as_str(), mirror.mirror_direct), ("KV_o", true));
        assert!(mirror.subjects.is_empty());

        let own = StreamSource {
            subject_transforms: vec![SourceTransform { src: "$KV.y.a.*".to_owned(), dest: "$KV.b.*".to_owned() }],
            ..source("KV_y")
        };
        let stream = Config::new("b").sources([source("x"), own.clone()]).stream().unwrap();
        assert_eq!(stream.subjects, ["$KV.b.>"]);
        let transform = SourceTransform { src: "$KV.x.>".to_owned(), dest: "$KV.b.>".to_owned() };
        let expected = StreamSource { subject_transforms: vec![transform], ..source("KV_x") };
        assert_eq!(stream.source_list(), [expected, own]);
    }
}
