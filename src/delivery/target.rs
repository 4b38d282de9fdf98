//! The one way in to a subscriber, whatever it is made of.

use super::outcome::{FollowUp, Offered, Refused};
use super::overflow::{OverflowPolicy, Policy};
use super::queue::{Admitted, BoundedQueue, Counts, Frozen};
use crate::error::CloseReason;
use crate::id::ClientId;
use crate::message::Message;
use crate::sync::atomic::{AtomicU8, Ordering};
use crate::sync::{OnceLock, step};
use crate::user_code::{self, Panic, UserWaker};
use crossbeam_channel::{Sender, TrySendError};
use std::fmt;
use std::sync::Arc;

const OPEN: u8 = 0;

/// A bit besides the reason: a queue is being made, or is there.
const MADE: u8 = 0x80;

/// The receiving end of a subscription.
pub(crate) enum Receiver {
    /// A queue of ours.
    Queue,
    /// Something else. Boxed so that the many idle queues pay nothing for it.
    Other(Box<TargetKind>),
}

pub(crate) enum TargetKind {
    /// A channel of the user's.
    Channel(Sender<Message>),
    /// A function of the user's: runs on the publisher's thread, once no lock is held.
    Callback(Box<dyn Fn(Message) + Send + Sync>),
    /// A function of the user's that takes in what it needs of the message while it is routed.
    Sink(Box<Sink>),
    /// A part of the bus that takes the message itself, keeps its own count, and runs nothing of a user's.
    Internal(Box<dyn InternalSink>),
}

pub(crate) type Sink = dyn Fn(&SinkDelivery<'_>) -> SinkResult + Send + Sync;

/// What is known of a copy of a message beside the message itself.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Envelope<'a> {
    /// The subject that the message is routed by.
    pub(crate) routed: &'a str,
    /// The connection that published it, `None` for the bus itself.
    pub(crate) publisher: Option<ClientId>,
    /// The bytes that count towards the bounds of queues.
    pub(crate) weight: usize,
}

/// A message that a [sink](crate::Client::subscribe_sink_with) is shown.
#[derive(Clone, Copy, Debug)]
pub struct SinkDelivery<'a> {
    message: &'a Message,
    envelope: &'a Envelope<'a>,
}

impl<'a> SinkDelivery<'a> {
    /// The message, with the subject that receivers see.
    pub fn message(&self) -> &'a Message {
        self.message
    }

    /// The subject that the message was routed by, which the subscription's pattern matches. The same as that of the message, unless it was
    /// published with [`Client::publish_message_to`](crate::Client::publish_message_to).
    pub fn routed_subject(&self) -> &'a str {
        self.envelope.routed
    }

    /// The [`id`](crate::Client::id) of the connection that published the message; `None` if the bus itself speaks, as in a 503 (R2).
    pub fn publisher(&self) -> Option<ClientId> {
        self.envelope.publisher
    }
}

/// The answer of a [sink](crate::Client::subscribe_sink_with) to a message that it was shown; `true` is
/// [`Taken`](SinkResult::Taken), `false` [`Refused`](SinkResult::Refused).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum SinkResult {
    /// The sink has the message.
    Taken,
    /// It is as if the message had not matched.
    Refused,
    /// There is no room for it now: the subscription's [`OverflowPolicy`] applies, as with a full queue.
    Full,
}

impl From<bool> for SinkResult {
    fn from(taken: bool) -> Self {
        if taken { SinkResult::Taken } else { SinkResult::Refused }
    }
}

pub(crate) trait InternalSink: Send + Sync {
    /// Takes the message in, which was routed by the subject `routed`, or gives it back to be dropped. `wake` is left with the waker
    /// that waits for it.
    fn deliver(&self, routed: &str, message: Message, wake: &mut Option<UserWaker>) -> Result<(), Message>;
}

/// The way in to one subscriber. Idle, it has no queue: that is made by the first message.
pub(crate) struct DeliveryTarget {
    policy: Arc<Policy>,
    receiver: Receiver,
    // | field   | written by                    | read by   | invariant                                                |
    // | state   | `close`, `make_queue`, once | all       | a `CloseReason` or `OPEN`, and `MADE` before there is a queue |
    // | queue | the first to need it          | all       | closed before another thread has it if it was made after `close` |
    state: AtomicU8,
    queue: OnceLock<Box<BoundedQueue>>,
}

impl DeliveryTarget {
    pub(crate) fn new(policy: Arc<Policy>, receiver: Receiver) -> Self {
        DeliveryTarget { policy, receiver, state: AtomicU8::new(OPEN), queue: OnceLock::new() }
    }

    /// Takes out the receiving end, for the drop of the subscription.
    pub(crate) fn take_receiver(&mut self) -> Receiver {
        std::mem::replace(&mut self.receiver, Receiver::Queue)
    }

    pub(crate) fn overflow(&self) -> OverflowPolicy {
        self.policy.overflow
    }

    /// Whether the receiving end is a queue of ours; code and channels of the user's must find the receiving
    /// connection in a message.
    #[inline]
    pub(crate) fn is_queue(&self) -> bool {
        matches!(self.receiver, Receiver::Queue)
    }

    /// The queue of ours, if that is what stands behind it; made now if it is not there.
    #[inline]
    pub(crate) fn own_queue(&self) -> Option<&BoundedQueue> {
        self.is_queue().then(|| self.queue())
    }

    /// Asks whether the queue lets a message of `size` bytes in; if so, the caller must put it.
    #[inline]
    pub(crate) fn admit(&self, queue: &BoundedQueue, size: usize) -> Result<Admitted, Refused> {
        queue.admit(&self.policy, size)
    }

    /// Whether a part of the bus stands behind it.
    pub(crate) fn is_internal(&self) -> bool {
        matches!(&self.receiver, Receiver::Other(other) if matches!(**other, TargetKind::Internal(_)))
    }

    /// The user's sink, if that is what stands behind it.
    #[inline]
    pub(crate) fn sink(&self) -> Option<&Sink> {
        match &self.receiver {
            Receiver::Queue => None,
            Receiver::Other(other) => match &**other {
                TargetKind::Sink(sink) => Some(sink),
                _ => None,
            },
        }
    }

    /// Shows the sink a message. A refused one is as if it had not matched, but for want of room. If the sink panics, that is a refusal,
    /// and the payload of the panic is left in `panic`.
    pub(crate) fn deliver_to_sink(
        &self,
        sink: &Sink,
        message: &Message,
        envelope: &Envelope<'_>,
        panic: &mut Option<Panic>,
    ) -> Result<FollowUp, Refused> {
        let (queue, size) = (self.queue(), envelope.weight);
        let admitted = queue.admit(&self.policy, size)?;
        let answer = user_code::catch(|| sink(&SinkDelivery { message, envelope }));
        let answer = answer.unwrap_or_else(|payload| {
            *panic = Some(payload);
            SinkResult::Refused
        });
        if answer == SinkResult::Taken {
            let wake_senders = queue.mark_taken_quietly(size);
            let (last, recovered) = (admitted.last, admitted.recovered);
            return Ok(FollowUp { wake_senders, last, recovered, ..FollowUp::default() });
        }
        queue.cancel_admission(size);
        Err(if answer == SinkResult::Full { Refused::Full } else { Refused::Gone })
    }

    /// Whether a message that is let in may stay pending for as long as code of the user's runs.
    pub(crate) fn is_callback(&self) -> bool {
        matches!(&self.receiver, Receiver::Other(other) if matches!(**other, TargetKind::Callback(_)))
    }

    /// Offers a message. Never blocks and runs nothing of a user's. After a refusal, too, a waiter may have to be woken: see
    /// `is_awaited`.
    #[inline]
    pub(crate) fn offer(&self, message: Message, envelope: &Envelope<'_>) -> Offered {
        if let Receiver::Other(other) = &self.receiver {
            return self.offer_to(other, message, envelope);
        }
        let queue = self.queue();
        match queue.admit(&self.policy, envelope.weight) {
            Ok(admitted) => Offered::Taken(queue.put(message, admitted)),
            Err(refused) => Offered::Refused(message, refused),
        }
    }

    fn offer_to(&self, other: &TargetKind, message: Message, envelope: &Envelope<'_>) -> Offered {
        let mut after = FollowUp::default();
        if let TargetKind::Internal(direct) = other {
            return match direct.deliver(envelope.routed, message, &mut after.wake) {
                Ok(()) => Offered::Taken(after),
                Err(message) => Offered::Refused(message, Refused::Gone),
            };
        }
        let (queue, size) = (self.queue(), envelope.weight);
        match queue.admit(&self.policy, size) {
            Ok(admitted) => (after.last, after.recovered) = (admitted.last, admitted.recovered),
            Err(refused) => return Offered::Refused(message, refused),
        }
        let channel = match other {
            TargetKind::Channel(channel) => channel,
            TargetKind::Callback(_) | TargetKind::Sink(_) | TargetKind::Internal(_) => {
                return Offered::Run(message, after);
            }
        };
        step();
        let (message, refused) = match channel.try_send(message) {
            Ok(()) => {
                // The room is the channel's: half of it must be free, this message not counted, as in a queue of
                // ours.
                after.recovered &= channel.capacity().is_none_or(|room| channel.len().saturating_sub(1) * 2 <= room);
                after.wake_senders = queue.mark_taken_quietly(size);
                return Offered::Taken(after);
            }
            Err(TrySendError::Full(message)) => (message, Refused::Full),
            Err(TrySendError::Disconnected(message)) => (message, Refused::Disconnected),
        };
        queue.cancel_admission(size);
        Offered::Refused(message, refused)
    }

    /// Runs the callback with a message that was [`Offered::Run`], and counts it. The payload of a panic is given back.
    pub(crate) fn run(&self, message: Message) -> Result<(), Panic> {
        let size = message.weight();
        let result = match &self.receiver {
            Receiver::Other(other) => match &**other {
                TargetKind::Callback(call) => {
                    user_code::assert_no_lock_is_held(&"a callback");
                    user_code::catch(|| call(message))
                }
                TargetKind::Channel(_) | TargetKind::Sink(_) | TargetKind::Internal(_) => Ok(()),
            },
            Receiver::Queue => Ok(()),
        };
        self.queue().mark_taken(size);
        result
    }

    /// The queue, made now if it is not there.
    #[inline]
    pub(crate) fn queue(&self) -> &BoundedQueue {
        match self.queue.get() {
            Some(queue) => queue,
            None => self.make_queue(),
        }
    }

    #[cold]
    fn make_queue(&self) -> &BoundedQueue {
        self.queue.get_or_init(|| {
            let queue = BoundedQueue::new(&self.policy, self.is_queue());
            // Before any other thread can have it: else a target that was closed without a queue would let messages in
            // for a moment. ORDERING: `close` changes the same word, so that one of the two sees the other whatever the
            // ordering.
            if self.state.fetch_or(MADE, Ordering::SeqCst) & !MADE != OPEN {
                queue.close();
            }
            Box::new(queue)
        })
    }

    /// The queue, if a message ever came.
    #[inline]
    pub(crate) fn queue_if_any(&self) -> Option<&BoundedQueue> {
        self.queue.get().map(Box::as_ref)
    }

    /// Lets nothing in any more. False if that was so before.
    pub(crate) fn close(&self, reason: CloseReason) -> bool {
        let close = |state| (state & !MADE == OPEN).then_some(state | reason as u8);
        // ORDERING: SeqCst; pairs with `close_reason`: waiters register and then look there, before the wake-up in `BoundedQueue::close`.
        let (state, first) = match self.state.fetch_update(Ordering::SeqCst, Ordering::SeqCst, close) {
            Ok(state) => (state, true),
            Err(state) => (state, false),
        };
        if state & MADE != 0 {
            // Waits for the thread that is just making it.
            self.queue().close();
        }
        first
    }

    /// Why it was closed, if it was.
    pub(crate) fn close_reason(&self) -> Option<CloseReason> {
        CloseReason::from_code(self.state.load(Ordering::SeqCst) & !MADE)
    }

    /// Closed, with nothing left to take or to run.
    pub(crate) fn is_ended(&self) -> bool {
        self.close_reason().is_some() && self.queue_if_any().is_none_or(BoundedQueue::is_ended)
    }

    pub(crate) fn counts(&self) -> Counts {
        self.queue_if_any().map(BoundedQueue::counts).unwrap_or_default()
    }

    /// The counts for the last time. For a target that has ended.
    pub(crate) fn freeze(&self) -> Counts {
        self.queue_if_any().map(BoundedQueue::freeze).unwrap_or_default()
    }

    /// Counts a message that was brought to the user's channel after `offer` had turned it away for want of room. True if it was
    /// the last that the subscription wanted.
    pub(crate) fn count_delivered(&self) -> Result<bool, Frozen> {
        self.queue().count_passed()
    }

    /// Makes `messages` more, or fewer, that are let in not count toward `end_after` (R5).
    pub(crate) fn exempt(&self, messages: i64) {
        self.queue().exempt(messages);
    }

    /// Whether a thread or task waits for the count of pending messages to fall; a message that was turned away has made it rise
    /// and fall.
    pub(crate) fn is_awaited(&self) -> bool {
        self.queue_if_any().is_some_and(|queue| !queue.senders.is_idle())
    }

    /// Whether a message might be let in now.
    pub(crate) fn has_room(&self) -> bool {
        self.policy.fits(self.queue().pending(), 0)
    }

    /// Whether a message of `size` bytes fits the empty queue.
    pub(crate) fn could_hold(&self, size: usize) -> bool {
        self.policy.fits((0, 0), size)
    }

    /// The user's channel, if that is what stands behind it.
    pub(crate) fn channel(&self) -> Option<&Sender<Message>> {
        match &self.receiver {
            Receiver::Other(other) => match &**other {
                TargetKind::Channel(channel) => Some(channel),
                TargetKind::Callback(_) | TargetKind::Sink(_) | TargetKind::Internal(_) => None,
            },
            Receiver::Queue => None,
        }
    }
}

impl fmt::Debug for DeliveryTarget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DeliveryTarget")
            .field("policy", &self.policy)
            .field("closed", &self.close_reason())
            .field("counts", &self.counts())
            .finish_non_exhaustive()
    }
}
