//! Contracts: messages without a listener, subscriptions without a message, messages that were not
//! read.

use crate::{assert_has, named, panic_of};
use postroom::TestKit;

#[test]
fn a_program_that_fits_together_has_nothing_to_complain_of() {
    let kit = TestKit::new();
    let app = named(&kit, "app");
    let _service = app.subscribe_fn("ask", |question| drop(question.respond("42"))).unwrap();
    app.request("ask", "").unwrap();
    let reader = app.subscribe("orders.*").unwrap();
    app.publish("orders.eu", "").unwrap();
    drop(reader.try_recv().unwrap());
    assert!(reader.try_recv().is_err());
    let contracts = kit.contracts();
    contracts.verify();
    assert_has(&contracts.to_string(), &["all that was published was for somebody"]);
}

#[test]
fn near_misses_are_told_on_both_sides() {
    let kit = TestKit::new();
    let (shop, billing) = (named(&kit, "shop"), named(&kit, "billing"));
    let _orders = billing.queue_subscribe("orders.*", "billing").unwrap();
    let _shallow = billing.subscribe("stock.*").unwrap();
    let ended = billing.subscribe("never").unwrap();
    drop(ended);
    shop.publish("order.eu", "1").unwrap();
    shop.publish("order.eu", "2").unwrap();
    shop.publish("stock.tea.green", "").unwrap();
    shop.publish("unheard", "").unwrap();

    let contracts = kit.contracts();
    let unmatched: Vec<_> =
        contracts.unmatched.iter().map(|one| (one.subject.as_str(), one.times, one.publisher.as_str())).collect();
    assert_eq!(unmatched, [("order.eu", 2, "shop"), ("stock.tea.green", 1, "shop"), ("unheard", 1, "shop")]);
    assert_eq!(contracts.unmatched[0].near, ["orders.*"]);
    let silent: Vec<_> = contracts.idle.iter().map(|one| one.subscription.pattern.as_str()).collect();
    assert_eq!(silent, ["orders.*", "stock.*", "never"]);
    assert!(contracts.idle[2].ended.is_some());
    let text = panic_of(|| contracts.verify());
    assert_has(
        &text,
        &[
            "contracts are not kept",
            "`order.eu` 2 times by shop; did you mean `orders.*`?",
            "`orders.*` [billing]",
            "published was `order.eu`: `order`, not `orders`",
            "`stock.>` matches",
        ],
    );
    let rest = contracts.ignoring("order.*").ignoring("stock.>").ignoring("unheard").ignoring("never");
    assert_eq!((rest.unmatched.len(), rest.idle.len()), (0, 1));
}

#[test]
fn what_nobody_read_is_told() {
    let kit = TestKit::new();
    let app = named(&kit, "app");
    let kept = app.subscribe("kept").unwrap();
    let discarded = kit.client().subscribe("discarded").unwrap();
    let read = kit.client().subscribe("read").unwrap();
    for subject in ["kept", "discarded", "read"] {
        app.publish(subject, "x").unwrap();
    }
    assert!(read.try_recv().is_ok());
    drop(discarded);
    let contracts = kit.contracts();
    let unread: Vec<_> = contracts.unread.iter().map(|entry| entry.subject().as_str()).collect();
    assert_eq!(unread, ["kept", "discarded"]);
    assert_has(&contracts.to_string(), &["nobody read it", "kept: queued", "discarded: lost (Discarded)"]);
    assert!(!kit.activity().is_quiet());
    assert!(contracts.idle.is_empty() && contracts.unmatched.is_empty());
    drop(kept);
}

#[test]
fn who_had_no_luck_and_inboxes_have_nothing_to_complain_of() {
    let kit = TestKit::new();
    let app = named(&kit, "app");
    let members = [1, 2, 3].map(|_| kit.client().queue_subscribe("jobs", "workers").unwrap());
    let other = kit.client().queue_subscribe("jobs", "others").unwrap();
    app.publish("jobs", "").unwrap();
    drop((members, other));
    let _silent = app.subscribe_fn("ask", drop).unwrap();
    // Its inbox hears nothing, and no request waits for the answer that comes too late.
    drop(app.request_async("ask", ""));
    app.publish("_INBOX.gone.1", "").unwrap();
    let contracts = kit.contracts();
    assert!(contracts.idle.is_empty() && contracts.unmatched.is_empty(), "{contracts}");
    assert!(kit.contracts().ignoring("jobs").unread.is_empty());
    assert_eq!(contracts.unread[0].subject(), "jobs");
}

#[test]
fn what_the_journal_has_no_room_for_is_counted_and_ended_subscriptions_are_forgotten() {
    let kit = TestKit::builder().journal(2, usize::MAX).build();
    let app = named(&kit, "app");
    for _ in 0..5 {
        app.publish("a", "").unwrap();
    }
    for _ in 0..5_000 {
        drop(app.subscribe("never").unwrap());
    }
    let contracts = kit.contracts();
    assert_eq!((contracts.missed, contracts.idle.len()), (3, 4_096));
    assert_has(&contracts.to_string(), &["3 older messages are not known"]);
}
