//! A connection, on which operations are sent and answers are read.

use super::normal::{Names, shown};
use super::operation::{Ask, Op};
use super::servers::Home;
use crate::support::wire::{Delivery, Frame, Wire, dial};
use std::time::{Duration, Instant};

/// How long a message may be late.
const PATIENCE: Duration = Duration::from_secs(2);

/// How long a message is looked for where none is due.
const SETTLE: Duration = Duration::from_millis(4);

/// The subscription to answers.
pub(crate) const ANSWERS: u8 = 1;

/// The first of the subscriptions to the advisories of the sequence: their order among each other is not fixed.
pub(crate) const ADVISORIES: u8 = 2;

/// The first of the subscriptions to the inboxes of pulls.
const INBOXES: u8 = 10;

/// The first of the subscriptions that operations make.
pub(crate) const FIRST_OWN: u8 = 20;

/// The first of the subscriptions to subjects that consumers push to.
pub(crate) const PUSHES: u8 = FIRST_OWN + 2;

/// The letters of the streams. Each has an inbox for pulls, since each has an order of its own.
pub(crate) const STREAMS: [char; 2] = ['A', 'B'];

/// The answers of a step: the subscription, and the message without what is its server's own.
pub(crate) type Answers = Vec<(u8, String)>;

pub(crate) struct Session {
    wire: Wire,
    /// The number of the run.
    run: String,
    names: Names,
    asked: usize,
    /// The reply subjects of the deliveries.
    deliveries: Vec<String>,
    own: Vec<u8>,
    /// Messages that were read before their step's end.
    early: Vec<(u8, Frame)>,
}

impl Session {
    /// Connects. Nothing is subscribed to yet.
    pub(crate) fn connect(home: &Home) -> Self {
        let mut wire = Wire::new(dial(&home.addr).expect("a server"), PATIENCE);
        let connect = format!(
            "CONNECT {{\"verbose\":false,\"pedantic\":false,\"headers\":true,\"no_responders\":true{}}}\r\nSUB _R.> {ANSWERS}\r\nPING\r\n",
            home.connect
        );
        wire.send(connect.as_bytes());
        wire.until_pong(1).expect("a connection");
        Session {
            wire,
            run: String::new(),
            names: Names::default(),
            asked: 0,
            deliveries: Vec::new(),
            own: Vec::new(),
            early: Vec::new(),
        }
    }

    /// Begins a sequence.
    pub(crate) fn begin(&mut self, run: &str, hears_advisories: bool) {
        self.asked = 0;
        run.clone_into(&mut self.run);
        self.deliveries.clear();
        self.early.clear();
        self.wire.send(format!("PUB $JS.API.INFO _R.{run}.0 0\r\n\r\n").as_bytes());
        let info = loop {
            match self.wire.next().expect("an answer") {
                Frame::Message(message) if message.subject == format!("_R.{run}.0").as_bytes() => {
                    break message.payload;
                }
                _ => {}
            }
        };
        self.names = Names::new(run, &String::from_utf8_lossy(&info));
        let mut lines = String::new();
        for (at, stream) in (INBOXES..).zip(STREAMS) {
            lines.push_str(&format!("SUB _D.{stream}.{run}.> {at}\r\n"));
            self.own.push(at);
        }
        if hears_advisories {
            for (sid, kind) in (ADVISORIES..).zip(["ADVISORY.STREAM", "ADVISORY.CONSUMER", "METRIC"]) {
                lines.push_str(&format!("SUB $JS.EVENT.{kind}.> {sid}\r\n"));
                self.own.push(sid);
            }
        }
        self.wire.send(format!("{lines}PING\r\n").as_bytes());
        self.wire.until_pong(1).expect("subscriptions");
    }

    /// Ends a sequence: drops all subscriptions and what is on its way to them.
    pub(crate) fn end(&mut self) {
        let lines: String = self.own.drain(..).map(|sid| format!("UNSUB {sid}\r\n")).collect();
        self.wire.send(format!("{lines}PING\r\n").as_bytes());
        self.wire.until_pong(1).expect("an answer");
    }

    /// Sends an operation.
    pub(crate) fn send(&mut self, op: &Op) {
        self.asked += 1;
        let number = self.asked;
        let frame = match op {
            Op::Ask(Ask { subject, headers, body, is_silent }) => {
                let reply = if *is_silent { String::new() } else { format!("_R.%.{number}") };
                self.publish(subject, &reply, headers, &body.to_string())
            }
            Op::Pull { stream, consumer, body } => {
                let subject = format!("$JS.API.CONSUMER.MSG.NEXT.{stream}%.{consumer}");
                let mut frame = self.publish(&subject, &format!("_D.{stream}.%.{number}"), &[], &body.to_string());
                frame.extend(self.publish(&subject, &format!("_R.%.{number}"), &[], "{\"batch\":\"x\"}"));
                frame
            }
            Op::Ack { back, body } => {
                let count = self.deliveries.len();
                // Before the first delivery there is nothing to acknowledge.
                let Some(subject) = count.checked_sub(1 + back % count.max(1)).map(|at| self.deliveries[at].clone())
                else {
                    return;
                };
                let stream = subject.split('.').nth(2).and_then(|name| name.chars().next()).unwrap_or('A');
                let reply =
                    if body.starts_with("+NXT") { format!("_D.{stream}.%.{number}") } else { format!("_R.%.{number}") };
                self.publish(&subject, &reply, &[], body)
            }
            Op::Wait(_) => return,
            Op::Subscribe { sid, subject, queue } => {
                self.own.push(*sid);
                let line = format!("SUB {subject} {queue} {sid}\r\n");
                self.names.filled(&line).into_bytes()
            }
            Op::Unsubscribe(sid) => format!("UNSUB {sid}\r\n").into_bytes(),
        };
        self.wire.send(&frame);
    }

    fn publish(&self, subject: &str, reply: &str, headers: &[String], body: &str) -> Vec<u8> {
        let [subject, reply, body] = [subject, reply, body].map(|text| self.names.filled(text));
        if headers.is_empty() {
            return format!("PUB {subject} {reply} {}\r\n{body}\r\n", body.len()).into_bytes();
        }
        let block = self.names.filled(&format!("NATS/1.0\r\n{}\r\n\r\n", headers.join("\r\n")));
        let (head, total) = (block.len(), block.len() + body.len());
        format!("HPUB {subject} {reply} {head} {total}\r\n{block}{body}\r\n").into_bytes()
    }

    /// Reads up to a PONG and, behind it, up to so many messages. If none is due, a short time is left to it.
    pub(crate) fn answers(&mut self, count: Option<usize>) -> Answers {
        self.wire.send(b"PING\r\n");
        let mut pongs = 0;
        let mut frames = std::mem::take(&mut self.early);
        while pongs == 0 || frames.len() < count.unwrap_or(0) {
            match self.wire.next() {
                Ok(frame) if frame.is_pong() => pongs += 1,
                Ok(frame) => self.take(frame, &mut frames),
                Err(_) => break,
            }
        }
        if count == Some(0) {
            self.listen(SETTLE);
            frames.append(&mut self.early);
        }
        // The first delivery of a nameless consumer may come before its name.
        for (_, frame) in &frames {
            if let Frame::Message(message) = frame {
                self.names.learn(message);
            }
        }
        let mut deliveries = Vec::new();
        let mut answers = Answers::new();
        for (sid, frame) in frames {
            if let Frame::Message(message) = &frame {
                answers.push((sid, shown(message, &self.names)));
                self.react(sid, message, &mut deliveries);
            } else {
                answers.push((sid, frame.to_string()));
            }
        }
        // The order of streams among each other is open.
        deliveries.sort_by_key(|(sid, _)| *sid);
        self.deliveries.extend(deliveries.into_iter().map(|(_, reply)| reply));
        answers
    }

    /// Reads what comes within a time; it belongs to the next answers.
    pub(crate) fn listen(&mut self, time: Duration) {
        let ends = Instant::now() + time;
        let mut frames = std::mem::take(&mut self.early);
        loop {
            let left = ends.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            self.wire.set_patience(left);
            match self.wire.next() {
                Ok(frame) if frame.is_last() => {
                    frames.push((0, frame));
                    break;
                }
                Ok(frame) => self.take(frame, &mut frames),
                Err(_) => {}
            }
        }
        self.wire.set_patience(PATIENCE);
        self.early = frames;
    }

    /// Notes a frame with its subscription; that of a push is the first of those for pushes.
    fn take(&mut self, frame: Frame, frames: &mut Vec<(u8, Frame)>) {
        match &frame {
            frame if frame.is_ping() => self.wire.send(b"PONG\r\n"),
            // A late answer of another run.
            Frame::Message(message)
                if message.sid == b"1" && !message.subject.starts_with(format!("_R.{}.", self.run).as_bytes()) => {}
            Frame::Message(message) => {
                let sid: u8 = String::from_utf8_lossy(&message.sid).parse().unwrap_or(0);
                let sid = match sid {
                    ADVISORIES..INBOXES => ADVISORIES,
                    // Which member of a queue group gets a message is luck.
                    sid => sid.min(PUSHES),
                };
                frames.push((sid, frame));
            }
            _ => frames.push((0, frame)),
        }
    }

    /// Notes a delivery; answers a request of flow control.
    fn react(&mut self, sid: u8, message: &Delivery, deliveries: &mut Vec<(u8, String)>) {
        let Some(reply) = message.reply.as_deref().map(String::from_utf8_lossy) else { return };
        if reply.starts_with("$JS.ACK.") {
            deliveries.push((sid, reply.into_owned()));
        } else if reply.starts_with("$JS.FC.") {
            self.wire.send(format!("PUB {reply} 0\r\n\r\n").as_bytes());
        }
    }
}
