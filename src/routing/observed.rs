//! A publish on a bus with an observer, which decides what becomes of the message.

use super::context::{Context, DelayPoint};
use super::no_responders::notify_no_responders;
use super::route::{PreparedRoute, reach, route};
use super::waiting::WaitingPublisher;
use crate::error::PublishError;
use crate::message::{Message, Publication};
use crate::observe::{PublishAction, PublishContext};

/// In place of the plain checks and [`route`].
#[cold]
#[inline(never)]
pub(super) fn publish(
    cx: Context<'_>,
    flags: u8,
    out: &mut Publication<'_>,
    prepared: Option<&PreparedRoute>,
    mut waiting: Option<&mut Vec<WaitingPublisher>>,
) -> Result<usize, PublishError> {
    let (publisher, services) = (cx.publisher(), cx.services());
    let size = match check(cx, flags, out) {
        Ok(size) => size,
        Err(error) => {
            publisher.emit_rejected(services, out, &error);
            return Err(error);
        }
    };
    let mut message = out.take_message(None, services.reporter());
    let point = DelayPoint { cx, routed: out.routed(), to: None };
    let context = PublishContext::new(publisher.info(), &message, out.routed(), false, &point);
    let (id, times) = match services.probe.ask_publish(&context) {
        PublishAction::Route { id, times } => (id, times),
        PublishAction::Replace { id, payload } => {
            let (subject, reply, head) = (message.subject().clone(), message.reply(), message.head().cloned());
            message = Message::assemble(subject, reply, head, &mut payload.into(), services.reporter());
            (id, 1)
        }
        PublishAction::Delay { .. } => {
            // The release tells if there are no responders.
            out.matched = true;
            return Ok(reach(cx, out.routed()));
        }
        PublishAction::Swallow => {
            // If it would have reached a subscriber, the publisher is not told that there are no responders.
            let reached = reach(cx, out.routed());
            out.matched = reached > 0;
            if reached == 0 {
                notify_no_responders(cx, out.routed(), out.reply());
            }
            return Ok(reached);
        }
        PublishAction::Unmatched => {
            notify_no_responders(cx, out.routed(), out.reply());
            return Ok(0);
        }
        PublishAction::Deny => return Err(publisher.publish_denied(services, out.routed())),
        PublishAction::TooLarge { max } => return Err(PublishError::MaxPayloadExceeded { size, max }),
        PublishAction::Closed => return Err(PublishError::Closed),
    };
    let mut accepted = 0;
    for _ in 0..times.max(1) {
        // Its subject has been checked.
        let mut copy = out.again(&message, services.probe.trace(id, &message)).trusted();
        accepted += route(cx, &mut copy, prepared, message.size(), waiting.as_deref_mut())?;
        out.matched |= copy.matched;
    }
    services.probe.emit_returned(id);
    Ok(accepted)
}

fn check(cx: Context<'_>, flags: u8, out: &Publication<'_>) -> Result<usize, PublishError> {
    let is_addressed = cx.publisher().check_access(cx.account(), cx.services(), flags, out)?;
    let size = cx.account().check_size(out)?;
    if !is_addressed {
        cx.publisher().check_address(cx.account(), out.routed(), out.is_trusted())?;
    }
    Ok(size)
}
