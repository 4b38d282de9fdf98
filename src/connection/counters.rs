//! The counters of the threads that publish through one connection.

use crate::account::Traffic;
use crate::rng::Rng;
use crate::sync::PerThread;
use crate::sync::atomic::{AtomicU64, Ordering};

/// The counters of one thread: read by others, written by that thread alone, hence without an atomic read-modify-write.
//
// ORDERING: Relaxed throughout; the counters only count, and a thread that takes over the place of one that has ended does so
// through the lock of the thread registry.
#[derive(Debug)]
pub(crate) struct PublishCounters {
    published: AtomicU64,
    published_bytes: AtomicU64,
    unmatched: AtomicU64,
    routed: AtomicU64,
    panics: AtomicU64,
    requests: AtomicU64,
    /// Several threads write it: those that are about to end.
    is_shared: bool,
    /// Chooses members of queue groups.
    pub(crate) rng: Rng,
}

/// Those of all threads.
#[derive(Debug)]
pub(crate) struct ThreadCounters {
    threads: PerThread<PublishCounters>,
    seed: u64,
    connection: u64,
}

impl ThreadCounters {
    pub(super) fn new(seed: u64, connection: u64) -> Self {
        ThreadCounters { threads: PerThread::default(), seed, connection }
    }

    /// This thread's counters.
    #[inline]
    pub(crate) fn get(&self) -> &PublishCounters {
        match self.threads.get() {
            Some(counters) => counters,
            None => self.make(),
        }
    }

    #[cold]
    fn make(&self) -> &PublishCounters {
        // The first thread of a connection draws from the same stream in every run; threads after it have their own.
        let stream = self.connection << 16 | self.threads.iter().count() as u64;
        self.threads.get_or(|is_shared| PublishCounters::new(self.seed, stream, is_shared))
    }

    /// The sum over all threads.
    pub(super) fn traffic(&self) -> Traffic {
        let mut traffic = Traffic::default();
        for counters in self.threads.iter() {
            traffic.published += counters.published.load(Ordering::Relaxed);
            traffic.published_bytes += counters.published_bytes.load(Ordering::Relaxed);
            traffic.unmatched += counters.unmatched.load(Ordering::Relaxed);
            traffic.routed += counters.routed.load(Ordering::Relaxed);
            traffic.panics += counters.panics.load(Ordering::Relaxed);
            traffic.requests += counters.requests.load(Ordering::Relaxed);
        }
        traffic
    }
}

impl PublishCounters {
    fn new(seed: u64, stream: u64, is_shared: bool) -> Self {
        PublishCounters {
            is_shared,
            published: AtomicU64::new(0),
            published_bytes: AtomicU64::new(0),
            unmatched: AtomicU64::new(0),
            routed: AtomicU64::new(0),
            panics: AtomicU64::new(0),
            requests: AtomicU64::new(0),
            rng: Rng::new(seed, stream),
        }
    }

    #[inline]
    pub(crate) fn count_publish(&self, bytes: usize, routed: usize) {
        if self.is_shared {
            return self.count_shared(bytes, routed);
        }
        let add = |counter: &AtomicU64, more: u64| {
            counter.store(counter.load(Ordering::Relaxed).wrapping_add(more), Ordering::Relaxed);
        };
        add(&self.published, 1);
        add(&self.published_bytes, bytes as u64);
        if routed == 0 {
            add(&self.unmatched, 1);
        } else {
            add(&self.routed, routed as u64);
        }
    }

    #[cold]
    fn count_shared(&self, bytes: usize, routed: usize) {
        self.add(&self.published, 1);
        self.add(&self.published_bytes, bytes as u64);
        self.add(if routed == 0 { &self.unmatched } else { &self.routed }, routed.max(1) as u64);
    }

    /// Copies that found their subscription only after waiting, or were lost. `was_unmatched` if the message had been counted as such.
    pub(crate) fn count_more_routed(&self, copies: u64, was_unmatched: bool) {
        self.add(&self.routed, copies);
        if was_unmatched {
            self.add(&self.unmatched, 1u64.wrapping_neg());
        }
    }

    /// A message of which all copies waited, and whose subscriptions have all ended since.
    pub(crate) fn count_unmatched(&self) {
        self.add(&self.unmatched, 1);
    }

    /// Copies that were counted as routed, and will be again when they come. On the thread that counted them.
    pub(crate) fn count_delayed(&self, copies: u64) {
        self.add(&self.routed, copies.wrapping_neg());
    }

    pub(crate) fn count_panic(&self) {
        self.add(&self.panics, 1);
    }

    pub(crate) fn count_request(&self) {
        self.add(&self.requests, 1);
    }

    #[inline]
    fn add(&self, counter: &AtomicU64, more: u64) {
        if self.is_shared {
            counter.fetch_add(more, Ordering::Relaxed);
        } else {
            counter.store(counter.load(Ordering::Relaxed).wrapping_add(more), Ordering::Relaxed);
        }
    }
}
