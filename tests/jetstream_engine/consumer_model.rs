//! Random commands against a naive consumer: a list of messages and a list of deliveries, searched from the beginning each time.
//!
//! After each command everything that was sent, the state that is shown, and the ledger (promise JS-2) have to be the same.

use crate::bench::{Bench, MS, START};
use postroom::jetstream::engine::consumer::{Ack, AckPolicy, ConsumerConfig, ConsumerLedger, PullRequest};
use postroom::jetstream::engine::{Purge, Timestamp};
use postroom::subject::relation::matches;
use proptest::prelude::*;

#[derive(Clone, Debug)]
enum Command {
    Publish(usize),
    Pull { batch: i64, expires: u64, no_wait: bool, heartbeat: u64 },
    Ack(u64),
    Term(u64),
    Progress(u64),
    Nak { seq: u64, consumer_seq: u64, delay: Option<u64> },
    Delete(u64),
    Purge(u64),
    Pause(u64),
    Reset(u64),
    Dead(usize, bool),
    Advance(u64),
    Jump(u64),
}

const SUBJECTS: [&str; 3] = ["s.a", "s.b", "s.c"];
const INBOXES: [&str; 3] = ["A", "B", "C"];

fn command() -> impl Strategy<Value = Command> {
    let seq = || 1..25_u64;
    let pull =
        (1..5_i64, prop::sample::select(vec![0, 0, 30, 100]), any::<bool>(), prop::sample::select(vec![0, 0, 10]))
            .prop_map(|(batch, expires, no_wait, heartbeat)| {
                let heartbeat = if expires == 0 { 0 } else { heartbeat };
                Command::Pull { batch, expires, no_wait, heartbeat }
            });
    let nak = (seq(), 0..40_u64, prop::option::of(1..60_u64)).prop_map(|(seq, consumer_seq, delay)| Command::Nak {
        seq,
        consumer_seq,
        delay,
    });
    prop_oneof![
        8 => (0..SUBJECTS.len()).prop_map(Command::Publish),
        8 => pull,
        6 => seq().prop_map(Command::Ack),
        1 => seq().prop_map(Command::Term),
        1 => seq().prop_map(Command::Progress),
        4 => nak,
        2 => seq().prop_map(Command::Delete),
        1 => (0..30_u64).prop_map(Command::Purge),
        1 => (0..80_u64).prop_map(Command::Pause),
        1 => (0..30_u64).prop_map(Command::Reset),
        1 => (0..INBOXES.len(), any::<bool>()).prop_map(|(inbox, is_dead)| Command::Dead(inbox, is_dead)),
        5 => (0..60_u64).prop_map(Command::Advance),
        2 => (0..200_u64).prop_map(Command::Jump),
    ]
}

#[derive(Clone, Copy, Debug)]
struct Settings {
    policy: AckPolicy,
    filter: &'static str,
    max_deliver: i64,
    max_ack_pending: i64,
    backoff: bool,
}

fn settings() -> impl Strategy<Value = Settings> {
    let policy = prop::sample::select(vec![AckPolicy::Explicit, AckPolicy::Explicit, AckPolicy::All, AckPolicy::None]);
    let filter = prop::sample::select(vec!["", "s.a", "s.*"]);
    let most = prop::sample::select(vec![-1_i64, 1, 2, 3]);
    (policy, filter, most, prop::sample::select(vec![-1_i64, 1, 3]), any::<bool>()).prop_map(
        |(policy, filter, max_deliver, max_ack_pending, backoff)| Settings {
            policy,
            filter,
            max_deliver,
            max_ack_pending: if policy == AckPolicy::None { 0 } else { max_ack_pending },
            backoff: backoff && !(0..2).contains(&max_deliver) && policy != AckPolicy::None,
        },
    )
}

#[derive(Clone, Debug)]
struct Delivery {
    seq: u64,
    first: u64,
    count: i64,
    /// When it comes again; none while it is queued.
    due: Option<u64>,
}

#[derive(Clone, Debug)]
struct Request {
    inbox: &'static str,
    left: i64,
    expires: Option<u64>,
    heartbeat: u64,
    beats: Option<u64>,
    no_wait: bool,
    received: bool,
}

struct Model {
    settings: Settings,
    now: u64,
    messages: Vec<(u64, &'static str)>,
    last: u64,
    next: u64,
    delivered: (u64, u64),
    floor: (u64, u64),
    pending: Vec<Delivery>,
    queue: Vec<u64>,
    exhausted: Vec<(u64, i64)>,
    requests: Vec<Request>,
    dead: Vec<&'static str>,
    paused: Option<u64>,
    /// The instant that the latest pause named.
    pause_until: Option<u64>,
    ledger: ConsumerLedger,
    out: Vec<String>,
}

impl Model {
    fn new(settings: Settings) -> Self {
        Model {
            settings,
            now: 0,
            messages: Vec::new(),
            last: 0,
            next: 1,
            delivered: (0, 0),
            floor: (0, 0),
            pending: Vec::new(),
            queue: Vec::new(),
            exhausted: Vec::new(),
            requests: Vec::new(),
            dead: Vec::new(),
            paused: None,
            pause_until: None,
            ledger: ConsumerLedger::default(),
            out: Vec::new(),
        }
    }

    fn wants(&self, subject: &str) -> bool {
        self.settings.filter.is_empty() || matches(self.settings.filter, subject)
    }

    fn ahead(&self) -> Vec<(u64, &'static str)> {
        self.messages.iter().filter(|(seq, subject)| *seq >= self.next && self.wants(subject)).copied().collect()
    }

    fn wait(&self, count: i64) -> u64 {
        let waits: &[u64] = if self.settings.backoff { &[20, 45] } else { &[50] };
        waits[(count as usize - 1).min(waits.len() - 1)] * MS
    }

    fn find(&self, seq: u64) -> Option<usize> {
        self.pending.iter().position(|delivery| delivery.seq == seq)
    }

    fn stored(&self, seq: u64) -> Option<&'static str> {
        self.messages.iter().find(|(other, _)| *other == seq).map(|(_, subject)| *subject)
    }

    fn exhaust(&mut self, seq: u64) {
        let gone = self.pending.remove(self.find(seq).unwrap());
        self.queue.retain(|other| *other != seq);
        self.exhausted.push((seq, gone.count));
        self.ledger.exhausted += 1;
        self.out.push(format!("c: exhausted {seq} x{}", gone.count));
    }

    fn serve(&mut self) {
        if self.paused.is_some_and(|until| until > self.now) {
            self.end_pass();
            return;
        }
        while !self.requests.is_empty() {
            let most = self.settings.max_deliver;
            while let Some(seq) = self.queue.first().copied() {
                let count = self.pending[self.find(seq).unwrap()].count;
                if most > 0 && count >= most {
                    self.exhaust(seq);
                } else {
                    break;
                }
            }
            let again = self.queue.first().copied();
            if again.is_none() && self.is_full() {
                return;
            }
            let Some(seq) = again.or_else(|| self.ahead().first().map(|(seq, _)| *seq)) else {
                self.next = self.next.max(self.last + 1);
                break;
            };
            while self.requests.first().is_some_and(|request| self.dead.contains(&request.inbox)) {
                self.requests.remove(0);
            }
            if self.requests.is_empty() {
                break;
            }
            let mut request = self.requests.remove(0);
            self.delivered = (self.delivered.0 + 1, self.delivered.1.max(seq));
            let count = match self.find(seq) {
                Some(at) => {
                    let due = Some(self.now + self.wait(self.pending[at].count + 1));
                    self.pending[at].count += 1;
                    self.pending[at].due = due;
                    self.queue.retain(|other| *other != seq);
                    self.ledger.redelivered += 1;
                    self.pending[at].count
                }
                None => {
                    self.next = seq + 1;
                    self.ledger.delivered += 1;
                    if self.settings.policy == AckPolicy::None {
                        self.floor = self.delivered;
                        self.ledger.acked += 1;
                    } else {
                        let due = Some(self.now + self.wait(1));
                        self.pending.push(Delivery { seq, first: self.delivered.0, count: 1, due });
                    }
                    1
                }
            };
            let subject = self.stored(seq).unwrap();
            let (inbox, left) = (request.inbox, self.ahead().len());
            self.out.push(format!("{inbox} < {subject} {seq}/{} x{count} +{left}", self.delivered.0));
            request.left -= 1;
            request.received = true;
            if request.heartbeat > 0 {
                request.beats = Some(self.now + request.heartbeat);
            }
            if request.left > 0 {
                self.requests.push(request);
            }
        }
        self.end_pass();
    }

    fn end_pass(&mut self) {
        let ends = |request: &Request| request.no_wait && (request.expires.is_none() || request.received);
        for request in self.requests.iter().filter(|request| ends(request)) {
            self.out.push(format!("{} 404 No Messages", request.inbox));
        }
        self.requests.retain(|request| !ends(request));
    }

    fn pull(&mut self, inbox: &'static str, batch: i64, expires: u64, no_wait: bool, heartbeat: u64) {
        if no_wait {
            let there = self.ahead().len() as i64 + self.queue.len() as i64;
            let wanted = |model: &Model| model.requests.iter().map(|request| request.left).sum::<i64>();
            if there == 0 && expires == 0 {
                self.out.push(format!("{inbox} 404 No Messages"));
                return;
            }
            if there > 0 && there < wanted(self) {
                self.requests.retain(|request| !self.dead.contains(&request.inbox));
            }
            if there > 0 && there < wanted(self) {
                self.out.push(format!("{inbox} 408 Requests Pending"));
                return;
            }
        }
        self.requests.push(Request {
            inbox,
            left: batch,
            expires: (expires > 0).then_some(self.now + expires * MS),
            heartbeat: heartbeat * MS,
            beats: (heartbeat > 0).then_some(self.now + heartbeat * MS),
            no_wait,
            received: false,
        });
        self.serve();
    }

    fn raise(&mut self, seq: u64, first: u64) {
        if self.settings.policy != AckPolicy::Explicit {
            return;
        }
        if self.pending.is_empty() {
            self.floor = self.delivered;
        } else if first == self.floor.0 + 1 {
            let above = self.pending.iter().filter(|delivery| delivery.seq > seq).min_by_key(|delivery| delivery.seq);
            self.floor = above.map_or((first, seq), |next| (next.first - 1, next.seq - 1));
        }
    }

    fn is_full(&self) -> bool {
        self.settings.max_ack_pending > 0 && self.pending.len() as i64 >= self.settings.max_ack_pending
    }

    fn ack(&mut self, seq: u64, is_ack: bool) {
        if self.settings.policy == AckPolicy::None {
            return;
        }
        let was_full = self.is_full();
        if seq < self.next {
            if self.settings.policy == AckPolicy::All {
                self.ack_all(seq, seq, is_ack);
            } else {
                self.settle(is_ack, |other| other == seq);
            }
        }
        if !is_ack {
            self.out.push(format!("c: terminated {seq}/{seq} x1 no"));
        }
        if seq < self.next {
            self.out.push("r ok".to_owned());
        }
        if was_full {
            self.serve();
        }
    }

    fn ack_all(&mut self, seq: u64, consumer_seq: u64, is_ack: bool) {
        if consumer_seq > self.floor.0 && seq > self.floor.1 {
            self.floor = (consumer_seq, seq);
            self.settle(is_ack, |other| other <= seq);
        }
    }

    fn settle(&mut self, is_ack: bool, is_meant: impl Fn(u64) -> bool) {
        let mut count = 0;
        while let Some(at) = self.pending.iter().position(|delivery| is_meant(delivery.seq)) {
            let gone = self.pending.remove(at);
            self.queue.retain(|other| *other != gone.seq);
            self.raise(gone.seq, gone.first);
            count += 1;
        }
        let before = self.exhausted.len() as u64;
        self.exhausted.retain(|(other, _)| !is_meant(*other));
        let forgiven = before - self.exhausted.len() as u64;
        self.ledger.exhausted -= forgiven;
        *(if is_ack { &mut self.ledger.acked } else { &mut self.ledger.terminated }) += count + forgiven;
    }

    fn nak(&mut self, seq: u64, consumer_seq: u64, delay: Option<u64>) {
        if self.settings.policy == AckPolicy::None {
            return;
        }
        let is_late = consumer_seq <= self.floor.0 || consumer_seq > self.delivered.0 + 1;
        if let Some(at) = self.find(seq).filter(|_| !is_late) {
            self.out.push(format!("c: naked {seq}/{consumer_seq} x1"));
            let count = self.pending[at].count;
            match delay {
                None => {
                    self.pending[at].due = None;
                    if !self.queue.contains(&seq) {
                        self.queue.push(seq);
                    }
                }
                Some(delay) => {
                    self.queue.retain(|other| *other != seq);
                    let more = if self.settings.backoff { self.wait(count) - self.wait(1) } else { 0 };
                    self.pending[at].due = Some(self.now + delay * MS + more);
                }
            }
            self.serve();
        }
    }

    fn forget(&mut self, seq: u64) -> Option<Delivery> {
        self.exhausted.retain(|(other, _)| *other != seq);
        let gone = self.pending.remove(self.find(seq)?);
        self.queue.retain(|other| *other != seq);
        self.ledger.gone += 1;
        Some(gone)
    }

    fn delete(&mut self, seq: u64) {
        let is_exhausted = self.exhausted.iter().any(|(other, _)| *other == seq);
        let is_needed = is_exhausted || self.find(seq).is_some() || self.ahead().iter().any(|(other, _)| *other == seq);
        let was_full = self.is_full();
        self.messages.retain(|(other, _)| *other != seq);
        if let Some(gone) = self.forget(seq) {
            self.raise(seq, gone.first);
            let (first, count) = (gone.first, gone.count);
            if self.settings.policy == AckPolicy::All {
                self.ack_all(seq, first, false);
            }
            let count = (count - 1).max(1);
            self.out.push(format!("c: terminated {seq}/{first} x{count} Unacknowledged message was deleted"));
        }
        if is_needed && was_full {
            self.serve();
        }
    }

    fn purge(&mut self, below: u64) {
        let below = if below == 0 { u64::MAX } else { below };
        self.messages.retain(|(seq, _)| *seq >= below);
        if below != u64::MAX && below > self.last + 1 {
            self.last = below - 1;
        }
        let first = self.messages.first().map_or(self.last + 1, |(seq, _)| *seq);
        self.next = self.next.max(first);
        self.exhausted.retain(|(seq, _)| self.messages.iter().any(|(other, _)| other == seq));
        if self.floor.1 + 1 < first {
            self.floor.1 = first - 1;
            for seq in self.pending.iter().map(|delivery| delivery.seq).collect::<Vec<_>>() {
                if seq < first {
                    let gone = self.forget(seq).unwrap();
                    self.floor.0 = self.floor.0.max(gone.first);
                }
            }
        }
        self.delivered.1 = self.delivered.1.max(self.next - 1);
        if self.pending.is_empty() {
            self.floor = (self.delivered.0, self.next - 1);
        }
    }

    fn reset(&mut self, seq: u64) {
        let next = if seq == 0 { self.floor.1 + 1 } else { seq };
        self.ledger.gone += self.pending.len() as u64;
        self.pending.clear();
        self.queue.clear();
        self.exhausted.clear();
        self.next = next;
        self.delivered = (0, next - 1);
        self.floor = self.delivered;
        self.serve();
    }

    /// When something happens by itself, and what: deliveries that come again, requests, the end of a pause.
    fn due(&self) -> Option<(u64, u8)> {
        let deliveries = self.pending.iter().filter_map(|delivery| Some((delivery.due?, 0)));
        let requests = self.requests.iter().flat_map(|request| [request.expires, request.beats]);
        deliveries.chain(requests.flatten().map(|at| (at, 1))).chain(self.paused.map(|at| (at, 2))).min()
    }

    fn run_until(&mut self, end: u64) {
        while let Some((at, kind)) = self.due().filter(|(at, _)| *at <= end) {
            self.now = self.now.max(at);
            match kind {
                0 => {
                    let mut due: Vec<(u64, u64)> = Vec::new();
                    for delivery in &mut self.pending {
                        if let Some(at) = delivery.due.take_if(|due| *due <= at) {
                            due.push((at, delivery.seq));
                        }
                    }
                    due.sort_unstable();
                    for (_, seq) in due {
                        if self.settings.max_deliver == 1 { self.exhaust(seq) } else { self.queue.push(seq) }
                    }
                }
                1 => self.do_requests(),
                _ => {
                    let until = self.paused.take().unwrap() / MS;
                    self.out.push(format!("c: paused false Some({until})"));
                }
            }
            self.serve();
        }
        self.now = end;
    }

    fn do_requests(&mut self) {
        let now = self.now;
        for request in self.requests.iter().filter(|request| request.expires == Some(now)) {
            self.out.push(format!("{} 408 Request Timeout [{} 0]", request.inbox, request.left));
        }
        self.requests.retain(|request| request.expires != Some(now));
        let scanned = self.next - 1;
        for request in self.requests.iter_mut().filter(|request| request.beats == Some(now)) {
            self.out.push(format!("{} 100 Idle Heartbeat [{} {scanned}]", request.inbox, self.delivered.0));
            request.beats = Some(now + request.heartbeat);
        }
        self.end_pass();
    }
}

fn run(settings: Settings, commands: &[Command]) {
    let mut bench = Bench::new(|_| {});
    let config = ConsumerConfig {
        ack_policy: settings.policy,
        filter_subject: settings.filter.to_owned(),
        max_deliver: settings.max_deliver,
        max_ack_pending: settings.max_ack_pending,
        ack_wait: (50 * MS) as i64,
        backoff: if settings.backoff { vec![(20 * MS) as i64, (45 * MS) as i64] } else { Vec::new() },
        ..ConsumerConfig::durable("c")
    };
    bench.create(config).unwrap();
    bench.sent();
    let mut model = Model::new(settings);
    for (at, command) in commands.iter().enumerate() {
        let mut sent = apply(&mut bench, &mut model, at, command);
        sent.extend(bench.sent());
        let context = || format!("{at}: {command:?}");
        assert_eq!(sent, std::mem::take(&mut model.out), "{}", context());
        let ledger = bench.stream.consumer_ledger(bench.id("c")).unwrap();
        assert!(ledger.balances(), "{}: {ledger:?}", context());
        model.ledger.pending = model.pending.len() as u64;
        assert_eq!(ledger, model.ledger, "{}", context());
        let due = bench.stream.poll_timeout().map(|due| due.as_nanos() - START);
        let forgotten = |due: u64| due >= 100_000 * MS;
        assert_eq!(due.filter(|due| !forgotten(*due)), model.due().map(|(at, _)| at), "{}", context());
        // Looking at it drops requests of the dead.
        model.requests.retain(|request| !model.dead.contains(&request.inbox));
        let info = bench.info("c");
        let mut delivered = model.delivered;
        if delivered.0 == 0 && model.floor.1 == 0 {
            delivered.1 = delivered.1.max(model.next - 1);
        }
        let shown = (info.delivered.consumer, info.delivered.stream);
        assert_eq!(shown, delivered, "{}", context());
        assert_eq!((info.ack_floor.consumer, info.ack_floor.stream), model.floor, "{}", context());
        let again = model.pending.iter().filter(|delivery| delivery.count > 1).count()
            + model.exhausted.iter().filter(|(_, count)| *count > 1).count();
        let again = if settings.max_deliver == 1 { 0 } else { again as u64 };
        let counts = (info.num_ack_pending, info.num_pending, info.num_waiting, info.num_redelivered);
        let (pending, waiting) = (model.pending.len() as u64, model.requests.len() as u64);
        assert_eq!(counts, (pending, model.ahead().len() as u64, waiting, again), "{}", context());
        assert_eq!(bench.sent(), [] as [&str; 0], "{}", context());
    }
}

fn apply(bench: &mut Bench, model: &mut Model, at: usize, command: &Command) -> Vec<String> {
    match command.clone() {
        Command::Publish(subject) => {
            bench.publish(SUBJECTS[subject], "", &[]);
            model.last += 1;
            model.messages.push((model.last, SUBJECTS[subject]));
            // It does not look at what it does not want.
            if model.wants(SUBJECTS[subject]) {
                model.serve();
            }
        }
        Command::Pull { batch, expires, no_wait, heartbeat } => {
            let inbox = INBOXES[at % INBOXES.len()];
            let nanos = |millis: u64| (millis * MS) as i64;
            let (idle_heartbeat, expires_nanos) = (nanos(heartbeat), nanos(expires));
            let request =
                PullRequest { batch, expires: expires_nanos, no_wait, idle_heartbeat, ..PullRequest::default() };
            model.pull(inbox, batch, expires, no_wait, heartbeat);
            return bench.pull("c", inbox, &request);
        }
        Command::Ack(seq) => {
            model.ack(seq, true);
            return bench.ack("c", seq, Ack::Ack, Some("r"));
        }
        Command::Term(seq) => {
            model.ack(seq, false);
            return bench.ack("c", seq, Ack::Term { reason: "no" }, Some("r"));
        }
        Command::Progress(seq) => {
            let acks = model.settings.policy != AckPolicy::None;
            if let Some(at) = model.find(seq).filter(|_| acks && !model.queue.contains(&seq)) {
                model.pending[at].due = Some(model.now + model.wait(model.pending[at].count));
            }
            if acks && model.is_full() {
                model.serve();
            }
            return bench.ack("c", seq, Ack::Progress, None);
        }
        Command::Nak { seq, consumer_seq, delay } => {
            model.nak(seq, consumer_seq, delay);
            let delay = delay.map(|millis| (millis * MS) as i64);
            return bench.ack_delivery("c", seq, consumer_seq, Ack::Nak { delay }, None);
        }
        Command::Delete(seq) => {
            if bench.stream.handle_delete(bench.now(), seq).is_ok() {
                model.delete(seq);
            }
        }
        Command::Purge(seq) => {
            bench.stream.handle_purge(bench.now(), &Purge { seq, ..Purge::default() }).unwrap();
            model.purge(seq);
        }
        Command::Pause(millis) => {
            let until = model.now + millis * MS;
            model.paused = (millis > 0).then_some(until);
            if model.pause_until.replace(until) != Some(until) {
                model.out.push(format!("c: paused {} Some({})", millis > 0, until / MS));
            }
            model.serve();
            let until = Some(Timestamp::from_nanos(START + until));
            bench.stream.handle_pause(bench.now(), bench.id("c"), until).unwrap();
        }
        Command::Reset(seq) => {
            bench.stream.handle_reset(bench.now(), bench.id("c"), Some(seq)).unwrap();
            model.reset(seq);
        }
        Command::Dead(inbox, is_dead) => {
            bench.dead.set(INBOXES[inbox], is_dead);
            model.dead.retain(|dead| *dead != INBOXES[inbox]);
            model.dead.extend(is_dead.then_some(INBOXES[inbox]));
        }
        Command::Advance(millis) => {
            bench.advance(millis * MS);
            model.run_until(model.now + millis * MS);
        }
        Command::Jump(millis) => {
            bench.jump(millis * MS);
            model.run_until(model.now + millis * MS);
        }
    }
    Vec::new()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(600))]

    /// JC40 to JC118, JC140, JC141, JC160 to JC165, in any mixture.
    #[test]
    fn a_consumer_is_what_two_lists_are(
        settings in settings(),
        commands in prop::collection::vec(command(), 1..80),
    ) {
        run(settings, &commands);
    }
}
