//! Actions that a publish leaves for when no lock is held: wake-ups, callbacks, full queues. Data only; `finish` carries them out.

use crate::account::Subscription;
use crate::delivery::FollowUp;
use crate::id::SubscriptionId;
use crate::message::Message;
use crate::user_code::Panic;
use std::sync::Arc;

/// Filled while routes are held, carried out after.
#[derive(Default)]
pub(super) struct Deferred {
    /// Apart, so that one action, the common case, needs no allocation.
    pub(super) first: Option<Action>,
    pub(super) more: Vec<Action>,
    /// There are others than callbacks.
    pub(super) is_mixed: bool,
    /// Subscriptions that have the message, on a bus that is observed.
    accepted: Vec<SubscriptionId>,
}

/// Actions beyond the first that are made room for at once.
const MORE: usize = 8;

pub(super) enum Action {
    FollowUp(Arc<Subscription>, FollowUp),
    Run(Arc<Subscription>, Message),
    Full(Arc<Subscription>, Message),
    /// The receiving end of its channel is gone, and the message, if there is one, lost with it.
    Disconnected(Arc<Subscription>, Option<Message>),
    Drop(Message),
    /// A sink panicked.
    Panicked(Arc<Subscription>, Panic),
    /// A copy counts as accepted, and comes later.
    Delayed,
}

impl Deferred {
    #[inline]
    pub(super) fn is_empty(&self) -> bool {
        self.first.is_none()
    }

    #[inline]
    fn push(&mut self, action: Action) {
        self.is_mixed |= !matches!(action, Action::Run(..));
        if self.first.is_none() {
            self.first = Some(action);
            return;
        }
        if self.more.capacity() == 0 {
            self.more.reserve(MORE);
        }
        self.more.push(action);
    }

    #[cold]
    pub(super) fn follow_up(&mut self, subscription: &Arc<Subscription>, after: FollowUp) {
        if after.is_something() {
            self.push(Action::FollowUp(subscription.clone(), after));
        }
    }

    pub(super) fn run(&mut self, subscription: &Arc<Subscription>, message: Message) {
        self.push(Action::Run(subscription.clone(), message));
    }

    pub(super) fn full(&mut self, subscription: &Arc<Subscription>, message: Message) {
        self.push(Action::Full(subscription.clone(), message));
    }

    pub(super) fn disconnected(&mut self, subscription: &Arc<Subscription>, message: Option<Message>) {
        self.push(Action::Disconnected(subscription.clone(), message));
    }

    #[cold]
    pub(super) fn panicked(&mut self, subscription: &Arc<Subscription>, panic: Panic) {
        self.push(Action::Panicked(subscription.clone(), panic));
    }

    pub(super) fn delayed(&mut self) {
        self.push(Action::Delayed);
    }

    /// Notes that a filtered subscription has the message.
    pub(super) fn accepted(&mut self, subscription: &Subscription) {
        self.accepted.push(subscription.id());
    }

    pub(super) fn take_accepted(&mut self) -> Vec<SubscriptionId> {
        std::mem::take(&mut self.accepted)
    }

    /// Drops a message when no lock is held: a payload may have a destructor of the user's.
    pub(super) fn drop(&mut self, message: Message) {
        self.push(Action::Drop(message));
    }
}
