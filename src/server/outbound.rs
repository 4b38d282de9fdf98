//! The bytes that wait to be written to one connection: filled by publishers, emptied by the connection's
//! writer.

use super::chunks::{ChunkQueue, Pool};
use super::frame::Frame;
use super::{batch, workers};
use crate::Message;
use crate::activity::{Activity, ActivityGuard};
use crate::sync::{Mutex, MutexGuard};
use std::cell::RefCell;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Weak};
use tokio::sync::Notify;

/// The bytes for one connection, in the order in which they are to leave (C15): answers of its session and deliveries of any
/// thread go in through one lock.
#[derive(Debug)]
pub(super) struct Outbound {
    state: Mutex<OutboundState>,
    /// Nothing is let in any more. ORDERING: Relaxed; written under the lock, and a reader that sees it late only does a little more.
    ended: AtomicBool,
    /// On a bus that keeps account of activity: that account, and the name of this connection in
    /// it.
    watched: Option<(Activity, String)>,
    /// For the writer: there is something to write, or the end has come.
    filled: Arc<Notify>,
    /// For publishers that were asked to wait: the pressure is gone, or the end has come.
    unstalled: Notify,
}

#[derive(Debug)]
struct OutboundState {
    waiting: ChunkQueue,
    /// Bytes that the writer has taken and not yet written.
    in_flight: usize,
    end: Option<End>,
    max_pending: usize,
    drop_when_stalling: bool,
    counts: OutboundCounts,
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
pub(super) struct OutboundCounts {
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
pub(super) struct DeliveryTicket {
    out: Arc<Outbound>,
    frame: Frame,
    // ORDERING: Relaxed; read and written under the lock of `out`.
    void: AtomicBool,
}

impl DeliveryTicket {
    pub(super) fn new(out: Arc<Outbound>, frame: Frame) -> Self {
        DeliveryTicket { out, frame, void: AtomicBool::new(false) }
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

thread_local! {
    /// The slowest connection that this thread delivered to since it last looked.
    static STALLED: RefCell<Weak<Outbound>> = const { RefCell::new(Weak::new()) };
}

/// The connection under pressure that this thread delivered to since the last call, if there was one.
pub(super) fn stalled() -> Option<Arc<Outbound>> {
    // Where the thread ends there is none.
    STALLED.try_with(RefCell::take).unwrap_or_default().upgrade()
}

impl Outbound {
    pub(super) fn new(
        max_pending: usize,
        drop_when_stalling: bool,
        pool: Arc<Pool>,
        watched: Option<(Activity, String)>,
    ) -> Arc<Self> {
        Arc::new(Outbound {
            state: Mutex::new(OutboundState {
                waiting: ChunkQueue::new(pool),
                in_flight: 0,
                end: None,
                max_pending,
                drop_when_stalling,
                counts: OutboundCounts::default(),
                busy: None,
            }),
            ended: AtomicBool::new(false),
            watched,
            filled: Arc::new(Notify::new()),
            unstalled: Notify::new(),
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
                batch::wake(&self.filled);
            }
        }
    }

    /// More than may wait has come (L1). It is for the writer to drop it and to close the connection: here messages are routed.
    #[cold]
    fn overflow(&self, mut state: MutexGuard<'_, OutboundState>) {
        state.end = Some(End::Discard);
        self.ended.store(true, Relaxed);
        drop(state);
        self.filled.notify_one();
        self.unstalled.notify_waiters();
    }

    /// Something waits from now on.
    fn begin(&self, state: &mut OutboundState) {
        if let Some((activity, name)) = &self.watched
            && state.busy.is_none()
        {
            state.busy = Some(activity.hold(name.clone()));
        }
    }

    /// Puts a message behind what waits. False if it was given up.
    fn deliver(self: &Arc<Self>, frame: &Frame, void: &AtomicBool, message: &Message) -> bool {
        workers::delivered();
        let mut state = self.state.lock();
        if state.end.is_some() || void.load(Relaxed) {
            return false;
        }
        let was_idle = state.waiting.is_empty();
        let stalling = state.is_stalling();
        if stalling && state.drop_when_stalling {
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
            batch::wake(&self.filled);
        }
        if stalling {
            let before = STALLED.try_with(|stalled| stalled.replace(Arc::downgrade(self)));
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
        // Before this stops to count: a reader that it has stalled counts as soon as it is woken.
        self.filled.notify_one();
        self.unstalled.notify_waiters();
        // A payload may have a destructor of a user's.
        drop((discarded, idle));
    }

    /// Whether nothing is let in any more.
    #[inline]
    pub(super) fn has_ended(&self) -> bool {
        self.ended.load(Relaxed)
    }

    /// For the writer: what it is to write, with nothing in it.
    pub(super) fn nothing(&self) -> ChunkQueue {
        self.state.lock().waiting.empty_one()
    }

    /// For the writer, which has written everything that `taken` held: puts all that waits now there. False is the end.
    pub(super) async fn take(&self, taken: &mut ChunkQueue) -> bool {
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
        let was_stalled = state.is_stalling();
        state.in_flight = state.in_flight.saturating_sub(count);
        let unstalled = was_stalled && !state.is_stalling();
        let idle = if state.pending() == 0 { state.busy.take() } else { None };
        drop(state);
        if unstalled {
            self.unstalled.notify_waiters();
        }
        drop(idle);
    }

    /// Waits until the pressure is gone or the connection is. Cancel-safe.
    pub(super) async fn unstalled(&self) {
        let unstalled = self.unstalled.notified();
        {
            let mut state = self.state.lock();
            if state.end.is_some() || !state.is_stalling() {
                return;
            }
            state.counts.stalls += 1;
        }
        unstalled.await;
    }

    /// Whether the waiting bytes are to be dropped.
    pub(super) fn is_discarded(&self) -> bool {
        self.state.lock().end == Some(End::Discard)
    }

    /// Waits until the writer must stop in the middle of a write. Cancel-safe.
    pub(super) async fn discarded(&self) {
        loop {
            let unstalled = self.unstalled.notified();
            if self.state.lock().end == Some(End::Discard) {
                return;
            }
            unstalled.await;
        }
    }

    /// For the start of a connection: all that waits, for the task that writes it in the writer's
    /// place.
    pub(super) fn take_now(&self) -> ChunkQueue {
        let mut state = self.state.lock();
        let nothing = state.waiting.empty_one();
        let (taken, idle) = (std::mem::replace(&mut state.waiting, nothing), state.busy.take());
        drop(state);
        drop(idle);
        taken
    }

    pub(super) fn reconfigure(&self, max_pending: usize, drop_when_stalling: bool) {
        let mut state = self.state.lock();
        (state.max_pending, state.drop_when_stalling) = (max_pending, drop_when_stalling);
    }

    pub(super) fn counts(&self) -> OutboundCounts {
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

impl OutboundState {
    fn pending(&self) -> usize {
        self.waiting.len() + self.in_flight
    }

    /// Publishers are to wait a little (L3).
    fn is_stalling(&self) -> bool {
        self.pending() > self.max_pending / 4 * 3
    }
}
