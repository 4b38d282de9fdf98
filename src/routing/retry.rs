//! Another attempt at a receiver that had no room.

use super::context::Context;
use crate::account::Subscription;
use crate::delivery::{Envelope, Offered, Refused, Sink};
use crate::message::Message;
use crate::observe::Handled;
use crate::services::Event;
use crate::user_code::{self, Panic};

/// Offers a message whose sender waits for room, and may have been woken in the place of one that would fit.
pub(super) fn offer_again(
    cx: Context<'_>,
    subscription: &Subscription,
    message: Message,
    envelope: &Envelope<'_>,
) -> Offered {
    if let Some(sink) = subscription.target.sink() {
        return show_again(cx, subscription, sink, message, envelope);
    }
    let queue = subscription.target.queue();
    let before = queue.has_byte_waiters();
    let offered = subscription.target.offer(message, envelope);
    if matches!(offered, Offered::Refused(_, Refused::Full)) && !before && queue.has_byte_waiters() {
        queue.senders.wake_all();
    }
    offered
}

/// Shows a sink once more a message that it had no room for.
fn show_again(
    cx: Context<'_>,
    subscription: &Subscription,
    sink: &Sink,
    message: Message,
    envelope: &Envelope<'_>,
) -> Offered {
    let mut panic = None;
    let shown = subscription.target.deliver_to_sink(sink, &message, envelope, &mut panic);
    if let Some(panic) = panic {
        report_panic(cx, subscription, None, panic);
    }
    match shown {
        Ok(after) => Offered::Taken(after),
        Err(refused) => Offered::Refused(message, refused),
    }
}

/// Counts and tells that code of a subscription's owner panicked (G9). Not to be called under a lock.
#[cold]
pub(super) fn report_panic(cx: Context<'_>, subscription: &Subscription, handled: Option<&Handled>, panic: Panic) {
    cx.publisher().counters().count_panic();
    let message = user_code::text_of(panic);
    let services = cx.services();
    services.probe.emit_panicked(|| subscription.info(), handled, &message);
    services.events.emit(|| Event::CallbackPanicked { subscription: subscription.info(), message });
}
