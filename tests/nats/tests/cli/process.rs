//! A running `postroom`, read by the lines of its log.

use postroom_nats_tests::program;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStderr, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

/// Ended when dropped.
pub(crate) struct Postroom {
    child: Child,
    log: BufReader<ChildStderr>,
    /// All that was read so far.
    pub(crate) lines: Vec<String>,
}

impl Postroom {
    /// Starts it on a free port of the loopback interface and waits until it is ready.
    pub(crate) fn start(flags: &[&str]) -> Self {
        let mut started = Postroom::spawn(&[&["-a", "127.0.0.1", "-p", "-1"], flags].concat());
        started.wait_for("Server is ready");
        started
    }

    /// Starts it and waits for nothing.
    pub(crate) fn spawn(flags: &[&str]) -> Self {
        Postroom::spawn_with(flags, &[])
    }

    /// The same with these variables in its environment.
    pub(crate) fn spawn_with(flags: &[&str], variables: &[(&str, &str)]) -> Self {
        let mut command = Command::new(program::postroom());
        command.envs(variables.iter().copied()).args(flags);
        Postroom::spawn_command(command)
    }

    /// Starts what this command, which ends as the program, starts.
    pub(crate) fn spawn_command(mut command: Command) -> Self {
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        let log = BufReader::new(child.stderr.take().unwrap());
        Postroom { child, log, lines: Vec::new() }
    }

    /// Reads the log up to a line with this text, and gives back that line.
    pub(crate) fn wait_for(&mut self, text: &str) -> String {
        loop {
            let line = self.next_line().unwrap_or_else(|| panic!("no {text:?} in\n{}", self.lines.join("\n")));
            if line.contains(text) {
                return line;
            }
        }
    }

    /// Reads a line; `None` at the end.
    pub(crate) fn next_line(&mut self) -> Option<String> {
        let mut line = String::new();
        let read = self.log.read_line(&mut line).unwrap();
        line.truncate(line.trim_end().len());
        self.lines.push(line.clone());
        (read > 0).then_some(line)
    }

    /// Reads the log to its end, and waits for the process's.
    pub(crate) fn wait(&mut self) -> ExitStatus {
        while self.next_line().is_some() {}
        self.child.wait().unwrap()
    }

    /// Tells it by a second process what to do.
    pub(crate) fn signal(&self, command: &str) {
        let argument = format!("--signal={command}={}", self.pid());
        assert_eq!(run(&[&argument]), (Some(0), String::new(), String::new()));
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// The port behind these words of the log.
    pub(crate) fn port(&self, words: &str) -> u16 {
        let line = self.lines.iter().find(|line| line.contains(words)).unwrap_or_else(|| panic!("{:?}", self.lines));
        line.rsplit(':').next().unwrap().parse().unwrap()
    }

    pub(crate) fn connect(&self) -> Wire {
        Wire::dial(self.port("Listening for client connections on"))
    }

    /// Lines without the process's id and the time.
    pub(crate) fn texts(&self) -> Vec<&str> {
        self.lines.iter().map(|line| line.find("] [").map_or(&**line, |at| &line[at + 2..])).map(without_time).collect()
    }
}

fn without_time(line: &str) -> &str {
    line.find('[').map_or(line, |_| line.rfind(" [INF] ").map_or(line, |at| &line[at + 1..]))
}

impl Drop for Postroom {
    fn drop(&mut self) {
        // It may have ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Runs it to its end: exit code, standard output, standard error.
pub(crate) fn run(flags: &[&str]) -> (Option<i32>, String, String) {
    let output = Command::new(program::postroom()).args(flags).stdin(Stdio::null()).output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (output.status.code(), text(output.stdout), text(output.stderr))
}

/// A connection of raw lines that has read its INFO.
pub(crate) struct Wire {
    stream: BufReader<TcpStream>,
    pub(crate) info: String,
}

impl Wire {
    pub(crate) fn dial(port: u16) -> Self {
        let stream = BufReader::new(TcpStream::connect(("127.0.0.1", port)).unwrap());
        let mut wire = Wire { stream, info: String::new() };
        wire.info = wire.line();
        wire
    }

    pub(crate) fn send(&mut self, text: &str) {
        self.stream.get_mut().write_all(text.as_bytes()).unwrap();
    }

    /// Empty at the end.
    pub(crate) fn line(&mut self) -> String {
        let mut line = String::new();
        self.stream.read_line(&mut line).unwrap();
        line.trim_end().to_owned()
    }

    pub(crate) fn until(&mut self, text: &str) -> Vec<String> {
        let mut lines = Vec::new();
        while !lines.last().is_some_and(|line: &String| line.contains(text)) {
            let line = self.line();
            assert!(!line.is_empty(), "no {text:?} in {lines:?}");
            lines.push(line);
        }
        lines
    }

    /// Reads to the end.
    pub(crate) fn rest(&mut self) -> String {
        let mut rest = String::new();
        self.stream.read_to_string(&mut rest).unwrap();
        rest
    }
}

/// An answer to `GET`: the status line, and the body.
pub(crate) fn get(port: u16, target: &str) -> (String, String) {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    write!(stream, "GET {target} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    let (head, body) = text.split_once("\r\n\r\n").unwrap();
    (head.lines().next().unwrap_or_default().to_owned(), body.to_owned())
}

/// A folder of a test's own, removed when dropped.
pub(crate) struct Folder(PathBuf);

impl Folder {
    pub(crate) fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let path = Path::new(env!("CARGO_TARGET_TMPDIR"));
        let path = path.join(format!("cli-{}-{}", std::process::id(), NEXT.fetch_add(1, Relaxed)));
        std::fs::create_dir_all(&path).unwrap();
        Folder(path)
    }

    pub(crate) fn path(&self, name: &str) -> String {
        self.0.join(name).to_str().unwrap().to_owned()
    }

    pub(crate) fn write(&self, name: &str, text: &str) -> String {
        std::fs::write(self.path(name), text).unwrap();
        self.path(name)
    }

    pub(crate) fn files(&self) -> Vec<String> {
        let mut names: Vec<_> = std::fs::read_dir(&self.0)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
