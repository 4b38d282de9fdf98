//! Messages, and copies for one subscription, that an observer holds back for a while.

use super::Connection;
use super::later::Later;
use crate::account::Subscription;
use crate::delivery::DropReason;
use crate::id::{ClientId, MessageId};
use crate::message::{Message, Publication};
use smol_str::SmolStr;
use std::fmt;
use std::sync::{Arc, Weak};

/// A message that is to be routed later; made by [`PublishContext::hold`](crate::PublishContext::hold). Dropping it loses it, without a count: it has not been published yet.
#[must_use = "dropping it loses the message"]
pub struct DelayedMessage {
    id: MessageId,
    connection: Arc<Connection>,
    routed: SmolStr,
    message: Message,
}

impl DelayedMessage {
    pub(super) fn new(id: MessageId, connection: Arc<Connection>, routed: &str, message: Message) -> Self {
        DelayedMessage { id, connection, routed: SmolStr::new(routed), message }
    }

    /// The message.
    pub fn message(&self) -> &Message {
        &self.message
    }

    /// The number of the connection that published it.
    pub fn client(&self) -> ClientId {
        self.connection.id
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
        let DelayedMessage { id, connection, routed, message } = self;
        // A subject that a bus let through once is not looked at again.
        let trace = connection.trace(id, &message);
        let mut out = Publication::routed_to(&routed, &message).trusted().with_trace(trace);
        let accepted = connection.route(&mut out, None, message.size(), None).unwrap_or(0);
        // When the request was held back, its connection was not told that there are no responders.
        if !out.matched
            && let Some(reply) = message.reply().filter(|reply| connection.owns_inbox(reply))
            && connection.options.no_responders
        {
            connection.tell_no_responders(&routed, reply);
        }
        if let Some(observed) = &connection.shared.observed {
            observed.tell(|observer| observer.returned(id));
        }
        accepted
    }
}

impl fmt::Debug for DelayedMessage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("DelayedMessage");
        shown.field("id", &self.id).field("client", &self.client()).field("message", &self.message).finish()
    }
}

/// A message on its way to one subscription; made by [`PublishContext::delay_delivery`](crate::PublishContext::delay_delivery). Dropping it loses the copy,
/// which counts as [`DropReason::Fault`](crate::DropReason::Fault) if the subscription is still there. If the subscription has
/// ended, the copy is not counted.
#[must_use = "dropping it loses the copy"]
pub struct DelayedDelivery {
    id: MessageId,
    /// The connection that published it.
    connection: Arc<Connection>,
    /// The subscription, which is not kept alive.
    to: Weak<Subscription>,
    routed: SmolStr,
    /// `None` once it is released.
    message: Option<Message>,
}

impl DelayedDelivery {
    pub(super) fn new(
        id: MessageId,
        connection: Arc<Connection>,
        to: Weak<Subscription>,
        routed: &str,
        message: Message,
    ) -> Self {
        DelayedDelivery { id, connection, to, routed: SmolStr::new(routed), message: Some(message) }
    }

    /// The number that its message is known by.
    pub fn id(&self) -> MessageId {
        self.id
    }

    /// Delivers it now, if the subscription is still in force. The observer isn't asked about it again. Whether it was accepted.
    ///
    /// Blocks as a publish does.
    pub fn release(mut self) -> bool {
        let (Some(message), Some(to)) = (self.message.take(), self.to.upgrade()) else { return false };
        let connection = &self.connection;
        let message = match connection.trace(self.id, &message) {
            Some(trace) => message.traced(trace),
            None => message,
        };
        let (envelope, mut later) = (connection.envelope(&self.routed, message.weight()), Later::default());
        let accepted = connection.hand_over(&to, &message, &envelope, &mut later);
        connection.shared.tell_routed(self.id, &later.take_accepted());
        connection.desk().count_more_routed(accepted as u64, false);
        drop(message);
        // `unmatched` was already updated when the copy was held back.
        let more = if later.is_empty() { 0 } else { connection.finish(later, 1, &envelope, None).accepted };
        accepted + more > 0
    }
}

impl Drop for DelayedDelivery {
    fn drop(&mut self) {
        let (Some(message), Some(to)) = (self.message.take(), self.to.upgrade()) else { return };
        let reason = DropReason::Fault;
        if to.outlet.close_reason().is_none() && to.outlet.mailbox().count_drop(reason).is_ok() {
            self.connection.desk().count_more_routed(1, false);
            self.connection.shared.tell_lost(&to, &message, reason);
        }
    }
}

impl fmt::Debug for DelayedDelivery {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DelayedDelivery").field("id", &self.id).field("message", &self.message).finish_non_exhaustive()
    }
}
