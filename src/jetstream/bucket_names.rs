//! The names of buckets among those of streams (JK3).

use super::context::items::{Items, items};
use super::context::{ListStreamsError, Pages};
use std::future::Future;
use std::marker::PhantomData;
use std::pin::Pin;
use std::task::{Context, Poll};

/// The names of all buckets of a kind, in order: for threads `recv` or a `for` loop, for tasks a [`Stream`](futures_core::Stream). Made by
/// [`JetStream::key_value_names`](super::JetStream::key_value_names) and
/// [`JetStream::object_store_names`](super::JetStream::object_store_names).
#[derive(Debug)]
#[must_use = "the names are only to be had from it"]
pub struct BucketNames<E> {
    streams: Pages<String, ListStreamsError>,
    /// How the names of their streams begin.
    prefix: &'static str,
    error: PhantomData<fn() -> E>,
}

impl<E: From<ListStreamsError>> BucketNames<E> {
    pub(super) fn new(streams: Pages<String, ListStreamsError>, prefix: &'static str) -> Self {
        BucketNames { streams, prefix, error: PhantomData }
    }

    /// The name of a bucket; `None` if the stream is none.
    fn name(prefix: &str, stream: Result<String, ListStreamsError>) -> Option<Result<String, E>> {
        match stream {
            Ok(stream) => stream.strip_prefix(prefix).map(|name| Ok(name.to_owned())),
            Err(error) => Some(Err(error.into())),
        }
    }
}

impl<E: From<ListStreamsError>> Items for BucketNames<E> {
    type Item = Result<String, E>;

    fn next_blocking(&mut self) -> Option<Self::Item> {
        let prefix = self.prefix;
        self.streams.iter().find_map(|stream| Self::name(prefix, stream))
    }
}

items!([E: From<ListStreamsError>] BucketNames<E> => Result<String, E>);

impl<E: From<ListStreamsError>> futures_core::Stream for BucketNames<E> {
    type Item = Result<String, E>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        loop {
            let Poll::Ready(stream) = Pin::new(&mut self.streams).poll_next(cx) else { return Poll::Pending };
            let Some(stream) = stream else { return Poll::Ready(None) };
            if let Some(name) = Self::name(self.prefix, stream) {
                return Poll::Ready(Some(name));
            }
        }
    }
}
