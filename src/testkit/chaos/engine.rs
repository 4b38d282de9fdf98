//! Chaos of one kit: what the bus asks it and tells it, and the work that follows.

use super::Chaos;
use super::act::Todo;
use super::fault::{Fault, Kind, Moment};
use super::log::{self, FaultRecord};
use super::state::{ChaosState, ClientState, Draws, PostRouting, Rule, draw};
use super::streams::Sent;
use crate::id::{ClientId, MessageId};
use crate::observe::{ClientInfo, DelayedMessage, DeliveryAction, PublishAction, PublishContext, SubscriptionInfo};
use crate::publish::RawMessage;
use crate::sync::Mutex;
use crate::testkit::schedule::Schedule;
use crate::{Bus, Client, Clock, ConnectOptions, Pattern, Payload};
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Weak};

/// Decides on faults for one kit.
///
/// G4: the state's lock is held neither while the bus is used, apart from asking a message's connection for a handle, nor while a message
/// is dropped.
pub(in crate::testkit) struct Engine {
    me: Weak<Engine>,
    draws: Draws,
    clock: Clock,
    schedule: Schedule,
    /// To cut off clients. `None` before the bus is there and after the kit's end: the bus holds on to us.
    bus: Mutex<Option<Bus>>,
    /// To publish what faults need, once one does. Its own messages meet no fault.
    client: Mutex<Option<Client>>,
    /// There are faults, or were. ORDERING: Relaxed; only spares a look at the state, and a test that injects a fault while other
    /// threads publish doesn't know which of their messages it meets first.
    active: AtomicBool,
    pub(super) state: Mutex<ChaosState>,
}

impl Engine {
    pub(in crate::testkit) fn new(chaos: Chaos, seed: u64, clock: Clock, schedule: Schedule) -> Arc<Self> {
        let mut state = ChaosState::default();
        state.log.witness = chaos.witness;
        let draws = Draws { seed, only: chaos.only };
        state.draws = draws.clone();
        let any = !chaos.faults.is_empty();
        chaos.faults.into_iter().for_each(|fault| state.add(fault));
        Arc::new_cyclic(|me| Engine {
            me: me.clone(),
            draws,
            clock,
            schedule,
            bus: Mutex::default(),
            client: Mutex::default(),
            active: AtomicBool::new(any),
            state: Mutex::new(state),
        })
    }

    pub(in crate::testkit) fn start(&self, bus: &Bus) {
        *self.bus.lock() = Some(bus.clone());
    }

    pub(in crate::testkit) fn seed(&self) -> u64 {
        self.draws.seed
    }

    fn is_active(&self) -> bool {
        self.active.load(Relaxed)
    }

    pub(in crate::testkit) fn inject(&self, fault: Fault) {
        self.state.lock().add(fault);
        self.active.store(true, Relaxed);
    }

    pub(in crate::testkit) fn log(&self) -> Vec<FaultRecord> {
        self.state.lock().log.records().to_vec()
    }

    /// False where there was no chaos, or where a witness looks at the log.
    fn is_worth_telling(&self) -> bool {
        let state = self.state.lock();
        !state.rules.is_empty() && state.log.witness.is_none()
    }

    /// See [`TestKit::report`](crate::TestKit::report).
    pub(in crate::testkit) fn report(&self) -> String {
        let state = self.state.lock();
        let faults: String = state
            .rules
            .iter()
            .enumerate()
            .map(|(number, rule)| format!("  fault {number}: {}\n", rule.fault))
            .collect();
        log::text(self.draws.seed, &faults, state.log.records(), state.log.count())
    }

    pub(in crate::testkit) fn connected(&self, client: &ClientInfo<'_>) {
        let client_state = ClientState {
            name: client.name.map(str::to_owned),
            untracked: client.untracked,
            can_be_kicked: client.can_be_kicked,
            ..ClientState::default()
        };
        self.state.lock().enter(client.client, client_state);
    }

    pub(in crate::testkit) fn disconnected(&self, client: ClientId) {
        // Dropped with no lock held: its receiver is gone.
        let _inbound = {
            let mut state = self.state.lock();
            state.clients.get_mut(&client).map(|client_state| {
                client_state.closed = true;
                client_state.offline = None;
                // A client that closes in order sends first the messages that it has (D8).
                client_state.outbound.hurry();
                client_state.inbound.take()
            })
        };
        self.release(client);
    }

    pub(in crate::testkit) fn may_subscribe(&self, client: ClientId, pattern: &Pattern, queue: Option<&str>) -> bool {
        if !self.is_active() {
            return true;
        }
        let now = self.clock.now();
        let mut state = self.state.lock();
        let (rules, clients) = state.rules_and_clients();
        let client_state = clients.get(&client);
        let concerned = |rule: &Rule| {
            rule.fault.moment() == Moment::AskToSubscribe
                && rule.fault.concerns_pattern(pattern)
                && rule.fault.concerns_client(client_state.and_then(|client_state| client_state.name.as_deref()))
                && (rule.fault.is_of_somebody() || client_state.is_none_or(|client_state| !client_state.untracked))
        };
        let Some(id) = draw(rules, client, now, &self.draws, true, concerned) else { return true };
        let what = match queue {
            Some(queue) => format!("permission to subscribe in queue group `{queue}` denied"),
            None => "permission to subscribe denied".to_owned(),
        };
        state.note(id, now, client, pattern.as_str(), None, what);
        false
    }

    pub(in crate::testkit) fn subscribed(&self, subscription: &SubscriptionInfo) {
        let now = self.clock.now();
        let mut state = self.state.lock();
        let client_state = state.clients.get(&subscription.client);
        let (name, untracked) =
            client_state.map_or((None, false), |client_state| (client_state.name.clone(), client_state.untracked));
        // A wire client asks with a PING whether its subscription is in force, and must be told the truth (C15).
        let is_wire = client_state.is_some_and(|client_state| client_state.can_be_kicked);
        let concerned = |rule: &Rule| {
            rule.fault.moment() == Moment::Subscribe
                && !is_wire
                && rule.fault.concerns_pattern(&subscription.pattern)
                && rule.fault.concerns_client(name.as_deref())
                && (!untracked || rule.fault.is_of_somebody())
        };
        let mut late = 0;
        if let Some(id) = draw(&mut state.rules, subscription.client, now, &self.draws, true, concerned)
            && let Kind::LateSubscription { messages } = state.rules[id.fault].fault.kind
        {
            late = messages;
            let what = format!("not in force for {messages} messages of others");
            state.note(id, now, subscription.client, subscription.pattern.as_str(), None, what);
        }
        state.listeners.insert(subscription, late);
    }

    /// A client that drains a subscription first gets the messages on their way to it (D7).
    pub(in crate::testkit) fn draining(&self, subscription: &SubscriptionInfo) {
        if !self.is_active() {
            return;
        }
        let again = match self.state.lock().clients.get_mut(&subscription.client) {
            Some(client_state) => {
                client_state.inbound.hurry();
                client_state.inbound.is_released_here()
            }
            None => return,
        };
        self.deliver_due(subscription.client, again);
    }

    pub(in crate::testkit) fn ended(&self, subscription: &SubscriptionInfo) {
        self.state.lock().listeners.remove(subscription.id);
    }

    /// The end of the kit: nothing is held any more. Says what happened if the test panics.
    pub(in crate::testkit) fn close(&self) {
        if std::thread::panicking() && self.is_worth_telling() {
            eprintln!("{}", self.report());
        }
        self.active.store(false, Relaxed);
        let bus = (self.bus.lock().take(), self.client.lock().take());
        let state = std::mem::take(&mut *self.state.lock());
        drop((bus, state));
    }

    pub(in crate::testkit) fn publish(&self, publish: &PublishContext<'_>, id: MessageId) -> PublishAction {
        if publish.is_notice || !self.is_active() || self.is_own(publish.client) {
            return PublishAction::Route { id, times: 1 };
        }
        // Before the state is locked: this asks the matcher, under whose locks we are asked in turn.
        let reach = if publish.message.reply().is_some() { publish.reach() } else { 0 };
        let now = self.clock.now();
        let mut todo = Todo::default();
        let verdict = self.state.lock().publish(publish, id, reach, now, &mut todo);
        self.carry_out(todo);
        verdict
    }

    /// Asked while the bus routes.
    pub(in crate::testkit) fn deliver(
        &self,
        id: MessageId,
        publish: &PublishContext<'_>,
        to: &SubscriptionInfo,
    ) -> DeliveryAction {
        if !self.is_active() {
            return DeliveryAction::Pass;
        }
        let now = self.clock.now();
        self.state.lock().deliver(id, publish, to, now)
    }

    pub(in crate::testkit) fn returned(&self, id: MessageId) {
        if !self.is_active() {
            return;
        }
        let now = self.clock.now();
        let mut todo = Todo::default();
        let (mut clients, mut unordered) = (Vec::new(), Vec::new());
        {
            let mut state = self.state.lock();
            for step in state.post_routing.remove(&id).unwrap_or_default() {
                match step {
                    PostRouting::Overtaken(client) => {
                        if let Some(client_state) = state.clients.get_mut(&client) {
                            client_state.outbound.overtaken(now);
                            clients.push(client);
                        }
                    }
                    PostRouting::Unordered(client) => {
                        unordered.extend(
                            state
                                .clients
                                .get_mut(&client)
                                .into_iter()
                                .flat_map(|client_state| client_state.unordered.pop_front()),
                        );
                    }
                    PostRouting::Kick(client) => todo.kicks.push(client),
                    PostRouting::Send(sent) => todo.sent.push(sent),
                    PostRouting::Inbound(client, due) => todo.release.push((due, vec![client])),
                }
            }
        }
        self.carry_out(todo);
        release_all(unordered);
        clients.into_iter().for_each(|client| self.release(client));
    }

    /// See [`TestKit::clear_faults`](crate::TestKit::clear_faults).
    pub(in crate::testkit) fn clear_faults(&self) -> usize {
        let (mut held, mut unordered) = (0, Vec::new());
        // Messages that were to come once more do not; they are dropped with no lock held.
        let (clients, _again): (Vec<ClientId>, _) = {
            let mut state = self.state.lock();
            state.lost_answers.clear();
            state.listeners.clear();
            for client_state in state.clients.values_mut() {
                client_state.offline = None;
                held += client_state.outbound.hurry() + client_state.inbound.hurry();
                unordered.extend(client_state.unordered.drain(..));
            }
            for rule in &mut state.rules {
                rule.fault.times = 0;
            }
            (state.clients.keys().copied().collect(), std::mem::take(&mut state.again))
        };
        held += unordered.len();
        release_all(unordered);
        for client in clients {
            self.release(client);
            self.deliver_due(client, false);
        }
        held
    }

    fn is_own(&self, client: ClientId) -> bool {
        self.client.lock().as_ref().is_some_and(|own| own.id() == client)
    }

    /// Publishes what a fault needs.
    fn send(&self, sent: Sent) {
        let Some(client) = self.client() else { return };
        let message = RawMessage::new(&sent.subject, Payload::from(&[][..])).headers(sent.head);
        // The bus may be closed.
        drop(client.publish_raw(message));
    }

    /// `None` before the bus is there and after the kit's end.
    fn client(&self) -> Option<Client> {
        if let Some(client) = &*self.client.lock() {
            return Some(client.clone());
        }
        let bus = self.bus.lock().clone()?;
        // Made with no lock held: we are told of it.
        let options = ConnectOptions::new().name("chaos").untracked(true).lenient(true).reserved(true);
        let made = bus.connect_with(options.no_responders(false));
        let first = self.client.lock().get_or_insert_with(|| made.clone()).clone();
        // Dropped with no lock held, if another thread was first.
        drop(made);
        Some(first)
    }

    fn carry_out(&self, todo: Todo) {
        let Todo { kicks, release, again, lost, sent } = todo;
        drop(lost);
        sent.into_iter().for_each(|sent| self.send(sent));
        for (at, clients) in release {
            let me = self.me.clone();
            let release = move || {
                if let Some(me) = me.upgrade() {
                    clients.into_iter().for_each(|client| me.catch_up(client));
                }
            };
            self.schedule.at(at, release);
        }
        if let Some((at, id)) = again {
            let me = self.me.clone();
            let again = move || {
                let held = me.upgrade().and_then(|me| me.state.lock().again.remove(&id));
                held.map(DelayedMessage::release);
            };
            self.schedule.at(at, again);
        }
        if !kicks.is_empty() {
            let bus = self.bus.lock().clone();
            for client in kicks {
                bus.as_ref().map(|bus| bus.kick(client));
            }
        }
    }

    /// Time has come for something of a client's.
    fn catch_up(&self, client: ClientId) {
        let now = self.clock.now();
        let unordered: Vec<_> = {
            let mut state = self.state.lock();
            let Some(client_state) = state.clients.get_mut(&client) else { return };
            client_state.offline = client_state.offline.filter(|offline| offline.until > now);
            client_state.unordered.drain(..).collect()
        };
        release_all(unordered);
        self.release(client);
        self.deliver_due(client, false);
    }

    /// Delivers what is due of what is on its way to a client, in its order.
    ///
    /// `again` if this thread is at it already, and called something that wants it done now.
    fn deliver_due(&self, client: ClientId, mut again: bool) {
        loop {
            let now = self.clock.now();
            let next = {
                let mut state = self.state.lock();
                let next =
                    state.clients.get_mut(&client).and_then(|client_state| client_state.inbound.next(now, again));
                if next.is_none() {
                    state.forget(client);
                }
                next
            };
            let Some(held) = next else { return };
            held.release();
            again = true;
        }
    }

    /// Routes what is due of a client's, in its order.
    fn release(&self, client: ClientId) {
        let mut again = false;
        loop {
            let now = self.clock.now();
            let next = {
                let mut state = self.state.lock();
                let Some(client_state) = state.clients.get_mut(&client) else { return };
                let next = if client_state.offline.is_some() {
                    client_state.outbound.stop(again)
                } else {
                    client_state.outbound.next(now, again)
                };
                match next {
                    Some(_) => state.listeners.heard(client),
                    None => state.forget(client),
                }
                next
            };
            let Some(held) = next else { return };
            held.release();
            again = true;
        }
    }
}

fn release_all(held: Vec<DelayedMessage>) {
    for held in held {
        held.release();
    }
}

#[cfg(test)]
mod tests {
    use crate::testkit::{Chaos, Fault};
    use crate::{ConnectOptions, TestKit};
    use std::time::Duration;

    #[test]
    fn clients_that_are_gone_are_forgotten() {
        let chaos =
            Chaos::new().with(Fault::delay(Duration::from_secs(1)).of("late")).with(Fault::permission().chance(0.0));
        let kit = TestKit::builder().chaos(chaos).build();
        for name in ["app", "late"] {
            for _ in 0..100 {
                let client = kit.bus().connect_with(ConnectOptions::new().name(name));
                let all = client.subscribe("a").unwrap();
                client.publish("a", "").unwrap();
                drop(all);
            }
        }
        kit.clock().advance(Duration::from_secs(1));
        let state = kit.0.observer.chaos.state.lock();
        assert_eq!(
            (state.clients.len(), state.names.len(), state.listeners.len(), state.post_routing.len()),
            (0, 0, 0, 0)
        );
        assert!(state.rules.iter().all(|rule| rule.chances_of.is_empty()));
    }

    /// Chaos that looks at all that happens, and changes nothing.
    fn watchful() -> Chaos {
        Chaos::new()
            .with(Fault::late_subscription(1).chance(0.0))
            .with(Fault::member_away(1).chance(0.0))
            .with(Fault::reorder(1).chance(0.0))
            .with(Fault::disconnect(Duration::from_secs(1)).of("somebody").chance(0.0))
    }

    /// G6: neither a message nor a subscription makes the kit look at all subscriptions.
    #[test]
    fn many_listeners_cost_no_square() {
        crate::steps::assert_linear(|listeners| {
            let kit = TestKit::builder().chaos(watchful()).build();
            let app = kit.bus().connect();
            let guards: Vec<_> = (0..listeners)
                .map(|n| {
                    let plain = app.subscribe_fn(format!("plain.{n}"), drop).unwrap();
                    let queue = kit.bus().connect().queue_subscribe(format!("queue.{n}"), "workers").unwrap();
                    (plain, queue)
                })
                .collect();
            for n in 0..listeners {
                app.publish(format!("plain.{n}"), "").unwrap();
                app.publish(format!("queue.{n}"), "").unwrap();
            }
            drop(guards);
        });
    }

    /// G6: the same with one message that all have.
    #[test]
    fn a_message_to_many_costs_no_square() {
        crate::steps::assert_linear(|listeners| {
            let kit = TestKit::builder().chaos(watchful()).build();
            let app = kit.bus().connect();
            let guards: Vec<_> = (0..listeners).map(|_| app.subscribe_fn("all", drop).unwrap()).collect();
            assert_eq!(app.publish("all", ""), Ok(listeners));
            drop(guards);
        });
    }

    /// G6: what was published, and what was listened to.
    #[test]
    fn many_broken_contracts_cost_no_square() {
        crate::steps::assert_linear(|listeners| {
            let kit = TestKit::new();
            let app = kit.bus().connect();
            let guards: Vec<_> =
                (0..listeners).map(|n| app.subscribe_fn(format!("wanted.{n}"), drop).unwrap()).collect();
            for n in 0..listeners {
                app.publish(format!("other.{n}"), "").unwrap();
            }
            let contracts = kit.contracts();
            assert_eq!((contracts.unmatched.len(), contracts.idle.len()), (listeners, listeners));
            drop(guards);
        });
    }
}
