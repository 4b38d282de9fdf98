//! The publish path, top to bottom: check, match, choose, deliver, count.

use super::later::Later;
use super::{Connection, Phase, Waiting};
use crate::account::Subscription;
use crate::delivery::{DropReason, Offered, Refused};
use crate::matcher::{Hit, Prepared};
use crate::message::{Head, HeaderMap, Message, Payload, StatusCode};
use crate::subject::{Subject, SubjectError, check_subject};
use crate::sync::atomic::Ordering;
use smol_str::SmolStr;
use std::sync::Arc;

/// What is to be published.
pub(crate) struct Outgoing<'a> {
    pub(crate) subject: &'a str,
    /// The subject comes from a [`Subject`].
    pub(crate) checked: bool,
    /// The route of this subject, if the publisher keeps it.
    pub(crate) prepared: Option<&'a Prepared<Arc<Subscription>>>,
    pub(crate) reply: Option<&'a Subject>,
    pub(crate) head: Option<Arc<Head>>,
    pub(crate) payload: Payload<'a>,
}

/// Why nothing was published.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum RouteError {
    Subject(SubjectError),
    SubjectTooLong { len: usize, max: usize },
    PayloadTooLarge { size: usize, max: usize },
    Closed,
}

impl Connection {
    /// Publishes; gives back how many subscribers accepted the message. Copies that are to wait for room are left in `waiting`, or
    /// waited for on this thread if that is `None`.
    #[inline]
    pub(crate) fn publish(
        &self,
        out: Outgoing<'_>,
        waiting: Option<&mut Vec<Waiting>>,
    ) -> Result<usize, RouteError> {
        // ORDERING: Relaxed; who closed the connection and then told us is seen by coherence.
        if self.phase.load(Ordering::Relaxed) == Phase::Closed as u8 {
            return Err(RouteError::Closed);
        }
        let Outgoing { subject, checked, prepared, reply, head, payload } = out;
        let limits = &self.shared.account.limits;
        let size = payload.len() + head.as_ref().map_or(0, |head| head.size());
        if size > limits.max_payload {
            return Err(RouteError::PayloadTooLarge { size, max: limits.max_payload });
        }
        let matcher = &self.shared.account.matcher;
        let mut later = Later::default();
        // Taken only when somebody wants them: else they are dropped below, since `deliver` runs under a lock (G4).
        let mut body = Some((head, payload));
        let deliver = |hit: Hit<'_, Arc<Subscription>>| {
            if hit.matches.is_empty() {
                return 0;
            }
            let Some((head, payload)) = body.take() else { return 0 };
            let subject = hit.subject.map_or_else(|| SmolStr::new(subject), SmolStr::clone);
            let message = Message {
                subject: Subject::from_smol(subject),
                reply: reply.cloned(),
                head,
                body: payload.into_body(),
                receiver: None,
            };
            self.deliver(hit, message, size, &mut later)
        };
        let accepted = if let Some(prepared) = prepared {
            matcher.with_prepared(prepared, deliver)
        } else {
            match matcher.with_remembered(subject, deliver) {
                Ok(accepted) => accepted,
                Err(deliver) => {
                    // A subject that some thread remembers was checked when it was first used.
                    if !checked {
                        check_subject(subject).map_err(RouteError::Subject)?;
                    }
                    if subject.len() > limits.max_subject_len {
                        return Err(RouteError::SubjectTooLong { len: subject.len(), max: limits.max_subject_len });
                    }
                    matcher.with_matches(subject, deliver)
                }
            }
        };
        self.desk().count_publish(size, accepted);
        if later.is_empty() {
            if accepted == 0 && reply.is_some() {
                self.answer_no_responders(subject, reply);
            }
            return Ok(accepted);
        }
        let had_waiting = waiting.as_ref().map_or(0, |waiting| waiting.len());
        let mut waiting = waiting;
        let accepted = accepted + self.finish(later, accepted, waiting.as_deref_mut());
        let left = waiting.map_or(0, |waiting| waiting.len()) - had_waiting;
        if accepted + left == 0 && reply.is_some() {
            self.answer_no_responders(subject, reply);
        }
        Ok(accepted)
    }

    /// Offers the message to every plain subscription and to one member of each queue group (Q1).
    #[inline]
    fn deliver(&self, hit: Hit<'_, Arc<Subscription>>, message: Message, size: usize, later: &mut Later) -> usize {
        let (plain, groups) = (hit.matches.plain(), hit.matches.groups());
        let mut accepted = 0;
        // The last one gets the message itself: a copy left over here might be the last of all, and be dropped under a lock (G4).
        let (last, others) = match (plain.split_last(), groups.is_empty()) {
            (Some((last, others)), true) => (Some(last), others),
            _ => (None, plain),
        };
        for subscription in others {
            accepted += self.offer(subscription, message.clone(), size, later);
        }
        if let Some(last) = last {
            return accepted + self.offer(last, message, size, later);
        }
        let Some((last, others)) = groups.split_last() else { return accepted };
        for group in others {
            accepted += self.offer_to_one(group.members(), message.clone(), size, later);
        }
        accepted + self.offer_to_one(last.members(), message, size, later)
    }

    #[inline]
    fn offer(&self, subscription: &Arc<Subscription>, message: Message, size: usize, later: &mut Later) -> usize {
        match self.try_offer(subscription, message, size, later) {
            Ok(()) => 1,
            Err((message, Refused::Full)) => {
                later.full(subscription, message);
                0
            }
            Err((message, Refused::Gone)) => {
                later.drop(message);
                0
            }
        }
    }

    /// One member, chosen at random; the next ones in turn when it can't take the message (Q3, Q4).
    fn offer_to_one(&self, members: &[Arc<Subscription>], message: Message, size: usize, later: &mut Later) -> usize {
        let start = if members.len() == 1 { 0 } else { self.desk().rng.below(members.len()) };
        let mut message = message;
        let mut first_full = None;
        for at in (start..members.len()).chain(0..start) {
            message = match self.try_offer(&members[at], message, size, later) {
                Ok(()) => return 1,
                Err((message, refused)) => {
                    if refused == Refused::Full && first_full.is_none() {
                        first_full = Some(at);
                    }
                    message
                }
            };
        }
        match first_full {
            // All are full, and the first of them decides what that means.
            Some(at) => later.full(&members[at], message),
            None => later.drop(message),
        }
        0
    }

    #[inline]
    fn try_offer(
        &self,
        subscription: &Arc<Subscription>,
        mut message: Message,
        size: usize,
        later: &mut Later,
    ) -> Result<(), (Message, Refused)> {
        if self.options.no_echo && subscription.client == self.id {
            return Err((message, Refused::Gone));
        }
        // A queue's messages learn who received them when they are taken.
        if message.reply.is_some() && !subscription.outlet.is_queue() {
            message.receiver = subscription.connection.upgrade();
        }
        match subscription.outlet.offer(message, size) {
            Offered::Taken(after) => later.after(subscription, after),
            Offered::Run(message, after) => {
                later.after(subscription, after);
                later.run(subscription, message);
            }
            Offered::Refused(message, refused) => return Err((message, refused)),
        }
        Ok(())
    }

    /// Tells one plain subscription of this connection that nobody got the message (R2 to R6).
    ///
    /// Requests do not come here: they see from the number of subscribers that nobody answers.
    #[cold]
    fn answer_no_responders(&self, subject: &str, reply: Option<&Subject>) {
        let Some(reply) = reply.filter(|_| self.options.no_responders) else { return };
        if self.inbox_if_any().is_some_and(|inbox| inbox.owns(reply)) {
            return;
        }
        let mut headers = HeaderMap::new();
        headers.insert("Nats-Subject", subject).expect("a subject has no line breaks");
        let head = Head { status: Some((StatusCode::NO_RESPONDERS, SmolStr::default())), headers }.boxed();
        let body = Payload::empty().into_body();
        let message = Message { subject: reply.clone(), reply: None, head, body, receiver: None };
        let (size, mut later) = (message.size(), Later::default());
        let routed = self.shared.account.matcher.with_matches(reply.as_str(), |hit| {
            let own = hit.matches.plain().iter().find(|subscription| {
                subscription.client == self.id && subscription.outlet.close_reason().is_none()
            });
            let Some(own) = own else { return 0 };
            own.outlet.exempt(1);
            // DIFFERENCE: no-echo does not keep it away; it is the bus that speaks.
            match own.outlet.offer(message, size) {
                Offered::Taken(after) => later.after(own, after),
                Offered::Run(message, after) => {
                    later.after(own, after);
                    later.run(own, message);
                }
                Offered::Refused(message, refused) => {
                    own.outlet.exempt(-1);
                    later.drop(message);
                    if refused == Refused::Gone || own.outlet.mailbox().count_drop(DropReason::QueueFull).is_err() {
                        return 0;
                    }
                }
            }
            1
        });
        self.desk().count_more_routed(routed, false);
        if !later.is_empty() {
            self.finish(later, 1, None);
        }
    }
}
