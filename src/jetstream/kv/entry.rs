//! An entry: a value of a key, or the marker that took its place.

use crate::HeaderMap;
use crate::jetstream::context::{JsMessage, StreamMessage};
use crate::jetstream::engine::Timestamp;
use bytes::Bytes;
use std::sync::Arc;

/// The operation that made an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Operation {
    /// A value was put.
    Put,
    /// The key was deleted; its history is kept.
    Delete,
    /// The key was purged, or has expired: nothing of its history is left.
    Purge,
}

impl Operation {
    /// The operation that a message's headers say (JK8). Words other than those of the clients mean a put (JK5).
    pub(super) fn of(headers: &HeaderMap) -> Self {
        match headers.get("KV-Operation") {
            Some("DEL") => return Operation::Delete,
            Some("PURGE") => return Operation::Purge,
            _ => {}
        }
        match headers.get("Nats-Marker-Reason") {
            Some("MaxAge" | "Purge") => Operation::Purge,
            Some("Remove") => Operation::Delete,
            _ => Operation::Put,
        }
    }
}

/// A value of a key, or the marker that took its place.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Entry {
    /// The bucket.
    pub bucket: Arc<str>,
    /// The key.
    pub key: String,
    /// The value; empty for a marker, and for a watch that asked for no values.
    pub value: Bytes,
    /// The revision: the entry's sequence in the bucket (JK9).
    pub revision: u64,
    /// Entries behind it when a watch delivered it; 0 for one that was read (JK9).
    pub delta: u64,
    /// When it was stored.
    pub created: Timestamp,
    /// The operation.
    pub operation: Operation,
    /// Whether the watch that delivered it had shown all that was there when it began (JK13). True for an entry that was read.
    pub seen_current: bool,
}

/// A bucket's name and the subjects of its keys.
#[derive(Debug)]
pub(super) struct Names {
    pub(super) bucket: Arc<str>,
    /// The prefix of the keys' subjects as they are stored.
    pub(super) stored: String,
    /// The prefix of the subjects that writes go to.
    pub(super) written: String,
}

impl Names {
    pub(super) fn stored(&self, key: &str) -> String {
        [&self.stored, key].concat()
    }

    pub(super) fn written(&self, key: &str) -> String {
        [&self.written, key].concat()
    }

    /// The entry of a stored message.
    pub(super) fn read(&self, key: String, message: StreamMessage) -> Entry {
        Entry {
            bucket: self.bucket.clone(),
            key,
            operation: Operation::of(&message.headers),
            value: message.payload,
            revision: message.sequence,
            delta: 0,
            created: message.time,
            seen_current: true,
        }
    }

    /// The entry of a delivered message. A message of another subject is none.
    pub(super) fn delivered(&self, message: JsMessage, seen_current: bool) -> Option<Entry> {
        let key = message.subject().as_str().strip_prefix(&self.stored)?.to_owned();
        let info = message.info()?;
        let (revision, delta, created) = (info.stream_sequence, info.pending, info.published);
        let operation = Operation::of(message.headers());
        let value = message.into_message().into_payload();
        let bucket = self.bucket.clone();
        Some(Entry { bucket, key, value, revision, delta, created, operation, seen_current })
    }
}
