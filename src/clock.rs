//! Time: the only door to `now()`.
//!
//! A bus takes all its deadlines from one [`Clock`]: the system's, or a [`ManualClock`] that stands still until it is told
//! to advance, so that an hour of timeouts takes no time at all.
//!
//! Blocking waits on the system clock need no help. Waits that no thread stands behind (futures) leave their waker with a
//! timer; for the system clock the bus starts one thread for them when the first one comes, which ends with the bus. The
//! manual clock fires timers on the thread that advances it.

use crate::activity::{Activity, ActivityGuard, ActivityKind, come_back};
use crate::sync::{Mutex, Thread, park, park_timeout, spawn, thread_waker};
use crate::user_code::{Reporter, UserWaker};
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::time::{Duration, Instant, SystemTime};

/// The first time of a manual clock's wall clock: 1 January 2000, from 1 January 1970.
const MANUAL_EPOCH: Duration = Duration::from_secs(946_684_800);

/// The last time of day of a manual clock: 30 December 9999, 22:00 UTC, from 1 January 1970. The last hour that has a date of four
/// digits in every time zone.
const MANUAL_LAST: Duration = Duration::from_secs(253_402_207_200);

/// Where a bus takes its time from. Cheap to clone; clones are the same clock.
#[derive(Clone, Debug)]
pub struct Clock(Kind);

#[derive(Clone, Debug)]
enum Kind {
    System { origin: Instant },
    Manual(ManualClock),
}

impl Clock {
    /// The operating system's monotonic clock, counted from this call.
    pub fn system() -> Self {
        Clock(Kind::System { origin: Instant::now() })
    }

    /// A clock that stands still until it is advanced; keep the [`ManualClock`] to do so.
    pub fn manual() -> ManualClock {
        ManualClock::new()
    }

    /// Time since the clock was made. Never goes back.
    pub fn now(&self) -> Duration {
        match &self.0 {
            Kind::System { origin } => origin.elapsed(),
            Kind::Manual(clock) => clock.now(),
        }
    }

    /// The time of day, for what is shown to people and put into protocols; deadlines go by [`Clock::now`].
    ///
    /// The system's clock gives the operating system's, which may be set back. A manual one began on 1 January 2000, 00:00 UTC, and
    /// has moved on by as much as it was advanced. It stops at 30 December 9999, 22:00 UTC.
    ///
    /// # Example
    ///
    /// ```
    /// use postroom::Clock;
    /// use std::time::{Duration, UNIX_EPOCH};
    ///
    /// let manual = Clock::manual();
    /// let clock = Clock::from(&manual);
    /// assert_eq!(clock.wall_time(), UNIX_EPOCH + Duration::from_secs(946_684_800));
    /// manual.advance(Duration::from_secs(60));
    /// assert_eq!(clock.wall_time(), UNIX_EPOCH + Duration::from_secs(946_684_860));
    /// ```
    pub fn wall_time(&self) -> SystemTime {
        match &self.0 {
            Kind::System { .. } => SystemTime::now(),
            Kind::Manual(clock) => SystemTime::UNIX_EPOCH + clock.now().saturating_add(MANUAL_EPOCH).min(MANUAL_LAST),
        }
    }

    /// Whether it is a [`ManualClock`].
    pub fn is_manual(&self) -> bool {
        matches!(self.0, Kind::Manual(_))
    }
}

impl Default for Clock {
    fn default() -> Self {
        Clock::system()
    }
}

impl From<ManualClock> for Clock {
    fn from(clock: ManualClock) -> Self {
        Clock(Kind::Manual(clock))
    }
}

impl From<&ManualClock> for Clock {
    fn from(clock: &ManualClock) -> Self {
        clock.clone().into()
    }
}

/// A clock that a test moves by hand. It may serve several buses. Cheap to clone; clones are the same clock.
///
/// # Example
///
/// ```
/// use postroom::{Bus, Clock, RecvTimeoutError};
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
pub struct ManualClock(Arc<Manual>);

#[derive(Default)]
struct Manual {
    state: Mutex<ManualState>,
}

#[derive(Default)]
struct ManualState {
    now: Duration,
    timers: Timetable,
    /// The waiters for timers to be set.
    watching: Vec<UserWaker>,
}

impl ManualClock {
    /// A clock that shows zero, and as the time of day midnight UTC, 1 January 2000.
    pub fn new() -> Self {
        ManualClock::default()
    }

    /// Time since the clock was made: the sum of all advances, at most [`Duration::MAX`].
    pub fn now(&self) -> Duration {
        self.0.state.lock().now
    }

    /// Moves the clock on, firing every timer that falls due in the order of their deadlines, each when the clock shows that
    /// deadline, on this thread. Timers that are set meanwhile and fall due within `by` fire too. The clock stops at [`Duration::MAX`]; a
    /// wait whose end would be later never ends by time.
    ///
    /// Firing wakes a thread or a task; it does not wait for what they do next. Advances that several threads make at once overlap:
    /// each moves the clock from where it stood when it was called.
    pub fn advance(&self, by: Duration) {
        let target = self.now().saturating_add(by);
        loop {
            let due = {
                let mut state = self.0.state.lock();
                let Some((deadline, waker)) = state.timers.pop_due(target) else {
                    state.now = state.now.max(target);
                    return;
                };
                state.now = state.now.max(deadline);
                waker
            };
            due.wake();
        }
    }

    /// When the next timer falls due; `None` while nothing waits.
    pub fn next_timer(&self) -> Option<Duration> {
        self.0.state.lock().timers.next()
    }

    /// How many timers are set: one for each wait with a deadline that is under way.
    pub fn timers(&self) -> usize {
        self.0.state.lock().timers.len()
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
        let mut state = self.0.state.lock();
        if state.timers.len() >= count {
            drop(state);
            drop(waker);
            return Poll::Ready(());
        }
        if state.watching.iter().any(|known| known.wakes_the_same(&waker)) {
            drop(state);
            drop(waker);
            return Poll::Pending;
        }
        state.watching.push(waker);
        Poll::Pending
    }

    fn set(&self, deadline: Duration, waker: UserWaker) -> TimerKey {
        let mut state = self.0.state.lock();
        let key = state.timers.set(deadline, waker);
        let watching = std::mem::take(&mut state.watching);
        drop(state);
        watching.into_iter().for_each(UserWaker::wake);
        key
    }
}

impl fmt::Debug for ManualClock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("ManualClock").field(&self.now()).finish()
    }
}

/// Wakers by the time at which they are to be woken.
#[derive(Default)]
struct Timetable {
    wakers: BTreeMap<TimerKey, UserWaker>,
    set_so_far: u64,
}

/// Names a timer that is set. Ordered by deadline, then by the order of setting.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct TimerKey(Duration, u64);

impl Timetable {
    fn set(&mut self, deadline: Duration, waker: UserWaker) -> TimerKey {
        self.set_so_far += 1;
        let key = TimerKey(deadline, self.set_so_far);
        self.wakers.insert(key, waker);
        key
    }

    fn next(&self) -> Option<Duration> {
        self.wakers.first_key_value().map(|(key, _)| key.0)
    }

    fn pop_due(&mut self, now: Duration) -> Option<(Duration, UserWaker)> {
        let first = self.wakers.first_entry()?;
        (first.key().0 <= now).then(|| (first.key().0, first.remove()))
    }

    fn len(&self) -> usize {
        self.wakers.len()
    }
}

/// The timers of one bus.
pub(crate) struct Timers {
    clock: Clock,
    /// The clock of the timers that run in real time; the bus's own, unless that is a manual one.
    real: Clock,
    /// The timers that run in real time.
    own: Arc<Mutex<SystemTimers>>,
    /// On a bus that is observed: its activity, and the timers that count in it.
    watched: Option<Watched>,
    reporter: Reporter,
}

struct Watched {
    activity: Activity,
    /// Timers that are set, or have fired and were not taken back. LOCK ORDER: last.
    set: Mutex<BTreeMap<TimerKey, Arc<Firing>>>,
}

/// Wakes the waker that set a timer; from then on the timer counts as activity.
struct Firing {
    waker: UserWaker,
    activity: Activity,
    deadline: Duration,
    hold: Mutex<Option<ActivityGuard>>,
}

impl Wake for Firing {
    fn wake(self: Arc<Self>) {
        let fresh = self.activity.begin(ActivityKind::Timer(self.deadline));
        let before = self.hold.lock().replace(fresh);
        drop(before);
        self.waker.wake_by_ref();
    }
}

#[derive(Default)]
struct SystemTimers {
    timetable: Timetable,
    thread: Option<Thread>,
    ended: bool,
}

impl Timers {
    pub(crate) fn new(clock: Clock, activity: Option<Activity>, reporter: Reporter) -> Self {
        let watched = activity.map(|activity| Watched { activity, set: Mutex::default() });
        let real = if clock.is_manual() { Clock::system() } else { clock.clone() };
        Timers { clock, real, own: Arc::default(), watched, reporter }
    }

    /// The reporter of the bus that the timers belong to.
    pub(crate) fn reporter(&self) -> Reporter {
        self.reporter
    }

    /// Notes that this thread was given something by the bus, where that is counted.
    pub(crate) fn engage_thread(&self) {
        if let Some(watched) = &self.watched {
            watched.activity.engage_thread();
        }
    }

    /// Does what may wait, on the way of a thread that is no more busy after it than it was before.
    pub(crate) fn in_passing<R>(&self, wait: impl FnOnce() -> R) -> R {
        let was_engaged = self.has_engaged_thread();
        let result = wait();
        self.leave_thread(was_engaged);
        result
    }

    /// Notes that this thread is no more busy than it was.
    pub(crate) fn leave_thread(&self, was_engaged: bool) {
        if !was_engaged {
            come_back();
        }
    }

    /// Whether this thread counts as busy; true where that is not counted.
    pub(crate) fn has_engaged_thread(&self) -> bool {
        self.watched.as_ref().is_none_or(|watched| watched.activity.has_engaged_thread())
    }

    /// Notes that this thread waits on the bus, or found nothing there.
    pub(crate) fn release_thread(&self) {
        if self.watched.is_some() {
            come_back();
        }
    }

    pub(crate) fn now(&self) -> Duration {
        self.clock.now()
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
        let Some(watched) = &self.watched else { return self.set_unwatched(deadline, waker) };
        let firing = Arc::new(Firing { waker, activity: watched.activity.clone(), deadline, hold: Mutex::default() });
        let key = self.set_unwatched(deadline, UserWaker::new(&firing.clone().into(), self.reporter))?;
        watched.set.lock().insert(key, firing);
        Some(key)
    }

    /// As [`Timers::set`], for what does not count as going on and need not be cancelled.
    pub(crate) fn set_unwatched(&self, deadline: Duration, waker: UserWaker) -> Option<TimerKey> {
        if let Some(clock) = self.manual() {
            return Some(clock.set(deadline, waker));
        }
        self.set_own(deadline, waker)
    }

    /// Wakes `waker` after `wait` in real time, unless cancelled before with [`Timers::cancel_real`]: for what goes on outside of the bus,
    /// which no manual clock hurries. Does not count as going on.
    pub(crate) fn set_real(&self, wait: Duration, waker: &Waker) -> Option<TimerKey> {
        self.set_own(self.real.now().checked_add(wait)?, UserWaker::new(waker, self.reporter))
    }

    fn set_own(&self, deadline: Duration, waker: UserWaker) -> Option<TimerKey> {
        let mut own = self.own.lock();
        if own.thread.is_none() {
            own.thread = self.start_thread();
        }
        let Some(thread) = &own.thread else {
            drop(own);
            waker.wake();
            return None;
        };
        if own.timetable.next().is_none_or(|next| deadline < next) {
            thread.unpark();
        }
        Some(own.timetable.set(deadline, waker))
    }

    /// Takes a timer back; fired ones are gone already.
    pub(crate) fn cancel(&self, key: TimerKey) {
        let waker = match self.manual() {
            Some(clock) => clock.0.state.lock().timers.wakers.remove(&key),
            None => self.own.lock().timetable.wakers.remove(&key),
        };
        // A waker is a user's: dropped with no lock held.
        drop(waker);
        let firing = self.watched.as_ref().map(|watched| watched.set.lock().remove(&key));
        drop(firing);
    }

    /// As [`Timers::cancel`], for one that was set with [`Timers::set_real`].
    pub(crate) fn cancel_real(&self, key: TimerKey) {
        let waker = self.own.lock().timetable.wakers.remove(&key);
        drop(waker);
    }

    /// Parks this thread until `waker`, which unparks it, is woken, or the clock shows `deadline`. May return early.
    ///
    /// With an observer, the thread counts as back at the bus while it sleeps, and as busy when this returns.
    pub(crate) fn park(&self, waker: &Waker, deadline: Option<Duration>) {
        match (deadline, self.manual()) {
            (None, _) => {
                self.release_thread();
                park();
            }
            (Some(deadline), None) => {
                self.release_thread();
                park_timeout(deadline.saturating_sub(self.now()));
            }
            (Some(deadline), Some(_)) => {
                // Before the thread stops counting: a thread that finds all quiet must find the timer too, lest time
                // goes past it.
                let key = self.set(deadline, waker);
                // If it is set too late, it never fires; if it is set in time, it counts once it
                // has fired.
                if self.now() < deadline {
                    self.release_thread();
                    park();
                }
                // Before the timer is taken back: one of the two always counts.
                self.engage_thread();
                if let Some(key) = key {
                    self.cancel(key);
                }
            }
        }
        self.engage_thread();
    }

    pub(crate) fn is_manual(&self) -> bool {
        self.manual().is_some()
    }

    fn manual(&self) -> Option<&ManualClock> {
        match &self.clock.0 {
            Kind::Manual(clock) => Some(clock),
            Kind::System { .. } => None,
        }
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
                    (timers.timetable.pop_due(clock.now()), timers.timetable.next())
                };
                match (due, next) {
                    (Some((_, waker)), _) => waker.wake(),
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

    #[test]
    fn a_manual_clock_fires_in_the_order_of_deadlines_and_only_what_is_due() {
        let manual = Clock::manual();
        let timers = Timers::new(manual.clone().into(), None, Reporter::default());
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
        let timers = Timers::new(Clock::system(), None, Reporter::default());
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
}
