//! Steps of work, counted in tests: how the work of a call grows with what it has to look through.
//!
//! A loop over something that a client, a file or a user controls calls [`count`] for each entry that it looks at or moves. A test compares
//! the counts for two sizes. Times depend on the machine; counts do not. Outside of this crate's own tests nothing is counted, and
//! nothing is left of the call.

/// This thread now holds so many locks.
#[cfg(debug_assertions)]
#[inline(always)]
pub(crate) fn holds(locks: usize) {
    #[cfg(test)]
    tests::holds(locks);
    let _ = locks;
}

/// This thread has looked at, or moved, so many entries.
#[inline(always)]
pub(crate) fn count(entries: usize) {
    #[cfg(test)]
    tests::add(entries);
    let _ = entries;
}

#[cfg(all(test, debug_assertions, not(postroom_shuttle)))]
pub(crate) use tests::assert_few_under_a_lock;
#[cfg(test)]
pub(crate) use tests::{assert_counts, assert_linear};

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    thread_local! {
        static STEPS: Cell<usize> = const { Cell::new(0) };
        static MOST: Cell<usize> = const { Cell::new(usize::MAX) };
        static LOCKS: Cell<usize> = const { Cell::new(0) };
        /// Since this thread last held no lock.
        static LOCKED: Cell<usize> = const { Cell::new(0) };
        static MOST_LOCKED: Cell<usize> = const { Cell::new(usize::MAX) };
    }

    pub(super) fn add(entries: usize) {
        STEPS.set(STEPS.get().saturating_add(entries));
        if LOCKS.get() > 0 {
            LOCKED.set(LOCKED.get() + entries);
            let (locked, most) = (LOCKED.get(), MOST_LOCKED.get());
            assert!(locked <= most || std::thread::panicking(), "more than {most} steps while a lock is held");
        }
        // Told at once: what grows with the square takes very long to come to its end.
        let (steps, most) = (STEPS.get(), MOST.get());
        assert!(steps <= most || std::thread::panicking(), "30 times as much takes more than {most} steps");
    }

    #[cfg(debug_assertions)]
    pub(super) fn holds(locks: usize) {
        LOCKS.set(locks);
        if locks == 0 {
            LOCKED.set(0);
        }
    }

    /// Checks that `work` takes at most `most` steps on this thread between taking a lock and holding none.
    #[cfg(all(debug_assertions, not(postroom_shuttle)))]
    #[track_caller]
    pub(crate) fn assert_few_under_a_lock<R>(most: usize, work: impl FnOnce() -> R) -> R {
        let before = STEPS.get();
        MOST_LOCKED.set(most);
        let done = work();
        MOST_LOCKED.set(usize::MAX);
        assert!(STEPS.get() > before, "no step was counted");
        done
    }

    /// Checks that `work` takes so many steps on this thread.
    #[track_caller]
    pub(crate) fn assert_counts(steps: usize, work: impl FnOnce()) {
        let before = STEPS.get();
        work();
        assert_eq!(STEPS.get() - before, steps, "steps");
    }

    /// Checks that 30 times as much of something costs hardly more than 30 times the steps. `work` is given how much, and does it on this
    /// thread.
    #[track_caller]
    pub(crate) fn assert_linear(work: impl Fn(usize)) {
        let few = steps_of(&work, 1_000, usize::MAX);
        assert!(few > 0, "no step was counted");
        steps_of(&work, 30_000, few * 35);
    }

    fn steps_of(work: &impl Fn(usize), size: usize, most: usize) -> usize {
        STEPS.set(0);
        MOST.set(most);
        work(size);
        MOST.set(usize::MAX);
        STEPS.get()
    }
}
