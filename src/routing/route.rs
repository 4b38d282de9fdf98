//! The way of a message, top to bottom: match, select, deliver, count, finish.

use super::context::Context;
use super::deferred::Deferred;
use super::deliver::{Make, deliver};
use super::finish::{Finished, finish};
use super::no_responders::notify_no_responders;
use super::select::fan_out;
use super::waiting::WaitingPublisher;
use crate::account::Subscription;
use crate::delivery::Envelope;
use crate::error::PublishError;
use crate::matcher::{MatchedRoute, Prepared};
use crate::message::{Message, Publication, Trace};
use crate::user_code::Reporter;
use smol_str::SmolStr;
use std::mem;
use std::sync::Arc;

/// The route that a publisher keeps for its subject.
pub(crate) type PreparedRoute = Arc<Prepared<Arc<Subscription>>>;

/// Routes a message that has been checked; gives back how many accepted it.
#[inline]
pub(super) fn route(
    cx: Context<'_>,
    out: &mut Publication<'_>,
    prepared: Option<&PreparedRoute>,
    size: usize,
    waiting: Option<&mut Vec<WaitingPublisher>>,
) -> Result<usize, PublishError> {
    let (account, publisher) = (cx.account(), cx.publisher());
    let (routed, reply, is_trusted) = (out.routed(), out.reply(), out.is_trusted());
    let id = out.trace().map(Trace::id);
    let mut deferred = Deferred::default();
    // A message that is not used up stays out here: a payload's destructor may be a user's, and must not run
    // under a lock.
    let mut unused = None;
    let envelope = cx.envelope(routed, size + out.name_weight());
    let mut routing = Routing { cx, out, envelope: &envelope, deferred: &mut deferred, unused: &mut unused };
    let accepted = match prepared {
        Some(prepared) => account.matcher.with_prepared(prepared, |hit| routing.deliver(hit)),
        None => {
            let check = || publisher.check_address(account, routed, is_trusted);
            account.matcher.with_checked(routed, check, |hit| routing.deliver(hit))?
        }
    };
    publisher.counters().count_publish(size, accepted);
    out.matched = accepted > 0;
    if let Some(id) = id {
        cx.services().probe.emit_routed(id, &deferred.take_accepted());
    }
    if deferred.is_empty() {
        // It owns nothing, and to find that out costs a call.
        mem::forget(deferred);
        if accepted == 0 && reply.is_some() {
            notify_no_responders(cx, routed, reply);
        }
        return Ok(accepted);
    }
    drop(unused);
    let Finished { accepted: more, lost, waits } = finish(cx, deferred, accepted, &envelope, waiting);
    out.matched |= more > 0 || lost;
    if !out.matched && !waits && reply.is_some() {
        notify_no_responders(cx, routed, reply);
    }
    Ok(accepted + more)
}

/// One message on its way to its receivers. The matcher is handed no more than a pointer to this.
struct Routing<'r, 'a> {
    cx: Context<'r>,
    out: &'r mut Publication<'a>,
    envelope: &'r Envelope<'r>,
    deferred: &'r mut Deferred,
    /// The message, if it is not used up.
    unused: &'r mut Option<Message>,
}

impl Routing<'_, '_> {
    // Always: it is called from three places, so the compiler would leave it a function, at some percent of a publish.
    #[inline(always)]
    fn deliver(&mut self, hit: MatchedRoute<'_, Arc<Subscription>>) -> usize {
        let Routing { cx, out, envelope, deferred, unused } = self;
        let make = Published { out, shared: hit.subject, reporter: cx.services().reporter() };
        match (hit.matches.plain(), hit.matches.groups()) {
            ([], []) => 0,
            // Made where it is put: moving a message costs as much as a look-up.
            ([only], []) if !only.is_filtered() && only.target.own_queue().is_some() => {
                deliver(*cx, only, envelope, deferred, make)
            }
            _ => {
                **unused = Some(make.make());
                fan_out(*cx, hit.matches, unused, envelope, deferred)
            }
        }
    }
}

/// The message that a publication becomes.
struct Published<'r, 'a> {
    out: &'r mut Publication<'a>,
    /// The text of its subject in a form that is cheap to clone.
    shared: Option<&'r SmolStr>,
    reporter: Reporter,
}

impl Make for Published<'_, '_> {
    // Always: a function more would cost a hundredth of a publish.
    #[inline(always)]
    fn make(self) -> Message {
        self.out.take_message(self.shared, self.reporter)
    }
}

/// How many subscribers a message would reach; of each queue group that has members, one.
pub(super) fn reach(cx: Context<'_>, routed: &str) -> usize {
    cx.account().matcher.with_matches(routed, |hit| hit.matches.plain().len() + hit.matches.groups().len())
}
