//! The bytes that wait to be written to one connection: filled by publishers, emptied by the connection's
//! writer.

use super::pieces::{Pieces, Pool};
use crate::activity::{Activity, ActivityGuard};
use crate::protocol::{Delivery, text};
use crate::sync::{Mutex, MutexGuard};
use crate::{Message, StatusCode, blocking};
use std::cell::RefCell;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Weak};
use tokio::runtime::{Handle, RuntimeFlavor};
use tokio::sync::Notify;
use tokio::task::block_in_place;

/// The header block of a 503 as servers before 2.12 send it (R3).
const BARE_503: &[u8] = b"NATS/1.0 503\r\n\r\n";

/// Bytes of the line of MSG and HMSG without the names in it, at most: the operation, the blanks, two numbers, the line
/// end.
const LINE_MAX: usize = 54;

/// How the header block of a 503 of the bus begins (R3).
const NAMED_503: &[u8] = b"NATS/1.0 503\r\nNats-Subject: ";

/// The bytes for one connection, in the order in which they are to leave (C15): answers of its session and deliveries of any
/// thread go in through one lock.
#[derive(Debug)]
pub(super) struct Outbound {
    state: Mutex<State>,
    /// Nothing is let in any more. ORDERING: Relaxed; written under the lock, and a reader that sees it late only does a little more.
    ended: AtomicBool,
    /// On a bus that keeps account of activity: that account, and the name of this connection in
    /// it.
    watched: Option<(Activity, String)>,
    /// For the writer: there is something to write, or the end has come.
    filled: Notify,
    /// For publishers that were asked to wait: the pressure is gone, or the end has come.
    eased: Notify,
}

#[derive(Debug)]
struct State {
    waiting: Pieces,
    /// Bytes that the writer has taken and not yet written.
    in_flight: usize,
    end: Option<End>,
    max_pending: usize,
    dropped_under_pressure: bool,
    counts: Counts,
    /// While there is something to write, where that is counted.
    busy: Option<ActivityGuard>,
}

/// How the writer is to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// The waiting bytes are written first.
    Flush,
    /// The waiting bytes are dropped (L1, L2).
    Discard,
}

/// The counts of messages to the connection.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Counts {
    pub(super) messages: u64,
    /// Payloads and header blocks (M3).
    pub(super) bytes: u64,
    /// Publishers that were made to wait (L3).
    pub(super) stalls: u64,
    /// Deliveries given up because publishers are not made to wait (L3).
    pub(super) dropped: u64,
}

/// A subscription's leave to put messages behind what waits. It ends under the same lock under which messages go in, so that none comes
/// behind the answer to what ended it (C15, D7).
#[derive(Debug)]
pub(super) struct Ticket {
    out: Arc<Outbound>,
    frame: Frame,
    // ORDERING: Relaxed; read and written under the lock of `out`.
    void: AtomicBool,
}

impl Ticket {
    pub(super) fn new(out: Arc<Outbound>, frame: Frame) -> Self {
        Ticket { out, frame, void: AtomicBool::new(false) }
    }

    /// Puts a message behind what waits; false if it is not for the connection any more. Never blocks for long and runs nothing of a
    /// user's: it is called while messages are routed.
    pub(super) fn deliver(&self, message: &Message) -> bool {
        self.out.deliver(&self.frame, &self.void, message)
    }

    /// Nothing is let in with it any more when this returns.
    pub(super) fn void(&self) {
        let _state = self.out.state.lock();
        self.void.store(true, Relaxed);
    }

    /// The message as it is delivered.
    pub(super) fn to_bytes(&self, message: &Message) -> Vec<u8> {
        self.frame.to_bytes(message)
    }
}

/// How a subscription's messages are written.
#[derive(Clone, Debug)]
pub(super) struct Frame {
    pub(super) sid: Box<[u8]>,
    /// The client understands headers (H5).
    pub(super) headers: bool,
    /// A 503 names the subject that has no responders (R3).
    pub(super) names_subject: bool,
}

thread_local! {
    /// Connections whose writers are to be woken at the end of this thread's batch; `None` where there is no batch.
    static TO_WAKE: RefCell<Option<Vec<Arc<Outbound>>>> = const { RefCell::new(None) };
    /// The slowest connection that this thread delivered to since it last looked.
    static PRESSED: RefCell<Weak<Outbound>> = const { RefCell::new(Weak::new()) };
}

/// `None` where the thread ends and its storage is gone: there is no batch then.
fn with_to_wake<R>(f: impl FnOnce(&mut Option<Vec<Arc<Outbound>>>) -> R) -> Option<R> {
    TO_WAKE.try_with(|to_wake| f(&mut to_wake.borrow_mut())).ok()
}

/// The connection under pressure that this thread delivered to since the last call, if there was one.
pub(super) fn pressed() -> Option<Arc<Outbound>> {
    // Where the thread ends there is none.
    PRESSED.try_with(RefCell::take).unwrap_or_default().upgrade()
}

/// While it lives, connections that this thread delivers to are not woken at once but when it is dropped: one wake-up for all that a
/// read brought them, and one write.
#[derive(Debug)]
pub(super) struct Batch {
    /// False within another one.
    outer: bool,
}

impl Batch {
    pub(super) fn begin() -> Self {
        let begin = |to_wake: &mut Option<Vec<_>>| {
            let outer = to_wake.is_none();
            to_wake.get_or_insert_default();
            outer
        };
        Batch { outer: with_to_wake(begin).unwrap_or_default() }
    }
}

impl Drop for Batch {
    fn drop(&mut self) {
        if self.outer {
            for out in with_to_wake(Option::take).flatten().into_iter().flatten() {
                out.filled.notify_one();
            }
        }
    }
}

/// Wakes the writers that wait for the end of this thread's batch. True if there were some.
fn wake_all() -> bool {
    let to_wake = with_to_wake(|to_wake| to_wake.as_mut().map(std::mem::take)).flatten().unwrap_or_default();
    to_wake.iter().for_each(|out| out.filled.notify_one());
    !to_wake.is_empty()
}

/// The hooks of a reader's thread around calls that may block: before such a call, its deliveries to others are sent on
/// their way, and while it sleeps another thread takes its place in the runtime.
pub(super) static HOOKS: ReaderHooks = ReaderHooks;

#[derive(Debug)]
pub(super) struct ReaderHooks;

impl blocking::Hooks for ReaderHooks {
    fn call(&self, call: &mut dyn FnMut()) {
        if !wake_all() {
            return call();
        }
        match workers() {
            0 => call(),
            // No other thread would write.
            1 => block_in_place(call),
            _ => {
                // The task that was woken last runs next on this very thread, and is never taken over by another one: so that is one
                // that has nothing to do.
                tokio::spawn(async {});
                call();
            }
        }
    }

    fn wait(&self, wait: &mut dyn FnMut()) {
        wake_all();
        if workers() > 0 { block_in_place(wait) } else { wait() }
    }
}

/// To be called before this thread is busy for long. The thread that waits for the runtime's sockets is often the one that is given what
/// they bring, and no other takes its place before it is back; a task that is there to be taken makes another one do so.
pub(super) fn share_runtime() {
    if workers() > 1 {
        // The last one is run by this thread, and never taken.
        tokio::spawn(async {});
        tokio::spawn(async {});
    }
}

/// Threads of the runtime that this thread is one of; 0 if that runs all on one thread, which can't be replaced.
fn workers() -> usize {
    let runtime = Handle::try_current().ok().filter(|runtime| runtime.runtime_flavor() == RuntimeFlavor::MultiThread);
    runtime.map_or(0, |runtime| runtime.metrics().num_workers())
}

impl Outbound {
    pub(super) fn new(
        max_pending: usize,
        drop_under_pressure: bool,
        pool: Arc<Pool>,
        watched: Option<(Activity, String)>,
    ) -> Arc<Self> {
        Arc::new(Outbound {
            state: Mutex::new(State {
                waiting: Pieces::new(pool),
                in_flight: 0,
                end: None,
                max_pending,
                dropped_under_pressure: drop_under_pressure,
                counts: Counts::default(),
                busy: None,
            }),
            ended: AtomicBool::new(false),
            watched,
            filled: Notify::new(),
            eased: Notify::new(),
        })
    }

    /// Puts a part of the protocol that is not a message behind the waiting bytes. It is bounded as messages
    /// are (L1).
    pub(super) fn send(self: &Arc<Self>, bytes: &[u8]) {
        self.append(bytes, true);
    }

    /// Puts the reason of the connection's end behind what waits, however much that is.
    pub(super) fn send_last(self: &Arc<Self>, bytes: &[u8]) {
        self.append(bytes, false);
    }

    fn append(self: &Arc<Self>, bytes: &[u8], is_bounded: bool) {
        let mut state = self.state.lock();
        if state.end.is_none() {
            let was_idle = state.waiting.is_empty();
            state.waiting.copy(bytes.len(), |out| out.extend_from_slice(bytes));
            self.begin(&mut state);
            if is_bounded && state.pending() > state.max_pending {
                return self.overflow(state);
            }
            drop(state);
            if was_idle {
                self.wake();
            }
        }
    }

    /// More than may wait has come (L1). It is for the writer to drop it and to close the connection: here messages are routed.
    #[cold]
    fn overflow(&self, mut state: MutexGuard<'_, State>) {
        state.end = Some(End::Discard);
        self.ended.store(true, Relaxed);
        drop(state);
        self.filled.notify_one();
        self.eased.notify_waiters();
    }

    /// Something waits from now on.
    fn begin(&self, state: &mut State) {
        if let Some((activity, name)) = &self.watched
            && state.busy.is_none()
        {
            state.busy = Some(activity.hold(name.clone()));
        }
    }

    /// Now, or at the end of this thread's batch.
    fn wake(self: &Arc<Self>) {
        let later = |to_wake: &mut Option<Vec<_>>| to_wake.as_mut().map(|to_wake| to_wake.push(self.clone()));
        if with_to_wake(later).flatten().is_none() {
            self.filled.notify_one();
        }
    }

    /// Puts a message behind what waits. False if it was given up.
    fn deliver(self: &Arc<Self>, frame: &Frame, void: &AtomicBool, message: &Message) -> bool {
        let mut state = self.state.lock();
        if state.end.is_some() || void.load(Relaxed) {
            return false;
        }
        let was_idle = state.waiting.is_empty();
        let under_pressure = state.is_under_pressure();
        if under_pressure && state.dropped_under_pressure {
            state.counts.dropped += 1;
            return false;
        }
        let size = frame.write(message, &mut state.waiting);
        state.counts.messages += 1;
        state.counts.bytes += size as u64;
        self.begin(&mut state);
        if state.pending() > state.max_pending {
            self.overflow(state);
            return true;
        }
        drop(state);
        if was_idle {
            self.wake();
        }
        if under_pressure {
            let before = PRESSED.try_with(|pressed| pressed.replace(Arc::downgrade(self)));
            drop(before);
        }
        true
    }

    /// Lets nothing in any more. The first call decides how it ends, but for `Discard`, which may come later.
    pub(super) fn end(&self, end: End) {
        let mut state = self.state.lock();
        if state.end.is_none() || end == End::Discard {
            state.end = Some(end);
        }
        self.ended.store(true, Relaxed);
        let nothing = state.waiting.empty_one();
        let discarded = (end == End::Discard).then(|| std::mem::replace(&mut state.waiting, nothing));
        let idle = if end == End::Discard { state.busy.take() } else { None };
        drop(state);
        // A payload may have a destructor of a user's.
        drop((discarded, idle));
        self.filled.notify_one();
        self.eased.notify_waiters();
    }

    /// Whether nothing is let in any more.
    #[inline]
    pub(super) fn has_ended(&self) -> bool {
        self.ended.load(Relaxed)
    }

    /// For the writer: what it is to write, with nothing in it.
    pub(super) fn nothing(&self) -> Pieces {
        self.state.lock().waiting.empty_one()
    }

    /// For the writer, which has written everything that `taken` held: puts all that waits now there. False is the end.
    pub(super) async fn take(&self, taken: &mut Pieces) -> bool {
        loop {
            let filled = self.filled.notified();
            {
                let mut state = self.state.lock();
                if state.end == Some(End::Discard) {
                    return false;
                }
                if !state.waiting.is_empty() {
                    std::mem::swap(&mut state.waiting, taken);
                    state.in_flight = taken.len();
                    return true;
                }
                if state.end.is_some() {
                    return false;
                }
            }
            filled.await;
        }
    }

    /// For the writer: so many bytes are written.
    pub(super) fn written(&self, count: usize) {
        let mut state = self.state.lock();
        let was_pressed = state.is_under_pressure();
        state.in_flight = state.in_flight.saturating_sub(count);
        let eased = was_pressed && !state.is_under_pressure();
        let idle = if state.pending() == 0 { state.busy.take() } else { None };
        drop(state);
        drop(idle);
        if eased {
            self.eased.notify_waiters();
        }
    }

    /// Waits until the pressure is gone or the connection is. Cancel-safe.
    pub(super) async fn eased(&self) {
        let eased = self.eased.notified();
        {
            let mut state = self.state.lock();
            if state.end.is_some() || !state.is_under_pressure() {
                return;
            }
            state.counts.stalls += 1;
        }
        eased.await;
    }

    /// Whether the waiting bytes are to be dropped.
    pub(super) fn is_discarded(&self) -> bool {
        self.state.lock().end == Some(End::Discard)
    }

    /// Waits until the writer must stop in the middle of a write. Cancel-safe.
    pub(super) async fn discarded(&self) {
        loop {
            let eased = self.eased.notified();
            if self.state.lock().end == Some(End::Discard) {
                return;
            }
            eased.await;
        }
    }

    /// For the start of a connection: all that waits, for the task that writes it in the writer's
    /// place.
    pub(super) fn take_now(&self) -> Pieces {
        let mut state = self.state.lock();
        let nothing = state.waiting.empty_one();
        let (taken, idle) = (std::mem::replace(&mut state.waiting, nothing), state.busy.take());
        drop(state);
        drop(idle);
        taken
    }

    pub(super) fn reconfigure(&self, max_pending: usize, drop_under_pressure: bool) {
        let mut state = self.state.lock();
        (state.max_pending, state.dropped_under_pressure) = (max_pending, drop_under_pressure);
    }

    pub(super) fn counts(&self) -> Counts {
        self.state.lock().counts
    }

    /// How much may wait.
    pub(super) fn max_pending(&self) -> usize {
        self.state.lock().max_pending
    }

    /// Bytes that are not written yet.
    pub(super) fn pending(&self) -> usize {
        self.state.lock().pending()
    }
}

impl State {
    fn pending(&self) -> usize {
        self.waiting.len() + self.in_flight
    }

    /// Publishers are to wait a little (L3).
    fn is_under_pressure(&self) -> bool {
        self.pending() > self.max_pending / 4 * 3
    }
}

impl Frame {
    /// Appends the message as MSG or HMSG; gives back the size of its payload and headers.
    #[inline]
    fn write(&self, message: &Message, out: &mut Pieces) -> usize {
        self.encode(message, |delivery, with_headers| {
            let Delivery { subject, sid, reply, headers, payload } = delivery;
            let line = LINE_MAX + subject.len() + sid.len() + reply.map_or(0, str::len);
            // A shared message keeps its header block, so it is shared only if that is written too.
            if Pieces::shares(payload.len()) && (with_headers || message.header_block().is_none()) {
                let headers = if with_headers { headers } else { &[] };
                out.copy(line + headers.len(), |out| {
                    delivery.write_head(out, with_headers);
                    out.extend_from_slice(headers);
                });
                out.share(message);
                out.copy(2, |out| out.extend_from_slice(b"\r\n"));
            } else {
                out.copy(line + headers.len() + payload.len(), |out| delivery.write(out, with_headers));
            }
        })
    }

    /// The message as MSG or HMSG, in one piece.
    pub(super) fn to_bytes(&self, message: &Message) -> Vec<u8> {
        let mut out = Vec::new();
        self.encode(message, |delivery, with_headers| delivery.write(&mut out, with_headers));
        out
    }

    /// The message that is to be written, and whether with headers; gives back the size of its payload
    /// and headers.
    #[inline]
    fn encode(&self, message: &Message, write: impl FnOnce(Delivery<'_>, bool)) -> usize {
        let block = if self.headers { message.header_block() } else { None };
        let mut delivery = Delivery {
            subject: message.subject().as_str(),
            sid: &self.sid,
            reply: message.reply().map(|reply| reply.as_str()),
            headers: block.as_deref().unwrap_or_default(),
            payload: message.payload(),
        };
        if !self.names_subject && delivery.payload.is_empty() && message.status() == Some(StatusCode::NO_RESPONDERS) {
            delivery.headers = BARE_503;
        }
        // The bus names the subject as the text that it has for it, which is not what a client sent if that was no UTF-8 (S1).
        let named = delivery.payload.is_empty() && delivery.headers.starts_with(NAMED_503);
        let named = named.then(|| std::str::from_utf8(delivery.headers).ok()).flatten().map(text::to_wire);
        if let Some(bytes) = &named {
            delivery.headers = bytes;
        }
        write(delivery, self.headers);
        delivery.headers.len() + delivery.payload.len()
    }
}
