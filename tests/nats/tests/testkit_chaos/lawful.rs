//! Promises that no lawful fault may break, with several threads at once: the order of each publisher, and
//! the ledger.

use crate::{MS, client};
use postroom::TestKit;
use postroom::testkit::{Chaos, Fault};
use std::collections::BTreeMap;
use std::thread;

const PUBLISHERS: u64 = 4;
const MESSAGES: u64 = 300;

/// Each publisher's messages at a subscriber, in the order of their arrival.
fn by_publisher(messages: impl IntoIterator<Item = postroom::Message>) -> BTreeMap<String, Vec<u64>> {
    let mut seen = BTreeMap::<_, Vec<u64>>::new();
    for message in messages {
        let (publisher, number) = message.payload_str().unwrap().split_once(' ').unwrap();
        seen.entry(publisher.to_owned()).or_default().push(number.parse().unwrap());
    }
    seen
}

/// Publishes from several threads while another moves the clock.
fn run(kit: &TestKit) {
    thread::scope(|scope| {
        let publishers: Vec<_> = (0..PUBLISHERS)
            .map(|publisher| {
                let app = client(kit, &format!("publisher {publisher}"));
                scope.spawn(move || {
                    for number in 0..MESSAGES {
                        app.publish("work", format!("{publisher} {number}")).unwrap();
                    }
                })
            })
            .collect();
        while publishers.iter().any(|publisher| !publisher.is_finished()) {
            kit.clock().advance(MS);
            thread::yield_now();
        }
    });
    kit.clock().advance(MS * 1_000);
}

#[test]
fn delays_reorderings_and_buffers_lose_nothing_and_keep_each_publishers_order() {
    for seed in 0..20 {
        let chaos = Chaos::new()
            .with(Fault::delay_between(MS, MS * 5).chance(0.05))
            .with(Fault::reorder(3).chance(0.05))
            .with(Fault::slow_delivery_between(MS, MS * 5).chance(0.02));
        let kit = TestKit::builder().seed(seed).chaos(chaos).build();
        let watcher = client(&kit, "watcher");
        let all = watcher.subscribe("work").unwrap();
        let groups = [1, 2].map(|_| watcher.queue_subscribe("work", "group").unwrap());
        run(&kit);
        let seen = by_publisher(all.try_iter());
        assert_eq!(seen.len() as u64, PUBLISHERS);
        for (publisher, numbers) in &seen {
            assert_eq!(*numbers, (0..MESSAGES).collect::<Vec<_>>(), "publisher {publisher}, seed {seed}");
        }
        let of_groups: Vec<_> = groups.iter().map(|member| by_publisher(member.try_iter())).collect();
        assert!(of_groups.iter().flat_map(BTreeMap::values).all(|numbers| numbers.is_sorted()), "seed {seed}");
        let got: usize = of_groups.iter().flat_map(BTreeMap::values).map(Vec::len).sum();
        assert_eq!(got as u64, PUBLISHERS * MESSAGES);
        assert!(!kit.faults().is_empty());
        assert!(kit.bus().stats().ledger.balances());
        assert!(kit.activity().is_quiet(), "{:?}", kit.activity());
    }
}

#[test]
fn a_disconnect_loses_but_never_turns_the_order_around() {
    let mut lost = 0;
    for seed in 0..20 {
        let chaos = Chaos::new()
            .with(Fault::disconnect(MS * 2).chance(0.01))
            .with(Fault::disconnect(MS * 2).of("watcher").chance(0.01))
            .with(Fault::slow_delivery(MS).of("watcher").chance(0.01))
            .with(Fault::delay(MS).chance(0.002));
        let kit = TestKit::builder().seed(seed).chaos(chaos).build();
        let all = client(&kit, "watcher").subscribe("work").unwrap();
        run(&kit);
        let seen = by_publisher(all.try_iter());
        assert!(seen.values().all(|numbers| numbers.is_sorted_by(|one, next| one < next)), "seed {seed}");
        let got: usize = seen.values().map(Vec::len).sum();
        lost += (PUBLISHERS * MESSAGES) as usize - got;
        assert!(kit.bus().stats().ledger.balances());
    }
    assert!(lost > 20, "{lost}");
}

#[test]
fn a_client_that_drains_sends_first_what_it_has() {
    let kit = crate::kit(Fault::delay(MS * 1_000).of("app"));
    let all = kit.client().subscribe("a").unwrap();
    let app = client(&kit, "app");
    crate::publish(&app, "a", &["1", "2"]);
    assert!(all.is_empty());
    app.drain().wait();
    assert_eq!(crate::queued(&all), ["1", "2"]);
}

#[test]
fn a_mild_chaos_is_lawful_and_has_something_of_most() {
    let mut permitted = std::collections::BTreeSet::new();
    for seed in 0..40 {
        let kit = TestKit::builder().seed(seed).chaos(Chaos::mild()).build();
        let workers = [1, 2].map(|number| client(&kit, &format!("worker {number}")));
        let queues = workers.each_ref().map(|worker| worker.queue_subscribe("work", "group").unwrap());
        let service = client(&kit, "service");
        let _answers = service.subscribe_fn("ask", |question| drop(question.respond("42"))).unwrap();
        run(&kit);
        let asking = client(&kit, "asking");
        for _ in 0..20 {
            // It may have no answer, or none that it still waits for.
            drop(asking.request_async("ask", ""));
            kit.clock().advance(MS * 10);
        }
        kit.clock().advance(MS * 1_000);
        let got: usize = queues.iter().map(|queue| queue.try_iter().count()).sum();
        assert!(got as u64 > PUBLISHERS * MESSAGES / 2, "{got}");
        assert!(kit.bus().stats().ledger.balances());
        permitted.extend(kit.faults().iter().map(|fault| fault.permitted_by));
    }
    assert!(!permitted.contains("unlawful") && permitted.len() >= 6, "{permitted:?}");
}
