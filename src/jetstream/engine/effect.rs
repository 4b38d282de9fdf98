//! The work that is left to do when a call has returned: for clients ([`Effect`]), and for the stream's consumers
//! ([`Change`]).

use super::error::ApiError;
use super::interest::ConsumerId;
use crate::subject::Subject;
use bytes::Bytes;
use smallvec::SmallVec;
use smol_str::SmolStr;

/// Something to be sent, in the order in which it was made (JS92).
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Effect {
    /// The answer to a publish.
    Answer {
        /// Its reply subject.
        to: Subject,
        /// The answer.
        answer: Answer,
    },
    /// A stored message goes out again, without a reply subject (JS52).
    Republish {
        /// Where to.
        subject: Subject,
        /// The header block.
        head: Bytes,
        /// The payload.
        payload: Bytes,
    },
    /// An atomic batch came to nothing (JS63).
    BatchAbandoned {
        /// The batch's id.
        batch: String,
        /// Why.
        reason: AbandonReason,
    },
}

/// The answer to a publish (JS43).
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Answer {
    /// It is stored, or no consumer was interested and its sequence is used up.
    Stored {
        /// Its sequence.
        seq: u64,
    },
    /// A message of the same id was stored before.
    Duplicate {
        /// The sequence of that one.
        seq: u64,
    },
    /// An increment is stored.
    Counter {
        /// Its sequence.
        seq: u64,
        /// The sum so far, a decimal number.
        value: String,
    },
    /// A part of an atomic batch is held: an empty payload.
    Part,
    /// An atomic batch is stored.
    Batch {
        /// The sequence of its last message.
        seq: u64,
        /// Its id.
        batch: String,
        /// How many of its messages are stored.
        count: u64,
        /// The last message's sum, on a stream of counters.
        value: Option<String>,
    },
    /// Nothing is stored.
    Failed(ApiError),
}

/// Why an atomic batch came to nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum AbandonReason {
    /// No further part came in time.
    Timeout,
    /// A sequence is missing or came twice, or the end came first.
    Incomplete,
    /// It has more messages than are allowed.
    Large,
    /// A part needs a newer API level.
    Unsupported,
}

impl AbandonReason {
    /// The word in the advisory.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            AbandonReason::Timeout => "timeout",
            AbandonReason::Incomplete => "incomplete",
            AbandonReason::Large => "large",
            AbandonReason::Unsupported => "unsupported",
        }
    }
}

/// The changes that a stream's consumers must know of, in the order in which they happened. Nothing is kept while there are
/// no consumers.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Change {
    /// A message was stored.
    Stored {
        /// Its sequence.
        seq: u64,
        /// The consumers one of whose filters matches it.
        consumers: SmallVec<[ConsumerId; 4]>,
    },
    /// A message is gone (JC140).
    Removed {
        /// Its sequence.
        seq: u64,
        /// Its subject.
        subject: SmolStr,
        /// Why.
        reason: Reason,
    },
    /// Messages were purged; none of them is told of by itself (JC141).
    Purged {
        /// Those that match this pattern; all if there is none.
        filter: Option<SmolStr>,
        /// Those below this sequence.
        below: u64,
        /// The first sequence of the stream now.
        first: u64,
    },
}

/// Why a message is gone: each is counted in the [`Ledger`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Reason {
    /// No consumer needs it any more.
    Acked,
    /// Its time was over.
    Expired,
    /// A limit made room.
    Evicted,
    /// A newer message took its place.
    RolledUp,
    /// It was purged.
    Purged,
    /// It was deleted by itself.
    Deleted,
}

/// The fate of every message that was ever stored (promise JS-2).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ledger {
    /// Stored.
    pub stored: u64,
    /// Still there.
    pub held: u64,
    /// Gone with the last acknowledgement.
    pub acked: u64,
    /// Gone by max_age or a time of their own.
    pub expired: u64,
    /// Gone because a limit made room.
    pub evicted: u64,
    /// Gone because a newer message took their place.
    pub rolled_up: u64,
    /// Gone by a purge, or with a schedule that was over.
    pub purged: u64,
    /// Deleted one by one.
    pub deleted: u64,
    /// Never stored, since no consumer was interested; their sequences are used up.
    pub unwanted: u64,
}

impl Ledger {
    /// Whether what was stored is all accounted for.
    #[must_use]
    pub fn balances(&self) -> bool {
        let gone = self.acked + self.expired + self.evicted + self.rolled_up + self.purged + self.deleted;
        self.stored == self.held + gone
    }

    pub(super) fn stored(&mut self) {
        self.stored += 1;
        self.held += 1;
    }

    pub(super) fn removed(&mut self, reason: Reason) {
        self.held -= 1;
        let count = match reason {
            Reason::Acked => &mut self.acked,
            Reason::Expired => &mut self.expired,
            Reason::Evicted => &mut self.evicted,
            Reason::RolledUp => &mut self.rolled_up,
            Reason::Purged => &mut self.purged,
            Reason::Deleted => &mut self.deleted,
        };
        *count += 1;
    }
}
