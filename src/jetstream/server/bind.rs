//! A push consumer is bound to those who receive from its deliver subject, and follows them.

use super::follow::{Follower, is_bound};
use super::shared::Shared;
use super::stream::{Locked, ServedStream};
use crate::interest::InterestWatcher;
use crate::jetstream::engine::ConsumerId;
use crate::jetstream::engine::consumer::ConsumerConfig;
use std::sync::Weak;

/// Those who receive from a push consumer's deliver subject.
pub(super) struct Receivers {
    watcher: InterestWatcher,
    group: String,
}

impl Receivers {
    /// Watches them. To be called before the stream is locked: changes are kept until they are followed. `None` for a pull consumer, or an
    /// invalid subject, which is refused behind this.
    pub(super) fn of(shared: &Shared, config: &ConsumerConfig) -> Option<Self> {
        if config.deliver_subject.is_empty() {
            return None;
        }
        let watcher = shared.bus.interest(&config.deliver_subject).ok()?;
        Some(Receivers { watcher, group: config.deliver_group.clone() })
    }

    /// Whether there are any.
    pub(super) fn are_there(&self) -> bool {
        is_bound(&self.watcher, &self.group)
    }

    /// Lets a consumer follow them from now on, in place of those that it had before.
    pub(super) fn bind(self, locked: &mut Locked<'_>, id: ConsumerId, stream: Weak<ServedStream>) {
        let Receivers { watcher, group } = self;
        locked.machine.handle_interest(locked.now, id, is_bound(&watcher, &group));
        locked.follow(id, move || {
            Follower::start(watcher, group, move |is_bound| {
                let Some(stream) = stream.upgrade() else { return };
                let left = stream.change(|locked| locked.machine.handle_interest(locked.now, id, is_bound));
                if let Some(((), left)) = left {
                    left.run();
                }
            })
        });
    }
}
