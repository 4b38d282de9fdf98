//! The source of events: it hands each to all streams, and holds no lock while they wake.

use super::event_queue::{Listener, Report, Unread};
use super::event_stream::EventStream;
use crate::sync::RwLock;
use crate::sync::atomic::{AtomicBool, Ordering};
use crate::time::Timers;
use std::fmt;
use std::sync::{Arc, Weak};

/// Sends events to any number of [`EventStream`]s; made by [`Bus::event_sender`](crate::Bus::event_sender). It costs nothing while there
/// are none.
///
/// No lock is held while a stream is woken, or an event is made or dropped. Its functions are not to be called under a lock of the caller's,
/// since they wake tasks.
pub struct EventSender<E> {
    listeners: RwLock<Vec<Weak<Listener<E>>>>,
    capacity: usize,
    timers: Arc<Timers>,
    closed: AtomicBool,
}

impl<E> EventSender<E> {
    pub(crate) fn new(capacity: usize, timers: Arc<Timers>) -> Self {
        EventSender { listeners: RwLock::default(), capacity: capacity.max(1), timers, closed: AtomicBool::new(false) }
    }

    /// A stream of the events from now on. After [`close`](Self::close) it has ended.
    pub fn listen(&self) -> EventStream<E> {
        let mut listeners = self.listeners.write();
        listeners.retain(|listener| listener.strong_count() > 0);
        let ended = self.closed.load(Ordering::SeqCst);
        let listener = Arc::new(Listener::new(self.capacity, ended));
        listeners.push(Arc::downgrade(&listener));
        drop(listeners);
        EventStream::new(listener, self.timers.clone())
    }

    /// Adds a report that grows until it is read: `read` makes the event of what `state` says then. A stream that has it unread does
    /// not get it again, so it may be sent at its beginning and at its end.
    pub fn emit_report<T>(&self, state: &Arc<T>, read: impl Fn(&T) -> E + Send + Sync + 'static)
    where
        T: Send + Sync + 'static,
    {
        let listeners = self.listening();
        if listeners.is_empty() {
            return;
        }
        let (address, state) = (Arc::as_ptr(state).addr(), state.clone());
        let report = Report { address, read: Arc::new(move || read(&state)) };
        listeners.iter().for_each(|listener| listener.push(Unread::Report(report.clone()), false));
    }

    /// Copied out, so that no lock is held while wakers run.
    fn listening(&self) -> Vec<Arc<Listener<E>>> {
        self.listeners.read().iter().filter_map(Weak::upgrade).collect()
    }
}

impl<E: Clone> EventSender<E> {
    /// Adds an event, which is only made if there is a stream.
    pub fn emit(&self, event: impl FnOnce() -> E) {
        let listeners = self.listening();
        if !listeners.is_empty() {
            let event = event();
            listeners.iter().for_each(|listener| listener.push(Unread::Event(event.clone()), false));
        }
    }

    /// Adds the last event, and ends all streams: later events are dropped.
    pub fn close(&self, last: E) {
        self.closed.store(true, Ordering::SeqCst);
        for listener in self.listening() {
            listener.push(Unread::Event(last.clone()), true);
            listener.arrived.wake_all();
        }
    }
}

impl<E> fmt::Debug for EventSender<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EventSender").field("listeners", &self.listening().len()).finish_non_exhaustive()
    }
}
