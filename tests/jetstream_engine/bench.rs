//! A stream with a clock and short words for what it does.

use postroom::Subject;
use postroom::jetstream::engine::config::{AccountLimits, Created, Directory, ServerLimits, StreamConfig};
use postroom::jetstream::engine::error::ApiError;
use postroom::jetstream::engine::{Acks, Answer, Change, Effect, Publish, Room, Stream, Timestamp};

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
        let stream = Stream::new(config, &ServerLimits::default(), Timestamp::from_nanos(START), 1);
        Bench { stream, passed: 0, others: Vec::new() }
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
                other => panic!("{other:?}"),
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

    pub(crate) fn update(&mut self, set: impl FnOnce(&mut StreamConfig), acks: &impl Acks) {
        let old = self.stream.config().clone();
        let mut config = old.clone();
        set(&mut config);
        let (server, account) = (ServerLimits::default(), AccountLimits::default());
        let directory = Directory { streams: &[&old], server: &server, account: &account };
        let config = directory.update("S", config, false, |_| None).unwrap_or_else(|error| panic!("{}", text(&error)));
        self.stream.handle_update(self.now(), config, acks);
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

    pub(crate) fn changes(&mut self) -> Vec<Change> {
        std::iter::from_fn(|| self.stream.poll_change()).collect()
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
