//! The bounded queue of one direction, and its ledger.

use super::event::{Direction, Episode, Events, LossEpisode, LostMessage, emit_episode};
use super::stats::{FlowStats, LossCounts, LossReason};
use crate::sync::Mutex;
use crate::{Clock, OverflowPolicy};
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Notify, oneshot};

/// Messages that may wait to be dropped, however small the buffer is.
const EVICTED_MIN: usize = 4_096;

/// A message that can wait in a buffer.
pub(super) trait Item {
    /// Its subject on the side it came from.
    fn subject(&self) -> &str;
    /// Bytes of payload and headers.
    fn size(&self) -> usize;

    /// Bytes as they count towards the bounds: as in a queue of the bus, with a subject that is long.
    fn weight(&self) -> usize {
        let subject = self.subject().len();
        self.size() + if subject > 64 { subject } else { 0 }
    }
}

/// One place in the queue.
#[derive(Debug)]
pub(super) enum Slot<T> {
    Item(T),
    /// Done once all that was queued before it has arrived.
    Barrier(Barrier),
}

impl<T> Slot<T> {
    /// A barrier whose waiter is gone.
    fn is_abandoned(&self) -> bool {
        matches!(self, Slot::Barrier(barrier) if barrier.done.is_closed())
    }
}

/// A waiter for all messages that were queued before it.
#[derive(Debug)]
pub(super) struct Barrier {
    pub(super) done: oneshot::Sender<Result<(), u64>>,
    /// Whether it is told of the losses since the last waiter that was.
    pub(super) is_told: bool,
}

/// The bounds of one direction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Bounds {
    pub(super) messages: usize,
    pub(super) bytes: usize,
    pub(super) overflow: OverflowPolicy,
}

/// The outcome of a push.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Pushed {
    Taken,
    /// There was no room for it, or no more comes in. Counted, unless the buffer is closed.
    Lost,
    /// There is no room for it now, and the pushing thread is to wait. Not counted.
    Full,
    /// It found no room, and so nothing more comes in ([`OverflowPolicy::Close`]). Counted.
    Last,
}

/// Bounded in messages and bytes. The pushing thread may hold locks of the bus: nothing here wakes tasks of users, and nothing is
/// dropped that came from one. Events and dropped messages are left for [`Buffer::attend`].
pub(super) struct Buffer<T> {
    direction: Direction,
    bounds: Bounds,
    clock: Clock,
    inner: Mutex<Inner<T>>,
    /// There is something in the queue.
    more: Notify,
    /// There is something to be told, or dropped.
    attention: Notify,
}

struct Inner<T> {
    slots: VecDeque<Slot<T>>,
    messages: usize,
    bytes: usize,
    /// Messages that were pushed out, to be dropped where no lock is held.
    evicted: Vec<T>,
    evicted_bytes: usize,
    taken: u64,
    delivered: u64,
    in_flight: u64,
    /// Messages whose confirmation is still to come, but which were refused and are counted as lost already.
    refused: u64,
    repeated: u64,
    lost: LossCounts,
    /// LossCounts that a flush has reported already.
    reported: u64,
    episodes: Vec<(Arc<Episode>, bool)>,
    /// Messages whose publishers waited in vain, as the bus counts them.
    timed_out: u64,
    /// It was full once, and its policy ends it then.
    overflown: bool,
    closed: bool,
}

impl<T: Item> Buffer<T> {
    pub(super) fn new(direction: Direction, bounds: Bounds, clock: Clock) -> Self {
        let inner = Inner {
            slots: VecDeque::new(),
            messages: 0,
            bytes: 0,
            evicted: Vec::new(),
            evicted_bytes: 0,
            taken: 0,
            delivered: 0,
            in_flight: 0,
            refused: 0,
            repeated: 0,
            lost: LossCounts::default(),
            reported: 0,
            episodes: Vec::new(),
            timed_out: 0,
            overflown: false,
            closed: false,
        };
        Buffer { direction, bounds, clock, inner: Mutex::new(inner), more: Notify::new(), attention: Notify::new() }
    }

    /// Takes what `make` makes if there is room for what is `offered`. Nothing is made otherwise, so that nothing is dropped here.
    /// Returns [`Pushed::Full`] instead of counting a loss if the publisher `may_wait`.
    pub(super) fn push(&self, offered: &impl Item, make: impl FnOnce() -> T, may_wait: bool) -> Pushed {
        let mut inner = self.inner.lock();
        let was_empty = inner.slots.is_empty();
        let pushed = self.admit(&mut inner, offered, may_wait);
        if pushed == Pushed::Taken {
            inner.slots.push_back(Slot::Item(make()));
        }
        drop(inner);
        if was_empty && pushed == Pushed::Taken {
            self.more.notify_one();
        }
        pushed
    }

    /// Pushes them all. True if one of them was [`Pushed::Last`].
    pub(super) fn push_many(&self, items: &mut Vec<T>) -> bool {
        let mut inner = self.inner.lock();
        let was_empty = inner.slots.is_empty();
        let mut has_overflown = false;
        for item in items.drain(..) {
            match self.admit(&mut inner, &item, false) {
                Pushed::Taken => inner.slots.push_back(Slot::Item(item)),
                pushed => has_overflown |= pushed == Pushed::Last,
            }
        }
        drop(inner);
        if was_empty {
            self.more.notify_one();
        }
        has_overflown
    }

    /// Makes room by the policy and counts the item. On [`Pushed::Taken`] the caller puts it in.
    fn admit(&self, inner: &mut Inner<T>, item: &impl Item, may_wait: bool) -> Pushed {
        let size = item.weight();
        if inner.closed {
            return Pushed::Lost;
        }
        let fits = |inner: &Inner<T>| {
            inner.messages < self.bounds.messages && inner.bytes.saturating_add(size) <= self.bounds.bytes
        };
        // An item that can never fit is not waited for.
        if may_wait && size <= self.bounds.bytes && !fits(inner) {
            return Pushed::Full;
        }
        inner.taken += 1;
        if self.bounds.overflow == OverflowPolicy::DropOldest && size <= self.bounds.bytes {
            // Evicted messages have to wait for their drop, too, and are bounded as well: beyond that bound, the new
            // message is lost.
            while !fits(inner)
                && inner.evicted.len() < self.bounds.messages.max(EVICTED_MIN)
                && inner.evicted_bytes < self.bounds.bytes
            {
                let Some(oldest) = inner.pop_oldest() else { break };
                self.lose(inner, oldest.subject(), oldest.size(), LossReason::Oldest);
                inner.evicted_bytes += oldest.weight();
                inner.evicted.push(oldest);
                self.attention.notify_one();
            }
        }
        if inner.overflown || !fits(inner) {
            self.lose(inner, item.subject(), item.size(), LossReason::QueueFull);
            let is_last = self.bounds.overflow == OverflowPolicy::Close && !inner.overflown;
            inner.overflown |= is_last;
            return if is_last { Pushed::Last } else { Pushed::Lost };
        }
        inner.messages += 1;
        inner.bytes += size;
        Pushed::Taken
    }

    /// How long the pushing thread is to wait for room, if that is the policy.
    pub(super) fn waits(&self) -> Option<Duration> {
        match self.bounds.overflow {
            OverflowPolicy::Block(limit) => Some(limit),
            _ => None,
        }
    }

    /// Counts messages whose publishers waited in vain; `total` of them so far.
    pub(super) fn timed_out(&self, total: u64) {
        let mut inner = self.inner.lock();
        let more = total.saturating_sub(inner.timed_out);
        inner.timed_out += more;
        inner.taken += more;
        inner.lost.add(LossReason::BlockTimeout, more);
    }

    /// Puts a barrier behind all that is queued. False if the buffer is closed.
    pub(super) fn barrier(&self, barrier: Barrier) -> bool {
        let mut inner = self.inner.lock();
        if inner.closed {
            return false;
        }
        // While the server is away, those whose waiters have given up do not add up.
        while inner.slots.back().is_some_and(Slot::is_abandoned) {
            inner.slots.pop_back();
        }
        inner.slots.push_back(Slot::Barrier(barrier));
        drop(inner);
        self.more.notify_one();
        true
    }

    /// Moves up to `max` slots to the end of `batch`, once there are any; false if it is closed and empty. Slots that are taken out
    /// count as in flight.
    ///
    /// Cancel safety: nothing is taken out by a future that is dropped.
    pub(super) async fn take(&self, batch: &mut VecDeque<Slot<T>>, max: usize) -> bool {
        loop {
            if let Some(more) = self.try_take(batch, max) {
                return more;
            }
            self.more.notified().await;
        }
    }

    fn try_take(&self, batch: &mut VecDeque<Slot<T>>, max: usize) -> Option<bool> {
        let mut inner = self.inner.lock();
        if inner.slots.is_empty() {
            return inner.closed.then_some(false);
        }
        let before = inner.messages;
        if batch.is_empty() && inner.slots.len() <= max {
            std::mem::swap(batch, &mut inner.slots);
            (inner.messages, inner.bytes) = (0, 0);
        }
        while batch.len() < max {
            let Some(slot) = inner.slots.pop_front() else { break };
            if let Slot::Item(item) = &slot {
                inner.messages -= 1;
                inner.bytes -= item.weight();
            }
            batch.push_back(slot);
        }
        inner.in_flight += (before - inner.messages) as u64;
        let is_roomy = inner.messages * 2 <= self.bounds.messages && inner.bytes * 2 <= self.bounds.bytes;
        if is_roomy && !inner.episodes.is_empty() {
            self.end_episodes(&mut inner, |reason| matches!(reason, LossReason::QueueFull | LossReason::Oldest));
        }
        Some(true)
    }

    /// Puts back slots that were taken out, in front and in order; they are not in flight any more.
    pub(super) fn put_back(&self, batch: &mut VecDeque<Slot<T>>, repeated: u64) {
        let mut inner = self.inner.lock();
        let mut returned = 0;
        while let Some(slot) = batch.pop_back() {
            if let Slot::Item(item) = &slot {
                inner.messages += 1;
                inner.bytes += item.weight();
                returned += 1;
            }
            inner.slots.push_front(slot);
        }
        // Those that were refused are back as well, and will be refused again.
        let refused = returned - inner.settle(returned);
        inner.lost.take_back(LossReason::Denied, refused);
        inner.repeated += repeated;
        drop(inner);
        self.more.notify_one();
    }

    /// Messages that were in flight have arrived.
    pub(super) fn delivered(&self, messages: u64) {
        let mut inner = self.inner.lock();
        let messages = inner.settle(messages);
        inner.delivered += messages;
    }

    /// A message that was in flight has not arrived.
    pub(super) fn lost(&self, item: &T, reason: LossReason) {
        let mut inner = self.inner.lock();
        inner.in_flight -= 1;
        self.lose(&mut inner, item.subject(), item.size(), reason);
    }

    /// Messages that were in flight have not arrived, or may not have; `first` and `last` of them.
    pub(super) fn lost_some(&self, messages: u64, reason: LossReason, first: (&str, usize), last: (&str, usize)) {
        let mut inner = self.inner.lock();
        let messages = inner.settle(messages);
        if messages == 0 {
            return;
        }
        self.lose(&mut inner, first.0, first.1, reason);
        if messages > 1 {
            inner.lost.add(reason, messages - 2);
            self.lose(&mut inner, last.0, last.1, reason);
            if let Some((episode, _)) = inner.episodes.iter().find(|(episode, _)| episode.lock().reason == reason) {
                episode.lock().count += messages - 2;
            }
        }
    }

    /// A message that was handed to the connection has been refused.
    pub(super) fn denied(&self, subject: &str) {
        let mut inner = self.inner.lock();
        if inner.in_flight > 0 {
            inner.in_flight -= 1;
            inner.refused += 1;
        } else if inner.delivered > 0 {
            // The refusal has been told later than the confirmation of the messages that were sent
            // with it.
            inner.delivered -= 1;
        } else {
            return;
        }
        self.lose(&mut inner, subject, 0, LossReason::Denied);
    }

    /// Messages that never came this far.
    pub(super) fn missed(&self, subject: &str, reason: LossReason) {
        let mut inner = self.inner.lock();
        inner.taken += 1;
        self.lose(&mut inner, subject, 0, reason);
    }

    fn lose(&self, inner: &mut Inner<T>, subject: &str, size: usize, reason: LossReason) {
        inner.lost.add(reason, 1);
        let lost = LostMessage { subject: subject.to_owned(), size, at: self.clock.now() };
        for (episode, _) in &inner.episodes {
            let mut episode = episode.lock();
            if episode.reason == reason && !episode.ended {
                episode.last = lost;
                episode.count += 1;
                return;
            }
        }
        let episode =
            LossEpisode { direction: self.direction, reason, first: lost.clone(), last: lost, count: 1, ended: false };
        inner.episodes.push((Arc::new(Mutex::new(episode)), false));
        self.attention.notify_one();
    }

    fn end_episodes(&self, inner: &mut Inner<T>, which: impl Fn(LossReason) -> bool) {
        for (episode, _) in &inner.episodes {
            let mut episode = episode.lock();
            episode.ended |= which(episode.reason);
        }
        self.attention.notify_one();
    }

    /// Ends the episodes of all reasons but a full buffer: the trouble that they were about is over.
    pub(super) fn trouble_is_over(&self) {
        let mut inner = self.inner.lock();
        self.end_episodes(&mut inner, |reason| !matches!(reason, LossReason::QueueFull | LossReason::Oldest));
    }

    /// Announces episodes and drops evicted messages, for ever.
    pub(super) async fn attend(&self, events: &Events) {
        loop {
            self.attend_now(events);
            self.attention.notified().await;
        }
    }

    pub(super) fn attend_now(&self, events: &Events) {
        let mut inner = self.inner.lock();
        let evicted = std::mem::take(&mut inner.evicted);
        inner.evicted_bytes = 0;
        let mut news = Vec::new();
        inner.episodes.retain_mut(|(episode, announced)| {
            let ended = episode.lock().ended;
            if !*announced || ended {
                news.push(episode.clone());
            }
            *announced = true;
            !ended
        });
        drop(inner);
        drop(evicted);
        news.iter().for_each(|episode| emit_episode(events, episode));
    }

    /// Counts all that is still here as discarded.
    pub(super) fn discard(&self) {
        let mut inner = self.inner.lock();
        inner.closed = true;
        let slots = std::mem::take(&mut inner.slots);
        for slot in &slots {
            if let Slot::Item(item) = slot {
                self.lose(&mut inner, item.subject(), item.size(), LossReason::Discarded);
            }
        }
        (inner.messages, inner.bytes) = (0, 0);
        drop(inner);
        drop(slots);
        self.more.notify_one();
    }

    /// The number of messages lost since this was last asked.
    pub(super) fn lost_since(&self) -> u64 {
        let mut inner = self.inner.lock();
        let total = inner.lost.total();
        total.saturating_sub(std::mem::replace(&mut inner.reported, total))
    }

    pub(super) fn flow(&self) -> FlowStats {
        let inner = self.inner.lock();
        FlowStats {
            taken: inner.taken,
            delivered: inner.delivered,
            lost: inner.lost,
            queued: inner.messages as u64,
            queued_bytes: inner.bytes as u64,
            in_flight: inner.in_flight,
            repeated: inner.repeated,
        }
    }
}

impl<T: Item> Inner<T> {
    /// Takes messages out of flight; gives back how many of them are not counted yet.
    fn settle(&mut self, messages: u64) -> u64 {
        let refused = messages.min(self.refused);
        self.refused -= refused;
        self.in_flight -= messages - refused;
        messages - refused
    }

    /// Takes out the message that has waited longest; barriers stay while their waiters do.
    fn pop_oldest(&mut self) -> Option<T> {
        while self.slots.front().is_some_and(Slot::is_abandoned) {
            self.slots.pop_front();
        }
        let at = self.slots.iter().position(|slot| matches!(slot, Slot::Item(_)))?;
        let Some(Slot::Item(item)) = self.slots.remove(at) else { return None };
        self.messages -= 1;
        self.bytes -= item.weight();
        Some(item)
    }
}

#[cfg(test)]
mod tests;
