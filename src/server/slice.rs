//! How much a connection's reader does before others get their turn.
//!
//! A read brings thousands of operations, and one of them may go to any number of subscriptions, or search for them for long. So the work
//! is done in slices, bounded in operations and deliveries, and in time; between two of them the runtime's other tasks run. An
//! operation that has begun is finished.

use std::time::Duration;

/// Operations and deliveries of one slice.
const WORK: usize = 2_048;

/// How long a slice lasts, on the bus's clock. A manual clock stands still meanwhile: work alone counts then, and runs repeat.
const TIME: Duration = Duration::from_micros(500);

/// Operations between two looks at the clock, at most. The first looks come sooner.
const LOOK_MAX: u32 = 8;

/// An operation with so many deliveries is looked at on its own.
const MANY: usize = 64;

#[derive(Debug)]
pub(super) struct Slice {
    /// Operations and deliveries.
    left: usize,
    until: Duration,
    /// Operations up to the next look at the clock, and those from there to the one after.
    look_in: u32,
    then: u32,
}

impl Slice {
    pub(super) fn begin(now: Duration) -> Self {
        Slice { left: WORK, until: now.saturating_add(TIME), look_in: 1, then: 2 }
    }

    pub(super) fn count_deliveries(&mut self, deliveries: usize) {
        self.left = self.left.saturating_sub(deliveries);
        if deliveries >= MANY {
            self.look_in = 1;
        }
    }

    /// Whether it was used up, so that there may be much to do the next time as well.
    pub(super) fn is_used_up(&self) -> bool {
        self.left == 0
    }

    /// Counts an operation. True if it was the last one.
    #[inline]
    pub(super) fn ends(&mut self, now: impl FnOnce() -> Duration) -> bool {
        self.left = self.left.saturating_sub(1);
        self.look_in -= 1;
        if self.look_in == 0 {
            self.look_in = self.then;
            self.then = (self.then * 2).min(LOOK_MAX);
            if now() >= self.until {
                self.left = 0;
            }
        }
        self.left == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Operations of one slice, if each has so many deliveries and takes so long.
    fn operations(deliveries: usize, time: Duration) -> u32 {
        let mut slice = Slice::begin(Duration::ZERO);
        for done in 1.. {
            slice.count_deliveries(deliveries);
            if slice.ends(|| time * done) {
                return done;
            }
        }
        unreachable!("it ends")
    }

    #[test]
    fn it_is_bounded_in_operations_deliveries_and_time() {
        assert_eq!(operations(0, Duration::ZERO), 2_048);
        assert_eq!(operations(1, Duration::ZERO), 1_024);
        assert_eq!(operations(100_000, Duration::ZERO), 1);
        assert_eq!(operations(0, TIME), 1);
        assert_eq!(operations(0, TIME * 2 / 5), 3);
        assert_eq!(operations(0, TIME / 20), 23, "looks at 1, 3, 7, 15 and 23");
    }
}
