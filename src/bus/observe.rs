//! Being asked and told about every message: for test kits, audits and recorders.
//!
//! Only on a bus that was built with an [`Observer`]; on any other, none of this costs more than a look at a flag that every publish looks at
//! anyway.

use super::{Connection, Outgoing, RouteError};
use crate::account::{Subscription, SubscriptionInfo};
use crate::activity::{Activity, Held, Hold};
use crate::delivery::{CloseReason, DropReason};
use crate::message::{Message, Trace};
use std::fmt;
use std::sync::Arc;

/// Is asked what is to become of every publish and delivery of a bus, and is told what became of them; see
/// [`BusBuilder::observer`](crate::BusBuilder::observer).
///
/// All methods are called on the thread that publishes, subscribes, receives or drops. [`Observer::publish`], [`Observer::routed`] and
/// [`Observer::hold`] are called while no lock is held and may use the bus. The others are called while the bus routes, and must not:
/// that may deadlock. None of them may panic.
///
/// # Example
///
/// ```
/// use postroom::{Bus, Observer, Publish, Verdict};
/// use std::sync::Arc;
/// use std::sync::atomic::{AtomicU64, Ordering};
///
/// #[derive(Default)]
/// struct Count(AtomicU64);
///
/// impl Observer for Count {
///     fn publish(&self, _: &Publish<'_>) -> Verdict {
///         Verdict::Route { id: self.0.fetch_add(1, Ordering::Relaxed), times: 1 }
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
    fn publish(&self, publish: &Publish<'_>) -> Verdict;

    /// A message was routed: these subscriptions have it, or will have it when there is room. Not called if it was held or swallowed.
    fn routed(&self, id: u64, accepted: &[u64]) {
        let _ = (id, accepted);
    }

    /// May a copy of the message go to that subscription? Asked for each subscription that matches, and for members of a queue group in turn
    /// until one takes it.
    fn deliver(&self, id: u64, to: &SubscriptionInfo) -> Delivery {
        let _ = (id, to);
        Delivery::Pass
    }

    /// A copy that a subscription had, or was about to have, was lost.
    fn lost(&self, id: u64, by: &SubscriptionInfo, reason: DropReason) {
        let _ = (id, by, reason);
    }

    /// A message that [`Observer::publish`] decided to hold. Dropping it loses it, without a count: it has not been published yet.
    fn hold(&self, held: HeldMessage) {
        drop(held);
    }

    /// A subscription is in force.
    fn subscribed(&self, subscription: &SubscriptionInfo) {
        let _ = subscription;
    }

    /// A subscription has ended.
    fn ended(&self, subscription: &SubscriptionInfo, reason: CloseReason) {
        let _ = (subscription, reason);
    }
}

/// A message that is about to be routed.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Publish<'a> {
    /// The number of the connection that publishes it.
    pub client: u64,
    /// The connection's name.
    pub client_name: Option<&'a str>,
    /// What it publishes.
    pub message: &'a Message,
    /// The bus itself says it: that there are no responders (R2). Of such a message only the number of the verdict counts.
    pub is_notice: bool,
}

/// What becomes of a publish.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Verdict {
    /// It is routed this many times, as message `id`.
    Route {
        /// The number that it is known by from now on.
        id: u64,
        /// 1 is what a bus does that nobody meddles with; 0 is taken for 1.
        times: usize,
    },
    /// It goes to [`Observer::hold`]; to whoever published it, it looks as if it had been routed.
    Hold,
    /// Nobody gets it; to whoever published it, it looks as if it had been routed.
    Swallow,
    /// It reaches nobody, as if there were no subscription: a request fails with no responders (R2).
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

/// What becomes of a copy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Delivery {
    /// It goes its way.
    Pass,
    /// The subscription does not match: of a queue group, another member is asked.
    Hide,
    /// It is lost, and counted as [`DropReason::Fault`].
    Lose,
}

/// A message whose publish was held up.
pub struct HeldMessage {
    connection: Arc<Connection>,
    message: Message,
}

impl HeldMessage {
    /// The message.
    pub fn message(&self) -> &Message {
        &self.message
    }

    /// The number of the connection that published it.
    pub fn client(&self) -> u64 {
        self.connection.id
    }

    /// Routes it now, as message `id`, without asking the observer again. Gives back how many subscribers accepted it; none if the
    /// connection was closed meanwhile.
    ///
    /// Blocks as a publish does.
    pub fn release(self, id: u64) -> usize {
        let HeldMessage { connection, message } = self;
        // A reply that a bus let through once is not looked at again.
        let mut out = Outgoing {
            subject: message.subject().as_str(),
            answers: true,
            prepared: None,
            reply: message.reply(),
            head: message.head().cloned(),
            payload: message.payload_again(),
            trace: None,
            matched: false,
        };
        out.trace = connection.trace(id, &message);
        connection.route(&mut out, None).unwrap_or(0)
    }
}

impl fmt::Debug for HeldMessage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HeldMessage").field("client", &self.client()).field("message", &self.message).finish()
    }
}

/// An observer, and the account that its bus keeps.
pub(crate) struct Observed {
    pub(crate) observer: Arc<dyn Observer>,
    pub(crate) activity: Activity,
}

impl fmt::Debug for Observed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Observed").field("activity", &self.activity).finish_non_exhaustive()
    }
}

impl Observed {
    pub(crate) fn new(observer: Arc<dyn Observer>) -> Self {
        Observed { observer, activity: Activity::default() }
    }

    fn trace(&self, id: u64, message: &Message) -> Trace {
        Trace::new(id, self.activity.begin(Held::Message { id, subject: message.subject().clone() }))
    }
}

impl Connection {
    fn trace(&self, id: u64, message: &Message) -> Option<Trace> {
        Some(self.shared.observed.as_ref()?.trace(id, message))
    }

    /// A publish on a bus that is observed, in place of [`Connection::route`].
    #[cold]
    #[inline(never)]
    pub(super) fn publish_observed(
        &self,
        out: &mut Outgoing<'_>,
        mut waiting: Option<&mut Vec<super::Waiting>>,
    ) -> Result<usize, RouteError> {
        let Some(observed) = &self.shared.observed else { return self.route(out, waiting) };
        self.check_size(out)?;
        self.check_address(out.subject, out.answers)?;
        let message = out.take_message();
        let verdict = observed.observer.publish(&Publish {
            client: self.id,
            client_name: self.options.name.as_deref(),
            message: &message,
            is_notice: false,
        });
        let (id, times) = match verdict {
            Verdict::Route { id, times } => (id, times),
            Verdict::Hold => {
                let reached = self.count_reached(out);
                observed.observer.hold(HeldMessage { connection: self.me(), message });
                return Ok(reached);
            }
            Verdict::Swallow => return Ok(self.count_reached(out)),
            Verdict::Unmatched => {
                if out.reply.is_some() {
                    self.answer_no_responders(out.subject, out.reply);
                }
                return Ok(0);
            }
            Verdict::Deny => return Err(self.publish_denied(out.subject)),
            Verdict::TooLarge { max } => {
                let size = message.size();
                return Err(RouteError::PayloadTooLarge { size, max });
            }
            Verdict::Closed => return Err(RouteError::Closed),
        };
        let mut accepted = 0;
        for _ in 0..times.max(1) {
            let mut copy = Outgoing {
                head: message.head().cloned(),
                payload: message.payload_again(),
                trace: Some(observed.trace(id, &message)),
                ..*out
            };
            accepted += self.route(&mut copy, waiting.as_deref_mut())?;
            out.matched |= copy.matched;
        }
        Ok(accepted)
    }

    /// How many subscribers a message would reach that goes nowhere. It was for somebody, so that nobody is told that there are no responders.
    fn count_reached(&self, out: &mut Outgoing<'_>) -> usize {
        let matcher = &self.shared.account.matcher;
        let reached = matcher.with_matches(out.subject, |hit| hit.matches.plain().len() + hit.matches.groups().len());
        out.matched = reached > 0;
        if reached == 0 && out.reply.is_some() {
            self.answer_no_responders(out.subject, out.reply);
        }
        reached
    }

    /// What the observer makes of a copy; for a watched subscription.
    pub(super) fn ask_delivery(&self, subscription: &Subscription, message: &Message) -> Delivery {
        match (&self.shared.observed, message.trace()) {
            (Some(observed), Some(trace)) => observed.observer.deliver(trace.id(), &subscription.info()),
            _ => Delivery::Pass,
        }
    }

    /// Numbers a message that the bus itself sends.
    pub(super) fn trace_notice(&self, message: Message) -> Message {
        let Some(observed) = &self.shared.observed else { return message };
        let client_name = self.options.name.as_deref();
        let publish = Publish { client: self.id, client_name, message: &message, is_notice: true };
        let Verdict::Route { id, .. } = observed.observer.publish(&publish) else { return message };
        let trace = observed.trace(id, &message);
        message.traced(trace)
    }
}

impl super::Shared {
    pub(super) fn tell_routed(&self, id: u64, accepted: &[u64]) {
        if let Some(observed) = &self.observed {
            observed.observer.routed(id, accepted);
        }
    }

    /// For a callback that runs.
    pub(super) fn hold_callback(&self, subscription: &Subscription) -> Option<Hold> {
        let (subscription, pattern) = (subscription.entry.number(), subscription.pattern.clone());
        Some(self.observed.as_ref()?.activity.begin(Held::Callback { subscription, pattern }))
    }

    /// For a task that took something from a subscriber.
    pub(crate) fn hold_subscriber(&self, subscription: &Subscription) -> Option<Hold> {
        let (subscription, pattern) = (subscription.entry.number(), subscription.pattern.clone());
        Some(self.observed.as_ref()?.activity.begin(Held::Subscriber { subscription, pattern }))
    }

    /// Tells the observer, if there is one, that a copy was lost.
    #[inline]
    pub(crate) fn tell_lost(&self, subscription: &Subscription, message: &Message, reason: DropReason) {
        if let (Some(observed), Some(trace)) = (&self.observed, message.trace()) {
            observed.observer.lost(trace.id(), &subscription.info(), reason);
        }
    }
}
