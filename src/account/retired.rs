//! The totals of what is gone, kept so that everything can be added up a part at a time while things end.
//!
//! A [`Walk`] visits connections in the order of their numbers, and the subscriptions of each in the order of their slots. A
//! subscription that ends before the walk comes to it enters the walk's sum when it ends; one that ends afterwards is in the sum already.
//! So each counts once.

use super::Totals;
use std::collections::BTreeMap;

/// See the [module](self).
#[derive(Debug, Default)]
pub(crate) struct RetiredTotals {
    totals: Totals,
    /// Those under way, by number.
    walks: BTreeMap<u64, Walk>,
    begun: u64,
}

/// A sum that is being made.
#[derive(Debug)]
pub(crate) struct Walk {
    pub(crate) sum: Totals,
    /// All places before this one were visited.
    pub(crate) next: CountsKey,
    /// Connections that were about to end when the walk came to them; each from this place on was not visited.
    ending: Vec<CountsKey>,
}

/// The place in a walk of a connection's own counts, or of one of its subscriptions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct CountsKey {
    pub(crate) connection: u64,
    /// `None` for the connection's own counts, which come first.
    pub(crate) slot: Option<usize>,
}

impl CountsKey {
    /// The place of a connection's own counts.
    pub(crate) fn of_connection(connection: u64) -> Self {
        CountsKey { connection, slot: None }
    }
}

impl RetiredTotals {
    /// Enters the counts of what is gone, which was at `place`; `None` for counts that came after it had been entered.
    pub(crate) fn enter(&mut self, place: Option<CountsKey>, counts: Totals) {
        self.totals += counts;
        for walk in self.walks.values_mut() {
            if !place.is_some_and(|place| walk.has_visited(place)) {
                walk.sum += counts;
            }
        }
    }

    /// Begins a walk, whose sum begins with the retired totals; returns its number.
    pub(crate) fn begin_walk(&mut self) -> u64 {
        self.begun += 1;
        self.walks.insert(self.begun, Walk { sum: self.totals, next: CountsKey::of_connection(0), ending: Vec::new() });
        self.begun
    }

    /// A walk under way.
    pub(crate) fn walk(&mut self, number: u64) -> &mut Walk {
        self.walks.get_mut(&number).expect("a walk is there until it is finished")
    }

    /// Ends a walk, and gives back its sum.
    pub(crate) fn finish_walk(&mut self, number: u64) -> Totals {
        self.walks.remove(&number).map(|walk| walk.sum).unwrap_or_default()
    }
}

impl Walk {
    /// Goes past a connection whose end has begun: what is left of it enters the sum when it has ended.
    pub(crate) fn leave_ending(&mut self, connection: u64) {
        self.ending.push(self.next.max(CountsKey::of_connection(connection)));
        self.next = CountsKey::of_connection(connection + 1);
    }

    fn has_visited(&self, place: CountsKey) -> bool {
        let was_left = |from: &CountsKey| from.connection == place.connection && *from <= place;
        place < self.next && !self.ending.iter().any(was_left)
    }
}

#[cfg(all(test, not(postroom_shuttle)))]
mod tests {
    use super::super::Traffic;
    use super::*;

    /// G5: a connection that a walk finds ending, be it at once or between two steps, enters the walk's sum when it has ended.
    #[test]
    fn what_a_walk_finds_ending_counts_when_it_has_ended() {
        let one = Totals { traffic: Traffic { published: 1, ..Traffic::default() }, ..Totals::default() };
        let slot = |connection, slot| Some(CountsKey { connection, slot: Some(slot) });
        let mut past = RetiredTotals::default();
        past.enter(None, one);
        let number = past.begin_walk();
        past.walk(number).next = CountsKey { connection: 3, slot: Some(2) };
        past.walk(number).leave_ending(3);
        past.walk(number).leave_ending(5);
        // Visited before.
        past.enter(slot(3, 1), one);
        past.enter(Some(CountsKey::of_connection(3)), one);
        past.enter(slot(4, 7), one);
        assert_eq!(past.walk(number).sum.traffic.published, 1);
        // Not visited.
        for place in [slot(3, 2), Some(CountsKey::of_connection(5)), slot(5, 0), slot(6, 0), None] {
            past.enter(place, one);
        }
        assert_eq!(past.finish_walk(number).traffic.published, 6);
        let number = past.begin_walk();
        assert_eq!(past.finish_walk(number).traffic.published, 9);
    }
}
