//! The consumers of a stream: which consumer wants which message, and which has done with it (JS78, JC145 to
//! JC147).
//!
//! On a stream that keeps messages for consumers each message has a count of those that still need it. The consumers' side tells
//! once when one has done with a message; then the removal costs the same whatever the number of consumers.

use super::config::Retention;
use super::effect::Reason;
use super::interest::ConsumerId;
use super::parts::Parts;
use super::retention;
use crate::subject::relation;
use smol_str::SmolStr;

/// The questions of the stream to the consumers' side.
pub(crate) trait Acks {
    /// The highest sequence up to which a consumer has done with everything.
    fn floor(&self, consumer: ConsumerId) -> u64;

    /// Whether a consumer has not yet done with a message that its filters match: it starts at or before it, and has neither
    /// acknowledged nor terminated it.
    fn needs(&self, consumer: ConsumerId, seq: u64) -> bool;
}

/// A consumer is there from now on, and needs what the other side says.
pub(super) fn add(parts: &mut Parts, consumer: ConsumerId, filters: &[SmolStr], acks: &impl Acks) {
    parts.interests.insert(consumer, filters);
    parts.messages.is_watched = true;
    for seq in needed(parts, consumer, acks) {
        change_need(parts, seq, 1);
    }
}

/// A consumer was there before; what it needs is counted when all of them are there.
pub(super) fn restore(parts: &mut Parts, consumer: ConsumerId, filters: &[SmolStr]) {
    parts.interests.insert(consumer, filters);
    parts.messages.is_watched = true;
}

/// Counts what the consumers that were restored need. On an interest stream what none of them needs goes: it was needed by one that did
/// not outlive the process.
pub(super) fn recount(parts: &mut Parts, acks: &impl Acks) {
    if !parts.keeps_for_consumers() {
        return;
    }
    let all: Vec<_> = parts.messages.store.from(0).map(|(seq, slot)| (seq, slot.subject)).collect();
    for (seq, number) in all {
        let consumers = parts.interests.matching(&parts.messages.subjects.entry(number).name);
        let needed = consumers.iter().filter(|consumer| acks.needs(**consumer, seq)).count();
        if let Some(slot) = parts.messages.store.get_mut(seq) {
            slot.needed = needed as u32;
        }
        if needed == 0 && parts.config.retention == Retention::Interest {
            parts.messages.remove(seq, Reason::Acked);
        }
    }
}

/// The filters as the index has them: none are `>`.
pub(super) fn or_all(filters: &[SmolStr]) -> &[SmolStr] {
    const ALL: &[SmolStr] = &[SmolStr::new_static(">")];
    if filters.is_empty() { ALL } else { filters }
}

/// The messages that a consumer needs, ascending; none on a stream that does not keep messages for consumers.
pub(super) fn needed(parts: &Parts, consumer: ConsumerId, acks: &impl Acks) -> Vec<u64> {
    if !parts.keeps_for_consumers() {
        return Vec::new();
    }
    let mut seqs = matching_from(parts, parts.interests.filters(consumer), 0);
    seqs.retain(|seq| acks.needs(consumer, *seq));
    seqs
}

/// A consumer needed other messages before. On an interest stream messages that no consumer needs any more go at once.
pub(super) fn change(parts: &mut Parts, consumer: ConsumerId, before: &[u64], acks: &impl Acks) {
    let after = needed(parts, consumer, acks);
    for seq in &after {
        if before.binary_search(seq).is_err() {
            change_need(parts, *seq, 1);
        }
    }
    for seq in before {
        if after.binary_search(seq).is_err() {
            let left = change_need(parts, *seq, -1);
            if parts.config.retention == Retention::Interest && left == Some(0) {
                parts.messages.remove(*seq, Reason::Acked);
            }
        }
    }
}

/// A consumer is gone. On an interest stream what only it still needed goes with it, and everything with the last consumer; a
/// work queue keeps it.
pub(super) fn remove(parts: &mut Parts, consumer: ConsumerId, acks: &impl Acks) {
    let filters = parts.interests.filters(consumer).to_vec();
    parts.interests.remove(consumer);
    parts.messages.is_watched = !parts.interests.is_empty();
    if !parts.keeps_for_consumers() || filters.is_empty() {
        return;
    }
    let is_interest = parts.config.retention == Retention::Interest;
    if is_interest && parts.interests.is_empty() {
        retention::remove_below(parts, u64::MAX, Reason::Acked);
        if parts.messages.first_seq() == 0 {
            // As it is shown from now on, though there never was a message.
            parts.messages.skip_to(1);
        }
        return;
    }
    for seq in matching_from(parts, &filters, 0) {
        if acks.needs(consumer, seq) {
            let left = change_need(parts, seq, -1);
            if is_interest && left == Some(0) {
                parts.messages.remove(seq, Reason::Acked);
            }
        }
    }
}

/// A consumer wants something else from now on. On an interest stream messages that no consumer wants any more go at
/// once (JC147).
pub(super) fn update(parts: &mut Parts, consumer: ConsumerId, filters: &[SmolStr], acks: &impl Acks) {
    let old = parts.interests.filters(consumer).to_vec();
    parts.interests.insert(consumer, filters);
    parts.messages.is_watched = true;
    if !parts.keeps_for_consumers() {
        return;
    }
    let new = parts.interests.filters(consumer).to_vec();
    let wants =
        |filters: &[_], subject: &str| filters.iter().any(|filter: &SmolStr| relation::matches(filter, subject));
    let all: Vec<_> = parts.messages.store.from(0).map(|(seq, slot)| (seq, slot.subject)).collect();
    for (seq, number) in all {
        let subject = &parts.messages.subjects.entry(number).name;
        let (before, after) = (wants(&old, subject), wants(&new, subject));
        if before == after || !acks.needs(consumer, seq) {
            continue;
        }
        let left = change_need(parts, seq, if after { 1 } else { -1 });
        if parts.config.retention == Retention::Interest && left == Some(0) {
            parts.messages.remove(seq, Reason::Acked);
        }
    }
}

/// A consumer has done with a message: acknowledged it, terminated it, or taken it without acknowledgements. To be told once
/// for each consumer and message.
pub(super) fn done(parts: &mut Parts, consumer: ConsumerId, seq: u64) {
    match parts.config.retention {
        Retention::Limits => {}
        Retention::WorkQueue => {
            parts.messages.remove(seq, Reason::Acked);
        }
        Retention::Interest => {
            // A message that its filters match no longer was given up when they changed.
            let Some(message) = parts.messages.get(seq) else { return };
            let subject = message.subject();
            let is_counted = parts.interests.filters(consumer).iter().any(|filter| relation::matches(filter, subject));
            if is_counted && change_need(parts, seq, -1) == Some(0) {
                parts.messages.remove(seq, Reason::Acked);
            }
        }
    }
}

/// Limits became interest: counts what is needed, and removes what its consumers have done with (JS39). What no filter
/// matches stays, but all goes if there are no consumers.
pub(super) fn begin(parts: &mut Parts, acks: &impl Acks) {
    let last = parts.messages.last_seq();
    let all: Vec<_> = parts.messages.store.from(0).map(|(seq, slot)| (seq, slot.subject)).collect();
    for (seq, number) in all {
        let consumers = parts.interests.matching(&parts.messages.subjects.entry(number).name);
        let needed = consumers.iter().filter(|consumer| acks.needs(**consumer, seq)).count();
        if let Some(slot) = parts.messages.store.get_mut(seq) {
            slot.needed = needed as u32;
        }
        // A consumer whose floor lies behind the last message does not count.
        let is_done = needed == 0 && consumers.iter().any(|consumer| acks.floor(*consumer) <= last);
        if is_done || parts.interests.is_empty() {
            parts.messages.remove(seq, Reason::Acked);
        }
    }
}

/// Changes the count of consumers that need a message; says what it is now.
fn change_need(parts: &mut Parts, seq: u64, by: i32) -> Option<u32> {
    let slot = parts.messages.store.get_mut(seq)?;
    debug_assert!(slot.needed.checked_add_signed(by).is_some(), "done with {seq} more often than needed");
    slot.needed = slot.needed.saturating_add_signed(by);
    Some(slot.needed)
}

/// The messages that any of the filters matches, from a sequence on.
fn matching_from(parts: &Parts, filters: &[SmolStr], from: u64) -> Vec<u64> {
    let wants = |subject: &str| filters.iter().any(|filter| relation::matches(filter, subject));
    let all = parts.messages.store.from(from);
    all.filter(|(_, slot)| wants(&parts.messages.subjects.entry(slot.subject).name)).map(|(seq, _)| seq).collect()
}
