//! Every call of the observer. On a bus without one, each of these is one test of a field.

use crate::activity::{Activity, ActivityGuard, ActivityKind};
use crate::delivery::DropReason;
use crate::error::CloseReason;
use crate::id::{ClientId, MessageId, SubscriptionId};
use crate::message::{Message, Trace};
#[cfg(feature = "jetstream")]
use crate::observe::StreamSteps;
use crate::observe::{
    CallbackPanic, ClientInfo, DeliveryAction, Handled, Observer, PublishAction, PublishContext, RejectedPublish,
    SubscriptionInfo,
};
use crate::subject::Pattern;
use crate::user_code::{Reporter, UserCode};
use std::fmt;
use std::sync::Arc;

/// The observer of a bus, if it has one. Not to be called under a lock, but for the calls that say otherwise.
pub(crate) struct Probe(Option<Observed>);

/// An observer, and the account that its bus keeps.
struct Observed {
    observer: Arc<dyn Observer>,
    activity: Activity,
    reporter: Reporter,
}

impl Observed {
    /// Calls the observer while no lock is held; `None` if it panicked.
    fn ask<R>(&self, question: impl FnOnce(&dyn Observer) -> R) -> Option<R> {
        self.reporter.contain(UserCode::Observer, || question(&*self.observer))
    }

    /// For what is documented to come while the bus routes.
    fn ask_while_routing<R>(&self, question: impl FnOnce(&dyn Observer) -> R) -> Option<R> {
        self.reporter.contain_while_routing(UserCode::Observer, || question(&*self.observer))
    }
}

impl Probe {
    pub(crate) fn new(observer: Option<Arc<dyn Observer>>, reporter: Reporter) -> Self {
        Probe(observer.map(|observer| Observed { observer, activity: Activity::new(reporter), reporter }))
    }

    #[inline]
    pub(crate) fn is_on(&self) -> bool {
        self.0.is_some()
    }

    pub(crate) fn activity(&self) -> Option<&Activity> {
        self.0.as_ref().map(|observed| &observed.activity)
    }

    fn emit(&self, news: impl FnOnce(&dyn Observer)) {
        if let Some(observed) = &self.0 {
            let _ = observed.ask(news);
        }
    }

    /// The trace of message `id`, which counts as activity from now on.
    pub(crate) fn trace(&self, id: MessageId, message: &Message) -> Option<Trace> {
        let kind = || ActivityKind::Message { id, subject: message.subject().clone() };
        Some(Trace::new(id, self.0.as_ref()?.activity.begin(kind())))
    }

    /// The decision about a publish. If the observer panics, the message is routed as usual.
    pub(crate) fn ask_publish(&self, publish: &PublishContext<'_>) -> PublishAction {
        self.ask_notice(publish).unwrap_or(PublishAction::Route { id: MessageId::new(0), times: 1 })
    }

    /// The decision about a message that the bus itself sends; `None` if the observer panics.
    pub(crate) fn ask_notice(&self, publish: &PublishContext<'_>) -> Option<PublishAction> {
        self.0.as_ref()?.ask(|observer| observer.publish(publish))
    }

    /// The decision about a copy; called while the bus routes.
    pub(crate) fn ask_delivery(
        &self,
        id: MessageId,
        publish: &PublishContext<'_>,
        to: impl FnOnce() -> SubscriptionInfo,
    ) -> DeliveryAction {
        let ask = |observed: &Observed| observed.ask_while_routing(|observer| observer.deliver(id, publish, &to()));
        self.0.as_ref().and_then(ask).unwrap_or(DeliveryAction::Pass)
    }

    /// Whether a subscription may be made. An observer that panics has not allowed it.
    pub(crate) fn ask_subscribe(&self, client: ClientId, pattern: &Pattern, queue: Option<&str>) -> bool {
        let ask = |observed: &Observed| observed.ask(|observer| observer.may_subscribe(client, pattern, queue));
        self.0.as_ref().is_none_or(|observed| ask(observed).unwrap_or(false))
    }

    /// Whether the steps of streams are to be told.
    #[cfg(feature = "jetstream")]
    pub(crate) fn watches_streams(&self) -> bool {
        self.0.as_ref().and_then(|observed| observed.ask(|observer| observer.watches_streams())).unwrap_or(false)
    }

    #[cfg(feature = "jetstream")]
    pub(crate) fn emit_stream_steps(&self, steps: &StreamSteps<'_>) {
        self.emit(|observer| observer.stream_steps(steps));
    }

    pub(crate) fn emit_rejected(&self, rejected: &RejectedPublish<'_>) {
        self.emit(|observer| observer.refused(rejected));
    }

    pub(crate) fn emit_routed(&self, id: MessageId, accepted: &[SubscriptionId]) {
        self.emit(|observer| observer.routed(id, accepted));
    }

    pub(crate) fn emit_returned(&self, id: MessageId) {
        self.emit(|observer| observer.returned(id));
    }

    /// A copy was taken by the owner of a subscription; called while the bus routes.
    pub(crate) fn emit_received(&self, id: MessageId, by: SubscriptionId) {
        if let Some(observed) = &self.0 {
            let _ = observed.ask_while_routing(|observer| observer.received(id, by));
        }
    }

    /// A copy was lost; called while the bus routes.
    #[inline]
    pub(crate) fn emit_lost(&self, message: &Message, by: impl FnOnce() -> SubscriptionInfo, reason: DropReason) {
        if let (Some(observed), Some(trace)) = (&self.0, message.trace()) {
            let _ = observed.ask_while_routing(|observer| observer.lost(trace.id(), &by(), reason));
        }
    }

    pub(crate) fn emit_connected(&self, client: &ClientInfo<'_>) {
        self.emit(|observer| observer.connected(client));
    }

    pub(crate) fn emit_disconnected(&self, client: ClientId) {
        self.emit(|observer| observer.disconnected(client));
    }

    pub(crate) fn emit_subscribed(&self, subscription: impl FnOnce() -> SubscriptionInfo) {
        self.emit(|observer| observer.subscribed(&subscription()));
    }

    pub(crate) fn emit_draining(&self, subscription: impl FnOnce() -> SubscriptionInfo) {
        self.emit(|observer| observer.draining(&subscription()));
    }

    pub(crate) fn emit_ended(&self, subscription: impl FnOnce() -> SubscriptionInfo, reason: CloseReason) {
        self.emit(|observer| observer.ended(&subscription(), reason));
    }

    pub(crate) fn emit_panicked(
        &self,
        subscription: impl FnOnce() -> SubscriptionInfo,
        handled: Option<&Handled>,
        text: &str,
    ) {
        self.emit(|observer| observer.panicked(&CallbackPanic::new(&subscription(), handled, text)));
    }

    /// For a callback that runs.
    pub(crate) fn begin_callback(&self, subscription: SubscriptionId, pattern: &Pattern) -> Option<ActivityGuard> {
        let pattern = pattern.clone();
        Some(self.0.as_ref()?.activity.begin(ActivityKind::Callback { subscription, pattern }))
    }

    /// For a task that took something from a subscriber.
    pub(crate) fn begin_subscriber(&self, subscription: SubscriptionId, pattern: &Pattern) -> Option<ActivityGuard> {
        let pattern = pattern.clone();
        Some(self.0.as_ref()?.activity.begin(ActivityKind::Subscriber { subscription, pattern }))
    }
}

impl fmt::Debug for Probe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Probe").field("activity", &self.activity()).finish()
    }
}
