//! The bytes that all streams of a server hold, by kind of storage, against its limits (JL4).

use super::options::JetStreamOptions;
use crate::jetstream::engine::Room;
use crate::jetstream::engine::config::Storage;
use std::sync::atomic::{AtomicU64, Ordering};

/// Counts the bytes of all streams.
#[derive(Debug)]
pub(super) struct Usage {
    memory: Count,
    file: Count,
}

#[derive(Debug)]
struct Count {
    /// ORDERING: Relaxed; each stream adds and takes away its own bytes under its lock.
    bytes: AtomicU64,
    /// Limits; below zero there is none.
    server: i64,
    account: i64,
}

impl Usage {
    pub(super) fn new(options: &JetStreamOptions) -> Self {
        let count = |server, account| Count { bytes: AtomicU64::new(0), server, account };
        Usage {
            memory: count(options.server.max_memory, options.account.max_memory),
            file: count(options.server.max_storage, options.account.max_storage),
        }
    }

    fn count(&self, storage: Storage) -> &Count {
        match storage {
            Storage::Memory => &self.memory,
            Storage::File => &self.file,
        }
    }

    /// Bytes that are stored.
    pub(super) fn bytes(&self, storage: Storage) -> u64 {
        self.count(storage).bytes.load(Ordering::Relaxed)
    }

    /// The room that is left. With streams that store at once, each may see it before the others have taken theirs.
    pub(super) fn room(&self, storage: Storage) -> Room {
        let count = self.count(storage);
        let bytes = self.bytes(storage);
        let limit = |limit: i64| u64::try_from(limit).unwrap_or(u64::MAX);
        Room { is_full: bytes > limit(count.server), account_left: limit(count.account).saturating_sub(bytes) }
    }

    /// A stream held `before` bytes, and holds `after` now.
    pub(super) fn changed(&self, storage: Storage, before: u64, after: u64) {
        // Wraps to the right sum also where it goes down.
        self.count(storage).bytes.fetch_add(after.wrapping_sub(before), Ordering::Relaxed);
    }
}
