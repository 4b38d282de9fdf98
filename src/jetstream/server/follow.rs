//! Follows the subscriptions of a push consumer's deliver subject: without one nothing is delivered (JC120, JC122).

use crate::interest::InterestWatcher;
use crate::sync::Mutex;
use std::pin::Pin;
use std::sync::{Arc, Weak};
use std::task::{Context, Wake, Waker};

/// Tells of each change for as long as it lives.
pub(super) struct Follower {
    /// Kept alive here alone: the bus wakes it by a waker that does not.
    _task: Arc<Task>,
}

/// The waiting for changes.
struct Task {
    state: Mutex<FollowState>,
}

struct FollowState {
    /// Taken out while it runs.
    waiting: Option<Pin<Box<dyn Future<Output = ()> + Send>>>,
    /// It was woken while it ran.
    again: bool,
}

/// Whether a subscription receives exactly this subject: in the group if there is one, in no group else.
pub(super) fn is_bound(watcher: &InterestWatcher, group: &str) -> bool {
    let subject = watcher.pattern();
    let group = (!group.is_empty()).then_some(group);
    watcher.patterns().iter().any(|wanted| wanted.pattern == *subject && wanted.queue.as_deref() == group)
}

impl Follower {
    /// Calls `tell` now, and with each change from when the watcher was made. Call it with no lock held; `tell` is called so.
    pub(super) fn start(watcher: InterestWatcher, group: String, tell: impl Fn(bool) + Send + Sync + 'static) -> Self {
        let waiting = async move {
            loop {
                tell(is_bound(&watcher, &group));
                if !watcher.changed().await {
                    return;
                }
            }
        };
        let state = FollowState { waiting: Some(Box::pin(waiting)), again: false };
        let task = Arc::new(Task { state: Mutex::new(state) });
        Woken(Arc::downgrade(&task)).run();
        Follower { _task: task }
    }
}

/// The waker. Not kept alive: the bus holds it.
struct Woken(Weak<Task>);

impl Woken {
    fn run(&self) {
        let Some(task) = self.0.upgrade() else { return };
        let waker = Waker::from(Arc::new(Woken(self.0.clone())));
        let mut state = task.state.lock();
        let Some(mut waiting) = state.waiting.take() else {
            state.again = true;
            return;
        };
        loop {
            state.again = false;
            drop(state);
            let is_over = waiting.as_mut().poll(&mut Context::from_waker(&waker)).is_ready();
            state = task.state.lock();
            if is_over {
                return;
            }
            if !state.again {
                state.waiting = Some(waiting);
                return;
            }
        }
    }
}

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.run();
    }
}
