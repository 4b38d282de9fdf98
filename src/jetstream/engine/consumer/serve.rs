//! Handing messages out: which message is next, and where it goes (JC71, JC83, JC100, JC213).

use super::config::{AckPolicy, PriorityPolicy};
use super::context::Context;
use super::machine::{Consumer, send_status};
use super::pin::Pin;
use super::pull::{Place, Served};
use super::status::Status;
use crate::jetstream::engine::effect::{Delivery, Effect, Event};
use crate::jetstream::engine::header;
use crate::jetstream::engine::read::StoredMessage;
use crate::jetstream::engine::time::span;
use crate::message::StreamStep;
use crate::subject::Subject;
use bytes::Bytes;
use smol_str::SmolStr;
use std::fmt::Write;

/// The message that is next.
enum Next {
    New(u64),
    Again(u64),
    /// Too many wait for acknowledgements (JC100).
    Stalled,
    None,
}

impl Consumer {
    /// Hands out what there is, to those who wait for it.
    pub(crate) fn serve(&mut self, context: &mut Context<'_>) {
        if self.is_paused(context.now) {
            self.end_pass(context);
            return;
        }
        loop {
            let is_ready = match &self.push {
                Some(push) => push.is_bound && !push.is_stalled(),
                None => !self.requests.is_empty(),
            };
            if !is_ready {
                break;
            }
            let (seq, is_new) = match self.next_message(context) {
                Next::New(seq) => (seq, true),
                Next::Again(seq) => (seq, false),
                Next::Stalled => return,
                Next::None => break,
            };
            let Some(message) = context.messages.get(seq) else { break };
            let delivery = self.draft(context, &message, is_new);
            if !self.pace.may_pass(seq, message.time(), delivery.size() as u64, context.now) {
                return;
            }
            let is_out = match &self.push {
                Some(_) => {
                    self.send_push(context, delivery, is_new);
                    true
                }
                None => self.send_pull(context, delivery, is_new),
            };
            if !is_out {
                break;
            }
            self.pace.passed(seq, message.time());
        }
        self.end_pass(context);
    }

    fn next_message(&mut self, context: &mut Context<'_>) -> Next {
        while let Some(seq) = self.pending.next_queued() {
            let deliveries = self.pending.get(seq).map_or(0, |entry| i64::from(entry.deliveries));
            if context.messages.get(seq).is_none() {
                // It went while its filters were others, or with a purge that left it (JC119).
                self.forget(context, seq);
            } else if self.config.max_deliver > 0 && deliveries >= self.config.max_deliver {
                self.exhaust(seq, context);
            } else {
                return Next::Again(seq);
            }
        }
        if self.is_full() {
            return Next::Stalled;
        }
        self.cursor.peek(context.messages).map_or(Next::None, Next::New)
    }

    /// A delivery as it goes out, but for its destination and its pin; nothing is changed.
    fn draft(&self, context: &Context<'_>, message: &StoredMessage<'_>, is_new: bool) -> Draft {
        let deliveries = self.pending.get(message.seq()).map_or(0, |entry| entry.deliveries) + 1;
        let left = self.cursor.num_pending() - u64::from(is_new);
        let mut reply = String::with_capacity(96);
        let (seq, cseq, time) = (message.seq(), self.delivered.consumer + 1, message.time().as_nanos());
        write!(reply, "$JS.ACK.{}.{}.{deliveries}.{seq}.{cseq}.{time}.{left}", context.stream, self.name)
            .expect("a String takes everything");
        let (head, payload) = message.shared();
        let (head, payload) = match self.config.headers_only {
            false => (head, payload),
            true => {
                let mut head = head.to_vec();
                header::append(&mut head, "Nats-Msg-Size", payload.len().to_string().as_bytes());
                (head.into(), Bytes::new())
            }
        };
        let subject = Subject::unchecked(SmolStr::new(message.subject()));
        Draft { seq, subject, reply: Subject::unchecked(reply.into()), head, payload }
    }

    fn send_push(&mut self, context: &mut Context<'_>, draft: Draft, is_new: bool) {
        let Some(to) = self.push.as_ref().map(|push| push.to.clone()) else { return };
        // The server counts the subject that it delivers to.
        let bytes = (draft.size() - draft.subject.len() + to.len()) as u64;
        self.send(context, draft, to.clone(), is_new, None);
        let heartbeat = span(self.config.idle_heartbeat);
        let Some(push) = &mut self.push else { return };
        push.next_heartbeat = (!heartbeat.is_zero()).then(|| context.now.after(heartbeat));
        if let Some(reply) = push.sent(bytes, context.stream, &self.name, context.rng) {
            let status = Box::new(Status::new(100, "FlowControl Request"));
            context.effects.push_back(Effect::Status { to, reply: Some(reply), status });
        }
    }

    /// Gives a message to the first request that may have it; `false` if there is none.
    fn send_pull(&mut self, context: &mut Context<'_>, draft: Draft, is_new: bool) -> bool {
        let size = draft.size() as i64;
        let Some(place) = self.choose(context, size) else { return false };
        let Some(waiting) = self.requests.get(place) else { return false };
        let (inbox, pins) = (waiting.inbox.clone(), !waiting.is_plain);
        let is_pinned = self.config.priority_policy == PriorityPolicy::PinnedClient;
        if is_pinned && self.pin.is_none() && pins {
            let timeout = span(self.config.priority_timeout);
            let pin = Pin::new(waiting.group.clone(), context.now, timeout, context.rng);
            context.advise(&self.name, Event::Pinned { group: pin.group.clone(), id: pin.id.clone() });
            if let Some(waiting) = self.requests.get_mut(place) {
                waiting.pin = pin.id.clone();
            }
            self.pin = Some(pin);
        }
        // A request that can't be pinned gets an empty pin, as the server sends it.
        let pin = is_pinned.then(|| self.pin.as_ref().map(|pin| pin.id.clone()).unwrap_or_default());
        self.send(context, draft, inbox.clone(), is_new, pin);
        if let Served::Completed(left) = self.requests.serve(place, size, context.now) {
            send_status(context, inbox, Status::conflict("Batch Completed").with_left(left));
        }
        true
    }

    /// The request whose turn it is (JC70, JC71, JC170, JC176); those that can't have the message are ended or passed over.
    fn choose(&mut self, context: &mut Context<'_>, size: i64) -> Option<Place> {
        let policy = self.config.priority_policy;
        let mut next = self.requests.first();
        let mut turns = self.requests.len();
        while let Some(place) = next {
            let waiting = self.requests.get(place)?;
            let wrong_pin = match &self.pin {
                Some(pin) => !waiting.pin.is_empty() && waiting.pin != pin.id,
                None => !waiting.pin.is_empty(),
            };
            let has_to_wait = match policy {
                PriorityPolicy::Overflow => !self.overflows(waiting.min_pending, waiting.min_ack_pending),
                PriorityPolicy::PinnedClient => self.pin.is_some() && waiting.pin.is_empty(),
                _ => false,
            };
            let refused = if policy == PriorityPolicy::PinnedClient && wrong_pin {
                Some(Status::new(423, "Nats-Wrong-Pin-Id"))
            } else if has_to_wait {
                if turns == 0 {
                    return None;
                }
                turns -= 1;
                next = match policy {
                    PriorityPolicy::Overflow => {
                        let behind = self.requests.behind(place);
                        let rotated = self.requests.rotate(place);
                        behind.or(rotated)
                    }
                    _ => self.requests.behind(place),
                };
                continue;
            } else if waiting.bytes_left.is_some_and(|left| size > left) {
                Some(Status::conflict("Message Size Exceeds MaxBytes"))
            } else if !context.interest.has_interest(&waiting.inbox) {
                None
            } else {
                return Some(place);
            };
            let behind = self.requests.behind(place);
            let waiting = self.requests.remove(place)?;
            if let Some(status) = refused {
                let left = waiting.left();
                send_status(context, waiting.inbox, status.with_left(left));
            }
            next = behind;
        }
        None
    }

    /// Whether so much is pending that a request of an overflow group gets its share; without a threshold it always does.
    fn overflows(&self, min_pending: u64, min_ack_pending: u64) -> bool {
        let is_free = min_pending == 0 && min_ack_pending == 0;
        is_free
            || (min_pending > 0 && self.cursor.num_pending() >= min_pending)
            || (min_ack_pending > 0 && self.pending.len() as u64 >= min_ack_pending)
    }

    /// Sends a message, and remembers that it went.
    fn send(&mut self, context: &mut Context<'_>, draft: Draft, to: Subject, is_new: bool, pin: Option<SmolStr>) {
        let Draft { seq, subject, reply, mut head, payload } = draft;
        self.delivered.consumer += 1;
        self.delivered.stream = self.delivered.stream.max(seq);
        self.delivered.last_active = Some(context.now);
        self.active = context.now;
        if is_new {
            self.cursor.take(seq);
            self.ledger.delivered += 1;
        } else {
            self.ledger.redelivered += 1;
        }
        let expects_acks = self.config.ack_policy != AckPolicy::None;
        let deliveries = match expects_acks {
            true => self.pending.deliver(seq, self.delivered.consumer, context.now, &self.waits),
            false => 1,
        };
        context.steps.add(|| StreamStep::Delivered { consumer: self.name.clone(), seq, deliveries });
        if !expects_acks {
            (self.floor.consumer, self.floor.stream) = (self.delivered.consumer, self.delivered.stream);
            self.ledger.acked += 1;
            context.steps.add(|| StreamStep::Acked { consumer: self.name.clone(), seq });
            context.done.push(seq);
        }
        if let Some(pin) = pin {
            let mut block = head.to_vec();
            header::append(&mut block, "Nats-Pin-Id", pin.as_bytes());
            head = block.into();
        }
        let delivery = Delivery { consumer: self.id, to, subject, reply, head, payload };
        context.effects.push_back(Effect::Deliver(Box::new(delivery)));
    }
}

/// A message on its way out.
struct Draft {
    seq: u64,
    subject: Subject,
    reply: Subject,
    head: Bytes,
    payload: Bytes,
}

impl Draft {
    /// Bytes as limits count them (JC71).
    fn size(&self) -> usize {
        self.subject.len() + self.reply.len() + self.head.len() + self.payload.len()
    }
}
