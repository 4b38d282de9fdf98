//! Messages that make the stream store others later (JS65 to JS68).

use super::header::{self, Known};
use super::time::{Timestamp, parse_duration};
use smol_str::SmolStr;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// Nanoseconds of a second.
const SECOND: u64 = 1_000_000_000;

/// When a schedule fires. Cron expressions and the names for them (`@daily`) are refused as unreadable (JS, "Worth refusing").
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Pattern {
    At(Timestamp),
    Every(Duration),
}

impl Pattern {
    /// `@at <RFC 3339>` or `@every <Go duration of at least 1 s>`.
    pub(crate) fn parse(text: &[u8]) -> Option<Self> {
        let (word, rest) = std::str::from_utf8(text).ok()?.split_once(' ')?;
        match word {
            "@at" => Timestamp::parse(rest).map(Pattern::At),
            "@every" => {
                let nanos = u64::try_from(parse_duration(rest)?).ok()?;
                (nanos >= SECOND).then(|| Pattern::Every(Duration::from_nanos(nanos)))
            }
            _ => None,
        }
    }

    /// When it first fires, of a schedule that was stored then: turns are counted from the nearest second.
    pub(crate) fn first(self, stored: Timestamp) -> Timestamp {
        match self {
            Pattern::At(at) => at,
            Pattern::Every(span) => {
                let second = (stored.as_nanos() + SECOND / 2) / SECOND * SECOND;
                Timestamp::from_nanos(second).after(span)
            }
        }
    }

    /// The next turn that lies behind `now`; `None` if there is none. Turns that were missed are skipped.
    pub(crate) fn after(self, due: Timestamp, now: Timestamp) -> Option<Timestamp> {
        let Pattern::Every(span) = self else { return None };
        let span = span.as_nanos() as u64;
        let missed = now.as_nanos().saturating_sub(due.as_nanos()) / span;
        Some(Timestamp::from_nanos(due.as_nanos().saturating_add(span.saturating_mul(missed + 1))))
    }
}

/// The schedules of a stream: one for each subject.
#[derive(Debug, Default)]
pub(crate) struct Schedules {
    by_subject: BTreeMap<SmolStr, Schedule>,
    by_due: BTreeSet<(Timestamp, SmolStr)>,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Schedule {
    /// The message that has it.
    pub(crate) seq: u64,
    pub(crate) pattern: Pattern,
    pub(crate) due: Timestamp,
}

impl Schedules {
    pub(crate) fn insert(&mut self, subject: &SmolStr, schedule: Schedule) {
        self.remove(subject);
        self.by_due.insert((schedule.due, subject.clone()));
        self.by_subject.insert(subject.clone(), schedule);
    }

    pub(crate) fn remove(&mut self, subject: &str) -> Option<Schedule> {
        let (subject, schedule) = self.by_subject.remove_entry(subject)?;
        self.by_due.remove(&(schedule.due, subject));
        Some(schedule)
    }

    /// A message is gone, and its schedule with it.
    pub(crate) fn message_removed(&mut self, subject: &str, seq: u64) {
        if self.by_subject.get(subject).is_some_and(|schedule| schedule.seq == seq) {
            self.remove(subject);
        }
    }

    /// The messages that have schedules, and their next turns.
    pub(crate) fn all(&self) -> impl Iterator<Item = (u64, Timestamp)> {
        self.by_subject.values().map(|schedule| (schedule.seq, schedule.due))
    }

    pub(crate) fn next(&self) -> Option<(Timestamp, &SmolStr)> {
        self.by_due.first().map(|(due, subject)| (*due, subject))
    }
}

/// Headers of a schedule, or of the message that it copies, that the copy does not have.
fn stays_behind(name: &[u8]) -> bool {
    let prefixes = [&b"Nats-Schedule"[..], b"Nats-Expected-"];
    let names = [&b"Nats-Msg-Id"[..], b"Nats-TTL", b"Nats-Rollup"];
    prefixes.iter().any(|prefix| name.starts_with(prefix)) || names.contains(&name)
}

/// The header block of a scheduled copy: what is copied, then what the server says of it (JS67).
pub(crate) fn copy_head(copied: &[u8], subject: &str, schedule: &Known<'_>, next: Option<Timestamp>) -> Vec<u8> {
    let mut head = header::without(copied, stays_behind);
    header::append(&mut head, "Nats-Scheduler", subject.as_bytes());
    let next = next.map_or_else(|| "purge".to_owned(), |next| next.to_string());
    header::append(&mut head, "Nats-Schedule-Next", next.as_bytes());
    if let Some(ttl) = header::said(schedule.schedule_ttl) {
        header::append(&mut head, "Nats-TTL", ttl);
    }
    if let Some(rollup) = header::said(schedule.schedule_rollup) {
        header::append(&mut head, "Nats-Rollup", rollup);
    }
    head
}

/// Whether a text may be a time zone. There is no time zone data here; a text that is not shaped like a name is
/// refused.
pub(crate) fn is_time_zone(text: &[u8]) -> bool {
    let is_known = matches!(text, b"UTC" | b"Local" | b"GMT");
    let has_area =
        text.iter().filter(|&&byte| byte == b'/').count() >= 1 && !text.starts_with(b"/") && !text.ends_with(b"/");
    let of_a_name = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'/' | b'_' | b'-' | b'+');
    is_known || (has_area && text.iter().all(of_a_name))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        Timestamp::parse(text).unwrap()
    }

    /// JS66: words in lower case, one blank, at least a second.
    #[test]
    fn patterns_are_read() {
        assert_eq!(Pattern::parse(b"@at 2026-01-01T00:00:00Z"), Some(Pattern::At(at("2026-01-01T00:00:00Z"))));
        assert_eq!(Pattern::parse(b"@every 1.5s"), Some(Pattern::Every(Duration::from_millis(1_500))));
        for wrong in [
            "",
            "@every 999ms",
            "@every  2s",
            "@Every 2s",
            "@at x",
            "@daily",
            "* * * * * *",
            "@every 2s ",
            "@every -2s",
        ] {
            assert_eq!(Pattern::parse(wrong.as_bytes()), None, "{wrong}");
        }
    }

    /// JS66: turns are whole seconds, and those that were missed are skipped.
    #[test]
    fn turns_are_counted_from_the_nearest_second() {
        let every = Pattern::Every(Duration::from_secs(10));
        assert_eq!(every.first(at("2026-01-01T00:00:00.4Z")), at("2026-01-01T00:00:10Z"));
        assert_eq!(every.first(at("2026-01-01T00:00:00.5Z")), at("2026-01-01T00:00:11Z"));
        let due = at("2026-01-01T00:00:10Z");
        assert_eq!(every.after(due, due), Some(at("2026-01-01T00:00:20Z")));
        assert_eq!(every.after(due, at("2026-01-01T00:01:05Z")), Some(at("2026-01-01T00:01:10Z")));
        assert_eq!(Pattern::At(due).after(due, due), None);
    }
}
