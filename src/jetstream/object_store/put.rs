//! A put from a source of bytes: a reader for threads, a stream for tasks.

use super::error::{PutError, SourceError};
use super::info::ObjectInfo;
use super::upload::Upload;
use crate::jetstream::context::{Call, PublishAckFuture};
use bytes::{Bytes, BytesMut};
use std::fmt;
use std::future::Future;
use std::io::{self, Read};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

/// Bytes of a source that one poll takes: a source and a server that never make it wait would keep the executor's thread.
const POLL_MAX: usize = 1024 * 1024;

/// A put from a source. Made by [`ObjectStore::put_from`](super::ObjectStore::put_from).
///
/// Its first request was sent when it was made; the source is read by [`wait`](PutFrom::wait), if it is a reader, or by polls, if it is a
/// stream.
///
/// # Cancel safety
///
/// Dropping it before its end asks for the removal of the chunks that were sent.
#[must_use = "the source is only read while it is waited for"]
pub struct PutFrom<S> {
    source: S,
    stage: Stage,
}

enum Stage {
    Opening(Call<Upload, PutError>),
    Reading(Reading),
    Finishing(Call<ObjectInfo, PutError>),
    Done,
}

/// The source is being read.
struct Reading {
    upload: Upload,
    /// Bytes that are no chunk yet.
    rest: BytesMut,
    /// A chunk whose acknowledgement is waited for.
    oldest: Option<PublishAckFuture>,
    is_at_end: bool,
}

impl<S> PutFrom<S> {
    pub(super) fn new(source: S, opening: Call<Upload, PutError>) -> Self {
        PutFrom { source, stage: Stage::Opening(opening) }
    }
}

impl<R: Read> PutFrom<R> {
    /// Blocks this thread until the reader has come to its end and the object is stored.
    ///
    /// # Errors
    ///
    /// As [`ObjectStore::put`](super::ObjectStore::put); [`PutError::Source`] if the reader fails.
    ///
    /// # Panics
    ///
    /// If it was polled before.
    pub fn wait(mut self) -> Result<ObjectInfo, PutError> {
        let Stage::Opening(opening) = self.stage else { panic!("polled before") };
        let mut upload = opening.wait()?;
        let mut chunk = vec![0; upload.chunk_size()];
        loop {
            let filled = match fill(&mut self.source, &mut chunk) {
                Ok(filled) => filled,
                Err(error) => return upload.give_up(SourceError::from(error).into()).wait(),
            };
            if filled > 0 {
                upload.send(Bytes::copy_from_slice(&chunk[..filled]));
            }
            let is_at_end = filled < chunk.len();
            while is_at_end || upload.is_full() {
                let Some(ack) = upload.oldest() else { return upload.finish().wait() };
                if let Err(error) = ack.wait() {
                    return upload.give_up(error.into()).wait();
                }
            }
        }
    }
}

/// Reads until the buffer is full or the reader has come to its end.
fn fill(reader: &mut impl Read, buffer: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    while filled < buffer.len() {
        match reader.read(&mut buffer[filled..]) {
            Ok(0) => break,
            Ok(read) => filled += read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}

impl Reading {
    /// Sends the chunks that are there as a whole, and the rest if nothing follows.
    fn send(&mut self) {
        let size = self.upload.chunk_size();
        while !self.upload.is_full() && (self.rest.len() >= size || self.is_at_end && !self.rest.is_empty()) {
            let chunk = self.rest.split_to(size.min(self.rest.len()));
            self.upload.send(chunk.freeze());
        }
    }

    /// Ready once the source has come to its end and all is acknowledged. After [`POLL_MAX`] bytes other tasks get their turn.
    fn poll<S: futures_core::Stream<Item = io::Result<Bytes>> + Unpin>(
        &mut self,
        source: &mut S,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(), PutError>> {
        let mut taken = 0;
        loop {
            self.send();
            if self.upload.is_full() || self.is_at_end {
                let ack = match &mut self.oldest {
                    Some(ack) => ack,
                    None => match self.upload.oldest() {
                        Some(ack) => self.oldest.insert(ack),
                        None => return Poll::Ready(Ok(())),
                    },
                };
                let ack = ready!(Pin::new(ack).poll(cx));
                self.oldest = None;
                if let Err(error) = ack {
                    return Poll::Ready(Err(error.into()));
                }
                continue;
            }
            if taken >= POLL_MAX {
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
            match ready!(Pin::new(&mut *source).poll_next(cx)) {
                Some(Ok(bytes)) => {
                    taken += bytes.len();
                    self.rest.extend_from_slice(&bytes);
                }
                Some(Err(error)) => return Poll::Ready(Err(SourceError::from(error).into())),
                None => self.is_at_end = true,
            }
        }
    }
}

impl<S: futures_core::Stream<Item = io::Result<Bytes>> + Unpin> Future for PutFrom<S> {
    type Output = Result<ObjectInfo, PutError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let PutFrom { source, stage } = &mut *self;
        loop {
            match stage {
                Stage::Opening(opening) => match ready!(Pin::new(opening).poll(cx)) {
                    Ok(upload) => {
                        let rest = BytesMut::new();
                        *stage = Stage::Reading(Reading { upload, rest, oldest: None, is_at_end: false });
                    }
                    Err(error) => {
                        *stage = Stage::Done;
                        return Poll::Ready(Err(error));
                    }
                },
                Stage::Reading(reading) => {
                    let read = ready!(reading.poll(source, cx));
                    let Stage::Reading(Reading { upload, .. }) = std::mem::replace(stage, Stage::Done) else {
                        unreachable!("it was being read")
                    };
                    *stage = Stage::Finishing(match read {
                        Ok(()) => upload.finish(),
                        Err(error) => upload.give_up(error),
                    });
                }
                Stage::Finishing(finishing) => {
                    let outcome = ready!(Pin::new(finishing).poll(cx));
                    *stage = Stage::Done;
                    return Poll::Ready(outcome);
                }
                Stage::Done => panic!("polled after completion"),
            }
        }
    }
}

// Only the source could be pinned, and it has to be `Unpin` where it is polled.
impl<S> Unpin for PutFrom<S> {}

impl<S> fmt::Debug for PutFrom<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let stage = match self.stage {
            Stage::Opening(_) => "opening",
            Stage::Reading(_) => "reading",
            Stage::Finishing(_) => "finishing",
            Stage::Done => "done",
        };
        f.debug_tuple("PutFrom").field(&stage).finish()
    }
}
