//! The checks of a message, in the server's order (JS46, JS47, JS61). Nothing is changed here.

use super::config::{Discard, Retention};
use super::counter::Decimal;
use super::error::{ApiError, codes};
use super::header::{self, Known, said};
use super::interest::ConsumerId;
use super::messages::Expiry;
use super::parts::Parts;
use super::schedule::{Pattern, is_time_zone};
use super::time::span;
use crate::subject::{Subject, relation};
use smallvec::SmallVec;
use smol_str::SmolStr;
use std::borrow::Cow;
use std::collections::BTreeMap;

/// A message on its way in.
#[derive(Clone, Debug)]
pub(crate) struct Incoming<'a> {
    /// Its subject, transformed.
    pub(crate) subject: SmolStr,
    /// Its block as it is stored.
    pub(crate) head: Cow<'a, [u8]>,
    pub(crate) payload: &'a [u8],
    /// The stream made it itself: a marker, or a scheduled copy.
    pub(crate) is_own: bool,
}

/// A message that may be stored.
#[derive(Clone, Debug)]
pub(crate) struct Checked<'a> {
    pub(crate) subject: SmolStr,
    pub(crate) head: Cow<'a, [u8]>,
    pub(crate) payload: Cow<'a, [u8]>,
    pub(crate) id: Option<Vec<u8>>,
    pub(crate) expiry: Expiry,
    pub(crate) rollup: Option<Rollup>,
    /// The sum that it brings its subject to.
    pub(crate) sum: Option<Decimal>,
    pub(crate) schedule: Option<Pattern>,
    /// The subject whose schedule is over with it.
    pub(crate) ends_schedule: Option<SmolStr>,
    pub(crate) consumers: SmallVec<[ConsumerId; 4]>,
    /// No consumer wants it, on a stream that keeps messages for them: its sequence is used up.
    pub(crate) is_unwanted: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Rollup {
    Subject,
    All,
}

/// Why a message is not stored.
#[derive(Clone, Debug)]
pub(crate) enum Refusal {
    Error(ApiError),
    /// It was stored before.
    Duplicate(u64),
}

impl From<ApiError> for Refusal {
    fn from(error: ApiError) -> Self {
        Refusal::Error(error)
    }
}

/// Earlier parts of the atomic batch that a message belongs to, as if they were stored.
#[derive(Debug, Default)]
pub(crate) struct Pending {
    count: u64,
    bytes: u64,
    by_subject: BTreeMap<SmolStr, PendingSubject>,
    ids: Vec<Vec<u8>>,
}

#[derive(Debug, Default)]
struct PendingSubject {
    count: u64,
    sum: Option<Decimal>,
}

impl Pending {
    pub(crate) fn add(&mut self, checked: &Checked<'_>, size: u64) {
        self.count += 1;
        self.bytes += size;
        self.ids.extend(checked.id.clone());
        let subject = self.by_subject.entry(checked.subject.clone()).or_default();
        subject.count += 1;
        subject.sum.clone_from(&checked.sum);
    }

    /// Whether an earlier part is on this very subject; a filter with wildcards does not see them.
    fn writes(&self, subject: &str) -> bool {
        self.by_subject.contains_key(subject)
    }
}

/// The room that the account and the server still have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Room {
    /// The server stores more than it may already (10023).
    pub is_full: bool,
    /// Bytes that the account may still store in this kind of storage (10002).
    pub account_left: u64,
    /// Atomic batches that may still be opened (10199).
    pub batches_left: usize,
}

impl Room {
    /// No limit.
    pub const UNLIMITED: Room = Room { is_full: false, account_left: u64::MAX, batches_left: usize::MAX };
}

/// Whether a message may be stored, behind the earlier parts of its batch if it belongs to one.
pub(super) fn check<'a>(
    parts: &Parts,
    incoming: Incoming<'a>,
    pending: Option<&Pending>,
    room: Room,
) -> Result<Checked<'a>, Refusal> {
    let Incoming { subject, mut head, payload, is_own } = incoming;
    let sent = head.clone();
    let known = Known::of(&sent);
    if parts.config.sealed {
        return Err(codes::STREAM_SEALED.error().into());
    }
    if pending.is_some() && said(known.expected_last_msg_id).is_some() {
        let code = codes::ATOMIC_PUBLISH_UNSUPPORTED_HEADER_BATCH;
        return Err(code.with("Nats-Expected-Last-Msg-Id").into());
    }
    check_head_size(&head)?;
    let increment = check_increment(parts, &known, payload)?;
    if said(known.expected_stream).is_some_and(|name| name != parts.config.name.as_bytes()) {
        return Err(codes::STREAM_NOT_MATCH.error().into());
    }
    let expiry = Expiry::parse(known.ttl);
    // In a batch an invalid one counts like a valid one.
    let has_ttl = matches!(expiry, Ok(Expiry::After(_) | Expiry::Never)) || (pending.is_some() && expiry.is_err());
    if has_ttl && !parts.config.allow_msg_ttl {
        return Err(codes::MESSAGE_TTL_DISABLED.error().into());
    }
    let id = said(known.msg_id).filter(|_| parts.config.duplicate_window > 0);
    match pending {
        None => {
            check_last_of_subject(parts, &known, &subject, None)?;
            check_last(parts, &known, None)?;
        }
        Some(batch) => {
            if expiry.is_err() {
                return Err(codes::MESSAGE_TTL_INVALID.error().into());
            }
            if id.is_some_and(|id| parts.dedup.find(id).is_some() || batch.ids.iter().any(|other| other == id)) {
                return Err(codes::ATOMIC_PUBLISH_CONTAINS_DUPLICATE_MESSAGE.error().into());
            }
            check_source(&known, is_own)?;
            check_counted(parts, increment.as_ref())?;
            check_last(parts, &known, Some(batch))?;
            check_last_of_subject(parts, &known, &subject, Some(batch))?;
        }
    }
    let schedule = check_schedule(parts, &known, &subject)?;
    let ends_schedule = check_scheduler(parts, &known, &subject, is_own)?;
    check_source(&known, is_own)?;
    if pending.is_none() {
        if let Some(seq) = id.and_then(|id| parts.dedup.find(id)) {
            return Err(Refusal::Duplicate(seq));
        }
        if said(known.expected_last_msg_id).is_some_and(|id| *id != *parts.last_id) {
            return Err(codes::STREAM_WRONG_LAST_MSG_ID.with(String::from_utf8_lossy(&parts.last_id)).into());
        }
    }
    let mut rollup = check_rollup(parts, &known, &subject, pending)?;
    if schedule.is_some() && rollup.is_none() {
        rollup = Some(Rollup::Subject);
        head = Cow::Owned(header::set(&head, "Nats-Rollup", "sub"));
    }
    check_counted(parts, increment.as_ref())?;
    let sum = match increment {
        Some(increment) => Some(sum_of(parts, &subject, pending)?.plus(&increment)),
        None => None,
    };
    let payload: Cow<'a, [u8]> = match &sum {
        Some(sum) => Cow::Owned(sum.payload().into_bytes()),
        None => Cow::Borrowed(payload),
    };
    // With the sum in it, and what the stream added.
    check_size(parts, &head, &payload)?;
    check_head_size(&head)?;
    if room.is_full {
        return Err(codes::INSUFFICIENT_RESOURCES.error().into());
    }
    if !parts.messages.has_sequence(pending.map_or(0, |batch| batch.count)) {
        return Err(codes::STREAM_STORE_FAILED.with("no sequence is left").into());
    }
    let consumers = parts.interests.matching(&subject);
    let is_unwanted = parts.config.retention == Retention::Interest && consumers.is_empty();
    if !is_unwanted {
        let size = parts.messages.size_of(&subject, &head, &payload);
        if size > room.account_left {
            return Err(codes::ACCOUNT_RESOURCES_EXCEEDED.error().into());
        }
        if expiry.is_err() {
            return Err(codes::MESSAGE_TTL_INVALID.error().into());
        }
        check_discard_new(parts, &subject, size, rollup, pending)?;
    }
    let mut expiry = expiry.unwrap_or(Expiry::WithTheStream);
    let marker_ttl = span(parts.config.subject_delete_marker_ttl);
    if let Expiry::After(ttl) = expiry
        && ttl < marker_ttl
        && parts.config.max_msgs_per_subject != 1
    {
        expiry = Expiry::After(marker_ttl);
        head = Cow::Owned(header::set(&head, "Nats-TTL", &marker_ttl.as_secs().to_string()));
    }
    let id = id.map(<[u8]>::to_vec);
    Ok(Checked { subject, head, payload, id, expiry, rollup, sum, schedule, ends_schedule, consumers, is_unwanted })
}

/// Holds the sent message against max_msg_size before anything else is looked at (measured; a sealed stream alone comes
/// first).
pub(super) fn check_size(parts: &Parts, head: &[u8], payload: &[u8]) -> Result<(), ApiError> {
    let max = parts.config.max_msg_size;
    let is_over = max >= 0 && head.len() + payload.len() > max as usize;
    if is_over { Err(codes::STREAM_MESSAGE_EXCEEDS_MAXIMUM.error()) } else { Ok(()) }
}

fn check_increment(parts: &Parts, known: &Known<'_>, payload: &[u8]) -> Result<Option<Decimal>, ApiError> {
    let Some(text) = said(known.increment) else { return Ok(None) };
    let increment = Decimal::parse(text).ok_or_else(|| codes::MESSAGE_INCR_INVALID.error())?;
    if !parts.config.allow_msg_counter {
        return Err(codes::MESSAGE_INCR_DISABLED.error());
    }
    if !payload.is_empty() {
        return Err(codes::MESSAGE_INCR_PAYLOAD.error());
    }
    if said(known.rollup).is_some() || known.expects() {
        return Err(codes::MESSAGE_INCR_INVALID.error());
    }
    Ok(Some(increment))
}

fn check_source(known: &Known<'_>, is_own: bool) -> Result<(), ApiError> {
    let is_refused = said(known.stream_source).is_some() && !is_own;
    if is_refused { Err(codes::MESSAGE_SOURCE_HDR_NOT_ALLOWED.error()) } else { Ok(()) }
}

/// A stream of counters takes increments alone.
fn check_counted(parts: &Parts, increment: Option<&Decimal>) -> Result<(), ApiError> {
    let is_missing = parts.config.allow_msg_counter && increment.is_none();
    if is_missing { Err(codes::MESSAGE_INCR_MISSING.error()) } else { Ok(()) }
}

/// The value of a subject's counter.
fn sum_of(parts: &Parts, subject: &str, pending: Option<&Pending>) -> Result<Decimal, ApiError> {
    if let Some(sum) = pending.and_then(|batch| batch.by_subject.get(subject)).and_then(|subject| subject.sum.clone()) {
        return Ok(sum);
    }
    let Some(last) = parts.messages.last_of(subject).and_then(|seq| parts.messages.store.get(seq)) else {
        return Ok(Decimal::zero());
    };
    Decimal::of_payload(last.payload()).ok_or_else(|| codes::MESSAGE_COUNTER_BROKEN.error())
}

fn check_last_of_subject(
    parts: &Parts,
    known: &Known<'_>,
    subject: &str,
    pending: Option<&Pending>,
) -> Result<(), ApiError> {
    let filter = said(known.expected_last_subject);
    let Some(expected) = said(known.expected_last_subject_seq) else {
        return match filter {
            Some(_) => Err(codes::STREAM_EXPECTED_LAST_SEQ_PER_SUBJECT_INVALID.error()),
            None => Ok(()),
        };
    };
    let filter = filter.map_or(Cow::Borrowed(subject), String::from_utf8_lossy);
    if pending.is_some_and(|batch| batch.writes(&filter)) {
        return Err(codes::STREAM_WRONG_LAST_SEQUENCE_CONSTANT.error());
    }
    let literal = filter.as_ref() == subject || Subject::new(filter.as_ref()).is_ok();
    let actual = match literal {
        true => parts.messages.last_of(&filter),
        false => parts.messages.subjects.matching(&filter).map(|entry| entry.seqs.last()).max(),
    };
    matches_sequence(expected, actual.unwrap_or(0))
}

fn check_last(parts: &Parts, known: &Known<'_>, pending: Option<&Pending>) -> Result<(), ApiError> {
    let Some(expected) = said(known.expected_last_seq) else { return Ok(()) };
    let earlier = pending.map_or(0, |batch| batch.count);
    matches_sequence(expected, parts.messages.last_seq().saturating_add(earlier))?;
    if earlier > 0 { Err(codes::STREAM_WRONG_LAST_SEQUENCE_CONSTANT.error()) } else { Ok(()) }
}

/// JS65.
fn check_schedule(parts: &Parts, known: &Known<'_>, subject: &str) -> Result<Option<Pattern>, ApiError> {
    let is_zone_wrong = known.schedule_time_zone.is_some_and(|zone| !is_time_zone(zone));
    if !parts.config.allow_msg_schedules {
        let is_wrong = is_zone_wrong || said(known.schedule).is_some();
        return if is_wrong { Err(codes::MESSAGE_SCHEDULES_DISABLED.error()) } else { Ok(None) };
    }
    if is_zone_wrong {
        return Err(codes::MESSAGE_SCHEDULES_TIME_ZONE_INVALID.error());
    }
    let Some(text) = said(known.schedule) else { return Ok(None) };
    // A zone belongs to a cron expression, which is not read here.
    let pattern = Pattern::parse(text).filter(|_| known.schedule_time_zone.is_none());
    let pattern = pattern.ok_or_else(|| codes::MESSAGE_SCHEDULES_PATTERN_INVALID.error())?;
    match Expiry::parse(known.schedule_ttl) {
        Err(()) => return Err(codes::MESSAGE_SCHEDULES_TTL_INVALID.error()),
        Ok(ttl) => {
            if said(known.schedule_rollup).is_some_and(|rollup| rollup != b"sub") {
                return Err(codes::MESSAGE_SCHEDULES_ROLLUP_INVALID.error());
            }
            if ttl != Expiry::WithTheStream && !parts.config.allow_msg_ttl {
                return Err(codes::MESSAGE_TTL_DISABLED.error());
            }
        }
    }
    let literal = |value: &[u8]| {
        let text = std::str::from_utf8(value).ok()?;
        Subject::new(text).is_ok().then(|| text.to_owned())
    };
    let captures = |text: &str| parts.config.subjects.iter().any(|pattern| relation::matches(pattern, text));
    let target = said(known.schedule_target).and_then(literal).filter(|target| target != subject);
    let target = target.ok_or_else(|| codes::MESSAGE_SCHEDULES_TARGET_INVALID.error())?;
    let source = match said(known.schedule_source) {
        None => None,
        Some(source) => {
            let source = literal(source).filter(|source| *source != target && source != subject);
            Some(source.ok_or_else(|| codes::MESSAGE_SCHEDULES_SOURCE_INVALID.error())?)
        }
    };
    if !captures(&target) {
        return Err(codes::MESSAGE_SCHEDULES_TARGET_INVALID.error());
    }
    if source.is_some_and(|source| !captures(&source)) {
        return Err(codes::MESSAGE_SCHEDULES_SOURCE_INVALID.error());
    }
    if said(known.rollup).is_some_and(|rollup| !rollup.eq_ignore_ascii_case(b"sub")) {
        return Err(codes::MESSAGE_SCHEDULES_ROLLUP_INVALID.error());
    }
    Ok(Some(pattern))
}

/// JS68: the subject whose schedule a message ends.
fn check_scheduler(parts: &Parts, known: &Known<'_>, subject: &str, is_own: bool) -> Result<Option<SmolStr>, ApiError> {
    let (next, scheduler) = (said(known.schedule_next), said(known.scheduler));
    if next.is_none() && scheduler.is_none() {
        return Ok(None);
    }
    let scheduler = scheduler.and_then(|scheduler| std::str::from_utf8(scheduler).ok()).map(SmolStr::new);
    if is_own {
        return Ok(scheduler.filter(|_| next == Some(b"purge")));
    }
    let invalid = || codes::MESSAGE_SCHEDULES_SCHEDULER_INVALID.error();
    let scheduler = scheduler
        .filter(|scheduler| next == Some(b"purge") && scheduler != subject && Subject::new(scheduler.as_str()).is_ok());
    let scheduler = scheduler.ok_or_else(invalid)?;
    let last = parts.messages.last_of(&scheduler).and_then(|seq| parts.messages.store.get(seq));
    if last.is_some_and(|last| said(Known::of(last.head()).schedule).is_none()) {
        return Err(invalid());
    }
    if !parts.config.allow_msg_schedules {
        return Err(codes::MESSAGE_SCHEDULES_DISABLED.error());
    }
    Ok(Some(scheduler))
}

fn check_rollup(
    parts: &Parts,
    known: &Known<'_>,
    subject: &str,
    pending: Option<&Pending>,
) -> Result<Option<Rollup>, ApiError> {
    let Some(value) = said(known.rollup) else { return Ok(None) };
    let failed = |text: &str| Err(codes::STREAM_ROLLUP_FAILED.with(text));
    if !parts.config.allow_rollup_hdrs || parts.config.deny_purge {
        return failed("rollup not permitted");
    }
    let value = String::from_utf8_lossy(value).to_lowercase();
    match (value.as_str(), pending) {
        ("sub", Some(batch)) if batch.by_subject.contains_key(subject) => failed("batch rollup sub invalid"),
        ("all", Some(batch)) if batch.count > 0 => failed("batch rollup all invalid"),
        ("sub", _) => Ok(Some(Rollup::Subject)),
        ("all", _) => Ok(Some(Rollup::All)),
        (other, _) => failed(&format!("rollup value invalid: {}", quoted(other))),
    }
}

/// JS74.
fn check_discard_new(
    parts: &Parts,
    subject: &str,
    size: u64,
    rollup: Option<Rollup>,
    pending: Option<&Pending>,
) -> Result<(), ApiError> {
    let config = &parts.config;
    if config.discard != Discard::New {
        return Ok(());
    }
    let of_batch = pending.and_then(|batch| batch.by_subject.get(subject)).map_or(0, |subject| subject.count);
    let entry = parts.messages.subjects.find(subject).map(|number| parts.messages.subjects.entry(number));
    let of_subject = entry.map_or(0, |entry| entry.seqs.len() as u64) + of_batch;
    let is_at_max = config.max_msgs_per_subject > 0 && of_subject >= config.max_msgs_per_subject as u64;
    let failed = |text: &str| Err(codes::STREAM_STORE_FAILED.with(text));
    if config.discard_new_per_subject && is_at_max && rollup.is_none() {
        return failed("maximum messages per subject exceeded");
    }
    let (more, more_bytes) = pending.map_or((0, 0), |batch| (batch.count, batch.bytes));
    if config.max_msgs > 0 && parts.messages.len() + more >= config.max_msgs as u64 && !is_at_max {
        return failed("maximum messages exceeded");
    }
    if config.max_bytes > 0 && parts.messages.bytes() + more_bytes + size > config.max_bytes as u64 {
        // At its subject's limit it takes the place of the oldest one, if it is no larger.
        let oldest = entry.and_then(|entry| parts.messages.store.get(entry.seqs.first()));
        let fits = is_at_max && oldest.is_some_and(|oldest| parts.messages.size_of_slot(oldest) >= size);
        return if fits { Ok(()) } else { failed("maximum bytes exceeded") };
    }
    Ok(())
}

fn check_head_size(head: &[u8]) -> Result<(), ApiError> {
    if head.len() > header::BLOCK_MAX { Err(codes::STREAM_HEADER_EXCEEDS_MAXIMUM.error()) } else { Ok(()) }
}

/// Whether a header's value is this sequence; text that is not a number never is.
fn matches_sequence(expected: &[u8], actual: u64) -> Result<(), ApiError> {
    match header::number(expected) == Some(actual) {
        true => Ok(()),
        false => Err(codes::STREAM_WRONG_LAST_SEQUENCE.with(actual.to_string())),
    }
}

/// As Go's `%q`, for what can stand in a header.
fn quoted(text: &str) -> String {
    let mut out = String::from("\"");
    for c in text.chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            '\t' => out.push_str("\\t"),
            c if u32::from(c) < 0x20 || c == '\x7F' => out.push_str(&format!("\\x{:02x}", u32::from(c))),
            c => out.push(c),
        }
    }
    out.push('"');
    out
}
