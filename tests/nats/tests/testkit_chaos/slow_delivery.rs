//! Copies that take their time to one client, while others have theirs.

use crate::{SECOND, client, kit, permitted, publish, queued};
use postroom::TestKit;
use postroom::stats::DropReason;
use postroom::testkit::{Chaos, Fault};
use postroom::*;
use std::sync::Arc;

/// Deliveries to this client take a second.
fn slow(to: &str) -> TestKit {
    kit(Fault::slow_delivery(SECOND).of(to).times(1))
}

fn assert_counts_agree(kit: &TestKit) {
    let stats = kit.bus().stats();
    assert!(stats.ledger.balances() && stats.traffic.routed == stats.ledger.matched, "{stats:?}");
}

#[test]
fn all_that_is_for_the_client_queues_up_and_nobody_else_waits() {
    let kit = slow("slow");
    let (slow, fast, app) = (client(&kit, "slow"), client(&kit, "fast"), client(&kit, "app"));
    let (late, too, soon) = (slow.subscribe("a").unwrap(), slow.subscribe("b").unwrap(), fast.subscribe("*").unwrap());
    let seen = Arc::new(parking_lot::Mutex::new(Vec::new()));
    let copy = seen.clone();
    let see = move |message: Message| copy.lock().push(message.payload_str().unwrap().to_owned());
    let _callback = slow.subscribe_fn("*", see).unwrap();
    assert_eq!(app.publish("a", "1"), Ok(3), "they seem to have it");
    kit.clock().advance(SECOND / 2);
    publish(&app, "b", &["2", "3"]);
    // Its own publishes are not slow, but come back to it by the same way.
    publish(&slow, "a", &["4"]);
    assert_eq!((queued(&soon), late.len() + too.len()), (vec!["1".into(), "2".into(), "3".into(), "4".into()], 0));
    kit.activity().mark_idle();
    assert!(kit.activity().is_quiet(), "what is to come does not go on: {:?}", kit.activity());
    assert_counts_agree(&kit);
    kit.clock().advance(SECOND / 2);
    assert_eq!((queued(&late), queued(&too)), (vec!["1".into(), "4".into()], vec!["2".into(), "3".into()]));
    assert_eq!(*seen.lock(), ["1", "2", "3", "4"]);
    publish(&app, "a", &["5"]);
    assert_eq!(queued(&late), ["5"], "it is over");
    assert_eq!(permitted(&kit), ["C15"]);
    assert_counts_agree(&kit);
}

#[test]
fn an_answer_comes_late_and_a_request_for_a_slow_service_too() {
    for of in ["app", "service"] {
        let kit = slow(of);
        let app = client(&kit, "app");
        let _service = client(&kit, "service").subscribe_fn("ask", |question| drop(question.respond("42"))).unwrap();
        std::thread::scope(|scope| {
            let asking = scope.spawn(|| app.request("ask", ""));
            // The timer of the request, and that of the fault.
            kit.clock().wait_for_timers(2);
            assert!(!asking.is_finished());
            kit.clock().advance(SECOND);
            assert_eq!(asking.join().unwrap().unwrap().payload(), b"42", "{of}");
        });
        assert_counts_agree(&kit);
    }
}

#[test]
fn a_member_of_a_group_has_its_message_though_it_is_on_its_way() {
    let kit = kit(Fault::slow_delivery(SECOND).of("slow"));
    let (slow, other) = (client(&kit, "slow"), client(&kit, "other"));
    let members = [slow.queue_subscribe("q", "g").unwrap(), other.queue_subscribe("q", "g").unwrap()];
    for _ in 0..100 {
        assert_eq!(client(&kit, "app").publish("q", ""), Ok(1));
    }
    let soon = members[1].len();
    assert!((20..80).contains(&soon) && members[0].is_empty(), "{soon}");
    kit.clock().advance(SECOND);
    assert_eq!(members[0].len() + members[1].len(), 100);
    assert_counts_agree(&kit);
}

#[test]
fn who_drains_gets_first_what_is_on_its_way() {
    let kit = kit(Fault::slow_delivery(SECOND).of("slow"));
    let (slow, app) = (client(&kit, "slow"), client(&kit, "app"));
    let (one, two) = (slow.subscribe("a").unwrap(), slow.subscribe("a").unwrap());
    publish(&app, "a", &["1", "2"]);
    let _ = one.drain();
    assert_eq!((queued(&one), two.len()), (vec!["1".into(), "2".into()], 2), "all that is on the same way comes");
    publish(&app, "a", &["3"]);
    let drain = slow.drain();
    assert_eq!(queued(&two), ["1", "2", "3"]);
    drain.wait();
    assert_counts_agree(&kit);
}

#[test]
fn a_callback_that_drains_itself_gets_the_rest() {
    let kit = kit(Fault::slow_delivery(SECOND).of("slow"));
    let slow = client(&kit, "slow");
    let (seen, guard) = (Arc::new(parking_lot::Mutex::new(Vec::new())), Arc::new(parking_lot::Mutex::new(None)));
    let (copy, own) = (seen.clone(), guard.clone());
    let call = move |message: Message| {
        copy.lock().push(message.payload_str().unwrap().to_owned());
        let taken: Option<SubscriptionGuard> = own.lock().take();
        if let Some(guard) = taken {
            let _ = guard.drain();
            *own.lock() = Some(guard);
        }
    };
    *guard.lock() = Some(slow.subscribe_fn("a", call).unwrap());
    publish(&client(&kit, "app"), "a", &["1", "2", "3"]);
    kit.clock().advance(SECOND);
    assert_eq!(*seen.lock(), ["1", "2", "3"]);
    guard.lock().take();
    assert_counts_agree(&kit);
}

#[test]
fn what_is_on_its_way_is_lost_with_the_connection() {
    let chaos = Chaos::new()
        .with(Fault::slow_delivery(SECOND).on("a").of("slow"))
        .with(Fault::disconnect(SECOND / 2).on("cut").of("slow"));
    let kit = TestKit::builder().chaos(chaos).build();
    let (slow, app, tap) = (client(&kit, "slow"), client(&kit, "app"), kit.tap("a"));
    let all = slow.subscribe("a").unwrap();
    app.publish("a", "1").unwrap();
    assert!(tap.to_string().contains("a: fault: held back"), "{tap}");
    app.publish("cut", "").unwrap();
    assert!(tap.to_string().contains("a: lost (Fault)"), "{tap}");
    kit.clock().advance(SECOND * 2);
    assert!(all.is_empty());
    assert_eq!(all.ledger().dropped.of(DropReason::Fault), 1);
    assert!(kit.contracts().unread.is_empty(), "a fault took it away: {}", kit.contracts());
    assert_counts_agree(&kit);
    app.publish("a", "2").unwrap();
    kit.clock().advance(SECOND);
    assert_eq!(queued(&all), ["2"]);
    assert!(tap.to_string().contains("a: received"), "{tap}");
}

#[test]
fn what_comes_when_nobody_is_left_is_for_nobody() {
    let kit = kit(Fault::slow_delivery(SECOND).of("slow"));
    let (slow, app) = (client(&kit, "slow"), client(&kit, "app"));
    let (dropped, closed) = (slow.subscribe("a").unwrap(), client(&kit, "slow").subscribe("a").unwrap());
    app.publish("a", "1").unwrap();
    drop(dropped);
    closed.unsubscribe();
    kit.clock().advance(SECOND);
    assert!(closed.is_empty());
    app.publish("a", "2").unwrap();
    assert_eq!(kit.bus().stats().ledger.matched, 0);
    assert_counts_agree(&kit);
    assert_eq!(kit.clock().timers(), 0);
}

#[test]
fn who_has_no_room_when_it_comes_loses_by_its_policy() {
    let kit = kit(Fault::slow_delivery(SECOND).of("slow"));
    let (slow, app) = (client(&kit, "slow"), client(&kit, "app"));
    let options = |overflow| SubscribeOptions::new().capacity(1).overflow(overflow);
    let newest = slow.subscribe_with("a", options(OverflowPolicy::DropNewest)).unwrap();
    let oldest = slow.subscribe_with("a", options(OverflowPolicy::DropOldest)).unwrap();
    publish(&app, "a", &["1", "2"]);
    kit.clock().advance(SECOND);
    assert_eq!((queued(&newest), queued(&oldest)), (vec!["1".into()], vec!["2".into()]));
    assert_counts_agree(&kit);
}

#[test]
fn a_calm_brings_it_at_once_and_the_end_of_the_kit_loses_it() {
    let kit = kit(Fault::slow_delivery(SECOND).of("slow"));
    let (slow, app) = (client(&kit, "slow"), client(&kit, "app"));
    let all = slow.subscribe("a").unwrap();
    publish(&app, "a", &["1", "2"]);
    assert_eq!(kit.clear_faults(), 2);
    assert_eq!(queued(&all), ["1", "2"]);
    publish(&app, "a", &["3"]);
    assert_eq!(queued(&all), ["3"]);
    kit.inject(Fault::slow_delivery(SECOND));
    publish(&app, "a", &["4"]);
    let bus = kit.bus().clone();
    drop(kit);
    assert!(all.is_empty());
    let stats = bus.stats();
    assert_eq!((stats.ledger.dropped.of(DropReason::Fault), stats.ledger.balances()), (1, true));
}

#[test]
fn the_tests_own_is_spared() {
    let kit = kit(Fault::slow_delivery(SECOND));
    let all = kit.client().subscribe("a").unwrap();
    publish(&client(&kit, "app"), "a", &["1"]);
    assert_eq!(queued(&all), ["1"]);
}
