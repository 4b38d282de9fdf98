//! The journal: a record of every message, in one order, that of the numbers that the observer gives
//! out.

use super::entry::{DeliveryRecord, JournalEntry, Outcome};
use crate::error::CloseReason;
use crate::id::{ClientId, MessageId, SubscriptionId};
use crate::observe::{PublishAction, PublishContext, RejectedPublish, SubscriptionInfo};
use crate::stats::DropReason;
use crate::sync::Mutex;
use crate::{Clock, Message, Pattern, steps};
use smallvec::SmallVec;
use std::collections::{BTreeMap, VecDeque};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

/// Subscriptions that have ended and are still known, for what is told of them after their end.
const ENDED_MAX: usize = 4_096;

/// Places for names of clients, so that a client's name is allocated once and not with each of its messages.
const NAMES: usize = 64;

/// How much a journal keeps. The oldest goes first; how many went is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Bounds {
    pub(super) entries: usize,
    pub(super) bytes: usize,
}

impl Default for Bounds {
    fn default() -> Self {
        Bounds { entries: 100_000, bytes: 64 << 20 }
    }
}

pub(super) struct Journal {
    // ORDERING: Relaxed; the thread that turns it on learns the first number of the journal from
    // under the lock.
    on: AtomicBool,
    clock: OnceLock<Clock>,
    bounds: Bounds,
    /// Held for a few instructions, and never while code of a user's runs: messages that are thrown away are
    /// dropped after.
    pages: Mutex<Pages>,
}

#[derive(Default)]
struct Pages {
    /// By number. Numbers are drawn before rows are written, so that a row may have to go before the last.
    rows: VecDeque<Row>,
    bytes: usize,
    cut: u64,
    /// Rows up to this number may be missing.
    cut_to: u64,
    names: Vec<Option<(ClientId, Arc<str>)>>,
    subscriptions: BTreeMap<SubscriptionId, Known>,
    ended: VecDeque<SubscriptionId>,
}

struct Row {
    number: u64,
    at: Duration,
    client: ClientId,
    client_name: Option<Arc<str>>,
    message: Message,
    outcome: Outcome,
    is_notice: bool,
    deliveries: Deliveries,
}

/// The fates of one message, found by the number of a subscription.
#[derive(Default)]
struct Deliveries {
    all: SmallVec<[DeliveryRecord; 1]>,
    /// The places of all, once there are more than a few.
    places: BTreeMap<SubscriptionId, usize>,
}

/// So many are looked through one by one.
const FEW: usize = 8;

impl Deliveries {
    fn place(&self, subscription: SubscriptionId) -> Option<usize> {
        if self.all.len() > FEW {
            steps::count(1);
            return self.places.get(&subscription).copied();
        }
        steps::count(self.all.len());
        self.all.iter().position(|one| one.subscription.id == subscription)
    }

    /// Gives back its place.
    fn push(&mut self, one: DeliveryRecord) -> usize {
        self.all.push(one);
        let noted = self.places.len();
        if self.all.len() > FEW {
            let fresh = self.all.iter().enumerate().skip(noted);
            self.places.extend(fresh.map(|(place, one)| (one.subscription.id, place)));
        }
        self.all.len() - 1
    }
}

/// A subscription, and how many copies it was given while that was written down.
#[derive(Clone)]
pub(super) struct Known {
    pub(super) info: Arc<SubscriptionInfo>,
    pub(super) matched: u64,
    pub(super) ended: Option<CloseReason>,
}

/// The result of a look at the journal.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) entries: Vec<JournalEntry>,
    /// How many rows are gone that might have been among them, if any are.
    pub(super) cut: u64,
}

impl Journal {
    pub(super) fn new(bounds: Bounds, on: bool) -> Self {
        Journal { on: AtomicBool::new(on), clock: OnceLock::new(), bounds, pages: Mutex::default() }
    }

    /// The most messages that it keeps.
    #[cfg(feature = "jetstream")]
    pub(super) fn entries_max(&self) -> usize {
        self.bounds.entries
    }

    /// Takes its time from this clock from now on.
    pub(super) fn start(&self, clock: &Clock) {
        let _ = self.clock.set(clock.clone());
    }

    /// Begins to write down, if it has not.
    pub(super) fn turn_on(&self) {
        self.on.store(true, Ordering::Relaxed);
    }

    #[inline]
    pub(super) fn is_on(&self) -> bool {
        self.on.load(Ordering::Relaxed)
    }

    pub(super) fn published(&self, number: u64, publish: &PublishContext<'_>, verdict: &PublishAction) {
        if !self.is_on() {
            return;
        }
        self.write(
            number,
            publish.client,
            publish.client_name,
            publish.message,
            Outcome::of(verdict),
            publish.is_notice,
        );
    }

    pub(super) fn refused(&self, number: u64, refused: &RejectedPublish<'_>) {
        if self.is_on() {
            let outcome = Outcome::Refused(Arc::new(refused.error.clone()));
            self.write(number, refused.client, refused.client_name, refused.message, outcome, false);
        }
    }

    #[inline]
    fn write(
        &self,
        number: u64,
        client: ClientId,
        client_name: Option<&str>,
        message: &Message,
        outcome: Outcome,
        is_notice: bool,
    ) {
        let at = self.clock.get().map_or(Duration::ZERO, Clock::now);
        let message = message.clone();
        let weight = weight(&message);
        let mut thrown = SmallVec::<[Row; 2]>::new();
        let mut pages = self.pages.lock();
        let client_name = client_name.map(|name| pages.name(client, name));
        let row =
            Row { number, at, client, client_name, message, outcome, is_notice, deliveries: Deliveries::default() };
        pages.bytes += weight;
        pages.insert(row);
        while pages.rows.len() > self.bounds.entries || pages.bytes > self.bounds.bytes {
            let Some(oldest) = pages.rows.pop_front() else { break };
            pages.bytes -= self::weight(&oldest.message);
            pages.cut += 1;
            pages.cut_to = pages.cut_to.max(oldest.number);
            thrown.push(oldest);
        }
        drop(pages);
        drop(thrown);
    }

    pub(super) fn routed(&self, id: MessageId, accepted: &[SubscriptionId]) {
        if !self.is_on() {
            return;
        }
        let mut pages = self.pages.lock();
        let Pages { rows, subscriptions, .. } = &mut *pages;
        let Some(row) = find(rows, id.get()) else { return };
        if let Outcome::Held { released } = &mut row.outcome {
            *released = true;
        }
        for subscription in accepted {
            if let Some(delivery) = row.delivery(*subscription, subscriptions) {
                delivery.held = delivery.held.saturating_sub(1);
                delivery.accepted += 1;
            }
        }
    }

    pub(super) fn held(&self, id: MessageId, by: &SubscriptionInfo) {
        self.note(id, by.id, |delivery| delivery.held += 1);
    }

    pub(super) fn received(&self, id: MessageId, by: SubscriptionId) {
        self.note(id, by, |delivery| delivery.received += 1);
    }

    pub(super) fn lost(&self, id: MessageId, by: &SubscriptionInfo, reason: DropReason) {
        self.note(id, by.id, |delivery| {
            if !delivery.had(reason) {
                delivery.held = delivery.held.saturating_sub(1);
            }
            delivery.lost.push(reason);
        });
    }

    #[inline]
    fn note(&self, id: MessageId, by: SubscriptionId, note: impl FnOnce(&mut DeliveryRecord)) {
        if !self.is_on() {
            return;
        }
        let mut pages = self.pages.lock();
        let Pages { rows, subscriptions, .. } = &mut *pages;
        if let Some(delivery) = find(rows, id.get()).and_then(|row| row.delivery(by, subscriptions)) {
            note(delivery);
        }
    }

    /// Noted even when it is off: a later tap needs to know which subscriptions there are.
    pub(super) fn subscribed(&self, subscription: &SubscriptionInfo) {
        let info = Arc::new(subscription.clone());
        self.pages.lock().subscriptions.insert(subscription.id, Known { info, matched: 0, ended: None });
    }

    pub(super) fn ended(&self, subscription: &SubscriptionInfo, reason: CloseReason) {
        let mut pages = self.pages.lock();
        if !self.is_on() {
            pages.subscriptions.remove(&subscription.id);
            return;
        }
        if let Some(known) = pages.subscriptions.get_mut(&subscription.id) {
            known.ended = Some(reason);
            pages.ended.push_back(subscription.id);
        }
        if pages.ended.len() > ENDED_MAX
            && let Some(oldest) = pages.ended.pop_front()
        {
            pages.subscriptions.remove(&oldest);
        }
    }

    /// The rows after number `since` that `wanted` picks, and how many are gone after that number. `wanted` runs under the lock.
    pub(super) fn find(&self, since: u64, mut wanted: impl FnMut(&Message) -> bool) -> Found {
        let pages = self.pages.lock();
        let start = pages.rows.partition_point(|row| row.number <= since);
        let rows = pages.rows.range(start..).filter(|row| wanted(&row.message));
        let entries = rows.map(Row::to_entry).collect();
        Found { entries, cut: if pages.cut_to > since { pages.cut } else { 0 } }
    }

    /// The rows on a pattern after number `since`.
    pub(super) fn on(&self, pattern: &Pattern, since: u64) -> Found {
        self.find(since, |message| pattern.matches(message.subject()))
    }

    /// How many rows after number `since` are wanted. `wanted` runs under the lock.
    pub(super) fn count(&self, since: u64, mut wanted: impl FnMut(&Message) -> bool) -> usize {
        let pages = self.pages.lock();
        let start = pages.rows.partition_point(|row| row.number <= since);
        pages.rows.range(start..).filter(|row| wanted(&row.message)).count()
    }

    /// Every subscription that is known, in the order in which they were made.
    pub(super) fn subscriptions(&self) -> Vec<Known> {
        self.pages.lock().subscriptions.values().cloned().collect()
    }
}

impl Pages {
    fn name(&mut self, client: ClientId, name: &str) -> Arc<str> {
        if self.names.is_empty() {
            self.names.resize(NAMES, None);
        }
        let place = &mut self.names[client.get() as usize % NAMES];
        match place {
            Some((known, kept)) if *known == client => kept.clone(),
            _ => place.insert((client, name.into())).1.clone(),
        }
    }

    fn insert(&mut self, row: Row) {
        let mut at = self.rows.len();
        while at > 0 && self.rows[at - 1].number > row.number {
            at -= 1;
        }
        if at == self.rows.len() { self.rows.push_back(row) } else { self.rows.insert(at, row) }
    }
}

/// The row of a number: near where it would be if no number was missing.
fn find(rows: &mut VecDeque<Row>, number: u64) -> Option<&mut Row> {
    let first = rows.front()?.number;
    let guess = usize::try_from(number.checked_sub(first)?).ok()?.min(rows.len() - 1);
    let at =
        if rows[guess].number == number { guess } else { rows.binary_search_by(|row| row.number.cmp(&number)).ok()? };
    rows.get_mut(at)
}

impl Row {
    /// Its account with a subscription; made now if there is none.
    fn delivery(
        &mut self,
        subscription: SubscriptionId,
        known: &mut BTreeMap<SubscriptionId, Known>,
    ) -> Option<&mut DeliveryRecord> {
        let place = match self.deliveries.place(subscription) {
            Some(place) => place,
            None => {
                let known = known.get_mut(&subscription)?;
                known.matched += 1;
                self.deliveries.push(DeliveryRecord::new(known.info.clone()))
            }
        };
        Some(&mut self.deliveries.all[place])
    }

    fn to_entry(&self) -> JournalEntry {
        JournalEntry {
            number: self.number,
            at: self.at,
            client: self.client,
            client_name: self.client_name.clone(),
            message: self.message.clone(),
            outcome: self.outcome.clone(),
            is_notice: self.is_notice,
            deliveries: self.deliveries.all.to_vec(),
        }
    }
}

/// The bytes that a message takes, about.
fn weight(message: &Message) -> usize {
    size_of::<Row>() + message.subject().len() + message.reply().map_or(0, |reply| reply.len()) + message.size()
}
