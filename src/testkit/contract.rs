//! The unmet expectations between parts of a program: subjects without a listener, subscriptions that hear nothing.

use super::entry::{Entry, Outcome, Receipt};
use super::journal::Journal;
use super::near;
use super::report::{OrPanic, times};
use super::{TestKit, Unsettled};
use crate::activity::ActivityKind;
use crate::subject::{Pattern, ToPattern};
use crate::{Clock, CloseReason, Subject, SubscriptionInfo};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// Suggestions for each finding.
const SUGGESTIONS: usize = 3;

/// A message that lies in a queue for so long, in real time, while the bus is otherwise quiet, is taken to be
/// unread.
const UNREAD: Duration = Duration::from_millis(200);

/// Unread messages in a report.
const SHOWN: usize = 20;

impl TestKit {
    /// The messages that had no listener, the subscriptions that heard nothing, and the messages that were not read, since the kit
    /// began; with suggestions where something almost fits. Waits until the bus has settled, or nothing has happened for a while
    /// but that messages lie in queues.
    ///
    /// Inboxes (`_INBOX.`) are left out: answers that came too late do not break a contract. Messages that a fault took away are
    /// left out, too.
    ///
    /// # Panics
    ///
    /// If the bus does not settle, or if nothing was written down, since the kit was [`untapped`](super::TestKitBuilder::untapped).
    ///
    /// # Example
    ///
    /// ```
    /// use postroom::testkit::TestKit;
    ///
    /// let kit = TestKit::new();
    /// let app = kit.bus().connect();
    /// let orders = app.subscribe("orders.*")?;
    /// app.publish("order.eu", "hello")?;
    /// let contracts = kit.contracts();
    /// assert_eq!(contracts.unmatched[0].subject, "order.eu");
    /// assert_eq!(contracts.silent[0].subscription.id, orders.id());
    /// assert!(contracts.to_string().contains("did you mean `orders.*`?"));
    /// # Ok::<_, Box<dyn std::error::Error>>(())
    /// ```
    #[track_caller]
    pub fn contracts(&self) -> Contracts {
        let journal = self.journal();
        self.wait_idle().or_panic();
        contracts(journal)
    }

    /// As [`TestKit::contracts`], for tasks; see [`TestKit::settle_async`].
    ///
    /// # Panics
    ///
    /// As [`TestKit::contracts`].
    ///
    /// # Cancel safety
    ///
    /// Dropping it loses nothing.
    pub async fn contracts_async(&self) -> Contracts {
        let journal = self.journal();
        self.wait_idle_async().await.or_panic();
        contracts(journal)
    }

    /// Waits until the bus has settled, or all that is left lies in queues and is not taken.
    fn wait_idle(&self) -> Result<(), Unsettled> {
        let real = Clock::system();
        loop {
            let changes = self.activity().changes();
            let settled = self.try_settle(UNREAD);
            if let Some(idle) = self.judge_idle(settled, changes, real.now()) {
                return idle;
            }
        }
    }

    /// As [`TestKit::wait_idle`], for tasks.
    async fn wait_idle_async(&self) -> Result<(), Unsettled> {
        let real = Clock::system();
        loop {
            let changes = self.activity().changes();
            let settled = self.try_settle_async(UNREAD).await;
            if let Some(idle) = self.judge_idle(settled, changes, real.now()) {
                return idle;
            }
        }
    }

    /// Whether the wait is over, and how it ended. `changes` are from before the last look, `took` is real time.
    fn judge_idle(
        &self,
        settled: Result<(), Unsettled>,
        changes: u64,
        took: Duration,
    ) -> Option<Result<(), Unsettled>> {
        let Err(unsettled) = settled else { return Some(Ok(())) };
        let lies = unsettled.held.iter().all(|held| matches!(held, ActivityKind::Message { .. }));
        if lies && changes == self.activity().changes() {
            return Some(Ok(()));
        }
        (took >= self.settle_limit()).then_some(Err(unsettled))
    }
}

/// The contracts, as the journal shows them.
fn contracts(journal: &Journal) -> Contracts {
    let found = journal.find(0, |_| true);
    let mut known = journal.subscriptions();
    known.retain(|one| !is_inbox(one.info.pattern.as_str()));
    let entries: Vec<_> =
        found.entries.into_iter().filter(|entry| entry.is_published() && !is_inbox(entry.subject().as_str())).collect();
    // Queue groups of which a member was given something.
    let members = known.iter().filter(|one| one.matched > 0 && one.info.queue.is_some());
    let lucky: BTreeSet<_> = members.map(|one| (&one.info.pattern, one.info.queue.as_deref())).collect();
    Contracts {
        unmatched: unmatched(&entries, known.iter().map(|one| &one.info.pattern)),
        silent: known
            .iter()
            .filter(|one| one.matched == 0 && !lucky.contains(&(&one.info.pattern, one.info.queue.as_deref())))
            .map(|one| Silent {
                subscription: one.info.clone(),
                ended: one.ended,
                near: near::nearest_subjects(
                    &one.info.pattern,
                    entries.iter().map(|entry| entry.subject().as_str()),
                    SUGGESTIONS,
                )
                .iter()
                .map(ToString::to_string)
                .collect(),
            })
            .collect(),
        unread: entries.into_iter().filter(is_unread).collect(),
        missed: found.cut,
    }
}

/// The unmet expectations between parts of a program; made by [`TestKit::contracts`]. Shown, it is a report.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Contracts {
    /// Subjects on which something was published that no subscription matched, in alphabetical order.
    pub unmatched: Vec<Unmatched>,
    /// Subscriptions that nothing ever matched, in the order in which they were made. A member of a queue group that got nothing is
    /// not among them if another on the same pattern got something.
    pub silent: Vec<Silent>,
    /// Messages that matched a subscription and were not taken: they are queued, or were discarded.
    pub unread: Vec<Entry>,
    /// How many messages the journal had no room for: what became of them is not known.
    pub missed: u64,
}

/// A subject without a listener.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Unmatched {
    /// The subject.
    pub subject: Subject,
    /// How often a message was published there that no subscription got.
    pub times: usize,
    /// Its first publisher.
    pub publisher: String,
    /// Patterns that almost match it, the nearest first.
    pub near: Vec<Pattern>,
}

/// A subscription that heard nothing.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Silent {
    /// The subscription.
    pub subscription: Arc<SubscriptionInfo>,
    /// Why it has ended, if it has.
    pub ended: Option<CloseReason>,
    /// Subjects that were published and that it almost matches, the nearest first, and why it does not.
    pub near: Vec<String>,
}

impl Contracts {
    /// Whether there is nothing to complain of.
    pub fn are_kept(&self) -> bool {
        self.unmatched.is_empty() && self.silent.is_empty() && self.unread.is_empty()
    }

    /// Without what concerns a pattern: subjects and messages that it matches, and subscriptions to patterns that it includes.
    ///
    /// # Panics
    ///
    /// If that is not a valid pattern (S2 to S4).
    #[track_caller]
    pub fn ignoring(mut self, pattern: impl ToPattern) -> Self {
        let pattern = super::report::pattern(pattern);
        self.unmatched.retain(|unmatched| !pattern.matches(&unmatched.subject));
        self.silent.retain(|silent| !pattern.includes(&silent.subscription.pattern));
        self.unread.retain(|entry| !pattern.matches(entry.subject()));
        self
    }

    /// Checks that there is nothing to complain of.
    ///
    /// # Panics
    ///
    /// If there is, with the report.
    #[track_caller]
    pub fn verify(&self) {
        assert!(self.are_kept(), "contracts are not kept\n{self}");
    }
}

fn is_inbox(text: &str) -> bool {
    text.starts_with("_INBOX.")
}

fn is_routed(entry: &Entry) -> bool {
    matches!(entry.outcome, Outcome::Routed { .. } | Outcome::Replaced | Outcome::Held { released: true })
}

fn is_unread(entry: &Entry) -> bool {
    is_routed(entry) && !entry.is_received() && !entry.receipts.iter().all(Receipt::is_taken_away)
}

fn unmatched<'a>(entries: &[Entry], patterns: impl Iterator<Item = &'a Pattern> + Clone) -> Vec<Unmatched> {
    let mut subjects: BTreeMap<&str, (&Entry, usize)> = BTreeMap::new();
    for entry in entries.iter().filter(|entry| is_routed(entry) && entry.receipts.is_empty()) {
        subjects.entry(entry.subject().as_str()).or_insert((entry, 0)).1 += 1;
    }
    let unmatched = subjects.into_iter().map(|(subject, (first, times))| {
        let mut near: Vec<_> = patterns
            .clone()
            .filter_map(|pattern| near::near(pattern, subject).map(|near| (near.cost, pattern.as_str(), pattern)))
            .collect();
        near.sort_by_key(|(cost, text, _)| (*cost, *text));
        near.dedup_by_key(|(_, text, _)| *text);
        let near = near.into_iter().take(SUGGESTIONS).map(|(_, _, pattern)| pattern.clone()).collect();
        Unmatched { subject: first.subject().clone(), times, publisher: first.publisher(), near }
    });
    unmatched.collect()
}

impl fmt::Display for Contracts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.are_kept() {
            writeln!(f, "all that was published was for somebody, all who listened heard something, and all was read")?;
        }
        if !self.unmatched.is_empty() {
            writeln!(f, "published, and nobody listened:")?;
        }
        for Unmatched { subject, times: count, publisher, near } in &self.unmatched {
            write!(f, "  `{subject}` {} by {publisher}", times(*count))?;
            let near: Vec<_> = near.iter().map(|pattern| format!("`{pattern}`")).collect();
            if near.is_empty() { writeln!(f)? } else { writeln!(f, "; did you mean {}?", near.join(" or "))? }
        }
        if !self.silent.is_empty() {
            writeln!(f, "listened, and heard nothing:")?;
        }
        for Silent { subscription, near, .. } in &self.silent {
            write!(f, "  `{}`", subscription.pattern)?;
            if let Some(queue) = &subscription.queue {
                write!(f, " [{queue}]")?;
            }
            writeln!(f, " of client {}", subscription.client)?;
            near.iter().try_for_each(|near| writeln!(f, "      published was {near}"))?;
        }
        if !self.unread.is_empty() {
            writeln!(f, "delivered, and nobody read it:")?;
        }
        for entry in self.unread.iter().take(SHOWN) {
            writeln!(f, "  {entry}\n      {}", entry.fate())?;
        }
        if self.unread.len() > SHOWN {
            writeln!(f, "  and {} more", self.unread.len() - SHOWN)?;
        }
        if self.missed > 0 {
            writeln!(f, "{} older messages are not known: the journal had no room for them", self.missed)?;
        }
        Ok(())
    }
}
