//! Object store: contents of any size under names, kept in a stream as chunks and metadata (JO1).
//!
//! The server knows nothing of it: [`ObjectStore`] is built on the context alone, as in every client library, and shares its stores with
//! them. So it works with streams on this bus and, across a bridge, with those of a real server.
//!
//! | file | reason to change |
//! |---|---|
//! | `config` | which stream is behind a store |
//! | `info` | the metadata of an object |
//! | `digest` | names and digests in subjects and metadata |
//! | `error` | why each operation fails |
//! | `place` | subjects of a store's stream |
//! | `upload` | chunks, metadata and clean-up of a put |
//! | `put` | puts from readers and streams |
//! | `content` | reading, and the check of what was read |
//! | `watch` | objects as they change, and lists of them |
//! | `store` | the operations |
//! | `status` | what is told of a store |
//! | `manage` | making and deleting stores |

mod config;
mod content;
mod digest;
mod error;
mod info;
pub(super) mod manage;
mod place;
mod put;
mod status;
mod store;
mod upload;
mod watch;

pub use config::Config;
pub use content::Object;
pub use error::{
    AddLinkError, ContentError, CreateObjectStoreError, DeleteError, DeleteObjectStoreError, EmptyName, GetError,
    GetObjectStoreError, InfoError, InvalidInfo, ListObjectStoresError, ObjectExists, ObjectNotFound, ObjectStoreError,
    PutError, ReadError, SealError, SourceError, StatusError, UnusableLink, UpdateMetadataError, WatchError,
};
pub use info::{ObjectInfo, ObjectLink, ObjectMetadata};
pub use put::PutFrom;
pub use status::Status;
pub use store::ObjectStore;
pub use watch::{List, Watch};
