//! The consumers of a stream: found by name, told of what happens to messages, and called when something is due.
//!
//! A change of the stream reaches only those consumers whose filters match it; so consumers that don't match cost a publish nothing.

use super::config::{Retention, StreamConfig};
use super::consumer::config::{AckPolicy, ConsumerConfig, DeliverPolicy};
use super::consumer::context::{Context, Interest};
use super::consumer::durable::{self, Kept};
use super::consumer::machine::Consumer;
use super::effect::{Change, Effect};
use super::error::{ApiError, codes};
use super::interest::ConsumerId;
use super::journal::Changed;
use super::need::{self, Acks};
use super::parts::Parts;
use super::time::Timestamp;
use crate::message::StreamStep;
use crate::subject::{Subject, relation};
use smol_str::SmolStr;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

/// A consumer as records have it.
#[derive(Debug)]
pub(crate) struct RestoredConsumer {
    pub(crate) name: SmolStr,
    pub(crate) created: Timestamp,
    pub(crate) config: ConsumerConfig,
    pub(crate) kept: Kept,
}

/// All consumers of a stream.
pub(crate) struct Consumers {
    interest: Box<dyn Interest>,
    all: BTreeMap<ConsumerId, Consumer>,
    by_name: BTreeMap<SmolStr, ConsumerId>,
    next_id: u32,
    /// When each is to be called.
    timers: BTreeMap<ConsumerId, Timestamp>,
    due: BTreeSet<(Timestamp, ConsumerId)>,
    /// Those that may have something to hand out.
    ready: BTreeSet<ConsumerId>,
    /// Those whose progress is to be written down.
    changed: BTreeSet<ConsumerId>,
    /// Messages that a consumer has done with; empty between calls.
    done: Vec<u64>,
}

impl fmt::Debug for Consumers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Consumers").field("all", &self.all).finish_non_exhaustive()
    }
}

impl Acks for BTreeMap<ConsumerId, Consumer> {
    fn floor(&self, consumer: ConsumerId) -> u64 {
        self.get(&consumer).map_or(u64::MAX, Consumer::done_up_to)
    }

    fn needs(&self, consumer: ConsumerId, seq: u64) -> bool {
        self.get(&consumer).is_some_and(|consumer| consumer.needs(seq))
    }
}

impl Consumers {
    pub(crate) fn new(interest: Box<dyn Interest>) -> Self {
        Consumers {
            interest,
            all: BTreeMap::new(),
            by_name: BTreeMap::new(),
            next_id: 1,
            timers: BTreeMap::new(),
            due: BTreeSet::new(),
            ready: BTreeSet::new(),
            changed: BTreeSet::new(),
            done: Vec::new(),
        }
    }

    pub(crate) fn ask(&mut self, interest: Box<dyn Interest>) {
        self.interest = interest;
    }

    pub(crate) fn len(&self) -> usize {
        self.all.len()
    }

    pub(crate) fn find(&self, name: &str) -> Option<ConsumerId> {
        self.by_name.get(name).copied()
    }

    pub(crate) fn get(&self, id: ConsumerId) -> Option<&Consumer> {
        self.all.get(&id)
    }

    pub(crate) fn get_mut(&mut self, id: ConsumerId) -> Option<&mut Consumer> {
        self.all.get_mut(&id)
    }

    /// Those that may have progress to be written down.
    pub(crate) fn take_changed(&mut self) -> BTreeSet<ConsumerId> {
        std::mem::take(&mut self.changed)
    }

    /// Writes all of them down from now on.
    pub(crate) fn begin_journal(&mut self) {
        self.all.values_mut().for_each(durable::begin);
    }

    /// By their names.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (ConsumerId, &Consumer)> {
        self.by_name.values().filter_map(|id| Some((*id, self.all.get(id)?)))
    }

    pub(crate) fn acks(&self) -> &impl Acks {
        &self.all
    }

    /// Puts a consumer in.
    pub(crate) fn insert(
        &mut self,
        parts: &mut Parts,
        now: Timestamp,
        name: SmolStr,
        config: ConsumerConfig,
    ) -> ConsumerId {
        let id = ConsumerId(self.next_id);
        self.next_id += 1;
        let mut consumer = Consumer::new(id, name.clone(), config, &parts.config, &parts.messages, now);
        if parts.messages.journal.is_kept() {
            durable::begin(&mut consumer);
            parts.messages.journal.note(Changed::Consumer(id));
            self.changed.insert(id);
        }
        let filters = consumer.filters().to_vec();
        parts.steps.append(&mut parts.messages.steps);
        parts.steps.add(|| StreamStep::ConsumerCreated { consumer: name.clone() });
        self.all.insert(id, consumer);
        self.by_name.insert(name, id);
        need::add(parts, id, &filters, &self.all);
        self.rearm(id);
        id
    }

    /// Puts a consumer in that was there before.
    pub(crate) fn restore(&mut self, parts: &mut Parts, now: Timestamp, id: ConsumerId, restored: RestoredConsumer) {
        let RestoredConsumer { name, created, config, kept } = restored;
        self.next_id = self.next_id.max(id.0.saturating_add(1));
        let mut consumer = Consumer::new(id, name.clone(), config, &parts.config, &parts.messages, now);
        consumer.set_created(created);
        durable::restore(&mut consumer, &kept, &parts.messages);
        need::restore(parts, id, consumer.filters());
        self.all.insert(id, consumer);
        self.by_name.insert(name, id);
        self.ready.insert(id);
        self.rearm(id);
    }

    /// Takes a consumer out: its requests are told, and messages go that only it needed.
    pub(crate) fn remove(&mut self, parts: &mut Parts, now: Timestamp, id: ConsumerId) {
        self.with(parts, now, id, |consumer, context, _| consumer.close(context));
        need::remove(parts, id, &self.all);
        let Some(consumer) = self.all.remove(&id) else { return };
        self.by_name.remove(consumer.name());
        if let Some(at) = self.timers.remove(&id) {
            self.due.remove(&(at, id));
        }
        self.ready.remove(&id);
        parts.steps.append(&mut parts.messages.steps);
        parts.steps.add(|| StreamStep::ConsumerDeleted { consumer: consumer.name().clone() });
        self.changed.remove(&id);
        if durable::is_kept(&consumer) {
            parts.messages.journal.note(Changed::ConsumerGone(id));
        }
        parts.effects.push_back(Effect::ConsumerGone { id, name: consumer.name().clone() });
    }

    /// Replaces a configuration by one that may follow it.
    pub(crate) fn update(&mut self, parts: &mut Parts, now: Timestamp, id: ConsumerId, config: ConsumerConfig) {
        let looks =
            self.with(parts, now, id, |consumer, context, stream| consumer.handle_update(context, config, stream));
        if looks == Some(true) {
            self.ready.insert(id);
        }
        parts.messages.journal.note(Changed::Consumer(id));
        let Some(consumer) = self.all.get(&id) else { return };
        let filters = consumer.filters().to_vec();
        if parts.interests.filters(id) != need::or_all(&filters) {
            need::update(parts, id, &filters, &self.all);
        }
    }

    /// Moves a consumer, and changes with it which messages it needs.
    pub(crate) fn reset(&mut self, parts: &mut Parts, now: Timestamp, id: ConsumerId, next: u64) {
        let needed = need::needed(parts, id, &self.all);
        self.wake(parts, now, id, |consumer, context, _| consumer.handle_reset(context, next));
        need::change(parts, id, &needed, &self.all);
    }

    /// Lets a consumer do something, and all that follows from it but handing messages out.
    pub(crate) fn with<T>(
        &mut self,
        parts: &mut Parts,
        now: Timestamp,
        id: ConsumerId,
        act: impl FnOnce(&mut Consumer, &mut Context<'_>, &StreamConfig) -> T,
    ) -> Option<T> {
        let consumer = self.all.get_mut(&id)?;
        // What has become of messages so far comes before what the consumer does.
        parts.steps.append(&mut parts.messages.steps);
        let mut context = Context {
            now,
            stream: &parts.config.name,
            is_work_queue: parts.config.retention == Retention::WorkQueue,
            messages: &parts.messages,
            interest: &*self.interest,
            rng: &parts.rng,
            effects: &mut parts.effects,
            steps: &mut parts.steps,
            done: &mut self.done,
        };
        let result = act(consumer, &mut context, &parts.config);
        if consumer.written.is_some() {
            self.changed.insert(id);
        }
        for seq in std::mem::take(&mut self.done) {
            need::done(parts, id, seq);
        }
        self.rearm(id);
        Some(result)
    }

    /// Lets a consumer do something after which it may have something to hand out (JC213).
    pub(crate) fn wake<T>(
        &mut self,
        parts: &mut Parts,
        now: Timestamp,
        id: ConsumerId,
        act: impl FnOnce(&mut Consumer, &mut Context<'_>, &StreamConfig) -> T,
    ) -> Option<T> {
        self.ready.insert(id);
        self.with(parts, now, id, act)
    }

    /// Lets a consumer do something that says whether it may have something to hand out.
    pub(crate) fn wake_if(
        &mut self,
        parts: &mut Parts,
        now: Timestamp,
        id: ConsumerId,
        act: impl FnOnce(&mut Consumer, &mut Context<'_>) -> bool,
    ) {
        if self.with(parts, now, id, |consumer, context, _| act(consumer, context)) == Some(true) {
            self.ready.insert(id);
        }
    }

    /// Tells the consumers of what has happened to messages, and lets those hand out that may have something to hand out.
    pub(crate) fn settle(&mut self, parts: &mut Parts, now: Timestamp) {
        loop {
            while let Some(change) = parts.messages.poll_change() {
                self.tell(parts, now, change);
            }
            let Some(id) = self.ready.pop_first() else { break };
            self.with(parts, now, id, |consumer, context, _| consumer.serve(context));
        }
    }

    fn tell(&mut self, parts: &mut Parts, now: Timestamp, change: Change) {
        match change {
            Change::Stored { seq, consumers } => {
                for id in consumers {
                    if let Some(consumer) = self.all.get_mut(&id) {
                        consumer.stored(seq);
                        self.ready.insert(id);
                        if !consumer.needs(seq) {
                            // It begins behind the message.
                            need::done(parts, id, seq);
                        }
                    }
                }
            }
            // As on the server, a consumer whose filters have changed is not told of what only its old ones match; it finds that out
            // when the message would come again.
            Change::Removed { seq, subject, .. } => {
                let mut ids = parts.interests.matching(&subject);
                ids.retain(|id| self.all.get(id).is_some_and(|consumer| consumer.needs(seq)));
                for id in ids {
                    let was_full = self.all.get(&id).is_some_and(Consumer::is_full);
                    self.with(parts, now, id, |consumer, context, _| consumer.removed(context, seq));
                    if was_full {
                        self.ready.insert(id);
                    }
                }
            }
            Change::Purged { filter, recounts } => self.tell_purge(parts, now, filter.as_ref(), recounts),
        }
    }

    /// JC141.
    fn tell_purge(&mut self, parts: &mut Parts, now: Timestamp, filter: Option<&SmolStr>, recounts: bool) {
        let next = filter.map(|filter| parts.messages.next_match(std::slice::from_ref(filter), 0));
        let next = next.map(|next| next.map_or(parts.messages.last_seq() + 1, |message| message.seq()));
        let ids: Vec<ConsumerId> = match filter.filter(|filter| Subject::new(filter.as_str()).is_ok()) {
            Some(literal) => parts.interests.matching(literal).to_vec(),
            None => self.all.keys().copied().collect(),
        };
        for id in ids {
            let Some(consumer) = self.all.get(&id) else { continue };
            let filters = consumer.filters();
            let lies_within =
                |filter: &SmolStr| !filters.is_empty() && filters.iter().all(|own| relation::includes(filter, own));
            let is_wider =
                |filter: &SmolStr| filters.is_empty() || filters.iter().any(|own| relation::includes(own, filter));
            let is_within = filter.is_none_or(lies_within);
            if !is_within && !filter.is_some_and(is_wider) {
                let overlaps = |filter: &SmolStr| filters.iter().any(|own| relation::overlaps(filter, own));
                if recounts && filter.is_some_and(overlaps) {
                    self.with(parts, now, id, |consumer, context, _| consumer.passed_by(context.messages));
                }
                continue;
            }
            // For a consumer within the filter: the first message of the filter that is left, whether or not it is the consumer's.
            let first = next.filter(|_| is_within).unwrap_or(parts.messages.first_seq());
            // It does not look again for that (JC213).
            self.with(parts, now, id, |consumer, context, _| consumer.purged(context, first, !is_within, recounts));
        }
    }

    /// When the next consumer is to be called.
    pub(crate) fn next_due(&self) -> Option<Timestamp> {
        self.due.first().map(|(at, _)| *at)
    }

    /// Does the first thing that is due.
    pub(crate) fn handle_due(&mut self, parts: &mut Parts, at: Timestamp) {
        let Some((_, id)) = self.due.first().copied() else { return };
        let is_over = self.wake(parts, at, id, |consumer, context, _| consumer.handle_due(context));
        if is_over == Some(true) {
            self.remove(parts, at, id);
        }
        self.settle(parts, at);
    }

    fn rearm(&mut self, id: ConsumerId) {
        let next = self.all.get(&id).and_then(Consumer::next_due);
        let old = match next {
            Some(at) => self.timers.insert(id, at),
            None => self.timers.remove(&id),
        };
        if old == next {
            return;
        }
        if let Some(old) = old {
            self.due.remove(&(old, id));
        }
        if let Some(at) = next {
            self.due.insert((at, id));
        }
    }

    /// JC47: a work queue has one consumer for each message. `id` is the consumer itself, if it is there already.
    pub(crate) fn check_work_queue(
        &self,
        stream: &StreamConfig,
        config: &ConsumerConfig,
        id: Option<ConsumerId>,
    ) -> Result<(), ApiError> {
        if stream.retention != Retention::WorkQueue {
            return Ok(());
        }
        if id.is_none() && config.ack_policy != AckPolicy::Explicit {
            return Err(codes::CONSUMER_WQ_REQUIRES_EXPLICIT_ACK.error());
        }
        if id.is_none() && config.deliver_policy != DeliverPolicy::All {
            return Err(codes::CONSUMER_WQ_CONSUMER_NOT_DELIVER_ALL.error());
        }
        let filters = config.filters();
        let mut others = self.all.iter().filter(|(other, _)| Some(**other) != id).map(|(_, other)| other.filters());
        if filters.is_empty() {
            // An update to no filter is let through.
            let is_refused = id.is_none() && others.next().is_some();
            return if is_refused { Err(codes::CONSUMER_WQ_MULTIPLE_UNFILTERED.error()) } else { Ok(()) };
        }
        let overlaps = |theirs: &[SmolStr]| {
            theirs.is_empty()
                || theirs.iter().any(|other| filters.iter().any(|filter| relation::overlaps(filter, other)))
        };
        if others.any(overlaps) { Err(codes::CONSUMER_WQ_CONSUMER_NOT_UNIQUE.error()) } else { Ok(()) }
    }
}
