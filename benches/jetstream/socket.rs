//! A socket that speaks just enough of the protocol: it writes ready-made bytes and takes messages apart.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::str;
use std::time::Duration;

use crate::process::Place;

/// The duration that any single read or write may take before the run is given up.
const PATIENCE: Duration = Duration::from_secs(60);

const HELLO: &[u8] =
    b"CONNECT {\"verbose\":false,\"pedantic\":false,\"headers\":true,\"no_responders\":true,\"protocol\":1}\r\nPING\r\n";

/// The subject that answers of the API come to.
const INBOX: &str = "_INBOX.api";

/// A connection, past its handshake, with a subscription for answers.
pub(crate) struct Socket {
    stream: TcpStream,
    buffer: Vec<u8>,
    /// The part of the buffer that is read and not taken yet.
    from: usize,
    until: usize,
}

/// One MSG or HMSG.
pub(crate) struct Delivered<'a> {
    pub(crate) sid: &'a str,
    pub(crate) reply: Option<&'a str>,
    /// Headers, if any, and payload.
    pub(crate) body: &'a [u8],
    pub(crate) has_headers: bool,
}

impl Socket {
    pub(crate) fn connect(place: &Place) -> Self {
        let stream = TcpStream::connect(&place.addr).expect("connected");
        stream.set_nodelay(true).expect("a fresh socket");
        stream.set_read_timeout(Some(PATIENCE)).expect("a fresh socket");
        stream.set_write_timeout(Some(PATIENCE)).expect("a fresh socket");
        let mut socket = Socket { stream, buffer: vec![0; 1 << 20], from: 0, until: 0 };
        socket.write(HELLO);
        socket.until_pong();
        socket.write(format!("SUB {INBOX} 1\r\n").as_bytes());
        socket
    }

    pub(crate) fn write(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).expect("written");
    }

    /// Asks the API and returns the response.
    ///
    /// # Panics
    ///
    /// If the response is an error.
    pub(crate) fn ask(&mut self, call: &str, json: &str) -> String {
        self.write(format!("PUB $JS.API.{call} {INBOX} {}\r\n{json}\r\n", json.len()).as_bytes());
        let mut answer = String::new();
        while answer.is_empty() {
            self.each(1, |message| {
                if message.sid == "1" {
                    answer = String::from_utf8_lossy(message.body).into_owned();
                }
                true
            });
        }
        assert!(!answer.contains("\"error\""), "{call}: {answer}");
        answer
    }

    /// Reads until PONG: all that was written before is done.
    pub(crate) fn settle(&mut self) {
        self.write(b"PING\r\n");
        self.until_pong();
    }

    fn until_pong(&mut self) {
        loop {
            match self.line_end() {
                Some(end) => {
                    let line = &self.buffer[self.from..end];
                    assert!(!line.starts_with(b"-ERR"), "{}", String::from_utf8_lossy(line));
                    let is_pong = line.starts_with(b"PONG");
                    self.from = end + 2;
                    if is_pong {
                        return;
                    }
                }
                None => self.fill(),
            }
        }
    }

    /// Takes messages until `wanted` of them counted; `take` says of each whether it counts. Only whole reads are waited for, so that
    /// more than one may be there at once.
    pub(crate) fn each(&mut self, wanted: u64, mut take: impl FnMut(Delivered<'_>) -> bool) {
        let mut counted = 0;
        while counted < wanted {
            if !self.next(&mut take, &mut counted) {
                self.fill();
            }
        }
    }

    /// Takes all messages that have been read, at least one; returns how many.
    pub(crate) fn some(&mut self, mut take: impl FnMut(Delivered<'_>)) -> u64 {
        let mut counted = 0;
        loop {
            let mut count = |message: Delivered<'_>| {
                take(message);
                true
            };
            if !self.next(&mut count, &mut counted) {
                if counted > 0 {
                    return counted;
                }
                self.fill();
            }
        }
    }

    /// Takes one message or control line; false if none is whole.
    fn next(&mut self, take: &mut impl FnMut(Delivered<'_>) -> bool, counted: &mut u64) -> bool {
        let Some(end) = self.line_end() else { return false };
        let line = str::from_utf8(&self.buffer[self.from..end]).expect("a protocol line");
        let has_headers = line.starts_with("HMSG ");
        if !has_headers && !line.starts_with("MSG ") {
            assert!(!line.starts_with("-ERR"), "{line}");
            let is_ping = line.starts_with("PING");
            self.from = end + 2;
            if is_ping {
                self.write(b"PONG\r\n");
            }
            return true;
        }
        let mut words = line.split(' ').skip(1);
        let (_subject, sid) = (words.next().expect("a subject"), words.next().expect("a sid"));
        let rest: Vec<_> = words.collect();
        let sizes = if has_headers { 2 } else { 1 };
        let length: usize = rest[rest.len() - 1].parse().expect("a length");
        let reply = (rest.len() > sizes).then(|| rest[0]);
        let body = end + 2;
        if self.until < body + length + 2 {
            return false;
        }
        *counted += u64::from(take(Delivered { sid, reply, body: &self.buffer[body..body + length], has_headers }));
        self.from = body + length + 2;
        true
    }

    fn line_end(&self) -> Option<usize> {
        let rest = &self.buffer[self.from..self.until];
        // Lines are short beside what lies behind them.
        rest.iter().position(|byte| *byte == b'\r').filter(|at| at + 1 < rest.len()).map(|at| self.from + at)
    }

    fn fill(&mut self) {
        if self.from > 0 {
            self.buffer.copy_within(self.from..self.until, 0);
            self.until -= self.from;
            self.from = 0;
        }
        let read = self.stream.read(&mut self.buffer[self.until..]).expect("read");
        assert!(read > 0, "the server closed the connection, or a message is longer than the buffer");
        self.until += read;
    }
}
