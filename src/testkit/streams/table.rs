//! Records as text: a line for each stream, message and consumer.

use super::record::{ConsumerRecord, MessageFate, MessageProgress, StreamMessageRecord, StreamRecord};
use crate::testkit::report::{columns, times};
use std::fmt::{self, Display, Write};

/// Messages of a stream that are shown: the last ones.
const SHOWN: usize = 50;
/// Instants of deliveries that are shown: the last ones.
const INSTANTS: usize = 5;

/// Streams as a table.
pub(super) fn streams(records: &[StreamRecord]) -> String {
    if records.is_empty() {
        return "no streams: no JetStream server on this bus has made one while this kit was recording\n".to_owned();
    }
    records.iter().map(StreamRecord::to_string).collect()
}

impl Display for StreamRecord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "stream {}", self.name)?;
        if self.is_deleted {
            f.write_str(" (deleted)")?;
        }
        write!(f, ": {} stored, {} held", self.stored, self.held)?;
        self.removed.iter().try_for_each(|(reason, count)| write!(f, ", {count} {reason}"))?;
        for (count, what) in
            [(self.unwanted, "not wanted by a consumer"), (self.duplicates, "duplicates"), (self.refused, "refused")]
        {
            if count > 0 {
                write!(f, ", {count} {what}")?;
            }
        }
        f.write_char('\n')?;
        if let Some((subject, err_code, text)) = &self.last_refusal {
            writeln!(f, "  last refusal: `{subject}`: {text} ({err_code})")?;
        }
        let hidden = self.messages.len().saturating_sub(SHOWN);
        let not_shown = self.forgotten + hidden as u64;
        if not_shown > 0 {
            writeln!(f, "  and {not_shown} older messages")?;
        }
        let head = ["  seq", "time", "subject", "in the stream", "for consumers"].map(str::to_owned);
        let rows = self.messages.iter().skip(hidden).map(row);
        let rows: Vec<_> = std::iter::once(head).chain(rows).collect();
        if rows.len() > 1 {
            f.write_str(&columns(&rows))?;
        }
        self.consumers.iter().try_for_each(|consumer| writeln!(f, "  consumer {consumer}"))
    }
}

fn row(message: &StreamMessageRecord) -> [String; 5] {
    let mut fate = message.fate.to_string();
    if message.duplicates > 0 {
        // Writing to a string does not fail.
        let _ = write!(fate, ", published again {}", times(message.duplicates as usize));
    }
    let ways: Vec<_> = message.consumers.iter().map(MessageProgress::to_string).collect();
    let ways = if ways.is_empty() { "none".to_owned() } else { ways.join("; ") };
    let (seq, at) = (format!("  {}", message.seq), format!("{:?}", message.at));
    [seq, at, message.subject.to_string(), fate, ways]
}

impl Display for MessageFate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            MessageFate::Held => f.write_str("held"),
            MessageFate::Removed { reason, at } => write!(f, "{reason} at {at:?}"),
            MessageFate::StreamDeleted => f.write_str("gone with the stream"),
        }
    }
}

/// As in `worker: delivered 2 times (0s, 30s), acked at 31s`.
impl Display for MessageProgress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: delivered {} (", self.consumer, times(self.deliveries as usize))?;
        let hidden = self.delivered_at.len().saturating_sub(INSTANTS);
        if hidden > 0 || self.deliveries as usize > self.delivered_at.len() {
            f.write_str("..., ")?;
        }
        for (place, at) in self.delivered_at.iter().skip(hidden).enumerate() {
            write!(f, "{}{at:?}", if place > 0 { ", " } else { "" })?;
        }
        f.write_str(")")?;
        if self.naks > 0 {
            write!(f, ", naked {}", times(self.naks as usize))?;
        }
        if self.state.is_open() {
            return f.write_str(", pending");
        }
        write!(f, ", {} at {:?}", self.state, self.at)
    }
}

/// As in `worker: 3 delivered, 1 redelivered: 2 acked, 1 pending`.
impl Display for ConsumerRecord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.name)?;
        if self.is_deleted {
            f.write_str(" (deleted)")?;
        }
        write!(f, ": {} delivered, {} redelivered: ", self.delivered, self.redelivered)?;
        write!(f, "{} acked, {} pending", self.acked, self.pending)?;
        for (count, what) in [(self.terminated, "terminated"), (self.exhausted, "dead"), (self.released, "released")] {
            if count > 0 {
                write!(f, ", {count} {what}")?;
            }
        }
        Ok(())
    }
}
