//! What was handed to the connection and is not confirmed by the server yet.
//!
//! The client library answers a publish when the message is in its own queue, and a flush when it is written to the socket; what is in
//! its buffers when the connection breaks is gone without a word. So after some messages a *mark* is sent: a question that the server
//! itself answers. The server works through a connection in order, so its answer confirms all that was sent before.

use super::buffer::{Barrier, Item, Slot};
use super::core::{Core, Named, Out};
use super::stats::LossReason;
use std::collections::VecDeque;

/// Messages between two marks, at least, unless the window is small.
const MARK_EVERY: u64 = 64;

/// How the server is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ask {
    /// For the user's own details, which every user may ask for unless permissions say otherwise.
    User,
    /// By a request that nobody can answer, to the bridge's own inbox: the 503 is the answer (R2). Fails where somebody listens in on
    /// inboxes.
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
    /// The first and the last, for a report of what was lost.
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

#[derive(Debug)]
pub(super) struct Window {
    pub(super) ask: Ask,
    /// Messages and bytes that may be unconfirmed.
    max: (u64, usize),
    keep: bool,
    next_mark: u64,
    sent: (u64, usize),
    unmarked: Batch,
    marked: VecDeque<Batch>,
}

impl Window {
    pub(super) fn new(max: (u64, usize), keep: bool) -> Self {
        let (unmarked, marked) = (Batch::default(), VecDeque::new());
        Window { ask: Ask::User, max, keep, next_mark: 1, sent: (0, 0), unmarked, marked }
    }

    /// Whether one more message may be sent.
    pub(super) fn has_room(&self) -> bool {
        self.sent.0 < self.max.0 && self.sent.1 < self.max.1
    }

    /// Whether it is time for a mark: when none is on its way, after a few messages; else an eighth of the window is sent without one.
    pub(super) fn is_markable(&self) -> bool {
        let few = self.marked.is_empty() && self.unmarked.messages >= MARK_EVERY;
        few || self.unmarked.messages * 8 >= self.max.0 || self.unmarked.bytes * 8 >= self.max.1
    }

    pub(super) fn has_unmarked(&self) -> bool {
        self.unmarked.messages > 0 || !self.unmarked.barriers.is_empty()
    }

    /// Whether what was sent is to be given to [`Window::keep`].
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

    /// Puts a mark behind what was sent, and gives its number.
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

    /// The server has got all up to this mark. What is given back is to be dropped where no lock is held: it may run code of a user's.
    pub(super) fn confirm(&mut self, mark: u64, core: &Core) -> Vec<Batch> {
        let mut done = Vec::new();
        while self.marked.front().is_some_and(|batch| batch.mark <= mark) {
            let Some(batch) = self.marked.pop_front() else { break };
            self.sent = (self.sent.0 - batch.messages, self.sent.1 - batch.bytes);
            core.outbox.delivered(batch.messages);
            done.push(batch);
        }
        done
    }

    /// The connection is gone. Messages that are not confirmed are lost, or are put in front of `batch`, to be sent again.
    pub(super) fn break_off(self, batch: &mut VecDeque<Slot<Out>>, core: &Core) -> u64 {
        let Window { marked, unmarked, keep, .. } = self;
        let (mut again, mut repeated) = (VecDeque::new(), 0);
        for sent in marked.into_iter().chain([unmarked]) {
            let Batch { messages, ends, kept, barriers, .. } = sent;
            if keep {
                repeated += messages;
                again.extend(kept.into_iter().map(Slot::Item));
            } else if let Some((first, last)) = ends {
                let (first, last) = ((first.subject(), first.size), (last.subject(), last.size));
                core.outbox.lost_some(messages, LossReason::Unconfirmed, first, last);
            }
            again.extend(barriers.into_iter().map(Slot::Barrier));
        }
        again.append(batch);
        *batch = again;
        repeated
    }
}

impl Batch {
    /// Who waited for it.
    pub(super) fn into_barriers(self) -> Vec<Barrier> {
        self.barriers
    }
}
