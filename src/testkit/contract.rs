//! The unmet expectations between parts of a program: subjects without a listener, subscriptions that hear nothing.

use super::entry::{DeliveryRecord, JournalEntry, Outcome};
use super::journal::Journal;
use super::near;
use super::report::times;
use super::settle::{SettleTimeout, Settler};
use crate::activity::ActivityKind;
use crate::error::CloseReason;
use crate::observe::SubscriptionInfo;
use crate::{Clock, Pattern, Subject, ToPattern, steps};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// Suggestions for each finding.
const SUGGESTIONS: usize = 3;

/// How many times a finding of a kind is compared with a pattern, or a subject, to suggest something.
const COMPARISONS_MAX: usize = 200_000;

/// A message that lies in a queue for so long, in real time, while the bus is otherwise quiet, is taken to be
/// unread.
const UNREAD: Duration = Duration::from_millis(200);

/// Unread messages in a report.
const SHOWN: usize = 20;

/// Waits until the bus has settled, or all that is left lies in queues and is not taken.
pub(super) fn wait_idle(settler: &Settler) -> Result<(), SettleTimeout> {
    let real = Clock::system();
    loop {
        let changes = settler.activity().changes();
        let settled = settler.wait(UNREAD);
        if let Some(idle) = judge_idle(settler, settled, changes, real.now()) {
            return idle;
        }
    }
}

/// As [`wait_idle`], for tasks.
pub(super) async fn wait_idle_async(settler: &Settler) -> Result<(), SettleTimeout> {
    let real = Clock::system();
    loop {
        let changes = settler.activity().changes();
        let settled = settler.wait_async(UNREAD).await;
        if let Some(idle) = judge_idle(settler, settled, changes, real.now()) {
            return idle;
        }
    }
}

/// Whether the wait is over, and how it ended. `changes` are from before the last look, `took` is real time.
fn judge_idle(
    settler: &Settler,
    settled: Result<(), SettleTimeout>,
    changes: u64,
    took: Duration,
) -> Option<Result<(), SettleTimeout>> {
    let Err(timeout) = settled else { return Some(Ok(())) };
    let lies = timeout.held.iter().all(|held| matches!(held, ActivityKind::Message { .. }));
    if lies && changes == settler.activity().changes() {
        return Some(Ok(()));
    }
    (took >= settler.limit).then_some(Err(timeout))
}

/// The contracts, as the journal shows them.
pub(super) fn contracts(journal: &Journal) -> Contracts {
    let found = journal.find(0, |_| true);
    let mut known = journal.subscriptions();
    known.retain(|one| !is_inbox(one.info.pattern.as_str()));
    let entries: Vec<_> =
        found.entries.into_iter().filter(|entry| entry.is_published() && !is_inbox(entry.subject().as_str())).collect();
    // Queue groups of which a member was given something.
    let members = known.iter().filter(|one| one.matched > 0 && one.info.queue.is_some());
    let served: BTreeSet<_> = members.map(|one| (&one.info.pattern, one.info.queue.as_deref())).collect();
    let patterns: BTreeSet<&Pattern> = known.iter().map(|one| &one.info.pattern).collect();
    let subjects: BTreeSet<&str> = entries.iter().map(|entry| entry.subject().as_str()).collect();
    let idle = known
        .iter()
        .filter(|one| one.matched == 0 && !served.contains(&(&one.info.pattern, one.info.queue.as_deref())))
        .enumerate()
        .map(|(place, one)| IdleSubscription {
            subscription: one.info.clone(),
            ended: one.ended,
            near: if place < suggested(subjects.len()) {
                near_subjects(&one.info.pattern, &subjects)
            } else {
                Vec::new()
            },
        })
        .collect();
    Contracts {
        unmatched: unmatched(&entries, &patterns),
        idle,
        unread: entries.iter().filter(|entry| is_unread(entry)).cloned().collect(),
        missed: found.cut,
    }
}

/// How many findings come with suggestions, if each is compared with so many.
fn suggested(compared_with: usize) -> usize {
    (COMPARISONS_MAX / compared_with.max(1)).max(1)
}

fn near_subjects(pattern: &Pattern, subjects: &BTreeSet<&str>) -> Vec<String> {
    steps::count(subjects.len());
    let near = near::nearest_subjects(pattern, subjects.iter().copied(), SUGGESTIONS);
    near.iter().map(ToString::to_string).collect()
}

fn near_patterns(subject: &str, patterns: &BTreeSet<&Pattern>) -> Vec<Pattern> {
    steps::count(patterns.len());
    let near = patterns.iter().filter_map(|pattern| near::near(pattern, subject).map(|near| (near.cost, *pattern)));
    let mut near: Vec<_> = near.collect();
    near.sort_by_key(|(cost, pattern)| (*cost, pattern.as_str()));
    near.into_iter().take(SUGGESTIONS).map(|(_, pattern)| pattern.clone()).collect()
}

/// The unmet expectations between parts of a program; made by [`TestKit::contracts`](super::TestKit::contracts). Shown, it is a report.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Contracts {
    /// Subjects on which something was published that no subscription matched, in alphabetical order.
    pub unmatched: Vec<Unmatched>,
    /// Subscriptions that nothing ever matched, in the order in which they were made. A member of a queue group that got nothing is
    /// not among them if another on the same pattern got something.
    pub idle: Vec<IdleSubscription>,
    /// Messages that matched a subscription and were not taken: they are queued, or were discarded.
    pub unread: Vec<JournalEntry>,
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
    /// Patterns that almost match it, the nearest first. If there are many, only the first subjects come with them.
    pub near: Vec<Pattern>,
}

/// A subscription that heard nothing.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct IdleSubscription {
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
        self.unmatched.is_empty() && self.idle.is_empty() && self.unread.is_empty()
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
        self.idle.retain(|idle| !pattern.includes(&idle.subscription.pattern));
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

fn is_routed(entry: &JournalEntry) -> bool {
    matches!(entry.outcome, Outcome::Routed { .. } | Outcome::Replaced | Outcome::Held { released: true })
}

fn is_unread(entry: &JournalEntry) -> bool {
    is_routed(entry) && !entry.is_received() && !entry.deliveries.iter().all(DeliveryRecord::is_taken_away)
}

fn unmatched(entries: &[JournalEntry], patterns: &BTreeSet<&Pattern>) -> Vec<Unmatched> {
    let mut subjects: BTreeMap<&str, (&JournalEntry, usize)> = BTreeMap::new();
    for entry in entries.iter().filter(|entry| is_routed(entry) && entry.deliveries.is_empty()) {
        subjects.entry(entry.subject().as_str()).or_insert((entry, 0)).1 += 1;
    }
    let unmatched = subjects.into_iter().enumerate().map(|(place, (subject, (first, times)))| {
        let near = if place < suggested(patterns.len()) { near_patterns(subject, patterns) } else { Vec::new() };
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
        if !self.idle.is_empty() {
            writeln!(f, "listened, and heard nothing:")?;
        }
        for IdleSubscription { subscription, near, .. } in &self.idle {
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
