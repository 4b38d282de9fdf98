//! Removing markers that nobody needs any more (JK5).

use super::entry::{Entry, Operation};
use super::error::{PurgeDeletesError, WatchError};
use super::watch::Watch;
use crate::jetstream::context::{Call, PurgeError, Stream};
use crate::jetstream::engine::{Purge, Timestamp};
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

/// Markers are being removed. Made by [`Store::purge_deletes`](super::Store::purge_deletes).
///
/// A thread blocks with [`wait`](PurgeDeletes::wait), a task awaits it, on any executor.
///
/// # Cancel safety
///
/// Dropping it leaves the markers that were not removed yet.
#[must_use = "nothing is removed unless it is waited for"]
pub struct PurgeDeletes {
    stream: Stream,
    /// The prefix of the keys' subjects.
    prefix: String,
    /// Markers that were stored later stay.
    keep_from: Timestamp,
    /// The keys of markers, and the sequence below which entries go: later values stay.
    markers: Vec<(String, u64)>,
    removed: u64,
    stage: Stage,
}

enum Stage {
    Opening(Call<Watch, WatchError>),
    Reading(Watch),
    Purging(Option<Call<u64, PurgeError>>),
}

impl PurgeDeletes {
    pub(super) fn new(stream: Stream, prefix: String, keep_from: Timestamp, opening: Call<Watch, WatchError>) -> Self {
        let stage = Stage::Opening(opening);
        PurgeDeletes { stream, prefix, keep_from, markers: Vec::new(), removed: 0, stage }
    }

    fn note(&mut self, entry: Entry) {
        if entry.operation != Operation::Put {
            let stays = entry.created > self.keep_from;
            self.markers.push((entry.key, entry.revision + u64::from(!stays)));
        }
    }

    /// Asks for the removal of the next marker.
    fn purge(&mut self) -> Option<Call<u64, PurgeError>> {
        let (key, seq) = self.markers.pop()?;
        let filter = format!("{}{key}", self.prefix);
        Some(self.stream.purge_with(Purge { filter, seq, ..Purge::default() }))
    }

    /// Blocks this thread until the markers are removed, and says how many entries that were.
    ///
    /// # Errors
    ///
    /// As [`Store::purge_deletes`](super::Store::purge_deletes).
    ///
    /// # Panics
    ///
    /// If it was polled before.
    pub fn wait(mut self) -> Result<u64, PurgeDeletesError> {
        let Stage::Opening(opening) = std::mem::replace(&mut self.stage, Stage::Purging(None)) else {
            panic!("polled before")
        };
        for entry in opening.wait()?.initial() {
            self.note(entry?);
        }
        while let Some(purge) = self.purge() {
            self.removed += purge.wait()?;
        }
        Ok(self.removed)
    }
}

impl Future for PurgeDeletes {
    type Output = Result<u64, PurgeDeletesError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        loop {
            match &mut self.stage {
                Stage::Opening(opening) => self.stage = Stage::Reading(ready!(Pin::new(opening).poll(cx))?),
                Stage::Reading(watch) => match ready!(watch.poll_next_until(true, cx)) {
                    Some(entry) => self.note(entry?),
                    None => self.stage = Stage::Purging(self.purge()),
                },
                Stage::Purging(None) => return Poll::Ready(Ok(self.removed)),
                Stage::Purging(Some(purge)) => {
                    self.removed += ready!(Pin::new(purge).poll(cx))?;
                    self.stage = Stage::Purging(self.purge());
                }
            }
        }
    }
}

impl fmt::Debug for PurgeDeletes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PurgeDeletes").field("removed", &self.removed).finish_non_exhaustive()
    }
}
