//! A message that a consumer delivered, and its acknowledgement (JC80 to JC96).

use super::api::Api;
use super::call::{Call, Step};
use super::error::{AckError, Operation};
use crate::Message;
use crate::error::RespondError;
use crate::jetstream::engine::Timestamp;
use std::borrow::Cow;
use std::ops::Deref;
use std::time::Duration;

/// A message that a consumer delivered. It shows the subject, headers and payload that the stream has, and dereferences to
/// [`Message`].
///
/// An acknowledgement is one message to the server. [`ack`](JsMessage::ack) and its like send it and do not wait: they block only where
/// [`Client::publish`](crate::Client::publish) would, for the room of a full subscription with
/// [`OverflowPolicy::Block`](crate::OverflowPolicy::Block), so that tasks may call them. [`double_ack`](JsMessage::double_ack)
/// waits for the server's confirmation. A consumer without acknowledgements ignores them.
#[derive(Clone, Debug)]
pub struct JsMessage {
    message: Message,
    api: Api,
}

/// The delivery of a message: which one it is, and how the consumer stands. It is read off the message's reply subject (JC81).
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct MessageInfo<'a> {
    /// The domain of the server, if the subject says it.
    pub domain: Option<&'a str>,
    /// The stream.
    pub stream: &'a str,
    /// The consumer.
    pub consumer: &'a str,
    /// How often the message was delivered: 1 the first time.
    pub delivered: u64,
    /// The message's sequence in the stream.
    pub stream_sequence: u64,
    /// The delivery's sequence in the consumer.
    pub consumer_sequence: u64,
    /// When the message was stored.
    pub published: Timestamp,
    /// Messages that were still to be delivered behind it.
    pub pending: u64,
}

impl<'a> MessageInfo<'a> {
    /// Reads the reply subject of a delivery; `None` if it is none.
    pub(super) fn parse(reply: &'a str) -> Option<Self> {
        let mut tokens = reply.strip_prefix("$JS.ACK.")?.split('.');
        let domain = match tokens.clone().count() {
            7 => None,
            9.. => {
                let domain = tokens.next()?;
                // The account's hash.
                tokens.next()?;
                Some(domain).filter(|domain| *domain != "_")
            }
            _ => return None,
        };
        let (stream, consumer) = (tokens.next()?, tokens.next()?);
        let mut number = || tokens.next()?.parse().ok();
        Some(MessageInfo {
            domain,
            stream,
            consumer,
            delivered: number()?,
            stream_sequence: number()?,
            consumer_sequence: number()?,
            published: Timestamp::from_nanos(number()?),
            pending: number()?,
        })
    }
}

/// What an acknowledgement says; for [`JsMessage::ack_with`] and [`JsMessage::double_ack_with`].
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum AckKind {
    /// Done.
    Ack,
    /// Not done: it comes again at once, or after a delay (JC110, JC111).
    Nak(Option<Duration>),
    /// Still at work: the time until it would come again begins anew (JC95).
    Progress,
    /// Not done, and not to come again (JC96); an advisory tells the reason, if there is one.
    Term(Option<String>),
}

impl AckKind {
    fn text(&self) -> Cow<'static, str> {
        match self {
            AckKind::Ack => "+ACK".into(),
            AckKind::Nak(None) => "-NAK".into(),
            AckKind::Nak(Some(delay)) => format!("-NAK {{\"delay\":{}}}", delay.as_nanos()).into(),
            AckKind::Progress => "+WPI".into(),
            AckKind::Term(None) => "+TERM".into(),
            AckKind::Term(Some(reason)) => format!("+TERM {reason}").into(),
        }
    }
}

impl JsMessage {
    pub(super) fn new(message: Message, api: Api) -> Self {
        JsMessage { message, api }
    }

    /// The delivery; `None` if the message did not come from a consumer, or came across a bridge that
    /// replaces its reply subject.
    pub fn info(&self) -> Option<MessageInfo<'_>> {
        MessageInfo::parse(self.message.reply()?.as_str())
    }

    /// The message alone.
    pub fn into_message(self) -> Message {
        self.message
    }

    /// What `kind` says, chosen at run time.
    ///
    /// # Errors
    ///
    /// As [`JsMessage::ack`].
    pub fn ack_with(&self, kind: &AckKind) -> Result<(), RespondError> {
        self.message.respond(&*kind.text()).map(drop)
    }

    /// Done.
    ///
    /// # Errors
    ///
    /// Those of [`Message::respond`].
    pub fn ack(&self) -> Result<(), RespondError> {
        self.ack_with(&AckKind::Ack)
    }

    /// Not done: it comes again at once (JC110).
    ///
    /// # Errors
    ///
    /// As [`JsMessage::ack`].
    pub fn nak(&self) -> Result<(), RespondError> {
        self.ack_with(&AckKind::Nak(None))
    }

    /// Not done: it comes again after `delay` (JC111).
    ///
    /// # Errors
    ///
    /// As [`JsMessage::ack`].
    pub fn nak_with_delay(&self, delay: Duration) -> Result<(), RespondError> {
        self.ack_with(&AckKind::Nak(Some(delay)))
    }

    /// Still at work: the time until it would come again begins anew (JC95).
    ///
    /// # Errors
    ///
    /// As [`JsMessage::ack`].
    pub fn progress(&self) -> Result<(), RespondError> {
        self.ack_with(&AckKind::Progress)
    }

    /// Not done, and not to come again (JC96).
    ///
    /// # Errors
    ///
    /// As [`JsMessage::ack`].
    pub fn term(&self) -> Result<(), RespondError> {
        self.ack_with(&AckKind::Term(None))
    }

    /// As [`JsMessage::term`], with a reason that the server's advisory tells.
    ///
    /// # Errors
    ///
    /// As [`JsMessage::ack`].
    pub fn term_with(&self, reason: impl AsRef<str>) -> Result<(), RespondError> {
        self.ack_with(&AckKind::Term(Some(reason.as_ref().to_owned())))
    }

    /// Done; the call waits until the server has taken note of it (JC91).
    ///
    /// # Errors
    ///
    /// [`AckError::is_no_responders`] if the consumer is gone or has no acknowledgements.
    pub fn double_ack(&self) -> Call<(), AckError> {
        self.double_ack_with(&AckKind::Ack)
    }

    /// What `kind` says; the call waits until the server has taken note of it (JC91).
    ///
    /// # Errors
    ///
    /// As [`JsMessage::double_ack`].
    pub fn double_ack_with(&self, kind: &AckKind) -> Call<(), AckError> {
        let reply = match self.message.reply() {
            Some(reply) => reply.as_str(),
            None => return Call::failed(AckError::unreadable("the message has no reply subject".to_owned())),
        };
        let request = self.api.client().request_with_async(reply, kind.text(), self.api.request_options());
        Call::new(request, |response| Step::Done(response.map(drop).map_err(AckError::of_request)))
    }
}

impl Deref for JsMessage {
    type Target = Message;

    fn deref(&self) -> &Message {
        &self.message
    }
}

impl From<JsMessage> for Message {
    fn from(message: JsMessage) -> Self {
        message.message
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// JC81.
    #[test]
    fn both_forms_of_reply_subjects_are_read() {
        let info = MessageInfo::parse("$JS.ACK.S.c.2.7.9.1000.3").unwrap();
        assert_eq!((info.domain, info.stream, info.consumer), (None, "S", "c"));
        assert_eq!((info.delivered, info.stream_sequence, info.consumer_sequence, info.pending), (2, 7, 9, 3));
        assert_eq!(info.published, Timestamp::from_nanos(1_000));
        let none = MessageInfo::parse("$JS.ACK._.szMpdrwD.S.c.2.7.9.1000.3").unwrap();
        assert_eq!(none, info);
        let hub = MessageInfo::parse("$JS.ACK.hub.szMpdrwD.S.c.2.7.9.1000.3.more").unwrap();
        assert_eq!((hub.domain, hub.pending), (Some("hub"), 3));
        for other in ["", "a.b", "$JS.ACK.S.c.2.7.9.1000", "$JS.ACK.S.c.x.7.9.1000.3", "$JS.ACK.S.c.2.7.9.1000.3.4"] {
            assert_eq!(MessageInfo::parse(other), None, "{other}");
        }
    }
}
