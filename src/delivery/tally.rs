//! One word that counts messages and bytes at once, so that a send and a receive cost one atomic operation each.
//!
//! ```text
//! bit 63            42 41                     4 3     0
//!     | messages (22) |        bytes (38)       | flags |
//! ```
//!
//! Both counts only ever grow and wrap, each in its own field; what is pending is the difference of two words. The difference is
//! exact as long as fewer than 2^22 messages and 2^38 bytes are pending, which the bounds in `limits` ensure. The total of
//! messages is kept in full with the help of a counter of *laps*, one lap being 2^21 messages, half of what the field can tell
//! apart: the upper bit of the field says whether the lap counter has caught up, so that a reader is right at any moment.

use crate::limits::Limits;
use crate::sync::atomic::{AtomicU64, Ordering};

const FLAG_BITS: u32 = 4;
const BYTE_BITS: u32 = 38;
const MESSAGE_SHIFT: u32 = FLAG_BITS + BYTE_BITS;
const BYTES_MAX: u64 = (1 << BYTE_BITS) - 1;
const FLAGS: u64 = (1 << FLAG_BITS) - 1;
const LAP_BITS: u32 = 64 - MESSAGE_SHIFT - 1;

// One message of the largest size may be let in over the bound of bytes of another policy's full queue.
const _: () = assert!((Limits::CAPACITY_BYTES_MAX as u64) * 2 < BYTES_MAX);
const _: () = assert!((Limits::CAPACITY_MAX as u64) < 1 << LAP_BITS);

/// A value of the word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Tally(pub(super) u64);

impl Tally {
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
    pub(super) fn plus(self, bytes: usize) -> Tally {
        let counted = ((self.0 >> FLAG_BITS).wrapping_add(bytes as u64) & BYTES_MAX) << FLAG_BITS;
        let messages = (self.0 >> MESSAGE_SHIFT).wrapping_add(1) << MESSAGE_SHIFT;
        Tally(messages | counted | self.0 & FLAGS)
    }

    /// Messages and bytes that are counted here and not yet in `taken`.
    #[inline]
    pub(super) fn pending(self, taken: Tally) -> (usize, usize) {
        let messages =
            (self.0 >> MESSAGE_SHIFT).wrapping_sub(taken.0 >> MESSAGE_SHIFT) << MESSAGE_SHIFT >> MESSAGE_SHIFT;
        let bytes = (self.0 >> FLAG_BITS).wrapping_sub(taken.0 >> FLAG_BITS) & BYTES_MAX;
        (messages as usize, bytes as usize)
    }

    /// Whether this message began a lap.
    #[inline]
    fn begins_lap(self) -> bool {
        (self.0 >> MESSAGE_SHIFT) & ((1 << LAP_BITS) - 1) == 0
    }

    fn total(self, laps: u64) -> u64 {
        let field = self.0 >> MESSAGE_SHIFT;
        let caught_up = (field >> LAP_BITS) & 1 == laps & 1;
        ((laps + u64::from(!caught_up)) << LAP_BITS) + (field & ((1 << LAP_BITS) - 1))
    }
}

/// The word with its laps.
//
// | field | written by                    | read by                   | invariant                            |
// | word  | `step` (compare-exchange), flags (fetch_or, fetch_and)    | all | counts never go back |
// | laps  | the thread that began a lap   | `total`                   | behind the word by at most one lap   |
#[derive(Debug, Default)]
pub(super) struct Counter {
    word: AtomicU64,
    laps: AtomicU64,
}

impl Counter {
    #[inline]
    pub(super) fn load(&self) -> Tally {
        // ORDERING: SeqCst; a waiter that has registered itself and then reads "nothing pending" here must come before the
        // `step` of a sender that then reads "nobody waits" (both in `mailbox`).
        Tally(self.word.load(Ordering::SeqCst))
    }

    /// Counts one message of `bytes` if the word is still `seen`; else gives back what it is now.
    #[inline]
    pub(super) fn step(&self, seen: Tally, bytes: usize) -> Result<(), Tally> {
        let next = seen.plus(bytes);
        // ORDERING: SeqCst; see `load`.
        match self.word.compare_exchange_weak(seen.0, next.0, Ordering::SeqCst, Ordering::Relaxed) {
            Ok(_) => {
                if next.begins_lap() {
                    // ORDERING: Relaxed; `total` knows from the word whether this has happened.
                    self.laps.fetch_add(1, Ordering::Relaxed);
                }
                Ok(())
            }
            Err(now) => Err(Tally(now)),
        }
    }

    /// Counts one message of `bytes`, whatever the word is.
    #[inline]
    pub(super) fn count(&self, bytes: usize) {
        let mut seen = Tally(self.word.load(Ordering::Relaxed));
        while let Err(now) = self.step(seen, bytes) {
            seen = now;
        }
    }

    /// Raises flags and gives back what the word was.
    pub(super) fn raise(&self, flags: u64) -> Tally {
        Tally(self.word.fetch_or(flags, Ordering::SeqCst))
    }

    /// Lowers flags and gives back what the word was.
    pub(super) fn lower(&self, flags: u64) -> Tally {
        Tally(self.word.fetch_and(!flags, Ordering::SeqCst))
    }

    /// Lowers flags if the word is still `seen`.
    pub(super) fn lower_if(&self, seen: Tally, flags: u64) -> bool {
        self.word.compare_exchange(seen.0, seen.0 & !flags, Ordering::SeqCst, Ordering::Relaxed).is_ok()
    }

    /// All messages counted up to the moment the word was `at`, which must not be a lap ago.
    pub(super) fn total_at(&self, at: Tally) -> u64 {
        // ORDERING: Relaxed; pairs with nothing: `Tally::total` tells a count that lags from one that does not.
        at.total(self.laps.load(Ordering::Relaxed))
    }

    /// All messages counted so far.
    pub(super) fn total(&self) -> u64 {
        loop {
            let laps = self.laps.load(Ordering::SeqCst);
            let word = self.load();
            if self.laps.load(Ordering::SeqCst) == laps {
                return word.total(laps);
            }
        }
    }
}

#[cfg(all(test, not(postroom_shuttle)))]
mod tests {
    use super::*;

    fn counted(messages: u64, bytes: u64, flags: u64) -> Tally {
        Tally(messages << MESSAGE_SHIFT | (bytes & BYTES_MAX) << FLAG_BITS | flags)
    }

    #[test]
    fn fields_wrap_without_touching_each_other() {
        let full = counted((1 << 22) - 1, BYTES_MAX, Tally::SLOW);
        assert_eq!(full.plus(5), counted(0, 4, Tally::SLOW));
        assert_eq!(full.plus(5).pending(full), (1, 5));
        assert_eq!(counted(3, 7, Tally::CLOSED).pending(counted(1, 2, Tally::SPILL)), (2, 5));
    }

    #[test]
    fn the_total_is_exact_around_every_lap() {
        let lap = 1 << LAP_BITS;
        for laps in 0..5 {
            for offset in [0, 1, lap - 1] {
                let word = Tally((laps * lap + offset) << MESSAGE_SHIFT);
                assert_eq!(word.total(laps), laps * lap + offset, "caught up");
                if laps > 0 {
                    assert_eq!(word.total(laps - 1), laps * lap + offset, "one behind");
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
