//! The keeper of records: it is told each step of each stream, and notices those that can't be.

use super::record::{ConsumerRecord, DeliveryState, MessageFate, MessageProgress, StreamMessageRecord, StreamRecord};
use crate::Clock;
use crate::observe::{StreamStep, StreamSteps};
use crate::sync::Mutex;
use smol_str::SmolStr;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::OnceLock;
use std::time::Duration;

/// Instants of deliveries of one message to one consumer that are kept.
const DELIVERIES_KEPT: usize = 100;
/// Consumers whose way with one message is kept; those that have ended go first.
const WAYS_KEPT: usize = 100;
/// Streams, and consumers of one stream, that are kept when they have ended.
const ENDED_KEPT: usize = 1_000;
/// Impossible steps that are kept as text.
const FAULTS_KEPT: usize = 10;

/// The records of all streams.
pub(in crate::testkit) struct Keeper {
    clock: OnceLock<Clock>,
    /// The most messages that are gone and still known.
    gone_max: usize,
    /// Never held while code of a user's runs.
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// By number, which is the order in which they were made.
    streams: BTreeMap<u64, Stream>,
    /// The number of the last stream of each name.
    current: BTreeMap<SmolStr, u64>,
    made: u64,
    /// Streams that were deleted, oldest first.
    ended: VecDeque<u64>,
    /// The number of the last step.
    number: u64,
    /// Messages that are gone, oldest first.
    gone: VecDeque<(u64, u64)>,
    faults: Vec<String>,
}

/// A stream's record, with its messages where they are found.
#[derive(Default)]
struct Stream {
    /// Without messages and consumers.
    record: StreamRecord,
    messages: BTreeMap<u64, StreamMessageRecord>,
    /// The messages that are there.
    held: BTreeSet<u64>,
    /// By number, which is the order in which they were made.
    consumers: BTreeMap<u64, Consumer>,
    /// The number of the last consumer of each name.
    current: BTreeMap<SmolStr, u64>,
    made: u64,
    /// Consumers that were deleted, oldest first.
    ended: VecDeque<u64>,
    /// Messages up to this one may be forgotten.
    forgotten_to: u64,
}

/// A consumer's record, and the messages that wait for an acknowledgement.
#[derive(Default)]
struct Consumer {
    record: ConsumerRecord,
    open: BTreeSet<u64>,
}

/// When a step was made.
#[derive(Clone, Copy)]
struct Moment {
    number: u64,
    at: Duration,
}

impl Keeper {
    pub(in crate::testkit) fn new(gone_max: usize) -> Self {
        Keeper { clock: OnceLock::new(), gone_max, state: Mutex::default() }
    }

    /// Takes its time from this clock from now on.
    pub(in crate::testkit) fn start(&self, clock: &Clock) {
        let _ = self.clock.set(clock.clone());
    }

    pub(in crate::testkit) fn take(&self, told: &StreamSteps<'_>) {
        let at = self.clock.get().map_or(Duration::ZERO, Clock::now);
        let mut state = self.state.lock();
        let state = &mut *state;
        for step in told.steps {
            state.number += 1;
            state.take(told.stream, step, Moment { number: state.number, at });
        }
        if let Some(fault) = state.imbalance(told) {
            state.complain(told.stream, &fault);
        }
        state.forget(self.gone_max);
    }

    /// All streams as they are now, in the order in which they were made.
    pub(super) fn records(&self) -> Vec<StreamRecord> {
        let state = self.state.lock();
        let whole = |stream: &Stream| StreamRecord {
            messages: stream.messages.values().cloned().collect(),
            consumers: stream.consumers.values().map(|consumer| consumer.record.clone()).collect(),
            ..stream.record.clone()
        };
        state.streams.values().map(whole).collect()
    }

    /// The number of the last step.
    pub(super) fn last(&self) -> u64 {
        self.state.lock().number
    }

    /// Steps that can't be, one a line; empty if there were none. They are told once.
    pub(in crate::testkit) fn take_faults(&self) -> String {
        std::mem::take(&mut self.state.lock().faults).concat()
    }
}

impl State {
    fn complain(&mut self, stream: &str, text: &str) {
        if self.faults.len() < FAULTS_KEPT {
            self.faults.push(format!("stream {stream} {text}\n"));
        }
    }

    /// A count that is not what the steps make of it.
    fn imbalance(&self, told: &StreamSteps<'_>) -> Option<String> {
        let stream = self.streams.get(self.current.get(told.stream)?)?;
        if let Some(text) = told.imbalance {
            return Some(format!("does not balance: {text}"));
        }
        let record = &stream.record;
        if !record.is_deleted && record.held != told.held {
            return Some(format!("holds {} messages, and {} by its steps", told.held, record.held));
        }
        if !record.balances() {
            return Some(format!("does not balance by its steps: {record:?}"));
        }
        let changed = told.steps.iter().filter_map(StreamStep::consumer);
        let mut records = changed.filter_map(|name| Some(&stream.consumers.get(stream.current.get(name)?)?.record));
        let unbalanced = records.find(|record| !record.balances())?;
        Some(format!("has a consumer that does not balance by its steps: {unbalanced:?}"))
    }

    /// Forgets what is long over.
    fn forget(&mut self, gone_max: usize) {
        while self.gone.len() > gone_max {
            let Some((number, seq)) = self.gone.pop_front() else { break };
            let Some(stream) = self.streams.get_mut(&number) else { continue };
            stream.forgotten_to = stream.forgotten_to.max(seq);
            stream.record.forgotten += u64::from(stream.messages.remove(&seq).is_some());
        }
        while self.ended.len() > ENDED_KEPT {
            let Some(number) = self.ended.pop_front() else { break };
            let Some(stream) = self.streams.remove(&number) else { continue };
            if self.current.get(&stream.record.name) == Some(&number) {
                self.current.remove(&stream.record.name);
            }
        }
    }

    fn take(&mut self, name: &str, step: &StreamStep, now: Moment) {
        if *step == StreamStep::Created {
            self.made += 1;
            self.current.insert(name.into(), self.made);
            let record = StreamRecord { name: name.into(), ..StreamRecord::default() };
            self.streams.insert(self.made, Stream { record, ..Stream::default() });
            return;
        }
        let number = self.current.get(name).copied();
        let Some((number, stream)) = number.and_then(|number| Some((number, self.streams.get_mut(&number)?))) else {
            return self.complain(name, &format!("was not made, but has taken a step: {step:?}"));
        };
        match step {
            StreamStep::Removed { seq, .. } => self.gone.push_back((number, *seq)),
            StreamStep::Cleared | StreamStep::Deleted => {
                self.gone.extend(stream.held.iter().map(|seq| (number, *seq)));
            }
            _ => {}
        }
        if *step == StreamStep::Deleted {
            self.ended.push_back(number);
        }
        let is_known = step.seq().is_none_or(|seq| seq > stream.forgotten_to || stream.messages.contains_key(&seq));
        if is_known && stream.take(step, now).is_none() {
            self.complain(name, &format!("has taken a step that can't be: {step:?}"));
        }
    }
}

impl Stream {
    /// `None` if the step can't be.
    fn take(&mut self, step: &StreamStep, now: Moment) -> Option<()> {
        match step {
            StreamStep::Stored { seq, subject } => return self.store(*seq, subject, now),
            StreamStep::Unwanted { .. } => self.record.unwanted += 1,
            StreamStep::Duplicate { seq } => {
                self.record.duplicates += 1;
                // It may be gone.
                if let Some(message) = self.messages.get_mut(seq) {
                    message.duplicates += 1;
                }
            }
            StreamStep::Refused { subject, err_code, description } => {
                self.record.refused += 1;
                self.record.last_refusal = Some((subject.clone(), *err_code, description.clone()));
            }
            StreamStep::Removed { seq, reason } => {
                return self.remove(*seq, MessageFate::Removed { reason: *reason, at: now.at }, now);
            }
            StreamStep::Cleared => {
                let reason = crate::observe::RemovalReason::Purged;
                for seq in std::mem::take(&mut self.held) {
                    self.held.insert(seq);
                    self.remove(seq, MessageFate::Removed { reason, at: now.at }, now)?;
                }
            }
            StreamStep::Deleted => {
                self.record.is_deleted = true;
                for number in self.current.values().copied().collect::<Vec<_>>() {
                    self.end_consumer(number, now)?;
                }
                for seq in std::mem::take(&mut self.held) {
                    let message = self.messages.get_mut(&seq)?;
                    (message.fate, message.gone) = (MessageFate::StreamDeleted, now.number);
                }
            }
            StreamStep::ConsumerCreated { consumer } => {
                self.made += 1;
                self.current.insert(consumer.clone(), self.made);
                let record = ConsumerRecord { name: consumer.clone(), ..ConsumerRecord::default() };
                self.consumers.insert(self.made, Consumer { record, open: BTreeSet::new() });
            }
            StreamStep::ConsumerDeleted { consumer } => {
                let number = self.current.remove(consumer)?;
                return self.end_consumer(number, now);
            }
            StreamStep::Delivered { consumer, seq, deliveries } => {
                return self.deliver(consumer, *seq, *deliveries, now);
            }
            StreamStep::Acked { consumer, seq } => return self.end(consumer, *seq, DeliveryState::Acked, now),
            StreamStep::Naked { consumer, seq } => return self.end(consumer, *seq, DeliveryState::Naked, now),
            StreamStep::Terminated { consumer, seq } => {
                return self.end(consumer, *seq, DeliveryState::Terminated, now);
            }
            StreamStep::Exhausted { consumer, seq } => {
                return self.end(consumer, *seq, DeliveryState::Exhausted, now);
            }
            StreamStep::Released { consumer, seq } => {
                return self.end(consumer, *seq, DeliveryState::Released, now);
            }
            StreamStep::Created => return None,
        }
        Some(())
    }

    fn store(&mut self, seq: u64, subject: &SmolStr, now: Moment) -> Option<()> {
        let message = StreamMessageRecord {
            seq,
            subject: subject.clone(),
            at: now.at,
            fate: MessageFate::Held,
            duplicates: 0,
            consumers: Vec::new(),
            number: now.number,
            gone: 0,
        };
        self.record.stored += 1;
        self.record.held += 1;
        self.held.insert(seq);
        self.messages.insert(seq, message).is_none().then_some(())
    }

    fn remove(&mut self, seq: u64, fate: MessageFate, now: Moment) -> Option<()> {
        let MessageFate::Removed { reason, .. } = fate else { return None };
        self.held.remove(&seq).then_some(())?;
        let message = self.messages.get_mut(&seq)?;
        (message.fate, message.gone) = (fate, now.number);
        self.record.held -= 1;
        match self.record.removed.iter_mut().find(|(of, _)| *of == reason) {
            Some((_, count)) => *count += 1,
            None => self.record.removed.push((reason, 1)),
        }
        Some(())
    }

    fn deliver(&mut self, name: &SmolStr, seq: u64, deliveries: u32, now: Moment) -> Option<()> {
        let place = *self.current.get(name)?;
        let message = self.messages.get_mut(&seq)?;
        let Consumer { record: consumer, open } = self.consumers.get_mut(&place)?;
        let is_possible = message.fate == MessageFate::Held && !consumer.is_deleted;
        let known = message.consumers.iter().position(|progress| progress.place == place);
        let progress = match known {
            Some(known) => message.consumers.get_mut(known)?,
            None => {
                if message.consumers.len() >= WAYS_KEPT
                    && let Some(over) = message.consumers.iter().position(|progress| !progress.state.is_open())
                {
                    message.consumers.remove(over);
                }
                message.consumers.push(MessageProgress {
                    consumer: name.clone(),
                    deliveries: 0,
                    delivered_at: Vec::new(),
                    naks: 0,
                    state: DeliveryState::Released,
                    at: now.at,
                    place,
                    delivered: 0,
                    redelivered: 0,
                    naked: 0,
                    last: 0,
                });
                message.consumers.last_mut()?
            }
        };
        // A message that was done with is new again after a reset.
        let expected = if progress.state.is_open() { progress.deliveries + 1 } else { 1 };
        if expected > 1 {
            consumer.redelivered += 1;
            progress.redelivered = now.number;
        } else {
            consumer.delivered += 1;
            consumer.pending += 1;
            open.insert(seq);
        }
        progress.deliveries = deliveries;
        progress.delivered = now.number;
        (progress.state, progress.at, progress.last) = (DeliveryState::Pending, now.at, now.number);
        if progress.delivered_at.len() >= DELIVERIES_KEPT {
            progress.delivered_at.remove(0);
        }
        progress.delivered_at.push(now.at);
        (is_possible && deliveries == expected).then_some(())
    }

    /// A message is done with, or refused for now.
    fn end(&mut self, name: &SmolStr, seq: u64, state: DeliveryState, now: Moment) -> Option<()> {
        let place = *self.current.get(name)?;
        let message = self.messages.get_mut(&seq)?;
        let Consumer { record: consumer, open } = self.consumers.get_mut(&place)?;
        let progress = message.consumers.iter_mut().find(|progress| progress.place == place)?;
        let is_late = progress.state == DeliveryState::Exhausted
            && matches!(state, DeliveryState::Acked | DeliveryState::Terminated);
        (progress.state.is_open() || is_late).then_some(())?;
        (progress.state, progress.at, progress.last) = (state, now.at, now.number);
        if is_late {
            consumer.exhausted -= 1;
        } else if state != DeliveryState::Naked {
            consumer.pending -= 1;
            open.remove(&seq);
        }
        match state {
            DeliveryState::Naked => {
                progress.naks += 1;
                progress.naked = now.number;
            }
            DeliveryState::Acked => consumer.acked += 1,
            DeliveryState::Terminated => consumer.terminated += 1,
            DeliveryState::Exhausted => consumer.exhausted += 1,
            _ => consumer.released += 1,
        }
        Some(())
    }

    fn end_consumer(&mut self, place: u64, now: Moment) -> Option<()> {
        let Consumer { record: consumer, open } = self.consumers.get_mut(&place)?;
        consumer.is_deleted = true;
        for seq in std::mem::take(open) {
            // Its record may be forgotten.
            let message = self.messages.get_mut(&seq);
            let progress = message.and_then(|one| one.consumers.iter_mut().find(|one| one.place == place));
            if let Some(progress) = progress {
                (progress.state, progress.at, progress.last) = (DeliveryState::ConsumerDeleted, now.at, now.number);
            }
            consumer.pending -= 1;
            consumer.released += 1;
        }
        self.ended.push_back(place);
        if self.ended.len() > ENDED_KEPT
            && let Some(oldest) = self.ended.pop_front()
        {
            self.consumers.remove(&oldest);
        }
        Some(())
    }
}
