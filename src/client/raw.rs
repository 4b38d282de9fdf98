//! Publishing what came off a wire.

use super::publisher::{address, refused};
use crate::connection::Connection;
use crate::error::PublishError;
use crate::message::{Head, Payload, Publication};
use crate::subject::Subject;
use bytes::Bytes;
use std::sync::Arc;

/// A message in the form in which it comes off a wire: unchecked texts and bytes; published with
/// [`Client::publish_raw`](crate::Client::publish_raw).
#[derive(Clone, Debug)]
#[non_exhaustive]
#[must_use]
pub struct RawMessage<'a> {
    /// Where it goes.
    pub subject: &'a str,
    /// Where an answer is wanted (R1).
    pub reply: Option<&'a str>,
    /// The header block, from `NATS/1.0` through the blank line (H1). A block without bytes counts as
    /// none (H3).
    pub headers: Option<Bytes>,
    /// The payload.
    pub payload: Payload<'a>,
    /// The subject that receivers see, if it is not the one that it goes to: see [`Client::publish_message_to`](crate::Client::publish_message_to).
    pub shown_as: Option<&'a Subject>,
}

impl<'a> RawMessage<'a> {
    /// Without reply and headers.
    pub fn new(subject: &'a str, payload: impl Into<Payload<'a>>) -> Self {
        RawMessage { subject, reply: None, headers: None, payload: payload.into(), shown_as: None }
    }

    /// Where an answer is wanted (R1).
    pub fn reply(mut self, reply: impl Into<Option<&'a str>>) -> Self {
        self.reply = reply.into();
        self
    }

    /// The subject that receivers see.
    pub fn shown_as(mut self, subject: impl Into<Option<&'a Subject>>) -> Self {
        self.shown_as = subject.into();
        self
    }

    /// The header block.
    pub fn headers(mut self, block: impl Into<Option<Bytes>>) -> Self {
        self.headers = block.into();
        self
    }
}

pub(super) fn reply(connection: &Connection, raw: &RawMessage<'_>) -> Result<Option<Subject>, PublishError> {
    raw.reply.map(|reply| address(connection, reply)).transpose()
}

pub(super) fn publication<'a>(
    connection: &Connection,
    raw: RawMessage<'a>,
    reply: &'a Result<Option<Subject>, PublishError>,
) -> Result<Publication<'a>, PublishError> {
    let RawMessage { subject, headers, payload, shown_as, .. } = raw;
    let head: Option<Arc<Head>> = headers.and_then(|block| Head::came(block, connection.services.reporter()));
    let checked = match (reply, &head) {
        (Err(error), _) => Err(error.clone()),
        (Ok(_), Some(head)) if !connection.publisher.options.lenient => head.check().map_err(PublishError::from),
        (Ok(_), _) => Ok(()),
    };
    let reply = reply.as_ref().map_or(None, Option::as_ref);
    let out = Publication::new(subject, payload).shown_as(shown_as).with_reply(reply).with_head(head);
    match checked {
        Ok(()) => Ok(out),
        Err(error) => Err(refused(connection, out, error)),
    }
}
