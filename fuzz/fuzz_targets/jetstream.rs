//! Any sequence of commands for a stream with consumers of all kinds: the machine never panics, its ledgers balance after each
//! command, time passes, and the same commands have the same effects.
//!
//! Input: a byte for the stream, then commands that `arbitrary` reads.
#![no_main]

use arbitrary::{Arbitrary, Unstructured};
use libfuzzer_sys::fuzz_target;
use postroom::Subject;
use postroom::jetstream::engine::config::{AccountLimits, Created, Directory, Retention, StreamConfig};
use postroom::jetstream::engine::consumer::{
    Ack, AckPolicy, AckSubject, ConsumerConfig, ConsumerRequest, DeliverPolicy, PriorityPolicy, PullRequest,
    ReplayPolicy,
};
use postroom::jetstream::engine::{ConsumerId, Publish, Purge, Room, Stream, Timestamp};
use std::time::Duration;

#[derive(Arbitrary, Debug)]
enum Command<'a> {
    Publish { subject: u8, payload: &'a [u8] },
    Create { consumer: u8, kind: [u8; 8] },
    Delete { consumer: u8 },
    Pull { consumer: u8, inbox: u8, batch: i8, bytes: i16, expires: i16, heartbeat: u8, kind: u8 },
    Ack { consumer: u8, seq: u8, consumer_seq: u8, payload: &'a [u8], is_confirmed: bool },
    Interest { consumer: u8, is_bound: bool },
    Flow { consumer: u8 },
    Pause { consumer: u8, millis: i16 },
    Unpin { consumer: u8 },
    Reset { consumer: u8, seq: Option<u8> },
    DeleteMessage { seq: u8 },
    Purge { subject: u8, seq: u8, keep: u8 },
    Advance { millis: u16 },
}

const SUBJECTS: [&str; 5] = ["s.a", "s.b", "s.a.x", "s.*", ">"];

/// The longest that a run may be: effects of timers can be many.
const EFFECTS_MAX: usize = 200_000;

struct Run {
    stream: Stream,
    now: Timestamp,
    /// Everything that was sent, and flow control's requests among it.
    sent: Vec<String>,
    flow: Vec<Subject>,
}

fuzz_target!(|input: &[u8]| {
    let first = run(input);
    assert_eq!(first, run(input), "the same commands have the same effects");
});

fn run(input: &[u8]) -> Vec<String> {
    let mut input = Unstructured::new(input);
    let kind = u8::arbitrary(&mut input).unwrap_or_default();
    let Some(mut run) = Run::new(kind) else { return Vec::new() };
    while let Ok(command) = Command::arbitrary(&mut input) {
        if input.is_empty() || run.sent.len() > EFFECTS_MAX {
            break;
        }
        run.apply(&command);
        run.check();
    }
    run.sent
}

impl Run {
    fn new(kind: u8) -> Option<Self> {
        let none = Directory { streams: &[], server: &Default::default(), account: &Default::default() };
        let config = StreamConfig {
            subjects: vec!["s.>".to_owned()],
            retention: [Retention::Limits, Retention::Interest, Retention::WorkQueue][usize::from(kind) % 3],
            max_msgs: i64::from(kind >> 2 & 7) - 1,
            max_msgs_per_subject: i64::from(kind >> 5) - 1,
            ..StreamConfig::new("S")
        };
        let Ok(Created::New(config)) = none.create(config, false) else { return None };
        let now = Timestamp::from_nanos(1_700_000_000_000_000_000);
        Some(Run { stream: Stream::new(*config, none.server, now, 7), now, sent: Vec::new(), flow: Vec::new() })
    }

    fn id(&self, consumer: u8) -> Option<ConsumerId> {
        self.stream.consumer_id(&format!("c{}", consumer % 4))
    }

    fn apply(&mut self, command: &Command<'_>) {
        let now = self.now;
        let inbox = |number: u8| Subject::new(format!("inbox.{}", number % 3)).expect("a subject");
        match *command {
            Command::Publish { subject, payload } => {
                let subject = Subject::new(SUBJECTS[usize::from(subject) % 3]).expect("a subject");
                let publish = Publish { subject: &subject, reply: Some(&inbox(0)), head: &[], payload };
                self.stream.handle_publish(now, &publish, Room::UNLIMITED);
            }
            Command::Create { consumer, kind } => {
                let config = config(consumer, kind, now);
                let request = ConsumerRequest { config, ..ConsumerRequest::default() };
                // A refusal changes nothing.
                let limits = AccountLimits { max_consumers: 8, ..AccountLimits::default() };
                drop(self.stream.create_consumer(now, request, &limits));
            }
            Command::Delete { consumer } => {
                if let Some(id) = self.id(consumer) {
                    self.stream.delete_consumer(now, id).expect("it is there");
                }
            }
            Command::Pull { consumer, inbox: to, batch, bytes, expires, heartbeat, kind } => {
                let Some(id) = self.id(consumer) else { return };
                let request = PullRequest {
                    batch: batch.into(),
                    max_bytes: bytes.into(),
                    expires: i64::from(expires) * 1_000_000,
                    idle_heartbeat: i64::from(heartbeat) * 1_000_000,
                    no_wait: kind & 1 != 0,
                    is_plain: kind & 2 != 0,
                    group: if kind & 4 != 0 { "g".to_owned() } else { String::new() },
                    min_pending: (kind >> 3 & 1).into(),
                    priority: (kind >> 4).into(),
                    ..PullRequest::default()
                };
                self.stream.handle_pull(now, id, &inbox(to), Ok(&request));
            }
            Command::Ack { consumer, seq, consumer_seq, payload, is_confirmed } => {
                let Some(id) = self.id(consumer) else { return };
                let subject = AckSubject {
                    stream: "S",
                    consumer: "c",
                    deliveries: 1,
                    stream_seq: seq.into(),
                    consumer_seq: consumer_seq.into(),
                };
                let reply = is_confirmed.then(|| inbox(1));
                let ack = Ack::parse(payload, |json| json.len().try_into().ok());
                self.stream.handle_ack(now, id, &subject, ack, reply.as_ref());
            }
            Command::Interest { consumer, is_bound } => {
                if let Some(id) = self.id(consumer) {
                    self.stream.handle_interest(now, id, is_bound);
                }
            }
            Command::Flow { consumer } => {
                if let (Some(id), Some(subject)) = (self.id(consumer), self.flow.pop()) {
                    self.stream.handle_flow_response(now, id, &subject);
                }
            }
            Command::Pause { consumer, millis } => {
                let Some(id) = self.id(consumer) else { return };
                let until = u64::try_from(millis).ok().map(|millis| now.after(Duration::from_millis(millis)));
                self.stream.handle_pause(now, id, until).expect("it is there");
            }
            Command::Unpin { consumer } => {
                if let Some(id) = self.id(consumer) {
                    // Only a consumer of the group takes it.
                    drop(self.stream.handle_unpin(now, id, "g"));
                }
            }
            Command::Reset { consumer, seq } => {
                if let Some(id) = self.id(consumer) {
                    // Its policy may not allow that sequence.
                    drop(self.stream.handle_reset(now, id, seq.map(u64::from)));
                }
            }
            // There may be no such message.
            Command::DeleteMessage { seq } => drop(self.stream.handle_delete(now, seq.into())),
            Command::Purge { subject, seq, keep } => {
                let filter = SUBJECTS[usize::from(subject) % SUBJECTS.len()].to_owned();
                let (seq, keep) = if keep > 0 { (0, keep.into()) } else { (seq.into(), 0) };
                self.stream.handle_purge(now, &Purge { filter, seq, keep }).expect("purges are allowed");
            }
            Command::Advance { millis } => {
                self.now = now.after(Duration::from_millis(millis.into()));
                self.stream.handle_timeout(self.now);
            }
        }
    }

    fn check(&mut self) {
        while let Some(effect) = self.stream.poll_effect() {
            if let postroom::jetstream::engine::Effect::Status { reply, .. } = &effect {
                self.flow.extend(reply.clone());
            }
            self.sent.push(format!("{effect:?}"));
        }
        assert!(self.stream.ledger().balances());
        let late = self.stream.poll_timeout().is_some_and(|due| due < self.now);
        assert!(!late, "nothing is due in the past");
        let state = self.stream.state();
        for id in self.stream.consumer_ids().map(|(_, id)| id).collect::<Vec<_>>() {
            let ledger = self.stream.consumer_ledger(id).expect("it is there");
            assert!(ledger.balances(), "{ledger:?}");
            let config = self.stream.consumer_config(id).expect("it is there").clone();
            let info = self.stream.consumer_info(self.now, id).expect("it is there");
            assert!(info.num_pending <= state.messages, "{info:?}");
            assert_eq!(info.num_ack_pending, ledger.pending);
            assert!(info.ack_floor.stream <= state.last_seq.max(info.delivered.stream), "{info:?}");
            assert!(config.max_waiting <= 0 || info.num_waiting <= config.max_waiting as u64);
        }
    }
}

fn config(consumer: u8, kind: [u8; 8], now: Timestamp) -> ConsumerConfig {
    let [what, policy, deliver, filter, most, waits, pace, priority] = kind;
    let priority_policy =
        [PriorityPolicy::None, PriorityPolicy::Overflow, PriorityPolicy::PinnedClient, PriorityPolicy::Prioritized];
    let priority_policy = priority_policy[usize::from(priority) % 4];
    let deliver_policy = [
        DeliverPolicy::All,
        DeliverPolicy::Last,
        DeliverPolicy::New,
        DeliverPolicy::ByStartSequence,
        DeliverPolicy::LastPerSubject,
    ][usize::from(deliver) % 5];
    let by_sequence = deliver_policy == DeliverPolicy::ByStartSequence;
    let name = format!("c{}", consumer % 4);
    ConsumerConfig {
        durable_name: if what & 1 == 0 { name.clone() } else { String::new() },
        name,
        ack_policy: [AckPolicy::Explicit, AckPolicy::All, AckPolicy::None][usize::from(policy) % 3],
        deliver_policy,
        opt_start_seq: if by_sequence { u64::from(deliver) + 1 } else { 0 },
        filter_subject: SUBJECTS.get(usize::from(filter) % 8).copied().unwrap_or_default().to_owned(),
        max_deliver: i64::from(most % 4) - 1,
        max_ack_pending: if policy % 3 == 2 { 0 } else { i64::from(most >> 2 & 3) - 1 },
        max_waiting: if what & 2 == 0 { i64::from(most >> 4) } else { 0 },
        ack_wait: i64::from(waits) * 1_000_000,
        backoff: if waits & 1 == 0 { Vec::new() } else { vec![0, i64::from(waits) * 1_000] },
        deliver_subject: if what & 2 == 0 { String::new() } else { "deliver".to_owned() },
        flow_control: what & 6 == 6,
        idle_heartbeat: if what & 2 == 0 { 0 } else { 200_000_000 },
        headers_only: what & 8 != 0,
        rate_limit_bps: if what & 2 == 0 { 0 } else { u64::from(pace >> 1) * 100 },
        replay_policy: if pace & 1 == 0 { ReplayPolicy::Instant } else { ReplayPolicy::Original },
        sample_freq: if what & 16 == 0 { String::new() } else { "50%".to_owned() },
        pause_until: (what & 32 != 0)
            .then(|| postroom::jetstream::engine::consumer::WrittenTime::utc(now.after(Duration::from_millis(50)))),
        priority_policy,
        priority_groups: if priority_policy == PriorityPolicy::None { Vec::new() } else { vec!["g".to_owned()] },
        inactive_threshold: i64::from(pace >> 4) * 100_000_000,
        ..ConsumerConfig::default()
    }
}
