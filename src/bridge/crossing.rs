//! Messages on their way across, in either direction.

use super::buffer::Item;
use super::reply::Request;
use crate::{Message, Subject};
use bytes::Bytes;
use std::sync::Arc;

/// A message on its way to the server.
#[derive(Debug)]
pub(super) struct Outbound {
    pub(super) to: Destination,
    pub(super) message: Message,
    /// Connections that ended while it was the only message which the server had not confirmed.
    pub(super) ended: u8,
}

/// Where a message goes.
#[derive(Clone, Debug)]
pub(super) enum Destination {
    /// As the rule with this number says.
    Rule(usize),
    /// A response to a request from the server.
    Response(Arc<Request>),
}

/// The part of a message to the server that a report needs.
#[derive(Debug)]
pub(super) struct Summary {
    to: Destination,
    from: Subject,
    pub(super) size: usize,
}

/// A message of the bus that is offered to the buffer, and copied only if there is room.
pub(super) struct Offered<'a> {
    pub(super) to: Destination,
    pub(super) message: &'a Message,
}

impl Outbound {
    pub(super) fn summary(&self) -> Summary {
        Summary { to: self.to.clone(), from: self.message.subject().clone(), size: self.size() }
    }
}

impl Summary {
    pub(super) fn subject(&self) -> &str {
        self.to.subject(&self.from)
    }
}

impl Destination {
    /// The subject that a report gives to a message that came under the name `from`.
    fn subject<'a>(&'a self, from: &'a Subject) -> &'a str {
        match self {
            Destination::Rule(_) => from.as_str(),
            Destination::Response(request) => &request.subject,
        }
    }
}

impl Item for Offered<'_> {
    fn subject(&self) -> &str {
        self.to.subject(self.message.subject())
    }

    fn size(&self) -> usize {
        self.message.size()
    }
}

impl Item for Outbound {
    fn subject(&self) -> &str {
        self.to.subject(self.message.subject())
    }

    fn size(&self) -> usize {
        self.message.size()
    }
}

/// A message on its way to the bus. It is moved several times, and its kind is large: rare parts are put aside.
#[derive(Debug)]
pub(super) struct Inbound {
    /// The rule that brought it.
    pub(super) rule: usize,
    pub(super) subject: async_nats::Subject,
    pub(super) payload: Bytes,
    pub(super) rest: Option<Box<InboundExtras>>,
}

/// The parts of a message beyond a subject and a payload.
#[derive(Debug)]
pub(super) struct InboundExtras {
    pub(super) reply: Option<async_nats::Subject>,
    /// The block of headers for the bus.
    pub(super) head: Option<Bytes>,
    /// Bytes of payload and headers as they came.
    pub(super) size: usize,
    /// It was delivered under the name of another subject than the rule's, as JetStream does.
    pub(super) is_renamed: bool,
    /// It has passed this bus before, or too many.
    pub(super) is_loop: bool,
}

impl Item for Inbound {
    fn subject(&self) -> &str {
        self.subject.as_str()
    }

    fn size(&self) -> usize {
        self.rest.as_ref().map_or(self.payload.len(), |rest| rest.size)
    }
}
