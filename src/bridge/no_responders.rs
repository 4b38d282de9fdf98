//! Requests that several bridges of one bus have called: none of the bridges alone knows that a request has no responder.

use super::reply::Request;
use crate::steps;
use crate::sync::Mutex;
use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

/// Requests that are remembered; if there are more, the oldest go. One that is forgotten waits for its timeout.
const REMEMBERED: usize = 4_096;

/// Bytes of their replies and subjects: room for as many as there may be, unless these are long.
const BYTES_MAX: usize = REMEMBERED * 256;

/// What the bridges of one bus have found out about requests on it.
#[derive(Debug, Default)]
pub(super) struct NoResponderVotes(Mutex<Table>);

#[derive(Debug, Default)]
struct Table {
    /// By reply and subject, with a space between them.
    requests: HashMap<Arc<str>, Vec<Vote>>,
    /// In the order in which they came.
    order: VecDeque<Arc<str>>,
    /// The length of all keys.
    bytes: usize,
}

/// A bridge has found no responder.
#[derive(Debug)]
struct Vote {
    bridge: u64,
    /// The queue groups of its sinks that match the request.
    sinks: Vec<Option<String>>,
}

impl NoResponderVotes {
    /// Notes that the request has no responder behind this bridge. Gives back how many sinks of other bridges, of those that `counts` is
    /// true of, have found no responder for it so far.
    pub(super) fn add(
        &self,
        request: &Request,
        bridge: u64,
        sinks: Vec<Option<String>>,
        counts: impl Fn(Option<&str>) -> bool,
    ) -> usize {
        let key = format!("{} {}", request.reply, request.subject);
        let mut inner = self.0.lock();
        let votes = inner.votes(key);
        // A bridge votes once for a request: this is another one, which the client sent with the same reply.
        if votes.iter().any(|vote| vote.bridge == bridge) {
            votes.clear();
        }
        let others = votes.iter().flat_map(|vote| &vote.sinks).inspect(|_| steps::count(1));
        let count = others.filter(|queue| counts(queue.as_deref())).count();
        votes.push(Vote { bridge, sinks });
        count
    }
}

impl Table {
    fn votes(&mut self, key: String) -> &mut Vec<Vote> {
        if !self.requests.contains_key(key.as_str()) {
            while self.order.len() >= REMEMBERED || self.bytes + key.len() > BYTES_MAX {
                let Some(oldest) = self.order.pop_front() else { break };
                self.bytes -= oldest.len();
                self.requests.remove(&oldest);
            }
            self.bytes += key.len();
            self.order.push_back(key.as_str().into());
        }
        self.requests.entry(key.into()).or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(reply: &str) -> Request {
        Request { reply: reply.to_owned(), subject: "svc".to_owned(), rule: Some(0), wants_no_responders: true }
    }

    fn all(_: Option<&str>) -> bool {
        true
    }

    #[test]
    fn sinks_of_others_are_counted() {
        let votes = NoResponderVotes::default();
        let r = request("r");
        assert_eq!(votes.add(&r, 1, vec![None, Some("g".into())], all), 0);
        assert_eq!(votes.add(&r, 2, vec![None], all), 2);
        assert_eq!(votes.add(&r, 3, vec![], |queue| queue.is_none()), 2);
        assert_eq!(votes.add(&request("s"), 4, vec![None], all), 0, "another request");
        assert_eq!(
            votes.add(&Request { subject: "other".into(), ..request("r") }, 4, vec![], all),
            0,
            "another subject"
        );
    }

    /// A client may ask with one inbox again and again.
    #[test]
    fn a_reply_that_is_used_again_begins_anew() {
        let votes = NoResponderVotes::default();
        let vote = |bridge| votes.add(&request("r"), bridge, vec![None], all);
        for _ in 0..1_000 {
            assert_eq!(vote(1), 0, "the other has not found out about this request");
        }
        assert_eq!(vote(2), 1);
        assert_eq!(vote(1), 0);
        assert_eq!(votes.0.lock().requests["r svc"].len(), 1);
    }

    #[test]
    fn what_is_remembered_is_bounded_in_number_and_bytes() {
        let votes = NoResponderVotes::default();
        let vote = |reply: &str| votes.add(&request(reply), 1, vec![None], all);
        for n in 0..2 * REMEMBERED {
            vote(&n.to_string());
        }
        let kept = |inner: &Table| (inner.requests.len(), inner.order.len());
        assert_eq!(kept(&votes.0.lock()), (REMEMBERED, REMEMBERED));
        assert_eq!(votes.add(&request("0"), 2, vec![], all), 0, "forgotten");
        assert_eq!(votes.add(&request(&(2 * REMEMBERED - 1).to_string()), 2, vec![], all), 1);
        for n in 0..100 {
            vote(&format!("{n}{}", "r".repeat(60_000)));
        }
        let inner = votes.0.lock();
        assert!(inner.bytes <= BYTES_MAX && inner.requests.len() < 20, "{} {}", inner.bytes, inner.requests.len());
        assert_eq!(inner.bytes, inner.order.iter().map(|key| key.len()).sum::<usize>());
    }
}
