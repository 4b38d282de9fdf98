//! One word that counts messages and bytes at once, so that a send and a receive cost one atomic operation each.
//!
//! ```text
//! bit 63            42 41                     4 3     0
//!     | messages (22) |        bytes (38)       | flags |
//! ```
//!
//! Both counts only ever grow and wrap, each in its own field; what is pending is the difference of two words. The difference is
//! exact as long as fewer than 2^22 messages and 2^38 bytes are pending, which the bounds in `limits` ensure. The total of
//! messages is kept in full with the help of a counter of *wraps*, one wrap being 2^21 messages, half of what the field can tell
//! apart: the upper bit of the field says whether the counter of wraps has caught up, so that a reader is right at any moment.

use crate::limits::Limits;
use crate::sync::atomic::{AtomicU64, Ordering};

const FLAG_BITS: u32 = 4;
const BYTE_BITS: u32 = 38;
const MESSAGE_SHIFT: u32 = FLAG_BITS + BYTE_BITS;
const BYTES_MAX: u64 = (1 << BYTE_BITS) - 1;
const FLAGS: u64 = (1 << FLAG_BITS) - 1;
const WRAP_BITS: u32 = 64 - MESSAGE_SHIFT - 1;

// One message of the largest size may be let in over the bound of bytes of another policy's full queue.
const _: () = assert!((Limits::CAPACITY_BYTES_MAX as u64) * 2 < BYTES_MAX);
const _: () = assert!((Limits::CAPACITY_MAX as u64) < 1 << WRAP_BITS);

/// A value of the word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct PackedCounts(pub(super) u64);

impl PackedCounts {
    /// Nothing is let in any more.
    pub(super) const CLOSED: u64 = 1;
    /// A number of messages was set after which the subscription ends.
    pub(super) const LIMITED: u64 = 2;
    /// The ring was full; messages go to the spill until all are taken.
    pub(super) const SPILL: u64 = 4;
    /// Messages were lost since the last one was let in.
    pub(super) const SLOW: u64 = 8;

    #[inline]
    pub(super) fn has(self, flags: u64) -> bool {
        self.0 & flags != 0
    }

    /// One message of `bytes` more; the flags stay.
    #[inline]
    pub(super) fn plus(self, bytes: usize) -> PackedCounts {
        let counted = ((self.0 >> FLAG_BITS).wrapping_add(bytes as u64) & BYTES_MAX) << FLAG_BITS;
        let messages = (self.0 >> MESSAGE_SHIFT).wrapping_add(1) << MESSAGE_SHIFT;
        PackedCounts(messages | counted | self.0 & FLAGS)
    }

    /// Messages and bytes that are counted here and not yet in `taken`.
    #[inline]
    pub(super) fn pending(self, taken: PackedCounts) -> (usize, usize) {
        let messages =
            (self.0 >> MESSAGE_SHIFT).wrapping_sub(taken.0 >> MESSAGE_SHIFT) << MESSAGE_SHIFT >> MESSAGE_SHIFT;
        let bytes = (self.0 >> FLAG_BITS).wrapping_sub(taken.0 >> FLAG_BITS) & BYTES_MAX;
        (messages as usize, bytes as usize)
    }

    /// Whether this message began a wrap.
    #[inline]
    fn begins_wrap(self) -> bool {
        (self.0 >> MESSAGE_SHIFT) & ((1 << WRAP_BITS) - 1) == 0
    }

    fn total(self, wraps: u64) -> u64 {
        let field = self.0 >> MESSAGE_SHIFT;
        let caught_up = (field >> WRAP_BITS) & 1 == wraps & 1;
        ((wraps + u64::from(!caught_up)) << WRAP_BITS) + (field & ((1 << WRAP_BITS) - 1))
    }
}

/// The word with its wraps.
//
// | field | written by                    | read by                   | invariant                            |
// | word  | `step` (compare-exchange), flags (fetch_or, fetch_and)    | all | counts never go back |
// | wraps  | the thread that began a wrap   | `total`                   | behind the word by at most one wrap   |
#[derive(Debug, Default)]
pub(super) struct Counter {
    word: AtomicU64,
    wraps: AtomicU64,
}

impl Counter {
    #[inline]
    pub(super) fn load(&self) -> PackedCounts {
        // ORDERING: SeqCst; a waiter that has registered itself and then reads "nothing pending" here must come before the
        // `step` of a sender that then reads "nobody waits" (both in `queue`).
        PackedCounts(self.word.load(Ordering::SeqCst))
    }

    /// Counts one message of `bytes` if the word is still `seen`; else gives back what it is now.
    #[inline]
    pub(super) fn step(&self, seen: PackedCounts, bytes: usize) -> Result<(), PackedCounts> {
        let next = seen.plus(bytes);
        // ORDERING: SeqCst; see `load`.
        match self.word.compare_exchange_weak(seen.0, next.0, Ordering::SeqCst, Ordering::Relaxed) {
            Ok(_) => {
                if next.begins_wrap() {
                    // ORDERING: Relaxed; `total` knows from the word whether this has happened.
                    self.wraps.fetch_add(1, Ordering::Relaxed);
                }
                Ok(())
            }
            Err(now) => Err(PackedCounts(now)),
        }
    }

    /// Counts one message of `bytes`, whatever the word is.
    #[inline]
    pub(super) fn count(&self, bytes: usize) {
        let mut seen = PackedCounts(self.word.load(Ordering::Relaxed));
        while let Err(now) = self.step(seen, bytes) {
            seen = now;
        }
    }

    /// Raises flags and gives back what the word was.
    pub(super) fn raise(&self, flags: u64) -> PackedCounts {
        PackedCounts(self.word.fetch_or(flags, Ordering::SeqCst))
    }

    /// Lowers flags and gives back what the word was.
    pub(super) fn lower(&self, flags: u64) -> PackedCounts {
        PackedCounts(self.word.fetch_and(!flags, Ordering::SeqCst))
    }

    /// Lowers flags if the word is still `seen`.
    pub(super) fn lower_if(&self, seen: PackedCounts, flags: u64) -> bool {
        self.word.compare_exchange(seen.0, seen.0 & !flags, Ordering::SeqCst, Ordering::Relaxed).is_ok()
    }

    /// All messages counted up to the moment the word was `at`, which must not be a wrap ago.
    pub(super) fn total_at(&self, at: PackedCounts) -> u64 {
        // ORDERING: Relaxed; pairs with nothing: `PackedCounts::total` tells a count that lags from one that does not.
        at.total(self.wraps.load(Ordering::Relaxed))
    }

    /// All messages counted so far.
    pub(super) fn total(&self) -> u64 {
        loop {
            let wraps = self.wraps.load(Ordering::SeqCst);
            let word = self.load();
            if self.wraps.load(Ordering::SeqCst) == wraps {
                return word.total(wraps);
            }
        }
    }
}

#[cfg(all(test, not(postroom_shuttle)))]
mod tests {
    use super::*;

    fn counted(messages: u64, bytes: u64, flags: u64) -> PackedCounts {
        PackedCounts(messages << MESSAGE_SHIFT | (bytes & BYTES_MAX) << FLAG_BITS | flags)
    }

    #[test]
    fn fields_wrap_without_touching_each_other() {
        let full = counted((1 << 22) - 1, BYTES_MAX, PackedCounts::SLOW);
        assert_eq!(full.plus(5), counted(0, 4, PackedCounts::SLOW));
        assert_eq!(full.plus(5).pending(full), (1, 5));
        assert_eq!(counted(3, 7, PackedCounts::CLOSED).pending(counted(1, 2, PackedCounts::SPILL)), (2, 5));
    }

    #[test]
    fn the_total_is_exact_around_every_wrap() {
        let wrap = 1 << WRAP_BITS;
        for wraps in 0..5 {
            for offset in [0, 1, wrap - 1] {
                let word = PackedCounts((wraps * wrap + offset) << MESSAGE_SHIFT);
                assert_eq!(word.total(wraps), wraps * wrap + offset, "caught up");
                if wraps > 0 {
                    assert_eq!(word.total(wraps - 1), wraps * wrap + offset, "one behind");
                }
            }
        }
    }

    #[test]
    fn a_counter_counts_past_its_field() {
        let counter = Counter::default();
        let n = (1 << 22) + 3;
        (0..n).for_each(|_| counter.count(1 << 20));
        assert_eq!(counter.total(), n);
        assert_eq!(counter.total_at(counter.load()), n);
    }
}
