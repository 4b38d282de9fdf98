//! The bytes of a raw client: ready-made batches of PUB, and a check of the MSG that come back.

use crate::clients::payload;

/// How much a publisher writes at once, about.
const BATCH: usize = 64 << 10;

/// The agreement between both ends of a raw workload.
pub(crate) const SUBJECT: &str = "a.b.c";

/// The first bytes of a client; the answer is `PONG`.
pub(crate) const HELLO: &[u8] =
    b"CONNECT {\"verbose\":false,\"pedantic\":false,\"headers\":true,\"no_responders\":true,\"protocol\":1}\r\nPING\r\n";

/// Publishes, as many as make a batch, and how many these are.
pub(crate) fn batch(size: usize) -> (Vec<u8>, u64) {
    let one = frame(&format!("PUB {SUBJECT} {size}\r\n"), size);
    let count = (BATCH / one.len()).max(1);
    (one.repeat(count), count as u64)
}

/// A message as a subscriber with sid 1 gets it.
pub(crate) fn delivery(size: usize) -> Vec<u8> {
    frame(&format!("MSG {SUBJECT} 1 {size}\r\n"), size)
}

fn frame(line: &str, size: usize) -> Vec<u8> {
    [line.as_bytes(), &payload(size), b"\r\n"].concat()
}

/// The input of a subscriber: one and the same delivery again and again, and now and then a PING.
pub(crate) struct Expected {
    /// Deliveries, enough to compare a whole read with at once.
    pattern: Vec<u8>,
    frame: usize,
    buffer: Vec<u8>,
    /// Bytes at the front of the buffer that belong to a delivery that is not whole yet.
    filled: usize,
}

impl Expected {
    pub(crate) fn new(size: usize) -> Self {
        let one = delivery(size);
        let frame = one.len();
        let pattern = one.repeat((4 * BATCH).div_ceil(frame) + 1);
        Expected { buffer: vec![0; pattern.len()], pattern, frame, filled: 0 }
    }

    /// Where to read to.
    pub(crate) fn room(&mut self) -> &mut [u8] {
        &mut self.buffer[self.filled..]
    }

    /// Takes what was read: how many deliveries are whole now, and how many PINGs were among them.
    ///
    /// # Panics
    ///
    /// If anything else came.
    pub(crate) fn take(&mut self, read: usize) -> (u64, u64) {
        assert!(read > 0, "the server closed the connection");
        self.filled += read;
        let (mut at, mut messages, mut pings) = (0, 0, 0);
        loop {
            let rest = &self.buffer[at..self.filled];
            let whole = rest.len() / self.frame;
            let same = if rest[..whole * self.frame] == self.pattern[..whole * self.frame] {
                whole
            } else {
                rest.chunks(self.frame).position(|one| *one != self.pattern[..self.frame]).expect("one differs")
            };
            messages += same as u64;
            at += same * self.frame;
            let rest = &self.buffer[at..self.filled];
            if rest.starts_with(b"PING\r\n") {
                pings += 1;
                at += b"PING\r\n".len();
            } else {
                // A glance; all of it is compared once it is whole.
                let front = &rest[..rest.len().min(64)];
                let partly = self.pattern.starts_with(front) || b"PING\r\n".starts_with(front);
                assert!(partly, "not a message: {:?}", String::from_utf8_lossy(front));
                break;
            }
        }
        self.buffer.copy_within(at..self.filled, 0);
        self.filled -= at;
        (messages, pings)
    }
}

/// The lines between the start of a connection and its messages.
#[derive(Default)]
pub(crate) struct Lines(Vec<u8>);

impl Lines {
    /// Takes what was read: whether the PONG that is waited for is there and no line begun, and how many PINGs came.
    ///
    /// # Panics
    ///
    /// If the connection ended or an error came.
    pub(crate) fn take(&mut self, read: &[u8]) -> (bool, usize) {
        let before = self.count(b"PING\r\n");
        self.0.extend_from_slice(read);
        let text = String::from_utf8_lossy(&self.0);
        assert!(!read.is_empty() && !text.contains("-ERR"), "{text}");
        (self.count(b"PONG\r\n") > 0 && self.0.ends_with(b"\n"), self.count(b"PING\r\n") - before)
    }

    fn count(&self, line: &[u8]) -> usize {
        self.0.split_inclusive(|byte| *byte == b'\n').filter(|one| *one == line).count()
    }
}
