//! A small shop of four services on one bus. Its tests, in `tests/shop`, show how an application is tested with the test kit.
//!
//! `cargo run --example shop`

mod shop;

use postroom::Bus;
use serde_json::json;
use shop::{Invoicing, Shop};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let bus = Bus::new();
    let shop = Shop::open(&bus, &[("stamps", 100), ("ink", 1)], Invoicing::Once)?;
    let customer = bus.connect();
    let invoices = customer.subscribe("invoices.*")?;
    for (item, count) in [("stamps", 40), ("stamps", 60), ("ink", 2)] {
        let order = json!({ "item": item, "count": count });
        let answer = customer.request("orders.place", order.to_string())?;
        println!("{order} -> {}", answer.payload_str()?);
    }
    for _ in 0..2 {
        let invoice = invoices.recv()?;
        println!("{}: {}", invoice.subject(), invoice.payload_str()?);
    }
    assert!(invoices.is_empty());
    drop(shop);
    assert!(bus.stats().ledger.balances());
    Ok(())
}
