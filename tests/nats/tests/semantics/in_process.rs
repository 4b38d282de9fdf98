//! The in-process client as a [`System`].

use super::system::*;
use postroom::error::RecvTimeoutError;
use postroom::request::RequestManyOptions;
use postroom::{
    Bus, Client, ConnectOptions, HeaderMap, Limits, Message, PublishError, RequestError, SubscribeError,
    SubscribeOptions, Subscriber, SubscriptionGuard,
};

pub struct InProcess(Bus);

impl System for InProcess {
    fn start(setup: Setup) -> Self {
        InProcess(bus(setup))
    }

    /// A publish has arrived when it returns.
    fn connect_with(&self, with: With) -> Box<dyn Connection> {
        connect(&self.0, with, || {})
    }
}

pub fn bus(setup: Setup) -> Bus {
    let mut limits = Limits::default();
    limits.max_payload = setup.max_payload.unwrap_or(limits.max_payload);
    limits.max_subscriptions = setup.max_subscriptions.unwrap_or(limits.max_subscriptions);
    Bus::builder().limits(limits).seed(1).build()
}

/// A client of `bus`; `flush` is to return when what the bus has taken in has arrived wherever it goes.
pub fn connect(bus: &Bus, with: With, flush: impl Fn() + Send + Sync + 'static) -> Box<dyn Connection> {
    let options = ConnectOptions::new().no_responders(!with.without_no_responders);
    let client = bus.connect_with(if with.no_echo { options.no_echo(true) } else { options });
    Box::new(Conn { client, capacity: with.capacity, flush: Box::new(flush) })
}

struct Conn {
    client: Client,
    capacity: Option<usize>,
    flush: Box<dyn Fn() + Send + Sync>,
}

impl Connection for Conn {
    fn publish(&self, out: Out<'_>) -> Result<(), Refusal> {
        let mut message = Message::new(out.subject, out.payload).map_err(|_| Refusal::Subject)?;
        if let Some(reply) = out.reply {
            message = message.with_reply(reply).map_err(|_| Refusal::Subject)?;
        }
        let mut headers = HeaderMap::new();
        for (name, value) in out.headers {
            headers.append(name, value).map_err(|_| Refusal::Other)?;
        }
        self.client.publish_message(&message.with_headers(headers)).map(drop).map_err(of_publish)
    }

    fn subscribe_with(&self, how: How<'_>) -> Result<Box<dyn Subscription>, Refusal> {
        let mut options = SubscribeOptions::new();
        options = how.queue.into_iter().fold(options, |options, queue| options.queue(queue));
        options = self.capacity.into_iter().fold(options, SubscribeOptions::capacity);
        options = how.capacity_bytes.into_iter().fold(options, SubscribeOptions::capacity_bytes);
        match self.client.subscribe_with(how.pattern, options) {
            Ok(subscriber) => Ok(Box::new(Sub(subscriber))),
            Err(SubscribeError::InvalidPattern(_)) => Err(Refusal::Pattern),
            Err(SubscribeError::MaxSubscriptionsExceeded { .. }) => Err(Refusal::TooManySubscriptions),
            Err(SubscribeError::Closed) => Err(Refusal::Closed),
            Err(_) => Err(Refusal::Other),
        }
    }

    fn request(&self, subject: &str, payload: &str) -> Result<Got, Refusal> {
        self.client.request(subject, payload).map(|answer| got(&answer)).map_err(of_request)
    }

    fn request_many(&self, subject: &str, payload: &str, max: usize) -> Result<Vec<Got>, Refusal> {
        let answers =
            self.client.request_many(subject, payload, RequestManyOptions::new().max(max)).map_err(of_request)?;
        Ok(answers.into_iter().map(|answer| got(&answer)).collect())
    }

    fn serve(&self, subject: &str, answer: Box<dyn Fn(&Got) -> Vec<String> + Send + Sync>) -> Box<dyn Service> {
        let guard = self.client.subscribe_fn(subject, move |question| {
            for text in answer(&got(&question)) {
                question.respond(text).expect("questions have a reply");
            }
        });
        Box::new(Answering(guard.expect("a good subscription")))
    }

    fn new_inbox(&self) -> String {
        self.client.new_inbox().to_string()
    }

    fn flush(&self) {
        (self.flush)();
    }

    fn drain(&self) -> Box<dyn FnOnce() + '_> {
        let drain = self.client.drain();
        Box::new(|| drain.wait())
    }

    fn is_closed(&self) -> bool {
        self.client.is_closed()
    }
}

struct Sub(Subscriber);

impl Subscription for Sub {
    fn next(&self) -> Option<Got> {
        match self.0.recv_timeout(PATIENCE) {
            Ok(message) => Some(got(&message)),
            Err(RecvTimeoutError::Timeout) => panic!("a message: nothing for {PATIENCE:?}"),
            Err(_) => None,
        }
    }

    fn arrived(&self) -> Vec<Got> {
        self.0.try_iter().map(|message| got(&message)).collect()
    }

    fn unsubscribe(&self) {
        self.0.unsubscribe();
    }

    fn unsubscribe_after(&self, max: u64) {
        self.0.unsubscribe_after(max);
    }

    fn drain(&self) {
        let _ = self.0.drain();
    }

    fn lost(&self) -> u64 {
        self.0.ledger().dropped.total()
    }
}

struct Answering(#[expect(dead_code, reason = "kept for its drop")] SubscriptionGuard);

impl Service for Answering {}

fn got(message: &Message) -> Got {
    Got {
        subject: message.subject().to_string(),
        reply: message.reply().map(|reply| reply.to_string()),
        status: message.status().map(u16::from),
        headers: message.headers().iter().map(|(name, value)| (name.into(), value.into())).collect(),
        payload: message.payload().to_vec(),
    }
}

fn of_publish(error: PublishError) -> Refusal {
    match error {
        PublishError::InvalidSubject(_) => Refusal::Subject,
        PublishError::MaxPayloadExceeded { .. } => Refusal::TooLarge,
        PublishError::Closed => Refusal::Closed,
        _ => Refusal::Other,
    }
}

fn of_request(error: RequestError) -> Refusal {
    match error {
        RequestError::NoResponders { .. } => Refusal::NoResponders,
        RequestError::Timeout { .. } => Refusal::Timeout,
        RequestError::Closed => Refusal::Closed,
        RequestError::Publish(error) => of_publish(error),
        _ => Refusal::Other,
    }
}
