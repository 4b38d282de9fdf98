//! Waiting for a bridge, in threads and in tasks.

use std::fmt;
use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, Wake};
use std::thread::{Thread, current, park};

/// Something that a bridge was asked for and is doing: wait for it with `.await`, on any executor, or with [`Waiting::wait`].
///
/// The work continues whether or not it is waited for. Dropping it loses nothing but the result.
#[must_use = "it goes on by itself; wait for it, or say `let _ =`"]
pub struct Waiting<T>(Pin<Box<dyn Future<Output = T> + Send>>);

impl<T> Waiting<T> {
    pub(super) fn new(future: impl Future<Output = T> + Send + 'static) -> Self {
        Waiting(Box::pin(future))
    }

    /// Blocks this thread until it is done. Not for tasks, nor for callbacks on the bus.
    pub fn wait(self) -> T {
        block_on(self)
    }
}

impl<T> Future for Waiting<T> {
    type Output = T;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<T> {
        self.0.as_mut().poll(cx)
    }
}

impl<T> fmt::Debug for Waiting<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Waiting").finish_non_exhaustive()
    }
}

struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

pub(super) fn block_on<T>(future: impl Future<Output = T>) -> T {
    let mut future = pin!(future);
    let waker = Arc::new(Unpark(current())).into();
    let mut cx = Context::from_waker(&waker);
    loop {
        if let Poll::Ready(done) = future.as_mut().poll(&mut cx) {
            return done;
        }
        park();
    }
}
