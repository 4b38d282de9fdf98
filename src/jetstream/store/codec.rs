//! The bytes of a record: its kind, then its fields. Numbers take seven bits a byte, the lowest first; texts and bytes have their length in
//! front of them. Configurations are JSON, as clients write it.

use crate::jetstream::engine::config::StreamConfig;
use crate::jetstream::engine::consumer::{ConsumerAction, ConsumerConfig, HeldDelivery, Progress};
use crate::jetstream::engine::{ConsumerId, Record, Timestamp};
use crate::jetstream::json::config::{self, StreamConfigRequest};
use crate::jetstream::json::consumer::{self, CreateRequest};
use crate::jetstream::json::read;
use crate::jetstream::json::write::Object;
use std::borrow::Cow;

const CONFIG: u8 = 1;
const MESSAGE: u8 = 2;
const REMOVED: u8 = 3;
const CLEARED: u8 = 4;
const ENDS: u8 = 5;
const SCHEDULE: u8 = 6;
const CONSUMER: u8 = 7;
const CONSUMER_GONE: u8 = 8;
const PROGRESS: u8 = 9;
const DROPPED: u8 = 10;

/// Bits of a delivery.
const HELD: u8 = 1;
const EXHAUSTED: u8 = 2;
const DUE: u8 = 4;

/// A record, or what the log says of its own files.
#[derive(Debug, PartialEq, Eq)]
#[expect(clippy::large_enum_variant, reason = "there is one at a time")]
pub(super) enum Entry<'a> {
    Record(Record<'a>),
    /// Files up to this number are no longer needed.
    Dropped(u64),
}

pub(super) fn encode_dropped(out: &mut Vec<u8>, number: u64) {
    out.push(DROPPED);
    put(out, number);
}

pub(super) fn encode(out: &mut Vec<u8>, record: &Record<'_>) {
    match record {
        Record::Config { config, created } => {
            out.push(CONFIG);
            put(out, created.as_nanos());
            let mut json = String::new();
            config::encode(&mut Object::new(&mut json), config, &config.metadata);
            put_bytes(out, json.as_bytes());
        }
        Record::Message { seq, time, subject, head, payload } => {
            out.push(MESSAGE);
            put(out, *seq);
            put(out, time.as_nanos());
            [subject.as_bytes(), head, payload].iter().for_each(|bytes| put_bytes(out, bytes));
        }
        Record::Removed { seq } => {
            out.push(REMOVED);
            put(out, *seq);
        }
        Record::Cleared => out.push(CLEARED),
        Record::Ends { first, last, last_time } => {
            out.push(ENDS);
            put(out, *first);
            put(out, *last);
            put_time(out, *last_time);
        }
        Record::Schedule { seq, due } => {
            out.push(SCHEDULE);
            put(out, *seq);
            put(out, due.as_nanos());
        }
        Record::Consumer { id, name, created, config } => {
            out.push(CONSUMER);
            put(out, id.0.into());
            put_bytes(out, name.as_bytes());
            put(out, created.as_nanos());
            let mut json = String::new();
            consumer::encode_request(&mut Object::new(&mut json), "", config, ConsumerAction::CreateOrUpdate);
            put_bytes(out, json.as_bytes());
        }
        Record::ConsumerGone { id } => {
            out.push(CONSUMER_GONE);
            put(out, id.0.into());
        }
        Record::Progress { id, progress } => {
            out.push(PROGRESS);
            put(out, id.0.into());
            let Progress { delivered, floor, is_whole, entries } = progress;
            [delivered.0, delivered.1, floor.0, floor.1].into_iter().for_each(|seq| put(out, seq));
            out.push(u8::from(*is_whole));
            put(out, entries.len() as u64);
            entries.iter().for_each(|(seq, held)| put_held(out, *seq, held.as_ref()));
        }
    }
}

fn put_held(out: &mut Vec<u8>, seq: u64, held: Option<&HeldDelivery>) {
    put(out, seq);
    let Some(held) = held else {
        out.push(0);
        return;
    };
    let exhausted = if held.is_exhausted { EXHAUSTED } else { 0 };
    out.push(HELD | exhausted | if held.due.is_some() { DUE } else { 0 });
    put(out, held.first);
    put(out, held.delivered.as_nanos());
    put(out, held.deliveries.into());
    if let Some(due) = held.due {
        put(out, due.as_nanos());
    }
}

fn put(out: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        out.push(number as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

fn put_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    put(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

fn put_time(out: &mut Vec<u8>, time: Option<Timestamp>) {
    out.push(u8::from(time.is_some()));
    if let Some(time) = time {
        put(out, time.as_nanos());
    }
}

/// Reads the entries of a frame.
#[derive(Debug)]
pub(super) struct Entries<'a>(&'a [u8]);

/// Bytes that are no record.
type Wrong = &'static str;

const SHORT: Wrong = "a record ends too early";

impl<'a> Entries<'a> {
    pub(super) fn new(contents: &'a [u8]) -> Self {
        Entries(contents)
    }

    fn entry(&mut self) -> Result<Entry<'a>, Wrong> {
        let record = match self.byte()? {
            CONFIG => {
                let created = self.time()?;
                let mut request = StreamConfigRequest::new();
                read::decode(self.bytes()?, false, &mut request).map_err(|_| "a configuration is no JSON")?;
                let config: Cow<'_, StreamConfig> = Cow::Owned(request.config);
                Record::Config { config, created }
            }
            MESSAGE => {
                let (seq, time) = (self.number()?, self.time()?);
                let (subject, head, payload) = (self.text()?, self.bytes()?, self.bytes()?);
                Record::Message { seq, time, subject, head, payload }
            }
            REMOVED => Record::Removed { seq: self.number()? },
            CLEARED => Record::Cleared,
            ENDS => {
                let (first, last) = (self.number()?, self.number()?);
                Record::Ends { first, last, last_time: self.some_time()? }
            }
            SCHEDULE => Record::Schedule { seq: self.number()?, due: self.time()? },
            CONSUMER => {
                let (id, name, created) = (self.id()?, self.text()?, self.time()?);
                let mut request = CreateRequest::default();
                read::decode(self.bytes()?, false, &mut request).map_err(|_| "a configuration is no JSON")?;
                let config: Cow<'_, ConsumerConfig> = Cow::Owned(request.request.config);
                Record::Consumer { id, name: Cow::Borrowed(name), created, config }
            }
            CONSUMER_GONE => Record::ConsumerGone { id: self.id()? },
            PROGRESS => Record::Progress { id: self.id()?, progress: self.progress()? },
            DROPPED => return Ok(Entry::Dropped(self.number()?)),
            _ => return Err("a record is of no known kind"),
        };
        Ok(Entry::Record(record))
    }

    fn progress(&mut self) -> Result<Progress, Wrong> {
        let delivered = (self.number()?, self.number()?);
        let floor = (self.number()?, self.number()?);
        let is_whole = self.byte()? == 1;
        // Each takes two bytes at least: no more room is taken than there are bytes.
        let count = self.number()?;
        if count > self.0.len() as u64 / 2 {
            return Err(SHORT);
        }
        let mut entries = Vec::with_capacity(count as usize);
        for _ in 0..count {
            let seq = self.number()?;
            let bits = self.byte()?;
            let held = if bits & HELD == 0 { None } else { Some(self.held(bits)?) };
            entries.push((seq, held));
        }
        Ok(Progress { delivered, floor, is_whole, entries })
    }

    fn held(&mut self, bits: u8) -> Result<HeldDelivery, Wrong> {
        let (first, delivered) = (self.number()?, self.time()?);
        let deliveries = u32::try_from(self.number()?).map_err(|_| "a number is too large")?;
        let due = if bits & DUE == 0 { None } else { Some(self.time()?) };
        Ok(HeldDelivery { first, delivered, deliveries, due, is_exhausted: bits & EXHAUSTED != 0 })
    }

    fn byte(&mut self) -> Result<u8, Wrong> {
        let (first, rest) = self.0.split_first().ok_or(SHORT)?;
        self.0 = rest;
        Ok(*first)
    }

    fn number(&mut self) -> Result<u64, Wrong> {
        let mut number = 0u64;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            let bits = u64::from(byte & 0x7F);
            if bits << shift >> shift != bits {
                break;
            }
            number |= bits << shift;
            if byte < 0x80 {
                return Ok(number);
            }
        }
        Err("a number is too large")
    }

    fn bytes(&mut self) -> Result<&'a [u8], Wrong> {
        let len = usize::try_from(self.number()?).map_err(|_| SHORT)?;
        let (bytes, rest) = self.0.split_at_checked(len).ok_or(SHORT)?;
        self.0 = rest;
        Ok(bytes)
    }

    fn text(&mut self) -> Result<&'a str, Wrong> {
        std::str::from_utf8(self.bytes()?).map_err(|_| "a name is no UTF-8")
    }

    fn id(&mut self) -> Result<ConsumerId, Wrong> {
        u32::try_from(self.number()?).map(ConsumerId).map_err(|_| "a number is too large")
    }

    fn time(&mut self) -> Result<Timestamp, Wrong> {
        self.number().map(Timestamp::from_nanos)
    }

    fn some_time(&mut self) -> Result<Option<Timestamp>, Wrong> {
        match self.byte()? {
            0 => Ok(None),
            _ => self.time().map(Some),
        }
    }
}

impl<'a> Iterator for Entries<'a> {
    type Item = Result<Entry<'a>, Wrong>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.0.is_empty() {
            return None;
        }
        let entry = self.entry();
        if entry.is_err() {
            self.0 = &[];
        }
        Some(entry)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn progress() -> impl Strategy<Value = Progress> {
        let held = (any::<u64>(), any::<u64>(), any::<u32>(), any::<Option<u64>>(), any::<bool>());
        let held = held.prop_map(|(first, delivered, deliveries, due, is_exhausted)| HeldDelivery {
            first,
            delivered: Timestamp::from_nanos(delivered),
            deliveries,
            due: due.map(Timestamp::from_nanos),
            is_exhausted,
        });
        let entries = prop::collection::vec((any::<u64>(), prop::option::of(held)), 0..4);
        (any::<[u64; 4]>(), any::<bool>(), entries).prop_map(|([a, b, c, d], is_whole, entries)| Progress {
            delivered: (a, b),
            floor: (c, d),
            is_whole,
            entries,
        })
    }

    proptest! {
        #[test]
        fn records_are_read_as_they_were_written(
            [seq, time, last] in any::<[u64; 3]>(),
            subject in "[a-z.é]{1,20}",
            [head, payload] in any::<[Vec<u8>; 2]>(),
            id in any::<u32>().prop_map(ConsumerId),
            last_time in any::<Option<u64>>(),
            progress in progress(),
        ) {
            let at = Timestamp::from_nanos(time);
            let config = StreamConfig { subjects: vec![subject.clone()], max_age: 17, ..StreamConfig::new("S") };
            let consumer = ConsumerConfig { filter_subject: subject.clone(), ack_wait: 5, ..ConsumerConfig::default() };
            let records = [
                Record::Config { config: Cow::Borrowed(&config), created: at },
                Record::Message { seq, time: at, subject: &subject, head: &head, payload: &payload },
                Record::Removed { seq },
                Record::Cleared,
                Record::Ends { first: seq, last, last_time: last_time.map(Timestamp::from_nanos) },
                Record::Schedule { seq, due: at },
                Record::Consumer { id, name: Cow::Borrowed(&subject), created: at, config: Cow::Borrowed(&consumer) },
                Record::ConsumerGone { id },
                Record::Progress { id, progress },
            ];
            let mut out = Vec::new();
            records.iter().for_each(|record| encode(&mut out, record));
            encode_dropped(&mut out, last);
            let all: Vec<_> = Entries::new(&out).collect::<Result<_, _>>().unwrap();
            let expected = records.into_iter().map(Entry::Record).chain([Entry::Dropped(last)]);
            prop_assert_eq!(all, expected.collect::<Vec<_>>());
        }

        #[test]
        fn any_bytes_are_records_or_refused(bytes in any::<Vec<u8>>()) {
            Entries::new(&bytes).for_each(drop);
        }
    }
}
