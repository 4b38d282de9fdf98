//! Faults of files, and those who are told of them.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A fault of the files of streams, with the file that has it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}: {fault}", file.display())]
#[non_exhaustive]
pub struct StoreError {
    /// The file or directory.
    pub file: PathBuf,
    /// The fault.
    pub fault: StoreFault,
}

/// The kinds of faults.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum StoreFault {
    /// Another process has the directory, or another server in this process.
    #[error("in use by another process")]
    InUse,
    /// Bytes that can't have been written so. The file is left as it is.
    #[error("damaged at byte {at}: {what}")]
    Damaged {
        /// Where the damage was noticed.
        at: u64,
        /// What is wrong.
        what: String,
    },
    /// The operating system refused.
    #[error("{text}")]
    Io {
        /// Its kind.
        kind: io::ErrorKind,
        /// Its words.
        text: String,
    },
}

impl StoreError {
    pub(super) fn io(file: &Path, error: &io::Error) -> Self {
        StoreError { file: file.to_owned(), fault: StoreFault::Io { kind: error.kind(), text: error.to_string() } }
    }

    pub(super) fn damaged(file: &Path, at: u64, what: impl Into<String>) -> Self {
        StoreError { file: file.to_owned(), fault: StoreFault::Damaged { at, what: what.into() } }
    }
}

/// Something that an operator has to know of streams on disk.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum StoreEvent {
    /// The end of a log was cut off: a process ended while it wrote it. Nothing of it was acknowledged.
    Cut {
        /// The file.
        file: PathBuf,
        /// The bytes that are left.
        kept: u64,
        /// The bytes that were cut off.
        cut: u64,
    },
    /// A stream is offline: its files are damaged, or could not be written. Calls that concern it are refused with 10194, and publishes
    /// with 10077. Others are not concerned.
    Offline {
        /// The stream, or its directory if its name can't be read.
        stream: String,
        /// Why.
        error: StoreError,
    },
    /// Files were not forced onto the disk, or one that is no longer needed was not removed. What was written is there as long as the machine
    /// keeps running.
    Failed {
        /// The stream.
        stream: String,
        /// Why.
        error: StoreError,
    },
}

impl fmt::Display for StoreEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            StoreEvent::Cut { file, kept, cut } => {
                write!(f, "{}: cut off {cut} bytes of an unfinished write at byte {kept}", file.display())
            }
            StoreEvent::Offline { stream, error } => write!(f, "stream {stream:?} is offline: {error}"),
            StoreEvent::Failed { stream, error } => write!(f, "stream {stream:?}: {error}"),
        }
    }
}

/// Someone who is told of events.
type Tell = dyn Fn(&StoreEvent) + Send + Sync;

/// Those who are told of events.
#[derive(Clone, Default)]
pub(crate) struct OnStoreEvent(pub(crate) Option<Arc<Tell>>);

impl PartialEq for OnStoreEvent {
    /// Whether both tell the same one.
    fn eq(&self, other: &Self) -> bool {
        match (&self.0, &other.0) {
            (Some(one), Some(other)) => Arc::ptr_eq(one, other),
            (one, other) => one.is_none() && other.is_none(),
        }
    }
}

impl Eq for OnStoreEvent {}

impl fmt::Debug for OnStoreEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_some() { "OnStoreEvent(..)" } else { "OnStoreEvent(none)" })
    }
}
