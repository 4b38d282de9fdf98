//! Messages, and copies for one subscription, that an observer delays.

use crate::id::{ClientId, MessageId};
use crate::message::Message;
use std::fmt;

/// A point at which an observer may delay a message, or the copy of it for one subscription. Routing implements it.
pub(crate) trait Delay: fmt::Debug {
    /// How many subscriptions match the message now; of each queue group that has members, one.
    fn reach(&self) -> usize;

    /// The way that the message takes later.
    fn delay_message(&self) -> Box<dyn Reroute>;

    /// The way that the copy takes later, if the point is about one copy.
    fn delay_delivery(&self) -> Option<Box<dyn Reroute>>;
}

/// The way of something that is delayed.
pub(crate) trait Reroute: Send + Sync {
    /// The number of the connection that published it.
    fn publisher(&self) -> ClientId;

    /// Routes it now, as message `id`; gives back how many subscribers accepted it.
    fn release(&self, id: MessageId, message: Message) -> usize;

    /// It is not released.
    fn lose(&self, message: &Message);
}

/// A message that is to be routed later; made by [`PublishContext::delay`](crate::observe::PublishContext::delay). Dropping it loses it, without a
/// count: it has not been published yet.
#[must_use = "dropping it loses the message"]
pub struct DelayedMessage {
    id: MessageId,
    message: Message,
    way: Box<dyn Reroute>,
}

impl DelayedMessage {
    pub(super) fn new(id: MessageId, message: Message, way: Box<dyn Reroute>) -> Self {
        DelayedMessage { id, message, way }
    }

    /// The message.
    pub fn message(&self) -> &Message {
        &self.message
    }

    /// The number of the connection that published it.
    pub fn client(&self) -> ClientId {
        self.way.publisher()
    }

    /// The number that it is known by.
    pub fn id(&self) -> MessageId {
        self.id
    }

    /// Routes it now, also if the connection that published it has been closed meanwhile. The observer isn't asked again about the
    /// publish, but about each copy. Gives back how many subscribers accepted it. A request that no subscription matches any more
    /// fails with no responders (R2).
    ///
    /// Blocks as a publish does.
    pub fn release(self) -> usize {
        self.way.release(self.id, self.message)
    }
}

impl fmt::Debug for DelayedMessage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("DelayedMessage");
        shown.field("id", &self.id).field("client", &self.client()).field("message", &self.message).finish()
    }
}

/// A message on its way to one subscription; made by [`PublishContext::delay_delivery`](crate::observe::PublishContext::delay_delivery). Dropping it loses the copy,
/// which counts as [`DropReason::Fault`](crate::stats::DropReason::Fault) if the subscription is still there. If the subscription has
/// ended, the copy is not counted.
#[must_use = "dropping it loses the copy"]
pub struct DelayedDelivery {
    id: MessageId,
    /// `None` once it is released.
    message: Option<Message>,
    way: Box<dyn Reroute>,
}

impl DelayedDelivery {
    pub(super) fn new(id: MessageId, message: Message, way: Box<dyn Reroute>) -> Self {
        DelayedDelivery { id, message: Some(message), way }
    }

    /// The number that its message is known by.
    pub fn id(&self) -> MessageId {
        self.id
    }

    /// Delivers it now, if the subscription is still in force. The observer isn't asked about it again. Whether it was accepted.
    ///
    /// Blocks as a publish does.
    pub fn release(mut self) -> bool {
        self.message.take().is_some_and(|message| self.way.release(self.id, message) > 0)
    }
}

impl Drop for DelayedDelivery {
    fn drop(&mut self) {
        if let Some(message) = self.message.take() {
            self.way.lose(&message);
        }
    }
}

impl fmt::Debug for DelayedDelivery {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DelayedDelivery").field("id", &self.id).field("message", &self.message).finish_non_exhaustive()
    }
}
