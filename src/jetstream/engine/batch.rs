//! Atomic batches: parts are held aside until the last one comes (JS59 to JS63).

use super::check::{Incoming, Refusal, Room};
use super::effect::{AbandonReason, Answer, Effect};
use super::error::{ApiError, codes};
use super::header::{self, Known, said};
use super::parts::Parts;
use super::storing;
use super::time::{Timestamp, span};
use smol_str::SmolStr;
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::time::Duration;

/// The most bytes of a batch's id.
const ID_MAX: usize = 64;

/// The API level of nats-server 2.15.1 (JS14).
const API_LEVEL: i64 = 5;

/// The batches that are open.
#[derive(Debug, Default)]
pub(crate) struct Batches {
    all: BTreeMap<Vec<u8>, Batch>,
    /// Bytes of all their parts.
    bytes: u64,
}

#[derive(Debug)]
struct Batch {
    parts: Vec<Part>,
    /// Bytes of the parts, as the stream's storage counts them.
    bytes: u64,
    /// When the last part came.
    active: Timestamp,
}

#[derive(Debug)]
struct Part {
    subject: SmolStr,
    head: Vec<u8>,
    payload: Vec<u8>,
}

/// The commit that a part asks for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Commit {
    No,
    /// It is the last.
    WithIt,
    /// The one before it was the last.
    WithoutIt,
}

impl Batches {
    /// When the first of them is given up.
    pub(crate) fn due(&self, timeout: Duration) -> Option<Timestamp> {
        self.all.values().map(|batch| batch.active.after(timeout)).min()
    }

    /// How many are open, and the bytes of their parts.
    pub(crate) fn held(&self) -> (usize, u64) {
        (self.all.len(), self.bytes)
    }

    /// Forgets all of them, without a word.
    pub(crate) fn clear(&mut self) {
        *self = Batches::default();
    }

    fn take(&mut self, id: &[u8]) -> Option<Batch> {
        let batch = self.all.remove(id)?;
        self.bytes -= batch.bytes;
        Some(batch)
    }

    fn put(&mut self, id: &[u8], batch: Batch) {
        self.bytes += batch.bytes;
        self.all.insert(id.to_vec(), batch);
    }
}

/// Takes a part of an atomic batch.
pub(super) fn take_part(
    parts: &mut Parts,
    batches: &mut Batches,
    now: Timestamp,
    id: &[u8],
    incoming: Incoming<'_>,
    room: Room,
) -> Answer {
    match try_part(parts, batches, now, id, incoming, room) {
        Ok(answer) => answer,
        Err((error, abandoned)) => {
            if let Some(reason) = abandoned {
                let batch = String::from_utf8_lossy(id).into_owned();
                parts.effects.push_back(Effect::BatchAbandoned { batch, reason });
            }
            Answer::Failed(error)
        }
    }
}

fn try_part(
    parts: &mut Parts,
    batches: &mut Batches,
    now: Timestamp,
    id: &[u8],
    incoming: Incoming<'_>,
    room: Room,
) -> Result<Answer, (ApiError, Option<AbandonReason>)> {
    let silent = |error: ApiError| (error, None);
    let Incoming { subject, head, payload, .. } = incoming;
    let known = Known::of(&head);
    let size = parts.messages.size_of(&subject, &head, payload);
    check_part(parts, size, id, room).map_err(silent)?;
    let seq = known
        .batch_sequence
        .and_then(header::number)
        .ok_or_else(|| silent(codes::ATOMIC_PUBLISH_MISSING_SEQ.error()))?;
    let max = parts.limits.batch_max_msgs;
    let too_large = || codes::ATOMIC_PUBLISH_TOO_LARGE_BATCH.with(max.to_string());
    let incomplete = || codes::ATOMIC_PUBLISH_INCOMPLETE_BATCH.error();
    // From here on a fault ends the batch: it is put back only when the part was taken.
    let mut batch = match batches.take(id) {
        Some(batch) => batch,
        None if seq != 1 && seq > max as u64 => return Err(silent(too_large())),
        None if seq != 1 => return Err(silent(incomplete())),
        None if batches.all.len() >= parts.limits.batch_max_inflight || room.batches_left == 0 => {
            return Err(silent(codes::ATOMIC_PUBLISH_TOO_MANY_INFLIGHT.error()));
        }
        None => Batch { parts: Vec::new(), bytes: 0, active: now },
    };
    // An empty commit is not a commit value either.
    let commit = match known.batch_commit {
        None => Commit::No,
        Some(b"1") => Commit::WithIt,
        Some(b"eob") => Commit::WithoutIt,
        Some(_) => return Err(silent(codes::ATOMIC_PUBLISH_INVALID_BATCH_COMMIT.error())),
    };
    let mut head = head.clone();
    if let Some(level) = said(known.required_api_level) {
        let level = std::str::from_utf8(level).ok().and_then(|level| level.parse::<i64>().ok());
        if level.is_none_or(|level| level > API_LEVEL) {
            return Err((codes::REQUIRED_API_LEVEL.error(), Some(AbandonReason::Unsupported)));
        }
        head = Cow::Owned(header::without(&head, |name| name == b"Nats-Required-Api-Level"));
    }
    let is_first_the_end = commit == Commit::WithoutIt && batch.parts.is_empty();
    if seq != batch.parts.len() as u64 + 1 || is_first_the_end {
        return Err((incomplete(), Some(AbandonReason::Incomplete)));
    }
    if commit != Commit::WithoutIt {
        if batch.parts.len() >= max {
            return Err((too_large(), Some(AbandonReason::Large)));
        }
        batch.bytes += parts.messages.size_of(&subject, &head, payload);
        batch.parts.push(Part { subject, head: head.into_owned(), payload: payload.to_vec() });
    }
    if commit == Commit::No {
        batch.active = now;
        batches.put(id, batch);
        return Ok(Answer::Part);
    }
    if commit == Commit::WithoutIt
        && let Some(last) = batch.parts.last_mut()
    {
        last.head = header::set(&last.head, "Nats-Batch-Commit", "1");
    }
    let count = batch.parts.len() as u64;
    // Its parts have taken of the room already.
    let room = Room { account_left: room.account_left.saturating_add(batch.bytes), ..room };
    let held = batch.parts.iter().map(|part| Incoming {
        subject: part.subject.clone(),
        head: Cow::Borrowed(&part.head),
        payload: &part.payload,
        is_own: false,
    });
    match storing::store_batch(parts, now, held.collect(), room) {
        Ok((seq, value)) => Ok(Answer::Batch { seq, batch: String::from_utf8_lossy(id).into_owned(), count, value }),
        Err(Refusal::Error(error)) => Err(silent(error)),
        Err(Refusal::Duplicate(_)) => Err(silent(codes::ATOMIC_PUBLISH_CONTAINS_DUPLICATE_MESSAGE.error())),
    }
}

/// Checks a part by itself (JS60), after its size.
fn check_part(parts: &Parts, size: u64, id: &[u8], room: Room) -> Result<(), ApiError> {
    let refused = [
        (room.is_full, codes::INSUFFICIENT_RESOURCES),
        (size > room.account_left, codes::ACCOUNT_RESOURCES_EXCEEDED),
        (!parts.config.allow_atomic, codes::ATOMIC_PUBLISH_DISABLED),
        (id.len() > ID_MAX, codes::ATOMIC_PUBLISH_INVALID_BATCH_ID),
    ];
    match refused.into_iter().find(|(is, _)| *is) {
        Some((_, code)) => Err(code.error()),
        None => Ok(()),
    }
}

/// Gives up the batches that waited too long for their next part.
pub(super) fn abandon_idle(parts: &mut Parts, batches: &mut Batches, at: Timestamp) {
    let timeout = span(parts.limits.batch_timeout);
    let idle = batches.all.iter().filter(|(_, batch)| batch.active.after(timeout) <= at);
    for id in idle.map(|(id, _)| id.clone()).collect::<Vec<_>>() {
        batches.take(&id);
        let batch = String::from_utf8_lossy(&id).into_owned();
        parts.effects.push_back(Effect::BatchAbandoned { batch, reason: AbandonReason::Timeout });
    }
}
