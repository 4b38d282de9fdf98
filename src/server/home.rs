//! The runtime that a server's tasks live on.

use std::io;
use tokio::runtime::{Builder, Handle, Runtime};
use tokio::task::JoinHandle;

/// Threads of a runtime of our own, at most.
const THREADS_MAX: usize = 4;

/// Where tasks run: on the runtime that was there when the server was made, or on one that it brought.
#[derive(Debug)]
pub(super) struct Home {
    handle: Handle,
    own: Option<Runtime>,
}

impl Home {
    /// # Errors
    ///
    /// Those of the operating system that lets no more threads be made.
    pub(super) fn find() -> io::Result<Self> {
        if let Ok(handle) = Handle::try_current() {
            return Ok(Home { handle, own: None });
        }
        let threads = std::thread::available_parallelism().map_or(1, usize::from).min(THREADS_MAX);
        let own =
            Builder::new_multi_thread().worker_threads(threads).thread_name("postroom-server").enable_io().build()?;
        Ok(Home { handle: own.handle().clone(), own: Some(own) })
    }

    /// Whether a caller may block until tasks have ended: not on a runtime that may need the caller's thread.
    pub(super) fn may_block(&self) -> bool {
        self.own.is_some() && Handle::try_current().is_err()
    }

    pub(super) fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) -> JoinHandle<()> {
        self.handle.spawn(task)
    }

    pub(super) fn handle(&self) -> &Handle {
        &self.handle
    }
}

impl Drop for Home {
    fn drop(&mut self) {
        if let Some(own) = self.own.take() {
            // The usual way waits for threads, which must not be done from within another runtime.
            own.shutdown_background();
        }
    }
}
