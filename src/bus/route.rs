//! The publish path, top to bottom: check, match, choose, deliver, count.

use super::later::{Finished, Later};
use super::permit::Gate;
use super::{Connection, Waiting};
use crate::account::Subscription;
use crate::delivery::{After, Envelope, Mailbox, Offered, Refused, Sink};
use crate::error::PublishError;
use crate::matcher::{Hit, Matches, Prepared};
use crate::message::{Message, Publication, Trace};
use crate::subject::{check_subject, check_word};
use smallvec::SmallVec;
use std::sync::Arc;

/// The route that a publisher keeps for its subject.
pub(crate) type PreparedRoute = Arc<Prepared<Arc<Subscription>>>;

/// One message on its way to its receivers. The matcher is handed no more than a pointer to this.
struct Routing<'r, 'a> {
    connection: &'r Connection,
    out: &'r mut Publication<'a>,
    envelope: &'r Envelope<'a>,
    later: &'r mut Later,
    /// The message, if it is not used up.
    spare: &'r mut Option<Message>,
}

impl Routing<'_, '_> {
    // Always: it is called from three places, so the compiler would leave it a function, at some percent of a publish.
    #[inline(always)]
    fn deliver(&mut self, hit: Hit<'_, Arc<Subscription>>) -> usize {
        let Routing { connection, out, envelope, later, spare } = self;
        let mut make = || out.take_message(hit.subject, connection.shared.reporter());
        match (hit.matches.plain(), hit.matches.groups()) {
            ([], []) => 0,
            // Made where it is put: moving a message costs as much as a look-up.
            ([only], []) if only.is_unwatched() && only.outlet.queue().is_some() => {
                connection.offer(only, envelope, later, make)
            }
            _ => {
                **spare = Some(make());
                connection.fan_out(hit.matches, spare, envelope, later)
            }
        }
    }
}

impl Connection {
    /// Publishes; gives back how many subscribers accepted the message. Copies that are to wait for room are left in `waiting`, or
    /// waited for on this thread if that is `None`.
    #[inline]
    pub(crate) fn publish(
        &self,
        out: &mut Publication<'_>,
        waiting: Option<&mut Vec<Waiting>>,
    ) -> Result<usize, PublishError> {
        self.publish_by(out, None, waiting)
    }

    /// The same by the route that the publisher keeps, if it keeps one.
    #[inline]
    pub(crate) fn publish_by(
        &self,
        out: &mut Publication<'_>,
        prepared: Option<&PreparedRoute>,
        waiting: Option<&mut Vec<Waiting>>,
    ) -> Result<usize, PublishError> {
        match self.publish_or_leave(out, prepared, waiting) {
            Ok(accepted) if accepted > 0 => Ok(accepted),
            unused => {
                out.release(self.shared.reporter());
                unused
            }
        }
    }

    /// The content of a message that reaches no subscriber is left in `out`.
    #[inline]
    fn publish_or_leave(
        &self,
        out: &mut Publication<'_>,
        prepared: Option<&PreparedRoute>,
        waiting: Option<&mut Vec<Waiting>>,
    ) -> Result<usize, PublishError> {
        let flags = self.gate.flags();
        if flags != 0 {
            if flags & Gate::OBSERVED != 0 {
                return self.publish_observed(flags, out, prepared, waiting);
            }
            self.pass_gate(flags, out)?;
        }
        let size = self.check_size(out)?;
        self.route(out, prepared, size, waiting)
    }

    /// Publishes what has passed the gate, and is not too large or need not be asked.
    #[inline]
    pub(super) fn route(
        &self,
        out: &mut Publication<'_>,
        prepared: Option<&PreparedRoute>,
        size: usize,
        waiting: Option<&mut Vec<Waiting>>,
    ) -> Result<usize, PublishError> {
        let (routed, reply, is_trusted) = (out.routed(), out.reply(), out.is_trusted());
        let matcher = &self.shared.account.matcher;
        let id = out.trace().map(Trace::id);
        let mut later = Later::default();
        // A message that is not used up stays out here: a payload's destructor may be a user's, and must not run
        // under a lock.
        let mut spare = None;
        let envelope = self.envelope(routed, size + out.name_weight());
        let mut routing = Routing { connection: self, out, envelope: &envelope, later: &mut later, spare: &mut spare };
        let accepted = if let Some(prepared) = prepared {
            matcher.with_prepared(prepared, |hit| routing.deliver(hit))
        } else {
            matcher.with_checked(routed, || self.check_address(routed, is_trusted), |hit| routing.deliver(hit))?
        };
        self.desk().count_publish(size, accepted);
        out.matched = accepted > 0;
        if let Some(id) = id {
            self.shared.tell_routed(id, &later.take_accepted());
        }
        if later.is_empty() {
            if accepted == 0 && reply.is_some() {
                self.answer_no_responders(routed, reply);
            }
            return Ok(accepted);
        }
        drop(spare);
        let Finished { accepted: more, lost, waits } = self.finish(later, accepted, &envelope, waiting);
        out.matched |= more > 0 || lost;
        if !out.matched && !waits && reply.is_some() {
            self.answer_no_responders(routed, reply);
        }
        Ok(accepted + more)
    }

    /// Whether the connection may publish there at all. Asked only where this thread does not remember the subject's route: a
    /// remembered subject is valid for every connection.
    #[inline]
    pub(super) fn check_address(&self, subject: &str, is_trusted: bool) -> Result<(), PublishError> {
        if self.options.lenient {
            check_word(subject).map_err(PublishError::InvalidSubject)?;
        } else if !is_trusted {
            check_subject(subject).map_err(PublishError::InvalidSubject)?;
        }
        let (len, max) = (subject.len(), self.shared.account.limits.max_subject_len);
        if len > max { Err(PublishError::SubjectTooLong { len, max }) } else { Ok(()) }
    }

    /// The size of the message, which must not be too large.
    #[inline]
    pub(super) fn check_size(&self, out: &Publication<'_>) -> Result<usize, PublishError> {
        let max = self.shared.account.limits.max_payload;
        let size = out.size();
        if size > max { Err(PublishError::MaxPayloadExceeded { size, max }) } else { Ok(size) }
    }

    /// Offers the message to every plain subscription and to one member of each queue group (Q1).
    fn fan_out(
        &self,
        matches: &Matches<Arc<Subscription>>,
        message: &mut Option<Message>,
        envelope: &Envelope<'_>,
        later: &mut Later,
    ) -> usize {
        let mut accepted = 0;
        for group in matches.groups() {
            accepted += self.offer_to_one(group.members(), envelope, later, message);
        }
        let Some((last, others)) = matches.plain().split_last() else { return accepted };
        for subscription in others {
            accepted += if !subscription.is_unwatched() {
                self.offer_watched(subscription, envelope, later, message)
            } else if let Some(sink) = subscription.outlet.sink() {
                self.deliver_to_sink(subscription, sink, envelope, later, message)
            } else {
                self.offer(subscription, envelope, later, || message.clone().expect("there until the last"))
            };
        }
        accepted
            + if !last.is_unwatched() {
                self.offer_watched(last, envelope, later, message)
            } else if let Some(sink) = last.outlet.sink() {
                self.deliver_to_sink(last, sink, envelope, later, message)
            } else {
                self.offer(last, envelope, later, || message.take().expect("there until the last"))
            }
    }

    /// To a sink, which leaves the message where it is.
    #[inline]
    fn deliver_to_sink(
        &self,
        subscription: &Arc<Subscription>,
        sink: &Sink,
        envelope: &Envelope<'_>,
        later: &mut Later,
        message: &Option<Message>,
    ) -> usize {
        let Some(message) = message.as_ref().filter(|_| !self.is_own_echo(subscription)) else { return 0 };
        match self.try_deliver_to_sink(subscription, sink, envelope, later, message) {
            Ok(()) => 1,
            Err(refused) => sink_refused(subscription, refused, later, || message.clone()),
        }
    }

    #[inline]
    pub(super) fn try_deliver_to_sink(
        &self,
        subscription: &Arc<Subscription>,
        sink: &Sink,
        envelope: &Envelope<'_>,
        later: &mut Later,
        message: &Message,
    ) -> Result<(), Refused> {
        let mut panic = None;
        let taken = subscription.outlet.deliver_to_sink(sink, message, envelope, &mut panic);
        if let Some(panic) = panic {
            later.panicked(subscription, panic);
        }
        match taken {
            Ok(after) => {
                if after.is_something() {
                    later.after(subscription, after);
                }
                Ok(())
            }
            Err(refused) => {
                later.after(subscription, After { wake_room: subscription.outlet.is_awaited(), ..After::default() });
                Err(refused)
            }
        }
    }

    #[inline]
    pub(super) fn offer(
        &self,
        subscription: &Arc<Subscription>,
        envelope: &Envelope<'_>,
        later: &mut Later,
        make: impl FnOnce() -> Message,
    ) -> usize {
        if self.is_own_echo(subscription) {
            return 0;
        }
        if let Some(mailbox) = subscription.outlet.queue() {
            match enqueue(subscription, mailbox, envelope.weight, later, make) {
                Ok(()) => return 1,
                Err((make, Refused::Full)) => later.full(subscription, make()),
                Err((_, Refused::Gone | Refused::Disconnected)) => {}
            }
            return 0;
        }
        match self.offer_other(subscription, make(), envelope, later) {
            Ok(()) => 1,
            Err((message, Refused::Full)) => {
                later.full(subscription, message);
                0
            }
            Err((message, Refused::Gone)) => {
                later.drop(message);
                0
            }
            Err((message, Refused::Disconnected)) => {
                later.disconnected(subscription, Some(message));
                0
            }
        }
    }

    /// One member, chosen at random; the next ones in turn when it can't take the message (Q3, Q4). Fallback members when no other is
    /// there (Q6).
    fn offer_to_one(
        &self,
        members: &[Arc<Subscription>],
        envelope: &Envelope<'_>,
        later: &mut Later,
        message: &Option<Message>,
    ) -> usize {
        let Some(message) = message else { return 0 };
        let (mut first_full, mut disconnected) = (None, SmallVec::<[usize; 4]>::new());
        let mut taken = false;
        for fallback in [false, true] {
            let Some(start) = self.choose(members, fallback) else { continue };
            for at in (start..members.len()).chain(0..start).filter(|at| members[*at].fallback == fallback) {
                match self.try_offer(&members[at], envelope, later, message) {
                    Ok(()) => {
                        taken = true;
                        break;
                    }
                    Err(Refused::Full) => first_full = first_full.or(Some(at)),
                    Err(Refused::Disconnected) => disconnected.push(at),
                    Err(Refused::Gone) => {}
                }
            }
            // A full member counts as available: a leaf node, too, leaves the message to a slow
            // local member.
            if taken || first_full.is_some() {
                break;
            }
        }
        // No member took it: it is lost with the first one whose channel turned out to be dead, unless a full one
        // decides.
        let mut lost = (!taken && first_full.is_none()).then(|| message.clone());
        for at in disconnected {
            later.disconnected(&members[at], lost.take());
        }
        if let (false, Some(at)) = (taken, first_full) {
            // All are full, and the first of them decides what that means.
            later.full(&members[at], message.clone());
        }
        if let Some(lost) = lost {
            later.drop(lost);
        }
        taken as usize
    }

    /// A random one of the members that are fallback members, or are not.
    #[inline]
    fn choose(&self, members: &[Arc<Subscription>], fallback: bool) -> Option<usize> {
        if !fallback {
            let start = if members.len() == 1 { 0 } else { self.desk().rng.below(members.len()) };
            // Mostly there is no other kind, and this looks only at the member that is tried first
            // anyway.
            if !members[start].fallback {
                return Some(start);
            }
        }
        self.choose_again(members, fallback)
    }

    #[cold]
    #[inline(never)]
    fn choose_again(&self, members: &[Arc<Subscription>], fallback: bool) -> Option<usize> {
        let mut of_kind = (0..members.len()).filter(|at| members[*at].fallback == fallback);
        let count = of_kind.clone().count();
        of_kind.nth(if count > 1 { self.desk().rng.below(count) } else { 0 })
    }

    fn try_offer(
        &self,
        subscription: &Arc<Subscription>,
        envelope: &Envelope<'_>,
        later: &mut Later,
        message: &Message,
    ) -> Result<(), Refused> {
        if self.is_own_echo(subscription) {
            return Err(Refused::Gone);
        }
        if !subscription.is_unwatched() {
            return self.try_offer_watched(subscription, envelope, later, message);
        }
        self.try_offer_unseen(subscription, envelope, later, || message.clone(), message)
    }

    /// Without asking permissions or an observer.
    #[inline]
    pub(super) fn try_offer_unseen(
        &self,
        subscription: &Arc<Subscription>,
        envelope: &Envelope<'_>,
        later: &mut Later,
        copy: impl Fn() -> Message,
        message: &Message,
    ) -> Result<(), Refused> {
        if let Some(sink) = subscription.outlet.sink() {
            return self.try_deliver_to_sink(subscription, sink, envelope, later, message);
        }
        let Some(mailbox) = subscription.outlet.queue() else {
            return self.offer_other(subscription, copy(), envelope, later).map_err(|(message, refused)| {
                later.drop(message);
                refused
            });
        };
        enqueue(subscription, mailbox, envelope.weight, later, copy).map_err(|(_, refused)| refused)
    }

    /// To a receiver that is not a queue of ours. There the message must know its receiving connection; a queued message
    /// learns it when it is taken.
    fn offer_other(
        &self,
        subscription: &Arc<Subscription>,
        mut message: Message,
        envelope: &Envelope<'_>,
        later: &mut Later,
    ) -> Result<(), (Message, Refused)> {
        message.received_by(|| Some(subscription.connection()?.responder()));
        match subscription.outlet.offer(message, envelope) {
            Offered::Taken(after) => later.after(subscription, after),
            Offered::Run(message, after) => {
                later.after(subscription, after);
                later.run(subscription, message);
            }
            Offered::Refused(message, refused) => {
                if subscription.outlet.is_awaited() {
                    later.after(subscription, After { wake_room: true, ..After::default() });
                }
                return Err((message, refused));
            }
        }
        Ok(())
    }

    /// The envelope of a message that this connection publishes.
    #[inline]
    pub(super) fn envelope<'a>(&self, routed: &'a str, weight: usize) -> Envelope<'a> {
        Envelope { routed, publisher: Some(self.id), weight }
    }

    #[inline]
    pub(super) fn is_own_echo(&self, subscription: &Subscription) -> bool {
        self.options.no_echo && subscription.owner.id == self.id
    }
}

/// A sink has not taken a message; if it has no room, the overflow policy is applied later. Accepted so far: none.
#[cold]
pub(super) fn sink_refused(
    subscription: &Arc<Subscription>,
    refused: Refused,
    later: &mut Later,
    copy: impl FnOnce() -> Message,
) -> usize {
    if refused == Refused::Full {
        later.full(subscription, copy());
    }
    0
}

/// Into a queue of ours: the message is made only once it is let in; else `make` is given back.
#[inline]
fn enqueue<F: FnOnce() -> Message>(
    subscription: &Arc<Subscription>,
    mailbox: &Mailbox,
    size: usize,
    later: &mut Later,
    make: F,
) -> Result<(), (F, Refused)> {
    match subscription.outlet.admit(mailbox, size) {
        Ok(admitted) => {
            let after = mailbox.put(make(), admitted);
            if after.is_something() {
                later.after(subscription, after);
            }
            Ok(())
        }
        Err(refused) => Err((make, refused)),
    }
}
