//! A publish: judged, then stored or held as a part of a batch.

use super::batch::{self, Batches};
use super::check::{self, Incoming, Refusal, Room};
use super::effect::Answer;
use super::error::codes;
use super::header;
use super::parts::Parts;
use super::storing;
use super::time::Timestamp;
use crate::subject::Subject;
use smol_str::SmolStr;

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

/// Judges a message and stores it; the answer.
pub(super) fn take(
    parts: &mut Parts,
    batches: &mut Batches,
    now: Timestamp,
    publish: &Publish<'_>,
    room: Room,
) -> Answer {
    if parts.config.sealed {
        return Answer::Failed(codes::STREAM_SEALED.error());
    }
    let head = header::stored(publish.head);
    if let Err(error) = check::check_size(parts, &head, publish.payload) {
        return Answer::Failed(error);
    }
    let is_fast_batch = publish.reply.is_some_and(|reply| reply.as_str().ends_with(".$FI"));
    if is_fast_batch {
        return Answer::Failed(codes::BATCH_PUBLISH_DISABLED.error());
    }
    let subject = stored_subject(parts, publish.subject);
    let incoming = Incoming { subject, head, payload: publish.payload, is_own: false };
    let batch = header::get(&incoming.head, "Nats-Batch-Id").filter(|id| !id.is_empty());
    if let Some(id) = batch.map(<[u8]>::to_vec) {
        return batch::take_part(parts, batches, now, &id, incoming, room);
    }
    match check::check(parts, incoming, None, room) {
        Err(Refusal::Error(error)) => Answer::Failed(error),
        Err(Refusal::Duplicate(seq)) => Answer::Duplicate { seq },
        Ok(checked) => {
            let value = checked.sum.as_ref().map(ToString::to_string);
            let seq = storing::store(parts, now, checked);
            match value {
                Some(value) => Answer::Counter { seq, value },
                None => Answer::Stored { seq },
            }
        }
    }
}

/// The name of a subject in the stream (JS51).
fn stored_subject(parts: &Parts, subject: &Subject) -> SmolStr {
    let below = |bound: u32| parts.rng.below(bound as usize) as u32;
    let transformed = parts.transform.as_ref().and_then(|transform| transform.apply(subject.as_str(), below));
    transformed.map_or_else(|| subject.as_smol().clone(), SmolStr::from)
}
