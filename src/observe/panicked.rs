//! Reports to an observer about callbacks that panic.

use super::info::SubscriptionInfo;
use crate::id::MessageId;
use crate::message::Message;
use crate::subject::Subject;

/// A callback, or a sink, that panicked; see [`Observer::panicked`](crate::observe::Observer::panicked).
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
pub(crate) struct Handled {
    id: MessageId,
    subject: Subject,
    reply: Option<Subject>,
}

impl Handled {
    pub(crate) fn of(id: MessageId, message: &Message) -> Self {
        Handled { id, subject: message.subject().clone(), reply: message.reply().cloned() }
    }
}

impl<'a> CallbackPanic<'a> {
    pub(crate) fn new(subscription: &'a SubscriptionInfo, handled: Option<&'a Handled>, text: &'a str) -> Self {
        CallbackPanic {
            subscription,
            id: handled.map(|handled| handled.id),
            subject: handled.map(|handled| &handled.subject),
            reply: handled.and_then(|handled| handled.reply.as_ref()),
            text,
        }
    }
}
