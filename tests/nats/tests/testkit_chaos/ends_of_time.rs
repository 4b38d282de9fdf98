//! Every time that a kit is told, at zero and at `Duration::MAX`.

use crate::{SECOND, client, kit};
use postroom::testkit::{Answer, Fault};
use postroom::{Message, TestKit};
use std::time::Duration;

#[test]
fn faults_may_last_for_no_time_or_for_all_of_it() {
    type Timed = fn(Duration) -> Fault;
    let faults: [Timed; 7] = [
        Fault::delay,
        |time| Fault::delay_between(Duration::ZERO, time),
        Fault::slow_delivery,
        |time| Fault::slow_delivery_between(Duration::ZERO, time),
        Fault::redelivery_after,
        |time| Fault::disconnect(time).of("app"),
        |time| Fault::disconnect_unbuffered(time).of("app"),
    ];
    for fault in faults {
        for time in [Duration::ZERO, Duration::MAX] {
            let kit = kit(fault(time).times(3));
            // So that zero plus the longest is past all time.
            kit.advance(SECOND);
            let (app, other) = (client(&kit, "app"), client(&kit, "other"));
            let (sub, _queue) = (kit.client().subscribe("a").unwrap(), kit.client().queue_subscribe("a", "q").unwrap());
            for _ in 0..3 {
                other.publish("a", "").unwrap();
                app.publish("a", "").unwrap();
                kit.advance(SECOND);
            }
            kit.advance(Duration::MAX);
            other.publish("a", "").unwrap();
            kit.advance(SECOND);
            assert!(!sub.is_empty());
            assert!(kit.bus().stats().ledger.balances(), "{:?} {time:?}", fault(time));
        }
    }
}

#[test]
fn answers_may_come_after_no_time_or_after_all_of_it() {
    for time in [Duration::ZERO, Duration::MAX] {
        let kit = TestKit::new();
        kit.advance(SECOND);
        let stub = kit.reply_to("svc", move |_: &Message| Answer::payload("42").after(time));
        let answers = kit.client().subscribe("answers").unwrap();
        kit.client().publish_with_reply("svc", "answers", "").unwrap();
        kit.settle();
        assert_eq!((stub.asked(), answers.try_iter().count()), (1, usize::from(time.is_zero())));
    }
}

#[test]
fn a_kit_may_settle_within_no_time_or_all_of_it() {
    for limit in [Duration::ZERO, Duration::MAX] {
        let kit = TestKit::builder().settle_limit(limit).build();
        kit.settle();
        kit.advance(Duration::MAX);
        kit.advance(SECOND);
        assert_eq!(kit.clock().now(), Duration::MAX);
    }
}
