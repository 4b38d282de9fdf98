//! The bus's own messages: that there are no responders (R2 to R6).

use super::Connection;
use super::later::Later;
use crate::account::Subscription;
use crate::delivery::{After, DropReason, Envelope, Offered, Refused};
use crate::message::{Head, Message, Payload, Trace};
use crate::subject::Subject;
use std::sync::Arc;

impl Connection {
    /// Tells one plain subscription of this connection that no subscription got the message (R2 to
    /// R6).
    ///
    /// Requests do not come here: they see from the number of subscribers that there are no
    /// responders.
    #[cold]
    pub(super) fn answer_no_responders(&self, subject: &str, reply: Option<&Subject>) {
        let Some(reply) = reply.filter(|_| self.options.no_responders) else { return };
        if !self.owns_inbox(reply) {
            self.tell_no_responders(subject, reply);
        }
    }

    /// Whether answers there go to requests of this connection.
    pub(super) fn owns_inbox(&self, reply: &Subject) -> bool {
        self.inbox_if_any().is_some_and(|inbox| inbox.owns(reply))
    }

    #[cold]
    pub(super) fn tell_no_responders(&self, subject: &str, reply: &Subject) {
        let is_own = |subscription: &&Arc<Subscription>| {
            subscription.owner.id == self.id && subscription.outlet.close_reason().is_none()
        };
        let matcher = &self.shared.account.matcher;
        // An observer is not told of a notice that no subscription would get.
        if !matcher.with_matches(reply.as_str(), |hit| hit.matches.plain().iter().any(|one| is_own(&one))) {
            return;
        }
        // As bytes: a header map would cut off white space at the ends of a subject.
        let reporter = self.shared.reporter();
        let head = Head::came(format!("NATS/1.0 503\r\nNats-Subject: {subject}\r\n\r\n").into(), reporter);
        let message = self.trace_notice(Message::assemble(reply.clone(), None, head, &mut Payload::empty(), reporter));
        let envelope = Envelope { routed: reply.as_str(), publisher: None, weight: message.weight() };
        let mut later = Later::default();
        let (id, mut told, mut lost) = (message.trace().map(Trace::id), None, None);
        // Not dropped in there, where the bus routes.
        let (mut message, mut returned) = (Some(message), None);
        let routed = matcher.with_matches(reply.as_str(), |hit| {
            let Some(own) = hit.matches.plain().iter().find(is_own) else { return 0 };
            let shown = message.as_ref().expect("it goes to one");
            own.outlet.exempt(1);
            if let Some(sink) = own.outlet.sink() {
                let poured = self.try_deliver_to_sink(own, sink, &envelope, &mut later, shown).is_ok();
                if poured {
                    told = Some(own.clone());
                } else {
                    own.outlet.exempt(-1);
                }
                return u64::from(poured);
            }
            // DIFFERENCE: no-echo does not keep it away; it is the bus that speaks.
            match own.outlet.offer(message.take().expect("it goes to one"), &envelope) {
                Offered::Taken(after) => {
                    told = Some(own.clone());
                    later.after(own, after);
                }
                Offered::Run(message, after) => {
                    told = Some(own.clone());
                    later.after(own, after);
                    later.run(own, message);
                }
                Offered::Refused(message, refused) => {
                    own.outlet.exempt(-1);
                    if own.outlet.is_awaited() {
                        later.after(own, After { wake_room: true, ..After::default() });
                    }
                    if refused == Refused::Disconnected {
                        later.disconnected(own, None);
                    }
                    let reason = DropReason::QueueFull;
                    let is_lost = refused == Refused::Full && own.outlet.mailbox().count_drop(reason).is_ok();
                    lost = is_lost.then(|| (own.clone(), reason));
                    returned = Some(message);
                    return u64::from(is_lost);
                }
            }
            1
        });
        if let (Some((own, reason)), Some(message)) = (lost, &returned) {
            self.shared.tell_lost(&own, message, reason);
        }
        self.desk().count_more_routed(routed, false);
        if let (Some(id), Some(own)) = (id, told) {
            self.shared.tell_accepted(id, &own);
        }
        if !later.is_empty() {
            self.finish(later, 1, &envelope, None);
        }
    }
}
