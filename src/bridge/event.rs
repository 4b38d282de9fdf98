//! The events of a bridge.

use super::stats::LossReason;
use crate::Bus;
use crate::event::EventSender;
use crate::sync::Mutex;
use std::sync::Arc;
use std::time::Duration;

/// Unread events that a stream keeps; of more the oldest go.
const CAPACITY: usize = 1_024;

/// Something that happened to a bridge and that no return value tells.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum BridgeEvent {
    /// It is connected, its subscriptions are there, and messages flow.
    Connected {
        /// The server's id.
        server_id: String,
        /// Its address, without user and password.
        server: String,
    },
    /// The connection was lost; it will be made again.
    Disconnected,
    /// An attempt to connect failed: the server could not be reached, or did not let the bridge in. More attempts follow. Not every
    /// failure since the connection was lost is told: the 1st, 2nd, 4th, 8th and so on, and each with a new reason, up to 64
    /// reasons.
    ConnectFailed {
        /// Attempts that failed since the connection was lost, or since the bridge was started.
        attempts: u32,
        /// The server that was tried, and the words of the server or of the client library.
        reason: String,
    },
    /// Messages were lost, or may have been.
    Lost(LossEpisode),
    /// The server does not let the bridge publish or subscribe there.
    Denied {
        /// Whether it was a subscription.
        subscribe: bool,
        /// The subject or pattern on the server.
        subject: String,
    },
    /// Something else that the server complained of.
    ServerError {
        /// In its words.
        text: String,
    },
    /// The server can't confirm messages, since permissions keep the bridge from asking: a message counts as delivered when it
    /// is written.
    Unconfirmable,
    /// The bridge was closed, or drained to the end: the last event.
    Closed,
}

/// Messages of one direction lost for one reason, from the first loss until the buffer is half empty again or, for other reasons than
/// a full buffer, until the event is read.
///
/// It is announced at its first loss and grows until it is read. If it is read before its end (`ended` is false), it is
/// announced once more when it has ended, with the totals of the whole.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct LossEpisode {
    /// Which way the messages went.
    pub direction: Direction,
    /// Why they were lost.
    pub reason: LossReason,
    /// The first one.
    pub first: LostMessage,
    /// The last one so far.
    pub last: LostMessage,
    /// How many so far.
    pub count: u64,
    /// Whether it is over.
    pub ended: bool,
}

/// A message that was lost.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct LostMessage {
    /// Its subject on the side it came from.
    pub subject: String,
    /// Bytes of payload and headers.
    pub size: usize,
    /// When, on the bus's clock.
    pub at: Duration,
}

/// A way that messages go.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(clippy::exhaustive_enums, reason = "a bridge has two ends")]
pub enum Direction {
    /// From the bus to the server.
    Outgoing,
    /// From the server to the bus.
    Incoming,
}

/// An episode under way: it grows in place, also after it has been announced.
pub(super) type Episode = Mutex<LossEpisode>;

/// Sends the events of a bridge. Not to be called under a lock: it wakes tasks of users.
pub(super) type Events = EventSender<BridgeEvent>;

/// A source of the events of a bridge.
pub(super) fn events(bus: &Bus) -> Events {
    bus.event_sender(CAPACITY)
}

/// Announces an episode that has begun or ended.
pub(super) fn emit_episode(events: &Events, episode: &Arc<Episode>) {
    events.emit_report(episode, |episode| BridgeEvent::Lost(episode.lock().clone()));
}
