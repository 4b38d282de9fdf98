//! A publish: judged, stored, limits kept, consumers told, republished, answered; in this order (JS92).

use super::check::{Checked, Incoming, Pending, Refusal, Rollup};
use super::effect::{Answer, Change, Effect, Reason};
use super::error::codes;
use super::header::{self, Known};
use super::log::Entry;
use super::schedule::Schedule;
use super::stream::Stream;
use super::time::Timestamp;
use crate::subject::Subject;
use bytes::Bytes;
use smol_str::SmolStr;
use std::borrow::Cow;

/// A message that was published to the stream.
#[derive(Clone, Copy, Debug)]
pub struct Publish<'a> {
    /// The subject, before the stream's transform.
    pub subject: &'a Subject,
    /// Where the answer goes; none is made without it.
    pub reply: Option<&'a Subject>,
    /// The header block as it was sent; no bytes if there is none.
    pub head: &'a [u8],
    /// The payload.
    pub payload: &'a [u8],
}

/// The room that the account and the server still have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Room {
    /// The server stores more than it may already (10023).
    pub is_full: bool,
    /// Bytes that the account may still store in this kind of storage (10002).
    pub account_left: u64,
}

impl Room {
    /// No limit.
    pub const UNLIMITED: Room = Room { is_full: false, account_left: u64::MAX };
}

impl Stream {
    /// Takes a message that was published on one of the stream's subjects.
    pub fn handle_publish(&mut self, now: Timestamp, publish: &Publish<'_>, room: Room) {
        let now = self.advance(now);
        let answer = self.take(now, publish, room);
        if let (Some(to), false) = (publish.reply, self.config.no_ack) {
            self.effects.push_back(Effect::Answer { to: to.clone(), answer });
        }
    }

    fn take(&mut self, now: Timestamp, publish: &Publish<'_>, room: Room) -> Answer {
        if self.config.sealed {
            return Answer::Failed(codes::STREAM_SEALED.error());
        }
        let head = header::stored(publish.head);
        if let Err(error) = self.check_size(&head, publish.payload) {
            return Answer::Failed(error);
        }
        let is_fast_batch = publish.reply.is_some_and(|reply| reply.as_str().ends_with(".$FI"));
        if is_fast_batch {
            return Answer::Failed(codes::BATCH_PUBLISH_DISABLED.error());
        }
        let subject = self.stored_subject(publish.subject);
        let incoming = Incoming { subject, head, payload: publish.payload, is_own: false };
        let batch = header::get(&incoming.head, "Nats-Batch-Id").filter(|id| !id.is_empty());
        if let Some(id) = batch.map(<[u8]>::to_vec) {
            return self.take_part(now, &id, incoming, room);
        }
        match self.check(incoming, None, room) {
            Err(Refusal::Error(error)) => Answer::Failed(error),
            Err(Refusal::Duplicate(seq)) => Answer::Duplicate { seq },
            Ok(checked) => {
                let value = checked.sum.as_ref().map(ToString::to_string);
                let seq = self.store(now, checked);
                match value {
                    Some(value) => Answer::Counter { seq, value },
                    None => Answer::Stored { seq },
                }
            }
        }
    }

    /// The name of a subject in the stream (JS51).
    fn stored_subject(&self, subject: &Subject) -> SmolStr {
        let below = |bound: u32| self.rng.below(bound as usize) as u32;
        let transformed = self.transform.as_ref().and_then(|transform| transform.apply(subject.as_str(), below));
        transformed.map_or_else(|| subject.as_smol().clone(), SmolStr::from)
    }

    /// Stores what the stream made itself, if its limits allow it.
    pub(super) fn store_own(
        &mut self,
        now: Timestamp,
        subject: &SmolStr,
        head: Vec<u8>,
        payload: &[u8],
    ) -> Option<u64> {
        let incoming = Incoming { subject: subject.clone(), head: Cow::Owned(head), payload, is_own: true };
        let checked = self.check(incoming, None, super::Room::UNLIMITED).ok()?;
        Some(self.store(now, checked))
    }

    /// Checks the parts of a batch, each behind the earlier ones, and stores all or none.
    pub(super) fn store_batch(
        &mut self,
        now: Timestamp,
        parts: Vec<Incoming<'_>>,
        mut room: Room,
    ) -> Result<(u64, Option<String>), Refusal> {
        let mut pending = Pending::default();
        let mut all = Vec::with_capacity(parts.len());
        for part in parts {
            let checked = self.check(part, Some(&pending), room)?;
            let size = self.log.size_of(&checked.subject, &checked.head, &checked.payload);
            room.account_left = room.account_left.saturating_sub(size);
            pending.add(&checked, size);
            all.push(checked);
        }
        let value = all.last().and_then(|last| last.sum.as_ref()).map(ToString::to_string);
        let mut last = self.log.last_seq();
        for checked in all {
            last = self.store(now, checked);
        }
        Ok((last, value))
    }

    /// Stores a message that may be stored, and does all that follows from it. Its sequence.
    pub(super) fn store(&mut self, now: Timestamp, checked: Checked<'_>) -> u64 {
        let Checked {
            subject, head, payload, id, expiry, rollup, schedule, ends_schedule, consumers, is_unwanted, ..
        } = checked;
        let seq = if is_unwanted {
            self.log.skip(now)
        } else {
            let before = self.republish.is_some().then(|| self.last_of_literal(&subject).unwrap_or(0));
            let needed = if self.keeps_for_consumers() { consumers.len() as u32 } else { 0 };
            let entry = Entry { time: now, subject: &subject, head: &head, payload: &payload, expiry, needed };
            let seq = self.log.append(entry);
            self.log.tell(Change::Stored { seq, consumers });
            if let Some(before) = before {
                self.republish(seq, now, before, &subject, &head, &payload);
            }
            self.enforce(&subject);
            match schedule {
                Some(pattern) => {
                    let due = pattern.first(now);
                    self.log.schedules.insert(&subject, Schedule { seq, pattern, due });
                }
                None => drop(self.log.schedules.remove(&subject)),
            }
            seq
        };
        match rollup {
            None => {}
            Some(Rollup::Subject) => self.remove_of_subject(&subject, seq, Reason::RolledUp),
            Some(Rollup::All) => self.remove_below(seq, Reason::RolledUp),
        }
        if let Some(subject) = ends_schedule {
            self.remove_of_subject(&subject, u64::MAX, Reason::Purged);
        }
        self.last_id = id.as_deref().unwrap_or_default().into();
        if let Some(id) = id {
            self.dedup.insert(&id, seq, now);
        }
        seq
    }

    /// JS52.
    fn republish(&mut self, seq: u64, now: Timestamp, before: u64, subject: &str, head: &[u8], payload: &[u8]) {
        let below = |bound: u32| self.rng.below(bound as usize) as u32;
        let Some(to) = self.republish.as_ref().and_then(|transform| transform.apply(subject, below)) else { return };
        let Ok(to) = Subject::new(to) else { return };
        let headers_only = self.config.republish.as_ref().is_some_and(|republish| republish.headers_only);
        let mut head = head.to_vec();
        let added = [
            ("Nats-Stream", self.config.name.clone()),
            ("Nats-Subject", subject.to_owned()),
            ("Nats-Sequence", seq.to_string()),
            ("Nats-Time-Stamp", now.to_string()),
            ("Nats-Last-Sequence", before.to_string()),
        ];
        for (name, value) in &added {
            header::append(&mut head, name, value.as_bytes());
        }
        let payload = if headers_only {
            header::append(&mut head, "Nats-Msg-Size", payload.len().to_string().as_bytes());
            Bytes::new()
        } else {
            Bytes::copy_from_slice(payload)
        };
        self.effects.push_back(Effect::Republish { subject: to, head: head.into(), payload });
    }

    /// Stores the copy that a schedule makes at `at`; turns until `now` are skipped (JS67).
    pub(super) fn fire_schedule(&mut self, at: Timestamp, now: Timestamp) {
        let Some(subject) = self.log.schedules.next().map(|(_, subject)| subject.clone()) else { return };
        let Some(schedule) = self.log.schedules.remove(&subject) else { return };
        let Some(slot) = self.log.store.get(schedule.seq) else { return };
        let own_head = slot.head().to_vec();
        let known = Known::of(&own_head);
        let text = |value: Option<&[u8]>| value.map(String::from_utf8_lossy).map(SmolStr::new);
        let Some(target) = text(known.schedule_target) else { return };
        let source = text(known.schedule_source).and_then(|source| self.last_of_literal(&source));
        let copied = source.and_then(|seq| self.log.store.get(seq)).unwrap_or(slot);
        let next = schedule.pattern.after(schedule.due, now);
        let head = super::schedule::copy_head(copied.head(), &subject, &known, next);
        let payload = copied.payload().to_vec();
        if let Some(due) = next {
            self.log.schedules.insert(&subject, Schedule { due, ..schedule });
        }
        let is_stored = self.store_own(at, &target, head, &payload).is_some();
        if !is_stored && next.is_none() {
            // It had its one turn; kept, it would have another each time the stream is made anew.
            self.remove_of_subject(&subject, u64::MAX, Reason::Purged);
        }
    }
}
