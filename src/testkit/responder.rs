//! What answers requests in place of services.

use super::answer::Answer;
use super::schedule::Schedule;
use crate::id::SubscriptionId;
use crate::sync::Mutex;
use crate::{Client, Message, Pattern, Subject, SubscribeError, SubscriptionGuard};
use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// The responders of a kit.
pub(super) type Responders = Mutex<Vec<Arc<Responder>>>;

pub(super) struct Responder {
    /// The first one answers; the last one stays.
    script: Mutex<VecDeque<Step>>,
    /// ORDERING: Relaxed; only counts.
    asked: AtomicUsize,
    client: Client,
    schedule: Schedule,
    guard: Mutex<Option<SubscriptionGuard>>,
}

/// Makes an answer of a request.
type Answerer = Arc<dyn Fn(&Message) -> Answer + Send + Sync>;

struct Step {
    answer: Answerer,
    left: Option<usize>,
}

impl Step {
    fn new(answer: impl Fn(&Message) -> Answer + Send + Sync + 'static) -> Self {
        Step { answer: Arc::new(answer), left: None }
    }
}

impl Responder {
    /// Answers on a pattern from now on, as `client`; also gives the number of its subscription.
    pub(super) fn start(
        client: Client,
        schedule: Schedule,
        pattern: &Pattern,
        answer: impl Fn(&Message) -> Answer + Send + Sync + 'static,
    ) -> Result<(Arc<Self>, SubscriptionId), SubscribeError> {
        let responder = Arc::new(Responder {
            script: Mutex::new(VecDeque::from([Step::new(answer)])),
            asked: AtomicUsize::new(0),
            client,
            schedule,
            guard: Mutex::new(None),
        });
        // Not kept alive: the bus holds what it calls, and would hold itself.
        let weak = Arc::downgrade(&responder);
        let guard = responder.client.subscribe_fn(pattern.clone(), move |request| {
            if let Some(responder) = weak.upgrade() {
                responder.answer(&request);
            }
        })?;
        let id = guard.id();
        *responder.guard.lock() = Some(guard);
        Ok((responder, id))
    }

    /// From now on it is asked no more.
    pub(super) fn stop(&self) {
        let guard = self.guard.lock().take();
        drop(guard);
    }

    pub(super) fn asked(&self) -> usize {
        self.asked.load(Ordering::Relaxed)
    }

    /// The last answer holds for so many requests.
    pub(super) fn limit_last(&self, requests: usize) {
        if let Some(last) = self.script.lock().back_mut() {
            last.left = Some(requests);
        }
    }

    /// Another answer after the last, which holds for one request unless more was said.
    pub(super) fn push(&self, answer: impl Fn(&Message) -> Answer + Send + Sync + 'static) {
        let step = Step::new(answer);
        let mut script = self.script.lock();
        if let Some(last) = script.back_mut() {
            last.left = last.left.or(Some(1));
        }
        script.push_back(step);
    }

    fn answer(&self, request: &Message) {
        self.asked.fetch_add(1, Ordering::Relaxed);
        let Some(answer) = self.next() else { return };
        let answer = answer(request);
        if let Some(reply) = request.reply() {
            self.send(reply, answer);
        }
    }

    fn next(&self) -> Option<Answerer> {
        let mut script = self.script.lock();
        let used_up = script.front()?.left == Some(0) && script.len() > 1;
        let before = if used_up { script.pop_front() } else { None };
        let first = script.front_mut()?;
        first.left = first.left.map(|left| left.saturating_sub(1));
        let answer = first.answer.clone();
        drop(script);
        // A closure's destructor is a user's.
        drop(before);
        Some(answer)
    }

    fn send(&self, reply: &Subject, answer: Answer) {
        for part in answer.0 {
            let Some(message) = part.message(reply) else { continue };
            let client = self.client.clone();
            // The requester may have gone: that is not a fault of the stub.
            let send = move || drop(client.publish_message(&message));
            if part.delay.is_zero() {
                send();
            } else {
                self.schedule.after(part.delay, send);
            }
        }
    }
}
