//! A kit: the parts that its handles share, and their end.

use super::journal::Journal;
use super::kit_observer::KitObserver;
use super::responder::Responders;
use super::settle::Settler;
use crate::Bus;
use std::fmt;
use std::sync::Arc;

/// A bus for one test, and what the test knows of it. Cheap to clone; clones are the same kit.
///
/// # Example
///
/// ```
/// use postroom::TestKit;
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
pub struct TestKit(pub(super) Arc<Kit>);

pub(super) struct Kit {
    pub(super) bus: Bus,
    pub(super) observer: Arc<KitObserver>,
    /// They answer as long as they are here.
    pub(super) responders: Responders,
    pub(super) settler: Settler,
}

impl Kit {
    /// Fails the test with the panics of callbacks, if the test has not asked for them, and with streams whose ledgers do not balance.
    #[track_caller]
    pub(super) fn fail_on_faults(&self) {
        let text = self.observer.panics.text();
        if !text.is_empty() {
            self.observer.panics.take();
            panic!("{}", text.trim_end());
        }
        self.fail_on_stream_faults();
    }

    /// Fails the test with streams that have taken impossible steps or whose ledgers do not balance.
    #[track_caller]
    pub(super) fn fail_on_stream_faults(&self) {
        #[cfg(feature = "jetstream")]
        {
            let text = self.observer.streams.take_faults();
            assert!(text.is_empty(), "a JetStream server is at fault:\n{}", text.trim_end());
        }
    }

    /// The journal, for questions about all that there was since the kit began.
    #[track_caller]
    pub(super) fn journal(&self) -> &Journal {
        let journal = &self.observer.journal;
        assert!(
            journal.is_on(),
            "nothing was written down: this kit records on demand, and had no tap or expectation so far"
        );
        journal
    }
}

impl Drop for Kit {
    fn drop(&mut self) {
        self.observer.panics.close();
        // An action that is put off may hold on to the bus, which holds on to the observer.
        self.observer.schedule.close();
        self.observer.chaos.close();
        if std::thread::panicking() {
            eprint!("{}", self.observer.panics.text());
        } else {
            self.fail_on_faults();
        }
    }
}

impl fmt::Debug for TestKit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TestKit")
            .field("now", &self.0.bus.clock().now())
            .field("activity", &self.0.settler.activity())
            .finish()
    }
}
