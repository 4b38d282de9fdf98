//! Buckets as a whole: making them, finding them, deleting them (JK2, JK3).

use super::config::Config;
use super::error::{
    ConfigError, CreateKeyValueError, CreateOrUpdateKeyValueError, DeleteKeyValueError, GetKeyValueError,
    ListKeyValuesError, NotABucket, UpdateKeyValueError,
};
use super::store::Store;
use crate::jetstream::bucket;
use crate::jetstream::context::items::{Items, items};
use crate::jetstream::context::{AccountInfoError, Call, JetStream, ListStreamsError, Pages, Step};
use crate::jetstream::engine::config::StreamConfig;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

/// Does `then` with the stream of a bucket. A bucket with limit markers needs a server that has them, which is asked first (JK2).
fn configured<T: 'static, E: From<ConfigError> + From<AccountInfoError> + 'static>(
    js: JetStream,
    config: Config,
    then: impl FnOnce(JetStream, StreamConfig) -> Call<T, E> + Send + Sync + 'static,
) -> Call<T, E> {
    let stream = match config.stream() {
        Ok(stream) => stream,
        Err(error) => return Call::failed(error.into()),
    };
    if stream.subject_delete_marker_ttl == 0 {
        return then(js, stream);
    }
    js.account_info().then(move |account| match account {
        Ok(account) if account.api.level < 1 => Step::Done(Err(ConfigError::MarkersUnsupported.into())),
        Ok(_) => Step::Next(then(js, stream)),
        Err(error) => Step::Done(Err(error.into())),
    })
}

fn made<E: From<crate::jetstream::context::CreateStreamError> + 'static>(
    js: JetStream,
    stream: StreamConfig,
) -> Call<Store, E> {
    js.create_stream(stream)
        .then(move |stream| Step::Done(stream.map(|stream| Store::new(js, stream)).map_err(E::from)))
}

pub(in crate::jetstream) fn create(js: JetStream, config: Config) -> Call<Store, CreateKeyValueError> {
    configured(js, config, made)
}

pub(in crate::jetstream) fn update(js: JetStream, config: Config) -> Call<Store, UpdateKeyValueError> {
    configured(js, config, |js, stream| {
        let updated = js.update_stream(stream);
        updated.then(move |info| match info {
            Ok(info) => Step::Done(Ok(Store::new(js.clone(), js.stream_of(info)))),
            Err(error) => Step::Done(Err(error.into())),
        })
    })
}

pub(in crate::jetstream) fn create_or_update(
    js: JetStream,
    config: Config,
) -> Call<Store, CreateOrUpdateKeyValueError> {
    configured(js, config, |js, stream| {
        js.update_stream(stream.clone()).then(move |info| match info {
            Ok(info) => Step::Done(Ok(Store::new(js.clone(), js.stream_of(info)))),
            Err(error) if error.is_not_found() => Step::Next(made(js, stream)),
            Err(error) => Step::Done(Err(error.into())),
        })
    })
}

pub(in crate::jetstream) fn get(js: JetStream, name: &str) -> Call<Store, GetKeyValueError> {
    let name = match bucket::checked(name) {
        Ok(name) => format!("KV_{name}"),
        Err(error) => return Call::failed(error.into()),
    };
    js.get_stream(name).then(move |stream| {
        Step::Done(match stream {
            Ok(stream) if stream.cached_info().config.max_msgs_per_subject < 1 => Err(NotABucket.into()),
            Ok(stream) => Ok(Store::new(js, stream)),
            Err(error) => Err(error.into()),
        })
    })
}

pub(in crate::jetstream) fn delete(js: &JetStream, name: &str) -> Call<(), DeleteKeyValueError> {
    match bucket::checked(name) {
        Ok(name) => js.delete_stream(format!("KV_{name}")).then(|gone| Step::Done(gone.map_err(Into::into))),
        Err(error) => Call::failed(error.into()),
    }
}

pub(in crate::jetstream) fn names(js: &JetStream) -> BucketNames {
    BucketNames { streams: js.stream_names_by_subject("$KV.*.>") }
}

/// The names of all buckets, in order: for threads `recv` or a `for` loop, for tasks a [`Stream`](futures_core::Stream). Made by
/// [`JetStream::key_value_names`].
#[derive(Debug)]
#[must_use = "the names are only to be had from it"]
pub struct BucketNames {
    streams: Pages<String, ListStreamsError>,
}

type Name = Result<String, ListKeyValuesError>;

/// The name of a bucket; `None` if the stream is none.
fn bucket_of(stream: Result<String, ListStreamsError>) -> Option<Name> {
    match stream {
        Ok(stream) => stream.strip_prefix("KV_").map(|name| Ok(name.to_owned())),
        Err(error) => Some(Err(error.into())),
    }
}

impl Items for BucketNames {
    type Item = Name;

    fn next_blocking(&mut self) -> Option<Name> {
        self.streams.iter().find_map(bucket_of)
    }
}

items!([] BucketNames => Name);

impl futures_core::Stream for BucketNames {
    type Item = Name;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Name>> {
        loop {
            let Poll::Ready(stream) = Pin::new(&mut self.streams).poll_next(cx) else { return Poll::Pending };
            let Some(stream) = stream else { return Poll::Ready(None) };
            if let Some(name) = bucket_of(stream) {
                return Poll::Ready(Some(name));
            }
        }
    }
}
