//! One connection of a client: its two tasks, and what others may know of it and do to it.

use super::check::{Check, Checked};
use super::log::{ConnectionLog, Log};
use super::monitor::SubscriptionSnapshot;
use super::outbound::{End, Outbound};
use super::subscriptions::{self, ClientSubscription, Subscriptions, end_in_turns};
use super::tls::TlsInfo;
use super::workers::share_runtime;
use crate::protocol::{Connect, DisconnectReason, ProtocolError, Session, encode};
use crate::sync::{Mutex, RwLock};
use crate::{Client, steps};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, OnceLock};
use std::time::SystemTime;
use tokio::sync::Notify;

/// Ending more subscriptions than this takes long.
const MANY: usize = 1_024;

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
    pub(super) state: Mutex<ConnectionState>,
    /// Copied out, since a logger is a user's: no lock may be held while it is called.
    log: RwLock<Arc<ConnectionLog>>,
    /// For the reader: it is to stop, or to look at the options again.
    pub(super) attention: Notify,
    /// Which it was of those that left the server's list, counted from 1; 0 while it is there.
    pub(super) ended_as: AtomicU64,
}

/// The state that can change while a connection lives. Never locked while messages are routed: callbacks of users
/// run then.
#[derive(Default)]
pub(super) struct ConnectionState {
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
    pub(super) closed: Option<DisconnectReason>,
    /// The subscriptions that monitoring remembers then: how many there were, and some of them.
    pub(super) last: (usize, Vec<SubscriptionSnapshot>),
}

impl ConnectionState {
    /// Subscriptions that have not ended.
    pub(super) fn live(&self) -> usize {
        self.client.as_ref().map_or(0, Client::subscriptions)
    }

    /// Takes out subscriptions that have got all they wanted: this one, if it has; and all, once in a while. They are for the caller to
    /// drop.
    pub(super) fn sweep(&mut self, sid: &[u8]) -> Vec<ClientSubscription> {
        let ConnectionState { subscriptions, limited, sweep_at, .. } = self;
        let mut ended = Vec::new();
        let mut take = |sid: &[u8]| {
            steps::count(1);
            match subscriptions.get(sid) {
                Some(subscription) if !subscription.has_ended() => false,
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
            state: Mutex::new(ConnectionState::default()),
            log: RwLock::new(Arc::new(log)),
            attention: Notify::new(),
            ended_as: AtomicU64::new(0),
        })
    }

    /// Ends it: nothing is let in or out any more but what waits and the text of the refusal, and its subscriptions are gone when
    /// this returns. The first reason stays. False if it had ended before.
    pub(super) fn close(&self, reason: DisconnectReason, refusal: Option<&ProtocolError>) -> bool {
        let Some((client, subscriptions)) = self.begin_to_close(reason) else { return false };
        drop(subscriptions);
        self.finish_to_close(reason, refusal, client);
        true
    }

    /// As [`Connection::close`], for the reader and the writer: the more subscriptions there are, the longer that takes, and others have their turn
    /// meanwhile.
    pub(super) async fn close_in_turns(&self, reason: DisconnectReason) {
        let Some((client, subscriptions)) = self.begin_to_close(reason) else { return };
        if discards(reason) {
            // Nothing is to be added to what is dropped.
            self.out.end(End::Discard);
        }
        end_in_turns(subscriptions).await;
        self.finish_to_close(reason, None, client);
    }

    /// The first step; `None` if it was done before. Subscriptions go before the end can be seen: a thread that has seen it must
    /// not find an interest of the connection any more.
    fn begin_to_close(&self, reason: DisconnectReason) -> Option<(Option<Client>, Subscriptions)> {
        if self.state.lock().subscriptions.len() > MANY {
            share_runtime();
        }
        let mut state = self.state.lock();
        if state.closed.is_some() {
            return None;
        }
        state.last = (state.live(), subscriptions::remembered(&state.subscriptions));
        state.closed = Some(reason);
        Some((state.client.take(), std::mem::take(&mut state.subscriptions)))
    }

    fn finish_to_close(&self, reason: DisconnectReason, refusal: Option<&ProtocolError>, client: Option<Client>) {
        if let Some(client) = client {
            client.close();
        }
        if let Some(refusal) = refusal {
            let mut line = Vec::new();
            encode::error(&mut line, refusal);
            self.out.send_last(&line);
        }
        self.log().closed(reason, self.out.max_pending());
        self.out.end(if discards(reason) { End::Discard } else { End::Flush });
        self.attention.notify_one();
    }

    pub(super) fn close_reason(&self) -> Option<DisconnectReason> {
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

/// Whether the bytes that wait for a connection have no receiver any more, or may not be kept (L1, L2).
fn discards(reason: DisconnectReason) -> bool {
    use DisconnectReason::*;
    matches!(
        reason,
        ReadError | WriteError | SlowConsumerPendingBytes | SlowConsumerWriteDeadline | TlsHandshakeFailure
    )
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

impl Traffic {
    pub(super) fn note(&self, session: &Session) {
        self.in_msgs.store(session.in_msgs(), Relaxed);
        self.in_bytes.store(session.in_bytes(), Relaxed);
        self.last_activity.store(in_u64(session.last_activity().as_millis()), Relaxed);
        self.rtt.store(session.rtt().map_or(0, |rtt| in_u64(rtt.as_nanos())), Relaxed);
    }
}

/// Times past what the counter can hold are its greatest.
pub(super) fn in_u64(time: u128) -> u64 {
    time.try_into().unwrap_or(u64::MAX)
}
