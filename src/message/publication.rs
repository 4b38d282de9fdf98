//! A message on its way out: what is to be published, before there is a [`Message`].

use super::{Head, HeaderMap, Message, Payload, Trace, name_weight};
use crate::subject::Subject;
use crate::user_code::Reporter;
use smol_str::SmolStr;
use std::mem;
use std::sync::Arc;

/// A message that is to be published. Made by the constructors alone, so that a new part touches one file.
pub(crate) struct Publication<'a> {
    /// The subject that the matcher, permissions to publish, reply inboxes and sinks use.
    routed: &'a str,
    /// The subject that receivers see. `None`: the routed one, whose text the route may share.
    subject: Option<&'a Subject>,
    reply: Option<&'a Subject>,
    head: Option<Arc<Head>>,
    payload: Payload<'a>,
    /// Its subject is taken as it is, whatever text that is: the bus delivered it before.
    is_trusted: bool,
    /// On a bus that is observed, once the observer has let it pass.
    trace: Option<Trace>,
    /// Set by the publish: true if the message matched a subscription, even if the copy was then
    /// dropped (R2). Copies that wait are not known yet.
    pub(crate) matched: bool,
}

impl<'a> Publication<'a> {
    #[inline]
    pub(crate) fn new(routed: &'a str, payload: Payload<'a>) -> Self {
        Publication {
            routed,
            subject: None,
            reply: None,
            head: None,
            payload,
            is_trusted: false,
            trace: None,
            matched: false,
        }
    }

    /// A message that is published as it is.
    pub(crate) fn of(message: &'a Message) -> Self {
        Publication::routed_to(message.subject().as_str(), message)
    }

    /// A message that is routed by another subject than receivers see.
    pub(crate) fn routed_to(routed: &'a str, message: &'a Message) -> Self {
        Publication {
            subject: Some(message.subject()).filter(|subject| subject.as_str() != routed),
            reply: message.reply(),
            head: message.head().cloned(),
            ..Publication::new(routed, message.payload_again())
        }
    }

    /// A response to a message with this reply subject, which a lenient connection may have chosen.
    pub(crate) fn response(reply: &'a Subject, payload: Payload<'a>) -> Self {
        Publication::new(reply.as_str(), payload).trusted()
    }

    /// The same message once more, as the observer of the bus knows it.
    pub(crate) fn again<'b>(&self, message: &'b Message, trace: Option<Trace>) -> Publication<'b>
    where
        'a: 'b,
    {
        Publication {
            routed: self.routed,
            subject: self.subject,
            reply: self.reply,
            head: message.head().cloned(),
            payload: message.payload_again(),
            is_trusted: self.is_trusted,
            trace,
            matched: false,
        }
    }

    /// Receivers see this subject, if it is another than the routed one.
    #[inline]
    pub(crate) fn shown_as(self, subject: Option<&'a Subject>) -> Self {
        Publication { subject: subject.filter(|subject| subject.as_str() != self.routed), ..self }
    }

    #[inline]
    pub(crate) fn with_reply(self, reply: Option<&'a Subject>) -> Self {
        Publication { reply, ..self }
    }

    #[inline]
    pub(crate) fn with_head(self, head: Option<Arc<Head>>) -> Self {
        Publication { head, ..self }
    }

    pub(crate) fn with_headers(self, headers: HeaderMap) -> Self {
        self.with_head(Head::made(None, headers))
    }

    pub(crate) fn with_trace(self, trace: Option<Trace>) -> Self {
        Publication { trace, ..self }
    }

    pub(crate) fn trusted(self) -> Self {
        Publication { is_trusted: true, ..self }
    }

    /// The subject that it is routed by.
    #[inline]
    pub(crate) fn routed(&self) -> &'a str {
        self.routed
    }

    /// The text of the subject that receivers see.
    #[inline]
    pub(crate) fn shown(&self) -> &'a str {
        self.subject.map_or(self.routed, Subject::as_str)
    }

    #[inline]
    pub(crate) fn reply(&self) -> Option<&'a Subject> {
        self.reply
    }

    pub(crate) fn head(&self) -> Option<&Arc<Head>> {
        self.head.as_ref()
    }

    #[inline]
    pub(crate) fn is_trusted(&self) -> bool {
        self.is_trusted
    }

    #[inline]
    pub(crate) fn trace(&self) -> Option<&Trace> {
        self.trace.as_ref()
    }

    /// Bytes as NATS counts them toward the limits: payload and header block (H1).
    #[inline]
    pub(crate) fn size(&self) -> usize {
        self.payload.len() + self.head.as_ref().map_or(0, |head| head.size())
    }

    /// Bytes beyond its size as they count towards the bounds of queues.
    #[inline]
    pub(crate) fn name_weight(&self) -> usize {
        if self.reply.is_none() && self.subject.is_none() {
            return name_weight(self.routed);
        }
        name_weight(self.shown()) + self.reply.map_or(0, |reply| name_weight(reply.as_str()))
    }

    /// The message that this is; its content goes into it. `shared` is the text of the routed subject in a form that is cheap to clone.
    // Always: else the message is made elsewhere and moved to its place.
    #[inline(always)]
    pub(crate) fn take_message(&mut self, shared: Option<&SmolStr>, reporter: Reporter) -> Message {
        let subject = match self.subject {
            Some(subject) => subject.clone(),
            None => Subject::unchecked(shared.map_or_else(|| SmolStr::new(self.routed), SmolStr::clone)),
        };
        self.take_as(subject, reporter)
    }

    /// The same under another subject.
    #[inline(always)]
    pub(crate) fn take_as(&mut self, subject: Subject, reporter: Reporter) -> Message {
        Message::assemble_traced(subject, self.reply, self.head.take(), &mut self.payload, self.trace.take(), reporter)
    }

    /// Drops the content of a message that reaches no subscriber: its bytes may have destructors of the user's. Not to be called
    /// under a lock.
    #[cold]
    pub(crate) fn release(&mut self, reporter: Reporter) {
        self.head = None;
        self.payload.release(reporter);
    }

    /// For one that was published: its content is in the message, or was released. To drop it would be to look for that again.
    #[inline]
    pub(crate) fn forget(self) {
        debug_assert!(self.head.is_none() && self.trace.is_none() && self.payload.owns_nothing());
        mem::forget(self);
    }

    /// The same, of which no content is left to be shown.
    pub(crate) fn strip(&mut self, reporter: Reporter) {
        self.release(reporter);
        self.payload = Payload::empty();
    }

    /// Shows no reply, which is no subject.
    pub(crate) fn strip_reply(&mut self) {
        self.reply = None;
    }
}
