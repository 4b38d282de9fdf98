//! Pull requests: one batch, or an endless flow of them (JC60 to JC78).

use super::api::Api;
use super::error::MessagesError;
use super::items::{Items, items};
use super::message::MessageInfo;
use super::receive::{Inflow, Intake, Outcome, Received};
use crate::jetstream::engine::consumer::PullRequest;
use crate::jetstream::engine::time::{nanos, span};
use crate::jetstream::json::pull::encode;
use crate::{Limits, Message, StatusCode, Subject, SubscribeOptions};
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

/// Messages in a queue beside those that were asked for: statuses and heartbeats.
const STATUSES: usize = 64;

/// One pull request before it is sent; made by [`Consumer::fetch`](super::Consumer::fetch) and
/// [`Consumer::batch`](super::Consumer::batch).
#[derive(Clone, Debug)]
#[must_use = "nothing is sent before `messages`"]
pub struct Fetch {
    api: Api,
    /// `CONSUMER.MSG.NEXT` with the names.
    call: String,
    request: PullRequest,
}

impl Fetch {
    pub(super) fn new(api: Api, call: String, batch: usize) -> Self {
        let request = PullRequest {
            batch: i64::try_from(batch).unwrap_or(i64::MAX).max(1),
            no_wait: true,
            ..PullRequest::default()
        };
        Fetch { api, call, request }
    }

    /// It waits for messages, at most for this long on the server's clock. It ends sooner with the last of the messages.
    pub fn expires(mut self, time: Duration) -> Self {
        self.request.expires = nanos(time);
        self.request.no_wait = false;
        self
    }

    /// It ends when there are no more messages. With [`expires`](Fetch::expires) set before, it waits for the first one if there is none
    /// (JC72).
    pub fn no_wait(mut self) -> Self {
        self.request.no_wait = true;
        self
    }

    /// It ends before more than so many bytes have come: subject, reply subject, headers and payload (JC71).
    pub fn max_bytes(mut self, bytes: usize) -> Self {
        self.request.max_bytes = i64::try_from(bytes).unwrap_or(i64::MAX);
        self
    }

    /// The server says that it lives whenever nothing came for this long; twice of it without a word is
    /// [`MessagesError::HeartbeatMissed`]. At most half of [`expires`](Fetch::expires), which must be set (JC64).
    pub fn heartbeat(mut self, interval: Duration) -> Self {
        self.request.idle_heartbeat = nanos(interval);
        self
    }

    /// The priority group that it belongs to.
    pub fn group(mut self, group: impl Into<String>) -> Self {
        self.request.group = group.into();
        self
    }

    /// It is served only while at least so many messages are pending, with the priority policy overflow (JC170).
    pub fn min_pending(mut self, messages: u64) -> Self {
        self.request.min_pending = i64::try_from(messages).unwrap_or(i64::MAX);
        self
    }

    /// It is served only while at least so many messages wait for acknowledgements, with the priority policy overflow (JC170).
    pub fn min_ack_pending(mut self, messages: u64) -> Self {
        self.request.min_ack_pending = i64::try_from(messages).unwrap_or(i64::MAX);
        self
    }

    /// Its priority, 0 to 9, with the priority policy prioritized (JC175).
    pub fn priority(mut self, priority: u8) -> Self {
        self.request.priority = priority.into();
        self
    }

    /// Sends the request. A failure is the first item of the batch.
    pub fn messages(self) -> Batch {
        let Fetch { api, call, request } = self;
        let wait = span(request.expires);
        let ends_by = api.client().bus().clock().now().saturating_add(wait).saturating_add(api.timeout());
        let started = Pull::start(api.clone(), call, request).and_then(|(subscriber, mut pull)| {
            pull.ends_by = Some((ends_by, wait + api.timeout()));
            pull.ask(pull.request.batch)?;
            Ok(Inflow::new(api, subscriber, pull))
        });
        Batch { started: started.map_err(Some) }
    }
}

/// The messages of one pull request: for threads `recv` or a `for` loop, for tasks a [`Stream`](futures_core::Stream). It ends with the last of the
/// messages that were asked for, when the request ends, or with an error.
///
/// # Cancel safety
///
/// Dropping it ends the request. Messages that have come and were not taken are delivered again when their time to be acknowledged is up;
/// a consumer without acknowledgements has lost them. A task that is dropped between two messages loses nothing.
#[derive(Debug)]
#[must_use = "the messages are only to be had from it"]
pub struct Batch {
    started: Result<Inflow, Option<MessagesError>>,
}

impl Batch {
    fn poll_received(&mut self, cx: &mut Context<'_>) -> Poll<Option<Received>> {
        match &mut self.started {
            Ok(inflow) => inflow.poll_next(cx),
            Err(error) => Poll::Ready(error.take().map(Err)),
        }
    }
}

impl Items for Batch {
    type Item = Received;

    fn next_blocking(&mut self) -> Option<Received> {
        match &mut self.started {
            Ok(inflow) => inflow.next_blocking(),
            Err(error) => error.take().map(Err),
        }
    }
}

items!([] Batch => Received);

impl futures_core::Stream for Batch {
    type Item = Received;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Received>> {
        self.poll_received(cx)
    }
}

impl futures_core::stream::FusedStream for Batch {
    fn is_terminated(&self) -> bool {
        match &self.started {
            Ok(inflow) => inflow.is_done(),
            Err(error) => error.is_none(),
        }
    }
}

/// A request for one message that was sent; made by [`Consumer::next`](super::Consumer::next). A thread blocks with
/// [`wait`](Next::wait), a task awaits it.
///
/// # Cancel safety
///
/// As that of [`Batch`].
#[derive(Debug)]
#[must_use = "the message is only to be had from it"]
pub struct Next(pub(super) Batch);

impl Next {
    /// Blocks this thread for the message; `None` if none came in time.
    ///
    /// # Errors
    ///
    /// Those of a [`Batch`].
    pub fn wait(mut self) -> Result<Option<super::JsMessage>, MessagesError> {
        self.0.next_blocking().transpose()
    }
}

impl Future for Next {
    type Output = Result<Option<super::JsMessage>, MessagesError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.0.poll_received(cx).map(Option::transpose)
    }
}

/// An endless flow of pull requests, before it begins.
pub(super) struct Refill {
    /// Ask again when no more than so many are still to come.
    at: i64,
    /// Messages that are to be asked for at once.
    batch: i64,
}

/// Sends pull requests, and decides on what comes.
pub(super) struct Pull {
    api: Api,
    subject: String,
    inbox: Subject,
    request: PullRequest,
    /// Messages that were asked for and have not come.
    wanted: i64,
    has_given: bool,
    refill: Option<Refill>,
    /// When a batch ends though its end was not told, and how long that was waited for.
    ends_by: Option<(Duration, Duration)>,
    /// When the server must have given a sign of life.
    alive_by: Option<Duration>,
    /// The last delivery, where a gap between deliveries is a fault.
    last: Option<u64>,
}

impl Pull {
    /// Subscribes to an inbox for the answers.
    fn start(api: Api, call: String, request: PullRequest) -> Result<(crate::Subscriber, Self), MessagesError> {
        let (inbox, subject) = (api.client().new_inbox(), api.subject_of(&call));
        let queued = usize::try_from(request.batch).unwrap_or(usize::MAX).saturating_add(STATUSES);
        // Nothing comes that was not asked for.
        let options = SubscribeOptions::new()
            .capacity(queued.min(Limits::CAPACITY_MAX))
            .capacity_bytes(Limits::CAPACITY_BYTES_MAX);
        let subscriber = api.client().subscribe_with(&inbox, options)?;
        let pull = Pull {
            api,
            subject,
            inbox,
            request,
            wanted: 0,
            has_given: false,
            refill: None,
            ends_by: None,
            alive_by: None,
            last: None,
        };
        Ok((subscriber, pull))
    }

    /// An endless flow: asks again when half of a batch is there.
    pub(super) fn endless(api: Api, call: String, request: PullRequest) -> Result<Inflow, MessagesError> {
        Pull::flow(api, call, request, None)
    }

    /// The same, where a gap between deliveries is a fault.
    pub(super) fn without_gaps(api: Api, call: String, request: PullRequest) -> Result<Inflow, MessagesError> {
        Pull::flow(api, call, request, Some(0))
    }

    fn flow(api: Api, call: String, request: PullRequest, last: Option<u64>) -> Result<Inflow, MessagesError> {
        let refill = Refill { at: request.batch / 2, batch: request.batch };
        let (subscriber, mut pull) = Pull::start(api.clone(), call, request)?;
        pull.last = last;
        pull.refill = Some(refill);
        pull.prepare(api.client().bus().clock().now())?;
        Ok(Inflow::new(api, subscriber, pull))
    }

    fn ask(&mut self, batch: i64) -> Result<(), MessagesError> {
        let request = PullRequest { batch, ..self.request.clone() };
        self.api.client().publish_with_reply(&self.subject, &self.inbox, encode(&request))?;
        self.wanted += batch;
        if self.alive_by.is_none() {
            self.note_life(self.api.client().bus().clock().now());
        }
        Ok(())
    }

    fn note_life(&mut self, now: Duration) {
        let interval = span(self.request.idle_heartbeat);
        self.alive_by = (!interval.is_zero()).then(|| now.saturating_add(interval * 2));
    }

    /// Whether a delivery is missing before this one.
    fn missed(&mut self, message: &Message) -> Option<MessagesError> {
        let last = self.last?;
        let info = message.reply().and_then(|reply| MessageInfo::parse(reply.as_str()));
        let sequence = info.map(|info| info.consumer_sequence);
        self.last = sequence;
        match sequence {
            Some(sequence) if sequence == last + 1 => None,
            Some(_) => Some(MessagesError::Gap),
            None => Some(MessagesError::NoSequence),
        }
    }

    /// A status that ends a request, with what is left of it.
    fn end_request(&mut self, message: &Message, outcome: Outcome) -> Outcome {
        let Some(refill) = &self.refill else { return outcome };
        let left = message.headers().get("Nats-Pending-Messages").and_then(|left| left.parse::<i64>().ok());
        // Without a number all that was asked for is void.
        let left = left.unwrap_or(refill.batch);
        self.wanted = (self.wanted - left.max(0)).max(0);
        Outcome::Nothing
    }

    fn handle_status(&mut self, status: StatusCode, message: &Message) -> Outcome {
        let text = message.status_description();
        let told = || MessagesError::Status { status, description: text.to_owned() };
        let lower = text.to_ascii_lowercase();
        match status.as_u16() {
            100 => Outcome::Nothing,
            404 | 408 => self.end_request(message, Outcome::End),
            503 => Outcome::Ended(MessagesError::NoResponders),
            409 if lower == "batch completed" => self.end_request(message, Outcome::End),
            409 if lower == "message size exceeds maxbytes" && self.has_given => {
                self.end_request(message, Outcome::End)
            }
            409 if lower == "server shutdown" || lower == "leadership change" => {
                self.end_request(message, Outcome::Ended(told()))
            }
            423 => {
                // Another client has the pin, or none: it waits for its turn without one (JC177).
                self.request.id = Default::default();
                self.end_request(message, Outcome::Ended(told()))
            }
            _ => Outcome::Ended(told()),
        }
    }
}

impl Intake for Pull {
    fn prepare(&mut self, now: Duration) -> Result<(), MessagesError> {
        let Some(Refill { at, batch }) = self.refill else { return Ok(()) };
        if self.wanted <= at {
            if self.wanted == 0 {
                self.note_life(now);
            }
            self.ask(batch - self.wanted)?;
        }
        Ok(())
    }

    fn handle(&mut self, now: Duration, message: Message) -> Outcome {
        self.note_life(now);
        match message.status() {
            Some(status) => self.handle_status(status, &message),
            None => {
                self.wanted -= 1;
                self.has_given = true;
                if let (Some(pin), false) = (message.headers().get("Nats-Pin-Id"), self.request.group.is_empty()) {
                    // The next requests are those of the client that gets everything (JC176).
                    pin.clone_into(&mut self.request.id);
                }
                match self.missed(&message) {
                    None => Outcome::Message(message),
                    Some(error) => Outcome::Failed(error),
                }
            }
        }
    }

    fn handle_timeout(&mut self, now: Duration) -> Outcome {
        if let Some((ends_by, after)) = self.ends_by
            && now >= ends_by
        {
            return Outcome::Ended(MessagesError::Timeout { after });
        }
        if self.alive_by.is_none_or(|alive_by| now < alive_by) {
            return Outcome::Nothing;
        }
        // The request may never have arrived.
        self.wanted = 0;
        self.note_life(now);
        match self.refill {
            Some(_) => Outcome::Failed(MessagesError::HeartbeatMissed),
            None => Outcome::Ended(MessagesError::HeartbeatMissed),
        }
    }

    fn poll_timeout(&self) -> Option<Duration> {
        self.ends_by.map(|(at, _)| at).into_iter().chain(self.alive_by).min()
    }

    fn is_done(&self) -> bool {
        self.refill.is_none() && self.wanted <= 0
    }
}
