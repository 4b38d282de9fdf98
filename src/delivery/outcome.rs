//! The outcomes of offering a message to a subscriber, and the work that they leave for when no lock is held.

use crate::message::Message;
use crate::user_code::UserWaker;

/// A message was not let in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refused {
    /// No room.
    Full,
    /// The subscription has ended.
    Gone,
    /// The receiving end of the user's channel is gone: the subscription is to be ended.
    Disconnected,
}

/// The outcome of offering a message.
pub(crate) enum Offered {
    /// It is with the subscriber.
    Taken(FollowUp),
    /// The callback is to be run with it, and then [`DeliveryTarget::run`](super::DeliveryTarget::run) called. It counts as taken.
    Run(Message, FollowUp),
    /// It was not let in.
    Refused(Message, Refused),
}

/// The work left to do for a message that was let in, once no lock is held.
#[derive(Debug, Default)]
pub(crate) struct FollowUp {
    /// A receiver waits in the queue's list.
    pub(crate) wake_receiver: bool,
    /// A thread or task waits for the count of pending messages to fall.
    pub(crate) wake_senders: bool,
    /// The waker that waits for this very message.
    pub(crate) wake: Option<UserWaker>,
    /// The subscription has got all that it wanted and is to end.
    pub(crate) last: bool,
    /// It was slow and has room again.
    pub(crate) recovered: bool,
}

impl FollowUp {
    #[inline]
    pub(crate) fn is_something(&self) -> bool {
        self.wake_receiver || self.wake_senders || self.last || self.recovered || self.wake.is_some()
    }
}
