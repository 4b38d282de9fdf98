//! Expectations: messages that have to be published, or must not.

use super::entry::JournalEntry;
use super::journal::Journal;
use super::kit::TestKit;
use super::near;
use super::report::{self, OrPanic, times};
use super::settle::SettleTimeout;
use super::snippet::snippet;
use crate::Pattern;
use serde_json::Value;
use std::fmt;
use std::fmt::Write;
use std::panic::Location;
use std::sync::Arc;

/// Entries of a kind that a report shows.
const SHOWN: usize = 8;

/// An expectation that messages are published; made by [`TestKit::expect`], counts from then on.
///
/// It counts every publish on the pattern that meets all conditions and that succeeded as far as its publisher could see: also one
/// without a subscriber, and one that a fault lost. Messages of the bus itself (that there are no responders) do not count.
///
/// It is verified when it is dropped, unless it was before or the thread is panicking already. Verifying waits until the bus has settled
/// first; in a task, use [`Expectation::verify_async`]: on an executor of one thread, the drop would keep the tasks that it waits for from
/// getting on.
#[must_use = "it is verified when it is dropped: keep it until what is expected has been done"]
pub struct Expectation {
    kit: TestKit,
    spec: Spec,
    min: usize,
    max: Option<usize>,
    order: Vec<(Order, Spec)>,
    is_done: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Order {
    Before,
    After,
}

/// The messages that it is about, without their number.
#[derive(Clone)]
struct Spec {
    pattern: Pattern,
    conditions: Vec<Condition>,
    since: u64,
    asked_at: &'static Location<'static>,
}

#[derive(Clone)]
enum Condition {
    Json(Value),
    Containing(Value),
    Payload(Vec<u8>),
    Header(String, String),
    From(String),
    Matching(Arc<dyn Fn(&JournalEntry) -> bool + Send + Sync>),
}

/// Why an expectation was not met: what was expected, what came instead, and what may have been meant. Reads as several lines.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExpectationError(pub(super) String);

impl fmt::Display for ExpectationError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for ExpectationError {}

impl Expectation {
    pub(super) fn new(kit: TestKit, pattern: Pattern, asked_at: &'static Location<'static>) -> Self {
        let since = kit.0.observer.begin();
        let spec = Spec { pattern, conditions: Vec::new(), since, asked_at };
        Expectation { kit, spec, min: 1, max: None, order: Vec::new(), is_done: false }
    }

    /// Exactly this often.
    pub fn times(mut self, count: usize) -> Self {
        (self.min, self.max) = (count, Some(count));
        self
    }

    /// This often or more.
    pub fn at_least(mut self, count: usize) -> Self {
        self.min = count;
        self
    }

    /// This often or less; also never, unless [`Expectation::at_least`] is said after it.
    pub fn at_most(mut self, count: usize) -> Self {
        (self.min, self.max) = (0, Some(count));
        self
    }

    /// Not at all from now on. For what must not have been published so far, see [`TestKit::none`].
    pub fn never(self) -> Self {
        self.times(0)
    }

    /// With a payload that is this JSON and nothing more. The order of keys and white space make no difference; `1` and `1.0` do.
    ///
    /// # Panics
    ///
    /// If the value can't be written as JSON.
    #[track_caller]
    pub fn with(self, json: impl serde::Serialize) -> Self {
        let value = serde_json::to_value(json).map_err(report::not_json);
        self.and(Condition::Json(value.or_panic()))
    }

    /// With a payload of JSON that has at least this in it: objects may have more keys, at every depth. Arrays must be of the same length,
    /// element by element.
    ///
    /// # Panics
    ///
    /// If the value can't be written as JSON.
    #[track_caller]
    pub fn containing(self, json: impl serde::Serialize) -> Self {
        let value = serde_json::to_value(json).map_err(report::not_json);
        self.and(Condition::Containing(value.or_panic()))
    }

    /// With a payload of these bytes.
    pub fn with_payload(self, payload: impl AsRef<[u8]>) -> Self {
        self.and(Condition::Payload(payload.as_ref().to_vec()))
    }

    /// With this value among those of a header. Names are compared letter by letter, as NATS does (H5).
    pub fn with_header(self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.and(Condition::Header(name.into(), value.into()))
    }

    /// Published by a client of this name.
    pub fn from(self, client: impl Into<String>) -> Self {
        self.and(Condition::From(client.into()))
    }

    /// For which this says so. It runs when the expectation is verified, with no lock held, once or twice for each message.
    pub fn matching(self, condition: impl Fn(&JournalEntry) -> bool + Send + Sync + 'static) -> Self {
        self.and(Condition::Matching(Arc::new(condition)))
    }

    /// Each of them before the first that another expectation is about, as that one is now. A message that is published because of
    /// another comes after it; if two threads publish at once, either may be first.
    pub fn before(mut self, other: &Expectation) -> Self {
        self.order.push((Order::Before, other.spec.clone()));
        self
    }

    /// Each of them after the last that another expectation is about, as that one is now.
    pub fn after(mut self, other: &Expectation) -> Self {
        self.order.push((Order::After, other.spec.clone()));
        self
    }

    /// The messages that have come so far of those that it is about. Does not wait for the bus to
    /// settle.
    pub fn seen(&self) -> Vec<JournalEntry> {
        self.spec.met(&self.kit)
    }

    /// Checks it.
    ///
    /// # Panics
    ///
    /// If it is not met, with what came instead.
    #[track_caller]
    pub fn verify(mut self) {
        self.check().or_panic();
    }

    /// Checks it, and does not do so again when it is dropped.
    ///
    /// # Errors
    ///
    /// [`ExpectationError`] if it is not met, if the bus does not settle, or if so much was published that the journal can't tell.
    pub fn try_verify(mut self) -> Result<(), ExpectationError> {
        self.check()
    }

    /// As [`Expectation::verify`], for tasks; see [`TestKit::settle_async`].
    ///
    /// # Panics
    ///
    /// As [`Expectation::verify`].
    ///
    /// # Cancel safety
    ///
    /// Once it has begun to wait, dropping it gives the expectation up: it is not checked. Before that, it is as dropping the expectation.
    pub async fn verify_async(self) {
        self.try_verify_async().await.or_panic();
    }

    /// As [`Expectation::try_verify`], for tasks.
    ///
    /// # Errors
    ///
    /// As [`Expectation::try_verify`].
    ///
    /// # Cancel safety
    ///
    /// As [`Expectation::verify_async`].
    pub async fn try_verify_async(mut self) -> Result<(), ExpectationError> {
        self.is_done = true;
        let settled = self.kit.0.settler.wait_async(self.kit.0.settler.limit).await;
        self.judge(settled)
    }

    fn and(mut self, condition: Condition) -> Self {
        self.spec.conditions.push(condition);
        self
    }

    fn check(&mut self) -> Result<(), ExpectationError> {
        self.is_done = true;
        self.judge(self.kit.0.settler.wait(self.kit.0.settler.limit))
    }

    fn judge(&self, settled: Result<(), SettleTimeout>) -> Result<(), ExpectationError> {
        settled.map_err(|timeout| ExpectationError(format!("expected {self}\n{timeout}")))?;
        let found = self.kit.0.observer.journal.on(&self.spec.pattern, self.spec.since);
        let met: Vec<&JournalEntry> =
            found.entries.iter().filter(|entry| entry.is_published() && self.spec.is_met_by(entry)).collect();
        let too_few = met.len() < self.min;
        let too_many = self.max.is_some_and(|max| met.len() > max);
        let disorder = self.order.iter().find_map(|(order, other)| disorder(&self.kit, *order, &met, other));
        // With a part of the journal gone, only what is there can prove anything.
        let unsure = found.cut > 0 && (self.max.is_some() || too_few || !self.order.is_empty());
        if !too_few && !too_many && disorder.is_none() && !unsure {
            return Ok(());
        }
        let mut text = format!("expected {self}\n  at {}\n", self.spec.asked_at);
        if unsure {
            text.push_str(&report::cut(found.cut));
        }
        if too_few || too_many || unsure {
            // Writing to a string does not fail.
            let _ = writeln!(text, "it came {}{}", times(met.len()), if met.is_empty() { "" } else { ":" });
            list(&mut text, met.iter().copied());
        }
        if let Some(disorder) = disorder {
            text.push_str(&disorder);
        }
        if too_few {
            self.tell_near_misses(&mut text, &found.entries);
        }
        Err(ExpectationError(text))
    }

    /// Tells the messages that came on the pattern and did not meet the conditions; else those that
    /// came elsewhere.
    fn tell_near_misses(&self, text: &mut String, on_pattern: &[JournalEntry]) {
        let others: Vec<_> =
            on_pattern.iter().filter(|entry| entry.is_published() && !self.spec.is_met_by(entry)).collect();
        if !others.is_empty() {
            let _ = writeln!(text, "what else came on `{}`:", self.spec.pattern);
            for entry in others.iter().take(SHOWN) {
                let _ = writeln!(text, "  {entry}");
                for reason in self.spec.unmet_by(entry) {
                    let _ = writeln!(text, "      {reason}");
                }
            }
            more(text, others.len());
        }
        let mut refused = on_pattern.iter().filter(|entry| !entry.outcome.is_published()).peekable();
        if refused.peek().is_some() {
            let _ = writeln!(text, "what did not come on `{}`, because it was refused:", self.spec.pattern);
            list(text, refused);
        }
        tell_elsewhere(text, &self.kit, &self.spec.pattern, self.spec.since);
    }
}

/// Tells the messages that were published elsewhere, the nearest first.
fn tell_elsewhere(text: &mut String, kit: &TestKit, pattern: &Pattern, since: u64) {
    let elsewhere = kit.0.observer.journal.find(since, |message| !pattern.matches(message.subject())).entries;
    let elsewhere: Vec<_> = elsewhere.iter().filter(|entry| !entry.is_notice).collect();
    let near = near::nearest_subjects(pattern, elsewhere.iter().map(|entry| entry.subject().as_str()), 3);
    for near in &near {
        let _ = writeln!(text, "did you mean {near}?");
    }
    if elsewhere.is_empty() {
        text.push_str("nothing was published elsewhere\n");
        return;
    }
    let _ = writeln!(text, "what came elsewhere:");
    let is_near = |entry: &JournalEntry| near.iter().any(|near| near.subject == entry.subject().as_str());
    let (first, rest): (Vec<&JournalEntry>, Vec<&JournalEntry>) =
        elsewhere.iter().copied().partition(|entry| is_near(entry));
    list(text, first.into_iter().chain(rest));
}

pub(super) fn list<'a>(text: &mut String, entries: impl Iterator<Item = &'a JournalEntry>) {
    let mut count = 0;
    for entry in entries {
        count += 1;
        if count <= SHOWN {
            let _ = writeln!(text, "  {entry}");
        }
    }
    more(text, count);
}

fn more(text: &mut String, count: usize) {
    if count > SHOWN {
        let _ = writeln!(text, "  and {} more", count - SHOWN);
    }
}

fn disorder(kit: &TestKit, order: Order, met: &[&JournalEntry], other: &Spec) -> Option<String> {
    let others = other.met(kit);
    let (earlier, later): (Option<&JournalEntry>, Option<&JournalEntry>) = match order {
        Order::Before => (met.last().copied(), others.first()),
        Order::After => (others.last(), met.first().copied()),
    };
    let (earlier, later) = (earlier?, later?);
    let word = if order == Order::Before { "before" } else { "after" };
    (earlier.number > later.number).then(|| {
        format!(
            "they were to come {word} those on `{}`, but this order was kept:\n  {later}\n  {earlier}\n",
            other.pattern
        )
    })
}

impl Spec {
    fn met(&self, kit: &TestKit) -> Vec<JournalEntry> {
        let mut entries = kit.0.observer.journal.on(&self.pattern, self.since).entries;
        entries.retain(|entry| entry.is_published() && self.is_met_by(entry));
        entries
    }

    fn is_met_by(&self, entry: &JournalEntry) -> bool {
        self.conditions.iter().all(|condition| condition.is_met_by(entry))
    }

    fn unmet_by(&self, entry: &JournalEntry) -> Vec<String> {
        self.conditions.iter().filter(|condition| !condition.is_met_by(entry)).flat_map(|c| c.why_not(entry)).collect()
    }
}

impl Condition {
    fn is_met_by(&self, entry: &JournalEntry) -> bool {
        match self {
            Condition::Json(wanted) => entry.json().is_some_and(|found| found == *wanted),
            Condition::Containing(wanted) => {
                entry.json().is_some_and(|found| report::json_differences(wanted, &found, true).is_empty())
            }
            Condition::Payload(wanted) => entry.payload() == wanted,
            Condition::Header(name, value) => entry.headers().get_all(name).any(|found| found == value),
            Condition::From(name) => entry.client_name.as_deref() == Some(name),
            Condition::Matching(condition) => condition(entry),
        }
    }

    fn why_not(&self, entry: &JournalEntry) -> Vec<String> {
        match self {
            Condition::Json(wanted) | Condition::Containing(wanted) => {
                let is_part = matches!(self, Condition::Containing(_));
                let Some(found) = entry.json() else { return vec!["its payload is not JSON".to_owned()] };
                let mut all = report::json_differences(wanted, &found, is_part);
                if all.len() > report::MISMATCHES {
                    let more = all.len() - report::MISMATCHES;
                    all.truncate(report::MISMATCHES);
                    all.push(format!("and {more} more differences"));
                }
                all
            }
            Condition::Payload(wanted) => vec![format!("payload: expected {}", snippet(wanted))],
            Condition::Header(name, value) => {
                let found: Vec<_> = entry.headers().get_all(name).collect();
                let near = near::nearest(name, entry.headers().iter().map(|(name, _)| name));
                vec![match (found.is_empty(), near) {
                    (false, _) => format!("header {name}: expected {value}, is {}", found.join(", ")),
                    (true, Some(near)) => format!("header {name}: is missing; did you mean `{near}`?"),
                    (true, None) => format!("header {name}: is missing"),
                }]
            }
            Condition::From(name) => vec![format!("published by {}, not by {name}", entry.publisher())],
            Condition::Matching(_) => vec!["the test's own condition is not met".to_owned()],
        }
    }
}

impl fmt::Display for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Condition::Json(value) => write!(f, "with {}", report::short(value)),
            Condition::Containing(value) => write!(f, "containing {}", report::short(value)),
            Condition::Payload(payload) => write!(f, "with payload {}", snippet(payload)),
            Condition::Header(name, value) => write!(f, "with header {name}: {value}"),
            Condition::From(name) => write!(f, "from {name}"),
            Condition::Matching(_) => f.write_str("with the test's own condition"),
        }
    }
}

/// As in `orders.* 2 times, with {"id":7}`.
impl fmt::Display for Expectation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` ", self.spec.pattern)?;
        match (self.min, self.max) {
            (0, Some(0)) => f.write_str("never")?,
            (min, Some(max)) if min == max => f.write_str(&times(min))?,
            (0, Some(max)) => write!(f, "at most {}", times(max))?,
            (min, Some(max)) => write!(f, "{min} to {}", times(max))?,
            (min, None) => write!(f, "at least {}", times(min))?,
        }
        self.spec.conditions.iter().try_for_each(|condition| write!(f, ", {condition}"))
    }
}

impl fmt::Debug for Expectation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Expectation({self})")
    }
}

impl Drop for Expectation {
    fn drop(&mut self) {
        if self.is_done || std::thread::panicking() {
            return;
        }
        self.check().or_panic();
    }
}

/// Checks that nothing was published on a pattern.
pub(super) fn judge_none(
    pattern: &Pattern,
    journal: &Journal,
    settled: Result<(), SettleTimeout>,
) -> Result<(), ExpectationError> {
    settled.map_err(|timeout| ExpectationError(format!("expected nothing on `{pattern}`\n{timeout}")))?;
    let mut found = journal.on(pattern, 0);
    found.entries.retain(|entry| entry.is_published());
    if found.entries.is_empty() && found.cut == 0 {
        return Ok(());
    }
    let mut text = format!("expected nothing on `{pattern}`, it came {}\n", times(found.entries.len()));
    list(&mut text, found.entries.iter());
    if found.cut > 0 {
        text.push_str(&report::cut(found.cut));
    }
    Err(ExpectationError(text))
}
