//! Callbacks that panicked: a failed assertion in a stub, or in a callback of what is tested.

use crate::observe::{CallbackPanic, SubscriptionInfo};
use crate::sync::Mutex;
use crate::{Bus, ConnectOptions, HeaderMap, Message, Subject};
use std::fmt;

/// Panics that are remembered.
const KEPT: usize = 100;

/// A callback of the bus, a stub's or one of what is tested, that panicked; see [`TestKit::take_panics`](super::TestKit::take_panics).
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct PanicRecord {
    /// The subscription whose callback, or sink, it is.
    pub subscription: SubscriptionInfo,
    /// The subject of the message that it was called with. `None` for a sink.
    pub subject: Option<Subject>,
    /// The text of the panic; empty if it carries none.
    pub text: String,
}

impl fmt::Display for PanicRecord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the callback on `{}` panicked", self.subscription.pattern)?;
        if let Some(subject) =
            self.subject.as_ref().filter(|subject| subject.as_str() != self.subscription.pattern.as_str())
        {
            write!(f, " with a message on `{subject}`")?;
        }
        write!(f, ": {}", self.text)
    }
}

/// Those that the test has not taken.
#[derive(Default)]
pub(super) struct Panics {
    records: Mutex<Vec<PanicRecord>>,
    /// To respond with; gone with the kit, which the bus must not keep alive.
    bus: Mutex<Option<Bus>>,
}

impl Panics {
    pub(super) fn start(&self, bus: &Bus) {
        *self.bus.lock() = Some(bus.clone());
    }

    pub(super) fn close(&self) {
        let bus = self.bus.lock().take();
        drop(bus);
    }

    /// Remembers it, and responds to the request in the callback's place: on a clock that is not moved, the requester would wait
    /// for ever.
    pub(super) fn add(&self, panic: &CallbackPanic<'_>) {
        let record = PanicRecord {
            subscription: panic.subscription.clone(),
            subject: panic.subject.cloned(),
            text: panic.text.to_owned(),
        };
        let text = record.to_string();
        let mut records = self.records.lock();
        if records.len() < KEPT {
            records.push(record);
        }
        drop(records);
        let bus = self.bus.lock().clone();
        if let (Some(bus), Some(reply)) = (bus, panic.reply) {
            respond(&bus, reply, &text);
        }
    }

    pub(super) fn take(&self) -> Vec<PanicRecord> {
        std::mem::take(&mut *self.records.lock())
    }

    /// A line for each; empty if there are none.
    pub(super) fn text(&self) -> String {
        self.records.lock().iter().map(|record| format!("{record}\n")).collect()
    }
}

/// Responds as NATS services do when they fail, with the whole text in the payload.
fn respond(bus: &Bus, reply: &Subject, text: &str) {
    let first_line = text.lines().next().unwrap_or_default();
    let headers: Result<HeaderMap, _> =
        [("Nats-Service-Error-Code", "500"), ("Nats-Service-Error", first_line)].try_into();
    let message = Message::new(reply.clone(), text.to_owned());
    if let (Ok(headers), Ok(message)) = (headers, message) {
        let client = bus.connect_with(ConnectOptions::new().name("test kit").lenient(true).untracked(true));
        // The requester may have gone, or the bus is closed: the record is there.
        let _ = client.publish_message(&message.with_headers(headers));
    }
}
