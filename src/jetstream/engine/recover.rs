//! A stream is made anew from its records.

use super::config::{ServerLimits, StreamConfig};
use super::consumer::context::Everything;
use super::consumers::{Consumers, RestoredConsumer};
use super::dedup::Dedup;
use super::header::{self, BLOCK_MAX, Known, said};
use super::interest::ConsumerId;
use super::messages::{Messages, Restored};
use super::need;
use super::parts::Parts;
use super::record::Record;
use super::schedule::{Pattern, Schedule};
use super::stream::Stream;
use super::time::{Timestamp, span};
use smol_str::SmolStr;
use std::collections::BTreeMap;

/// Takes the records of a stream, and makes the stream of them.
///
/// Kept are the configuration, the messages, the sequences, the turns of schedules, and consumers with their deliveries, but those that live in
/// memory. Ids of messages count again for the rest of their window, as far as the messages are still there. Atomic batches that were
/// open are forgotten.
///
/// # Example
///
/// ```
/// use postroom::Subject;
/// use postroom::jetstream::engine::config::{Created, Directory, StreamConfig};
/// use postroom::jetstream::engine::{Publish, Recovery, Room, Stream, Timestamp};
///
/// let none = Directory { streams: &[], server: &Default::default(), account: &Default::default() };
/// let Created::New(config) = none.create(StreamConfig::new("ORDERS"), false)? else { unreachable!() };
/// let now = Timestamp::from_nanos(1);
/// let mut stream = Stream::new(*config, none.server, now, 7).with_journal();
///
/// let mut recovery = Recovery::default();
/// stream.state_records(|record| recovery.apply(record).unwrap());
/// let publish = Publish { subject: &Subject::new("ORDERS")?, reply: None, head: &[], payload: b"hello" };
/// stream.handle_publish(now, &publish, Room::UNLIMITED);
/// stream.drain_records(|record| recovery.apply(record).unwrap());
///
/// let again = recovery.finish(none.server, now, 8)?;
/// assert_eq!(again.state(), stream.state());
/// # Ok::<_, Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Default)]
pub struct Recovery {
    config: Option<(StreamConfig, Timestamp)>,
    messages: BTreeMap<u64, Restored>,
    ends: (u64, u64, Option<Timestamp>),
    turns: BTreeMap<u64, Timestamp>,
    consumers: BTreeMap<ConsumerId, RestoredConsumer>,
}

/// A record that can't be, or one that is missing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Unreadable(&'static str);

impl Recovery {
    /// Takes the next record.
    ///
    /// # Errors
    ///
    /// [`Unreadable`] if the record has values that can't be, or belongs to a consumer that is not there.
    pub fn apply(&mut self, record: Record<'_>) -> Result<(), Unreadable> {
        match record {
            Record::Config { config, created } => self.config = Some((config.into_owned(), created)),
            Record::Message { seq, time, subject, head, payload } => {
                if seq == 0 || seq == u64::MAX || subject.is_empty() || head.len() > BLOCK_MAX {
                    return Err(Unreadable("a message can't be"));
                }
                let (subject, head_len) = (SmolStr::new(subject), head.len() as u32);
                self.messages.insert(seq, Restored { time, subject, head_len, data: [head, payload].concat().into() });
            }
            Record::Removed { seq } => drop(self.messages.remove(&seq)),
            Record::Cleared => self.messages.clear(),
            Record::Ends { first, last, last_time } => {
                if last == u64::MAX || first > last + 1 {
                    return Err(Unreadable("the sequences of the stream can't be"));
                }
                self.ends = (first, last, last_time);
            }
            Record::Schedule { seq, due } => drop(self.turns.insert(seq, due)),
            Record::Consumer { id, name, created, config } => {
                if id.0 == u32::MAX || name.is_empty() {
                    return Err(Unreadable("a consumer can't be"));
                }
                let kept = self.consumers.remove(&id).map(|before| before.kept).unwrap_or_default();
                let (name, config) = (SmolStr::new(name), config.into_owned());
                self.consumers.insert(id, RestoredConsumer { name, created, config, kept });
            }
            Record::ConsumerGone { id } => drop(self.consumers.remove(&id)),
            Record::Progress { id, progress } => {
                let consumer =
                    self.consumers.get_mut(&id).ok_or(Unreadable("progress of a consumer that is not there"))?;
                consumer.kept.apply(&progress).map_err(Unreadable)?;
            }
        }
        Ok(())
    }

    /// The configuration, as far as it was read.
    #[must_use]
    pub fn config(&self) -> Option<&StreamConfig> {
        self.config.as_ref().map(|(config, _)| config)
    }

    /// The stream. It has a journal, in which is what did not outlive the process. What fell due meanwhile is done when it is next
    /// told the time.
    ///
    /// # Errors
    ///
    /// [`Unreadable`] if there was no configuration.
    pub fn finish(self, limits: &ServerLimits, now: Timestamp, seed: u64) -> Result<Stream, Unreadable> {
        let Recovery { config, messages, ends: (first, last, last_time), turns, consumers } = self;
        let (config, created) = config.ok_or(Unreadable("there is no configuration"))?;
        let mut parts = Parts::new(config, limits, seed);
        for (seq, message) in messages {
            parts.messages.restore(seq, message);
        }
        parts.messages.restore_ends(first, last, last_time);
        let latest = parts.messages.last_time().unwrap_or(created).max(created);
        restore_ids(&parts.messages, &mut parts.dedup, span(parts.config.duplicate_window), now.max(latest));
        let last = parts.messages.get(parts.messages.last_seq());
        let last_id = last.and_then(|last| said(header::get(last.head(), "Nats-Msg-Id"))).unwrap_or_default();
        parts.last_id = last_id.into();
        if parts.config.allow_msg_schedules {
            restore_schedules(&mut parts.messages, &turns);
        }
        let mut all = Consumers::new(Box::new(Everything));
        parts.messages.journal.begin();
        for (id, consumer) in consumers {
            all.restore(&mut parts, now, id, consumer);
        }
        all.begin_journal();
        need::recount(&mut parts, all.acks());
        Ok(Stream::assemble(parts, all, created, latest))
    }
}

/// The ids of the window, of messages that are still there (JS48).
fn restore_ids(messages: &Messages, dedup: &mut Dedup, window: std::time::Duration, now: Timestamp) {
    let since = Timestamp::from_nanos(now.since(Timestamp::from_nanos(0)).saturating_sub(window).as_nanos() as u64);
    if window.is_zero() {
        return;
    }
    let Some(first) = messages.store.at_time(since) else { return };
    for (seq, slot) in messages.store.from(first) {
        if let Some(id) = said(header::get(slot.head(), "Nats-Msg-Id")).filter(|id| dedup.find(id).is_none()) {
            dedup.insert(id, seq, slot.time);
        }
    }
}

/// The schedules of the last messages of their subjects; a turn that was written down counts, else they begin with the message.
fn restore_schedules(messages: &mut Messages, turns: &BTreeMap<u64, Timestamp>) {
    let mut schedules = Vec::new();
    for entry in messages.subjects.matching(">") {
        let seq = entry.seqs.last();
        let Some(slot) = messages.store.get(seq) else { continue };
        if let Some(pattern) = said(Known::of(slot.head()).schedule).and_then(Pattern::parse) {
            let due = turns.get(&seq).copied().unwrap_or_else(|| pattern.first(slot.time));
            schedules.push((entry.name.clone(), Schedule { seq, pattern, due }));
        }
    }
    for (subject, schedule) in schedules {
        messages.schedules.insert(&subject, schedule);
    }
}
