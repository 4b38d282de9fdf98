//! G9 in other code than callbacks: a panic in a waker, a destructor, an observer or a hook is caught, counted and told, and the
//! work after that call is done.
//!
//! Goal: nothing is skipped, and the ledger balances. Method: at each place where the bus runs code of a user's, one that panics before
//! others that do not.

use crate::common::{Count, FOREVER, must_return, payload_that, quietly};
use postroom::error::CloseReason;
use postroom::event::EventStream;
use postroom::id::{ClientId, MessageId, SubscriptionId};
use postroom::observe::{
    ClientInfo, DeliveryAction, Observer, PublishAction, PublishContext, RejectedPublish, SubscriptionInfo,
};
use postroom::publish::RawMessage;
use postroom::stats::DropReason;
use postroom::user_code::UserCode;
use postroom::*;
use std::pin::{Pin, pin};
use std::sync::{Arc, mpsc};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

const SECOND: Duration = Duration::from_secs(1);

struct Panics;

impl Wake for Panics {
    fn wake(self: Arc<Self>) {
        panic!("on purpose: the executor's queue is full");
    }
}

/// A waker that panics.
fn bad() -> Waker {
    Arc::new(Panics).into()
}

struct Tells(Count, mpsc::Sender<()>);

impl Wake for Tells {
    fn wake(self: Arc<Self>) {
        self.0.add();
        let _ = self.1.send(());
    }
}

/// A waker that counts.
fn good() -> (Waker, Count, mpsc::Receiver<()>) {
    let (tell, told) = mpsc::channel();
    let count = Count::default();
    (Arc::new(Tells(count.clone(), tell)).into(), count, told)
}

fn waits<F: Future + ?Sized>(future: Pin<&mut F>, waker: &Waker) {
    assert!(future.poll(&mut Context::from_waker(waker)).is_pending());
}

/// Destructors that panic, and how often they did.
fn bomb(dropped: &Count) -> Payload<'static> {
    let dropped = dropped.clone();
    payload_that(move || {
        dropped.add();
        panic!("on purpose: a destructor");
    })
}

/// The bus has counted `panics` of this kind and told of each since the last call.
#[track_caller]
fn told(bus: &Bus, events: &EventStream<Event>, code: UserCode, panics: usize) {
    let told = std::iter::from_fn(|| events.try_recv()).filter_map(|event| match event {
        Event::UserCodePanicked { code, message } => {
            assert!(message.starts_with("on purpose"), "{message}");
            Some(code)
        }
        _ => None,
    });
    assert_eq!(told.collect::<Vec<_>>(), vec![code; panics]);
    assert!(bus.stats().ledger.balances());
}

#[test]
fn the_timer_thread_goes_on_after_a_waker_that_panics() {
    quietly();
    must_return(|| {
        let (bus, (waker, _, woken)) = (Bus::new(), good());
        let (client, events) = (bus.connect(), bus.events());
        let panics = bad();
        // One that is not over yet when it is polled.
        let _first = std::iter::repeat_with(|| Box::pin(bus.sleep(Duration::from_millis(2))))
            .find_map(|mut sleep| sleep.as_mut().poll(&mut Context::from_waker(&panics)).is_pending().then_some(sleep));
        let mut later = pin!(bus.sleep(SECOND / 50));
        let told = events.recv_timeout(FOREVER);
        assert!(matches!(told, Some(Event::UserCodePanicked { code: UserCode::Waker, .. })), "{told:?}");
        if later.as_mut().poll(&mut Context::from_waker(&waker)).is_pending() {
            woken.recv_timeout(FOREVER).unwrap();
        }
        let _silent = client.subscribe("svc").unwrap();
        let mut request = pin!(client.request_timeout_async("svc", "", Duration::from_millis(1)));
        if request.as_mut().poll(&mut Context::from_waker(&waker)).is_pending() {
            woken.recv_timeout(FOREVER).unwrap();
        }
        assert_eq!(bus.stats().traffic.panics, 1);
    });
}

#[test]
fn a_manual_clock_fires_what_comes_after_a_waker_that_panics() {
    quietly();
    let clock = Clock::manual();
    let buses = [(); 2].map(|()| Bus::builder().clock(&clock).build());
    let ((waker, count, _), events) = (good(), buses[0].events());
    let mut first = pin!(buses[0].sleep(SECOND));
    let mut second = pin!(buses[1].sleep(SECOND));
    waits(first.as_mut(), &bad());
    waits(second.as_mut(), &waker);
    clock.advance(SECOND);
    assert_eq!((count.get(), clock.now()), (1, SECOND));
    told(&buses[0], &events, UserCode::Waker, 1);
    assert_eq!(
        (buses[0].stats().traffic.panics, buses[1].stats().traffic.panics),
        (1, 0),
        "the bus that set the timer is told"
    );
    // Those who wait for timers to be set.
    assert!(clock.poll_timers(1, &mut Context::from_waker(&bad())).is_pending());
    assert!(clock.poll_timers(1, &mut Context::from_waker(&waker)).is_pending());
    let mut third = pin!(buses[0].sleep(SECOND));
    waits(third.as_mut(), &waker);
    assert_eq!(count.get(), 2);
}

#[test]
fn a_publish_goes_on_after_a_waker_that_panics() {
    quietly();
    let bus = Bus::new();
    let (client, events, calls) = (bus.connect(), bus.events(), Count::default());
    let ((waker, count, _), seen) = (good(), calls.clone());
    let [first, second] = [(); 2].map(|()| client.subscribe("x").unwrap());
    let full = client.subscribe_with("x", SubscribeOptions::new().capacity(1)).unwrap();
    client.publish("x", "fills").unwrap();
    first.try_recv().unwrap();
    second.try_recv().unwrap();
    let guard = client.subscribe_fn("x", move |_| _ = seen.add()).unwrap();
    let (mut one, mut other) = (pin!(first.recv_async()), pin!(second.recv_async()));
    waits(one.as_mut(), &bad());
    waits(other.as_mut(), &waker);
    assert_eq!(client.publish("x", "1").unwrap(), 3);
    assert_eq!((count.get(), calls.get(), full.ledger().dropped.of(DropReason::QueueFull)), (1, 1, 1));
    assert_eq!(bus.stats().traffic.panics, 1);
    let told = std::iter::from_fn(|| events.try_recv()).collect::<Vec<_>>();
    let kinds = told.iter().filter(|event| matches!(event, Event::UserCodePanicked { code: UserCode::Waker, .. }));
    assert_eq!((kinds.count(), told.len()), (1, 2), "and of the loss: {told:?}");
    assert!(bus.stats().ledger.balances());
    drop(guard);
}

#[test]
fn all_that_wait_for_an_end_are_woken() {
    quietly();
    let bus = Bus::new();
    let (client, waiting, events) = (bus.connect(), bus.events(), bus.events());
    let ((waker, count, _), _svc) = (good(), client.subscribe("svc").unwrap());
    let (mut one, mut other) = (Box::pin(client.request_async("svc", "")), Box::pin(client.request_async("svc", "")));
    waits(one.as_mut(), &bad());
    waits(other.as_mut(), &waker);
    client.close();
    assert_eq!(count.get(), 1, "the request after the one whose waker panicked");
    told(&bus, &events, UserCode::Waker, 1);
    let interest = bus.interest("a").unwrap();
    let (mut closed, mut ended) = (Box::pin(bus.closed()), Box::pin(bus.closed()));
    let (mut changed, mut news) = (Box::pin(interest.changed()), Box::pin(interest.changed()));
    let mut stream = Box::pin(waiting);
    while futures_core::Stream::poll_next(stream.as_mut(), &mut Context::from_waker(&bad())).is_ready() {}
    waits(closed.as_mut(), &bad());
    waits(ended.as_mut(), &waker);
    waits(changed.as_mut(), &bad());
    waits(news.as_mut(), &waker);
    bus.close();
    assert_eq!(count.get(), 3);
    assert_eq!(bus.stats().traffic.panics, 4);
}

#[test]
fn whoever_waits_for_room_is_woken() {
    quietly();
    let bus = Bus::new();
    let ((waker, count, _), client, events) = (good(), bus.connect(), bus.events());
    let block = SubscribeOptions::new().capacity(1).overflow(OverflowPolicy::Block(Duration::MAX));
    let queue = client.subscribe_with("a", block).unwrap();
    client.publish("a", "1").unwrap();
    let (mut one, mut other) = (Box::pin(client.publish_async("a", "2")), Box::pin(client.publish_async("a", "3")));
    waits(one.as_mut(), &bad());
    waits(other.as_mut(), &waker);
    // Its waker panics, and it is asked again by hand.
    assert_eq!(queue.try_recv().unwrap().payload(), b"1");
    told(&bus, &events, UserCode::Waker, 1);
    assert!(matches!(one.as_mut().poll(&mut Context::from_waker(&bad())), Poll::Ready(Ok(1))));
    assert_eq!(queue.try_recv().unwrap().payload(), b"2");
    assert_eq!(count.get(), 1);
    assert!(matches!(other.as_mut().poll(&mut Context::from_waker(&waker)), Poll::Ready(Ok(1))));
    told(&bus, &events, UserCode::Waker, 0);
}

#[test]
fn a_waker_may_panic_when_it_is_dropped() {
    quietly();
    struct Sticky;
    impl Wake for Sticky {
        fn wake(self: Arc<Self>) {}
    }
    impl Drop for Sticky {
        fn drop(&mut self) {
            panic!("on purpose: dropped");
        }
    }
    let bus = Bus::new();
    let (client, events) = (bus.connect(), bus.events());
    let subscriber = client.subscribe("a").unwrap();
    let mut receive = Box::pin(subscriber.recv_async());
    let mut sleep = Box::pin(bus.sleep(SECOND * 3_600));
    let wakers = [(); 2].map(|()| Arc::new(Sticky));
    for (waker, is_receive) in wakers.into_iter().zip([true, false]) {
        let waker = Waker::from(waker);
        let mut cx = Context::from_waker(&waker);
        let pending = if is_receive {
            receive.as_mut().poll(&mut cx).is_pending()
        } else {
            sleep.as_mut().poll(&mut cx).is_pending()
        };
        assert!(pending);
        // The bus has the last clone.
        drop(waker);
    }
    drop(receive);
    drop(sleep);
    told(&bus, &events, UserCode::Waker, 2);
    assert_eq!(client.publish("a", "").unwrap(), 1);
}

#[test]
fn a_subscriber_that_is_dropped_discards_all() {
    quietly();
    must_return(|| {
        let bus = Bus::new();
        let (client, events, dropped) = (bus.connect(), bus.events(), Count::default());
        let queue = client.subscribe("a").unwrap();
        for n in 0..200 {
            let payload = if n % 3 == 0 { bomb(&dropped) } else { payload_that(|| ()) };
            client.publish("a", payload).unwrap();
        }
        drop(queue);
        assert_eq!(dropped.get(), 67);
        told(&bus, &events, UserCode::Destructor, 67);
        let stats = bus.stats();
        assert_eq!(
            (stats.traffic.routed, stats.ledger.dropped.of(DropReason::Discarded), stats.subscriptions),
            (200, 200, 0)
        );
        client.drain().wait();
    });
}

#[test]
fn what_finds_no_room_is_lost_and_the_others_get_theirs() {
    quietly();
    for policy in [
        OverflowPolicy::DropNewest,
        OverflowPolicy::DropOldest,
        OverflowPolicy::Block(Duration::ZERO),
        OverflowPolicy::Close,
    ] {
        let bus = Bus::new();
        let (client, events, dropped, calls) = (bus.connect(), bus.events(), Count::default(), Count::default());
        let options = SubscribeOptions::new().capacity(1).overflow(policy);
        let full = [(); 3].map(|()| client.subscribe_with("a", options.clone()).unwrap());
        let (sender, receiver) = crossbeam_channel::bounded(1);
        let options =
            if policy == OverflowPolicy::DropOldest { options.overflow(OverflowPolicy::DropNewest) } else { options };
        let channel = client.subscribe_channel_with("a", options, sender).unwrap();
        let seen = calls.clone();
        let guard = client.subscribe_fn("a", move |_| _ = seen.add()).unwrap();
        client.publish("a", bomb(&dropped)).unwrap();
        client.publish("a", bomb(&dropped)).unwrap();
        client.publish("a", bomb(&dropped)).unwrap();
        assert_eq!(calls.get(), 3, "{policy:?}");
        drop((full, receiver));
        client.publish("a", bomb(&dropped)).unwrap();
        drop((guard, channel));
        assert_eq!(dropped.get(), 4, "{policy:?}");
        assert_eq!(bus.stats().traffic.panics, 4);
        told(&bus, &events, UserCode::Destructor, 4);
        assert_eq!(bus.stats().traffic.routed, bus.stats().ledger.matched);
    }
}

#[test]
fn what_reaches_nobody_panics_to_nobody() {
    quietly();
    let mut limits = Limits::default();
    limits.max_payload = 10;
    let (bus, small) = (Bus::new(), Bus::builder().limits(limits).build());
    let (client, events, dropped) = (bus.connect(), bus.events(), Count::default());
    let publisher = client.publisher("nobody").unwrap();
    for _ in 0..3 {
        assert_eq!(client.publish("nobody", bomb(&dropped)).unwrap(), 0);
        assert_eq!(publisher.publish(bomb(&dropped)).unwrap(), 0);
    }
    assert!(client.publish("not..one", bomb(&dropped)).is_err());
    assert!(client.publish_with_reply("a", "not..one", bomb(&dropped)).is_err());
    assert!(client.request("nobody", bomb(&dropped)).unwrap_err().is_no_responders());
    client.close();
    assert!(client.publish("a", bomb(&dropped)).is_err());
    assert_eq!(client.request("a", bomb(&dropped)).unwrap_err(), RequestError::Closed);
    drop(client.request_async("a", bomb(&dropped)));
    drop(client.publish_async("a", bomb(&dropped)));
    assert_eq!(dropped.get(), 13);
    told(&bus, &events, UserCode::Destructor, 13);
    let events = small.events();
    assert!(small.connect().publish("a", bomb(&dropped)).is_err());
    told(&small, &events, UserCode::Destructor, 1);
}

#[test]
fn answers_headers_and_copies_that_wait() {
    quietly();
    let bus = Bus::new();
    let (client, events, dropped) = (bus.connect(), bus.events(), Count::default());
    let within = dropped.clone();
    let service = client.subscribe_fn("svc", move |question| {
        question.respond(bomb(&within)).unwrap();
        // One too many.
        assert_eq!(question.respond(bomb(&within)).unwrap(), 0);
    });
    let service = service.unwrap();
    // The first is not taken.
    drop(client.request_async("svc", ""));
    assert_eq!((dropped.get(), bus.stats().traffic.late_replies), (2, 2));
    told(&bus, &events, UserCode::Destructor, 2);
    drop(service);
    // A header block.
    let wire = bus.connect_with(ConnectOptions::new().lenient(true));
    let queue = client.subscribe("raw").unwrap();
    let headers = Some(bomb(&dropped).into_bytes());
    wire.publish_raw(RawMessage::new("raw", bomb(&dropped)).headers(headers)).unwrap();
    drop(queue);
    assert_eq!(dropped.get(), 4);
    told(&bus, &events, UserCode::Destructor, 2);
    // A copy that waits for room, and is given up.
    let block = SubscribeOptions::new().capacity(1).overflow(OverflowPolicy::Block(Duration::MAX));
    let queue = client.subscribe_with("a", block).unwrap();
    client.publish("a", "fills").unwrap();
    drop(client.publish_async("a", bomb(&dropped)));
    told(&bus, &events, UserCode::Destructor, 1);
    assert_eq!(queue.ledger().dropped.of(DropReason::Cancelled), 1);
    drop(queue);
    // A value that a callback has captured.
    struct Bomb;
    impl Drop for Bomb {
        fn drop(&mut self) {
            panic!("on purpose: captured");
        }
    }
    let captured = Bomb;
    let guard = client.subscribe_fn("a", move |_| {
        let _ = &captured;
    });
    drop(guard);
    told(&bus, &events, UserCode::Destructor, 1);
    assert_eq!(bus.stats().traffic.routed, bus.stats().ledger.matched);
}

/// Each of its methods panics.
struct Clumsy;

impl Observer for Clumsy {
    fn publish(&self, _: &PublishContext<'_>) -> PublishAction {
        panic!("on purpose: publish");
    }

    fn refused(&self, _: &RejectedPublish<'_>) {
        panic!("on purpose: refused");
    }

    fn routed(&self, _: MessageId, _: &[SubscriptionId]) {
        panic!("on purpose: routed");
    }

    fn returned(&self, _: MessageId) {
        panic!("on purpose: returned");
    }

    fn deliver(&self, _: MessageId, _: &PublishContext<'_>, _: &SubscriptionInfo) -> DeliveryAction {
        panic!("on purpose: deliver");
    }

    fn received(&self, _: MessageId, _: SubscriptionId) {
        panic!("on purpose: received");
    }

    fn lost(&self, _: MessageId, _: &SubscriptionInfo, _: DropReason) {
        panic!("on purpose: lost");
    }

    fn connected(&self, _: &ClientInfo<'_>) {
        panic!("on purpose: connected");
    }

    fn disconnected(&self, _: ClientId) {
        panic!("on purpose: disconnected");
    }

    fn may_subscribe(&self, _: ClientId, pattern: &Pattern, _: Option<&str>) -> bool {
        assert_ne!(pattern.as_str(), "secret", "on purpose: may_subscribe");
        true
    }

    fn subscribed(&self, _: &SubscriptionInfo) {
        panic!("on purpose: subscribed");
    }

    fn draining(&self, _: &SubscriptionInfo) {
        panic!("on purpose: draining");
    }

    fn ended(&self, _: &SubscriptionInfo, _: CloseReason) {
        panic!("on purpose: ended");
    }
}

#[test]
fn an_observer_that_panics_changes_nothing() {
    quietly();
    let bus = Bus::builder().observer(Arc::new(Clumsy)).build();
    let mut panics = 0;
    let mut more = |at_least: u64| {
        let now = bus.stats().traffic.panics;
        assert!(now >= panics + at_least, "{now} after {panics}");
        panics = now;
    };
    let client = bus.connect();
    more(1);
    let queue = client.subscribe_with("a", SubscribeOptions::new().capacity(2)).unwrap();
    let calls = Count::default();
    let seen = calls.clone();
    let guard = client.subscribe_fn("a", move |_| _ = seen.add()).unwrap();
    more(2);
    let denied = client.subscribe("secret").unwrap_err();
    assert!(matches!(denied, SubscribeError::PermissionDenied { .. }), "one that panics has not said yes: {denied:?}");
    more(1);
    for _ in 0..3 {
        assert!(client.publish("a", "1").unwrap() >= 1);
    }
    more(15);
    assert_eq!((calls.get(), queue.len(), queue.ledger().dropped.of(DropReason::QueueFull)), (3, 2, 1));
    assert!(client.publish("not..one", "").is_err());
    more(1);
    assert_eq!(queue.recv().unwrap().payload(), b"1");
    more(1);
    let drain = queue.drain();
    assert_eq!(queue.recv().unwrap().payload(), b"1");
    drain.wait();
    more(3);
    drop(guard);
    client.close();
    more(2);
    assert!(bus.stats().ledger.balances() && client.is_closed());
    assert_eq!(bus.stats().traffic.routed, bus.stats().ledger.matched);
}

#[test]
fn a_hook_for_kicks_may_panic() {
    quietly();
    let bus = Bus::new();
    let events = bus.events();
    let client = bus.connect_with(ConnectOptions::new().on_kick(|| panic!("on purpose: kicked")));
    assert!(bus.kick(client.id()));
    assert!(!client.is_closed(), "the hook was to see to that");
    told(&bus, &events, UserCode::KickHook, 1);
}
