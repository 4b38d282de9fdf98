//! Streams on disk: a log of records for each stream, in a directory that one process has.
//!
//! The engine says what has changed as [`Record`](super::engine::Record)s; this room writes them and reads them back. What happens in one change
//! of a stream is one frame with a checksum, and is written before anything is sent of it. So after the end of a process, however it came,
//! a stream is as it was behind its last whole frame, and what was acknowledged is in it.
//!
//! | file | reason to change |
//! |---|---|
//! | `checksum` | the checksum |
//! | `frame` | the bytes around records: lengths, checksums, torn ends |
//! | `codec` | the bytes of a record |
//! | `log` | the files of one stream: appending, new ones, those that are no longer needed |
//! | `directory` | the files of all streams, and the lock |
//! | `folder` | folders: their removal, their names on the disk |
//! | `policy` | when something is forced onto the disk |
//! | `event` | faults, and those who are told of them |

mod checksum;
mod codec;
mod directory;
mod event;
mod folder;
mod frame;
mod log;
mod policy;

pub use event::{StoreError, StoreEvent, StoreFault};
pub use policy::SyncPolicy;

pub(super) use directory::{Directory, Found};
pub(super) use event::OnStoreEvent;
pub(super) use log::{StreamLog, Unsynced};

/// A log of one frame with these contents, whatever they are. For tests, as [`read_bytes`].
#[doc(hidden)]
#[must_use]
pub fn log_of(contents: &[u8]) -> Vec<u8> {
    let mut log = frame::MAGIC.to_vec();
    let start = frame::begin(&mut log);
    log.extend_from_slice(contents);
    // Without contents there is no frame.
    let _is_written: Option<()> = frame::finish(&mut log, start);
    log
}

/// What the log in these bytes holds: how many records were read, and how many bytes of the log are whole. For tests that write
/// any bytes into a log.
///
/// # Errors
///
/// The words for damage.
#[doc(hidden)]
pub fn read_bytes(bytes: &[u8]) -> Result<(super::engine::Recovery, u64), String> {
    log::read_bytes(bytes)
}

#[cfg(test)]
mod tests;
