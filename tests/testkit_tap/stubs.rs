//! Stubs: answers in place of services.

use crate::{assert_has, named, panic_of};
use postroom::testkit::Answer;
use postroom::{RequestError, StatusCode, TestKit};
use serde_json::json;
use std::time::Duration;

fn asks(kit: &TestKit, subject: &str, payload: &str) -> String {
    let answer = named(kit, "app").request(subject, payload).unwrap();
    answer.payload_str().unwrap().to_owned()
}

#[test]
fn answers_come_from_the_request_and_in_their_order() {
    let kit = TestKit::new();
    let adder = kit.reply_to("svc.add", |question| {
        let sum: i64 = question.payload_str().unwrap().split(' ').map(|n| n.parse::<i64>().unwrap()).sum();
        sum.to_string()
    });
    assert_eq!((asks(&kit, "svc.add", "1 2"), adder.asked()), ("3".to_owned(), 1));

    let script = kit.reply_to("script", |_| "a").then(|_| "b").times(2).then(|_| json!({"c": 1}));
    let said: Vec<_> = (0..5).map(|_| asks(&kit, "script", "")).collect();
    assert_eq!(said, ["a", "b", "b", r#"{"c":1}"#, r#"{"c":1}"#]);
    assert_eq!(script.asked(), 5);
    assert_eq!(script.requests().len(), 5);
    assert!(script.requests().iter().all(|entry| entry.publisher() == "app"));
    assert_eq!(kit.tap(">").len(), 0);
    kit.expect("script").never().verify();
}

#[test]
fn errors_statuses_and_silence() {
    let kit = TestKit::new();
    let app = named(&kit, "app");
    let _stubs = [
        kit.reply_to("error", |_| Answer::error(400, "bad sum").header("More", "1")),
        kit.reply_to("status", |_| Answer::status(StatusCode::TIMEOUT, "Request Timeout")),
        kit.no_responders("gone"),
        kit.reply_to("silent", |_| Answer::nothing()),
    ];
    let error = app.request("error", "").unwrap();
    assert_eq!(error.headers().get("Nats-Service-Error-Code"), Some("400"));
    assert_eq!(error.headers().get("Nats-Service-Error"), Some("bad sum"));
    assert_eq!(error.headers().get("More"), Some("1"));
    let status = app.request("status", "").unwrap();
    assert_eq!((status.status(), status.status_description()), (Some(StatusCode::TIMEOUT), "Request Timeout"));
    assert!(app.request("gone", "").unwrap_err().is_no_responders());
    std::thread::scope(|scope| {
        let asking = scope.spawn(|| app.request_timeout("silent", "", Duration::from_secs(3600)));
        kit.clock().wait_for_timers(1);
        kit.clock().advance(Duration::from_secs(3600));
        assert!(matches!(asking.join().unwrap(), Err(RequestError::Timeout { .. })));
    });
    assert_has(&panic_of(|| drop(Answer::payload("").header("a b", ""))), &["not a header"]);
}

#[test]
fn answers_come_later_on_the_buss_clock_and_several_at_once() {
    let kit = TestKit::new();
    let app = named(&kit, "app");
    let _slow = kit.reply_to("slow", |_| {
        Answer::several([Answer::from("now"), Answer::from("soon").after(Duration::from_secs(60))])
    });
    let answers = kit.client().subscribe("answers").unwrap();
    app.publish_with_reply("slow", "answers", "").unwrap();
    assert!(kit.activity().is_quiet(), "what is to come does not go on: {:?}", kit.activity());
    assert_eq!(answers.try_recv().unwrap().payload(), b"now");
    kit.clock().advance(Duration::from_secs(59));
    assert!(answers.is_empty());
    kit.clock().advance(Duration::from_secs(1));
    assert_eq!(answers.try_recv().unwrap().payload(), b"soon");
}

#[test]
fn a_stub_stays_until_it_is_removed_or_the_kit_ends() {
    let kit = TestKit::new();
    let app = named(&kit, "app");
    drop(kit.reply_to("a", |_| "1"));
    assert_eq!(asks(&kit, "a", ""), "1");
    let second = kit.reply_to("b", |_| "2");
    assert_eq!(asks(&kit, "b", ""), "2");
    second.remove();
    assert!(app.request("b", "").unwrap_err().is_no_responders());
    drop(kit);
    assert!(app.request("a", "").unwrap_err().is_no_responders());
}

#[test]
fn a_stub_may_use_the_bus_and_is_no_cycle() {
    let kept = std::sync::Arc::new(());
    let gone = std::sync::Arc::downgrade(&kept);
    let kit = TestKit::new();
    let bus = kit.bus().clone();
    let _outer = kit.reply_to("outer", move |_| {
        let _kept = &kept;
        bus.connect().request("inner", "").unwrap().payload_bytes()
    });
    let worker = named(&kit, "worker").subscribe("inner").unwrap();
    let served = std::thread::spawn(move || drop(worker.recv().unwrap().respond("deep")));
    assert_eq!(asks(&kit, "outer", ""), "deep");
    served.join().unwrap();
    drop(_outer);
    drop(kit);
    assert!(gone.upgrade().is_none());
}

#[test]
fn a_stub_has_its_own_requests_and_answers_at_least_once() {
    let kit = TestKit::new();
    let before = named(&kit, "app").publish_with_reply("ask", "answers", "before");
    assert_eq!(before, Ok(0));
    let once = kit.reply_to("ask", |_| "a").times(0).then(|_| "b");
    let said: Vec<_> = (0..3).map(|_| asks(&kit, "ask", "")).collect();
    assert_eq!(said, ["a", "b", "b"]);
    assert_eq!(once.requests().len(), 3, "what it was not there for is none of it");
}

#[test]
fn a_stub_answers_wherever_a_wire_client_may_want_its_answer() {
    let kit = TestKit::new();
    let _stub = kit.reply_to("ask", |_| "42");
    let answers = kit.client().subscribe(">").unwrap();
    let wire = kit.bus().connect_with(postroom::ConnectOptions::new().lenient(true));
    wire.publish_raw(postroom::publish::RawMessage::new("ask", "").reply("a.*")).unwrap();
    let seen: Vec<_> = answers.try_iter().map(|message| message.subject().to_string()).collect();
    assert_eq!(seen, ["ask", "a.*"]);
}

/// A failed assertion in a stub, or in a callback of what is tested, answers the request at once with its text, stands in the report, and fails
/// the test: when it settles, or at the end of the kit.
#[test]
fn an_assertion_in_a_callback_fails_the_test_with_its_own_text() {
    let parts =
        ["the callback on `stock.*` panicked with a message on `stock.tea`", "not so much", "left: 7", "right: 3"];
    let panicking = || {
        let kit = TestKit::new();
        let app = named(&kit, "app");
        let guard = app.subscribe_fn("stock.*", |m| assert_eq!(m.payload().len(), 3, "not so much")).unwrap();
        let stub = kit.reply_to("price", |question| {
            assert_eq!(question.payload(), b"tea");
            "3"
        });
        (kit, app, guard, stub)
    };
    let (kit, app, guard, stub) = panicking();
    let answer = app.request("stock.tea", "seven..").unwrap();
    assert_eq!(answer.headers().get("Nats-Service-Error-Code"), Some("500"));
    assert_has(answer.headers().get("Nats-Service-Error").unwrap(), &parts[..2]);
    assert_has(answer.payload_str().unwrap(), &parts);
    assert_has(&kit.report(), &parts);
    assert_has(&panic_of(|| kit.settle()), &parts);
    // Told once.
    drop(answer);
    kit.settle();
    assert_has(&asks(&kit, "price", "coffee"), &["the callback on `price` panicked", "assertion"]);
    drop((app, guard));
    assert_has(&panic_of(move || drop((kit, stub))), &["the callback on `price` panicked", "assertion"]);
}

/// A test that asks for the panics judges them itself; a panic on a message without a reply is told
/// as well.
#[test]
fn a_test_that_expects_a_panic_takes_it() {
    let kit = TestKit::new();
    let app = named(&kit, "app");
    let _callback = app.subscribe_fn("a", |_| panic!("as expected")).unwrap();
    app.publish("a", "").unwrap();
    let [panic] = &kit.take_panics()[..] else { panic!("one callback has panicked") };
    assert_eq!(panic.to_string(), "the callback on `a` panicked: as expected");
    assert_eq!(panic.subject.as_ref().unwrap().as_str(), "a");
    kit.settle();
    assert!(kit.take_panics().is_empty() && !kit.report().contains("panicked"));
}
