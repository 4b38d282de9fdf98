//! Rounds, pinning and the clock: everything the workloads share and none of what they measure.

use std::time::Instant;

use core_affinity::CoreId;

use crate::samples::Measured;
pub(crate) use crate::samples::per_message;

/// One side of a workload: runs `iterations` and says how many nanoseconds a message took.
pub(crate) type Side = fn(&Setup, u64) -> f64;

/// The parameters of every side.
pub(crate) struct Setup {
    cores: Vec<CoreId>,
    /// The bound of the floor's channels, in messages.
    pub(crate) capacity: usize,
}

impl Setup {
    /// Looks up the cores before anything is pinned: afterwards a thread sees only the one it sits on.
    pub(crate) fn new(wanted: &[usize], capacity: usize) -> Result<Self, String> {
        let allowed = core_affinity::get_core_ids().unwrap_or_default();
        let cores = if wanted.is_empty() {
            allowed
        } else {
            let find = |id: &usize| {
                let found = allowed.iter().find(|core| core.id == *id).copied();
                found.ok_or_else(|| format!("core {id} is not one this process may use"))
            };
            wanted.iter().map(find).collect::<Result<_, _>>()?
        };
        if cores.is_empty() { Err("no core to pin to".to_owned()) } else { Ok(Self { cores, capacity }) }
    }

    /// How many different cores there are to pin to.
    pub(crate) fn cores(&self) -> usize {
        self.cores.len()
    }

    /// The ids of the first two cores, for the report.
    pub(crate) fn pinned_to(&self) -> Vec<usize> {
        self.cores.iter().take(2).map(|core| core.id).collect()
    }

    /// Pins the calling thread to the first (0) or second (1) core. An unpinned thread wanders, and its figures with it.
    pub(crate) fn pin(&self, place: usize) {
        assert!(
            core_affinity::set_for_current(self.cores[place]),
            "cannot pin a thread to core {:?}",
            self.cores[place]
        );
    }
}

/// Runs `one` for an eighth of the iterations to warm up, then for all of them against the clock.
#[inline]
pub(crate) fn time(iterations: u64, mut one: impl FnMut()) -> f64 {
    for _ in 0..iterations / 8 {
        one();
    }
    let start = Instant::now();
    for _ in 0..iterations {
        one();
    }
    per_message(start.elapsed(), iterations)
}

/// [`time`] for steps that wait, which a closure cannot do on a spawned task: `while watch.turn() { step.await }`.
pub(crate) struct Watch {
    warm_up: u64,
    iterations: u64,
    turns: u64,
    start: Instant,
}

impl Watch {
    pub(crate) fn new(iterations: u64) -> Self {
        Self { warm_up: iterations / 8, iterations, turns: 0, start: Instant::now() }
    }

    /// Whether there is another turn to make. The clock starts after an eighth of them.
    #[inline]
    pub(crate) fn turn(&mut self) -> bool {
        if self.turns == self.warm_up {
            self.start = Instant::now();
        }
        self.turns += 1;
        self.turns <= self.warm_up + self.iterations
    }

    /// Nanoseconds a turn took.
    pub(crate) fn per_turn(&self) -> f64 {
        per_message(self.start.elapsed(), self.iterations)
    }
}

/// Runs the two sides in turn, so that a machine that slows down slows both.
pub(crate) fn interleave(setup: &Setup, iterations: u64, rounds: usize, floor: Side, ours: Side) -> Measured {
    let mut measured = Measured::default();
    for _ in 0..rounds {
        measured.theirs.push(floor(setup, iterations));
        measured.ours.push(ours(setup, iterations));
    }
    measured
}
