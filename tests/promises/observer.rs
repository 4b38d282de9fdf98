//! When an observer is asked and told what, and from where: each sentence of its documentation.
//!
//! Method: an observer that writes down each call in order; one that uses the bus in all calls that may; allocations counted, where there
//! is to be no cost.

use crate::common::{FOREVER, must_return};
use postroom::Pattern;
use postroom::error::CloseReason;
use postroom::id::{ClientId, MessageId, SubscriptionId};
use postroom::observe::{
    ClientInfo, DelayedMessage, DeliveryAction, Observer, PublishAction, PublishContext, SubscriptionInfo,
};
use postroom::stats::DropReason;
use postroom::*;
use std::cell::Cell;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::thread::ThreadId;

/// Writes down every call, and the thread that it came on.
#[derive(Default)]
struct Scribe {
    next: AtomicU64,
    lines: Mutex<Vec<(ThreadId, String)>>,
    verdict: Mutex<Option<PublishAction>>,
    notice_verdict: Mutex<Option<PublishAction>>,
    deliveries: Mutex<Vec<(SubscriptionId, DeliveryAction)>>,
    held: Mutex<Vec<DelayedMessage>>,
}

impl Scribe {
    fn bus() -> (Arc<Scribe>, Bus) {
        let scribe = Arc::new(Scribe::default());
        (scribe.clone(), Bus::builder().seed(1).observer(scribe).build())
    }

    fn note(&self, line: String) {
        self.lines.lock().unwrap().push((std::thread::current().id(), line));
    }

    /// The lines written since it was last asked.
    fn told(&self) -> Vec<String> {
        self.lines.lock().unwrap().drain(..).map(|(_, line)| line).collect()
    }

    /// All publishes from now on.
    fn decide(&self, verdict: PublishAction) {
        *self.verdict.lock().unwrap() = Some(verdict);
    }

    /// All that the bus itself says.
    fn decide_notices(&self, verdict: PublishAction) {
        *self.notice_verdict.lock().unwrap() = Some(verdict);
    }

    fn on(&self, subscription: SubscriptionId, delivery: DeliveryAction) {
        self.deliveries.lock().unwrap().push((subscription, delivery));
    }
}

impl Observer for Scribe {
    fn publish(&self, publish: &PublishContext<'_>) -> PublishAction {
        let (what, verdict) =
            if publish.is_notice { ("notice", &self.notice_verdict) } else { ("publish", &self.verdict) };
        self.note(format!("{what} {}", publish.message.subject()));
        match verdict.lock().unwrap().clone() {
            Some(PublishAction::Delay { id }) => {
                self.held.lock().unwrap().push(publish.delay(id));
                PublishAction::Delay { id }
            }
            Some(verdict) => verdict,
            None => PublishAction::Route { id: MessageId::new(self.next.fetch_add(1, Ordering::Relaxed)), times: 1 },
        }
    }

    fn routed(&self, id: MessageId, accepted: &[SubscriptionId]) {
        self.note(format!("routed {id} to {}", accepted.len()));
    }

    fn returned(&self, id: MessageId) {
        self.note(format!("returned {id}"));
    }

    fn deliver(&self, id: MessageId, _: &PublishContext<'_>, to: &SubscriptionInfo) -> DeliveryAction {
        self.note(format!("deliver {id} to {}", to.pattern));
        let deliveries = self.deliveries.lock().unwrap();
        deliveries
            .iter()
            .rev()
            .find(|(subscription, _)| *subscription == to.id)
            .map_or(DeliveryAction::Pass, |known| known.1)
    }

    fn received(&self, id: MessageId, _: SubscriptionId) {
        self.note(format!("received {id}"));
    }

    fn lost(&self, id: MessageId, _: &SubscriptionInfo, reason: DropReason) {
        self.note(format!("lost {id}: {reason:?}"));
    }

    fn connected(&self, client: &ClientInfo<'_>) {
        self.note(format!("connected untracked {} kicked {}", client.untracked, client.can_be_kicked));
    }

    fn disconnected(&self, _: ClientId) {
        self.note("disconnected".to_owned());
    }

    fn may_subscribe(&self, _: ClientId, pattern: &Pattern, _: Option<&str>) -> bool {
        self.note(format!("may subscribe {pattern}"));
        true
    }

    fn subscribed(&self, subscription: &SubscriptionInfo) {
        self.note(format!("subscribed {}", subscription.pattern));
    }

    fn ended(&self, subscription: &SubscriptionInfo, _: CloseReason) {
        self.note(format!("ended {}", subscription.pattern));
    }
}

/// A publish and receive, after as many as are needed for the last thing to be made that is made once.
fn allocations(bus: &Bus) -> u64 {
    let client = bus.connect();
    let all = client.subscribe("a").unwrap();
    let once = || {
        client.publish("a", "16 bytes of text").unwrap();
        drop(all.try_recv().unwrap());
    };
    (0..100).for_each(|_| once());
    allocation_counter::measure(|| (0..100).for_each(|_| once())).count_total
}

#[test]
fn without_an_observer_nothing_is_paid_for_one() {
    let plain = Bus::new();
    assert!(plain.activity().is_none());
    assert_eq!(allocations(&plain), 0);
    let (_scribe, bus) = Scribe::bus();
    assert!(allocations(&bus) >= 100, "the measure would see it");
}

#[test]
fn every_call_comes_on_the_thread_that_causes_it() {
    let (scribe, bus) = Scribe::bus();
    let here = std::thread::current().id();
    let (client, queue, there) = std::thread::scope(|scope| {
        let theirs = scope.spawn(|| {
            let client = bus.connect();
            let queue = client.subscribe("a").unwrap();
            client.publish("a", "").unwrap();
            (client, queue, std::thread::current().id())
        });
        theirs.join().unwrap()
    });
    drop(queue.recv().unwrap());
    drop(queue);
    client.close();
    let lines = scribe.lines.lock().unwrap();
    let on = |thread| lines.iter().filter(|line| line.0 == thread).map(|line| line.1.as_str()).collect::<Vec<_>>();
    assert_eq!(
        on(there),
        [
            "connected untracked false kicked false",
            "may subscribe a",
            "subscribed a",
            "publish a",
            "deliver 0 to a",
            "routed 0 to 1",
            "returned 0"
        ]
    );
    assert_eq!(on(here), ["received 0", "ended a", "disconnected"]);
    assert_eq!(lines.len(), 10);
}

#[test]
fn it_is_not_asked_about_what_fails_a_check() {
    let scribe = Arc::new(Scribe::default());
    let mut limits = Limits::default();
    (limits.max_payload, limits.max_subject_len) = (4, 28);
    let bus = Bus::builder().limits(limits).observer(scribe.clone()).build();
    let client = bus.connect();
    let ruled = bus.connect_with(ConnectOptions::new().permissions(Permissions::new().deny_publish("a").unwrap()));
    let closed = bus.connect();
    closed.close();
    scribe.told();
    assert!(matches!(client.publish("a", "12345"), Err(PublishError::MaxPayloadExceeded { size: 5, max: 4 })));
    assert!(matches!(client.publish("a.*", ""), Err(PublishError::InvalidSubject(_))));
    assert!(matches!(client.publish("a".repeat(29), ""), Err(PublishError::SubjectTooLong { .. })));
    assert!(matches!(ruled.publish("a", ""), Err(PublishError::PermissionDenied { .. })));
    assert!(matches!(closed.publish("a", ""), Err(PublishError::Closed)));
    assert_eq!(scribe.told(), [""; 0]);
    // A payload that replaces another is not held to the limits.
    let all = client.subscribe("a").unwrap();
    scribe.decide(PublishAction::Replace { id: MessageId::new(7), payload: "more than four bytes".into() });
    assert_eq!(client.publish("a", "1234"), Ok(1));
    assert_eq!(all.try_recv().unwrap().payload(), b"more than four bytes");
    assert!(bus.stats().ledger.balances());
}

#[test]
fn a_publish_is_told_from_its_beginning_to_its_return() {
    let (scribe, bus) = Scribe::bus();
    let client = bus.connect();
    let (inside, nested) = (scribe.clone(), client.clone());
    let _outer = client
        .subscribe_fn("outer", move |_| {
            inside.note("outer runs".to_owned());
            nested.publish("inner", "").unwrap();
            inside.note("outer ends".to_owned());
        })
        .unwrap();
    let inside = scribe.clone();
    let _inner = client.subscribe_fn("inner", move |_| inside.note("inner runs".to_owned())).unwrap();
    scribe.told();
    client.publish("inner", "").unwrap();
    assert_eq!(
        scribe.told(),
        ["publish inner", "deliver 0 to inner", "routed 0 to 1", "received 0", "inner runs", "returned 0"]
    );
    client.publish("outer", "").unwrap();
    assert_eq!(
        scribe.told(),
        [
            "publish outer",
            "deliver 1 to outer",
            "routed 1 to 1",
            "received 1",
            "outer runs",
            "publish inner",
            "deliver 2 to inner",
            "routed 2 to 1",
            // Its callback waits for its turn.
            "returned 2",
            "outer ends",
            "received 2",
            "inner runs",
            "returned 1"
        ]
    );
    scribe.decide(PublishAction::Swallow);
    client.publish("inner", "").unwrap();
    assert_eq!(scribe.told(), ["publish inner"]);
}

#[test]
fn who_has_no_queue_has_taken_a_copy_at_once() {
    let (scribe, bus) = Scribe::bus();
    let client = bus.connect();
    let (into, from) = crossbeam_channel::bounded(1);
    let _channel = client.subscribe_channel("channel", into).unwrap();
    let _sink = client.subscribe_sink_with("sink", SubscribeOptions::new(), |_| true).unwrap();
    let queue = client.subscribe("queue").unwrap();
    scribe.told();
    let received = |subject: &str| {
        client.publish(subject, "").unwrap();
        scribe.told().iter().filter(|line| line.starts_with("received")).count()
    };
    assert_eq!([received("channel"), received("sink"), received("queue")], [1, 1, 0]);
    drop((from.try_recv().unwrap(), queue.try_recv().unwrap()));
    assert_eq!(scribe.told(), ["received 2"]);

    // Several at once, and a member of a group.
    let _plain = client.subscribe_sink_with("sink", SubscribeOptions::new(), |_| true).unwrap();
    let _member = client.subscribe_sink_with("sink", SubscribeOptions::new().queue("g"), |_| true).unwrap();
    scribe.told();
    assert_eq!(received("sink"), 3);
}

#[test]
fn requests_make_an_inbox_unasked_and_their_answers_are_taken_at_once() {
    let (scribe, bus) = Scribe::bus();
    let client = bus.connect();
    let _service = client.subscribe_fn("ask", |question| drop(question.respond("42"))).unwrap();
    scribe.told();
    client.request("ask", "").unwrap();
    let told = scribe.told();
    let count = |what: &str| told.iter().filter(|line| line.starts_with(what)).count();
    assert_eq!((count("may subscribe"), count("subscribed _INBOX.")), (0, 1), "{told:?}");
    // The question's by its callback, the answer's by the inbox.
    assert_eq!(count("received"), 2, "{told:?}");
}

/// R2: it is the bus that speaks, and no verdict keeps that from the requester.
#[test]
fn of_a_notice_only_the_number_counts() {
    let (scribe, bus) = Scribe::bus();
    let client = bus.connect();
    let inbox = client.subscribe("inbox").unwrap();
    let ask = || {
        scribe.told();
        client.publish_with_reply("nobody", "inbox", "").unwrap();
        let notice = inbox.try_recv().unwrap();
        assert_eq!(notice.status(), Some(StatusCode::NO_RESPONDERS));
        scribe.told()
    };
    assert!(ask().contains(&"received 1".to_owned()));
    scribe.decide_notices(PublishAction::Swallow);
    assert!(ask().ends_with(&["notice inbox".to_owned(), "returned 2".to_owned()]));
    scribe.decide_notices(PublishAction::Route { id: MessageId::new(9), times: 5 });
    let told = ask();
    assert!(told.contains(&"received 9".to_owned()), "{told:?}");
    assert!(inbox.is_empty(), "once");
}

/// G5: what is told is what is counted.
#[test]
fn what_was_not_for_an_ended_subscription_any_more_is_not_lost() {
    let (scribe, bus) = Scribe::bus();
    let client = bus.connect();
    let block = SubscribeOptions::new().capacity(1).overflow(OverflowPolicy::Block(FOREVER));
    let [given_up, ended] = ["given.up", "ended"].map(|subject| client.subscribe_with(subject, block.clone()).unwrap());
    let waiting = ["given.up", "ended"].map(|subject| {
        client.publish(subject, "").unwrap();
        client.publish_async(subject, "")
    });
    drop(ended);
    scribe.told();
    drop(waiting);
    assert_eq!(scribe.told(), ["lost 1: Cancelled"]);
    assert_eq!(given_up.ledger().dropped.of(DropReason::Cancelled), 1);
    assert_eq!(bus.stats().ledger.dropped.of(DropReason::Cancelled), 1);
}

#[test]
fn no_times_is_once() {
    let (scribe, bus) = Scribe::bus();
    let client = bus.connect();
    let all = client.subscribe("a").unwrap();
    scribe.decide(PublishAction::Route { id: MessageId::new(3), times: 0 });
    assert_eq!((client.publish("a", ""), all.len()), (Ok(1), 1));
}

#[test]
fn what_was_held_goes_its_way_without_who_published_it_or_is_gone() {
    let (scribe, bus) = Scribe::bus();
    let (client, other) = (bus.connect(), bus.connect());
    let all = other.subscribe("a").unwrap();
    scribe.decide(PublishAction::Delay { id: MessageId::new(3) });
    for payload in ["first", "second", "third"] {
        assert_eq!(client.publish("a", payload), Ok(1));
    }
    assert!(
        scribe.told().ends_with(&["publish a", "publish a", "publish a"].map(str::to_owned)),
        "and no more of them"
    );
    client.close();
    drop(client);
    let mut held = std::mem::take(&mut *scribe.held.lock().unwrap());
    scribe.told();
    assert_eq!(held.remove(0).release(), 1);
    assert_eq!(scribe.told(), ["deliver 3 to a", "routed 3 to 1", "returned 3"]);
    assert_eq!(all.try_recv().unwrap().payload(), b"first");
    scribe.on(all.id(), DeliveryAction::Lose);
    assert_eq!((held.remove(0).release(), all.len()), (1, 0));
    let before = bus.stats();
    drop(held);
    assert_eq!((bus.stats().ledger, bus.stats().traffic.published), (before.ledger, before.traffic.published));
}

/// Q4: of a member without room another one is asked, as if it were full; else its policy decides.
#[test]
fn who_has_no_room_by_decree_is_as_one_who_has_none() {
    let (scribe, bus) = Scribe::bus();
    let client = bus.connect();
    let oldest = SubscribeOptions::new().queue("g").overflow(OverflowPolicy::DropOldest);
    let members = [(); 2].map(|()| client.subscribe_with("a", oldest.clone()).unwrap());
    scribe.on(members[0].id(), DeliveryAction::Full);
    (0..20).for_each(|_| assert_eq!(client.publish("a", ""), Ok(1)));
    assert_eq!(members.each_ref().map(Subscriber::len), [0, 20]);
    scribe.on(members[1].id(), DeliveryAction::Full);
    // Room is looked for, and found.
    assert_eq!(client.publish("a", ""), Ok(1));
    let newest = client.subscribe("b").unwrap();
    scribe.on(newest.id(), DeliveryAction::Full);
    assert_eq!((client.publish("b", ""), newest.ledger().dropped.of(DropReason::QueueFull)), (Ok(0), 1));
    let block = SubscribeOptions::new().overflow(OverflowPolicy::Block(FOREVER));
    let waits = client.subscribe_with("c", block).unwrap();
    scribe.on(waits.id(), DeliveryAction::Full);
    assert_eq!((client.publish("c", ""), waits.len()), (Ok(1), 1));
    assert!(bus.stats().ledger.balances());
}

#[test]
fn who_connects_is_told_with_what_was_asked_for() {
    let (scribe, bus) = Scribe::bus();
    let _clients = [ConnectOptions::new().untracked(true), ConnectOptions::new().on_kick(|| {})]
        .map(|options| bus.connect_with(options));
    assert_eq!(scribe.told(), ["connected untracked true kicked false", "connected untracked false kicked true"]);
}

thread_local! {
    /// Whether this thread uses the bus within a call already.
    static INSIDE: Cell<bool> = const { Cell::new(false) };
}

/// Uses the bus in every call that may.
#[derive(Default)]
struct Busy {
    bus: OnceLock<Bus>,
    calls: Mutex<Vec<&'static str>>,
}

impl Busy {
    fn work(&self, call: &'static str) {
        let Some(bus) = self.bus.get() else { return };
        if INSIDE.replace(true) {
            return;
        }
        let mut calls = self.calls.lock().unwrap();
        if !calls.contains(&call) {
            calls.push(call);
        }
        drop(calls);
        let client = bus.connect();
        let subscriber = client.subscribe(">").unwrap();
        assert_eq!(client.publish("busy", "").unwrap(), 1);
        drop(subscriber.recv().unwrap());
        drop(subscriber);
        client.set_permissions(Some(Permissions::new()));
        client.close();
        bus.stats();
        drop(client);
        INSIDE.set(false);
    }
}

impl Observer for Busy {
    fn publish(&self, publish: &PublishContext<'_>) -> PublishAction {
        self.work(if publish.is_notice { "notice" } else { "publish" });
        PublishAction::Route { id: MessageId::new(1), times: 1 }
    }

    fn routed(&self, _: MessageId, _: &[SubscriptionId]) {
        self.work("routed");
    }

    fn returned(&self, _: MessageId) {
        self.work("returned");
    }

    fn connected(&self, _: &ClientInfo<'_>) {
        self.work("connected");
    }

    fn disconnected(&self, _: ClientId) {
        self.work("disconnected");
    }

    fn may_subscribe(&self, _: ClientId, _: &Pattern, _: Option<&str>) -> bool {
        self.work("may_subscribe");
        true
    }
}

#[test]
fn g4_where_it_may_use_the_bus_no_lock_is_held() {
    must_return(|| {
        let busy = Arc::new(Busy::default());
        let bus = Bus::builder().observer(busy.clone()).build();
        busy.bus.set(bus.clone()).unwrap();
        let client = bus.connect();
        // Each way to be routed: alone, to several, to a group, into a full queue, as a notice, as an answer.
        let one = client
            .subscribe_with("full", SubscribeOptions::new().capacity(1).overflow(OverflowPolicy::DropOldest))
            .unwrap();
        let _two = [client.subscribe("two").unwrap(), client.subscribe("two").unwrap()];
        let _member = client.queue_subscribe("member", "g").unwrap();
        let _service = client.subscribe_fn("ask", |question| drop(question.respond("42"))).unwrap();
        let inbox = client.subscribe("inbox").unwrap();
        for subject in ["full", "full", "two", "member"] {
            client.publish(subject, "").unwrap();
        }
        client.publish_with_reply("nobody", "inbox", "").unwrap();
        assert_eq!(client.request("ask", "").unwrap().payload(), b"42");
        assert!(inbox.try_recv().unwrap().status().is_some() && one.len() == 1);
        assert!(bus.kick(client.id()));
        let calls = busy.calls.lock().unwrap();
        for call in ["publish", "notice", "routed", "returned", "connected", "disconnected", "may_subscribe"] {
            assert!(calls.contains(&call), "{call}");
        }
    });
}

#[test]
fn g4_who_is_kicked_may_use_the_bus_on_the_thread_that_kicks() {
    must_return(|| {
        let bus = Bus::new();
        let kicked = Arc::new(Mutex::new(None));
        let (theirs, notes) = (bus.clone(), kicked.clone());
        let cut = move || {
            let again = theirs.connect();
            assert!(theirs.kick(again.id()) && again.is_closed());
            theirs.stats();
            *notes.lock().unwrap() = Some(std::thread::current().id());
        };
        let client = bus.connect_with(ConnectOptions::new().on_kick(cut));
        assert!(bus.kick(client.id()));
        assert_eq!(*kicked.lock().unwrap(), Some(std::thread::current().id()));
        client.close();
        assert!(!bus.kick(client.id()), "who is closed is not told again");
    });
}
