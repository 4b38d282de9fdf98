//! The circumstances of a figure: the machine, the compiler and the commit. The rivals' package includes it too.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::thread;

/// Where and with what a run was made.
pub(crate) struct Machine {
    /// The processor's name.
    pub(crate) cpu: String,
    /// How many cores this process may use.
    pub(crate) cores: usize,
    /// Operating system and kernel.
    pub(crate) kernel: String,
    /// The output of `rustc --version`.
    pub(crate) rustc: String,
    /// The commit of the sources, with `-dirty` when something was changed since.
    pub(crate) commit: String,
}

impl Machine {
    /// Asks the machine; what it does not tell is `unknown`.
    pub(crate) fn look(sources: &Path) -> Self {
        let cpuinfo = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
        let model = cpuinfo.lines().find_map(|line| line.strip_prefix("model name"));
        let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
        Self {
            cpu: model.map_or_else(unknown, |model| model.trim_start_matches(['\t', ' ', ':']).to_owned()),
            cores: thread::available_parallelism().map_or(1, usize::from),
            kernel: output(Command::new("uname").arg("-srm")),
            rustc: output(Command::new(rustc).arg("--version")),
            commit: commit(sources),
        }
    }

    /// The lines that head a report.
    pub(crate) fn describe(&self) -> String {
        let Self { cpu, cores, kernel, rustc, commit } = self;
        format!("machine   {cpu}, {cores} cores, {kernel}\ncompiler  {rustc}\ncommit    {commit}\n")
    }
}

/// The short commit id; results written by a run do not make the sources dirty.
fn commit(sources: &Path) -> String {
    let git = |arguments: &[&str]| output(Command::new("git").arg("-C").arg(sources).args(arguments));
    let id = git(&["rev-parse", "--short=12", "HEAD"]);
    let changed = git(&["status", "--porcelain", "--untracked-files=no", "--", ".", ":!benches/results"]);
    if changed.is_empty() || id == unknown() { id } else { format!("{id}-dirty") }
}

fn output(command: &mut Command) -> String {
    match command.output() {
        Ok(output) if output.status.success() => String::from_utf8_lossy(&output.stdout).trim().to_owned(),
        _ => unknown(),
    }
}

fn unknown() -> String {
    "unknown".to_owned()
}
