//! Unread events: bounded in number, and each report that grows is among them once.

use super::wait_list::WaitList;
use crate::sync::Mutex;
use crate::sync::atomic::{AtomicU64, Ordering};
use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;

/// The unread events of one stream.
pub(super) struct Listener<E> {
    queue: Mutex<Queue<E>>,
    capacity: usize,
    missed: AtomicU64,
    pub(super) arrived: WaitList,
}

struct Queue<E> {
    unread: VecDeque<Unread<E>>,
    /// The reports among them, by their address: each is there once at most.
    reports: BTreeSet<usize>,
    /// No more events come.
    ended: bool,
}

pub(super) enum Unread<E> {
    Event(E),
    Report(Report<E>),
}

/// A report that grows until it is read. The state that `read` reads is kept by it, so the address of the state names the report.
pub(super) struct Report<E> {
    pub(super) address: usize,
    pub(super) read: Arc<dyn Fn() -> E + Send + Sync>,
}

impl<E> Clone for Report<E> {
    fn clone(&self) -> Self {
        Report { address: self.address, read: self.read.clone() }
    }
}

impl<E> Listener<E> {
    /// Without events; `ended` if none will come.
    pub(super) fn new(capacity: usize, ended: bool) -> Self {
        Listener {
            queue: Mutex::new(Queue { unread: VecDeque::new(), reports: BTreeSet::new(), ended }),
            capacity,
            missed: AtomicU64::new(0),
            arrived: WaitList::default(),
        }
    }

    /// Adds an event, the last one perhaps, unless it is a report that is unread.
    pub(super) fn push(&self, unread: Unread<E>, last: bool) {
        let pushed_out = {
            let mut queue = self.queue.lock();
            if queue.ended || queue.has(&unread) {
                // Dropped without the lock: it may be the last of a user's.
                drop(queue);
                return;
            }
            let is_full = queue.unread.len() == self.capacity;
            let pushed_out = if is_full { queue.pop() } else { None };
            queue.push(unread);
            queue.ended = last;
            pushed_out
        };
        if pushed_out.is_some() {
            self.missed.fetch_add(1, Ordering::Relaxed);
        }
        if !self.arrived.is_idle() {
            self.arrived.wake_one();
        }
    }

    /// The next event; `Some(None)` at the end.
    pub(super) fn next_or_end(&self) -> Option<Option<E>> {
        let (next, ended) = {
            let mut queue = self.queue.lock();
            (queue.pop(), queue.ended)
        };
        match next {
            Some(Unread::Event(event)) => Some(Some(event)),
            Some(Unread::Report(report)) => Some(Some((report.read)())),
            None => ended.then_some(None),
        }
    }

    pub(super) fn missed(&self) -> u64 {
        self.missed.load(Ordering::Relaxed)
    }
}

impl<E> Queue<E> {
    fn has(&self, unread: &Unread<E>) -> bool {
        matches!(unread, Unread::Report(report) if self.reports.contains(&report.address))
    }

    fn pop(&mut self) -> Option<Unread<E>> {
        let next = self.unread.pop_front()?;
        if let Unread::Report(report) = &next {
            self.reports.remove(&report.address);
        }
        Some(next)
    }

    fn push(&mut self, unread: Unread<E>) {
        if let Unread::Report(report) = &unread {
            self.reports.insert(report.address);
        }
        self.unread.push_back(unread);
    }
}
