//! Reports to an observer about callbacks that panic.

use super::{Connection, Shared};
use crate::account::{Subscription, SubscriptionInfo};
use crate::id::MessageId;
use crate::message::Message;
use crate::subject::Subject;

/// A callback, or a sink, that panicked; see [`Observer::panicked`](crate::Observer::panicked).
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct CallbackPanic<'a> {
    /// The subscription whose code it is.
    pub subscription: &'a SubscriptionInfo,
    /// The number of the message that it was called with. `None` for a sink.
    pub id: Option<MessageId>,
    /// The subject of that message.
    pub subject: Option<&'a Subject>,
    /// Where the response to that message goes.
    pub reply: Option<&'a Subject>,
    /// The text of the panic; empty if it carries none.
    pub text: &'a str,
}

/// The parts of a message that are remembered while a callback has it.
pub(super) struct Handled {
    id: MessageId,
    subject: Subject,
    reply: Option<Subject>,
}

impl Shared {
    /// `None` on a bus that is not observed.
    pub(super) fn handled(&self, message: &Message) -> Option<Handled> {
        let trace = self.observed.as_ref().and(message.trace())?;
        Some(Handled { id: trace.id(), subject: message.subject().clone(), reply: message.reply().cloned() })
    }
}

impl Connection {
    /// Tells the observer, if there is one. Not to be called under a lock.
    pub(super) fn tell_panicked(&self, subscription: &Subscription, handled: Option<&Handled>, text: &str) {
        let Some(observed) = &self.shared.observed else { return };
        let panic = CallbackPanic {
            subscription: &subscription.info(),
            id: handled.map(|handled| handled.id),
            subject: handled.map(|handled| &handled.subject),
            reply: handled.and_then(|handled| handled.reply.as_ref()),
            text,
        };
        observed.tell(|observer| observer.panicked(&panic));
    }
}
