//! A publish on a bus that no rule matches: with and without a bridge on the bus.

use std::time::Instant;

use postroom::Bus;

use crate::clients::payload;
use crate::ends::bridge;
use crate::samples::per_message;

/// Publishes and receives by turns, on one thread and one core.
fn round(bus: &Bus, messages: u64) -> f64 {
    let client = bus.connect();
    let subscriber = client.subscribe("local.*").expect("a subscription");
    let payload = payload(16);
    let start = Instant::now();
    for _ in 0..messages {
        client.publish("local.a", &payload[..]).expect("published");
        assert_eq!(subscriber.try_recv().expect("a message").payload().len(), 16);
    }
    per_message(start.elapsed(), messages)
}

/// The threads of a bridge that is made afterwards stay on the core, too: its idle work is part of what it costs.
fn pin() {
    if let Some(core) = core_affinity::get_core_ids().and_then(|cores| cores.first().copied()) {
        core_affinity::set_for_current(core);
    }
}

/// On a thread that has only ever seen this bus.
fn on_own_thread(work: impl FnOnce() -> f64 + Send) -> f64 {
    std::thread::scope(|scope| {
        let pinned = scope.spawn(|| {
            pin();
            work()
        });
        pinned.join().expect("it ran")
    })
}

/// Without a bridge.
pub(crate) fn alone(_: &str, messages: u64) -> f64 {
    on_own_thread(|| round(&Bus::new(), messages))
}

/// With a bridge, one rule of each kind, none of which matches.
pub(crate) fn bridged(url: &str, messages: u64) -> f64 {
    on_own_thread(|| {
        let bus = Bus::new();
        let rules =
            |all: postroom::bridge::BridgeBuilder| all.export("out.>").call("ask.>").import("in.>").serve("svc.>");
        let bridge = bridge(&bus, url, rules);
        let ns = round(&bus, messages);
        assert_eq!(bridge.stats().outgoing.taken, 0, "no rule matches");
        ns
    })
}
