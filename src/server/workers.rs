//! The threads of the runtime that serves connections: how a thread that is busy for long leaves the rest of the work to the others.
//!
//! The thread that waits for the runtime's sockets is often the one that is given what they bring, and no other takes its place before it
//! is back. So a thread that will be busy calls [`share_runtime`]. A publish that has begun is not divided, and how many receivers it has is
//! only known while it is routed: [`delivered`] counts them, and calls it when they are more than one slice of work.

use std::cell::Cell;
use tokio::runtime::{Handle, RuntimeFlavor};

/// Deliveries of one turn after which other threads take over the rest, each time.
pub(super) const DELIVERIES: usize = 2_048;

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

/// Threads of the runtime that this thread is one of; 0 if that runs all on one thread, which can't be replaced.
pub(super) fn count() -> usize {
    let runtime = Handle::try_current().ok().filter(|runtime| runtime.runtime_flavor() == RuntimeFlavor::MultiThread);
    runtime.map_or(0, |runtime| runtime.metrics().num_workers())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Read, Write};
    use std::sync::mpsc::sync_channel;
    use std::time::Duration;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    /// A task that delivers without end, on the thread that was woken by its socket, does not hold up the sockets of others.
    #[test]
    fn a_long_publish_leaves_the_sockets_to_another_thread() {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_io().build().unwrap();
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let (busy, is_busy) = sync_channel(1);
        let (release, released) = sync_channel::<()>(1);
        let connect = || {
            let near = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
            let far = listener.accept().unwrap().0;
            far.set_nonblocking(true).unwrap();
            (near, far)
        };
        let ((mut publisher, theirs), (mut pinger, others)) = (connect(), connect());
        let adopt = |stream| {
            let _within = runtime.enter();
            tokio::net::TcpStream::from_std(stream).unwrap()
        };
        let (mut theirs, mut others) = (adopt(theirs), adopt(others));
        let publishing = runtime.spawn(async move {
            theirs.read_u8().await.unwrap();
            begin_turn();
            (0..DELIVERIES).for_each(|_| delivered());
            busy.send(()).unwrap();
            // In the middle of its publish until the other one was served.
            released.recv().unwrap();
        });
        let answering = runtime.spawn(async move {
            let byte = others.read_u8().await.unwrap();
            others.write_u8(byte).await.unwrap();
        });
        publisher.write_all(b"p").unwrap();
        is_busy.recv().unwrap();
        pinger.write_all(b"q").unwrap();
        pinger.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        let mut answer = [0];
        let answered = pinger.read_exact(&mut answer);
        release.send(()).unwrap();
        answered.expect("an answer while the other task is busy");
        runtime.block_on(async { (publishing.await.unwrap(), answering.await.unwrap()) });
    }
}
