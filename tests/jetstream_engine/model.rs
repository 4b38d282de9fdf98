//! Random commands against a model that keeps a plain list and looks through all of it each time.

use crate::bench::{Bench, MS, SECOND, START};
use postroom::jetstream::engine::config::{Discard, Retention, StreamConfig};
use postroom::jetstream::engine::consumer::{Ack, ConsumerConfig};
use postroom::jetstream::engine::{Ledger, Purge};
use postroom::subject::relation::matches;
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};

/// Behind every other event.
const FAR: u64 = 100_000_000 * SECOND;

#[derive(Clone, Debug)]
enum Command {
    Publish {
        subject: usize,
        len: usize,
        id: Option<u8>,
        ttl: Option<&'static str>,
        rollup: Option<&'static str>,
    },
    Advance(u64),
    Jump(u64),
    Purge {
        filter: usize,
        seq: u64,
        keep: u64,
    },
    Delete(u64),
    AddConsumer {
        consumer: u32,
        filter: usize,
    },
    RemoveConsumer(u32),
    Refilter {
        consumer: u32,
        filter: usize,
    },
    Done {
        consumer: u32,
        seq: u64,
    },
    /// New limits: messages of the stream, and of a subject.
    Trim(i64, i64),
}

const SUBJECTS: [&str; 5] = ["s.a", "s.b", "s.a.x", "s.b.y", "s.c"];
const FILTERS: [&str; 5] = ["s.a", "s.*", "s.b.>", ">", "s.*.x"];

fn command() -> impl Strategy<Value = Command> {
    let ttl = prop::sample::select(vec![None, None, None, Some("1"), Some("3s"), Some("never")]);
    let rollup = prop::sample::select(vec![None, None, None, None, None, None, Some("sub"), Some("all")]);
    let publish = (0..SUBJECTS.len(), 0..30_usize, prop::option::weighted(0.3, 0..4_u8), ttl, rollup)
        .prop_map(|(subject, len, id, ttl, rollup)| Command::Publish { subject, len, id, ttl, rollup });
    let purge = (0..FILTERS.len() + 2, 0..40_u64, 0..5_u64, any::<bool>()).prop_map(|(filter, seq, keep, by_seq)| {
        let (seq, keep) = if by_seq { (seq, 0) } else { (0, keep) };
        Command::Purge { filter, seq, keep }
    });
    prop_oneof![
        12 => publish,
        3 => (0..2_000_u64).prop_map(Command::Advance),
        1 => (0..8_000_u64).prop_map(Command::Jump),
        1 => purge,
        2 => (0..40_u64).prop_map(Command::Delete),
        1 => (0..3_u32, 0..FILTERS.len()).prop_map(|(consumer, filter)| Command::AddConsumer { consumer, filter }),
        1 => (0..3_u32).prop_map(Command::RemoveConsumer),
        1 => (0..3_u32, 0..FILTERS.len()).prop_map(|(consumer, filter)| Command::Refilter { consumer, filter }),
        6 => (0..3_u32, 0..40_u64).prop_map(|(consumer, seq)| Command::Done { consumer, seq }),
        1 => (1..12_i64, 1..4_i64).prop_map(|(all, each)| Command::Trim(all, each)),
    ]
}

fn settings() -> impl Strategy<Value = StreamConfig> {
    let limit = |max: i64| prop_oneof![1 => Just(-1), 1 => 1..max];
    let retention =
        prop::sample::select(vec![Retention::Limits, Retention::Limits, Retention::Interest, Retention::WorkQueue]);
    (limit(12), limit(300), limit(4), any::<bool>(), any::<bool>(), retention, 0..3_i64, 0..3_i64, 1..4_i64).prop_map(
        |(max_msgs, max_bytes, each, is_new, per_subject, retention, age, marker, window)| StreamConfig {
            subjects: vec!["s.>".to_owned()],
            max_msgs,
            max_bytes,
            max_msgs_per_subject: each,
            discard: if is_new { Discard::New } else { Discard::Old },
            discard_new_per_subject: is_new && per_subject && each > 0,
            retention,
            max_age: age * 2 * SECOND as i64,
            duplicate_window: window * SECOND as i64 / 2,
            subject_delete_marker_ttl: marker * SECOND as i64,
            allow_rollup_hdrs: true,
            allow_msg_ttl: true,
            ..StreamConfig::new("S")
        },
    )
}

#[derive(Clone, Debug)]
struct Message {
    seq: u64,
    subject: String,
    size: u64,
    time: u64,
    expires: Option<u64>,
    never: bool,
    marker: bool,
}

struct Consumer {
    filter: &'static str,
    /// Messages from here on are still to be delivered.
    next: u64,
    /// Delivered, and not acknowledged, whatever the filter was.
    taken: BTreeSet<u64>,
}

impl Consumer {
    fn needs(&self, message: &Message) -> bool {
        matches(self.filter, &message.subject) && (message.seq >= self.next || self.taken.contains(&message.seq))
    }
}

struct Model {
    config: StreamConfig,
    now: u64,
    messages: Vec<Message>,
    first: u64,
    last: u64,
    ids: Vec<(u8, u64, u64)>,
    consumers: BTreeMap<u32, Consumer>,
    ledger: Ledger,
}

impl Model {
    fn new(config: StreamConfig) -> Self {
        let (messages, ids) = (Vec::new(), Vec::new());
        Model {
            config,
            now: 0,
            messages,
            first: 0,
            last: 0,
            ids,
            consumers: BTreeMap::new(),
            ledger: Ledger::default(),
        }
    }

    fn remove(&mut self, at: usize, count: fn(&mut Ledger) -> &mut u64) -> Message {
        let message = self.messages.remove(at);
        *count(&mut self.ledger) += 1;
        self.ledger.held -= 1;
        self.first = self.messages.first().map_or(self.last + 1, |message| message.seq);
        for consumer in self.consumers.values_mut() {
            consumer.taken.remove(&message.seq);
        }
        message
    }

    fn remove_where(&mut self, wanted: impl Fn(&Message) -> bool, count: fn(&mut Ledger) -> &mut u64) {
        while let Some(at) = self.messages.iter().position(&wanted) {
            self.remove(at, count);
        }
    }

    fn bytes(&self) -> u64 {
        self.messages.iter().map(|message| message.size).sum()
    }

    fn of_subject(&self, subject: &str) -> usize {
        self.messages.iter().filter(|message| message.subject == subject).count()
    }

    /// When something happens by itself, what it is (0: an age, 1: a time of its own), and to which message.
    fn next_event(&self) -> Option<(u64, u8, u64)> {
        let age = self.config.max_age as u64;
        let ages = self.messages.iter().filter(|message| age > 0 && !message.never);
        let ages = ages.map(|message| (message.time + age, 0, message.seq));
        let own = self.messages.iter().filter_map(|message| Some((message.expires?, 1, message.seq)));
        ages.chain(own).min()
    }

    fn due(&self) -> Option<u64> {
        let window = self.config.duplicate_window as u64;
        let ids = self.ids.iter().map(|(_, _, time)| time + window);
        ids.chain(self.next_event().map(|(at, ..)| at)).min()
    }

    fn run_until(&mut self, end: u64) {
        while let Some((at, _, seq)) = self.next_event().filter(|(at, ..)| *at <= end) {
            self.now = at;
            let place = self.messages.iter().position(|message| message.seq == seq).unwrap();
            let gone = self.remove(place, |ledger| &mut ledger.expired);
            if self.config.subject_delete_marker_ttl > 0 && !gone.marker && self.of_subject(&gone.subject) == 0 {
                let ttl = self.config.subject_delete_marker_ttl as u64;
                let head = format!(
                    "NATS/1.0\r\nNats-Marker-Reason: MaxAge\r\nNats-TTL: {}s\r\nNats-Rollup: sub\r\n\r\n",
                    ttl / SECOND
                );
                let marker = Message {
                    seq: 0,
                    size: 16 + gone.subject.len() as u64 + head.len() as u64,
                    subject: gone.subject,
                    time: at,
                    expires: Some(at + ttl),
                    never: false,
                    marker: true,
                };
                let _refused_or_not = self.store(marker, Some("sub"));
            }
        }
        self.now = end;
        let window = self.config.duplicate_window as u64;
        self.ids.retain(|(_, _, time)| time + window > end);
    }

    fn store(&mut self, mut message: Message, rollup: Option<&str>) -> Result<u64, &'static str> {
        let is_wanted = self.consumers.values().any(|consumer| matches(consumer.filter, &message.subject));
        let unwanted = self.config.retention == Retention::Interest && !is_wanted;
        if !unwanted {
            self.refuse(&message, rollup)?;
        }
        self.last += 1;
        let seq = self.last;
        message.seq = seq;
        let subject = message.subject.clone();
        if unwanted {
            self.ledger.unwanted += 1;
            self.first = self.messages.first().map_or(seq + 1, |message| message.seq);
        } else {
            self.messages.push(message);
            self.ledger.stored += 1;
            self.ledger.held += 1;
            self.first = self.messages[0].seq;
            self.trim();
        }
        match rollup {
            Some("all") => self.remove_where(|message| message.seq < seq, |ledger| &mut ledger.rolled_up),
            Some(_) => {
                let older = |message: &Message| message.seq < seq && message.subject == subject;
                self.remove_where(older, |ledger| &mut ledger.rolled_up);
            }
            None => {}
        }
        Ok(seq)
    }

    fn refuse(&self, message: &Message, rollup: Option<&str>) -> Result<(), &'static str> {
        let config = &self.config;
        if config.discard != Discard::New {
            return Ok(());
        }
        let each = config.max_msgs_per_subject;
        let at_max = each > 0 && self.of_subject(&message.subject) as i64 >= each;
        if at_max && config.discard_new_per_subject && rollup.is_none() {
            return Err("maximum messages per subject exceeded");
        }
        if config.max_msgs > 0 && self.messages.len() as i64 >= config.max_msgs && !at_max {
            return Err("maximum messages exceeded");
        }
        let oldest =
            self.messages.iter().find(|other| other.subject == message.subject).map_or(0, |oldest| oldest.size);
        let over = config.max_bytes > 0 && (self.bytes() + message.size) as i64 > config.max_bytes;
        if over && (!at_max || oldest < message.size) { Err("maximum bytes exceeded") } else { Ok(()) }
    }

    fn trim(&mut self) {
        let each = self.config.max_msgs_per_subject;
        let over = |model: &Model| {
            let is_elapsed = |message: &Message| each > 0 && model.of_subject(&message.subject) as i64 > each;
            model.messages.iter().position(is_elapsed)
        };
        while let Some(at) = over(self) {
            self.remove(at, |ledger| &mut ledger.evicted);
        }
        let is_elapsed = |model: &Model| {
            let StreamConfig { max_msgs, max_bytes, .. } = model.config;
            (max_msgs > 0 && model.messages.len() as i64 > max_msgs)
                || (max_bytes > 0 && model.bytes() as i64 > max_bytes)
        };
        while self.config.discard == Discard::Old && is_elapsed(self) {
            self.remove(0, |ledger| &mut ledger.evicted);
        }
    }

    fn publish(
        &mut self,
        subject: &str,
        len: usize,
        id: Option<u8>,
        ttl: Option<&str>,
        rollup: Option<&str>,
    ) -> String {
        if let Some((_, seq, _)) = self.ids.iter().find(|(other, ..)| Some(*other) == id) {
            return format!("duplicate {seq}");
        }
        let mut ttl = ttl.map(str::to_owned);
        let mut seconds = match ttl.as_deref() {
            Some("1") => 1,
            Some("3s") => 3,
            _ => 0,
        };
        let marker = self.config.subject_delete_marker_ttl as u64 / SECOND;
        let is_raised = seconds > 0 && seconds < marker && self.config.max_msgs_per_subject != 1;
        let line = |name: &str, value: &str| name.len() + value.len() + 4;
        // Discard new is judged by what was sent; what is stored may have a longer header.
        let sent = head_len(&[
            id.map_or(0, |id| line("Nats-Msg-Id", &id.to_string())),
            ttl.as_deref().map_or(0, |ttl| line("Nats-TTL", ttl)),
            rollup.map_or(0, |rollup| line("Nats-Rollup", rollup)),
        ]);
        if is_raised {
            seconds = marker;
            ttl = Some(marker.to_string());
        }
        let stored = head_len(&[
            id.map_or(0, |id| line("Nats-Msg-Id", &id.to_string())),
            ttl.as_deref().map_or(0, |ttl| line("Nats-TTL", ttl)),
            rollup.map_or(0, |rollup| line("Nats-Rollup", rollup)),
        ]);
        let mut message = Message {
            seq: 0,
            subject: subject.to_owned(),
            size: (16 + subject.len() + sent + len) as u64,
            time: self.now,
            expires: (seconds > 0).then(|| self.now + seconds * SECOND),
            never: ttl.as_deref() == Some("never"),
            marker: false,
        };
        let wanted = self.config.retention != Retention::Interest
            || self.consumers.values().any(|consumer| matches(consumer.filter, subject));
        if wanted && let Err(text) = self.refuse(&message, rollup) {
            return format!("503/10077 {text}");
        }
        message.size = (16 + subject.len() + stored + len) as u64;
        let was = std::mem::replace(&mut self.config.discard, Discard::Old);
        // The trimming of discard old must not run for discard new.
        let (max_msgs, max_bytes) = (self.config.max_msgs, self.config.max_bytes);
        if was == Discard::New {
            (self.config.max_msgs, self.config.max_bytes) = (-1, -1);
        }
        let seq = self.store(message, rollup).expect("it was judged before");
        (self.config.max_msgs, self.config.max_bytes, self.config.discard) = (max_msgs, max_bytes, was);
        self.ids.extend(id.map(|id| (id, seq, self.now)));
        seq.to_string()
    }

    fn purge(&mut self, filter: &str, seq: u64, keep: u64) -> u64 {
        let before = self.messages.len() as u64;
        let is_all = filter.is_empty() || filter == ">";
        let wanted = |message: &Message| is_all || matches(filter, &message.subject);
        let count = self.messages.iter().filter(|message| wanted(message)).count() as u64;
        let below = if seq > 0 { seq } else { u64::MAX };
        for _ in 0..count.saturating_sub(keep) {
            let Some(at) = self.messages.iter().position(|message| wanted(message) && message.seq < below) else {
                break;
            };
            self.remove(at, |ledger| &mut ledger.purged);
        }
        if is_all && seq > 1 && seq > self.last {
            self.last = seq - 1;
            self.first = seq;
        } else if is_all && seq == 0 && keep == 0 {
            self.first = self.last + 1;
        }
        before - self.messages.len() as u64
    }

    /// Takes away what a consumer of an interest stream needed until now, and none needs.
    fn let_go(&mut self, seqs: &BTreeSet<u64>) {
        if self.config.retention != Retention::Interest {
            return;
        }
        for seq in seqs {
            let message = self.messages.iter().find(|message| message.seq == *seq);
            let is_needed = |message| self.consumers.values().any(|consumer| consumer.needs(message));
            if message.is_some_and(|message| !is_needed(message)) {
                self.remove_where(|message| message.seq == *seq, |ledger| &mut ledger.acked);
            }
        }
    }

    fn needed_by(&self, consumer: u32) -> BTreeSet<u64> {
        let consumer = &self.consumers[&consumer];
        self.messages.iter().filter(|message| consumer.needs(message)).map(|message| message.seq).collect()
    }

    /// Each takes all that there is; a search that finds nothing does not begin.
    fn fetch(&mut self) {
        for consumer in self.consumers.values_mut() {
            let new = self
                .messages
                .iter()
                .filter(|message| message.seq >= consumer.next && matches(consumer.filter, &message.subject));
            let new: Vec<u64> = new.map(|message| message.seq).collect();
            if !new.is_empty() {
                consumer.taken.extend(new);
                consumer.next = self.last + 1;
            }
        }
    }
}

fn head_len(lines: &[usize]) -> usize {
    let all: usize = lines.iter().sum();
    if all == 0 { 0 } else { "NATS/1.0\r\n\r\n".len() + all }
}

fn run(config: StreamConfig, commands: Vec<Command>) {
    let mut bench = Bench::new(|made| {
        let memory = made.storage;
        *made = config.clone();
        made.storage = memory;
    });
    let mut model = Model::new(bench.stream.config().clone());
    for (at, command) in commands.iter().enumerate() {
        apply(&mut bench, &mut model, command);
        let context = || format!("{at}: {command:?}");
        let state = bench.stream.state();
        let seqs: Vec<u64> = model.messages.iter().map(|message| message.seq).collect();
        assert_eq!(bench.seqs(), seqs, "{}", context());
        assert_eq!((state.first_seq, state.last_seq), (model.first, model.last), "{}", context());
        assert_eq!((state.bytes, state.messages), (model.bytes(), model.messages.len() as u64), "{}", context());
        assert_eq!(bench.stream.ledger(), model.ledger, "{}", context());
        let due = bench.stream.poll_timeout().map(|due| due.as_nanos() - START).filter(|due| *due < FAR);
        assert_eq!(due, model.due(), "{}", context());
        for message in &model.messages {
            let stored = bench.stream.messages().get(message.seq).unwrap();
            assert_eq!((stored.subject(), stored.time().as_nanos() - START), (message.subject.as_str(), message.time));
        }
        for filter in FILTERS {
            let from = model.last / 2;
            let wanted: Vec<u64> = model
                .messages
                .iter()
                .filter(|message| message.seq >= from && matches(filter, &message.subject))
                .map(|message| message.seq)
                .collect();
            assert_eq!(
                bench.stream.messages().num_pending(&[filter], from),
                wanted.len() as u64,
                "{} {filter}",
                context()
            );
            let next = bench.stream.messages().next_match(&[filter], from).map(|message| message.seq());
            assert_eq!(next, wanted.first().copied(), "{} {filter}", context());
        }
        let gaps: Vec<u64> = (model.first..model.last).filter(|seq| !seqs.contains(seq)).collect();
        let deleted: Vec<u64> = bench.stream.messages().deleted().filter(|seq| *seq < model.last).collect();
        assert_eq!(deleted, gaps, "{}", context());
    }
}

fn apply(bench: &mut Bench, model: &mut Model, command: &Command) {
    match command.clone() {
        Command::Publish { subject, len, id, ttl, rollup } => {
            let id_text = id.map(|id| id.to_string());
            let mut headers = Vec::new();
            headers.extend(id_text.as_deref().map(|id| ("Nats-Msg-Id", id)));
            headers.extend(ttl.map(|ttl| ("Nats-TTL", ttl)));
            headers.extend(rollup.map(|rollup| ("Nats-Rollup", rollup)));
            let answer = bench.publish(SUBJECTS[subject], &"x".repeat(len), &headers);
            assert_eq!(answer, model.publish(SUBJECTS[subject], len, id, ttl, rollup), "{command:?}");
        }
        Command::Advance(millis) => {
            bench.advance(millis * MS);
            model.run_until(model.now + millis * MS);
        }
        Command::Jump(millis) => {
            bench.jump(millis * MS);
            model.run_until(model.now + millis * MS);
        }
        Command::Purge { filter, seq, keep } => {
            let filter = FILTERS.get(filter).copied().unwrap_or_default();
            let purge = Purge { filter: filter.to_owned(), seq, keep };
            let purged = bench.stream.handle_purge(bench.now(), &purge).unwrap();
            assert_eq!(purged, model.purge(filter, seq, keep), "{command:?}");
        }
        Command::Delete(seq) => {
            let is_there = model.messages.iter().any(|message| message.seq == seq);
            assert_eq!(bench.stream.handle_delete(bench.now(), seq).is_ok(), is_there);
            model.remove_where(|message| message.seq == seq, |ledger| &mut ledger.deleted);
        }
        Command::AddConsumer { consumer, filter } => {
            // A work queue has one consumer for each message.
            let only_one = model.config.retention != Retention::WorkQueue || model.consumers.is_empty();
            if only_one && !model.consumers.contains_key(&consumer) {
                bench.create(config_of(consumer, filter)).unwrap();
                let filter = FILTERS[filter];
                model.consumers.insert(consumer, Consumer { filter, next: model.first, taken: BTreeSet::new() });
            }
        }
        Command::RemoveConsumer(consumer) if model.consumers.contains_key(&consumer) => {
            bench.delete(&name_of(consumer));
            let needed = model.needed_by(consumer);
            model.consumers.remove(&consumer);
            if model.consumers.is_empty() && model.config.retention == Retention::Interest {
                model.remove_where(|_| true, |ledger| &mut ledger.acked);
                // Also where there never was a message.
                model.first = model.first.max(1);
            }
            model.let_go(&needed);
        }
        Command::Refilter { consumer, filter } if model.consumers.contains_key(&consumer) => {
            if model.config.retention == Retention::WorkQueue {
                return;
            }
            bench.create(config_of(consumer, filter)).unwrap();
            let filter = FILTERS[filter];
            let needed = model.needed_by(consumer);
            model.consumers.get_mut(&consumer).unwrap().filter = filter;
            model.let_go(&needed);
        }
        Command::Done { consumer, seq } if model.consumers.get(&consumer).is_some_and(|it| it.taken.contains(&seq)) => {
            bench.ack(&name_of(consumer), seq, Ack::Ack, None);
            model.consumers.get_mut(&consumer).unwrap().taken.remove(&seq);
            match model.config.retention {
                Retention::WorkQueue => model.remove_where(|message| message.seq == seq, |ledger| &mut ledger.acked),
                _ => model.let_go(&[seq].into()),
            }
        }
        Command::Trim(all, each) => {
            bench.update(|config| (config.max_msgs, config.max_msgs_per_subject) = (all, each));
            (model.config.max_msgs, model.config.max_msgs_per_subject) = (all, each);
            model.trim();
        }
        _ => {}
    }
    model.fetch();
    for consumer in model.consumers.keys() {
        bench.fetch(&name_of(*consumer), 1_000);
    }
}

fn name_of(consumer: u32) -> String {
    format!("c{consumer}")
}

/// A consumer whose acknowledgements take longer than any test.
fn config_of(consumer: u32, filter: usize) -> ConsumerConfig {
    ConsumerConfig {
        filter_subject: FILTERS[filter].to_owned(),
        ack_wait: FAR as i64,
        max_ack_pending: -1,
        ..ConsumerConfig::durable(name_of(consumer))
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    /// JS48, JS49, JS55 to JS57, JS69 to JS78, JC140 to JC147, in any mixture.
    #[test]
    fn a_stream_is_what_a_plain_list_is(
        config in settings(),
        commands in prop::collection::vec(command(), 1..80),
    ) {
        run(config, commands);
    }
}
