//! One stream: what it holds, its timers, and what is left to do.

use super::batch::Batches;
use super::config::{Republish, Retention, ServerLimits, StreamConfig};
use super::dedup::Dedup;
use super::effect::{Change, Effect, Ledger};
use super::interest::Interests;
use super::log::Log;
use super::time::{Timestamp, span};
use crate::rng::Rng;
use crate::subject::mapping::Transform;
use std::collections::VecDeque;

/// A stream as a machine: it is told what happens and when, and says what is to be done.
///
/// Each call that changes something takes the present instant, and first does what was due before it. The effects of a call are
/// fetched with [`poll_effect`](Stream::poll_effect), and [`poll_change`](Stream::poll_change) where there are consumers. The
/// caller calls [`handle_timeout`](Stream::handle_timeout) when the instant of [`poll_timeout`](Stream::poll_timeout) has come.
///
/// # Example
///
/// ```
/// use postroom::Subject;
/// use postroom::jetstream::engine::config::{Created, Directory, StreamConfig};
/// use postroom::jetstream::engine::{Answer, Effect, Publish, Room, Stream, Timestamp};
///
/// let none = Directory { streams: &[], server: &Default::default(), account: &Default::default() };
/// let Created::New(config) = none.create(StreamConfig::new("ORDERS"), false)? else { unreachable!() };
/// let now = Timestamp::from_nanos(1);
/// let mut stream = Stream::new(*config, none.server, now, 7);
///
/// let (subject, inbox) = (Subject::new("ORDERS")?, Subject::new("inbox.1")?);
/// let publish = Publish { subject: &subject, reply: Some(&inbox), head: &[], payload: b"hello" };
/// stream.handle_publish(now, &publish, Room::UNLIMITED);
/// assert_eq!(stream.poll_effect(), Some(Effect::Answer { to: inbox, answer: Answer::Stored { seq: 1 } }));
/// assert_eq!(stream.get(1).unwrap().payload(), b"hello");
/// # Ok::<_, Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Stream {
    pub(super) config: StreamConfig,
    pub(super) created: Timestamp,
    pub(super) limits: ServerLimits,
    pub(super) log: Log,
    pub(super) dedup: Dedup,
    /// The id of the message that was stored last; empty if it had none.
    pub(super) last_id: Box<[u8]>,
    pub(super) interests: Interests,
    pub(super) batches: Batches,
    pub(super) transform: Option<Transform>,
    pub(super) republish: Option<Transform>,
    pub(super) rng: Rng,
    pub(super) effects: VecDeque<Effect>,
    /// No instant before it is handed on: time never goes back.
    latest: Timestamp,
}

/// The contents of a stream (JS24, JS72).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StreamState {
    /// Messages.
    pub messages: u64,
    /// Their bytes, as the declared storage counts them.
    pub bytes: u64,
    /// The sequence of the first message; without messages the next one, and 0 in a stream that never had any.
    pub first_seq: u64,
    /// When the first message was stored.
    pub first_time: Option<Timestamp>,
    /// The last sequence that was used.
    pub last_seq: u64,
    /// When it was used.
    pub last_time: Option<Timestamp>,
    /// Subjects with at least one message.
    pub num_subjects: u64,
    /// Sequences between the first and the last that have no message.
    pub num_deleted: u64,
    /// Consumers, as far as the stream was told of them.
    pub consumers: usize,
}

/// The kind of the next event that is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Due {
    Forget,
    Age,
    Expire,
    Fire,
    Abandon,
}

impl Stream {
    /// An empty stream. `config` is what [`Directory::create`](super::config::Directory::create) gave; `seed` decides what a subject
    /// transform draws.
    #[must_use]
    pub fn new(config: StreamConfig, limits: &ServerLimits, now: Timestamp, seed: u64) -> Self {
        let mut stream = Stream {
            log: Log::new(config.storage, config.first_seq, seed),
            dedup: Dedup::new(seed),
            last_id: Box::default(),
            interests: Interests::default(),
            batches: Batches::default(),
            transform: None,
            republish: None,
            rng: Rng::new(seed, 8),
            effects: VecDeque::new(),
            latest: now,
            created: now,
            limits: limits.clone(),
            config,
        };
        stream.compile();
        stream
    }

    /// Makes what is derived from the configuration.
    pub(super) fn compile(&mut self) {
        let made = |src: &str, dest: &str| {
            // Invalid transforms were refused before; an empty destination means none.
            if dest.is_empty() { None } else { Transform::new(src, dest).ok() }
        };
        self.transform =
            self.config.subject_transform.as_ref().and_then(|transform| made(&transform.src, &transform.dest));
        // An update may leave a republish to where it came from (JS38), which would never end.
        let ends = |republish: &&Republish| republish.dest != ">";
        self.republish =
            self.config.republish.as_ref().filter(ends).and_then(|republish| made(&republish.src, &republish.dest));
    }

    /// Its configuration.
    #[must_use]
    pub fn config(&self) -> &StreamConfig {
        &self.config
    }

    /// When it was made.
    #[must_use]
    pub fn created(&self) -> Timestamp {
        self.created
    }

    /// The contents of the stream.
    #[must_use]
    pub fn state(&self) -> StreamState {
        let (first_seq, last_seq) = (self.log.first_seq(), self.log.last_seq());
        let messages = self.log.len();
        StreamState {
            messages,
            bytes: self.log.bytes(),
            first_seq,
            first_time: self.log.store.get(first_seq).map(|slot| slot.time),
            last_seq,
            last_time: self.log.last_time(),
            num_subjects: self.log.subjects.len() as u64,
            num_deleted: if last_seq > first_seq { last_seq - first_seq + 1 - messages } else { 0 },
            consumers: self.interests.len(),
        }
    }

    /// The fate of every message.
    #[must_use]
    pub fn ledger(&self) -> Ledger {
        self.log.ledger()
    }

    /// The next thing to be sent.
    pub fn poll_effect(&mut self) -> Option<Effect> {
        self.effects.pop_front()
    }

    /// The next thing that the consumers are to be told.
    pub fn poll_change(&mut self) -> Option<Change> {
        self.log.poll_change()
    }

    /// When [`handle_timeout`](Stream::handle_timeout) is to be called; `None` if nothing waits.
    #[must_use]
    pub fn poll_timeout(&mut self) -> Option<Timestamp> {
        self.next_due().map(|(at, _)| at)
    }

    /// Does what is due: ids are forgotten, messages expire, schedules fire, batches are abandoned; each at its own instant, in the
    /// order of these, also when the clock has jumped (JS91).
    pub fn handle_timeout(&mut self, now: Timestamp) {
        self.advance(now);
    }

    /// Does all that was due until now, and gives back the instant to continue with.
    pub(super) fn advance(&mut self, now: Timestamp) -> Timestamp {
        let now = now.max(self.latest);
        while let Some((at, due)) = self.next_due().filter(|(at, _)| *at <= now) {
            let at = at.max(self.latest);
            self.latest = at;
            match due {
                Due::Forget => self.dedup.forget(at, span(self.config.duplicate_window)),
                Due::Age => self.expire_oldest(at),
                Due::Expire => self.expire_next(at),
                Due::Fire => self.fire_schedule(at, now),
                Due::Abandon => self.abandon_idle_batches(at),
            }
        }
        self.latest = now;
        now
    }

    fn next_due(&mut self) -> Option<(Timestamp, Due)> {
        let max_age = self.config.max_age;
        let age = if max_age > 0 { self.log.next_to_age().map(|(_, time)| time.after(span(max_age))) } else { None };
        let all = [
            (self.dedup.due(span(self.config.duplicate_window)), Due::Forget),
            (age, Due::Age),
            (self.log.next_to_expire().map(|(_, at)| at), Due::Expire),
            (self.log.schedules.next().map(|(at, _)| at), Due::Fire),
            (self.batches.due(span(self.limits.batch_timeout)), Due::Abandon),
        ];
        all.into_iter().filter_map(|(at, due)| at.map(|at| (at, due))).min()
    }

    /// Whether messages go when consumers have acknowledged them.
    pub(super) fn keeps_for_consumers(&self) -> bool {
        self.config.retention != Retention::Limits
    }
}
