//! One thread, any sequence of operations: the bus and the model agree after every step.
//!
//! The model can't know which member of a group gets a message: it looks which counter moved, and insists that it was exactly one
//! and one that could take it.

use super::model::{Item, Subscription, matches};
use postroom::error::TryRecvError;
use postroom::stats::DropReason;
use postroom::{
    Bus, Client, Clock, ConnectOptions, Limits, Message, OverflowPolicy, PublishError, Publisher, SubscribeError,
    SubscribeOptions, Subscriber,
};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::test_runner::TestRunner;
use std::collections::HashMap;
use std::time::Duration;

const SUBJECTS: [&str; 5] = ["a.b", "a.c", "b", "a.b.c", "c.b"];
const PATTERNS: [&str; 8] = ["a.b", "a.*", "*", "a.>", ">", "*.b", "b", "*.*.>"];
const QUEUES: [Option<&str>; 4] = [None, None, Some("g"), Some("h")];
const POLICIES: [OverflowPolicy; 4] = [
    OverflowPolicy::DropNewest,
    OverflowPolicy::DropOldest,
    OverflowPolicy::Block(Duration::ZERO),
    OverflowPolicy::Close,
];
/// The second one is no-echo.
const CLIENTS: usize = 3;
/// Stands for the client of a subscription if that was closed.
const GONE: usize = usize::MAX;

#[derive(Clone, Debug)]
enum Op {
    Subscribe { client: usize, pattern: usize, queue: usize, capacity: usize, capacity_bytes: usize },
    Publish { client: usize, subject: usize, size: usize, prepared: bool },
    Ask { client: usize, subject: usize, reply: usize },
    Receive { which: usize, count: usize },
    Unsubscribe { which: usize },
    UnsubscribeAfter { which: usize, limit: u64 },
    DrainSubscriber { which: usize },
    Drop { which: usize },
    DrainClient { client: usize },
    CloseClient { client: usize },
}

fn op() -> impl Strategy<Value = Op> {
    let (client, subject, which) = (0..CLIENTS, 0..SUBJECTS.len(), 0usize..100);
    let capacity = prop_oneof![1usize..5, 60usize..70];
    let subscribe =
        (client.clone(), 0..PATTERNS.len(), 0..QUEUES.len(), capacity, prop_oneof![Just(1usize << 20), 5usize..60]);
    prop_oneof![
        4 => subscribe.prop_map(|(client, pattern, queue, capacity, capacity_bytes)| {
            Op::Subscribe { client, pattern, queue, capacity, capacity_bytes }
        }),
        12 => (client.clone(), subject.clone(), 1usize..12, any::<bool>())
            .prop_map(|(client, subject, size, prepared)| Op::Publish { client, subject, size, prepared }),
        3 => (client.clone(), subject.clone(), subject).prop_map(|(client, subject, reply)| Op::Ask { client, subject, reply }),
        5 => (which.clone(), 1usize..8).prop_map(|(which, count)| Op::Receive { which, count }),
        1 => which.clone().prop_map(|which| Op::Unsubscribe { which }),
        1 => (which.clone(), 0u64..8).prop_map(|(which, limit)| Op::UnsubscribeAfter { which, limit }),
        1 => which.clone().prop_map(|which| Op::DrainSubscriber { which }),
        1 => which.prop_map(|which| Op::Drop { which }),
        1 => client.clone().prop_map(|client| Op::DrainClient { client }),
        1 => client.prop_map(|client| Op::CloseClient { client }),
    ]
}

#[derive(Clone, Copy, PartialEq)]
enum Phase {
    Open,
    Draining,
    Closed,
}

struct Run {
    bus: Bus,
    policy: OverflowPolicy,
    clients: Vec<(Client, Phase)>,
    publishers: HashMap<(usize, usize), Publisher>,
    /// The handle is gone once it was dropped; the model's part stays for the sums.
    subscriptions: Vec<(Option<Subscriber>, Subscription)>,
    published: u64,
    unmatched: u64,
}

impl Run {
    fn new(shards: usize, route_cache_entries: usize, policy: OverflowPolicy) -> Self {
        let mut limits = Limits::default();
        limits.route_cache_entries = route_cache_entries;
        let bus = Bus::builder().limits(limits).shards(shards).clock(Clock::manual()).build();
        let mut run = Run {
            bus,
            policy,
            clients: vec![],
            publishers: HashMap::new(),
            subscriptions: vec![],
            published: 0,
            unmatched: 0,
        };
        for n in 0..CLIENTS {
            let client = run.connect(n);
            run.clients.push((client, Phase::Open));
        }
        run
    }

    fn connect(&self, n: usize) -> Client {
        let options = ConnectOptions::new();
        self.bus.connect_with(options.no_echo(n == 1))
    }

    fn pick(&self, which: usize) -> Option<usize> {
        let live: Vec<usize> = (0..self.subscriptions.len()).filter(|&at| self.subscriptions[at].0.is_some()).collect();
        (!live.is_empty()).then(|| live[which % live.len()])
    }

    fn step(&mut self, op: &Op) {
        match *op {
            Op::Subscribe { client, pattern, queue, capacity, capacity_bytes } => {
                let options =
                    SubscribeOptions::new().capacity(capacity).capacity_bytes(capacity_bytes).overflow(self.policy);
                let queue = QUEUES[queue];
                let options = queue.into_iter().fold(options, |options, queue| options.queue(queue));
                let made = self.clients[client].0.subscribe_with(PATTERNS[pattern], options);
                if self.clients[client].1 == Phase::Open {
                    let bounds = (capacity, capacity_bytes);
                    let model = Subscription::new(client, PATTERNS[pattern], queue, bounds, self.policy);
                    self.subscriptions.push((Some(made.unwrap()), model));
                } else {
                    assert_eq!(made.map(drop).unwrap_err(), SubscribeError::Closed);
                }
            }
            Op::Publish { client, subject, size, prepared } => {
                self.publish(client, SUBJECTS[subject], size, None, prepared)
            }
            Op::Ask { client, subject, reply } => {
                self.publish(client, SUBJECTS[subject], 1, Some(SUBJECTS[reply]), false)
            }
            Op::Receive { which, count } => {
                let Some(at) = self.pick(which) else { return };
                (0..count).for_each(|_| self.receive(at));
            }
            Op::Unsubscribe { which } => {
                let Some(at) = self.pick(which) else { return };
                self.subscriptions[at].0.as_ref().unwrap().unsubscribe();
                self.subscriptions[at].1.open = false;
            }
            Op::UnsubscribeAfter { which, limit } => {
                let Some(at) = self.pick(which) else { return };
                self.subscriptions[at].0.as_ref().unwrap().unsubscribe_after(limit);
                self.subscriptions[at].1.unsubscribe_after(limit);
            }
            Op::DrainSubscriber { which } => {
                let Some(at) = self.pick(which) else { return };
                let _ = self.subscriptions[at].0.as_ref().unwrap().drain();
                self.subscriptions[at].1.open = false;
            }
            Op::Drop { which } => {
                let Some(at) = self.pick(which) else { return };
                drop(self.subscriptions[at].0.take());
                self.subscriptions[at].1.discard();
                self.finish_drain(self.subscriptions[at].1.client);
                self.reconnect_if_closed(self.subscriptions[at].1.client);
            }
            Op::DrainClient { client } => {
                let _ = self.clients[client].0.drain();
                if self.clients[client].1 == Phase::Open {
                    self.clients[client].1 = Phase::Draining;
                    self.end_all(client);
                }
                self.finish_drain(client);
                self.reconnect_if_closed(client);
            }
            Op::CloseClient { client } => {
                self.clients[client].0.close();
                self.clients[client].1 = Phase::Closed;
                self.end_all(client);
                assert_eq!(self.clients[client].0.publish("a.b", ""), Err(PublishError::Closed));
                self.reconnect_if_closed(client);
            }
        }
    }

    fn end_all(&mut self, client: usize) {
        self.subscriptions
            .iter_mut()
            .filter(|(_, model)| model.client == client)
            .for_each(|(_, model)| model.open = false);
    }

    /// A draining client closes when the last message of its subscriptions is taken.
    fn finish_drain(&mut self, client: usize) {
        if client == GONE {
            return;
        }
        let quiet = self.subscriptions.iter().all(|(_, model)| model.client != client || model.items.is_empty());
        if quiet && self.clients[client].1 == Phase::Draining {
            self.clients[client].1 = Phase::Closed;
        }
    }

    /// So that a run does not die out. Its old subscriptions stay, ended, under a number of their own.
    fn reconnect_if_closed(&mut self, client: usize) {
        if client != GONE && self.clients[client].1 == Phase::Closed {
            assert!(self.clients[client].0.is_closed());
            self.clients[client] = (self.connect(client), Phase::Open);
            self.publishers.retain(|&(of, _), _| of != client);
            self.subscriptions
                .iter_mut()
                .filter(|(_, model)| model.client == client)
                .for_each(|(_, model)| model.client = GONE);
        }
    }

    fn receive(&mut self, at: usize) {
        let (Some(subscriber), model) = &mut self.subscriptions[at] else { unreachable!("picked among the live") };
        match (subscriber.try_recv(), model.items.pop_front()) {
            (Ok(message), Some(item)) => {
                model.delivered += 1;
                assert_eq!(item_of(&message), item);
            }
            (Err(TryRecvError::Empty), None) => assert!(model.open),
            (Err(TryRecvError::Closed(_)), None) => {
                assert!(!model.open);
                let client = model.client;
                self.finish_drain(client);
                self.reconnect_if_closed(client);
            }
            (got, wanted) => panic!("{got:?} instead of {wanted:?}"),
        }
    }

    fn publish(
        &mut self,
        client: usize,
        subject: &'static str,
        size: usize,
        reply: Option<&'static str>,
        prepared: bool,
    ) {
        self.published += 1;
        let item = Item { subject: subject.to_owned(), number: Some(self.published), size: size.max(8) };
        let payload = format!("{:<width$}", self.published, width = item.size);
        let before: Vec<u64> = self.matched();
        let sender = &self.clients[client].0;
        let accepted = match reply {
            Some(reply) => sender.publish_with_reply(subject, reply, payload),
            None if prepared => {
                let at = SUBJECTS.iter().position(|known| *known == subject).unwrap();
                self.publishers
                    .entry((client, at))
                    .or_insert_with(|| sender.publisher(subject).unwrap())
                    .publish(payload)
            }
            None => sender.publish(subject, payload),
        };
        let moved: Vec<bool> = self.matched().iter().zip(before).map(|(now, before)| *now != before).collect();
        let (mut wanted, mut meant) = (0, 0);
        for queue in [None, Some("g"), Some("h")] {
            let no_echo = client == 1;
            let hits: Vec<usize> = (0..self.subscriptions.len())
                .filter(|&at| {
                    let model = &self.subscriptions[at].1;
                    let own = no_echo && model.client == client;
                    model.open && model.queue == queue && matches(model.pattern, subject) && !own
                })
                .collect();
            let chosen = match queue {
                None => hits,
                Some(_) if hits.is_empty() => hits,
                Some(name) => {
                    let got: Vec<usize> = hits.iter().copied().filter(|&at| moved[at]).collect();
                    let members: Vec<_> = hits.iter().map(|&at| &self.subscriptions[at].1).collect();
                    assert_eq!(
                        got.len(),
                        1,
                        "exactly one member of {name} (Q1): {item:?} prepared {prepared} to {members:?}"
                    );
                    let could: Vec<usize> =
                        hits.into_iter().filter(|&at| self.subscriptions[at].1.fits(item.size)).collect();
                    assert!(could.is_empty() || could.contains(&got[0]), "one that has room (Q4)");
                    got
                }
            };
            meant += chosen.len();
            for at in chosen {
                wanted += self.subscriptions[at].1.offer(item.clone()) as usize;
            }
        }
        assert_eq!(accepted.unwrap(), wanted);
        self.unmatched += (meant == 0) as u64;
        if let Some(reply) = reply.filter(|_| meant == 0) {
            self.no_responders(client, subject, reply, &moved);
        }
    }

    /// R2 to R5: one plain subscription of the publisher's on the reply hears of it.
    fn no_responders(&mut self, client: usize, subject: &str, reply: &str, moved: &[bool]) {
        let own: Vec<usize> = (0..self.subscriptions.len())
            .filter(|&at| {
                let model = &self.subscriptions[at].1;
                model.open && model.client == client && model.queue.is_none() && matches(model.pattern, reply)
            })
            .collect();
        let told: Vec<usize> =
            own.iter().copied().filter(|&at| self.subscriptions[at].1.matched() != self.real(at)).collect();
        assert_eq!(told.len(), own.len().min(1), "{moved:?}");
        for at in told {
            self.subscriptions[at].1.tell(Item { subject: reply.to_owned(), number: None, size: 32 + subject.len() });
        }
    }

    fn real(&self, at: usize) -> u64 {
        self.subscriptions[at]
            .0
            .as_ref()
            .map_or_else(|| self.subscriptions[at].1.matched(), |real| real.ledger().matched)
    }

    fn matched(&self) -> Vec<u64> {
        (0..self.subscriptions.len()).map(|at| self.real(at)).collect()
    }

    /// Everything that can be seen from outside is as the model says.
    fn check(&self) {
        for (subscriber, model) in &self.subscriptions {
            let Some(subscriber) = subscriber else { continue };
            let ledger = subscriber.ledger();
            assert!(ledger.balances());
            let dropped = |reason: DropReason| model.drops.get(&(reason as u8)).copied().unwrap_or_default();
            for reason in DropReason::ALL {
                assert_eq!(ledger.dropped.of(reason), dropped(reason), "{reason:?} of {model:?}");
            }
            assert_eq!(
                (ledger.delivered, ledger.queued, ledger.queued_bytes, subscriber.len()),
                (model.delivered, model.items.len() as u64, model.bytes() as u64, model.items.len()),
                "{model:?}"
            );
            assert_eq!(subscriber.close_reason().is_none(), model.open, "{model:?}");
        }
        let (stats, all) = (self.bus.stats(), self.subscriptions.iter().map(|(_, model)| model.matched()).sum::<u64>());
        assert!(stats.ledger.balances());
        assert_eq!(
            (stats.traffic.routed, stats.ledger.matched, stats.traffic.unmatched, stats.traffic.published),
            (all, all, self.unmatched, self.published)
        );
        let open = self.subscriptions.iter().filter(|(_, model)| model.open).count();
        assert_eq!((stats.subscriptions, stats.matcher.entries), (open, open));
        for subject in SUBJECTS {
            let interest = self.subscriptions.iter().any(|(_, model)| model.open && matches(model.pattern, subject));
            assert_eq!(self.bus.has_interest(subject), interest);
        }
    }
}

fn item_of(message: &Message) -> Item {
    let number = message.status().is_none().then(|| message.payload_str().unwrap().trim_end().parse().unwrap());
    Item { subject: message.subject().to_string(), number, size: message.size() }
}

fn runs_under(policy: OverflowPolicy) {
    for (shards, cache) in [(1, 0), (1, 1024), (2, 0), (2, 1024), (16, 0), (16, 1024)] {
        let config = ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() };
        let test = |ops: Vec<Op>| {
            let mut run = Run::new(shards, cache, policy);
            for op in &ops {
                run.step(op);
                run.check();
            }
            Ok(())
        };
        if let Err(failure) = TestRunner::new(config).run(&vec(op(), 1..120), test) {
            panic!("{shards} shards, cache of {cache}: {failure}");
        }
    }
}

#[test]
fn drop_newest() {
    runs_under(POLICIES[0]);
}

#[test]
fn drop_oldest() {
    runs_under(POLICIES[1]);
}

#[test]
fn block() {
    runs_under(POLICIES[2]);
}

#[test]
fn close() {
    runs_under(POLICIES[3]);
}
