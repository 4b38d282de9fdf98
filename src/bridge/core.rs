//! The shared state of a bridge: the rules, the two buffers, the requests that have crossed, and how far it has come.

use super::buffer::{Buffer, Pushed};
use super::crossing::{Destination, Inbound, Offered, Outbound};
use super::event::{BridgeEvent, Events, events};
use super::headers;
use super::own_thread;
use super::registry::Member;
use super::reply::{Request, Requests};
use super::rule::{ListedRule, RuleKind, Rules};
use super::state::BridgeState;
use super::stats::BridgeStats;
use crate::id::ClientId;
use crate::interest::InterestWatcher;
use crate::receive::{SinkDelivery, SinkResult};
use crate::stats::DropReason;
use crate::sync::Mutex;
use crate::{Bus, Client, Message, Pattern, StatusCode, Subject, SubscriptionGuard};
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use tokio::sync::Notify;

/// How far the end of a bridge has come. Only ever grows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub(super) enum Phase {
    Open = 0,
    Draining = 1,
    Closed = 2,
}

pub(super) struct Core {
    pub(super) bus: Bus,
    /// The bridge's connection on the bus.
    pub(super) client: Client,
    /// Responses to requests from the server come to subjects with one token more.
    pub(super) bus_inbox: Subject,
    /// Responses to requests from the bus come to subjects with one token more. Made with the first connection, which knows the prefix.
    pub(super) server_inbox: OnceLock<String>,
    /// Exports and calls.
    pub(super) outgoing: Rules,
    /// Imports and serves.
    pub(super) incoming: Rules,
    /// By incoming rule: the interest on the bus in its messages.
    pub(super) wanted: Vec<InterestWatcher>,
    /// By outgoing rule: the interest on the bus in the messages that it takes.
    takers: Vec<InterestWatcher>,
    /// The interest on the bus in the responses to requests from the server.
    response_takers: InterestWatcher,
    /// The guards of the rules' sinks and, the last one, of the sink for responses. They know the core: emptied
    /// at the end.
    guards: Mutex<Arc<Vec<SubscriptionGuard>>>,
    pub(super) outbox: Buffer<Outbound>,
    pub(super) inbox: Buffer<Inbound>,
    /// Requests from the bus.
    pub(super) called: Requests,
    /// Requests from the server.
    pub(super) served: Requests,
    pub(super) member: Arc<Member>,
    pub(super) events: Events,
    state: Mutex<BridgeState>,
    state_changed: Notify,
    phase: AtomicU8,
    phase_changed: Notify,
    // ORDERING of the fields below: Relaxed; they only count.
    pub(super) responses: AtomicU64,
    pub(super) late_replies: AtomicU64,
    pub(super) connects: AtomicU64,
    pub(super) subscriptions: AtomicUsize,
    /// Whether the credentials were refused at the last attempt.
    pub(super) refused: AtomicBool,
}

impl std::fmt::Debug for Core {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Core").field("state", &self.state()).field("stats", &self.stats()).finish_non_exhaustive()
    }
}

/// The parts that a core is made of.
pub(super) struct Parts {
    pub(super) client: Client,
    pub(super) outgoing: Rules,
    pub(super) incoming: Rules,
    pub(super) outbox: Buffer<Outbound>,
    pub(super) inbox: Buffer<Inbound>,
    pub(super) requests_max: usize,
}

/// The subjects of responses to requests that have crossed: one token more than the inbox.
pub(super) fn responses_to(inbox: &Subject) -> Pattern {
    Pattern::new(format!("{inbox}.*")).expect("an inbox is a subject")
}

impl Core {
    pub(super) fn new(parts: Parts) -> Self {
        let Parts { client, outgoing, incoming, outbox, inbox, requests_max } = parts;
        let bus = client.bus();
        let interest = |pattern: Pattern| bus.interest(pattern).expect("a pattern is one").except(&client);
        let bus_inbox = client.new_inbox();
        let responses = responses_to(&bus_inbox);
        Core {
            wanted: incoming.iter().map(|listed| interest(listed.rule.destination())).collect(),
            takers: outgoing.iter().map(|listed| interest(listed.rule.pattern().clone())).collect(),
            response_takers: interest(responses),
            bus_inbox,
            server_inbox: OnceLock::new(),
            outgoing,
            incoming,
            guards: Mutex::default(),
            outbox,
            inbox,
            called: Requests::new(&bus, requests_max),
            served: Requests::new(&bus, requests_max),
            member: Member::join(bus.id(), client.id()),
            events: events(&bus),
            state: Mutex::new(BridgeState::Connecting { reason: None }),
            state_changed: Notify::new(),
            phase: AtomicU8::new(Phase::Open as u8),
            phase_changed: Notify::new(),
            responses: AtomicU64::new(0),
            late_replies: AtomicU64::new(0),
            connects: AtomicU64::new(0),
            subscriptions: AtomicUsize::new(0),
            refused: AtomicBool::new(false),
            client,
            bus,
        }
    }

    /// Takes a message that a rule's sink was shown. Runs while the bus routes: must not use it.
    ///
    /// The server gets it under the subject that it was routed by, as a wire carries no other.
    pub(super) fn offer(&self, rule: usize, delivery: &SinkDelivery<'_>) -> SinkResult {
        let (message, from) = (delivery.message(), delivery.publisher());
        let subject = delivery.routed_subject();
        let listed = self.outgoing.get(rule);
        if !self.outgoing.is_first(rule, subject, message.reply().is_some())
            || self.member.came_from_there(from)
            || (listed.is_open() && self.is_inbox(subject))
        {
            return SinkResult::Refused;
        }
        if *message.subject() == subject {
            return self.push(Destination::Rule(rule), message, from);
        }
        match message.clone().with_subject(subject) {
            Ok(message) => self.push(Destination::Rule(rule), &message, from),
            // A text of a lenient connection's, which could not be published there.
            Err(_) => SinkResult::Refused,
        }
    }

    /// The publisher waits if that is the policy; but the bus itself can't (`from` is `None`), and the thread that empties the
    /// buffer would wait for itself.
    fn push(&self, to: Destination, message: &Message, from: Option<ClientId>) -> SinkResult {
        let may_wait = self.outbox.waits().is_some() && from.is_some() && !own_thread::is_own();
        let offered = Offered { to, message };
        let make = || Outbound { to: offered.to.clone(), message: message.clone(), ended: 0 };
        match self.outbox.push(&offered, make, may_wait) {
            Pushed::Taken => SinkResult::Taken,
            Pushed::Full => SinkResult::Full,
            Pushed::Lost => SinkResult::Refused,
            Pushed::Last => {
                self.enter(Phase::Draining);
                SinkResult::Refused
            }
        }
    }

    /// Takes a response to a request from the server. Runs while the bus routes: must not use it.
    pub(super) fn offer_response(&self, delivery: &SinkDelivery<'_>) -> SinkResult {
        let (message, from) = (delivery.message(), delivery.publisher());
        let token = delivery.routed_subject().get(self.bus_inbox.len() + 1..).unwrap_or_default();
        let Some(request) = self.served.find(token) else {
            self.late_replies.fetch_add(1, Ordering::Relaxed);
            return SinkResult::Refused;
        };
        if from.is_none() && message.status() == Some(StatusCode::NO_RESPONDERS) {
            self.served.close(token);
            if !request.wants_no_responders {
                return SinkResult::Taken;
            }
            let message = headers::no_responders(&request.subject);
            return self.push(Destination::Response(request), &message, from);
        }
        self.push(Destination::Response(request), message, from)
    }

    /// Whether a subscription on the bus has got a request for which there is no responder on the server's side. The sinks of
    /// other bridges count as having got it, until they, too, have found no responder.
    pub(super) fn is_taken_here(&self, request: &Request) -> bool {
        let (taker, own) = match request.rule {
            Some(rule) => (&self.takers[rule], self.outgoing.get(rule).rule.queue.as_deref()),
            None => (&self.response_takers, None),
        };
        if !taker.is_wanted() {
            return false;
        }
        // Members of the bridge's own group have not got it: it is chosen last.
        let has_it = |queue: Option<&str>| queue.is_none() || queue != own;
        let matching = taker.matching(&request.subject);
        let matching = matching.iter().filter(|wanted| has_it(wanted.queue.as_deref()));
        let takers: usize = matching.map(|wanted| wanted.subscriptions).sum();
        let sinks = || self.outgoing.matching(&request.subject).map(|listed| listed.rule.queue.clone()).collect();
        takers > 0 && takers > self.member.found_no_responder(request, sinks, has_it)
    }

    /// The last one is that for responses.
    pub(super) fn keep(&self, guards: Vec<SubscriptionGuard>) {
        *self.guards.lock() = Arc::new(guards);
    }

    fn guards(&self) -> Arc<Vec<SubscriptionGuard>> {
        self.guards.lock().clone()
    }

    /// Takes no more messages for the rules; responses still.
    pub(super) fn stop_rules(&self) {
        if let Some((_responses, rules)) = self.guards().split_last() {
            rules.iter().for_each(SubscriptionGuard::unsubscribe);
        }
    }

    /// There is room in the buffer towards the server.
    pub(super) fn announce_room(&self) {
        if self.outbox.waits().is_some() {
            self.guards().iter().for_each(SubscriptionGuard::announce_room);
        }
    }

    /// Takes over a count of the bus: messages whose publishers waited in vain.
    pub(super) fn count_timeouts(&self) {
        if self.outbox.waits().is_some() {
            let of = |guard: &SubscriptionGuard| guard.ledger().dropped.of(DropReason::BlockTimeout);
            self.outbox.timed_out(self.guards().iter().map(of).sum());
        }
    }

    /// Messages for the server that were lost since this was last asked.
    pub(super) fn lost_since(&self) -> u64 {
        self.count_timeouts();
        self.outbox.lost_since()
    }

    /// Whether a subject is an inbox; rules that begin with a wildcard do not match inboxes.
    pub(super) fn is_inbox(&self, subject: &str) -> bool {
        let below = |root: &str| subject.strip_prefix(root).is_some_and(|rest| rest.starts_with('.'));
        below("_INBOX") || self.server_inbox.get().is_some_and(|root| below(root))
    }

    /// Whether acknowledgements of a delivery of JetStream go to the server by a rule: then its reply subject stays as it is on the
    /// bus, with the sequences in it.
    pub(super) fn keeps_reply(&self, reply: &str) -> bool {
        let exports = |rule: &ListedRule| rule.kind == RuleKind::Export && rule.rule.mapping.is_same();
        reply.starts_with("$JS.ACK.") && self.outgoing.matching(reply).any(exports)
    }

    pub(super) fn state(&self) -> BridgeState {
        self.state.lock().clone()
    }

    pub(super) fn set_state(&self, state: BridgeState) {
        {
            let mut now = self.state.lock();
            if *now == BridgeState::Closed {
                return;
            }
            *now = state;
        }
        self.state_changed.notify_waiters();
    }

    /// Messages flow.
    pub(super) fn connected(&self, server_id: String, server: String) {
        self.refused.store(false, Ordering::Relaxed);
        self.set_state(BridgeState::Connected { server_id: server_id.clone(), server: server.clone() });
        self.outbox.trouble_is_over();
        self.events.emit(|| BridgeEvent::Connected { server_id, server });
    }

    /// Waits until a look at the state gives something.
    ///
    /// Cancel safety: loses nothing.
    pub(super) async fn until<T>(&self, look: impl Fn(&BridgeState) -> Option<T>) -> T {
        loop {
            let changed = self.state_changed.notified();
            let mut changed = std::pin::pin!(changed);
            changed.as_mut().enable();
            if let Some(found) = look(&self.state.lock()) {
                return found;
            }
            changed.await;
        }
    }

    pub(super) fn phase(&self) -> Phase {
        match self.phase.load(Ordering::SeqCst) {
            0 => Phase::Open,
            1 => Phase::Draining,
            _ => Phase::Closed,
        }
    }

    pub(super) fn enter(&self, phase: Phase) {
        self.phase.fetch_max(phase as u8, Ordering::SeqCst);
        self.phase_changed.notify_waiters();
    }

    /// Waits until the bridge, or its bus, has come as far.
    pub(super) async fn reached(&self, phase: Phase) {
        loop {
            let changed = self.phase_changed.notified();
            let mut changed = std::pin::pin!(changed);
            changed.as_mut().enable();
            if self.phase() >= phase {
                return;
            }
            tokio::select! {
                () = changed => {}
                () = self.bus.closed() => return,
            }
        }
    }

    /// The last thing that is done: nothing is running any more.
    pub(super) fn finish(&self) {
        self.enter(Phase::Closed);
        self.guards().iter().for_each(SubscriptionGuard::unsubscribe);
        self.count_timeouts();
        let guards = std::mem::take(&mut *self.guards.lock());
        drop(guards);
        self.outbox.discard();
        self.inbox.discard();
        self.client.close();
        self.member.forget();
        self.outbox.attend_now(&self.events);
        self.inbox.attend_now(&self.events);
        self.set_state(BridgeState::Closed);
        self.events.close(BridgeEvent::Closed);
    }

    pub(super) fn stats(&self) -> BridgeStats {
        self.count_timeouts();
        BridgeStats {
            outgoing: self.outbox.flow(),
            incoming: self.inbox.flow(),
            responses: self.responses.load(Ordering::Relaxed),
            late_replies: self.late_replies.load(Ordering::Relaxed),
            connects: self.connects.load(Ordering::Relaxed),
            subscriptions: self.subscriptions.load(Ordering::Relaxed),
            open_requests: self.called.len() + self.served.len(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::buffer::Bounds;
    use super::super::event::Direction;
    use super::super::rule::{Rule, RuleKind};
    use super::*;
    use crate::{ConnectOptions, OverflowPolicy, steps};

    fn core(bus: &Bus, rule: &str) -> Core {
        let client = bus.connect_with(ConnectOptions::new().no_echo(true).lenient(true));
        let mut outgoing = Rules::default();
        outgoing.add(RuleKind::Call, Rule::new(rule).unwrap());
        let bounds = Bounds { messages: 8, bytes: 1 << 20, overflow: OverflowPolicy::DropNewest };
        Core::new(Parts {
            client,
            outgoing,
            incoming: Rules::default(),
            outbox: Buffer::new(Direction::Outgoing, bounds, bus.clock().clone()),
            inbox: Buffer::new(Direction::Incoming, bounds, bus.clock().clone()),
            requests_max: 8,
        })
    }

    fn request(subject: String) -> Request {
        Request { reply: "r".to_owned(), subject, rule: Some(0), wants_no_responders: true }
    }

    /// A client subscribes to many subjects of a rule, and another asks for many that have no responder.
    #[test]
    fn a_503_costs_what_a_match_costs() {
        steps::assert_linear(|n| {
            let bus = Bus::new();
            let core = core(&bus, "svc.>");
            let client = bus.connect();
            let all: Vec<_> = (0..n).map(|at| client.subscribe(format!("svc.{at}")).unwrap()).collect();
            for at in 0..n {
                assert!(!core.is_taken_here(&request(format!("svc.no.{at}"))));
            }
            assert!(core.is_taken_here(&request("svc.1".to_owned())));
            drop(all);
        });
    }

    /// Another subscription of the inbox that a response came to has got the response's own request.
    #[test]
    fn a_request_in_a_response_is_taken_where_its_inbox_is_listened_to() {
        let bus = Bus::new();
        let core = core(&bus, "svc.>");
        let back = |subject: String| Request { rule: None, ..request(subject) };
        let subject = format!("{}.1-2", core.bus_inbox);
        assert!(!core.is_taken_here(&back(subject.clone())));
        let spy = bus.connect().subscribe("_INBOX.>").unwrap();
        assert!(core.is_taken_here(&back(subject.clone())) && !core.is_taken_here(&request(subject)));
        drop(spy);
    }
}
