//! The command line of this bench.

use crate::common::options::{self as common, number};

/// The text of `--help`.
pub(crate) const HELP: &str = "\
cargo bench -p postroom-benches --bench floor -- [options]

  --rounds N       rounds of each side, interleaved (default 11; below 9 the medians are only a hint)
  --quick          3 short rounds: does it run, and roughly how fast
  --only A,B       only these workloads
  --list           name the workloads and what they do
  --cores A,B      pin to these cores instead of the first two
  --capacity N     bound of the floor's channels and of the two threads' mailbox (default 65536)

The environment variable FLOOR_ROUNDS sets the rounds too. Without --bench, as under `cargo test --benches`, each
workload runs once and shortly, nothing is written, and only what it counts is checked.";

/// How this run is to be made.
#[derive(Debug)]
pub(crate) struct Options {
    pub(crate) common: common::Options,
    pub(crate) cores: Vec<usize>,
    pub(crate) capacity: usize,
}

impl Options {
    /// Reads the process's arguments and environment.
    pub(crate) fn from_process() -> Result<Self, String> {
        let (mut cores, mut capacity) = (Vec::new(), 65_536);
        let common = common::Options::from_process("FLOOR_ROUNDS", &mut |option, value| {
            match option {
                "--capacity" => capacity = number(&value()?)?,
                "--cores" => cores = value()?.split(',').map(number).collect::<Result<_, _>>()?,
                _ => return Ok(false),
            }
            Ok(true)
        })?;
        Ok(Self { common, cores, capacity })
    }
}
