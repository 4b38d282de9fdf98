//! Waiting for a state to change: threads and tasks, in one list of wakers.
//!
//! While the list is empty, it costs the other side one load. The pattern on both sides:
//!
//! ```text
//! waiter:  register            then look at the state again, then sleep
//! changer: change the state    then look whether anybody waits, then wake
//! ```
//!
//! Both "then" are SeqCst on both operations, so that at least one side sees the other. Wakers are a user's code: they are
//! cloned, woken and dropped only where the list's lock is not held, and their panics are contained.
//!
//! **A wake-up that is not used.** One change wakes one waiter. A thread that sleeps here looks at the state when it is woken. A task need not:
//! it may hold a future that it does not poll any more and has not dropped either, as after a `select!` that another branch won. So a
//! task is never the only one that can act on a change while others wait: the first thread that waits is woken with it; if only tasks
//! wait, a [`Watchdog`] looks again a moment later, and without a watchdog all of them are woken.

use super::callbacks;
use crate::sync::atomic::{AtomicUsize, Ordering};
use crate::sync::{Mutex, thread_waker};
use crate::time::Timers;
use crate::user_code::{Reporter, UserWaker};
use smallvec::SmallVec;
use std::collections::VecDeque;
use std::fmt;
use std::sync::Arc;
use std::task::Waker;
use std::time::Duration;

/// How often a thread looks again before it parks: parking and being woken cost the two sides tens of microseconds.
const SPINS: u32 = if cfg!(postroom_shuttle) { 1 } else { 64 };

#[derive(Debug, Default)]
pub(crate) struct WaitList {
    // | field   | written by              | read by                     | invariant                           |
    // | waiting | the holder of the lock  | `is_idle`, without the lock | the length of the list at some time |
    waiting: AtomicUsize,
    list: Mutex<List>,
}

/// Both queues are in the order of registration, and so of the ids.
#[derive(Default)]
struct List {
    threads: VecDeque<Registered>,
    tasks: VecDeque<Registered>,
    registered: u64,
    watchdog: Option<Arc<dyn Watchdog>>,
}

#[derive(Debug)]
struct Registered {
    id: u64,
    persistent: bool,
    waker: UserWaker,
}

/// Looks after tasks that wait while another has been woken. Once armed, it looks a moment later whether there is still something to act
/// on, and calls [`WaitList::wake_one`] again if so.
pub(crate) trait Watchdog: Send + Sync {
    /// Called with no lock held.
    fn arm(self: Arc<Self>);
}

/// A place in a [`WaitList`]. It must be given back with [`WaitList::leave`] unless it was never registered.
#[derive(Debug, Default)]
pub(crate) struct WaiterKey {
    id: Option<u64>,
    kind: Kind,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Kind {
    #[default]
    Task,
    /// A thread that looks at the state as soon as it is woken.
    Thread,
    Persistent,
}

impl WaiterKey {
    /// A place that is not given back when its waiting ends, as that of a `Stream`, which is not told when it is no longer
    /// awaited. It is woken together with the next other key, and takes no wake-up from it.
    pub(crate) fn persistent() -> Self {
        WaiterKey { id: None, kind: Kind::Persistent }
    }
}

impl List {
    fn queue(&mut self, kind: Kind) -> &mut VecDeque<Registered> {
        match kind {
            Kind::Thread => &mut self.threads,
            Kind::Task | Kind::Persistent => &mut self.tasks,
        }
    }

    fn len(&self) -> usize {
        self.threads.len() + self.tasks.len()
    }

    /// Takes out those to be woken for one change. Gives back the watchdog if it is to look after the others.
    fn next(&mut self, woken: &mut SmallVec<[UserWaker; 2]>) -> Option<Arc<dyn Watchdog>> {
        let first_thread = self.threads.front().map_or(u64::MAX, |thread| thread.id);
        while self.tasks.front().is_some_and(|task| task.id < first_thread)
            && let Some(Registered { persistent, waker, .. }) = self.tasks.pop_front()
        {
            woken.push(waker);
            if !persistent {
                break;
            }
        }
        if let Some(thread) = self.threads.pop_front() {
            woken.push(thread.waker);
            return None;
        }
        if self.tasks.is_empty() {
            return None;
        }
        if self.watchdog.is_none() {
            woken.extend(self.tasks.drain(..).map(|task| task.waker));
        }
        self.watchdog.clone()
    }
}

impl WaitList {
    #[inline]
    pub(crate) fn is_idle(&self) -> bool {
        // ORDERING: SeqCst; pairs with the store in `changed`. Comes after the change of state in program order.
        self.waiting.load(Ordering::SeqCst) == 0
    }

    /// Puts `waker` into the list, or in place of the one that was put there under `place` and has not been woken. The bus of `reporter` is
    /// told if it panics.
    pub(crate) fn register(&self, key: &mut WaiterKey, waker: &Waker, reporter: Reporter) {
        self.register_watched(key, waker, reporter, || None);
    }

    /// As [`WaitList::register`]. `watchdog` is asked for one when a task is not the only one in the list and there is none yet.
    pub(crate) fn register_watched(
        &self,
        key: &mut WaiterKey,
        waker: &Waker,
        reporter: Reporter,
        watchdog: impl FnOnce() -> Option<Arc<dyn Watchdog>>,
    ) {
        let mut waker = UserWaker::new(waker, reporter);
        let mut list = self.list.lock();
        let queue = list.queue(key.kind);
        match key.id.and_then(|id| queue.binary_search_by_key(&id, |known| known.id).ok()) {
            Some(at) => std::mem::swap(&mut queue[at].waker, &mut waker),
            None => {
                list.registered += 1;
                let id = list.registered;
                list.queue(key.kind).push_back(Registered { id, persistent: key.kind == Kind::Persistent, waker });
                key.id = Some(id);
                if list.tasks.len() > 1 && list.watchdog.is_none() {
                    list.watchdog = watchdog();
                }
                return self.changed(&list);
            }
        }
        drop(list);
        drop(waker);
    }

    /// Gives a place back. True if it had been woken: then the wake-up may have been meant for another, and a caller that
    /// does not use it must pass it on.
    pub(crate) fn leave(&self, key: &mut WaiterKey) -> bool {
        let Some(id) = key.id.take() else { return false };
        let mut list = self.list.lock();
        let queue = list.queue(key.kind);
        let at = queue.binary_search_by_key(&id, |known| known.id).ok();
        let left = at.and_then(|at| queue.remove(at));
        self.changed(&list);
        drop(list);
        left.is_none()
    }

    /// Gives a place back, and passes a wake-up on to the next.
    fn leave_to_the_next(&self, key: &mut WaiterKey) {
        if self.leave(key) && !self.is_idle() {
            self.wake_one();
        }
    }

    /// Wakes the one that has waited longest, and the persistent ones before it. If that is a task, it is not relied upon: see above.
    pub(crate) fn wake_one(&self) {
        let mut woken = SmallVec::new();
        let mut list = self.list.lock();
        let watchdog = list.next(&mut woken);
        self.changed(&list);
        drop(list);
        woken.into_iter().for_each(UserWaker::wake);
        if let Some(watchdog) = watchdog {
            watchdog.arm();
        }
    }

    pub(crate) fn wake_all(&self) {
        if self.is_idle() {
            return;
        }
        let mut list = self.list.lock();
        let (threads, tasks) = (std::mem::take(&mut list.threads), std::mem::take(&mut list.tasks));
        self.changed(&list);
        drop(list);
        threads.into_iter().chain(tasks).for_each(|known| known.waker.wake());
    }

    /// Blocks this thread until `ready` says something or `deadline` has come; then looks one last time.
    pub(crate) fn block<R>(
        &self,
        timers: &Timers,
        deadline: Option<Duration>,
        mut ready: impl FnMut() -> Option<R>,
    ) -> Option<R> {
        for _ in 0..SPINS {
            if let Some(found) = ready() {
                return Some(found);
            }
            std::hint::spin_loop();
        }
        let waker = thread_waker();
        let mut key = WaiterKey { id: None, kind: Kind::Thread };
        loop {
            self.register(&mut key, &waker, timers.reporter());
            if let Some(found) = ready() {
                self.leave_to_the_next(&mut key);
                return Some(found);
            }
            if deadline.is_some_and(|deadline| timers.now() >= deadline) {
                self.leave_to_the_next(&mut key);
                return ready();
            }
            // A callback of this thread that waits for its turn may be what we wait for. A wake-up must not wait for its return.
            if callbacks::has_waiting() {
                self.leave_to_the_next(&mut key);
                callbacks::run_waiting();
                continue;
            }
            timers.park(&waker, deadline);
        }
    }

    fn changed(&self, list: &List) {
        // ORDERING: SeqCst; pairs with the load in `is_idle`.
        self.waiting.store(list.len(), Ordering::SeqCst);
    }
}

impl fmt::Debug for List {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("List")
            .field("threads", &self.threads.len())
            .field("tasks", &self.tasks.len())
            .finish_non_exhaustive()
    }
}

#[cfg(all(test, not(postroom_shuttle)))]
mod tests {
    use super::*;
    use std::sync::atomic::AtomicUsize as Count;
    use std::task::Wake;

    #[derive(Default)]
    struct Counts(Count);

    impl Counts {
        fn get(&self) -> usize {
            self.0.load(Ordering::SeqCst)
        }
    }

    impl Wake for Counts {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::SeqCst);
        }
    }

    impl Watchdog for Counts {
        fn arm(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::SeqCst);
        }
    }

    /// A list in which these wait in their order, and how often each was woken.
    fn waiting<const N: usize>(kinds: [Kind; N], watchdog: Option<&Arc<Counts>>) -> (WaitList, [Arc<Counts>; N]) {
        let list = WaitList::default();
        let wakers = kinds.map(|kind| {
            let counts = Arc::<Counts>::default();
            let watchdog = || watchdog.map(|watchdog| watchdog.clone() as Arc<dyn Watchdog>);
            list.register_watched(
                &mut WaiterKey { id: None, kind },
                &counts.clone().into(),
                Reporter::default(),
                watchdog,
            );
            counts
        });
        (list, wakers)
    }

    fn woken<const N: usize>(wakers: &[Arc<Counts>; N]) -> [usize; N] {
        std::array::from_fn(|at| wakers[at].get())
    }

    use Kind::{Persistent, Task, Thread};

    #[test]
    fn one_change_wakes_one_and_the_watchdog_looks_after_the_other_tasks() {
        let watchdog = Arc::default();
        let (list, wakers) = waiting([Task, Task, Task], Some(&watchdog));
        list.wake_one();
        assert_eq!((woken(&wakers), watchdog.get()), ([1, 0, 0], 1));
        list.wake_one();
        assert_eq!((woken(&wakers), watchdog.get()), ([1, 1, 0], 2));
        list.wake_one();
        assert_eq!((woken(&wakers), watchdog.get(), list.is_idle()), ([1, 1, 1], 2, true), "the last needs none");
    }

    #[test]
    fn without_a_watchdog_no_task_is_relied_upon() {
        let (list, wakers) = waiting([Task, Persistent, Task], None);
        list.wake_one();
        assert_eq!((woken(&wakers), list.is_idle()), ([1, 1, 1], true));
    }

    #[test]
    fn a_thread_is_woken_with_a_task_that_came_before_it_and_alone_if_it_came_first() {
        let watchdog = Arc::default();
        let (list, wakers) = waiting([Persistent, Task, Task, Thread, Thread, Task], Some(&watchdog));
        list.wake_one();
        assert_eq!(woken(&wakers), [1, 1, 0, 1, 0, 0]);
        list.wake_one();
        assert_eq!((woken(&wakers), watchdog.get()), ([1, 1, 1, 1, 1, 0], 0));
        let (list, wakers) = waiting([Thread, Task], Some(&watchdog));
        list.wake_one();
        assert_eq!((woken(&wakers), watchdog.get()), ([1, 0], 0));
    }
}
