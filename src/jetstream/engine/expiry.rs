//! Messages that end by themselves, and those that schedules make: what happens at an instant (JS57, JS67).

use super::effect::Reason;
use super::header::{self, Known};
use super::journal::Changed;
use super::parts::Parts;
use super::retention;
use super::schedule::{self, Schedule};
use super::storing;
use super::time::{Timestamp, format_duration};
use smol_str::SmolStr;

/// Ends the message that max_age ends next.
pub(super) fn expire_oldest(parts: &mut Parts, at: Timestamp) {
    if let Some((seq, _)) = parts.messages.next_to_age() {
        expire(parts, seq, at);
    }
}

/// Ends the message whose own time is over next.
pub(super) fn expire_next(parts: &mut Parts, at: Timestamp) {
    if let Some((seq, _)) = parts.messages.next_to_expire() {
        expire(parts, seq, at);
    }
}

/// A subject's last message leaves a marker, where that is wanted; a marker leaves none, and the marker of a purged key is one (JS57, JK11).
fn expire(parts: &mut Parts, seq: u64, at: Timestamp) {
    let Some(slot) = parts.messages.store.get(seq) else { return };
    let entry = parts.messages.subjects.entry(slot.subject);
    let marker_ttl = parts.config.subject_delete_marker_ttl;
    let is_marker = header::said(header::get(slot.head(), "Nats-Marker-Reason")).is_some()
        || header::get(slot.head(), "KV-Operation") == Some(b"PURGE");
    let leaves_marker = marker_ttl > 0 && entry.seqs.len() == 1 && !is_marker;
    let subject = entry.name.clone();
    parts.messages.remove(seq, Reason::Expired);
    if leaves_marker {
        let mut head = Vec::new();
        header::append(&mut head, "Nats-Marker-Reason", b"MaxAge");
        header::append(&mut head, "Nats-TTL", format_duration(marker_ttl).as_bytes());
        header::append(&mut head, "Nats-Rollup", b"sub");
        // A stream that discards the new may be full: then there is no marker.
        let _stored: Option<u64> = storing::store_own(parts, at, &subject, head, &[]);
    }
}

/// Stores the copy that a schedule makes at `at`; turns until `now` are skipped (JS67).
pub(super) fn fire_schedule(parts: &mut Parts, at: Timestamp, now: Timestamp) {
    let Some(subject) = parts.messages.schedules.next().map(|(_, subject)| subject.clone()) else { return };
    let Some(schedule) = parts.messages.schedules.remove(&subject) else { return };
    let Some(slot) = parts.messages.store.get(schedule.seq) else { return };
    let own_head = slot.head().to_vec();
    let known = Known::of(&own_head);
    let text = |value: Option<&[u8]>| value.map(String::from_utf8_lossy).map(SmolStr::new);
    let Some(target) = text(known.schedule_target) else { return };
    let source = text(known.schedule_source).and_then(|source| parts.messages.last_of(&source));
    let copied = source.and_then(|seq| parts.messages.store.get(seq)).unwrap_or(slot);
    let next = schedule.pattern.after(schedule.due, now);
    let head = schedule::copy_head(copied.head(), &subject, &known, next);
    let payload = copied.payload().to_vec();
    if let Some(due) = next {
        parts.messages.journal.note(Changed::Scheduled(schedule.seq, due));
        parts.messages.schedules.insert(&subject, Schedule { due, ..schedule });
    }
    let is_stored = storing::store_own(parts, at, &target, head, &payload).is_some();
    if !is_stored && next.is_none() {
        // It had its one turn; kept, it would have another each time the stream is made anew.
        retention::remove_of_subject(parts, &subject, u64::MAX, Reason::Purged);
    }
}
