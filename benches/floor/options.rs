//! The command line: our own few words, and a deaf ear for those of other benchmark harnesses.

use std::env;

/// What `--help` prints.
pub(crate) const HELP: &str = "\
cargo bench --bench floor -- [options]

  --rounds N       rounds of each side, interleaved (default 11; below 9 the medians are only a hint)
  --quick          3 short rounds: does it run, and roughly how fast
  --only A,B       only these workloads
  --list           name the workloads and what they do
  --cores A,B      pin to these cores instead of the first two
  --capacity N     bound of the floor's channels and of the two threads' mailbox (default 65536)

The environment variable FLOOR_ROUNDS sets the rounds too. Without --bench, as under `cargo test --benches`, each
workload runs once and shortly, nothing is written, and only what it counts is checked.";

/// How this run is to be made.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Options {
    pub(crate) rounds: usize,
    /// What the workloads' iterations are divided by.
    pub(crate) shorten: u64,
    pub(crate) only: Vec<String>,
    pub(crate) list: bool,
    pub(crate) help: bool,
    pub(crate) cores: Vec<usize>,
    pub(crate) capacity: usize,
    /// Whether figures are written; a run that only checks has none.
    pub(crate) record: bool,
}

impl Options {
    /// Reads the process's arguments and environment.
    pub(crate) fn from_process() -> Result<Self, String> {
        Self::parse(env::args().skip(1), env::var("FLOOR_ROUNDS").ok())
    }

    fn parse(arguments: impl Iterator<Item = String>, rounds: Option<String>) -> Result<Self, String> {
        let mut options = Self {
            rounds: 11,
            shorten: 1,
            only: Vec::new(),
            list: false,
            help: false,
            cores: Vec::new(),
            capacity: 65_536,
            record: false,
        };
        let (mut quick, mut wanted_rounds) = (false, rounds.map(|text| number(&text)).transpose()?);
        let mut arguments = arguments;
        while let Some(argument) = arguments.next() {
            let mut value = || arguments.next().ok_or_else(|| format!("{argument} needs a value"));
            match argument.as_str() {
                "--bench" => options.record = true,
                "--quick" => quick = true,
                "--list" => options.list = true,
                "--help" | "-h" => options.help = true,
                "--rounds" => wanted_rounds = Some(number(&value()?)?),
                "--capacity" => options.capacity = number(&value()?)?,
                "--only" => options.only.extend(value()?.split(',').map(str::to_owned)),
                "--cores" => options.cores = value()?.split(',').map(number).collect::<Result<_, _>>()?,
                // What libtest and criterion understand takes no part here, but must not fail the run either.
                "--nocapture" | "--exact" | "--ignored" | "--include-ignored" | "--noplot" | "--verbose" | "-q" => {}
                "--test-threads" | "--format" | "--color" | "--save-baseline" | "--baseline" => drop(value()?),
                other if other.starts_with('-') => {
                    return Err(format!("{other} is not an option\n\n{HELP}"));
                }
                // A bare word filters, as with the other harnesses.
                word => options.only.push(word.to_owned()),
            }
        }
        (options.rounds, options.shorten) = match (options.record, quick) {
            (false, _) => (1, 1_000),
            (true, true) => (3, 10),
            (true, false) => (options.rounds, 1),
        };
        options.rounds = wanted_rounds.unwrap_or(options.rounds).max(1);
        Ok(options)
    }
}

fn number(text: &str) -> Result<usize, String> {
    text.trim().replace('_', "").parse().map_err(|_| format!("{text:?} is not a number"))
}
