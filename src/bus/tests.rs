//! The counters of a bus while its clients and subscriptions come and go.

use super::Bus;
use crate::broker::Census;
use crate::connection::VISITS;
use crate::steps;

/// Many clients, and one with as many subscriptions: neither is walked over while the others wait for a lock.
#[cfg(debug_assertions)]
#[test]
fn no_lock_is_held_for_many_visits() {
    let bus = Bus::new();
    let clients: Vec<_> = (0..9_999).map(|_| bus.connect()).collect();
    let _subscribers = (0..9_999).map(|_| clients[9].subscribe("a").unwrap()).collect::<Vec<_>>();
    let stats = steps::assert_few_under_a_lock(VISITS, || bus.stats());
    assert_eq!((stats.clients, stats.subscriptions), (9_999, 9_999));
    assert_eq!(steps::assert_few_under_a_lock(VISITS, || clients[9].stats()).subscriptions, 9_999);
}

/// G5: between any two steps of the sum, subscriptions and connections end, be they visited or not; each counts once.
#[test]
fn what_ends_meanwhile_counts_once() {
    let per_client = VISITS + 44;
    for steps_before in 0..8 {
        let bus = Bus::new();
        let mut clients: Vec<_> = (0..4).map(|_| bus.connect()).collect();
        let mut subscribers: Vec<Vec<_>> =
            clients.iter().map(|client| (0..per_client).map(|_| client.subscribe("a").unwrap()).collect()).collect();
        let matched = 4 * per_client as u64;
        assert_eq!(clients[2].publish("a", "").unwrap(), 4 * per_client);
        let mut census = Census::begin(&bus.broker);
        assert!((0..steps_before).all(|n| census.go_on() || n >= 4));
        let mut second = Census::begin(&bus.broker);
        // Some subscriptions of the first client end and others take their slots; all of the second end, and the third client ends.
        subscribers[0].drain(..3);
        subscribers[0].drain(VISITS..);
        second.go_on();
        subscribers[1].clear();
        subscribers[2].clear();
        drop(clients.remove(2));
        let late = [(); 2].map(|()| clients[0].subscribe("a").unwrap());
        for mut census in [census, second] {
            while census.go_on() {}
            let (totals, ..) = census.finish();
            assert_eq!(totals.ledger.matched, matched, "{steps_before} steps before");
            assert!(totals.ledger.balances());
            assert_eq!((totals.traffic.published, totals.traffic.routed), (1, matched));
        }
        assert!(late.iter().all(|subscriber| subscriber.try_recv().is_err()));
        let now = bus.stats();
        assert_eq!((now.ledger.matched, now.traffic.routed, now.clients), (matched, matched, 3));
    }
}
