//! Seeded choice: the only door to luck.
//!
//! Without a seed a bus draws one from the operating system (through the standard library's hasher keys). With a seed, all
//! that it draws (queue group members, inbox names) follows from the seed and the order of calls.
//!
//! Choices that others see the outcome of come from an [`Rng`], whose state could be computed from enough of them. Numbers that others
//! must not know in advance come from a [`Secret`], and from a key that nothing else uses.

use crate::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::hash::{BuildHasher, Hasher, RandomState};

/// A seed that cannot be predicted.
pub(crate) fn entropy() -> u64 {
    RandomState::new().build_hasher().finish()
}

/// Numbers of which those that were seen do not tell the others.
#[derive(Debug)]
pub(crate) enum Secret {
    /// SipHash under 128 bits from the operating system: a keyed function whose outputs tell nothing of its key.
    Keyed(RandomState),
    /// Values that follow from a seed are for runs that repeat, and can be computed.
    Seeded(u64),
}

impl Secret {
    pub(crate) fn new(seed: Option<u64>) -> Self {
        seed.map_or_else(|| Secret::Keyed(RandomState::new()), Secret::Seeded)
    }

    /// Number `nth` of those that belong to `of`: 64 bits.
    pub(crate) fn number(&self, of: u64, nth: u64) -> u64 {
        match self {
            Secret::Keyed(key) => key.hash_one((of, nth)),
            Secret::Seeded(seed) => Rng::new(Rng::new(*seed, of).bits(), nth).bits(),
        }
    }

    /// A number below `4.pow(half)` for each of those, no two the same: a Feistel network of four rounds.
    pub(crate) fn permuted(&self, of: u64, number: u64, half: u32) -> u64 {
        let mask = (1 << half) - 1;
        let (mut left, mut right) = (number >> half & mask, number & mask);
        for round in 0..4 {
            (left, right) = (right, left ^ self.number(of, round << half | right) & mask);
        }
        left << half | right
    }
}

/// The uses of secret numbers: no two uses draw the same number.
#[derive(Clone, Copy)]
#[repr(u64)]
pub(crate) enum Use {
    Connection,
    Request,
    Inbox,
    Random,
}

impl Use {
    /// For this connection; connection 0 is the bus.
    pub(crate) fn of(self, connection: u64) -> u64 {
        connection << 2 | self as u64
    }
}

/// A stream of choices that one thread draws from; others may only make it.
///
/// The state is an atomic so that it can lie in shared per-thread storage, but it is read and written without a
/// read-modify-write: two threads drawing at once would only see the same numbers.
#[derive(Debug)]
pub(crate) struct Rng(AtomicU64);

impl Rng {
    /// Streams of one `seed` with different `stream` numbers are unrelated.
    pub(crate) fn new(seed: u64, stream: u64) -> Self {
        let mut mixer = fastrand::Rng::with_seed(seed ^ stream.wrapping_mul(0x9E37_79B9_7F4A_7C15));
        Rng(AtomicU64::new(mixer.u64(..)))
    }

    fn draw<R>(&self, f: impl FnOnce(&mut fastrand::Rng) -> R) -> R {
        // ORDERING: Relaxed; one thread draws, and the value publishes nothing.
        let mut rng = fastrand::Rng::with_seed(self.0.load(Relaxed));
        let drawn = f(&mut rng);
        self.0.store(rng.get_seed(), Relaxed);
        drawn
    }

    /// A number below `bound`, each equally likely. Panics if `bound` is 0.
    #[inline]
    pub(crate) fn below(&self, bound: usize) -> usize {
        self.draw(|rng| rng.usize(..bound))
    }

    /// 64 random bits.
    pub(crate) fn bits(&self) -> u64 {
        self.draw(|rng| rng.u64(..))
    }
}

#[cfg(all(test, not(postroom_shuttle)))]
mod tests {
    use super::*;

    #[test]
    fn secret_numbers_repeat_for_a_seed_only_and_permute_without_a_collision() {
        let draw = |seed| {
            let secret = Secret::new(seed);
            (0..16).map(|n| (secret.number(1, n), secret.number(2, n))).collect::<Vec<_>>()
        };
        assert_eq!(draw(Some(7)), draw(Some(7)));
        assert_ne!(draw(Some(7)), draw(Some(8)));
        assert_ne!(draw(None), draw(None));
        for secret in [Secret::new(None), Secret::new(Some(7))] {
            let permuted: std::collections::BTreeSet<_> = (0..1 << 10).map(|n| secret.permuted(0, n, 5)).collect();
            assert_eq!(
                (permuted.len(), permuted.first(), permuted.last()),
                (1 << 10, Some(&0), Some(&((1 << 10) - 1)))
            );
        }
    }

    #[test]
    fn same_seed_and_stream_repeat_and_other_streams_differ() {
        let draw = |seed, stream| {
            let rng = Rng::new(seed, stream);
            (0..16).map(|_| rng.below(1000)).collect::<Vec<_>>()
        };
        assert_eq!(draw(7, 1), draw(7, 1));
        assert_ne!(draw(7, 1), draw(7, 2));
        assert_ne!(draw(7, 1), draw(8, 1));
    }
}
