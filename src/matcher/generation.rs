//! Generations: how a remembered route learns that it is out of date without asking a lock.
//!
//! Every change of the matcher moves the counter of what it touched, and then the epoch. A route is stamped with the counters
//! as they were *before* its entries were collected; it holds as long as they have not moved. Literal subjects share 1,024
//! counters by their hash and wildcard patterns 256 by that of their first token, so that a storm of subscriptions on some
//! subjects leaves the routes of nearly all others alone.
//
// | field    | written by                              | read by        | invariant                                  |
// | literal, | insert, remove (shard write lock held)  | stamp, holds   | grows with every change that can concern a |
// | wildcard,|                                         |                | subject with that hash                     |
// | first    |                                         |                |                                            |
// | epoch    | the same, after the counter above       | holds          | grows with every change                    |

use crate::sync::Padded;
use crate::sync::atomic::{AtomicU64, Ordering};

// Few in models: making them is most of what a short model does, and shared ones are the harder case.
const LITERAL: usize = if cfg!(postroom_shuttle) { 2 } else { 1024 };
const WILDCARD: usize = if cfg!(postroom_shuttle) { 1 } else { 256 };

#[derive(Debug)]
pub(super) struct Generations {
    epoch: Padded<AtomicU64>,
    literal: Box<[AtomicU64]>,
    /// Wildcard patterns whose first token is literal, by that token's hash.
    wildcard: Box<[AtomicU64]>,
    /// Patterns that begin with a wildcard.
    first: Padded<AtomicU64>,
}

/// The values of the counters of one subject.
#[derive(Clone, Copy, Debug)]
pub(super) struct Stamp {
    epoch: u64,
    literal: u64,
    wildcard: u64,
    first: u64,
}

/// The hashes that decide which counters, and which shard, concern a pattern or a subject.
#[derive(Clone, Copy, Debug)]
pub(super) enum Touched {
    Literal { hash: u64 },
    Wildcard { first_token: u64 },
    WildcardFirst,
}

impl Generations {
    pub(super) fn new() -> Self {
        let counters = |n| (0..n).map(|_| AtomicU64::new(0)).collect();
        Generations {
            epoch: Padded::default(),
            literal: counters(LITERAL),
            wildcard: counters(WILDCARD),
            first: Padded::default(),
        }
    }

    pub(super) fn touch(&self, touched: Touched) {
        let counter = match touched {
            Touched::Literal { hash } => self.literal_of(hash),
            Touched::Wildcard { first_token } => self.wildcard_of(first_token),
            Touched::WildcardFirst => &self.first,
        };
        // ORDERING: Release twice; the epoch's pairs with the Acquire load in `holds`: a thread that sees the new epoch
        // sees the new counter too, and so finds the route out of date. The change itself is ordered by the shard's lock.
        counter.fetch_add(1, Ordering::Release);
        self.epoch.fetch_add(1, Ordering::Release);
    }

    /// To be taken before entries are collected: a change in between makes the stamp too old, never too new.
    pub(super) fn stamp(&self, hash: u64, first_token: u64) -> Stamp {
        // ORDERING: Acquire; the epoch first, so that counters read after it are at least as new.
        Stamp {
            epoch: self.epoch.load(Ordering::Acquire),
            literal: self.literal_of(hash).load(Ordering::Acquire),
            wildcard: self.wildcard_of(first_token).load(Ordering::Acquire),
            first: self.first.load(Ordering::Acquire),
        }
    }

    /// Whether no change since `stamp` concerns its subject. Moves the stamp's epoch on when that is so.
    #[inline]
    pub(super) fn holds(&self, stamp: &mut Stamp, hash: u64, first_token: impl FnOnce() -> u64) -> bool {
        // ORDERING: Acquire; pairs with the Release in `touch`. A subscription made before this publish began (by this
        // thread, or by one it has heard from) is seen by coherence alone: its `touch` happened before.
        if self.epoch.load(Ordering::Acquire) == stamp.epoch {
            return true;
        }
        let now = self.stamp(hash, first_token());
        let same = now.literal == stamp.literal && now.wildcard == stamp.wildcard && now.first == stamp.first;
        if same {
            *stamp = now;
        }
        same
    }

    /// Changes so far.
    pub(super) fn changes(&self) -> u64 {
        self.epoch.load(Ordering::Relaxed)
    }

    fn literal_of(&self, hash: u64) -> &AtomicU64 {
        &self.literal[(hash >> 40) as usize & (LITERAL - 1)]
    }

    fn wildcard_of(&self, first_token: u64) -> &AtomicU64 {
        &self.wildcard[(first_token >> 40) as usize & (WILDCARD - 1)]
    }
}
