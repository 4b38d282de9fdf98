//! The reports of faults that happened.

use crate::id::{ClientId, MessageId};
use crate::sync::Mutex;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// Faults that are remembered; of more, only the number is.
const REMEMBERED_MAX: usize = 100_000;

/// Faults that are printed when a test panics.
const PRINTED_MAX: usize = 40;

/// Which of all the times that a fault could happen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::testkit) struct FaultId {
    /// Its place in the list of faults.
    pub(super) fault: usize,
    /// The client that it concerned.
    pub(super) client: ClientId,
    /// How often it could have happened to that client before.
    pub(super) nth: u64,
}

/// A fault that happened; see [`TestKit::faults`](crate::TestKit::faults).
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct FaultRecord {
    /// Its number in the run, from 1.
    pub number: u64,
    /// When, on the bus's clock.
    pub at: Duration,
    /// Which fault, by its place in the list; injected ones come after the others.
    pub fault: usize,
    /// The rule of NATS that permits it.
    pub permitted_by: &'static str,
    /// The client that it happened to: the number of the one that published, or that would have
    /// received.
    pub client: ClientId,
    /// Its name.
    pub client_name: Option<String>,
    /// The message's subject, or the subscription's pattern.
    pub subject: String,
    /// The message's number, where it has one.
    pub message: Option<MessageId>,
    /// A description.
    pub what: String,
    pub(in crate::testkit) id: FaultId,
}

impl fmt::Display for FaultRecord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "#{} at {:?}: {}: ", self.number, self.at, self.what)?;
        if let Some(message) = self.message {
            write!(f, "message {message} ")?;
        }
        write!(f, "on `{}`, client {}", self.subject, self.client)?;
        if let Some(name) = &self.client_name {
            write!(f, " `{name}`")?;
        }
        write!(f, " (fault {}, {})", self.fault, self.permitted_by)
    }
}

/// Sees the faults of a kit that other code builds and drops.
#[derive(Clone, Debug, Default)]
pub(in crate::testkit) struct Witness(Arc<Mutex<Vec<FaultRecord>>>);

impl Witness {
    pub(in crate::testkit) fn records(&self) -> Vec<FaultRecord> {
        self.0.lock().clone()
    }
}

#[derive(Default)]
pub(super) struct Log {
    records: Vec<FaultRecord>,
    count: u64,
    pub(super) witness: Option<Witness>,
}

impl Log {
    /// Numbers it and writes it down.
    pub(super) fn enter(&mut self, mut record: FaultRecord) {
        self.count += 1;
        record.number = self.count;
        if self.records.len() < REMEMBERED_MAX {
            if let Some(witness) = &self.witness {
                witness.0.lock().push(record.clone());
            }
            self.records.push(record);
        }
    }

    pub(super) fn records(&self) -> &[FaultRecord] {
        &self.records
    }

    pub(super) fn count(&self) -> u64 {
        self.count
    }
}

/// The text that is printed.
pub(super) fn text(seed: u64, faults: &str, records: &[FaultRecord], count: u64) -> String {
    let mut text = format!("the kit's seed was {seed}: TestKit::builder().seed({seed}) repeats this run\n{faults}");
    match count {
        0 => text.push_str("no fault happened"),
        _ => text.push_str(&format!("{count} faults happened:")),
    }
    for record in records.iter().take(PRINTED_MAX) {
        text.push_str(&format!("\n  {record}"));
    }
    if count > PRINTED_MAX as u64 {
        text.push_str(&format!("\n  and {} more", count - PRINTED_MAX as u64));
    }
    text
}
