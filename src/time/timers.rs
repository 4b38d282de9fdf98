//! The timers of one bus, and the thread that fires them.

use super::clock::Clock;
use super::queue::{Fire, Timer, TimerKey, TimerQueue};
use crate::activity::{Activity, ActivityGuard, ActivityKind, mark_thread_idle};
use crate::sync::{Mutex, Thread, park, park_timeout, spawn};
use crate::user_code::{Reporter, UserWaker};
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::task::Waker;
use std::time::Duration;

/// The timers of one bus.
pub(crate) struct Timers {
    clock: Clock,
    /// The clock of the timers that run in real time; the bus's own, unless that is a manual one.
    real: Clock,
    /// The timers that run in real time.
    own: Arc<Mutex<SystemTimers>>,
    /// On a bus that is observed: its activity, and the timers that count in it.
    tracked: Option<TrackedTimers>,
    reporter: Reporter,
    before_wait: fn() -> bool,
}

struct TrackedTimers {
    activity: Activity,
    /// Timers that are set, or have fired and were not taken back. LOCK ORDER: last.
    set: Mutex<BTreeMap<TimerKey, Arc<TrackedTimer>>>,
}

/// Wakes the waker that set a timer; from its time on the timer counts as activity.
struct TrackedTimer {
    waker: UserWaker,
    activity: Activity,
    deadline: Duration,
    guard: Mutex<Option<ActivityGuard>>,
}

impl Fire for TrackedTimer {
    fn begin(&self) {
        *self.guard.lock() = Some(self.activity.begin(ActivityKind::Timer(self.deadline)));
    }

    fn fire(self: Arc<Self>) {
        self.waker.wake_by_ref();
    }
}

struct SystemTimers {
    queue: TimerQueue,
    thread: Option<Thread>,
    ended: bool,
}

impl Timers {
    /// `before_wait` runs on a thread whose task is about to give up its turn, and says whether it did anything.
    pub(crate) fn new(clock: Clock, activity: Option<Activity>, reporter: Reporter, before_wait: fn() -> bool) -> Self {
        let tracked = activity.map(|activity| TrackedTimers { activity, set: Mutex::default() });
        let (real, queue) = match clock.is_manual() {
            true => (Clock::system(), TimerQueue::real()),
            false => (clock.clone(), TimerQueue::default()),
        };
        let own = Arc::new(Mutex::new(SystemTimers { queue, thread: None, ended: false }));
        Timers { clock, real, own, tracked, reporter, before_wait }
    }

    /// The reporter of the bus that the timers belong to.
    pub(crate) fn reporter(&self) -> Reporter {
        self.reporter
    }

    /// The activity of the bus, if it is observed.
    pub(super) fn activity(&self) -> Option<&Activity> {
        self.tracked.as_ref().map(|tracked| &tracked.activity)
    }

    /// For a task that is about to give up its turn: runs the callbacks that wait for theirs on this thread. True if there were any; then the
    /// task looks again.
    pub(super) fn before_wait(&self) -> bool {
        (self.before_wait)()
    }

    /// Notes that this thread was given something by the bus, where that is counted.
    pub(crate) fn mark_busy(&self) {
        if let Some(activity) = self.activity() {
            activity.mark_busy();
        }
    }

    /// Runs `wait`, and leaves this thread as busy as it was.
    pub(crate) fn in_passing<R>(&self, wait: impl FnOnce() -> R) -> R {
        let was_busy = self.is_thread_busy();
        let result = wait();
        self.mark_as_before(was_busy);
        result
    }

    /// Notes that this thread is as busy as it was.
    pub(crate) fn mark_as_before(&self, was_busy: bool) {
        if was_busy {
            self.mark_busy();
        } else {
            mark_thread_idle();
        }
    }

    /// Whether this thread counts as busy; true where that is not counted.
    pub(crate) fn is_thread_busy(&self) -> bool {
        self.activity().is_none_or(Activity::is_thread_busy)
    }

    /// Notes that this thread waits on the bus, or found nothing there.
    pub(crate) fn mark_idle(&self) {
        if self.tracked.is_some() {
            mark_thread_idle();
        }
    }

    pub(crate) fn now(&self) -> Duration {
        self.clock.now()
    }

    /// The time of the timers that run in real time.
    pub(crate) fn real_now(&self) -> Duration {
        self.real.now()
    }

    /// The time `wait` from now; `None` if that is past all time.
    pub(crate) fn deadline(&self, wait: Duration) -> Option<Duration> {
        self.now().checked_add(wait)
    }

    /// Wakes `waker` once the clock shows `deadline`, unless cancelled before.
    ///
    /// `None` if that is impossible, because the operating system has no thread for it. Then it is woken at once: a task that looks
    /// again and again costs more than one that sleeps, and is as right.
    pub(crate) fn set(&self, deadline: Duration, waker: &Waker) -> Option<TimerKey> {
        let waker = UserWaker::new(waker, self.reporter);
        let Some(tracked) = &self.tracked else { return self.set_or_wake(deadline, Timer::Wake(waker)) };
        let activity = tracked.activity.clone();
        let timer = Arc::new(TrackedTimer { waker, activity, deadline, guard: Mutex::default() });
        let key = self.set_or_wake(deadline, Timer::Fire(timer.clone()))?;
        tracked.set.lock().insert(key, timer);
        Some(key)
    }

    /// Wakes `waker` after `wait` in real time, unless cancelled before: for what goes on outside of the bus, which no manual clock
    /// hurries. Does not count as activity. `None` as for [`Timers::set`], and if that is past all time.
    pub(crate) fn set_real(&self, wait: Duration, waker: &Waker) -> Option<TimerKey> {
        let deadline = self.real.now().checked_add(wait)?;
        let timer = Timer::Wake(UserWaker::new(waker, self.reporter));
        self.set_own(deadline, timer, true).map_err(Timer::fire).ok()
    }

    /// Fires at `deadline`, unless cancelled before. If the operating system has no thread for it, it fires when there is one: each further
    /// timer asks for one again.
    pub(super) fn set_to_fire(&self, deadline: Duration, timer: Arc<dyn Fire>) -> TimerKey {
        match self.clock.as_manual() {
            Some(clock) => clock.set(deadline, Timer::Fire(timer)),
            None => self.set_own(deadline, Timer::Fire(timer), false).unwrap_or_else(|_| unreachable!("it stays")),
        }
    }

    fn set_or_wake(&self, deadline: Duration, timer: Timer) -> Option<TimerKey> {
        match self.clock.as_manual() {
            Some(clock) => Some(clock.set(deadline, timer)),
            None => self.set_own(deadline, timer, true).map_err(Timer::fire).ok(),
        }
    }

    /// Gives the timer back if it needs a thread and the operating system has none.
    fn set_own(&self, deadline: Duration, timer: Timer, needs_thread: bool) -> Result<TimerKey, Timer> {
        let mut own = self.own.lock();
        if own.thread.is_none() {
            own.thread = self.start_thread();
        }
        match &own.thread {
            Some(thread) if own.queue.next().is_none_or(|next| deadline < next) => thread.unpark(),
            None if needs_thread => return Err(timer),
            Some(_) | None => {}
        }
        Ok(own.queue.set(deadline, timer))
    }

    /// Takes a timer back; fired ones are gone already.
    pub(crate) fn cancel(&self, key: TimerKey) {
        let timer = match self.clock.as_manual() {
            Some(clock) if !key.is_real => clock.remove(key),
            _ => self.own.lock().queue.remove(key),
        };
        // A waker is a user's: dropped with no lock held.
        drop(timer);
        let tracked = self.tracked.as_ref().map(|tracked| tracked.set.lock().remove(&key));
        drop(tracked);
    }

    /// Parks this thread until `waker`, which unparks it, is woken, or the clock shows `deadline`. May return early.
    ///
    /// With an observer, the thread counts as back at the bus while it sleeps, and as busy when this returns.
    pub(crate) fn park(&self, waker: &Waker, deadline: Option<Duration>) {
        match deadline {
            None => {
                self.mark_idle();
                park();
            }
            Some(deadline) if !self.is_manual() => {
                self.mark_idle();
                park_timeout(deadline.saturating_sub(self.now()));
            }
            Some(deadline) => {
                // Before the thread stops counting: a thread that finds all quiet must find the timer too, lest time
                // goes past it.
                let key = self.set(deadline, waker);
                // If it is set too late, it never fires; if it is set in time, it counts once it
                // has fired.
                if self.now() < deadline {
                    self.mark_idle();
                    park();
                }
                // Before the timer is taken back: one of the two always counts.
                self.mark_busy();
                if let Some(key) = key {
                    self.cancel(key);
                }
            }
        }
        self.mark_busy();
    }

    pub(crate) fn is_manual(&self) -> bool {
        self.clock.is_manual()
    }

    fn start_thread(&self) -> Option<Thread> {
        let (clock, timers) = (self.real.clone(), self.own.clone());
        let run = move || {
            loop {
                let (due, next) = {
                    let mut timers = timers.lock();
                    if timers.ended {
                        return;
                    }
                    (timers.queue.pop_due(clock.now()), timers.queue.next())
                };
                match (due, next) {
                    (Some((_, timer)), _) => timer.fire(),
                    (None, Some(next)) => park_timeout(next.saturating_sub(clock.now())),
                    (None, None) => park(),
                }
            }
        };
        spawn("postroom-timer", run)
    }
}

impl Drop for Timers {
    fn drop(&mut self) {
        let mut own = self.own.lock();
        own.ended = true;
        if let Some(thread) = &own.thread {
            thread.unpark();
        }
    }
}

impl fmt::Debug for Timers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Timers").field("clock", &self.clock).finish_non_exhaustive()
    }
}

#[cfg(all(test, not(postroom_shuttle)))]
mod tests {
    use super::*;
    use std::sync::mpsc;
    use std::task::Wake;

    struct Report(u32, mpsc::Sender<u32>);

    impl Wake for Report {
        fn wake(self: Arc<Self>) {
            let _ = self.1.send(self.0);
        }
    }

    fn report(n: u32, to: &mpsc::Sender<u32>) -> Waker {
        Arc::new(Report(n, to.clone())).into()
    }

    fn timers(clock: Clock) -> Timers {
        Timers::new(clock, None, Reporter::default(), || false)
    }

    #[test]
    fn a_manual_clock_fires_in_the_order_of_deadlines_and_only_what_is_due() {
        let manual = Clock::manual();
        let timers = timers(manual.clone().into());
        let (tx, rx) = mpsc::channel();
        let second = Duration::from_secs(1);
        timers.set(second * 3, &report(3, &tx));
        timers.set(second, &report(1, &tx));
        let cancelled = timers.set(second, &report(9, &tx)).unwrap();
        timers.set(second * 2, &report(2, &tx));
        timers.cancel(cancelled);
        manual.advance(second * 2);
        assert_eq!(rx.try_iter().collect::<Vec<_>>(), [1, 2]);
        assert_eq!((manual.timers(), manual.next_timer()), (1, Some(second * 3)));
    }

    #[test]
    fn the_timer_thread_of_the_system_clock_fires_and_ends_with_its_owner() {
        let timers = timers(Clock::system());
        let (tx, rx) = mpsc::channel();
        // The thread sleeps toward the first; the second is due before and must wake it.
        timers.set(timers.now() + Duration::from_secs(3600), &report(2, &tx));
        timers.set(timers.now() + Duration::from_millis(1), &report(1, &tx));
        assert_eq!(rx.recv(), Ok(1));
        let own = Arc::downgrade(&timers.own);
        drop(timers);
        // The thread holds the last reference; wait for the state, not for a time.
        while own.strong_count() > 0 {
            std::thread::yield_now();
        }
    }

    #[test]
    fn a_real_timer_and_one_of_the_manual_clock_do_not_take_each_other_back() {
        let manual = Clock::manual();
        let timers = timers(manual.clone().into());
        let (tx, rx) = mpsc::channel();
        let hour = Duration::from_secs(3600);
        let real = timers.set_real(hour, &report(1, &tx)).unwrap();
        let key = timers.set(hour, &report(2, &tx)).unwrap();
        timers.cancel(real);
        assert_eq!((manual.timers(), timers.own.lock().queue.len()), (1, 0));
        let again = timers.set_real(hour, &report(3, &tx)).unwrap();
        timers.cancel(key);
        assert_eq!((manual.timers(), timers.own.lock().queue.len()), (0, 1));
        timers.cancel(again);
        manual.advance(hour);
        assert!(rx.try_recv().is_err());
    }
}
