//! async-nats as a [`System`], wherever it connects.
//!
//! Goal: the rules see a server and not the client library's buffers. Method: everything that another connection can notice
//! (a subscription, its end, a publish) is followed by a round trip to the server, which async-nats' own `flush` is not (D9).

use super::system::*;
use async_nats::{Client, ConnectOptions, Event, Message, PublishErrorKind, RequestErrorKind, SubscribeErrorKind};
use futures_util::{FutureExt, StreamExt};
use std::collections::HashMap;
use std::future::Future;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, LazyLock, Mutex, Weak};
use tokio::runtime::Runtime;
use tokio::sync::watch;

/// Where the clients connect.
pub trait Place: Send + Sync {
    fn start(setup: Setup) -> Self;

    fn url(&self) -> String;
}

static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("a runtime")
});

/// The result of what must end, on a thread of a test.
fn in_time<T>(what: &str, work: impl Future<Output = T>) -> T {
    RUNTIME.block_on(async {
        tokio::time::timeout(PATIENCE, work).await.unwrap_or_else(|_| panic!("{what}: nothing for {PATIENCE:?}"))
    })
}

pub struct OnTheWire<P> {
    place: P,
    wires: Wires,
}

impl<P: Place> System for OnTheWire<P> {
    fn start(setup: Setup) -> Self {
        OnTheWire { place: P::start(setup), wires: Wires::default() }
    }

    fn connect_with(&self, with: With) -> Box<dyn Connection> {
        self.wires.connect(&self.place.url(), with)
    }
}

/// All connections of one system.
#[derive(Clone, Default)]
pub struct Wires(Arc<Mutex<Vec<Weak<Wire>>>>);

impl Wires {
    pub fn connect(&self, url: &str, with: With) -> Box<dyn Connection> {
        let (log, _) = watch::channel(Log::default());
        let heard = log.clone();
        let mut options = ConnectOptions::new().event_callback(move |event| {
            heard.send_modify(|log| log.note(event));
            std::future::ready(())
        });
        options = if with.no_echo { options.no_echo() } else { options };
        options = with.capacity.into_iter().fold(options, ConnectOptions::subscription_capacity);
        let client = in_time("connect", options.connect(url)).expect("a connection");
        let wire = Arc::new(Wire { client, log, asked: AtomicU64::new(0), sids: AtomicU64::new(0) });
        self.0.lock().unwrap().push(Arc::downgrade(&wire));
        Box::new(Conn { wire, all: self.clone() })
    }

    /// C15: what the server has taken in before has arrived at every connection.
    pub fn flush(&self) {
        let wires: Vec<_> = self.0.lock().unwrap().iter().filter_map(Weak::upgrade).collect();
        wires.iter().for_each(|wire| wire.round_trip());
    }
}

/// The events that a connection was told.
#[derive(Default)]
struct Log {
    /// The last round trip that came back.
    answered: u64,
    connects: u64,
    closed: bool,
    errors: Vec<String>,
    /// By subscription.
    lost: HashMap<u64, u64>,
}

/// S10: the server refuses a reply with this prefix and says so in the stream of what it sends, behind all that came before.
const ROUND_TRIP: &str = "_R_.";

impl Log {
    fn note(&mut self, event: Event) {
        match event {
            Event::Connected => self.connects += 1,
            Event::Closed => self.closed = true,
            Event::SlowConsumer(sid) => *self.lost.entry(sid).or_default() += 1,
            Event::ServerError(async_nats::ServerError::Other(text)) => {
                let number = text.split_once(ROUND_TRIP).and_then(|(_, rest)| rest.strip_suffix('"'));
                match number.and_then(|number| number.parse().ok()) {
                    Some(number) => self.answered = self.answered.max(number),
                    None => self.errors.push(text),
                }
            }
            Event::Disconnected | Event::LameDuckMode | Event::Draining => {}
            Event::ServerError(error) => self.errors.push(error.to_string()),
            Event::ClientError(error) => self.errors.push(error.to_string()),
        }
    }
}

struct Wire {
    client: Client,
    log: watch::Sender<Log>,
    /// Round trips begun.
    asked: AtomicU64,
    /// Subscriptions made; async-nats numbers them from 1.
    sids: AtomicU64,
}

impl Wire {
    /// Returns when the server has done all that was asked for before and the client has taken in the results. It is a publish
    /// that the server refuses: that needs no subscription, reaches no subscriber, and works without echo.
    fn round_trip(&self) {
        let number = self.asked.fetch_add(1, Ordering::Relaxed) + 1;
        let mut log = self.log.subscribe();
        in_time("round trip", async {
            loop {
                let connects = log.borrow().connects;
                let reply = format!("{ROUND_TRIP}{number}");
                if self.client.publish_with_reply("round.trip", reply, "".into()).await.is_err() {
                    return; // Closed: there is nothing to wait for.
                }
                // Whatever ended the connection may have taken the question with it.
                let news = |log: &Log| log.answered >= number || log.closed || log.connects > connects;
                let log = log.wait_for(news).await.expect("kept by self");
                if log.answered >= number || log.closed {
                    return;
                }
            }
        });
    }

    /// The errors from the server since the last time.
    fn complaints(&self) -> Vec<String> {
        let mut errors = Vec::new();
        self.log.send_modify(|log| errors = std::mem::take(&mut log.errors));
        errors
    }

    fn is_closed(&self) -> bool {
        self.log.borrow().closed
    }

    fn of_other(&self) -> Refusal {
        if self.is_closed() { Refusal::Closed } else { Refusal::Other }
    }

    fn subscribe(self: &Arc<Self>, how: How<'_>) -> Result<Sub, Refusal> {
        let (pattern, queue) = (how.pattern.to_owned(), how.queue.map(str::to_owned));
        let subscriber = in_time("subscribe", async {
            match queue {
                Some(queue) => self.client.queue_subscribe(pattern, queue).await,
                None => self.client.subscribe(pattern).await,
            }
        });
        let subscriber = subscriber.map_err(|error| match error.kind() {
            SubscribeErrorKind::InvalidSubject => Refusal::Pattern,
            SubscribeErrorKind::InvalidQueueName => Refusal::Other,
            SubscribeErrorKind::Other => self.of_other(),
        })?;
        let sid = self.sids.fetch_add(1, Ordering::Relaxed) + 1;
        self.round_trip();
        let refusal = self.complaints().pop().map(|text| match text.as_str() {
            "Invalid Subject" => Refusal::Pattern,
            "maximum subscriptions exceeded" => Refusal::TooManySubscriptions,
            other => panic!("{}: {other}", how.pattern),
        });
        match refusal {
            Some(refusal) => Err(refusal),
            None => Ok(Sub { subscriber: Mutex::new(Some(subscriber)), wire: self.clone(), sid }),
        }
    }
}

struct Conn {
    wire: Arc<Wire>,
    all: Wires,
}

impl Connection for Conn {
    fn publish(&self, out: Out<'_>) -> Result<(), Refusal> {
        let client = &self.wire.client;
        let (subject, payload) = (out.subject.to_owned(), out.payload.to_vec().into());
        let mut headers = async_nats::HeaderMap::new();
        for (name, value) in out.headers {
            headers.append(*name, *value);
        }
        let done = in_time("publish", async {
            match out.reply.map(str::to_owned) {
                Some(reply) => client.publish_with_reply_and_headers(subject, reply, headers, payload).await,
                None => client.publish_with_headers(subject, headers, payload).await,
            }
        });
        done.map_err(|error| match error.kind() {
            PublishErrorKind::InvalidSubject => Refusal::Subject,
            PublishErrorKind::MaxPayloadExceeded => Refusal::TooLarge,
            PublishErrorKind::Send => Refusal::Closed,
        })
    }

    fn subscribe_with(&self, how: How<'_>) -> Result<Box<dyn Subscription>, Refusal> {
        assert_eq!(how.capacity_bytes, None, "async-nats bounds no bytes");
        Ok(Box::new(self.wire.subscribe(how)?))
    }

    fn request(&self, subject: &str, payload: &str) -> Result<Got, Refusal> {
        let request = self.wire.client.request(subject.to_owned(), payload.to_owned().into());
        in_time("request", request).map(got).map_err(|error| match error.kind() {
            RequestErrorKind::NoResponders => Refusal::NoResponders,
            RequestErrorKind::TimedOut => Refusal::Timeout,
            RequestErrorKind::InvalidSubject => Refusal::Subject,
            RequestErrorKind::MaxPayloadExceeded => Refusal::TooLarge,
            RequestErrorKind::Other => self.wire.of_other(),
        })
    }

    /// async-nats has none: an inbox of its own, and a status is the end (R9).
    fn request_many(&self, subject: &str, payload: &str, max: usize) -> Result<Vec<Got>, Refusal> {
        let inbox = self.new_inbox();
        let answers = self.subscribe_with(How { pattern: &inbox, ..How::default() })?;
        self.publish(Out { subject, reply: Some(&inbox), payload: payload.as_bytes(), ..Out::default() })?;
        let mut all = Vec::new();
        while all.len() < max {
            match answers.next() {
                Some(Got { status: Some(503), .. }) if all.is_empty() => return Err(Refusal::NoResponders),
                Some(answer) if answer.status.is_none() => all.push(answer),
                Some(_) | None => break,
            }
        }
        Ok(all)
    }

    fn serve(&self, subject: &str, answer: Answerer) -> Box<dyn Service> {
        let sub = self.wire.subscribe(How { pattern: subject, ..How::default() }).expect("a good subscription");
        let client = self.wire.client.clone();
        let mut questions = sub.take();
        Box::new(Answering(RUNTIME.spawn(async move {
            while let Some(question) = questions.next().await {
                let reply = question.reply.clone().expect("questions have a reply");
                for text in answer(&got(question)) {
                    client.publish(reply.clone(), text.into()).await.expect("the connection is open");
                }
            }
        })))
    }

    fn new_inbox(&self) -> String {
        self.wire.client.new_inbox()
    }

    /// First what this connection published, then what that brought the others.
    fn flush(&self) {
        self.wire.round_trip();
        self.all.flush();
    }

    fn drain(&self) -> Box<dyn FnOnce() + '_> {
        in_time("drain", self.wire.client.drain()).expect("an open connection");
        Box::new(|| {
            in_time("the end of a drain", async {
                self.wire.log.subscribe().wait_for(|log| log.closed).await.expect("kept by self");
                // The news comes a moment before the client is deaf.
                while self.wire.client.flush().await.is_ok() {}
            });
        })
    }

    fn is_closed(&self) -> bool {
        self.wire.is_closed()
    }
}

struct Sub {
    /// `None` only while it is dropped or serves.
    subscriber: Mutex<Option<async_nats::Subscriber>>,
    wire: Arc<Wire>,
    sid: u64,
}

impl Sub {
    fn with<T>(&self, work: impl FnOnce(&mut async_nats::Subscriber) -> T) -> T {
        work(self.subscriber.lock().unwrap().as_mut().expect("not yet dropped"))
    }

    fn take(self) -> async_nats::Subscriber {
        self.subscriber.lock().unwrap().take().expect("not yet dropped")
    }
}

impl Subscription for Sub {
    fn next(&self) -> Option<Got> {
        self.with(|subscriber| in_time("a message", subscriber.next()).map(got))
    }

    fn arrived(&self) -> Vec<Got> {
        self.with(|subscriber| std::iter::from_fn(|| subscriber.next().now_or_never().flatten().map(got)).collect())
    }

    fn unsubscribe(&self) {
        self.with(|subscriber| in_time("unsubscribe", subscriber.unsubscribe())).expect("an open connection");
        self.wire.round_trip();
    }

    fn unsubscribe_after(&self, max: u64) {
        self.with(|subscriber| in_time("unsubscribe", subscriber.unsubscribe_after(max))).expect("an open connection");
        self.wire.round_trip();
    }

    fn drain(&self) {
        self.with(|subscriber| in_time("drain", subscriber.drain())).expect("an open connection");
    }

    fn lost(&self) -> u64 {
        self.wire.log.borrow().lost.get(&self.sid).copied().unwrap_or(0)
    }
}

impl Drop for Sub {
    fn drop(&mut self) {
        let subscriber = self.subscriber.get_mut().map(Option::take).ok().flatten();
        if subscriber.is_some() && !std::thread::panicking() {
            drop(subscriber);
            self.wire.round_trip();
        }
    }
}

struct Answering(tokio::task::JoinHandle<()>);

impl Service for Answering {}

impl Drop for Answering {
    fn drop(&mut self) {
        self.0.abort();
    }
}

fn got(message: Message) -> Got {
    let headers = message.headers.unwrap_or_default();
    let headers = headers.iter().flat_map(|(name, values)| values.iter().map(move |value| (name, value)));
    Got {
        subject: message.subject.to_string(),
        reply: message.reply.map(|reply| reply.to_string()),
        status: message.status.map(|status| status.as_u16()),
        headers: headers.map(|(name, value)| (name.to_string(), value.to_string())).collect(),
        payload: message.payload.to_vec(),
    }
}
