//! The words for the part of a consumer that outlives its process.

use crate::jetstream::engine::time::Timestamp;

/// The deliveries of a consumer, and what was acknowledged of them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// The sequences of the last delivery: the consumer's, and the stream's.
    pub delivered: (u64, u64),
    /// Those up to which everything is done.
    pub floor: (u64, u64),
    /// Deliveries that are not in `entries` are done; else they are as they were.
    pub is_whole: bool,
    /// Deliveries by their stream sequences; `None` once one is done.
    pub entries: Vec<(u64, Option<HeldDelivery>)>,
}

/// A delivery that waits for its acknowledgement, or came as often as it may.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct HeldDelivery {
    /// The consumer sequence of the first delivery.
    pub first: u64,
    /// When it was delivered last.
    pub delivered: Timestamp,
    /// How often it was delivered.
    pub deliveries: u32,
    /// When it comes again; if that is not known, after the time that an acknowledgement may take.
    pub due: Option<Timestamp>,
    /// It came as often as it may.
    pub is_exhausted: bool,
}

/// The sequences that were written last.
#[derive(Debug, Default)]
pub(crate) struct Written {
    pub(super) delivered: (u64, u64),
    pub(super) floor: (u64, u64),
    /// The next record is to have everything.
    pub(super) is_whole: bool,
}

impl Written {
    /// Nothing of this consumer was written yet, or it was made anew.
    pub(crate) fn nothing() -> Self {
        Written { is_whole: true, ..Written::default() }
    }
}
