//! The queue of one subscriber: bounded in messages and bytes, for any number of senders and receivers.
//!
//! A message goes into a small ring (a bounded crossbeam channel). When the ring is full, it and all that follow go to the
//! spill (an unbounded one, allocated block by block) until everything has been taken, and then into the ring again. So a
//! subscriber that keeps up has the faster kind of channel in a few kilobytes, and one that falls behind pays only for what it
//! really has queued. The bounds are kept by two [`Counter`]s in front: a sender counts a message in before it goes into a
//! channel, a receiver counts it out after.
//!
//! **Order.** Senders that were counted in before the spill was opened may still put into the ring. A receiver therefore takes
//! from the spill only what it saw there *before* it found the ring empty: whatever the same sender put into the ring, it
//! put there earlier. Receivers take turns at the spill, so that this holds for all of them (G3).
//
// | field           | written by           | read by             | invariant                                       |
// | intake.counter  | senders, closers     | all                 | counts messages let in, and holds the flags     |
// | intake.seen     | senders              | senders             | a value that `taken` had; spares senders a line that receivers write |
// | intake.limit    | `end_after`          | senders, if LIMITED | most messages to let in, those in `exempt` not counted |
// | out.taken       | receivers            | all                 | never ahead of intake.counter                   |
// | out.spilling    | receivers            | receivers           | a hint: the word was seen with the SPILL flag   |
// | byte_waiters          | senders, once        | senders, receivers  | set before a sender sleeps for want of bytes    |
// | loss_record.frozen     | `freeze`, once         | counters of a loss  | the counts do not change any more               |

use super::counts::{Counter, PackedCounts};
use super::episode::{DroppedMessage, Episode};
use super::outcome::{FollowUp, Refused};
use super::overflow::{DropCounters, DropCounts, DropReason, Policy};
use super::wait_list::WaitList;
use crate::message::Message;
use crate::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use crate::sync::{Mutex, OnceLock, OwnerLock, Padded, step, yield_now};
use crossbeam_channel::{Receiver, Sender, TrySendError, bounded, unbounded};
use std::sync::Arc;

/// Messages that fit the ring; few in models, so that they see the spill.
const RING: usize = if cfg!(postroom_shuttle) { 2 } else { 64 };

#[derive(Debug)]
pub(crate) struct BoundedQueue {
    intake: Padded<Intake>,
    out: Padded<Out>,
    ring: (Sender<Message>, Receiver<Message>),
    spill: OnceLock<(Sender<Message>, Receiver<Message>)>,
    spill_turn: OwnerLock<()>,
    /// Receivers that found nothing.
    pub(crate) receivers: WaitList,
    /// Senders that found no room, and waiters for a closed queue to become empty.
    pub(crate) senders: WaitList,
    /// A sender found room for a message, but not for its bytes: then one that leaves may make room for several, or for another
    /// than has waited longest. ORDERING: SeqCst; set before the last look at `taken`, read after a change of it.
    byte_waiters: AtomicBool,
    drops: DropCounters,
    /// Messages that were let in and counted out again without having been delivered.
    undelivered: AtomicU64,
    loss_record: Mutex<LossRecord>,
}

/// The state that shares its lock with the last reading of the counts, so that nothing is counted after it.
#[derive(Debug, Default)]
struct LossRecord {
    /// The slow-consumer episode that is under way.
    episode: Option<Arc<Episode>>,
    /// The counts have been read for good.
    frozen: bool,
}

/// The counts of a queue have been read for good: the message was not for it any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Frozen;

#[derive(Debug, Default)]
struct Intake {
    counter: Counter,
    seen: AtomicU64,
    limit: AtomicU64,
    exempt: AtomicU64,
}

#[derive(Debug, Default)]
struct Out {
    taken: Counter,
    spilling: AtomicBool,
}

/// A message was let in.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Admitted {
    /// It goes to the spill.
    spill: bool,
    /// It was the last one: the subscription has got all that it wanted.
    pub(crate) last: bool,
    /// The subscription was slow and has room again.
    pub(crate) recovered: bool,
}

impl BoundedQueue {
    /// `queues` is false for a subscriber that has no queue of ours and only needs the counting.
    pub(crate) fn new(policy: &Policy, queues: bool) -> Self {
        BoundedQueue {
            intake: Padded::default(),
            out: Padded::default(),
            ring: bounded(if queues { policy.capacity.min(RING) } else { 0 }),
            spill: OnceLock::new(),
            spill_turn: OwnerLock::new(()),
            receivers: WaitList::default(),
            senders: WaitList::default(),
            byte_waiters: AtomicBool::new(false),
            drops: DropCounters::default(),
            undelivered: AtomicU64::new(0),
            loss_record: Mutex::default(),
        }
    }

    /// Counts one message in, if it may come in. A caller that is let in must `put` the message, or handle it in another
    /// way and then call `mark_taken`.
    #[inline]
    pub(crate) fn admit(&self, policy: &Policy, size: usize) -> Result<Admitted, Refused> {
        let mut now = self.intake.counter.load();
        loop {
            let special = now.has(PackedCounts::CLOSED | PackedCounts::LIMITED | PackedCounts::SLOW);
            if special && !self.is_open_at(now) {
                return Err(Refused::Gone);
            }
            // ORDERING: Relaxed; any value that `taken` had is a safe, too full, picture of it.
            let seen = PackedCounts(self.intake.seen.load(Ordering::Relaxed));
            if !policy.fits(now.pending(seen), size) {
                let taken = self.look_at_taken(seen);
                let again = self.intake.counter.load();
                // Unchanged: then `taken` was not ahead of `now`, and what they say together is true.
                if again == now && !policy.fits(now.pending(taken), size) {
                    let for_bytes = policy.fits(now.pending(taken), 0);
                    if for_bytes && !self.byte_waiters.swap(true, Ordering::SeqCst) {
                        // A receiver that took a message before that was set has woken one sender only: look
                        // once more.
                        continue;
                    }
                    return Err(Refused::Full);
                }
                if again != now {
                    now = again;
                    continue;
                }
            }
            match self.intake.counter.step(now, size) {
                Ok(()) => {
                    let mut admitted = Admitted { spill: now.has(PackedCounts::SPILL), last: false, recovered: false };
                    if special {
                        admitted.last = now.has(PackedCounts::LIMITED) && self.reaches_limit(self.wanted_at(now) + 1);
                        admitted.recovered =
                            now.has(PackedCounts::SLOW) && policy.is_roomy(now.pending(self.out.taken.load()));
                    }
                    return Ok(admitted);
                }
                Err(changed) => now = changed,
            }
        }
    }

    /// Queues a message that was let in.
    #[inline]
    pub(crate) fn put(&self, message: Message, admitted: Admitted) -> FollowUp {
        step();
        if admitted.spill {
            self.put_into_spill(message);
        } else if let Err(TrySendError::Full(message) | TrySendError::Disconnected(message)) =
            self.ring.0.try_send(message)
        {
            self.intake.counter.raise(PackedCounts::SPILL);
            self.put_into_spill(message);
        }
        let Admitted { last, recovered, .. } = admitted;
        FollowUp { wake_receiver: !self.receivers.is_idle(), last, recovered, ..FollowUp::default() }
    }

    #[cold]
    fn put_into_spill(&self, message: Message) {
        step();
        let sent = self.spill.get_or_init(unbounded).0.send(message);
        debug_assert!(sent.is_ok(), "the receiving half lies beside the sending half");
    }

    /// Takes the oldest message and counts it out.
    #[inline]
    pub(crate) fn take(&self) -> Option<Message> {
        let message = self.next()?;
        self.mark_taken(message.weight());
        Some(message)
    }

    #[inline]
    fn next(&self) -> Option<Message> {
        step();
        // ORDERING: Relaxed; a hint which of the two ways to try first. Both end in looking at the word.
        if !self.out.spilling.load(Ordering::Relaxed)
            && let Ok(message) = self.ring.1.try_recv()
        {
            return Some(message);
        }
        self.next_from_spill()
    }

    /// Counts a message out that was let in.
    #[inline]
    pub(crate) fn mark_taken(&self, size: usize) {
        if self.mark_taken_quietly(size) {
            self.notify_senders();
        }
    }

    /// Counts it out, for callers that hold a lock; true if `notify_senders` is to be called later.
    #[inline]
    pub(crate) fn mark_taken_quietly(&self, size: usize) -> bool {
        self.out.taken.count(size);
        !self.senders.is_idle()
    }

    /// Wakes the waiters that a change of the pending messages may concern.
    #[cold]
    pub(crate) fn notify_senders(&self) {
        let now = self.intake.counter.load();
        if !now.has(PackedCounts::CLOSED) {
            if self.has_byte_waiters() { self.senders.wake_all() } else { self.senders.wake_one() }
        } else if now.pending(self.out.taken.load()).0 == 0 {
            // No sender waits for room any more: all waiters wait for the empty queue. Nothing is let in, so that `now`
            // stands.
            self.senders.wake_all();
        }
    }

    /// Whether senders have waited for bytes; see `byte_waiters`.
    pub(crate) fn has_byte_waiters(&self) -> bool {
        self.byte_waiters.load(Ordering::SeqCst)
    }

    #[inline(never)]
    fn next_from_spill(&self) -> Option<Message> {
        if !self.intake.counter.load().has(PackedCounts::SPILL) {
            // Each look at an empty ring takes its lines from a sender: only where it has not been looked at yet.
            if !self.out.spilling.load(Ordering::Relaxed) {
                return None;
            }
            self.out.spilling.store(false, Ordering::Relaxed);
            return self.ring.1.try_recv().ok();
        }
        let _turn = loop {
            match self.spill_turn.try_lock() {
                Some(turn) => break turn,
                None => yield_now(),
            }
        };
        self.out.spilling.store(true, Ordering::Relaxed);
        step();
        let Some((_, spill)) = self.spill.get().filter(|(_, spill)| !spill.is_empty()) else {
            step();
            let message = self.ring.1.try_recv().ok();
            if message.is_none() {
                self.close_spill();
            }
            return message;
        };
        step();
        // The messages that a sender of the spill put into the ring are older than those in the spill: the ring
        // is looked at after the spill.
        if self.ring.1.is_empty() {
            step();
            spill.try_recv().ok()
        } else {
            self.ring.1.try_recv().ok()
        }
    }

    /// Sends the next senders into the ring again, if all that was let in has been taken and, the word being unchanged, no message
    /// was let in since: then none can be overtaken.
    fn close_spill(&self) {
        let now = self.intake.counter.load();
        if now.pending(self.out.taken.load()).0 == 0 {
            self.intake.counter.lower_if(now, PackedCounts::SPILL);
        }
    }

    /// Messages and bytes let in and not yet taken.
    pub(crate) fn pending(&self) -> (usize, usize) {
        loop {
            let now = self.intake.counter.load();
            let taken = self.out.taken.load();
            if self.intake.counter.load() == now {
                return now.pending(taken);
            }
        }
    }

    /// Lets nothing in any more.
    pub(crate) fn close(&self) {
        self.intake.counter.raise(PackedCounts::CLOSED);
        self.receivers.wake_all();
        self.senders.wake_all();
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.intake.counter.load().has(PackedCounts::CLOSED)
    }

    /// Closed, and everything was taken.
    pub(crate) fn is_ended(&self) -> bool {
        self.is_closed() && self.pending().0 == 0
    }

    /// Lets `limit` messages in over the whole life of the subscription, those before this call included (D2). False if that
    /// many have come already.
    pub(crate) fn end_after(&self, limit: u64) -> bool {
        // ORDERING: before the flag, which sends readers here: they load it after the word, and so find it.
        self.intake.limit.store(limit, Ordering::SeqCst);
        let before = self.intake.counter.raise(PackedCounts::LIMITED);
        !self.reaches_limit(self.wanted_at(before))
    }

    /// Makes `messages` more, or fewer, that are let in not count toward the limit (R5).
    pub(crate) fn exempt(&self, messages: i64) {
        self.intake.exempt.fetch_add(messages as u64, Ordering::SeqCst);
    }

    /// Messages that count toward the limit, up to the moment the word was `now`. Below zero while a message that does not count
    /// is about to be let in as the first one.
    fn wanted_at(&self, now: PackedCounts) -> i64 {
        self.intake.counter.total_at(now).wrapping_sub(self.intake.exempt.load(Ordering::SeqCst)) as i64
    }

    fn reaches_limit(&self, wanted: i64) -> bool {
        u64::try_from(wanted).is_ok_and(|wanted| wanted >= self.intake.limit.load(Ordering::SeqCst))
    }

    /// Empties a closed queue; what was in it is counted as dropped and given back, for the caller to drop where no lock is held.
    pub(crate) fn discard(&self) -> Vec<Message> {
        let mut discarded = Vec::new();
        while !self.is_ended() {
            match self.take_for(DropReason::Discarded) {
                Some(message) => discarded.push(message),
                // A sender was let in before the close and is about to put its message.
                None => yield_now(),
            }
        }
        discarded
    }

    /// Takes the oldest message to make room for another.
    pub(crate) fn evict(&self) -> Option<Message> {
        self.take_for(DropReason::Oldest)
    }

    fn take_for(&self, reason: DropReason) -> Option<Message> {
        let message = self.next()?;
        // ORDERING: Relaxed; the `mark_taken` that follows publishes them to the thread that finds the queue empty and freezes the
        // counts.
        self.undelivered.fetch_add(1, Ordering::Relaxed);
        self.drops.count(reason);
        self.mark_taken(message.weight());
        Some(message)
    }

    /// Takes back that a message was let in: it could not be delivered after all, and is about to be counted as dropped, or tried
    /// again.
    pub(crate) fn cancel_admission(&self, size: usize) {
        self.undelivered.fetch_add(1, Ordering::Relaxed);
        self.exempt(1);
        self.mark_taken_quietly(size);
    }

    /// Counts a message in and out again that needed neither room nor permission. True if it was the last one wanted.
    pub(crate) fn count_passed(&self) -> Result<bool, Frozen> {
        let loss_record = self.loss_record.lock();
        if loss_record.frozen {
            return Err(Frozen);
        }
        self.intake.counter.count(0);
        self.out.taken.count(0);
        let now = self.intake.counter.load();
        Ok(now.has(PackedCounts::LIMITED) && self.reaches_limit(self.wanted_at(now)))
    }

    /// Counts a message that is not in the queue.
    pub(crate) fn count_drop(&self, reason: DropReason) -> Result<(), Frozen> {
        let loss_record = self.loss_record.lock();
        if loss_record.frozen {
            return Err(Frozen);
        }
        self.drops.count(reason);
        Ok(())
    }

    /// Counts a loss to slowness, unless `evict` has done so. Gives back the episode that this begins, if none was under way.
    pub(crate) fn lose(&self, lost: DroppedMessage) -> Result<Option<Arc<Episode>>, Frozen> {
        let mut loss_record = self.loss_record.lock();
        if loss_record.frozen {
            return Err(Frozen);
        }
        if lost.reason != DropReason::Oldest {
            self.drops.count(lost.reason);
        }
        Ok(match &loss_record.episode {
            Some(episode) => {
                episode.add(lost);
                None
            }
            None => {
                let episode = loss_record.episode.insert(Arc::new(Episode::begin(lost))).clone();
                // The next message that is let in looks whether there is room again.
                self.intake.counter.raise(PackedCounts::SLOW);
                Some(episode)
            }
        })
    }

    /// Ends the episode that is under way, if any.
    pub(crate) fn recover(&self) -> Option<Arc<Episode>> {
        let mut loss_record = self.loss_record.lock();
        let episode = loss_record.episode.take()?;
        self.intake.counter.lower(PackedCounts::SLOW);
        episode.end();
        Some(episode)
    }

    /// Reads the counts for the last time: a publisher that found the queue full before it was closed, and comes to count that
    /// only now, is told so.
    pub(crate) fn freeze(&self) -> Counts {
        let mut loss_record = self.loss_record.lock();
        loss_record.frozen = true;
        self.counts()
    }

    pub(crate) fn counts(&self) -> Counts {
        let undelivered = self.undelivered.load(Ordering::Relaxed);
        let drops = self.drops.read();
        let (queued, queued_bytes) = self.pending();
        let delivered = self.out.taken.total().saturating_sub(undelivered);
        Counts { delivered, drops, queued: queued as u64, queued_bytes: queued_bytes as u64 }
    }

    #[cold]
    fn is_open_at(&self, now: PackedCounts) -> bool {
        let full = || self.reaches_limit(self.wanted_at(now));
        !(now.has(PackedCounts::CLOSED) || now.has(PackedCounts::LIMITED) && full())
    }

    #[cold]
    fn look_at_taken(&self, seen: PackedCounts) -> PackedCounts {
        let taken = self.out.taken.load();
        // Only in place of what this sender saw: one that was held up must not bring back an old value.
        let _ = self.intake.seen.compare_exchange(seen.0, taken.0, Ordering::Relaxed, Ordering::Relaxed);
        taken
    }
}

/// The ledger of one subscription at one moment.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Counts {
    pub(crate) delivered: u64,
    pub(crate) drops: DropCounts,
    pub(crate) queued: u64,
    pub(crate) queued_bytes: u64,
}
