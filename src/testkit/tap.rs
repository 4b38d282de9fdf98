//! Taps: the published messages, for a test to look at.

use super::entry::JournalEntry;
use super::journal::Found;
use super::kit::TestKit;
use super::recording::Recording;
use super::report;
use crate::{Message, Pattern, Subject};
use std::collections::BTreeSet;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};

/// A window on what is published; made by [`TestKit::tap`].
#[must_use = "a tap shows what it saw"]
pub struct Tap {
    kit: TestKit,
    pattern: Pattern,
    /// ORDERING: Relaxed; only where to look from.
    since: AtomicU64,
}

impl Tap {
    pub(super) fn new(kit: TestKit, pattern: Pattern) -> Self {
        let since = kit.0.observer.begin();
        Tap { kit, pattern, since: AtomicU64::new(since) }
    }

    /// The messages that it has seen, to be saved or replayed; else as [`TestKit::record`].
    pub fn record(&self) -> Recording {
        Recording::of(&self.entries(), self.missed())
    }

    /// The pattern that it looks at.
    pub fn pattern(&self) -> &Pattern {
        &self.pattern
    }

    /// All it has seen, in the order of the numbers. Entries that the journal had no room for are not among them: see [`Tap::missed`].
    pub fn entries(&self) -> Vec<JournalEntry> {
        self.found().entries
    }

    /// The messages of [`Tap::entries`].
    pub fn messages(&self) -> Vec<Message> {
        self.entries().into_iter().map(|entry| entry.message).collect()
    }

    /// Where they were published, in that order: one for each message.
    pub fn subjects(&self) -> Vec<Subject> {
        self.entries().iter().map(|entry| entry.subject().clone()).collect()
    }

    /// Each subject once, in alphabetical order.
    pub fn distinct_subjects(&self) -> Vec<Subject> {
        let all: BTreeSet<String> = self.entries().iter().map(|entry| entry.subject().to_string()).collect();
        all.iter().filter_map(|text| Subject::new(text).ok()).collect()
    }

    /// How many it has seen.
    pub fn len(&self) -> usize {
        self.kit.0.observer.journal.count(self.since(), |message| self.pattern.matches(message.subject()))
    }

    /// Whether it has seen nothing.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many entries of the journal are gone that this tap might have shown, because newer ones needed their room
    /// ([`TestKitBuilder::journal`](super::TestKitBuilder::journal)).
    pub fn missed(&self) -> u64 {
        self.found().cut
    }

    /// Forgets what it has seen. Other taps, and expectations, do not.
    pub fn clear(&self) {
        self.since.store(self.kit.0.observer.last(), Ordering::Relaxed);
    }

    fn since(&self) -> u64 {
        self.since.load(Ordering::Relaxed)
    }

    fn found(&self) -> Found {
        self.kit.0.observer.journal.on(&self.pattern, self.since())
    }
}

impl IntoIterator for &Tap {
    type Item = JournalEntry;
    type IntoIter = std::vec::IntoIter<JournalEntry>;

    fn into_iter(self) -> Self::IntoIter {
        self.entries().into_iter()
    }
}

/// A table, a line for each message.
impl fmt::Display for Tap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let found = self.found();
        if found.cut > 0 {
            writeln!(f, "({} older entries are gone: the journal had no room)", found.cut)?;
        }
        if found.entries.is_empty() {
            return writeln!(f, "nothing on `{}`", self.pattern);
        }
        f.write_str(&report::table(&found.entries))
    }
}

impl fmt::Debug for Tap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tap").field("pattern", &self.pattern).field("len", &self.len()).finish()
    }
}
