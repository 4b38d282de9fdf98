//! The metadata of an object (JO4).

use crate::HeaderMap;
use crate::jetstream::engine::Timestamp;
use std::collections::BTreeMap;

/// An object of a store: its metadata, and how its content is kept.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ObjectInfo {
    /// The name.
    pub name: String,
    /// A text for people.
    pub description: String,
    /// Headers of the object's own.
    pub headers: HeaderMap,
    /// Pairs of texts.
    pub metadata: BTreeMap<String, String>,
    /// The most bytes of a chunk; 0 if it is not said.
    pub max_chunk_size: u32,
    /// The object or the store that it stands for; such an object has no content of its own.
    pub link: Option<ObjectLink>,
    /// The store.
    pub bucket: String,
    /// The name of its content: a new one for each content.
    pub nuid: String,
    /// Bytes.
    pub size: u64,
    /// Chunks.
    pub chunks: u64,
    /// When this metadata was stored.
    pub modified: Timestamp,
    /// The digest of the content: `SHA-256=` and base64url; empty if it is not said.
    pub digest: String,
    /// Whether it was deleted.
    pub deleted: bool,
    /// Keys that other clients wrote and are unknown here, with their values in JSON.
    pub(in crate::jetstream) unknown: Vec<(String, String)>,
}

/// The object or the store that a link stands for (JO8).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ObjectLink {
    /// The store.
    pub bucket: String,
    /// The object; `None`: the store as a whole.
    pub name: Option<String>,
}

/// The metadata that a user gives an object. A text is a name.
///
/// # Example
///
/// ```
/// use postroom::jetstream::object_store::ObjectMetadata;
///
/// let meta = ObjectMetadata::new("report.pdf").description("of June").metadata("author", "ada").chunk_size(32 * 1024);
/// assert_eq!(meta.name, "report.pdf");
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[must_use]
#[non_exhaustive]
pub struct ObjectMetadata {
    /// The name: any text that is not empty.
    pub name: String,
    /// A text for people.
    pub description: String,
    /// Headers of the object's own.
    pub headers: HeaderMap,
    /// Pairs of texts.
    pub metadata: BTreeMap<String, String>,
    /// The most bytes of a chunk; `None`: 131,072.
    pub chunk_size: Option<u32>,
}

impl ObjectMetadata {
    /// An object of this name.
    pub fn new(name: impl Into<String>) -> Self {
        ObjectMetadata { name: name.into(), ..ObjectMetadata::default() }
    }

    /// A text for people.
    pub fn description(mut self, text: impl Into<String>) -> Self {
        self.description = text.into();
        self
    }

    /// Headers of the object's own.
    pub fn headers(mut self, headers: HeaderMap) -> Self {
        self.headers = headers;
        self
    }

    /// A pair of texts.
    pub fn metadata(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
        self.metadata.insert(key.into(), value.into());
        self
    }

    /// The most bytes of a chunk, at least 1; never more than a message may have. Default: 131,072. An update of metadata does not change it.
    pub fn chunk_size(mut self, bytes: u32) -> Self {
        self.chunk_size = Some(bytes);
        self
    }
}

impl From<&str> for ObjectMetadata {
    fn from(name: &str) -> Self {
        ObjectMetadata::new(name)
    }
}

impl From<String> for ObjectMetadata {
    fn from(name: String) -> Self {
        ObjectMetadata::new(name)
    }
}

impl From<ObjectInfo> for ObjectMetadata {
    fn from(info: ObjectInfo) -> Self {
        let ObjectInfo { name, description, headers, metadata, max_chunk_size, .. } = info;
        let chunk_size = Some(max_chunk_size).filter(|size| *size > 0);
        ObjectMetadata { name, description, headers, metadata, chunk_size }
    }
}
