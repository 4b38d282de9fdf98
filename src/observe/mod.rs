//! The observer, which is asked and told about every message: for test kits, audits and recorders.
//!
//! Only on a bus that was built with an [`Observer`]; on any other, none of this costs more than a look at a flag that every publish looks at
//! anyway.

mod delayed;
mod info;
mod panicked;

pub(crate) use delayed::{Delay, Reroute};
pub use delayed::{DelayedDelivery, DelayedMessage};
pub use info::SubscriptionInfo;
pub use panicked::CallbackPanic;
pub(crate) use panicked::Handled;

#[cfg(feature = "jetstream")]
pub use crate::message::{RemovalReason, StreamStep, StreamSteps};

use crate::delivery::DropReason;
use crate::error::{CloseReason, PublishError};
use crate::id::{ClientId, MessageId, SubscriptionId};
use crate::message::{Message, Publication};
use crate::subject::{Pattern, Subject, SubjectError, check_word};
use crate::user_code::Reporter;
use bytes::Bytes;
use smol_str::SmolStr;

/// Is asked what is to become of every publish and delivery of a bus, and is told what became of them; see
/// [`BusBuilder::observer`](crate::BusBuilder::observer).
///
/// All methods are called on the thread that connects, publishes, subscribes, receives or drops, while no lock is held, and may use the
/// bus; but for [`Observer::deliver`], [`Observer::received`] and [`Observer::lost`], which may be called while the bus routes, and must
/// not: that may deadlock.
///
/// A method that panics leaves it at that: the panic is caught, counted in [`Traffic::panics`](crate::stats::Traffic::panics) and told as an
/// event (G9). A publish is routed then as message 0, a copy is delivered, and a subscription is refused.
///
/// # Example
///
/// ```
/// use postroom::Bus;
/// use postroom::id::MessageId;
/// use postroom::observe::{Observer, PublishAction, PublishContext};
/// use std::sync::Arc;
/// use std::sync::atomic::{AtomicU64, Ordering};
///
/// #[derive(Default)]
/// struct Count(AtomicU64);
///
/// impl Observer for Count {
///     fn publish(&self, _: &PublishContext<'_>) -> PublishAction {
///         PublishAction::Route { id: MessageId::new(self.0.fetch_add(1, Ordering::Relaxed)), times: 1 }
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

    /// Whether [`Observer::stream_steps`] is to be told what JetStream servers on the bus do. Asked once for each stream, when it is made.
    #[cfg(feature = "jetstream")]
    fn watches_streams(&self) -> bool {
        false
    }

    /// A JetStream server on the bus changed a stream. The changes of one stream are told in their order, before what follows from them is
    /// sent.
    #[cfg(feature = "jetstream")]
    fn stream_steps(&self, steps: &StreamSteps<'_>) {
        let _ = steps;
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
    point: &'a dyn Delay,
}

/// A connection, as contexts name it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ClientLabel<'a> {
    pub(crate) id: ClientId,
    pub(crate) name: Option<&'a str>,
}

impl<'a> PublishContext<'a> {
    pub(crate) fn new(
        client: ClientLabel<'a>,
        message: &'a Message,
        routed: &'a str,
        is_notice: bool,
        point: &'a dyn Delay,
    ) -> Self {
        PublishContext { client: client.id, client_name: client.name, message, is_notice, routed, point }
    }
}

impl PublishContext<'_> {
    /// The subject that the message is routed by; subscribers see that of the message. They are the same, unless it was published with
    /// [`Client::publish_message_to`](crate::Client::publish_message_to).
    pub fn routed_subject(&self) -> &str {
        self.routed
    }

    /// How many subscriptions match it now; of each queue group that has members, one.
    pub fn reach(&self) -> usize {
        self.point.reach()
    }

    /// The same message once more, to be routed later as message `id`: in place of this one with [`PublishAction::Delay`], or as well as it.
    pub fn delay(&self, id: MessageId) -> DelayedMessage {
        DelayedMessage::new(id, self.message.clone(), self.point.delay_message())
    }

    /// The copy for the subscription that [`Observer::deliver`] was asked about, to be delivered later: with [`DeliveryAction::Delay`]. `None` anywhere
    /// else.
    pub fn delay_delivery(&self) -> Option<DelayedDelivery> {
        let (id, way) = (self.message.trace()?.id(), self.point.delay_delivery()?);
        // Until its release it is a message to come, which does not count as activity.
        Some(DelayedDelivery::new(id, self.message.untracked(), way))
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

impl RejectedPublish<'_> {
    /// A text as a subject to show.
    pub(crate) fn shown(text: &str) -> SmolStr {
        shown(text)
    }

    /// Shows `f` a publish that is rejected; its content is used up.
    pub(crate) fn with(
        client: ClientLabel<'_>,
        out: &mut Publication<'_>,
        error: &PublishError,
        reporter: Reporter,
        f: impl FnOnce(&RejectedPublish<'_>),
    ) {
        if matches!(error, PublishError::MaxPayloadExceeded { .. }) {
            // A record has bounds of its own.
            out.strip(reporter);
        }
        let routed_subject = &*shown(out.routed());
        let message = &out.take_as(Subject::unchecked(shown(out.shown())), reporter);
        f(&RejectedPublish { client: client.id, client_name: client.name, message, routed_subject, error });
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
