//! Stores as a whole: making them, finding them, deleting them.

use super::config::Config;
use super::error::{CreateObjectStoreError, DeleteObjectStoreError, ListObjectStoresError};
use super::store::ObjectStore;
use crate::jetstream::bucket;
use crate::jetstream::bucket_names::BucketNames;
use crate::jetstream::context::{Call, JetStream, Step};

pub(in crate::jetstream) fn create(js: JetStream, config: Config) -> Call<ObjectStore, CreateObjectStoreError> {
    let stream = match config.stream() {
        Ok(stream) => js.create_stream(stream),
        Err(error) => return Call::failed(error.into()),
    };
    stream.then(move |stream| Step::Done(stream.map(|stream| ObjectStore::new(js, stream)).map_err(Into::into)))
}

pub(in crate::jetstream) fn delete(js: &JetStream, name: &str) -> Call<(), DeleteObjectStoreError> {
    match bucket::checked(name) {
        Ok(name) => js.delete_stream(format!("OBJ_{name}")).then(|gone| Step::Done(gone.map_err(Into::into))),
        Err(error) => Call::failed(error.into()),
    }
}

pub(in crate::jetstream) fn names(js: &JetStream) -> BucketNames<ListObjectStoresError> {
    BucketNames::new(js.stream_names_by_subject("$O.*.C.>"), "OBJ_")
}
