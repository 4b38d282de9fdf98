//! What went out and waits for acknowledgements: the floor rises with them, and every message is accounted for (JC90 to JC118).

use super::ack::AckSubject;
use super::config::AckPolicy;
use super::context::Context;
use super::info::{ConsumerLedger, SequencePair};
use super::pending::{Pending, Waits};
use crate::jetstream::engine::effect::{Effect, Event};
use crate::jetstream::engine::time::span;
use smol_str::SmolStr;
use std::time::Duration;

/// The deliveries of a consumer.
#[derive(Debug)]
pub(crate) struct Deliveries {
    /// The consumer's name.
    consumer: SmolStr,
    policy: AckPolicy,
    pub(super) pending: Pending,
    pub(super) waits: Waits,
    /// The last delivery.
    pub(super) last: SequencePair,
    pub(super) floor: SequencePair,
    pub(super) ledger: ConsumerLedger,
    /// The percentage of acknowledgements that are measured.
    pub(super) sampling: u32,
}

impl Deliveries {
    /// None so far; the first message follows `before`.
    pub(crate) fn new(consumer: SmolStr, policy: AckPolicy, before: SequencePair) -> Self {
        Deliveries {
            consumer,
            policy,
            pending: Pending::default(),
            waits: Waits::default(),
            last: before,
            floor: before,
            ledger: ConsumerLedger::default(),
            sampling: 0,
        }
    }

    /// The ledger, with what is pending.
    pub(crate) fn ledger(&self) -> ConsumerLedger {
        ConsumerLedger { pending: self.pending.len() as u64, ..self.ledger }
    }

    /// A message came as often as it may (JC116).
    pub(super) fn exhaust(&mut self, seq: u64, context: &mut Context<'_>) {
        let Some(entry) = self.pending.exhaust(seq) else { return };
        self.ledger.exhausted += 1;
        self.last.last_active = Some(context.now);
        context.advise(&self.consumer, Event::MaxDeliveries { stream_seq: seq, deliveries: entry.deliveries.into() });
    }

    /// Takes a message out of those that wait. A termination is no acknowledgement: it is not measured.
    pub(super) fn acknowledge(&mut self, context: &mut Context<'_>, subject: &AckSubject<'_>, is_ack: bool) {
        self.floor.last_active = Some(context.now);
        if self.policy == AckPolicy::All {
            self.acknowledge_all(context, subject, is_ack);
            return;
        }
        let seq = subject.stream_seq;
        if self.pending.forgive(seq) {
            self.ledger.exhausted -= 1;
            self.settle(context, seq, is_ack);
            return;
        }
        let Some(entry) = self.pending.remove(seq) else {
            // A work queue lets go of it all the same, as measured.
            if context.is_work_queue {
                context.done.push(seq);
            }
            return;
        };
        self.raise_floor(seq, entry.first);
        self.settle(context, seq, is_ack);
        if is_ack && self.is_sampled(context) {
            context.effects.push_back(Effect::AckMetric {
                consumer: self.consumer.clone(),
                consumer_seq: subject.consumer_seq,
                stream_seq: seq,
                ack_time: context.now.since(entry.delivered),
                deliveries: subject.deliveries,
            });
        }
    }

    fn settle(&mut self, context: &mut Context<'_>, seq: u64, is_ack: bool) {
        *(if is_ack { &mut self.ledger.acked } else { &mut self.ledger.terminated }) += 1;
        context.done.push(seq);
    }

    /// JC94: the sequences of the subject count, also that of a redelivery.
    fn acknowledge_all(&mut self, context: &mut Context<'_>, subject: &AckSubject<'_>, is_ack: bool) {
        let (seq, consumer) = (subject.stream_seq, subject.consumer_seq);
        if consumer <= self.floor.consumer || seq <= self.floor.stream {
            return;
        }
        (self.floor.consumer, self.floor.stream) = (consumer, seq);
        for seq in self.pending.up_to(seq) {
            self.pending.remove(seq);
            self.settle(context, seq, is_ack);
        }
        for seq in self.pending.exhausted_up_to(seq) {
            self.pending.forgive(seq);
            self.ledger.exhausted -= 1;
            self.settle(context, seq, is_ack);
        }
    }

    /// JC93: an entry of a first delivery is gone.
    fn raise_floor(&mut self, seq: u64, first: u64) {
        if self.policy == AckPolicy::All {
            return;
        }
        if self.pending.is_empty() {
            (self.floor.consumer, self.floor.stream) = (self.last.consumer, self.last.stream);
        } else if first == self.floor.consumer + 1 {
            let next = self.pending.above(seq);
            (self.floor.consumer, self.floor.stream) = match next {
                Some((next, entry)) => (entry.first - 1, next - 1),
                None => (first, seq),
            };
        }
    }

    fn is_sampled(&self, context: &Context<'_>) -> bool {
        // One more than asked for, as the server draws (JC198).
        self.sampling >= 100 || (self.sampling > 0 && context.rng.below(100) as u32 <= self.sampling)
    }

    /// JC110, JC111. `false` if it is ignored.
    pub(super) fn nak(&mut self, context: &mut Context<'_>, subject: &AckSubject<'_>, delay: Option<i64>) -> bool {
        let (seq, consumer) = (subject.stream_seq, subject.consumer_seq);
        let is_late = consumer <= self.floor.consumer || consumer > self.last.consumer + 1;
        if is_late || !self.pending.contains(seq) {
            return false;
        }
        let event = Event::Naked { consumer_seq: consumer, stream_seq: seq, deliveries: subject.deliveries };
        context.advise(&self.consumer, event);
        match delay {
            None => self.pending.requeue(seq),
            Some(delay) => {
                self.last.last_active = Some(context.now);
                self.pending.delay(seq, context.now, span(delay).max(NAK_DELAY_MIN), &self.waits);
            }
        }
        true
    }

    /// A message that was delivered is gone. It counts as a termination: with one acknowledgement for all, of all before.
    pub(super) fn forget(&mut self, context: &mut Context<'_>, seq: u64) {
        let Some(entry) = self.pending.remove(seq) else { return };
        self.ledger.gone += 1;
        self.raise_floor(seq, entry.first);
        let subject = AckSubject {
            stream: "",
            consumer: "",
            // The server counts one less here, but not less than one.
            deliveries: entry.deliveries.saturating_sub(1).max(1).into(),
            stream_seq: seq,
            consumer_seq: entry.first,
        };
        if self.policy == AckPolicy::All {
            self.acknowledge_all(context, &subject, false);
        }
        context.advise(&self.consumer, terminated(&subject, "Unacknowledged message was deleted"));
    }
}

/// A NAK with a delay that is shorter, or not ahead, comes back after this time (JC111).
const NAK_DELAY_MIN: Duration = Duration::ZERO;

pub(super) fn terminated(subject: &AckSubject<'_>, reason: &str) -> Event {
    Event::Terminated {
        consumer_seq: subject.consumer_seq,
        stream_seq: subject.stream_seq,
        deliveries: subject.deliveries,
        reason: reason.to_owned(),
    }
}
