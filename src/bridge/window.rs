//! The messages that were handed to the connection and are not confirmed by the server yet.
//!
//! The client library completes a publish when the message is in its own queue, and a flush when it is written to the socket;
//! messages in its buffers are lost without a report when the connection breaks. So after some messages a *checkpoint* is sent: a
//! request that the server itself responds to. The server works through a connection in order, so the response confirms all that was
//! sent before.
//!
//! **A message that ends the connection.** A server may hang up because of a message, and does so again if that is repeated.
//! Messages that were unconfirmed at the end of a connection are therefore suspect, and go through a narrower window next time: an
//! eighth of their number, in the end one message, until all of them are confirmed. A message that was alone when the connection
//! ended, several times in a row, is given up.

use super::buffer::{Barrier, Item, Slot};
use super::core::Core;
use super::crossing::{Outbound, Summary};
use super::stats::LossReason;
use std::collections::VecDeque;

/// The factor by which the window is narrower the next time for messages that were unconfirmed at the end of a
/// connection.
const NARROWER: u64 = 8;

/// How often a message may be the only one that is unconfirmed at the end of a connection.
const ENDS_MAX: u8 = 3;

/// Messages between two checkpoints, at least, unless the window is small.
const CHECKPOINT_EVERY: u64 = 64;

/// How the server confirms that it has got messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ConfirmBy {
    /// By the response to a request for the user's own details, which every user may ask for unless permissions say otherwise.
    UserInfo,
    /// By the 503 for a request that has no responder, to the bridge's own inbox (R2). Fails where another client
    /// subscribes to all inboxes.
    NoResponders,
    /// Not at all: messages that are written to the socket count as delivered.
    Write,
}

/// Messages that were sent between two checkpoints.
#[derive(Debug, Default)]
pub(super) struct Batch {
    checkpoint: u64,
    messages: u64,
    bytes: usize,
    /// The first and the last, for a report of losses.
    ends: Option<(Summary, Summary)>,
    /// All, if that was asked for, to be sent again.
    kept: Vec<Outbound>,
    barriers: Vec<Barrier>,
}

/// How the window stands after a message.
#[derive(Clone, Copy, Debug)]
pub(super) struct WindowState {
    /// One more may be sent.
    pub(super) has_room: bool,
    /// It is time for a checkpoint.
    pub(super) is_checkpoint_due: bool,
}

/// Messages that may have ended the last connection.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Suspects {
    /// The next so many.
    count: u64,
    /// How many of them may be unconfirmed at once.
    window: u64,
}

/// How a connection has ended.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Broken {
    /// Messages that are sent again.
    pub(super) repeated: u64,
    /// Messages were sent, and none was confirmed.
    pub(super) is_in_vain: bool,
    pub(super) suspects: Suspects,
}

#[derive(Debug)]
pub(super) struct Window {
    pub(super) confirm_by: ConfirmBy,
    /// Messages and bytes that may be unconfirmed.
    max: (u64, usize),
    /// Narrows the window until these are confirmed.
    suspects: Suspects,
    has_confirmed: bool,
    keep: bool,
    next_checkpoint: u64,
    sent: (u64, usize),
    open: Batch,
    closed: VecDeque<Batch>,
}

impl Window {
    pub(super) fn new(max: (u64, usize), keep: bool, suspects: Suspects) -> Self {
        Window {
            confirm_by: ConfirmBy::UserInfo,
            max,
            suspects,
            has_confirmed: false,
            keep,
            next_checkpoint: 1,
            sent: (0, 0),
            open: Batch::default(),
            closed: VecDeque::new(),
        }
    }

    /// Messages that may be unconfirmed now.
    fn messages_max(&self) -> u64 {
        if self.suspects.count > 0 { self.suspects.window.min(self.max.0) } else { self.max.0 }
    }

    /// Whether one more message may be sent.
    pub(super) fn has_room(&self) -> bool {
        self.sent.0 < self.messages_max() && self.sent.1 < self.max.1
    }

    /// Whether it is time for a checkpoint: when none is on its way, after a few messages; else an eighth of the window is sent without one.
    pub(super) fn is_checkpoint_due(&self) -> bool {
        let few = self.closed.is_empty() && self.open.messages >= CHECKPOINT_EVERY;
        few || self.open.messages * 8 >= self.messages_max() || self.open.bytes * 8 >= self.max.1
    }

    pub(super) fn needs_checkpoint(&self) -> bool {
        self.open.messages > 0 || !self.open.barriers.is_empty()
    }

    /// Whether a sent message is to be given to [`Window::keep`].
    pub(super) fn keeps(&self) -> bool {
        self.keep
    }

    /// The connection has got a message.
    pub(super) fn sent(&mut self, out: &Outbound) -> WindowState {
        let size = out.size();
        self.sent = (self.sent.0 + 1, self.sent.1 + size);
        let batch = &mut self.open;
        batch.messages += 1;
        batch.bytes += size;
        if !self.keep {
            match &mut batch.ends {
                Some((_, last)) => *last = out.summary(),
                none => *none = Some((out.summary(), out.summary())),
            }
        }
        WindowState { has_room: self.has_room(), is_checkpoint_due: self.is_checkpoint_due() }
    }

    /// The message that was sent last, until it is confirmed.
    pub(super) fn keep(&mut self, out: Outbound) {
        self.open.kept.push(out);
    }

    pub(super) fn barrier(&mut self, barrier: Barrier) {
        self.open.barriers.push(barrier);
    }

    /// Puts a checkpoint behind the sent messages, and gives its number.
    pub(super) fn checkpoint(&mut self) -> u64 {
        let checkpoint = self.next_checkpoint;
        self.next_checkpoint += 1;
        let batch = std::mem::take(&mut self.open);
        self.closed.push_back(Batch { checkpoint, ..batch });
        checkpoint
    }

    /// The last checkpoint, if it is not confirmed yet.
    pub(super) fn last_checkpoint(&self) -> Option<u64> {
        self.closed.back().map(|batch| batch.checkpoint)
    }

    /// Whether the server has confirmed this checkpoint.
    pub(super) fn is_confirmed(&self, checkpoint: u64) -> bool {
        self.closed.front().is_none_or(|batch| batch.checkpoint > checkpoint)
    }

    /// Whether a checkpoint is waited for: there is no room for more messages, or a barrier stands before it.
    pub(super) fn is_awaited(&self) -> bool {
        !self.closed.is_empty() && (!self.has_room() || self.closed.iter().any(|batch| !batch.barriers.is_empty()))
    }

    /// The server has got all up to this checkpoint. The batches that are given back are to be dropped where no lock is held: that may
    /// run code of a user's.
    pub(super) fn confirm(&mut self, checkpoint: u64, core: &Core) -> Vec<Batch> {
        let mut done = Vec::new();
        while self.closed.front().is_some_and(|batch| batch.checkpoint <= checkpoint) {
            let Some(batch) = self.closed.pop_front() else { break };
            self.sent = (self.sent.0 - batch.messages, self.sent.1 - batch.bytes);
            self.suspects.count = self.suspects.count.saturating_sub(batch.messages);
            self.has_confirmed |= batch.messages > 0;
            core.outbox.delivered(batch.messages);
            done.push(batch);
        }
        done
    }

    /// The connection is gone, because the server or the line has ended it if `is_lost`. Messages that are not confirmed are lost, or are put in
    /// front of `batch`, to be sent again.
    pub(super) fn break_off(self, is_lost: bool, batch: &mut VecDeque<Slot<Outbound>>, core: &Core) -> Broken {
        let Window { closed, open, keep, sent: (unconfirmed, _), has_confirmed, suspects, .. } = self;
        let mut broken = Broken { repeated: 0, is_in_vain: unconfirmed > 0 && !has_confirmed, suspects };
        let mut again = VecDeque::new();
        for sent in closed.into_iter().chain([open]) {
            let Batch { messages, ends, kept, barriers, .. } = sent;
            if keep {
                for mut out in kept {
                    out.ended += (is_lost && unconfirmed == 1) as u8;
                    if out.ended == ENDS_MAX {
                        let named = (out.subject(), out.size());
                        core.outbox.lost_some(1, LossReason::EndsConnection, named, named);
                    } else {
                        broken.repeated += 1;
                        again.push_back(Slot::Item(out));
                    }
                }
            } else if let Some((first, last)) = ends {
                let (first, last) = ((first.subject(), first.size), (last.subject(), last.size));
                core.outbox.lost_some(messages, LossReason::Unconfirmed, first, last);
            }
            again.extend(barriers.into_iter().map(Slot::Barrier));
        }
        again.append(batch);
        *batch = again;
        if broken.repeated > 0 && is_lost {
            // Those that were suspect and have not been sent this time are so still.
            let count = broken.repeated.max(suspects.count);
            broken.suspects = Suspects { count, window: (unconfirmed / NARROWER).max(1) };
        }
        broken
    }
}

impl Batch {
    /// The waiters for it.
    pub(super) fn into_barriers(self) -> Vec<Barrier> {
        self.barriers
    }
}
