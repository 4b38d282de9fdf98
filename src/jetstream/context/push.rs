//! Deliveries of a push consumer: messages, heartbeats, flow control (JC120 to JC126).

use super::api::Api;
use super::error::MessagesError;
use super::message::MessageInfo;
use super::receive::{Inflow, Intake, Outcome};
use crate::error::RespondError;
use crate::jetstream::engine::consumer::ConsumerConfig;
use crate::jetstream::engine::time::span;
use crate::{Message, StatusCode, Subscriber};
use std::time::Duration;

/// Answers flow control and heartbeats, and decides on what comes.
pub(super) struct Push {
    api: Api,
    heartbeat: Duration,
    /// When the server must have given a sign of life.
    alive_by: Option<Duration>,
    /// The last delivery, where a gap between deliveries is a fault.
    last: Option<u64>,
}

impl Push {
    /// Subscribes to the deliver subject of a consumer.
    pub(super) fn subscribe(api: Api, config: &ConsumerConfig) -> Result<Inflow, MessagesError> {
        let client = api.client();
        let subscriber = match config.deliver_group.as_str() {
            "" => client.subscribe(&config.deliver_subject)?,
            group => client.queue_subscribe(&config.deliver_subject, group)?,
        };
        let push = Push::new(api.clone(), config, None);
        Ok(Inflow::new(api, subscriber, push))
    }

    /// Messages of a consumer of its own: none may be missing.
    pub(super) fn without_gaps(api: Api, config: &ConsumerConfig, subscriber: Subscriber) -> Inflow {
        let push = Push::new(api.clone(), config, Some(0));
        Inflow::new(api, subscriber, push).telling_idle()
    }

    fn new(api: Api, config: &ConsumerConfig, last: Option<u64>) -> Self {
        let heartbeat = span(config.idle_heartbeat);
        let now = api.client().bus().clock().now();
        let mut push = Push { api, heartbeat, alive_by: None, last };
        push.note_life(now);
        push
    }

    fn note_life(&mut self, now: Duration) {
        self.alive_by = (!self.heartbeat.is_zero()).then(|| now.saturating_add(self.heartbeat * 2));
    }

    fn handle_idle(&mut self, message: &Message) -> Outcome {
        if message.reply().is_some() {
            // Flow control: the server goes on when it has this.
            return match message.respond("") {
                Ok(_) | Err(RespondError::NoReply) => Outcome::Nothing,
                Err(RespondError::Publish(error)) => Outcome::Ended(error.into()),
            };
        }
        let headers = message.headers();
        let stalled = headers.get("Nats-Consumer-Stalled");
        if let Some(stalled) = stalled
            && let Err(error) = self.api.client().publish(stalled, "")
        {
            return Outcome::Ended(error.into());
        }
        let said = headers.get("Nats-Last-Consumer").and_then(|last| last.parse::<u64>().ok());
        match (self.last, said) {
            (Some(last), Some(said)) if last != said => Outcome::Failed(MessagesError::Gap),
            // Messages are held back until the response.
            _ if stalled.is_some() => Outcome::Nothing,
            _ => Outcome::Idle,
        }
    }
}

impl Intake for Push {
    fn handle(&mut self, now: Duration, message: Message) -> Outcome {
        self.note_life(now);
        match message.status() {
            Some(StatusCode::IDLE_HEARTBEAT) => return self.handle_idle(&message),
            Some(StatusCode::NO_RESPONDERS) => return Outcome::Ended(MessagesError::NoResponders),
            Some(status) => {
                let description = message.status_description().to_owned();
                return Outcome::Ended(MessagesError::Status { status, description });
            }
            None => {}
        }
        if let Some(last) = self.last {
            let info = message.reply().and_then(|reply| MessageInfo::parse(reply.as_str()));
            match info.map(|info| info.consumer_sequence) {
                Some(sequence) if sequence == last + 1 => self.last = Some(sequence),
                Some(_) => return Outcome::Failed(MessagesError::Gap),
                None => return Outcome::Ended(MessagesError::NoSequence),
            }
        }
        Outcome::Message(message)
    }

    fn handle_timeout(&mut self, now: Duration) -> Outcome {
        if self.alive_by.is_none_or(|alive_by| now < alive_by) {
            return Outcome::Nothing;
        }
        self.note_life(now);
        Outcome::Failed(MessagesError::HeartbeatMissed)
    }

    fn poll_timeout(&self) -> Option<Duration> {
        self.alive_by
    }
}
