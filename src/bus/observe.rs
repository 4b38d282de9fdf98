//! The observer, which is asked and told about every message: for test kits, audits and recorders.
//!
//! Only on a bus that was built with an [`Observer`]; on any other, none of this costs more than a look at a flag that every publish looks at
//! anyway.

use super::held::{DelayedDelivery, DelayedMessage};
use super::{CallbackPanic, Connection, PreparedRoute};
use crate::account::{Subscription, SubscriptionInfo};
use crate::activity::{Activity, ActivityGuard, ActivityKind};
use crate::delivery::DropReason;
use crate::error::{CloseReason, PublishError};
use crate::id::{ClientId, MessageId, SubscriptionId};
use crate::message::{Message, Payload, Publication, Trace};
use crate::subject::{Pattern, Subject, SubjectError, check_word};
use crate::user_code::{Reporter, UserCode};
use bytes::Bytes;
use smol_str::SmolStr;
use std::fmt;
use std::sync::Arc;

/// Is asked what is to become of every publish and delivery of a bus, and is told what became of them; see
/// [`BusBuilder::observer`](crate::BusBuilder::observer).
///
/// All methods are called on the thread that connects, publishes, subscribes, receives or drops, while no lock is held, and may use the
/// bus; but for [`Observer::deliver`], [`Observer::received`] and [`Observer::lost`], which may be called while the bus routes, and must
/// not: that may deadlock.
///
/// A method that panics leaves it at that: the panic is caught, counted in [`BusStats::panics`](crate::BusStats::panics) and told as an
/// event (G9). A publish is routed then as message 0, a copy is delivered, and a subscription is refused.
///
/// # Example
///
/// ```
/// use postroom::{Bus, Observer, PublishContext, PublishAction};
/// use std::sync::Arc;
/// use std::sync::atomic::{AtomicU64, Ordering};
///
/// #[derive(Default)]
/// struct Count(AtomicU64);
///
/// impl Observer for Count {
///     fn publish(&self, _: &PublishContext<'_>) -> PublishAction {
///         PublishAction::Route { id: self.0.fetch_add(1, Ordering::Relaxed), times: 1 }
///     }
/// }
///
/// let count = Arc::new(Count::default());
/// let bus = Bus::builder().observer(count.clone()).build();
/// bus.connect().publish("orders.eu", "hello")?;
/// assert_eq!(count.0.load(Ordering::Relaxed), 1);
/// # Ok::<_, postroom::PublishError>(())
/// ```
pub trait Observer: Send + Sync + 'static {
    /// A publish has passed all checks. What is to become of it?
    fn publish(&self, publish: &PublishContext<'_>) -> PublishAction;

    /// The bus itself refused a publish, for one of the reasons of [`PublishError`]: no subscriber gets it, and
    /// [`Observer::publish`] is not asked. A refusal by the observer itself is not told here.
    ///
    /// Also told of a request by a client that drains, which is not sent, and of a refusal by [`Client::check_publish`](crate::Client::check_publish).
    fn refused(&self, refused: &RejectedPublish<'_>) {
        let _ = refused;
    }

    /// A message was routed: these subscriptions have it, or will have it when there is room. Not called if it was held or swallowed.
    fn routed(&self, id: MessageId, accepted: &[SubscriptionId]) {
        let _ = (id, accepted);
    }

    /// The publish of a message that was routed is about to return: its callbacks have run, those apart that wait for their turn within another.
    fn returned(&self, id: MessageId) {
        let _ = id;
    }

    /// May a copy of message `id` go to that subscription? Asked for each subscription that matches, and for members of a queue group in
    /// turn until one takes it.
    fn deliver(&self, id: MessageId, publish: &PublishContext<'_>, to: &SubscriptionInfo) -> DeliveryAction {
        let _ = (id, publish, to);
        DeliveryAction::Pass
    }

    /// A subscription's owner has taken a copy: from the queue, or its callback is about to run with it. A copy for a sink or a
    /// user's channel counts as taken at once, and so does an answer to a request. May come before [`Observer::routed`] tells of
    /// the same copy.
    fn received(&self, id: MessageId, by: SubscriptionId) {
        let _ = (id, by);
    }

    /// A copy that a subscription had, or was about to have, was lost.
    fn lost(&self, id: MessageId, by: &SubscriptionInfo, reason: DropReason) {
        let _ = (id, by, reason);
    }

    /// A callback or a sink panicked, which is counted and told as an event, and has no other consequence.
    fn panicked(&self, panic: &CallbackPanic<'_>) {
        let _ = panic;
    }

    /// A client connected to the bus.
    fn connected(&self, client: &ClientInfo<'_>) {
        let _ = client;
    }

    /// A connection has ended.
    fn disconnected(&self, client: ClientId) {
        let _ = client;
    }

    /// May this client subscribe? If not, that fails for want of permissions (P4). Not asked about inboxes for requests.
    fn may_subscribe(&self, client: ClientId, pattern: &Pattern, queue: Option<&str>) -> bool {
        let _ = (client, pattern, queue);
        true
    }

    /// A subscription is in force.
    fn subscribed(&self, subscription: &SubscriptionInfo) {
        let _ = subscription;
    }

    /// A subscription is about to be drained: the copies for it that are held back are to be released now, for a drain loses nothing (D7).
    fn draining(&self, subscription: &SubscriptionInfo) {
        let _ = subscription;
    }

    /// A subscription has ended.
    fn ended(&self, subscription: &SubscriptionInfo, reason: CloseReason) {
        let _ = (subscription, reason);
    }
}

/// A connection that has just been made.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct ClientInfo<'a> {
    /// Its number.
    pub client: ClientId,
    /// Its name.
    pub name: Option<&'a str>,
    /// It is [`untracked`](crate::ConnectOptions::untracked): the test's own.
    pub untracked: bool,
    /// It has a hook for being cut off
    /// ([`ConnectOptions::on_kick`](crate::ConnectOptions::on_kick)); see
    /// [`Bus::kick`](crate::Bus::kick).
    pub can_be_kicked: bool,
}

/// A message that is about to be routed.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct PublishContext<'a> {
    /// The number of the connection that publishes it.
    pub client: ClientId,
    /// The connection's name.
    pub client_name: Option<&'a str>,
    /// The message.
    pub message: &'a Message,
    /// It is the bus's own notice that there are no responders (R2). For such a message only the `id` of
    /// [`PublishAction::Route`] counts.
    pub is_notice: bool,
    routed: &'a str,
    connection: &'a Connection,
    /// The subscription that is to get a copy, if the question is about one copy.
    to: Option<&'a Arc<Subscription>>,
}

impl PublishContext<'_> {
    /// The subject that the message is routed by; subscribers see that of the message. They are the same, unless it was published with
    /// [`Client::publish_message_to`](crate::Client::publish_message_to).
    pub fn routed_subject(&self) -> &str {
        self.routed
    }

    /// How many subscriptions match it now; of each queue group that has members, one.
    pub fn reach(&self) -> usize {
        self.connection.reach(self.routed)
    }

    /// The same message once more, to be routed later as message `id`: in place of this one with [`PublishAction::Delay`], or as well as it.
    pub fn delay(&self, id: MessageId) -> DelayedMessage {
        DelayedMessage::new(id, self.connection.me(), self.routed, self.message.clone())
    }

    /// The copy for the subscription that [`Observer::deliver`] was asked about, to be delivered later: with [`DeliveryAction::Delay`]. `None` anywhere
    /// else.
    pub fn delay_delivery(&self) -> Option<DelayedDelivery> {
        let (id, to) = (self.message.trace()?.id(), self.to?);
        // Until its release it is a message to come, which does not count as activity.
        let (to, message) = (Arc::downgrade(to), self.message.untracked());
        Some(DelayedDelivery::new(id, self.connection.me(), to, self.routed, message))
    }
}

/// A publish that the bus refused.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct RejectedPublish<'a> {
    /// The number of the connection that wanted to publish.
    pub client: ClientId,
    /// The connection's name.
    pub client_name: Option<&'a str>,
    /// The message that it wanted to publish. Its subject is the text that was given, which need not be a valid subject (S4); a
    /// blank in it, or an empty text, shows as `␣`. It comes without the reply if that was not a valid subject, and without
    /// headers and payload if they were too large, or were not handed over yet
    /// ([`Client::check_publish`](crate::Client::check_publish)).
    pub message: &'a Message,
    /// The subject by which it was to be routed; see [`PublishContext::routed_subject`]. Shown as that of the message is.
    pub routed_subject: &'a str,
    /// Why it was not published.
    pub error: &'a PublishError,
}

/// The observer's decision about a publish.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum PublishAction {
    /// It is routed this many times, as message `id`.
    Route {
        /// The number that it is known by from now on.
        id: MessageId,
        /// A bus without an observer routes 1 time; 0 is taken for 1.
        times: usize,
    },
    /// It is routed with another payload.
    Replace {
        /// As in [`PublishAction::Route`].
        id: MessageId,
        /// The new payload. Not held to the limits again.
        payload: Bytes,
    },
    /// It comes later: the observer has kept it with [`PublishContext::delay`]. To the publisher it looks as if it had been routed.
    Delay {
        /// The number that it is known by from now on.
        id: MessageId,
    },
    /// No subscriber gets it; to the publisher it looks as if it had been routed.
    Swallow,
    /// It reaches no subscriber, as if there were no subscription: a request fails with no
    /// responders (R2).
    Unmatched,
    /// The publish fails: permissions (P3).
    Deny,
    /// The publish fails: larger than this many bytes (L4).
    TooLarge {
        /// The limit that is claimed.
        max: usize,
    },
    /// The publish fails: the connection is closed.
    Closed,
}

/// The observer's decision about a copy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum DeliveryAction {
    /// It is delivered as usual.
    Pass,
    /// It is as if the subscription did not match; in a queue group, another member is asked.
    Hide,
    /// It is lost, and counted as [`DropReason::Fault`].
    Lose,
    /// It comes later: the observer has kept it with [`PublishContext::delay_delivery`]. To the publisher it looks as if it had been
    /// accepted.
    Delay,
    /// There is no room for it: in a queue group, another member is asked; else the subscription's [`OverflowPolicy`](crate::OverflowPolicy)
    /// applies, and a blocking publisher may then find room.
    Full,
}

/// An observer, and the account that its bus keeps.
pub(crate) struct Observed {
    observer: Arc<dyn Observer>,
    pub(crate) activity: Activity,
    reporter: Reporter,
}

impl fmt::Debug for Observed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Observed").field("activity", &self.activity).finish_non_exhaustive()
    }
}

impl Observed {
    pub(crate) fn new(observer: Arc<dyn Observer>, reporter: Reporter) -> Self {
        Observed { observer, activity: Activity::new(reporter), reporter }
    }

    /// Asks the observer something while no lock is held; `None` if it panicked.
    pub(super) fn ask<R>(&self, question: impl FnOnce(&dyn Observer) -> R) -> Option<R> {
        self.reporter.contain(UserCode::Observer, || question(&*self.observer))
    }

    /// Tells it something while no lock is held.
    pub(super) fn tell(&self, news: impl FnOnce(&dyn Observer)) {
        let _ = self.ask(news);
    }

    /// Asks or tells it what is documented to come while the bus routes.
    fn ask_while_routing<R>(&self, question: impl FnOnce(&dyn Observer) -> R) -> Option<R> {
        self.reporter.contain_while_routing(UserCode::Observer, || question(&*self.observer))
    }

    fn trace(&self, id: MessageId, message: &Message) -> Trace {
        Trace::new(id, self.activity.begin(ActivityKind::Message { id, subject: message.subject().clone() }))
    }
}

impl Connection {
    pub(super) fn trace(&self, id: MessageId, message: &Message) -> Option<Trace> {
        Some(self.shared.observed.as_ref()?.trace(id, message))
    }

    /// A publish on a bus that is observed, in place of [`Connection::route`].
    #[cold]
    #[inline(never)]
    pub(super) fn publish_observed(
        &self,
        flags: u8,
        out: &mut Publication<'_>,
        prepared: Option<&PreparedRoute>,
        mut waiting: Option<&mut Vec<super::Waiting>>,
    ) -> Result<usize, PublishError> {
        let Some(observed) = &self.shared.observed else {
            let size = self.check_size(out)?;
            return self.route(out, prepared, size, waiting);
        };
        let checked = self.pass_gate(flags, out).and_then(|()| self.check_size(out));
        let checked = checked.and_then(|size| self.check_address(out.routed(), out.is_trusted()).map(|()| size));
        let size = match checked {
            Ok(size) => size,
            Err(error) => {
                self.tell_refused(out, &error);
                return Err(error);
            }
        };
        let mut message = out.take_message(None, self.shared.reporter());
        let publish = self.publish_of(&message, out.routed(), false);
        // If the observer panics, the message is routed as usual.
        let verdict = observed
            .ask(|observer| observer.publish(&publish))
            .unwrap_or(PublishAction::Route { id: MessageId::new(0), times: 1 });
        let (id, times) = match verdict {
            PublishAction::Route { id, times } => (id, times),
            PublishAction::Replace { id, payload } => {
                message = Message::assemble(
                    message.subject().clone(),
                    message.reply(),
                    message.head().cloned(),
                    &mut payload.into(),
                    self.shared.reporter(),
                );
                (id, 1)
            }
            PublishAction::Delay { .. } => {
                // The release tells if there are no responders.
                out.matched = true;
                return Ok(self.reach(out.routed()));
            }
            PublishAction::Swallow => return Ok(self.count_reached(out)),
            PublishAction::Unmatched => {
                if out.reply().is_some() {
                    self.answer_no_responders(out.routed(), out.reply());
                }
                return Ok(0);
            }
            PublishAction::Deny => return Err(self.publish_denied(out.routed())),
            PublishAction::TooLarge { max } => {
                return Err(PublishError::MaxPayloadExceeded { size, max });
            }
            PublishAction::Closed => return Err(PublishError::Closed),
        };
        let mut accepted = 0;
        for _ in 0..times.max(1) {
            let mut copy = out.again(&message, observed.trace(id, &message));
            accepted += self.route(&mut copy, prepared, message.size(), waiting.as_deref_mut())?;
            out.matched |= copy.matched;
        }
        observed.tell(|observer| observer.returned(id));
        Ok(accepted)
    }

    /// Tells the observer, if there is one, of a publish that is refused. Not to be called under a lock.
    pub(crate) fn tell_refused(&self, out: &mut Publication<'_>, error: &PublishError) {
        let Some(observed) = &self.shared.observed else { return };
        if matches!(error, PublishError::MaxPayloadExceeded { .. }) {
            // A record has bounds of its own.
            out.strip(self.shared.reporter());
        }
        let (client_name, routed_subject) = (self.options.name.as_deref(), &*shown(out.routed()));
        let message = out.take_as(Subject::unchecked(shown(out.shown())), self.shared.reporter());
        let refused = RejectedPublish { client: self.id, client_name, message: &message, routed_subject, error };
        observed.tell(|observer| observer.refused(&refused));
    }

    /// As [`Connection::tell_refused`], where there is nothing but an address yet.
    pub(super) fn tell_address_refused(&self, subject: &str, reply: Option<&str>, error: &PublishError) {
        if self.shared.observed.is_some() {
            let reply = reply.map(|reply| Subject::unchecked(shown(reply)));
            let mut out = Publication::new(subject, Payload::empty()).with_reply(reply.as_ref());
            self.tell_refused(&mut out, error);
        }
    }

    /// The number of subscribers that a swallowed message would have reached. If there are any, the publisher is not told that
    /// there are no responders.
    fn count_reached(&self, out: &mut Publication<'_>) -> usize {
        let reached = self.reach(out.routed());
        out.matched = reached > 0;
        if reached == 0 && out.reply().is_some() {
            self.answer_no_responders(out.routed(), out.reply());
        }
        reached
    }

    fn reach(&self, subject: &str) -> usize {
        let matcher = &self.shared.account.matcher;
        matcher.with_matches(subject, |hit| hit.matches.plain().len() + hit.matches.groups().len())
    }

    fn publish_of<'a>(&'a self, message: &'a Message, routed: &'a str, is_notice: bool) -> PublishContext<'a> {
        let client_name = self.options.name.as_deref();
        PublishContext { client: self.id, client_name, message, is_notice, routed, connection: self, to: None }
    }

    /// Whether the observer allows a subscription that is about to be made.
    pub(super) fn ask_subscribe(&self, pattern: &Pattern, queue: Option<&str>) -> bool {
        let observed = self.shared.observed.as_ref();
        // An observer that panics has not allowed it.
        let ask = |observed: &Observed| observed.ask(|observer| observer.may_subscribe(self.id, pattern, queue));
        observed.is_none_or(|observed| ask(observed).unwrap_or(false))
    }

    pub(super) fn tell_connected(&self) {
        if let Some(observed) = &self.shared.observed {
            let connected = ClientInfo {
                client: self.id,
                name: self.options.name.as_deref(),
                untracked: self.owner.is_untracked,
                can_be_kicked: self.options.on_kick.is_some(),
            };
            observed.tell(|observer| observer.connected(&connected));
        }
    }

    pub(super) fn tell_disconnected(&self) {
        if let Some(observed) = &self.shared.observed {
            observed.tell(|observer| observer.disconnected(self.id));
        }
    }

    /// The observer's decision about a copy; for a watched subscription.
    pub(super) fn ask_delivery(
        &self,
        subscription: &Arc<Subscription>,
        message: &Message,
        routed: &str,
    ) -> DeliveryAction {
        match (&self.shared.observed, message.trace()) {
            (Some(observed), Some(trace)) => {
                let publish = PublishContext { to: Some(subscription), ..self.publish_of(message, routed, false) };
                let ask = |observer: &dyn Observer| observer.deliver(trace.id(), &publish, &subscription.info());
                observed.ask_while_routing(ask).unwrap_or(DeliveryAction::Pass)
            }
            _ => DeliveryAction::Pass,
        }
    }

    /// Numbers a message that the bus itself sends.
    pub(super) fn trace_notice(&self, message: Message) -> Message {
        let Some(observed) = &self.shared.observed else { return message };
        let verdict =
            observed.ask(|observer| observer.publish(&self.publish_of(&message, message.subject().as_str(), true)));
        let Some(PublishAction::Route { id, .. }) = verdict else { return message };
        let trace = observed.trace(id, &message);
        message.traced(trace)
    }
}

/// Stands for a blank, and for nothing at all, in what was to be a subject.
const BLANK: &str = "\u{2423}";

/// A text as a subject, which has no blanks and is not empty.
fn shown(text: &str) -> SmolStr {
    match check_word(text) {
        Ok(()) => text.into(),
        Err(SubjectError::Empty) => BLANK.into(),
        Err(_) => text.replace([' ', '\t', '\r', '\n'], BLANK).into(),
    }
}

impl super::Shared {
    /// Not to be called under a lock.
    pub(super) fn tell_draining(&self, subscription: &Subscription) {
        if let Some(observed) = self.observed.as_ref().filter(|_| subscription.outlet.close_reason().is_none()) {
            observed.tell(|observer| observer.draining(&subscription.info()));
        }
    }

    pub(super) fn tell_routed(&self, id: MessageId, accepted: &[SubscriptionId]) {
        if let Some(observed) = &self.observed {
            observed.tell(|observer| observer.routed(id, accepted));
        }
    }

    /// A subscription that is told of separately has a copy now.
    pub(super) fn tell_accepted(&self, id: MessageId, subscription: &Subscription) {
        self.tell_routed(id, &[subscription.id()]);
        self.tell_handed_over(id, subscription);
    }

    /// A receiver that is neither a queue of ours nor a callback takes its copy at once.
    pub(super) fn tell_handed_over(&self, id: MessageId, subscription: &Subscription) {
        if !subscription.outlet.is_queue() && !subscription.outlet.is_callback() {
            self.tell_received(id, subscription);
        }
    }

    /// Tells the observer, if there is one, that a copy was taken.
    pub(crate) fn tell_received(&self, id: MessageId, subscription: &Subscription) {
        if let Some(observed) = &self.observed {
            let _ = observed.ask_while_routing(|observer| observer.received(id, subscription.id()));
        }
    }

    /// For a callback that runs.
    pub(super) fn hold_callback(&self, subscription: &Subscription) -> Option<ActivityGuard> {
        let (subscription, pattern) = (subscription.id(), subscription.pattern.clone());
        Some(self.observed.as_ref()?.activity.begin(ActivityKind::Callback { subscription, pattern }))
    }

    /// For a task that took something from a subscriber.
    pub(crate) fn hold_subscriber(&self, subscription: &Subscription) -> Option<ActivityGuard> {
        let (subscription, pattern) = (subscription.id(), subscription.pattern.clone());
        Some(self.observed.as_ref()?.activity.begin(ActivityKind::Subscriber { subscription, pattern }))
    }

    /// Tells the observer, if there is one, that a copy was lost.
    #[inline]
    pub(crate) fn tell_lost(&self, subscription: &Subscription, message: &Message, reason: DropReason) {
        if let (Some(observed), Some(trace)) = (&self.observed, message.trace()) {
            let _ = observed.ask_while_routing(|observer| observer.lost(trace.id(), &subscription.info(), reason));
        }
    }
}
