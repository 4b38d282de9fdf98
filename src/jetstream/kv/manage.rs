//! Buckets as a whole: making them, finding them, deleting them (JK2, JK3).

use super::config::Config;
use super::error::{
    ConfigError, CreateKeyValueError, CreateOrUpdateKeyValueError, DeleteKeyValueError, GetKeyValueError,
    ListKeyValuesError, NotABucket, UpdateKeyValueError,
};
use super::store::Store;
use crate::jetstream::bucket;
use crate::jetstream::bucket_names::BucketNames;
use crate::jetstream::context::{AccountInfoError, Call, CreateStreamError, JetStream, Step};
use crate::jetstream::engine::config::StreamConfig;

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

fn made<E: From<CreateStreamError> + 'static>(js: JetStream, stream: StreamConfig) -> Call<Store, E> {
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

pub(in crate::jetstream) fn names(js: &JetStream) -> BucketNames<ListKeyValuesError> {
    BucketNames::new(js.stream_names_by_subject("$KV.*.>"), "KV_")
}
