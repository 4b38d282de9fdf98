//! Steps of work, counted in tests: how the work of a call grows with what it has to look through.
//!
//! A loop over something that a client, a file or a user controls calls [`count`] for each entry that it looks at or moves. A test compares
//! the counts for two sizes. Times depend on the machine; counts do not. Outside of this crate's own tests nothing is counted, and
//! nothing is left of the call.

/// This thread has looked at, or moved, so many entries.
#[inline(always)]
pub(crate) fn count(entries: usize) {
    #[cfg(test)]
    tests::add(entries);
    let _ = entries;
}

#[cfg(test)]
pub(crate) use tests::assert_linear;

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    thread_local! {
        static STEPS: Cell<usize> = const { Cell::new(0) };
        static MOST: Cell<usize> = const { Cell::new(usize::MAX) };
    }

    pub(super) fn add(entries: usize) {
        STEPS.set(STEPS.get().saturating_add(entries));
        // Told at once: what grows with the square takes very long to come to its end.
        let (steps, most) = (STEPS.get(), MOST.get());
        assert!(steps <= most || std::thread::panicking(), "30 times as much takes more than {most} steps");
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
