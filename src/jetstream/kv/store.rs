//! A bucket: reads and writes.

use super::entry::{Entry, Names, Operation};
use super::error::{
    CreateError, DeleteError, EntryError, KeyExists, PurgeError, PutError, StatusError, UpdateError, WatchError,
};
use super::key::{self, InvalidKey};
use super::purge_deletes::PurgeDeletes;
use super::status::Status;
use super::watch::{History, Keys, Watch, WatchOptions};
use crate::jetstream::context::{
    Call, GetMessageError, JetStream, PublishAck, PublishAckError, PublishOptions, Step, Stream, StreamInfo,
    StreamMessage,
};
use crate::jetstream::engine::Timestamp;
use crate::{HeaderMap, Payload};
use bytes::Bytes;
use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

/// A bucket of keys and values. Cheap to clone, and for any number of threads and tasks at once.
///
/// Each operation sends its request when it is called and gives a handle that is on its way: a thread calls [`Call::wait`], a task awaits it.
/// Each write gives the revision of its entry, which counts per bucket (JK9).
///
/// # Example
///
/// ```
/// use postroom::Bus;
/// use postroom::jetstream::{self, JetStreamOptions, JetStreamServer, kv};
///
/// let bus = Bus::new();
/// let _streams = JetStreamServer::start(&bus, JetStreamOptions::new())?;
/// let js = jetstream::new(bus.connect());
/// let settings = js.create_key_value(kv::Config::new("settings").history(5)).wait()?;
///
/// let first = settings.put("theme", "dark").wait()?;
/// assert_eq!(settings.get("theme").wait()?.as_deref(), Some(&b"dark"[..]));
/// let second = settings.update("theme", "light", first).wait()?; // only if nobody else has changed it
/// assert!(settings.update("theme", "blue", first).wait().unwrap_err().is_wrong_last_revision());
/// assert!(settings.create("theme", "red").wait().unwrap_err().is_already_exists());
///
/// settings.delete("theme").wait()?;
/// assert_eq!(settings.get("theme").wait()?, None);
/// let old = settings.entry_for_revision("theme", second).wait()?.expect("its history is kept");
/// assert_eq!(&old.value[..], b"light");
/// # Ok::<_, Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct Store {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    js: JetStream,
    stream: Stream,
    names: Arc<Names>,
}

/// The headers of a marker.
#[derive(Clone, Copy)]
enum Marker {
    Delete,
    Purge,
}

impl Store {
    /// The bucket of a stream.
    pub(super) fn new(js: JetStream, stream: Stream) -> Self {
        let config = &stream.cached_info().config;
        let bucket = config.name.strip_prefix("KV_").unwrap_or(&config.name);
        // A mirror has the origin's subjects, and takes no writes itself (JK22).
        let keys = match &config.mirror {
            Some(origin) => origin.name.strip_prefix("KV_").unwrap_or(&origin.name),
            None => bucket,
        };
        let stored = format!("$KV.{keys}.");
        let external = config.mirror.as_ref().and_then(|origin| origin.external.as_ref());
        let written = match external {
            Some(external) if !external.api.is_empty() => format!("{}.{stored}", external.api),
            // The keys of a domain are written below the prefix of its API (JL6).
            _ if js.prefix() != "$JS.API." => format!("{}{stored}", js.prefix()),
            _ => stored.clone(),
        };
        let names = Arc::new(Names { bucket: bucket.into(), stored, written });
        Store { inner: Arc::new(Inner { js, stream, names }) }
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.inner.names.bucket
    }

    /// The stream behind it.
    pub fn stream(&self) -> &Stream {
        &self.inner.stream
    }

    /// Its stream when this handle was made.
    fn info(&self) -> &StreamInfo {
        self.inner.stream.cached_info()
    }

    /// Its state now (JK17).
    ///
    /// # Errors
    ///
    /// [`StatusError::is_bucket_not_found`] if it is gone.
    pub fn status(&self) -> Call<Status, StatusError> {
        self.inner.stream.info().then(|info| Step::Done(info.map(Status::new).map_err(StatusError::from)))
    }

    fn write<'a, E: From<InvalidKey> + From<PublishAckError> + 'static>(
        &self,
        key: &str,
        value: Payload<'a>,
        options: PublishOptions,
    ) -> Call<u64, E> {
        let subject = match key::checked(key) {
            Ok(key) => self.inner.names.written(key),
            Err(error) => return Call::failed(error.into()),
        };
        let sent = self.inner.js.publish_with(subject, value, options);
        sent.then(|ack| Step::Done(ack.map(|PublishAck { sequence, .. }| sequence).map_err(E::from)))
    }

    /// Puts a value, whatever the key's last one is.
    ///
    /// # Errors
    ///
    /// [`PutError::is_invalid_key`], [`PutError::is_bucket_not_found`]; the server's refusal of a value that is too large (10054) or of a
    /// bucket that is full (10077, JK18).
    pub fn put<'a>(&self, key: impl AsRef<str>, value: impl Into<Payload<'a>>) -> Call<u64, PutError> {
        self.write(key.as_ref(), value.into(), PublishOptions::new())
    }

    /// Puts a value if the key has none: it never had one, or was deleted or purged, or has expired. After a marker, three or more requests:
    /// each further one is sent when the response to the one before has been received by `wait` or a poll (JK7).
    ///
    /// # Errors
    ///
    /// As [`Store::put`]; [`CreateError::is_already_exists`] if the key has a value.
    pub fn create<'a>(&self, key: impl AsRef<str>, value: impl Into<Payload<'a>>) -> Call<u64, CreateError> {
        self.create_at(key.as_ref().to_owned(), value.into().into_bytes(), None, 0)
    }

    /// As [`Store::create`], and the key expires when `ttl` is up, in whole seconds and at least one (JK10). The bucket must have
    /// [`Config::limit_markers`](super::Config::limit_markers).
    ///
    /// # Errors
    ///
    /// As [`Store::create`]; the server's: 10166 if the bucket has no limit markers, 10165 if the time is shorter than a second.
    pub fn create_with_ttl<'a>(
        &self,
        key: impl AsRef<str>,
        value: impl Into<Payload<'a>>,
        ttl: Duration,
    ) -> Call<u64, CreateError> {
        self.create_at(key.as_ref().to_owned(), value.into().into_bytes(), Some(ttl), 0)
    }

    /// Puts a value if the key's last revision is a marker of this revision, or there is none if it is 0.
    fn create_at(&self, key: String, value: Bytes, ttl: Option<Duration>, revision: u64) -> Call<u64, CreateError> {
        let options = PublishOptions::new().expected_last_subject_sequence(revision);
        let options = match ttl {
            Some(ttl) => options.ttl(ttl),
            None => options,
        };
        let created = self.write::<CreateError>(&key, Payload::from(value.clone()), options);
        let store = self.clone();
        created.then(move |created| match created {
            Err(CreateError::Publish(error)) if error.is_wrong_last_sequence() => {
                Step::Next(store.create_over(key, value, ttl))
            }
            outcome => Step::Done(outcome),
        })
    }

    /// Looks at the entry in the way of a new key.
    fn create_over(&self, key: String, value: Bytes, ttl: Option<Duration>) -> Call<u64, CreateError> {
        let store = self.clone();
        self.last(&key).then(move |last| match last {
            Ok(message) if Operation::of(&message.headers) == Operation::Put => {
                Step::Done(Err(KeyExists { revision: message.sequence }.into()))
            }
            Ok(marker) => Step::Next(store.create_at(key, value, ttl, marker.sequence)),
            // It has gone meanwhile.
            Err(error) if error.is_not_found() => Step::Next(store.create_at(key, value, ttl, 0)),
            Err(error) => Step::Done(Err(error.into())),
        })
    }

    /// Puts a value if the key's last revision is `revision`; 0: it has none, not even a marker (JK6).
    ///
    /// # Errors
    ///
    /// As [`Store::put`]; [`UpdateError::is_wrong_last_revision`] if it is another.
    pub fn update<'a>(
        &self,
        key: impl AsRef<str>,
        value: impl Into<Payload<'a>>,
        revision: u64,
    ) -> Call<u64, UpdateError> {
        self.write(key.as_ref(), value.into(), PublishOptions::new().expected_last_subject_sequence(revision))
    }

    fn mark<E: From<InvalidKey> + From<PublishAckError> + 'static>(
        &self,
        key: &str,
        marker: Marker,
        options: impl FnOnce(PublishOptions) -> PublishOptions,
    ) -> Call<u64, E> {
        let headers: &[(&str, &str)] = match marker {
            Marker::Delete => &[("KV-Operation", "DEL")],
            Marker::Purge => &[("KV-Operation", "PURGE"), ("Nats-Rollup", "sub")],
        };
        let headers = HeaderMap::try_from_iter(headers.iter().copied()).expect("valid names and values");
        self.write(key, Payload::empty(), options(PublishOptions::new().headers(headers)))
    }

    /// Deletes a key: a marker takes its place, and its history stays. A key that is not there gets a marker too.
    ///
    /// # Errors
    ///
    /// As [`Store::put`].
    pub fn delete(&self, key: impl AsRef<str>) -> Call<u64, DeleteError> {
        self.mark(key.as_ref(), Marker::Delete, |options| options)
    }

    /// As [`Store::delete`], if the key's last revision is `revision`.
    ///
    /// # Errors
    ///
    /// As [`Store::delete`]; [`DeleteError::is_wrong_last_revision`] if it is another.
    pub fn delete_expect_revision(&self, key: impl AsRef<str>, revision: u64) -> Call<u64, DeleteError> {
        self.mark(key.as_ref(), Marker::Delete, |options| options.expected_last_subject_sequence(revision))
    }

    /// Deletes a key with its history: a marker is all that is left.
    ///
    /// # Errors
    ///
    /// As [`Store::put`].
    pub fn purge(&self, key: impl AsRef<str>) -> Call<u64, PurgeError> {
        self.mark(key.as_ref(), Marker::Purge, |options| options)
    }

    /// As [`Store::purge`], and the marker goes when `ttl` is up, in whole seconds and at least one. The bucket must have
    /// [`Config::limit_markers`](super::Config::limit_markers).
    ///
    /// # Errors
    ///
    /// As [`Store::purge`]; the server's: 10166 if the bucket has no limit markers, 10165 if the time is shorter than a second.
    pub fn purge_with_ttl(&self, key: impl AsRef<str>, ttl: Duration) -> Call<u64, PurgeError> {
        self.mark(key.as_ref(), Marker::Purge, |options| options.ttl(ttl))
    }

    /// As [`Store::purge`], if the key's last revision is `revision`.
    ///
    /// # Errors
    ///
    /// As [`Store::purge`]; [`PurgeError::is_wrong_last_revision`] if it is another.
    pub fn purge_expect_revision(&self, key: impl AsRef<str>, revision: u64) -> Call<u64, PurgeError> {
        self.mark(key.as_ref(), Marker::Purge, |options| options.expected_last_subject_sequence(revision))
    }

    /// [`Store::purge_expect_revision`] and [`Store::purge_with_ttl`] at once.
    ///
    /// # Errors
    ///
    /// Those of both.
    pub fn purge_expect_revision_with_ttl(
        &self,
        key: impl AsRef<str>,
        revision: u64,
        ttl: Duration,
    ) -> Call<u64, PurgeError> {
        let options = |options: PublishOptions| options.ttl(ttl).expected_last_subject_sequence(revision);
        self.mark(key.as_ref(), Marker::Purge, options)
    }

    /// The last message of a key, directly where the stream allows it.
    fn last(&self, key: &str) -> Call<StreamMessage, GetMessageError> {
        let (stream, subject) = (&self.inner.stream, self.inner.names.stored(key));
        match self.info().config.allow_direct {
            true => stream.direct_get_last(subject),
            false => stream.get_last_message(subject),
        }
    }

    /// The value of a key; `None` if it has none: it never had one, or was deleted or purged, or has expired.
    ///
    /// # Errors
    ///
    /// [`EntryError::is_invalid_key`], [`EntryError::is_bucket_not_found`].
    pub fn get(&self, key: impl AsRef<str>) -> Call<Option<Bytes>, EntryError> {
        self.entry(key).map(|entry| entry.filter(|entry| entry.operation == Operation::Put).map(|entry| entry.value))
    }

    /// The last entry of a key, which may be a marker; `None` if there is none.
    ///
    /// # Errors
    ///
    /// As [`Store::get`].
    pub fn entry(&self, key: impl AsRef<str>) -> Call<Option<Entry>, EntryError> {
        let key = match key::checked(key.as_ref()) {
            Ok(key) => key.to_owned(),
            Err(error) => return Call::failed(error.into()),
        };
        let message = self.last(&key);
        self.read(key, message)
    }

    /// The entry of a revision; `None` if there is none, or it is another key's.
    ///
    /// # Errors
    ///
    /// As [`Store::get`].
    pub fn entry_for_revision(&self, key: impl AsRef<str>, revision: u64) -> Call<Option<Entry>, EntryError> {
        let key = match key::checked(key.as_ref()) {
            Ok(key) => key.to_owned(),
            Err(error) => return Call::failed(error.into()),
        };
        let message = match self.info().config.allow_direct {
            true => self.inner.stream.direct_get(revision),
            false => self.inner.stream.get_message(revision),
        };
        self.read(key, message)
    }

    fn read(&self, key: String, message: Call<StreamMessage, GetMessageError>) -> Call<Option<Entry>, EntryError> {
        let names = self.inner.names.clone();
        message.then(move |message| {
            Step::Done(match message {
                Ok(message) if message.subject == names.stored(&key) => Ok(Some(names.read(key, message))),
                Ok(_) => Ok(None),
                Err(error) if error.is_not_found() => Ok(None),
                Err(error) => Err(error.into()),
            })
        })
    }

    /// The entries that are put from now on to the keys of a pattern; `>` is all keys. Values that are there already are not shown:
    /// [`Store::watch_with_history`] shows them first.
    ///
    /// # Errors
    ///
    /// [`WatchError::is_invalid_key`], [`WatchError::is_bucket_not_found`].
    pub fn watch(&self, keys: impl AsRef<str>) -> Call<Watch, WatchError> {
        self.watch_with([keys], WatchOptions::new().updates_only())
    }

    /// The last entry of each key of a pattern, then those that are put.
    ///
    /// # Errors
    ///
    /// As [`Store::watch`].
    pub fn watch_with_history(&self, keys: impl AsRef<str>) -> Call<Watch, WatchError> {
        self.watch_with([keys], WatchOptions::new())
    }

    /// The entries of several patterns, which may not overlap, with options. No pattern at all is all keys.
    ///
    /// # Errors
    ///
    /// As [`Store::watch`]; the server's refusal of patterns that overlap (10138).
    pub fn watch_with(
        &self,
        keys: impl IntoIterator<Item = impl AsRef<str>>,
        options: WatchOptions,
    ) -> Call<Watch, WatchError> {
        let (stream, names) = (&self.inner.stream, self.inner.names.clone());
        let patterns = keys.into_iter().map(|keys| key::checked_pattern(keys.as_ref()).map(|keys| names.stored(keys)));
        match patterns.collect::<Result<Vec<_>, _>>() {
            Ok(patterns) => Watch::open(stream, names, patterns, options),
            Err(error) => Call::failed(error.into()),
        }
    }

    /// The entries of a key that are kept, the oldest first, markers included.
    ///
    /// # Errors
    ///
    /// As [`Store::watch`].
    pub fn history(&self, key: impl AsRef<str>) -> Call<History, WatchError> {
        self.watch_with([key], WatchOptions::new().include_history()).map(History::new)
    }

    /// Removes the keys that were deleted, purged or have expired, with their history. A marker that is younger than `age` stays, without
    /// its history: a watch that is late still sees it. Other clients keep those of the last 30 minutes.
    ///
    /// A request for each marker, one after the other: each is sent when the response to the one before has been received.
    ///
    /// # Errors
    ///
    /// Those of [`Store::watch`] and of [`Stream::purge`].
    pub fn purge_deletes(&self, age: Duration) -> PurgeDeletes {
        let now = self.inner.js.client().bus().clock().wall_time();
        let keep_from = now.duration_since(UNIX_EPOCH).unwrap_or_default().saturating_sub(age);
        let keep_from = Timestamp::from_nanos(0).after(keep_from);
        let opening = self.watch_with([">"], WatchOptions::new().meta_only());
        PurgeDeletes::new(self.inner.stream.clone(), self.inner.names.stored.clone(), keep_from, opening)
    }

    /// The keys that have a value, of a pattern; `>` is all.
    ///
    /// # Errors
    ///
    /// As [`Store::watch`].
    pub fn keys(&self, keys: impl AsRef<str>) -> Call<Keys, WatchError> {
        self.watch_with([keys], WatchOptions::new().ignore_deletes().meta_only()).map(Keys::new)
    }
}
