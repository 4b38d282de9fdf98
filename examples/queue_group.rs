//! Work shared by a queue group, while others see all of it: `cargo run --example queue_group`.

use postroom::{Bus, SubscribeOptions};
use std::thread;

const JOBS: u64 = 3_000;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let bus = Bus::new();
    let client = bus.connect();

    // A group is known by its name: its members may listen to different patterns.
    let workers: Vec<_> = ["jobs.>", "jobs.*", "jobs.>"]
        .into_iter()
        .map(|pattern| {
            let jobs = client.queue_subscribe(pattern, "workers")?;
            Ok(thread::spawn(move || jobs.iter().count() as u64))
        })
        .collect::<Result<_, postroom::SubscribeError>>()?;
    let auditor = client.subscribe("jobs.>")?;
    // One that is full is passed over; the others take its share.
    let stuck = client.subscribe_with("jobs.>", SubscribeOptions::new().queue("workers").capacity(1))?;

    for n in 0..JOBS {
        assert_eq!(client.publish("jobs.resize", n.to_string())?, 2, "one worker and the auditor");
    }

    assert_eq!((stuck.len(), stuck.ledger().dropped.total()), (1, 0));
    drop(stuck); // with the job that it never did
    assert_eq!(auditor.try_iter().count() as u64, JOBS);
    client.drain().wait();
    let shares: Vec<u64> = workers.into_iter().map(|worker| worker.join().unwrap()).collect();
    assert_eq!(shares.iter().sum::<u64>(), JOBS - 1, "each job was done once");
    assert!(shares.iter().all(|&share| share > JOBS / 5), "and by whom, chance decided: {shares:?}");
    println!("{JOBS} jobs shared as {shares:?}");
    Ok(())
}
