//! The endless messages of a consumer, pulled or pushed.

use super::items::{Items, items};
use super::receive::{Inflow, Received};
use crate::jetstream::engine::consumer::PullRequest;
use crate::jetstream::engine::time::nanos;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

/// How messages are pulled ahead; given to [`Consumer::messages_with`](super::Consumer::messages_with).
#[derive(Clone, Debug)]
#[must_use]
pub struct MessagesOptions {
    batch: usize,
    expires: Duration,
    heartbeat: Option<Duration>,
    group: String,
    priority: u8,
    min_pending: u64,
    min_ack_pending: u64,
}

impl MessagesOptions {
    /// 200 messages at once, in requests of 30 s with heartbeats every 15 s.
    pub fn new() -> Self {
        let expires = Duration::from_secs(30);
        MessagesOptions {
            batch: 200,
            expires,
            heartbeat: Some(expires / 2),
            group: String::new(),
            priority: 0,
            min_pending: 0,
            min_ack_pending: 0,
        }
    }

    /// Messages that are on their way or in the queue at once; at least 1. When half of them were taken, as many are asked for again.
    pub fn batch(mut self, messages: usize) -> Self {
        self.batch = messages.max(1);
        self
    }

    /// How long a request waits before it is made anew, on the server's clock. It also sets the heartbeat, to half of it and to 15 s at
    /// most.
    pub fn expires(mut self, time: Duration) -> Self {
        self.expires = time;
        self.heartbeat = Some((time / 2).min(Duration::from_secs(15)));
        self
    }

    /// How often the server says that it lives; `None`: never. At most half of [`expires`](MessagesOptions::expires) (JC64).
    pub fn heartbeat(mut self, interval: Option<Duration>) -> Self {
        self.heartbeat = interval;
        self
    }

    /// The priority group of the requests.
    pub fn group(mut self, group: impl Into<String>) -> Self {
        self.group = group.into();
        self
    }

    /// The requests' priority, 0 to 9, with the priority policy prioritized (JC175).
    pub fn priority(mut self, priority: u8) -> Self {
        self.priority = priority;
        self
    }

    /// Requests are served only while at least so many messages are pending, with the priority policy overflow (JC170).
    pub fn min_pending(mut self, messages: u64) -> Self {
        self.min_pending = messages;
        self
    }

    /// Requests are served only while at least so many messages wait for acknowledgements, with the priority policy overflow (JC170).
    pub fn min_ack_pending(mut self, messages: u64) -> Self {
        self.min_ack_pending = messages;
        self
    }

    pub(super) fn request(self) -> PullRequest {
        let MessagesOptions { batch, expires, heartbeat, group, priority, min_pending, min_ack_pending } = self;
        PullRequest {
            batch: i64::try_from(batch).unwrap_or(i64::MAX),
            expires: nanos(expires),
            idle_heartbeat: nanos(heartbeat.unwrap_or_default()),
            group,
            priority: priority.into(),
            min_pending: i64::try_from(min_pending).unwrap_or(i64::MAX),
            min_ack_pending: i64::try_from(min_ack_pending).unwrap_or(i64::MAX),
            ..PullRequest::default()
        }
    }
}

impl Default for MessagesOptions {
    fn default() -> Self {
        MessagesOptions::new()
    }
}

/// The messages of a consumer without end: for threads `recv` or a `for` loop, for tasks a [`Stream`](futures_core::Stream). It pulls ahead
/// from a pull consumer; for a push consumer it is the subscription to the deliver subject, and answers flow control.
///
/// [`HeartbeatMissed`](super::MessagesError::HeartbeatMissed) is told, and it goes on. Any other error is its last item.
///
/// # Cancel safety
///
/// Dropping it gives up what has come and was not taken: it is delivered again when its time to be acknowledged is up, and is lost to a
/// consumer without acknowledgements. A task that is dropped between two messages loses nothing.
#[derive(Debug)]
#[must_use = "the messages are only to be had from it"]
pub struct Messages {
    inflow: Inflow,
}

impl Messages {
    pub(super) fn new(inflow: Inflow) -> Self {
        Messages { inflow }
    }
}

impl Items for Messages {
    type Item = Received;

    fn next_blocking(&mut self) -> Option<Received> {
        self.inflow.next_blocking()
    }
}

items!([] Messages => Received);

impl futures_core::Stream for Messages {
    type Item = Received;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Received>> {
        self.inflow.poll_next(cx)
    }
}

impl futures_core::stream::FusedStream for Messages {
    fn is_terminated(&self) -> bool {
        self.inflow.is_done()
    }
}
