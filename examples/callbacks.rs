//! Code that runs inside the publish: `cargo run --example callbacks`.

use postroom::{Bus, Event};
use std::sync::{Arc, Mutex};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let bus = Bus::new();
    let events = bus.events();
    let client = bus.connect();
    let log = Arc::new(Mutex::new(Vec::new()));

    // Runs on the publisher's thread, before its publish returns. It may use the bus as it likes: here it publishes.
    let (inner, notes) = (client.clone(), log.clone());
    let first = client.subscribe_fn("order.placed", move |order| {
        notes.lock().unwrap().push(format!("before: {}", order.subject()));
        inner.publish("stock.reserve", order.payload()).unwrap();
        // A callback's publish returns before the callbacks that it leads to have run.
        notes.lock().unwrap().push("after".to_owned());
    })?;
    let notes = log.clone();
    let second = client.subscribe_fn("stock.*", move |order| {
        notes.lock().unwrap().push(format!("then: {}", order.subject()));
    })?;
    assert_eq!(client.publish("order.placed", "3 pens")?, 1);
    assert_eq!(*log.lock().unwrap(), ["before: order.placed", "after", "then: stock.reserve"]);

    // A panic hurts nobody else: it is caught, counted and told.
    std::panic::set_hook(Box::new(|_| ())); // keeps this example's output clean
    let faulty = client.subscribe_fn("order.*", |_| panic!("out of ink"))?;
    assert_eq!(client.publish("order.placed", "1 pen")?, 2);
    let Some(Event::CallbackPanicked { subscription, message }) = events.try_recv() else { panic!("one panicked") };
    assert_eq!((subscription.id, message.as_str()), (faulty.id(), "out of ink"));
    assert_eq!((bus.stats().traffic.panics, first.ledger().delivered, second.ledger().delivered), (1, 2, 2));

    // Dropping the guard unsubscribes.
    drop(faulty);
    assert_eq!(client.publish("order.cancelled", "")?, 0);
    println!("{}", log.lock().unwrap().join("\n"));
    Ok(())
}
