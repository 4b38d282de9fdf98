//! The publish path, top to bottom: check, match, choose, deliver, count.

use super::later::{Finished, Later};
use super::permit::Gate;
use super::{Connection, Waiting};
use crate::account::Subscription;
use crate::delivery::{After, Mailbox, Offered, Refused, Sink};
use crate::error::PublishError;
use crate::matcher::{Hit, Matches, Prepared};
use crate::message::{Head, Message, Payload, Trace, name_weight};
use crate::subject::{Subject, check_subject, check_word};
use crate::user_code::Reporter;
use smallvec::SmallVec;
use smol_str::SmolStr;
use std::sync::Arc;

/// A message that is to be published.
pub(crate) struct Outgoing<'a> {
    pub(crate) subject: &'a str,
    /// It answers a message: its subject is the reply that the bus delivered, whatever that is.
    pub(crate) answers: bool,
    /// The route of this subject, if the publisher keeps it.
    pub(crate) prepared: Option<&'a Arc<Prepared<Arc<Subscription>>>>,
    pub(crate) reply: Option<&'a Subject>,
    pub(crate) head: Option<Arc<Head>>,
    pub(crate) payload: Payload<'a>,
    /// On a bus that is observed, once the observer has let it pass.
    pub(crate) trace: Option<Trace>,
    /// Set by the publish: true if the message matched a subscription, even if the copy was then
    /// dropped (R2). Copies that wait are not known yet.
    pub(crate) matched: bool,
}

impl<'a> Outgoing<'a> {
    /// A message that is published as it is.
    pub(crate) fn of(message: &'a Message) -> Self {
        Outgoing {
            subject: message.subject().as_str(),
            answers: false,
            prepared: None,
            reply: message.reply(),
            head: message.head().cloned(),
            payload: message.payload_again(),
            trace: None,
            matched: false,
        }
    }

    /// The message that this will be, for an observer, which sees it first.
    pub(super) fn take_message(&mut self, reporter: Reporter) -> Message {
        let subject = Subject::unchecked(SmolStr::new(self.subject));
        Message::assemble(subject, self.reply, self.head.take(), &mut self.payload, reporter)
    }
}

/// One message on its way to its receivers. The matcher is handed no more than a pointer to this.
struct Routing<'r, 'a> {
    connection: &'r Connection,
    out: &'r mut Outgoing<'a>,
    /// As it counts towards the bounds of queues.
    size: usize,
    later: &'r mut Later,
    /// The message, if it is not used up.
    spare: &'r mut Option<Message>,
}

impl Routing<'_, '_> {
    // Always: it is called from three places, so the compiler would leave it a function, at some percent of a publish.
    #[inline(always)]
    fn deliver(&mut self, hit: Hit<'_, Arc<Subscription>>) -> usize {
        let Routing { connection, out, size, later, spare } = self;
        let Outgoing { subject, reply, head, payload, trace, .. } = &mut **out;
        let mut make = || {
            let subject = hit.subject.map_or_else(|| SmolStr::new(*subject), SmolStr::clone);
            let (subject, reporter) = (Subject::unchecked(subject), connection.shared.reporter());
            Message::assemble_traced(subject, *reply, head.take(), payload, trace.take(), reporter)
        };
        match (hit.matches.plain(), hit.matches.groups()) {
            ([], []) => 0,
            // Made where it is put: moving a message costs as much as a look-up.
            ([only], []) if only.is_unwatched() && only.outlet.queue().is_some() => {
                connection.offer(only, *size, later, make)
            }
            _ => {
                **spare = Some(make());
                connection.fan_out(hit.matches, spare, *size, later)
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
        out: &mut Outgoing<'_>,
        waiting: Option<&mut Vec<Waiting>>,
    ) -> Result<usize, PublishError> {
        match self.publish_or_leave(out, waiting) {
            Ok(accepted) if accepted > 0 => Ok(accepted),
            unused => {
                self.release(out);
                unused
            }
        }
    }

    /// The content of a message that reaches no subscriber is left in `out`.
    #[inline]
    fn publish_or_leave(
        &self,
        out: &mut Outgoing<'_>,
        waiting: Option<&mut Vec<Waiting>>,
    ) -> Result<usize, PublishError> {
        let flags = self.gate.flags();
        if flags != 0 {
            if flags & Gate::OBSERVED != 0 {
                return self.publish_observed(flags, out, waiting);
            }
            self.pass_gate(flags, out.subject, out.reply, out.answers)?;
        }
        let size = self.check_size(out)?;
        self.route(out, size, waiting)
    }

    /// Publishes what has passed the gate, and is not too large or need not be asked.
    #[inline]
    pub(super) fn route(
        &self,
        out: &mut Outgoing<'_>,
        size: usize,
        waiting: Option<&mut Vec<Waiting>>,
    ) -> Result<usize, PublishError> {
        let (subject, reply, prepared, answers) = (out.subject, out.reply, out.prepared, out.answers);
        let matcher = &self.shared.account.matcher;
        let id = out.trace.as_ref().map(Trace::id);
        let mut later = Later::default();
        // A message that is not used up stays out here: a payload's destructor may be a user's, and must not run
        // under a lock.
        let mut spare = None;
        let weight = size + name_weight(subject) + reply.map_or(0, |reply| name_weight(reply.as_str()));
        let mut routing = Routing { connection: self, out, size: weight, later: &mut later, spare: &mut spare };
        let accepted = if let Some(prepared) = prepared {
            matcher.with_prepared(prepared, |hit| routing.deliver(hit))
        } else {
            matcher.with_checked(subject, || self.check_address(subject, answers), |hit| routing.deliver(hit))?
        };
        self.desk().count_publish(size, accepted);
        out.matched = accepted > 0;
        if let Some(id) = id {
            self.shared.tell_routed(id, &later.take_accepted());
        }
        if later.is_empty() {
            if accepted == 0 && reply.is_some() {
                self.answer_no_responders(subject, reply);
            }
            return Ok(accepted);
        }
        drop(spare);
        let Finished { accepted: more, lost, waits } = self.finish(later, accepted, waiting);
        out.matched |= more > 0 || lost;
        if !out.matched && !waits && reply.is_some() {
            self.answer_no_responders(subject, reply);
        }
        Ok(accepted + more)
    }

    /// Whether the connection may publish there at all. Asked only where this thread does not remember the subject's route: a
    /// remembered subject is valid for every connection.
    #[inline]
    pub(super) fn check_address(&self, subject: &str, answers: bool) -> Result<(), PublishError> {
        if self.options.lenient {
            check_word(subject).map_err(PublishError::InvalidSubject)?;
        } else if !answers {
            check_subject(subject).map_err(PublishError::InvalidSubject)?;
        }
        let (len, max) = (subject.len(), self.shared.account.limits.max_subject_len);
        if len > max { Err(PublishError::SubjectTooLong { len, max }) } else { Ok(()) }
    }

    /// The size of the message, which must not be too large.
    #[inline]
    pub(super) fn check_size(&self, out: &Outgoing<'_>) -> Result<usize, PublishError> {
        let max = self.shared.account.limits.max_payload;
        let size = out.payload.len() + out.head.as_ref().map_or(0, |head| head.size());
        if size > max { Err(PublishError::MaxPayloadExceeded { size, max }) } else { Ok(size) }
    }

    /// Offers the message to every plain subscription and to one member of each queue group (Q1).
    fn fan_out(
        &self,
        matches: &Matches<Arc<Subscription>>,
        message: &mut Option<Message>,
        size: usize,
        later: &mut Later,
    ) -> usize {
        let mut accepted = 0;
        for group in matches.groups() {
            accepted += self.offer_to_one(group.members(), size, later, message);
        }
        let Some((last, others)) = matches.plain().split_last() else { return accepted };
        for subscription in others {
            accepted += if !subscription.is_unwatched() {
                self.offer_watched(subscription, size, later, message)
            } else if let Some(sink) = subscription.outlet.sink() {
                self.pour(subscription, sink, size, later, message)
            } else {
                self.offer(subscription, size, later, || message.clone().expect("there until the last"))
            };
        }
        accepted
            + if !last.is_unwatched() {
                self.offer_watched(last, size, later, message)
            } else if let Some(sink) = last.outlet.sink() {
                self.pour(last, sink, size, later, message)
            } else {
                self.offer(last, size, later, || message.take().expect("there until the last"))
            }
    }

    /// To a sink, which leaves the message where it is.
    #[inline]
    fn pour(
        &self,
        subscription: &Arc<Subscription>,
        sink: &Sink,
        size: usize,
        later: &mut Later,
        message: &Option<Message>,
    ) -> usize {
        let Some(message) = message.as_ref().filter(|_| !self.is_own_echo(subscription)) else { return 0 };
        match self.try_pour(subscription, sink, Some(self.id), size, later, message) {
            Ok(()) => 1,
            Err(refused) => not_poured(subscription, refused, later, || message.clone()),
        }
    }

    #[inline]
    pub(super) fn try_pour(
        &self,
        subscription: &Arc<Subscription>,
        sink: &Sink,
        from: Option<u64>,
        size: usize,
        later: &mut Later,
        message: &Message,
    ) -> Result<(), Refused> {
        let mut panic = None;
        let poured = subscription.outlet.pour(sink, message, from, size, &mut panic);
        if let Some(panic) = panic {
            later.panicked(subscription, panic);
        }
        match poured {
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
        size: usize,
        later: &mut Later,
        make: impl FnOnce() -> Message,
    ) -> usize {
        if self.is_own_echo(subscription) {
            return 0;
        }
        if let Some(mailbox) = subscription.outlet.queue() {
            match enqueue(subscription, mailbox, size, later, make) {
                Ok(()) => return 1,
                Err((make, Refused::Full)) => later.full(subscription, make()),
                Err((_, Refused::Gone | Refused::Disconnected)) => {}
            }
            return 0;
        }
        match self.offer_other(subscription, make(), size, later) {
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
        size: usize,
        later: &mut Later,
        message: &Option<Message>,
    ) -> usize {
        let Some(message) = message else { return 0 };
        let (mut first_full, mut disconnected) = (None, SmallVec::<[usize; 4]>::new());
        let mut taken = false;
        for fallback in [false, true] {
            let Some(start) = self.choose(members, fallback) else { continue };
            for at in (start..members.len()).chain(0..start).filter(|at| members[*at].fallback == fallback) {
                match self.try_offer(&members[at], size, later, message) {
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
        size: usize,
        later: &mut Later,
        message: &Message,
    ) -> Result<(), Refused> {
        if self.is_own_echo(subscription) {
            return Err(Refused::Gone);
        }
        if !subscription.is_unwatched() {
            return self.try_offer_watched(subscription, size, later, message);
        }
        self.try_offer_unseen(subscription, size, later, || message.clone(), message)
    }

    /// Without asking permissions or an observer.
    #[inline]
    pub(super) fn try_offer_unseen(
        &self,
        subscription: &Arc<Subscription>,
        size: usize,
        later: &mut Later,
        copy: impl Fn() -> Message,
        message: &Message,
    ) -> Result<(), Refused> {
        if let Some(sink) = subscription.outlet.sink() {
            return self.try_pour(subscription, sink, Some(self.id), size, later, message);
        }
        let Some(mailbox) = subscription.outlet.queue() else {
            return self.offer_other(subscription, copy(), size, later).map_err(|(message, refused)| {
                later.drop(message);
                refused
            });
        };
        enqueue(subscription, mailbox, size, later, copy).map_err(|(_, refused)| refused)
    }

    /// To a receiver that is not a queue of ours. There the message must know its receiving connection; a queued message
    /// learns it when it is taken.
    fn offer_other(
        &self,
        subscription: &Arc<Subscription>,
        mut message: Message,
        size: usize,
        later: &mut Later,
    ) -> Result<(), (Message, Refused)> {
        message.received_by(|| Some(subscription.connection()?.responder()));
        match subscription.outlet.offer(message, size) {
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

    #[inline]
    pub(super) fn is_own_echo(&self, subscription: &Subscription) -> bool {
        self.options.no_echo && subscription.owner.id == self.id
    }
}

/// A sink has not taken a message; if it has no room, the overflow policy is applied later. Accepted so far: none.
#[cold]
pub(super) fn not_poured(
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
