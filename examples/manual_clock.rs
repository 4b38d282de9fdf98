//! An hour of timeouts in no time, and a run that repeats: `cargo run --example manual_clock`.

use postroom::error::RecvTimeoutError;
use postroom::{Bus, Clock};
use std::thread;
use std::time::{Duration, Instant};

const HOUR: Duration = Duration::from_secs(3600);

/// The worker of three that got each of 20 jobs.
fn shares(seed: u64) -> Result<Vec<usize>, Box<dyn std::error::Error>> {
    let client = Bus::builder().seed(seed).clock(Clock::manual()).build().connect();
    let workers = [(); 3].map(|()| client.queue_subscribe("jobs", "workers").expect("a valid pattern"));
    let mut got = Vec::new();
    for _ in 0..20 {
        client.publish("jobs", "")?;
        got.extend(workers.iter().position(|worker| worker.try_recv().is_ok()));
    }
    Ok(got)
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let began = Instant::now();
    let clock = Clock::manual();
    let bus = Bus::builder().clock(&clock).build();
    let client = bus.connect();

    // A blocking wait, in a thread.
    let quiet = client.subscribe("quiet")?;
    thread::scope(|scope| {
        let waiting = scope.spawn(|| quiet.recv_timeout(HOUR));
        clock.wait_for_timers(1); // now it waits
        clock.advance(HOUR - Duration::from_nanos(1));
        assert_eq!(clock.timers(), 1, "not yet");
        clock.advance(Duration::from_nanos(1));
        assert_eq!(waiting.join().unwrap().unwrap_err(), RecvTimeoutError::Timeout);
    });

    // A request in a task, on any executor.
    let silent = client.subscribe("oracle")?;
    let runtime = tokio::runtime::Builder::new_current_thread().build()?;
    runtime.block_on(async {
        let asking = tokio::spawn(client.request_timeout_async("oracle", "?", HOUR));
        while clock.timers() == 0 {
            tokio::task::yield_now().await;
        }
        clock.advance(HOUR);
        assert!(asking.await.unwrap().unwrap_err().is_timeout());
    });
    assert_eq!(silent.len(), 1);
    assert_eq!(clock.now(), 2 * HOUR);
    assert!(began.elapsed() < HOUR);

    // The same seed, the same choices.
    assert_eq!(shares(7)?, shares(7)?);
    assert_ne!(shares(7)?, shares(8)?);
    println!("two hours passed in {:?}", began.elapsed());
    Ok(())
}
