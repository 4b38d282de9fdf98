//! Look-ups in a stream: for API calls, and for consumers on their way through it.

use super::messages::Messages;
use super::store::Slot;
use super::subjects::Entry;
use super::time::Timestamp;
use crate::subject::relation;
use bytes::Bytes;
use std::fmt;

/// How many messages are looked at one by one before the subjects' lists are asked.
const LOOKS: usize = 64;

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
    ///
    /// A filter without wildcards is one look-up. With wildcards some messages are looked at one by one, which finds what is frequent;
    /// then each matching subject is asked for its next one, unless there are more of them than messages left.
    #[must_use]
    pub fn next_match(&self, filters: &[impl AsRef<str>], from: u64) -> Option<StoredMessage<'_>> {
        let filters = Filters::new(filters);
        if filters.all {
            return self.get(self.store.at_or_after(from)?);
        }
        if let [one] = filters.texts[..]
            && is_literal(one)
        {
            let number = self.subjects.find(one)?;
            return self.get(self.subjects.entry(number).seqs.at_or_after(from)?);
        }
        let mut messages = self.store.from(from);
        let wanted = |slot: &Slot| filters.match_subject(&self.subjects.entry(slot.subject).name);
        if let Some((seq, _)) = messages.by_ref().take(LOOKS).find(|(_, slot)| wanted(slot)) {
            return self.get(seq);
        }
        let left = usize::try_from(self.store.count_from(from)).unwrap_or(usize::MAX);
        if left <= self.subjects.len() {
            return messages.find(|(_, slot)| wanted(slot)).and_then(|(seq, _)| self.get(seq));
        }
        let next = filters.entries(self).filter_map(|entry| entry.seqs.at_or_after(from)).min();
        self.get(next?)
    }

    /// How many messages not below a sequence any of the filters matches, each counted once (JC41). No filters match everything.
    ///
    /// The subjects' lists are counted, or the messages that are left if these are fewer.
    #[must_use]
    pub fn num_pending(&self, filters: &[impl AsRef<str>], from: u64) -> u64 {
        let filters = Filters::new(filters);
        let left = self.store.count_from(from);
        if filters.all {
            return left;
        }
        let has_wildcards = !filters.texts.iter().all(|filter| is_literal(filter));
        if has_wildcards && left < self.subjects.len() as u64 {
            let wanted = |slot: &Slot| filters.match_subject(&self.subjects.entry(slot.subject).name);
            return self.store.from(from).filter(|(_, slot)| wanted(slot)).count() as u64;
        }
        filters.entries(self).map(|entry| entry.seqs.count_from(from) as u64).sum()
    }

    /// The last message of each subject that any of the filters matches, not above a sequence; ascending (JS85, JC40).
    #[must_use]
    pub fn last_of_each(&self, filters: &[impl AsRef<str>], up_to: u64) -> Vec<u64> {
        let filters = Filters::new(filters);
        let mut seqs: Vec<u64> = filters.entries(self).filter_map(|entry| entry.seqs.at_or_before(up_to)).collect();
        seqs.sort_unstable();
        seqs
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

/// Filters of a consumer or a request.
struct Filters<'a> {
    texts: Vec<&'a str>,
    /// One of them, or none at all, matches everything.
    all: bool,
}

impl<'a> Filters<'a> {
    fn new(filters: &'a [impl AsRef<str>]) -> Self {
        let texts: Vec<&str> = filters.iter().map(AsRef::as_ref).collect();
        let all = texts.is_empty() || texts.contains(&">");
        Filters { texts: if all { vec![">"] } else { texts }, all }
    }

    fn match_subject(&self, subject: &str) -> bool {
        self.texts.iter().any(|filter| relation::matches(filter, subject))
    }

    /// The subjects that any of them matches, each once.
    fn entries<'s>(&'s self, messages: &'s Messages) -> impl Iterator<Item = &'s Entry> {
        self.texts.iter().enumerate().flat_map(move |(at, filter)| {
            let earlier = &self.texts[..at];
            let is_new = move |entry: &&Entry| !earlier.iter().any(|other| relation::matches(other, &entry.name));
            messages.subjects.matching(filter).filter(is_new)
        })
    }
}

fn is_literal(pattern: &str) -> bool {
    !pattern.split('.').any(|token| token == "*" || token == ">")
}
