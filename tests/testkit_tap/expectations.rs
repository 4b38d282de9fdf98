//! Expectations: when they are met, and what they say when they are not.

use crate::{assert_has, complaint, named, panic_of};
use postroom::{HeaderMap, TestKit};
use serde_json::json;

#[test]
fn counts_are_kept_to() {
    let kit = TestKit::new();
    let app = named(&kit, "app");
    let expect = || kit.expect("orders.*");
    let (one, two, some, few, never) =
        (expect().times(1), expect().times(2), expect().at_least(2), expect().at_most(1), expect().never());
    let range = expect().at_most(2).at_least(1);
    app.publish("orders.eu", "a").unwrap();
    app.publish("orders.us", "b").unwrap();
    two.verify();
    some.verify();
    range.verify();
    assert_has(
        &complaint(one),
        &["expected `orders.*` 1 time\n", "it came 2 times:", "app: orders.eu a", "orders.us b"],
    );
    assert_has(&complaint(few), &["at most 1 time", "it came 2 times"]);
    assert_has(&complaint(never), &["`orders.*` never", "it came 2 times"]);
    let late = expect();
    assert_has(&complaint(late), &["at least 1 time", "it came 0 times", "nothing was published elsewhere"]);
}

#[test]
fn an_expectation_is_verified_on_drop_and_says_where_it_stands() {
    let kit = TestKit::new();
    let text = panic_of(|| {
        let _placed = kit.expect("orders.new");
    });
    assert_has(&text, &["expected `orders.new` at least 1 time", "expectations.rs:"]);
    // Another panic is not hidden by it.
    let text = panic_of(|| {
        let _placed = kit.expect("orders.new");
        panic!("the real reason");
    });
    assert_eq!(text, "the real reason");
}

#[test]
fn conditions_choose_and_explain() {
    let kit = TestKit::new();
    let (shop, other) = (named(&kit, "shop"), named(&kit, "other"));
    let exact = kit.expect("orders.*").with(json!({"id": 7, "sum": 100}));
    let part = kit.expect("orders.*").times(1).containing(json!({"id": 7}));
    let payload = kit.expect("orders.*").with_payload("text").times(1);
    let header = kit.expect("orders.*").with_header("Trace", "abc").times(1);
    let from = kit.expect("orders.*").from("other").times(2);
    let own = kit.expect("orders.*").matching(|entry| entry.payload().len() > 4).times(1);
    let mut headers = HeaderMap::new();
    headers.append("Trace", "abc").unwrap();
    headers.append("Trace", "def").unwrap();
    shop.publish("orders.eu", r#"{ "sum": 100, "id": 7 }"#).unwrap();
    other.publish("orders.eu", "text").unwrap();
    other.publish_with_headers("orders.us", headers, "").unwrap();
    for expectation in [exact, part, payload, header, from, own] {
        expectation.verify();
    }

    let wrong = |f: fn(postroom::testkit::Expectation) -> postroom::testkit::Expectation| {
        let expectation = f(kit.expect("orders.*"));
        let mut headers = HeaderMap::new();
        headers.append("trace", "abc").unwrap();
        shop.publish_with_headers("orders.eu", headers, r#"{"id":8,"sum":100}"#).unwrap();
        complaint(expectation)
    };
    let text = wrong(|expectation| expectation.with(json!({"id": 7, "sun": 100})));
    assert_has(
        &text,
        &[
            r#"expected `orders.*` at least 1 time, with {"id":7,"sun":100}"#,
            "what else came on `orders.*`:",
            r#"shop: orders.eu {"id":8,"sum":100} (trace: abc)"#,
            ".id: expected 7, is 8",
            ".sun: expected 100, is missing; did you mean `sum`?",
            ".sum: not expected, is 100",
        ],
    );
    let text = wrong(|expectation| expectation.containing(json!({"id": 7})));
    assert!(text.contains(".id: expected 7") && !text.contains(".sum: "), "{text}");
    assert_has(&wrong(|expectation| expectation.with_payload("x")), &["with payload x", "payload: expected x"]);
    let text = wrong(|expectation| expectation.with_header("Trace", "abc"));
    assert_has(&text, &["header Trace: is missing; did you mean `trace`?"]);
    assert_has(&wrong(|expectation| expectation.with_header("trace", "x")), &["header trace: expected x, is abc"]);
    assert_has(&wrong(|expectation| expectation.from("nobody")), &["published by shop, not by nobody"]);
    assert_has(&wrong(|expectation| expectation.matching(|_| false)), &["the test's own condition is not met"]);
}

#[test]
fn what_came_elsewhere_is_shown_with_what_was_meant() {
    let kit = TestKit::new();
    let app = named(&kit, "app");
    let order = kit.expect("order.*");
    let deep = kit.expect("stock.*");
    for subject in ["log.info", "orders.eu", "orders.eu", "stock.tea.green"] {
        app.publish(subject, "x").unwrap();
    }
    let text = complaint(order);
    assert_has(&text, &["did you mean `orders.eu`: `orders`, not `order`?", "what came elsewhere:", "app: log.info x"]);
    assert_eq!(text.matches("did you mean").count(), 1, "each subject once:\n{text}");
    let place = |part: &str| text.find(part).unwrap();
    assert!(place("app: orders.eu") < place("app: log.info"), "the nearest come first:\n{text}");
    assert_has(&complaint(deep), &["`*` stands for one token; `stock.>` matches"]);
}

#[test]
fn order_between_expectations_is_checked() {
    let kit = TestKit::new();
    let app = named(&kit, "app");
    let placed = kit.expect("placed");
    let billed = kit.expect("billed").after(&placed);
    let sent = kit.expect("sent").after(&billed).after(&placed);
    let asked = kit.expect("placed").before(&billed);
    for subject in ["placed", "billed", "sent"] {
        app.publish(subject, "").unwrap();
    }
    for expectation in [placed, billed, sent, asked] {
        expectation.verify();
    }

    let placed = kit.expect("placed");
    let billed = kit.expect("billed").after(&placed);
    let early = kit.expect("placed").before(&billed);
    for subject in ["placed", "billed", "placed"] {
        app.publish(subject, "").unwrap();
    }
    placed.verify();
    assert_has(&complaint(billed), &["they were to come after those on `placed`"]);
    assert_has(&complaint(early), &["they were to come before those on `billed`"]);
}

#[test]
fn nothing_is_a_fact() {
    let kit = TestKit::new();
    let app = named(&kit, "app");
    let jobs = app.subscribe("jobs").unwrap();
    let worker = std::thread::spawn({
        let app = app.clone();
        move || {
            for job in &jobs {
                app.publish(job.payload_str().unwrap(), "").unwrap();
            }
        }
    });
    kit.client().publish("jobs", "refunds.eu").unwrap();
    // Waits for the worker.
    let text = panic_of(|| kit.none("refunds.>"));
    assert_has(&text, &["expected nothing on `refunds.>`, it came 1 time", "app: refunds.eu"]);
    kit.none("payments.>");
    assert!(kit.try_none("jobs").is_err());
    kit.bus().close();
    worker.join().unwrap();
}

#[test]
fn a_journal_without_room_makes_nobody_sure() {
    let kit = TestKit::builder().journal(3, usize::MAX).build();
    let app = named(&kit, "app");
    let (never, exact, some) = (kit.expect("x").never(), kit.expect("a").times(5), kit.expect("a").at_least(2));
    let ordered = kit.expect("a").after(&never);
    for _ in 0..5 {
        app.publish("a", "").unwrap();
    }
    some.verify();
    for expectation in [never, exact, ordered] {
        assert_has(&complaint(expectation), &["2 older entries are gone"]);
    }
    assert_has(&kit.try_none("x").unwrap_err().to_string(), &["2 older entries are gone"]);
}

#[test]
fn a_pattern_that_is_none_is_a_panic() {
    let kit = TestKit::new();
    assert_has(&panic_of(|| drop(kit.tap("a..b"))), &["not a pattern"]);
}

#[test]
fn conditions_may_use_the_kit() {
    let kit = TestKit::new();
    let inside = kit.clone();
    let seen = kit.expect("a").matching(move |entry| inside.tap(">").is_empty() && entry.subject() == "a");
    kit.bus().connect().publish("a", "").unwrap();
    assert_eq!(seen.seen().len(), 1);
    seen.verify();
}

#[test]
fn what_was_refused_is_named_and_does_not_count() {
    let kit = TestKit::new();
    let app = named(&kit, "app");
    app.set_permissions(Some(postroom::Permissions::new().deny_publish("orders.>").unwrap()));
    let (order, near) = (kit.expect("orders.*").times(1), kit.expect("order.*"));
    app.publish("orders.eu", "x").unwrap_err();
    app.publish("log", "y").unwrap();
    let refused = "app: orders.eu x, refused: permission to publish to \"orders.eu\" denied";
    assert_has(
        &complaint(order),
        &["it came 0 times", "what did not come on `orders.*`, because it was refused:", refused, "app: log y"],
    );
    assert_has(&complaint(near), &["did you mean `orders.eu`", refused]);
    kit.none("orders.>");
}

#[test]
fn exact_json_has_nothing_more_in_it() {
    let kit = TestKit::new();
    let exact = kit.expect("orders.*").with(json!({"id": 7}));
    let lists = kit.expect("orders.*").containing(json!([1]));
    named(&kit, "shop").publish("orders.eu", r#"{"id":7,"sum":100}"#).unwrap();
    named(&kit, "shop").publish("orders.eu", "[1,2]").unwrap();
    assert_has(&complaint(exact), &["it came 0 times", ".sum: not expected, is 100"]);
    assert_has(&complaint(lists), &["payload: expected 1 elements, has 2"]);
}
