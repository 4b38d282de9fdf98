//! The threads of the runtime that serves connections: how a thread that is busy for long leaves the rest of the work to the others.
//!
//! The thread that waits for the runtime's sockets is often the one that is given what they bring, and no other takes its place before it
//! is back. So a thread that will be busy calls [`share_runtime`]. A publish that has begun is not divided, and how many receivers it has is
//! only known while it is routed: [`delivered`] counts them, and calls it when they are more than one slice of work.

use std::cell::Cell;
use tokio::runtime::{Handle, RuntimeFlavor};

/// Deliveries of one turn after which other threads take over the rest, each time.
pub(super) const DELIVERIES: usize = 2_048;

/// Things of a list, such as connections or subscriptions, that are looked at before others have their turn, or under one lock.
pub(super) const AT_ONCE: usize = 256;

thread_local! {
    /// Deliveries by this thread since it last began a turn.
    static DELIVERED: Cell<usize> = const { Cell::new(0) };
}

/// Begins to count this thread's deliveries anew.
pub(super) fn begin_turn() {
    // A thread that ends delivers no more.
    let _ = DELIVERED.try_with(|delivered| delivered.set(0));
}

/// Counts a delivery by this thread.
#[inline]
pub(super) fn delivered() {
    let many = DELIVERED.try_with(|delivered| {
        let count = delivered.get() + 1;
        delivered.set(count);
        count.is_multiple_of(DELIVERIES)
    });
    if many == Ok(true) {
        share_runtime();
    }
}

/// To be called before this thread is busy for long: has another thread of the runtime look for work and wait for the sockets.
#[cold]
pub(super) fn share_runtime() {
    if count() > 1 {
        // A task that is there to be taken wakes another thread. The last one is run by this thread, and never taken.
        tokio::spawn(async {});
        tokio::spawn(async {});
    }
}

/// Gives what a list has; at the beginning of each slice of it other threads of the runtime take over what waits.
pub(super) fn in_slices<T>(list: impl IntoIterator<Item = T>) -> impl Iterator<Item = T> {
    list.into_iter().enumerate().map(|(at, item)| {
        if at % AT_ONCE == 0 {
            share_runtime();
        }
        item
    })
}

/// Threads of the runtime that this thread is one of; 0 if that runs all on one thread, which can't be replaced.
pub(super) fn count() -> usize {
    let runtime = Handle::try_current().ok().filter(|runtime| runtime.runtime_flavor() == RuntimeFlavor::MultiThread);
    runtime.map_or(0, |runtime| runtime.metrics().num_workers())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::future::poll_fn;
    use std::sync::mpsc::sync_channel;
    use std::task::{Poll, Waker};
    use std::time::Duration;

    /// The task that a thread woke last waits for that very thread: a publish to many receivers leaves it to another one.
    #[test]
    fn a_long_publish_leaves_what_waits_to_another_thread() {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).build().unwrap();
        let (sleeps, sleeper) = sync_channel::<Waker>(1);
        let (answer, answered) = sync_channel(1);
        runtime.spawn(async move {
            let mut woken = false;
            poll_fn(|context| {
                if std::mem::replace(&mut woken, true) {
                    return Poll::Ready(());
                }
                sleeps.send(context.waker().clone()).unwrap();
                Poll::Pending
            })
            .await;
            answer.send(()).unwrap();
        });
        let sleeper = sleeper.recv().unwrap();
        let publishing = runtime.spawn(async move {
            begin_turn();
            sleeper.wake();
            (0..DELIVERIES).for_each(|_| delivered());
            // Still in its publish.
            answered.recv_timeout(Duration::from_secs(10))
        });
        runtime.block_on(publishing).unwrap().expect("the other task has its turn meanwhile");
    }
}
