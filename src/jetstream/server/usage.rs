//! The bytes that all streams of a server hold, by kind of storage, against its limits (JL4).

use super::options::JetStreamOptions;
use crate::jetstream::engine::Room;
use crate::jetstream::engine::config::{ServerLimits, Storage};
use std::sync::atomic::{AtomicI64, AtomicU64, AtomicUsize, Ordering};

/// Counts the bytes of all streams.
#[derive(Debug)]
pub(super) struct Usage {
    memory: Count,
    file: Count,
    /// Atomic batches that are open. ORDERING: as the bytes.
    batches: AtomicUsize,
    batches_max: AtomicUsize,
}

/// What one stream counts for.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Counted {
    pub(super) bytes: u64,
    /// Bytes of parts of atomic batches, which are no messages yet.
    pub(super) held: u64,
    pub(super) batches: usize,
}

#[derive(Debug)]
struct Count {
    /// ORDERING: Relaxed; each stream adds and takes away its own bytes under its lock.
    bytes: AtomicU64,
    held: AtomicU64,
    /// Limits; below zero there is none. ORDERING: Relaxed; a limit that changes holds from some moment on.
    server: AtomicI64,
    account: i64,
}

impl Usage {
    pub(super) fn new(options: &JetStreamOptions) -> Self {
        let count = |server, account| Count {
            bytes: AtomicU64::new(0),
            held: AtomicU64::new(0),
            server: AtomicI64::new(server),
            account,
        };
        Usage {
            memory: count(options.server.max_memory, options.account.max_memory),
            file: count(options.server.max_storage, options.account.max_storage),
            batches: AtomicUsize::new(0),
            batches_max: AtomicUsize::new(options.server.batch_max_inflight_total),
        }
    }

    /// Other limits of the server.
    pub(super) fn set_limits(&self, limits: &ServerLimits) {
        self.memory.server.store(limits.max_memory, Ordering::Relaxed);
        self.file.server.store(limits.max_storage, Ordering::Relaxed);
        self.batches_max.store(limits.batch_max_inflight_total, Ordering::Relaxed);
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
        let bytes = self.bytes(storage) + count.held.load(Ordering::Relaxed);
        let limit = |limit: i64| u64::try_from(limit).unwrap_or(u64::MAX);
        Room {
            is_full: bytes > limit(count.server.load(Ordering::Relaxed)),
            account_left: limit(count.account).saturating_sub(bytes),
            batches_left: self.batches_max.load(Ordering::Relaxed).saturating_sub(self.batches.load(Ordering::Relaxed)),
        }
    }

    /// A stream counted for so much before, and does for so much now.
    pub(super) fn changed(&self, storage: Storage, before: Counted, after: Counted) {
        // Wraps to the right sum also where it goes down.
        let count = self.count(storage);
        count.bytes.fetch_add(after.bytes.wrapping_sub(before.bytes), Ordering::Relaxed);
        count.held.fetch_add(after.held.wrapping_sub(before.held), Ordering::Relaxed);
        self.batches.fetch_add(after.batches.wrapping_sub(before.batches), Ordering::Relaxed);
    }
}
