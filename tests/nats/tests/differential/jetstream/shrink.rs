//! A sequence on both servers; a failure, made small.

use super::normal::view;
use super::operation::Ask;
use super::operation::Op;
use super::servers::{Home, Host};
use super::session::{Answers, STREAMS, Session};
use std::fmt::Write as _;
use std::time::{Duration, Instant};

/// Operations of a client.
#[derive(Clone, Debug)]
pub(crate) struct Sequence {
    pub(crate) hears_advisories: bool,
    pub(crate) ops: Vec<Op>,
}

/// A session on each server.
pub(crate) struct Pair<'a> {
    hosts: &'a [Host; 2],
    worker: usize,
    homes: [Home; 2],
    sessions: [Session; 2],
    runs: u32,
}

/// The time that the parts of the real server are given to hear of each other.
const SIGNAL: Duration = Duration::from_millis(2);

/// A difference: the text of the sequence with all answers.
pub(crate) type Difference = String;

impl<'a> Pair<'a> {
    pub(crate) fn new(hosts: &'a [Host; 2], worker: usize) -> Self {
        let homes = hosts.each_ref().map(|host| host.home(worker));
        let sessions = homes.each_ref().map(Session::connect);
        Pair { hosts, worker, homes, sessions, runs: 0 }
    }

    /// Runs a sequence on both servers, one operation after the other.
    ///
    /// # Errors
    ///
    /// The servers differ.
    pub(crate) fn attempt(&mut self, sequence: &Sequence) -> Result<(), Difference> {
        self.runs += 1;
        let run = format!("{:02}{:05}q", self.worker, self.runs);
        for session in &mut self.sessions {
            session.begin(&run, sequence.hears_advisories);
        }
        // Every sequence leaves the servers as it found them.
        let delete = |stream| Op::Ask(Ask::api(format!("STREAM.DELETE.{stream}%"), Vec::new()));
        let ops: Vec<Op> = sequence.ops.iter().cloned().chain(STREAMS.map(delete)).collect();
        let mut log = String::new();
        for (at, op) in ops.iter().enumerate() {
            let answers = self.step(op, at + 1 == ops.len());
            let _ = writeln!(log, "{at}: {op}");
            let is_equal = view(&answers[0]) == view(&answers[1]);
            note(&mut log, &answers, is_equal);
            if !is_equal {
                self.recover(&run);
                return Err(log);
            }
        }
        self.sessions.iter_mut().for_each(Session::end);
        Ok(())
    }

    fn step(&mut self, op: &Op, is_last: bool) -> [Answers; 2] {
        let [first, second] = &mut self.sessions;
        if let Op::Wait(millis) = op {
            first.listen(Duration::from_millis(*millis));
        }
        // A consumer of the real server hears of a message a little behind its acknowledgement, and a stream hears of its consumers.
        if !op.is_publish() {
            second.listen(SIGNAL);
        }
        first.send(op);
        let mut answers = first.answers(None);
        // The first of two real servers is awaited by time alone.
        if matches!(self.hosts[0], Host::Real(_)) || is_last {
            answers.extend(first.answers(Some(0)));
        }
        second.send(op);
        let mut others = second.answers(Some(answers.len()));
        if is_last {
            others.extend(second.answers(Some(0)));
        }
        [answers, others]
    }

    /// Behind a difference nothing is certain: other connections, and no streams.
    fn recover(&mut self, run: &str) {
        for (home, session) in self.homes.iter_mut().zip(&mut self.sessions) {
            *session = Session::connect(home);
            session.begin(run, false);
            for stream in STREAMS {
                session.send(&Op::Ask(Ask::api(format!("STREAM.DELETE.{stream}%"), Vec::new())));
                session.answers(Some(1));
            }
            session.end();
        }
    }

    /// Makes a sequence on which the servers differ as small as possible; the smallest, and its difference.
    pub(crate) fn shrink(&mut self, sequence: Sequence, difference: Difference) -> Difference {
        const LIMIT: Duration = Duration::from_secs(40);
        let began = Instant::now();
        let mut last = (sequence, difference);
        let mut attempts = 0;
        loop {
            let before = last.0.ops.len();
            let mut is_smaller = false;
            for candidate in candidates(&last.0) {
                if began.elapsed() > LIMIT {
                    return format!("after {attempts} attempts to make {before} operations fewer:\n{}", last.1);
                }
                attempts += 1;
                if let Err(difference) = self.attempt(&candidate) {
                    last = (candidate, difference);
                    is_smaller = true;
                    break;
                }
            }
            if !is_smaller {
                return last.1;
            }
        }
    }
}

/// Smaller sequences: without a run of operations, longer runs first; then with a smaller operation.
fn candidates(sequence: &Sequence) -> impl Iterator<Item = Sequence> + use<> {
    let sequence = sequence.clone();
    let length = sequence.ops.len();
    let sizes =
        std::iter::successors(Some(length / 2), |size| (*size > 1).then_some(size / 2)).filter(|size| *size > 0);
    let cuts: Vec<(usize, usize)> =
        sizes.flat_map(|size| (0..length.div_ceil(size)).rev().map(move |part| (part * size, size))).collect();
    let all = sequence.clone();
    let without_ops = cuts.into_iter().map(move |(from, size)| {
        let mut smaller = all.clone();
        smaller.ops.drain(from..(from + size).min(length));
        smaller
    });
    let quiet = sequence.hears_advisories.then(|| Sequence { hears_advisories: false, ..sequence.clone() });
    let smaller_ops = (0..length).flat_map(move |at| {
        let sequence = sequence.clone();
        sequence.ops[at].smaller().into_iter().map(move |op| {
            let mut smaller = sequence.clone();
            smaller.ops[at] = op;
            smaller
        })
    });
    without_ops.chain(quiet).chain(smaller_ops)
}

fn note(log: &mut String, answers: &[Answers; 2], is_equal: bool) {
    let names = if is_equal { ["both"].as_slice() } else { &["first", "second"] };
    for (name, answers) in names.iter().zip(answers) {
        for (sid, text) in answers {
            let _ = writeln!(log, "    {name} {sid}: {text}");
        }
    }
    if !is_equal {
        let [first, second] = answers.each_ref().map(|answers| format!("{:?}", view(answers)));
        let same = first.bytes().zip(second.bytes()).take_while(|(one, other)| one == other).count();
        let near = |text: &str| {
            let begin = (0..=same.saturating_sub(60)).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
            text[begin..].chars().take(200).collect::<String>()
        };
        let _ = writeln!(log, "  they differ near\n    {}\n    {}", near(&first), near(&second));
    }
}
