//! Time, quiet, and runs that repeat.

use super::{House, SECOND, take, worker};
use futures_util::FutureExt;
use postroom::TestKit;
use postroom::jetstream::{ConsumerConfig, PublishOptions, StreamConfig};
use postroom::observe::RemovalReason;
use postroom::testkit::{Chaos, DeliveryState, Fault, MessageFate};
use std::sync::{Arc, Mutex};
use std::time::Duration;

const MINUTE: Duration = Duration::from_secs(60);

/// JS91, JC214: an hour of ack waits, times of messages, ages and heartbeats passes at once, each at its own instant and in order.
#[test]
fn an_hour_passes_at_once_and_in_order() {
    let house = House::new();
    let config = StreamConfig::new("S").subjects(["s.*"]).max_age(MINUTE * 50).allow_msg_ttl(true);
    let stream = house.stream(config);
    let seen = Arc::new(Mutex::new(Vec::new()));
    let (app, clock) = (house.kit.bus().connect(), house.kit.clock().clone());
    let note = seen.clone();
    let _deliveries = app
        .subscribe_fn("deliver", move |message| {
            let what = if message.status().is_some() { "beat" } else { message.subject().as_str() };
            note.lock().unwrap().push((clock.now().as_secs(), what.to_owned()));
        })
        .unwrap();
    worker(&stream, ConsumerConfig::push("c", "deliver").ack_wait(MINUTE * 7).idle_heartbeat(MINUTE * 5));
    house.js.publish_with("s.short", "", PublishOptions::new().ttl(MINUTE * 20)).wait().unwrap();
    house.kit.advance(SECOND);
    house.publish("s.long");
    let begun = house.kit.clock().now();
    house.kit.advance(MINUTE * 60);
    assert_eq!(house.kit.clock().now() - begun, MINUTE * 60);

    let seen = seen.lock().unwrap();
    assert!(seen.is_sorted_by_key(|(at, _)| *at), "{seen:?}");
    let times =
        |wanted: &str| -> Vec<u64> { seen.iter().filter(|(_, what)| what == wanted).map(|(at, _)| *at).collect() };
    assert_eq!(times("s.short"), [0, 420, 840]);
    assert_eq!(times("s.long"), [1, 421, 841, 1261, 1681, 2101, 2521, 2941]);
    // Silence for five minutes, after each delivery and after each heartbeat.
    assert_eq!(times("beat"), [301, 721, 1141, 1561, 1981, 2401, 2821, 3241, 3541]);
    let record = house.kit.streams().get("S").unwrap();
    let fate = |seq| record.message(seq).unwrap().fate;
    assert_eq!(fate(1), MessageFate::Removed { reason: RemovalReason::Expired, at: MINUTE * 20 });
    assert_eq!(fate(2), MessageFate::Removed { reason: RemovalReason::Expired, at: MINUTE * 50 + SECOND });
    let state = record.message(2).unwrap().for_consumer("c").unwrap().state;
    assert_eq!(state, DeliveryState::Released);
}

/// A stored message, and one that waits for its acknowledgement, keep nothing busy; the work that a message sets off is waited for.
#[test]
fn the_kit_settles_over_stored_messages_and_waits_for_work() {
    let house = House::new();
    let orders = house.orders();
    house.stream(StreamConfig::new("BILLS").subjects(["bills.>"]));
    let pull = worker(&orders, ConsumerConfig::pull("worker"));
    for _ in 0..100 {
        house.publish("orders.eu");
    }
    let pending = take(&pull, 100);
    house.kit.settle();
    assert!(house.kit.activity().is_quiet());
    assert_eq!(pending.len(), 100);

    // An application of several threads, each of which waits for the one before.
    let (bus, js) = (house.kit.bus().clone(), postroom::jetstream::new(house.kit.bus().connect()));
    let config = ConsumerConfig::push("bills", "bill.orders");
    let bills = worker(&js.get_stream("ORDERS").wait().unwrap(), config);
    let mut flow = bills.messages().unwrap();
    let biller = std::thread::spawn(move || {
        while let Some(Ok(message)) = flow.recv() {
            js.publish("bills.new", "").wait().unwrap();
            message.double_ack().wait().unwrap();
        }
    });
    house.kit.settle();
    let record = house.kit.streams().get("BILLS").unwrap();
    assert_eq!(record.stored, 100);
    let acked = house.kit.streams().get("ORDERS").unwrap().consumer("bills").unwrap().acked;
    assert_eq!(acked, 100);
    bus.close();
    biller.join().unwrap();
}

/// JS-3: a run with faults, timers and random names is the same again with its seed, byte for byte.
#[test]
fn a_seeded_run_repeats_byte_for_byte() {
    let run = |seed: u64| {
        let chaos = Chaos::new()
            .with(Fault::lost_answer().on("orders.>").chance(0.2))
            .with(Fault::redelivery().on("deliver").chance(0.2))
            .with(Fault::slow_delivery_between(Duration::ZERO, SECOND).on("deliver").of("shop").chance(0.3));
        let house = House::of(TestKit::builder().seed(seed).chaos(chaos));
        let stream = house.orders();
        let shop = house.kit.bus().connect_with(postroom::ConnectOptions::new().name("shop"));
        let turn = Mutex::new(0);
        let _worker = shop
            .subscribe_fn("deliver", move |message| {
                let mut turn = turn.lock().unwrap();
                *turn += 1;
                if *turn % 3 != 0 {
                    let _ = message.respond("+ACK");
                }
            })
            .unwrap();
        // Names are drawn by the server.
        let ephemeral = ConsumerConfig { deliver_subject: "deliver".to_owned(), ..ConsumerConfig::ephemeral() };
        worker(&stream, ephemeral.ack_wait(SECOND * 5).max_deliver(4));
        let acks: Vec<_> = (0..40).map(|n| house.js.publish(format!("orders.{n}"), format!("order {n}"))).collect();
        house.kit.advance(MINUTE);
        let acked = acks.into_iter().filter_map(|ack| ack.now_or_never()?.ok()).count();
        format!("{acked}\n{}{}{:?}", house.kit.streams(), house.kit.record(), house.kit.faults())
    };
    let first = run(7);
    assert!(first.contains("redelivered") && first.contains("acked"), "{first}");
    assert_eq!(first, run(7));
    assert_ne!(first, run(8));
}
