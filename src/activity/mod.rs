//! The activity of a bus with an observer: the holders of published messages that are not finished yet.
//!
//! A bus that is [observed](crate::BusBuilder::observer) counts, at any moment, the messages that exist (queued, in a channel of
//! the user's, or being handled), and the threads, subscribers and timers that the bus gave something to and that have not come
//! back for more. When there is none of them, all work that the bus set going has ended. A bus that is not observed counts
//! nothing.

mod tracked;

use crate::id::{MessageId, SubscriptionId};
use crate::subject::{Pattern, Subject};
use crate::sync::{Mutex, park, thread_waker};
use crate::user_code::{Reporter, UserWaker, WakerSet};
use std::cell::RefCell;
use std::fmt;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

pub use tracked::Tracked;

/// Counts what a bus has set going and what has not come to an end; see [`Bus::activity`](crate::Bus::activity). Cheap to clone; clones are
/// the same.
///
/// # What counts
///
/// | what | from | until |
/// |---|---|---|
/// | a message | its publish passes all checks | its last copy is dropped, wherever it lies |
/// | a callback | its message came | it has returned |
/// | a thread | a blocking call of the bus gave it a message or an answer, or its time was up | it waits on the bus again, finds nothing to receive, or ends |
/// | a subscriber | a future or stream of it gave a task a message | it is asked for the next, or dropped |
/// | a timer | it fired | its owner has taken notice |
/// | a [scheduled task](crate::Bus::schedule_at) | its time has come | it has ended |
/// | a task that is wrapped by [`Activity::task`] | it is made, or woken | it waits |
/// | a part of a program | [`Activity::hold`] | the [`ActivityGuard`] is dropped |
///
/// Messages for connections that are [`untracked`](crate::ConnectOptions::untracked) do not count once they are there, nor does a
/// thread for having been given one, or an answer. The work of a task between a fired timer, or a failed request, and its next look
/// at the bus is not seen; hold it by hand if it matters.
#[derive(Clone, Default)]
pub struct Activity {
    ongoing: Arc<Mutex<Ongoing>>,
    reporter: Reporter,
}

/// Room for so many activities at once is not given back.
const ROOM_KEPT: usize = 1_024;

#[derive(Default)]
struct Ongoing {
    /// By number of the hold.
    held: Vec<Option<ActivityKind>>,
    free: Vec<u32>,
    changes: u64,
    waiting: WakerSet,
}

/// A holder or a thing that an [`Activity`] counts.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ActivityKind {
    /// A message, by the number that the observer gave it.
    Message {
        /// The observer's number.
        id: MessageId,
        /// Where it was published.
        subject: Subject,
    },
    /// A callback that runs.
    Callback {
        /// The number of its subscription.
        subscription: SubscriptionId,
        /// Its pattern.
        pattern: Pattern,
    },
    /// A thread that was given something. Its name, or its number where it has none.
    Thread(String),
    /// A subscriber that gave something to a task.
    Subscriber {
        /// The number of its subscription.
        subscription: SubscriptionId,
        /// Its pattern.
        pattern: Pattern,
    },
    /// A timer that fired; the time that it was set to, on the bus's clock.
    Timer(Duration),
    /// A [scheduled task](crate::Bus::schedule_at) whose time has come; that time, on the bus's clock.
    ScheduledTask(Duration),
    /// A part of a program that said so itself.
    Part(String),
}

impl fmt::Display for ActivityKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ActivityKind::Message { id, subject } => {
                write!(f, "message {id} on `{subject}` is queued or in somebody's hands")
            }
            ActivityKind::Callback { subscription, pattern } => {
                write!(f, "the callback of subscription {subscription} on `{pattern}` runs")
            }
            ActivityKind::Thread(name) => {
                write!(f, "thread {name} was given something and has not come back to the bus")
            }
            ActivityKind::Subscriber { subscription, pattern } => {
                write!(
                    f,
                    "a task took something from subscription {subscription} on `{pattern}` and has not asked again"
                )
            }
            ActivityKind::Timer(at) => write!(f, "a timer fired at {at:?} and nobody has taken notice yet"),
            ActivityKind::ScheduledTask(at) => write!(f, "the task that was scheduled for {at:?} has not ended"),
            ActivityKind::Part(name) => write!(f, "{name} is busy"),
        }
    }
}

/// As long as it is there, what it stands for counts as going on.
#[must_use = "what it stands for is over when it is dropped"]
pub struct ActivityGuard {
    activity: Activity,
    number: u32,
}

impl Activity {
    pub(crate) fn new(reporter: Reporter) -> Self {
        Activity { reporter, ..Activity::default() }
    }

    /// Says that a part of a program is busy, until the hold is dropped.
    pub fn hold(&self, name: impl Into<String>) -> ActivityGuard {
        self.begin(ActivityKind::Part(name.into()))
    }

    /// Makes a task count as going on from when it is made or woken until it waits: whatever woke it, on whatever executor. It is known by
    /// the name of its type until it is [named](Tracked::named).
    pub fn task<F: Future>(&self, future: F) -> Tracked<F> {
        Tracked::new(self.clone(), future)
    }

    /// Whether there is no activity.
    pub fn is_quiet(&self) -> bool {
        self.ongoing.lock().is_quiet()
    }

    /// All activities, in no particular order.
    pub fn held(&self) -> Vec<ActivityKind> {
        self.ongoing.lock().held.iter().flatten().cloned().collect()
    }

    /// The number of activities.
    #[expect(clippy::len_without_is_empty, reason = "that is `is_quiet`")]
    pub fn len(&self) -> usize {
        let ongoing = self.ongoing.lock();
        ongoing.held.len() - ongoing.free.len()
    }

    /// How often an activity has begun or ended. As long as that stays the same, a quiet bus is still
    /// quiet.
    pub fn changes(&self) -> u64 {
        self.ongoing.lock().changes
    }

    /// Blocks until there is no activity. This thread is taken to have come back to the bus.
    pub fn wait_quiet(&self) {
        mark_thread_idle();
        if self.is_quiet() {
            return;
        }
        let waker = thread_waker();
        while !self.is_quiet_or(&waker) {
            park();
        }
    }

    /// Ready when there is no activity; else the waker is woken when that may have changed.
    pub fn poll_quiet(&self, cx: &mut Context<'_>) -> Poll<()> {
        if self.is_quiet_or(cx.waker()) { Poll::Ready(()) } else { Poll::Pending }
    }

    /// Whether there is no activity; else leaves the waker, which is woken when there is none.
    fn is_quiet_or(&self, waker: &Waker) -> bool {
        // Cloned before the lock, and what it replaces dropped after: wakers are a user's code.
        let waker = UserWaker::new(waker, self.reporter);
        let mut ongoing = self.ongoing.lock();
        let is_quiet = ongoing.is_quiet();
        let unused = if is_quiet { Some(waker) } else { ongoing.waiting.insert(waker) };
        drop(ongoing);
        drop(unused);
        is_quiet
    }

    pub(crate) fn begin(&self, held: ActivityKind) -> ActivityGuard {
        let mut ongoing = self.ongoing.lock();
        ongoing.changes += 1;
        let number = match ongoing.free.pop() {
            Some(number) => {
                ongoing.held[number as usize] = Some(held);
                number
            }
            None => {
                ongoing.held.push(Some(held));
                u32::try_from(ongoing.held.len() - 1).expect("fewer than 2^32 go on at once")
            }
        };
        drop(ongoing);
        ActivityGuard { activity: self.clone(), number }
    }

    /// Says that this thread is busy until it waits on the bus again, finds nothing to receive there, or ends: as if the bus had given it
    /// something just now.
    pub fn mark_busy(&self) {
        // `None` once the thread is ending and its storage is gone.
        let _ = LEASES.try_with(|leases| {
            if !leases.borrow().iter().any(|hold| hold.activity.is(self)) {
                let thread = std::thread::current();
                let name = thread.name().map_or_else(|| format!("{:?}", thread.id()), |name| format!("`{name}`"));
                let hold = self.begin(ActivityKind::Thread(name));
                leases.borrow_mut().push(hold);
            }
        });
    }

    /// Says that this thread has come back to the bus: what it was given, by any bus, it is done with.
    pub fn mark_idle(&self) {
        mark_thread_idle();
    }

    /// Whether this thread counts as busy.
    pub(crate) fn is_thread_busy(&self) -> bool {
        LEASES.try_with(|leases| leases.borrow().iter().any(|hold| hold.activity.is(self))).unwrap_or(false)
    }

    fn is(&self, other: &Activity) -> bool {
        Arc::ptr_eq(&self.ongoing, &other.ongoing)
    }
}

impl Ongoing {
    fn is_quiet(&self) -> bool {
        self.held.len() == self.free.len()
    }

    /// Gives back the room of many activities (G6), and the wakers that are to be woken.
    fn come_to_rest(&mut self) -> Vec<UserWaker> {
        if self.held.len() > ROOM_KEPT {
            (self.held, self.free) = (Vec::new(), Vec::new());
        }
        self.waiting.take()
    }
}

impl Drop for ActivityGuard {
    fn drop(&mut self) {
        let mut ongoing = self.activity.ongoing.lock();
        ongoing.changes += 1;
        let held = ongoing.held[self.number as usize].take();
        ongoing.free.push(self.number);
        let waiting = if ongoing.is_quiet() { ongoing.come_to_rest() } else { Vec::new() };
        drop(ongoing);
        drop(held);
        waiting.into_iter().for_each(UserWaker::wake);
    }
}

/// This thread has come back to the bus: it waits there, or found nothing.
pub(crate) fn mark_thread_idle() {
    // Dropped after the borrow: dropping one may wake a waiter.
    let leases = LEASES.try_with(|leases| std::mem::take(&mut *leases.borrow_mut()));
    drop(leases);
}

#[cfg(not(postroom_shuttle))]
thread_local! {
    /// One for each bus that gave this thread something since it last came back. Dropped when the thread ends.
    static LEASES: RefCell<Vec<ActivityGuard>> = const { RefCell::new(Vec::new()) };
}

#[cfg(postroom_shuttle)]
shuttle::thread_local! {
    static LEASES: RefCell<Vec<ActivityGuard>> = RefCell::new(Vec::new());
}

impl fmt::Debug for Activity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.held()).finish()
    }
}

impl fmt::Debug for ActivityGuard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("ActivityGuard").field(&self.activity.ongoing.lock().held[self.number as usize]).finish()
    }
}

#[cfg(all(test, not(postroom_shuttle)))]
mod tests {
    use super::*;

    #[test]
    fn quiet_is_when_all_holds_are_gone() {
        let activity = Activity::default();
        assert!(activity.is_quiet());
        let (first, second) = (activity.hold("a"), activity.hold("b"));
        assert_eq!(activity.held(), [ActivityKind::Part("a".into()), ActivityKind::Part("b".into())]);
        drop(first);
        assert!(!activity.is_quiet());
        let waiting = std::thread::spawn({
            let activity = activity.clone();
            move || activity.wait_quiet()
        });
        drop(second);
        waiting.join().unwrap();
        assert!(activity.is_quiet());
        // Places are used again.
        let third = activity.hold("c");
        assert_eq!((activity.len(), activity.ongoing.lock().held.len()), (1, 2));
        drop(third);
    }

    /// G6.
    #[test]
    fn room_is_given_back_when_all_is_quiet() {
        let activity = Activity::default();
        let room = || {
            let ongoing = activity.ongoing.lock();
            (ongoing.held.capacity(), ongoing.free.capacity())
        };
        let many: Vec<_> = (0..10_000).map(|n| activity.hold(n.to_string())).collect();
        assert!(room().0 >= 10_000);
        drop(many);
        assert_eq!((activity.is_quiet(), room()), (true, (0, 0)));
        let few = [(); 3].map(|()| activity.hold("again"));
        assert_eq!(activity.len(), 3);
        drop(few);
        assert!(activity.is_quiet() && room().0 >= 3, "a few are used again");
    }

    #[test]
    fn who_asks_often_waits_once() {
        let activity = Activity::default();
        let hold = activity.hold("a");
        assert_eq!(activity.changes(), 1);
        let mut context = Context::from_waker(Waker::noop());
        assert!(activity.poll_quiet(&mut context).is_pending());
        assert!(activity.poll_quiet(&mut context).is_pending());
        assert_eq!(activity.ongoing.lock().waiting.len(), 1);
        drop(hold);
        assert!(activity.poll_quiet(&mut context).is_ready());
        assert_eq!(activity.changes(), 2);
        assert_eq!(activity.ongoing.lock().waiting.len(), 0);
    }

    /// G6: each waiter looks for itself among those that wait.
    #[test]
    fn many_waiters_cost_no_square() {
        struct Other;

        impl std::task::Wake for Other {
            fn wake(self: Arc<Self>) {}
        }

        crate::steps::assert_linear(|waiters| {
            let activity = Activity::default();
            let guard = activity.hold("a");
            let wakers: Vec<Waker> = (0..waiters).map(|_| Arc::new(Other).into()).collect();
            for waker in wakers.iter().chain(&wakers) {
                assert!(activity.poll_quiet(&mut Context::from_waker(waker)).is_pending());
            }
            assert_eq!(activity.ongoing.lock().waiting.len(), waiters);
            drop(guard);
        });
    }

    #[test]
    fn a_thread_counts_until_it_comes_back_or_ends() {
        let activity = Activity::default();
        activity.mark_busy();
        activity.mark_busy();
        assert_eq!(activity.len(), 1);
        activity.mark_idle();
        assert!(activity.is_quiet());
        let other = activity.clone();
        std::thread::spawn(move || other.mark_busy()).join().unwrap();
        activity.wait_quiet();
    }
}
