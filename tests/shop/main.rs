//! How an application is tested with the test kit: a suite to copy from. The application is that of `examples/shop`; it is not changed
//! for its tests, and knows nothing of them.
//!
//! | test | shows |
//! |---|---|
//! | `an_order_is_packed_and_then_invoiced` | expectations, their order, `settle` |
//! | `what_is_out_of_stock_goes_no_further` | that something was not sent |
//! | `each_order_is_packed_by_one_packer` | a tap: the publisher and the receivers of each message |
//! | `stock_that_does_not_answer_is_asked_three_times` | a stub in place of a service, and time |
//! | `stock_that_starts_late_is_asked_again` | a fault that NATS permits |
//! | `an_order_that_is_told_twice_is_invoiced_once` | chaos, on many seeds |
//! | `the_naive_shop_fails_that_test` | the bug that only chaos finds, and the one fault that is enough for it |
//! | `a_recorded_run_is_played_back` | recordings |
//! | `nothing_is_sent_that_nobody_listens_to` | contracts |
#![cfg(feature = "testkit")]
#![allow(missing_docs)]

#[path = "../../examples/shop/shop.rs"]
mod shop;

use postroom::TestKit;
use postroom::testkit::{Answer, Chaos, Fault, Recording, Speed, explore, shrink};
use serde_json::{Value, json};
use shop::{Invoicing, Shop};
use std::time::Duration;

type Outcome = Result<(), Box<dyn std::error::Error>>;

const SHELF: [(&str, u64); 2] = [("stamps", 1_000), ("ink", 1)];

/// Places an order as a customer does, and waits for the answer.
fn place(kit: &TestKit, item: &str, count: u64) -> Value {
    let order = json!({ "item": item, "count": count }).to_string();
    let answer =
        kit.client().request_timeout("orders.place", order, Duration::from_secs(60)).expect("the shop answers");
    serde_json::from_slice(answer.payload()).expect("an answer is JSON")
}

#[test]
fn an_order_is_packed_and_then_invoiced() -> Outcome {
    let kit = TestKit::new();
    let _shop = Shop::open(kit.bus(), &SHELF, Invoicing::Once)?;
    let order = json!({ "item": "stamps", "count": 4 });
    let packed = kit.expect("orders.packed.1").times(1);
    let invoiced =
        kit.expect("invoices.1").times(1).with(json!({ "number": 1, "order": order })).from("invoices").after(&packed);

    assert_eq!(place(&kit, "stamps", 4), json!({ "number": 1 }));
    // Verified when they are dropped, too; they wait until the shop is quiet.
    packed.verify();
    invoiced.verify();
    Ok(())
}

#[test]
fn what_is_out_of_stock_goes_no_further() -> Outcome {
    let kit = TestKit::new();
    let _shop = Shop::open(kit.bus(), &SHELF, Invoicing::Once)?;
    assert_eq!(place(&kit, "ink", 2), json!({ "error": "out of stock" }));
    kit.none("orders.accepted");
    kit.none("orders.packed.*");
    kit.none("invoices.*");
    Ok(())
}

#[test]
fn each_order_is_packed_by_one_packer() -> Outcome {
    let kit = TestKit::new();
    let _shop = Shop::open(kit.bus(), &SHELF, Invoicing::Once)?;
    let (accepted, packed) = (kit.tap("orders.accepted"), kit.tap("orders.packed.*"));
    for _ in 0..30 {
        place(&kit, "stamps", 1);
    }
    kit.settle();
    for order in accepted.entries() {
        let received: u32 = order.deliveries.iter().map(|delivery| delivery.received).sum();
        assert_eq!(received, 1, "{order}");
    }
    let mut packers: Vec<_> = packed.entries().iter().map(|entry| entry.publisher()).collect();
    assert_eq!(packers.len(), 30);
    packers.sort();
    packers.dedup();
    assert_eq!(packers.len(), 3, "{packed}");
    Ok(())
}

#[test]
fn stock_that_does_not_answer_is_asked_three_times() -> Outcome {
    let kit = TestKit::new();
    let _shop = Shop::open_with_stock_elsewhere(kit.bus(), Invoicing::Once)?;
    let stock = kit.reply_to("stock.reserve", |_| Answer::nothing());
    let answer = std::thread::scope(|scope| {
        let asking = scope.spawn(|| place(&kit, "stamps", 1));
        // The customer waits for the shop, and the shop for its stock.
        kit.clock().wait_for_timers(2);
        kit.advance(Duration::from_secs(6));
        asking.join().expect("an answer")
    });
    assert_eq!(answer, json!({ "error": "stock does not answer" }));
    assert_eq!(stock.asked(), 3);
    kit.none("orders.accepted");
    Ok(())
}

#[test]
fn stock_that_starts_late_is_asked_again() -> Outcome {
    let chaos = Chaos::new().with(Fault::no_responders().on("stock.reserve").times(2));
    let kit = TestKit::builder().chaos(chaos).build();
    let _shop = Shop::open(kit.bus(), &SHELF, Invoicing::Once)?;
    let answer = std::thread::scope(|scope| {
        let asking = scope.spawn(|| place(&kit, "stamps", 1));
        kit.clock().wait_for_timers(2);
        kit.advance(Duration::from_secs(4));
        asking.join().expect("an answer")
    });
    assert_eq!(answer, json!({ "number": 1 }));
    assert_eq!(kit.faults().len(), 2, "{}", kit.report());
    Ok(())
}

/// Twenty orders while messages come twice, as they may when an acknowledgement was lost. Panics if an order is invoiced
/// twice.
fn twenty_orders(chaos: Chaos, invoicing: Invoicing) {
    let kit = TestKit::builder().chaos(chaos).build();
    let shop = Shop::open(kit.bus(), &SHELF, invoicing).expect("it opens");
    let invoices = kit.tap("invoices.*");
    for _ in 0..20 {
        place(&kit, "stamps", 1);
    }
    kit.settle();
    drop(shop);
    assert_eq!(invoices.distinct_subjects().len(), 20, "an order has no invoice");
    assert_eq!(invoices.len(), 20, "somebody pays twice");
}

fn told_twice() -> Chaos {
    Chaos::new().with(Fault::redelivery().on("orders.packed.*").chance(0.1))
}

#[test]
fn an_order_that_is_told_twice_is_invoiced_once() {
    explore(0..20, told_twice(), |chaos| twenty_orders(chaos, Invoicing::Once));
}

#[test]
fn the_naive_shop_fails_that_test() {
    let shrunk =
        (0..20).find_map(|seed| shrink(told_twice().seed(seed), |chaos| twenty_orders(chaos, Invoicing::Naive)));
    let shrunk = shrunk.expect("chaos finds it");
    assert_eq!(shrunk.faults.len(), 1, "{shrunk}");
    assert!(shrunk.panic.contains("somebody pays twice"), "{shrunk}");
}

#[test]
fn a_recorded_run_is_played_back() -> Outcome {
    let kit = TestKit::new();
    let shop = Shop::open(kit.bus(), &SHELF, Invoicing::Once)?;
    let orders = kit.tap("orders.accepted");
    for count in 1..=3 {
        place(&kit, "stamps", count);
        kit.advance(Duration::from_secs(60));
    }
    drop(shop);
    let file = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join("orders.jsonl");
    orders.record().save(&file)?;

    // Another shop, which gets the same orders at the same times.
    let kit = TestKit::new();
    let _shop = Shop::open_with_stock_elsewhere(kit.bus(), Invoicing::Once)?;
    let invoices = kit.expect("invoices.*").times(3);
    let replayed = kit.replay(&Recording::load(&file)?, Speed::Recorded);
    assert_eq!((replayed.published, replayed.refused.len()), (3, 0));
    assert_eq!(kit.clock().now(), Duration::from_secs(120));
    invoices.verify();
    Ok(())
}

#[test]
fn nothing_is_sent_that_nobody_listens_to() -> Outcome {
    let kit = TestKit::new();
    let _shop = Shop::open(kit.bus(), &SHELF, Invoicing::Once)?;
    place(&kit, "stamps", 1);
    // Invoices are for others.
    kit.contracts().ignoring("invoices.*").verify();
    Ok(())
}
