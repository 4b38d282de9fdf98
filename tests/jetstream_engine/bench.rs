//! A stream with a clock and short words for what it does.

use postroom::Subject;
use postroom::jetstream::engine::config::{AccountLimits, Created, Directory, ServerLimits, StreamConfig};
use postroom::jetstream::engine::consumer::{
    Ack, AckSubject, ConsumerAddress, ConsumerConfig, ConsumerInfo, ConsumerRequest, Interest, PullRequest,
};
use postroom::jetstream::engine::error::ApiError;
use postroom::jetstream::engine::{Answer, ConsumerId, Effect, Event, Publish, Room, Stream, Timestamp};
use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

/// 2026-01-01T00:00:00Z.
pub(crate) const START: u64 = 1_767_225_600_000_000_000;

pub(crate) const MS: u64 = 1_000_000;
pub(crate) const SECOND: u64 = 1_000 * MS;

pub(crate) struct Bench {
    pub(crate) stream: Stream,
    /// Nanoseconds since the start.
    pub(crate) passed: u64,
    /// Effects that are no answers, as texts.
    pub(crate) others: Vec<String>,
    /// Inboxes that nothing receives from.
    pub(crate) dead: Dead,
}

/// Inboxes that nothing receives from; all others have interest.
#[derive(Clone, Default)]
pub(crate) struct Dead(Arc<Mutex<BTreeSet<String>>>);

impl Dead {
    pub(crate) fn set(&self, inbox: &str, is_dead: bool) {
        let mut all = self.0.lock().unwrap();
        if is_dead {
            all.insert(inbox.to_owned())
        } else {
            all.remove(inbox)
        };
    }
}

impl Interest for Dead {
    fn has_interest(&self, inbox: &Subject) -> bool {
        !self.0.lock().unwrap().contains(inbox.as_str())
    }
}

/// The outcome of a request to create a stream, alone in its account.
pub(crate) fn create(config: StreamConfig) -> Result<StreamConfig, ApiError> {
    create_with(config, false, &[])
}

pub(crate) fn create_with(
    config: StreamConfig,
    pedantic: bool,
    streams: &[&StreamConfig],
) -> Result<StreamConfig, ApiError> {
    let (server, account) = (ServerLimits::default(), AccountLimits::default());
    match (Directory { streams, server: &server, account: &account }).create(config, pedantic)? {
        Created::New(config) => Ok(*config),
        _ => panic!("there is one already"),
    }
}

/// `code/err_code text`, as the rules are written.
pub(crate) fn text(error: &ApiError) -> String {
    format!("{}/{} {}", error.code(), error.err_code(), error.description())
}

impl Bench {
    /// Stream `S` on `s.>`, in memory, with what `set` changes.
    pub(crate) fn new(set: impl FnOnce(&mut StreamConfig)) -> Self {
        let mut config = StreamConfig::new("S");
        config.subjects = vec!["s.>".to_owned()];
        config.storage = postroom::jetstream::engine::config::Storage::Memory;
        set(&mut config);
        let config = create(config).unwrap_or_else(|error| panic!("{}", text(&error)));
        let dead = Dead::default();
        let stream = Stream::new(config, &ServerLimits::default(), Timestamp::from_nanos(START), 1);
        Bench { stream: stream.with_interest(dead.clone()), passed: 0, others: Vec::new(), dead }
    }

    pub(crate) fn now(&self) -> Timestamp {
        Timestamp::from_nanos(START + self.passed)
    }

    /// Publishes, and says what was answered: `1`, `duplicate 1`, `3 = 12` (a sum), `part`, `batch b 3 x2` or the error.
    pub(crate) fn publish(&mut self, subject: &str, payload: &str, headers: &[(&str, &str)]) -> String {
        self.publish_to(subject, payload, headers, "inbox")
    }

    pub(crate) fn publish_to(&mut self, subject: &str, payload: &str, headers: &[(&str, &str)], reply: &str) -> String {
        let head = block(headers);
        self.publish_raw(subject, &head, payload, reply, Room::UNLIMITED)
    }

    pub(crate) fn publish_raw(&mut self, subject: &str, head: &[u8], payload: &str, reply: &str, room: Room) -> String {
        let (subject, reply) = (Subject::new(subject).unwrap(), Subject::new(reply).unwrap());
        let publish = Publish { subject: &subject, reply: Some(&reply), head, payload: payload.as_bytes() };
        self.stream.handle_publish(self.now(), &publish, room);
        self.settle().unwrap_or_else(|| "nothing".to_owned())
    }

    /// Takes all effects; says the answer among them.
    fn settle(&mut self) -> Option<String> {
        let mut answered = None;
        while let Some(effect) = self.stream.poll_effect() {
            match effect {
                Effect::Answer { answer, .. } => answered = Some(answer_text(&answer)),
                Effect::Republish { subject, head, payload } => {
                    let [head, payload] =
                        [&head, &payload].map(|bytes| String::from_utf8_lossy(bytes).replace("\r\n", "|"));
                    self.others.push(format!("{subject} {head} {payload}"));
                }
                Effect::BatchAbandoned { batch, reason } => self.others.push(format!("{batch} {}", reason.as_str())),
                other => self.others.push(effect_text(&other)),
            }
        }
        assert!(self.stream.ledger().balances(), "{:?}", self.stream.ledger());
        assert_eq!(self.stream.ledger().held, self.stream.state().messages);
        answered
    }

    /// Lets time pass, and does at each instant what is due then.
    pub(crate) fn advance(&mut self, nanos: u64) {
        let end = self.passed + nanos;
        while let Some(due) = self.stream.poll_timeout().filter(|due| due.as_nanos() <= START + end) {
            self.passed = due.as_nanos().saturating_sub(START).max(self.passed);
            self.stream.handle_timeout(self.now());
        }
        self.passed = end;
        self.stream.handle_timeout(self.now());
        self.settle();
    }

    /// Lets the clock jump, and only then does what was due.
    pub(crate) fn jump(&mut self, nanos: u64) {
        self.passed += nanos;
        self.stream.handle_timeout(self.now());
        self.settle();
    }

    pub(crate) fn update(&mut self, set: impl FnOnce(&mut StreamConfig)) {
        let old = self.stream.config().clone();
        let mut config = old.clone();
        set(&mut config);
        let (server, account) = (ServerLimits::default(), AccountLimits::default());
        let directory = Directory { streams: &[&old], server: &server, account: &account };
        let config = directory.update("S", config, false, |_| None).unwrap_or_else(|error| panic!("{}", text(&error)));
        self.stream.handle_update(self.now(), config);
        self.settle();
    }

    /// The sequences that are there.
    pub(crate) fn seqs(&self) -> Vec<u64> {
        let mut seqs = Vec::new();
        let mut from = 0;
        while let Some(message) = self.stream.messages().next_match(&[] as &[&str], from) {
            seqs.push(message.seq());
            from = message.seq() + 1;
        }
        seqs
    }

    pub(crate) fn head(&self, seq: u64) -> String {
        let message = self.stream.messages().get(seq).unwrap_or_else(|| panic!("{seq} is there"));
        String::from_utf8_lossy(message.head()).replace("\r\n", "|")
    }

    pub(crate) fn payload(&self, seq: u64) -> String {
        String::from_utf8_lossy(self.stream.messages().get(seq).unwrap_or_else(|| panic!("{seq} is there")).payload())
            .into_owned()
    }

    /// Nanoseconds after the start, of each message.
    pub(crate) fn times(&self) -> Vec<u64> {
        self.seqs().iter().map(|seq| self.stream.messages().get(*seq).unwrap().time().as_nanos() - START).collect()
    }
}

pub(crate) fn block(headers: &[(&str, &str)]) -> Vec<u8> {
    if headers.is_empty() {
        return Vec::new();
    }
    let lines: String = headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    format!("NATS/1.0\r\n{lines}\r\n").into_bytes()
}

fn answer_text(answer: &Answer) -> String {
    match answer {
        Answer::Stored { seq } => seq.to_string(),
        Answer::Duplicate { seq } => format!("duplicate {seq}"),
        Answer::Counter { seq, value } => format!("{seq} = {value}"),
        Answer::Part => "part".to_owned(),
        Answer::Batch { seq, batch, count, value: None } => format!("batch {batch} {seq} x{count}"),
        Answer::Batch { seq, batch, count, value: Some(value) } => format!("batch {batch} {seq} x{count} = {value}"),
        Answer::Failed(error) => text(error),
        other => panic!("{other:?}"),
    }
}

/// A consumer's effects: `inbox < s.a 1/1 x1 +2 payload` is a message, with stream and consumer sequence, count and what is left.
fn effect_text(effect: &Effect) -> String {
    match effect {
        Effect::Deliver(delivery) => {
            let tokens: Vec<&str> = delivery.reply.as_str().split('.').collect();
            let [_, _, _, _, count, seq, consumer_seq, _, left] = tokens[..] else { panic!("{}", delivery.reply) };
            let head = String::from_utf8_lossy(&delivery.head).replace("\r\n", "|");
            let payload = String::from_utf8_lossy(&delivery.payload);
            let (to, subject) = (&delivery.to, &delivery.subject);
            format!("{to} < {subject} {seq}/{consumer_seq} x{count} +{left} {head}{payload}").trim_end().to_owned()
        }
        Effect::Status { to, reply, status } => {
            let reply = reply.as_ref().map(|reply| format!(" ({reply})")).unwrap_or_default();
            let mut text = format!("{to}{reply} {} {}", status.code, status.text);
            text.extend(status.left.map(|(messages, bytes)| format!(" [{messages} {bytes}]")));
            text.extend(status.last.map(|(consumer, stream)| format!(" [{consumer} {stream}]")));
            text.extend(status.stalled.as_ref().map(|subject| format!(" stalled {subject}")));
            text
        }
        Effect::Confirm { to } => format!("{to} ok"),
        Effect::AckMetric { consumer, consumer_seq, stream_seq, ack_time, deliveries } => {
            format!("metric {consumer} {stream_seq}/{consumer_seq} x{deliveries} {ack_time:?}")
        }
        Effect::ConsumerGone { name, .. } => format!("gone {name}"),
        Effect::Advisory(advisory) => {
            let event = match &advisory.event {
                Event::Created => "created".to_owned(),
                Event::Deleted => "deleted".to_owned(),
                Event::Pause { is_paused, until } => {
                    let until = until.map(|until| until.as_nanos().saturating_sub(START) / MS);
                    format!("paused {is_paused} {until:?}")
                }
                Event::Naked { consumer_seq, stream_seq, deliveries } => {
                    format!("naked {stream_seq}/{consumer_seq} x{deliveries}")
                }
                Event::Terminated { consumer_seq, stream_seq, deliveries, reason } => {
                    format!("terminated {stream_seq}/{consumer_seq} x{deliveries} {reason}").trim_end().to_owned()
                }
                Event::MaxDeliveries { stream_seq, deliveries } => format!("exhausted {stream_seq} x{deliveries}"),
                Event::Pinned { group, .. } => format!("pinned {group}"),
                Event::Unpinned { group, reason } => format!("unpinned {group} {}", reason.as_str()),
                other => panic!("{other:?}"),
            };
            format!("{}: {event}", advisory.consumer)
        }
        other => panic!("{other:?}"),
    }
}

/// What is done with consumers.
impl Bench {
    /// Creates or updates a consumer by the name of its configuration.
    pub(crate) fn create(&mut self, config: ConsumerConfig) -> Result<ConsumerInfo, String> {
        self.request(ConsumerRequest { config, ..ConsumerRequest::default() })
    }

    pub(crate) fn request(&mut self, mut request: ConsumerRequest) -> Result<ConsumerInfo, String> {
        let name = match request.config.durable_name.as_str() {
            "" => request.config.name.clone(),
            name => name.to_owned(),
        };
        let address = match name.as_str() {
            "" => ConsumerAddress::Unnamed,
            name => ConsumerAddress::Named { name, filter: None },
        };
        request.address(address).map_err(|error| text(&error))?;
        let created =
            self.stream.create_consumer(self.now(), request, &AccountLimits::default()).map_err(|error| text(&error));
        self.settle();
        created
    }

    pub(crate) fn id(&self, name: &str) -> ConsumerId {
        self.stream.consumer_id(name).unwrap_or_else(|| panic!("{name} is there"))
    }

    pub(crate) fn delete(&mut self, name: &str) {
        self.stream.delete_consumer(self.now(), self.id(name)).unwrap();
        self.settle();
    }

    pub(crate) fn pull(&mut self, name: &str, inbox: &str, request: &PullRequest) -> Vec<String> {
        let inbox = Subject::new(inbox).unwrap();
        self.stream.handle_pull(self.now(), self.id(name), &inbox, Ok(request));
        self.settle();
        std::mem::take(&mut self.others)
    }

    /// Takes what is there, up to a number.
    pub(crate) fn fetch(&mut self, name: &str, batch: i64) -> Vec<String> {
        self.pull(name, "f", &PullRequest { batch, no_wait: true, ..PullRequest::default() })
    }

    /// Acknowledges a message as its first delivery's reply would, if that had the number of the message.
    pub(crate) fn ack(&mut self, name: &str, seq: u64, ack: Ack<'_>, reply: Option<&str>) -> Vec<String> {
        self.ack_delivery(name, seq, seq, ack, reply)
    }

    pub(crate) fn ack_delivery(
        &mut self,
        name: &str,
        seq: u64,
        consumer_seq: u64,
        ack: Ack<'_>,
        reply: Option<&str>,
    ) -> Vec<String> {
        let subject = AckSubject { stream: "S", consumer: name, deliveries: 1, stream_seq: seq, consumer_seq };
        let reply = reply.map(|reply| Subject::new(reply).unwrap());
        self.stream.handle_ack(self.now(), self.id(name), &subject, ack, reply.as_ref());
        self.settle();
        std::mem::take(&mut self.others)
    }

    pub(crate) fn info(&mut self, name: &str) -> ConsumerInfo {
        let info = self.stream.consumer_info(self.now(), self.id(name)).unwrap();
        self.settle();
        info
    }

    /// Everything that was sent since it was asked for last, but for answers.
    pub(crate) fn sent(&mut self) -> Vec<String> {
        self.settle();
        std::mem::take(&mut self.others)
    }
}
