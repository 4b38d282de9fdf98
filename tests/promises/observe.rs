//! An observed bus: it does what the observer decides, and its account of activity is exact.

use crate::common::must_return;
use postroom::activity::ActivityKind;
use postroom::error::{CloseReason, RecvTimeoutError, TryRecvError};
use postroom::future::RequestFuture;
use postroom::id::{ClientId, MessageId, SubscriptionId};
use postroom::observe::{
    ClientInfo, DelayedDelivery, DelayedMessage, DeliveryAction, Observer, PublishAction, PublishContext,
    RejectedPublish, SubscriptionInfo,
};
use postroom::stats::DropReason;
use postroom::*;
use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::time::Duration;

/// Decides by subject; writes down what it is told.
#[derive(Default)]
struct Book {
    next: AtomicU64,
    verdicts: Mutex<HashMap<String, PublishAction>>,
    deliveries: Mutex<HashMap<SubscriptionId, DeliveryAction>>,
    log: Mutex<Vec<String>>,
    held: Mutex<Vec<DelayedMessage>>,
}

impl Book {
    fn bus(clock: Option<&ManualClock>) -> (Arc<Book>, Bus) {
        let book = Arc::new(Book::default());
        let mut builder = Bus::builder().seed(1).observer(book.clone());
        if let Some(clock) = clock {
            builder = builder.clock(clock);
        }
        (book, builder.build())
    }

    fn on(&self, subject: &str, verdict: PublishAction) {
        self.verdicts.lock().unwrap().insert(subject.into(), verdict);
    }

    fn note(&self, line: String) {
        self.log.lock().unwrap().push(line);
    }

    fn log(&self) -> Vec<String> {
        std::mem::take(&mut self.log.lock().unwrap())
    }

    fn id(&self) -> MessageId {
        MessageId::new(self.next.fetch_add(1, Ordering::Relaxed))
    }
}

impl Observer for Book {
    fn publish(&self, publish: &PublishContext<'_>) -> PublishAction {
        let subject = publish.message.subject().to_string();
        let verdict = self.verdicts.lock().unwrap().get(&subject).cloned();
        if let Some(PublishAction::Delay { id }) = verdict {
            self.held.lock().unwrap().push(publish.delay(id));
        }
        match verdict {
            Some(PublishAction::Route { times, .. }) => PublishAction::Route { id: self.id(), times },
            None => PublishAction::Route { id: self.id(), times: 1 },
            Some(verdict) => verdict,
        }
    }

    fn refused(&self, refused: &RejectedPublish<'_>) {
        let (by, subject) = (refused.client_name.unwrap_or("nobody"), refused.message.subject());
        self.note(format!("{by} may not publish on {subject}: {}", refused.error));
    }

    fn routed(&self, id: MessageId, accepted: &[SubscriptionId]) {
        let accepted: Vec<u64> = accepted.iter().map(|subscription| subscription.get()).collect();
        self.note(format!("{id} to {accepted:?}"));
    }

    fn connected(&self, client: &ClientInfo<'_>) {
        self.note(format!("client {} as {:?}", client.client, client.name));
    }

    fn disconnected(&self, client: ClientId) {
        self.note(format!("client {client} is gone"));
    }

    fn deliver(&self, id: MessageId, publish: &PublishContext<'_>, to: &SubscriptionInfo) -> DeliveryAction {
        let name = publish.client_name.unwrap_or_default();
        self.note(format!("{id} by {name}{} for {}?", publish.client, to.id));
        self.deliveries.lock().unwrap().get(&to.id).copied().unwrap_or(DeliveryAction::Pass)
    }

    fn lost(&self, id: MessageId, by: &SubscriptionInfo, reason: DropReason) {
        self.note(format!("{id} lost by {}: {reason:?}", by.pattern));
    }

    fn subscribed(&self, subscription: &SubscriptionInfo) {
        self.note(format!("+{}", subscription.pattern));
    }

    fn ended(&self, subscription: &SubscriptionInfo, reason: CloseReason) {
        self.note(format!("-{} {reason:?}", subscription.pattern));
    }
}

#[test]
fn verdicts_are_carried_out() {
    let (book, bus) = Book::bus(None);
    let client = bus.connect();
    let all = client.subscribe("*").unwrap();
    book.on("twice", PublishAction::Route { id: MessageId::new(0), times: 2 });
    book.on("held", PublishAction::Delay { id: MessageId::new(76) });
    book.on("lost", PublishAction::Swallow);
    book.on("nobody", PublishAction::Unmatched);
    book.on("denied", PublishAction::Deny);
    book.on("large", PublishAction::TooLarge { max: 3 });
    book.on("closed", PublishAction::Closed);

    assert_eq!(client.publish("plain", "x"), Ok(1));
    assert_eq!(client.publish("twice", "x"), Ok(2));
    assert_eq!(client.publish("held", "x"), Ok(1), "it seems to have got there");
    assert_eq!(client.publish("lost", "x"), Ok(1), "it seems to have got there");
    assert_eq!(client.publish("nobody", "x"), Ok(0));
    assert!(client.request("nobody", "x").unwrap_err().is_no_responders());
    assert!(matches!(client.publish("denied", "x"), Err(PublishError::PermissionDenied { .. })));
    assert_eq!(client.publish("large", "1234"), Err(PublishError::MaxPayloadExceeded { size: 4, max: 3 }));
    assert_eq!(client.publish("closed", "x"), Err(PublishError::Closed));

    let got: Vec<_> = all.try_iter().map(|message| message.subject().to_string()).collect();
    assert_eq!(got, ["plain", "twice", "twice"]);
    let held = book.held.lock().unwrap().pop().unwrap();
    assert_eq!((held.client(), held.message().payload()), (client.id(), &b"x"[..]));
    assert_eq!((held.id(), held.release()), (MessageId::new(76), 1));
    assert_eq!(all.try_recv().unwrap().subject(), "held");
    let log = book.log();
    assert!(log.contains(&format!("76 to [{}]", all.id())));
    assert!(!log.iter().any(|line| line.contains("may not publish")), "it knows what it decided itself: {log:#?}");
    assert!(bus.stats().ledger.balances());
}

#[test]
fn what_the_bus_refuses_by_itself_is_told() {
    let (book, bus) = Book::bus(None);
    let client = bus.connect_with(ConnectOptions::new().name("app"));
    book.log();
    client.publish("a..b", "x").unwrap_err();
    drop(client.publish_async("", "x"));
    client.publish("a b", "x").unwrap_err();
    client.close();
    client.publish("a", "x").unwrap_err();
    let log = book.log();
    let told: Vec<_> = log.iter().filter(|line| line.contains("may not publish")).collect();
    assert_eq!(told.len(), 4, "{log:#?}");
    assert!(told[0].starts_with("app may not publish on a..b: invalid subject"), "{told:?}");
    assert!(told[1].starts_with("app may not publish on ␣: invalid subject"), "{told:?}");
    assert!(told[2].starts_with("app may not publish on a␣b: invalid subject"), "{told:?}");
    assert_eq!(told[3], "app may not publish on a: the client is closed");
}

#[test]
fn a_payload_is_replaced_and_a_copy_finds_no_room() {
    let (book, bus) = Book::bus(None);
    let events = bus.events();
    let client = bus.connect();
    let all = client.subscribe("*").unwrap();
    book.on("other", PublishAction::Replace { id: MessageId::new(5), payload: "changed".into() });
    client.publish_with_reply("other", "answers", "as it was").unwrap();
    let got = all.try_recv().unwrap();
    assert_eq!((got.payload(), got.reply().unwrap().as_str()), (&b"changed"[..], "answers"));
    book.deliveries.lock().unwrap().insert(all.id(), DeliveryAction::Full);
    assert_eq!(client.publish("plain", ""), Ok(0));
    assert_eq!(all.ledger().dropped.of(DropReason::QueueFull), 1);
    assert!(matches!(events.try_recv(), Some(Event::SlowConsumer(slow)) if slow.dropped == 1));
    assert!(bus.stats().ledger.balances());
}

#[test]
fn a_held_request_learns_late_that_nobody_is_there() {
    let (book, bus) = Book::bus(None);
    let client = bus.connect();
    let service = client.subscribe("ask").unwrap();
    book.on("ask", PublishAction::Delay { id: MessageId::new(76) });
    let mut asking = Box::pin(client.request_async("ask", ""));
    let mut second = Box::pin(client.request_async("ask", ""));
    let mut held: Vec<_> = book.held.lock().unwrap().drain(..).collect();
    let mut cx = std::task::Context::from_waker(std::task::Waker::noop());
    assert_eq!(held.remove(0).release(), 1);
    assert!(asking.as_mut().poll(&mut cx).is_pending(), "somebody is there");
    service.try_recv().unwrap().respond("42").unwrap();
    drop(service);
    assert_eq!(held.remove(0).release(), 0);
    let mut poll = |asking: &mut std::pin::Pin<Box<RequestFuture>>| match asking.as_mut().poll(&mut cx) {
        std::task::Poll::Ready(answer) => answer,
        std::task::Poll::Pending => panic!("it was answered"),
    };
    assert_eq!(poll(&mut asking).unwrap().payload(), b"42");
    assert!(poll(&mut second).unwrap_err().is_no_responders());
}

#[test]
fn who_may_not_subscribe_is_told_so_and_a_publish_knows_its_reach() {
    struct Gate(Mutex<Vec<usize>>);

    impl Observer for Gate {
        fn publish(&self, publish: &PublishContext<'_>) -> PublishAction {
            self.0.lock().unwrap().push(publish.reach());
            PublishAction::Route { id: MessageId::new(1), times: 1 }
        }

        fn may_subscribe(&self, _: ClientId, pattern: &postroom::Pattern, queue: Option<&str>) -> bool {
            pattern.as_str() != "secret" && queue != Some("closed")
        }
    }

    let gate = Arc::new(Gate(Mutex::default()));
    let client = Bus::builder().observer(gate.clone()).build().connect();
    let denied = |result| matches!(result, Err(SubscribeError::PermissionDenied { .. }));
    assert!(denied(client.subscribe("secret")) && denied(client.queue_subscribe("a", "closed")));
    let _plain = client.subscribe("a").unwrap();
    let _members = [1, 2].map(|_| client.queue_subscribe("a", "open").unwrap());
    client.publish("a", "").unwrap();
    client.publish("b", "").unwrap();
    assert_eq!(*gate.0.lock().unwrap(), [2, 0]);
}

#[test]
fn clients_come_go_and_are_kicked() {
    let (book, bus) = Book::bus(None);
    let client = bus.connect_with(ConnectOptions::new().name("a"));
    let id = client.id();
    let cut = Arc::new(AtomicU64::new(0));
    let count = cut.clone();
    let cutting = move || {
        count.fetch_add(1, Ordering::Relaxed);
    };
    let held = bus.connect_with(ConnectOptions::new().on_kick(cutting));
    assert!(bus.kick(held.id()) && !held.is_closed());
    assert_eq!(cut.load(Ordering::Relaxed), 1);
    assert!(bus.kick(id) && client.is_closed());
    assert!(!bus.kick(id) && !bus.kick(ClientId::new(99)));
    let log = book.log();
    assert_eq!(log[..2], [format!("client {id} as Some(\"a\")"), format!("client {} as None", held.id())]);
    assert_eq!(log[2..], [format!("client {id} is gone")]);
}

#[test]
fn a_swallowed_request_is_no_request_without_responders() {
    let clock = Clock::manual();
    let (book, bus) = Book::bus(Some(&clock));
    let client = bus.connect();
    let _service = client.subscribe_fn("ask", |question| drop(question.respond("42"))).unwrap();
    assert_eq!(client.request("ask", "").unwrap().payload(), b"42");
    book.on("ask", PublishAction::Swallow);
    must_return(move || {
        let asking = std::thread::spawn(move || client.request("ask", ""));
        clock.wait_for_timers(1);
        clock.advance(Duration::from_secs(3600));
        assert!(matches!(asking.join().unwrap(), Err(RequestError::Timeout { .. })));
    });
}

#[test]
fn copies_are_hidden_and_lost_by_subscription() {
    let (book, bus) = Book::bus(None);
    let client = bus.connect();
    let (first, second) = (client.subscribe("a").unwrap(), client.subscribe("a").unwrap());
    let members = [client.queue_subscribe("q", "g").unwrap(), client.queue_subscribe("q", "g").unwrap()];
    book.deliveries.lock().unwrap().extend([
        (first.id(), DeliveryAction::Hide),
        (second.id(), DeliveryAction::Lose),
        (members[0].id(), DeliveryAction::Hide),
    ]);
    assert_eq!(client.publish("a", ""), Ok(1), "the lost one seems to have been accepted");
    assert_eq!((first.len(), second.len()), (0, 0));
    assert_eq!(first.ledger().matched, 0);
    assert_eq!((second.ledger().matched, second.ledger().dropped.of(DropReason::Fault)), (1, 1));
    for _ in 0..20 {
        assert_eq!(client.publish("q", ""), Ok(1));
    }
    assert_eq!((members[0].len(), members[1].len()), (0, 20));
    let ledger = bus.stats().ledger;
    assert!(ledger.balances() && ledger.dropped.total() == 1, "{ledger:?}");
}

#[test]
fn each_subscription_is_asked_for_and_members_until_one_takes_it() {
    let (book, bus) = Book::bus(None);
    let client = bus.connect_with(ConnectOptions::new().name("a"));
    let plain = [(); 2].map(|()| client.subscribe("x").unwrap());
    let members = [(); 3].map(|()| client.queue_subscribe("x", "g").unwrap());
    book.deliveries.lock().unwrap().insert(members[0].id(), DeliveryAction::Hide);
    let by = client.id();
    let mut hidden = 0;
    for id in 0..30 {
        book.log();
        assert_eq!(client.publish("x", ""), Ok(3));
        let log = book.log();
        let asked = |subscriber: &Subscriber| log.contains(&format!("{id} by a{by} for {}?", subscriber.id()));
        assert!(plain.iter().all(asked), "{log:?}");
        hidden += usize::from(asked(&members[0]));
        assert_eq!(members[1..].iter().filter(|member| asked(member)).count(), 1, "{log:?}");
    }
    assert!((1..30).contains(&hidden), "{hidden}");
}

#[test]
fn losses_are_told_with_their_reasons() {
    let (book, bus) = Book::bus(None);
    let client = bus.connect();
    let options = |overflow| SubscribeOptions::new().capacity(1).overflow(overflow);
    let newest = client.subscribe_with("n", options(OverflowPolicy::DropNewest)).unwrap();
    let oldest = client.subscribe_with("o", options(OverflowPolicy::DropOldest)).unwrap();
    for subject in ["n", "n", "o", "o"] {
        client.publish(subject, "").unwrap();
    }
    drop((newest, oldest));
    let log = book.log();
    for line in [
        "1 lost by n: QueueFull",
        "2 lost by o: Oldest",
        "0 lost by n: Discarded",
        "3 lost by o: Discarded",
        "+n",
        "-n Unsubscribed",
    ] {
        assert!(log.iter().any(|known| known == line), "{line} is not in {log:#?}");
    }
}

#[test]
fn what_goes_on_is_counted_from_publish_to_the_last_copy() {
    let (_book, bus) = Book::bus(None);
    let (client, test) = (bus.connect(), bus.connect_with(ConnectOptions::new().untracked(true)));
    let activity = bus.activity().unwrap();
    let (app, seen) = (client.subscribe("a").unwrap(), test.subscribe("a").unwrap());
    assert!(activity.is_quiet());

    client.publish("a", "x").unwrap();
    assert!(matches!(&activity.held()[..], [ActivityKind::Message { id, subject }] if id.get() == 0 && subject == "a"));
    let message = app.try_recv().unwrap();
    let copy = message.clone();
    drop(message);
    assert_eq!(activity.len(), 2, "the copy, and this thread: {activity:?}");
    drop(copy);
    assert!(matches!(&activity.held()[..], [ActivityKind::Thread(_)]));
    assert_eq!(app.try_recv().unwrap_err(), TryRecvError::Empty);
    assert!(activity.is_quiet(), "{activity:?}");
    let kept = seen.try_recv().unwrap();
    assert!(activity.is_quiet(), "the test's own is not counted: {activity:?}");
    assert_eq!(kept.payload(), b"x");
    drop(app);
    client.publish("a", "y").unwrap();
    assert!(activity.is_quiet(), "nor what it has queued: {activity:?}");
}

#[test]
fn a_thread_that_works_on_a_message_it_has_dropped_is_waited_for() {
    let (_book, bus) = Book::bus(None);
    let (client, test) = (bus.connect(), bus.connect_with(ConnectOptions::new().untracked(true)));
    let (jobs, results) = (client.subscribe("jobs").unwrap(), test.subscribe("results").unwrap());
    let (go, wait) = mpsc::channel::<()>();
    let (began, begins) = mpsc::channel::<()>();
    let worker = std::thread::spawn(move || {
        for job in &jobs {
            let number: u64 = job.payload_str().unwrap().parse().unwrap();
            drop(job);
            began.send(()).unwrap();
            wait.recv().unwrap();
            client.publish("results", (number * 2).to_string()).unwrap();
        }
    });
    test.publish("jobs", "21").unwrap();
    begins.recv().unwrap();
    let held = bus.activity().unwrap().held();
    assert!(matches!(&held[..], [ActivityKind::Thread(_)]), "{held:?}");
    assert!(results.is_empty());
    go.send(()).unwrap();
    bus.activity().unwrap().wait_quiet();
    assert_eq!(results.try_recv().unwrap().payload(), b"42");
    bus.close();
    worker.join().unwrap();
}

#[test]
fn callbacks_tasks_and_timers_are_counted() {
    let clock = Clock::manual();
    let (_book, bus) = Book::bus(Some(&clock));
    let client = bus.connect();
    let activity = bus.activity().unwrap().clone();
    let inside = activity.clone();
    let _callback = client
        .subscribe_fn("call", move |message| {
            drop(message);
            assert!(matches!(&inside.held()[..], [ActivityKind::Callback { .. }]), "{inside:?}");
        })
        .unwrap();
    client.publish("call", "").unwrap();
    assert_eq!(bus.stats().traffic.panics, 0);
    assert!(activity.is_quiet());

    let queue = client.subscribe("task").unwrap();
    client.publish("task", "").unwrap();
    let mut cx = std::task::Context::from_waker(std::task::Waker::noop());
    let poll = |cx: &mut std::task::Context<'_>| std::pin::pin!(queue.recv_async()).poll(cx);
    drop(poll(&mut cx));
    assert!(matches!(&activity.held()[..], [ActivityKind::Subscriber { .. }]), "{activity:?}");
    assert!(poll(&mut cx).is_pending());
    assert!(activity.is_quiet());

    let mut sleep = std::pin::pin!(bus.sleep(Duration::from_secs(1)));
    assert!(sleep.as_mut().poll(&mut cx).is_pending());
    assert!(activity.is_quiet(), "what is to come does not go on");
    clock.advance(Duration::from_secs(1));
    assert!(matches!(&activity.held()[..], [ActivityKind::Timer(at)] if at.as_secs() == 1), "{activity:?}");
    assert!(sleep.as_mut().poll(&mut cx).is_ready());
    assert!(activity.is_quiet());
}

#[test]
fn a_thread_whose_time_was_up_is_waited_for() {
    let clock = Clock::manual();
    let (_book, bus) = Book::bus(Some(&clock));
    let (client, test) = (bus.connect(), bus.connect_with(ConnectOptions::new().untracked(true)));
    let ticks = test.subscribe("ticks").unwrap();
    let quiet = client.subscribe("quiet").unwrap();
    let ticking = std::thread::spawn(move || {
        while quiet.recv_timeout(Duration::from_secs(1)).is_err_and(|error| error == RecvTimeoutError::Timeout) {
            client.publish("ticks", "").unwrap();
        }
    });
    for hour in 1..=3 {
        for _ in 0..60 {
            clock.wait_for_timers(1);
            clock.advance(Duration::from_secs(1));
            bus.activity().unwrap().wait_quiet();
        }
        assert_eq!(ticks.len(), hour * 60);
    }
    bus.close();
    ticking.join().unwrap();
}

#[test]
fn a_copy_is_held_for_one_subscription_and_released_or_lost() {
    #[derive(Default)]
    struct Late {
        to: AtomicU64,
        held: Mutex<Vec<DelayedDelivery>>,
        log: Mutex<Vec<String>>,
    }

    impl Observer for Late {
        fn publish(&self, publish: &PublishContext<'_>) -> PublishAction {
            assert!(publish.delay_delivery().is_none(), "it is for nobody yet");
            PublishAction::Route { id: MessageId::new(7), times: 1 }
        }

        fn deliver(&self, _: MessageId, publish: &PublishContext<'_>, to: &SubscriptionInfo) -> DeliveryAction {
            if to.id.get() != self.to.load(Ordering::Relaxed) {
                return DeliveryAction::Pass;
            }
            self.held.lock().unwrap().extend(publish.delay_delivery());
            DeliveryAction::Delay
        }

        fn routed(&self, id: MessageId, accepted: &[SubscriptionId]) {
            let accepted: Vec<u64> = accepted.iter().map(|subscription| subscription.get()).collect();
            self.log.lock().unwrap().push(format!("{id} to {accepted:?}"));
        }

        fn lost(&self, id: MessageId, by: &SubscriptionInfo, reason: DropReason) {
            self.log.lock().unwrap().push(format!("{id} lost by {}: {reason:?}", by.id));
        }

        fn draining(&self, subscription: &SubscriptionInfo) {
            self.log.lock().unwrap().push(format!("{} drains", subscription.id));
        }
    }

    let late = Arc::new(Late::default());
    let bus = Bus::builder().observer(late.clone()).build();
    let client = bus.connect();
    let (slow, fast) = (client.subscribe("a").unwrap(), client.subscribe("a").unwrap());
    late.to.store(slow.id().get(), Ordering::Relaxed);
    for _ in 0..3 {
        assert_eq!(client.publish("a", "x"), Ok(2));
    }
    assert_eq!((slow.len(), fast.try_iter().count(), bus.stats().traffic.routed), (0, 3, 3));
    let mut held = std::mem::take(&mut *late.held.lock().unwrap()).into_iter();
    late.log.lock().unwrap().clear();
    let first = held.next().unwrap();
    assert_eq!((first.id(), first.release(), slow.len()), (MessageId::new(7), true, 1));
    drop(held.next());
    let _ = slow.drain();
    assert!(!held.next().unwrap().release(), "it takes nothing any more");
    let (of, log) = (slow.id(), late.log.lock().unwrap());
    assert_eq!(
        *log,
        [format!("7 to [{of}]"), format!("7 lost by {of}: Fault"), format!("{of} drains"), "7 to []".into()]
    );
    let stats = bus.stats();
    assert!(stats.ledger.balances());
    assert_eq!((stats.traffic.routed, stats.ledger.matched, stats.ledger.dropped.of(DropReason::Fault)), (5, 5, 1));
}
