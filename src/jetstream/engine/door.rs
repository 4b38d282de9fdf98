//! What is done with the consumers of a stream: requests of the API, pull requests, acknowledgements.

use super::config::AccountLimits;
use super::consumer::ack::{Ack, AckSubject};
use super::consumer::config::{ConsumerConfig, DeliverPolicy};
use super::consumer::info::{ConsumerInfo, ConsumerLedger};
use super::consumer::machine::Consumer;
use super::consumer::pull::PullRequest;
use super::consumer::request::{ConsumerAction, ConsumerRequest};
use super::consumer::validate::Bounds;
use super::consumer::{is_group_name, random_name, update, validate};
use super::effect::{Event, Unpinned};
use super::error::{ApiError, codes};
use super::interest::ConsumerId;
use super::journal::Changed;
use super::stream::Stream;
use super::time::Timestamp;
use crate::subject::Subject;
use smol_str::SmolStr;

/// The most bytes of a durable name (JC7).
const DURABLE_NAME_MAX: usize = 255;

impl Stream {
    /// Creates a consumer, or updates the one of its name (JC7, JC10, JC45). The request has been
    /// [addressed](ConsumerRequest::address).
    ///
    /// The result shows the consumer before its first delivery (JC12).
    ///
    /// # Errors
    ///
    /// The first fault in the server's order.
    pub fn create_consumer(
        &mut self,
        now: Timestamp,
        request: ConsumerRequest,
        account: &AccountLimits,
    ) -> Result<ConsumerInfo, ApiError> {
        let now = self.advance(now);
        let ConsumerRequest { mut config, action, pedantic } = request;
        let bounds = Bounds { stream: &self.parts.config, server: &self.parts.limits, account };
        validate::fill(&mut config, bounds, pedantic)?;
        validate::check(&config, bounds, pedantic)?;
        validate::mark(&mut config);
        let id = match self.consumers.find(&config.name) {
            Some(id) => {
                self.change(now, id, config, action)?;
                id
            }
            None if action == ConsumerAction::Update => return Err(codes::CONSUMER_DOES_NOT_EXIST.error()),
            None => self.add(now, config, account)?,
        };
        let info = self.info(id, now);
        self.settle();
        info
    }

    fn add(
        &mut self,
        now: Timestamp,
        mut config: ConsumerConfig,
        account: &AccountLimits,
    ) -> Result<ConsumerId, ApiError> {
        let limits = [self.parts.config.max_consumers, account.max_consumers];
        let default = Some(self.parts.limits.default_max_consumers).filter(|max| *max > 0);
        let max = limits.into_iter().filter(|max| *max > 0).min().or(default);
        let count = i64::try_from(self.consumers.len()).unwrap_or(i64::MAX);
        if max.is_some_and(|max| count >= max) {
            return Err(codes::MAXIMUM_CONSUMERS_LIMIT.error());
        }
        self.consumers.check_work_queue(&self.parts.config, &config, None)?;
        if config.durable_name.len() > DURABLE_NAME_MAX {
            return Err(codes::CONSUMER_NAME_TOO_LONG.with(DURABLE_NAME_MAX.to_string()));
        }
        let is_durable = !config.durable_name.is_empty();
        validate::limit_life(&mut config, is_durable);
        let mut name = SmolStr::new(&config.name);
        while name.is_empty() || self.consumers.find(&name).is_some() {
            name = random_name(&self.parts.rng);
        }
        let id = self.consumers.insert(&mut self.parts, now, name, config);
        self.consumers.wake(&mut self.parts, now, id, |consumer, context, _| {
            context.advise(consumer.name(), Event::Created);
            if consumer.is_paused(now) {
                consumer.advise_pause(context);
            }
        });
        Ok(id)
    }

    fn change(
        &mut self,
        now: Timestamp,
        id: ConsumerId,
        mut config: ConsumerConfig,
        action: ConsumerAction,
    ) -> Result<(), ApiError> {
        let consumer = self.consumer(id)?;
        let old = consumer.config();
        if action == ConsumerAction::Create {
            let is_same = is_same(old, &config);
            return if is_same { Ok(()) } else { Err(codes::CONSUMER_ALREADY_EXISTS.error()) };
        }
        update::check(old, &config)?;
        if old.deliver_subject != config.deliver_subject && consumer.is_bound() {
            return Err(codes::CONSUMER_NAME_EXIST.error());
        }
        self.consumers.check_work_queue(&self.parts.config, &config, Some(id))?;
        // The configuration so far counts (JC11).
        let is_durable = !old.durable_name.is_empty();
        validate::limit_life(&mut config, is_durable);
        self.consumers.update(&mut self.parts, now, id, config);
        Ok(())
    }

    fn consumer(&self, id: ConsumerId) -> Result<&Consumer, ApiError> {
        self.consumers.get(id).ok_or_else(|| codes::CONSUMER_NOT_FOUND.error())
    }

    fn info(&self, id: ConsumerId, now: Timestamp) -> Result<ConsumerInfo, ApiError> {
        self.consumer(id).map(|consumer| consumer.info(now))
    }

    /// The consumer of a name.
    #[must_use]
    pub fn consumer_id(&self, name: &str) -> Option<ConsumerId> {
        self.consumers.find(name)
    }

    /// The consumers, by their names.
    pub fn consumer_ids(&self) -> impl Iterator<Item = (&str, ConsumerId)> {
        self.consumers.iter().map(|(id, consumer)| (consumer.name().as_str(), id))
    }

    /// The configuration of a consumer.
    #[must_use]
    pub fn consumer_config(&self, id: ConsumerId) -> Option<&ConsumerConfig> {
        self.consumers.get(id).map(Consumer::config)
    }

    /// The fate of every message that a consumer was given.
    #[must_use]
    pub fn consumer_ledger(&self, id: ConsumerId) -> Option<ConsumerLedger> {
        self.consumers.get(id).map(Consumer::ledger)
    }

    /// A consumer as it is shown. Requests are dropped first that nothing receives from (JC52).
    ///
    /// # Errors
    ///
    /// 10014 if there is no such consumer.
    pub fn consumer_info(&mut self, now: Timestamp, id: ConsumerId) -> Result<ConsumerInfo, ApiError> {
        let now = self.advance(now);
        self.consumers.with(&mut self.parts, now, id, |consumer, context, _| consumer.drop_dead_requests(context));
        let info = self.info(id, now);
        self.settle();
        info
    }

    /// Deletes a consumer: its requests end with a status, then it is told (JC76, JC134).
    ///
    /// # Errors
    ///
    /// 10014 if there is no such consumer.
    pub fn delete_consumer(&mut self, now: Timestamp, id: ConsumerId) -> Result<(), ApiError> {
        let now = self.advance(now);
        self.consumer(id)?;
        self.consumers.remove(&mut self.parts, now, id);
        self.settle();
        Ok(())
    }

    /// Ends all consumers since the stream is deleted (JC135).
    pub fn handle_deletion(&mut self, now: Timestamp) {
        let now = self.advance(now);
        for id in self.consumers.iter().map(|(id, _)| id).collect::<Vec<_>>() {
            self.consumers.remove(&mut self.parts, now, id);
        }
    }

    /// Ends all pull requests since the server ends; nothing else is changed (JC76).
    pub fn handle_shutdown(&mut self, now: Timestamp) {
        let now = self.advance(now);
        for id in self.consumers.iter().map(|(id, _)| id).collect::<Vec<_>>() {
            self.consumers.with(&mut self.parts, now, id, |consumer, context, _| consumer.shut_down(context));
        }
    }

    /// Holds a consumer's deliveries back until an instant; one that is not ahead, or none, lets them go on (JC160).
    ///
    /// # Errors
    ///
    /// 10014 if there is no such consumer.
    pub fn handle_pause(
        &mut self,
        now: Timestamp,
        id: ConsumerId,
        until: Option<Timestamp>,
    ) -> Result<ConsumerInfo, ApiError> {
        let now = self.advance(now);
        self.consumers.wake(&mut self.parts, now, id, |consumer, context, _| consumer.handle_pause(context, until));
        self.parts.messages.journal.note(Changed::Consumer(id));
        self.settle();
        self.info(id, now)
    }

    /// Ends the pin of a group (JC179, JC180).
    ///
    /// # Errors
    ///
    /// 10014 if there is no such consumer, 10162 if the group can't be called so, 10160 if it has no such group.
    pub fn handle_unpin(&mut self, now: Timestamp, id: ConsumerId, group: &str) -> Result<(), ApiError> {
        let now = self.advance(now);
        let consumer = self.consumer(id)?;
        if !is_group_name(group) {
            return Err(codes::CONSUMER_INVALID_GROUP_NAME.error());
        }
        if !consumer.config().priority_groups.iter().any(|own| own == group) {
            return Err(codes::CONSUMER_INVALID_PRIORITY_GROUP.error());
        }
        self.consumers.wake(&mut self.parts, now, id, |consumer, context, _| consumer.unpin(context, Unpinned::Admin));
        self.settle();
        Ok(())
    }

    /// Lets a consumer forget its deliveries and go on at a sequence, or behind its floor (JC165). Also says where it goes on.
    ///
    /// # Errors
    ///
    /// 10014 if there is no such consumer, 10204 if its policy does not allow that sequence.
    pub fn handle_reset(
        &mut self,
        now: Timestamp,
        id: ConsumerId,
        seq: Option<u64>,
    ) -> Result<(ConsumerInfo, u64), ApiError> {
        let now = self.advance(now);
        let consumer = self.consumer(id)?;
        let invalid = |text: &str| Err(codes::CONSUMER_INVALID_RESET.with(text));
        let config = consumer.config();
        let next = match seq.filter(|seq| *seq > 0) {
            None => consumer.floor() + 1,
            Some(seq) => {
                let stored = self.parts.messages.get(seq).map(|message| message.time());
                let begins = config.opt_start_time.as_ref().map(|time| time.at);
                match config.deliver_policy {
                    DeliverPolicy::All => {}
                    DeliverPolicy::ByStartSequence if seq < config.opt_start_seq => return invalid("below start seq"),
                    DeliverPolicy::ByStartSequence => {}
                    DeliverPolicy::ByStartTime if stored.is_some_and(|stored| Some(stored) < begins) => {
                        return invalid("below start time");
                    }
                    DeliverPolicy::ByStartTime => {}
                    _ => return invalid("not allowed"),
                }
                seq
            }
        };
        self.consumers.reset(&mut self.parts, now, id, next);
        let info = self.info(id, now)?;
        self.settle();
        Ok((info, next))
    }

    /// A pull request, or the reason why its body can't be read (JC60 to JC77). Messages and statuses go to the inbox.
    pub fn handle_pull(
        &mut self,
        now: Timestamp,
        id: ConsumerId,
        inbox: &Subject,
        request: Result<&PullRequest, &str>,
    ) {
        let now = self.advance(now);
        self.consumers
            .wake_if(&mut self.parts, now, id, |consumer, context| consumer.handle_pull(context, inbox, request));
        self.settle();
    }

    /// An acknowledgement (JC90 to JC96). `reply` is where it is confirmed.
    ///
    /// The body of [`Ack::Next`] is a pull request: the caller gives it to [`handle_pull`](Stream::handle_pull) next, with
    /// `reply` as its inbox.
    pub fn handle_ack(
        &mut self,
        now: Timestamp,
        id: ConsumerId,
        subject: &AckSubject<'_>,
        ack: Ack<'_>,
        reply: Option<&Subject>,
    ) {
        let now = self.advance(now);
        // Nothing listens where no acknowledgements are expected (JC82).
        if !self.consumers.get(id).is_some_and(Consumer::expects_acks) {
            return;
        }
        self.consumers
            .wake_if(&mut self.parts, now, id, |consumer, context| consumer.handle_ack(context, subject, ack, reply));
        self.settle();
    }

    /// Something receives from a push consumer's deliver subject, or nothing any more (JC120, JC122). Only a subscription of exactly
    /// that subject counts: in the deliver group if there is one, in no group else.
    pub fn handle_interest(&mut self, now: Timestamp, id: ConsumerId, is_bound: bool) {
        let now = self.advance(now);
        self.consumers.wake(&mut self.parts, now, id, |consumer, _, _| consumer.handle_interest(now, is_bound));
        self.settle();
    }

    /// A message was published to the reply subject of a flow control request (JC126).
    pub fn handle_flow_response(&mut self, now: Timestamp, id: ConsumerId, subject: &Subject) {
        let now = self.advance(now);
        self.consumers.wake(&mut self.parts, now, id, |consumer, _, _| consumer.handle_flow_response(subject));
        self.settle();
    }
}

/// Whether two configurations say the same, but for what the server keeps in them (JC10).
fn is_same(old: &ConsumerConfig, new: &ConsumerConfig) -> bool {
    let bare =
        |config: &ConsumerConfig| ConsumerConfig { metadata: Default::default(), pause_until: None, ..config.clone() };
    bare(old) == bare(new) && validate::own_metadata(old) == validate::own_metadata(new)
}
