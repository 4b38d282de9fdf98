//! The effects of faults.

use super::FaultId;
use super::fault::{Kind, Moment, Violation};
use super::state::{ChaosState, Offline, PostRouting, Rule, connected, draw};
use super::streams::{self, Sent};
use crate::id::{ClientId, MessageId};
use crate::observe::{DelayedDelivery, DeliveryAction, PublishAction, PublishContext, SubscriptionInfo};
use std::time::Duration;

/// How long a message waits at most for the next of its client to overtake it.
const UNORDERED_WITHIN: Duration = Duration::from_millis(10);

/// The work that is left to do when the state's lock is free again.
#[derive(Default)]
pub(super) struct Todo {
    pub(super) kicks: Vec<ClientId>,
    /// At a time: what is due of a client's is released.
    pub(super) release: Vec<(Duration, Vec<ClientId>)>,
    /// At a time: a message comes once more.
    pub(super) again: Option<(Duration, MessageId)>,
    /// Copies that are lost.
    pub(super) lost: Vec<DelayedDelivery>,
    /// Published by chaos itself, before the message at hand is routed.
    pub(super) sent: Vec<Sent>,
}

impl ChaosState {
    pub(super) fn publish(
        &mut self,
        publish: &PublishContext<'_>,
        id: MessageId,
        reach: usize,
        now: Duration,
        todo: &mut Todo,
    ) -> PublishAction {
        let (client, message) = (publish.client, publish.message);
        let subject = publish.routed_subject();
        let (clients, names) = (&self.clients, &self.names);
        let is_wire = clients.get(&client).is_some_and(|state| state.can_be_kicked);
        let concerned = |rule: &Rule| {
            let fault = &rule.fault;
            fault.moment() == Moment::Publish
                && fault.concerns_subject(if fault.goes_by_shown_subject() {
                    message.subject().as_str()
                } else {
                    subject
                })
                && match fault.victims() {
                    Some(name) => connected(names, clients, name).next().is_some(),
                    None => fault.concerns_client(publish.client_name),
                }
                && match fault.kind {
                    // A PONG tells a wire client that all it published before has been routed (C15).
                    Kind::Delay { .. } | Kind::Reorder { .. } => !is_wire,
                    Kind::NoResponders => message.reply().is_some() && reach > 0,
                    Kind::LostAnswer => message.reply().is_some(),
                    Kind::MaxPayload { max } => message.size() > max,
                    Kind::Violation(Violation::Corrupt) => !message.payload().is_empty(),
                    _ => streams::concerns(&fault.kind, publish).unwrap_or(true),
                }
        };
        // A message that goes nowhere yet, or no more, meets no fault of its own.
        let (offline, held_up) = clients.get(&client).map_or((None, false), |state| {
            (state.offline.filter(|offline| offline.until > now), state.outbound.holds_up())
        });
        let is_lost = self.lost_answers.contains(subject);
        let may_happen = !is_lost && !held_up && offline.is_none();
        let drawn = draw(&mut self.rules, client, now, &self.draws, may_happen, concerned);
        if is_lost {
            self.lost_answers.remove(subject);
            return PublishAction::Swallow;
        }
        let outbound = &mut self.clients.entry(client).or_default().outbound;
        if let Some(Offline { until, buffered, .. }) = offline {
            if !buffered {
                return PublishAction::Swallow;
            }
            outbound.push(publish.delay(id), until);
            return PublishAction::Delay { id };
        }
        if held_up {
            let due = outbound.due().unwrap_or(now);
            outbound.push(publish.delay(id), due);
            return PublishAction::Delay { id };
        }
        let verdict = match drawn {
            Some(fault) => self.apply(fault, publish, id, now, todo),
            None => PublishAction::Route { id, times: 1 },
        };
        if let PublishAction::Route { .. } | PublishAction::Replace { .. } = verdict {
            self.listeners.heard(client);
            self.overtake(client, subject, id);
        }
        verdict
    }

    /// A fault that is decided on when a message is published.
    fn apply(
        &mut self,
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
        let note = |state: &mut ChaosState, what: String| state.note(fault, now, client, subject, Some(id), what);
        match kind {
            Kind::LateSubscription { .. }
            | Kind::SubscribePermission
            | Kind::MemberAway { .. }
            | Kind::SlowConsumer
            | Kind::SlowDelivery { .. } => {}
            Kind::Delay { min, max } => {
                let delay = self.delay(fault, min, max);
                if delay.is_zero() {
                    return route;
                }
                note(self, format!("delayed by {delay:?}"));
                let due = now.saturating_add(delay);
                self.clients.entry(client).or_default().outbound.push(publish.delay(id), due);
                todo.release.push((due, vec![client]));
                return PublishAction::Delay { id };
            }
            Kind::Reorder { behind, within } => {
                note(self, format!("to be overtaken by {behind} messages of others"));
                let due = now.saturating_add(within);
                let outbound = &mut self.clients.entry(client).or_default().outbound;
                outbound.push_behind(publish.delay(id), due, behind, fault.fault);
                self.overtakable.insert(client);
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
            Kind::LostAck => {
                note(self, "acknowledgement lost".into());
                route = PublishAction::Swallow;
            }
            Kind::LateRedelivery { after } => {
                note(self, format!("redelivered {after:?} late"));
                self.again.insert(id, publish.delay(id));
                todo.again = Some((now.saturating_add(after), id));
                route = PublishAction::Delay { id };
            }
            Kind::ConsumerDeleted => {
                note(self, "its consumer deleted while it waits".into());
                let deletion = streams::deletion(subject).map(PostRouting::Send);
                self.post_routing.entry(id).or_default().extend(deletion);
            }
            Kind::ConsumerGone => {
                note(self, "its consumer gone before it arrives".into());
                todo.sent.extend(streams::deletion(subject));
            }
            Kind::PullEnded => {
                note(self, "ended by a server that shuts down".into());
                todo.sent.extend(streams::end_of_pull(publish));
                route = PublishAction::Swallow;
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
                let victims: Vec<ClientId> = match self.rules[fault.fault].fault.victims() {
                    None => vec![client],
                    Some(name) => connected(&self.names, &self.clients, name).collect(),
                };
                let until = now.saturating_add(time);
                for victim in &victims {
                    let Some(state) = self.clients.get_mut(victim) else { continue };
                    if state.can_be_kicked {
                        todo.kicks.push(*victim);
                    } else {
                        state.offline = Some(Offline { until, buffered, losing: id });
                        todo.lost.extend(state.inbound.take());
                    }
                    self.note(fault, now, *victim, subject, Some(id), format!("disconnected for {time:?}"));
                }
                if victims.contains(&client) {
                    let kicked = self.clients.get(&client).is_some_and(|state| state.can_be_kicked);
                    route = if kicked { PublishAction::Closed } else { PublishAction::Swallow };
                }
                todo.release.push((until, victims));
            }
            Kind::Violation(Violation::Corrupt) => {
                let mut payload = message.payload().to_vec();
                let bit = self.random_of(fault) % (payload.len() as u64 * 8);
                payload[(bit / 8) as usize] ^= 1 << (bit % 8);
                note(self, format!("bit {bit} of the payload changed"));
                route = PublishAction::Replace { id, payload: payload.into() };
            }
            Kind::Violation(Violation::Lose) => {
                note(self, "lost without a reason".into());
                route = PublishAction::Swallow;
            }
            Kind::Violation(Violation::Duplicate) => {
                note(self, "delivered twice without a reason".into());
                route = PublishAction::Route { id, times: 2 };
            }
            Kind::Violation(Violation::Reorder) => {
                note(self, "to be overtaken by the next of its client".into());
                self.clients.entry(client).or_default().unordered.push_back(publish.delay(id));
                todo.release.push((now.saturating_add(UNORDERED_WITHIN), vec![client]));
                route = PublishAction::Delay { id };
            }
        }
        route
    }

    /// How long a message takes.
    fn delay(&self, fault: FaultId, min: Duration, max: Duration) -> Duration {
        let spread = u64::try_from((max - min).as_nanos()).unwrap_or(u64::MAX);
        let more = if spread == 0 { 0 } else { self.random_of(fault) % spread.saturating_add(1) };
        min + Duration::from_nanos(more)
    }

    pub(super) fn deliver(
        &mut self,
        id: MessageId,
        publish: &PublishContext<'_>,
        to: &SubscriptionInfo,
        now: Duration,
    ) -> DeliveryAction {
        let subject = publish.routed_subject();
        let Some(state) = self.clients.get(&to.client) else { return DeliveryAction::Pass };
        let (name, untracked, can_be_kicked) = (state.name.clone(), state.untracked, state.can_be_kicked);
        let held_up = state.inbound.holds_up();
        if let Some(offline) = state.offline.filter(|offline| offline.until > now) {
            return if offline.losing == id { DeliveryAction::Lose } else { DeliveryAction::Hide };
        }
        if !self.listeners.contains(to.id) {
            return DeliveryAction::Pass;
        }
        if publish.client != to.client && self.listeners.is_late(to.id, id) {
            return DeliveryAction::Hide;
        }
        let is_connected = |client| self.clients.get(&client).is_some_and(|state| state.offline.is_none());
        let has_other = self.listeners.has_other_member(to, subject, id, is_connected);
        let away = self.listeners.away(to.id);
        if away > 0 {
            self.listeners.set_away(to.id, if has_other { away - 1 } else { 0 }, has_other.then_some(id));
            if has_other {
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
        let drawn = draw(&mut self.rules, to.client, now, &self.draws, !held_up, concerned);
        if held_up {
            return self.send_late(publish, to.client, now);
        }
        let Some(fault) = drawn else { return DeliveryAction::Pass };
        let note = |state: &mut ChaosState, what: String| state.note(fault, now, to.client, subject, Some(id), what);
        match self.rules[fault.fault].fault.kind {
            Kind::MemberAway { messages } => {
                note(self, format!("a member of `{}` away", to.queue.as_deref().unwrap_or_default()));
                self.listeners.set_away(to.id, messages.saturating_sub(1), Some(id));
                DeliveryAction::Hide
            }
            Kind::SlowDelivery { min, max } => {
                let delay = self.delay(fault, min, max);
                if delay.is_zero() {
                    return DeliveryAction::Pass;
                }
                note(self, format!("on its way for {delay:?}"));
                let due = now.saturating_add(delay);
                // Time is not ours to ask for while the bus routes.
                self.post_routing.entry(id).or_default().push(PostRouting::Inbound(to.client, due));
                self.send_late(publish, to.client, due)
            }
            Kind::SlowConsumer if can_be_kicked => {
                note(self, "too slow, and disconnected".into());
                self.post_routing.entry(id).or_default().push(PostRouting::Kick(to.client));
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
        let (Some(state), Some(copy)) = (self.clients.get_mut(&client), publish.delay_delivery()) else {
            return DeliveryAction::Pass;
        };
        state.inbound.push(copy, due);
        DeliveryAction::Delay
    }
}
