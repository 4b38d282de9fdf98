//! Key-value: a bucket of keys, each with a value and its last few, kept in a stream (JK1).
//!
//! A bucket is a stream whose subjects are keys. The server knows nothing of it: [`Store`] is built on the context alone, as in every client
//! library, and shares its buckets with them. So it works with streams on this bus and, across a bridge, with those of a real server.
//!
//! | file | reason to change |
//! |---|---|
//! | `config` | which stream is behind a bucket |
//! | `key` | which texts are keys |
//! | `entry` | how a message is an entry |
//! | `error` | why each operation fails |
//! | `store` | reads and writes |
//! | `watch` | entries as they come, histories, keys |
//! | `purge_deletes` | removing old markers |
//! | `status` | what is told of a bucket |
//! | `manage` | making, finding and deleting buckets |

mod config;
mod entry;
mod error;
mod key;
pub(super) mod manage;
mod purge_deletes;
mod status;
mod store;
mod watch;

pub use config::Config;
pub use entry::{Entry, Operation};
pub use error::{
    ConfigError, CreateError, CreateKeyValueError, CreateOrUpdateKeyValueError, DeleteError, DeleteKeyValueError,
    EntryError, GetKeyValueError, KeyExists, KeyValueError, ListKeyValuesError, NotABucket, PurgeDeletesError,
    PurgeError, PutError, StatusError, UpdateError, UpdateKeyValueError, WatchError,
};
pub use key::InvalidKey;
pub use purge_deletes::PurgeDeletes;
pub use status::Status;
pub use store::Store;
pub use watch::{History, Initial, Keys, Watch, WatchOptions};
