//! The directory of all streams of a server: `jetstream` within the store directory, with a folder for each stream and the lock.

use super::event::{StoreError, StoreEvent, StoreFault};
use super::folder::{DELETED, remove, sync_folder};
use super::log::StreamLog;
use super::policy::SyncPolicy;
use crate::jetstream::engine::Recovery;
use crate::jetstream::engine::{Stream, Unreadable};
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io;
use std::path::{Path, PathBuf};

/// The folder within the store directory, as that of nats-server, whose own streams in it are not read.
const FOLDER: &str = "jetstream";

/// The most characters of a stream's name in that of its folder.
const NAME_MAX: usize = 100;

/// The files of all streams.
#[derive(Debug)]
pub(crate) struct Directory {
    streams: PathBuf,
    policy: SyncPolicy,
    /// Held as long as the directory is in use.
    _lock: File,
}

/// A stream that was found on disk.
pub(crate) struct Found {
    /// Its name; that of its folder if it can't be read.
    pub(crate) name: String,
    pub(crate) outcome: Result<(Stream, StreamLog), StoreError>,
}

impl Directory {
    /// Takes a directory for this process; it is made if it is not there.
    ///
    /// # Errors
    ///
    /// [`StoreFault::InUse`], and those of the operating system.
    pub(crate) fn open(store_dir: &Path, policy: SyncPolicy) -> Result<Self, StoreError> {
        let folder = store_dir.join(FOLDER);
        let streams = folder.join("streams");
        fs::create_dir_all(&streams).map_err(|error| StoreError::io(&streams, &error))?;
        let path = folder.join("lock");
        let failed = |error: &io::Error| StoreError::io(&path, error);
        let lock = OpenOptions::new().write(true).create(true).truncate(false).open(&path);
        let lock = lock.map_err(|error| failed(&error))?;
        match lock.try_lock() {
            Ok(()) => Ok(Directory { streams, policy, _lock: lock }),
            Err(TryLockError::WouldBlock) => Err(StoreError { file: path, fault: StoreFault::InUse }),
            Err(TryLockError::Error(error)) => Err(failed(&error)),
        }
    }

    /// Reads all streams, in the order of their folders. `finish` makes a stream of its records.
    ///
    /// # Errors
    ///
    /// Those of the operating system, if the folders can't be listed.
    pub(crate) fn streams(
        &self,
        events: &mut Vec<StoreEvent>,
        mut finish: impl FnMut(Recovery) -> Result<Stream, Unreadable>,
    ) -> Result<Vec<Found>, StoreError> {
        let failed = |error: io::Error| StoreError::io(&self.streams, &error);
        let entries = fs::read_dir(&self.streams).map_err(failed)?;
        let mut folders =
            entries.map(|entry| entry.map(|entry| entry.path())).collect::<Result<Vec<_>, _>>().map_err(failed)?;
        folders.sort_unstable();
        let mut all = Vec::new();
        for folder in folders {
            let name = folder.file_name().unwrap_or_default().to_string_lossy().into_owned();
            if name.starts_with(DELETED) {
                fs::remove_dir_all(&folder).map_err(|error| StoreError::io(&folder, &error))?;
                continue;
            }
            if !folder.is_dir() {
                continue;
            }
            let found = match StreamLog::open(folder.clone(), self.policy, events) {
                // It was never acknowledged that it is there. A folder with anything else in it is not one of ours.
                Ok(None) => {
                    if has_logs_alone(&folder).map_err(|error| StoreError::io(&folder, &error))? {
                        remove(&folder)?;
                    }
                    continue;
                }
                Ok(Some((recovery, log))) => {
                    let name = recovery.config().map_or(name, |config| config.name.clone());
                    let made = finish(recovery);
                    let outcome = made.map_err(|error| StoreError::damaged(&folder, 0, error.to_string()));
                    Found { name, outcome: outcome.map(|stream| (stream, log)) }
                }
                Err((read, error)) => Found { name: read.unwrap_or(name), outcome: Err(error) },
            };
            all.push(found);
        }
        Ok(all)
    }

    /// Begins the log of a new stream.
    ///
    /// # Errors
    ///
    /// Those of the operating system.
    pub(crate) fn create(&self, stream: &Stream) -> Result<StreamLog, StoreError> {
        let name = folder_name(&stream.config().name);
        // Two names may have the same folder name.
        let folder = (0u64..).find_map(|number| {
            let folder = match number {
                0 => self.streams.join(&name),
                number => self.streams.join(format!("{name}~{number}")),
            };
            match fs::create_dir(&folder) {
                Ok(()) => Some(Ok(folder)),
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => None,
                Err(error) => Some(Err(StoreError::io(&folder, &error))),
            }
        });
        let folder = folder.expect("numbers do not end")?;
        if self.policy == SyncPolicy::Always {
            sync_folder(&self.streams).map_err(|error| StoreError::io(&self.streams, &error))?;
        }
        StreamLog::create(folder, self.policy, stream)
    }
}

/// Whether all entries of a folder have names of log files.
fn has_logs_alone(folder: &Path) -> io::Result<bool> {
    for entry in fs::read_dir(folder)? {
        if Path::new(&entry?.file_name()).extension().is_none_or(|extension| extension != "log") {
            return Ok(false);
        }
    }
    Ok(true)
}

/// A name that every file system takes: what is no letter, digit, dash or underscore of ASCII is written as its bytes.
fn folder_name(stream: &str) -> String {
    let mut name = String::new();
    for byte in stream.bytes().take(NAME_MAX) {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_') {
            name.push(char::from(byte));
        } else {
            name.push_str(&format!("%{byte:02X}"));
        }
    }
    name
}
