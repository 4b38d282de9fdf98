//! The door: what users hold.
//!
//! | file | purpose |
//! |---|---|
//! | `mod` | [`Client`]: a connection, its subscriptions, its end |
//! | `send` | publishing and requesting |
//! | `options` | the options of subscriptions and requests |
//! | `subscriber` | receiving, in threads and tasks |
//! | `iter` | the stream and the iterators of a subscriber |
//! | `guard` | callbacks and channels of the user's |
//! | `publisher` | prepared publishers, and publishing from tasks |
//! | `raw` | messages that came off a wire |
//! | `request`, `request_many` | requests, and answering |
//! | `drain` | waiting for the end of a drain |

mod drain;
mod guard;
mod iter;
mod options;
mod publisher;
mod raw;
mod request;
mod request_many;
mod send;
mod subscriber;

pub use drain::{Drain, DrainFuture};
pub use guard::SubscriptionGuard;
pub use iter::{IntoIter, Iter, SubscriberStream};
pub use options::{RequestOptions, SubscribeOptions};
pub use publisher::{PublishFuture, Publisher};
pub use raw::RawMessage;
pub use request::RequestFuture;
pub use request_many::{RequestManyOptions, Responses, ResponsesEnd, ResponsesIter};
pub use subscriber::Subscriber;

use crate::account::{Permissions, Subscription};
use crate::broker::Broker;
use crate::bus::Bus;
use crate::connection::{ClientStats, Connection, client_stats};
use crate::delivery::{DeliveryTarget, OverflowPolicy, Receiver, SinkDelivery, SinkResult, TargetKind};
use crate::error::{CloseReason, PublishError, SubscribeError};
use crate::id::ClientId;
use crate::message::Message;
use crate::observe::SubscriptionInfo;
use crate::services::Phase;
use crate::subject::{Pattern, Subject, ToPattern, ToSubject};
use crossbeam_channel::Sender;
use std::sync::Arc;

/// A connection to a [`Bus`]. Cheap to clone; clones are the same connection. May be used by many threads at once.
///
/// The connection ends with [`close`](Client::close), at the end of a [`drain`](Client::drain), with its bus, or when its last handle is
/// gone: the clients, subscribers, guards and publishers made from it.
#[derive(Clone, Debug)]
pub struct Client {
    connection: Arc<Connection>,
    broker: Arc<Broker>,
}

impl Client {
    pub(crate) fn new(broker: Arc<Broker>, connection: Arc<Connection>) -> Self {
        Client { connection, broker }
    }

    /// Whether it is a client of this bus.
    pub(crate) fn is_of(&self, broker: &Arc<Broker>) -> bool {
        Arc::ptr_eq(&self.broker, broker)
    }

    /// Subscribes: every publish that starts after this returned, by whomever, reaches the subscription (G2).
    ///
    /// # Errors
    ///
    /// [`SubscribeError`]: the pattern is invalid, too long, or has too many tokens; there are too many subscriptions; the client is
    /// closed or draining.
    pub fn subscribe(&self, pattern: impl ToPattern) -> Result<Subscriber, SubscribeError> {
        self.subscribe_with(pattern, SubscribeOptions::new())
    }

    /// Subscribes as a member of a queue group: each message goes to one member of the group, whichever patterns its members have (Q2).
    ///
    /// # Errors
    ///
    /// As [`Client::subscribe`]; also [`SubscribeError::InvalidQueue`].
    pub fn queue_subscribe(
        &self,
        pattern: impl ToPattern,
        queue: impl Into<String>,
    ) -> Result<Subscriber, SubscribeError> {
        self.subscribe_with(pattern, SubscribeOptions::new().queue(queue))
    }

    /// Subscribes with bounds, an overflow policy or a queue group.
    ///
    /// # Errors
    ///
    /// As [`Client::queue_subscribe`]; also [`SubscribeError::InvalidCapacity`] and [`SubscribeError::FallbackWithoutQueue`].
    pub fn subscribe_with(
        &self,
        pattern: impl ToPattern,
        options: SubscribeOptions,
    ) -> Result<Subscriber, SubscribeError> {
        let policy = options.policy(&self.connection.services)?;
        let subscription = self.register(pattern, &options, DeliveryTarget::new(policy, Receiver::Queue))?;
        Ok(Subscriber::new(subscription, self.connection.clone()))
    }

    /// Routes messages into a channel of the user's, so that they can be received together with other things (`select!`).
    ///
    /// A message in the channel counts as delivered. A full channel is a slow consumer: [`OverflowPolicy::DropNewest`]. When the receiving end
    /// is gone the subscription ends.
    ///
    /// # Errors
    ///
    /// As [`Client::subscribe`].
    ///
    /// # Example
    ///
    /// ```
    /// use postroom::Bus;
    ///
    /// let client = Bus::new().connect();
    /// let (tx, rx) = crossbeam_channel::bounded(16);
    /// let guard = client.subscribe_channel("metrics.>", tx)?;
    /// client.publish("metrics.load", "0.5")?;
    /// assert_eq!(rx.recv()?.subject(), "metrics.load");
    /// drop(guard); // the bus lets go of its end
    /// assert!(rx.recv().is_err());
    /// # Ok::<_, Box<dyn std::error::Error>>(())
    /// ```
    pub fn subscribe_channel(
        &self,
        pattern: impl ToPattern,
        channel: Sender<Message>,
    ) -> Result<SubscriptionGuard, SubscribeError> {
        self.subscribe_channel_with(pattern, SubscribeOptions::new(), channel)
    }

    /// As [`Client::subscribe_channel`], with an overflow policy or a queue group.
    ///
    /// # Errors
    ///
    /// As [`Client::queue_subscribe`]; also [`SubscribeError::UnsupportedOverflow`] for [`OverflowPolicy::DropOldest`].
    pub fn subscribe_channel_with(
        &self,
        pattern: impl ToPattern,
        options: SubscribeOptions,
        channel: Sender<Message>,
    ) -> Result<SubscriptionGuard, SubscribeError> {
        if options.overflow_asked() == Some(OverflowPolicy::DropOldest) {
            return Err(SubscribeError::UnsupportedOverflow);
        }
        self.guarded(pattern, options, TargetKind::Channel(channel))
    }

    /// Calls `call` with each message, on the publisher's thread, before the publish returns.
    ///
    /// No lock is held while it runs: it may publish, request, subscribe, unsubscribe and drop whatever it likes (G4). Several threads
    /// that publish call it at once. A panic is caught, counted, and told as [`Event::CallbackPanicked`](crate::Event::CallbackPanicked)
    /// (G9).
    ///
    /// # Errors
    ///
    /// As [`Client::subscribe`].
    pub fn subscribe_fn(
        &self,
        pattern: impl ToPattern,
        call: impl Fn(Message) + Send + Sync + 'static,
    ) -> Result<SubscriptionGuard, SubscribeError> {
        self.subscribe_fn_with(pattern, SubscribeOptions::new(), call)
    }

    /// As [`Client::subscribe_fn`], with a queue group.
    ///
    /// # Errors
    ///
    /// As [`Client::queue_subscribe`].
    pub fn subscribe_fn_with(
        &self,
        pattern: impl ToPattern,
        options: SubscribeOptions,
        call: impl Fn(Message) + Send + Sync + 'static,
    ) -> Result<SubscriptionGuard, SubscribeError> {
        self.guarded(pattern, options, TargetKind::Callback(Box::new(call)))
    }

    /// As [`Client::subscribe_sink_with`], with the default options.
    ///
    /// # Errors
    ///
    /// As [`Client::subscribe`].
    pub fn subscribe_sink<A: Into<SinkResult>>(
        &self,
        pattern: impl ToPattern,
        sink: impl Fn(&SinkDelivery<'_>) -> A + Send + Sync + 'static,
    ) -> Result<SubscriptionGuard, SubscribeError> {
        self.subscribe_sink_with(pattern, SubscribeOptions::new(), sink)
    }

    /// Shows `sink` each message while it is routed, on the publisher's thread: for parts of a program that queue messages in a way of
    /// their own, such as a server that writes them to a socket.
    ///
    /// A [`SinkDelivery`] has the message, the subject that it was routed by, and the number of the connection that published it, so
    /// that a part that brings messages from elsewhere can tell its own, and those of others like it, from the rest.
    ///
    /// Its answer counts at once, a `bool` or a [`SinkResult`]. With `true` it has taken the message. With `false` it is as if the
    /// message had not matched: in a queue group the next member is tried (Q4), and if no other subscription takes it there were
    /// no responders (R2). With [`SinkResult::Full`] it is full, and the subscription's [`OverflowPolicy`] says what that means. With
    /// [`OverflowPolicy::Block`] the publisher waits, with no lock held, and shows it the message again after
    /// [`SubscriptionGuard::announce_room`]; with [`OverflowPolicy::DropOldest`] the message is lost, since what the sink holds is not
    /// the bus's to drop. A message of the bus itself (a 503) never waits: there full is refused.
    ///
    /// It must be quick, must not block, and **must not use the bus**, its clients or their subscriptions in any way: that may deadlock. It
    /// must not drop the last copy of a payload whose destructor does. For all else there is [`Client::subscribe_fn_with`], which is run
    /// when no lock is held (G4). A message that a sink was shown can't be answered with [`Message::respond`]. Several threads that publish
    /// call it at once. A panic counts as `false` and is told like one of a callback (G9).
    ///
    /// # Errors
    ///
    /// As [`Client::queue_subscribe`].
    ///
    /// # Example
    ///
    /// ```
    /// use postroom::{Bus, SubscribeOptions};
    /// use std::sync::{Arc, Mutex};
    ///
    /// let client = Bus::new().connect();
    /// let me = client.id();
    /// let log = Arc::new(Mutex::new(String::new()));
    /// let copy = log.clone();
    /// let _all = client.subscribe_sink_with("log.>", SubscribeOptions::new(), move |delivery| {
    ///     assert_eq!(delivery.publisher(), Some(me));
    ///     let mut log = copy.lock().unwrap();
    ///     let has_room = log.len() < 8;
    ///     if has_room {
    ///         log.push_str(delivery.message().payload_str().unwrap_or_default());
    ///     }
    ///     has_room
    /// })?;
    /// assert_eq!(client.publish("log.a", "12345678")?, 1);
    /// assert_eq!(client.publish("log.a", "9")?, 0);
    /// assert_eq!(*log.lock().unwrap(), "12345678");
    /// # Ok::<_, Box<dyn std::error::Error>>(())
    /// ```
    pub fn subscribe_sink_with<A: Into<SinkResult>>(
        &self,
        pattern: impl ToPattern,
        options: SubscribeOptions,
        sink: impl Fn(&SinkDelivery<'_>) -> A + Send + Sync + 'static,
    ) -> Result<SubscriptionGuard, SubscribeError> {
        self.guarded(pattern, options, TargetKind::Sink(Box::new(move |delivery| sink(delivery).into())))
    }

    /// A subject that no other part uses, to subscribe to and give as a reply (R7).
    pub fn new_inbox(&self) -> Subject {
        self.connection.new_inbox()
    }

    /// Whether a publish on `subject` would find a subscription. Not checked: text that is not a valid subject has no interest,
    /// unless the connection is lenient and may publish there.
    pub fn has_interest(&self, subject: impl ToSubject) -> bool {
        self.connection.account.has_interest(subject.as_str(), self.connection.publisher.options.lenient)
    }

    /// The connection's number, unique on the bus.
    pub fn id(&self) -> ClientId {
        self.connection.publisher.id
    }

    /// The connection's name.
    pub fn name(&self) -> Option<&str> {
        self.connection.publisher.options.name.as_deref()
    }

    /// The bus it is connected to.
    pub fn bus(&self) -> Bus {
        Bus { broker: self.broker.clone() }
    }

    /// Replaces the connection's permissions; `None` allows everything (P2).
    ///
    /// From when this returns, what is published and subscribed to is held to the new ones. Subscriptions that they do not allow
    /// have ended, with [`CloseReason::PermissionDenied`], and are given back, so that their owner can be told. The others stay in
    /// force, and get the messages that the new ones let through. Leave to answer that the old ones gave is void
    /// ([`AllowResponses`](crate::AllowResponses)).
    ///
    /// Prepared publishers stay, and are asked at each publish. A connection that may not have its inbox any more keeps it without
    /// getting anything: its requests fail with [`RequestError::InboxDenied`](crate::RequestError::InboxDenied), and those under way get no answer.
    ///
    /// # Example
    ///
    /// ```
    /// use postroom::{Bus, Permissions, PublishError};
    /// use postroom::error::CloseReason;
    ///
    /// let client = Bus::new().connect();
    /// let (eu, us) = (client.subscribe("eu.>")?, client.subscribe("us.>")?);
    /// let rules = Permissions::new().allow_subscribe("eu.>")?.deny_publish("us.>")?;
    /// let ended = client.set_permissions(Some(rules));
    /// assert_eq!((ended.len(), ended[0].id), (1, us.id()));
    /// assert_eq!((eu.close_reason(), us.close_reason()), (None, Some(CloseReason::PermissionDenied)));
    /// assert!(matches!(client.publish("us.1", ""), Err(PublishError::PermissionDenied { .. })));
    /// # Ok::<_, Box<dyn std::error::Error>>(())
    /// ```
    pub fn set_permissions(&self, permissions: Option<Permissions>) -> Vec<SubscriptionInfo> {
        self.connection.set_permissions(permissions)
    }

    /// Whether the connection may publish there now, by its permissions and by what is kept for the server (P3, P7, S9, S10). Leave
    /// to answer is not used up. The subject is not checked. A refusal is told as
    /// [`Event::PermissionDenied`](crate::Event::PermissionDenied).
    ///
    /// # Errors
    ///
    /// [`PublishError::PermissionDenied`], [`PublishError::ReplyDenied`] or [`PublishError::Closed`], as a publish would fail now.
    pub fn check_publish(&self, subject: &str, reply: Option<&str>) -> Result<(), PublishError> {
        self.connection.publisher.check_publish(&self.connection.services, subject, reply)
    }

    /// Whether the connection may subscribe to `pattern` now, by its permissions (P5, P6). The pattern is not checked. A refusal is
    /// told as [`Event::PermissionDenied`](crate::Event::PermissionDenied).
    ///
    /// # Errors
    ///
    /// [`SubscribeError::PermissionDenied`].
    pub fn check_subscribe(&self, pattern: &str, queue: Option<&str>) -> Result<(), SubscribeError> {
        self.connection.publisher.check_subscribe(&self.connection.services, pattern, queue)
    }

    /// How many subscriptions the client has that have not ended: one load, however many there are. One that the client has made for the
    /// answers to its requests is among them.
    pub fn subscriptions(&self) -> usize {
        self.connection.subscriptions.open()
    }

    /// The connection's counters. This visits every subscription.
    pub fn stats(&self) -> ClientStats {
        client_stats(&self.connection)
    }

    /// Ends all interest; what is queued can still be received and requests under way answered; then the client is closed (D8). New
    /// subscriptions and requests fail from now on; publishing works until the end.
    pub fn drain(&self) -> Drain {
        self.connection.drain();
        Drain::client(self.connection.clone())
    }

    /// Ends all subscriptions and requests now, and fails all that comes later. Queued messages can still be received.
    /// Idempotent.
    pub fn close(&self) {
        self.connection.close(CloseReason::ClientClosed);
    }

    /// Whether it was closed, or drained to the end.
    pub fn is_closed(&self) -> bool {
        self.connection.phase() == Phase::Closed
    }

    fn guarded(
        &self,
        pattern: impl ToPattern,
        options: SubscribeOptions,
        receiver: TargetKind,
    ) -> Result<SubscriptionGuard, SubscribeError> {
        let policy = options.policy_without_queue(&self.connection.services);
        let target = DeliveryTarget::new(policy, Receiver::Other(Box::new(receiver)));
        let subscription = self.register(pattern, &options, target)?;
        Ok(SubscriptionGuard::new(subscription, self.connection.clone()))
    }

    fn register(
        &self,
        pattern: impl ToPattern,
        options: &SubscribeOptions,
        target: DeliveryTarget,
    ) -> Result<Arc<Subscription>, SubscribeError> {
        let queue = options.checked_queue()?;
        if self.connection.publisher.options.lenient {
            // As in nats-server, what is not allowed is not looked at any further.
            self.connection.publisher.check_subscribe(&self.connection.services, pattern.text(), queue)?;
        }
        let pattern: Pattern = pattern.into_pattern()?;
        let account = &self.connection.account;
        account.check_len(pattern.as_str(), |len, max| SubscribeError::PatternTooLong { len, max })?;
        let max = account.limits.max_subscription_tokens;
        if max > 0 && pattern.tokens().count() > max {
            return Err(SubscribeError::TooManyTokens { tokens: pattern.tokens().count(), max });
        }
        self.connection.register(pattern, queue, options.is_fallback(), target)
    }
}
