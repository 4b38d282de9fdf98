//! Look-ups in a stream: for API calls, and for consumers on their way through it.

use super::filters::Filters;
use super::messages::Messages;
use super::store::Slot;
use super::time::Timestamp;
use crate::steps;
use bytes::Bytes;
use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};
use std::fmt;
use std::ops::ControlFlow;

/// How many messages are looked at one by one before the subjects' lists are asked.
const LOOKS: usize = 64;

/// How many messages are found ahead at least, and at most.
const AHEAD_MIN: usize = 256;
const AHEAD_MAX: usize = 65_536;

/// A message as it is stored.
#[derive(Clone, Copy)]
pub struct StoredMessage<'a> {
    seq: u64,
    subject: &'a str,
    slot: &'a Slot,
}

impl<'a> StoredMessage<'a> {
    /// Its sequence.
    #[must_use]
    pub fn seq(&self) -> u64 {
        self.seq
    }

    /// Its subject, transformed.
    #[must_use]
    pub fn subject(&self) -> &'a str {
        self.subject
    }

    /// When it was stored.
    #[must_use]
    pub fn time(&self) -> Timestamp {
        self.slot.time
    }

    /// Its header block; no bytes if it has none.
    #[must_use]
    pub fn head(&self) -> &'a [u8] {
        self.slot.head()
    }

    /// Its payload.
    #[must_use]
    pub fn payload(&self) -> &'a [u8] {
        self.slot.payload()
    }

    /// Header block and payload, shared with the stream: not copied, and good for as long as they are wanted.
    #[must_use]
    pub fn shared(&self) -> (Bytes, Bytes) {
        self.slot.shared()
    }
}

impl fmt::Debug for StoredMessage<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StoredMessage")
            .field("seq", &self.seq)
            .field("subject", &self.subject)
            .field("time", &self.slot.time)
            .field("payload", &self.payload().len())
            .finish()
    }
}

impl Messages {
    /// The message of a sequence.
    #[must_use]
    pub fn get(&self, seq: u64) -> Option<StoredMessage<'_>> {
        let slot = self.store.get(seq)?;
        Some(StoredMessage { seq, subject: &self.subjects.entry(slot.subject).name, slot })
    }

    /// The last message whose subject a pattern matches. For `>` it is that of the last sequence, if that is still there (JS79).
    #[must_use]
    pub fn last_by_subject(&self, pattern: &str) -> Option<StoredMessage<'_>> {
        if pattern == ">" {
            return self.get(self.last_seq());
        }
        self.get(self.subjects.matching(pattern).map(|entry| entry.seqs.last()).max()?)
    }

    /// The first message not below a sequence that any of the filters matches; no filters match everything.
    #[must_use]
    pub fn next_match(&self, filters: &[impl AsRef<str>], from: u64) -> Option<StoredMessage<'_>> {
        self.get(self.search(&Filters::new(filters), from, &mut Ahead::one())?)
    }

    /// As [`Messages::next_match`], for a search that goes on.
    ///
    /// A filter without wildcards is one look-up. With wildcards some messages are looked at one by one, which finds what is frequent;
    /// then each matching subject is asked for its next ones, unless there are more subjects than messages left. As many of the messages
    /// behind the first are kept as subjects were looked at: so a search costs one look at a subject for each message that it finds.
    pub(crate) fn search(&self, filters: &Filters, from: u64, ahead: &mut Ahead) -> Option<u64> {
        if filters.match_all() {
            return self.store.at_or_after(from);
        }
        if let Some(one) = filters.only_literal() {
            let number = self.subjects.find(one)?;
            return self.subjects.entry(number).seqs.at_or_after(from);
        }
        if let Some(seq) = ahead.next(from, |seq| self.store.get(seq).is_some()) {
            return Some(seq);
        }
        let mut messages = self.store.from(from);
        let wanted = |slot: &Slot| {
            steps::count(1);
            filters.matches(&self.subjects.entry(slot.subject).name)
        };
        if let Some((seq, _)) = messages.by_ref().take(LOOKS).find(|(_, slot)| wanted(slot)) {
            return Some(seq);
        }
        let left = usize::try_from(self.store.count_from(from)).unwrap_or(usize::MAX);
        if left <= self.subjects.len() {
            return messages.find(|(_, slot)| wanted(slot)).map(|(seq, _)| seq);
        }
        self.look_ahead(filters, from, ahead);
        ahead.seqs.front().copied()
    }

    /// Finds the next matching messages through the lists of the matching subjects.
    fn look_ahead(&self, filters: &Filters, from: u64, ahead: &mut Ahead) {
        let mut next = Vec::new();
        let looked = filters.entries(self, |number, entry| {
            next.extend(entry.seqs.at_or_after(from).map(|seq| Reverse((seq, number))));
            ControlFlow::Continue(())
        });
        let mut next = BinaryHeap::from(next);
        for _ in 0..looked.clamp(AHEAD_MIN, AHEAD_MAX).min(ahead.most) {
            let Some(Reverse((seq, number))) = next.pop() else { break };
            steps::count(1);
            ahead.seqs.push_back(seq);
            next.extend(self.subjects.entry(number).seqs.at_or_after(seq + 1).map(|seq| Reverse((seq, number))));
        }
    }

    /// How many messages not below a sequence any of the filters matches, each counted once (JC41). No filters match everything.
    ///
    /// The subjects' lists are counted, or the messages that are left if these are fewer.
    #[must_use]
    pub fn num_pending(&self, filters: &[impl AsRef<str>], from: u64) -> u64 {
        self.count(&Filters::new(filters), from)
    }

    /// As [`Messages::num_pending`].
    pub(crate) fn count(&self, filters: &Filters, from: u64) -> u64 {
        let left = self.store.count_from(from);
        if filters.match_all() {
            return left;
        }
        if filters.have_wildcards() && left < self.subjects.len() as u64 {
            let wanted = |slot: &Slot| filters.matches(&self.subjects.entry(slot.subject).name);
            return self.store.from(from).filter(|(_, slot)| wanted(slot)).count() as u64;
        }
        let mut count = 0;
        filters.entries(self, |_, entry| {
            count += entry.seqs.count_from(from) as u64;
            ControlFlow::Continue(())
        });
        count
    }

    /// The last message of each subject that any of the filters matches, not above a sequence; ascending (JS85, JC40).
    #[must_use]
    pub fn last_of_each(&self, filters: &[impl AsRef<str>], up_to: u64) -> Vec<u64> {
        self.last_of_few(filters, up_to, usize::MAX).unwrap_or_default()
    }

    /// As [`Messages::last_of_each`]; `None` as soon as there are more than `max`.
    #[must_use]
    pub fn last_of_few(&self, filters: &[impl AsRef<str>], up_to: u64, max: usize) -> Option<Vec<u64>> {
        let mut seqs = Vec::new();
        Filters::new(filters).entries(self, |_, entry| {
            seqs.extend(entry.seqs.at_or_before(up_to));
            if seqs.len() > max { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        });
        seqs.sort_unstable();
        (seqs.len() <= max).then_some(seqs)
    }

    /// The first message that was stored at an instant or after it.
    #[must_use]
    pub fn first_at(&self, time: Timestamp) -> Option<StoredMessage<'_>> {
        self.get(self.store.at_time(time)?)
    }

    /// The last message that was stored before an instant.
    #[must_use]
    pub fn last_before(&self, time: Timestamp) -> Option<StoredMessage<'_>> {
        let seq = match self.store.at_time(time) {
            Some(first) => first.checked_sub(1)?,
            None => self.last_seq(),
        };
        self.get(self.store.until(seq).next()?.0)
    }

    /// The subjects that a pattern matches and how many messages each has, sorted (JS23).
    pub fn subjects<'a>(&'a self, pattern: &'a str) -> impl Iterator<Item = (&'a str, u64)> {
        self.subjects.matching(pattern).map(|entry| (entry.name.as_str(), entry.seqs.len() as u64))
    }

    /// Sequences between the first and the last that have no message, ascending.
    pub fn deleted(&self) -> impl Iterator<Item = u64> + '_ {
        let (first, last) = (self.first_seq(), self.last_seq());
        let end = if last > first { Some((last + 1, ())) } else { None };
        let present = self.store.from(first).map(|(seq, _)| (seq, ())).chain(end);
        let mut next = first;
        present.flat_map(move |(seq, ())| {
            let gap = next..seq;
            next = seq + 1;
            gap
        })
    }
}

/// A search that goes on: the messages that it has found beyond the one that was asked for, all those up to the last of them.
#[derive(Debug)]
pub(crate) struct Ahead {
    seqs: VecDeque<u64>,
    most: usize,
}

impl Ahead {
    /// For one search that does not go on.
    fn one() -> Self {
        Ahead { seqs: VecDeque::new(), most: 1 }
    }

    /// Forgets what was found: the filters are others, or the search goes back.
    pub(crate) fn clear(&mut self) {
        self.seqs = VecDeque::new();
    }

    /// The first one not below a sequence that is still there.
    fn next(&mut self, from: u64, is_there: impl Fn(u64) -> bool) -> Option<u64> {
        while let Some(&seq) = self.seqs.front() {
            if seq >= from && is_there(seq) {
                return Some(seq);
            }
            self.seqs.pop_front();
        }
        // Its room is not kept while nothing is in it.
        self.clear();
        None
    }
}

impl Default for Ahead {
    fn default() -> Self {
        Ahead { seqs: VecDeque::new(), most: AHEAD_MAX }
    }
}
