//! The servers as processes: where they listen, and what they use.

use postroom_nats_tests::program;
use std::fs;
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

/// How long the server may take to say that it listens.
const PATIENCE: Duration = Duration::from_secs(20);

/// Where a server listens, and which process it is.
pub(crate) struct Place {
    /// `127.0.0.1:PORT`.
    pub(crate) addr: String,
    pub(crate) pid: u32,
}

impl Place {
    pub(crate) fn new(addr: String, pid: u32) -> Self {
        Place { addr, pid }
    }

    pub(crate) fn url(&self) -> String {
        format!("nats://{}", self.addr)
    }
}

/// The program `postroom`, with these flags.
pub(crate) fn postroom(flags: &[&str]) -> Command {
    let mut command = Command::new(program::postroom());
    command.args(flags);
    command
}

/// Our server, running; dropping it ends it.
pub(crate) struct Postroom {
    child: Child,
    port: u16,
}

impl Postroom {
    /// Starts it on a free port, with further flags.
    pub(crate) fn start(flags: &[&str]) -> Self {
        let mut child = postroom(&["--addr", "127.0.0.1", "--port", "-1"])
            .args(flags)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("postroom starts");
        let log = BufReader::new(child.stderr.take().expect("it is piped"));
        let (tell, port) = mpsc::channel();
        // Reads on after that, so that the pipe never fills.
        thread::spawn(move || {
            for line in log.lines().map_while(Result::ok) {
                if let Some((_, address)) = line.split_once("Listening for client connections on ") {
                    let port = address.rsplit(':').next().and_then(|port| port.trim().parse::<u16>().ok());
                    // Nobody listens any more when it was too late.
                    let _ = tell.send(port);
                }
            }
        });
        let mut server = Postroom { child, port: 0 };
        server.port = port.recv_timeout(PATIENCE).ok().flatten().expect("postroom says where it listens");
        server
    }

    pub(crate) fn addr(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }
}

impl Drop for Postroom {
    fn drop(&mut self) {
        // Both fail only if it is gone already.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// Time a process has used, and for how many messages.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Cpu {
    ticks: u64,
    messages: u64,
}

impl Cpu {
    /// The processor time of a process since its start; `None` where the system does not tell.
    pub(crate) fn of(pid: u32) -> Self {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        // The name, in brackets, may hold blanks; user and system time are the 12th and 13th fields behind it.
        let fields = stat.rsplit_once(')').map_or("", |(_, fields)| fields).split_whitespace().skip(11).take(2);
        Cpu { ticks: fields.filter_map(|field| field.parse::<u64>().ok()).sum(), messages: 0 }
    }

    /// Adds what was used for these messages.
    pub(crate) fn add(&mut self, before: Cpu, after: Cpu, messages: u64) {
        self.ticks += after.ticks.saturating_sub(before.ticks);
        self.messages += messages;
    }

    /// Nanoseconds. A tick is a hundredth of a second on every Linux, so this takes many messages.
    pub(crate) fn per_message(self) -> f64 {
        self.ticks as f64 * 1e7 / self.messages.max(1) as f64
    }
}
