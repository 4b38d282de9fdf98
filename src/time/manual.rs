//! The clock that a test moves.

use super::queue::{Timer, TimerKey, TimerQueue};
use crate::sync::{Mutex, park, thread_waker};
use crate::user_code::{Reporter, UserWaker, WakerSet};
use std::fmt;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

/// A clock that a test moves by hand. It may serve several buses. Cheap to clone; clones are the same clock.
///
/// # Example
///
/// ```
/// use postroom::{Bus, Clock};
/// use postroom::error::RecvTimeoutError;
/// use std::time::Duration;
///
/// let clock = Clock::manual();
/// let bus = Bus::builder().clock(&clock).build();
/// let hour = Duration::from_secs(3600);
/// let quiet = bus.connect().subscribe("quiet")?;
///
/// std::thread::scope(|scope| {
///     let waiting = scope.spawn(|| quiet.recv_timeout(hour));
///     clock.wait_for_timers(1); // the other thread waits now
///     clock.advance(hour);
///     assert_eq!(waiting.join().unwrap().unwrap_err(), RecvTimeoutError::Timeout);
/// });
/// # Ok::<_, Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Default)]
pub struct ManualClock(Arc<Mutex<ManualState>>);

#[derive(Default)]
struct ManualState {
    now: Duration,
    timers: TimerQueue,
    /// The waiters for timers to be set.
    watching: WakerSet,
}

impl ManualClock {
    /// A clock that shows zero, and as the time of day midnight UTC, 1 January 2000.
    pub fn new() -> Self {
        ManualClock::default()
    }

    /// Time since the clock was made: the sum of all advances, at most [`Duration::MAX`].
    pub fn now(&self) -> Duration {
        self.0.lock().now
    }

    /// Moves the clock on, firing every timer that falls due in the order of their deadlines, each when the clock shows that
    /// deadline, on this thread; timers of one deadline fire in the order in which they were set. Timers that are set meanwhile and fall due
    /// within `by` fire too, and so do those that were due already. The clock stops at [`Duration::MAX`]; a wait whose end would be later
    /// never ends by time.
    ///
    /// Firing wakes a thread or a task, and does not wait for what they do next; or it runs a [scheduled
    /// task](crate::Bus::schedule_at), which has ended when this returns. Advances that several threads make at once overlap: each moves
    /// the clock from where it stood when it was called.
    pub fn advance(&self, by: Duration) {
        let target = self.now().saturating_add(by);
        loop {
            let due = {
                let mut state = self.0.lock();
                let Some((deadline, timer)) = state.timers.pop_due(target) else {
                    state.now = state.now.max(target);
                    return;
                };
                state.now = state.now.max(deadline);
                timer
            };
            due.fire();
        }
    }

    /// When the next timer falls due; `None` while nothing waits.
    pub fn next_timer(&self) -> Option<Duration> {
        self.0.lock().timers.next()
    }

    /// How many timers are set: one for each wait with a deadline that is under way, and one for each scheduled task.
    pub fn timers(&self) -> usize {
        self.0.lock().timers.len()
    }

    /// Blocks until at least `count` timers are set: how a test knows that others have begun to wait.
    pub fn wait_for_timers(&self, count: usize) {
        let waker = thread_waker();
        while self.poll_timers(count, &mut Context::from_waker(&waker)).is_pending() {
            park();
        }
    }

    /// Ready when at least `count` timers are set; else the waker is woken when one more is.
    pub fn poll_timers(&self, count: usize, cx: &mut Context<'_>) -> Poll<()> {
        // Cloned before the lock, and dropped after: wakers are a user's code. A clock belongs to no bus that could be told.
        let waker = UserWaker::new(cx.waker(), Reporter::default());
        let mut state = self.0.lock();
        let is_reached = state.timers.len() >= count;
        let unused = if is_reached { Some(waker) } else { state.watching.insert(waker) };
        drop(state);
        drop(unused);
        if is_reached { Poll::Ready(()) } else { Poll::Pending }
    }

    pub(super) fn set(&self, deadline: Duration, timer: Timer) -> TimerKey {
        let mut state = self.0.lock();
        let key = state.timers.set(deadline, timer);
        let watching = state.watching.take();
        drop(state);
        watching.into_iter().for_each(UserWaker::wake);
        key
    }

    /// To be dropped with no lock held.
    #[must_use]
    pub(super) fn remove(&self, key: TimerKey) -> Option<Timer> {
        self.0.lock().timers.remove(key)
    }
}

impl fmt::Debug for ManualClock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("ManualClock").field(&self.now()).finish()
    }
}

#[cfg(all(test, not(postroom_shuttle)))]
mod tests {
    use super::*;
    use std::task::{Wake, Waker};

    /// A waker like no other.
    struct Other;

    impl Wake for Other {
        fn wake(self: Arc<Self>) {}
    }

    /// G6: waiters look for themselves among those that wait.
    #[test]
    fn many_waiters_for_timers_cost_no_square() {
        crate::steps::assert_linear(|waiters| {
            let clock = ManualClock::new();
            let wakers: Vec<Waker> = (0..waiters).map(|_| Arc::new(Other).into()).collect();
            for waker in wakers.iter().chain(&wakers) {
                assert!(clock.poll_timers(1, &mut Context::from_waker(waker)).is_pending());
            }
            assert_eq!(clock.0.lock().watching.len(), waiters);
        });
    }
}
