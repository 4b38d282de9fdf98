//! The common part of all subscriptions of one connection: the connection, and its permissions.

use super::lists::AllowResponses;
use super::rules::Rules;
use crate::id::ClientId;
use crate::limits::Limits;
use crate::message::Responder;
use crate::subject::Pattern;
use crate::sync::{Mutex, RwLock};
use crate::user_code::Reporter;
use ahash::RandomState;
use smol_str::SmolStr;
use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Weak};
use std::time::Duration;

/// Permits that are no good any more are looked for when this many were given since the last search, or after this time.
const SEARCH_AFTER: (usize, Duration) = (4_096, Duration::from_secs(1));

/// Bytes of the replies that one connection may answer to: room for as many as there may be, unless they are long.
const BYTES_MAX: usize = Limits::RESPONSES_MAX * 128;

/// The connection that a subscription belongs to.
pub(crate) trait SubscriptionOwner: fmt::Debug + Send + Sync {
    /// A subscription is in force no longer.
    fn ended(&self);

    /// A subscription is retired: its slot in the registry is free. The caller holds the account's retired totals.
    fn released(&self, slot: u32);

    /// Something may have come that a drain waits for.
    fn check_drain(&self);

    /// The connection as one that responds to messages.
    fn responder(self: Arc<Self>) -> Arc<dyn Responder>;
}

/// See the [module](self).
#[derive(Debug)]
pub(crate) struct ConnectionAccess {
    /// The connection's number.
    pub(crate) id: ClientId,
    /// The connection itself.
    pub(crate) connection: Weak<dyn SubscriptionOwner>,
    /// Its deliveries do not count as activity.
    pub(crate) is_untracked: bool,
    /// The reporter of its bus.
    pub(crate) reporter: Reporter,
    /// `None` while everything is allowed. LOCK ORDER: after the connection's registry, and before the clock's; nothing of a user's is called
    /// under it.
    rules: RwLock<Option<Arc<Rules>>>,
    /// Permits to respond (P7). LOCK ORDER: after `rules`.
    permits: Mutex<ResponsePermits>,
}

#[derive(Debug)]
struct ResponsePermits {
    by_reply: HashMap<SmolStr, ResponsePermit, RandomState>,
    /// The bytes of the replies.
    bytes: usize,
    given: usize,
    searched: Duration,
}

#[derive(Clone, Copy, Debug)]
struct ResponsePermit {
    at: Duration,
    used: u64,
}

impl ConnectionAccess {
    pub(crate) fn new(
        id: ClientId,
        connection: Weak<dyn SubscriptionOwner>,
        is_untracked: bool,
        rules: Option<Arc<Rules>>,
        seed: u64,
        reporter: Reporter,
    ) -> Self {
        // Replies are chosen by others: that they all fall together must take luck.
        let hasher = RandomState::with_seeds(seed, id.get(), seed.rotate_left(32), 4);
        ConnectionAccess {
            id,
            connection,
            is_untracked,
            reporter,
            rules: RwLock::new(rules),
            permits: Mutex::new(ResponsePermits::new(hasher)),
        }
    }

    /// Replaces the rules; permits to answer are forgotten. The caller says how subscriptions react.
    pub(crate) fn set_rules(&self, rules: Option<Arc<Rules>>) {
        let mut current = self.rules.write();
        self.permits.lock().clear();
        *current = rules;
    }

    /// Whether a message may be published there; one that is only allowed as an answer is counted (P3, P7).
    pub(crate) fn may_publish(&self, subject: &str, now: impl FnOnce() -> Duration) -> bool {
        let rules = self.rules.read();
        let Some(rules) = &*rules else { return true };
        rules.may_publish(subject)
            || rules.responses.is_some_and(|bounds| self.permits.lock().use_one(subject, &bounds, now))
    }

    /// The same, asked beforehand: nothing is counted.
    pub(crate) fn could_publish(&self, subject: &str, now: impl FnOnce() -> Duration) -> bool {
        let rules = self.rules.read();
        let Some(rules) = &*rules else { return true };
        rules.may_publish(subject)
            || rules.responses.is_some_and(|bounds| self.permits.lock().has_one(subject, &bounds, now))
    }

    /// Whether a subscription may be made; `pattern` need not be valid (P5, P6).
    pub(crate) fn may_subscribe(&self, pattern: &str, queue: Option<&str>) -> bool {
        self.rules.read().as_ref().is_none_or(|rules| rules.may_subscribe(pattern, queue))
    }

    /// Whether each message for a subscription is to be looked at: some may be withheld, or give leave to answer.
    pub(crate) fn filters(&self, pattern: &Pattern, queue: Option<&str>) -> bool {
        let rules = self.rules.read();
        rules.as_ref().is_some_and(|rules| rules.responses.is_some() || rules.may_withhold(pattern, queue))
    }

    /// Whether a message that is about to be delivered is withheld; if it is not, its reply may be answered (P5, P7).
    pub(crate) fn lets_in(
        &self,
        subject: &str,
        reply: Option<&SmolStr>,
        queue: Option<&str>,
        now: impl FnOnce() -> Duration,
    ) -> bool {
        let rules = self.rules.read();
        let Some(rules) = &*rules else { return true };
        if rules.withholds(subject, queue) {
            return false;
        }
        if let (Some(reply), Some(bounds)) = (reply, &rules.responses)
            && !rules.may_publish(reply)
        {
            self.permits.lock().give(reply, bounds, now());
        }
        true
    }
}

#[cfg(all(test, not(postroom_shuttle)))]
impl ConnectionAccess {
    pub(super) fn permits(&self) -> usize {
        self.permits.lock().by_reply.len()
    }
}

impl ResponsePermits {
    fn new(hasher: RandomState) -> Self {
        ResponsePermits { by_reply: HashMap::with_hasher(hasher), bytes: 0, given: 0, searched: Duration::ZERO }
    }

    fn use_one(&mut self, reply: &str, bounds: &AllowResponses, now: impl FnOnce() -> Duration) -> bool {
        let Some(leave) = self.by_reply.get_mut(reply) else { return false };
        leave.used += 1;
        let good = bounds.max.is_none_or(|max| leave.used <= max) && !has_expired(leave, bounds, now());
        if !good {
            self.by_reply.remove(reply);
            self.bytes -= reply.len();
        }
        good
    }

    fn has_one(&self, reply: &str, bounds: &AllowResponses, now: impl FnOnce() -> Duration) -> bool {
        let unused = |leave: &ResponsePermit| bounds.max.is_none_or(|max| leave.used < max);
        self.by_reply.get(reply).is_some_and(|leave| unused(leave) && !has_expired(leave, bounds, now()))
    }

    fn give(&mut self, reply: &SmolStr, bounds: &AllowResponses, now: Duration) {
        // As nats-server does: a connection that could answer already has used up one answer by this, and is not given a
        // new leave.
        if self.use_one(reply, bounds, || now) {
            return;
        }
        self.by_reply.insert(reply.clone(), ResponsePermit { at: now, used: 0 });
        self.bytes += reply.len();
        self.given += 1;
        let (given, time) = SEARCH_AFTER;
        if self.given > given || now.saturating_sub(self.searched) > time {
            (self.given, self.searched) = (0, now);
            let used_up = |leave: &ResponsePermit| bounds.max.is_some_and(|max| leave.used >= max);
            self.retain(|leave| !used_up(leave) && !has_expired(leave, bounds, now));
        }
        while self.by_reply.len() > Limits::RESPONSES_MAX || (self.bytes > BYTES_MAX && self.by_reply.len() > 1) {
            self.forget_the_older_half();
        }
    }

    fn clear(&mut self) {
        self.by_reply.clear();
        self.bytes = 0;
    }

    fn retain(&mut self, mut stays: impl FnMut(&ResponsePermit) -> bool) {
        let bytes = &mut self.bytes;
        self.by_reply.retain(|reply, leave| {
            let stays = stays(leave);
            *bytes -= if stays { 0 } else { reply.len() };
            stays
        });
    }

    // DIFFERENCE: nats-server keeps permits without number and end for ever.
    #[cold]
    fn forget_the_older_half(&mut self) {
        let mut times: Vec<Duration> = self.by_reply.values().map(|leave| leave.at).collect();
        let half = times.len() / 2;
        let (older, middle, _) = times.select_nth_unstable(half);
        let middle = *middle;
        // Among permits as old as the median, as many as needed.
        let mut of_these = older.iter().filter(|at| **at == middle).count();
        self.retain(|leave| {
            let goes = leave.at < middle || (leave.at == middle && of_these > 0);
            of_these -= usize::from(goes && leave.at == middle);
            !goes
        });
    }
}

fn has_expired(leave: &ResponsePermit, bounds: &AllowResponses, now: Duration) -> bool {
    !bounds.expires.is_zero() && now.saturating_sub(leave.at) > bounds.expires
}
