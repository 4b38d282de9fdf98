//! An application of several threads: chaos finds its bug, and shrinks it to the one fault that it takes.

#[path = "../../../../examples/shop/shop.rs"]
mod shop;

use crate::{MS, SECOND};
use postroom::TestKit;
use postroom::testkit::{Chaos, Fault, shrink};
use shop::{Invoicing, Shop};
use std::collections::BTreeSet;

/// Orders five pens one after the other; no order may be invoiced twice.
fn order_pens(chaos: Chaos, invoicing: Invoicing) {
    let kit = TestKit::builder().chaos(chaos).build();
    let test = kit.client();
    let (answers, invoices) = (test.subscribe("answers.*").unwrap(), test.subscribe("invoices.*").unwrap());
    let _shop = Shop::open(kit.bus(), &[("pen", 100)], invoicing).unwrap();
    for order in 1..=5 {
        let what = r#"{"item":"pen","count":1}"#;
        test.publish_with_reply("orders.place", format!("answers.{order}"), what).unwrap();
        kit.run_until(|| answers.len() == order);
    }
    // The delayed messages come.
    kit.advance(SECOND);
    assert_eq!(answers.len(), 5, "each order is answered");
    let mut invoiced = BTreeSet::new();
    for invoice in invoices.try_iter() {
        assert!(invoiced.insert(invoice.subject().to_string()), "the customer pays twice");
    }
}

fn chaos() -> Chaos {
    Chaos::new()
        .with(Fault::delay_between(MS, MS * 20).on("orders.>").chance(0.3))
        .with(Fault::no_responders().on("stock.reserve").messages(..2))
        .with(Fault::member_away(2).on("orders.accepted").chance(0.2))
        .with(Fault::redelivery().on("orders.accepted").chance(0.3))
}

#[test]
fn a_bug_that_only_chaos_finds_takes_one_fault() {
    order_pens(Chaos::new(), Invoicing::Naive);
    let fails = |seed| shrink(chaos().seed(seed), |chaos| order_pens(chaos, Invoicing::Naive));
    let shrunk = (0..20).find_map(fails).expect("one of twenty seeds finds it");
    assert_eq!(shrunk.panic, "the customer pays twice", "{shrunk}");
    assert_eq!((shrunk.faults.len(), shrunk.faults[0].permitted_by), (1, "J52"), "{shrunk}");
    assert!(shrunk.before > 1, "{shrunk}");
}

#[test]
fn what_was_mended_stands_up_to_chaos() {
    for seed in 0..20 {
        order_pens(chaos().seed(seed), Invoicing::Once);
    }
}
