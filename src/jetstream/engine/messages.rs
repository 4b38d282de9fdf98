//! The messages of a stream, their subjects and their times, kept in step with each other.
//!
//! Nothing here decides; it is told what to store and what to remove, and why.

use super::config::Storage;
use super::effect::{Change, Ledger, Reason};
use super::header;
use super::journal::{Changed, Journal};
use super::schedule::Schedules;
use super::steps::Steps;
use super::store::{NewSlot, Slot, Store, Ttl};
use super::subjects::Subjects;
use super::time::Timestamp;
use crate::message::StreamStep;
use smol_str::SmolStr;
use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

/// The last sequence that a message can have. The one behind it is the first that will never be used.
const SEQ_MAX: u64 = u64::MAX - 1;

/// The messages of a stream; read through [`Stream::messages`](super::Stream::messages).
#[derive(Debug)]
pub struct Messages {
    pub(super) store: Store,
    pub(super) subjects: Subjects,
    pub(super) schedules: Schedules,
    storage: Storage,
    bytes: u64,
    first: u64,
    last: u64,
    last_time: Option<Timestamp>,
    /// Messages that have a time of their own, by when it is over.
    expiring: BTreeSet<(Timestamp, u64)>,
    /// No message below it ends with max_age: those that are there never expire.
    aging_from: u64,
    ledger: Ledger,
    /// For the consumers; nothing is put in while there are none.
    changes: VecDeque<Change>,
    pub(super) is_watched: bool,
    /// Those of messages; in front of them lie the steps in the stream's own list.
    pub(super) steps: Steps,
    /// For what outlives the process.
    pub(super) journal: Journal,
}

/// A message as records have it.
#[derive(Clone, Debug)]
pub(crate) struct Restored {
    pub(crate) time: Timestamp,
    pub(crate) subject: SmolStr,
    pub(crate) head_len: u32,
    /// Header block and payload.
    pub(crate) data: Arc<[u8]>,
}

/// A message to be stored.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Entry<'a> {
    pub(crate) time: Timestamp,
    pub(crate) subject: &'a SmolStr,
    pub(crate) head: &'a [u8],
    pub(crate) payload: &'a [u8],
    pub(crate) expiry: Expiry,
    pub(crate) needed: u32,
}

/// The time at which a message ends, apart from max_age.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Expiry {
    WithTheStream,
    /// So long after it was stored.
    After(Duration),
    Never,
}

impl Expiry {
    /// Reads `Nats-TTL` (JS56): `never`, a Go duration of at least 1 s, of which only whole seconds count, or a number of seconds. `Err` if
    /// it is none of these.
    pub(crate) fn parse(value: Option<&[u8]>) -> Result<Self, ()> {
        let Some(value) = header::said(value) else { return Ok(Expiry::WithTheStream) };
        let text = std::str::from_utf8(value).map_err(drop)?;
        if text.eq_ignore_ascii_case("never") {
            return Ok(Expiry::Never);
        }
        let seconds = match super::time::parse_duration(text) {
            Some(nanos) if text != "0" => nanos / 1_000_000_000,
            _ if text.bytes().all(|byte| byte.is_ascii_digit()) => text.parse::<i64>().map_err(drop)?,
            _ => return Err(()),
        };
        if seconds < 1 { Err(()) } else { Ok(Expiry::After(Duration::from_secs(seconds.unsigned_abs()))) }
    }
}

impl Messages {
    pub(crate) fn new(storage: Storage, first_seq: u64, seed: u64) -> Self {
        Messages {
            store: Store::default(),
            subjects: Subjects::new(seed),
            schedules: Schedules::default(),
            storage,
            bytes: 0,
            first: first_seq,
            last: first_seq.saturating_sub(1),
            last_time: None,
            expiring: BTreeSet::new(),
            aging_from: 0,
            ledger: Ledger::default(),
            changes: VecDeque::new(),
            is_watched: false,
            steps: Steps::default(),
            journal: Journal::default(),
        }
    }

    pub(crate) fn len(&self) -> u64 {
        self.store.len()
    }

    pub(crate) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// The first message's sequence; without messages the next one, or what was configured.
    pub(crate) fn first_seq(&self) -> u64 {
        self.first
    }

    pub(crate) fn last_seq(&self) -> u64 {
        self.last
    }

    /// Whether there is a sequence left behind so many others.
    pub(crate) fn has_sequence(&self, others: u64) -> bool {
        self.last.saturating_add(others) < SEQ_MAX
    }

    pub(crate) fn last_time(&self) -> Option<Timestamp> {
        self.last_time
    }

    pub(crate) fn ledger(&self) -> Ledger {
        self.ledger
    }

    /// The last message of a subject.
    pub(crate) fn last_of(&self, subject: &str) -> Option<u64> {
        self.subjects.find(subject).map(|number| self.subjects.entry(number).seqs.last())
    }

    /// The bytes that a message counts.
    pub(crate) fn size_of(&self, subject: &str, head: &[u8], payload: &[u8]) -> u64 {
        self.storage.size_of(subject.len(), head.len(), payload.len())
    }

    pub(crate) fn size_of_slot(&self, slot: &Slot) -> u64 {
        self.size_of(&self.subjects.entry(slot.subject).name, slot.head(), slot.payload())
    }

    pub(crate) fn append(&mut self, entry: Entry<'_>) -> u64 {
        let seq = self.last + 1;
        let Entry { time, subject, head, payload, expiry, needed } = entry;
        let data = self.store.join(head, payload);
        let head_len = u32::try_from(head.len()).expect("a header block has at most 64 KiB");
        self.put(seq, Restored { time, subject: subject.clone(), head_len, data }, expiry, needed);
        self.journal.note(Changed::Stored(seq));
        seq
    }

    /// Puts a message in that was there before, above all that are there by now.
    pub(crate) fn restore(&mut self, seq: u64, message: Restored) {
        let head = &message.data[..message.head_len as usize];
        let expiry = Expiry::parse(header::get(head, "Nats-TTL")).unwrap_or(Expiry::WithTheStream);
        self.put(seq, message, expiry, 0);
    }

    /// Sets the sequences where they don't follow from the messages that were restored.
    pub(crate) fn restore_ends(&mut self, first: u64, last: u64, last_time: Option<Timestamp>) {
        if self.store.len() == 0 {
            self.first = first;
        }
        self.last = self.last.max(last);
        self.last_time = self.last_time.max(last_time);
    }

    fn put(&mut self, seq: u64, message: Restored, expiry: Expiry, needed: u32) {
        let Restored { time, subject, head_len, data } = message;
        let ttl = match expiry {
            Expiry::WithTheStream => Ttl::None,
            Expiry::Never => Ttl::Never,
            Expiry::After(span) => {
                self.expiring.insert((time.after(span), seq));
                Ttl::Own
            }
        };
        self.bytes += self.storage.size_of(subject.len(), head_len as usize, data.len() - head_len as usize);
        if self.store.len() == 0 {
            self.first = seq;
        }
        self.steps.add(|| StreamStep::Stored { seq, subject: subject.clone() });
        let subject = self.subjects.push(&subject, seq);
        self.store.push(seq, NewSlot { time, subject, needed, ttl, head_len, data });
        self.last = seq;
        self.last_time = Some(time);
        self.ledger.stored();
    }

    /// Uses up a sequence without a message (JS55).
    pub(crate) fn skip(&mut self, time: Timestamp) -> u64 {
        self.last += 1;
        self.last_time = Some(time);
        if self.store.len() == 0 {
            self.first = self.last + 1;
        }
        self.ledger.unwanted += 1;
        self.journal.note(Changed::Skipped);
        let seq = self.last;
        self.steps.add(|| StreamStep::Unwanted { seq });
        seq
    }

    /// The next message will have this sequence, above all that were there.
    pub(crate) fn skip_to(&mut self, next: u64) {
        debug_assert_eq!(self.store.len(), 0, "messages are gone before sequences are skipped");
        self.last = next - 1;
        self.first = next;
        self.journal.note(Changed::Skipped);
    }

    /// Takes everything out as a part of a purge, at once.
    pub(crate) fn clear(&mut self) {
        self.steps.add(|| StreamStep::Cleared);
        self.journal.note(Changed::Cleared);
        self.ledger.purged += self.ledger.held;
        self.ledger.held = 0;
        self.store = Store::default();
        self.subjects.clear();
        self.schedules = Schedules::default();
        self.expiring = BTreeSet::new();
        self.bytes = 0;
        // A stream that never had a message keeps its first sequence.
        if self.last >= self.first {
            self.first = self.last + 1;
        }
    }

    /// Takes a message out, and tells the consumers. `false` if it is not there.
    pub(crate) fn remove(&mut self, seq: u64, reason: Reason) -> bool {
        let Some(subject) = self.take_out(seq, reason) else { return false };
        if self.is_watched {
            self.changes.push_back(Change::Removed { seq, subject, reason });
        }
        true
    }

    /// Takes a message out as a part of a purge, of which the consumers are told as a whole; gives its subject.
    pub(crate) fn purge(&mut self, seq: u64, reason: Reason) -> Option<SmolStr> {
        self.take_out(seq, reason)
    }

    fn take_out(&mut self, seq: u64, reason: Reason) -> Option<SmolStr> {
        let slot = self.store.remove(seq)?;
        let subject = self.subjects.entry(slot.subject).name.clone();
        self.bytes -= self.size_of(&subject, slot.head(), slot.payload());
        if slot.ttl == Ttl::Own
            && let Ok(Expiry::After(span)) = Expiry::parse(header::get(slot.head(), "Nats-TTL"))
        {
            self.expiring.remove(&(slot.time.after(span), seq));
        }
        self.subjects.remove(slot.subject, seq);
        self.schedules.message_removed(&subject, seq);
        if seq == self.first {
            self.first = self.store.at_or_after(seq).unwrap_or(self.last + 1);
        }
        self.ledger.removed(reason);
        self.steps.add(|| StreamStep::Removed { seq, reason });
        self.journal.note(Changed::Removed(seq));
        Some(subject)
    }

    /// The message that max_age ends next, and when it was stored.
    pub(crate) fn next_to_age(&mut self) -> Option<(u64, Timestamp)> {
        let next = self.store.from(self.aging_from).find(|(_, slot)| slot.ttl != Ttl::Never);
        let next = next.map(|(seq, slot)| (seq, slot.time));
        self.aging_from = next.map_or(self.last + 1, |(seq, _)| seq);
        next
    }

    /// The message whose own time is over next, and when.
    pub(crate) fn next_to_expire(&self) -> Option<(u64, Timestamp)> {
        self.expiring.first().map(|(at, seq)| (*seq, *at))
    }

    pub(crate) fn tell(&mut self, change: Change) {
        if self.is_watched {
            self.changes.push_back(change);
        }
    }

    pub(crate) fn poll_change(&mut self) -> Option<Change> {
        self.changes.pop_front()
    }
}
