//! Who waits for a state to change: threads and tasks, in one list of wakers.
//!
//! The list costs its other side one load while nobody waits. The pattern on both sides:
//!
//! ```text
//! waiter:  register            then look at the state again, then sleep
//! changer: change the state    then look whether anybody waits, then wake
//! ```
//!
//! Both "then" are SeqCst on both operations, so that at least one side sees the other. Wakers are a user's code: they are
//! woken and dropped only after the list's lock is released.

use crate::clock::Timers;
use crate::sync::atomic::{AtomicUsize, Ordering};
use crate::sync::{Mutex, thread_waker};
use smallvec::SmallVec;
use std::collections::VecDeque;
use std::task::Waker;
use std::time::Duration;

/// How often a thread looks again before it parks: parking and being woken cost the two sides tens of microseconds.
const SPINS: u32 = if cfg!(postroom_shuttle) { 1 } else { 64 };

#[derive(Debug, Default)]
pub(crate) struct WakeList {
    // | field   | written by              | read by                     | invariant                           |
    // | waiting | whoever holds the lock  | `is_idle`, without the lock | the length of the list at some time |
    waiting: AtomicUsize,
    list: Mutex<List>,
}

#[derive(Debug, Default)]
struct List {
    wakers: VecDeque<Registered>,
    registered: u64,
}

#[derive(Debug)]
struct Registered {
    id: u64,
    standing: bool,
    waker: Waker,
}

/// A place in a [`WakeList`]. It must be given back with [`WakeList::leave`] unless it was never registered.
#[derive(Debug, Default)]
pub(crate) struct Place {
    id: Option<u64>,
    standing: bool,
}

impl Place {
    /// One that nobody gives back when nobody waits there any more, as that of a `Stream`, which is not told when it is no longer
    /// awaited. It is woken beside the next other one, and takes no wake-up from it.
    pub(crate) fn standing() -> Self {
        Place { id: None, standing: true }
    }
}

impl WakeList {
    #[inline]
    pub(crate) fn is_idle(&self) -> bool {
        // ORDERING: SeqCst; pairs with the store in `changed`. Comes after the change of state in program order.
        self.waiting.load(Ordering::SeqCst) == 0
    }

    /// Puts `waker` into the list, or in place of the one that was put there under `place` and has not been woken.
    pub(crate) fn register(&self, place: &mut Place, waker: &Waker) {
        // Cloned before the lock: cloning, too, is a user's code.
        let mut waker = waker.clone();
        let mut list = self.list.lock();
        match place.id.and_then(|id| list.wakers.iter_mut().find(|known| known.id == id)) {
            Some(known) => std::mem::swap(&mut known.waker, &mut waker),
            None => {
                list.registered += 1;
                let id = list.registered;
                list.wakers.push_back(Registered { id, standing: place.standing, waker });
                place.id = Some(id);
                return self.changed(&list);
            }
        }
        drop(list);
        drop(waker);
    }

    /// Gives a place back. True if it had been woken: then the wake-up may have been meant for another, and who does not use
    /// it must pass it on.
    pub(crate) fn leave(&self, place: &mut Place) -> bool {
        let Some(id) = place.id.take() else { return false };
        let mut list = self.list.lock();
        let at = list.wakers.iter().position(|known| known.id == id);
        let waker = at.and_then(|at| list.wakers.remove(at));
        self.changed(&list);
        drop(list);
        waker.is_none()
    }

    /// Wakes the one that has waited longest, and the standing ones before it.
    pub(crate) fn wake_one(&self) {
        let mut first: SmallVec<[Waker; 2]> = SmallVec::new();
        let mut list = self.list.lock();
        while let Some(Registered { standing, waker, .. }) = list.wakers.pop_front() {
            first.push(waker);
            if !standing {
                break;
            }
        }
        self.changed(&list);
        drop(list);
        first.into_iter().for_each(Waker::wake);
    }

    pub(crate) fn wake_all(&self) {
        if self.is_idle() {
            return;
        }
        let mut list = self.list.lock();
        let all = std::mem::take(&mut list.wakers);
        self.changed(&list);
        drop(list);
        all.into_iter().for_each(|known| known.waker.wake());
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
        let mut place = Place::default();
        loop {
            self.register(&mut place, &waker);
            if let Some(found) = ready() {
                if self.leave(&mut place) && !self.is_idle() {
                    self.wake_one();
                }
                return Some(found);
            }
            if deadline.is_some_and(|deadline| timers.now() >= deadline) {
                if self.leave(&mut place) && !self.is_idle() {
                    self.wake_one();
                }
                return ready();
            }
            // A callback of this thread that waits for its turn may be what we wait for.
            if super::runner::run_waiting() {
                continue;
            }
            timers.park(&waker, deadline);
        }
    }

    fn changed(&self, list: &List) {
        // ORDERING: SeqCst; pairs with the load in `is_idle`.
        self.waiting.store(list.wakers.len(), Ordering::SeqCst);
    }
}
