//! Pull requests: what they may ask for, and those that wait, in order (JC60 to JC77).

use super::config::{ConsumerConfig, PriorityPolicy};
use super::status::Status;
use crate::jetstream::engine::time::{Timestamp, format_duration, span};
use crate::subject::Subject;
use smol_str::SmolStr;
use std::collections::{BTreeMap, BTreeSet};

/// A request for messages, as its body says it (JC60).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PullRequest {
    /// Messages; less than 1 is one, and is shown as it is (JC61).
    pub batch: i64,
    /// How long it may wait, in nanoseconds; 0 is for ever.
    pub expires: i64,
    /// It ends when there are no more messages.
    pub no_wait: bool,
    /// Bytes; less than 1 is "no limit".
    pub max_bytes: i64,
    /// How long there may be silence, in nanoseconds; 0: no heartbeats.
    pub idle_heartbeat: i64,
    /// The priority group.
    pub group: String,
    /// It is served only if so much is pending, or …
    pub min_pending: i64,
    /// … so much waits for acknowledgements.
    pub min_ack_pending: i64,
    /// The pin that it has.
    pub id: String,
    /// Its priority, 0 to 9.
    pub priority: i64,
    /// The body was empty, or a number: what concerns priorities is not judged (JC66).
    pub is_plain: bool,
}

impl PullRequest {
    /// A request for a number of messages, whose body is that number.
    #[must_use]
    pub fn plain(batch: i64) -> Self {
        PullRequest { batch, is_plain: true, ..PullRequest::default() }
    }

    /// Whether a consumer takes it (JC64 to JC66); the status that ends it if not.
    pub(super) fn check(&self, config: &ConsumerConfig) -> Result<(), Status> {
        if self.idle_heartbeat.max(0).saturating_mul(2) > self.expires.max(0) {
            return Err(Status::bad_request("heartbeat value too large"));
        }
        if config.max_batch > 0 && self.batch > config.max_batch {
            return Err(Status::conflict(format!("Exceeded MaxRequestBatch of {}", config.max_batch)));
        }
        if config.max_expires > 0 && self.expires > config.max_expires {
            let limit = format_duration(config.max_expires);
            return Err(Status::conflict(format!("Exceeded MaxRequestExpires of {limit}")));
        }
        if config.max_bytes > 0 && self.max_bytes > config.max_bytes {
            return Err(Status::conflict(format!("Exceeded MaxRequestMaxBytes of {}", config.max_bytes)));
        }
        if self.is_plain {
            return Ok(());
        }
        let policy = config.priority_policy;
        let refused = [
            (
                (self.min_pending != 0 || self.min_ack_pending != 0) && policy != PriorityPolicy::Overflow,
                "Not a Overflow Priority consumer",
            ),
            (!self.id.is_empty() && policy != PriorityPolicy::PinnedClient, "Not a Pinned Client Priority consumer"),
            (!(0..=9).contains(&self.priority), "Priority must be between 0 and 9"),
            (policy != PriorityPolicy::None && self.group.is_empty(), "Priority Group missing"),
            (policy != PriorityPolicy::None && !config.priority_groups.contains(&self.group), "Invalid Priority Group"),
        ];
        match refused.into_iter().find(|(is, _)| *is) {
            Some((_, text)) => Err(Status::bad_request(text)),
            None => Ok(()),
        }
    }
}

/// The shortest time between two heartbeats: there is no least one in a request, and none would stop the clock.
const HEARTBEAT_MIN: i64 = 1_000_000;

/// The place of a request in the queue: its priority, then its turn.
pub(crate) type Place = (u8, u64);

/// A request that waits.
#[derive(Debug)]
pub(crate) struct Waiting {
    pub(crate) inbox: Subject,
    pub(crate) batch_left: i64,
    /// `None` without a limit.
    pub(crate) bytes_left: Option<i64>,
    /// The bytes in a status: the rest, or a limit that is none.
    bytes_said: i64,
    expires: Option<Timestamp>,
    heartbeat: i64,
    next_heartbeat: Option<Timestamp>,
    is_one_shot: bool,
    received: u64,
    pub(crate) group: SmolStr,
    pub(crate) pin: SmolStr,
    pub(crate) is_plain: bool,
    pub(crate) min_pending: u64,
    pub(crate) min_ack_pending: u64,
}

impl Waiting {
    fn new(now: Timestamp, inbox: Subject, request: &PullRequest) -> Self {
        let heartbeat = if request.idle_heartbeat > 0 { request.idle_heartbeat.max(HEARTBEAT_MIN) } else { 0 };
        let threshold = |value: i64| u64::try_from(value).unwrap_or(0);
        Waiting {
            inbox,
            batch_left: request.batch,
            bytes_left: (request.max_bytes > 0).then_some(request.max_bytes),
            bytes_said: request.max_bytes,
            expires: (request.expires > 0).then(|| now.after(span(request.expires))),
            heartbeat,
            next_heartbeat: (heartbeat > 0).then(|| now.after(span(heartbeat))),
            is_one_shot: request.no_wait,
            received: 0,
            group: SmolStr::new(&request.group),
            pin: SmolStr::new(&request.id),
            is_plain: request.is_plain,
            min_pending: threshold(request.min_pending),
            min_ack_pending: threshold(request.min_ack_pending),
        }
    }

    /// The rest of batch and bytes, as statuses say it.
    pub(crate) fn left(&self) -> (i64, i64) {
        (self.batch_left, self.bytes_left.unwrap_or(self.bytes_said))
    }

    /// A request with no wait ends with the pass over the queue, unless it may wait and has no message yet (JC72).
    fn ends_with_pass(&self) -> bool {
        self.is_one_shot && (self.expires.is_none() || self.received > 0)
    }

    fn wanted(&self) -> u64 {
        u64::try_from(self.batch_left).unwrap_or(0).max(1)
    }
}

/// The outcome of a request with a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Served {
    /// It wants more.
    Waits,
    /// It has all that it wanted, and nothing is said of it.
    Ended,
    /// It has all its messages, with bytes left (JC74); what statuses say of it.
    Completed((i64, i64)),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Due {
    Expiry,
    Heartbeat,
}

/// Requests that wait, first come, first served, within a priority.
#[derive(Debug, Default)]
pub(crate) struct Requests {
    waiting: BTreeMap<Place, Waiting>,
    /// Expiries and heartbeats, by time, then by kind, then by place.
    dues: BTreeSet<(Timestamp, Due, Place)>,
    /// Those that end with the pass.
    ending: BTreeSet<Place>,
    wanted: u64,
    turn: u64,
}

impl Requests {
    pub(crate) fn len(&self) -> usize {
        self.waiting.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// Messages that all of them together still want.
    pub(crate) fn wanted(&self) -> u64 {
        self.wanted
    }

    pub(crate) fn get(&self, place: Place) -> Option<&Waiting> {
        self.waiting.get(&place)
    }

    pub(crate) fn get_mut(&mut self, place: Place) -> Option<&mut Waiting> {
        self.waiting.get_mut(&place)
    }

    /// The request whose turn it is.
    pub(crate) fn first(&self) -> Option<Place> {
        self.waiting.first_key_value().map(|(place, _)| *place)
    }

    /// The request behind another one.
    pub(crate) fn behind(&self, place: Place) -> Option<Place> {
        self.waiting.range((place.0, place.1 + 1)..).next().map(|(place, _)| *place)
    }

    pub(crate) fn push(&mut self, now: Timestamp, inbox: Subject, request: &PullRequest, priority: u8) {
        self.put(priority, Waiting::new(now, inbox, request));
    }

    fn put(&mut self, priority: u8, waiting: Waiting) -> Place {
        let place = (priority, self.turn);
        self.turn += 1;
        self.dues.extend(waiting.expires.map(|at| (at, Due::Expiry, place)));
        self.dues.extend(waiting.next_heartbeat.map(|at| (at, Due::Heartbeat, place)));
        if waiting.ends_with_pass() {
            self.ending.insert(place);
        }
        self.wanted += waiting.wanted();
        self.waiting.insert(place, waiting);
        place
    }

    /// Takes a request out.
    pub(crate) fn remove(&mut self, place: Place) -> Option<Waiting> {
        let waiting = self.waiting.remove(&place)?;
        if let Some(at) = waiting.expires {
            self.dues.remove(&(at, Due::Expiry, place));
        }
        if let Some(at) = waiting.next_heartbeat {
            self.dues.remove(&(at, Due::Heartbeat, place));
        }
        self.ending.remove(&place);
        self.wanted -= waiting.wanted();
        Some(waiting)
    }

    /// Puts a request at the end of those of its priority.
    pub(crate) fn rotate(&mut self, place: Place) -> Option<Place> {
        let waiting = self.remove(place)?;
        Some(self.put(place.0, waiting))
    }

    /// A request has got a message of some bytes; it goes to the end if it wants more.
    pub(crate) fn serve(&mut self, place: Place, bytes: i64, now: Timestamp) -> Served {
        let Some(mut waiting) = self.remove(place) else { return Served::Ended };
        waiting.batch_left -= 1;
        waiting.received += 1;
        waiting.bytes_left = waiting.bytes_left.map(|left| left - bytes);
        if waiting.heartbeat > 0 {
            waiting.next_heartbeat = Some(now.after(span(waiting.heartbeat)));
        }
        if waiting.bytes_left == Some(0) {
            return Served::Ended;
        }
        if waiting.batch_left <= 0 {
            let left = waiting.left();
            return if waiting.bytes_left.is_some() { Served::Completed(left) } else { Served::Ended };
        }
        self.put(place.0, waiting);
        Served::Waits
    }

    /// When the next expiry or heartbeat is due.
    pub(crate) fn next_due(&self) -> Option<Timestamp> {
        self.dues.first().map(|(at, ..)| *at)
    }

    /// Does what is due: says whether each is over, or only to be told that there is silence. In queue order among those of one
    /// time and kind.
    pub(crate) fn take_due(&mut self, now: Timestamp) -> Vec<Overdue> {
        let mut all = Vec::new();
        while let Some((at, due, place)) = self.dues.first().filter(|(at, ..)| *at <= now).copied() {
            match due {
                Due::Expiry => all.extend(self.remove(place).map(Overdue::Expired)),
                Due::Heartbeat => {
                    self.dues.remove(&(at, due, place));
                    if let Some(waiting) = self.waiting.get_mut(&place) {
                        let next = now.after(span(waiting.heartbeat));
                        waiting.next_heartbeat = Some(next);
                        self.dues.insert((next, Due::Heartbeat, place));
                        all.push(Overdue::Silent(waiting.inbox.clone()));
                    }
                }
            }
        }
        all
    }

    /// Takes out those that end with a pass which found nothing more (JC72), in queue order.
    pub(crate) fn end_pass(&mut self) -> Vec<Waiting> {
        std::mem::take(&mut self.ending).into_iter().filter_map(|place| self.remove(place)).collect()
    }

    /// Takes all of them out, in queue order.
    pub(crate) fn clear(&mut self) -> Vec<Waiting> {
        let all = std::mem::take(&mut self.waiting);
        *self = Requests { turn: self.turn, ..Requests::default() };
        all.into_values().collect()
    }

    /// Drops those whose inboxes nothing receives from.
    pub(crate) fn retain(&mut self, has_interest: impl Fn(&Subject) -> bool) {
        let dead: Vec<Place> =
            self.waiting.iter().filter(|(_, waiting)| !has_interest(&waiting.inbox)).map(|(place, _)| *place).collect();
        for place in dead {
            self.remove(place);
        }
    }
}

/// A request whose time has come.
#[derive(Debug)]
pub(crate) enum Overdue {
    Expired(Waiting),
    /// A heartbeat goes to this inbox.
    Silent(Subject),
}
