//! The handle of a test on the streams of its kit.

use super::expect::{StreamExpectation, What};
use super::record::StreamRecord;
use super::table;
use crate::testkit::expect::ExpectationError;
use crate::testkit::kit::TestKit;
use crate::testkit::report::{self, OrPanic};
use crate::testkit::settle::SettleTimeout;
use crate::{Pattern, ToPattern};
use std::fmt;
use std::panic::Location;

/// The streams of the JetStream servers on the kit's bus: what became of every message, and what a test expects of that. Made by
/// [`TestKit::streams`]; a window, which shows what is known when it is asked. Printed, it is a table.
///
/// # Example
///
/// ```
/// use postroom::jetstream::{self, ConsumerConfig, JetStreamOptions, JetStreamServer, StreamConfig};
/// use postroom::TestKit;
/// use postroom::testkit::DeliveryState;
/// use std::time::Duration;
///
/// let kit = TestKit::new();
/// let _server = JetStreamServer::start(kit.bus(), JetStreamOptions::new())?;
/// let js = jetstream::new(kit.bus().connect());
/// let orders = js.create_stream(StreamConfig::new("ORDERS").subjects(["orders.>"])).wait()?;
/// let worker = orders.create_consumer(ConsumerConfig::pull("worker").ack_wait(Duration::from_secs(30))).wait()?;
///
/// let streams = kit.streams();
/// let retried = streams.expect_redelivered("orders.eu").deliveries(2);
/// let done = streams.expect_acked("orders.eu").by("worker").times(1);
/// js.publish("orders.eu", "hello").wait()?;
/// worker.fetch(1).messages().into_iter().count(); // taken, and not acknowledged
/// kit.advance(Duration::from_secs(30));
/// for message in worker.fetch(1).messages() {
///     message?.ack()?;
/// }
/// retried.verify();
/// done.verify();
/// streams.none_pending(">");
/// assert_eq!(streams.get("ORDERS").unwrap().message(1).unwrap().for_consumer("worker").unwrap().state, DeliveryState::Acked);
/// println!("{streams}");
/// # Ok::<_, Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct Streams {
    kit: TestKit,
}

impl Streams {
    pub(in crate::testkit) fn new(kit: TestKit) -> Self {
        Streams { kit }
    }

    /// All streams as they are now, in the order in which they were made; the last 1,000 of those that are deleted are among them.
    pub fn all(&self) -> Vec<StreamRecord> {
        self.kit.0.observer.streams.records()
    }

    /// The stream of a name as it is now: the last one that was made.
    pub fn get(&self, name: &str) -> Option<StreamRecord> {
        self.all().into_iter().rev().find(|stream| stream.name == name)
    }

    #[track_caller]
    fn expect(&self, what: What, pattern: impl ToPattern) -> StreamExpectation {
        StreamExpectation::new(self.kit.clone(), what, report::pattern(pattern), Location::caller())
    }

    /// Expects that a message on a pattern is stored from now on: at least one, unless more is said.
    ///
    /// # Panics
    ///
    /// If that is not a valid pattern (S2 to S4).
    #[track_caller]
    pub fn expect_stored(&self, pattern: impl ToPattern) -> StreamExpectation {
        self.expect(What::Stored, pattern)
    }

    /// Expects that a message on a pattern is delivered to a consumer from now on, for the first time or again.
    ///
    /// # Panics
    ///
    /// As [`Streams::expect_stored`].
    #[track_caller]
    pub fn expect_delivered(&self, pattern: impl ToPattern) -> StreamExpectation {
        self.expect(What::Delivered, pattern)
    }

    /// Expects that a message on a pattern is delivered again from now on, to a consumer that had it before;
    /// [`StreamExpectation::deliveries`] says how often.
    ///
    /// # Panics
    ///
    /// As [`Streams::expect_stored`].
    #[track_caller]
    pub fn expect_redelivered(&self, pattern: impl ToPattern) -> StreamExpectation {
        self.expect(What::Redelivered, pattern)
    }

    /// Expects that a message on a pattern is acknowledged from now on. A consumer without acknowledgements has each message
    /// acknowledged when it is delivered.
    ///
    /// # Panics
    ///
    /// As [`Streams::expect_stored`].
    #[track_caller]
    pub fn expect_acked(&self, pattern: impl ToPattern) -> StreamExpectation {
        self.expect(What::Acked, pattern)
    }

    /// Expects that a message on a pattern is refused for now, so that it comes again, from now on.
    ///
    /// # Panics
    ///
    /// As [`Streams::expect_stored`].
    #[track_caller]
    pub fn expect_naked(&self, pattern: impl ToPattern) -> StreamExpectation {
        self.expect(What::Naked, pattern)
    }

    /// Expects that a message on a pattern is terminated from now on.
    ///
    /// # Panics
    ///
    /// As [`Streams::expect_stored`].
    #[track_caller]
    pub fn expect_terminated(&self, pattern: impl ToPattern) -> StreamExpectation {
        self.expect(What::Terminated, pattern)
    }

    /// Expects that a message on a pattern was delivered as often as it may be, without an acknowledgement, from now on: what others
    /// put into a dead letter queue.
    ///
    /// # Panics
    ///
    /// As [`Streams::expect_stored`].
    #[track_caller]
    pub fn expect_dead(&self, pattern: impl ToPattern) -> StreamExpectation {
        self.expect(What::Dead, pattern)
    }

    /// Expects that a message on a pattern goes from its stream from now on, for this reason.
    ///
    /// # Panics
    ///
    /// As [`Streams::expect_stored`].
    #[track_caller]
    pub fn expect_removed(&self, pattern: impl ToPattern, reason: crate::observe::RemovalReason) -> StreamExpectation {
        self.expect(What::Removed(reason), pattern)
    }

    /// Checks that no message on a pattern waits for an acknowledgement of any consumer. Waits until the bus has settled.
    ///
    /// # Panics
    ///
    /// If one does, with the streams; if the bus does not settle; if that is not a valid pattern (S2 to S4).
    #[track_caller]
    pub fn none_pending(&self, pattern: impl ToPattern) {
        self.try_none_pending(pattern).or_panic();
    }

    /// As [`Streams::none_pending`].
    ///
    /// # Errors
    ///
    /// [`ExpectationError`] if one does, or if the bus does not settle.
    ///
    /// # Panics
    ///
    /// If that is not a valid pattern (S2 to S4).
    #[track_caller]
    pub fn try_none_pending(&self, pattern: impl ToPattern) -> Result<(), ExpectationError> {
        let pattern = report::pattern(pattern);
        let settler = &self.kit.0.settler;
        self.judge_pending(&pattern, settler.wait(settler.limit))
    }

    /// As [`Streams::none_pending`], for tasks; see [`TestKit::settle_async`].
    ///
    /// # Panics
    ///
    /// As [`Streams::none_pending`].
    ///
    /// # Cancel safety
    ///
    /// Dropping it loses nothing.
    pub async fn none_pending_async(&self, pattern: impl ToPattern) {
        let pattern = report::pattern(pattern);
        let settler = &self.kit.0.settler;
        let settled = settler.wait_async(settler.limit).await;
        self.judge_pending(&pattern, settled).or_panic();
    }

    fn judge_pending(&self, pattern: &Pattern, settled: Result<(), SettleTimeout>) -> Result<(), ExpectationError> {
        let complaint =
            |text: String| Err(ExpectationError(format!("expected nothing pending on `{pattern}`\n{text}")));
        if let Err(timeout) = settled {
            return complaint(timeout.to_string());
        }
        let all = self.all();
        let messages = all.iter().flat_map(|stream| &stream.messages);
        let mut concerned = messages.filter(|message| pattern.matches(&message.subject));
        if concerned.all(|message| message.consumers.iter().all(|progress| !progress.state.is_open())) {
            return Ok(());
        }
        complaint(table::streams(&all))
    }
}

impl fmt::Display for Streams {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&table::streams(&self.all()))
    }
}

impl fmt::Debug for Streams {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.all()).finish()
    }
}
