//! Messages that come later, in their order, and what they wait for.

use std::collections::VecDeque;
use std::thread::{self, ThreadId};
use std::time::Duration;

/// The messages on their way between one client and the bus, in one direction: messages that it has published, or copies that are
/// for it. As long as something is there, all that takes the same way queues up behind.
pub(super) struct DelayQueue<T> {
    queue: VecDeque<Late<T>>,
    /// A thread routes the first of them right now.
    releasing: Option<ThreadId>,
}

impl<T> Default for DelayQueue<T> {
    fn default() -> Self {
        DelayQueue { queue: VecDeque::new(), releasing: None }
    }
}

struct Late<T> {
    held: T,
    /// When it comes at last.
    due: Duration,
    /// Messages of others that are to come before it.
    behind: u64,
    /// The fault whose messages count as such.
    fault: usize,
}

impl<T> DelayQueue<T> {
    /// Whether the next has to queue up. Messages that the release of one leads to on the same thread, while nothing else waits,
    /// do not: no other thread could release them.
    pub(super) fn holds_up(&self) -> bool {
        !self.queue.is_empty() || self.releasing.is_some_and(|thread| thread != thread::current().id())
    }

    /// At the end of the queue; it is not due before those in front of it.
    pub(super) fn push(&mut self, held: T, due: Duration) {
        self.push_behind(held, due, 0, 0);
    }

    /// As [`DelayQueue::push`], but it comes as soon as so many others have been routed.
    pub(super) fn push_behind(&mut self, held: T, due: Duration, behind: u64, fault: usize) {
        let due = self.queue.back().map_or(due, |last| last.due.max(due));
        self.queue.push_back(Late { held, due, behind, fault });
    }

    pub(super) fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }

    /// When the last is due.
    pub(super) fn due(&self) -> Option<Duration> {
        self.queue.back().map(|late| late.due)
    }

    /// The fault by which the first waits to be overtaken.
    pub(super) fn waits_for_others_by(&self) -> Option<usize> {
        self.queue.front().filter(|late| late.behind > 0).map(|late| late.fault)
    }

    /// The first was overtaken. The messages that it held up follow it at once.
    pub(super) fn overtaken(&mut self, now: Duration) {
        let Some(first) = self.queue.front_mut().filter(|late| late.behind > 0) else { return };
        first.behind -= 1;
        if first.behind == 0 {
            let waited_for = first.due;
            for late in self.queue.iter_mut().take_while(|late| late.due == waited_for) {
                late.due = now;
            }
        }
    }

    /// All are due now. Gives back how many.
    pub(super) fn hurry(&mut self) -> usize {
        self.queue.iter_mut().for_each(|late| (late.due, late.behind) = (Duration::ZERO, 0));
        self.queue.len()
    }

    /// The next that this thread is to route now, and then to ask again; `None` if none is due or another thread is at it.
    pub(super) fn next(&mut self, now: Duration, again: bool) -> Option<T> {
        if self.releasing.is_some() && !again {
            return None;
        }
        let due = self.queue.front().is_some_and(|late| late.due <= now);
        self.releasing = due.then(|| thread::current().id());
        if due { self.queue.pop_front().map(|late| late.held) } else { None }
    }

    /// Nothing is to be routed for the time being; `again` if this thread did so.
    pub(super) fn stop(&mut self, again: bool) -> Option<T> {
        if again {
            self.releasing = None;
        }
        None
    }

    /// Whether this thread is just letting one go.
    pub(super) fn is_released_here(&self) -> bool {
        self.releasing == Some(thread::current().id())
    }

    /// Takes away all that waits.
    pub(super) fn take(&mut self) -> impl Iterator<Item = T> + use<T> {
        std::mem::take(&mut self.queue).into_iter().map(|late| late.held)
    }

    /// Nothing waits and nothing is being routed.
    pub(super) fn is_idle(&self) -> bool {
        self.queue.is_empty() && self.releasing.is_none()
    }
}
