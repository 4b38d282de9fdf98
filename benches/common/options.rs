//! The command line: our own few words, and a deaf ear for those of other benchmark harnesses.

use std::env;

/// How this run is to be made.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Options {
    pub(crate) rounds: usize,
    /// The divisor of the workloads' iterations.
    pub(crate) shorten: u64,
    pub(crate) only: Vec<String>,
    pub(crate) list: bool,
    pub(crate) help: bool,
    /// Whether figures are written; a run that only checks has none.
    pub(crate) record: bool,
}

/// The options of one bench beyond the common ones: given an option and a way to its value, whether it is one.
pub(crate) type Further<'a> = dyn FnMut(&str, &mut dyn FnMut() -> Result<String, String>) -> Result<bool, String> + 'a;

impl Options {
    /// Reads the process's arguments, and the rounds from the environment if this variable is set.
    pub(crate) fn from_process(variable: &str, further: &mut Further<'_>) -> Result<Self, String> {
        Self::parse(env::args().skip(1), env::var(variable).ok(), further)
    }

    fn parse(
        arguments: impl Iterator<Item = String>,
        rounds: Option<String>,
        further: &mut Further<'_>,
    ) -> Result<Self, String> {
        let mut options = Self { rounds: 11, shorten: 1, only: Vec::new(), list: false, help: false, record: false };
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
                "--only" => options.only.extend(value()?.split(',').map(str::to_owned)),
                // Options of libtest and criterion have no effect here, but must not fail the run either.
                "--nocapture" | "--exact" | "--ignored" | "--include-ignored" | "--noplot" | "--verbose" | "-q" => {}
                "--test-threads" | "--format" | "--color" | "--save-baseline" | "--baseline" => drop(value()?),
                other if other.starts_with('-') => {
                    if !further(other, &mut value)? {
                        return Err(format!("{other} is not an option; --help names those there are"));
                    }
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

    /// Those of `all` that were asked for, in their own order; all of them when none was.
    pub(crate) fn choose<T>(&self, all: &'static [T], name: impl Fn(&T) -> &str) -> Result<Vec<&'static T>, String> {
        let names = &self.only;
        if let Some(stranger) = names.iter().find(|wanted| all.iter().all(|one| name(one) != **wanted)) {
            let known: Vec<_> = all.iter().map(&name).collect();
            return Err(format!("there is no workload {stranger:?}; there are {}", known.join(", ")));
        }
        Ok(all.iter().filter(|one| names.is_empty() || names.iter().any(|wanted| wanted == name(one))).collect())
    }
}

/// A number as people write it.
pub(crate) fn number(text: &str) -> Result<usize, String> {
    text.trim().replace('_', "").parse().map_err(|_| format!("{text:?} is not a number"))
}
