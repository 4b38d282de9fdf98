//! The messages that were handed to the connection and are not confirmed by the server yet.
//!
//! The client library answers a publish when the message is in its own queue, and a flush when it is written to the socket;
//! messages in its buffers are lost without a report when the connection breaks. So after some messages a *mark* is sent: a
//! question that the server itself answers. The server works through a connection in order, so its answer confirms all that was
//! sent before.
//!
//! **A message that ends the connection.** A server may hang up because of a message, and does so again if that is repeated.
//! Messages that were unconfirmed at the end of a connection are therefore suspect, and go through a narrower window next time: an
//! eighth of their number, in the end one message, until all of them are confirmed. A message that was alone when the connection
//! ended, several times in a row, is given up.

use super::buffer::{Barrier, Item, Slot};
use super::core::{Core, Named, Out};
use super::stats::LossReason;
use std::collections::VecDeque;

/// The factor by which the window is narrower the next time for messages that were unconfirmed at the end of a
/// connection.
const NARROWER: u64 = 8;

/// How often a message may be the only one that is unconfirmed at the end of a connection.
const ENDS_MAX: u8 = 3;

/// Messages between two marks, at least, unless the window is small.
const MARK_EVERY: u64 = 64;

/// How the server is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ask {
    /// For the user's own details, which every user may ask for unless permissions say otherwise.
    User,
    /// By a request that has no responder, to the bridge's own inbox: the 503 is the answer (R2). Fails where another client
    /// subscribes to all inboxes.
    Nobody,
    /// Not at all: what is written to the socket counts as delivered.
    Not,
}

/// Messages that were sent between two marks.
#[derive(Debug, Default)]
pub(super) struct Batch {
    mark: u64,
    messages: u64,
    bytes: usize,
    /// The first and the last, for a report of losses.
    ends: Option<(Named, Named)>,
    /// All, if that was asked for, to be sent again.
    kept: Vec<Out>,
    barriers: Vec<Barrier>,
}

/// How the window stands after a message.
#[derive(Clone, Copy, Debug)]
pub(super) struct Standing {
    /// One more may be sent.
    pub(super) has_room: bool,
    /// It is time for a mark.
    pub(super) is_markable: bool,
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
    pub(super) ask: Ask,
    /// Messages and bytes that may be unconfirmed.
    max: (u64, usize),
    /// Narrows the window until these are confirmed.
    suspects: Suspects,
    has_confirmed: bool,
    keep: bool,
    next_mark: u64,
    sent: (u64, usize),
    unmarked: Batch,
    marked: VecDeque<Batch>,
}

impl Window {
    pub(super) fn new(max: (u64, usize), keep: bool, suspects: Suspects) -> Self {
        Window {
            ask: Ask::User,
            max,
            suspects,
            has_confirmed: false,
            keep,
            next_mark: 1,
            sent: (0, 0),
            unmarked: Batch::default(),
            marked: VecDeque::new(),
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

    /// Whether it is time for a mark: when none is on its way, after a few messages; else an eighth of the window is sent without one.
    pub(super) fn is_markable(&self) -> bool {
        let few = self.marked.is_empty() && self.unmarked.messages >= MARK_EVERY;
        few || self.unmarked.messages * 8 >= self.messages_max() || self.unmarked.bytes * 8 >= self.max.1
    }

    pub(super) fn has_unmarked(&self) -> bool {
        self.unmarked.messages > 0 || !self.unmarked.barriers.is_empty()
    }

    /// Whether a sent message is to be given to [`Window::keep`].
    pub(super) fn keeps(&self) -> bool {
        self.keep
    }

    /// The connection has got a message.
    pub(super) fn sent(&mut self, out: &Out) -> Standing {
        let size = out.size();
        self.sent = (self.sent.0 + 1, self.sent.1 + size);
        let batch = &mut self.unmarked;
        batch.messages += 1;
        batch.bytes += size;
        if !self.keep {
            match &mut batch.ends {
                Some((_, last)) => *last = out.named(),
                none => *none = Some((out.named(), out.named())),
            }
        }
        Standing { has_room: self.has_room(), is_markable: self.is_markable() }
    }

    /// The message that was sent last, until it is confirmed.
    pub(super) fn keep(&mut self, out: Out) {
        self.unmarked.kept.push(out);
    }

    pub(super) fn barrier(&mut self, barrier: Barrier) {
        self.unmarked.barriers.push(barrier);
    }

    /// Puts a mark behind the sent messages, and gives its number.
    pub(super) fn mark(&mut self) -> u64 {
        let mark = self.next_mark;
        self.next_mark += 1;
        let batch = std::mem::take(&mut self.unmarked);
        self.marked.push_back(Batch { mark, ..batch });
        mark
    }

    /// The last mark, if it is not answered yet.
    pub(super) fn last_mark(&self) -> Option<u64> {
        self.marked.back().map(|batch| batch.mark)
    }

    /// The server has got all up to this mark. The batches that are given back are to be dropped where no lock is held: that may
    /// run code of a user's.
    pub(super) fn confirm(&mut self, mark: u64, core: &Core) -> Vec<Batch> {
        let mut done = Vec::new();
        while self.marked.front().is_some_and(|batch| batch.mark <= mark) {
            let Some(batch) = self.marked.pop_front() else { break };
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
    pub(super) fn break_off(self, is_lost: bool, batch: &mut VecDeque<Slot<Out>>, core: &Core) -> Broken {
        let Window { marked, unmarked, keep, sent: (unconfirmed, _), has_confirmed, suspects, .. } = self;
        let mut broken = Broken { repeated: 0, is_in_vain: unconfirmed > 0 && !has_confirmed, suspects };
        let mut again = VecDeque::new();
        for sent in marked.into_iter().chain([unmarked]) {
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
