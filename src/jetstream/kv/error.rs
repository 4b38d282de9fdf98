//! Why an operation on a bucket fails: a type for each operation.

use super::key::InvalidKey;
use crate::jetstream::bucket::{InvalidBucketName, errors};
use crate::jetstream::context::{
    AccountInfoError, CreateStreamError, DeleteStreamError, GetMessageError, GetStreamError, ListStreamsError,
    MessagesError, PublishAckError, PurgeError as PurgeStreamError, UpdateStreamError,
};

/// A configuration that no server was asked about.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// The name of the bucket is none.
    #[error("{0}")]
    BucketName(InvalidBucketName),
    /// The history of a key is longer than 64.
    #[error("a history of {0} values: 64 is the most")]
    History(u64),
    /// The server has no limit markers: the level of its API is below 1 (JK2).
    #[error("the server has no limit markers")]
    MarkersUnsupported,
}

/// The key has a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the key exists, at revision {revision}")]
#[non_exhaustive]
pub struct KeyExists {
    /// The revision of the value.
    pub revision: u64,
}

/// The stream behind the name is no bucket: it does not bound the messages of a subject (JK3).
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the stream is no key-value bucket")]
#[non_exhaustive]
pub struct NotABucket;

errors! {
    /// Any error of the operations on buckets: each of the others converts into it, and its text is that of the other.
    KeyValueError as KeyValue;

    /// Why a bucket was not created.
    CreateKeyValueError as CreateBucket {
        /// The configuration is at fault.
        Config(ConfigError),
        /// The server did not say whether it has limit markers.
        Account(AccountInfoError),
        /// The stream was not created.
        Create(CreateStreamError),
    }

    /// Why a bucket's configuration was not changed.
    UpdateKeyValueError as UpdateBucket {
        /// The configuration is at fault.
        Config(ConfigError),
        /// The server did not say whether it has limit markers.
        Account(AccountInfoError),
        /// The stream was not updated.
        Update(UpdateStreamError),
    }

    /// Why a bucket was neither changed nor created.
    CreateOrUpdateKeyValueError as CreateOrUpdateBucket {
        /// The configuration is at fault.
        Config(ConfigError),
        /// The server did not say whether it has limit markers.
        Account(AccountInfoError),
        /// The stream was not updated.
        Update(UpdateStreamError),
        /// The stream was not created.
        Create(CreateStreamError),
    }

    /// Why there is no handle of a bucket.
    GetKeyValueError as GetBucket {
        /// The name of the bucket is none.
        BucketName(InvalidBucketName),
        /// Nothing is told of the stream.
        Stream(GetStreamError),
        /// The stream is no bucket.
        NotABucket(NotABucket),
    }

    /// Why a bucket was not deleted.
    DeleteKeyValueError as DeleteBucket {
        /// The name of the bucket is none.
        BucketName(InvalidBucketName),
        /// The stream was not deleted.
        Stream(DeleteStreamError),
    }

    /// Why the names of buckets were not listed.
    ListKeyValuesError as ListBuckets {
        /// The streams were not listed.
        Streams(ListStreamsError),
    }

    /// Why a value was not put.
    PutError as Put {
        /// The key is none.
        Key(InvalidKey),
        /// The stream did not acknowledge it.
        Publish(PublishAckError),
    }

    /// Why a key was not created.
    CreateError as Create {
        /// The key is none.
        Key(InvalidKey),
        /// The key has a value.
        Exists(KeyExists),
        /// The stream did not acknowledge it.
        Publish(PublishAckError),
        /// The marker in the key's place was not read.
        Entry(GetMessageError),
    }

    /// Why a key was not updated.
    UpdateError as Update {
        /// The key is none.
        Key(InvalidKey),
        /// The stream did not acknowledge it.
        Publish(PublishAckError),
    }

    /// Why a key was not deleted.
    DeleteError as Delete {
        /// The key is none.
        Key(InvalidKey),
        /// The stream did not acknowledge it.
        Publish(PublishAckError),
    }

    /// Why a key was not purged.
    PurgeError as Purge {
        /// The key is none.
        Key(InvalidKey),
        /// The stream did not acknowledge it.
        Publish(PublishAckError),
    }

    /// Why an entry was not read.
    EntryError as Entry {
        /// The key is none.
        Key(InvalidKey),
        /// The stream did not give the message.
        Message(GetMessageError),
    }

    /// Why keys are not watched.
    WatchError as Watch {
        /// A pattern of keys is none.
        Key(InvalidKey),
        /// The consumer was not made.
        Messages(MessagesError),
    }

    /// Why nothing is told of a bucket.
    StatusError as Status {
        /// Nothing is told of the stream.
        Stream(GetStreamError),
    }

    /// Why old markers were not removed.
    PurgeDeletesError as PurgeDeletes {
        /// The markers are not watched.
        Watch(WatchError),
        /// The markers were not read.
        Messages(MessagesError),
        /// A marker's key was not purged.
        Purge(PurgeStreamError),
    }
}

/// Methods of a write's error.
macro_rules! of_writes {
    ($($name:ident),*) => {
        $(
            impl $name {
                /// Whether the key is no key; nothing was sent.
                #[must_use]
                pub fn is_invalid_key(&self) -> bool {
                    matches!(self, $name::Key(_))
                }

                /// Whether nothing takes the write: there is no such bucket, or no JetStream.
                #[must_use]
                pub fn is_bucket_not_found(&self) -> bool {
                    matches!(self, $name::Publish(error) if error.is_no_responders())
                }

                /// Whether no acknowledgement came in time. The write may be stored nevertheless.
                #[must_use]
                pub fn is_timeout(&self) -> bool {
                    matches!(self, $name::Publish(error) if error.is_timeout())
                }

                /// Whether the key's last revision is another than expected (10071, 10164).
                #[must_use]
                pub fn is_wrong_last_revision(&self) -> bool {
                    matches!(self, $name::Publish(error) if error.is_wrong_last_sequence())
                }
            }
        )*
    };
}

of_writes!(PutError, UpdateError, DeleteError, PurgeError);

impl CreateError {
    /// Whether the key is no key; nothing was sent.
    #[must_use]
    pub fn is_invalid_key(&self) -> bool {
        matches!(self, CreateError::Key(_))
    }

    /// Whether the key has a value.
    #[must_use]
    pub fn is_already_exists(&self) -> bool {
        matches!(self, CreateError::Exists(_))
    }

    /// Whether nothing takes the write: there is no such bucket, or no JetStream.
    #[must_use]
    pub fn is_bucket_not_found(&self) -> bool {
        matches!(self, CreateError::Publish(error) if error.is_no_responders())
    }

    /// Whether a response did not come in time. The value may be stored nevertheless.
    #[must_use]
    pub fn is_timeout(&self) -> bool {
        match self {
            CreateError::Publish(error) => error.is_timeout(),
            CreateError::Entry(error) => error.is_timeout(),
            _ => false,
        }
    }
}

impl EntryError {
    /// Whether the key is no key; nothing was sent.
    #[must_use]
    pub fn is_invalid_key(&self) -> bool {
        matches!(self, EntryError::Key(_))
    }

    /// Whether nothing answers: there is no such bucket, or no JetStream.
    #[must_use]
    pub fn is_bucket_not_found(&self) -> bool {
        matches!(self, EntryError::Message(error) if error.is_no_responders() || error.is_stream_not_found())
    }

    /// Whether no response came in time.
    #[must_use]
    pub fn is_timeout(&self) -> bool {
        matches!(self, EntryError::Message(error) if error.is_timeout())
    }
}

impl WatchError {
    /// Whether a pattern of keys is none; nothing was sent.
    #[must_use]
    pub fn is_invalid_key(&self) -> bool {
        matches!(self, WatchError::Key(_))
    }

    /// Whether there is no such bucket.
    #[must_use]
    pub fn is_bucket_not_found(&self) -> bool {
        matches!(self, WatchError::Messages(MessagesError::Create(error)) if error.is_stream_not_found())
    }
}

impl CreateKeyValueError {
    /// Whether there is a bucket of that name with another configuration (10058).
    #[must_use]
    pub fn is_already_exists(&self) -> bool {
        matches!(self, CreateKeyValueError::Create(error) if error.is_already_exists())
    }
}

impl UpdateKeyValueError {
    /// Whether there is no such bucket (10059).
    #[must_use]
    pub fn is_not_found(&self) -> bool {
        matches!(self, UpdateKeyValueError::Update(error) if error.is_not_found())
    }
}

impl GetKeyValueError {
    /// Whether there is no such bucket (10059).
    #[must_use]
    pub fn is_not_found(&self) -> bool {
        matches!(self, GetKeyValueError::Stream(error) if error.is_not_found())
    }
}

impl DeleteKeyValueError {
    /// Whether there is no such bucket (10059).
    #[must_use]
    pub fn is_not_found(&self) -> bool {
        matches!(self, DeleteKeyValueError::Stream(error) if error.is_not_found())
    }
}

impl StatusError {
    /// Whether there is no such bucket (10059).
    #[must_use]
    pub fn is_bucket_not_found(&self) -> bool {
        matches!(self, StatusError::Stream(error) if error.is_not_found())
    }
}
