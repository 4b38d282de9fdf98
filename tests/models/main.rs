//! Models of what threads may do to each other: the shipped code on shuttle's locks and atomics (see `src/sync.rs`), run
//! through thousands of schedules each.
//!
//! ```text
//! RUSTFLAGS="--cfg postroom_shuttle" cargo test --release --test models
//! ```
//!
//! A thread that is never woken shows as a deadlock, one that spins for ever as too many steps. A failing schedule is printed;
//! `shuttle::replay` runs it again. `MODEL_ROUNDS=20` makes every sampled model run twenty times as many schedules.
//!
//! Shuttle takes every atomic as sequentially consistent: a comment at each weaker ordering says why it is enough.
#![cfg(postroom_shuttle)]

mod callbacks;
mod ends;
mod interest;
mod permissions;
mod policies;
mod queues;
mod requests;
mod routes;
mod schedule;
mod settle;
mod waking;

use postroom::{Bus, Clock, Limits, ManualClock, Message};
use shuttle::scheduler::{DfsScheduler, PctScheduler, RandomScheduler};
use shuttle::sync::{Condvar, Mutex};
use shuttle::{Config, MaxSteps, Runner, thread};
use std::pin::pin;
use std::sync::{Arc, Weak};
use std::task::{Context, Poll, Wake};
use std::time::Duration;

const SECOND: Duration = Duration::from_secs(1);

/// Runs `f` under `rounds` random schedules and as many that change threads only rarely, at points that matter (PCT).
fn model(rounds: usize, f: impl Fn() + Send + Sync + 'static) {
    let rounds =
        rounds * std::env::var("MODEL_ROUNDS").map_or(1, |text| text.parse().expect("MODEL_ROUNDS is a number"));
    let f = Arc::new(f);
    let (random, rarely) = (f.clone(), f);
    Runner::new(RandomScheduler::new_from_seed(7, rounds), config()).run(move || random());
    Runner::new(PctScheduler::new_from_seed(7, 3, rounds), config()).run(move || rarely());
}

/// Runs `f` under every schedule there is, at most `most`: only for a handful of steps.
fn exhaustive(most: usize, f: impl Fn() + Send + Sync + 'static) {
    let run = Runner::new(DfsScheduler::new(Some(most), false), config()).run(f);
    assert!(run < most, "there are more schedules than {most}");
}

fn config() -> Config {
    let mut config = Config::new();
    config.max_steps = MaxSteps::FailAfter(200_000);
    config.stack_size = 128 * 1024;
    config.silence_warnings = true;
    config
}

/// Polls `future` on this thread, which sleeps until the waker is used.
fn block_on<F: Future>(future: F) -> F::Output {
    #[derive(Default)]
    struct Signal {
        woken: Mutex<bool>,
        changed: Condvar,
    }

    impl Wake for Signal {
        fn wake(self: Arc<Self>) {
            *self.woken.lock().unwrap() = true;
            self.changed.notify_one();
        }
    }

    let mut future = pin!(future);
    let signal = Arc::new(Signal::default());
    let waker = signal.clone().into();
    loop {
        if let Poll::Ready(output) = future.as_mut().poll(&mut Context::from_waker(&waker)) {
            return output;
        }
        // A task that has woken itself lets others run first, as on any executor.
        thread::yield_now();
        *signal.changed.wait_while(signal.woken.lock().unwrap(), |woken| !*woken).unwrap() = false;
    }
}

/// A bus without luck: schedules repeat.
fn bus() -> Bus {
    bus_on(&Clock::manual())
}

fn bus_on(clock: &ManualClock) -> Bus {
    let mut limits = Limits::default();
    limits.route_cache_entries = 2;
    Bus::builder().seed(7).shards(1).clock(clock).limits(limits).build()
}

/// Asserts what holds for every bus once no thread is at work (G5).
fn assert_settled(bus: &Bus) {
    let stats = bus.stats();
    assert!(stats.ledger.balances(), "{stats:?}");
    assert_eq!(stats.traffic.routed, stats.ledger.matched, "publishers and subscribers count the same: {stats:?}");
    assert_eq!(stats.ledger.queued_bytes == 0, stats.ledger.queued == 0, "{stats:?}");
}

/// The payload by which a publisher numbers its messages.
fn numbered(publisher: u8, number: u8) -> Vec<u8> {
    vec![publisher, number]
}

/// Checks that the messages of each publisher are in their order (G3), and gives back how many there are.
fn assert_in_order(received: &[Message]) -> usize {
    let mut next = [0; 256];
    for message in received {
        let [publisher, number] = *message.payload() else { panic!("{message:?} is not numbered") };
        let expected = &mut next[publisher as usize];
        assert!(number >= *expected, "publisher {publisher}: {number} comes after {}", *expected - 1);
        *expected = number + 1;
    }
    received.len()
}

/// Bytes of a user's, and a way to see whether they are still held.
fn owned() -> (bytes::Bytes, Weak<()>) {
    struct Owner(Arc<()>);

    impl AsRef<[u8]> for Owner {
        fn as_ref(&self) -> &[u8] {
            b"owned"
        }
    }

    let alive = Arc::new(());
    let watch = Arc::downgrade(&alive);
    let owner = Owner(alive);
    assert_eq!(Arc::strong_count(&owner.0), 1);
    (bytes::Bytes::from_owner(owner), watch)
}
