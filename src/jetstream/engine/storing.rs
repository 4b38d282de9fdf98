//! Storing a message, and all that follows from it: limits, schedules, rollups, republishing (JS52, JS92).

use super::check::{self, Checked, Incoming, Pending, Refusal, Rollup, Room};
use super::effect::{Change, Effect, Reason};
use super::header;
use super::messages::Entry;
use super::parts::Parts;
use super::retention;
use super::schedule::Schedule;
use super::time::Timestamp;
use crate::subject::Subject;
use bytes::Bytes;
use smol_str::SmolStr;
use std::borrow::Cow;

/// Stores what the stream made itself, if its limits allow it.
pub(super) fn store_own(
    parts: &mut Parts,
    now: Timestamp,
    subject: &SmolStr,
    head: Vec<u8>,
    payload: &[u8],
) -> Option<u64> {
    let incoming = Incoming { subject: subject.clone(), head: Cow::Owned(head), payload, is_own: true };
    let checked = check::check(parts, incoming, None, super::Room::UNLIMITED).ok()?;
    Some(store(parts, now, checked))
}

/// Checks the parts of a batch, each behind the earlier ones, and stores all or none.
pub(super) fn store_batch(
    parts: &mut Parts,
    now: Timestamp,
    incoming: Vec<Incoming<'_>>,
    mut room: Room,
) -> Result<(u64, Option<String>), Refusal> {
    let mut pending = Pending::default();
    let mut all = Vec::with_capacity(incoming.len());
    for part in incoming {
        let checked = check::check(parts, part, Some(&pending), room)?;
        let size = parts.messages.size_of(&checked.subject, &checked.head, &checked.payload);
        room.account_left = room.account_left.saturating_sub(size);
        pending.add(&checked, size);
        all.push(checked);
    }
    let value = all.last().and_then(|last| last.sum.as_ref()).map(ToString::to_string);
    let mut last = parts.messages.last_seq();
    for checked in all {
        last = store(parts, now, checked);
    }
    Ok((last, value))
}

/// Stores a message that may be stored, and does all that follows from it. Its sequence.
pub(super) fn store(parts: &mut Parts, now: Timestamp, checked: Checked<'_>) -> u64 {
    let Checked { subject, head, payload, id, expiry, rollup, schedule, ends_schedule, consumers, is_unwanted, .. } =
        checked;
    let seq = if is_unwanted {
        parts.messages.skip(now)
    } else {
        let before = parts.republish.is_some().then(|| parts.messages.last_of(&subject).unwrap_or(0));
        let needed = if parts.keeps_for_consumers() { consumers.len() as u32 } else { 0 };
        let entry = Entry { time: now, subject: &subject, head: &head, payload: &payload, expiry, needed };
        let seq = parts.messages.append(entry);
        parts.messages.tell(Change::Stored { seq, consumers });
        if let Some(before) = before {
            republish_stored(parts, seq, now, before, &subject, &head, &payload);
        }
        retention::enforce(parts, &subject);
        match schedule {
            Some(pattern) => {
                let due = pattern.first(now);
                parts.messages.schedules.insert(&subject, Schedule { seq, pattern, due });
            }
            None => drop(parts.messages.schedules.remove(&subject)),
        }
        seq
    };
    match rollup {
        None => {}
        Some(Rollup::Subject) => retention::roll_up(parts, Some(&subject), seq, Reason::RolledUp),
        Some(Rollup::All) => retention::roll_up(parts, None, seq, Reason::RolledUp),
    }
    if let Some(subject) = ends_schedule {
        retention::roll_up(parts, Some(&subject), u64::MAX, Reason::Purged);
    }
    parts.last_id = id.as_deref().unwrap_or_default().into();
    if let Some(id) = id {
        parts.dedup.insert(&id, seq, now);
    }
    seq
}

/// JS52.
fn republish_stored(
    parts: &mut Parts,
    seq: u64,
    now: Timestamp,
    before: u64,
    subject: &str,
    head: &[u8],
    payload: &[u8],
) {
    let below = |bound: u32| parts.rng.below(bound as usize) as u32;
    let Some(to) = parts.republish.as_ref().and_then(|transform| transform.apply(subject, below)) else { return };
    let Ok(to) = Subject::new(to) else { return };
    let headers_only = parts.config.republish.as_ref().is_some_and(|republish| republish.headers_only);
    let mut head = head.to_vec();
    let added = [
        ("Nats-Stream", parts.config.name.clone()),
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
    parts.effects.push_back(Effect::Republish { subject: to, head: head.into(), payload });
}
