//! Subscriptions without a queue of ours: a callback, or a channel of the user's.

use super::drain::Drain;
use super::subscriber::end_after;
use crate::account::{Ledger, Subscription};
use crate::connection::Connection;
use crate::error::CloseReason;
use crate::id::SubscriptionId;
use crate::subject::Pattern;
use std::fmt;
use std::sync::Arc;

/// Keeps a subscription of [`Client::subscribe_fn`](crate::Client::subscribe_fn) or
/// [`Client::subscribe_channel`](crate::Client::subscribe_channel) alive; dropping it unsubscribes.
///
/// Once it is dropped, the bus lets go of the callback or the channel's sender: at once, or when calls under way have returned.
#[must_use = "dropping the guard unsubscribes"]
pub struct SubscriptionGuard {
    subscription: Arc<Subscription>,
    connection: Arc<Connection>,
    is_detached: bool,
}

impl SubscriptionGuard {
    pub(super) fn new(subscription: Arc<Subscription>, connection: Arc<Connection>) -> Self {
        SubscriptionGuard { subscription, connection, is_detached: false }
    }

    /// Its pattern.
    pub fn pattern(&self) -> &Pattern {
        &self.subscription.pattern
    }

    /// Its number, unique on the bus; events name it.
    pub fn id(&self) -> SubscriptionId {
        self.subscription.id()
    }

    /// Why it has ended, if it has.
    pub fn close_reason(&self) -> Option<CloseReason> {
        self.subscription.target.close_reason()
    }

    /// The ledger of its messages so far. Messages whose callback runs count as queued.
    pub fn ledger(&self) -> Ledger {
        self.subscription.target.counts().into()
    }

    /// Tells publishers that wait because the sink said [`SinkResult::Full`](crate::receive::SinkResult::Full) to show it their messages
    /// again. For the code that empties the sink's store: after each time that made room, with no lock held that the sink takes; it
    /// wakes tasks and threads. Without waiters it is one load.
    pub fn announce_room(&self) {
        if let Some(queue) = self.subscription.target.queue_if_any() {
            queue.senders.wake_all();
        }
    }

    /// Ends the interest: a publish that starts after this returned does not reach it (D1, G2). Calls under way are
    /// not interrupted.
    pub fn unsubscribe(&self) {
        self.connection.end(&self.subscription, CloseReason::Unsubscribed);
    }

    /// As [`Subscriber::unsubscribe_after`](crate::Subscriber::unsubscribe_after).
    pub fn unsubscribe_after(&self, max: u64) {
        end_after(&self.connection, &self.subscription, max);
    }

    /// Gives the handle up and leaves the subscription in force until its client is drained or closed: as any client, by its last other
    /// handle as well. [`Client::drain`](crate::Client::drain) waits for its calls under way.
    ///
    /// # Example
    ///
    /// ```
    /// use postroom::Bus;
    ///
    /// let client = Bus::new().connect();
    /// client.subscribe_fn("svc.echo", |request| drop(request.respond(request.payload_bytes())))?.detach();
    /// assert_eq!(client.request("svc.echo", "hello")?.payload(), b"hello");
    /// # Ok::<_, Box<dyn std::error::Error>>(())
    /// ```
    pub fn detach(mut self) {
        self.is_detached = true;
    }

    /// Ends the interest; [`Drain::wait`] tells when no call is under way any more (D7).
    pub fn drain(&self) -> Drain {
        self.connection.end(&self.subscription, CloseReason::Drained);
        Drain::subscription(self.connection.clone(), self.subscription.clone())
    }
}

impl Drop for SubscriptionGuard {
    fn drop(&mut self) {
        if self.is_detached {
            self.connection.detach(&self.subscription);
        } else {
            self.connection.release(&self.subscription);
        }
    }
}

impl fmt::Debug for SubscriptionGuard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SubscriptionGuard")
            .field("pattern", self.pattern())
            .field("stats", &self.ledger())
            .field("ended", &self.close_reason())
            .finish()
    }
}
