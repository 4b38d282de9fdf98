//! The stream of a store: its subjects, its metadata, its chunks.

use super::digest;
use super::error::{EmptyName, InfoError, InvalidInfo, ObjectNotFound};
use super::info::ObjectInfo;
use crate::HeaderMap;
use crate::jetstream::context::{
    Call, JetStream, PublishAckFuture, PublishOptions, PurgeError, Step, Stream, StreamMessage,
};
use crate::jetstream::engine::{Purge, Timestamp};
use crate::jetstream::json::object;
use std::time::{Duration, UNIX_EPOCH};

/// The stream of a store.
#[derive(Debug)]
pub(super) struct Place {
    pub(super) js: JetStream,
    pub(super) stream: Stream,
    pub(super) bucket: String,
}

/// The metadata in a message.
pub(super) fn info_of(payload: &[u8], time: Timestamp) -> Result<ObjectInfo, InvalidInfo> {
    match object::decode(payload) {
        // Chunks are removed by this name: one with wildcards would be the name of other objects' chunks.
        Ok(info) if info.nuid.contains(['*', '>', '.', ' ']) => {
            Err(InvalidInfo { words: format!("the id {:?} of the content is not a token", info.nuid) })
        }
        Ok(info) => Ok(ObjectInfo { modified: time, ..info }),
        Err(words) => Err(InvalidInfo { words }),
    }
}

impl Place {
    /// The subject of the chunks of a content.
    pub(super) fn chunks(&self, nuid: &str) -> String {
        format!("$O.{}.C.{nuid}", self.bucket)
    }

    /// The subject of an object's metadata.
    pub(super) fn meta(&self, name: &str) -> String {
        format!("$O.{}.M.{}", self.bucket, digest::token(name))
    }

    pub(super) fn all_meta(&self) -> String {
        format!("$O.{}.M.>", self.bucket)
    }

    /// A name for a new content.
    pub(super) fn nuid(&self) -> String {
        let (inbox, now) = (self.js.client().new_inbox(), self.now().as_nanos().to_le_bytes());
        digest::nuid(&[self.bucket.as_bytes(), inbox.as_str().as_bytes(), &now])
    }

    pub(super) fn now(&self) -> Timestamp {
        let wall = self.js.client().bus().clock().wall_time();
        Timestamp::from_nanos(0).after(wall.duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO))
    }

    /// Publishes metadata in the place of what there was (JO3).
    pub(super) fn publish_meta(&self, info: &ObjectInfo) -> PublishAckFuture {
        let headers = HeaderMap::try_from_iter([("Nats-Rollup", "sub")]).expect("valid names and values");
        let body = object::encode(info);
        self.js.publish_with(self.meta(&info.name), body, PublishOptions::new().headers(headers))
    }

    /// Removes the messages of a subject.
    pub(super) fn purge(&self, subject: String) -> Call<u64, PurgeError> {
        self.stream.purge_with(Purge { filter: subject, ..Purge::default() })
    }

    /// The metadata of an object that is there, or was deleted.
    pub(super) fn last(&self, name: &str) -> Call<ObjectInfo, InfoError> {
        if name.is_empty() {
            return Call::failed(EmptyName.into());
        }
        let subject = self.meta(name);
        let message = match self.stream.cached_info().config.allow_direct {
            true => self.stream.direct_get_last(subject),
            false => self.stream.get_last_message(subject),
        };
        let name = name.to_owned();
        message.then(move |message| {
            Step::Done(match message {
                Ok(StreamMessage { payload, time, .. }) => info_of(&payload, time).map_err(InfoError::from),
                Err(error) if error.is_not_found() => Err(ObjectNotFound { name }.into()),
                Err(error) => Err(error.into()),
            })
        })
    }

    /// The metadata of an object that is there.
    pub(super) fn live(&self, name: &str) -> Call<ObjectInfo, InfoError> {
        self.last(name).then(|info| {
            Step::Done(match info {
                Ok(info) if info.deleted => Err(ObjectNotFound { name: info.name }.into()),
                info => info,
            })
        })
    }
}
