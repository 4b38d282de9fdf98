//! One connection of a client: its two tasks, and what others may know of it and do to it.

use super::check::{Check, Checked, Checking};
use super::host::Desk;
use super::log::{ConnectionLog, Log};
use super::monitor::Subscription;
use super::outbound::{Batch, End, HOOKS, Outbound, Ticket, pressed, share_runtime};
use super::pieces::Pieces;
use super::registry::Registry;
use super::snapshot;
use crate::protocol::{Close, Connect, Refusal, Session, encode};
use crate::sync::{Mutex, RwLock};
use crate::{Bus, Client, SubscriptionGuard, blocking, steps};
use bytes::{Buf, BufMut, BytesMut};
use std::collections::BTreeMap;
use std::future::poll_fn;
use std::io::{self, IoSlice};
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll};
use std::time::{Duration, SystemTime};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::sync::Notify;
use tokio::task::yield_now;

/// The bytes that a connection reads at once: little at first, more while reads fill the buffer.
const READ_MIN: usize = 512;
const READ_MAX: usize = 64 << 10;

/// Ending more subscriptions than this takes long.
const MANY: usize = 1_024;

/// Pieces that are written at once, at most.
const SLICES: usize = 64;

/// How long, in real time, a publisher waits for a slow connection: longer once that is over its bound (L3).
const STALL: Duration = Duration::from_millis(5);

/// A connection, as the server keeps it.
pub(super) struct Connection {
    pub(super) cid: u64,
    /// Where the peer is, if it came through a socket.
    pub(super) peer: Option<SocketAddr>,
    pub(super) started: SystemTime,
    pub(super) nonce: Option<String>,
    tls: OnceLock<TlsInfo>,
    pub(super) out: Arc<Outbound>,
    pub(super) traffic: Traffic,
    pub(super) state: Mutex<State>,
    /// Copied out, since a logger is a user's: no lock may be held while it is called.
    log: RwLock<Arc<ConnectionLog>>,
    /// For the reader: it is to stop, or to look at the options again.
    attention: Notify,
}

/// Subscriptions that end at once; of more, others have their turn in between.
pub(super) const ENDED_AT_ONCE: usize = 256;

/// By sid.
pub(super) type Subscriptions = BTreeMap<Box<[u8]>, Interest>;

/// The state that can change while a connection lives. Never locked while messages are routed: callbacks of users
/// run then.
#[derive(Default)]
pub(super) struct State {
    /// Its connection to the bus, once its options are known.
    pub(super) client: Option<Client>,
    pub(super) connect: Connect,
    /// The user that it was recognised as.
    pub(super) user: Option<String>,
    /// The last comparison of its password with a hash.
    pub(super) checked: Option<Checked>,
    /// The one that its reader is to have done.
    pub(super) to_check: Option<Check>,
    pub(super) subscriptions: Subscriptions,
    /// Those that end by themselves, once they have got all they want.
    pub(super) limited: Vec<Box<[u8]>>,
    /// How many of these are looked through the next time.
    sweep_at: usize,
    /// Why it ends, once it does.
    pub(super) closed: Option<Close>,
    /// The subscriptions that monitoring remembers then: how many there were, and some of them.
    pub(super) last: (usize, Vec<Subscription>),
}

/// A subscription of the client's, under its own name for it.
#[derive(Debug)]
pub(super) struct Interest {
    /// Shared, so that it can be ended where the connection's state is not locked: that may run code of users.
    pub(super) listening: Arc<Listening>,
    pub(super) queue: Option<String>,
    /// Messages after which it ends, those included that it got before (D2).
    pub(super) max: Option<u64>,
    /// Messages that it got before it was brought over to another client of the bus; its guard counts those since.
    pub(super) before: u64,
}

/// The path of a subscription's messages to its connection. When this is dropped, no more messages come, not even those that others
/// are just publishing.
#[derive(Debug)]
pub(super) struct Listening {
    pub(super) guard: SubscriptionGuard,
    pub(super) ticket: Arc<Ticket>,
}

impl Drop for Listening {
    fn drop(&mut self) {
        self.ticket.void();
    }
}

impl State {
    /// Subscriptions that have not ended.
    pub(super) fn live(&self) -> usize {
        self.client.as_ref().map_or(0, Client::subscriptions)
    }

    /// Takes out subscriptions that have got all they wanted: this one, if it has; and all, once in a while. They are for the caller to
    /// drop.
    pub(super) fn sweep(&mut self, sid: &[u8]) -> Vec<Interest> {
        let State { subscriptions, limited, sweep_at, .. } = self;
        let mut ended = Vec::new();
        let mut take = |sid: &[u8]| {
            steps::count(1);
            match subscriptions.get(sid) {
                Some(interest) if interest.listening.guard.close_reason().is_none() => false,
                _ => {
                    ended.extend(subscriptions.remove(sid));
                    true
                }
            }
        };
        take(sid);
        // So rarely that all searches together cost as much as the subscriptions that were made meanwhile.
        if limited.len() > *sweep_at {
            limited.retain(|sid| !take(sid));
            *sweep_at = limited.len() * 2 + 16;
        }
        ended
    }
}

/// The TLS parameters that were negotiated under the protocol.
#[derive(Clone, Debug)]
pub(super) struct TlsInfo {
    pub(super) version: String,
    pub(super) cipher: String,
}

/// The counts of the session, published for others after each read.
//
// ORDERING: Relaxed throughout; written by the connection's own tasks alone, and the values publish nothing else.
#[derive(Debug, Default)]
pub(super) struct Traffic {
    pub(super) in_msgs: AtomicU64,
    pub(super) in_bytes: AtomicU64,
    /// Milliseconds of the bus's clock.
    pub(super) last_activity: AtomicU64,
    /// The same, of messages to the client; written by the connection's writer.
    pub(super) last_delivery: AtomicU64,
    /// Nanoseconds; 0 while unknown.
    pub(super) rtt: AtomicU64,
}

impl Connection {
    pub(super) fn new(
        cid: u64,
        peer: Option<SocketAddr>,
        started: SystemTime,
        nonce: Option<String>,
        out: Arc<Outbound>,
        log: Log,
    ) -> Arc<Self> {
        let log = ConnectionLog::new(log, peer, cid);
        log.debug(format_args!("Client connection created"));
        Arc::new(Connection {
            cid,
            peer,
            started,
            nonce,
            tls: OnceLock::new(),
            out,
            traffic: Traffic::default(),
            state: Mutex::new(State::default()),
            log: RwLock::new(Arc::new(log)),
            attention: Notify::new(),
        })
    }

    /// Ends it: nothing is let in or out any more but what waits and the text of the refusal, and its subscriptions are gone when
    /// this returns. The first reason stays. False if it had ended before.
    pub(super) fn close(&self, reason: Close, refusal: Option<&Refusal>) -> bool {
        let Some((client, subscriptions)) = self.begin_to_close(reason) else { return false };
        drop(subscriptions);
        self.finish_to_close(reason, refusal, client);
        true
    }

    /// As [`Connection::close`], for the reader: the more subscriptions there are, the longer that takes, and others have their turn
    /// meanwhile.
    async fn close_in_turns(&self, reason: Close) {
        let Some((client, subscriptions)) = self.begin_to_close(reason) else { return };
        end_in_turns(subscriptions).await;
        self.finish_to_close(reason, None, client);
    }

    /// The first step; `None` if it was done before. Subscriptions go before the end can be seen: a thread that has seen it must
    /// not find an interest of the connection any more.
    fn begin_to_close(&self, reason: Close) -> Option<(Option<Client>, Subscriptions)> {
        if self.state.lock().subscriptions.len() > MANY {
            share_runtime();
        }
        let mut state = self.state.lock();
        if state.closed.is_some() {
            return None;
        }
        state.last = snapshot::last(&state);
        state.closed = Some(reason);
        Some((state.client.take(), std::mem::take(&mut state.subscriptions)))
    }

    fn finish_to_close(&self, reason: Close, refusal: Option<&Refusal>, client: Option<Client>) {
        if let Some(client) = client {
            client.close();
        }
        if let Some(refusal) = refusal {
            let mut line = Vec::new();
            encode::error(&mut line, refusal);
            self.out.send_last(&line);
        }
        self.log().closed(reason, self.out.max_pending());
        use Close::*;
        let discard = matches!(
            reason,
            ReadError | WriteError | SlowConsumerPendingBytes | SlowConsumerWriteDeadline | TlsHandshakeFailure
        );
        self.out.end(if discard { End::Discard } else { End::Flush });
        self.attention.notify_one();
    }

    pub(super) fn close_reason(&self) -> Option<Close> {
        self.state.lock().closed
    }

    /// Waits until it is closed, in its reader's place, and takes in what its reader would be told meanwhile.
    pub(super) async fn closed(&self) {
        while self.close_reason().is_none() {
            self.attention.notified().await;
        }
    }

    /// Notes the TLS parameters that were agreed on below the protocol.
    pub(super) fn note_tls(&self, agreed: TlsInfo) {
        let _ = self.tls.set(agreed);
    }

    /// Sends the server's INFO again, to clients that expect that (C19, C20).
    pub(super) fn tell(&self, registry: &Registry) {
        if self.state.lock().connect.protocol >= 1 {
            self.out.send(&registry.info(self, false).to_line());
        }
    }

    /// Has the reader look at the options again.
    pub(super) fn nudge(&self) {
        self.attention.notify_one();
    }

    pub(super) fn counts(&self) -> Counts {
        let out = self.out.counts();
        Counts {
            in_msgs: self.traffic.in_msgs.load(Relaxed),
            in_bytes: self.traffic.in_bytes.load(Relaxed),
            out_msgs: out.messages,
            out_bytes: out.bytes,
            stalls: out.stalls,
        }
    }

    pub(super) fn tls(&self) -> Option<&TlsInfo> {
        self.tls.get()
    }

    /// Its own lines of the server's log.
    pub(super) fn log(&self) -> Arc<ConnectionLog> {
        self.log.read().clone()
    }

    /// From now on its lines in the log name the user.
    pub(super) fn identify(&self, connect: &Connect, user: Option<&str>) {
        let mut log = ConnectionLog::clone(&self.log());
        log.identify(connect, user);
        *self.log.write() = Arc::new(log);
    }
}

/// Messages and bytes of one connection, as seen from the server (M3).
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Counts {
    pub(super) in_msgs: u64,
    pub(super) in_bytes: u64,
    pub(super) out_msgs: u64,
    pub(super) out_bytes: u64,
    pub(super) stalls: u64,
}

/// Reads, and does what the client asks, until the connection ends.
pub(super) async fn read(
    mut reader: impl AsyncRead + Unpin,
    mut session: Session,
    mut desk: Desk,
    registry: &Arc<Registry>,
    connection: &Arc<Connection>,
) {
    let bus = &registry.bus;
    let mut input = BytesMut::new();
    let mut at_once = READ_MIN;
    let mut timer = pin!(bus.sleep(Duration::ZERO));
    let mut timer_is_for = None;
    let mut checking = Checking::default();
    // The input has ended, but not what is to be done of it.
    let mut at_end = false;
    let reason = loop {
        if session.next_timeout() != timer_is_for {
            timer_is_for = session.next_timeout();
            let now = bus.clock().now();
            timer.set(bus.sleep(timer_is_for.map_or(Duration::ZERO, |at| at.saturating_sub(now))));
        }
        let paused = desk.is_paused();
        let on_hold = checking.is_on();
        let reads = if on_hold { !at_end && input.len() < READ_MAX } else { !paused };
        let room = if paused && !on_hold { 0 } else { session.reserve(&mut input, at_once) };
        let mut within = (&mut input).limit(room);
        let mut more = false;
        let result = tokio::select! {
            biased;
            () = connection.attention.notified() => {
                session.reconfigure(registry.session_limits());
                if !checking.is_on() {
                    begin_check(&mut checking, registry, connection);
                }
                connection.close_reason().map_or(Ok(()), Err)
            }
            () = &mut timer, if timer_is_for.is_some() => {
                timer_is_for = None;
                session.timeout(bus.clock().now(), &mut desk)
            }
            () = yield_now(), if paused && !on_hold => work(&mut session, &mut input, &mut desk, bus),
            checked = checking.outcome(), if on_hold => {
                at_end = false;
                connection.state.lock().checked = Some(checked);
                if !session.is_waiting() {
                    desk.recognise_again();
                    begin_check(&mut checking, registry, connection);
                }
                match connection.close_reason() {
                    Some(reason) => Err(reason),
                    None if checking.is_on() => Ok(()),
                    None => work(&mut session, &mut input, &mut desk, bus),
                }
            }
            // During a check, this read only sees the end of a client that waits for nothing else.
            read = reader.read_buf(&mut within), if reads => match read {
                Ok(0) if on_hold && asks_for_more(session.rest(&input)) => {
                    at_end = true;
                    Ok(())
                }
                Ok(0) => Err(Close::ClientClosed),
                Err(_) => Err(Close::ReadError),
                Ok(_) if on_hold => Ok(()),
                Ok(count) => {
                    more = count >= room.min(at_once);
                    if count >= at_once {
                        at_once = (at_once * 2).min(READ_MAX);
                    } else if count < at_once / 4 {
                        at_once = (at_once / 2).max(READ_MIN);
                    }
                    work(&mut session, &mut input, &mut desk, bus)
                }
            },
        };
        connection.traffic.note(&session);
        end_in_turns(desk.take_ended()).await;
        if let Err(reason) = result {
            break reason;
        }
        if connection.out.has_ended() {
            // Had another reason been given, that would be the first.
            break connection.close_reason().unwrap_or(Close::SlowConsumerPendingBytes);
        }
        if session.is_waiting() && !checking.is_on() {
            begin_check(&mut checking, registry, connection);
        }
        if let Some(slow) = pressed() {
            // A publisher that is faster than its readers is slowed down, for a moment only (L3).
            tokio::select! {
                () = slow.eased() => {}
                () = registry.bus.sleep_real(STALL) => {}
                () = connection.attention.notified() => connection.nudge(),
            }
        }
        if more && !desk.is_paused() {
            // The writers that were woken wait for this thread, and can't be taken over by another.
            yield_now().await;
        }
    };
    connection.close_in_turns(reason).await;
}

/// Ends subscriptions, a few at a time.
async fn end_in_turns(subscriptions: Subscriptions) {
    let mut left = subscriptions.into_iter();
    loop {
        left.by_ref().take(ENDED_AT_ONCE).for_each(drop);
        if left.len() == 0 {
            return;
        }
        yield_now().await;
    }
}

/// A slice of what the client asks for.
fn work(session: &mut Session, input: &mut BytesMut, desk: &mut Desk, bus: &Bus) -> Result<(), Close> {
    let _batch = Batch::begin();
    // Clears the mark of earlier deliveries by this thread: they do not count here.
    let _ = pressed();
    let now = bus.clock().now();
    desk.begin_slice(now);
    blocking::with_hooks(&HOOKS, || session.receive(input, now, desk))
}

/// Begins what the connection is to have compared, if there is something.
fn begin_check(checking: &mut Checking, registry: &Registry, connection: &Connection) {
    let Some(check) = connection.state.lock().to_check.take() else { return };
    let name = || format!("the server, which checks the password of wire connection {},", connection.cid);
    let hold = registry.bus.activity().map(|activity| activity.hold(name()));
    checking.begin(check, registry.checks.clone(), hold);
}

/// Whether there is anything in the input but PING and PONG, which mean nothing to a client that has gone.
fn asks_for_more(input: &[u8]) -> bool {
    let is_idle = |line: &[u8]| [&b""[..], b"PING", b"PONG"].iter().any(|idle| line.eq_ignore_ascii_case(idle));
    !input.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii).all(is_idle)
}

/// Writes what waits for the connection until its end.
pub(super) async fn write(mut writer: impl AsyncWrite + Unpin, registry: Arc<Registry>, connection: Arc<Connection>) {
    let out = &connection.out;
    let mut taken = out.nothing();
    let mut messages = 0;
    while out.take(&mut taken).await {
        let so_far = out.counts().messages;
        if so_far != std::mem::replace(&mut messages, so_far) {
            connection.traffic.last_delivery.store(in_u64(registry.bus.clock().now().as_millis()), Relaxed);
        }
        if let Err(reason) = write_one(&mut writer, &mut taken, &registry, out).await {
            connection.close(reason, None);
            // If it had ended before, the rest that still waits has no receiver now.
            out.end(End::Discard);
            break;
        }
    }
    if out.is_discarded() {
        // The publisher that exceeded the bound could not close the connection itself.
        connection.close(Close::SlowConsumerPendingBytes, None);
    }
    // The peer may be gone already.
    let _ = writer.shutdown().await;
}

async fn write_one<W: AsyncWrite + Unpin>(
    writer: &mut W,
    taken: &mut Pieces,
    registry: &Registry,
    out: &Outbound,
) -> Result<(), Close> {
    let mut writing = pin!(async {
        while !taken.is_empty() {
            let count = poll_fn(|context| poll_write(writer, taken, context)).await?;
            if count == 0 {
                return Err(io::ErrorKind::WriteZero.into());
            }
            taken.advance(count);
            out.written(count);
        }
        writer.flush().await
    });
    // No timer for a write that is done at once, as nearly all are.
    let first = poll_fn(|context| Poll::Ready(writing.as_mut().poll(context))).await;
    let result = match first {
        Poll::Ready(result) => result,
        Poll::Pending => tokio::select! {
            result = &mut writing => result,
            () = out.discarded() => return Err(Close::SlowConsumerPendingBytes),
            () = registry.bus.sleep(registry.options().write_deadline) => return Err(Close::SlowConsumerWriteDeadline),
        },
    };
    result.map_err(|_| Close::WriteError)
}

fn poll_write(
    writer: &mut (impl AsyncWrite + Unpin),
    pieces: &Pieces,
    context: &mut Context<'_>,
) -> Poll<io::Result<usize>> {
    if !writer.is_write_vectored() {
        return Pin::new(writer).poll_write(context, pieces.chunk());
    }
    let mut slices = [IoSlice::new(&[]); SLICES];
    let filled = pieces.chunks_vectored(&mut slices);
    Pin::new(writer).poll_write_vectored(context, &slices[..filled])
}

impl Traffic {
    fn note(&self, session: &Session) {
        self.in_msgs.store(session.in_msgs(), Relaxed);
        self.in_bytes.store(session.in_bytes(), Relaxed);
        self.last_activity.store(in_u64(session.last_activity().as_millis()), Relaxed);
        self.rtt.store(session.rtt().map_or(0, |rtt| in_u64(rtt.as_nanos())), Relaxed);
    }
}

/// Times past what the counter can hold are its greatest.
fn in_u64(time: u128) -> u64 {
    time.try_into().unwrap_or(u64::MAX)
}
