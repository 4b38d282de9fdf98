//! From a run that fails to the shortest list of faults that still makes it fail.

use super::chaos::{Chaos, FaultId, FaultRecord, Witness};
use std::any::Any;
use std::collections::BTreeSet;
use std::fmt;
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// Runs of a test that a search may take.
const RUNS_MAX: usize = 1_000;

/// The shortest list of faults with which a test was seen to fail; see [`shrink`].
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Shrunk {
    /// The seed of the kit.
    pub seed: u64,
    /// The faults of the shortest run that failed. None if it fails without any.
    pub faults: Vec<FaultRecord>,
    /// How many faults happened in the first run.
    pub before: usize,
    /// How often the test was run.
    pub runs: usize,
    /// The text of the panic of the shortest run.
    pub panic: String,
}

impl fmt::Display for Shrunk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Shrunk { seed, faults, before, runs, panic } = self;
        writeln!(f, "with seed {seed} the test fails: {panic}")?;
        match faults.len() {
            0 => write!(f, "it fails without any fault ({before} happened at first; {runs} runs)"),
            len => write!(f, "{len} of {before} faults are enough for that ({runs} runs):"),
        }?;
        faults.iter().try_for_each(|fault| write!(f, "\n  {fault}"))
    }
}

/// Runs `test`; if it panics, runs it again with ever fewer of the faults that happened, and gives back the shortest list with which it still
/// panics: without any one of them, it does not. `None` if it passes.
///
/// The test builds its kit with the [`Chaos`] that it is given, which has the seed and says which faults may happen, and uses no other.
/// Each run should do the same where nothing fails: what depends on the order of threads may give a list that is longer than it need be. At
/// most 1,000 runs.
///
/// # Example
///
/// ```
/// use postroom::TestKit;
/// use postroom::testkit::{shrink, Chaos, Fault};
///
/// // Counts wrong if a message comes twice.
/// let test = |chaos: Chaos| {
///     let kit = TestKit::builder().chaos(chaos).build();
///     let counted = kit.client().subscribe("orders").unwrap();
///     let client = kit.bus().connect();
///     (0..20).for_each(|_| drop(client.publish("orders", "").unwrap()));
///     assert_eq!(counted.len(), 20);
/// };
/// let chaos = Chaos::new().with(Fault::redelivery().chance(0.5)).seed(7);
/// let shrunk = shrink(chaos, test).expect("it fails");
/// assert_eq!(shrunk.faults.len(), 1, "{shrunk}");
/// assert!(shrunk.before > 1);
/// ```
pub fn shrink(chaos: Chaos, test: impl Fn(Chaos)) -> Option<Shrunk> {
    let seed = chaos.seed_or(0);
    let mut search = Search { chaos: chaos.seed(seed), test, runs: 0 };
    let first = search.run(None)?;
    let before = first.faults.len();
    let mut best = first;
    if let Some(without) = search.run(Some(&[])) {
        best = without;
        best.faults.clear();
    } else {
        search.minimise(&mut best);
    }
    let Failure { faults, panic } = best;
    Some(Shrunk { seed, faults, before, runs: search.runs, panic })
}

/// Runs `test` with each of these seeds until one fails, and then [`shrink`]s that run.
///
/// # Panics
///
/// With the seed and the shortest list of faults, if a run fails.
#[track_caller]
pub fn explore(seeds: Range<u64>, chaos: Chaos, test: impl Fn(Chaos)) {
    for seed in seeds {
        if let Some(shrunk) = shrink(chaos.clone().seed(seed), &test) {
            panic!("{shrunk}\nChaos::seed({seed}) repeats it; all faults:\n{chaos}");
        }
    }
}

/// A run that failed.
struct Failure {
    faults: Vec<FaultRecord>,
    panic: String,
}

impl Failure {
    fn ids(&self) -> Vec<FaultId> {
        let ids: BTreeSet<_> = self.faults.iter().map(|fault| fault.id).collect();
        ids.into_iter().collect()
    }
}

struct Search<F> {
    chaos: Chaos,
    test: F,
    runs: usize,
}

impl<F: Fn(Chaos)> Search<F> {
    /// With only these faults, of all that would happen; `None` if the test passes.
    fn run(&mut self, only: Option<&[FaultId]>) -> Option<Failure> {
        self.runs += 1;
        let witness = Witness::default();
        let mut chaos = self.chaos.clone().seen_by(&witness);
        if let Some(only) = only {
            chaos = chaos.only(only.iter().copied().collect());
        }
        let panic = catch_unwind(AssertUnwindSafe(|| (self.test)(chaos))).err()?;
        Some(Failure { faults: witness.records(), panic: text(panic) })
    }

    /// Delta debugging: parts of the list are left out, larger ones first, until none can be.
    fn minimise(&mut self, best: &mut Failure) {
        let mut parts = 2;
        loop {
            let ids = best.ids();
            let size = ids.len().div_ceil(parts).max(1);
            let mut shorter = None;
            for from in (0..ids.len()).step_by(size) {
                if self.runs >= RUNS_MAX {
                    return;
                }
                let to = (from + size).min(ids.len());
                let rest: Vec<_> = ids[..from].iter().chain(&ids[to..]).copied().collect();
                if rest.is_empty() {
                    // Tried before: it takes at least one.
                    continue;
                }
                // Fewer faults may happen than may: then those that happened are the list.
                shorter = self.run(Some(&rest)).filter(|failure| failure.ids().len() < ids.len());
                if shorter.is_some() {
                    break;
                }
            }
            match shorter {
                Some(failure) => {
                    *best = failure;
                    parts = parts.saturating_sub(1).max(2);
                }
                None if size == 1 => return,
                None => parts = (parts * 2).min(ids.len()),
            }
        }
    }
}

fn text(panic: Box<dyn Any + Send>) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_else(|| "a panic without a text".into())
}
