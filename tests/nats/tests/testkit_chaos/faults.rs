//! Each fault: its effects on the clients concerned, and on no others.

use crate::{MS, SECOND, client, kit, permitted, publish, queued};
use postroom::TestKit;
use postroom::error::CloseReason;
use postroom::stats::DropReason;
use postroom::testkit::{Chaos, Fault, Violation};
use postroom::*;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

#[test]
fn a_late_subscription_misses_others_but_not_what_its_own_client_publishes() {
    let kit = kit(Fault::late_subscription(2).of("app"));
    let (app, other) = (client(&kit, "app"), client(&kit, "other"));
    let all = app.subscribe("a").unwrap();
    let theirs = other.subscribe("a").unwrap();
    assert_eq!(other.publish("a", "1"), Ok(1));
    assert_eq!((all.len(), theirs.len()), (0, 1));
    // Its own messages come after its SUB, and so do all that follow (C15).
    app.publish("a", "2").unwrap();
    other.publish("a", "3").unwrap();
    assert_eq!(queued(&all), ["2", "3"]);
    assert_eq!((permitted(&kit), kit.faults()[0].subject.as_str()), (vec!["C15"], "a"));

    let late = app.subscribe("b").unwrap();
    publish(&other, "b", &["1", "2", "3"]);
    assert_eq!(queued(&late), ["3"]);
}

#[test]
fn a_late_inbox_still_gets_the_answer_to_its_own_request() {
    let kit = kit(Fault::late_subscription(9));
    let service = client(&kit, "service");
    let _service = service.subscribe_fn("ask", |question| drop(question.respond("42"))).unwrap();
    service.publish("x", "").unwrap();
    assert_eq!(client(&kit, "app").request("ask", "").unwrap().payload(), b"42");
}

#[test]
fn a_delay_holds_up_all_that_its_client_publishes_and_nobody_else() {
    let kit = kit(Fault::delay(SECOND).on("slow").of("app"));
    let (app, other) = (client(&kit, "app"), client(&kit, "other"));
    let all = kit.client().subscribe("*").unwrap();
    assert_eq!(app.publish("slow", "1"), Ok(1), "it seems to have got there");
    app.publish("fast", "2").unwrap();
    other.publish("fast", "3").unwrap();
    assert_eq!(queued(&all), ["3"]);
    kit.clock().advance(SECOND / 2);
    app.publish("fast", "4").unwrap();
    assert!(kit.activity().is_quiet(), "what is to come does not go on");
    kit.clock().advance(SECOND);
    app.publish("fast", "5").unwrap();
    assert_eq!(queued(&all), ["1", "2", "4", "5"]);
    assert_eq!(permitted(&kit), ["C15"]);
    assert!(kit.bus().stats().ledger.balances());
}

#[test]
fn a_delayed_request_is_answered_late_or_learns_late_that_nobody_is_there() {
    let kit = kit(Fault::delay(SECOND).on("ask"));
    let app = client(&kit, "app");
    let service = app.subscribe_fn("ask", |question| drop(question.respond("42"))).unwrap();
    std::thread::scope(|scope| {
        // Two timers: the delay's and that of the request.
        let asking = scope.spawn(|| app.request("ask", ""));
        kit.clock().wait_for_timers(2);
        kit.clock().advance(SECOND);
        assert_eq!(asking.join().unwrap().unwrap().payload(), b"42");
        drop(service);
        let asking = scope.spawn(|| app.request("ask", ""));
        kit.clock().wait_for_timers(2);
        kit.clock().advance(SECOND);
        assert!(asking.join().unwrap().unwrap_err().is_no_responders());
    });
}

#[test]
fn reordering_is_between_publishers_and_ends_by_itself() {
    let kit = kit(Fault::reorder(2).of("app").times(1));
    let (app, other) = (client(&kit, "app"), client(&kit, "other"));
    let all = kit.client().subscribe("a").unwrap();
    let seen = Arc::new(parking_lot::Mutex::new(Vec::new()));
    let copy = seen.clone();
    let see = move |message: Message| copy.lock().push(message.payload_str().unwrap().to_owned());
    let _callback = kit.client().subscribe_fn("a", see).unwrap();
    for (client, payload) in [(&app, "a1"), (&app, "a2"), (&other, "b1"), (&other, "b2"), (&other, "b3"), (&app, "a3")]
    {
        client.publish("a", payload).unwrap();
    }
    let order = ["b1", "b2", "a1", "a2", "b3", "a3"];
    assert_eq!(queued(&all), order);
    assert_eq!(*seen.lock(), order, "callbacks see the same order");

    kit.inject(Fault::reorder(100).of("app").times(1));
    app.publish("a", "alone").unwrap();
    assert_eq!(queued(&all), [""; 0]);
    kit.clock().advance(MS * 10);
    assert_eq!(queued(&all), ["alone"]);
}

#[test]
fn a_redelivery_comes_twice_and_only_its_second_answer_arrives() {
    let kit = kit(Fault::redelivery().on("ask"));
    let app = client(&kit, "app");
    let asked = Arc::new(AtomicU64::new(0));
    let count = asked.clone();
    let _service = client(&kit, "service")
        .subscribe_fn("ask", move |question| {
            let nth = count.fetch_add(1, Ordering::Relaxed) + 1;
            question.respond(nth.to_string()).unwrap();
        })
        .unwrap();
    assert_eq!(app.request("ask", "").unwrap().payload(), b"2");
    assert_eq!((asked.load(Ordering::Relaxed), permitted(&kit)), (2, vec!["J52"]));
}

#[test]
fn a_late_redelivery_may_come_after_others() {
    let kit = kit(Fault::redelivery_after(SECOND * 30).on("jobs").times(1));
    let all = kit.client().subscribe("jobs").unwrap();
    let app = client(&kit, "app");
    publish(&app, "jobs", &["1", "2"]);
    kit.clock().advance(SECOND * 31);
    assert_eq!(queued(&all), ["1", "2", "1"]);
}

#[test]
fn a_lost_answer_leaves_who_asked_waiting() {
    let kit = kit(Fault::lost_answer().on("ask").times(1));
    let app = client(&kit, "app");
    let _service = client(&kit, "service").subscribe_fn("ask", |question| drop(question.respond("42"))).unwrap();
    std::thread::scope(|scope| {
        let asking = scope.spawn(|| app.request_timeout("ask", "", SECOND));
        kit.clock().wait_for_timers(1);
        kit.clock().advance(SECOND);
        assert!(matches!(asking.join().unwrap(), Err(RequestError::Timeout { .. })));
    });
    assert_eq!(app.request("ask", "").unwrap().payload(), b"42");
    assert_eq!(permitted(&kit), ["C18"]);

    // A message that wants no answer can lose none, and an end of all faults brings those that were to be lost.
    kit.inject(Fault::lost_answer().on("tell").times(1));
    let listener = app.subscribe("tell").unwrap();
    app.publish("tell", "").unwrap();
    let asking = app.request_async("tell", "");
    assert_eq!((kit.faults().len(), kit.clear_faults()), (2, 0));
    let asked: Vec<_> = listener.try_iter().collect();
    asked[1].respond("43").unwrap();
    let mut cx = std::task::Context::from_waker(std::task::Waker::noop());
    assert!(std::pin::pin!(asking).as_mut().poll(&mut cx).is_ready());
}

#[test]
fn no_responders_is_only_for_requests_that_somebody_would_answer() {
    let kit = kit(Fault::no_responders().on("svc.>").messages(..2));
    let app = client(&kit, "app");
    assert!(app.request("svc.a", "").unwrap_err().is_no_responders());
    assert_eq!(kit.faults(), [], "there is nobody anyway");
    let service = app.subscribe_fn("svc.a", |question| drop(question.respond("ok"))).unwrap();
    assert_eq!(app.publish("svc.a", ""), Ok(1), "no request");
    assert!(app.request("svc.a", "").unwrap_err().is_no_responders());
    assert!(app.request("svc.a", "").unwrap_err().is_no_responders());
    assert_eq!(app.request("svc.a", "").unwrap().payload(), b"ok");
    assert_eq!((permitted(&kit), service.ledger().delivered), (vec!["R2", "R2"], 2));
}

#[test]
fn a_slow_consumer_loses_by_its_own_policy_and_is_told() {
    let kit = kit(Fault::slow_consumer().on("a").of("slow").messages(1..=1));
    let events = kit.bus().events();
    let (slow, app) = (client(&kit, "slow"), client(&kit, "app"));
    let losing = slow.subscribe("a").unwrap();
    publish(&app, "a", &["1", "2", "3"]);
    assert_eq!(queued(&losing), ["1", "3"]);
    assert_eq!(losing.ledger().dropped.of(DropReason::QueueFull), 1);
    assert!(matches!(events.try_recv(), Some(Event::SlowConsumer(episode)) if episode.dropped == 1));

    kit.inject(Fault::slow_consumer().on("b"));
    let closing = slow.subscribe_with("b", SubscribeOptions::new().overflow(OverflowPolicy::Close)).unwrap();
    app.publish("b", "").unwrap();
    assert_eq!(closing.close_reason(), Some(CloseReason::SlowConsumer));
    let mine = kit.client().subscribe("b").unwrap();
    app.publish("b", "seen").unwrap();
    assert_eq!(queued(&mine), ["seen"], "the test's own are spared");
    assert!(kit.bus().stats().ledger.balances());
}

#[test]
fn a_member_is_away_while_others_are_there() {
    let kit = kit(Fault::member_away(3).of("first").times(1));
    let (first, second) = (client(&kit, "first"), client(&kit, "second"));
    let (one, other) = (first.queue_subscribe("q", "g").unwrap(), second.queue_subscribe("q", "g").unwrap());
    for _ in 0..200 {
        assert_eq!(client(&kit, "app").publish("q", ""), Ok(1));
    }
    assert_eq!(one.len() + other.len(), 200, "each went to one of them");
    assert!(one.len() > 50 && other.len() > 50, "{} and {}", one.len(), other.len());
    assert_eq!(permitted(&kit), ["Q3, Q4"]);

    // All would be away at once, and one always stays.
    kit.inject(Fault::member_away(3).on("q"));
    for _ in 0..50 {
        assert_eq!(client(&kit, "app").publish("q", ""), Ok(1));
    }

    drop(other);
    kit.inject(Fault::member_away(3).of("first"));
    let before = one.len();
    client(&kit, "app").publish("q", "").unwrap();
    assert_eq!(one.len(), before + 1, "the last one stays");
}

#[test]
fn who_is_disconnected_misses_and_buffers_and_is_back() {
    let kit = kit(Fault::disconnect(SECOND).on("cut").of("app").times(1));
    let (app, other) = (client(&kit, "app"), client(&kit, "other"));
    let mine = app.subscribe(">").unwrap();
    let theirs = other.subscribe(">").unwrap();
    other.publish("a", "before").unwrap();
    assert_eq!(other.publish("cut", "on its way"), Ok(2), "it seems to have got there");
    assert_eq!(other.publish("a", "meanwhile"), Ok(1));
    app.publish("a", "buffered 1").unwrap();
    app.publish("a", "buffered 2").unwrap();
    assert_eq!(queued(&mine), ["before"]);
    assert_eq!(mine.ledger().dropped.of(DropReason::Fault), 1);
    kit.clock().advance(SECOND);
    other.publish("a", "after").unwrap();
    assert_eq!(queued(&mine), ["buffered 1", "buffered 2", "after"]);
    assert_eq!(queued(&theirs), ["before", "on its way", "meanwhile", "buffered 1", "buffered 2", "after"]);
    assert_eq!(permitted(&kit), ["C18, D6"]);
    assert!(kit.bus().stats().ledger.balances());
}

#[test]
fn who_publishes_may_be_disconnected_by_it_and_lose_what_it_publishes() {
    let kit = kit(Fault::disconnect_unbuffered(SECOND).on("a").times(1));
    let app = client(&kit, "app");
    let all = kit.client().subscribe("a").unwrap();
    publish(&app, "a", &["lost", "lost too"]);
    kit.clock().advance(SECOND);
    app.publish("a", "back").unwrap();
    assert_eq!(queued(&all), ["back"]);
}

#[test]
fn a_service_that_is_cut_off_is_no_responder() {
    let kit = kit(Fault::disconnect(SECOND).on("cut").of("service").times(1));
    let (app, service) = (client(&kit, "app"), client(&kit, "service"));
    let _answers = service.subscribe_fn("ask", |question| drop(question.respond("42"))).unwrap();
    app.publish("cut", "").unwrap();
    assert!(app.request("ask", "").unwrap_err().is_no_responders());
    kit.clock().advance(SECOND);
    assert_eq!(app.request("ask", "").unwrap().payload(), b"42");
}

#[test]
fn publishes_are_denied_and_too_large() {
    let chaos = Chaos::new().with(Fault::permission().on("secret").times(1)).with(Fault::max_payload(3).on("a"));
    let kit = TestKit::builder().chaos(chaos).build();
    let events = kit.bus().events();
    let app = client(&kit, "app");
    assert!(matches!(app.publish("secret", ""), Err(PublishError::PermissionDenied { .. })));
    assert!(matches!(events.try_recv(), Some(Event::PermissionDenied { .. })));
    assert_eq!(app.publish("secret", ""), Ok(0));
    assert_eq!(app.publish("a", "123"), Ok(0));
    assert_eq!(app.publish("a", "1234"), Err(PublishError::MaxPayloadExceeded { size: 4, max: 3 }));
    assert_eq!(permitted(&kit), ["P3, P4", "L4"]);
}

#[test]
fn subscriptions_are_denied() {
    let kit = kit(Fault::subscribe_permission().on("secret.>").times(2));
    let app = client(&kit, "app");
    assert!(app.subscribe("open").is_ok());
    assert!(kit.client().subscribe("secret.a").is_ok(), "the test's own is spared");
    assert!(matches!(app.subscribe("secret.*"), Err(SubscribeError::PermissionDenied { .. })));
    assert!(matches!(app.queue_subscribe("*.a", "g"), Err(SubscribeError::PermissionDenied { .. })));
    assert!(app.subscribe("secret.*").is_ok());
    assert_eq!(permitted(&kit), ["P4, P5", "P4, P5"]);
}

#[test]
fn what_is_unlawful_is_called_so() {
    let run = |what| {
        let kit = kit(Fault::violation(what).times(1));
        let all = kit.client().subscribe("a").unwrap();
        let app = client(&kit, "app");
        publish(&app, "a", &["first", "second", "third"]);
        assert_eq!(permitted(&kit), ["unlawful"]);
        assert!(kit.bus().stats().ledger.balances());
        all.try_iter().map(|message| String::from_utf8_lossy(message.payload()).into_owned()).collect::<Vec<_>>()
    };
    assert_eq!(run(Violation::Lose), ["second", "third"]);
    assert_eq!(run(Violation::Duplicate), ["first", "first", "second", "third"]);
    assert_eq!(run(Violation::Reorder), ["second", "first", "third"]);
    let corrupt = run(Violation::Corrupt);
    assert_ne!(corrupt[0], "first");
    assert_eq!(corrupt[1..], ["second", "third"]);
}

#[test]
fn on_the_systems_clock_what_is_held_comes_by_itself() {
    let chaos = Chaos::new()
        .with(Fault::delay(MS * 5).of("late"))
        .with(Fault::redelivery_after(MS * 5).on("again"))
        .with(Fault::disconnect(MS * 5).of("cut").on("cut"));
    let kit = TestKit::builder().system_clock().chaos(chaos).build();
    let all = kit.client().subscribe("*").unwrap();
    let (late, cut, other) = (client(&kit, "late"), client(&kit, "cut"), client(&kit, "other"));
    publish(&late, "a", &["1", "2"]);
    publish(&other, "again", &["3"]);
    publish(&other, "cut", &["4"]);
    publish(&cut, "a", &["5", "6"]);
    let mut got: Vec<_> = (0..7).map(|_| all.recv().unwrap().payload_str().unwrap().to_owned()).collect();
    let of = |numbers: [&str; 2]| got.iter().filter(|got| numbers.contains(&got.as_str())).cloned().collect::<Vec<_>>();
    assert_eq!((of(["1", "2"]), of(["5", "6"])), (vec!["1".into(), "2".into()], vec!["5".into(), "6".into()]));
    got.sort_unstable();
    assert_eq!(got, ["1", "2", "3", "3", "4", "5", "6"]);
    kit.activity().wait_quiet();
}

#[test]
fn calm_ends_everything() {
    let chaos = Chaos::new()
        .with(Fault::delay(SECOND).of("late").on("a"))
        .with(Fault::disconnect(SECOND).of("cut").on("cut"))
        .with(Fault::redelivery_after(SECOND).on("again"));
    let kit = TestKit::builder().chaos(chaos).build();
    let (late, cut, all) = (client(&kit, "late"), client(&kit, "cut"), kit.client().subscribe("*").unwrap());
    late.publish("again", "0").unwrap();
    late.publish("a", "1").unwrap();
    client(&kit, "other").publish("cut", "2").unwrap();
    cut.publish("a", "3").unwrap();
    assert_eq!(queued(&all), ["0", "2"]);
    assert_eq!(kit.clear_faults(), 2);
    assert_eq!(queued(&all), ["1", "3"]);
    cut.publish("cut", "4").unwrap();
    late.publish("a", "5").unwrap();
    kit.clock().advance(SECOND * 2);
    assert_eq!(queued(&all), ["4", "5"]);
}

#[test]
fn what_is_held_ends_with_the_kit() {
    let kit = kit(Fault::delay(SECOND));
    let (app, bus) = (client(&kit, "app"), kit.bus().clone());
    app.publish("a", bytes::Bytes::from_owner(Vec::from("payload that is shared"))).unwrap();
    let activity = kit.activity().clone();
    drop(kit);
    let all = bus.connect().subscribe("a").unwrap();
    assert_eq!(app.publish("a", "now"), Ok(1), "no faults any more");
    assert_eq!(queued(&all), ["now"]);
    drop((all, app));
    assert!(activity.is_quiet() || activity.len() == 1, "{activity:?}");
}

#[test]
fn however_often_members_are_away_each_message_goes_to_one() {
    for messages in [1, 2, 5] {
        let kit = kit(Fault::member_away(messages));
        let members = [1, 2, 3].map(|number| client(&kit, &format!("member {number}")));
        let queues = members.each_ref().map(|member| member.queue_subscribe("q", "g").unwrap());
        for _ in 0..200 {
            assert_eq!(client(&kit, "app").publish("q", ""), Ok(1));
        }
        assert_eq!(queues.iter().map(Subscriber::len).sum::<usize>(), 200);
        assert!(kit.faults().len() > 20, "{}", kit.report());
    }
}
