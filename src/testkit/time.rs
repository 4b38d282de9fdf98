//! Actions that are to be done later, by the bus's clock.

use crate::sync::Mutex;
use crate::user_code::{Reporter, UserCode};
use crate::{Activity, ActivityGuard, Bus, Sleep};
use std::collections::BTreeMap;
use std::pin::Pin;
use std::sync::{Arc, Weak, mpsc};
use std::task::{Context, Wake, Waker};
use std::time::Duration;

/// An action that is done at a time, once. Runs with no lock held and may use the bus.
pub(super) type Action = Box<dyn FnOnce() + Send>;

/// The actions that the kit has put off, each until a time on the bus's clock. Cheap to clone; clones
/// are the same.
///
/// Each action is a timer of the bus's clock, and so takes its turn among all the others: by its time, then by the order of asking. With a
/// manual clock it runs on the thread that advances the clock, before that clock moves on. With the system's, a thread of the agenda runs
/// one after the other, so that one that blocks does not hold up the bus's timers; it starts with the first that falls due.
///
/// An action that has fallen due counts as activity until it has run; one that is to come does not.
#[derive(Clone, Default)]
pub(super) struct Agenda(Arc<Book>);

#[derive(Default)]
struct Book {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// `None` before the bus is there, and after the kit's end.
    bus: Option<Bus>,
    entries: BTreeMap<u64, Entry>,
    asked: u64,
    /// To the thread that runs what falls due on the system's clock.
    runner: Option<mpsc::Sender<(Action, ActivityGuard)>>,
}

struct Entry {
    action: Action,
    /// Its timer, once that is set. Dropped when the action has run: until then it counts as going on.
    timer: Option<Pin<Box<Sleep>>>,
}

impl Agenda {
    /// Goes by this bus's clock from now on. The bus lives at least until [`Agenda::close`].
    pub(super) fn start(&self, bus: &Bus) {
        self.0.state.lock().bus = Some(bus.clone());
    }

    /// Drops all that is to come, and all that is asked for from now on.
    pub(super) fn close(&self) {
        // Dropped with no lock held: messages are a user's.
        let state = std::mem::take(&mut *self.0.state.lock());
        drop(state);
    }

    /// Has `action` done when the clock shows `at`. If that is past already, it is done before this returns (manual clock), or at once by
    /// the agenda's thread (system clock). Call it with no lock held.
    ///
    /// On an agenda that has been closed, or never started, the action is dropped.
    pub(super) fn at(&self, at: Duration, action: impl FnOnce() + Send + 'static) {
        let mut state = self.0.state.lock();
        state.asked += 1;
        let number = state.asked;
        let Some(bus) = state.bus.clone() else {
            drop(state);
            return drop(action);
        };
        // Before its timer is set, which may fire at once.
        state.entries.insert(number, Entry { action: Box::new(action), timer: None });
        drop(state);
        let mut timer = Box::pin(bus.sleep_until(at));
        let waker = Waker::from(Arc::new(Ring { book: Arc::downgrade(&self.0), number }));
        let polled = timer.as_mut().poll(&mut Context::from_waker(&waker));
        let mut state = self.0.state.lock();
        if polled.is_pending() {
            if let Some(entry) = state.entries.get_mut(&number) {
                entry.timer = Some(timer);
                return;
            }
            // Run meanwhile, or the agenda was closed.
            drop(state);
            return drop(timer);
        }
        let entry = state.entries.remove(&number);
        drop(state);
        if let Some(entry) = entry {
            self.0.run(&bus, entry);
        }
    }

    /// Has `action` done when `delay` has passed; see [`Agenda::at`]. At the end of all time, if it is past that.
    pub(super) fn after(&self, delay: Duration, action: impl FnOnce() + Send + 'static) {
        let now = self.0.state.lock().bus.as_ref().map_or(Duration::ZERO, |bus| bus.clock().now());
        self.at(now.saturating_add(delay), action);
    }
}

/// The waker of an entry's timer.
struct Ring {
    /// Not kept alive: the clock, which may be shared, holds this waker.
    book: Weak<Book>,
    number: u64,
}

impl Wake for Ring {
    fn wake(self: Arc<Self>) {
        let Some(book) = self.book.upgrade() else { return };
        let mut state = book.state.lock();
        let (entry, bus) = (state.entries.remove(&self.number), state.bus.clone());
        drop(state);
        if let (Some(entry), Some(bus)) = (entry, bus) {
            book.run(&bus, entry);
        }
    }
}

impl Book {
    /// Does what is due.
    fn run(&self, bus: &Bus, entry: Entry) {
        let Entry { action, timer } = entry;
        if bus.clock().is_manual() {
            run_action(bus.reporter(), action);
            drop(timer);
            return;
        }
        let hold = activity(bus).hold("an action that fell due");
        drop(timer);
        let mut state = self.state.lock();
        // Closed meanwhile.
        if state.bus.is_none() {
            return drop((state, action, hold));
        }
        if state.runner.is_none() {
            state.runner = start_runner(bus.reporter());
        }
        let Some(runner) = &state.runner else {
            drop(state);
            // No thread for it: it holds up the timers, but is done.
            run_action(bus.reporter(), action);
            return drop(hold);
        };
        let refused = runner.send((action, hold));
        drop(state);
        drop(refused);
    }
}

fn activity(bus: &Bus) -> &Activity {
    bus.activity().expect("the kit's bus has an observer")
}

/// A panic of it is told on the bus, and does not affect the actions after it.
fn run_action(reporter: Reporter, action: Action) {
    let _ = reporter.contain(UserCode::Closure, action);
}

/// Starts a thread that runs what it is sent and ends when the sender is gone; `None` if the operating system has none.
fn start_runner(reporter: Reporter) -> Option<mpsc::Sender<(Action, ActivityGuard)>> {
    let (sender, jobs) = mpsc::channel::<(Action, ActivityGuard)>();
    let run = move || {
        for (action, hold) in jobs {
            run_action(reporter, action);
            drop(hold);
        }
    };
    let builder = std::thread::Builder::new().name("postroom-testkit".to_owned());
    builder.spawn(run).ok().map(|_| sender)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testkit::TestKit;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn actions_run_in_the_order_of_their_times_and_then_of_asking() {
        let kit = TestKit::new();
        let agenda = kit.agenda();
        let (done, order) = mpsc::channel();
        for (at, name) in [(3, "late"), (1, "first"), (1, "second"), (2, "between")] {
            let (done, kit) = (done.clone(), kit.clone());
            agenda.at(SECOND * at, move || done.send((name, kit.clock().now().as_secs())).unwrap());
        }
        assert_eq!((kit.clock().timers(), kit.clock().next_timer()), (4, Some(SECOND)));
        assert!(kit.activity().is_quiet(), "what is to come does not go on");
        kit.clock().advance(SECOND * 2);
        assert_eq!(order.try_iter().collect::<Vec<_>>(), [("first", 1), ("second", 1), ("between", 2)]);
        assert!(kit.activity().is_quiet());
        // Past already.
        agenda.at(SECOND, move || done.send(("at once", 2)).unwrap());
        assert_eq!(order.try_iter().collect::<Vec<_>>(), [("at once", 2)]);
        assert_eq!(kit.clock().timers(), 1);
    }

    #[test]
    fn an_action_may_put_off_another_and_goes_on_while_it_runs() {
        let kit = TestKit::new();
        let (done, order) = mpsc::channel();
        let inner = kit.clone();
        kit.agenda().after(SECOND, move || {
            assert!(!inner.activity().is_quiet());
            let now = inner.clone();
            inner.agenda().after(SECOND, move || done.send(now.clock().now()).unwrap());
        });
        kit.clock().advance(SECOND * 5);
        assert_eq!(order.recv(), Ok(SECOND * 2));
    }

    #[test]
    fn what_is_to_come_ends_with_the_kit() {
        let kit = TestKit::new();
        let clock = kit.clock().clone();
        let kept = Arc::new(());
        let gone = Arc::downgrade(&kept);
        let agenda = kit.agenda().clone();
        let inside = kit.bus().clone();
        agenda.after(SECOND, move || drop((kept, inside)));
        drop(kit);
        assert!(gone.upgrade().is_none());
        assert_eq!(clock.timers(), 0);
        agenda.after(SECOND, || panic!("nobody is there any more"));
        clock.advance(SECOND * 5);
    }

    #[test]
    fn on_the_systems_clock_a_thread_runs_them() {
        let kit = TestKit::builder().system_clock().build();
        let (done, order) = mpsc::channel();
        let now = kit.bus().clock().now();
        for (at, name) in [(2, "second"), (1, "first")] {
            let done = done.clone();
            let thread = move || std::thread::current().name().map(str::to_owned);
            kit.agenda().at(now + Duration::from_millis(at), move || done.send((name, thread())).unwrap());
        }
        let thread = Some("postroom-testkit".to_owned());
        assert_eq!(order.recv(), Ok(("first", thread.clone())));
        assert_eq!(order.recv(), Ok(("second", thread)));
        kit.activity().wait_quiet();
    }
}
