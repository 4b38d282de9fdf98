//! One slow-consumer episode: from the first loss until half of the room is free again, or the subscription ends.

use super::overflow::DropReason;
use crate::subject::Subject;
use crate::sync::Mutex;
use std::fmt;
use std::time::Duration;

/// A message that was lost.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct DroppedMessage {
    /// Where it was published.
    pub subject: Subject,
    /// Bytes of payload and headers.
    pub size: usize,
    /// Why it was lost.
    pub reason: DropReason,
    /// When, on the bus's clock.
    pub at: Duration,
}

impl fmt::Display for DroppedMessage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let DroppedMessage { subject, size, reason, at } = self;
        write!(f, "{size} bytes on {subject} at {at:?} ({reason})")
    }
}

/// The losses of an episode so far.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Losses {
    pub(crate) first: DroppedMessage,
    pub(crate) last: DroppedMessage,
    pub(crate) dropped: u64,
    pub(crate) ended: bool,
}

/// An episode under way: it grows in place, also after it has been announced.
#[derive(Debug)]
pub(crate) struct Episode(Mutex<Losses>);

impl Episode {
    pub(super) fn begin(lost: DroppedMessage) -> Self {
        Episode(Mutex::new(Losses { first: lost.clone(), last: lost, dropped: 1, ended: false }))
    }

    pub(super) fn add(&self, lost: DroppedMessage) {
        let mut losses = self.0.lock();
        losses.dropped += 1;
        losses.last = lost;
    }

    pub(super) fn end(&self) {
        self.0.lock().ended = true;
    }

    pub(crate) fn losses(&self) -> Losses {
        self.0.lock().clone()
    }
}
