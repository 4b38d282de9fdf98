//! The state of chaos: clients, subscriptions, rules, and which fault comes next.

use super::delay_queue::DelayQueue;
use super::fault::Fault;
use super::listeners::Listeners;
use super::log::{FaultRecord, Log};
use super::streams::Sent;
use super::{FaultId, rng};
use crate::id::{ClientId, MessageId};
use crate::observe::{DelayedDelivery, DelayedMessage};
use crate::steps;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

#[derive(Default)]
pub(super) struct ChaosState {
    pub(super) rules: Vec<Rule>,
    pub(super) clients: BTreeMap<ClientId, ClientState>,
    /// The clients that have a name, by that name.
    pub(super) names: BTreeMap<String, BTreeSet<ClientId>>,
    /// Clients of which a message may wait to be overtaken.
    pub(super) overtakable: BTreeSet<ClientId>,
    pub(super) listeners: Listeners,
    /// Where the next answer is lost.
    pub(super) lost_answers: BTreeSet<String>,
    /// Messages that are to come once more.
    pub(super) again: BTreeMap<MessageId, DelayedMessage>,
    /// Actions that are to be done once a message has been routed.
    pub(super) post_routing: BTreeMap<MessageId, Vec<PostRouting>>,
    pub(super) log: Log,
    pub(super) draws: Draws,
}

/// The source of all choices.
#[derive(Clone, Default)]
pub(super) struct Draws {
    pub(super) seed: u64,
    /// Only these faults happen, of all that would.
    pub(super) only: Option<Arc<BTreeSet<FaultId>>>,
}

/// A fault, and how far it has come.
pub(super) struct Rule {
    pub(super) fault: Fault,
    /// The number that its choices follow from.
    key: u64,
    /// How often it could have happened.
    chances: u64,
    /// The same, for each client.
    pub(super) chances_of: BTreeMap<ClientId, u64>,
    /// How often it happened.
    happened: u64,
}

/// A client.
#[derive(Default)]
pub(super) struct ClientState {
    pub(super) name: Option<String>,
    pub(super) untracked: bool,
    pub(super) can_be_kicked: bool,
    pub(super) offline: Option<Offline>,
    /// The messages that it has published.
    pub(super) outbound: DelayQueue<DelayedMessage>,
    /// The copies that are to be delivered to it.
    pub(super) inbound: DelayQueue<DelayedDelivery>,
    /// Messages that its next one is to overtake, which is unlawful.
    pub(super) unordered: VecDeque<DelayedMessage>,
    /// It is closed, and goes when nothing of it waits.
    pub(super) closed: bool,
}

/// A client without a connection.
#[derive(Clone, Copy)]
pub(super) struct Offline {
    pub(super) until: Duration,
    pub(super) buffered: bool,
    /// The message that was on its way.
    pub(super) losing: MessageId,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum PostRouting {
    /// A client's first message that waits was overtaken.
    Overtaken(ClientId),
    /// A client's unordered messages were.
    Unordered(ClientId),
    /// A client is cut off.
    Kick(ClientId),
    /// A copy is on its way to a client until then.
    Inbound(ClientId, Duration),
    /// Something is published.
    Send(Sent),
}

impl ChaosState {
    pub(super) fn add(&mut self, fault: Fault) {
        let text = fault.to_string();
        let same = self.rules.iter().filter(|rule| rule.fault == fault).count();
        let key = rng::draw(&[rng::hash(&text), same as u64]);
        self.rules.push(Rule { fault, key, chances: 0, chances_of: BTreeMap::new(), happened: 0 });
    }

    pub(super) fn rules_and_clients(&mut self) -> (&mut [Rule], &BTreeMap<ClientId, ClientState>) {
        (&mut self.rules, &self.clients)
    }

    /// The number that decides what a fault leaves open.
    pub(super) fn random_of(&self, id: FaultId) -> u64 {
        rng::draw(&[self.draws.seed, self.rules[id.fault].key, id.client.get(), id.nth, 1])
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
            client_name: self.clients.get(&client).and_then(|state| state.name.clone()),
            subject: subject.to_owned(),
            message,
            what: what.into(),
            id,
        });
    }

    /// Forgets a client that is closed and of which nothing waits.
    pub(super) fn forget(&mut self, client: ClientId) {
        let over = |state: &ClientState| {
            state.closed && state.outbound.is_idle() && state.inbound.is_idle() && state.unordered.is_empty()
        };
        if self.clients.get(&client).is_some_and(over) {
            let name = self.clients.remove(&client).and_then(|state| state.name);
            if let Some(name) = name
                && let Some(same) = self.names.get_mut(&name)
            {
                same.remove(&client);
                if same.is_empty() {
                    self.names.remove(&name);
                }
            }
            for rule in &mut self.rules {
                rule.chances_of.remove(&client);
            }
        }
    }

    /// A client connected.
    pub(super) fn enter(&mut self, client: ClientId, entered: ClientState) {
        if let Some(name) = &entered.name {
            self.names.entry(name.clone()).or_default().insert(client);
        }
        self.clients.insert(client, entered);
    }

    /// Message `id` is about to be routed: notes the clients whose messages it overtakes.
    pub(super) fn overtake(&mut self, client: ClientId, subject: &str, id: MessageId) {
        let ChaosState { clients, rules, post_routing, overtakable, .. } = self;
        let mut actions: Vec<(ClientId, PostRouting)> = Vec::new();
        overtakable.retain(|other| {
            steps::count(1);
            let fault = clients.get(other).and_then(|state| state.outbound.waits_for_others_by());
            if let Some(fault) = fault
                && *other != client
                && rules[fault].fault.concerns_subject(subject)
            {
                actions.push((*other, PostRouting::Overtaken(*other)));
            }
            clients.get(other).is_some_and(|state| !state.outbound.is_empty())
        });
        if clients.get(&client).is_some_and(|state| !state.unordered.is_empty()) {
            actions.push((client, PostRouting::Unordered(client)));
        }
        if !actions.is_empty() {
            actions.sort_by_key(|(client, _)| *client);
            post_routing.entry(id).or_default().extend(actions.into_iter().map(|(_, action)| action));
        }
    }
}

/// The clients of a name that are connected, in the order of connecting.
pub(super) fn connected<'a>(
    names: &'a BTreeMap<String, BTreeSet<ClientId>>,
    clients: &'a BTreeMap<ClientId, ClientState>,
    name: &str,
) -> impl Iterator<Item = ClientId> + use<'a> {
    let of_name = names.get(name).into_iter().flatten().copied();
    of_name.filter(|client| clients.get(client).is_some_and(|state| state.offline.is_none()))
}

/// Gives each fault that is concerned its chance, and gives back the first that happens. The others that would have happened, don't: two
/// at once would hide each other. None does unless `may_happen`.
pub(super) fn draw(
    rules: &mut [Rule],
    client: ClientId,
    now: Duration,
    draws: &Draws,
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
        let drawn = rng::draw(&[draws.seed, rule.key, client.get(), id.nth]);
        if !rule.fault.is_now(nth, now) || rule.happened >= rule.fault.times || !rule.fault.is_drawn(drawn) {
            continue;
        }
        if may_happen && first.is_none() && draws.only.as_ref().is_none_or(|only| only.contains(&id)) {
            rule.happened += 1;
            first = Some(id);
        }
    }
    first
}
