//! G5, the events: one for each slow-consumer episode, with the first and last loss and how many there were.
//!
//! Goal: a reader of events learns of every loss and is not flooded. Method: episodes on one thread with the manual clock, read
//! before, in the middle and after; every kind of event once; the bound of a stream of events.

use crate::common::POLICIES;
use postroom::error::CloseReason;
use postroom::event::{EventStream, SlowConsumer};
use postroom::id::ClientId;
use postroom::stats::DropReason;
use postroom::{Bus, Client, Clock, Event, Limits, ManualClock, OverflowPolicy, SubscribeOptions, Subscriber};
use std::time::Duration;

const SECOND: Duration = Duration::from_secs(1);

struct Room {
    bus: Bus,
    clock: ManualClock,
    events: EventStream<Event>,
    client: Client,
}

impl Room {
    fn new() -> Self {
        let clock = Clock::manual();
        let bus = Bus::builder().clock(&clock).build();
        Room { events: bus.events(), client: bus.connect(), clock, bus }
    }

    fn slow(&self, capacity: usize, overflow: OverflowPolicy) -> Subscriber {
        self.client.subscribe_with("a.*", SubscribeOptions::new().capacity(capacity).overflow(overflow)).unwrap()
    }

    /// Publishes a message a second with `len` bytes each.
    fn publish(&self, subjects: &[&str], len: usize) {
        for subject in subjects {
            self.clock.advance(SECOND);
            self.client.publish(*subject, &[b'x'; 16][..len]).unwrap();
        }
    }

    #[track_caller]
    fn episode(&self) -> SlowConsumer {
        match self.events.try_recv() {
            Some(Event::SlowConsumer(episode)) => episode,
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn an_episode_is_one_event_with_its_first_and_last_loss() {
    let room = Room::new();
    let slow = room.slow(2, OverflowPolicy::DropNewest);
    room.publish(&["a.1", "a.2"], 1);
    assert_eq!(room.events.try_recv(), None, "full is not lost");
    room.publish(&["a.3"], 3);
    room.publish(&["a.4", "a.5"], 4);
    let episode = room.episode();
    assert_eq!((episode.subscription.id, episode.subscription.client), (slow.id(), room.client.id()));
    assert_eq!((episode.subscription.pattern.as_str(), &episode.subscription.queue), ("a.*", &None));
    let lost = |lost: &postroom::stats::DroppedMessage| (lost.subject.to_string(), lost.size, lost.reason, lost.at);
    assert_eq!(lost(&episode.first), ("a.3".into(), 3, DropReason::QueueFull, SECOND * 3));
    assert_eq!(lost(&episode.last), ("a.5".into(), 4, DropReason::QueueFull, SECOND * 5));
    assert_eq!((episode.dropped, episode.ended), (3, false));
    assert_eq!(room.events.try_recv(), None, "and no other");
}

#[test]
fn what_is_read_while_it_goes_on_is_told_again_at_its_end() {
    let room = Room::new();
    let slow = room.slow(4, OverflowPolicy::DropNewest);
    room.publish(&["a.1"; 5], 1);
    assert_eq!(room.episode().dropped, 1);
    room.publish(&["a.2"; 3], 1);
    slow.recv().unwrap();
    // One place is free: not half, so that the episode continues.
    room.publish(&["a.3"; 2], 1);
    assert_eq!(room.events.try_recv(), None);
    slow.recv().unwrap();
    slow.recv().unwrap();
    room.publish(&["a.4"], 1);
    let episode = room.episode();
    assert_eq!((episode.dropped, episode.ended), (5, true), "the totals of the whole");
    assert_eq!((episode.first.subject.as_str(), episode.last.subject.as_str()), ("a.1", "a.3"));
    assert_eq!(room.events.try_recv(), None);
    // The next loss begins another.
    room.publish(&["a.5"; 3], 1);
    let episode = room.episode();
    assert_eq!((episode.first.subject.as_str(), episode.dropped, episode.ended), ("a.5", 2, false));
}

#[test]
fn what_was_not_read_before_its_end_is_told_once() {
    let room = Room::new();
    let slow = room.slow(2, OverflowPolicy::DropOldest);
    let late = room.bus.events();
    room.publish(&["a.1"; 5], 1);
    assert_eq!(room.episode().dropped, 3, "read here and not there");
    assert_eq!(slow.try_iter().count(), 2);
    room.publish(&["a.1"], 1);
    assert!(room.episode().ended);
    let Some(Event::SlowConsumer(episode)) = late.try_recv() else { panic!("told") };
    assert_eq!((episode.dropped, episode.ended), (3, true));
    assert_eq!(late.try_recv(), None);
}

#[test]
fn the_end_of_the_subscription_ends_the_episode() {
    for policy in POLICIES {
        let policy =
            if matches!(policy, OverflowPolicy::Block(_)) { OverflowPolicy::Block(Duration::ZERO) } else { policy };
        let room = Room::new();
        let slow = room.slow(1, policy);
        room.publish(&["a.1"; 2], 1);
        if policy == OverflowPolicy::Close {
            let episode = room.episode();
            assert_eq!((episode.dropped, episode.ended, episode.last.reason), (1, true, DropReason::SlowConsumer));
            let Some(Event::SubscriptionClosed { subscription, reason }) = room.events.try_recv() else {
                panic!("told")
            };
            assert_eq!((subscription.id, reason), (slow.id(), CloseReason::SlowConsumer));
        } else {
            assert!(!room.episode().ended);
            drop(slow);
            assert!(room.episode().ended, "{policy:?}");
        }
        assert_eq!(room.events.try_recv(), None);
    }
}

#[test]
fn reasons_are_those_of_the_policy() {
    for (policy, reason, first) in [
        (OverflowPolicy::DropNewest, DropReason::QueueFull, "a.2"),
        (OverflowPolicy::DropOldest, DropReason::Oldest, "a.1"),
        (OverflowPolicy::Block(Duration::ZERO), DropReason::BlockTimeout, "a.2"),
        (OverflowPolicy::Close, DropReason::SlowConsumer, "a.2"),
    ] {
        let room = Room::new();
        let _slow = room.slow(1, policy);
        room.publish(&["a.1", "a.2"], 1);
        let episode = room.episode();
        assert_eq!((episode.first.reason, episode.first.subject.as_str()), (reason, first));
    }
}

#[test]
fn a_full_channel_is_an_episode_too() {
    let room = Room::new();
    let (tx, rx) = crossbeam_channel::bounded(4);
    let guard = room.client.subscribe_channel("a.*", tx).unwrap();
    room.publish(&["a.1"; 7], 1);
    let episode = room.episode();
    assert_eq!((episode.subscription.id, episode.dropped, episode.ended), (guard.id(), 3, false));
    // At the edge: one out, one in, one lost. This does not count as a recovery, nor is it an event
    // each time.
    for _ in 0..5 {
        rx.recv().unwrap();
        room.publish(&["a.2"; 2], 1);
    }
    assert_eq!(room.events.try_recv(), None);
    assert_eq!(rx.try_iter().count(), 4);
    room.publish(&["a.3"], 1);
    let episode = room.episode();
    assert_eq!((episode.dropped, episode.ended), (8, true));
    drop(rx);
    room.publish(&["a.4"], 1);
    let Some(Event::SubscriptionClosed { subscription, reason }) = room.events.try_recv() else { panic!("told") };
    assert_eq!((subscription.id, reason), (guard.id(), CloseReason::Disconnected));
}

#[test]
fn ends_are_told_in_order_and_the_bus_comes_last() {
    let room = Room::new();
    let named = room.bus.connect_with(postroom::ConnectOptions::new().name("named"));
    let id = named.id();
    named.close();
    named.close();
    drop(named);
    let dropped = room.bus.connect().id();
    room.bus.close();
    room.bus.close();
    let all: Vec<Event> = room.events.by_ref_all();
    let closed = |client, name: Option<&str>| Event::ClientClosed { client, name: name.map(str::to_owned) };
    assert_eq!(
        all,
        [closed(id, Some("named")), closed(dropped, None), closed(room.client.id(), None), Event::BusClosed]
    );
    let after = room.bus.events();
    assert_eq!((after.recv(), after.missed()), (None, 0), "a stream of a closed bus ends at once");
}

trait All {
    fn by_ref_all(&self) -> Vec<Event>;
}

impl All for EventStream<Event> {
    /// Blocks to the end: the bus is closed.
    fn by_ref_all(&self) -> Vec<Event> {
        let mut events = self;
        let all: Vec<Event> = events.by_ref().collect();
        all
    }
}

#[test]
fn too_many_unread_events_push_out_the_oldest_and_are_counted() {
    let mut limits = Limits::default();
    limits.events_capacity = 3;
    let bus = Bus::builder().limits(limits).build();
    let (events, calm) = (bus.events(), bus.events());
    let ids: Vec<ClientId> = (0..5).map(|_| bus.connect().id()).collect();
    while calm.try_recv().is_some() {}
    assert_eq!((events.missed(), calm.missed()), (2, 2));
    let seen: Vec<ClientId> = std::iter::from_fn(|| events.try_recv())
        .map(|event| match event {
            Event::ClientClosed { client, .. } => client,
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(seen, ids[2..]);
}

#[test]
fn waiting_for_events_takes_the_buss_clock() {
    let room = Room::new();
    std::thread::scope(|scope| {
        let waiting = scope.spawn(|| room.events.recv_timeout(SECOND));
        room.clock.wait_for_timers(1);
        room.clock.advance(SECOND);
        assert_eq!(waiting.join().unwrap(), None);
        let waiting = scope.spawn(|| room.events.recv_timeout(SECOND));
        room.clock.wait_for_timers(1);
        let id = room.bus.connect().id();
        assert_eq!(waiting.join().unwrap(), Some(Event::ClientClosed { client: id, name: None }));
    });
}

/// A source of a program's own: a report grows until it is read and is there once, the oldest of too many events go and are counted,
/// and nothing comes after the last event.
#[test]
fn events_of_other_kinds_have_the_same_streams() {
    let bus = Bus::new();
    let source = bus.event_sender::<u64>(3);
    let (events, others) = (source.listen(), source.listen());
    let grown = std::sync::Arc::new(std::sync::atomic::AtomicU64::new(10));
    let report = || source.emit_report(&grown, |grown| grown.load(std::sync::atomic::Ordering::Relaxed));
    report();
    grown.store(11, std::sync::atomic::Ordering::Relaxed);
    report();
    source.emit(|| 2);
    assert_eq!((events.try_recv(), events.try_recv(), events.try_recv()), (Some(11), Some(2), None));
    report();
    assert_eq!(events.recv(), Some(11), "it was read, so it comes again");
    for number in 3..6 {
        source.emit(|| number);
    }
    source.close(6);
    source.emit(|| 7);
    assert_eq!(((&events).collect::<Vec<_>>(), events.missed()), (vec![4, 5, 6], 1));
    assert_eq!(others.missed(), 3, "each stream has its own bound");
    assert_eq!(source.listen().recv(), None);
}
