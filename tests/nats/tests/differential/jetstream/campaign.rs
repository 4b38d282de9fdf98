//! Many sequences on two servers.

use super::generate::sequence;
use super::servers::Host;
use super::shrink::Pair;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// Sessions at once. They mostly wait.
const WORKERS: usize = 8;

/// After so many differences the campaign ends.
const DIFFERENCES_MAX: u64 = 6;

/// How often a sequence that differed is repeated. A difference that does not come again twice is one of luck.
const REPETITIONS: u32 = 3;

/// The results of a campaign.
#[derive(Debug, Default)]
pub(crate) struct Report {
    sequences: u64,
    operations: u64,
    took: Duration,
    /// Differences that come again, made small.
    steady: Vec<(u64, String)>,
    /// Differences that came once.
    once: Vec<(u64, String)>,
    /// Operations by kind.
    kinds: BTreeMap<String, u64>,
}

impl Report {
    /// No difference comes again; and at most two sequences, and one more of 200, show one that does not: where a busy machine holds a
    /// server up for longer than an answer is awaited.
    pub(crate) fn is_clean(&self) -> bool {
        self.steady.is_empty() && self.once.len() as u64 <= 2 + self.sequences / 200
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Report { sequences, operations, took, steady, once, kinds } = self;
        writeln!(f, "{sequences} JetStream sequences, {operations} operations, {:.1} s", took.as_secs_f64())?;
        writeln!(f, "{} differ; {} differed once", steady.len(), once.len())?;
        kinds.iter().try_for_each(|(kind, count)| writeln!(f, "  {count:7}  {kind}"))?;
        for (number, text) in once {
            writeln!(f, "---- sequence {number} differed once:\n{text}")?;
        }
        for (number, text) in steady {
            writeln!(f, "==== sequence {number} differs; again with POSTROOM_SEQUENCE={number}:\n{text}")?;
        }
        Ok(())
    }
}

/// Runs random sequences on both servers: as many as `POSTROOM_SEQUENCES` says, or this many; or the one that `POSTROOM_SEQUENCE`
/// names. `POSTROOM_SEED` chooses others.
pub(crate) fn campaign(count: u64, hosts: &[Host; 2]) -> Report {
    let number = |name: &str| {
        let text = std::env::var(name).ok()?;
        Some(text.parse::<u64>().unwrap_or_else(|error| panic!("{name}={text}: {error}")))
    };
    let seed = number("POSTROOM_SEED").unwrap_or(2_151);
    let one = number("POSTROOM_SEQUENCE");
    let range = one.map_or(0..number("POSTROOM_SEQUENCES").unwrap_or(count), |one| one..one + 1);
    let next = AtomicU64::new(range.start);
    let differences = AtomicU64::new(0);
    let began = Instant::now();
    let mut report = Report::default();
    std::thread::scope(|scope| {
        let work = |worker| {
            let (next, differences) = (&next, &differences);
            scope.spawn(move || {
                let mut pair = Pair::new(hosts, worker);
                let mut report = Report::default();
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    if number >= range.end || differences.load(Ordering::Relaxed) >= DIFFERENCES_MAX {
                        return report;
                    }
                    one_sequence(&mut pair, seed, number, &mut report, differences);
                }
            })
        };
        let workers: Vec<_> = (0..WORKERS).map(work).collect();
        for worker in workers {
            let part = worker.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
            report.sequences += part.sequences;
            report.operations += part.operations;
            report.steady.extend(part.steady);
            report.once.extend(part.once);
            part.kinds.into_iter().for_each(|(kind, count)| *report.kinds.entry(kind).or_default() += count);
        }
    });
    report.took = began.elapsed();
    report
}

fn one_sequence(pair: &mut Pair<'_>, seed: u64, number: u64, report: &mut Report, differences: &AtomicU64) {
    let sequence = sequence(seed, number);
    report.sequences += 1;
    report.operations += sequence.ops.len() as u64;
    for op in &sequence.ops {
        *report.kinds.entry(op.kind()).or_default() += 1;
    }
    let Err(first) = pair.attempt(&sequence) else { return };
    let again: Vec<String> = (0..REPETITIONS).filter_map(|_| pair.attempt(&sequence).err()).collect();
    match again.into_iter().nth(1) {
        Some(difference) => {
            differences.fetch_add(1, Ordering::Relaxed);
            report.steady.push((number, pair.shrink(sequence, difference)));
        }
        None => report.once.push((number, first)),
    }
}
