//! Seeded choice: the only door to luck.
//!
//! Without a seed a bus draws one from the operating system (through the standard library's hasher keys). With a seed, all
//! that it draws (queue group members, inbox names) follows from the seed and the order of calls.

use crate::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::hash::{BuildHasher, Hasher};

/// A seed nobody can predict.
pub(crate) fn entropy() -> u64 {
    std::collections::hash_map::RandomState::new().build_hasher().finish()
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
