//! One message as a kit wrote it down.

use crate::id::ClientId;
use crate::observe::{PublishAction, SubscriptionInfo};
use crate::stats::DropReason;
use crate::{HeaderMap, Message, PublishError, Subject};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// A message as a [`TestKit`](super::TestKit) wrote it down: its publisher, its time, and its fate.
///
/// A snapshot: later events of the message are not in it.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct JournalEntry {
    /// Its number, in one order for the whole bus. A message that was published because of another has the higher number.
    pub number: u64,
    /// When it was published, on the bus's clock.
    pub at: Duration,
    /// The number of the connection that published it.
    pub client: ClientId,
    /// The name of that connection.
    pub client_name: Option<Arc<str>>,
    /// The message that was published, or was to be; a refused one is as [`RejectedPublish`](crate::observe::RejectedPublish)
    /// has it.
    pub message: Message,
    /// The outcome of the publish.
    pub outcome: Outcome,
    /// It is the bus's own notice that there are no responders (R2).
    pub is_notice: bool,
    /// The subscriptions that it was for.
    pub deliveries: Vec<DeliveryRecord>,
}

/// The outcome of a publish.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Outcome {
    /// It was routed this many times; more than once only by a fault.
    Routed {
        /// 1 without a fault.
        times: usize,
    },
    /// A fault gave it another payload; the entry shows what was published.
    Replaced,
    /// A fault held it back.
    Held {
        /// Whether it was let go since.
        released: bool,
    },
    /// A fault lost it; to the publisher it looked as if it had been routed.
    Swallowed,
    /// A fault hid all subscriptions from it.
    Unmatched,
    /// A fault refused it: permissions.
    Denied,
    /// A fault refused it: larger than this many bytes.
    TooLarge {
        /// The limit that was claimed.
        max: usize,
    },
    /// A fault refused it: the connection was closed.
    Closed,
    /// The bus itself refused it. A refusal by a fault has an outcome of its own.
    Refused(Arc<PublishError>),
}

impl Outcome {
    pub(super) fn of(verdict: &PublishAction) -> Self {
        match verdict {
            PublishAction::Route { times, .. } => Outcome::Routed { times: (*times).max(1) },
            PublishAction::Replace { .. } => Outcome::Replaced,
            PublishAction::Delay { .. } => Outcome::Held { released: false },
            PublishAction::Swallow => Outcome::Swallowed,
            PublishAction::Unmatched => Outcome::Unmatched,
            PublishAction::Deny => Outcome::Denied,
            PublishAction::TooLarge { max } => Outcome::TooLarge { max: *max },
            PublishAction::Closed => Outcome::Closed,
        }
    }

    /// Whether the publish succeeded, as far as its publisher could see.
    pub fn is_published(&self) -> bool {
        !matches!(self, Outcome::Denied | Outcome::TooLarge { .. } | Outcome::Closed | Outcome::Refused(_))
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Outcome::Routed { times: 1 } => f.write_str("routed"),
            Outcome::Routed { times } => write!(f, "fault: routed {times} times"),
            Outcome::Replaced => f.write_str("fault: routed with another payload"),
            Outcome::Held { released: false } => f.write_str("fault: held back"),
            Outcome::Held { released: true } => f.write_str("fault: held back, and released"),
            Outcome::Swallowed => f.write_str("fault: lost"),
            Outcome::Unmatched => f.write_str("fault: no subscription saw it"),
            Outcome::Denied => f.write_str("fault: refused, permissions"),
            Outcome::TooLarge { max } => write!(f, "fault: refused, larger than {max}"),
            Outcome::Closed => f.write_str("fault: refused, connection closed"),
            Outcome::Refused(error) => write!(f, "refused: {error}"),
        }
    }
}

/// The fate of a message for one subscription.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct DeliveryRecord {
    /// The subscription that it was for.
    pub subscription: Arc<SubscriptionInfo>,
    /// How many copies it was given: one, but for faults.
    pub accepted: u32,
    /// How many of them were taken: from the queue, or by its callback. For sinks and users' channels: how many they were
    /// given.
    pub received: u32,
    /// Why copies were lost, one reason for each.
    pub lost: Vec<DropReason>,
    /// How many copies a fault holds back, or has held back until their subscription was gone.
    pub held: u32,
}

impl DeliveryRecord {
    pub(super) fn new(subscription: Arc<SubscriptionInfo>) -> Self {
        DeliveryRecord { subscription, accepted: 0, received: 0, lost: Vec::new(), held: 0 }
    }

    /// How many copies still lie in its queue.
    pub fn queued(&self) -> u32 {
        let after = self.lost.iter().filter(|reason| self.had(**reason));
        let gone = self.received + u32::try_from(after.count()).unwrap_or(u32::MAX);
        self.accepted.saturating_sub(gone)
    }

    /// Whether a copy that was lost so had been accepted before.
    pub(super) fn had(&self, reason: DropReason) -> bool {
        matches!(reason, DropReason::Oldest | DropReason::Discarded)
    }

    /// Whether a fault took away all that it was to be given, or holds it back.
    pub(super) fn is_taken_away(&self) -> bool {
        self.accepted == 0 && self.lost.iter().all(|reason| *reason == DropReason::Fault)
    }
}

impl fmt::Display for DeliveryRecord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.subscription.pattern)?;
        if let Some(queue) = &self.subscription.queue {
            write!(f, " [{queue}]")?;
        }
        let mut separator = ": ";
        let mut part = |f: &mut fmt::Formatter<'_>, text: &dyn fmt::Display, count: u32| {
            if count > 0 {
                write!(f, "{separator}{text}")?;
                separator = ", ";
            }
            if count > 1 {
                write!(f, " {count} times")?;
            }
            Ok(())
        };
        part(f, &"received", self.received)?;
        part(f, &"queued", self.queued())?;
        part(f, &"fault: held back", self.held)?;
        for reason in &self.lost {
            part(f, &format_args!("lost ({reason:?})"), 1)?;
        }
        Ok(())
    }
}

impl JournalEntry {
    /// Where it was published.
    pub fn subject(&self) -> &Subject {
        self.message.subject()
    }

    /// Where an answer was wanted.
    pub fn reply(&self) -> Option<&Subject> {
        self.message.reply()
    }

    /// Its headers.
    pub fn headers(&self) -> &HeaderMap {
        self.message.headers()
    }

    /// Its payload.
    pub fn payload(&self) -> &[u8] {
        self.message.payload()
    }

    /// Its payload as JSON; `None` if it is not JSON.
    pub fn json(&self) -> Option<serde_json::Value> {
        serde_json::from_slice(self.payload()).ok()
    }

    /// Its publisher: the client's name, or its number.
    pub fn publisher(&self) -> String {
        self.client_name.as_ref().map_or_else(|| format!("client {}", self.client), ToString::to_string)
    }

    /// Whether it was published by a program, and the publish succeeded as far as that could see: what expectations count.
    pub fn is_published(&self) -> bool {
        !self.is_notice && self.outcome.is_published()
    }

    /// Whether a subscription has received it.
    pub fn is_received(&self) -> bool {
        self.deliveries.iter().any(|delivery| delivery.received > 0)
    }

    /// Its fate, for a table.
    pub(super) fn fate(&self) -> String {
        let mut parts = Vec::new();
        if self.outcome != (Outcome::Routed { times: 1 }) {
            parts.push(self.outcome.to_string());
        }
        parts.extend(self.deliveries.iter().map(DeliveryRecord::to_string));
        if parts.is_empty() {
            parts.push("nobody".to_owned());
        }
        parts.join("; ")
    }
}

/// One line: `#3 0s app: orders.eu {"id":7}`, and why if it was refused.
impl fmt::Display for JournalEntry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "#{} {:?} {}: {}", self.number, self.at, self.publisher(), self.subject())?;
        if !self.payload().is_empty() {
            write!(f, " {}", super::snippet::snippet(self.payload()))?;
        }
        if !self.headers().is_empty() {
            let headers: Vec<_> = self.headers().iter().map(|(name, value)| format!("{name}: {value}")).collect();
            write!(f, " ({})", headers.join(", "))?;
        }
        if !self.outcome.is_published() {
            write!(f, ", {}", self.outcome)?;
        }
        Ok(())
    }
}
