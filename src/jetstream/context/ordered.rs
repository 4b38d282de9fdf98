//! Messages in the order of the stream without a gap, by a consumer that is made anew when one is missing (JC200).

use super::api::Api;
use super::call::{Call, Step};
use super::consumer;
use super::error::{CreateConsumerError, MessagesError};
use super::items::{Items, items};
use super::messages::MessagesOptions;
use super::pull::Pull;
use super::push::Push;
use super::receive::{Inflow, Received};
use crate::jetstream::engine::consumer::{AckPolicy, ConsumerAction, ConsumerConfig, ConsumerInfo, DeliverPolicy};
use crate::jetstream::engine::time::nanos;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

/// The messages of a stream in order and each once: for threads `recv` or a `for` loop, for tasks a [`Stream`](futures_core::Stream). Made by
/// [`Stream::ordered`](super::Stream::ordered).
///
/// It has a consumer of its own, without acknowledgements. When a message is missing, when two heartbeats are, and when the consumer is gone
/// without a word, it makes a new one that begins behind the last message that was handed out. An error is its last item: the stream
/// is gone, the client is closed, or a new consumer was refused, as by a server that is away for the moment.
///
/// Until the first message of an `ordered` that begins with new messages was handed out, what was stored between the end of one consumer and
/// the beginning of the next is not shown. One that begins with the last message of each subject may show older ones after such a change.
///
/// # Cancel safety
///
/// A task that is dropped between two messages loses nothing. The server deletes the consumer when it is dropped, after 30 s.
#[must_use = "the messages are only to be had from it"]
pub struct Ordered {
    api: Api,
    stream: String,
    config: ConsumerConfig,
    /// `None` once an error was handed out.
    inflow: Option<Inflow>,
    /// The consumer is being made.
    creating: Option<Call<ConsumerInfo, CreateConsumerError>>,
    /// The consumer's name, once it is known.
    name: Option<String>,
    /// The last message that was handed out.
    last: u64,
    /// Whether all was delivered at some instant since the beginning.
    is_current: bool,
    /// Whether the consumer is pulled from.
    is_pull: bool,
}

impl Ordered {
    /// Asks for the consumer. `config` says where it begins and what it takes.
    pub(super) fn start(api: Api, stream: String, config: ConsumerConfig) -> Result<Self, MessagesError> {
        Ordered::begin(api, stream, config, false)
    }

    /// As [`Ordered::start`], with a pull consumer.
    pub(super) fn start_pull(api: Api, stream: String, config: ConsumerConfig) -> Result<Self, MessagesError> {
        Ordered::begin(api, stream, ConsumerConfig { deliver_subject: String::new(), ..config }, true)
    }

    fn begin(api: Api, stream: String, config: ConsumerConfig, is_pull: bool) -> Result<Self, MessagesError> {
        let config = ConsumerConfig {
            durable_name: String::new(),
            name: String::new(),
            ack_policy: AckPolicy::None,
            ack_wait: 0,
            backoff: Vec::new(),
            max_deliver: 1,
            max_ack_pending: 0,
            max_waiting: 0,
            flow_control: !is_pull,
            idle_heartbeat: match config.idle_heartbeat {
                _ if is_pull => 0,
                0 => nanos(Duration::from_secs(5)),
                interval => interval,
            },
            inactive_threshold: nanos(Duration::from_secs(30)),
            mem_storage: true,
            num_replicas: 1,
            deliver_group: String::new(),
            ..config
        };
        let mut ordered = Ordered {
            api,
            stream,
            config,
            inflow: None,
            creating: None,
            name: None,
            last: 0,
            is_current: false,
            is_pull,
        };
        ordered.create()?;
        Ok(ordered)
    }

    /// As [`Ordered::start`], done when the consumer is there.
    pub(super) fn open(api: Api, stream: String, config: ConsumerConfig) -> Call<Self, MessagesError> {
        let mut ordered = match Ordered::start(api, stream, config) {
            Ok(ordered) => ordered,
            Err(error) => return Call::failed(error),
        };
        let creating = ordered.creating.take().expect("it was begun");
        creating.then(move |created| match created {
            Ok(info) => {
                ordered.note_created(&info);
                Step::Done(Ok(ordered))
            }
            Err(error) => Step::Done(Err(error.into())),
        })
    }

    /// Whether all that the stream had was delivered at some instant since the beginning: a message said that none is behind it, or the
    /// server fell idle.
    pub(in crate::jetstream) fn is_current(&self) -> bool {
        self.is_current
    }

    fn note_created(&mut self, info: &ConsumerInfo) {
        self.name = Some(info.name.to_string());
        self.is_current |= info.num_pending == 0;
    }

    fn create(&mut self) -> Result<(), MessagesError> {
        let mut config = self.config.clone();
        if self.last > 0 {
            config.deliver_policy = DeliverPolicy::ByStartSequence;
            config.opt_start_seq = self.last + 1;
            config.opt_start_time = None;
        }
        if !self.is_pull {
            let inbox = self.api.client().new_inbox();
            inbox.as_str().clone_into(&mut config.deliver_subject);
            // Before the consumer is there, which delivers at once.
            let subscriber = self.api.client().subscribe(&inbox)?;
            self.inflow = Some(Push::without_gaps(self.api.clone(), &config, subscriber));
        }
        self.creating = Some(consumer::create(&self.api, &self.stream, &config, ConsumerAction::Create));
        Ok(())
    }

    /// Makes the consumer anew, and has the old one deleted.
    fn reset(&mut self) -> Result<(), MessagesError> {
        self.inflow = None;
        if let Some(name) = self.name.take() {
            let subject = self.api.subject_of(&format!("CONSUMER.DELETE.{}.{name}", self.stream));
            // Without a reply subject it is carried out in silence; it may be gone already.
            self.api.client().publish(subject, "")?;
        }
        self.create()
    }

    fn end(&mut self, error: MessagesError) -> Option<Received> {
        self.inflow = None;
        self.creating = None;
        Some(Err(error))
    }

    /// The consumer is there, or not.
    fn created(&mut self, created: Result<ConsumerInfo, CreateConsumerError>) -> Option<Option<Received>> {
        self.creating = None;
        match created {
            Ok(info) => {
                self.note_created(&info);
                if self.is_pull {
                    let call = format!("CONSUMER.MSG.NEXT.{}.{}", self.stream, info.name);
                    match Pull::without_gaps(self.api.clone(), call, MessagesOptions::new().request()) {
                        Ok(inflow) => self.inflow = Some(inflow),
                        Err(error) => return Some(self.end(error)),
                    }
                }
            }
            Err(error) if error.is_timeout() => {
                if let Err(error) = self.reset() {
                    return Some(self.end(error));
                }
            }
            Err(error) => return Some(self.end(error.into())),
        }
        None
    }

    /// An item has come: to be handed out, or a reason to begin anew.
    fn received(&mut self, received: Option<Received>) -> Option<Option<Received>> {
        match received {
            Some(Ok(message)) => {
                if let Some(info) = message.info() {
                    self.last = info.stream_sequence;
                    self.is_current |= info.pending == 0;
                }
                Some(Some(Ok(message)))
            }
            Some(Err(MessagesError::Gap | MessagesError::HeartbeatMissed)) => match self.reset() {
                Ok(()) => None,
                Err(error) => Some(self.end(error)),
            },
            // Pull requests are told that the consumer is gone; a stream that is gone too takes no new one.
            Some(Err(error)) if self.is_pull && error.is_consumer_gone() => match self.reset() {
                Ok(()) => None,
                Err(error) => Some(self.end(error)),
            },
            Some(Err(error)) => Some(self.end(error)),
            None if self.inflow.as_ref().is_some_and(|inflow| !inflow.is_done()) => {
                self.is_current = true;
                None
            }
            None => {
                self.inflow = None;
                Some(None)
            }
        }
    }

    /// Blocks for the next message; `None` if nothing follows, or, if so wished, once all was delivered.
    pub(in crate::jetstream) fn next_blocking_until(&mut self, is_current: bool) -> Option<Received> {
        loop {
            if is_current && self.is_current {
                return None;
            }
            let next = match self.creating.take() {
                Some(creating) => self.created(creating.wait()),
                None => {
                    let received = self.inflow.as_mut()?.next_blocking();
                    self.received(received)
                }
            };
            if let Some(next) = next {
                return next;
            }
        }
    }

    /// As [`Ordered::next_blocking_until`], for tasks.
    pub(in crate::jetstream) fn poll_next_until(
        &mut self,
        is_current: bool,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Received>> {
        loop {
            if is_current && self.is_current {
                return Poll::Ready(None);
            }
            let next = match &mut self.creating {
                Some(creating) => match Pin::new(creating).poll(cx) {
                    Poll::Ready(created) => self.created(created),
                    Poll::Pending => return Poll::Pending,
                },
                None => {
                    let Some(inflow) = &mut self.inflow else { return Poll::Ready(None) };
                    match inflow.poll_next(cx) {
                        Poll::Ready(received) => self.received(received),
                        Poll::Pending => return Poll::Pending,
                    }
                }
            };
            if let Some(next) = next {
                return Poll::Ready(next);
            }
        }
    }
}

impl Items for Ordered {
    type Item = Received;

    fn next_blocking(&mut self) -> Option<Received> {
        self.next_blocking_until(false)
    }
}

items!([] Ordered => Received);

impl futures_core::Stream for Ordered {
    type Item = Received;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Received>> {
        self.poll_next_until(false, cx)
    }
}

impl futures_core::stream::FusedStream for Ordered {
    fn is_terminated(&self) -> bool {
        self.creating.is_none() && self.inflow.is_none()
    }
}

impl fmt::Debug for Ordered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ordered")
            .field("stream", &self.stream)
            .field("consumer", &self.name)
            .field("last", &self.last)
            .finish_non_exhaustive()
    }
}
