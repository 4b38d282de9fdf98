//! The verbs that send: publishing and requesting.

use super::Client;
use super::options::RequestOptions;
use super::publisher::{PublishFuture, Publisher, address, check_message, publish_async, refused, try_publish_async};
use super::raw::{self, RawMessage};
use super::request::{OutgoingRequest, RequestFuture};
use super::request_many::{RequestManyOptions, Responses};
use crate::error::{PublishError, RequestError};
use crate::message::{HeaderMap, Message, Payload, Publication};
use crate::routing::{self, Context};
use crate::subject::ToSubject;
use std::time::Duration;

impl Client {
    #[inline]
    fn send(&self, mut out: Publication<'_>) -> Result<usize, PublishError> {
        let published = routing::publish(Context::of(&self.connection), &mut out, None, None);
        out.forget();
        published
    }

    /// Delivers a message to every subscription whose pattern matches `subject`, and to one member of each queue group. Gives back how many
    /// accepted it.
    ///
    /// When this returns, the message is in the queue of each that accepted it, in their channel, or their callback has run: on this
    /// thread, before the return. (A publish *from within* a callback returns before the callbacks that it leads to have run: they
    /// run when the current one has returned, or waits through the bus for something.)
    ///
    /// Order: what one thread publishes reaches each subscriber in that order (G3). Blocking: only for subscriptions with
    /// [`OverflowPolicy::Block`](crate::OverflowPolicy::Block) that are full, and for callbacks.
    ///
    /// # Errors
    ///
    /// [`PublishError::InvalidSubject`] and [`PublishError::SubjectTooLong`] for the subject, [`PublishError::MaxPayloadExceeded`]
    /// for the payload, [`PublishError::Closed`] after `close`. No subscriber got the message then.
    ///
    /// # Example
    ///
    /// ```
    /// use postroom::{Bus, PublishError};
    ///
    /// let client = Bus::new().connect();
    /// let all = client.subscribe(">")?;
    /// assert_eq!(client.publish("orders.eu", "hello")?, 1);
    /// assert!(matches!(client.publish("orders.*", "hello"), Err(PublishError::InvalidSubject(_))));
    /// assert_eq!(all.len(), 1);
    /// # Ok::<_, Box<dyn std::error::Error>>(())
    /// ```
    #[inline]
    pub fn publish<'a>(&self, subject: impl ToSubject, payload: impl Into<Payload<'a>>) -> Result<usize, PublishError> {
        self.send(publication(&subject, payload.into()))
    }

    /// As [`Client::publish`], with headers.
    ///
    /// # Errors
    ///
    /// As [`Client::publish`].
    pub fn publish_with_headers<'a>(
        &self,
        subject: impl ToSubject,
        headers: HeaderMap,
        payload: impl Into<Payload<'a>>,
    ) -> Result<usize, PublishError> {
        self.send(publication(&subject, payload.into()).with_headers(headers))
    }

    /// As [`Client::publish`], with a subject to answer to (R1). If no subscriber accepts it and this connection has a plain
    /// subscription that matches `reply`, that gets a message with status 503 (R2).
    ///
    /// # Errors
    ///
    /// As [`Client::publish`]; also for `reply`.
    pub fn publish_with_reply<'a>(
        &self,
        subject: impl ToSubject,
        reply: impl ToSubject,
        payload: impl Into<Payload<'a>>,
    ) -> Result<usize, PublishError> {
        let out = publication(&subject, payload.into());
        match address(&self.connection, reply) {
            Ok(reply) => self.send(out.with_reply(Some(&reply))),
            Err(error) => Err(refused(&self.connection, out, error)),
        }
    }

    /// As [`Client::publish_with_reply`], with headers. [`Client::publish_message_async`] takes all parts in a task.
    ///
    /// # Errors
    ///
    /// As [`Client::publish_with_reply`].
    pub fn publish_with_reply_and_headers<'a>(
        &self,
        subject: impl ToSubject,
        reply: impl ToSubject,
        headers: HeaderMap,
        payload: impl Into<Payload<'a>>,
    ) -> Result<usize, PublishError> {
        let out = publication(&subject, payload.into()).with_headers(headers);
        match address(&self.connection, reply) {
            Ok(reply) => self.send(out.with_reply(Some(&reply))),
            Err(error) => Err(refused(&self.connection, out, error)),
        }
    }

    /// Publishes a message that was made by hand, or passes one on: subject, reply, headers, status and payload.
    ///
    /// # Errors
    ///
    /// As [`Client::publish`]; also for the reply, and [`PublishError::InvalidHeaders`]: what a lenient connection sent need not be
    /// good enough to be passed on by one that is not.
    pub fn publish_message(&self, message: &Message) -> Result<usize, PublishError> {
        self.send(check_message(&self.connection, Publication::of(message), message)?)
    }

    /// As [`Client::publish_message`], to the subscriptions that match `routed`, which see the message with its own subject: for parts of a
    /// program that bring stored messages to an address of the receiver's, as JetStream does (JC80).
    ///
    /// | uses `routed` | uses the message's subject |
    /// |---|---|
    /// | the match, permissions to publish, a 503 (R2), the reply inbox of a request, [`SinkDelivery::routed_subject`](crate::receive::SinkDelivery::routed_subject), the bridge | subscribers, deny entries of a receiver's permissions (P5), the MSG line of a wire client, reports of losses |
    ///
    /// # Errors
    ///
    /// As [`Client::publish_message`], for both subjects.
    ///
    /// # Example
    ///
    /// ```
    /// use postroom::{Bus, Message};
    ///
    /// let client = Bus::new().connect();
    /// let deliveries = client.subscribe("deliver.7")?;
    /// let orders = client.subscribe("orders.*")?;
    /// let stored = Message::new("orders.eu", "hello")?;
    /// assert_eq!(client.publish_message_to("deliver.7", &stored)?, 1);
    /// assert_eq!(deliveries.recv()?.subject(), "orders.eu");
    /// assert!(orders.is_empty());
    /// # Ok::<_, Box<dyn std::error::Error>>(())
    /// ```
    pub fn publish_message_to(&self, routed: impl ToSubject, message: &Message) -> Result<usize, PublishError> {
        let out = Publication::routed_to(routed.as_str(), message);
        self.send(check_message(&self.connection, out, message)?)
    }

    /// As [`Client::publish`], for tasks: full subscriptions with [`OverflowPolicy::Block`](crate::OverflowPolicy::Block) suspend the task and block no thread.
    ///
    /// The message is delivered to all others *now*, when this is called; the future waits for the rest and says how many accepted it
    /// in all.
    ///
    /// # Errors
    ///
    /// As [`Client::publish`].
    ///
    /// # Cancel safety
    ///
    /// When the future is dropped, the copies that still wait are counted as
    /// [`DropReason::Cancelled`](crate::stats::DropReason::Cancelled).
    pub fn publish_async<'a>(&self, subject: impl ToSubject, payload: impl Into<Payload<'a>>) -> PublishFuture {
        publish_async(&self.connection, publication(&subject, payload.into()), None)
    }

    /// As [`Client::publish_message`], for tasks; see [`Client::publish_async`].
    ///
    /// # Errors
    ///
    /// As [`Client::publish`].
    pub fn publish_message_async(&self, message: &Message) -> PublishFuture {
        try_publish_async(&self.connection, check_message(&self.connection, Publication::of(message), message))
    }

    /// A publisher that checks `subject` and looks up its route once.
    ///
    /// # Errors
    ///
    /// As [`Client::publish`] for the subject.
    pub fn publisher(&self, subject: impl ToSubject) -> Result<Publisher, PublishError> {
        let subject = address(&self.connection, subject)?;
        Ok(Publisher::new(self.connection.clone(), subject))
    }

    /// Publishes a message as it came off a wire. The header block is carried through byte for byte: see
    /// [`Message::header_block`](crate::Message::header_block).
    ///
    /// On a [lenient](crate::ConnectOptions::lenient) connection the parts may be what they may be there (S5 to S7), and the block is
    /// not even looked at (H2). On any other all parts are checked as always, the block by reading it. The size that counts is that
    /// of payload and block (H1).
    ///
    /// # Errors
    ///
    /// As [`Client::publish_with_reply`]; also [`PublishError::InvalidHeaders`].
    ///
    /// # Example
    ///
    /// ```
    /// use bytes::Bytes;
    /// use postroom::{Bus, ConnectOptions};
    /// use postroom::publish::RawMessage;
    ///
    /// let bus = Bus::new();
    /// let all = bus.connect().subscribe(">")?;
    /// let wire = bus.connect_with(ConnectOptions::new().lenient(true));
    /// let block = Bytes::from_static(b"NATS/1.0\r\nID:  7\r\n\r\n");
    /// let payload = Bytes::from_static(b"hello");
    /// wire.publish_raw(RawMessage::new("orders", payload).reply("answers.*").headers(block.clone()))?;
    ///
    /// let got = all.recv()?;
    /// assert_eq!(got.reply().unwrap(), "answers.*");
    /// assert_eq!(got.headers().get("ID"), Some("7"));
    /// assert_eq!(got.header_block(), Some(block));
    /// # Ok::<_, Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// Source: H1 to H3, S5 to S7.
    pub fn publish_raw(&self, raw: RawMessage<'_>) -> Result<usize, PublishError> {
        let reply = raw::reply(&self.connection, &raw);
        self.send(raw::publication(&self.connection, raw, &reply)?)
    }

    /// As [`Client::publish_raw`], for tasks; see [`Client::publish_async`]: never blocks.
    ///
    /// # Errors
    ///
    /// As [`Client::publish_raw`].
    pub fn publish_raw_async(&self, raw: RawMessage<'_>) -> PublishFuture {
        let reply = raw::reply(&self.connection, &raw);
        try_publish_async(&self.connection, raw::publication(&self.connection, raw, &reply))
    }

    /// Publishes a request and blocks for the first answer, at most for the bus's [`request_timeout`](crate::Limits::request_timeout).
    ///
    /// # Errors
    ///
    /// [`RequestError::NoResponders`] at once if there is no subscription, [`RequestError::Timeout`] if no answer comes in time,
    /// and the errors of [`Client::publish`].
    pub fn request<'a>(
        &self,
        subject: impl ToSubject,
        payload: impl Into<Payload<'a>>,
    ) -> Result<Message, RequestError> {
        self.outgoing_request(&subject, payload.into(), None).ask(&self.connection)
    }

    /// As [`Client::request`], for at most `timeout` on the bus's clock.
    ///
    /// # Errors
    ///
    /// As [`Client::request`].
    pub fn request_timeout<'a>(
        &self,
        subject: impl ToSubject,
        payload: impl Into<Payload<'a>>,
        timeout: Duration,
    ) -> Result<Message, RequestError> {
        self.outgoing_request(&subject, payload.into(), Some(timeout)).ask(&self.connection)
    }

    /// As [`Client::request`], with a time limit or headers.
    ///
    /// # Errors
    ///
    /// As [`Client::request`].
    pub fn request_with<'a>(
        &self,
        subject: impl ToSubject,
        payload: impl Into<Payload<'a>>,
        options: RequestOptions,
    ) -> Result<Message, RequestError> {
        self.outgoing_request(&subject, payload.into(), options.timeout).headers(options.headers).ask(&self.connection)
    }

    /// As [`Client::request_with`], for a message that was made by hand, or received: its subject, headers, status and payload are sent,
    /// and its reply subject is replaced. Headers in `options` replace those of the message, and its status.
    ///
    /// # Errors
    ///
    /// As [`Client::request`]; also [`PublishError::InvalidHeaders`], as [`Client::publish_message`].
    ///
    /// # Example
    ///
    /// ```
    /// use postroom::{Bus, Message, RequestOptions};
    ///
    /// let client = Bus::new().connect();
    /// let _service = client.subscribe_fn("echo.*", |request| drop(request.respond(request.payload_bytes())))?;
    /// let request = Message::new("echo.1", "hello")?;
    /// assert_eq!(client.request_message(&request, RequestOptions::new())?.payload(), b"hello");
    /// # Ok::<_, Box<dyn std::error::Error>>(())
    /// ```
    pub fn request_message(&self, message: &Message, options: RequestOptions) -> Result<Message, RequestError> {
        self.outgoing_request_of(message, options)?.ask(&self.connection)
    }

    /// Publishes a request *now* and waits for the first answer without blocking a thread.
    ///
    /// # Errors
    ///
    /// As [`Client::request`].
    ///
    /// # Cancel safety
    ///
    /// Dropping the future gives the request up; an answer that comes later is counted as late.
    pub fn request_async<'a>(&self, subject: impl ToSubject, payload: impl Into<Payload<'a>>) -> RequestFuture {
        self.outgoing_request(&subject, payload.into(), None).ask_async(&self.connection)
    }

    /// As [`Client::request_async`], for at most `timeout` on the bus's clock.
    ///
    /// # Errors
    ///
    /// As [`Client::request`].
    pub fn request_timeout_async<'a>(
        &self,
        subject: impl ToSubject,
        payload: impl Into<Payload<'a>>,
        timeout: Duration,
    ) -> RequestFuture {
        self.outgoing_request(&subject, payload.into(), Some(timeout)).ask_async(&self.connection)
    }

    /// As [`Client::request_async`], with a time limit or headers.
    ///
    /// # Errors
    ///
    /// As [`Client::request`].
    pub fn request_with_async<'a>(
        &self,
        subject: impl ToSubject,
        payload: impl Into<Payload<'a>>,
        options: RequestOptions,
    ) -> RequestFuture {
        self.outgoing_request(&subject, payload.into(), options.timeout)
            .headers(options.headers)
            .ask_async(&self.connection)
    }

    /// As [`Client::request_message`], without blocking a thread; see [`Client::request_async`].
    ///
    /// # Errors
    ///
    /// As [`Client::request_message`].
    pub fn request_message_async(&self, message: &Message, options: RequestOptions) -> RequestFuture {
        match self.outgoing_request_of(message, options) {
            Ok(request) => request.ask_async(&self.connection),
            Err(error) => RequestFuture::failed(&self.connection, message.subject().as_str(), error.into()),
        }
    }

    /// Publishes a request that several may answer, and gives the answers as they come, to threads and to tasks (ADR-47, R9).
    ///
    /// # Errors
    ///
    /// [`RequestError::NoResponders`] at once if there is no subscription, and the errors of [`Client::publish`]. How the answers
    /// ended, [`Responses::end`] tells.
    pub fn request_many<'a>(
        &self,
        subject: impl ToSubject,
        payload: impl Into<Payload<'a>>,
        mut until: RequestManyOptions,
    ) -> Result<Responses, RequestError> {
        let request =
            self.outgoing_request(&subject, payload.into(), until.deadline_asked()).headers(until.take_headers());
        let pending = request.send(&self.connection, false)?;
        Ok(Responses::new(pending, self.connection.clone(), until))
    }

    fn outgoing_request<'a>(
        &self,
        subject: &'a impl ToSubject,
        payload: Payload<'a>,
        timeout: Option<Duration>,
    ) -> OutgoingRequest<'a> {
        let timeout = timeout.unwrap_or(self.connection.account.limits.request_timeout);
        OutgoingRequest { publication: publication(subject, payload), timeout }
    }

    fn outgoing_request_of<'a>(
        &self,
        message: &'a Message,
        options: RequestOptions,
    ) -> Result<OutgoingRequest<'a>, PublishError> {
        let mut request = self.outgoing_request(message.subject(), message.payload_again(), options.timeout);
        request.publication = match options.headers.is_empty() {
            true => request.publication.with_head(message.head().cloned()),
            false => request.publication.with_headers(options.headers),
        };
        request.checked(&self.connection)
    }
}

#[inline]
fn publication<'a>(subject: &'a impl ToSubject, payload: Payload<'a>) -> Publication<'a> {
    Publication::new(subject.as_str(), payload)
}
