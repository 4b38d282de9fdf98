//! A content on its way into a store: chunks, then metadata, then the removal of the content that it replaces (JO3).

use super::digest::Digest;
use super::error::PutError;
use super::info::{ObjectInfo, ObjectMetadata};
use super::place::Place;
use crate::jetstream::context::{Call, PublishAck, PublishAckError, PublishAckFuture, Step};
use bytes::Bytes;
use std::collections::VecDeque;
use std::sync::Arc;

/// The most bytes of a chunk, unless the user says otherwise.
const CHUNK_SIZE: u32 = 128 * 1024;

/// Bytes whose acknowledgements are waited for at once.
const WINDOW: usize = 4 * 1024 * 1024;

/// A content on its way. Dropped before its end, it has its chunks removed.
#[derive(Debug)]
pub(super) struct Upload {
    place: Arc<Place>,
    info: ObjectInfo,
    digest: Digest,
    /// The content that it replaces.
    old: Option<String>,
    /// Chunks that are not acknowledged, with their bytes.
    window: VecDeque<(usize, PublishAckFuture)>,
    in_flight: usize,
    /// Whether chunks are to be removed if it goes no further.
    is_open: bool,
}

impl Upload {
    /// Looks at the object that is to be replaced.
    pub(super) fn begin(place: Arc<Place>, meta: ObjectMetadata) -> Call<Self, PutError> {
        let last = place.last(&meta.name);
        last.then(move |last| {
            use super::error::InfoError::{Invalid, Name, NotFound};
            Step::Done(match last {
                Ok(old) => Ok(Upload::new(place, meta, Some(old))),
                // Metadata that nobody can read is replaced.
                Err(NotFound(_) | Invalid(_)) => Ok(Upload::new(place, meta, None)),
                Err(Name(error)) => Err(error.into()),
                Err(error) => Err(error.into()),
            })
        })
    }

    fn new(place: Arc<Place>, meta: ObjectMetadata, old: Option<ObjectInfo>) -> Self {
        let message_max = place.js.client().bus().limits().max_payload;
        let chunk_size = meta.chunk_size.unwrap_or(CHUNK_SIZE).max(1);
        let info = ObjectInfo {
            name: meta.name,
            description: meta.description,
            headers: meta.headers,
            metadata: meta.metadata,
            max_chunk_size: u32::try_from(message_max).map_or(chunk_size, |max| chunk_size.min(max.max(1))),
            bucket: place.bucket.clone(),
            nuid: place.nuid(),
            ..ObjectInfo::default()
        };
        let old = old.filter(|old| !old.deleted && !old.nuid.is_empty()).map(|old| old.nuid);
        Upload { place, info, digest: Digest::default(), old, window: VecDeque::new(), in_flight: 0, is_open: false }
    }

    /// Bytes of a chunk that is not the last one.
    pub(super) fn chunk_size(&self) -> usize {
        self.info.max_chunk_size as usize
    }

    /// Sends a chunk.
    pub(super) fn send(&mut self, chunk: Bytes) {
        self.digest.update(&chunk);
        self.info.size += chunk.len() as u64;
        self.info.chunks += 1;
        self.is_open = true;
        self.in_flight += chunk.len();
        let length = chunk.len();
        self.window.push_back((length, self.place.js.publish(self.place.chunks(&self.info.nuid), chunk)));
    }

    /// Whether acknowledgements are to be waited for before the next chunk.
    pub(super) fn is_full(&self) -> bool {
        self.in_flight >= WINDOW
    }

    /// The oldest chunk whose acknowledgement is to be waited for.
    pub(super) fn oldest(&mut self) -> Option<PublishAckFuture> {
        let (length, ack) = self.window.pop_front()?;
        self.in_flight -= length;
        Some(ack)
    }

    /// All chunks are acknowledged: publishes the metadata.
    pub(super) fn finish(mut self) -> Call<ObjectInfo, PutError> {
        self.info.digest = self.digest.text();
        self.info.modified = self.place.now();
        let ack = self.place.publish_meta(&self.info);
        ack.then(move |ack| match ack {
            Ok(_) => {
                self.is_open = false;
                let info = std::mem::take(&mut self.info);
                match self.old.take() {
                    None => Step::Done(Ok(info)),
                    Some(old) => Step::Next(
                        self.place
                            .purge(self.place.chunks(&old))
                            .then(|purged| Step::Done(purged.map(|_| info).map_err(PutError::from))),
                    ),
                }
            }
            Err(error) => Step::Next(self.give_up(error.into())),
        })
    }

    /// Removes the chunks, and then gives the error.
    pub(super) fn give_up(mut self, error: PutError) -> Call<ObjectInfo, PutError> {
        if !std::mem::take(&mut self.is_open) {
            return Call::failed(error);
        }
        // Whether that succeeds or not, the first error is the one that counts.
        self.place.purge(self.place.chunks(&self.info.nuid)).then(|_| Step::Done(Err(error)))
    }

    /// Sends the rest of a content that is known as a whole.
    pub(super) fn send_all(mut self, mut content: Bytes) -> Step<ObjectInfo, PutError> {
        while !content.is_empty() && !self.is_full() {
            let length = self.chunk_size().min(content.len());
            self.send(content.split_to(length));
        }
        match self.oldest() {
            None => Step::Next(self.finish()),
            Some(ack) => Step::Next(ack.then(move |ack| self.acknowledged(ack, content))),
        }
    }

    fn acknowledged(self, ack: Result<PublishAck, PublishAckError>, rest: Bytes) -> Step<ObjectInfo, PutError> {
        match ack {
            Ok(_) => self.send_all(rest),
            Err(error) => Step::Next(self.give_up(error.into())),
        }
    }
}

impl Drop for Upload {
    fn drop(&mut self) {
        if self.is_open {
            // Sent, and not waited for: nobody is left who could.
            drop(self.place.purge(self.place.chunks(&self.info.nuid)));
        }
    }
}
