//! Many sequences on two servers; a failure, shrunk.

use super::compare::{Difference, Needed, TOLERANCES, compare};
use super::generate;
use super::operation::Sequence;
use super::profile::{MIX, Profile};
use super::run::{Conversation, Target, Transcript, Write, greetings, run, writes};
use crate::support::wire::{Frame, show};
use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use std::collections::BTreeMap;
use std::fmt;
use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// The settings of a campaign.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    /// Which sequences of the seed: their numbers.
    pub(crate) sequences: Range<u64>,
    pub(crate) seed: u64,
    /// Only this profile.
    pub(crate) profile: Option<String>,
    /// Threads, each with servers of its own.
    pub(crate) workers: usize,
    /// How long a server may be silent before it counts as stalled.
    pub(crate) patience: Duration,
}

impl Settings {
    /// As many sequences as `POSTROOM_SEQUENCES` says, or this many; of the seed `POSTROOM_SEED`, or of one that never changes. A failure
    /// says what to set to see it again. `POSTROOM_PROFILE` leaves only the sequences of one configuration.
    pub(crate) fn from_environment(sequences: u64) -> Self {
        let number = |name: &str| {
            let text = std::env::var(name).ok()?;
            Some(text.parse::<u64>().unwrap_or_else(|error| panic!("{name}={text}: {error}")))
        };
        let count = number("POSTROOM_SEQUENCES").unwrap_or(sequences);
        let one = number("POSTROOM_SEQUENCE").map(|one| one..one + 1);
        Settings {
            sequences: one.unwrap_or(0..count),
            seed: number("POSTROOM_SEED").unwrap_or(2_151),
            profile: std::env::var("POSTROOM_PROFILE").ok(),
            workers: 2,
            patience: Duration::from_secs(10),
        }
    }
}

/// Gives the two servers to compare, configured alike.
pub(crate) type MakePair<'a> = &'a (dyn Fn(&Profile) -> [Target; 2] + Sync);

/// The results of a campaign.
#[derive(Clone, Debug, Default)]
pub(crate) struct Report {
    pub(crate) sequences: u64,
    pub(crate) operations: u64,
    pub(crate) needed: Needed,
    /// The output of the second server: frames by kind, and the texts of -ERR without their quoted parts.
    pub(crate) frames: BTreeMap<String, u64>,
    pub(crate) failures: Vec<Failure>,
    pub(crate) took: Duration,
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Report { sequences, operations, took, .. } = self;
        writeln!(f, "{sequences} sequences, {operations} operations, {:.1} s", took.as_secs_f64())?;
        writeln!(f, "steps in which a tolerance was needed:")?;
        for ((name, rule), needed) in TOLERANCES.iter().zip(self.needed) {
            writeln!(f, "  {needed:7}  {name} ({rule})")?;
        }
        writeln!(f, "frames received:")?;
        self.frames.iter().try_for_each(|(kind, count)| writeln!(f, "  {count:7}  {kind}"))?;
        self.failures.iter().try_for_each(|failure| writeln!(f, "\n{failure}"))
    }
}

/// A sequence on which the servers differ, as small as it could be made.
#[derive(Clone, Debug)]
pub(crate) struct Failure {
    pub(crate) profile: &'static str,
    pub(crate) seed: u64,
    pub(crate) number: u64,
    pub(crate) text: String,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Failure { profile, seed, number, text } = self;
        writeln!(
            f,
            "==== sequence {number} of seed {seed}, profile {profile}; again with POSTROOM_SEED={seed} POSTROOM_SEQUENCE={number}"
        )?;
        f.write_str(text)
    }
}

/// After so many it stops.
const FAILURES_MAX: u64 = 3;

/// Bytes of a worker's stack: generated strategies are large values that are made on it.
const STACK: usize = 32 << 20;

/// Runs the sequences on both servers.
pub(crate) fn campaign(settings: &Settings, make: MakePair<'_>) -> Report {
    let began = Instant::now();
    let next = AtomicU64::new(settings.sequences.start);
    let failures = AtomicU64::new(0);
    let mut report = Report::default();
    std::thread::scope(|scope| {
        let spawn = |_| {
            let builder = std::thread::Builder::new().stack_size(STACK);
            builder.spawn_scoped(scope, || work(settings, make, &next, &failures)).expect("a thread")
        };
        let workers: Vec<_> = (0..settings.workers).map(spawn).collect();
        for worker in workers {
            let part = worker.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
            report.sequences += part.sequences;
            report.operations += part.operations;
            report.failures.extend(part.failures);
            report.needed.iter_mut().zip(part.needed).for_each(|(all, part)| *all += part);
            part.frames.into_iter().for_each(|(kind, count)| *report.frames.entry(kind).or_default() += count);
        }
    });
    report.took = began.elapsed();
    report
}

fn work(settings: &Settings, make: MakePair<'_>, next: &AtomicU64, failures: &AtomicU64) -> Report {
    let mut report = Report::default();
    let mut pairs = BTreeMap::<&str, [Target; 2]>::new();
    loop {
        let number = next.fetch_add(1, Ordering::Relaxed);
        if number >= settings.sequences.end || failures.load(Ordering::Relaxed) >= FAILURES_MAX {
            return report;
        }
        let profile = MIX[usize::try_from(number).expect("a small number") % MIX.len()];
        if settings.profile.as_ref().is_some_and(|only| only != profile.name) {
            continue;
        }
        let targets = pairs.entry(profile.name).or_insert_with(|| make(profile));
        let mut tree = tree(settings.seed, number, profile);
        let sequence = tree.current();
        report.sequences += 1;
        report.operations += sequence.operations() as u64;
        match attempt(&sequence, profile, targets, settings.patience) {
            Ok((needed, transcript)) => {
                report.needed.iter_mut().zip(needed).for_each(|(all, one)| *all += one);
                count_frames(&transcript, &mut report.frames);
            }
            Err(first) => {
                let text = shrink(tree.as_mut(), profile, targets, first);
                report.failures.push(Failure { profile: profile.name, seed: settings.seed, number, text });
                failures.fetch_add(1, Ordering::Relaxed);
            }
        }
    }
}

/// A sequence, with all that it can be shrunk to.
fn tree(seed: u64, number: u64, profile: &Profile) -> Box<dyn ValueTree<Value = Sequence>> {
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&seed.to_le_bytes());
    bytes[8..16].copy_from_slice(&number.to_le_bytes());
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &bytes);
    let mut runner = TestRunner::new_with_rng(Config::default(), rng);
    Box::new(generate::sequence(profile).new_tree(&mut runner).expect("the strategy rejects next to nothing"))
}

/// A run on both servers that differed.
struct Differing {
    difference: Box<Difference>,
    greetings: Vec<Vec<u8>>,
    writes: Vec<Write>,
    transcripts: [Transcript; 2],
}

fn attempt(
    sequence: &Sequence,
    profile: &Profile,
    targets: &mut [Target; 2],
    patience: Duration,
) -> Result<(Needed, Transcript), Box<Differing>> {
    let (greetings, writes) = (greetings(sequence, profile), writes(sequence, profile));
    let transcripts = targets.each_mut().map(|target| run(target, &greetings, &writes, patience));
    let stall = transcripts.iter().find_map(|transcript| transcript.stalled.as_ref());
    let outcome = match (compare(&transcripts[0], &transcripts[1]), stall) {
        (Ok(needed), None) => Ok(needed),
        // Both alike: then it is the sequence that is wrong.
        (Ok(_), Some(stall)) => {
            let views = [format!("    {stall:?}\n"), format!("    {stall:?}\n")];
            Err(Box::new(Difference { step: transcripts[0].steps.len(), views }))
        }
        (Err(difference), _) => Err(difference),
    };
    match outcome {
        Ok(needed) => {
            let [_, second] = transcripts;
            Ok((needed, second))
        }
        Err(difference) => Err(Box::new(Differing { difference, greetings, writes, transcripts })),
    }
}

/// Makes it as small as it can be made; gives the text of what is left.
fn shrink(
    tree: &mut dyn ValueTree<Value = Sequence>,
    profile: &Profile,
    targets: &mut [Target; 2],
    first: Box<Differing>,
) -> String {
    // A server that stalls is waited for again and again, so less long.
    const PATIENCE: Duration = Duration::from_millis(500);
    const ATTEMPTS: usize = 2_000;
    const LIMIT: Duration = Duration::from_secs(60);
    let began = Instant::now();
    let (mut last, mut attempts) = (first, 0);
    let mut smaller = tree.simplify();
    while smaller && attempts < ATTEMPTS && began.elapsed() < LIMIT {
        attempts += 1;
        smaller = match attempt(&tree.current(), profile, targets, PATIENCE) {
            Ok(_) => tree.complicate(),
            Err(differing) => {
                last = differing;
                tree.simplify()
            }
        };
    }
    let Differing { difference, greetings, writes, transcripts } = *last;
    let [_, second] = &transcripts;
    let second = Conversation { greetings: &greetings, writes: &writes, transcript: second };
    format!("after {attempts} attempts to make it smaller they differ in {difference}  all of the second:\n{second}")
}

fn count_frames(transcript: &Transcript, frames: &mut BTreeMap<String, u64>) {
    for frame in transcript.steps.iter().flatten().flat_map(|received| &received.frames) {
        let kind = match frame {
            Frame::Closed => "(closed)".to_owned(),
            Frame::Broken(_) => "(broken)".to_owned(),
            Frame::Message(delivery) if delivery.sizes.len() == 2 => "HMSG".to_owned(),
            Frame::Message(_) => "MSG".to_owned(),
            Frame::Line(line) if line.starts_with(b"-ERR") => quoted_out(&show(line)),
            Frame::Line(line) => show(line.split(|&byte| byte == b' ').next().unwrap_or_default()),
        };
        *frames.entry(kind).or_default() += 1;
    }
}

/// `Violation for "x", too many` becomes `Violation for "…", too many`.
fn quoted_out(text: &str) -> String {
    let mut parts = text.split('"');
    let mut kept = parts.next().unwrap_or_default().to_owned();
    while let Some(_quoted) = parts.next() {
        kept.push_str("\"…\"");
        kept.push_str(parts.next().unwrap_or_default());
    }
    kept
}
