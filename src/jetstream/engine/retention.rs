//! How messages go: by limits, age, times of their own, purges and deletions, and by changes of the configuration.

use super::config::{Discard, Retention, Storage, StreamConfig};
use super::consumers::Acks;
use super::effect::{Change, Reason};
use super::error::{ApiError, codes};
use super::header;
use super::stream::Stream;
use super::time::{Timestamp, format_duration};
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

impl Stream {
    /// Makes room after a message was stored on a subject (JS73). With discard new only the subject's own limit ever does.
    pub(super) fn enforce(&mut self, subject: &str) {
        let max_per_subject = self.config.max_msgs_per_subject;
        if max_per_subject > 0 {
            self.trim_subject(subject, max_per_subject as usize);
        }
        if self.config.discard == Discard::Old {
            self.trim_front();
        }
    }

    fn trim_subject(&mut self, subject: &str, max: usize) {
        while let Some(number) = self.log.subjects.find(subject) {
            let seqs = &self.log.subjects.entry(number).seqs;
            if seqs.len() <= max {
                break;
            }
            let oldest = seqs.first();
            self.log.remove(oldest, Reason::Evicted);
        }
    }

    fn trim_front(&mut self) {
        let StreamConfig { max_msgs, max_bytes, .. } = self.config;
        let is_over = |stream: &Stream| {
            (max_msgs > 0 && stream.log.len() > max_msgs as u64)
                || (max_bytes > 0 && stream.log.bytes() > max_bytes as u64)
        };
        while is_over(self) && self.log.remove(self.log.first_seq(), Reason::Evicted) {}
    }

    /// Removes the messages of a subject below a sequence.
    pub(super) fn remove_of_subject(&mut self, subject: &str, below: u64, reason: Reason) {
        while let Some(number) = self.log.subjects.find(subject) {
            let oldest = self.log.subjects.entry(number).seqs.first();
            if oldest >= below {
                break;
            }
            self.log.remove(oldest, reason);
        }
    }

    /// Removes all messages below a sequence.
    pub(super) fn remove_below(&mut self, below: u64, reason: Reason) {
        while self.log.first_seq() < below && self.log.remove(self.log.first_seq(), reason) {}
    }

    /// Ends the message that max_age ends next.
    pub(super) fn expire_oldest(&mut self, at: Timestamp) {
        if let Some((seq, _)) = self.log.next_to_age() {
            self.expire(seq, at);
        }
    }

    /// Ends the message whose own time is over next.
    pub(super) fn expire_next(&mut self, at: Timestamp) {
        if let Some((seq, _)) = self.log.next_to_expire() {
            self.expire(seq, at);
        }
    }

    /// A subject's last message leaves a marker, where that is wanted; a marker leaves none (JS57).
    fn expire(&mut self, seq: u64, at: Timestamp) {
        let Some(slot) = self.log.store.get(seq) else { return };
        let entry = self.log.subjects.entry(slot.subject);
        let marker_ttl = self.config.subject_delete_marker_ttl;
        let is_marker = header::get(slot.head(), "Nats-Marker-Reason").is_some();
        let leaves_marker = marker_ttl > 0 && entry.seqs.len() == 1 && !is_marker;
        let subject = entry.name.clone();
        self.log.remove(seq, Reason::Expired);
        if leaves_marker {
            let mut head = Vec::new();
            header::append(&mut head, "Nats-Marker-Reason", b"MaxAge");
            header::append(&mut head, "Nats-TTL", format_duration(marker_ttl).as_bytes());
            header::append(&mut head, "Nats-Rollup", b"sub");
            // A stream that discards the new may be full: then there is no marker.
            let _stored: Option<u64> = self.store_own(at, &subject, head, &[]);
        }
    }

    /// Purges, and says how many messages went (JS27, JS77).
    ///
    /// # Errors
    ///
    /// 10003 if both `seq` and `keep` are given, 10109 if the stream is sealed, 10110 if purges are denied.
    pub fn handle_purge(&mut self, now: Timestamp, purge: &Purge) -> Result<u64, ApiError> {
        self.advance(now);
        if purge.seq > 0 && purge.keep > 0 {
            return Err(codes::BAD_REQUEST.error());
        }
        if self.config.sealed {
            return Err(codes::STREAM_SEALED.error());
        }
        if self.config.deny_purge {
            return Err(codes::STREAM_PURGE_FAILED.with("stream purge not permitted"));
        }
        let is_filtered = !matches!(purge.filter.as_str(), "" | ">");
        let before = self.log.len();
        let last = self.log.last_seq();
        if is_filtered {
            self.purge_matching(purge);
        } else if purge.seq > 1 && purge.seq > last {
            self.log.clear();
            self.log.skip_to(purge.seq);
        } else if purge.seq > 0 || purge.keep > 0 {
            let keep = if purge.keep > 0 { purge.keep } else { 0 };
            let below = if purge.seq > 0 { purge.seq } else { u64::MAX };
            while self.log.first_seq() < below && self.log.len() > keep && self.log.purge(self.log.first_seq()) {}
        } else {
            self.log.clear();
        }
        let filter = is_filtered.then(|| SmolStr::new(&purge.filter));
        let below = if purge.seq > 0 { purge.seq } else { last + 1 };
        let first = self.log.first_seq();
        self.log.tell(Change::Purged { filter, below, first });
        Ok(before - self.log.len())
    }

    fn purge_matching(&mut self, purge: &Purge) {
        if Pattern::new(&purge.filter).is_err() {
            return;
        }
        let below = if purge.seq > 0 { purge.seq } else { u64::MAX };
        let mut seqs = Vec::new();
        for entry in self.log.subjects.matching(&purge.filter) {
            let mut from = 0;
            while let Some(seq) = entry.seqs.at_or_after(from).filter(|seq| *seq < below) {
                seqs.push(seq);
                from = seq + 1;
            }
        }
        seqs.sort_unstable();
        let kept = usize::try_from(purge.keep).unwrap_or(usize::MAX);
        seqs.truncate(seqs.len().saturating_sub(kept));
        for seq in seqs {
            self.log.purge(seq);
        }
    }

    /// Deletes one message (JS29, JS79).
    ///
    /// # Errors
    ///
    /// 10109 if the stream is sealed, 10057 if deletions are denied; 10043 if there is no such message, or 10057 where a file store
    /// says so: above the last sequence, and below the first.
    pub fn handle_delete(&mut self, now: Timestamp, seq: u64) -> Result<(), ApiError> {
        self.advance(now);
        if self.config.sealed {
            return Err(codes::STREAM_SEALED.error());
        }
        if self.config.deny_delete {
            return Err(codes::STREAM_MSG_DELETE_FAILED.with("message delete not permitted"));
        }
        if self.log.remove(seq, Reason::Deleted) {
            return Ok(());
        }
        Err(match self.config.storage {
            Storage::File if seq > self.log.last_seq() => codes::STREAM_MSG_DELETE_FAILED.with("stream store EOF"),
            Storage::File if seq < self.log.first_seq() => codes::STREAM_MSG_DELETE_FAILED.with("no message found"),
            _ => codes::SEQUENCE_NOT_FOUND.with(seq.to_string()),
        })
    }

    /// Becomes what [`Directory::update`](super::config::Directory::update) gave; smaller limits take effect at once (JS39).
    pub fn handle_update(&mut self, now: Timestamp, config: StreamConfig, acks: &impl Acks) {
        let now = self.advance(now);
        let old = std::mem::replace(&mut self.config, config);
        self.compile();
        if old.allow_atomic && !self.config.allow_atomic {
            self.batches.clear();
        }
        if self.config.max_msgs_per_subject > 0 && old.max_msgs_per_subject != self.config.max_msgs_per_subject {
            self.trim_subjects(self.config.max_msgs_per_subject as usize);
        }
        if self.config.discard == Discard::Old {
            self.trim_front();
        }
        if old.retention == Retention::Limits && self.config.retention == Retention::Interest {
            self.begin_interest(acks);
        }
        self.advance(now);
    }

    fn trim_subjects(&mut self, max: usize) {
        let over = self.log.subjects.matching(">").filter(|entry| entry.seqs.len() > max);
        for subject in over.map(|entry| entry.name.clone()).collect::<Vec<_>>() {
            self.trim_subject(&subject, max);
        }
    }
}
