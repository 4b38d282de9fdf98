//! The events of a bus: losses, ends and panics.

use crate::delivery::{DroppedMessage, Episode, Losses};
use crate::error::CloseReason;
use crate::id::ClientId;
use crate::observe::SubscriptionInfo;
use crate::user_code::UserCode;

/// Something that happened on a bus and that no return value tells.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// A subscription lost messages because it was slower than its publishers.
    SlowConsumer(SlowConsumer),
    /// A subscription ended without its owner's doing: it was too slow, its channel's receiving end is gone, or it is no longer
    /// allowed.
    SubscriptionClosed {
        /// Which one.
        subscription: SubscriptionInfo,
        /// Why.
        reason: CloseReason,
    },
    /// A callback panicked; the message counts as delivered and the subscription stays in force.
    CallbackPanicked {
        /// The callback's subscription.
        subscription: SubscriptionInfo,
        /// The text of the panic; empty if it carries none.
        message: String,
    },
    /// Other code of a user's panicked; the work of the bus after it was done all the same.
    UserCodePanicked {
        /// Which code.
        code: UserCode,
        /// The text of the panic; empty if it carries none.
        message: String,
    },
    /// A client was refused an operation that its permissions, or rules for all lenient clients, do not allow (P4). Told once for
    /// each refusal.
    PermissionDenied {
        /// The client's number.
        client: ClientId,
        /// The client's name.
        name: Option<String>,
        /// The refused operation.
        denied: Denied,
    },
    /// A client was closed, or drained to the end.
    ClientClosed {
        /// Its number.
        client: ClientId,
        /// Its name.
        name: Option<String>,
    },
    /// The bus was closed: the last event.
    BusClosed,
}

/// An operation that a client was refused; see [`Event::PermissionDenied`].
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Denied {
    /// Publishing (P3, S9).
    Publish {
        /// Where.
        subject: String,
    },
    /// Publishing with a reply that is reserved (S10).
    Reply {
        /// Which one.
        reply: String,
    },
    /// Subscribing, for requests as well (P5, P6). A subscription that was allowed before is an [`Event::SubscriptionClosed`] instead.
    Subscribe {
        /// To what.
        pattern: String,
        /// In which queue group.
        queue: Option<String>,
    },
}

/// One slow-consumer episode: all losses from the first one until half of the subscription's capacity is free again.
///
/// It is announced once, at its first loss, and grows until it is read. If it is read before its end (`ended` is false), it is
/// announced once more when it has ended, with the totals of the whole.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct SlowConsumer {
    /// Which subscription.
    pub subscription: SubscriptionInfo,
    /// The first message lost.
    pub first: DroppedMessage,
    /// The last message lost so far.
    pub last: DroppedMessage,
    /// Messages lost so far in this episode.
    pub dropped: u64,
    /// Whether it is over.
    pub ended: bool,
}

impl SlowConsumer {
    /// An episode as far as it has come.
    pub(super) fn new(subscription: SubscriptionInfo, episode: &Episode) -> Self {
        let Losses { first, last, dropped, ended } = episode.losses();
        SlowConsumer { subscription, first, last, dropped, ended }
    }
}
