//! The test kit: know what a bus does, control its time, break what NATS may break.
//!
//! | file | reason to change |
//! |---|---|
//! | `book` | the observer: asks chaos, tells the journal |
//! | `journal` | the record of every message |
//! | `entry`, `tap` | a test's view of the journal |
//! | `expect`, `none` | messages that have to come, and messages that must not |
//! | `panics` | callbacks that panicked |
//! | `stub` | answers in place of services |
//! | `contract` | messages without a listener, silent subscriptions, unread messages |
//! | `recording`, `codec`, `replay` | a run as a file, and a file as a run |
//! | `near`, `report` | guesses at the intended text, and the wording of reports |
//! | `chaos` | faults: their kinds, their times, their effects |
//! | `shrink` | the shortest list of faults that makes a test fail |
//! | `settle` | waiting until the bus is quiet |
//! | `advance` | moving time |
//! | `schedule` | actions that are put off |
//!
//! # What counts as going on
//!
//! [`TestKit::settle`] returns when all has come to an end that [`Activity`] lists (messages, callbacks, threads, subscribers of
//! tasks, timers that fired), and this:
//!
//! | what | from | until |
//! |---|---|---|
//! | a task wrapped by [`TestKit::task`] | it is made, or woken by anything | it waits |
//! | a wire client (feature `server`) | the server has something to write to it, or was woken by its bytes | it is written to the socket, or dealt with |
//! | a part of the application | [`TestKit::busy`] | the hold is dropped |
//! | an action that the kit put off | it falls due | it is done |
//!
//! A message that the kit's own connection receives ([`TestKit::client`], or any that is
//! [untracked](crate::ConnectOptions::untracked)) does not count once it is there. Events to come do not count: a timer that is
//! set, a message that chaos holds back.
//!
//! Activity that the bus can't see, and the way out:
//!
//! | what | way out |
//! |---|---|
//! | a thread that was handed the payload through a channel of the application's | [`TestKit::busy`] |
//! | a thread that was started and has not come to the bus yet | wait for its first subscription or timer ([`ManualClock::wait_for_timers`](crate::ManualClock::wait_for_timers)) |
//! | the work of a task after a timer that fired, or a request that failed, up to its next message | [`TestKit::task`]; without it, the async form lets the executor's other tasks have some turns, and the blocking one other threads |
//! | bytes that a wire client has sent through a socket and the server has not read yet (through a pipe in the process, they are seen) | have it flush (PING, PONG) before |
//! | the work of a wire client on a received message | look at the result of that work |

mod advance;
mod book;
mod chaos;
mod codec;
mod contract;
mod entry;
mod expect;
mod journal;
mod near;
mod none;
mod panics;
mod recording;
mod replay;
mod report;
mod schedule;
mod settle;
mod shrink;
mod stub;
mod tap;

pub use advance::AutoAdvance;
pub use chaos::{Chaos, Fault, FaultRecord, Unlawful};
pub use contract::{Contracts, Silent, Unmatched};
pub use entry::{Entry, Outcome, Receipt};
pub use expect::{Expectation, Mismatch};
pub use panics::PanicRecord;
pub use recording::{Recorded, Recording, RecordingError};
pub use replay::{Replayed, Speed};
pub use settle::Unsettled;
pub use shrink::{Shrunk, explore, shrink};
pub use stub::{Answer, Stub};
pub use tap::Tap;

use crate::activity::Activity;
use crate::{Bus, BusBuilder, Client, Clock, ConnectOptions, ManualClock};
use book::Book;
use chaos::Engine;
use journal::{Bounds, Journal};
use schedule::Schedule;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// How long a test waits for the bus to become quiet, in real time.
const SETTLE_LIMIT: Duration = Duration::from_secs(5);

/// A bus for one test, and what the test knows of it. Cheap to clone; clones are the same kit.
///
/// # Example
///
/// ```
/// use postroom::testkit::TestKit;
///
/// let kit = TestKit::new();
/// let app = kit.bus().connect(); // what is to be tested connects to the bus,
/// let test = kit.client(); // and the test has a client of its own
/// let orders = test.subscribe("orders.*")?;
/// app.publish("orders.eu", "hello")?;
/// assert_eq!(orders.try_recv()?.payload(), b"hello");
/// # Ok::<_, Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct TestKit(Arc<Kit>);

struct Kit {
    bus: Bus,
    /// `None` if it goes by the system's.
    clock: Option<ManualClock>,
    book: Arc<Book>,
    /// They answer as long as they are here.
    stubs: stub::Stubs,
    settle_limit: Duration,
}

/// Builds a [`TestKit`]; made by [`TestKit::builder`].
#[derive(Clone, Debug)]
#[must_use]
pub struct TestKitBuilder {
    bus: BusBuilder,
    seed: u64,
    clock: Option<ManualClock>,
    journal: Bounds,
    is_tapped: bool,
    chaos: Chaos,
    settle_limit: Duration,
}

impl TestKit {
    /// A kit with a manual clock, seed 0, and a bus with the default limits.
    pub fn new() -> Self {
        TestKit::builder().build()
    }

    /// To build one with another seed, limits or clock.
    pub fn builder() -> TestKitBuilder {
        TestKitBuilder {
            bus: Bus::builder(),
            seed: 0,
            clock: Some(Clock::manual()),
            journal: Bounds::default(),
            is_tapped: true,
            chaos: Chaos::new(),
            settle_limit: SETTLE_LIMIT,
        }
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
        self.0.clock.as_ref().expect("this kit goes by the system's clock, which nobody moves")
    }

    /// The activity of the bus.
    pub fn activity(&self) -> &Activity {
        self.0.bus.activity().expect("the bus was built with an observer")
    }

    /// The faults that have happened so far, in their order.
    pub fn faults(&self) -> Vec<FaultRecord> {
        self.0.book.chaos.log()
    }

    /// The seed that all choices of the bus and of chaos follow from: with the same seed and the same faults, a run on one thread
    /// repeats exactly.
    pub fn seed(&self) -> u64 {
        self.0.book.chaos.seed()
    }

    /// The seed, the faults that may happen and those that have: the text that is printed when the kit ends by a panic, so that the
    /// run can be repeated. Before them, the callbacks that panicked.
    pub fn report(&self) -> String {
        self.0.book.panics.text() + &self.0.book.chaos.report()
    }

    /// The callbacks that have panicked so far, a stub's and those of what is tested: at most 100, the first ones. From now on they are the
    /// test's to judge. If it does not ask, [`TestKit::settle`] and the end of the kit fail the test with what they panicked with.
    ///
    /// # Example
    ///
    /// ```
    /// use postroom::testkit::TestKit;
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
        self.0.book.panics.take()
    }

    /// Fails the test with what callbacks panicked with, if the test has not asked for it.
    #[track_caller]
    fn fail_on_panics(&self) {
        self.0.fail_on_panics();
    }

    /// Adds a fault while the test runs.
    pub fn inject(&self, fault: Fault) {
        self.0.book.chaos.inject(fault);
    }

    /// Ends all faults: none happens any more, delayed messages come now, all clients are connected. Gives back how many messages
    /// had been held up.
    pub fn calm(&self) -> usize {
        self.0.book.chaos.calm()
    }

    /// Its clock, if it is one that the test moves.
    fn manual(&self) -> Option<&ManualClock> {
        self.0.clock.as_ref()
    }

    fn settle_limit(&self) -> Duration {
        self.0.settle_limit
    }

    fn book(&self) -> &Arc<Book> {
        &self.0.book
    }

    /// The journal, for questions about all that there was since the kit began.
    #[track_caller]
    fn journal(&self) -> &Journal {
        let journal = &self.0.book.journal;
        assert!(
            journal.is_on(),
            "nothing was written down, so nobody knows: this kit is untapped, and had no tap or expectation so far"
        );
        journal
    }

    fn schedule(&self) -> &Schedule {
        &self.0.book.schedule
    }
}

impl Kit {
    #[track_caller]
    fn fail_on_panics(&self) {
        let text = self.book.panics.text();
        if !text.is_empty() {
            self.book.panics.take();
            panic!("{}", text.trim_end());
        }
    }
}

impl Drop for Kit {
    fn drop(&mut self) {
        self.book.panics.close();
        // An action that is put off may hold on to the bus, which holds on to the book.
        self.book.schedule.close();
        self.book.chaos.close();
        if std::thread::panicking() {
            eprint!("{}", self.book.panics.text());
        } else {
            self.fail_on_panics();
        }
    }
}

impl Default for TestKit {
    fn default() -> Self {
        TestKit::new()
    }
}

impl TestKitBuilder {
    /// The seed that all choices of the bus and of chaos follow from. Default 0.
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = seed;
        self
    }

    /// Limits, shards and the like; its seed, clock and observer are replaced by the kit's.
    pub fn bus(mut self, bus: BusBuilder) -> Self {
        self.bus = bus;
        self
    }

    /// The faults that are to happen. Default: none.
    pub fn chaos(mut self, chaos: Chaos) -> Self {
        self.chaos = chaos;
        self
    }

    /// A clock that several buses share.
    pub fn clock(mut self, clock: &ManualClock) -> Self {
        self.clock = Some(clock.clone());
        self
    }

    /// The system's clock, for a test that talks to something that has a time of its own. Default: a manual one that stands still until
    /// the test moves it.
    pub fn system_clock(mut self) -> Self {
        self.clock = None;
        self
    }

    /// How many messages the kit keeps: at most so many, and about so many bytes. The oldest go first, and a test that asks for
    /// more than is left is told so. Default 100,000 and 64 MiB.
    pub fn journal(mut self, entries: usize, bytes: usize) -> Self {
        self.journal = Bounds { entries, bytes };
        self
    }

    /// Whether nothing is written down until the first tap or expectation is made: for tests that publish millions of messages and look at
    /// few. Default false.
    /// [`TestKit::none`] and the like know nothing of what came before then, and panic if nothing was written down at all.
    pub fn untapped(mut self, untapped: bool) -> Self {
        self.is_tapped = !untapped;
        self
    }

    /// How long [`TestKit::settle`], and all that settles on the way, waits before it gives up: in real time, since a manual clock stands
    /// still meanwhile. Default 5 seconds.
    pub fn settle_limit(mut self, limit: Duration) -> Self {
        self.settle_limit = limit;
        self
    }

    /// The kit.
    ///
    /// # Panics
    ///
    /// If a limit of the bus is out of its range.
    #[track_caller]
    pub fn build(self) -> TestKit {
        let clock = self.clock.as_ref().map_or_else(Clock::system, Clock::from);
        let (seed, schedule) = (self.chaos.seed_or(self.seed), Schedule::default());
        let chaos = Engine::new(self.chaos, seed, clock.clone(), schedule.clone());
        let journal = Journal::new(self.journal, self.is_tapped);
        let book = Arc::new(Book::new(chaos.clone(), schedule, journal));
        let bus = self.bus.seed(seed).clock(clock).observer(book.clone()).build();
        book.schedule.start(&bus);
        book.journal.start(bus.clock());
        book.panics.start(&bus);
        chaos.start(&bus);
        let (settle_limit, stubs) = (self.settle_limit, stub::Stubs::default());
        TestKit(Arc::new(Kit { bus, clock: self.clock, book, stubs, settle_limit }))
    }
}

impl fmt::Debug for TestKit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TestKit").field("now", &self.0.bus.clock().now()).field("activity", self.activity()).finish()
    }
}
