//! Messages that the server sends.

use crate::publish::RawMessage;
use crate::{Client, PublishError, Subject};
use bytes::Bytes;
use smol_str::SmolStr;

/// A message that is to be sent, with no lock held.
#[derive(Debug)]
pub(super) struct Outgoing {
    subject: SmolStr,
    shown_as: Option<Subject>,
    reply: Option<SmolStr>,
    head: Option<Bytes>,
    payload: Bytes,
}

impl Outgoing {
    pub(super) fn new(subject: impl Into<SmolStr>, payload: impl Into<Bytes>) -> Self {
        Outgoing { subject: subject.into(), shown_as: None, reply: None, head: None, payload: payload.into() }
    }

    /// With a header block.
    pub(super) fn head(mut self, head: impl Into<Bytes>) -> Self {
        self.head = Some(head.into());
        self
    }

    /// Receivers see another subject than the one that it goes to.
    pub(super) fn shown_as(mut self, subject: Subject) -> Self {
        self.shown_as = Some(subject);
        self
    }

    /// With a reply subject.
    pub(super) fn reply(mut self, reply: impl Into<SmolStr>) -> Self {
        self.reply = Some(reply.into());
        self
    }

    /// A status without a payload; `lines` are headers, each with its line end.
    pub(super) fn status(subject: impl Into<SmolStr>, status: &str, lines: &str) -> Self {
        Outgoing::new(subject, "").head(format!("NATS/1.0 {status}\r\n{lines}\r\n"))
    }

    /// The status that says that no responders are there (R2).
    pub(super) fn no_responders(reply: &str, subject: &str) -> Self {
        Outgoing::status(reply, "503", &format!("Nats-Subject: {subject}\r\n"))
    }

    /// Sends it. Bounds of the bus are the sender's as well: a message that is too large does not go out.
    pub(super) fn send(self, client: &Client) -> Result<usize, PublishError> {
        let reply = self.reply.as_deref();
        let raw = RawMessage::new(&self.subject, self.payload).shown_as(self.shown_as.as_ref());
        client.publish_raw(raw.reply(reply).headers(self.head))
    }
}
