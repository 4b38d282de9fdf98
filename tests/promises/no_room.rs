//! Copies that an observer finds no room for: callbacks, and connections whose copies do not count.

use crate::common::{FOREVER, must_return};
use postroom::activity::{Activity, ActivityKind};
use postroom::id::{MessageId, SubscriptionId};
use postroom::observe::{DeliveryAction, Observer, PublishAction, PublishContext, SubscriptionInfo};
use postroom::*;
use std::future::Future;
use std::pin::pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};

/// Finds no room in the listed subscriptions.
#[derive(Default)]
struct NoRoom(Mutex<Vec<SubscriptionId>>);

impl Observer for NoRoom {
    fn publish(&self, _: &PublishContext<'_>) -> PublishAction {
        PublishAction::Route { id: MessageId::new(1), times: 1 }
    }

    fn deliver(&self, _: MessageId, _: &PublishContext<'_>, to: &SubscriptionInfo) -> DeliveryAction {
        if self.0.lock().unwrap().contains(&to.id) { DeliveryAction::Full } else { DeliveryAction::Pass }
    }
}

fn bus() -> (Bus, Arc<NoRoom>) {
    let observer = Arc::new(NoRoom::default());
    (Bus::builder().observer(observer.clone()).build(), observer)
}

/// A callback has room once room is looked for: it is called, and its drain ends.
#[test]
fn a_callback_that_had_no_room_is_called_once_it_has() {
    for policy in [OverflowPolicy::Block(FOREVER), OverflowPolicy::DropOldest] {
        let (bus, observer) = bus();
        let client = bus.connect();
        let called = Arc::new(AtomicUsize::new(0));
        let in_call = called.clone();
        let options = SubscribeOptions::new().overflow(policy);
        let guard = client
            .subscribe_fn_with("a", options, move |message| {
                in_call.fetch_add(message.payload().len(), Ordering::Relaxed);
            })
            .unwrap();
        observer.0.lock().unwrap().push(guard.id());
        assert_eq!(client.publish("a", "x"), Ok(1), "{policy:?}");
        assert_eq!(called.load(Ordering::Relaxed), 1, "{policy:?}");
        let mut published = pin!(client.publish_async("a", "xx"));
        let polled = published.as_mut().poll(&mut Context::from_waker(Waker::noop()));
        assert!(matches!(polled, Poll::Ready(Ok(1))), "{policy:?}");
        assert_eq!(called.load(Ordering::Relaxed), 3, "{policy:?}");
        let ledger = guard.ledger();
        assert_eq!((ledger.matched, ledger.delivered, ledger.queued), (2, 2, 0), "{policy:?}");
        must_return(move || guard.drain().wait());
        assert!(bus.stats().ledger.balances());
    }
}

/// Of two callbacks, one of which had no room, neither overtakes what the other publishes.
#[test]
fn a_callback_that_had_no_room_runs_after_all_copies_are_placed() {
    let (bus, observer) = bus();
    let client = bus.connect();
    let options = SubscribeOptions::new().overflow(OverflowPolicy::Block(FOREVER));
    let publisher = client.clone();
    let guard = client
        .subscribe_fn_with("a", options.clone(), move |_| {
            publisher.publish("b", "later").unwrap();
        })
        .unwrap();
    let queue = client.subscribe_with(">", options).unwrap();
    observer.0.lock().unwrap().extend([guard.id(), queue.id()]);
    assert_eq!(client.publish("a", "first"), Ok(2));
    let received: Vec<_> = std::iter::from_fn(|| queue.try_recv().ok()).collect();
    assert_eq!(received.iter().map(Message::payload).collect::<Vec<_>>(), [&b"first"[..], b"later"]);
}

fn messages(activity: &Activity) -> usize {
    activity.held().iter().filter(|held| matches!(held, ActivityKind::Message { .. })).count()
}

/// Copies for an untracked connection do not count while they lie there, whichever way they came.
#[test]
fn a_copy_for_an_untracked_connection_does_not_count_after_it_had_no_room() {
    let (bus, observer) = bus();
    let activity = bus.activity().unwrap().clone();
    let (app, test) = (bus.connect(), bus.connect_with(ConnectOptions::new().untracked(true)));
    let oldest = SubscribeOptions::new().overflow(OverflowPolicy::DropOldest);
    let plain = test.subscribe_with("plain", oldest.clone()).unwrap();
    let member = test.subscribe_with("group", oldest.queue("q")).unwrap();
    observer.0.lock().unwrap().extend([plain.id(), member.id()]);
    for (subject, subscriber) in [("plain", &plain), ("group", &member)] {
        assert_eq!(app.publish(subject, "x"), Ok(1));
        assert_eq!((subscriber.len(), messages(&activity)), (1, 0), "{subject}: {activity:?}");
    }
    // The bus's own message that there are no responders.
    let notices = test.subscribe("answers").unwrap();
    assert_eq!(test.publish_with_reply("nobody", "answers", "x"), Ok(0));
    assert_eq!((notices.len(), messages(&activity)), (1, 0), "{activity:?}");
    let kept = (plain.recv().unwrap(), member.recv().unwrap(), notices.recv().unwrap());
    assert_eq!(messages(&activity), 0, "{activity:?}");
    drop(kept);
}
