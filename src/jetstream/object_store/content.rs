//! The content of an object: its chunks in order, and the check of their digest (JO5).

use super::digest::{self, Digest};
use super::error::{ContentError, ReadError};
use super::info::ObjectInfo;
use crate::jetstream::context::items::{Items, items};
use crate::jetstream::context::{JsMessage, MessagesError, Ordered};
use bytes::{Buf, Bytes};
use std::future::Future;
use std::io::{self, Read};
use std::pin::Pin;
use std::task::{Context, Poll};

/// An object whose content is being read: for threads a [`Read`], or `recv` and a `for` loop for its chunks; for tasks a
/// [`Stream`](futures_core::Stream) of them.
///
/// Its end is told only when the number of bytes and the digest are right. An error is the last item. As a [`Read`] it gives it as
/// [`io::ErrorKind::InvalidData`] if the content is wrong, and as [`io::ErrorKind::Other`] if it does not come.
///
/// # Cancel safety
///
/// A task that is dropped between two chunks loses nothing.
#[derive(Debug)]
#[must_use = "the content is only to be had from it"]
pub struct Object {
    info: ObjectInfo,
    /// `None` at the end, and for an object without content.
    chunks: Option<Ordered>,
    digest: Digest,
    size: u64,
    count: u64,
    /// Bytes of a chunk that a reader did not take yet.
    rest: Bytes,
    is_done: bool,
}

type Chunk = Result<Bytes, ReadError>;

impl Object {
    /// Chunks come from `chunks`; `None` is no chunk at all.
    pub(super) fn new(info: ObjectInfo, chunks: Option<Ordered>) -> Self {
        let digest = Digest::default();
        Object { info, chunks, digest, size: 0, count: 0, rest: Bytes::new(), is_done: false }
    }

    /// Its metadata: for a link, that of the object which it stands for.
    pub fn info(&self) -> &ObjectInfo {
        &self.info
    }

    fn conclude(&mut self, received: Option<Result<JsMessage, MessagesError>>) -> Option<Chunk> {
        match received {
            Some(Ok(message)) => {
                let chunk = message.into_message().into_payload();
                self.digest.update(&chunk);
                self.size += chunk.len() as u64;
                self.count += 1;
                Some(Ok(chunk))
            }
            Some(Err(error)) => Some(Err(self.end(error))),
            None => {
                self.chunks = None;
                self.is_done = true;
                self.check().err().map(|error| Err(error.into()))
            }
        }
    }

    fn end(&mut self, error: impl Into<ReadError>) -> ReadError {
        self.chunks = None;
        self.is_done = true;
        error.into()
    }

    fn check(&self) -> Result<(), ContentError> {
        let ObjectInfo { size, chunks, digest, .. } = &self.info;
        if (self.size, self.count) != (*size, *chunks) {
            return Err(ContentError::Chunks {
                chunks: self.count,
                bytes: self.size,
                expected_chunks: *chunks,
                expected_bytes: *size,
            });
        }
        let found = self.digest.text();
        match digest.is_empty() || digest::are_same(&found, digest) {
            true => Ok(()),
            false => Err(ContentError::Digest { found, expected: digest.clone() }),
        }
    }
}

impl Items for Object {
    type Item = Chunk;

    fn next_blocking(&mut self) -> Option<Chunk> {
        if self.is_done {
            return None;
        }
        let received = self.chunks.as_mut().and_then(|chunks| chunks.next_blocking_until(true));
        self.conclude(received)
    }
}

items!([] Object => Chunk);

impl futures_core::Stream for Object {
    type Item = Chunk;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Chunk>> {
        if self.is_done {
            return Poll::Ready(None);
        }
        let received = match &mut self.chunks {
            Some(chunks) => match chunks.poll_next_until(true, cx) {
                Poll::Ready(received) => received,
                Poll::Pending => return Poll::Pending,
            },
            None => None,
        };
        Poll::Ready(self.conclude(received))
    }
}

impl Read for Object {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.rest.is_empty() {
            match self.recv() {
                Some(Ok(chunk)) => self.rest = chunk,
                Some(Err(error)) => {
                    let kind = match error {
                        ReadError::Content(_) => io::ErrorKind::InvalidData,
                        _ => io::ErrorKind::Other,
                    };
                    return Err(io::Error::new(kind, error));
                }
                None => return Ok(0),
            }
        }
        let length = buffer.len().min(self.rest.len());
        self.rest.copy_to_slice(&mut buffer[..length]);
        Ok(length)
    }
}
