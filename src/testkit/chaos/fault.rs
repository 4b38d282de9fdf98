//! One fault: its effect, the clients it concerns, and its frequency.

use crate::{Pattern, ToPattern};
use std::fmt;
use std::ops::{Bound, RangeBounds};
use std::time::Duration;

/// How long a message that waits for others to overtake it waits at most.
const OVERTAKEN_WITHIN: Duration = Duration::from_millis(10);

/// A fault, and the rule by which it happens: its place, its clients, its probability, its number, and
/// its time.
///
/// Each constructor names the rule of NATS that permits it. Without more, a fault happens each time that it can: to every message,
/// of every client. The conditions that narrow it down are asked in the order `on`, `of`, `messages`, `during`, `times`, `chance`.
///
/// A fault of deliveries spares the test's own connections ([`untracked`](crate::ConnectOptions::untracked)), through which the
/// test observes, unless it is narrowed down to one of them by [`of`](Fault::of).
///
/// # Example
///
/// ```
/// use postroom::TestKit;
/// use postroom::testkit::{Chaos, Fault};
///
/// let faults = Chaos::new().with(Fault::no_responders().on("svc.>").times(1));
/// let kit = TestKit::builder().chaos(faults).build();
/// let client = kit.bus().connect();
/// let _service = client.subscribe_fn("svc.add", |question| drop(question.respond("3")))?;
/// assert!(client.request("svc.add", "1 2").unwrap_err().is_no_responders()); // as if it had not started yet
/// assert_eq!(client.request("svc.add", "1 2")?.payload(), b"3");
/// assert_eq!(kit.faults()[0].permitted_by, "R2");
/// # Ok::<_, Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
#[must_use]
pub struct Fault {
    pub(super) kind: Kind,
    on: Pattern,
    of: Option<String>,
    chance: f64,
    pub(super) times: u64,
    messages: (u64, u64),
    during: (Duration, Duration),
}

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Kind {
    LateSubscription { messages: u64 },
    MemberAway { messages: u64 },
    SlowConsumer,
    Delay { min: Duration, max: Duration },
    SlowDelivery { min: Duration, max: Duration },
    Reorder { behind: u64, within: Duration },
    Redelivery { after: Duration },
    LostAnswer,
    NoResponders,
    Disconnect { time: Duration, buffered: bool },
    Permission,
    SubscribePermission,
    MaxPayload { max: usize },
    LostAck,
    LateRedelivery { after: Duration },
    ConsumerDeleted,
    ConsumerGone,
    PullEnded,
    Violation(Violation),
}

/// Faults that NATS never has. For tests of tests, and of what an application makes of the impossible.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Violation {
    /// One bit of a payload changes its value. Messages without a payload are left alone.
    Corrupt,
    /// A message vanishes, though all clients are connected and none is slow.
    Lose,
    /// A message comes twice, though nothing was lost and no client sent it again.
    Duplicate,
    /// A message is overtaken by the next that the same client publishes.
    Reorder,
}

/// When a fault is decided on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Moment {
    Publish,
    AskToSubscribe,
    Subscribe,
    Deliver,
}

impl Fault {
    fn new(kind: Kind) -> Self {
        Fault {
            kind,
            on: ">".into_pattern().expect("it is one"),
            of: None,
            chance: 1.0,
            times: u64::MAX,
            messages: (0, u64::MAX),
            during: (Duration::ZERO, Duration::MAX),
        }
    }

    /// A subscription is not in force when `subscribe` returns: it misses the first `messages` that others publish (C15). Once its own
    /// client publishes, it is in force: the two arrive in order. Not for real clients of the server, which do this by themselves and can ask
    /// with a PING. `on` goes by the subscription's pattern, `of` by its client.
    pub fn late_subscription(messages: u64) -> Self {
        Fault::new(Kind::LateSubscription { messages })
    }

    /// A member of a queue group leaves in the middle of a stream of messages, and comes back after it has missed `messages` that the
    /// others got (Q3, Q4). The last member that is there stays. `on` goes by the message's subject, `of` by the member's client.
    pub fn member_away(messages: u64) -> Self {
        Fault::new(Kind::MemberAway { messages })
    }

    /// A subscription is too slow for this message and loses it, as by its [`OverflowPolicy`](crate::OverflowPolicy): with
    /// [`DropNewest`](crate::OverflowPolicy::DropNewest), it is counted as [`QueueFull`](crate::stats::DropReason::QueueFull) and told as
    /// [`Event::SlowConsumer`](crate::Event::SlowConsumer) (L7, L8); policies that make or wait for room find it. In a queue group
    /// another member gets the message. A client of the server is disconnected (L1). `on` goes by the subject, `of` by the
    /// subscriber's client.
    pub fn slow_consumer() -> Self {
        Fault::new(Kind::SlowConsumer)
    }

    /// A message takes `time` to get to the bus, and all that its client publishes meanwhile waits behind it: only the order of one
    /// publisher is promised, and no time at all (C15). A client that is closed or drained sends first the messages that it has
    /// (D8). Not for real clients of the server, which can ask with a PING what has been routed.
    pub fn delay(time: Duration) -> Self {
        Fault::delay_between(time, time)
    }

    /// As [`Fault::delay`], for a time between these two.
    ///
    /// # Panics
    ///
    /// If `min` is more than `max`.
    #[track_caller]
    pub fn delay_between(min: Duration, max: Duration) -> Self {
        assert!(min <= max, "a delay between {min:?} and {max:?} is none");
        Fault::new(Kind::Delay { min, max })
    }

    /// A copy takes `time` to get from the bus to its client, and all that is for the same client queues up behind it: a slow
    /// network to one, while others have theirs. Only the order of one publisher for one subscription is promised, and no time
    /// (C15). A copy is lost if its receiver is gone: a client that is closed, or that another fault disconnects. A client that
    /// drains gets first the copies on their way (D7). Not for real clients of the server, which can ask with a PING what has
    /// been sent to them. `on` goes by the subject, `of` by the receiving client.
    pub fn slow_delivery(time: Duration) -> Self {
        Fault::slow_delivery_between(time, time)
    }

    /// As [`Fault::slow_delivery`], for a time between these two.
    ///
    /// # Panics
    ///
    /// If `min` is more than `max`.
    #[track_caller]
    pub fn slow_delivery_between(min: Duration, max: Duration) -> Self {
        assert!(min <= max, "a delay between {min:?} and {max:?} is none");
        Fault::new(Kind::SlowDelivery { min, max })
    }

    /// A message, and what its client publishes meanwhile, is overtaken by `messages` that others publish; the order of each publisher
    /// stays (C15). If others don't publish so many, it waits for 10 ms of the bus's clock. Else as [`Fault::delay`].
    pub fn reorder(messages: u64) -> Self {
        Fault::new(Kind::Reorder { behind: messages.max(1), within: OVERTAKEN_WITHIN })
    }

    /// The acknowledgement of a message was lost: it is delivered again at once, and what the first delivery is answered with does not
    /// arrive (J52). NATS itself does this to what comes from a stream; without one, a sender that waits for an answer and asks again does.
    pub fn redelivery() -> Self {
        Fault::redelivery_after(Duration::ZERO)
    }

    /// As [`Fault::redelivery`], once `time` has passed without an acknowledgement (30 s unless a consumer is set up otherwise).
    pub fn redelivery_after(time: Duration) -> Self {
        Fault::new(Kind::Redelivery { after: time })
    }

    /// The first answer to a request is lost on its way (C18): the requester waits until its time is up. `on` and `of` go by the
    /// request.
    pub fn lost_answer() -> Self {
        Fault::new(Kind::LostAnswer)
    }

    /// An acknowledgement of a stream's message is lost on its way (C18): the message comes again when its time to be acknowledged is up
    /// (JC112), and a double acknowledgement is not confirmed. `on` goes by the subject of the acknowledgement,
    /// `$JS.ACK.<stream>.<consumer>.>`, `of` by its sender.
    ///
    /// The acknowledgement of a publish by its stream is lost with [`Fault::lost_answer`], on the subject of the publish: the publisher
    /// that tries again has its message stored twice, unless it says an id (JS49).
    pub fn lost_ack() -> Self {
        Fault::new(Kind::LostAck)
    }

    /// A stream's message that comes again does so `time` later than its consumer's settings say: an earliest time is promised, and no
    /// latest (JC112). Messages that are behind it overtake it. `on` goes by the message's subject, `of` by the JetStream server's client,
    /// `jetstream`.
    pub fn late_redelivery(time: Duration) -> Self {
        Fault::new(Kind::LateRedelivery { after: time })
    }

    /// A consumer is deleted while a pull request waits, by somebody who may: the request ends with the status 409, `Consumer Deleted`
    /// (JC76). `on` goes by the subject of the pull request, `$JS.API.CONSUMER.MSG.NEXT.<stream>.<consumer>`, `of` by its sender.
    pub fn consumer_deleted() -> Self {
        Fault::new(Kind::ConsumerDeleted)
    }

    /// A consumer is gone before a pull request arrives, as an ephemeral one that was not used for its `inactive_threshold`: there are no
    /// responders, the status 503 (JC2, JC130). Else as [`Fault::consumer_deleted`].
    pub fn consumer_gone() -> Self {
        Fault::new(Kind::ConsumerGone)
    }

    /// A pull request is ended by the status 409, `Server Shutdown`, before it gets a message (JC76). A reader that asks again at once
    /// needs a fault that does not happen each time: see [`times`](Fault::times). Else as [`Fault::consumer_deleted`].
    pub fn pull_ended() -> Self {
        Fault::new(Kind::PullEnded)
    }

    /// A request finds no responder, as if the service had not started yet: it fails at once, or is never answered if the client
    /// did not want to know (R2). Only messages with a reply, and for which there is a subscription.
    pub fn no_responders() -> Self {
        Fault::new(Kind::NoResponders)
    }

    /// A client loses its connection for `time` (C18, D6). Without [`of`](Fault::of) it is the publisher of the message, which is
    /// lost; with it, all clients of that name, to which the message is lost. It gets none of the messages that others publish
    /// until it is back; its own publishes wait and follow when it is back, as the buffer of a client for its reconnect does. Its
    /// subscriptions are then in force again.
    ///
    /// A real client of the server is cut off, and when it is back is up to itself.
    pub fn disconnect(time: Duration) -> Self {
        Fault::new(Kind::Disconnect { time, buffered: true })
    }

    /// As [`Fault::disconnect`], of a client that keeps no buffer for its reconnect: what it publishes meanwhile is lost.
    pub fn disconnect_unbuffered(time: Duration) -> Self {
        Fault::new(Kind::Disconnect { time, buffered: false })
    }

    /// A publish is refused for want of permissions (P3, P4).
    pub fn permission() -> Self {
        Fault::new(Kind::Permission)
    }

    /// A subscription is refused for want of permissions (P4, P5). `on` goes by the pattern, `of` by its client.
    pub fn subscribe_permission() -> Self {
        Fault::new(Kind::SubscribePermission)
    }

    /// A publish of more than `max` bytes is refused (L4): the limit of a server or an account was lowered. Closes a connection of the
    /// server's (C7).
    pub fn max_payload(max: usize) -> Self {
        Fault::new(Kind::MaxPayload { max })
    }

    /// Something that NATS never does.
    pub fn violation(what: Violation) -> Self {
        Fault::new(Kind::Violation(what))
    }

    /// Only messages (or subscriptions) on this pattern. Default `>`.
    ///
    /// # Panics
    ///
    /// If it is not a valid pattern.
    #[track_caller]
    pub fn on(mut self, pattern: impl ToPattern) -> Self {
        let text = pattern.text().to_owned();
        self.on = pattern.into_pattern().unwrap_or_else(|error| panic!("`{text}` is no pattern: {error}"));
        self
    }

    /// Only clients of this name.
    pub fn of(mut self, client: impl Into<String>) -> Self {
        self.of = Some(client.into());
        self
    }

    /// How likely it is, each time that it could happen: 0 never, 1 always (the default). The draws follow from the kit's seed.
    ///
    /// # Panics
    ///
    /// If it is not between 0 and 1.
    #[track_caller]
    pub fn chance(mut self, chance: f64) -> Self {
        assert!((0.0..=1.0).contains(&chance), "a chance of {chance} is not between 0 and 1");
        self.chance = chance;
        self
    }

    /// At most so many times.
    pub fn times(mut self, count: u64) -> Self {
        self.times = count;
        self
    }

    /// Only when it could happen for the nth time, counted from 0: `..3` is the first three messages that it concerns, `5..=5` the sixth.
    pub fn messages(mut self, range: impl RangeBounds<u64>) -> Self {
        let from = match range.start_bound() {
            Bound::Included(from) => *from,
            Bound::Excluded(from) => from.saturating_add(1),
            Bound::Unbounded => 0,
        };
        let until = match range.end_bound() {
            Bound::Included(last) => last.saturating_add(1),
            Bound::Excluded(until) => *until,
            Bound::Unbounded => u64::MAX,
        };
        self.messages = (from, until);
        self
    }

    /// Only while the bus's clock is in this range; its end is excluded.
    pub fn during(mut self, range: impl RangeBounds<Duration>) -> Self {
        let bound = |bound: Bound<&Duration>, open| match bound {
            Bound::Included(at) | Bound::Excluded(at) => *at,
            Bound::Unbounded => open,
        };
        self.during = (bound(range.start_bound(), Duration::ZERO), bound(range.end_bound(), Duration::MAX));
        self
    }

    /// The rule of NATS that permits it; `unlawful` for what none does.
    pub fn permitted_by(&self) -> &'static str {
        match &self.kind {
            Kind::LateSubscription { .. } | Kind::Delay { .. } | Kind::SlowDelivery { .. } | Kind::Reorder { .. } => {
                "C15"
            }
            Kind::MemberAway { .. } => "Q3, Q4",
            Kind::SlowConsumer => "L1, L7, L8",
            Kind::Redelivery { .. } => "J52",
            Kind::LostAnswer => "C18",
            Kind::NoResponders => "R2",
            Kind::LostAck => "C18, JC112",
            Kind::LateRedelivery { .. } => "JC112",
            Kind::ConsumerDeleted | Kind::PullEnded => "JC76",
            Kind::ConsumerGone => "JC2, JC130",
            Kind::Disconnect { .. } => "C18, D6",
            Kind::Permission => "P3, P4",
            Kind::SubscribePermission => "P4, P5",
            Kind::MaxPayload { .. } => "L4",
            Kind::Violation(_) => "unlawful",
        }
    }

    pub(super) fn moment(&self) -> Moment {
        match self.kind {
            Kind::SubscribePermission => Moment::AskToSubscribe,
            Kind::LateSubscription { .. } => Moment::Subscribe,
            Kind::MemberAway { .. } | Kind::SlowConsumer | Kind::SlowDelivery { .. } => Moment::Deliver,
            _ => Moment::Publish,
        }
    }

    /// The name of the clients that suffer, if `of` names them and not the publishers.
    pub(super) fn victims(&self) -> Option<&str> {
        self.of.as_deref().filter(|_| matches!(self.kind, Kind::Disconnect { .. }))
    }

    /// Whether `on` goes by the subject that a message says, and not by the one that it is routed by.
    pub(super) fn goes_by_shown_subject(&self) -> bool {
        matches!(self.kind, Kind::LateRedelivery { .. })
    }

    pub(super) fn concerns_subject(&self, subject: &str) -> bool {
        self.on.matches(subject)
    }

    pub(super) fn concerns_pattern(&self, pattern: &Pattern) -> bool {
        self.on.overlaps(pattern)
    }

    pub(super) fn concerns_client(&self, name: Option<&str>) -> bool {
        self.of.as_deref().is_none_or(|of| Some(of) == name)
    }

    /// Whether it names a client.
    pub(super) fn is_of_somebody(&self) -> bool {
        self.of.is_some()
    }

    pub(super) fn is_now(&self, nth: u64, now: Duration) -> bool {
        (self.messages.0..self.messages.1).contains(&nth) && (self.during.0..self.during.1).contains(&now)
    }

    /// Whether a number that is equally likely to be anything means yes.
    pub(super) fn is_drawn(&self, rng: u64) -> bool {
        const BITS: u32 = 53;
        ((rng >> (u64::BITS - BITS)) as f64 / (1u64 << BITS) as f64) < self.chance
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Kind::LateSubscription { messages } => write!(f, "subscription late by {messages} messages"),
            Kind::MemberAway { messages } => write!(f, "queue member away for {messages} messages"),
            Kind::SlowConsumer => f.write_str("slow consumer"),
            Kind::Delay { min, max } if min == max => write!(f, "delay of {min:?}"),
            Kind::Delay { min, max } => write!(f, "delay of {min:?} to {max:?}"),
            Kind::SlowDelivery { min, max } if min == max => write!(f, "slow delivery by {min:?}"),
            Kind::SlowDelivery { min, max } => write!(f, "slow delivery by {min:?} to {max:?}"),
            Kind::Reorder { behind, within } => write!(f, "overtaken by {behind} messages within {within:?}"),
            Kind::Redelivery { after } if after.is_zero() => f.write_str("redelivery"),
            Kind::Redelivery { after } => write!(f, "redelivery after {after:?}"),
            Kind::LostAnswer => f.write_str("lost answer"),
            Kind::NoResponders => f.write_str("no responders"),
            Kind::LostAck => f.write_str("lost acknowledgement"),
            Kind::LateRedelivery { after } => write!(f, "redelivery late by {after:?}"),
            Kind::ConsumerDeleted => f.write_str("consumer deleted"),
            Kind::ConsumerGone => f.write_str("consumer gone"),
            Kind::PullEnded => f.write_str("pull request ended"),
            Kind::Disconnect { time, buffered: true } => write!(f, "disconnect for {time:?}"),
            Kind::Disconnect { time, buffered: false } => write!(f, "disconnect for {time:?}, unbuffered"),
            Kind::Permission => f.write_str("permission denied"),
            Kind::SubscribePermission => f.write_str("permission to subscribe denied"),
            Kind::MaxPayload { max } => write!(f, "payload over {max} bytes refused"),
            Kind::Violation(what) => write!(f, "unlawful {}", format!("{what:?}").to_lowercase()),
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} on `{}`", self.kind, self.on)?;
        if let Some(of) = &self.of {
            write!(f, " of `{of}`")?;
        }
        if self.messages != (0, u64::MAX) {
            write!(f, ", messages {}..", self.messages.0)?;
            if self.messages.1 != u64::MAX {
                write!(f, "{}", self.messages.1)?;
            }
        }
        if self.during != (Duration::ZERO, Duration::MAX) {
            write!(f, ", during {:?}..", self.during.0)?;
            if self.during.1 != Duration::MAX {
                write!(f, "{:?}", self.during.1)?;
            }
        }
        if self.times != u64::MAX {
            write!(f, ", {} times", self.times)?;
        }
        if self.chance < 1.0 {
            write!(f, ", chance {}", self.chance)?;
        }
        write!(f, " ({})", self.permitted_by())
    }
}
