//! Several threads, each with random operations of its own: whenever all rest, the sums agree, and order was kept.

use postroom::{Bus, Client, ConnectOptions, Limits, Message, OverflowPolicy, Publisher, SubscribeOptions, Subscriber};
use std::collections::HashMap;
use std::sync::Barrier;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

const SUBJECTS: [&str; 4] = ["a.b", "a.c", "b", "c.b"];
const PATTERNS: [&str; 7] = ["a.b", "a.*", "*", "a.>", ">", "*.b", "b"];
const THREADS: u64 = 3;
const STEPS: usize = 400;
const ROUNDS: usize = 4;

/// A stream of numbers that repeats for its seed.
struct Luck(u64);

impl Luck {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (self.0 >> 33) as usize % bound
    }
}

struct Worker {
    number: u64,
    luck: Luck,
    bus: Bus,
    client: Client,
    publishers: Vec<Publisher>,
    subscribers: Vec<(Subscriber, HashMap<u64, u64>)>,
    policy: OverflowPolicy,
    sent: u64,
    received: u64,
}

impl Worker {
    fn new(bus: &Bus, number: u64, seed: u64, policy: OverflowPolicy) -> Self {
        let options = ConnectOptions::new();
        let client = bus.connect_with(options.no_echo(number == 1));
        let publishers = SUBJECTS.iter().map(|subject| client.publisher(*subject).unwrap()).collect();
        let luck = Luck(seed.wrapping_mul(THREADS).wrapping_add(number));
        Worker { number, luck, bus: bus.clone(), client, publishers, subscribers: vec![], policy, sent: 0, received: 0 }
    }

    /// The numbers of each publisher only ever grow.
    fn see(seen: &mut HashMap<u64, u64>, message: &Message) {
        let Ok(text) = message.payload_str() else { panic!("all is text") };
        let Some((publisher, n)) = text.split_once(':') else { return assert!(message.status().is_some()) };
        let (publisher, n): (u64, u64) = (publisher.parse().unwrap(), n.parse().unwrap());
        let before = seen.insert(publisher, n);
        assert!(before.is_none_or(|before| before < n), "publisher {publisher}: {n} after {before:?}");
    }

    fn step(&mut self) {
        let which = self.luck.below(self.subscribers.len().max(1));
        match self.luck.below(20) {
            0..=2 if self.subscribers.len() < 8 => {
                let capacity = [1, 3, 64, 70][self.luck.below(4)];
                let mut options = SubscribeOptions::new().capacity(capacity).overflow(self.policy);
                if self.luck.below(3) == 0 {
                    options = options.queue(["g", "h"][self.luck.below(2)]);
                }
                let pattern = PATTERNS[self.luck.below(PATTERNS.len())];
                self.subscribers.push((self.client.subscribe_with(pattern, options).unwrap(), HashMap::new()));
            }
            3 if !self.subscribers.is_empty() => drop(self.subscribers.swap_remove(which)),
            4 if !self.subscribers.is_empty() => self.subscribers[which].0.unsubscribe(),
            5 if !self.subscribers.is_empty() => {
                self.subscribers[which].0.unsubscribe_after(self.luck.below(20) as u64)
            }
            6..=9 if !self.subscribers.is_empty() => {
                let (subscriber, seen) = &mut self.subscribers[which];
                for message in subscriber.try_iter().take(1 + self.luck.below(90)) {
                    Self::see(seen, &message);
                    self.received += 1;
                }
            }
            10 => {
                let text = self.next();
                drop(self.client.publish_async(SUBJECTS[0], text));
            }
            11 => {
                let reply = SUBJECTS[self.luck.below(SUBJECTS.len())];
                let text = self.next();
                self.client.publish_with_reply("nobody", reply, text).unwrap();
            }
            12 if self.luck.below(10) == 0 => {
                self.client.close();
                let renewed = Worker::new(&self.bus, self.number, self.luck.0, self.policy);
                (self.client, self.publishers) = (renewed.client, renewed.publishers);
            }
            _ => {
                let subject = self.luck.below(SUBJECTS.len());
                let text = self.next();
                let published = match self.luck.below(2) {
                    0 => self.publishers[subject].publish(text),
                    _ => self.client.publish(SUBJECTS[subject], text),
                };
                published.unwrap();
            }
        }
    }

    fn next(&mut self) -> String {
        self.sent += 1;
        format!("{}:{}", self.number, self.sent)
    }
}

fn run(shards: usize, route_cache_entries: usize, policy: OverflowPolicy, seed: u64) {
    let mut limits = Limits::default();
    limits.route_cache_entries = route_cache_entries;
    let bus = Bus::builder().limits(limits).shards(shards).seed(seed).build();
    let (rest, go) = (Barrier::new(THREADS as usize + 1), Barrier::new(THREADS as usize + 1));
    let received = AtomicU64::new(0);
    std::thread::scope(|scope| {
        for number in 0..THREADS {
            let (bus, rest, go, received) = (&bus, &rest, &go, &received);
            scope.spawn(move || {
                let mut worker = Worker::new(bus, number, seed, policy);
                for round in 0..ROUNDS {
                    // A panic would leave the others waiting: it is caught, and told after the last round.
                    let run = std::panic::AssertUnwindSafe(|| (0..STEPS).for_each(|_| worker.step()));
                    let outcome = std::panic::catch_unwind(run);
                    received.fetch_add(std::mem::take(&mut worker.received), Ordering::SeqCst);
                    rest.wait();
                    go.wait();
                    if let Err(panic) = outcome {
                        (round + 1..ROUNDS).for_each(|_| _ = (rest.wait(), go.wait()));
                        std::panic::resume_unwind(panic);
                    }
                }
            });
        }
        let mut quiet = Vec::new();
        for _ in 0..ROUNDS {
            rest.wait();
            quiet.push((bus.stats(), received.load(Ordering::SeqCst)));
            go.wait();
        }
        for (stats, received) in quiet {
            assert!(stats.ledger.balances(), "{stats:?}");
            assert_eq!(stats.traffic.routed, stats.ledger.matched, "{stats:?}");
            assert_eq!(stats.ledger.delivered, received, "{stats:?}");
        }
    });
    let stats = bus.stats();
    assert_eq!((stats.subscriptions, stats.matcher.entries, stats.ledger.queued, stats.clients), (0, 0, 0, 0));
    assert_eq!((stats.traffic.routed, stats.matcher.trie_nodes), (stats.ledger.matched, 0));
}

#[test]
fn the_sums_agree_whenever_all_rest() {
    let policies = [
        OverflowPolicy::DropNewest,
        OverflowPolicy::DropOldest,
        OverflowPolicy::Block(Duration::from_micros(20)),
        OverflowPolicy::Close,
    ];
    for seed in 0..3 {
        for (at, policy) in policies.into_iter().enumerate() {
            for shards in [1, 2, 16] {
                for cache in [0, 1024] {
                    run(shards, cache, policy, seed * 100 + at as u64 * 10 + shards as u64);
                }
            }
        }
    }
}
