//! The operations of a client, as the bodies use them.

use std::time::Duration;

pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// An entry: key, value, revision, and the operation as `put`, `delete` or `purge`.
pub(crate) type Seen = (String, String, u64, &'static str);

pub(crate) fn seen(key: &str, value: &str, revision: u64, operation: &'static str) -> Seen {
    (key.to_owned(), value.to_owned(), revision, operation)
}

/// Why a write is refused, as far as the clients tell the same.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    WrongRevision,
    Exists,
    InvalidKey,
    Other(String),
}

/// Where a watch begins.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Start {
    New,
    Last,
    Revision(u64),
}

/// An object: name, bytes, chunks, digest, description, the object that it stands for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Shown {
    pub(crate) name: String,
    pub(crate) size: u64,
    pub(crate) chunks: u64,
    pub(crate) digest: String,
    pub(crate) description: String,
    pub(crate) link: Option<String>,
}

pub(crate) type Items<T> = Box<dyn Iterator<Item = T>>;

/// A client with a bucket and a store, both called `b`.
pub(crate) trait System {
    /// Makes the bucket, with a history of five and limit markers of a second, or takes the one that there is.
    fn open_bucket(&mut self);

    fn put(&self, key: &str, value: &str) -> Result<u64, Refusal>;

    fn create(&self, key: &str, value: &str) -> Result<u64, Refusal>;

    fn update(&self, key: &str, value: &str, revision: u64) -> Result<u64, Refusal>;

    fn delete(&self, key: &str, expected: Option<u64>) -> Result<(), Refusal>;

    fn purge(&self, key: &str, expected: Option<u64>) -> Result<(), Refusal>;

    fn get(&self, key: &str) -> Option<String>;

    fn entry(&self, key: &str) -> Option<Seen>;

    fn revision(&self, key: &str, revision: u64) -> Option<Seen>;

    fn history(&self, key: &str) -> Vec<Seen>;

    /// In order.
    fn keys(&self) -> Vec<String>;

    fn watch(&self, keys: &[&str], start: Start) -> Items<Seen>;

    /// Values and history.
    fn status(&self) -> (u64, u64);

    /// Makes the store, or takes the one that there is.
    fn open_store(&mut self);

    fn put_object(&self, name: &str, description: &str, content: &[u8]) -> Shown;

    /// `None` if there is none.
    fn info(&self, name: &str) -> Option<Shown>;

    /// `None` if there is none; the error if it is not what it is said to be.
    fn get_object(&self, name: &str) -> Option<Result<Vec<u8>, String>>;

    fn delete_object(&self, name: &str);

    fn rename_object(&self, name: &str, other: &str);

    fn link_object(&self, name: &str, target: &str);

    /// In order.
    fn objects(&self) -> Vec<String>;

    /// Names as objects are put, changed and deleted.
    fn watch_objects(&self) -> Items<(String, bool)>;

    fn seal(&mut self);
}
