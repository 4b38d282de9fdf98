//! Taps: the messages that were published, their receivers, and their losses.

use crate::{assert_has, named, panic_of};
use postroom::publish::RawMessage;
use postroom::stats::DropReason;
use postroom::testkit::{Chaos, Fault, Outcome, Violation};
use postroom::{
    Bus, ConnectOptions, HeaderMap, Limits, Message, OverflowPolicy, Permissions, PublishError, RequestError,
    StatusCode, SubscribeOptions, TestKit,
};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

#[test]
fn a_tap_has_everything_from_its_creation_on() {
    let kit = TestKit::new();
    let app = named(&kit, "app");
    app.publish("orders.eu", "before").unwrap();
    let (all, orders) = (kit.tap(">"), kit.tap("orders.*"));
    let mut headers = HeaderMap::new();
    headers.insert("Id", "7").unwrap();
    kit.clock().advance(Duration::from_secs(5));
    app.publish_with_headers("orders.eu", headers, "hello").unwrap();
    app.publish_with_reply("bills.new", "answers.1", "100").unwrap();

    assert_eq!(orders.subjects(), ["orders.eu"]);
    assert_eq!(all.subjects(), ["orders.eu", "bills.new"]);
    let [order, bill] = &all.entries()[..] else { panic!("{all}") };
    assert_eq!((order.client, order.client_name.as_deref()), (app.id(), Some("app")));
    assert_eq!((order.at, order.payload()), (Duration::from_secs(5), &b"hello"[..]));
    assert_eq!(order.headers().get("Id"), Some("7"));
    assert_eq!(bill.reply().unwrap(), "answers.1");
    assert!(order.number < bill.number && order.deliveries.is_empty());
    assert_eq!((all.len(), orders.len(), all.missed()), (2, 1, 0));
    assert_eq!(all.into_iter().filter(|entry| entry.subject() == "bills.new").count(), 1);
    all.clear();
    assert!(all.is_empty() && !orders.is_empty(), "each tap forgets for itself");
}

/// A journal shows what receivers see, also of a message that was routed by another subject (JC80).
#[test]
fn an_entry_has_the_subject_that_receivers_see() {
    let kit = TestKit::new();
    let app = named(&kit, "app");
    let deliveries = app.subscribe("deliver.7").unwrap();
    let all = kit.tap(">");
    assert_eq!(app.publish_message_to("deliver.7", &Message::new("orders.eu", "1").unwrap()).unwrap(), 1);
    assert_eq!(all.subjects(), ["orders.eu"]);
    assert_eq!(all.entries()[0].deliveries.len(), 1, "by the subscription to `deliver.7`");
    drop(deliveries);
}

#[test]
fn it_knows_who_received_what_is_queued_and_what_was_lost_and_why() {
    let kit = TestKit::new();
    let app = named(&kit, "app");
    let tap = kit.tap(">");
    let reader = app.subscribe("a").unwrap();
    let group = app.queue_subscribe("a", "workers").unwrap();
    let small = app.subscribe_with("a", SubscribeOptions::new().capacity(1)).unwrap();
    let newest =
        app.subscribe_with("a", SubscribeOptions::new().capacity(1).overflow(OverflowPolicy::DropOldest)).unwrap();
    let (channel, _kept) = crossbeam_channel_of(&app);
    let called = app.subscribe_fn("a", drop).unwrap();
    app.publish("a", "1").unwrap();
    app.publish("a", "2").unwrap();
    assert_eq!(reader.try_recv().unwrap().payload(), b"1");
    drop(small);

    let [first, second] = &tap.entries()[..] else { panic!("{tap}") };
    let of = |entry: &postroom::testkit::JournalEntry, id: postroom::id::SubscriptionId| {
        let delivery = entry.deliveries.iter().find(|delivery| delivery.subscription.id == id).unwrap();
        (delivery.accepted, delivery.received, delivery.queued(), delivery.lost.clone())
    };
    assert_eq!(of(first, reader.id()), (1, 1, 0, vec![]));
    assert_eq!(of(second, reader.id()), (1, 0, 1, vec![]));
    assert_eq!(of(first, group.id()), (1, 0, 1, vec![]));
    assert_eq!(of(first, newest.id()), (1, 0, 0, vec![DropReason::Oldest]));
    assert_eq!(of(second, newest.id()), (1, 0, 1, vec![]));
    assert_eq!(of(first, channel.id()), (1, 1, 0, vec![]), "who has a channel has its messages");
    assert_eq!(of(second, called.id()), (1, 1, 0, vec![]));
    let lost: Vec<_> = [first, second].map(|entry| &entry.deliveries).iter().flat_map(|all| all.iter()).collect();
    let lost: Vec<_> = lost.iter().flat_map(|delivery| delivery.lost.clone()).collect();
    assert_eq!(lost, [DropReason::Discarded, DropReason::Oldest, DropReason::QueueFull]);
    let ledger = kit.bus().stats().ledger;
    let counted = |f: fn(&postroom::testkit::DeliveryRecord) -> u64| -> u64 {
        [first, second].iter().flat_map(|entry| &entry.deliveries).map(f).sum()
    };
    assert_eq!(counted(|delivery| delivery.received.into()), ledger.delivered);
    assert_eq!(counted(|delivery| delivery.queued().into()), ledger.queued);
    assert_eq!(counted(|delivery| delivery.lost.len() as u64), ledger.dropped.total());

    let table = tap.to_string();
    assert_has(&table, &["#", "subject", "a [workers]: queued", "a: received", "lost (Oldest)", "lost (QueueFull)"]);
    assert_eq!(table.lines().count(), 3, "{table}");
}

fn crossbeam_channel_of(app: &postroom::Client) -> (postroom::SubscriptionGuard, impl Sized) {
    let (sender, receiver) = crossbeam_channel::bounded(8);
    (app.subscribe_channel("a", sender).unwrap(), receiver)
}

#[test]
fn requests_answers_and_notices_are_in_it() {
    let kit = TestKit::new();
    let (app, tap) = (named(&kit, "app"), kit.tap(">"));
    let service = named(&kit, "service");
    let _answers = service.subscribe_fn("ask", |question| drop(question.respond("42"))).unwrap();
    app.request("ask", "?").unwrap();
    let answers = app.subscribe("answers").unwrap();
    app.publish_with_reply("nobody", "answers", "").unwrap();
    assert_eq!(answers.len(), 1);

    let entries = tap.entries();
    let [question, answer, nobody, notice] = &entries[..] else { panic!("{tap}") };
    assert_eq!(
        (question.subject(), Some(question.reply().unwrap())),
        (&"ask".parse().unwrap(), Some(answer.subject()))
    );
    assert_eq!(answer.publisher(), "service");
    assert!(answer.is_received(), "{answer:?}");
    assert!(nobody.deliveries.is_empty());
    assert!(notice.is_notice && !notice.is_published());
    assert_eq!((notice.message.status().unwrap(), notice.deliveries[0].queued()), (StatusCode::NO_RESPONDERS, 1));
    assert_has(&tap.to_string(), &["(the bus)"]);
}

#[test]
fn the_journal_is_bounded_and_says_what_is_gone() {
    let kit = TestKit::builder().journal(10, usize::MAX).build();
    let (app, tap) = (kit.bus().connect(), kit.tap("a"));
    for number in 0..25 {
        app.publish("a", number.to_string()).unwrap();
    }
    let last: Vec<_> = tap.messages().iter().map(|message| message.payload_str().unwrap().to_owned()).collect();
    assert_eq!(last, (15..25).map(|number| number.to_string()).collect::<Vec<_>>());
    assert_eq!(tap.missed(), 15);
    assert_has(&tap.to_string(), &["15 older entries are gone"]);
    assert_eq!(kit.tap("a").missed(), 0, "a new one has missed nothing");

    let kit = TestKit::builder().journal(usize::MAX, 100_000).build();
    let (app, tap) = (kit.bus().connect(), kit.tap("a"));
    for _ in 0..20 {
        app.publish("a", vec![0; 10_000]).unwrap();
    }
    assert!((5..10).contains(&tap.len()), "{}", tap.len());
}

#[test]
fn what_the_journal_throws_away_is_dropped_with_no_lock_held() {
    struct Payload(TestKit, Arc<AtomicBool>);
    impl AsRef<[u8]> for Payload {
        fn as_ref(&self) -> &[u8] {
            b"x"
        }
    }
    impl Drop for Payload {
        fn drop(&mut self) {
            // Would wait for itself if the journal were locked.
            self.0.bus().connect().publish("dropped", "").unwrap();
            self.1.store(!self.0.tap(">").pattern().is_literal(), Ordering::Relaxed);
        }
    }
    let kit = TestKit::builder().journal(2, usize::MAX).build();
    let dropped = Arc::new(AtomicBool::new(false));
    let app = kit.bus().connect();
    app.publish("a", bytes::Bytes::from_owner(Payload(kit.clone(), dropped.clone()))).unwrap();
    assert!(!dropped.load(Ordering::Relaxed));
    app.publish("b", "").unwrap();
    app.publish("c", "").unwrap();
    assert!(dropped.load(Ordering::Relaxed));
}

#[test]
fn a_kit_that_records_on_demand_begins_with_the_first_tap() {
    let kit = TestKit::builder().record_on_demand(true).build();
    let app = kit.bus().connect();
    let reader = app.subscribe("a").unwrap();
    app.publish("a", "1").unwrap();
    assert_has(&panic_of(|| kit.none("b")), &["nothing was written down", "records on demand"]);
    assert_has(&panic_of(|| drop(kit.contracts())), &["records on demand"]);
    assert_has(&panic_of(|| drop(kit.record())), &["records on demand"]);
    let tap = kit.tap(">");
    app.publish("a", "2").unwrap();
    while reader.try_recv().is_ok() {}
    let entries = tap.entries();
    assert_eq!((entries.len(), entries[0].payload()), (1, &b"2"[..]));
    assert_eq!(entries[0].deliveries[0].subscription.id, reader.id(), "who was there before is known");
    assert_eq!((entries[0].deliveries[0].received, &entries[0].outcome), (1, &Outcome::Routed { times: 1 }));
}

#[test]
fn several_threads_make_one_order() {
    let kit = TestKit::new();
    let tap = kit.tap("n.>");
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let client = named(&kit, &format!("thread {thread}"));
            scope.spawn(move || {
                for number in 0..500 {
                    client.publish(format!("n.{thread}"), number.to_string()).unwrap();
                }
            });
        }
    });
    let entries = tap.entries();
    assert_eq!(entries.len(), 2_000);
    assert!(entries.is_sorted_by_key(|entry| entry.number));
    for thread in 0..4 {
        let of_thread = entries.iter().filter(|entry| entry.subject() == format!("n.{thread}").as_str());
        let numbers: Vec<u32> =
            of_thread.map(|entry| std::str::from_utf8(entry.payload()).unwrap().parse().unwrap()).collect();
        assert_eq!(numbers, (0..500).collect::<Vec<_>>());
    }
}

#[test]
fn a_message_kept_by_the_journal_does_not_go_on() {
    let kit = TestKit::new();
    let tap = kit.tap(">");
    let app = kit.bus().connect();
    let reader = app.subscribe("a").unwrap();
    app.publish("a", "x").unwrap();
    drop(reader.try_recv().unwrap());
    assert!(reader.try_recv().is_err());
    let kept: Vec<Message> = tap.messages();
    assert!(kit.activity().is_quiet(), "{:?}", kit.activity());
    assert_eq!(kept.len(), 1);
}

#[test]
fn faults_are_written_down_with_what_became_of_each_message() {
    let soon = Duration::from_secs(1);
    let faults = Chaos::new()
        .with(Fault::no_responders().on("hidden"))
        .with(Fault::permission().on("denied"))
        .with(Fault::max_payload(3).on("large"))
        .with(Fault::delay(soon).on("delayed"))
        .with(Fault::violation(Violation::Duplicate).on("twice"))
        .with(Fault::slow_consumer().on("slow"));
    let kit = TestKit::builder().chaos(faults).build();
    let app = named(&kit, "app");
    let all = app.subscribe(">").unwrap();
    let tap = kit.tap(">");
    app.publish("plain", "").unwrap();
    app.publish_with_reply("hidden", "answers", "").unwrap();
    app.publish("denied", "").unwrap_err();
    app.publish("large", "1234").unwrap_err();
    for subject in ["twice", "slow", "delayed"] {
        app.publish(subject, "").unwrap();
    }
    let of = |subject: &str| {
        let entries: Vec<_> = tap.entries().into_iter().filter(|entry| entry.subject() == subject).collect();
        let [entry] = &entries[..] else { panic!("{subject}: {tap}") };
        (entry.outcome.clone(), entry.deliveries.first().map(|delivery| (delivery.accepted, delivery.lost.clone())))
    };
    let whole = || Some((1, vec![]));
    assert_eq!(of("plain"), (Outcome::Routed { times: 1 }, whole()));
    assert_eq!(of("hidden"), (Outcome::Unmatched, None));
    assert_eq!(of("denied"), (Outcome::Denied, None));
    assert_eq!(of("large"), (Outcome::TooLarge { max: 3 }, None));
    assert_eq!(of("delayed"), (Outcome::Held { released: false }, None));
    assert_eq!(of("slow").1, Some((0, vec![DropReason::QueueFull])));
    kit.clock().advance(soon);
    assert_eq!(of("delayed"), (Outcome::Held { released: true }, whole()));
    assert_eq!(of("twice"), (Outcome::Routed { times: 2 }, Some((2, vec![]))), "{tap}");
    assert_has(&tap.to_string(), &["fault: held back, and released; >: queued", "fault: refused, permissions"]);
    assert_eq!(all.try_iter().count(), 5, "the notice that nobody answers is one of them");
    kit.none("denied");
    kit.none("large");
    assert!(kit.try_none("hidden").is_err(), "to its publisher it was published");
    drop(all);
}

#[test]
fn what_the_bus_refuses_is_written_down_with_its_error() {
    let mut limits = Limits::default();
    (limits.max_payload, limits.max_subject_len) = (8, 30);
    let kit = TestKit::builder().bus(Bus::builder().limits(limits)).build();
    let (app, tap) = (named(&kit, "app"), kit.tap(">"));
    let all = kit.client().subscribe(">").unwrap();
    let error = |entry: &postroom::testkit::JournalEntry| match &entry.outcome {
        Outcome::Refused(error) => PublishError::clone(error),
        other => panic!("{other:?}"),
    };
    let refused = |subject: &str, publish: &dyn Fn() -> PublishError| {
        let before = tap.len();
        let told = publish();
        let entries = tap.entries();
        assert_eq!(entries.len(), before + 1, "{tap}");
        let entry = entries.last().unwrap().clone();
        assert_eq!((error(&entry), entry.subject().as_str()), (told, subject));
        assert_eq!((entry.publisher().as_str(), entry.is_published(), entry.deliveries.len()), ("app", false, 0));
        entry
    };
    let large = refused("orders.eu", &|| app.publish("orders.eu", "123456789").unwrap_err());
    assert_eq!(large.payload(), b"", "it has bounds of its own");
    assert_eq!(
        large.to_string(),
        "#1 0ns app: orders.eu, refused: payload and headers of 9 bytes exceed the maximum of 8"
    );
    refused("orders.*", &|| app.publish("orders.*", "").unwrap_err());
    refused(&"x".repeat(31), &|| app.publish("x".repeat(31), "").unwrap_err());
    refused("a", &|| app.publisher("a").unwrap().publish("123456789").unwrap_err());
    // An invalid reply, and headers that can't be read.
    let reply = refused("ask", &|| app.publish_with_reply("ask", "b.*", "why").unwrap_err());
    assert_eq!((reply.reply(), reply.payload()), (None, &b"why"[..]));
    let raw = || RawMessage::new("raw", "x").reply("b").headers(postroom::bytes::Bytes::from("NATS/9\r\n\r\n"));
    let headers = refused("raw", &|| app.publish_raw(raw()).unwrap_err());
    assert!(matches!(error(&headers), PublishError::InvalidHeaders(_)) && headers.reply().is_some());
    // Refusals by permissions, of a publish and of the question whether one is allowed.
    app.set_permissions(Some(Permissions::new().deny_publish("secret.>").unwrap()));
    let denied = refused("secret.a", &|| app.publish("secret.a", "x").unwrap_err());
    assert_eq!(denied.payload(), b"x");
    refused("secret.b", &|| app.check_publish("secret.b", Some("r")).unwrap_err());
    // A draining client sends no requests, and a closed one sends nothing.
    let kept = app.subscribe("kept").unwrap();
    app.publish("kept", "").unwrap();
    drop(app.drain());
    let asked = refused("ask", &|| {
        assert_eq!(app.request("ask", "me").unwrap_err(), RequestError::Closed);
        PublishError::Closed
    });
    assert_eq!(asked.payload(), b"me");
    drop(kept);
    app.close();
    refused("late", &|| app.publish("late", "").unwrap_err());

    assert_has(
        &tap.to_string(),
        &["refused: the client is closed", "refused: permission to publish to \"secret.a\" denied"],
    );
    assert_eq!(all.try_iter().count(), 1, "nobody got them");
    kit.none("late");
    kit.none("orders.>");
    assert_eq!(tap.record().messages.len(), 1, "nor are they in a recording");
    assert!(kit.contracts().ignoring("kept").unmatched.is_empty());
}

#[test]
fn what_a_lenient_connection_may_not_is_written_down_once() {
    let kit = TestKit::new();
    let wire = kit.bus().connect_with(ConnectOptions::new().name("wire").lenient(true));
    let tap = kit.tap(">");
    assert!(matches!(wire.publish("$NRG.a", "").unwrap_err(), PublishError::PermissionDenied { .. }));
    assert!(matches!(wire.publish_with_reply("a", "_R_.b", "").unwrap_err(), PublishError::ReplyDenied { .. }));
    let outcomes: Vec<_> = tap.entries().iter().map(|entry| entry.outcome.to_string()).collect();
    assert_eq!(
        outcomes,
        [
            "refused: permission to publish to \"$NRG.a\" denied",
            "refused: permission to publish with reply \"_R_.b\" denied"
        ]
    );
}

#[test]
fn many_clients_keep_their_names() {
    let kit = TestKit::new();
    let tap = kit.tap("a");
    let clients: Vec<_> = (0..200).map(|number| named(&kit, &format!("client of the test {number}"))).collect();
    for client in clients.iter().chain(&clients) {
        client.publish("a", "").unwrap();
    }
    for (at, entry) in tap.entries().iter().enumerate() {
        assert_eq!(entry.publisher(), format!("client of the test {}", at % 200));
    }
}
