//! Runs a client's script and gathers what it reports.

use crate::servers::{AnyServer, Setup};
use crate::support::nats_server::target;
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

/// How long a script may be silent.
const PATIENCE: Duration = Duration::from_secs(60);

/// The outcomes of a script's checks: for each, nothing or why it failed.
pub(crate) struct Report(Result<BTreeMap<String, Option<String>>, String>);

impl Report {
    /// Runs a script on a server: `make` sets it up and gives the command, which gets the addresses of two servers.
    pub(crate) fn of<S: AnyServer>(make: impl FnOnce() -> Result<Command, String>) -> Self {
        Report(make().and_then(|command| run::<S>(command)))
    }

    pub(crate) fn assert_passed(&self, check: &str) {
        let checks = self.0.as_ref().unwrap_or_else(|why| panic!("{why}"));
        match checks.get(check) {
            Some(None) => {}
            Some(Some(why)) => panic!("{why}"),
            None => panic!("{check} is not among the checks that ran: {:?}", checks.keys()),
        }
    }

    /// A check that no test asks for would fail unseen.
    pub(crate) fn assert_names(&self, listed: &[&str]) {
        let checks = self.0.as_ref().unwrap_or_else(|why| panic!("{why}"));
        let mut listed = listed.to_vec();
        listed.sort_unstable();
        assert_eq!(checks.keys().collect::<Vec<_>>(), listed);
    }
}

fn run<S: AnyServer>(mut command: Command) -> Result<BTreeMap<String, Option<String>>, String> {
    let mut open = S::start(&Setup { jetstream: true, ..Setup::default() });
    let users = S::start(&Setup { users: true, ..Setup::default() });
    command.args([open.url(), users.url()]);
    let pipes = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut script = pipes.spawn().map_err(|error| format!("{command:?}: {error}"))?;
    let mut input = script.stdin.take().expect("it is piped");
    let lines = BufReader::new(script.stdout.take().expect("it is piped")).lines();
    let (send, lines_in_time) = mpsc::channel();
    thread::spawn(move || lines.map_while(Result::ok).try_for_each(|line| send.send(line)));
    let mut stderr = script.stderr.take().expect("it is piped");
    let complaints = thread::spawn(move || {
        let mut text = Vec::new();
        // The text read before an error is all that there is to show.
        let _ = stderr.read_to_end(&mut text);
        String::from_utf8_lossy(&text).into_owned()
    });
    let mut checks = BTreeMap::new();
    let problem = loop {
        let Ok(line) = lines_in_time.recv_timeout(PATIENCE) else {
            break Some(format!("the script ended early, or was silent for {PATIENCE:?}"));
        };
        if let Some(name) = line.strip_prefix("ok ") {
            checks.insert(name.to_owned(), None);
        } else if let Some((name, why)) = line.strip_prefix("not ok ").and_then(|rest| rest.split_once(": ")) {
            checks.insert(name.to_owned(), Some(why.to_owned()));
        } else if line == "restart" {
            open.restart();
            if let Err(error) = input.write_all(b"restarted\n") {
                break Some(format!("the script does not listen: {error}"));
            }
        } else if line == "end" {
            break None;
        } else {
            break Some(format!("the script said {line:?}"));
        }
    };
    // It may have ended by itself.
    drop(script.kill());
    drop(script.wait());
    let complaints = complaints.join().expect("it only reads");
    match problem {
        Some(problem) => Err(format!("{problem}\nafter {:?}\n{complaints}", checks.keys())),
        None => Ok(checks),
    }
}

/// Where the scripts are.
pub(crate) fn scripts() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/clients")
}

/// A folder in the target directory that `make` fills, once: other processes wait, then find it there.
pub(crate) fn prepared(name: &str, make: impl FnOnce(&Path) -> Result<(), String>) -> Result<PathBuf, String> {
    let folder = target().join("clients").join(name);
    let whole = folder.join("whole");
    let of_file = |error: std::io::Error| format!("{}: {error}", folder.display());
    fs::create_dir_all(&folder).map_err(of_file)?;
    let lock = File::create(folder.with_file_name(format!("{name}.lock"))).map_err(of_file)?;
    lock.lock().map_err(of_file)?;
    if !whole.exists() {
        // Removes the remains of an earlier attempt.
        fs::remove_dir_all(&folder).and_then(|()| fs::create_dir_all(&folder)).map_err(of_file)?;
        make(&folder)?;
        File::create(&whole).map_err(of_file)?;
    }
    Ok(folder)
}

/// Runs a command to its end; the error has all it said.
pub(crate) fn done(command: &mut Command) -> Result<(), String> {
    let output = command.output().map_err(|error| format!("{command:?}: {error}"))?;
    let said = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim().to_owned();
    match output.status.success() {
        true => Ok(()),
        false => Err(format!("{command:?}: {}\n{}\n{}", output.status, said(&output.stdout), said(&output.stderr))),
    }
}
