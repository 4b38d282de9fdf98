//! A sequence on a server: its transcript.

use super::operation::{Op, Place, Sequence};
use super::profile::Profile;
use crate::support::wire::{Frame, Stalled, Stream, Wire, show};
use std::collections::VecDeque;
use std::fmt;
use std::time::Duration;

/// A server, as far as it can be reached.
pub(crate) struct Target {
    open: Box<dyn Fn() -> Box<dyn Stream> + Send>,
    /// The first operation of the connection that passes the time.
    login: Vec<u8>,
    /// A connection that takes no part in the sequences.
    aside: Option<Wire>,
}

impl fmt::Debug for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Target").field("aside", &self.aside).finish_non_exhaustive()
    }
}

impl Target {
    /// `open` connects to the server; `login` is the CONNECT of a user that may connect.
    pub(crate) fn new(open: impl Fn() -> Box<dyn Stream> + Send + 'static, login: &str) -> Self {
        Target { open: Box::new(open), login: login.as_bytes().to_vec(), aside: None }
    }

    /// A new connection.
    pub(crate) fn open(&self) -> Box<dyn Stream> {
        (self.open)()
    }

    /// A round trip aside: whatever was written to the server before it has very likely been read behind it.
    fn give_time(&mut self, patience: Duration) {
        if self.aside.is_none() {
            let mut wire = Wire::new((self.open)(), patience);
            wire.send(&self.login);
            self.aside = Some(wire);
        }
        let wire = self.aside.as_mut().expect("just made");
        wire.send(b"PING\r\n");
        let answer = wire.until_pong(1).unwrap_or_else(|stalled| panic!("the connection aside: {stalled:?}"));
        assert!(answer.last().is_some_and(Frame::is_pong), "the connection aside: {answer:?}");
    }
}

/// Bytes that one connection sends, in order; between them the server is given time to read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Write {
    pub(crate) connection: usize,
    pub(crate) chunks: Vec<Vec<u8>>,
    /// PONGs that they bring.
    pub(crate) pongs: usize,
    /// The client ends its side afterwards, and reads up to the end of the server's.
    pub(crate) end: bool,
    /// No barrier on this connection: it is within an operation.
    pub(crate) partial: bool,
    /// Reads so many frames that come by themselves. No barrier at all.
    pub(crate) waits: usize,
}

impl Write {
    /// Bytes that are sent as they are.
    pub(crate) fn of(connection: usize, chunks: Vec<Vec<u8>>) -> Self {
        Write { connection, chunks, pongs: 0, end: false, partial: false, waits: 0 }
    }
}

/// The frames that a connection received in a step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Received {
    pub(crate) connection: usize,
    pub(crate) frames: Vec<Frame>,
}

/// The frames of all connections in a step, each up to its PONG.
pub(crate) type StepTranscript = Vec<Received>;

/// The answers of a server: one entry for each write, and one for the end of all connections.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Transcript {
    pub(crate) steps: Vec<StepTranscript>,
    /// Why it ends too early.
    pub(crate) stalled: Option<(usize, Stalled)>,
}

/// The writes of a sequence. A greeting is a write of its own, where a connection is used that is not open: that is known only
/// while it runs, so it comes with the write that it stands before.
pub(crate) fn writes(sequence: &Sequence, profile: &Profile) -> Vec<Write> {
    let mut number = 0;
    let mut writes = Vec::new();
    for step in &sequence.steps {
        let mut bytes = Vec::new();
        for op in &step.ops {
            number += 1;
            bytes.extend(op.bytes(Place { number, connection: step.connection, profile }));
        }
        let pongs = step.ops.iter().map(Op::pongs).sum();
        let mut cuts: Vec<usize> = step.cuts.iter().map(|&cut| (usize::from(cut) * bytes.len()) >> 16).collect();
        cuts.push(bytes.len());
        cuts.sort_unstable();
        let mut chunks = Vec::new();
        let mut from = 0;
        for cut in cuts {
            if cut > from {
                chunks.push(bytes[from..cut].to_vec());
                from = cut;
            }
        }
        let end = step.end || step.ops.iter().any(Op::is_last);
        writes.push(Write { pongs, end, ..Write::of(step.connection, chunks) });
    }
    writes
}

/// The first operation of each connection, if any.
pub(crate) fn greetings(sequence: &Sequence, profile: &Profile) -> Vec<Vec<u8>> {
    let all = sequence.greetings.iter().enumerate();
    let bytes = |(connection, op): (usize, &Option<Op>)| {
        op.as_ref().map_or_else(Vec::new, |op| op.bytes(Place { number: 0, connection, profile }))
    };
    all.map(bytes).collect()
}

/// Runs writes on a server.
pub(crate) fn run(target: &mut Target, greetings: &[Vec<u8>], writes: &[Write], patience: Duration) -> Transcript {
    let mut run = Run { target, greetings, patience, wires: Vec::new(), transcript: Transcript::default() };
    for write in writes {
        if run.step(write).is_err() {
            return run.transcript;
        }
    }
    // A stall is in the transcript.
    let _ = run.close();
    run.transcript
}

struct Run<'a> {
    target: &'a mut Target,
    greetings: &'a [Vec<u8>],
    patience: Duration,
    wires: Vec<Option<Wire>>,
    transcript: Transcript,
}

impl Run<'_> {
    fn step(&mut self, write: &Write) -> Result<(), ()> {
        self.transcript.steps.push(Vec::new());
        let at = write.connection;
        self.wires.resize_with(self.wires.len().max(at + 1), || None);
        let mut pongs = write.pongs;
        let mut chunks: VecDeque<&[u8]> = write.chunks.iter().map(Vec::as_slice).collect();
        if self.wires[at].is_none() {
            self.wires[at] = Some(Wire::new(self.target.open(), self.patience));
            self.take(at, |wire| wire.until(|frame| frame.info().is_some()))?;
            if let Some(greeting) = self.greetings.get(at).filter(|greeting| !greeting.is_empty()) {
                chunks.push_front(greeting);
            }
        }
        for (number, chunk) in chunks.iter().enumerate() {
            if number > 0 {
                self.target.give_time(self.patience);
            }
            self.with(at, |wire| wire.send(chunk));
        }
        if write.waits > 0 {
            let mut left = write.waits;
            return self.take(at, |wire| {
                wire.until(|_| {
                    left -= 1;
                    left == 0
                })
            });
        }
        if write.partial {
            return self.barrier(|other| other != at);
        }
        if write.end {
            self.with(at, |wire| {
                wire.send(b"PING\r\n");
                wire.end();
            });
            self.take(at, |wire| wire.until(|_| false))?;
            return self.barrier(|_| true);
        }
        pongs += 1;
        self.with(at, |wire| wire.send(b"PING\r\n"));
        self.take(at, |wire| wire.until_pong(pongs))?;
        self.barrier(|other| other != at)
    }

    /// PING and PONG on every open connection that `which` accepts.
    fn barrier(&mut self, which: impl Fn(usize) -> bool) -> Result<(), ()> {
        let open: Vec<usize> = (0..self.wires.len()).filter(|&at| self.wires[at].is_some() && which(at)).collect();
        for &at in &open {
            self.with(at, |wire| wire.send(b"PING\r\n"));
        }
        open.into_iter().try_for_each(|at| self.take(at, |wire| wire.until_pong(1)))
    }

    /// Ends all connections from the client's side, and reads what still comes.
    fn close(&mut self) -> Result<(), ()> {
        self.transcript.steps.push(Vec::new());
        (0..self.wires.len()).try_for_each(|at| {
            self.with(at, Wire::end);
            self.take(at, |wire| wire.until(|_| false))
        })
    }

    fn with(&mut self, at: usize, act: impl FnOnce(&mut Wire)) {
        if let Some(wire) = &mut self.wires[at] {
            act(wire);
        }
    }

    fn take(
        &mut self,
        at: usize,
        read: impl FnOnce(&mut Wire) -> Result<Vec<Frame>, (Vec<Frame>, Stalled)>,
    ) -> Result<(), ()> {
        let Some(wire) = &mut self.wires[at] else { return Ok(()) };
        let (frames, stalled) = match read(wire) {
            Ok(frames) => (frames, None),
            Err((frames, stalled)) => (frames, Some(stalled)),
        };
        if frames.last().is_some_and(Frame::is_last) {
            self.wires[at] = None;
        }
        let step = self.transcript.steps.last_mut().expect("a step began");
        match step.iter_mut().find(|received| received.connection == at) {
            Some(received) => received.frames.extend(frames),
            None => step.push(Received { connection: at, frames }),
        }
        self.transcript.stalled = stalled.map(|stalled| (at, stalled));
        if self.transcript.stalled.is_some() { Err(()) } else { Ok(()) }
    }
}

/// A conversation for people: what was sent, and what came back.
pub(crate) struct Conversation<'a> {
    pub(crate) greetings: &'a [Vec<u8>],
    pub(crate) writes: &'a [Write],
    pub(crate) transcript: &'a Transcript,
}

impl fmt::Display for Conversation<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = |connection: usize| char::from(b'A' + u8::try_from(connection).unwrap_or(25));
        for (at, greeting) in self.greetings.iter().enumerate() {
            if greeting.is_empty() || self.writes.iter().all(|write| write.connection != at) {
                continue;
            }
            writeln!(f, "{} begins with {}", name(at), show(greeting))?;
        }
        for (number, step) in self.transcript.steps.iter().enumerate() {
            match self.writes.get(number) {
                Some(write) => {
                    let chunks: Vec<_> = write.chunks.iter().map(|chunk| show(chunk)).collect();
                    let end = if write.end { " (end)" } else { "" };
                    writeln!(f, "{number}. {} sends {}{end}", name(write.connection), chunks.join(" ¦ "))?;
                }
                None => writeln!(f, "{number}. all end")?,
            }
            for received in step {
                for frame in &received.frames {
                    writeln!(f, "     {} gets  {frame}", name(received.connection))?;
                }
            }
        }
        if let Some((at, stalled)) = &self.transcript.stalled {
            let rest = show(&stalled.rest);
            writeln!(
                f,
                "     {}: nothing for {:?}, the stream is open; unfinished: {rest:?}",
                name(*at),
                stalled.after
            )?;
        }
        Ok(())
    }
}
