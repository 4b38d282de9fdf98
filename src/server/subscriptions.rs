//! The subscriptions of one connection, by the client's own names for them (sids).

use super::monitor;
use super::outbound::DeliveryTicket;
use super::workers::AT_ONCE;
use crate::{SubscriptionGuard, steps};
use std::collections::BTreeMap;
use std::ops::{Bound, ControlFlow};
use std::sync::Arc;
use tokio::task::yield_now;

/// How many subscriptions of a closed connection are remembered.
//
// DIFFERENCE: nats-server keeps all of them, of 10,000 connections.
const CLOSED_LIST_MAX: usize = 1_024;

/// By sid.
pub(super) type Subscriptions = BTreeMap<Box<[u8]>, ClientSubscription>;

/// A subscription of the client's, under its own name for it.
#[derive(Debug)]
pub(super) struct ClientSubscription {
    /// Shared, so that it can be ended where the connection's state is not locked: that may run code of users.
    pub(super) wire: Arc<WireSubscription>,
    pub(super) queue: Option<String>,
    /// Messages after which it ends, those included that it got before (D2).
    pub(super) max: Option<u64>,
    /// Messages that it got before it was brought over to another client of the bus; its guard counts those since.
    pub(super) before: u64,
}

/// The path of a subscription's messages to its connection. When this is dropped, no more messages come, not even those that others
/// are just publishing.
#[derive(Debug)]
pub(super) struct WireSubscription {
    pub(super) guard: SubscriptionGuard,
    pub(super) ticket: Arc<DeliveryTicket>,
}

impl Drop for WireSubscription {
    fn drop(&mut self) {
        self.ticket.void();
    }
}

impl ClientSubscription {
    pub(super) fn has_ended(&self) -> bool {
        self.wire.guard.close_reason().is_some()
    }

    /// As the monitor shows it.
    fn shown(&self, sid: &[u8]) -> monitor::SubscriptionSnapshot {
        monitor::SubscriptionSnapshot {
            subject: self.wire.guard.pattern().as_str().to_owned(),
            queue: self.queue.clone(),
            sid: String::from_utf8_lossy(sid).into_owned(),
            msgs: self.wire.guard.ledger().delivered,
            max: self.max,
        }
    }
}

/// The subscriptions that are remembered of a connection that is being closed.
pub(super) fn remembered(subscriptions: &Subscriptions) -> Vec<monitor::SubscriptionSnapshot> {
    let live = subscriptions.iter().filter(|(_, subscription)| !subscription.has_ended());
    // As nats-server, which lifts the bounds before it lets subscriptions go.
    live.map(|(sid, one)| monitor::SubscriptionSnapshot { max: None, ..one.shown(sid) }).take(CLOSED_LIST_MAX).collect()
}

/// Is given a subject and a function that makes the rest.
type Visit<'a> = dyn FnMut(&str, &dyn Fn() -> monitor::SubscriptionSnapshot) -> ControlFlow<()> + 'a;

/// Shows the live ones of a slice behind `last` by their subjects. Gives back the last sid that was looked at; `None` at the end.
pub(super) fn visit_slice(
    subscriptions: &Subscriptions,
    last: Option<&[u8]>,
    visit: &mut Visit<'_>,
) -> ControlFlow<(), Option<Box<[u8]>>> {
    let from = last.map_or(Bound::Unbounded, Bound::Excluded);
    let mut seen = None;
    for (sid, subscription) in subscriptions.range::<[u8], _>((from, Bound::Unbounded)).take(AT_ONCE) {
        steps::count(1);
        if !subscription.has_ended() {
            visit(subscription.wire.guard.pattern().as_str(), &|| subscription.shown(sid))?;
        }
        seen = Some(sid);
    }
    ControlFlow::Continue(seen.cloned())
}

/// Ends subscriptions, a few at a time.
pub(super) async fn end_in_turns(subscriptions: Subscriptions) {
    let mut left = subscriptions.into_iter();
    loop {
        left.by_ref().take(AT_ONCE).for_each(drop);
        if left.len() == 0 {
            return;
        }
        yield_now().await;
    }
}
