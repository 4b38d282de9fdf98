//! Expectations of what becomes of stored messages.

use super::record::{DeliveryState, MessageFate, MessageProgress, StreamMessageRecord, StreamRecord};
use super::table;
use crate::Pattern;
use crate::observe::RemovalReason;
use crate::testkit::expect::ExpectationError;
use crate::testkit::kit::TestKit;
use crate::testkit::report::{OrPanic, times};
use crate::testkit::settle::SettleTimeout;
use smol_str::SmolStr;
use std::fmt;
use std::panic::Location;

/// An expectation that something becomes of stored messages; made by [`Streams`](super::Streams), counts from then on.
///
/// It counts messages, each once for each consumer. It is verified when it is dropped, unless it was before or the thread is panicking
/// already. Verifying waits until the bus has settled first; in a task, use [`StreamExpectation::verify_async`].
#[must_use = "it is verified when it is dropped: keep it until what is expected has been done"]
pub struct StreamExpectation {
    kit: TestKit,
    what: What,
    pattern: Pattern,
    stream: Option<SmolStr>,
    consumer: Option<SmolStr>,
    deliveries: Option<u32>,
    min: usize,
    max: Option<usize>,
    /// The last step before it.
    since: u64,
    asked_at: &'static Location<'static>,
    is_done: bool,
}

/// What is to become of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum What {
    Stored,
    Delivered,
    Redelivered,
    Acked,
    Naked,
    Terminated,
    Dead,
    Removed(RemovalReason),
}

impl What {
    /// Whether it became of a message, apart from what became of it for consumers.
    fn is_met_by_message(self, message: &StreamMessageRecord, since: u64) -> bool {
        match (self, message.fate) {
            (What::Stored, _) => message.number > since,
            (What::Removed(wanted), MessageFate::Removed { reason, .. }) => reason == wanted && message.gone > since,
            _ => false,
        }
    }

    fn is_met_by(self, progress: &MessageProgress, since: u64) -> bool {
        let has_ended = |state| progress.state == state && progress.last > since;
        match self {
            What::Stored | What::Removed(_) => false,
            What::Delivered => progress.delivered > since,
            What::Redelivered => progress.redelivered > since,
            What::Acked => has_ended(DeliveryState::Acked),
            What::Naked => progress.naked > since,
            What::Terminated => has_ended(DeliveryState::Terminated),
            What::Dead => has_ended(DeliveryState::Exhausted),
        }
    }

    fn is_of_consumers(self) -> bool {
        !matches!(self, What::Stored | What::Removed(_))
    }
}

impl fmt::Display for What {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            What::Stored => "stored",
            What::Delivered => "delivered",
            What::Redelivered => "redelivered",
            What::Acked => "acked",
            What::Naked => "naked",
            What::Terminated => "terminated",
            What::Dead => "dead",
            What::Removed(reason) => return reason.fmt(f),
        })
    }
}

impl StreamExpectation {
    pub(super) fn new(kit: TestKit, what: What, pattern: Pattern, asked_at: &'static Location<'static>) -> Self {
        let since = kit.0.observer.streams.last();
        StreamExpectation {
            kit,
            what,
            pattern,
            stream: None,
            consumer: None,
            deliveries: None,
            min: 1,
            max: None,
            since,
            asked_at,
            is_done: false,
        }
    }

    /// Only messages of the stream of this name.
    pub fn of(mut self, stream: impl AsRef<str>) -> Self {
        self.stream = Some(stream.as_ref().into());
        self
    }

    /// Only for the consumer of this name. What becomes of a message for no consumer in particular, such as that it is stored, is never
    /// met with it.
    pub fn by(mut self, consumer: impl AsRef<str>) -> Self {
        self.consumer = Some(consumer.as_ref().into());
        self
    }

    /// Only messages that the consumer was given this often in all; 1 is the first delivery alone.
    pub fn deliveries(mut self, count: u32) -> Self {
        self.deliveries = Some(count);
        self
    }

    /// Exactly this many messages.
    pub fn times(mut self, count: usize) -> Self {
        (self.min, self.max) = (count, Some(count));
        self
    }

    /// This many messages or more.
    pub fn at_least(mut self, count: usize) -> Self {
        self.min = count;
        self
    }

    /// This many messages or less; also none, unless [`StreamExpectation::at_least`] is said after it.
    pub fn at_most(mut self, count: usize) -> Self {
        (self.min, self.max) = (0, Some(count));
        self
    }

    /// No message from now on.
    pub fn never(self) -> Self {
        self.times(0)
    }

    /// How many messages meet it so far. Does not wait for the bus to settle.
    pub fn seen(&self) -> usize {
        self.count(&self.kit.0.observer.streams.records())
    }

    /// Checks it.
    ///
    /// # Panics
    ///
    /// If it is not met, with the streams as a table.
    #[track_caller]
    pub fn verify(mut self) {
        self.check().or_panic();
    }

    /// Checks it, and does not do so again when it is dropped.
    ///
    /// # Errors
    ///
    /// [`ExpectationError`] if it is not met, if the bus does not settle, or if so many messages are gone that the kit can't tell.
    pub fn try_verify(mut self) -> Result<(), ExpectationError> {
        self.check()
    }

    /// As [`StreamExpectation::verify`], for tasks; see [`TestKit::settle_async`].
    ///
    /// # Panics
    ///
    /// As [`StreamExpectation::verify`].
    ///
    /// # Cancel safety
    ///
    /// Once it has begun to wait, dropping it gives the expectation up: it is not checked. Before that, it is as dropping the expectation.
    pub async fn verify_async(mut self) {
        self.is_done = true;
        let settled = self.kit.0.settler.wait_async(self.kit.0.settler.limit).await;
        self.judge(settled).or_panic();
    }

    fn check(&mut self) -> Result<(), ExpectationError> {
        self.is_done = true;
        self.judge(self.kit.0.settler.wait(self.kit.0.settler.limit))
    }

    fn count(&self, streams: &[StreamRecord]) -> usize {
        let of_stream = |stream: &&StreamRecord| self.stream.as_ref().is_none_or(|name| stream.name == *name);
        let messages = streams.iter().filter(of_stream).flat_map(|stream| &stream.messages);
        let concerned = messages.filter(|message| self.pattern.matches(&message.subject));
        concerned.map(|message| self.count_of(message)).sum()
    }

    fn count_of(&self, message: &StreamMessageRecord) -> usize {
        if !self.what.is_of_consumers() {
            let is_free = self.consumer.is_none() && self.deliveries.is_none();
            return usize::from(is_free && self.what.is_met_by_message(message, self.since));
        }
        let is_met = |progress: &&MessageProgress| {
            self.consumer.as_ref().is_none_or(|name| progress.consumer == *name)
                && self.deliveries.is_none_or(|count| progress.deliveries == count)
                && self.what.is_met_by(progress, self.since)
        };
        message.consumers.iter().filter(is_met).count()
    }

    fn judge(&self, settled: Result<(), SettleTimeout>) -> Result<(), ExpectationError> {
        settled.map_err(|timeout| ExpectationError(format!("expected {self}\n{timeout}")))?;
        let streams = self.kit.0.observer.streams.records();
        let count = self.count(&streams);
        let too_few = count < self.min;
        let too_many = self.max.is_some_and(|max| count > max);
        let forgotten: u64 = streams.iter().map(|stream| stream.forgotten).sum();
        // With some of the messages forgotten, only those that are left can prove anything.
        let unsure = forgotten > 0 && (self.max.is_some() || too_few);
        if !too_few && !too_many && !unsure {
            return Ok(());
        }
        let mut text = format!("expected {self}\n  at {}\nthere were {count}\n", self.asked_at);
        if unsure {
            text.push_str(&format!("{forgotten} older messages are not known any more: see TestKitBuilder::journal\n"));
        }
        text.push_str(&table::streams(&streams));
        Err(ExpectationError(text))
    }
}

/// As in `orders.* acked 2 times, by worker`.
impl fmt::Display for StreamExpectation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "messages on `{}` {} ", self.pattern, self.what)?;
        match (self.min, self.max) {
            (0, Some(0)) => f.write_str("never")?,
            (min, Some(max)) if min == max => f.write_str(&times(min))?,
            (0, Some(max)) => write!(f, "at most {}", times(max))?,
            (min, Some(max)) => write!(f, "{min} to {}", times(max))?,
            (min, None) => write!(f, "at least {}", times(min))?,
        }
        if let Some(stream) = &self.stream {
            write!(f, ", of stream {stream}")?;
        }
        if let Some(consumer) = &self.consumer {
            write!(f, ", by {consumer}")?;
        }
        match self.deliveries {
            Some(count) => write!(f, ", delivered {} in all", times(count as usize)),
            None => Ok(()),
        }
    }
}

impl fmt::Debug for StreamExpectation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "StreamExpectation({self})")
    }
}

impl Drop for StreamExpectation {
    fn drop(&mut self) {
        if self.is_done || std::thread::panicking() {
            return;
        }
        self.check().or_panic();
    }
}
