//! A recording as a run: published again, on any bus.

use super::recording::{Recorded, Recording};
use super::report::OrPanic;
use super::settle::Settler;
use crate::publish::RawMessage;
use crate::sync::block_on;
use crate::{Bus, Client, ConnectOptions, PublishError};
use std::collections::BTreeMap;
use std::pin::pin;
use std::time::Duration;

/// How fast a [`Recording`] is replayed.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub enum Speed {
    /// As it was: with the same time between two messages.
    Recorded,
    /// This many times as fast. A factor that is not above zero is taken for 1.
    Times(f64),
    /// Without any time between them.
    Full,
}

/// The result of a replay.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Replayed {
    /// How many messages were published.
    pub published: usize,
    /// Those that were not: their place in the recording, and why.
    pub refused: Vec<(usize, PublishError)>,
}

impl Recording {
    /// Publishes it on a bus, whatever is attached to that bus: subscribers, wire clients, a bridge. Each client of the recording
    /// is a client of the same name here, so that the order of each is kept. A message that came off a wire and breaks the rules of
    /// subjects is published as it was (S5 to S7).
    ///
    /// Blocks, for room in queues as [`Client::publish`] does, and for the time between two messages on the bus's clock: a manual one has to
    /// be advanced by another thread. For a kit's bus there is [`TestKit::replay`](super::TestKit::replay).
    pub fn replay(&self, bus: &Bus, speed: Speed) -> Replayed {
        block_on(self.replay_async(bus, speed))
    }

    /// As [`Recording::replay`], for tasks: blocks nothing.
    ///
    /// # Cancel safety
    ///
    /// Dropping it ends the replay between two messages, or while one waits for room.
    pub async fn replay_async(&self, bus: &Bus, speed: Speed) -> Replayed {
        let mut stage = Stage::new(bus);
        let begun = bus.clock().now();
        for (place, message) in self.messages.iter().enumerate() {
            // Busy from when the time has come until it is published, so that the bus does not count as settled in
            // between.
            let mut hold = None;
            let wait = self.offset(place, speed);
            if !wait.is_zero() {
                let mut sleep = pin!(bus.sleep_until(begun.saturating_add(wait)));
                hold = std::future::poll_fn(|cx| {
                    let hold = bus.activity().map(|activity| activity.hold("a replay"));
                    sleep.as_mut().poll(cx).map(|()| hold)
                })
                .await;
            }
            let published = stage.client(&message.client).publish_raw_async(raw(message)).await;
            stage.note(place, published);
            drop(hold);
        }
        stage.replayed
    }

    /// How long after the first message one is published.
    fn offset(&self, place: usize, speed: Speed) -> Duration {
        let first = self.messages.first().map_or(Duration::ZERO, |message| message.at);
        let recorded = self.messages[place].at.saturating_sub(first);
        match speed {
            Speed::Recorded => recorded,
            Speed::Full => Duration::ZERO,
            Speed::Times(factor) if factor > 0.0 => {
                Duration::try_from_secs_f64(recorded.as_secs_f64() / factor).unwrap_or(Duration::MAX)
            }
            Speed::Times(_) => recorded,
        }
    }
}

/// See [`TestKit::replay`](super::TestKit::replay).
#[track_caller]
pub(super) fn replay_on(settler: &Settler, recording: &Recording, speed: Speed) -> Replayed {
    if !settler.bus.clock().is_manual() {
        return recording.replay(&settler.bus, speed);
    }
    let mut stage = Stage::new(&settler.bus);
    let begun = settler.manual().now();
    for (place, message) in recording.messages.iter().enumerate() {
        let due = begun.saturating_add(recording.offset(place, speed));
        settler.try_advance(due.saturating_sub(settler.manual().now())).or_panic();
        let published = stage.client(&message.client).publish_raw(raw(message));
        stage.note(place, published);
        settler.rest(settler.limit).or_panic();
    }
    stage.replayed
}

/// See [`TestKit::replay_async`](super::TestKit::replay_async).
pub(super) async fn replay_on_async(settler: &Settler, recording: &Recording, speed: Speed) -> Replayed {
    if !settler.bus.clock().is_manual() {
        return recording.replay_async(&settler.bus, speed).await;
    }
    let mut stage = Stage::new(&settler.bus);
    let begun = settler.manual().now();
    for (place, message) in recording.messages.iter().enumerate() {
        let due = begun.saturating_add(recording.offset(place, speed));
        settler.try_advance_async(due.saturating_sub(settler.manual().now())).await.or_panic();
        let published = stage.client(&message.client).publish_raw_async(raw(message)).await;
        stage.note(place, published);
        settler.rest_async().await.or_panic();
    }
    stage.replayed
}

/// The clients of a replay, and what came of it.
struct Stage<'a> {
    bus: &'a Bus,
    clients: BTreeMap<String, Client>,
    replayed: Replayed,
}

impl<'a> Stage<'a> {
    fn new(bus: &'a Bus) -> Self {
        Stage { bus, clients: BTreeMap::new(), replayed: Replayed::default() }
    }

    fn client(&mut self, name: &str) -> &Client {
        let connect = || self.bus.connect_with(ConnectOptions::new().name(name).lenient(true));
        self.clients.entry(name.to_owned()).or_insert_with(connect)
    }

    fn note(&mut self, place: usize, published: Result<usize, PublishError>) {
        match published {
            Ok(_) => self.replayed.published += 1,
            Err(error) => self.replayed.refused.push((place, error)),
        }
    }
}

fn raw(message: &Recorded) -> RawMessage<'_> {
    RawMessage::new(&message.subject, message.payload.clone())
        .reply(message.reply.as_deref())
        .headers(message.headers.clone())
}
