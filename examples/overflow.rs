//! Five messages for a queue of two, under each policy: `cargo run --example overflow`.

use postroom::error::{CloseReason, TryRecvError};
use postroom::stats::DropReason;
use postroom::{Bus, Event, OverflowPolicy, SubscribeOptions, Subscriber};
use std::time::Duration;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let bus = Bus::new();
    let events = bus.events();
    let client = bus.connect();

    let five_for = |policy: OverflowPolicy| -> Result<Subscriber, Box<dyn std::error::Error>> {
        let slow = client.subscribe_with("n", SubscribeOptions::new().capacity(2).overflow(policy))?;
        for n in ["1", "2", "3", "4", "5"] {
            client.publish("n", n)?;
        }
        Ok(slow)
    };
    let taken = |slow: &Subscriber| slow.try_iter().map(|m| m.payload_str().unwrap().to_owned()).collect::<Vec<_>>();

    // The default: what is queued stays, what comes is lost.
    let slow = five_for(OverflowPolicy::DropNewest)?;
    assert_eq!(slow.ledger().dropped.of(DropReason::QueueFull), 3);
    assert_eq!(taken(&slow), ["1", "2"]);
    drop(slow);

    // The latest state is what counts.
    let slow = five_for(OverflowPolicy::DropOldest)?;
    assert_eq!(slow.ledger().dropped.of(DropReason::Oldest), 3);
    assert_eq!(taken(&slow), ["4", "5"]);
    drop(slow);

    // The publisher waits; here nobody takes anything, so in vain.
    let slow = five_for(OverflowPolicy::Block(Duration::from_millis(1)))?;
    assert_eq!(slow.ledger().dropped.of(DropReason::BlockTimeout), 3);
    assert_eq!(taken(&slow), ["1", "2"]);
    drop(slow);

    // Too slow is gone: the rest is not lost in silence, it finds no subscriber.
    let slow = five_for(OverflowPolicy::Close)?;
    assert_eq!(slow.ledger().dropped.of(DropReason::SlowConsumer), 1);
    assert_eq!(taken(&slow), ["1", "2"]);
    assert_eq!(slow.try_recv().unwrap_err(), TryRecvError::Closed(CloseReason::SlowConsumer));
    drop(slow);

    // One event for each episode, however much it lost.
    let mut lost = Vec::new();
    while let Some(event) = events.try_recv() {
        if let Event::SlowConsumer(episode) = event {
            lost.push((episode.first.reason, episode.dropped));
        }
    }
    assert_eq!(
        lost,
        [
            (DropReason::QueueFull, 3),
            (DropReason::Oldest, 3),
            (DropReason::BlockTimeout, 3),
            (DropReason::SlowConsumer, 1)
        ]
    );
    let stats = bus.stats();
    assert_eq!((stats.ledger.delivered, stats.ledger.dropped.total(), stats.traffic.unmatched), (8, 10, 2));
    assert!(stats.ledger.balances() && stats.traffic.routed == stats.ledger.matched);
    println!("{lost:?}");
    Ok(())
}
