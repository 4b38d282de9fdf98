//! Requests that several bridges of one bus have called: none of the bridges alone knows that a request
//! has no responder.

use crate::sync::Mutex;
use std::collections::{HashMap, VecDeque};

/// Requests that are remembered; if there are more, the oldest go. One that is forgotten waits for
/// its timeout.
const REMEMBERED: usize = 4_096;

/// The findings of the bridges of one bus, by the reply of a request on the bus.
#[derive(Debug, Default)]
pub(super) struct Nobodies(Mutex<Inner>);

#[derive(Debug, Default)]
struct Inner {
    found: HashMap<String, Vec<Found>>,
    /// In the order in which they came.
    order: VecDeque<String>,
}

/// A bridge that has found no responder.
#[derive(Debug)]
struct Found {
    bridge: u64,
    /// The queue groups of its sinks that match the request.
    sinks: Vec<Option<String>>,
}

impl Nobodies {
    /// Notes that the request has no responder behind this bridge. Gives back how many sinks of other bridges, that `counts` is
    /// true of, have found no responder for it so far.
    pub(super) fn add(
        &self,
        reply: &str,
        bridge: u64,
        sinks: Vec<Option<String>>,
        counts: impl Fn(Option<&str>) -> bool,
    ) -> usize {
        let mut inner = self.0.lock();
        let Inner { found, order } = &mut *inner;
        if !found.contains_key(reply) {
            if order.len() == REMEMBERED
                && let Some(oldest) = order.pop_front()
            {
                found.remove(&oldest);
            }
            order.push_back(reply.to_owned());
        }
        let known = found.entry(reply.to_owned()).or_default();
        let of_others = known.iter().filter(|found| found.bridge != bridge).flat_map(|found| &found.sinks);
        let count = of_others.filter(|queue| counts(queue.as_deref())).count();
        known.push(Found { bridge, sinks });
        count
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sinks_of_others_are_counted_and_what_is_remembered_is_bounded() {
        let nobodies = Nobodies::default();
        let all = |_: Option<&str>| true;
        assert_eq!(nobodies.add("r", 1, vec![None, Some("g".into())], all), 0);
        assert_eq!(nobodies.add("r", 2, vec![None], all), 2);
        assert_eq!(nobodies.add("r", 3, vec![], |queue| queue.is_none()), 2);
        assert_eq!(nobodies.add("r", 1, vec![], all), 1, "not its own");
        assert_eq!(nobodies.add("s", 4, vec![None], all), 0, "another request");
        for n in 0..2 * REMEMBERED {
            nobodies.add(&n.to_string(), 1, vec![None], all);
        }
        assert_eq!(nobodies.add("s", 5, vec![], all), 0, "forgotten");
        let inner = nobodies.0.lock();
        assert_eq!((inner.found.len(), inner.order.len()), (REMEMBERED, REMEMBERED));
    }
}
