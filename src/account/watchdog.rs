//! Looks again for tasks that wait while another has been woken, which may hold a future that it does not poll any more.

use super::Subscription;
use crate::delivery::Watchdog;
use crate::sync::atomic::{AtomicBool, Ordering};
use crate::time::Timers;
use std::sync::{Arc, Weak};
use std::task::Wake;
use std::time::Duration;

/// How long a task that was woken has until the next one is.
const GRACE: Duration = Duration::from_millis(1);

/// The change that the tasks wait for.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Awaited {
    Message,
    Room,
}

/// The watchdog of one subscription's queue.
struct QueueWatchdog {
    subscription: Weak<Subscription>,
    awaited: Awaited,
    timers: Arc<Timers>,
    // ORDERING: SeqCst; lowered before the look at the queue, so that a thread that changes the queue after that look sets the
    // timer again.
    armed: AtomicBool,
}

/// The watchdog for tasks that wait at a subscription. `None` on a manual clock, where such a timer would be one more that a
/// test sees, and would wait until the test moves the clock.
pub(crate) fn watchdog(
    timers: &Arc<Timers>,
    subscription: &Arc<Subscription>,
    awaited: Awaited,
) -> Option<Arc<dyn Watchdog>> {
    if timers.is_manual() {
        return None;
    }
    let (subscription, timers) = (Arc::downgrade(subscription), timers.clone());
    Some(Arc::new(QueueWatchdog { subscription, awaited, timers, armed: AtomicBool::new(false) }))
}

impl Watchdog for QueueWatchdog {
    fn arm(self: Arc<Self>) {
        if !self.armed.swap(true, Ordering::SeqCst) {
            let timers = self.timers.clone();
            timers.set_real(GRACE, &self.into());
        }
    }
}

impl Wake for QueueWatchdog {
    fn wake(self: Arc<Self>) {
        self.armed.store(false, Ordering::SeqCst);
        let Some(subscription) = self.subscription.upgrade() else { return };
        let Some(queue) = subscription.target.queue_if_any() else { return };
        match self.awaited {
            Awaited::Message if queue.pending().0 > 0 => queue.receivers.wake_one(),
            // Whether a sink has room, only the sink knows: so all of them ask it once, and not one after the other for ever.
            Awaited::Room if subscription.target.sink().is_some() => queue.senders.wake_all(),
            Awaited::Room if subscription.target.has_room() => queue.notify_senders(),
            Awaited::Message | Awaited::Room => {}
        }
    }
}
