//! The kit as a test holds it: what it knows, expects, answers and breaks.

use super::answer::Answer;
use super::builder::TestKitBuilder;
use super::chaos::{Fault, FaultRecord};
use super::contract::{self, Contracts};
use super::expect::{self, Expectation, ExpectationError};
use super::kit::TestKit;
use super::panics::PanicRecord;
use super::recording::Recording;
use super::replay::{self, Replayed, Speed};
use super::report::{self, OrPanic};
#[cfg(feature = "jetstream")]
use super::streams::Streams;
use super::stub::Stub;
use super::tap::Tap;
use crate::activity::Activity;
use crate::{Bus, Client, ConnectOptions, ManualClock, Message, ToPattern};
use std::panic::Location;

impl Default for TestKit {
    fn default() -> Self {
        TestKit::new()
    }
}

impl TestKit {
    /// A kit with a manual clock, seed 0, and a bus with the default limits.
    pub fn new() -> Self {
        TestKit::builder().build()
    }

    /// To build one with another seed, limits or clock.
    pub fn builder() -> TestKitBuilder {
        TestKitBuilder::new()
    }

    /// The bus, for what is to be tested.
    pub fn bus(&self) -> &Bus {
        &self.0.bus
    }

    /// A connection for the test itself: what it receives is not waited for.
    pub fn client(&self) -> Client {
        self.0.bus.connect_with(ConnectOptions::new().name("test").untracked(true))
    }

    /// The clock of the bus.
    ///
    /// # Panics
    ///
    /// If the kit goes by the [system's clock](TestKitBuilder::system_clock); [`Bus::clock`] is that one too.
    #[track_caller]
    pub fn clock(&self) -> &ManualClock {
        self.0.settler.manual()
    }

    /// The activity of the bus.
    pub fn activity(&self) -> &Activity {
        self.0.settler.activity()
    }

    /// The faults that have happened so far, in their order.
    pub fn faults(&self) -> Vec<FaultRecord> {
        self.0.observer.chaos.log()
    }

    /// The seed that all choices of the bus and of chaos follow from: with the same seed and the same faults, a run on one thread
    /// repeats exactly.
    pub fn seed(&self) -> u64 {
        self.0.observer.chaos.seed()
    }

    /// The seed, the faults that may happen and those that have: the text that is printed when the kit ends by a panic, so that the
    /// run can be repeated. Before them, the callbacks that panicked.
    pub fn report(&self) -> String {
        self.0.observer.panics.text() + &self.0.observer.chaos.report()
    }

    /// The callbacks that have panicked so far, a stub's and those of what is tested: at most 100, the first ones. From now on they are the
    /// test's to judge. If it does not ask, [`TestKit::settle`] and the end of the kit fail the test with what they panicked with.
    ///
    /// # Example
    ///
    /// ```
    /// use postroom::TestKit;
    ///
    /// let kit = TestKit::new();
    /// let _stock = kit.reply_to("stock", |question| { assert_eq!(question.payload(), b"tea"); "3" });
    /// let answer = kit.bus().connect().request("stock", "coffee")?;
    /// assert_eq!(answer.headers().get("Nats-Service-Error-Code"), Some("500"));
    /// let panics = kit.take_panics();
    /// assert!(panics[0].to_string().starts_with("the callback on `stock` panicked: assertion"));
    /// # Ok::<_, postroom::RequestError>(())
    /// ```
    pub fn take_panics(&self) -> Vec<PanicRecord> {
        self.0.observer.panics.take()
    }

    /// Adds a fault while the test runs.
    pub fn inject(&self, fault: Fault) {
        self.0.observer.chaos.inject(fault);
    }

    /// Ends all faults: none happens any more, delayed messages come now, all clients are connected. Gives back how many messages
    /// had been held up.
    pub fn clear_faults(&self) -> usize {
        self.0.observer.chaos.clear_faults()
    }

    /// The messages on a pattern from now on: subject, headers, payload, publisher, receivers, losses and their reasons; and the
    /// messages that were to be published there and were refused, with the error. Input of a wire client that a server refuses
    /// before the bus is asked (a line that can't be read, a payload larger than its limit) is not among them: it ends the
    /// connection.
    ///
    /// A tap is a window on the kit's one journal and costs nothing itself. It is not a subscription: it makes no difference to the
    /// number of responders.
    ///
    /// # Panics
    ///
    /// If that is not a valid pattern (S2 to S4).
    ///
    /// # Example
    ///
    /// ```
    /// use postroom::TestKit;
    ///
    /// let kit = TestKit::new();
    /// let tap = kit.tap("orders.>");
    /// kit.bus().connect().publish("orders.eu", "hello")?;
    /// assert_eq!(tap.subjects(), ["orders.eu"]);
    /// assert_eq!(tap.entries()[0].payload(), b"hello");
    /// println!("{tap}"); // a table
    /// # Ok::<_, postroom::PublishError>(())
    /// ```
    #[track_caller]
    pub fn tap(&self, pattern: impl ToPattern) -> Tap {
        Tap::new(self.clone(), report::pattern(pattern))
    }

    /// The streams of the JetStream servers on the kit's bus: what became of every message, and what a test expects of that.
    ///
    /// Streams are known that are made while the kit records: from its beginning, unless it is
    /// [`record_on_demand`](TestKitBuilder::record_on_demand); then from the first tap, expectation or call of this.
    #[cfg(feature = "jetstream")]
    pub fn streams(&self) -> Streams {
        self.0.observer.begin();
        Streams::new(self.clone())
    }

    /// Expects that a message is published on a pattern from now on: at least once, unless more is said. Checked by
    /// [`Expectation::verify`], or when it is dropped.
    ///
    /// # Panics
    ///
    /// If that is not a valid pattern (S2 to S4).
    ///
    /// # Example
    ///
    /// ```
    /// use postroom::TestKit;
    /// use serde_json::json;
    ///
    /// let kit = TestKit::new();
    /// let placed = kit.expect("orders.*").times(1).containing(json!({"id": 7})).from("shop");
    /// let billed = kit.expect("bills.new").after(&placed);
    ///
    /// let shop = kit.bus().connect_with(postroom::ConnectOptions::new().name("shop"));
    /// shop.publish("orders.eu", r#"{"id":7,"sum":100}"#)?;
    /// shop.publish("bills.new", "100")?;
    /// placed.verify();
    /// drop(billed); // verifies it, too
    /// # Ok::<_, postroom::PublishError>(())
    /// ```
    #[track_caller]
    pub fn expect(&self, pattern: impl ToPattern) -> Expectation {
        Expectation::new(self.clone(), report::pattern(pattern), Location::caller())
    }

    /// Checks that nothing was published on a pattern since the kit began. Waits until the bus has settled, so that it is a fact
    /// and not a guess.
    ///
    /// It counts as [`Expectation`](super::Expectation) does. For messages that must not come from now on,
    /// there is [`Expectation::never`](super::Expectation::never).
    ///
    /// # Panics
    ///
    /// If something was, with the messages; if the bus does not settle; if that is not a valid pattern (S2 to S4); if so much was
    /// published that the journal can't tell; if nothing was written down, since the kit was
    /// [`record_on_demand`](super::TestKitBuilder::record_on_demand).
    ///
    /// # Example
    ///
    /// ```
    /// use postroom::TestKit;
    ///
    /// let kit = TestKit::new();
    /// kit.bus().connect().publish("orders.eu", "hello")?;
    /// kit.none("refunds.>");
    /// # Ok::<_, postroom::PublishError>(())
    /// ```
    #[track_caller]
    pub fn none(&self, pattern: impl ToPattern) {
        self.try_none(pattern).or_panic();
    }

    /// As [`TestKit::none`], for tasks; see [`TestKit::settle_async`].
    ///
    /// # Panics
    ///
    /// As [`TestKit::none`].
    ///
    /// # Cancel safety
    ///
    /// Dropping it loses nothing.
    pub async fn none_async(&self, pattern: impl ToPattern) {
        self.try_none_async(pattern).await.or_panic();
    }

    /// As [`TestKit::none`].
    ///
    /// # Errors
    ///
    /// [`ExpectationError`] if something was published there, if the bus does not settle, or if so much was published that the journal can't tell.
    ///
    /// # Panics
    ///
    /// If that is not a valid pattern (S2 to S4), or if nothing was written down.
    #[track_caller]
    pub fn try_none(&self, pattern: impl ToPattern) -> Result<(), ExpectationError> {
        let (pattern, journal) = (report::pattern(pattern), self.0.journal());
        expect::judge_none(&pattern, journal, self.0.settler.wait(self.0.settler.limit))
    }

    /// As [`TestKit::none_async`].
    ///
    /// # Errors
    ///
    /// As [`TestKit::try_none`].
    ///
    /// # Panics
    ///
    /// As [`TestKit::try_none`].
    pub async fn try_none_async(&self, pattern: impl ToPattern) -> Result<(), ExpectationError> {
        let (pattern, journal) = (report::pattern(pattern), self.0.journal());
        expect::judge_none(&pattern, journal, self.0.settler.wait_async(self.0.settler.limit).await)
    }

    /// The messages that had no listener, the subscriptions that heard nothing, and the messages that were not read, since the kit
    /// began; with suggestions where something almost fits. Waits until the bus has settled, or nothing has happened for a while
    /// but that messages lie in queues.
    ///
    /// Inboxes (`_INBOX.`) are left out: answers that came too late do not break a contract. Messages that a fault took away are
    /// left out, too.
    ///
    /// # Panics
    ///
    /// If the bus does not settle, or if nothing was written down, since the kit was [`record_on_demand`](super::TestKitBuilder::record_on_demand).
    ///
    /// # Example
    ///
    /// ```
    /// use postroom::TestKit;
    ///
    /// let kit = TestKit::new();
    /// let app = kit.bus().connect();
    /// let orders = app.subscribe("orders.*")?;
    /// app.publish("order.eu", "hello")?;
    /// let contracts = kit.contracts();
    /// assert_eq!(contracts.unmatched[0].subject, "order.eu");
    /// assert_eq!(contracts.idle[0].subscription.id, orders.id());
    /// assert!(contracts.to_string().contains("did you mean `orders.*`?"));
    /// # Ok::<_, Box<dyn std::error::Error>>(())
    /// ```
    #[track_caller]
    pub fn contracts(&self) -> Contracts {
        let journal = self.0.journal();
        contract::wait_idle(&self.0.settler).or_panic();
        contract::contracts(journal)
    }

    /// As [`TestKit::contracts`], for tasks; see [`TestKit::settle_async`].
    ///
    /// # Panics
    ///
    /// As [`TestKit::contracts`].
    ///
    /// # Cancel safety
    ///
    /// Dropping it loses nothing.
    pub async fn contracts_async(&self) -> Contracts {
        let journal = self.0.journal();
        contract::wait_idle_async(&self.0.settler).await.or_panic();
        contract::contracts(journal)
    }

    /// Answers requests on a pattern from now on, in place of a service. A handle comes back that says more about it; the stub stays when the
    /// handle is dropped, until [`Stub::remove`] or the kit's end.
    ///
    /// Requests to it are in the journal as any message is, and so are the answers, published by the client `stub`. The closure
    /// runs with no lock held, on the thread that publishes the request, and may use the bus.
    ///
    /// If the closure panics, as a failed assertion does, the request is answered with an error that carries the text, and the test fails with it:
    /// see [`TestKit::take_panics`].
    ///
    /// # Panics
    ///
    /// If that is not a valid pattern (S2 to S4), if the bus is closed, or if it has no room for a
    /// subscription.
    ///
    /// # Example
    ///
    /// ```
    /// use postroom::TestKit;
    /// use postroom::testkit::Answer;
    /// use serde_json::json;
    ///
    /// let kit = TestKit::new();
    /// let stock = kit
    ///     .reply_to("stock.*", |_| Answer::error(503, "warming up"))
    ///     .times(1) // the first request; and then
    ///     .then(|question| Answer::json(json!({"sku": question.subject().as_str()[6..], "left": 3})));
    ///
    /// let shop = kit.bus().connect();
    /// let failed = shop.request("stock.tea", "")?;
    /// assert_eq!(failed.headers().get("Nats-Service-Error-Code"), Some("503"));
    /// assert_eq!(shop.request("stock.tea", "")?.payload(), br#"{"left":3,"sku":"tea"}"#);
    /// assert_eq!(stock.asked(), 2);
    /// # Ok::<_, postroom::RequestError>(())
    /// ```
    #[track_caller]
    pub fn reply_to<A: Into<Answer>>(
        &self,
        pattern: impl ToPattern,
        answer: impl Fn(&Message) -> A + Send + Sync + 'static,
    ) -> Stub {
        Stub::new(self.clone(), report::pattern(pattern), move |request| answer(request).into())
    }

    /// As if there were no responder: requests on the pattern fail at once (R2). Other responders are not hidden: the first answer
    /// counts.
    ///
    /// # Panics
    ///
    /// As [`TestKit::reply_to`].
    #[track_caller]
    pub fn no_responders(&self, pattern: impl ToPattern) -> Stub {
        self.reply_to(pattern, |_| Answer::no_responders())
    }

    /// The messages that were published since the kit began, by programs and by the test itself, to be saved or replayed. Messages
    /// of the bus itself (that there are no responders) and messages that were refused, by the bus or by a fault, are not in it.
    /// Does not wait for the bus to settle.
    ///
    /// # Panics
    ///
    /// If nothing was written down, since the kit was [`record_on_demand`](super::TestKitBuilder::record_on_demand).
    #[track_caller]
    pub fn record(&self) -> Recording {
        let found = self.0.journal().find(0, |_| true);
        Recording::of(&found.entries, found.cut)
    }

    /// Publishes a recording on the kit's bus, and moves the kit's clock between two messages as the speed demands; timers that
    /// fall due in between fire. After each message it waits until the bus has settled, or all remaining activity waits for the
    /// clock, so that a replay repeats. A kit with the system's clock waits for the time to pass.
    ///
    /// # Panics
    ///
    /// If the bus does not settle.
    #[track_caller]
    pub fn replay(&self, recording: &Recording, speed: Speed) -> Replayed {
        replay::replay_on(&self.0.settler, recording, speed)
    }

    /// As [`TestKit::replay`], for tasks; blocks nothing.
    ///
    /// # Panics
    ///
    /// As [`TestKit::replay`].
    ///
    /// # Cancel safety
    ///
    /// Dropping it ends the replay between two messages, or while one waits for room.
    pub async fn replay_async(&self, recording: &Recording, speed: Speed) -> Replayed {
        replay::replay_on_async(&self.0.settler, recording, speed).await
    }
}
