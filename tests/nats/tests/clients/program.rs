//! Our server as the program `postroom`, started as the test suites of other languages start it: on a free port, which it tells in a file.

use crate::servers::{AnyServer, Setup, config};
use crate::support::program;
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

/// How long it may take to say that it is ready.
const PATIENCE: Duration = Duration::from_secs(20);

/// The program with its files. Dropping it ends it.
pub(crate) struct Program {
    child: Child,
    /// Its configuration, and the file with its ports.
    folder: PathBuf,
    url: String,
    jetstream: bool,
}

impl Program {
    fn folder() -> PathBuf {
        static MADE: AtomicU32 = AtomicU32::new(0);
        let name = format!("program-{}-{}", std::process::id(), MADE.fetch_add(1, Ordering::Relaxed));
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
        fs::create_dir_all(&folder).expect("the target directory can be written to");
        folder
    }

    /// Starts it with the configuration in the folder, and waits until it is ready.
    fn spawn(folder: &Path, port: &str, jetstream: bool) -> Child {
        let mut command = Command::new(program::postroom());
        command.args(["-a", "127.0.0.1", "-p", port, "-c"]).arg(folder.join("config"));
        command.arg("--ports_file_dir").arg(folder);
        if jetstream {
            command.arg("--jetstream");
        }
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("postroom starts");
        let log = BufReader::new(child.stderr.take().expect("it is piped"));
        let (tell, ready) = mpsc::channel();
        // Reads on after it is ready, so that the pipe never fills.
        thread::spawn(move || {
            let mut said = String::new();
            for line in log.lines().map_while(Result::ok) {
                said.extend([&line, "\n"]);
                if line.ends_with("Server is ready") {
                    // The receiver is gone if it was too late.
                    drop(tell.send(Ok(())));
                }
            }
            drop(tell.send(Err(said)));
        });
        match ready.recv_timeout(PATIENCE) {
            Ok(Ok(())) => child,
            other => panic!("postroom was not ready within {PATIENCE:?}: {other:?}"),
        }
    }

    fn end(&mut self) {
        // Both fail only if it is gone already.
        drop(self.child.kill());
        drop(self.child.wait());
    }

    fn ports(&self) -> PathBuf {
        self.folder.join(format!("postroom_{}.ports", self.child.id()))
    }
}

impl AnyServer for Program {
    fn start(setup: &Setup) -> Self {
        let folder = Program::folder();
        fs::write(folder.join("config"), config(setup)).expect("the folder can be written to");
        let mut program = Program {
            child: Program::spawn(&folder, "-1", setup.jetstream),
            folder,
            url: String::new(),
            jetstream: setup.jetstream,
        };
        let ports = fs::read(program.ports()).expect("the ports are told when it is ready");
        let ports: serde_json::Value = serde_json::from_slice(&ports).expect("JSON");
        program.url = ports["nats"][0].as_str().expect("an address").to_owned();
        program
    }

    fn url(&self) -> String {
        self.url.clone()
    }

    fn restart(&mut self) {
        let (_, port) = self.url.rsplit_once(':').expect("a port");
        let port = port.to_owned();
        // Ended before the next one starts, which needs its port.
        self.end();
        self.child = Program::spawn(&self.folder, &port, self.jetstream);
    }

    fn lame_duck(&self) {
        let mut command = Command::new(program::postroom());
        let done = command.arg(format!("--signal=ldm={}", self.child.id())).status().expect("postroom starts");
        assert!(done.success(), "the signal was not sent");
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        self.end();
        // Fails only if there is nothing left to clean up.
        drop(fs::remove_dir_all(&self.folder));
    }
}
