//! Routing: a message from its publisher to its receivers.
//!
//! [`publish`] checks the message and has it routed; [`route`] is the way of every message: match, select, deliver, count, finish. Nothing here
//! holds state: what these functions may touch is a [`Context`].
//!
//! | file | reason to change |
//! |---|---|
//! | `mod` | checks before a message is routed |
//! | `route` | the way of a message, top to bottom |
//! | `context` | the parts of a connection that routing may touch |
//! | `select` | plain subscriptions, and one member of each queue group |
//! | `deliver` | one copy to one receiver |
//! | `filter` | copies that permissions or an observer may withhold |
//! | `calls` | callbacks that are due |
//! | `deferred` | actions for when no lock is held, as data |
//! | `finish` | the same, carried out: wake-ups, callbacks, full queues |
//! | `follow_up` | the effects of a copy on its subscription, beyond the copy itself |
//! | `backpressure` | the overflow policy of a subscription without room, and threads that wait |
//! | `waiting` | publishers in tasks that wait for room |
//! | `started` | a publish that was started in a task |
//! | `retry` | another attempt at a receiver that had no room |
//! | `loss` | copies that are lost, or that push older ones out |
//! | `no_responders` | the bus's own message that there are no responders |
//! | `observed` | a publish on a bus with an observer |
//! | `delayed` | messages and copies that an observer delays |

mod backpressure;
mod calls;
mod context;
mod deferred;
mod delayed;
mod deliver;
mod filter;
mod finish;
mod follow_up;
mod loss;
mod no_responders;
mod observed;
mod retry;
mod route;
mod select;
mod started;
mod waiting;

pub(crate) use context::Context;
pub(crate) use route::PreparedRoute;
pub(crate) use started::poll_waiting;
pub(crate) use waiting::WaitingPublisher;

use crate::connection::AccessFlags;
use crate::error::PublishError;
use crate::message::Publication;

/// Publishes; gives back how many subscribers accepted the message. Copies that are to wait for room are left in `waiting`, or
/// waited for on this thread if that is `None`. `prepared` is the route, if the publisher keeps it.
#[inline]
pub(crate) fn publish(
    cx: Context<'_>,
    out: &mut Publication<'_>,
    prepared: Option<&PreparedRoute>,
    waiting: Option<&mut Vec<WaitingPublisher>>,
) -> Result<usize, PublishError> {
    match publish_or_leave(cx, out, prepared, waiting) {
        Ok(accepted) if accepted > 0 => Ok(accepted),
        unused => {
            out.release(cx.services().reporter());
            unused
        }
    }
}

/// The content of a message that reaches no subscriber is left in `out`.
#[inline]
fn publish_or_leave(
    cx: Context<'_>,
    out: &mut Publication<'_>,
    prepared: Option<&PreparedRoute>,
    waiting: Option<&mut Vec<WaitingPublisher>>,
) -> Result<usize, PublishError> {
    let flags = cx.publisher().flags.get();
    if flags != 0 {
        if flags & AccessFlags::OBSERVED != 0 {
            return observed::publish(cx, flags, out, prepared, waiting);
        }
        cx.publisher().check_access(cx.account(), cx.services(), flags, out)?;
    }
    let size = cx.account().check_size(out)?;
    route::route(cx, out, prepared, size, waiting)
}
