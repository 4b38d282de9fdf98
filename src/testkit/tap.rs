//! Taps: the published messages, for a test to look at.

use super::TestKit;
use super::entry::Entry;
use super::journal::Found;
use super::report;
use crate::subject::{Pattern, ToPattern};
use crate::{Message, Subject};
use std::collections::BTreeSet;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};

impl TestKit {
    /// The messages on a pattern from now on: subject, headers, payload, publisher, receivers, losses and their reasons; and the
    /// messages that were to be published there and were refused, with the error. Input of a wire client that a server refuses
    /// before the bus is asked (a line that can't be read, a payload larger than its limit) is not among them: it ends the
    /// connection.
    ///
    /// A tap is a window on the kit's one journal and costs nothing itself. It is not a subscription: it makes no difference to the
    /// number of responders.
    ///
    /// # Panics
    ///
    /// If that is not a valid pattern (S2 to S4).
    ///
    /// # Example
    ///
    /// ```
    /// use postroom::testkit::TestKit;
    ///
    /// let kit = TestKit::new();
    /// let tap = kit.tap("orders.>");
    /// kit.bus().connect().publish("orders.eu", "hello")?;
    /// assert_eq!(tap.subjects(), ["orders.eu"]);
    /// assert_eq!(tap.entries()[0].payload(), b"hello");
    /// println!("{tap}"); // a table
    /// # Ok::<_, postroom::PublishError>(())
    /// ```
    #[track_caller]
    pub fn tap(&self, pattern: impl ToPattern) -> Tap {
        let pattern = report::pattern(pattern);
        let since = self.book().begin();
        Tap { kit: self.clone(), pattern, since: AtomicU64::new(since) }
    }
}

/// A window on what is published; made by [`TestKit::tap`].
#[must_use = "a tap shows what it saw"]
pub struct Tap {
    kit: TestKit,
    pattern: Pattern,
    /// ORDERING: Relaxed; only where to look from.
    since: AtomicU64,
}

impl Tap {
    /// The pattern that it looks at.
    pub fn pattern(&self) -> &Pattern {
        &self.pattern
    }

    /// All it has seen, in the order of the numbers. Entries that the journal had no room for are not among them: see [`Tap::missed`].
    pub fn entries(&self) -> Vec<Entry> {
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
        self.kit.book().journal.count(self.since(), |message| self.pattern.matches(message.subject()))
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
        self.since.store(self.kit.book().last(), Ordering::Relaxed);
    }

    fn since(&self) -> u64 {
        self.since.load(Ordering::Relaxed)
    }

    fn found(&self) -> Found {
        self.kit.book().journal.on(&self.pattern, self.since())
    }
}

impl IntoIterator for &Tap {
    type Item = Entry;
    type IntoIter = std::vec::IntoIter<Entry>;

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
