//! Delivery to subscriptions that a message may be kept from: by the permissions of their connection, or by the bus's
//! observer.

use super::Connection;
use super::later::Later;
use super::observe::DeliveryAction;
use super::route::sink_refused;
use crate::account::Subscription;
use crate::delivery::{DropReason, Envelope, Refused};
use crate::message::Message;
use std::sync::Arc;

impl Connection {
    /// Offers a copy to a plain subscription that it may be kept from.
    #[cold]
    pub(super) fn offer_watched(
        &self,
        subscription: &Arc<Subscription>,
        envelope: &Envelope<'_>,
        later: &mut Later,
        message: &Option<Message>,
    ) -> usize {
        let Some(message) = message else { return 0 };
        match self.admission(subscription, message, envelope) {
            DeliveryAction::Hide => return 0,
            DeliveryAction::Lose => return 1,
            DeliveryAction::Delay => {
                later.held();
                return 1;
            }
            DeliveryAction::Full => {
                later.full(subscription, message.clone());
                return 0;
            }
            DeliveryAction::Pass => {}
        }
        self.hand_over(subscription, message, envelope, later)
    }

    /// To a watched subscription that may have it. Gives back how many accepted it: 1, or 0.
    pub(super) fn hand_over(
        &self,
        subscription: &Arc<Subscription>,
        message: &Message,
        envelope: &Envelope<'_>,
        later: &mut Later,
    ) -> usize {
        let accepted = if let Some(sink) = subscription.outlet.sink() {
            match self.try_deliver_to_sink(subscription, sink, envelope, later, message) {
                Ok(()) => 1,
                Err(refused) => sink_refused(subscription, refused, later, || copy_for(subscription, message)),
            }
        } else {
            self.offer(subscription, envelope, later, || copy_for(subscription, message))
        };
        if accepted > 0 {
            self.note_accepted(subscription, message, later);
        }
        accepted
    }

    #[cold]
    pub(super) fn try_offer_watched(
        &self,
        subscription: &Arc<Subscription>,
        envelope: &Envelope<'_>,
        later: &mut Later,
        message: &Message,
    ) -> Result<(), Refused> {
        match self.admission(subscription, message, envelope) {
            DeliveryAction::Hide => return Err(Refused::Gone),
            DeliveryAction::Lose => return Ok(()),
            DeliveryAction::Delay => {
                later.held();
                return Ok(());
            }
            DeliveryAction::Full => return Err(Refused::Full),
            DeliveryAction::Pass => {}
        }
        self.try_offer_unseen(subscription, envelope, later, || copy_for(subscription, message), message)?;
        self.note_accepted(subscription, message, later);
        Ok(())
    }

    /// A watched subscription has the message.
    fn note_accepted(&self, subscription: &Subscription, message: &Message, later: &mut Later) {
        if let Some(trace) = message.trace() {
            later.accepted(subscription);
            self.shared.tell_handed_over(trace.id(), subscription);
        }
    }

    /// The decision of the receiving connection's permissions, and then of the bus's observer. A withheld copy is not for
    /// that subscription.
    fn admission(
        &self,
        subscription: &Arc<Subscription>,
        message: &Message,
        envelope: &Envelope<'_>,
    ) -> DeliveryAction {
        // P5: as in nats-server, a deny entry holds for the subject that the receiver would see.
        let (subject, reply) = (message.subject().as_str(), message.reply());
        if self.is_own_echo(subscription) || !subscription.lets_in(subject, reply, || self.shared.timers.now()) {
            return DeliveryAction::Hide;
        }
        match self.ask_delivery(subscription, message, envelope.routed) {
            DeliveryAction::Lose if subscription.outlet.mailbox().count_drop(DropReason::Fault).is_err() => {
                DeliveryAction::Hide
            }
            decided => decided,
        }
    }
}

/// A copy of a message for a subscription that may not be counted.
fn copy_for(subscription: &Subscription, message: &Message) -> Message {
    if subscription.owner.is_untracked { message.untracked() } else { message.clone() }
}
