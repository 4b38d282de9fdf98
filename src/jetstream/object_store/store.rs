//! A store: the operations on its objects.

use super::content::Object;
use super::error::{
    AddLinkError, DeleteError, GetError, GetObjectStoreError, InfoError, ObjectExists, ObjectNotFound, PutError,
    SealError, StatusError, UnusableLink, UpdateMetadataError, WatchError,
};
use super::info::{ObjectInfo, ObjectLink, ObjectMetadata};
use super::place::Place;
use super::put::PutFrom;
use super::status::Status;
use super::upload::Upload;
use super::watch::{List, Watch};
use crate::Payload;
use crate::jetstream::bucket;
use crate::jetstream::context::{Call, JetStream, Ordered, Step, Stream};
use crate::jetstream::engine::config::StreamConfig;
use crate::jetstream::engine::consumer::{ConsumerConfig, DeliverPolicy};
use std::sync::Arc;

/// A store of objects: contents of any size, in chunks, with metadata. Cheap to clone, and for any number of threads and tasks at once.
///
/// Each operation sends its first request when it is called and gives a handle that is on its way: a thread calls [`Call::wait`], a task awaits
/// it. Most operations have several requests: each further one is sent when the response to the one before has been received by
/// `wait` or a poll.
///
/// # Example
///
/// ```
/// use postroom::Bus;
/// use postroom::jetstream::object_store::{Config, ObjectMetadata};
/// use postroom::jetstream::{self, JetStreamOptions, JetStreamServer};
/// use std::io::Read;
///
/// let bus = Bus::new();
/// let _streams = JetStreamServer::start(&bus, JetStreamOptions::new())?;
/// let js = jetstream::new(bus.connect());
/// let files = js.create_object_store(Config::new("files")).wait()?;
///
/// files.put("notes.txt", "a few words").wait()?;
/// let report = vec![7; 1_000_000];
/// let info = files.put_from(ObjectMetadata::new("report").description("of June"), &report[..]).wait()?;
/// assert_eq!((info.size, info.chunks), (1_000_000, 8));
///
/// let mut read = Vec::new();
/// files.get("report").wait()?.read_to_end(&mut read)?;
/// assert_eq!(read, report);
/// let names: Vec<String> = files.list().wait()?.into_iter().map(|info| info.unwrap().name).collect();
/// assert_eq!(names, ["notes.txt", "report"]);
/// # Ok::<_, Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct ObjectStore {
    place: Arc<Place>,
}

impl ObjectStore {
    /// The store of a stream.
    pub(super) fn new(js: JetStream, stream: Stream) -> Self {
        let name = stream.name();
        let bucket = name.strip_prefix("OBJ_").unwrap_or(name).to_owned();
        ObjectStore { place: Arc::new(Place { js, stream, bucket }) }
    }

    /// The store of this name.
    pub(in crate::jetstream) fn find(js: JetStream, name: &str) -> Call<Self, GetObjectStoreError> {
        let name = match bucket::checked(name) {
            Ok(name) => format!("OBJ_{name}"),
            Err(error) => return Call::failed(error.into()),
        };
        js.get_stream(name).then(move |stream| {
            Step::Done(stream.map(|stream| ObjectStore::new(js, stream)).map_err(GetObjectStoreError::from))
        })
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.place.bucket
    }

    /// The stream behind it.
    pub fn stream(&self) -> &Stream {
        &self.place.stream
    }

    /// Its state now (JO11).
    ///
    /// # Errors
    ///
    /// [`StatusError::Stream`] if it is gone.
    pub fn status(&self) -> Call<Status, StatusError> {
        self.place.stream.info().then(|info| Step::Done(info.map(Status::new).map_err(StatusError::from)))
    }

    /// Puts a content in the place of the object's last one, if there was one. Readers of the last one find its chunks gone.
    ///
    /// # Errors
    ///
    /// [`PutError::is_store_not_found`]; the server's refusal of a store that is full (10077) or sealed (10109).
    ///
    /// # Cancel safety
    ///
    /// Dropping it before its end asks for the removal of the chunks that were sent.
    pub fn put<'a>(
        &self,
        meta: impl Into<ObjectMetadata>,
        content: impl Into<Payload<'a>>,
    ) -> Call<ObjectInfo, PutError> {
        let content = content.into().into_bytes();
        Upload::begin(self.place.clone(), meta.into()).then(move |upload| match upload {
            Ok(upload) => upload.send_all(content),
            Err(error) => Step::Done(Err(error)),
        })
    }

    /// As [`ObjectStore::put`], from a source: from a reader ([`std::io::Read`]), whose put a thread waits for, or from a stream of
    /// [`io::Result<Bytes>`](std::io::Result), whose put a task awaits.
    pub fn put_from<S>(&self, meta: impl Into<ObjectMetadata>, source: S) -> PutFrom<S> {
        PutFrom::new(source, Upload::begin(self.place.clone(), meta.into()))
    }

    /// The metadata of an object. A link is not followed.
    ///
    /// # Errors
    ///
    /// [`InfoError::is_not_found`] if there is no such object, or it was deleted.
    pub fn info(&self, name: impl AsRef<str>) -> Call<ObjectInfo, InfoError> {
        self.place.live(name.as_ref())
    }

    /// The content of an object. A link to an object is followed, in this store or another (JO5).
    ///
    /// # Errors
    ///
    /// [`GetError::is_not_found`] if there is no such object, or it was deleted; [`GetError::Link`] if it is a link to a store or to another
    /// link.
    pub fn get(&self, name: impl AsRef<str>) -> Call<Object, GetError> {
        let store = self.clone();
        self.info(name).then(move |info| match info {
            Ok(info) => store.follow(info),
            Err(error) => Step::Done(Err(error.into())),
        })
    }

    /// Opens an object, or the one that it stands for.
    fn follow(&self, info: ObjectInfo) -> Step<Object, GetError> {
        let Some(ObjectLink { bucket, name }) = info.link else { return self.open(info) };
        let Some(name) = name else {
            return Step::Done(Err(UnusableLink::ToStore { name: info.name }.into()));
        };
        if bucket == self.name() {
            return Step::Next(self.open_target(&name));
        }
        Step::Next(ObjectStore::find(self.place.js.clone(), &bucket).then(move |store| match store {
            Ok(store) => Step::Next(store.open_target(&name)),
            Err(error) => Step::Done(Err(error.into())),
        }))
    }

    /// Opens the object that a link stands for.
    fn open_target(&self, name: &str) -> Call<Object, GetError> {
        let store = self.clone();
        self.info(name).then(move |info| match info {
            Ok(info) if info.link.is_some() => Step::Done(Err(UnusableLink::ToLink { name: info.name }.into())),
            Ok(info) => store.open(info),
            Err(error) => Step::Done(Err(error.into())),
        })
    }

    /// Opens an object that is no link.
    fn open(&self, info: ObjectInfo) -> Step<Object, GetError> {
        if info.size == 0 {
            return Step::Done(Ok(Object::new(info, None)));
        }
        let config = ConsumerConfig::ephemeral().filter_subject(self.place.chunks(&info.nuid));
        let chunks = self.place.stream.open_ordered(config);
        Step::Next(
            chunks.then(|chunks| {
                Step::Done(chunks.map(|chunks| Object::new(info, Some(chunks))).map_err(GetError::from))
            }),
        )
    }

    /// Deletes an object: a marker takes the place of its metadata, and its chunks are removed.
    ///
    /// # Errors
    ///
    /// [`DeleteError::is_not_found`] if there is no such object, or it was deleted before.
    pub fn delete(&self, name: impl AsRef<str>) -> Call<(), DeleteError> {
        let place = self.place.clone();
        self.info(name).then(move |info| {
            let info = match info {
                Ok(info) => info,
                Err(error) => return Step::Done(Err(error.into())),
            };
            let chunks = Some(place.chunks(&info.nuid)).filter(|_| !info.nuid.is_empty());
            let marker =
                ObjectInfo { deleted: true, size: 0, chunks: 0, digest: String::new(), modified: place.now(), ..info };
            Step::Next(place.publish_meta(&marker).then(move |ack| match (ack, chunks) {
                (Err(error), _) => Step::Done(Err(error.into())),
                (Ok(_), None) => Step::Done(Ok(())),
                (Ok(_), Some(chunks)) => Step::Next(
                    place.purge(chunks).then(|purged| Step::Done(purged.map(drop).map_err(DeleteError::from))),
                ),
            }))
        })
    }

    /// Gives an object the name, description, headers and metadata of `meta`; its content stays (JO7).
    ///
    /// # Errors
    ///
    /// [`UpdateMetadataError::is_not_found`]; [`UpdateMetadataError::is_already_exists`] if the new name is another object's.
    pub fn update_metadata(
        &self,
        name: impl AsRef<str>,
        meta: impl Into<ObjectMetadata>,
    ) -> Call<ObjectInfo, UpdateMetadataError> {
        let (store, meta) = (self.clone(), meta.into());
        self.info(name).then(move |info| match info {
            Ok(old) if old.name == meta.name => Step::Next(store.replace_meta(old, meta)),
            // A name that is free is a new one.
            Ok(old) => Step::Next(store.info(&meta.name).then(move |other| match other {
                Ok(other) => Step::Done(Err(ObjectExists { name: other.name }.into())),
                Err(error) if error.is_not_found() => Step::Next(store.replace_meta(old, meta)),
                Err(error) => Step::Done(Err(error.into())),
            })),
            Err(error) => Step::Done(Err(error.into())),
        })
    }

    /// Publishes an object's new metadata, and then removes that of its old name.
    fn replace_meta(&self, old: ObjectInfo, meta: ObjectMetadata) -> Call<ObjectInfo, UpdateMetadataError> {
        let place = self.place.clone();
        let former = Some(place.meta(&old.name)).filter(|_| old.name != meta.name);
        let ObjectMetadata { name, description, headers, metadata, .. } = meta;
        let info = ObjectInfo { name, description, headers, metadata, modified: place.now(), ..old };
        place.publish_meta(&info).then(move |ack| match (ack, former) {
            (Err(error), _) => Step::Done(Err(error.into())),
            (Ok(_), None) => Step::Done(Ok(info)),
            (Ok(_), Some(former)) => {
                Step::Next(place.purge(former).then(|purged| Step::Done(purged.map(|_| info).map_err(Into::into))))
            }
        })
    }

    /// Makes an object that stands for another, of this store or another one. It may replace a link (JO8).
    ///
    /// # Errors
    ///
    /// [`AddLinkError::NotFound`] if the other was deleted, [`AddLinkError::Link`] if it is a link itself;
    /// [`AddLinkError::is_already_exists`] if the name is that of an object which is no link.
    pub fn add_link(&self, name: impl AsRef<str>, target: &ObjectInfo) -> Call<ObjectInfo, AddLinkError> {
        if target.deleted {
            return Call::failed(ObjectNotFound { name: target.name.clone() }.into());
        }
        if target.link.is_some() {
            return Call::failed(UnusableLink::ToLink { name: target.name.clone() }.into());
        }
        self.link(name.as_ref(), ObjectLink { bucket: target.bucket.clone(), name: Some(target.name.clone()) })
    }

    /// Makes an object that stands for a store as a whole.
    ///
    /// # Errors
    ///
    /// As [`ObjectStore::add_link`].
    pub fn add_bucket_link(&self, name: impl AsRef<str>, bucket: impl AsRef<str>) -> Call<ObjectInfo, AddLinkError> {
        match bucket::checked(bucket.as_ref()) {
            Ok(bucket) => self.link(name.as_ref(), ObjectLink { bucket: bucket.to_owned(), name: None }),
            Err(error) => Call::failed(error.into()),
        }
    }

    fn link(&self, name: &str, link: ObjectLink) -> Call<ObjectInfo, AddLinkError> {
        let place = self.place.clone();
        let info = ObjectInfo {
            name: name.to_owned(),
            link: Some(link),
            bucket: place.bucket.clone(),
            nuid: place.nuid(),
            ..ObjectInfo::default()
        };
        self.info(name).then(move |there| {
            match there {
                Ok(there) if there.link.is_none() => {
                    return Step::Done(Err(ObjectExists { name: there.name }.into()));
                }
                Err(InfoError::Name(error)) => return Step::Done(Err(error.into())),
                Err(error) if !error.is_not_found() => return Step::Done(Err(error.into())),
                _ => {}
            }
            let info = ObjectInfo { modified: place.now(), ..info };
            Step::Next(place.publish_meta(&info).then(|ack| Step::Done(ack.map(|_| info).map_err(Into::into))))
        })
    }

    fn ordered(&self, policy: DeliverPolicy) -> Call<Ordered, WatchError> {
        let config = ConsumerConfig::ephemeral().filter_subject(self.place.all_meta()).deliver_policy(policy);
        self.place.stream.open_ordered(config).then(|ordered| Step::Done(ordered.map_err(Into::into)))
    }

    /// The objects that are put, changed or deleted from now on.
    ///
    /// # Errors
    ///
    /// [`WatchError::Messages`] if the store is gone.
    pub fn watch(&self) -> Call<Watch, WatchError> {
        self.ordered(DeliverPolicy::New).map(Watch::new)
    }

    /// The objects that are there, then those that are put, changed or deleted. Those that were deleted are there too.
    ///
    /// # Errors
    ///
    /// As [`ObjectStore::watch`].
    pub fn watch_with_history(&self) -> Call<Watch, WatchError> {
        self.ordered(DeliverPolicy::LastPerSubject).map(Watch::new)
    }

    /// The objects that are there.
    ///
    /// # Errors
    ///
    /// As [`ObjectStore::watch`].
    pub fn list(&self) -> Call<List, WatchError> {
        self.ordered(DeliverPolicy::LastPerSubject).map(List::new)
    }

    /// Seals the store: nothing changes any more (JO10). That can't be undone.
    ///
    /// # Errors
    ///
    /// [`SealError`].
    pub fn seal(&self) -> Call<(), SealError> {
        let js = self.place.js.clone();
        self.place.stream.info().then(move |info| match info {
            Ok(info) => {
                let sealed = js.update_stream(StreamConfig { sealed: true, ..info.config });
                Step::Next(sealed.then(|info| Step::Done(info.map(drop).map_err(Into::into))))
            }
            Err(error) => Step::Done(Err(error.into())),
        })
    }
}
