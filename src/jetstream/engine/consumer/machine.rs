//! A consumer as a machine: what it is told, and what it remembers. It hands messages out in `serve`, which its owner calls after each
//! change.

use super::ack::{Ack, AckSubject};
use super::config::{AckPolicy, ConsumerConfig, DeliverPolicy, PriorityPolicy, ReplayPolicy, WrittenTime};
use super::context::Context;
use super::cursor::Cursor;
use super::held::Written;
use super::info::{ConsumerInfo, ConsumerLedger, PriorityGroup, SequencePair};
use super::pace::Pace;
use super::pending::{Pending, Waits};
use super::pin::Pin;
use super::pull::{Overdue, PullRequest, Requests, Waiting};
use super::push::Push;
use super::status::Status;
use super::validate;
use crate::jetstream::engine::config::StreamConfig;
use crate::jetstream::engine::effect::{Effect, Event, Unpinned};
use crate::jetstream::engine::interest::ConsumerId;
use crate::jetstream::engine::messages::Messages;
use crate::jetstream::engine::time::{Timestamp, span};
use crate::message::StreamStep;
use crate::subject::Subject;
use smol_str::SmolStr;
use std::time::Duration;

/// Pull consumers and those of the default threshold go so much later than the server says; it adds up to a second by chance (JC130).
const GRACE: Duration = Duration::from_millis(100);
/// The threshold of ephemeral consumers that set none.
const DEFAULT_THRESHOLD: Duration = Duration::from_secs(5);
/// Bytes at once under a rate limit, where the stream has no largest message.
const BURST: u64 = 1 << 20;

/// A consumer.
#[derive(Debug)]
pub(crate) struct Consumer {
    pub(super) id: ConsumerId,
    pub(super) name: SmolStr,
    created: Timestamp,
    /// What was written down of it last, if it is.
    pub(crate) written: Option<Written>,
    pub(super) config: ConsumerConfig,
    pub(super) cursor: Cursor,
    pub(super) pending: Pending,
    pub(super) waits: Waits,
    /// The last delivery.
    pub(super) delivered: SequencePair,
    pub(super) floor: SequencePair,
    pub(super) ledger: ConsumerLedger,
    pub(super) requests: Requests,
    pub(super) pin: Option<Pin>,
    pub(super) push: Option<Push>,
    pub(super) pace: Pace,
    /// When it goes for want of use, unless it was used.
    inactive_at: Option<Timestamp>,
    pub(super) active: Timestamp,
    /// When its pause ends.
    pause_ends: Option<Timestamp>,
    /// The percentage of acknowledgements that are measured.
    sampling: u32,
}

/// A thing that is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Due {
    Redelivery,
    Request,
    Pin,
    Pause,
    Pace,
    Heartbeat,
    Inactive,
}

impl Consumer {
    pub(crate) fn new(
        id: ConsumerId,
        name: SmolStr,
        config: ConsumerConfig,
        stream: &StreamConfig,
        messages: &Messages,
        now: Timestamp,
    ) -> Self {
        let cursor = Cursor::new(&config, messages, stream.max_msgs_per_subject);
        let before = SequencePair { stream: cursor.next() - 1, ..SequencePair::default() };
        let mut consumer = Consumer {
            id,
            name,
            created: now,
            written: None,
            cursor,
            pending: Pending::default(),
            waits: Waits::default(),
            delivered: before,
            floor: before,
            ledger: ConsumerLedger::default(),
            requests: Requests::default(),
            pin: None,
            push: None,
            pace: Pace::default(),
            inactive_at: None,
            active: now,
            pause_ends: None,
            sampling: 0,
            config,
        };
        if consumer.config.replay_policy == ReplayPolicy::Original {
            consumer.pace.replay_until = messages.last_seq();
        }
        consumer.compile(stream);
        if consumer.config.is_push() {
            let to = Subject::unchecked(SmolStr::new(&consumer.config.deliver_subject));
            let heartbeat = span(consumer.config.idle_heartbeat);
            consumer.push = Some(Push::new(to, consumer.config.flow_control, heartbeat, now));
        }
        consumer.pause_ends = consumer.config.pause_until.as_ref().map(|until| until.at).filter(|until| *until > now);
        consumer.inactive_at = consumer.lifetime().map(|lifetime| now.after(lifetime));
        consumer
    }

    /// Makes what is derived from the configuration.
    fn compile(&mut self, stream: &StreamConfig) {
        self.waits = Waits {
            ack_wait: span(self.config.ack_wait),
            backoff: self.config.backoff.iter().map(|wait| span(*wait)).collect(),
        };
        self.sampling = validate::sampling(&self.config).unwrap_or(0);
        let burst = u64::try_from(stream.max_msg_size).unwrap_or(BURST);
        self.pace.limit(self.config.rate_limit_bps, burst);
    }

    /// The time without use after which it goes.
    fn lifetime(&self) -> Option<Duration> {
        let threshold = span(self.config.inactive_threshold);
        let is_exact = self.config.is_push() && threshold != DEFAULT_THRESHOLD;
        let lifetime = threshold + if is_exact { Duration::ZERO } else { GRACE };
        (!threshold.is_zero()).then_some(lifetime)
    }

    pub(crate) fn name(&self) -> &SmolStr {
        &self.name
    }

    pub(crate) fn created(&self) -> Timestamp {
        self.created
    }

    /// It was made at another time: by a process before this one.
    pub(crate) fn set_created(&mut self, at: Timestamp) {
        self.created = at;
    }

    pub(crate) fn config(&self) -> &ConsumerConfig {
        &self.config
    }

    pub(crate) fn filters(&self) -> &[SmolStr] {
        self.cursor.filters()
    }

    pub(crate) fn is_bound(&self) -> bool {
        self.push.as_ref().is_some_and(|push| push.is_bound)
    }

    /// Whether there are acknowledgements.
    pub(crate) fn expects_acks(&self) -> bool {
        self.config.ack_policy != AckPolicy::None
    }

    /// The highest sequence up to which everything is done.
    pub(crate) fn done_up_to(&self) -> u64 {
        let open = [self.pending.first(), self.pending.first_exhausted(), Some(self.cursor.next())];
        open.into_iter().flatten().min().unwrap_or(0).saturating_sub(1)
    }

    /// The stream sequence of its floor.
    pub(crate) fn floor(&self) -> u64 {
        self.floor.stream
    }

    /// Whether a message that the filters match is not done.
    pub(crate) fn needs(&self, seq: u64) -> bool {
        self.cursor.is_ahead(seq) || self.pending.contains(seq) || self.pending.is_exhausted(seq)
    }

    pub(crate) fn is_paused(&self, now: Timestamp) -> bool {
        self.pause_ends.is_some_and(|until| until > now)
    }

    pub(crate) fn ledger(&self) -> ConsumerLedger {
        ConsumerLedger { pending: self.pending.len() as u64, ..self.ledger }
    }

    pub(crate) fn info(&self, now: Timestamp) -> ConsumerInfo {
        let mut delivered = self.delivered;
        if delivered.consumer == 0 && self.floor.stream == 0 {
            // A search that found nothing shows.
            delivered.stream = delivered.stream.max(self.cursor.next() - 1);
        }
        let pinned = self.pin.as_ref().map(|pin| (pin.id.clone(), pin.since));
        let group = self.config.priority_groups.first().cloned();
        let pause_ends = self.pause_ends.filter(|until| *until > now);
        ConsumerInfo {
            name: self.name.clone(),
            created: self.created,
            config: self.config.clone(),
            delivered,
            ack_floor: self.floor,
            num_ack_pending: self.pending.len() as u64,
            num_redelivered: if self.config.max_deliver == 1 { 0 } else { self.pending.num_redelivered() as u64 },
            num_waiting: self.requests.len() as u64,
            num_pending: self.cursor.num_pending(),
            push_bound: self.is_bound(),
            pause_remaining: pause_ends.map(|until| until.since(now)),
            priority_group: group.map(|group| PriorityGroup { group, pinned }),
        }
    }

    /// When it is to be called again.
    pub(crate) fn next_due(&self) -> Option<Timestamp> {
        self.due().map(|(at, _)| at)
    }

    fn due(&self) -> Option<(Timestamp, Due)> {
        let all = [
            (self.pending.next_due(), Due::Redelivery),
            (self.requests.next_due(), Due::Request),
            (self.pin.as_ref().map(|pin| pin.ends), Due::Pin),
            (self.pause_ends, Due::Pause),
            (self.pace.opens_at(), Due::Pace),
            (self.push.as_ref().and_then(|push| push.next_heartbeat), Due::Heartbeat),
            (self.inactive_at, Due::Inactive),
        ];
        all.into_iter().filter_map(|(at, due)| at.map(|at| (at, due))).min()
    }

    /// Does the first thing that is due. `true` if the consumer goes for want of use.
    pub(crate) fn handle_due(&mut self, context: &mut Context<'_>) -> bool {
        match self.due().filter(|(at, _)| *at <= context.now) {
            None => {}
            Some((_, Due::Redelivery)) => self.take_expired(context),
            Some((_, Due::Request)) => self.handle_requests_due(context),
            Some((_, Due::Pin)) => self.unpin(context, Unpinned::Timeout),
            Some((_, Due::Pause)) => {
                self.pause_ends = None;
                self.advise_pause(context);
            }
            // The owner serves it, and then it passes.
            Some((_, Due::Pace)) => self.pace.open(),
            Some((_, Due::Heartbeat)) => self.beat(context),
            Some((_, Due::Inactive)) => return self.is_inactive(context.now),
        }
        false
    }

    /// Acknowledgements that did not come in time (JC112, JC118).
    fn take_expired(&mut self, context: &mut Context<'_>) {
        for seq in self.pending.take_due(context.now) {
            if self.config.max_deliver == 1 {
                self.exhaust(seq, context);
            } else {
                self.pending.requeue(seq);
            }
        }
    }

    /// A message came as often as it may (JC116).
    pub(super) fn exhaust(&mut self, seq: u64, context: &mut Context<'_>) {
        let Some(entry) = self.pending.exhaust(seq) else { return };
        self.ledger.exhausted += 1;
        context.steps.add(|| StreamStep::Exhausted { consumer: self.name.clone(), seq });
        self.delivered.last_active = Some(context.now);
        context.advise(&self.name, Event::MaxDeliveries { stream_seq: seq, deliveries: entry.deliveries.into() });
    }

    fn handle_requests_due(&mut self, context: &mut Context<'_>) {
        for overdue in self.requests.take_due(context.now) {
            match overdue {
                Overdue::Expired(waiting) => {
                    let status = Status::new(408, "Request Timeout").with_left(waiting.left());
                    send_status(context, waiting.inbox, status);
                }
                Overdue::Silent(inbox) => {
                    let status = self.heartbeat();
                    send_status(context, inbox, status);
                }
            }
        }
        self.end_pass(context);
    }

    /// Ends the requests that wait for nothing (JC72).
    pub(super) fn end_pass(&mut self, context: &mut Context<'_>) {
        for waiting in self.requests.end_pass() {
            send_status(context, waiting.inbox, Status::new(404, "No Messages"));
        }
    }

    fn heartbeat(&self) -> Status {
        let last = Some((self.delivered.consumer, self.cursor.next() - 1));
        let stalled = self.push.as_ref().and_then(|push| push.open_request().cloned());
        Status { last, stalled, ..Status::new(100, "Idle Heartbeat") }
    }

    /// A push consumer was silent for long (JC125).
    fn beat(&mut self, context: &mut Context<'_>) {
        let status = self.heartbeat();
        let interval = span(self.config.idle_heartbeat);
        let Some(push) = &mut self.push else { return };
        push.next_heartbeat = Some(context.now.after(interval));
        if push.is_bound {
            let to = push.to.clone();
            send_status(context, to, status);
        }
    }

    /// Whether it goes now; if it was used meanwhile, the time begins anew (JC131, JC132).
    fn is_inactive(&mut self, now: Timestamp) -> bool {
        let Some(lifetime) = self.lifetime() else {
            self.inactive_at = None;
            return false;
        };
        if self.push.is_some() {
            return true;
        }
        let since_use = self.active.after(lifetime);
        let next = if since_use > now {
            since_use
        } else if !self.requests.is_empty() {
            now.after(lifetime)
        } else if !self.pending.is_empty() {
            self.pending.last_due().unwrap_or(now).max(now).after(lifetime)
        } else {
            return true;
        };
        self.inactive_at = Some(next);
        false
    }

    /// A pull request, or why its body can't be read. It goes into the queue, unless a status ends it at once (JC62 to JC69). `true` if
    /// it waits.
    pub(crate) fn handle_pull(
        &mut self,
        context: &mut Context<'_>,
        inbox: &Subject,
        request: Result<&PullRequest, &str>,
    ) -> bool {
        let admitted = self.admit(context, inbox, request);
        let is_queued = admitted.is_ok();
        if let Err(status) = admitted {
            send_status(context, inbox.clone(), status);
        }
        is_queued
    }

    fn admit(
        &mut self,
        context: &mut Context<'_>,
        inbox: &Subject,
        request: Result<&PullRequest, &str>,
    ) -> Result<(), Status> {
        if self.push.is_some() {
            return Err(Status::conflict("Consumer is push based"));
        }
        let request = request.map_err(Status::bad_request)?;
        request.check(&self.config)?;
        if let Some(pin) = &mut self.pin
            && !request.id.is_empty()
        {
            if pin.id != request.id {
                return Err(Status::new(423, "Nats-Pin-Id mismatch"));
            }
            pin.ends = context.now.after(span(self.config.priority_timeout));
        }
        let max_waiting = usize::try_from(self.config.max_waiting).unwrap_or(usize::MAX);
        if self.requests.len() >= max_waiting {
            self.drop_dead_requests(context);
        }
        if request.no_wait {
            self.admit_without_waiting(context, request)?;
        }
        if self.requests.len() >= max_waiting {
            let is_silent = request.idle_heartbeat > 0;
            return if is_silent { Ok(()) } else { Err(Status::conflict("Exceeded MaxWaiting")) };
        }
        self.active = context.now;
        if request.expires < 0 {
            let left = (request.batch, request.max_bytes);
            return Err(Status::new(408, "Request Timeout").with_left(left));
        }
        // Empty bodies and numbers come after all priorities (JC175).
        let priority = match self.config.priority_policy {
            PriorityPolicy::Prioritized if request.is_plain => 10,
            PriorityPolicy::Prioritized => u8::try_from(request.priority).unwrap_or(0),
            _ => 0,
        };
        self.requests.push(context.now, inbox.clone(), request, priority);
        Ok(())
    }

    /// JC68.
    fn admit_without_waiting(&mut self, context: &Context<'_>, request: &PullRequest) -> Result<(), Status> {
        let there = self.cursor.num_pending() + self.pending.num_queued() as u64;
        if there == 0 && request.expires == 0 {
            self.active = context.now;
            return Err(Status::new(404, "No Messages"));
        }
        if there > 0 && there < self.requests.wanted() {
            self.drop_dead_requests(context);
        }
        if there > 0 && there < self.requests.wanted() {
            self.active = context.now;
            return Err(Status::new(408, "Requests Pending"));
        }
        Ok(())
    }

    /// Drops requests whose inboxes nothing receives from (JC52, JC67, JC77).
    pub(crate) fn drop_dead_requests(&mut self, context: &Context<'_>) {
        self.requests.retain(|inbox| context.interest.has_interest(inbox));
    }

    /// An acknowledgement (JC90 to JC96). `reply` is where it is confirmed. `true` if there may be something to hand out: a
    /// message that comes again, or a new one that was held back by the limit of what is pending.
    pub(crate) fn handle_ack(
        &mut self,
        context: &mut Context<'_>,
        subject: &AckSubject<'_>,
        ack: Ack<'_>,
        reply: Option<&Subject>,
    ) -> bool {
        let was_full = self.is_full();
        let mut comes_again = false;
        self.active = context.now;
        if self.push.as_ref().is_some_and(|push| !push.is_bound) {
            self.inactive_at = self.lifetime().map(|lifetime| context.now.after(lifetime));
        }
        let seq = subject.stream_seq;
        let is_known = seq < self.cursor.next();
        let mut confirms = true;
        match ack {
            Ack::Ack | Ack::Next { .. } if is_known => self.acknowledge(context, subject, true),
            Ack::Ack | Ack::Next { .. } => confirms = false,
            Ack::Term { reason } => {
                if is_known {
                    self.acknowledge(context, subject, false);
                }
                confirms = is_known;
                context.advise(&self.name, terminated(subject, reason));
            }
            Ack::Nak { delay } => comes_again = self.nak(context, subject, delay),
            Ack::Progress => {
                self.pending.extend(seq, context.now, &self.waits);
                self.delivered.last_active = Some(context.now);
            }
            Ack::Unknown => {}
        }
        if let Some(to) = reply.filter(|_| confirms && !matches!(ack, Ack::Next { .. })) {
            context.effects.push_back(Effect::Confirm { to: to.clone() });
        }
        was_full || comes_again
    }

    /// Whether as many messages wait for acknowledgements as may (JC100).
    pub(crate) fn is_full(&self) -> bool {
        let max = usize::try_from(self.config.max_ack_pending).unwrap_or(usize::MAX);
        self.expects_acks() && max > 0 && self.pending.len() >= max
    }

    /// Takes a message out of those that wait. A termination is no acknowledgement: it is not measured.
    fn acknowledge(&mut self, context: &mut Context<'_>, subject: &AckSubject<'_>, is_ack: bool) {
        self.floor.last_active = Some(context.now);
        if self.config.ack_policy == AckPolicy::All {
            self.acknowledge_all(context, subject, is_ack);
            return;
        }
        let seq = subject.stream_seq;
        if self.pending.forgive(seq) {
            self.ledger.exhausted -= 1;
            self.settle(context, seq, is_ack);
            return;
        }
        let Some(entry) = self.pending.remove(seq) else {
            // A work queue lets go of it all the same, as measured.
            if context.is_work_queue {
                context.done.push(seq);
            }
            return;
        };
        self.raise_floor(seq, entry.first);
        self.settle(context, seq, is_ack);
        if is_ack && self.is_sampled(context) {
            context.effects.push_back(Effect::AckMetric {
                consumer: self.name.clone(),
                consumer_seq: subject.consumer_seq,
                stream_seq: seq,
                ack_time: context.now.since(entry.delivered),
                deliveries: subject.deliveries,
            });
        }
    }

    fn settle(&mut self, context: &mut Context<'_>, seq: u64, is_ack: bool) {
        let consumer = &self.name;
        if is_ack {
            self.ledger.acked += 1;
            context.steps.add(|| StreamStep::Acked { consumer: consumer.clone(), seq });
        } else {
            self.ledger.terminated += 1;
            context.steps.add(|| StreamStep::Terminated { consumer: consumer.clone(), seq });
        }
        context.done.push(seq);
    }

    /// JC94: the sequences of the subject count, also that of a redelivery.
    fn acknowledge_all(&mut self, context: &mut Context<'_>, subject: &AckSubject<'_>, is_ack: bool) {
        let (seq, consumer) = (subject.stream_seq, subject.consumer_seq);
        if consumer <= self.floor.consumer || seq <= self.floor.stream {
            return;
        }
        (self.floor.consumer, self.floor.stream) = (consumer, seq);
        for seq in self.pending.up_to(seq) {
            self.pending.remove(seq);
            self.settle(context, seq, is_ack);
        }
        for seq in self.pending.exhausted_up_to(seq) {
            self.pending.forgive(seq);
            self.ledger.exhausted -= 1;
            self.settle(context, seq, is_ack);
        }
    }

    /// JC93: an entry of a first delivery is gone.
    fn raise_floor(&mut self, seq: u64, first: u64) {
        if self.config.ack_policy == AckPolicy::All {
            return;
        }
        if self.pending.is_empty() {
            (self.floor.consumer, self.floor.stream) = (self.delivered.consumer, self.delivered.stream);
        } else if first == self.floor.consumer + 1 {
            let next = self.pending.above(seq);
            (self.floor.consumer, self.floor.stream) = match next {
                Some((next, entry)) => (entry.first - 1, next - 1),
                None => (first, seq),
            };
        }
    }

    fn is_sampled(&self, context: &Context<'_>) -> bool {
        // One more than asked for, as the server draws (JC198).
        self.sampling >= 100 || (self.sampling > 0 && context.rng.below(100) as u32 <= self.sampling)
    }

    /// JC110, JC111. `false` if it is ignored.
    fn nak(&mut self, context: &mut Context<'_>, subject: &AckSubject<'_>, delay: Option<i64>) -> bool {
        let (seq, consumer) = (subject.stream_seq, subject.consumer_seq);
        let is_late = consumer <= self.floor.consumer || consumer > self.delivered.consumer + 1;
        if is_late || !self.pending.contains(seq) {
            return false;
        }
        let event = Event::Naked { consumer_seq: consumer, stream_seq: seq, deliveries: subject.deliveries };
        context.advise(&self.name, event);
        context.steps.add(|| StreamStep::Naked { consumer: self.name.clone(), seq });
        match delay {
            None => self.pending.requeue(seq),
            Some(delay) => {
                self.delivered.last_active = Some(context.now);
                self.pending.delay(seq, context.now, span(delay).max(NAK_DELAY_MIN), &self.waits);
            }
        }
        true
    }

    /// Something receives from the deliver subject, or nothing any more (JC122, JC132).
    pub(crate) fn handle_interest(&mut self, now: Timestamp, is_bound: bool) {
        let lifetime = self.lifetime();
        let Some(push) = &mut self.push else { return };
        if push.is_bound == is_bound {
            return;
        }
        push.is_bound = is_bound;
        self.active = now;
        self.inactive_at = lifetime.filter(|_| !is_bound).map(|lifetime| now.after(lifetime));
    }

    /// The answer to a flow control request; others are ignored (JC126).
    pub(crate) fn handle_flow_response(&mut self, subject: &Subject) {
        if let Some(push) = &mut self.push {
            push.answered(subject);
        }
    }

    /// Nothing is delivered before an instant; one that is not ahead ends a pause (JC160).
    pub(crate) fn handle_pause(&mut self, context: &mut Context<'_>, until: Option<Timestamp>) {
        let before = self.config.pause_until.take().map(|until| until.at);
        self.config.pause_until = until.map(WrittenTime::utc);
        validate::mark(&mut self.config);
        self.pause_ends = until.filter(|until| *until > context.now);
        if before != until {
            self.advise_pause(context);
        }
    }

    pub(crate) fn advise_pause(&self, context: &mut Context<'_>) {
        let until = self.config.pause_until.as_ref().map(|until| until.at);
        context.advise(&self.name, Event::Pause { is_paused: self.is_paused(context.now), until });
    }

    /// Ends the pin, and says so, also if there is none (JC180).
    pub(crate) fn unpin(&mut self, context: &mut Context<'_>, reason: Unpinned) {
        let group = match self.pin.take() {
            Some(pin) => pin.group,
            None => self.config.priority_groups.first().map(SmolStr::new).unwrap_or_default(),
        };
        context.advise(&self.name, Event::Unpinned { group, reason });
    }

    /// Takes another configuration that may follow this one (JC46). `true` if there may be something to hand out: with other filters it
    /// does not look again by itself, as measured.
    pub(crate) fn handle_update(
        &mut self,
        context: &mut Context<'_>,
        mut config: ConsumerConfig,
        stream: &StreamConfig,
    ) -> bool {
        config.pause_until.clone_from(&self.config.pause_until);
        validate::mark(&mut config);
        let old = std::mem::replace(&mut self.config, config);
        let old_waits = std::mem::take(&mut self.waits);
        self.compile(stream);
        self.pending.rejudge(&old_waits, &self.waits);
        if old.filters() != self.config.filters() {
            self.cursor.refilter(validate::filters(&self.config), context.messages);
        }
        if let Some(push) = &mut self.push
            && old.deliver_subject != self.config.deliver_subject
        {
            push.to = Subject::unchecked(SmolStr::new(&self.config.deliver_subject));
            push.is_bound = false;
            for seq in self.pending.seqs() {
                self.pending.requeue(seq);
            }
        }
        if old.inactive_threshold != self.config.inactive_threshold || self.inactive_at.is_some() {
            let lifetime = self.lifetime().filter(|_| !self.is_bound());
            self.inactive_at = lifetime.map(|lifetime| context.now.after(lifetime));
        }
        if self.config.priority_policy != PriorityPolicy::PinnedClient {
            self.pin = None;
        }
        old.max_ack_pending != self.config.max_ack_pending
    }

    /// Forgets all deliveries, and goes on at a sequence (JC165).
    pub(crate) fn handle_reset(&mut self, context: &mut Context<'_>, next: u64) {
        self.ledger.gone += self.pending.len() as u64;
        let open = self.pending.seqs();
        self.pending.clear();
        for seq in &open {
            self.release(context, *seq);
        }
        match self.config.deliver_policy {
            DeliverPolicy::LastPerSubject => self.cursor.return_to(open, next, context.messages),
            _ => self.cursor.move_to(next, context.messages),
        }
        self.written = self.written.take().map(|_| Written::nothing());
        let before = SequencePair { consumer: 0, stream: next - 1, last_active: None };
        (self.delivered, self.floor) = (before, before);
    }

    /// A message that waits for its acknowledgement is not waited for any more.
    fn release(&self, context: &mut Context<'_>, seq: u64) {
        context.steps.add(|| StreamStep::Released { consumer: self.name.clone(), seq });
    }

    /// A message was stored that the filters match.
    pub(crate) fn stored(&mut self, seq: u64) {
        self.cursor.stored(seq);
    }

    /// A message is gone from the stream that the filters match (JC140).
    pub(crate) fn removed(&mut self, context: &mut Context<'_>, seq: u64) {
        self.cursor.removed(seq);
        self.pending.forgive(seq);
        self.forget(context, seq);
    }

    /// A message that was delivered is gone. It counts as a termination: with one acknowledgement for all, of all before.
    pub(super) fn forget(&mut self, context: &mut Context<'_>, seq: u64) {
        let Some(entry) = self.pending.remove(seq) else { return };
        self.ledger.gone += 1;
        self.release(context, seq);
        self.floor.last_active = Some(context.now);
        self.raise_floor(seq, entry.first);
        let subject = AckSubject {
            stream: "",
            consumer: "",
            // The server counts one less here, but not less than one.
            deliveries: entry.deliveries.saturating_sub(1).max(1).into(),
            stream_seq: seq,
            consumer_seq: entry.first,
        };
        if self.config.ack_policy == AckPolicy::All {
            self.acknowledge_all(context, &subject, false);
        }
        context.advise(&self.name, terminated(&subject, "Unacknowledged message was deleted"));
    }

    /// Messages were purged (JC141). `first` is the first one that is left: with a filter, for a consumer whose own filters lie within
    /// it, the first that it matches; else the stream's. With `recounts` it was not told of each message.
    pub(crate) fn purged(&mut self, context: &mut Context<'_>, first: u64, is_wider: bool, recounts: bool) {
        let messages = context.messages;
        self.pending.retain_exhausted(|seq| messages.get(seq).is_some());
        self.cursor.skip_below(first);
        if recounts {
            self.cursor.recount(messages);
        }
        // A wider consumer that has done with all below the first message keeps what is pending, as the server does; it is dropped when
        // it would come again.
        if self.floor.stream < first.saturating_sub(1) || (is_wider && self.floor.stream < first) {
            self.floor.stream = first.saturating_sub(1);
            for seq in self.pending.seqs() {
                if seq < first || messages.get(seq).is_none() {
                    let entry = self.pending.remove(seq);
                    self.ledger.gone += 1;
                    self.release(context, seq);
                    self.floor.last_active = Some(context.now);
                    self.floor.consumer = self.floor.consumer.max(entry.map_or(0, |entry| entry.first));
                }
            }
            if let Some((seq, entry)) = self.pending.above(0).filter(|_| is_wider) {
                self.floor.consumer = self.floor.consumer.max(entry.first - 1);
                self.floor.stream = self.floor.stream.max(seq - 1);
            }
        }
        self.delivered.stream = self.delivered.stream.max(self.cursor.next() - 1);
        if self.pending.is_empty() {
            (self.floor.consumer, self.floor.stream) = (self.delivered.consumer, self.cursor.next() - 1);
        }
    }

    /// Messages were purged that it may want, but the purge goes another way than its filters: it stays where it is.
    pub(crate) fn passed_by(&mut self, messages: &Messages) {
        self.pending.retain_exhausted(|seq| messages.get(seq).is_some());
        self.cursor.recount(messages);
    }

    /// It is deleted: every request is told, then everyone (JC76, JC134).
    pub(crate) fn close(&mut self, context: &mut Context<'_>) {
        for Waiting { inbox, .. } in self.requests.clear() {
            send_status(context, inbox, Status::conflict("Consumer Deleted"));
        }
        context.advise(&self.name, Event::Deleted);
    }

    /// The server ends in an orderly way (JC76).
    pub(crate) fn shut_down(&mut self, context: &mut Context<'_>) {
        for waiting in self.requests.clear() {
            let left = waiting.left();
            send_status(context, waiting.inbox, Status::conflict("Server Shutdown").with_left(left));
        }
    }
}

/// A NAK with a delay that is shorter, or not ahead, comes back after this time (JC111).
const NAK_DELAY_MIN: Duration = Duration::ZERO;

fn terminated(subject: &AckSubject<'_>, reason: &str) -> Event {
    Event::Terminated {
        consumer_seq: subject.consumer_seq,
        stream_seq: subject.stream_seq,
        deliveries: subject.deliveries,
        reason: reason.to_owned(),
    }
}

pub(super) fn send_status(context: &mut Context<'_>, to: Subject, status: Status) {
    context.effects.push_back(Effect::Status { to, reply: None, status: Box::new(status) });
}
