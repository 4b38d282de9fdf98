//! The runtime that a server's tasks live on.

use super::error::ServerError;
use super::listener::Listener;
use std::io;
use std::net::SocketAddr;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, OnceLock};
use tokio::runtime::{Builder, Handle, Runtime};
use tokio::task::JoinHandle;

/// Threads of a runtime of our own. Not one alone, even on one processor: while it routes a message to very many, another one answers.
const THREADS_MIN: usize = 2;
const THREADS_MAX: usize = 4;

/// Where tasks run: on the runtime that was there when the server was made, or on one that it brought.
#[derive(Debug)]
pub(super) struct RuntimeGuard {
    current: Option<Handle>,
    /// The only one, or for the sockets that the current one can't have.
    own: OnceLock<OwnRuntime>,
}

#[derive(Debug)]
struct OwnRuntime(Option<Runtime>);

impl RuntimeGuard {
    /// On the runtime that is current, if there is one and it is not to be one of its own.
    ///
    /// # Errors
    ///
    /// [`ServerError::Runtime`].
    pub(super) fn find(own: bool) -> Result<Self, ServerError> {
        let guard = RuntimeGuard { current: Handle::try_current().ok().filter(|_| !own), own: OnceLock::new() };
        if guard.current.is_none() {
            guard.own()?;
        }
        Ok(guard)
    }

    fn own(&self) -> Result<&Handle, ServerError> {
        if self.own.get().is_none() {
            // Another thread may be first; then this one ends in the background.
            let _ = self.own.set(OwnRuntime::start()?);
        }
        Ok(self.own.get().expect("it was just set").handle())
    }

    /// Listens, and says on which runtime: the sockets of one without IO are on one of our own.
    ///
    /// # Errors
    ///
    /// [`ServerError::Runtime`], and what `failed` makes of the operating system's.
    pub(super) fn listen(
        &self,
        addresses: &[SocketAddr],
        failed: impl Fn(io::Error) -> ServerError,
    ) -> Result<(Arc<Listener>, SocketAddr, &Handle), ServerError> {
        let bind = |handle: &Handle| {
            let _within = handle.enter();
            Listener::bind(addresses)
        };
        let bound = match &self.current {
            // tokio says in no other way than by a panic that a runtime has no IO.
            Some(current) if self.own.get().is_none() => {
                catch_unwind(AssertUnwindSafe(|| bind(current))).ok().map(|bound| (bound, current))
            }
            _ => None,
        };
        let (bound, handle) = match bound {
            Some(bound) => bound,
            None => {
                let own = self.own()?;
                (bind(own), own)
            }
        };
        let (listener, address) = bound.map_err(failed)?;
        Ok((listener, address, handle))
    }

    /// Whether a caller may block until tasks have ended: not on a runtime that may need the caller's thread.
    pub(super) fn may_block(&self) -> bool {
        self.current.is_none() && Handle::try_current().is_err()
    }

    pub(super) fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) -> JoinHandle<()> {
        self.handle().spawn(task)
    }

    pub(super) fn handle(&self) -> &Handle {
        let own = || self.own.get().expect("there is one or the other").handle();
        self.current.as_ref().unwrap_or_else(own)
    }
}

impl OwnRuntime {
    /// # Errors
    ///
    /// Those of the operating system that lets no more threads be made.
    fn start() -> Result<Self, ServerError> {
        let threads = std::thread::available_parallelism().map_or(1, usize::from).clamp(THREADS_MIN, THREADS_MAX);
        let mut builder = Builder::new_multi_thread();
        builder.worker_threads(threads).thread_name("postroom-server").enable_io();
        // Where tokio gets no thread it panics.
        let built = catch_unwind(AssertUnwindSafe(|| builder.build()))
            .unwrap_or_else(|_| Err(io::Error::other("the operating system gave no thread")));
        built.map(|runtime| OwnRuntime(Some(runtime))).map_err(ServerError::Runtime)
    }

    fn handle(&self) -> &Handle {
        self.0.as_ref().expect("only taken when it is dropped").handle()
    }
}

impl Drop for OwnRuntime {
    fn drop(&mut self) {
        if let Some(own) = self.0.take() {
            // The usual way waits for threads, which must not be done from within another runtime.
            own.shutdown_background();
        }
    }
}
