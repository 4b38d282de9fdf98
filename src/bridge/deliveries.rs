//! The subscriptions of inboxes that push consumers of the server's deliver to: each lives as long as its inbox on the bus is subscribed to.

use super::delivery::Delivery;
use super::incoming;
use super::server_link::{ConnectionLost, ServerLink};
use crate::interest::InterestWatcher;
use std::collections::HashMap;
use std::sync::Arc;
use tokio::task::{AbortHandle, unconstrained};

/// The inboxes of one connection that consumers deliver to.
#[derive(Debug, Default)]
pub(super) struct Deliveries {
    open: HashMap<String, AbortHandle>,
    /// As many may be open before those that have ended are forgotten.
    room: usize,
}

impl Deliveries {
    /// Subscribes to the inbox of a consumer that is to be asked for next, if something on the bus is subscribed to it.
    pub(super) async fn begin(&mut self, link: &Arc<ServerLink>, delivery: Delivery) -> Result<(), ConnectionLost> {
        let is_open = self.open.get(&delivery.subject).is_some_and(|task| !task.is_finished());
        if is_open || !link.core.is_inbox(&delivery.subject) {
            return Ok(());
        }
        // A text that is no subject names no inbox.
        let Ok(interest) = link.core.bus.interest(&*delivery.subject) else { return Ok(()) };
        let interest = interest.except(&link.core.client);
        if !interest.is_wanted() {
            return Ok(());
        }
        let subscriber = link.subscribe(delivery.subject.clone()).await?;
        if self.open.len() >= self.room {
            self.open.retain(|_, task| !task.is_finished());
            self.room = 2 * self.open.len() + 16;
        }
        let subject = delivery.subject.clone();
        // Without a budget for the reason that rules have.
        let task = tokio::spawn(unconstrained(receive(link.clone(), delivery, interest, subscriber)));
        self.open.insert(subject, task.abort_handle());
        Ok(())
    }
}

/// Passes the messages on, until nothing on the bus is subscribed to the inbox or the connection is gone.
async fn receive(
    link: Arc<ServerLink>,
    delivery: Delivery,
    interest: InterestWatcher,
    mut subscriber: async_nats::Subscriber,
) {
    while interest.is_wanted() {
        let message = tokio::select! {
            biased;
            message = incoming::next(&mut subscriber) => message,
            is_open = interest.changed() => match is_open {
                true => continue,
                false => None,
            },
        };
        let Some(message) = message else { break };
        incoming::deliver(&link, &delivery, &message);
    }
}
