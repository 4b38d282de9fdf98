//! How messages of a consumer reach a thread or a task: a subscription, and a machine that decides on each message.
//!
//! The machine knows neither threads nor tasks. It is told of each message and of each instant that has come, and says what becomes of
//! it.

use super::api::Api;
use super::error::MessagesError;
use super::message::JsMessage;
use crate::error::RecvTimeoutError;
use crate::time::Sleep;
use crate::{Message, Subscriber};
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

pub(super) type Received = Result<JsMessage, MessagesError>;

/// The consequence of a message, or of an instant.
pub(super) enum Outcome {
    /// It is handed out.
    Message(Message),
    /// It was a message to the machine.
    Nothing,
    /// The server has nothing more to deliver for now.
    Idle,
    /// An error is handed out; others may follow.
    Failed(MessagesError),
    /// Nothing follows.
    End,
    /// An error is handed out, and nothing follows.
    Ended(MessagesError),
}

/// Decides on messages.
pub(super) trait Intake: Send + Sync {
    /// Before a message is waited for.
    fn prepare(&mut self, _now: Duration) -> Result<(), MessagesError> {
        Ok(())
    }

    /// A message has come.
    fn handle(&mut self, now: Duration, message: Message) -> Outcome;

    /// The instant of [`Intake::poll_timeout`] has come.
    fn handle_timeout(&mut self, now: Duration) -> Outcome;

    /// When it wants to be called, if no message comes before.
    fn poll_timeout(&self) -> Option<Duration>;

    /// Whether all has been handed out.
    fn is_done(&self) -> bool {
        false
    }
}

/// A subscription with a machine.
pub(super) struct Inflow {
    api: Api,
    subscriber: Subscriber,
    machine: Box<dyn Intake>,
    sleep: Option<(Duration, Sleep)>,
    is_done: bool,
    /// Whether [`Outcome::Idle`] ends a wait without an item.
    tells_idle: bool,
}

impl Inflow {
    pub(super) fn new(api: Api, subscriber: Subscriber, machine: impl Intake + 'static) -> Self {
        Inflow { api, subscriber, machine: Box::new(machine), sleep: None, is_done: false, tells_idle: false }
    }

    /// The same, whose waits also end without an item when the server has nothing more to deliver for now.
    pub(super) fn telling_idle(self) -> Self {
        Inflow { tells_idle: true, ..self }
    }

    pub(super) fn is_done(&self) -> bool {
        self.is_done
    }

    fn now(&self) -> Duration {
        self.api.client().bus().clock().now()
    }

    /// Gives the machine its turn before a wait, and says until when to wait.
    fn begin(&mut self, now: Duration) -> Result<Option<Duration>, MessagesError> {
        self.machine.prepare(now).inspect_err(|_| self.is_done = true)?;
        Ok(self.machine.poll_timeout())
    }

    /// Blocks for the next message; `None` once nothing follows.
    pub(super) fn next_blocking(&mut self) -> Option<Received> {
        loop {
            if self.is_done {
                return None;
            }
            let now = self.now();
            let until = match self.begin(now) {
                Ok(until) => until,
                Err(error) => return Some(Err(error)),
            };
            let received = match until {
                None => self.subscriber.recv().map_err(RecvTimeoutError::from),
                Some(until) => self.subscriber.recv_timeout(until.saturating_sub(now)),
            };
            let outcome = match received {
                Ok(message) => self.machine.handle(self.now(), message),
                Err(RecvTimeoutError::Timeout) => self.machine.handle_timeout(self.now()),
                Err(RecvTimeoutError::Closed(reason)) => Outcome::Ended(MessagesError::Closed(reason)),
            };
            if let Some(next) = self.conclude(outcome) {
                return next;
            }
        }
    }

    pub(super) fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Received>> {
        loop {
            if self.is_done {
                return Poll::Ready(None);
            }
            let now = self.now();
            let until = match self.begin(now) {
                Ok(until) => until,
                Err(error) => return Poll::Ready(Some(Err(error))),
            };
            let outcome = match futures_core::Stream::poll_next(Pin::new(&mut self.subscriber), cx) {
                Poll::Ready(Some(message)) => self.machine.handle(self.now(), message),
                Poll::Ready(None) => match self.subscriber.close_reason() {
                    Some(reason) => Outcome::Ended(MessagesError::Closed(reason)),
                    None => Outcome::End,
                },
                Poll::Pending => match self.poll_sleep(until, cx) {
                    Poll::Ready(()) => self.machine.handle_timeout(self.now()),
                    Poll::Pending => return Poll::Pending,
                },
            };
            if let Some(next) = self.conclude(outcome) {
                return Poll::Ready(next);
            }
        }
    }

    fn poll_sleep(&mut self, until: Option<Duration>, cx: &mut Context<'_>) -> Poll<()> {
        let Some(until) = until else {
            self.sleep = None;
            return Poll::Pending;
        };
        if self.sleep.as_ref().is_none_or(|(at, _)| *at != until) {
            self.sleep = Some((until, self.api.client().bus().sleep_until(until)));
        }
        match &mut self.sleep {
            Some((_, sleep)) => Pin::new(sleep).poll(cx),
            None => Poll::Pending,
        }
    }

    /// The item to hand out; `None` if the next message is to be looked at.
    fn conclude(&mut self, outcome: Outcome) -> Option<Option<Received>> {
        self.is_done = self.machine.is_done() || matches!(outcome, Outcome::End | Outcome::Ended(_));
        match outcome {
            Outcome::Message(message) => Some(Some(Ok(JsMessage::new(message, self.api.clone())))),
            Outcome::Failed(error) | Outcome::Ended(error) => Some(Some(Err(error))),
            Outcome::Idle if self.tells_idle => Some(None),
            Outcome::Nothing | Outcome::Idle => None,
            Outcome::End => Some(None),
        }
    }
}

impl fmt::Debug for Inflow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Inflow").field("subscriber", &self.subscriber).field("is_done", &self.is_done).finish()
    }
}
