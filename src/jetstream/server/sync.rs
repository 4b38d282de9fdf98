//! Forces what was written onto the disk, again and again after a time.

use super::api::Api;
use crate::sync::Mutex;
use crate::time::ScheduledTask;
use std::sync::{Arc, Weak};
use std::time::Duration;

/// It ends when this is dropped.
pub(super) struct SyncTimer {
    every: Duration,
    next: Mutex<Option<ScheduledTask>>,
}

impl SyncTimer {
    pub(super) fn start(api: &Arc<Api>, every: Duration) -> Arc<Self> {
        let timer = Arc::new(SyncTimer { every, next: Mutex::new(None) });
        timer.arm(Arc::downgrade(api));
        timer
    }

    fn arm(self: &Arc<Self>, api: Weak<Api>) {
        let Some(bus) = api.upgrade().map(|api| api.shared().bus.clone()) else { return };
        let me = Arc::downgrade(self);
        let at = bus.clock().now().saturating_add(self.every);
        let task = bus.schedule_at(at, move || {
            let (Some(timer), Some(strong)) = (me.upgrade(), api.upgrade()) else { return };
            strong.streams().sync();
            timer.arm(api);
        });
        let before = self.next.lock().replace(task);
        drop(before);
    }
}
