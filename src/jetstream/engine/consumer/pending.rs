//! Deliveries that wait for acknowledgements, those that are to come again, and those that came too often (JC93, JC110 to JC118).

use super::held::HeldDelivery;
use crate::jetstream::engine::time::Timestamp;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// The shortest time to the next delivery. The server is about as late; shorter ones would never let the clock go on.
const WAIT_MIN: Duration = Duration::from_millis(1);

/// Pending deliveries, by stream sequence.
#[derive(Debug, Default)]
pub(crate) struct Pending {
    entries: BTreeMap<u64, Entry>,
    /// When they are to come again; those that are queued have no such time.
    due: BTreeSet<(Timestamp, u64)>,
    queue: Queue,
    /// Messages of several deliveries, exhausted ones among them.
    redelivered: usize,
    /// Messages that came as often as they may, and how often that was.
    exhausted: BTreeMap<u64, u32>,
    /// Those that have changed since they were last written down, if they are.
    touched: Option<BTreeSet<u64>>,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Entry {
    /// The consumer sequence of the first delivery.
    pub(crate) first: u64,
    /// The time of the last delivery.
    pub(crate) delivered: Timestamp,
    pub(crate) deliveries: u32,
    due: Option<Timestamp>,
}

impl Entry {
    fn held(&self) -> HeldDelivery {
        let Entry { first, delivered, deliveries, due } = *self;
        HeldDelivery { first, delivered, deliveries, due, is_exhausted: false }
    }
}

/// The times to wait for acknowledgements.
#[derive(Clone, Debug, Default)]
pub(crate) struct Waits {
    pub(crate) ack_wait: Duration,
    /// After each delivery; the last one repeats.
    pub(crate) backoff: Vec<Duration>,
}

impl Waits {
    /// The time after the n-th delivery (JC114).
    fn after(&self, deliveries: u32) -> Duration {
        let at = (deliveries.max(1) as usize - 1).min(self.backoff.len().saturating_sub(1));
        self.backoff.get(at).copied().unwrap_or(self.ack_wait).max(WAIT_MIN)
    }

    /// The time that is added to a delay which was asked for (JC111).
    fn beyond_first(&self, deliveries: u32) -> Duration {
        let first = self.backoff.first().copied().unwrap_or_default();
        if self.backoff.is_empty() { Duration::ZERO } else { self.after(deliveries).saturating_sub(first) }
    }
}

impl Pending {
    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    pub(crate) fn contains(&self, seq: u64) -> bool {
        self.entries.contains_key(&seq)
    }

    pub(crate) fn first(&self) -> Option<u64> {
        self.entries.first_key_value().map(|(seq, _)| *seq)
    }

    pub(crate) fn get(&self, seq: u64) -> Option<&Entry> {
        self.entries.get(&seq)
    }

    /// The first entry above a sequence.
    pub(crate) fn above(&self, seq: u64) -> Option<(u64, &Entry)> {
        self.entries.range(seq + 1..).next().map(|(seq, entry)| (*seq, entry))
    }

    /// The entries up to a sequence.
    pub(crate) fn up_to(&self, seq: u64) -> Vec<u64> {
        self.entries.range(..=seq).map(|(seq, _)| *seq).collect()
    }

    pub(crate) fn seqs(&self) -> Vec<u64> {
        self.entries.keys().copied().collect()
    }

    /// Messages that were delivered more than once, exhausted ones among them.
    pub(crate) fn num_redelivered(&self) -> usize {
        self.redelivered
    }

    pub(crate) fn num_queued(&self) -> usize {
        self.queue.len()
    }

    /// A message goes out: for the first time, or again with one delivery more. How often it went out by now.
    pub(crate) fn deliver(&mut self, seq: u64, consumer_seq: u64, now: Timestamp, waits: &Waits) -> u32 {
        self.queue.remove(seq);
        let entry =
            self.entries.entry(seq).or_insert(Entry { first: consumer_seq, delivered: now, deliveries: 0, due: None });
        entry.deliveries += 1;
        entry.delivered = now;
        let deliveries = entry.deliveries;
        self.redelivered += usize::from(deliveries == 2);
        self.wait_until(seq, Some(now.after(waits.after(deliveries))));
        deliveries
    }

    /// Takes an entry out.
    pub(crate) fn remove(&mut self, seq: u64) -> Option<Entry> {
        self.wait_until(seq, None);
        let entry = self.entries.remove(&seq)?;
        self.queue.remove(seq);
        self.redelivered -= usize::from(entry.deliveries > 1);
        Some(entry)
    }

    /// An acknowledgement takes longer: its time begins anew, unless it is queued (JC95).
    pub(crate) fn extend(&mut self, seq: u64, now: Timestamp, waits: &Waits) {
        if let Some(entry) = self.entries.get(&seq).copied()
            && !self.queue.contains(seq)
        {
            self.wait_until(seq, Some(now.after(waits.after(entry.deliveries))));
        }
    }

    /// Puts an entry into the queue, unless it is there.
    pub(crate) fn requeue(&mut self, seq: u64) {
        if self.entries.contains_key(&seq) {
            self.wait_until(seq, None);
            self.queue.push(seq);
        }
    }

    /// Lets an entry come again after a delay, not earlier and not later (JC111).
    pub(crate) fn delay(&mut self, seq: u64, now: Timestamp, delay: Duration, waits: &Waits) {
        let Some(entry) = self.entries.get(&seq).copied() else { return };
        self.queue.remove(seq);
        self.wait_until(seq, Some(now.after(delay).after(waits.beyond_first(entry.deliveries))));
    }

    /// The times to wait have changed: each is judged anew, from where it began (JC46).
    pub(crate) fn rejudge(&mut self, old: &Waits, new: &Waits) {
        let waiting: Vec<(Timestamp, u64)> = self.due.iter().copied().collect();
        for (at, seq) in waiting {
            if let Some(entry) = self.entries.get(&seq).copied() {
                let began = at.as_nanos().saturating_sub(old.after(entry.deliveries).as_nanos() as u64);
                let at = Timestamp::from_nanos(began).after(new.after(entry.deliveries));
                self.wait_until(seq, Some(at));
            }
        }
    }

    /// When the next entry is due.
    pub(crate) fn next_due(&self) -> Option<Timestamp> {
        self.due.first().map(|(at, _)| *at)
    }

    /// The latest time at which an entry is due.
    pub(crate) fn last_due(&self) -> Option<Timestamp> {
        self.due.last().map(|(at, _)| *at)
    }

    /// Takes the entries that are due, by sequence among those of one time.
    pub(crate) fn take_due(&mut self, now: Timestamp) -> Vec<u64> {
        let mut seqs = Vec::new();
        while let Some((_, seq)) = self.due.first().filter(|(at, _)| *at <= now).copied() {
            self.wait_until(seq, None);
            seqs.push(seq);
        }
        seqs
    }

    /// The message that is to come again next.
    pub(crate) fn next_queued(&self) -> Option<u64> {
        self.queue.first()
    }

    /// A message came as often as it may; how often that was.
    pub(crate) fn exhaust(&mut self, seq: u64) -> Option<Entry> {
        let entry = self.remove(seq)?;
        self.redelivered += usize::from(entry.deliveries > 1);
        self.exhausted.insert(seq, entry.deliveries);
        Some(entry)
    }

    pub(crate) fn is_exhausted(&self, seq: u64) -> bool {
        self.exhausted.contains_key(&seq)
    }

    pub(crate) fn first_exhausted(&self) -> Option<u64> {
        self.exhausted.first_key_value().map(|(seq, _)| *seq)
    }

    /// The exhausted messages up to a sequence.
    pub(crate) fn exhausted_up_to(&self, seq: u64) -> Vec<u64> {
        self.exhausted.range(..=seq).map(|(seq, _)| *seq).collect()
    }

    /// An exhausted message is acknowledged after all, or gone.
    pub(crate) fn forgive(&mut self, seq: u64) -> bool {
        let Some(deliveries) = self.exhausted.remove(&seq) else { return false };
        self.redelivered -= usize::from(deliveries > 1);
        self.touch(seq);
        true
    }

    /// Keeps only the exhausted messages that are still there.
    pub(crate) fn retain_exhausted(&mut self, is_there: impl Fn(u64) -> bool) {
        let gone: Vec<u64> = self.exhausted.keys().copied().filter(|seq| !is_there(*seq)).collect();
        for seq in gone {
            self.forgive(seq);
        }
    }

    /// Notes what changes from now on.
    pub(crate) fn track(&mut self) {
        self.touched.get_or_insert_default();
    }

    /// Forgets all of them.
    pub(crate) fn clear(&mut self) {
        let touched = self.touched.take().map(|_| BTreeSet::new());
        *self = Pending { touched, ..Pending::default() };
    }

    /// The sequences of those that have changed since the last time.
    pub(crate) fn take_touched(&mut self) -> BTreeSet<u64> {
        self.touched.as_mut().map(std::mem::take).unwrap_or_default()
    }

    /// A delivery as it is written down; `None` if it is done.
    pub(crate) fn held_at(&self, seq: u64) -> Option<HeldDelivery> {
        let exhausted =
            |deliveries: &u32| HeldDelivery { deliveries: *deliveries, is_exhausted: true, ..HeldDelivery::default() };
        self.entries.get(&seq).map(Entry::held).or_else(|| self.exhausted.get(&seq).map(exhausted))
    }

    /// All deliveries as they are written down.
    pub(crate) fn held(&self) -> impl Iterator<Item = (u64, HeldDelivery)> {
        let seqs = self.entries.keys().chain(self.exhausted.keys());
        seqs.filter_map(|seq| Some((*seq, self.held_at(*seq)?)))
    }

    /// Takes deliveries that were written down.
    pub(crate) fn restore(&mut self, all: &BTreeMap<u64, HeldDelivery>, waits: &Waits) {
        for (&seq, held) in all {
            self.redelivered += usize::from(held.deliveries > 1);
            if held.is_exhausted {
                self.exhausted.insert(seq, held.deliveries);
                continue;
            }
            let HeldDelivery { first, delivered, deliveries, .. } = *held;
            self.entries.insert(seq, Entry { first, delivered, deliveries, due: None });
            self.wait_until(seq, Some(held.due.unwrap_or_else(|| delivered.after(waits.after(deliveries)))));
        }
    }

    fn touch(&mut self, seq: u64) {
        if let Some(touched) = &mut self.touched {
            touched.insert(seq);
        }
    }

    fn wait_until(&mut self, seq: u64, at: Option<Timestamp>) {
        self.touch(seq);
        let Some(entry) = self.entries.get_mut(&seq) else { return };
        if let Some(old) = std::mem::replace(&mut entry.due, at) {
            self.due.remove(&(old, seq));
        }
        if let Some(at) = at {
            self.due.insert((at, seq));
        }
    }
}

/// Sequences in the order in which they came in, each once.
#[derive(Debug, Default)]
struct Queue {
    order: BTreeMap<u64, u64>,
    places: BTreeMap<u64, u64>,
    next: u64,
}

impl Queue {
    fn len(&self) -> usize {
        self.places.len()
    }

    fn contains(&self, seq: u64) -> bool {
        self.places.contains_key(&seq)
    }

    fn first(&self) -> Option<u64> {
        self.order.first_key_value().map(|(_, seq)| *seq)
    }

    fn push(&mut self, seq: u64) {
        if !self.contains(seq) {
            self.order.insert(self.next, seq);
            self.places.insert(seq, self.next);
            self.next += 1;
        }
    }

    fn remove(&mut self, seq: u64) {
        if let Some(place) = self.places.remove(&seq) {
            self.order.remove(&place);
        }
    }
}
