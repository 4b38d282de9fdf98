//! Answers in place of services that are not there.

use super::TestKit;
use super::entry::Entry;
use super::report::{self, OrPanic};
use super::schedule::Schedule;
use crate::subject::{Pattern, ToPattern};
use crate::sync::Mutex;
use crate::{
    Client, ConnectOptions, HeaderMap, Message, Payload, StatusCode, Subject, SubscriptionGuard, SubscriptionId,
};
use bytes::Bytes;
use std::collections::VecDeque;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

impl TestKit {
    /// Answers requests on a pattern from now on, in place of a service. A handle comes back that says more about it; the stub stays when the
    /// handle is dropped, until [`Stub::remove`] or the kit's end.
    ///
    /// Requests to it are in the journal as any message is, and so are the answers, published by the client `stub`. The closure
    /// runs with no lock held, on the thread that publishes the request, and may use the bus.
    ///
    /// If the closure panics, as a failed assertion does, the request is answered with an error that carries the text, and the test fails with it:
    /// see [`TestKit::take_panics`].
    ///
    /// # Panics
    ///
    /// If that is not a valid pattern (S2 to S4), if the bus is closed, or if it has no room for a
    /// subscription.
    ///
    /// # Example
    ///
    /// ```
    /// use postroom::testkit::{Answer, TestKit};
    /// use serde_json::json;
    ///
    /// let kit = TestKit::new();
    /// let stock = kit
    ///     .reply_to("stock.*", |_| Answer::error(503, "warming up"))
    ///     .times(1) // the first request; and then
    ///     .then(|question| Answer::json(json!({"sku": question.subject().as_str()[6..], "left": 3})));
    ///
    /// let shop = kit.bus().connect();
    /// let failed = shop.request("stock.tea", "")?;
    /// assert_eq!(failed.headers().get("Nats-Service-Error-Code"), Some("503"));
    /// assert_eq!(shop.request("stock.tea", "")?.payload(), br#"{"left":3,"sku":"tea"}"#);
    /// assert_eq!(stock.asked(), 2);
    /// # Ok::<_, postroom::RequestError>(())
    /// ```
    #[track_caller]
    pub fn reply_to<A: Into<Answer>>(
        &self,
        pattern: impl ToPattern,
        answer: impl Fn(&Message) -> A + Send + Sync + 'static,
    ) -> Stub {
        let pattern = report::pattern(pattern);
        // Lenient, so that a wire client's reply subject may be what it may be there (S5).
        let client = self.bus().connect_with(ConnectOptions::new().name("stub").lenient(true));
        let state = Arc::new(State {
            script: Mutex::new(VecDeque::from([Step::new(answer)])),
            asked: AtomicUsize::new(0),
            client,
            schedule: self.schedule().clone(),
            guard: Mutex::new(None),
        });
        // Not kept alive: the bus holds what it calls, and would hold itself.
        let weak = Arc::downgrade(&state);
        let subscribed = state.client.subscribe_fn(pattern.clone(), move |request| {
            if let Some(state) = weak.upgrade() {
                state.answer(&request);
            }
        });
        let guard = subscribed.map_err(|error| format!("no stub on `{pattern}`: {error}")).or_panic();
        let id = guard.id();
        *state.guard.lock() = Some(guard);
        self.0.stubs.lock().push(state.clone());
        Stub { kit: self.clone(), state, pattern, id }
    }

    /// As if there were no responder: requests on the pattern fail at once (R2). Other responders are not hidden: the first answer
    /// counts.
    ///
    /// # Panics
    ///
    /// As [`TestKit::reply_to`].
    #[track_caller]
    pub fn no_responders(&self, pattern: impl ToPattern) -> Stub {
        self.reply_to(pattern, |_| Answer::no_responders())
    }
}

/// The stubs of a kit.
pub(super) type Stubs = Mutex<Vec<Arc<State>>>;

/// Answers requests in place of a service; made by [`TestKit::reply_to`].
pub struct Stub {
    kit: TestKit,
    state: Arc<State>,
    pattern: Pattern,
    id: SubscriptionId,
}

pub(super) struct State {
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
    fn new<A: Into<Answer>>(answer: impl Fn(&Message) -> A + Send + Sync + 'static) -> Self {
        Step { answer: Arc::new(move |request| answer(request).into()), left: None }
    }
}

impl Stub {
    /// The last answer given here holds for this many requests, and the [next one](Stub::then) for those after them. Without it,
    /// for one request if something comes after it, else for all. 0 counts as 1.
    pub fn times(self, requests: usize) -> Self {
        if let Some(last) = self.state.script.lock().back_mut() {
            last.left = Some(requests.max(1));
        }
        self
    }

    /// The answer after that. The last that is said holds for all further requests.
    pub fn then<A: Into<Answer>>(self, answer: impl Fn(&Message) -> A + Send + Sync + 'static) -> Self {
        let step = Step::new(answer);
        let mut script = self.state.script.lock();
        if let Some(last) = script.back_mut() {
            last.left = last.left.or(Some(1));
        }
        script.push_back(step);
        drop(script);
        self
    }

    /// The pattern that it answers to.
    pub fn pattern(&self) -> &Pattern {
        &self.pattern
    }

    /// How often it was asked.
    pub fn asked(&self) -> usize {
        self.state.asked.load(Ordering::Relaxed)
    }

    /// The requests to it, as far as the journal has them.
    pub fn requests(&self) -> Vec<Entry> {
        let mut entries = self.kit.book().journal.on(&self.pattern, 0).entries;
        entries.retain(|entry| entry.receipts.iter().any(|receipt| receipt.subscription.id == self.id));
        entries
    }

    /// From now on it is not there. Answers that are still to come, come.
    pub fn remove(self) {
        self.kit.0.stubs.lock().retain(|other| !Arc::ptr_eq(other, &self.state));
        let guard = self.state.guard.lock().take();
        drop(guard);
    }
}

impl State {
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

impl fmt::Debug for Stub {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Stub").field("pattern", &self.pattern).field("asked", &self.asked()).finish()
    }
}

/// The answer of a [`Stub`]. Made of texts, bytes and JSON by `into`, or by one of the functions.
#[derive(Clone, Debug)]
#[must_use]
pub struct Answer(Vec<Part>);

#[derive(Clone, Debug)]
struct Part {
    content: Content,
    headers: HeaderMap,
    delay: Duration,
}

#[derive(Clone, Debug)]
enum Content {
    Payload(Bytes),
    Status(StatusCode, String),
}

impl Answer {
    /// A payload.
    pub fn payload<'a>(payload: impl Into<Payload<'a>>) -> Self {
        Answer::of(Content::Payload(payload.into().into_bytes()))
    }

    /// JSON.
    ///
    /// # Panics
    ///
    /// If the value can't be written as JSON.
    #[track_caller]
    pub fn json(value: impl serde::Serialize) -> Self {
        let written = serde_json::to_vec(&value).map_err(report::not_json);
        Answer::payload(written.or_panic())
    }

    /// The answer of NATS services when they fail: the code and the text in the headers `Nats-Service-Error-Code` and
    /// `Nats-Service-Error`, and no payload.
    ///
    /// # Panics
    ///
    /// If the text has a line break in it.
    #[track_caller]
    pub fn error(code: u16, text: &str) -> Self {
        Answer::payload("").header("Nats-Service-Error-Code", code.to_string()).header("Nats-Service-Error", text)
    }

    /// A status in place of a payload (H7).
    pub fn status(status: StatusCode, description: &str) -> Self {
        Answer::of(Content::Status(status, description.to_owned()))
    }

    /// The news that there are no responders: the request fails as if there were none (R2).
    pub fn no_responders() -> Self {
        Answer::status(StatusCode::NO_RESPONDERS, "")
    }

    /// No answer: the request runs into its time limit.
    pub fn nothing() -> Self {
        Answer(Vec::new())
    }

    /// Several answers to one request, one after the other.
    pub fn several(answers: impl IntoIterator<Item = impl Into<Answer>>) -> Self {
        Answer(answers.into_iter().flat_map(|answer| answer.into().0).collect())
    }

    /// With a header more.
    ///
    /// # Panics
    ///
    /// If the name or the value can't be in a header.
    #[track_caller]
    pub fn header(mut self, name: impl AsRef<str>, value: impl AsRef<str>) -> Self {
        for part in &mut self.0 {
            part.headers.append(&name, &value).map_err(|error| format!("not a header: {error}")).or_panic();
        }
        self
    }

    /// Later, by the bus's clock. An answer to come does not count as activity: a kit settles before
    /// it.
    pub fn after(mut self, delay: Duration) -> Self {
        self.0.iter_mut().for_each(|part| part.delay = delay);
        self
    }

    fn of(content: Content) -> Self {
        Answer(vec![Part { content, headers: HeaderMap::new(), delay: Duration::ZERO }])
    }
}

impl Part {
    fn message(&self, reply: &Subject) -> Option<Message> {
        let payload = match &self.content {
            Content::Payload(payload) => payload.clone(),
            Content::Status(..) => Bytes::new(),
        };
        let message = Message::new(reply.clone(), payload).ok()?.with_headers(self.headers.clone());
        Some(match &self.content {
            Content::Payload(_) => message,
            Content::Status(status, text) => message.with_status(*status, text),
        })
    }
}

impl From<()> for Answer {
    /// An empty payload.
    fn from((): ()) -> Self {
        Answer::payload("")
    }
}

impl From<&str> for Answer {
    fn from(text: &str) -> Self {
        Answer::payload(text)
    }
}

impl From<String> for Answer {
    fn from(text: String) -> Self {
        Answer::payload(text)
    }
}

impl From<&[u8]> for Answer {
    fn from(bytes: &[u8]) -> Self {
        Answer::payload(bytes)
    }
}

impl From<Vec<u8>> for Answer {
    fn from(bytes: Vec<u8>) -> Self {
        Answer::payload(bytes)
    }
}

impl From<Bytes> for Answer {
    fn from(bytes: Bytes) -> Self {
        Answer::payload(bytes)
    }
}

impl From<serde_json::Value> for Answer {
    fn from(value: serde_json::Value) -> Self {
        Answer::payload(value.to_string())
    }
}
