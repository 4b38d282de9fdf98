//! The systems that the rules are tested against: any that carries messages between connections by
//! subject.
//!
//! A rule is written once against these traits and runs on every system that implements them. Nothing here waits for a
//! time: `flush` returns when all that this connection published before has arrived wherever it goes, and a call that
//! begins or ends a subscription returns when that is in force everywhere.

use std::fmt::Debug;
use std::time::Duration;

/// How long a test waits for what must come.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// The options that a system is started with; `None` is the system's default.
#[derive(Clone, Copy, Default)]
pub struct Setup {
    pub max_payload: Option<usize>,
    pub max_subscriptions: Option<usize>,
}

/// The options that a connection announces.
#[derive(Clone, Copy, Default)]
pub struct With {
    pub no_echo: bool,
    /// Not possible with async-nats, which always announces it.
    pub without_no_responders: bool,
    /// Messages that may wait in each of its subscriptions before the newest are dropped.
    pub capacity: Option<usize>,
}

/// The function that makes the answers to a question.
pub type Answerer = Box<dyn Fn(&Got) -> Vec<String> + Send + Sync>;

pub trait System: Sized {
    fn start(setup: Setup) -> Self;

    fn connect_with(&self, with: With) -> Box<dyn Connection>;

    fn connect(&self) -> Box<dyn Connection> {
        self.connect_with(With::default())
    }
}

pub trait Connection: Send + Sync {
    fn publish(&self, out: Out<'_>) -> Result<(), Refusal>;

    fn subscribe_with(&self, how: How<'_>) -> Result<Box<dyn Subscription>, Refusal>;

    /// Asks and waits for the first answer.
    fn request(&self, subject: &str, payload: &str) -> Result<Got, Refusal>;

    /// Asks and waits until `max` answers came or the system says that there will be no more.
    fn request_many(&self, subject: &str, payload: &str, max: usize) -> Result<Vec<Got>, Refusal>;

    /// Answers every message on `subject` from now on with what `answer` makes of it, on a connection's own time.
    fn serve(&self, subject: &str, answer: Answerer) -> Box<dyn Service>;

    fn new_inbox(&self) -> String;

    fn flush(&self);

    /// Begins to drain and gives back a way to wait for its end.
    fn drain(&self) -> Box<dyn FnOnce() + '_>;

    fn is_closed(&self) -> bool;

    fn send(&self, subject: &str, payload: &str) {
        self.publish(Out { subject, payload: payload.as_bytes(), ..Out::default() }).expect("a good publish");
    }

    fn ask(&self, subject: &str, reply: &str) {
        self.publish(Out { subject, reply: Some(reply), ..Out::default() }).expect("a good publish");
    }

    fn subscribe(&self, pattern: &str) -> Box<dyn Subscription> {
        self.subscribe_with(How { pattern, ..How::default() }).expect("a good subscription")
    }

    fn queue_subscribe(&self, pattern: &str, queue: &str) -> Box<dyn Subscription> {
        self.subscribe_with(How { pattern, queue: Some(queue), ..How::default() }).expect("a good subscription")
    }
}

pub trait Subscription: Send {
    /// The next message; waits for it. `None` once there will be none.
    fn next(&self) -> Option<Got>;

    /// Whatever has arrived.
    fn arrived(&self) -> Vec<Got>;

    fn unsubscribe(&self);

    fn unsubscribe_after(&self, max: u64);

    /// Begins to drain; all that arrived before can still be taken.
    fn drain(&self);

    /// Messages lost because the subscriber was slow.
    fn lost(&self) -> u64;

    fn payloads(&self) -> Vec<String> {
        self.arrived().into_iter().map(|got| got.text()).collect()
    }

    fn subjects(&self) -> Vec<String> {
        self.arrived().into_iter().map(|got| got.subject).collect()
    }
}

/// Kept as long as a service is to answer.
pub trait Service {}

#[derive(Clone, Copy, Default)]
pub struct Out<'a> {
    pub subject: &'a str,
    pub reply: Option<&'a str>,
    pub headers: &'a [(&'a str, &'a str)],
    pub payload: &'a [u8],
}

#[derive(Clone, Copy, Default)]
pub struct How<'a> {
    pub pattern: &'a str,
    pub queue: Option<&'a str>,
    /// Bytes that may wait. Not possible with async-nats.
    pub capacity_bytes: Option<usize>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Got {
    pub subject: String,
    pub reply: Option<String>,
    pub status: Option<u16>,
    pub headers: Vec<(String, String)>,
    pub payload: Vec<u8>,
}

impl Got {
    pub fn text(&self) -> String {
        String::from_utf8(self.payload.clone()).expect("tests send text")
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    Subject,
    Pattern,
    TooLarge,
    TooManySubscriptions,
    NoResponders,
    Timeout,
    Closed,
    Other,
}

/// `refused(result)` is why; panics if it was not refused.
pub fn refused<T>(result: Result<T, Refusal>) -> Refusal {
    match result {
        Ok(_) => panic!("was not refused"),
        Err(refusal) => refusal,
    }
}

/// As a set, for what comes in no particular order.
pub fn sorted<T: Ord + Debug>(mut all: Vec<T>) -> Vec<T> {
    all.sort();
    all
}
