//! Whether a fault happens now.

use super::fault::{Fault, Kind, Moment};
use super::lag::Lag;
use super::log::{self, FaultRecord, Log};
use super::{Chaos, FaultId, luck};
use crate::subject::Pattern;
use crate::sync::Mutex;
use crate::testkit::schedule::Schedule;
use crate::{
    Bus, ClientId, ClientInfo, Clock, DelayedDelivery, DelayedMessage, MessageId, SubscriptionId, SubscriptionInfo,
};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Weak};
use std::time::Duration;

/// Decides on faults for one kit.
///
/// G4: the state's lock is held neither while the bus is used, apart from asking a message's connection for a handle, nor while a message
/// is dropped.
pub(in crate::testkit) struct Engine {
    pub(super) me: Weak<Engine>,
    seed: u64,
    pub(super) clock: Clock,
    pub(super) schedule: Schedule,
    /// To cut off clients. `None` before the bus is there and after the kit's end: the bus holds on to us.
    pub(super) bus: Mutex<Option<Bus>>,
    only: Option<Arc<BTreeSet<FaultId>>>,
    /// There are faults, or were. ORDERING: Relaxed; only spares a look at the state, and a test that injects a fault while other
    /// threads publish doesn't know which of their messages it meets first.
    active: AtomicBool,
    pub(super) state: Mutex<State>,
}

#[derive(Default)]
pub(super) struct State {
    pub(super) rules: Vec<Rule>,
    pub(super) clients: BTreeMap<ClientId, Who>,
    pub(super) listeners: BTreeMap<SubscriptionId, Listener>,
    /// Where the next answer is lost.
    pub(super) lost_answers: BTreeSet<String>,
    /// Messages that are to come once more.
    pub(super) again: BTreeMap<MessageId, DelayedMessage>,
    /// Actions that are to be done once a message has been routed.
    pub(super) afterwards: BTreeMap<MessageId, Vec<Afterwards>>,
    pub(super) log: Log,
}

/// A fault, and how far it has come.
pub(super) struct Rule {
    pub(super) fault: Fault,
    /// The number that its luck follows from.
    key: u64,
    /// How often it could have happened.
    chances: u64,
    /// The same, for each client.
    chances_of: BTreeMap<ClientId, u64>,
    /// How often it happened.
    happened: u64,
}

/// A client.
#[derive(Default)]
pub(super) struct Who {
    pub(super) name: Option<String>,
    pub(super) untracked: bool,
    pub(super) can_be_kicked: bool,
    pub(super) offline: Option<Offline>,
    /// The messages that it has published.
    pub(super) lag: Lag<DelayedMessage>,
    /// The copies that are to be delivered to it.
    pub(super) inbound: Lag<DelayedDelivery>,
    /// Messages that its next one is to overtake, which is unlawful.
    pub(super) loose: VecDeque<DelayedMessage>,
    /// It is closed, and goes when nothing of it waits.
    closed: bool,
}

/// A client without a connection.
#[derive(Clone, Copy)]
pub(super) struct Offline {
    pub(super) until: Duration,
    pub(super) buffered: bool,
    /// The message that was on its way.
    pub(super) losing: MessageId,
}

/// A subscription.
pub(super) struct Listener {
    pub(super) info: SubscriptionInfo,
    /// Messages of others that it does not see yet.
    pub(super) late: u64,
    /// Messages that it is away for, as a member of its queue group.
    pub(super) away: u64,
    /// The last message that did not see it. It is not there for that one, though it may be for the next.
    pub(super) unseen_by: Option<MessageId>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Afterwards {
    /// A client's first message that waits was overtaken.
    Overtaken(ClientId),
    /// A client's loose messages were.
    Loose(ClientId),
    /// A client is cut off.
    Kick(ClientId),
    /// A copy is on its way to a client until then.
    Inbound(ClientId, Duration),
}

impl Engine {
    pub(in crate::testkit) fn new(chaos: Chaos, seed: u64, clock: Clock, schedule: Schedule) -> Arc<Self> {
        let mut state = State::default();
        state.log.witness = chaos.witness;
        let any = !chaos.faults.is_empty();
        chaos.faults.into_iter().for_each(|fault| state.add(fault));
        Arc::new_cyclic(|me| Engine {
            me: me.clone(),
            seed,
            clock,
            schedule,
            bus: Mutex::default(),
            only: chaos.only,
            active: AtomicBool::new(any),
            state: Mutex::new(state),
        })
    }

    pub(in crate::testkit) fn start(&self, bus: &Bus) {
        *self.bus.lock() = Some(bus.clone());
    }

    pub(in crate::testkit) fn seed(&self) -> u64 {
        self.seed
    }

    pub(super) fn is_active(&self) -> bool {
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

    /// See [`TestKit::report`](crate::testkit::TestKit::report).
    pub(in crate::testkit) fn report(&self) -> String {
        let state = self.state.lock();
        let faults: String = state
            .rules
            .iter()
            .enumerate()
            .map(|(number, rule)| format!("  fault {number}: {}\n", rule.fault))
            .collect();
        log::text(self.seed, &faults, state.log.records(), state.log.count())
    }

    pub(in crate::testkit) fn connected(&self, client: &ClientInfo<'_>) {
        let who = Who {
            name: client.name.map(str::to_owned),
            untracked: client.untracked,
            can_be_kicked: client.can_be_kicked,
            ..Who::default()
        };
        self.state.lock().clients.insert(client.client, who);
    }

    pub(in crate::testkit) fn disconnected(&self, client: ClientId) {
        // Dropped with no lock held: its receiver is gone.
        let _inbound = {
            let mut state = self.state.lock();
            state.clients.get_mut(&client).map(|who| {
                who.closed = true;
                who.offline = None;
                // A client that closes in order sends first the messages that it has (D8).
                who.lag.hurry();
                who.inbound.take()
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
        let who = clients.get(&client);
        let concerned = |rule: &Rule| {
            rule.fault.moment() == Moment::AskToSubscribe
                && rule.fault.concerns_pattern(pattern)
                && rule.fault.concerns_client(who.and_then(|who| who.name.as_deref()))
                && (rule.fault.is_of_somebody() || who.is_none_or(|who| !who.untracked))
        };
        let Some(id) = draw(rules, client, now, self, true, concerned) else { return true };
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
        let who = state.clients.get(&subscription.client);
        let (name, untracked) = who.map_or((None, false), |who| (who.name.clone(), who.untracked));
        // A wire client asks with a PING whether its subscription is in force, and must be told the truth (C15).
        let is_wire = who.is_some_and(|who| who.can_be_kicked);
        let concerned = |rule: &Rule| {
            rule.fault.moment() == Moment::Subscribe
                && !is_wire
                && rule.fault.concerns_pattern(&subscription.pattern)
                && rule.fault.concerns_client(name.as_deref())
                && (!untracked || rule.fault.is_of_somebody())
        };
        let mut late = 0;
        if let Some(id) = draw(&mut state.rules, subscription.client, now, self, true, concerned)
            && let Kind::LateSubscription { messages } = state.rules[id.fault].fault.kind
        {
            late = messages;
            let what = format!("not in force for {messages} messages of others");
            state.note(id, now, subscription.client, subscription.pattern.as_str(), None, what);
        }
        let listener = Listener { info: subscription.clone(), late, away: 0, unseen_by: None };
        state.listeners.insert(subscription.id, listener);
    }

    /// A client that drains a subscription first gets the messages on their way to it (D7).
    pub(in crate::testkit) fn draining(&self, subscription: &SubscriptionInfo) {
        if !self.is_active() {
            return;
        }
        let again = match self.state.lock().clients.get_mut(&subscription.client) {
            Some(who) => {
                who.inbound.hurry();
                who.inbound.is_released_here()
            }
            None => return,
        };
        self.deliver_due(subscription.client, again);
    }

    pub(in crate::testkit) fn ended(&self, subscription: &SubscriptionInfo) {
        self.state.lock().listeners.remove(&subscription.id);
    }

    /// The end of the kit: nothing is held any more. Says what happened if the test panics.
    pub(in crate::testkit) fn close(&self) {
        if std::thread::panicking() && self.is_worth_telling() {
            eprintln!("{}", self.report());
        }
        self.active.store(false, Relaxed);
        let bus = self.bus.lock().take();
        let state = std::mem::take(&mut *self.state.lock());
        drop((bus, state));
    }
}

impl State {
    fn add(&mut self, fault: Fault) {
        let text = fault.to_string();
        let same = self.rules.iter().filter(|rule| rule.fault == fault).count();
        let key = luck::draw(&[luck::hash(&text), same as u64]);
        self.rules.push(Rule { fault, key, chances: 0, chances_of: BTreeMap::new(), happened: 0 });
    }

    fn rules_and_clients(&mut self) -> (&mut [Rule], &BTreeMap<ClientId, Who>) {
        (&mut self.rules, &self.clients)
    }

    /// Luck for what a fault leaves open.
    pub(super) fn luck_of(&self, id: FaultId, engine: &Engine) -> u64 {
        luck::draw(&[engine.seed, self.rules[id.fault].key, id.client.get(), id.nth, 1])
    }

    /// Writes a fault down.
    pub(super) fn note(
        &mut self,
        id: FaultId,
        at: Duration,
        client: ClientId,
        subject: &str,
        message: Option<MessageId>,
        what: impl Into<String>,
    ) {
        self.log.enter(FaultRecord {
            number: 0,
            at,
            fault: id.fault,
            permitted_by: self.rules[id.fault].fault.permitted_by(),
            client,
            client_name: self.clients.get(&client).and_then(|who| who.name.clone()),
            subject: subject.to_owned(),
            message,
            what: what.into(),
            id,
        });
    }

    /// Forgets a client that is closed and of which nothing waits.
    pub(super) fn forget(&mut self, client: ClientId) {
        let over = |who: &Who| who.closed && who.lag.is_elapsed() && who.inbound.is_elapsed() && who.loose.is_empty();
        if self.clients.get(&client).is_some_and(over) {
            self.clients.remove(&client);
            for rule in &mut self.rules {
                rule.chances_of.remove(&client);
            }
        }
    }

    /// The subscriptions of a client are in force: it has published something since, and the two arrive in order (C15).
    pub(super) fn is_heard(&mut self, client: ClientId) {
        let own = self.listeners.values_mut().filter(|listener| listener.info.client == client);
        own.for_each(|listener| listener.late = 0);
    }

    /// Whether a queue group has another member that message `id` could go to.
    pub(super) fn has_other_member(&self, of: &SubscriptionInfo, subject: &str, id: MessageId) -> bool {
        self.listeners.values().any(|listener| {
            let other = &listener.info;
            other.id != of.id
                && other.queue == of.queue
                && other.pattern.matches(subject)
                && (listener.late, listener.away) == (0, 0)
                && listener.unseen_by != Some(id)
                && self.clients.get(&other.client).is_some_and(|who| who.offline.is_none())
        })
    }
}

/// Gives each fault that is concerned its chance, and gives back the first that happens. The others that would have happened, don't: two
/// at once would hide each other. None does unless `may_happen`.
pub(super) fn draw(
    rules: &mut [Rule],
    client: ClientId,
    now: Duration,
    engine: &Engine,
    may_happen: bool,
    concerned: impl Fn(&Rule) -> bool,
) -> Option<FaultId> {
    let mut first = None;
    for (fault, rule) in rules.iter_mut().enumerate() {
        if !concerned(rule) {
            continue;
        }
        let of_client = rule.chances_of.entry(client).or_default();
        let id = FaultId { fault, client, nth: *of_client };
        let nth = rule.chances;
        *of_client += 1;
        rule.chances += 1;
        let drawn = luck::draw(&[engine.seed, rule.key, client.get(), id.nth]);
        if !rule.fault.is_now(nth, now) || rule.happened >= rule.fault.times || !rule.fault.is_drawn(drawn) {
            continue;
        }
        if may_happen && first.is_none() && engine.only.as_ref().is_none_or(|only| only.contains(&id)) {
            rule.happened += 1;
            first = Some(id);
        }
    }
    first
}

#[cfg(test)]
mod tests {
    use crate::ConnectOptions;
    use crate::testkit::{Chaos, Fault, TestKit};
    use std::time::Duration;

    #[test]
    fn who_is_gone_is_forgotten() {
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
        let state = kit.book().chaos.state.lock();
        assert_eq!((state.clients.len(), state.listeners.len(), state.afterwards.len()), (0, 0, 0));
        assert!(state.rules.iter().all(|rule| rule.chances_of.is_empty()));
    }
}
