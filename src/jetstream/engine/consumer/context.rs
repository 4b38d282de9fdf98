//! The surroundings of a consumer while it works: the instant, the stream's messages, and where results go.

use crate::jetstream::engine::effect::{Advisory, Effect, Event};
use crate::jetstream::engine::messages::Messages;
use crate::jetstream::engine::steps::Steps;
use crate::jetstream::engine::time::Timestamp;
use crate::rng::Rng;
use crate::subject::Subject;
use smol_str::SmolStr;
use std::collections::VecDeque;
use std::fmt;

/// Whether anything receives what is sent to a subject: a pull request of an inbox that nothing receives from is dropped (JC71, JC77).
///
/// It is asked while the machine works, and must neither wait nor call the machine.
pub trait Interest: Send {
    /// Whether a subscription matches this inbox.
    fn has_interest(&self, inbox: &Subject) -> bool;
}

/// Everything is received.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Everything;

impl Interest for Everything {
    fn has_interest(&self, _: &Subject) -> bool {
        true
    }
}

/// What a consumer works with.
pub(crate) struct Context<'a> {
    pub(crate) now: Timestamp,
    /// The stream's name.
    pub(crate) stream: &'a str,
    pub(crate) is_work_queue: bool,
    pub(crate) messages: &'a Messages,
    pub(crate) interest: &'a dyn Interest,
    pub(crate) rng: &'a Rng,
    pub(crate) effects: &'a mut VecDeque<Effect>,
    pub(crate) steps: &'a mut Steps,
    /// Messages that the consumer has done with.
    pub(crate) done: &'a mut Vec<u64>,
}

impl Context<'_> {
    pub(crate) fn advise(&mut self, consumer: &SmolStr, event: Event) {
        self.effects.push_back(Effect::Advisory(Advisory { consumer: consumer.clone(), event }));
    }
}

impl fmt::Debug for Context<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Context").field("now", &self.now).field("stream", &self.stream).finish_non_exhaustive()
    }
}
