//! How messages go: by limits, purges and deletions.

use super::config::{Discard, Storage, StreamConfig};
use super::effect::{Change, Reason};
use super::error::{ApiError, codes};
use super::parts::Parts;
use crate::subject::Pattern;
use smol_str::SmolStr;

/// The messages to purge (JS77). Everything, by default.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Purge {
    /// Only messages whose subjects it matches; an empty text is all.
    pub filter: String,
    /// Only those below this sequence; 0 is all.
    pub seq: u64,
    /// But not the newest so many; 0 is none.
    pub keep: u64,
}

/// Makes room after a message was stored on a subject (JS73). With discard new only the subject's own limit ever does.
pub(super) fn enforce(parts: &mut Parts, subject: &str) {
    let max_per_subject = parts.config.max_msgs_per_subject;
    if max_per_subject > 0 {
        trim_subject(parts, subject, max_per_subject as usize);
    }
    if parts.config.discard == Discard::Old {
        trim_front(parts);
    }
}

fn trim_subject(parts: &mut Parts, subject: &str, max: usize) {
    while let Some(number) = parts.messages.subjects.find(subject) {
        let seqs = &parts.messages.subjects.entry(number).seqs;
        if seqs.len() <= max {
            break;
        }
        let oldest = seqs.first();
        parts.messages.remove(oldest, Reason::Evicted);
    }
}

fn trim_front(parts: &mut Parts) {
    let StreamConfig { max_msgs, max_bytes, .. } = parts.config;
    let is_over = |parts: &Parts| {
        (max_msgs > 0 && parts.messages.len() > max_msgs as u64)
            || (max_bytes > 0 && parts.messages.bytes() > max_bytes as u64)
    };
    while is_over(parts) && parts.messages.remove(parts.messages.first_seq(), Reason::Evicted) {}
}

/// Keeps smaller limits at once when the configuration has changed (JS39).
pub(super) fn trim(parts: &mut Parts, old: &StreamConfig) {
    let max = parts.config.max_msgs_per_subject;
    if max > 0 && old.max_msgs_per_subject != max {
        trim_subjects(parts, max as usize);
    }
    if parts.config.discard == Discard::Old {
        trim_front(parts);
    }
}

fn trim_subjects(parts: &mut Parts, max: usize) {
    let over = parts.messages.subjects.matching(">").filter(|entry| entry.seqs.len() > max);
    for subject in over.map(|entry| entry.name.clone()).collect::<Vec<_>>() {
        trim_subject(parts, &subject, max);
    }
}

/// Removes the messages of a subject below a sequence.
pub(super) fn remove_of_subject(parts: &mut Parts, subject: &str, below: u64, reason: Reason) {
    while let Some(number) = parts.messages.subjects.find(subject) {
        let oldest = parts.messages.subjects.entry(number).seqs.first();
        if oldest >= below {
            break;
        }
        parts.messages.remove(oldest, reason);
    }
}

/// Purges the messages of a subject, or all, below a sequence in favour of a newer one. The consumers are told of a purge.
pub(super) fn roll_up(parts: &mut Parts, subject: Option<&str>, below: u64, reason: Reason) {
    let oldest = |parts: &Parts| match subject {
        Some(subject) => Some(parts.messages.subjects.entry(parts.messages.subjects.find(subject)?).seqs.first()),
        None => Some(parts.messages.first_seq()),
    };
    let mut gone = Gone::default();
    while let Some(seq) = oldest(parts).filter(|seq| *seq < below)
        && gone.purge(parts, seq, reason)
    {}
    let recounts = gone.tell(parts, subject.unwrap_or(">"), reason);
    parts.messages.tell(Change::Purged { filter: subject.map(SmolStr::new), recounts });
}

/// The messages that a purge of some has taken out.
#[derive(Debug, Default)]
struct Gone {
    count: u64,
    latest: Option<(u64, SmolStr)>,
}

impl Gone {
    fn purge(&mut self, parts: &mut Parts, seq: u64, reason: Reason) -> bool {
        let Some(subject) = parts.messages.purge(seq, reason) else { return false };
        self.count += 1;
        self.latest = Some((seq, subject));
        true
    }

    /// If it was one alone, the consumers hear of it as of any message that goes; a file store says the filter for its subject.
    /// `true` if a consumer may not have heard of each.
    fn tell(self, parts: &mut Parts, filter: &str, reason: Reason) -> bool {
        let Some((seq, subject)) = self.latest else { return false };
        if self.count > 1 {
            return true;
        }
        let said = if parts.config.storage == Storage::File { SmolStr::new(filter) } else { subject.clone() };
        let is_other = said != subject;
        parts.messages.tell(Change::Removed { seq, subject: said, reason });
        is_other
    }
}

/// Removes all messages below a sequence.
pub(super) fn remove_below(parts: &mut Parts, below: u64, reason: Reason) {
    while parts.messages.first_seq() < below && parts.messages.remove(parts.messages.first_seq(), reason) {}
}

/// Purges, and says how many messages went (JS27, JS77).
///
/// # Errors
///
/// 10003 if both `seq` and `keep` are given, 10109 if the stream is sealed, 10110 if purges are denied.
pub(super) fn purge(parts: &mut Parts, purge: &Purge) -> Result<u64, ApiError> {
    if purge.seq > 0 && purge.keep > 0 {
        return Err(codes::BAD_REQUEST.error());
    }
    if parts.config.sealed {
        return Err(codes::STREAM_SEALED.error());
    }
    if parts.config.deny_purge {
        return Err(codes::STREAM_PURGE_FAILED.with("stream purge not permitted"));
    }
    let is_filtered = !matches!(purge.filter.as_str(), "" | ">");
    let before = parts.messages.len();
    let last = parts.messages.last_seq();
    let mut recounts = true;
    if is_filtered {
        recounts = purge_matching(parts, purge);
    } else if purge.seq > 1 && purge.seq > last {
        parts.messages.clear();
        parts.messages.skip_to(purge.seq);
    } else if purge.seq > 0 {
        while parts.messages.first_seq() < purge.seq
            && parts.messages.purge(parts.messages.first_seq(), Reason::Purged).is_some()
        {}
    } else if purge.keep > 0 {
        let mut gone = Gone::default();
        while parts.messages.len() > purge.keep && gone.purge(parts, parts.messages.first_seq(), Reason::Purged) {}
        recounts = gone.tell(parts, ">", Reason::Purged);
    } else {
        parts.messages.clear();
    }
    let filter = is_filtered.then(|| SmolStr::new(&purge.filter));
    parts.messages.tell(Change::Purged { filter, recounts });
    Ok(before - parts.messages.len())
}

/// `true` if a consumer may not have heard of each message.
fn purge_matching(parts: &mut Parts, purge: &Purge) -> bool {
    if Pattern::new(&purge.filter).is_err() {
        return false;
    }
    let below = if purge.seq > 0 { purge.seq } else { u64::MAX };
    let mut seqs = Vec::new();
    for entry in parts.messages.subjects.matching(&purge.filter) {
        let mut from = 0;
        while let Some(seq) = entry.seqs.at_or_after(from).filter(|seq| *seq < below) {
            seqs.push(seq);
            from = seq + 1;
        }
    }
    seqs.sort_unstable();
    let kept = usize::try_from(purge.keep).unwrap_or(usize::MAX);
    seqs.truncate(seqs.len().saturating_sub(kept));
    let mut gone = Gone::default();
    for seq in seqs {
        gone.purge(parts, seq, Reason::Purged);
    }
    gone.tell(parts, &purge.filter, Reason::Purged)
}

/// Deletes one message (JS29, JS79).
///
/// # Errors
///
/// 10109 if the stream is sealed, 10057 if deletions are denied; 10043 if there is no such message, or 10057 where a file store
/// says so: above the last sequence, and below the first.
pub(super) fn delete(parts: &mut Parts, seq: u64) -> Result<(), ApiError> {
    if parts.config.sealed {
        return Err(codes::STREAM_SEALED.error());
    }
    if parts.config.deny_delete {
        return Err(codes::STREAM_MSG_DELETE_FAILED.with("message delete not permitted"));
    }
    if parts.messages.remove(seq, Reason::Deleted) {
        return Ok(());
    }
    Err(match parts.config.storage {
        Storage::File if seq > parts.messages.last_seq() => codes::STREAM_MSG_DELETE_FAILED.with("stream store EOF"),
        Storage::File if seq == 0 || seq < parts.messages.first_seq() => {
            codes::STREAM_MSG_DELETE_FAILED.with("no message found")
        }
        _ => codes::SEQUENCE_NOT_FOUND.with(seq.to_string()),
    })
}
