//! Why an operation on an object store fails: a type for each operation.

use crate::jetstream::bucket::{InvalidBucketName, errors};
use crate::jetstream::context::{
    CreateStreamError, DeleteStreamError, GetMessageError, GetStreamError, ListStreamsError, MessagesError,
    PublishAckError, PurgeError, UpdateStreamError,
};
use std::io;

/// The name of an object is empty. Nothing was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("an object's name is empty")]
#[non_exhaustive]
pub struct EmptyName;

/// There is no such object, or it was deleted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("object {name:?} not found")]
#[non_exhaustive]
pub struct ObjectNotFound {
    /// The name.
    pub name: String,
}

/// The metadata of an object can't be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("unreadable metadata: {words}")]
#[non_exhaustive]
pub struct InvalidInfo {
    /// The fault.
    pub words: String,
}

/// An object of the name is there already.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("object {name:?} exists")]
#[non_exhaustive]
pub struct ObjectExists {
    /// The name.
    pub name: String,
}

/// The object is a link, where only an object with content, or a link to one, will do (JO5, JO8).
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum UnusableLink {
    /// It is a link to a store.
    #[error("object {name:?} is a link to a store")]
    ToStore {
        /// The name of the link.
        name: String,
    },
    /// It is a link at the end of another, or to be one.
    #[error("object {name:?} is a link itself")]
    ToLink {
        /// The name of the link.
        name: String,
    },
}

/// The source of an object's content failed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{words}")]
#[non_exhaustive]
pub struct SourceError {
    /// The kind of the source's error.
    pub kind: io::ErrorKind,
    /// The text of the source's error.
    pub words: String,
}

impl From<io::Error> for SourceError {
    fn from(error: io::Error) -> Self {
        SourceError { kind: error.kind(), words: error.to_string() }
    }
}

/// The content is not what the metadata says.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ContentError {
    /// Chunks are missing, or there are too many.
    #[error("{chunks} chunks with {bytes} bytes where {expected_chunks} with {expected_bytes} are said to be")]
    Chunks {
        /// Chunks that came.
        chunks: u64,
        /// Bytes that came.
        bytes: u64,
        /// Chunks that the metadata says.
        expected_chunks: u64,
        /// Bytes that the metadata says.
        expected_bytes: u64,
    },
    /// The content has another digest.
    #[error("digest {found} where {expected} is said to be")]
    Digest {
        /// The digest of what came.
        found: String,
        /// The digest that the metadata says.
        expected: String,
    },
}

errors! {
    /// Any error of the operations on object stores: each of the others converts into it, and its text is that of the other.
    ObjectStoreError as ObjectStore;

    /// Why a store was not created.
    CreateObjectStoreError as CreateStore {
        /// The name of the store is none.
        BucketName(InvalidBucketName),
        /// The stream was not created.
        Stream(CreateStreamError),
    }

    /// Why there is no handle of a store.
    GetObjectStoreError as GetStore {
        /// The name of the store is none.
        BucketName(InvalidBucketName),
        /// Nothing is told of the stream.
        Stream(GetStreamError),
    }

    /// Why a store was not deleted.
    DeleteObjectStoreError as DeleteStore {
        /// The name of the store is none.
        BucketName(InvalidBucketName),
        /// The stream was not deleted.
        Stream(DeleteStreamError),
    }

    /// Why the names of stores were not listed.
    ListObjectStoresError as ListStores {
        /// The streams were not listed.
        Streams(ListStreamsError),
    }

    /// Why nothing is told of an object.
    InfoError as Info {
        /// The name is empty.
        Name(EmptyName),
        /// There is no such object.
        NotFound(ObjectNotFound),
        /// The metadata was not read.
        Message(GetMessageError),
        /// The metadata can't be read.
        Invalid(InvalidInfo),
    }

    /// Why an object was not put. Nothing of it is left, unless the server could not be asked for that either.
    PutError as Put {
        /// The name is empty.
        Name(EmptyName),
        /// The metadata of the object that it replaces was not read.
        Info(InfoError),
        /// The source failed.
        Source(SourceError),
        /// A chunk or the metadata was not acknowledged.
        Publish(PublishAckError),
        /// The object was put, but the chunks of the one that it replaces were not removed.
        Purge(PurgeError),
    }

    /// Why an object is not read.
    GetError as Get {
        /// Nothing is told of the object.
        Info(InfoError),
        /// It is a link that leads to no content.
        Link(UnusableLink),
        /// The store of a link was not found.
        Store(GetObjectStoreError),
        /// The consumer of its chunks was not made.
        Messages(MessagesError),
    }

    /// Why the content of an object ends before its time.
    ReadError as Read {
        /// The chunks do not come.
        Messages(MessagesError),
        /// They are not what the metadata says.
        Content(ContentError),
    }

    /// Why an object was not deleted.
    DeleteError as Delete {
        /// Nothing is told of the object.
        Info(InfoError),
        /// The metadata was not acknowledged.
        Publish(PublishAckError),
        /// The object was deleted, but its chunks were not removed.
        Purge(PurgeError),
    }

    /// Why the metadata of an object was not changed.
    UpdateMetadataError as UpdateMetadata {
        /// Nothing is told of the object.
        Info(InfoError),
        /// The new name is another object's.
        Exists(ObjectExists),
        /// The metadata was not acknowledged.
        Publish(PublishAckError),
        /// The object has its new name, but the old one was not removed.
        Purge(PurgeError),
    }

    /// Why a link was not made.
    AddLinkError as AddLink {
        /// The name is empty.
        Name(EmptyName),
        /// The name of the store is none.
        BucketName(InvalidBucketName),
        /// The object that it is to stand for was deleted.
        NotFound(ObjectNotFound),
        /// The object that it is to stand for is a link.
        Link(UnusableLink),
        /// The name is an object's.
        Exists(ObjectExists),
        /// The object of its name was not looked at.
        Info(InfoError),
        /// The metadata was not acknowledged.
        Publish(PublishAckError),
    }

    /// Why the objects of a store are not watched or listed.
    WatchError as Watch {
        /// The consumer was not made, or its messages do not come.
        Messages(MessagesError),
        /// The metadata of an object can't be read. Others may follow.
        Invalid(InvalidInfo),
    }

    /// Why a store was not sealed.
    SealError as Seal {
        /// Nothing is told of the stream.
        Info(GetStreamError),
        /// The stream was not updated.
        Update(UpdateStreamError),
    }

    /// Why nothing is told of a store.
    StatusError as Status {
        /// Nothing is told of the stream.
        Stream(GetStreamError),
    }
}

impl InfoError {
    /// Whether there is no such object, or it was deleted.
    #[must_use]
    pub fn is_not_found(&self) -> bool {
        matches!(self, InfoError::NotFound(_))
    }

    /// Whether nothing answers: there is no such store, or no JetStream.
    #[must_use]
    pub fn is_store_not_found(&self) -> bool {
        matches!(self, InfoError::Message(error) if error.is_no_responders() || error.is_stream_not_found())
    }
}

impl GetError {
    /// Whether there is no such object, or it was deleted.
    #[must_use]
    pub fn is_not_found(&self) -> bool {
        matches!(self, GetError::Info(error) if error.is_not_found())
    }
}

impl DeleteError {
    /// Whether there is no such object, or it was deleted.
    #[must_use]
    pub fn is_not_found(&self) -> bool {
        matches!(self, DeleteError::Info(error) if error.is_not_found())
    }
}

impl UpdateMetadataError {
    /// Whether there is no such object, or it was deleted.
    #[must_use]
    pub fn is_not_found(&self) -> bool {
        matches!(self, UpdateMetadataError::Info(error) if error.is_not_found())
    }

    /// Whether the new name is another object's.
    #[must_use]
    pub fn is_already_exists(&self) -> bool {
        matches!(self, UpdateMetadataError::Exists(_))
    }
}

impl AddLinkError {
    /// Whether the name is an object's.
    #[must_use]
    pub fn is_already_exists(&self) -> bool {
        matches!(self, AddLinkError::Exists(_))
    }
}

impl PutError {
    /// Whether nothing takes it: there is no such store, or no JetStream.
    #[must_use]
    pub fn is_store_not_found(&self) -> bool {
        match self {
            PutError::Info(error) => error.is_store_not_found(),
            PutError::Publish(error) => error.is_no_responders(),
            _ => false,
        }
    }
}

impl ReadError {
    /// Whether the content has another digest than the metadata says.
    #[must_use]
    pub fn is_wrong_digest(&self) -> bool {
        matches!(self, ReadError::Content(ContentError::Digest { .. }))
    }

    /// Whether chunks are missing, or there are too many.
    #[must_use]
    pub fn is_wrong_chunks(&self) -> bool {
        matches!(self, ReadError::Content(ContentError::Chunks { .. }))
    }
}

impl CreateObjectStoreError {
    /// Whether there is a store of that name with another configuration (10058).
    #[must_use]
    pub fn is_already_exists(&self) -> bool {
        matches!(self, CreateObjectStoreError::Stream(error) if error.is_already_exists())
    }
}

impl GetObjectStoreError {
    /// Whether there is no such store (10059).
    #[must_use]
    pub fn is_not_found(&self) -> bool {
        matches!(self, GetObjectStoreError::Stream(error) if error.is_not_found())
    }
}

impl DeleteObjectStoreError {
    /// Whether there is no such store (10059).
    #[must_use]
    pub fn is_not_found(&self) -> bool {
        matches!(self, DeleteObjectStoreError::Stream(error) if error.is_not_found())
    }
}
