//! A stream on the bus: its machine behind a lock, and a list of what is left to do.
//!
//! Everything that changes a stream is one critical section around its machine (JS90). The effects are carried out when the lock is
//! released, in their order: one thread at a time works off the list, and others leave theirs to it (JS92). So no user code runs
//! under the lock, whatever the number of threads.

use super::outgoing::Outgoing;
use super::shared::Shared;
use super::time::{Alarm, Alarmed};
use super::usage::Counted;
use super::{ack, advisory, capture::Captures, follow::Follower};
use crate::jetstream::engine::config::{ConsumerLimits, Storage, StreamConfig};
use crate::jetstream::engine::consumer::{ConsumerConfig, Interest};
use crate::jetstream::engine::error::{ApiError, codes};
use crate::jetstream::engine::{Answer, ConsumerId, Delivery, Effect, Publish, Room, Stream, Timestamp};
use crate::jetstream::store::{StoreError, StoreEvent, StreamLog, Unsynced};
use crate::observe::{StreamStep, StreamSteps};
use crate::sync::Mutex;
use crate::{Bus, Message, Subject};
use smol_str::SmolStr;
use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Weak};

/// A stream that captures what is published.
pub(super) struct ServedStream {
    name: SmolStr,
    storage: Storage,
    /// Whether the observer of the bus is told each step.
    is_watched: bool,
    shared: Arc<Shared>,
    state: Mutex<State>,
    /// Touched by the thread alone that works off the list.
    captures: Mutex<Captures>,
    /// By push consumer.
    followers: Mutex<BTreeMap<ConsumerId, Follower>>,
    alarm: Alarm,
    me: Weak<ServedStream>,
}

struct State {
    machine: Stream,
    jobs: VecDeque<Job>,
    is_working: bool,
    is_deleted: bool,
    /// The files that it is written to.
    log: Option<StreamLog>,
    /// The reason that it is offline: it could not be written.
    fault: Option<StoreError>,
    /// What it counts for in the sums of all streams.
    counted: Counted,
    /// The instant of the alarm, unless an earlier one was set meanwhile.
    alarm: Option<Timestamp>,
}

/// Something left to do with no lock held.
enum Job {
    Effect(Effect),
    /// Tells the observer of the bus what was done.
    Tell(Told),
    Send(Outgoing),
    /// Tells an operator.
    Report(StoreEvent),
    /// Captures these subjects from now on, and no others.
    Capture(Vec<String>),
    /// Follows the receivers of a push consumer.
    Follow(ConsumerId, Box<dyn FnOnce() -> Follower + Send>),
}

/// What the observer of the bus is told.
struct Told {
    steps: Vec<StreamStep>,
    held: u64,
    imbalance: Option<String>,
}

/// A ledger that does not balance, of those that the steps have changed.
fn imbalance(machine: &Stream, steps: &[StreamStep]) -> Option<String> {
    let ledger = machine.ledger();
    if !ledger.balances() {
        return Some(format!("the stream's ledger: {ledger:?}"));
    }
    steps.iter().filter_map(StreamStep::consumer).find_map(|name| {
        let ledger = machine.consumer_ledger(machine.consumer_id(name)?).filter(|ledger| !ledger.balances())?;
        Some(format!("the ledger of consumer `{name}`: {ledger:?}"))
    })
}

/// A stream's machine, while it is locked.
pub(super) struct Locked<'a> {
    pub(super) machine: &'a mut Stream,
    pub(super) now: Timestamp,
    pub(super) room: Room,
    jobs: &'a mut VecDeque<Job>,
    /// How many of them may wait (JS50).
    jobs_max: usize,
    is_deleted: &'a mut bool,
    is_watched: bool,
}

impl Locked<'_> {
    /// Whether so much waits already that nothing more may be made to wait.
    pub(super) fn is_full(&self) -> bool {
        self.jobs.len() >= self.jobs_max
    }

    /// Sends a message behind all that was to be sent before.
    pub(super) fn send(&mut self, message: impl IntoIterator<Item = Outgoing>) {
        self.keep_effects();
        self.jobs.extend(message.into_iter().map(Job::Send));
    }

    /// Captures the subjects of its configuration from then on.
    pub(super) fn capture(&mut self) {
        self.jobs.push_back(Job::Capture(self.machine.config().subjects.clone()));
    }

    /// Follows the receivers of a push consumer, in place of those that it had before.
    pub(super) fn follow(&mut self, id: ConsumerId, begin: impl FnOnce() -> Follower + Send + 'static) {
        self.jobs.push_back(Job::Follow(id, Box::new(begin)));
    }

    /// Ends its consumers and itself: nothing is captured any more.
    pub(super) fn delete(&mut self) {
        self.machine.handle_deletion(self.now);
        self.end();
    }

    /// Ends it with the server.
    pub(super) fn shut_down(&mut self) {
        self.machine.handle_shutdown(self.now);
        self.end();
    }

    fn end(&mut self) {
        self.keep_effects();
        *self.is_deleted = true;
        self.tell(vec![StreamStep::Deleted]);
        self.jobs.push_back(Job::Capture(Vec::new()));
    }

    fn tell(&mut self, steps: Vec<StreamStep>) {
        if self.is_watched && !steps.is_empty() {
            let (held, imbalance) = (self.machine.messages().len(), imbalance(self.machine, &steps));
            self.jobs.push_back(Job::Tell(Told { steps, held, imbalance }));
        }
    }

    /// What was done is told before what follows from it is sent.
    fn keep_effects(&mut self) {
        if self.is_watched {
            let steps = self.machine.take_steps();
            self.tell(steps);
        }
        while let Some(effect) = self.machine.poll_effect() {
            self.jobs.push_back(Job::Effect(effect));
        }
    }
}

/// Asks the bus whether anything receives from a pull request's inbox.
struct OfBus(Bus);

impl Interest for OfBus {
    fn has_interest(&self, inbox: &Subject) -> bool {
        self.0.has_interest(inbox)
    }
}

/// The jobs that a change has left, if they are this thread's to do.
#[must_use = "the effects of a change are carried out by `run`"]
pub(super) struct Left<'a> {
    stream: &'a ServedStream,
    jobs: Option<VecDeque<Job>>,
    alarm: Option<Timestamp>,
}

impl ServedStream {
    /// A new stream. `is_watched`: the observer of the bus is told each step.
    ///
    /// # Errors
    ///
    /// Those of the store directory.
    pub(super) fn new(config: StreamConfig, shared: &Arc<Shared>, is_watched: bool) -> Result<Arc<Self>, StoreError> {
        let (seed, limits) = (shared.bus.random(), &shared.limits());
        let mut machine = Stream::new(config, limits, shared.now(), seed);
        let mut log = None;
        if let (Some(store), Storage::File) = (&shared.store, machine.config().storage) {
            machine = machine.with_journal();
            log = Some(store.create(&machine)?);
        }
        Ok(ServedStream::restored(machine, log, shared, is_watched))
    }

    /// A stream as it was before.
    pub(super) fn restored(
        machine: Stream,
        log: Option<StreamLog>,
        shared: &Arc<Shared>,
        is_watched: bool,
    ) -> Arc<Self> {
        let machine = machine.with_interest(OfBus(shared.bus.clone()));
        let mut jobs = VecDeque::new();
        if is_watched {
            jobs.push_back(Job::Tell(Told {
                steps: steps_to(&machine),
                held: machine.messages().len(),
                imbalance: None,
            }));
        }
        Arc::new_cyclic(|me| ServedStream {
            name: SmolStr::new(&machine.config().name),
            storage: machine.config().storage,
            is_watched,
            alarm: Alarm::new(&shared.bus, &shared.time),
            captures: Mutex::default(),
            followers: Mutex::default(),
            state: Mutex::new(State {
                machine: if is_watched { machine.watched() } else { machine },
                jobs,
                is_working: false,
                is_deleted: false,
                log,
                fault: None,
                counted: Counted::default(),
                alarm: None,
            }),
            shared: shared.clone(),
            me: me.clone(),
        })
    }

    pub(super) fn config(&self) -> StreamConfig {
        self.state.lock().machine.config().clone()
    }

    /// The values that `of` makes of the configurations of push consumers; it is called with no lock held.
    pub(super) fn push_consumers<T>(&self, of: impl Fn(&ConsumerConfig) -> Option<T>) -> Vec<(ConsumerId, T)> {
        let state = self.state.lock();
        let all =
            state.machine.consumer_ids().filter_map(|(_, id)| Some((id, state.machine.consumer_config(id)?.clone())));
        let all: Vec<_> = all.filter(|(_, config)| config.is_push()).collect();
        drop(state);
        all.into_iter().filter_map(|(id, config)| Some((id, of(&config)?))).collect()
    }

    /// Takes its log, which nothing is written to any more.
    pub(super) fn take_log(&self) -> Option<StreamLog> {
        self.state.lock().log.take()
    }

    /// The files with bytes that may not be on the disk yet.
    pub(super) fn take_unsynced(&self) -> Option<Unsynced> {
        self.state.lock().log.as_mut().map(StreamLog::take_unsynced)
    }

    /// The reason that it can't be asked: it is offline, or deleted. What an operator has to know is told first. Call it with no lock held.
    pub(super) fn gone(&self) -> ApiError {
        self.send([]);
        match &self.state.lock().fault {
            Some(error) => codes::STREAM_OFFLINE_REASON.with(error.to_string()),
            None => codes::STREAM_NOT_FOUND.error(),
        }
    }

    /// Asks something of the stream that changes nothing; `None` if it is deleted.
    pub(super) fn read<R>(&self, ask: impl FnOnce(&Stream, Timestamp) -> R) -> Option<R> {
        // What is due by now is done first, so that nothing is seen that is over.
        let (answer, left) = self.change(|locked| {
            locked.machine.handle_timeout(locked.now);
            ask(locked.machine, locked.now)
        })?;
        left.run();
        Some(answer)
    }

    /// A consumer that new limits of consumers would forbid.
    pub(super) fn violated(&self, limits: &ConsumerLimits) -> Option<String> {
        let state = self.state.lock();
        let exceeds = |limit: i64, value: i64| limit > 0 && value > limit;
        let configs =
            state.machine.consumer_ids().filter_map(|(name, id)| Some((name, state.machine.consumer_config(id)?)));
        let mut violating = configs.filter(|(_, config)| {
            exceeds(limits.inactive_threshold, config.inactive_threshold)
                || exceeds(limits.max_ack_pending, config.max_ack_pending)
        });
        violating.next().map(|(name, _)| name.to_owned())
    }

    /// Changes the stream; `None` if it is deleted, offline, or could not be written: see [`ServedStream::gone`]. What is left is to be run when the caller holds no lock.
    pub(super) fn change<R>(&self, change: impl FnOnce(&mut Locked<'_>) -> R) -> Option<(R, Left<'_>)> {
        let mut state = self.state.lock();
        let state = &mut *state;
        if state.is_deleted || state.fault.is_some() {
            return None;
        }
        let waiting = state.jobs.len();
        let mut locked = Locked {
            machine: &mut state.machine,
            now: self.shared.now(),
            room: self.shared.usage.room(self.storage),
            jobs: &mut state.jobs,
            jobs_max: self.shared.options.max_buffered_messages,
            is_deleted: &mut state.is_deleted,
            is_watched: self.is_watched,
        };
        let result = change(&mut locked);
        locked.keep_effects();
        // It is written before anything is sent of it: others take jobs under the lock alone.
        let written = state.log.as_mut().map_or(Ok(()), |log| log.append(&mut state.machine));
        if let Err(error) = written {
            state.go_offline(waiting, &self.name, error);
            return None;
        }
        let counted = if state.is_deleted { Counted::default() } else { counted(&state.machine) };
        self.shared.usage.changed(self.storage, state.counted, counted);
        state.counted = counted;
        let due = if state.is_deleted { None } else { state.machine.poll_timeout() };
        let alarm = due.filter(|due| state.alarm.is_none_or(|set| *due < set));
        state.alarm = alarm.or(state.alarm);
        Some((result, Left { stream: self, jobs: state.take_jobs(), alarm }))
    }

    /// Takes a message that was published.
    pub(super) fn take(&self, message: &Message) {
        let head = message.header_block().unwrap_or_default();
        let publish =
            Publish { subject: message.subject(), reply: message.reply(), head: &head, payload: message.payload() };
        // A stream that was deleted meanwhile lets it go without a word (JS26).
        let taken = self.change(|locked| {
            if locked.is_full() {
                return false;
            }
            locked.machine.handle_publish(locked.now, &publish, locked.room);
            true
        });
        let Some((is_taken, left)) = taken else {
            if let (true, Some(reply)) = (self.is_offline(), message.reply()) {
                self.publish_to(reply, ack::encode(&Answer::Failed(unwritten()), &self.name, None));
            }
            return;
        };
        left.run();
        if let (false, Some(reply)) = (is_taken, message.reply()) {
            let refusal = Answer::Failed(codes::STREAM_TOO_MANY_REQUESTS.error());
            let payload = ack::encode(&refusal, &self.name, None);
            self.publish(Outgoing::new(reply.as_str(), payload).head("NATS/1.0 429 Too Many Requests\r\n\r\n"));
        }
    }

    /// Whether it can't be written. What an operator has to know is told first.
    fn is_offline(&self) -> bool {
        self.send([]);
        self.state.lock().fault.is_some()
    }

    /// Sends messages behind all that was to be sent before, also for a stream that is deleted. While too much waits, a call gets no
    /// answer, as from a server whose queue of calls is full (JS16).
    pub(super) fn send(&self, messages: impl IntoIterator<Item = Outgoing>) {
        let mut state = self.state.lock();
        if state.jobs.len() >= self.shared.options.max_buffered_messages {
            return;
        }
        state.jobs.extend(messages.into_iter().map(Job::Send));
        let jobs = state.take_jobs();
        drop(state);
        Left { stream: self, jobs, alarm: None }.run();
    }

    fn perform(&self, job: Job) {
        match job {
            Job::Effect(effect) => self.carry_out(effect),
            Job::Tell(Told { steps, held, imbalance }) => {
                let steps = StreamSteps::new(&self.name, &steps, held, imbalance.as_deref());
                self.shared.bus.tell_stream_steps(&steps);
            }
            Job::Send(message) => self.publish(message),
            Job::Report(event) => self.shared.tell(vec![event]),
            Job::Follow(id, begin) => {
                let follower = begin();
                let replaced = self.followers.lock().insert(id, follower);
                drop(replaced);
            }
            Job::Capture(subjects) => {
                let me = self.me.clone();
                let mut captures = std::mem::take(&mut *self.captures.lock());
                captures.set(&self.shared.client, subjects, move |message| {
                    if let Some(stream) = me.upgrade() {
                        stream.take(&message);
                    }
                });
                *self.captures.lock() = captures;
            }
        }
    }

    fn carry_out(&self, effect: Effect) {
        match effect {
            Effect::Answer { to, answer } => {
                let payload = ack::encode(&answer, &self.name, self.shared.domain());
                self.publish_to(&to, payload);
            }
            Effect::Republish { subject, head, payload } => {
                self.publish(Outgoing::new(subject.as_str(), payload).head(head));
            }
            Effect::BatchAbandoned { batch, reason } => {
                let message = advisory::batch_abandoned(&self.shared, &self.name, &batch, reason);
                message.into_iter().for_each(|message| self.publish(message));
            }
            Effect::Deliver(delivery) => {
                let Delivery { to, subject, reply, head, payload, .. } = *delivery;
                let message = Outgoing::new(to.as_str(), payload).shown_as(subject).reply(reply.as_str());
                self.publish(if head.is_empty() { message } else { message.head(head) });
            }
            Effect::Status { to, reply, status } => {
                let message = Outgoing::new(to.as_str(), "").head(status.head());
                self.publish(match reply {
                    Some(reply) => message.reply(reply.as_str()),
                    None => message,
                });
            }
            Effect::Confirm { to } => self.publish(Outgoing::new(to.as_str(), "")),
            Effect::Advisory(event) => {
                let message = advisory::consumer_event(&self.shared, &self.name, &event);
                message.into_iter().for_each(|message| self.publish(message));
            }
            Effect::AckMetric { consumer, consumer_seq, stream_seq, ack_time, deliveries } => {
                let numbers = (consumer_seq, stream_seq, deliveries);
                let message = advisory::ack_metric(&self.shared, &self.name, &consumer, numbers, ack_time);
                message.into_iter().for_each(|message| self.publish(message));
            }
            Effect::ConsumerGone { id, .. } => {
                let follower = self.followers.lock().remove(&id);
                drop(follower);
            }
        }
    }

    fn publish_to(&self, to: &Subject, payload: String) {
        // The bus may be closed, and the receiver's bounds are the receiver's.
        drop(self.shared.client.publish(to, payload));
    }

    fn publish(&self, message: Outgoing) {
        drop(message.send(&self.shared.client));
    }
}

fn counted(machine: &Stream) -> Counted {
    let (batches, held) = machine.held();
    Counted { bytes: machine.messages().bytes(), held, batches }
}

impl Alarmed for ServedStream {
    fn on_alarm(&self) {
        let mut state = self.state.lock();
        state.alarm = None;
        drop(state);
        let left = self.change(|locked| locked.machine.handle_timeout(locked.now));
        match left {
            Some(((), left)) => left.run(),
            // What it may have left when it went offline.
            None => self.send([]),
        }
    }
}

/// The answer to a publish that could not be written.
fn unwritten() -> ApiError {
    codes::STREAM_STORE_FAILED.with("the stream could not be written to disk")
}

/// The steps that make a stream what it is.
fn steps_to(machine: &Stream) -> Vec<StreamStep> {
    let mut steps = vec![StreamStep::Created];
    let mut next = 0;
    while let Some(message) = machine.messages().next_match(&[] as &[&str], next) {
        steps.push(StreamStep::Stored { seq: message.seq(), subject: message.subject().into() });
        next = message.seq() + 1;
    }
    let consumers = machine.consumer_ids().map(|(name, _)| name.into());
    steps.extend(consumers.map(|consumer| StreamStep::ConsumerCreated { consumer }));
    steps
}

impl State {
    /// A change could not be written: nothing goes out of it but the words that say so, and nothing is changed any more. `waiting` jobs
    /// were there before it.
    fn go_offline(&mut self, waiting: usize, name: &str, error: StoreError) {
        let refused = self.jobs.split_off(waiting);
        self.jobs.extend(refused.into_iter().filter_map(|job| match job {
            Job::Effect(Effect::Answer { to, .. }) => {
                Some(Job::Effect(Effect::Answer { to, answer: Answer::Failed(unwritten()) }))
            }
            _ => None,
        }));
        self.jobs.push_back(Job::Report(StoreEvent::Offline { stream: name.to_owned(), error: error.clone() }));
        self.fault = Some(error);
    }

    /// The jobs, if no other thread is at work.
    fn take_jobs(&mut self) -> Option<VecDeque<Job>> {
        if self.is_working || self.jobs.is_empty() {
            return None;
        }
        self.is_working = true;
        Some(std::mem::take(&mut self.jobs))
    }
}

impl Left<'_> {
    /// Does what is left to do. Call it with no lock held.
    pub(super) fn run(self) {
        if let Some(at) = self.alarm {
            self.stream.alarm.set(at, &self.stream.me);
        }
        let Some(jobs) = self.jobs else { return };
        let mut work = AtWork { stream: self.stream, jobs, is_over: false };
        loop {
            while let Some(job) = work.jobs.pop_front() {
                self.stream.perform(job);
            }
            let mut state = self.stream.state.lock();
            if state.jobs.is_empty() {
                // Its room serves for the next ones.
                state.jobs = std::mem::take(&mut work.jobs);
                state.is_working = false;
                work.is_over = true;
                return;
            }
            std::mem::swap(&mut state.jobs, &mut work.jobs);
        }
    }
}

/// The jobs of the thread that works. If it panics, those that are left go back, and others may work.
struct AtWork<'a> {
    stream: &'a ServedStream,
    jobs: VecDeque<Job>,
    is_over: bool,
}

impl Drop for AtWork<'_> {
    fn drop(&mut self) {
        if self.is_over {
            return;
        }
        let mut state = self.stream.state.lock();
        self.jobs.append(&mut state.jobs);
        state.jobs = std::mem::take(&mut self.jobs);
        state.is_working = false;
    }
}

#[cfg(test)]
mod tests;
