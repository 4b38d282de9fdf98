//! The part of a consumer that outlives its process, as nats-server keeps it: the last delivery, the floor, and each delivery that is not
//! done. Requests, pins, windows of flow control, and the times of the last delivery and the last acknowledgement are not kept.

use super::held::{HeldDelivery, Progress, Written};
use super::info::SequencePair;
use super::machine::Consumer;
use crate::jetstream::engine::messages::Messages;
use std::collections::BTreeMap;

/// The state of a consumer as it was read from records.
#[derive(Clone, Debug, Default)]
pub(crate) struct Kept {
    delivered: (u64, u64),
    floor: (u64, u64),
    entries: BTreeMap<u64, HeldDelivery>,
}

impl Kept {
    /// Takes a record.
    ///
    /// # Errors
    ///
    /// The words for a value that can't be.
    pub(crate) fn apply(&mut self, progress: &Progress) -> Result<(), &'static str> {
        let Progress { delivered, floor, is_whole, entries } = progress;
        let are_sequences = [delivered.0, delivered.1, floor.0, floor.1].iter().all(|seq| *seq < u64::MAX);
        let is_held = |held: &HeldDelivery| held.deliveries > 0 && (held.first > 0 || held.is_exhausted);
        let can_be = |(seq, held): &(u64, Option<HeldDelivery>)| {
            *seq > 0 && *seq < u64::MAX && held.as_ref().is_none_or(is_held)
        };
        if !are_sequences || !entries.iter().all(can_be) {
            return Err("the progress of a consumer can't be");
        }
        if *is_whole {
            self.entries.clear();
        }
        (self.delivered, self.floor) = (*delivered, *floor);
        for (seq, held) in entries {
            match held {
                Some(held) => drop(self.entries.insert(*seq, *held)),
                None => drop(self.entries.remove(seq)),
            }
        }
        Ok(())
    }
}

fn sequences(pair: SequencePair) -> (u64, u64) {
    (pair.consumer, pair.stream)
}

/// Whether a consumer is written down: one that is said to live in memory is not.
pub(crate) fn is_kept(consumer: &Consumer) -> bool {
    !consumer.config.mem_storage
}

/// Writes a consumer down from now on.
pub(crate) fn begin(consumer: &mut Consumer) {
    if is_kept(consumer) {
        consumer.written = Some(Written::nothing());
        consumer.pending.track();
    }
}

/// All of a consumer's progress; `None` if it is not written down.
pub(crate) fn progress(consumer: &Consumer) -> Option<Progress> {
    is_kept(consumer).then(|| Progress {
        delivered: sequences(consumer.delivered),
        floor: sequences(consumer.floor),
        is_whole: true,
        entries: consumer.pending.held().map(|(seq, held)| (seq, Some(held))).collect(),
    })
}

/// The changes since the last time; `None` if nothing has.
pub(crate) fn take_progress(consumer: &mut Consumer) -> Option<Progress> {
    let (delivered, floor) = (sequences(consumer.delivered), sequences(consumer.floor));
    let before = consumer.written.replace(Written { delivered, floor, is_whole: false });
    let Some(before) = before else {
        consumer.written = None;
        return None;
    };
    let touched = consumer.pending.take_touched();
    if before.is_whole {
        return progress(consumer);
    }
    if touched.is_empty() && (before.delivered, before.floor) == (delivered, floor) {
        return None;
    }
    let entries = touched.into_iter().map(|seq| (seq, consumer.pending.held_at(seq))).collect();
    Some(Progress { delivered, floor, is_whole: false, entries })
}

/// Brings a consumer that was made anew to where it was: it goes on behind its last delivery.
pub(crate) fn restore(consumer: &mut Consumer, kept: &Kept, messages: &Messages) {
    let pair = |(consumer, stream)| SequencePair { consumer, stream, last_active: None };
    (consumer.delivered, consumer.floor) = (pair(kept.delivered), pair(kept.floor));
    consumer.cursor.move_to(kept.delivered.1 + 1, messages);
    consumer.pending.restore(&kept.entries, &consumer.waits);
    consumer.ledger.exhausted = kept.entries.values().filter(|held| held.is_exhausted).count() as u64;
    consumer.ledger.delivered = kept.entries.len() as u64;
}
