//! The effects of faults.

use super::FaultId;
use super::engine::{Afterwards, Engine, Offline, Rule, State, draw};
use super::fault::{Kind, Moment, Unlawful};
use crate::{
    ClientId, DelayedDelivery, DelayedMessage, DeliveryAction, MessageId, PublishAction, PublishContext,
    SubscriptionInfo,
};
use std::time::Duration;

/// How long a message waits at most for the next of its client to overtake it.
const LOOSE_WITHIN: Duration = Duration::from_millis(10);

/// The work that is left to do when the state's lock is free again.
#[derive(Default)]
struct Todo {
    kicks: Vec<ClientId>,
    /// At a time: what is due of a client's is released.
    release: Vec<(Duration, Vec<ClientId>)>,
    /// At a time: a message comes once more.
    again: Option<(Duration, MessageId)>,
    /// Copies that are lost.
    lost: Vec<DelayedDelivery>,
}

impl Engine {
    pub(in crate::testkit) fn publish(&self, publish: &PublishContext<'_>, id: MessageId) -> PublishAction {
        if publish.is_notice || !self.is_active() {
            return PublishAction::Route { id, times: 1 };
        }
        // Before the state is locked: this asks the matcher, under whose locks we are asked in turn.
        let reach = if publish.message.reply().is_some() { publish.reach() } else { 0 };
        let now = self.clock.now();
        let mut todo = Todo::default();
        let verdict = self.state.lock().publish(self, publish, id, reach, now, &mut todo);
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
        self.state.lock().deliver(self, id, publish, to, now)
    }

    pub(in crate::testkit) fn returned(&self, id: MessageId) {
        if !self.is_active() {
            return;
        }
        let now = self.clock.now();
        let mut todo = Todo::default();
        let (mut clients, mut loose) = (Vec::new(), Vec::new());
        {
            let mut state = self.state.lock();
            for step in state.afterwards.remove(&id).unwrap_or_default() {
                match step {
                    Afterwards::Overtaken(client) => {
                        if let Some(who) = state.clients.get_mut(&client) {
                            who.lag.overtaken(now);
                            clients.push(client);
                        }
                    }
                    Afterwards::Loose(client) => {
                        loose.extend(state.clients.get_mut(&client).into_iter().flat_map(|who| who.loose.pop_front()));
                    }
                    Afterwards::Kick(client) => todo.kicks.push(client),
                    Afterwards::Inbound(client, due) => todo.release.push((due, vec![client])),
                }
            }
        }
        self.carry_out(todo);
        release_all(loose);
        clients.into_iter().for_each(|client| self.release(client));
    }

    /// See [`TestKit::calm`](crate::testkit::TestKit::calm).
    pub(in crate::testkit) fn calm(&self) -> usize {
        let (mut held, mut loose) = (0, Vec::new());
        // Messages that were to come once more do not; they are dropped with no lock held.
        let (clients, _again): (Vec<ClientId>, _) = {
            let mut state = self.state.lock();
            state.lost_answers.clear();
            state.listeners.values_mut().for_each(|listener| (listener.late, listener.away) = (0, 0));
            for who in state.clients.values_mut() {
                who.offline = None;
                held += who.lag.hurry() + who.inbound.hurry();
                loose.extend(who.loose.drain(..));
            }
            for rule in &mut state.rules {
                rule.fault.times = 0;
            }
            (state.clients.keys().copied().collect(), std::mem::take(&mut state.again))
        };
        held += loose.len();
        release_all(loose);
        for client in clients {
            self.release(client);
            self.deliver_due(client, false);
        }
        held
    }

    fn carry_out(&self, todo: Todo) {
        let Todo { kicks, release, again, lost } = todo;
        drop(lost);
        for (at, clients) in release {
            let me = self.me.clone();
            let release = move || {
                if let Some(me) = me.upgrade() {
                    clients.into_iter().for_each(|client| me.come_back(client));
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
    fn come_back(&self, client: ClientId) {
        let now = self.clock.now();
        let loose: Vec<_> = {
            let mut state = self.state.lock();
            let Some(who) = state.clients.get_mut(&client) else { return };
            who.offline = who.offline.filter(|offline| offline.until > now);
            who.loose.drain(..).collect()
        };
        release_all(loose);
        self.release(client);
        self.deliver_due(client, false);
    }

    /// Delivers what is due of what is on its way to a client, in its order.
    ///
    /// `again` if this thread is at it already, and called something that wants it done now.
    pub(super) fn deliver_due(&self, client: ClientId, mut again: bool) {
        loop {
            let now = self.clock.now();
            let next = {
                let mut state = self.state.lock();
                let next = state.clients.get_mut(&client).and_then(|who| who.inbound.next(now, again));
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
    pub(super) fn release(&self, client: ClientId) {
        let mut again = false;
        loop {
            let now = self.clock.now();
            let next = {
                let mut state = self.state.lock();
                let Some(who) = state.clients.get_mut(&client) else { return };
                let next = if who.offline.is_some() { who.lag.stop(again) } else { who.lag.next(now, again) };
                match next {
                    Some(_) => state.is_heard(client),
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

impl State {
    fn publish(
        &mut self,
        engine: &Engine,
        publish: &PublishContext<'_>,
        id: MessageId,
        reach: usize,
        now: Duration,
        todo: &mut Todo,
    ) -> PublishAction {
        let (client, message) = (publish.client, publish.message);
        let subject = publish.routed_subject();
        let clients = &self.clients;
        let is_wire = clients.get(&client).is_some_and(|who| who.can_be_kicked);
        let concerned = |rule: &Rule| {
            let fault = &rule.fault;
            fault.moment() == Moment::Publish
                && fault.concerns_subject(subject)
                && match fault.names_victims() {
                    true => {
                        clients.values().any(|who| who.offline.is_none() && fault.concerns_client(who.name.as_deref()))
                    }
                    false => fault.concerns_client(publish.client_name),
                }
                && match fault.kind {
                    // A PONG tells a wire client that all it published before has been routed (C15).
                    Kind::Delay { .. } | Kind::Reorder { .. } => !is_wire,
                    Kind::NoResponders => message.reply().is_some() && reach > 0,
                    Kind::LostAnswer => message.reply().is_some(),
                    Kind::MaxPayload { max } => message.size() > max,
                    Kind::Unlawful(Unlawful::Corrupt) => !message.payload().is_empty(),
                    _ => true,
                }
        };
        // A message that goes nowhere yet, or no more, meets no fault of its own.
        let (offline, held_up) = clients
            .get(&client)
            .map_or((None, false), |who| (who.offline.filter(|offline| offline.until > now), who.lag.holds_up()));
        let is_lost = self.lost_answers.contains(subject);
        let may_happen = !is_lost && !held_up && offline.is_none();
        let drawn = draw(&mut self.rules, client, now, engine, may_happen, concerned);
        if is_lost {
            self.lost_answers.remove(subject);
            return PublishAction::Swallow;
        }
        let lag = &mut self.clients.entry(client).or_default().lag;
        if let Some(Offline { until, buffered, .. }) = offline {
            if !buffered {
                return PublishAction::Swallow;
            }
            lag.push(publish.delay(id), until);
            return PublishAction::Delay { id };
        }
        if held_up {
            let due = lag.due().unwrap_or(now);
            lag.push(publish.delay(id), due);
            return PublishAction::Delay { id };
        }
        let verdict = match drawn {
            Some(fault) => self.strike(engine, fault, publish, id, now, todo),
            None => PublishAction::Route { id, times: 1 },
        };
        if let PublishAction::Route { .. } | PublishAction::Replace { .. } = verdict {
            self.is_heard(client);
            self.overtake(client, subject, id);
        }
        verdict
    }

    /// A fault that is decided on when a message is published.
    fn strike(
        &mut self,
        engine: &Engine,
        fault: FaultId,
        publish: &PublishContext<'_>,
        id: MessageId,
        now: Duration,
        todo: &mut Todo,
    ) -> PublishAction {
        let (client, message) = (publish.client, publish.message);
        let subject = publish.routed_subject();
        let mut route = PublishAction::Route { id, times: 1 };
        let kind = self.rules[fault.fault].fault.kind.clone();
        let note = |state: &mut State, what: String| state.note(fault, now, client, subject, Some(id), what);
        match kind {
            Kind::LateSubscription { .. }
            | Kind::SubscribePermission
            | Kind::MemberAway { .. }
            | Kind::SlowConsumer
            | Kind::SlowDelivery { .. } => {}
            Kind::Delay { min, max } => {
                let delay = self.delay(fault, engine, min, max);
                if delay.is_zero() {
                    return route;
                }
                note(self, format!("delayed by {delay:?}"));
                let due = now.saturating_add(delay);
                self.clients.entry(client).or_default().lag.push(publish.delay(id), due);
                todo.release.push((due, vec![client]));
                return PublishAction::Delay { id };
            }
            Kind::Reorder { behind, within } => {
                note(self, format!("to be overtaken by {behind} messages of others"));
                let due = now.saturating_add(within);
                let lag = &mut self.clients.entry(client).or_default().lag;
                lag.push_behind(publish.delay(id), due, behind, fault.fault);
                todo.release.push((due, vec![client]));
                return PublishAction::Delay { id };
            }
            Kind::Redelivery { after } => {
                if let Some(reply) = message.reply() {
                    self.lost_answers.insert(reply.as_str().to_owned());
                }
                if after.is_zero() {
                    note(self, "delivered twice, its acknowledgement lost".into());
                    return PublishAction::Route { id, times: 2 };
                }
                note(self, format!("to be delivered again after {after:?}, its acknowledgement lost"));
                self.again.insert(id, publish.delay(id));
                todo.again = Some((now.saturating_add(after), id));
            }
            Kind::LostAnswer => {
                if let Some(reply) = message.reply() {
                    note(self, "its answer is to be lost".into());
                    self.lost_answers.insert(reply.as_str().to_owned());
                }
            }
            Kind::NoResponders => {
                note(self, "no responders".into());
                route = PublishAction::Unmatched;
            }
            Kind::Permission => {
                note(self, "permission denied".into());
                route = PublishAction::Deny;
            }
            Kind::MaxPayload { max } => {
                note(self, format!("{} bytes are more than {max}", message.size()));
                route = PublishAction::TooLarge { max };
            }
            Kind::Disconnect { time, buffered } => {
                let named = self.rules[fault.fault].fault.names_victims();
                let rule = &self.rules[fault.fault].fault;
                let victims: Vec<ClientId> = match named {
                    false => vec![client],
                    true => {
                        let concerned = self
                            .clients
                            .iter()
                            .filter(|(_, who)| rule.concerns_client(who.name.as_deref()) && who.offline.is_none());
                        concerned.map(|(client, _)| *client).collect()
                    }
                };
                let until = now.saturating_add(time);
                for victim in &victims {
                    let Some(who) = self.clients.get_mut(victim) else { continue };
                    if who.can_be_kicked {
                        todo.kicks.push(*victim);
                    } else {
                        who.offline = Some(Offline { until, buffered, losing: id });
                        todo.lost.extend(who.inbound.take());
                    }
                    self.note(fault, now, *victim, subject, Some(id), format!("disconnected for {time:?}"));
                }
                if victims.contains(&client) {
                    let kicked = self.clients.get(&client).is_some_and(|who| who.can_be_kicked);
                    route = if kicked { PublishAction::Closed } else { PublishAction::Swallow };
                }
                todo.release.push((until, victims));
            }
            Kind::Unlawful(Unlawful::Corrupt) => {
                let mut payload = message.payload().to_vec();
                let bit = self.luck_of(fault, engine) % (payload.len() as u64 * 8);
                payload[(bit / 8) as usize] ^= 1 << (bit % 8);
                note(self, format!("bit {bit} of the payload changed"));
                route = PublishAction::Replace { id, payload: payload.into() };
            }
            Kind::Unlawful(Unlawful::Lose) => {
                note(self, "lost without a reason".into());
                route = PublishAction::Swallow;
            }
            Kind::Unlawful(Unlawful::Duplicate) => {
                note(self, "delivered twice without a reason".into());
                route = PublishAction::Route { id, times: 2 };
            }
            Kind::Unlawful(Unlawful::Reorder) => {
                note(self, "to be overtaken by the next of its client".into());
                self.clients.entry(client).or_default().loose.push_back(publish.delay(id));
                todo.release.push((now.saturating_add(LOOSE_WITHIN), vec![client]));
                route = PublishAction::Delay { id };
            }
        }
        route
    }

    /// How long a message takes.
    fn delay(&self, fault: FaultId, engine: &Engine, min: Duration, max: Duration) -> Duration {
        let spread = u64::try_from((max - min).as_nanos()).unwrap_or(u64::MAX);
        let more = if spread == 0 { 0 } else { self.luck_of(fault, engine) % spread.saturating_add(1) };
        min + Duration::from_nanos(more)
    }

    /// Message `id` is about to be routed: notes the clients whose messages it overtakes.
    fn overtake(&mut self, client: ClientId, subject: &str, id: MessageId) {
        let State { clients, rules, afterwards, .. } = self;
        for (other, who) in clients {
            let waits = who.lag.waits_for_others_by().is_some_and(|fault| rules[fault].fault.concerns_subject(subject));
            if *other != client && waits {
                afterwards.entry(id).or_default().push(Afterwards::Overtaken(*other));
            } else if *other == client && !who.loose.is_empty() {
                afterwards.entry(id).or_default().push(Afterwards::Loose(client));
            }
        }
    }

    fn deliver(
        &mut self,
        engine: &Engine,
        id: MessageId,
        publish: &PublishContext<'_>,
        to: &SubscriptionInfo,
        now: Duration,
    ) -> DeliveryAction {
        let subject = publish.routed_subject();
        let Some(who) = self.clients.get(&to.client) else { return DeliveryAction::Pass };
        let (name, untracked, can_be_kicked) = (who.name.clone(), who.untracked, who.can_be_kicked);
        let held_up = who.inbound.holds_up();
        if let Some(offline) = who.offline.filter(|offline| offline.until > now) {
            return if offline.losing == id { DeliveryAction::Lose } else { DeliveryAction::Hide };
        }
        let has_other = to.queue.is_some() && self.has_other_member(to, subject, id);
        let Some(listener) = self.listeners.get_mut(&to.id) else { return DeliveryAction::Pass };
        if listener.late > 0 && publish.client != to.client {
            (listener.late, listener.unseen_by) = (listener.late - 1, Some(id));
            return DeliveryAction::Hide;
        }
        if listener.away > 0 {
            listener.away = if has_other { listener.away - 1 } else { 0 };
            if has_other {
                listener.unseen_by = Some(id);
                return DeliveryAction::Hide;
            }
        }
        let concerned = |rule: &Rule| {
            rule.fault.moment() == Moment::Deliver
                && rule.fault.concerns_subject(subject)
                && rule.fault.concerns_client(name.as_deref())
                && (!untracked || rule.fault.is_of_somebody())
                && match rule.fault.kind {
                    Kind::MemberAway { .. } => has_other,
                    // A PONG tells a wire client that it has all that was routed before (C15).
                    Kind::SlowDelivery { .. } => !can_be_kicked,
                    _ => true,
                }
        };
        // A copy that queues up meets no fault of its own.
        let drawn = draw(&mut self.rules, to.client, now, engine, !held_up, concerned);
        if held_up {
            return self.send_late(publish, to.client, now);
        }
        let Some(fault) = drawn else { return DeliveryAction::Pass };
        let note = |state: &mut State, what: String| state.note(fault, now, to.client, subject, Some(id), what);
        match self.rules[fault.fault].fault.kind {
            Kind::MemberAway { messages } => {
                note(self, format!("a member of `{}` away", to.queue.as_deref().unwrap_or_default()));
                if let Some(listener) = self.listeners.get_mut(&to.id) {
                    (listener.away, listener.unseen_by) = (messages.saturating_sub(1), Some(id));
                }
                DeliveryAction::Hide
            }
            Kind::SlowDelivery { min, max } => {
                let delay = self.delay(fault, engine, min, max);
                if delay.is_zero() {
                    return DeliveryAction::Pass;
                }
                note(self, format!("on its way for {delay:?}"));
                let due = now.saturating_add(delay);
                // Time is not ours to ask for while the bus routes.
                self.afterwards.entry(id).or_default().push(Afterwards::Inbound(to.client, due));
                self.send_late(publish, to.client, due)
            }
            Kind::SlowConsumer if can_be_kicked => {
                note(self, "too slow, and disconnected".into());
                self.afterwards.entry(id).or_default().push(Afterwards::Kick(to.client));
                DeliveryAction::Lose
            }
            _ => {
                note(self, "too slow".into());
                DeliveryAction::Full
            }
        }
    }

    /// Puts a copy on its way to a client, behind what is there; at `due` it is there at the earliest.
    fn send_late(&mut self, publish: &PublishContext<'_>, client: ClientId, due: Duration) -> DeliveryAction {
        let (Some(who), Some(copy)) = (self.clients.get_mut(&client), publish.delay_delivery()) else {
            return DeliveryAction::Pass;
        };
        who.inbound.push(copy, due);
        DeliveryAction::Delay
    }
}
