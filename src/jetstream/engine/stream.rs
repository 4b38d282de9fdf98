//! One stream: what it holds, its timers, and what is left to do.

use super::batch::{self, Batches};
use super::check::Room;
use super::config::{Retention, ServerLimits, StreamConfig};
use super::consumer::context::{Everything, Interest};
use super::consumers::Consumers;
use super::effect::{Answer, Effect, Ledger};
use super::error::ApiError;
use super::expiry;
use super::journal::Changed;
use super::messages::Messages;
use super::need;
use super::parts::Parts;
use super::publish::{self, Publish};
use super::record::Record;
use super::records;
use super::retention::{self, Purge};
use super::time::{Timestamp, span};
use crate::message::StreamStep;

/// A stream as a machine: it is told what happens and when, and says what is to be done.
///
/// Each call that changes something takes the present instant, and first does what was due before it. The effects of a call are
/// fetched with [`poll_effect`](Stream::poll_effect), and are carried out in their order. The caller calls [`handle_timeout`](Stream::handle_timeout) when the instant of [`poll_timeout`](Stream::poll_timeout) has come.
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
/// assert_eq!(stream.messages().get(1).unwrap().payload(), b"hello");
/// # Ok::<_, Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Stream {
    pub(super) parts: Parts,
    pub(super) consumers: Consumers,
    batches: Batches,
    created: Timestamp,
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
    /// Consumers.
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
    Consumer,
}

impl Stream {
    /// An empty stream. `config` is what [`Directory::create`](super::config::Directory::create) gave; `seed` decides what a subject
    /// transform draws.
    #[must_use]
    pub fn new(config: StreamConfig, limits: &ServerLimits, now: Timestamp, seed: u64) -> Self {
        Stream {
            parts: Parts::new(config, limits, seed),
            consumers: Consumers::new(Box::new(Everything)),
            batches: Batches::default(),
            created: now,
            latest: now,
        }
    }

    /// A stream made of what was written down.
    pub(super) fn assemble(parts: Parts, consumers: Consumers, created: Timestamp, latest: Timestamp) -> Self {
        Stream { parts, consumers, batches: Batches::default(), created, latest }
    }

    /// Notes all changes from now on, to be fetched with [`Stream::drain_records`]. What is so by now is in no record:
    /// [`Stream::state_records`] and [`Stream::message_record`] give it out.
    #[must_use]
    pub fn with_journal(mut self) -> Self {
        self.parts.messages.journal.begin();
        self.consumers.begin_journal();
        self
    }

    /// Gives out the records of what has changed since the last time, in order; none without a journal. Whoever writes all of them, or
    /// none, can make the stream anew as it was after one of the calls before.
    pub fn drain_records(&mut self, mut write: impl FnMut(Record<'_>)) {
        let Parts { config, messages, .. } = &mut self.parts;
        records::drain(config, self.created, messages, &mut self.consumers, &mut write);
    }

    /// The records of all but the messages. With those of the messages behind them they are the whole stream.
    pub fn state_records(&self, mut write: impl FnMut(Record<'_>)) {
        records::state(&self.parts.config, self.created, &self.parts.messages, &self.consumers, &mut write);
    }

    /// The record of a message; `None` if it is not there.
    #[must_use]
    pub fn message_record(&self, seq: u64) -> Option<Record<'_>> {
        records::message(&self.parts.messages, seq)
    }

    /// Whom to ask whether anything receives from a pull request's inbox; without it everything is received.
    #[must_use]
    pub fn with_interest(mut self, interest: impl Interest + 'static) -> Self {
        self.consumers.ask(Box::new(interest));
        self
    }

    /// Writes down each [step](StreamStep), to be fetched with [`take_steps`](Stream::take_steps).
    #[must_use]
    pub fn watched(mut self) -> Self {
        self.parts.steps.turn_on();
        self.parts.messages.steps.turn_on();
        self
    }

    /// The steps since this was last called, in their order; none unless the stream is [`watched`](Stream::watched).
    pub fn take_steps(&mut self) -> Vec<StreamStep> {
        self.parts.steps.append(&mut self.parts.messages.steps);
        self.parts.steps.take()
    }

    /// Its configuration.
    #[must_use]
    pub fn config(&self) -> &StreamConfig {
        &self.parts.config
    }

    /// Other limits of the server from now on.
    pub fn set_limits(&mut self, limits: &ServerLimits) {
        self.parts.limits = limits.clone();
    }

    /// When it was made.
    #[must_use]
    pub fn created(&self) -> Timestamp {
        self.created
    }

    /// Its messages.
    #[must_use]
    pub fn messages(&self) -> &Messages {
        &self.parts.messages
    }

    /// The contents of the stream.
    #[must_use]
    pub fn state(&self) -> StreamState {
        let (first_seq, last_seq) = (self.parts.messages.first_seq(), self.parts.messages.last_seq());
        let messages = self.parts.messages.len();
        StreamState {
            messages,
            bytes: self.parts.messages.bytes(),
            first_seq,
            first_time: self.parts.messages.store.get(first_seq).map(|slot| slot.time),
            last_seq,
            last_time: self.parts.messages.last_time(),
            num_subjects: self.parts.messages.subjects.len() as u64,
            num_deleted: if last_seq > first_seq { last_seq - first_seq + 1 - messages } else { 0 },
            consumers: self.consumers.len(),
        }
    }

    /// The atomic batches that are open, and the bytes of the parts that are held for them.
    #[must_use]
    pub fn held(&self) -> (usize, u64) {
        self.batches.held()
    }

    /// The fate of every message.
    #[must_use]
    pub fn ledger(&self) -> Ledger {
        self.parts.messages.ledger()
    }

    /// Takes a message that was published on one of the stream's subjects. It is judged, stored, limits are kept, it is republished and
    /// answered; in this order (JS92).
    pub fn handle_publish(&mut self, now: Timestamp, publish: &Publish<'_>, room: Room) {
        let now = self.advance(now);
        let answer = publish::take(&mut self.parts, &mut self.batches, now, publish, room);
        self.note(publish, &answer);
        if let (Some(to), false) = (publish.reply, self.parts.config.no_ack) {
            self.parts.effects.push_back(Effect::Answer { to: to.clone(), answer });
        }
        self.settle();
    }

    /// A publish that stored nothing is a step too.
    fn note(&mut self, publish: &Publish<'_>, answer: &Answer) {
        self.parts.messages.steps.add_some(|| match answer {
            Answer::Duplicate { seq } => Some(StreamStep::Duplicate { seq: *seq }),
            Answer::Failed(error) => Some(StreamStep::Refused {
                subject: publish.subject.as_smol().clone(),
                err_code: error.err_code(),
                description: error.description().to_owned(),
            }),
            _ => None,
        });
    }

    /// Purges, and says how many messages went (JS27, JS77).
    ///
    /// # Errors
    ///
    /// 10003 if both `seq` and `keep` are given, 10109 if the stream is sealed, 10110 if purges are denied.
    pub fn handle_purge(&mut self, now: Timestamp, purge: &Purge) -> Result<u64, ApiError> {
        self.advance(now);
        let purged = retention::purge(&mut self.parts, purge);
        self.settle();
        purged
    }

    /// Deletes one message (JS29, JS79).
    ///
    /// # Errors
    ///
    /// 10109 if the stream is sealed, 10057 if deletions are denied; 10043 if there is no such message, or 10057 where a file store
    /// says so: above the last sequence, and below the first.
    pub fn handle_delete(&mut self, now: Timestamp, seq: u64) -> Result<(), ApiError> {
        self.advance(now);
        let deleted = retention::delete(&mut self.parts, seq);
        self.settle();
        deleted
    }

    /// Becomes what [`Directory::update`](super::config::Directory::update) gave; smaller limits take effect at once (JS39).
    pub fn handle_update(&mut self, now: Timestamp, config: StreamConfig) {
        let now = self.advance(now);
        let old = self.parts.configure(config);
        self.parts.messages.journal.note(Changed::Config);
        if old.allow_atomic && !self.parts.config.allow_atomic {
            self.batches.clear();
        }
        retention::trim(&mut self.parts, &old);
        if old.retention == Retention::Limits && self.parts.config.retention == Retention::Interest {
            need::begin(&mut self.parts, self.consumers.acks());
        }
        self.settle();
        self.advance(now);
    }

    /// The next thing to be sent.
    pub fn poll_effect(&mut self) -> Option<Effect> {
        self.parts.effects.pop_front()
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

    /// Tells the consumers what has happened, and lets them hand out what they may.
    pub(super) fn settle(&mut self) {
        self.consumers.settle(&mut self.parts, self.latest);
    }

    /// Does all that was due until now, and gives back the instant to continue with.
    pub(super) fn advance(&mut self, now: Timestamp) -> Timestamp {
        let now = now.max(self.latest);
        while let Some((at, due)) = self.next_due().filter(|(at, _)| *at <= now) {
            let at = at.max(self.latest);
            self.latest = at;
            match due {
                Due::Forget => self.parts.dedup.forget(at, span(self.parts.config.duplicate_window)),
                Due::Age => expiry::expire_oldest(&mut self.parts, at),
                Due::Expire => expiry::expire_next(&mut self.parts, at),
                Due::Fire => expiry::fire_schedule(&mut self.parts, at, now),
                Due::Consumer => self.consumers.handle_due(&mut self.parts, at),
                Due::Abandon => batch::abandon_idle(&mut self.parts, &mut self.batches, at),
            }
            self.settle();
        }
        self.latest = now;
        now
    }

    fn next_due(&mut self) -> Option<(Timestamp, Due)> {
        let max_age = self.parts.config.max_age;
        let age = if max_age > 0 {
            self.parts.messages.next_to_age().map(|(_, time)| time.after(span(max_age)))
        } else {
            None
        };
        let all = [
            (self.parts.dedup.due(span(self.parts.config.duplicate_window)), Due::Forget),
            (age, Due::Age),
            (self.parts.messages.next_to_expire().map(|(_, at)| at), Due::Expire),
            (self.parts.messages.schedules.next().map(|(at, _)| at), Due::Fire),
            (self.batches.due(span(self.parts.limits.batch_timeout)), Due::Abandon),
            (self.consumers.next_due(), Due::Consumer),
        ];
        all.into_iter().filter_map(|(at, due)| at.map(|at| (at, due))).min()
    }
}
