//! Answers in place of services that are not there.

use super::answer::Answer;
use super::entry::JournalEntry;
use super::kit::TestKit;
use super::report::OrPanic;
use super::responder::Responder;
use crate::id::SubscriptionId;
use crate::{ConnectOptions, Message, Pattern};
use std::fmt;
use std::sync::Arc;

/// Answers requests in place of a service; made by [`TestKit::reply_to`].
pub struct Stub {
    kit: TestKit,
    responder: Arc<Responder>,
    pattern: Pattern,
    id: SubscriptionId,
}

impl Stub {
    #[track_caller]
    pub(super) fn new(
        kit: TestKit,
        pattern: Pattern,
        answer: impl Fn(&Message) -> Answer + Send + Sync + 'static,
    ) -> Self {
        // Lenient, so that a wire client's reply subject may be what it may be there (S5).
        let client = kit.0.bus.connect_with(ConnectOptions::new().name("stub").lenient(true));
        let started = Responder::start(client, kit.0.observer.schedule.clone(), &pattern, answer);
        let (responder, id) = started.map_err(|error| format!("no stub on `{pattern}`: {error}")).or_panic();
        kit.0.responders.lock().push(responder.clone());
        Stub { kit, responder, pattern, id }
    }

    /// The last answer given here holds for this many requests, and the [next one](Stub::then) for those after them. Without it,
    /// for one request if something comes after it, else for all. 0 counts as 1.
    pub fn times(self, requests: usize) -> Self {
        self.responder.limit_last(requests.max(1));
        self
    }

    /// The answer after that. The last that is said holds for all further requests.
    pub fn then<A: Into<Answer>>(self, answer: impl Fn(&Message) -> A + Send + Sync + 'static) -> Self {
        self.responder.push(move |request| answer(request).into());
        self
    }

    /// The pattern that it answers to.
    pub fn pattern(&self) -> &Pattern {
        &self.pattern
    }

    /// How often it was asked.
    pub fn asked(&self) -> usize {
        self.responder.asked()
    }

    /// The requests to it, as far as the journal has them.
    pub fn requests(&self) -> Vec<JournalEntry> {
        let mut entries = self.kit.0.observer.journal.on(&self.pattern, 0).entries;
        entries.retain(|entry| entry.deliveries.iter().any(|delivery| delivery.subscription.id == self.id));
        entries
    }

    /// From now on it is not there. Answers that are still to come, come.
    pub fn remove(self) {
        self.kit.0.responders.lock().retain(|other| !Arc::ptr_eq(other, &self.responder));
        self.responder.stop();
    }
}

impl fmt::Debug for Stub {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Stub").field("pattern", &self.pattern).field("asked", &self.asked()).finish()
    }
}
