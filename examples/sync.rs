//! Publish and subscribe between threads: `cargo run --example sync`.

use postroom::Bus;
use std::thread;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let bus = Bus::new();
    let kitchen = bus.connect();
    // In force when it returns: nothing that is published from here on is missed.
    let orders = kitchen.subscribe("orders.*")?;

    let cook = thread::spawn(move || {
        // Blocks for each order, and ends when the subscription does.
        orders
            .iter()
            .map(|order| format!("{} for {}", order.payload_str().unwrap(), order.subject()))
            .collect::<Vec<_>>()
    });

    let waiter = bus.connect();
    for (table, dish) in [("orders.1", "soup"), ("orders.2", "bread"), ("orders.1", "tea")] {
        // The number of subscribers that have it now.
        assert_eq!(waiter.publish(table, dish)?, 1);
    }
    assert_eq!(waiter.publish("bills.1", "paid")?, 0, "nobody listens there");

    // No order is lost: the drain ends when the cook has taken the last one.
    kitchen.drain().wait();
    let cooked = cook.join().expect("the cook does not panic");
    assert_eq!(cooked, ["soup for orders.1", "bread for orders.2", "tea for orders.1"]);
    println!("{}", cooked.join("\n"));
    Ok(())
}
