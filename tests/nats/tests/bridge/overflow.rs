//! Buffers that are full, by policy: waiting, losses, ends. (Trouble has the two that drop.)

use crate::fixture::{PATIENCE, Remote, RemoteSubscriber, Restartable, bus, event, start, text, wait_until};
use crate::support::nats_server::NatsServer;
use postroom::bridge::{BridgeEvent, BridgeState, FlushError, LossReason};
use postroom::stats::DropReason;
use postroom::{Bridge, Bus, Event, OverflowPolicy};
use std::pin::pin;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::task::{Context, Waker};
use std::thread;
use std::time::Duration;

/// A publisher that is told of room in time never waits so long; one that is not told fails the test, by
/// the loss at the end.
const LONG: Duration = Duration::from_secs(120);

const WINDOW: usize = 64;

/// Messages that are taken out of the buffer at once, at most.
const BATCH: u64 = 128;

fn builder(bus: &Bus, url: String, messages: usize, overflow: OverflowPolicy) -> postroom::bridge::BridgeBuilder {
    Bridge::builder(bus).server(url).outgoing_capacity(messages, 1 << 20, overflow).window(WINDOW, 1 << 20)
}

/// The numbers that have come, by publisher.
fn numbers(all: &mut RemoteSubscriber, publishers: usize) -> Vec<Vec<u64>> {
    let mut arrived = vec![Vec::new(); publishers];
    for text in all.texts() {
        let (publisher, number) = text.split_once(' ').unwrap();
        arrived[publisher.parse::<usize>().unwrap()].push(number.parse().unwrap());
    }
    arrived
}

#[test]
fn publishers_wait_while_the_server_stands_still_and_nothing_is_lost() {
    const MESSAGES: u64 = 2_000;
    let (server, bus) = (Restartable::start(""), bus());
    let remote = Remote::connect(&server.url());
    let mut all = remote.subscribe("a.>");
    let bridge = start(builder(&bus, server.url(), 100, OverflowPolicy::Block(LONG)).export("a.b").export("a.>"));
    server.signal("-STOP");
    let published = AtomicU64::new(0);
    thread::scope(|scope| {
        for publisher in 0..3 {
            let (bus, published) = (&bus, &published);
            scope.spawn(move || {
                let client = bus.connect();
                for number in 0..MESSAGES {
                    let subject = ["a.b", "a.c"][number as usize % 2];
                    assert_eq!(client.publish(subject, format!("{publisher} {number}")).unwrap(), 1);
                    published.fetch_add(1, SeqCst);
                }
            });
        }
        wait_until("the buffer is full", || bridge.stats().outgoing.queued == 100);
        // Others publish and subscribe meanwhile: no lock is held (G4).
        let other = bus.connect().subscribe("other").unwrap();
        assert_eq!(bus.connect().publish("other", "").unwrap(), 1);
        other.recv().unwrap();
        let flow = bridge.stats().outgoing;
        assert!(flow.balances() && flow.taken <= 100 + WINDOW as u64 + BATCH, "{flow:?}");
        assert!(published.load(SeqCst) <= flow.taken && flow.lost.total() == 0, "{flow:?}");
        server.signal("-CONT");
    });
    assert_eq!(bridge.flush(PATIENCE).wait(), Ok(()));
    remote.flush();
    for arrived in numbers(&mut all, 3) {
        assert!(arrived.iter().copied().eq(0..MESSAGES), "each once and in order, over both rules");
    }
    let flow = bridge.stats().outgoing;
    assert_eq!((flow.taken, flow.delivered, flow.lost.total()), (3 * MESSAGES, 3 * MESSAGES, 0), "{flow:?}");
    let ledger = bus.stats().ledger;
    assert!(ledger.balances() && ledger.dropped.total() == 0, "{ledger:?}");
}

#[test]
fn a_publisher_that_has_waited_too_long_is_told_and_counted_on_both_sides() {
    let mut server = Restartable::start("");
    server.kill();
    let bus = bus();
    let limit = Duration::from_millis(20);
    let bridge = builder(&bus, server.url(), 10, OverflowPolicy::Block(limit)).export("a").start().unwrap();
    let (client, events) = (bus.connect(), bus.events());
    let taken: usize = (0..12).map(|_| client.publish("a", "x").unwrap()).sum();
    assert_eq!(taken, 10);
    let flow = bridge.stats().outgoing;
    assert_eq!((flow.taken, flow.queued, flow.lost.of(LossReason::BlockTimeout)), (12, 10, 2));
    assert!(flow.balances());
    let ledger = bus.stats().ledger;
    assert_eq!((ledger.matched, ledger.dropped.of(DropReason::BlockTimeout)), (12, 2));
    let Some(Event::SlowConsumer(slow)) = events.try_recv() else { panic!("the bus tells of it") };
    assert_eq!((slow.subscription.pattern.as_str(), slow.dropped), ("a", 2));
    server.restart();
    assert!(bridge.connected(PATIENCE).wait());
    assert_eq!(bridge.flush(PATIENCE).wait(), Err(FlushError::Lost { count: 2 }));
    assert_eq!(bridge.flush(PATIENCE).wait(), Ok(()), "told once");
    bridge.close();
    bridge.closed().wait();
    let flow = bridge.stats().outgoing;
    assert_eq!((flow.delivered, flow.lost.total()), (10, 2), "kept to the end");
}

#[test]
fn a_task_that_publishes_waits_without_its_thread() {
    let (mut server, bus) = (Restartable::start(""), bus());
    let url = server.url();
    server.kill();
    let bridge = builder(&bus, url, 1, OverflowPolicy::Block(LONG)).export("a").start().unwrap();
    let client = bus.connect();
    assert_eq!(client.publish("a", "first").unwrap(), 1);
    let mut cx = Context::from_waker(Waker::noop());
    {
        let mut given_up = pin!(client.publish_async("a", "given up"));
        assert!(given_up.as_mut().poll(&mut cx).is_pending());
    }
    assert_eq!(bus.stats().ledger.dropped.of(DropReason::Cancelled), 1);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let accepted = runtime.block_on(async {
        let waiting = tokio::spawn({
            let client = client.clone();
            async move { client.publish_async("a", "second").await }
        });
        // This runs on the same thread, while the other waits.
        tokio::task::yield_now().await;
        assert!(!waiting.is_finished());
        server.restart();
        waiting.await.unwrap().unwrap()
    });
    assert_eq!(accepted, 1);
    bridge.flush(PATIENCE).wait().unwrap();
    assert_eq!(bridge.stats().outgoing.delivered, 2);
}

#[test]
fn the_end_of_a_bridge_lets_publishers_go() {
    for drains in [false, true] {
        let (mut server, bus) = (Restartable::start(""), bus());
        let url = server.url();
        server.kill();
        let bridge = builder(&bus, url, 1, OverflowPolicy::Block(LONG)).export("a").start().unwrap();
        assert_eq!(bus.connect().publish("a", "first").unwrap(), 1);
        thread::scope(|scope| {
            let publishing = scope.spawn(|| bus.connect().publish("a", "second").unwrap());
            // It probably waits already, and either way it is let go.
            thread::yield_now();
            match drains {
                false => bridge.close(),
                true => drop(bridge.drain(Duration::from_millis(20)).wait()),
            }
            bridge.closed().wait();
            assert_eq!(publishing.join().unwrap(), 0);
        });
        let flow = bridge.stats().outgoing;
        assert_eq!((flow.taken, flow.lost.of(LossReason::Discarded)), (1, 1), "{flow:?}");
        assert!(bus.stats().ledger.balances());
    }
}

#[test]
fn what_never_fits_is_not_waited_for() {
    let mut server = Restartable::start("");
    server.kill();
    let bus = bus();
    let bridge = builder(&bus, server.url(), 10, OverflowPolicy::Block(LONG))
        .outgoing_capacity(10, 100, OverflowPolicy::Block(LONG))
        .export("a")
        .start()
        .unwrap();
    assert_eq!(bus.connect().publish("a", vec![0; 101]).unwrap(), 0);
    assert_eq!(bridge.stats().outgoing.lost.of(LossReason::QueueFull), 1);
}

#[test]
fn the_thread_that_empties_the_buffer_does_not_wait_for_itself() {
    let (server, bus) = (NatsServer::start(""), bus());
    let remote = Remote::connect(&server.url());
    remote.respond("svc", |_| vec!["answer".to_owned()]);
    let bridge = start(builder(&bus, server.url(), 10, OverflowPolicy::Block(LONG)).export("a").call("svc"));
    let (client, publishes) = (bus.connect(), bus.connect());
    let inbox = client.new_inbox();
    let accepted = Arc::new(AtomicUsize::new(usize::MAX));
    let result = accepted.clone();
    let _callback = client.subscribe_fn(inbox.clone(), move |_| {
        let taken = (0..50).map(|_| publishes.publish("a", "x").unwrap()).sum();
        result.store(taken, SeqCst);
    });
    client.publish_with_reply("svc", inbox, "").unwrap();
    wait_until("the answer has been dealt with", || accepted.load(SeqCst) != usize::MAX);
    assert_eq!(accepted.load(SeqCst), 10, "as many as there was room for");
    assert_eq!(bridge.stats().outgoing.lost.of(LossReason::QueueFull), 40);
    assert_eq!(bridge.flush(PATIENCE).wait(), Err(FlushError::Lost { count: 40 }));
}

#[test]
fn answers_wait_as_well() {
    const REQUESTS: usize = 5_000;
    let (server, bus) = (NatsServer::start(""), bus());
    let remote = Remote::connect(&server.url());
    let mut answers = remote.subscribe("answers");
    let _echo = bus.connect().subscribe_fn("svc", |question| {
        question.respond(question.payload_bytes()).unwrap();
    });
    let bridge = start(builder(&bus, server.url(), 2, OverflowPolicy::Block(LONG)).serve("svc"));
    for n in 0..REQUESTS {
        let asking = remote.client.publish_with_reply("svc", "answers", n.to_string().into());
        remote.block_on(asking).unwrap();
    }
    for n in 0..REQUESTS {
        assert_eq!(text(&answers.next()), n.to_string());
    }
    assert_eq!(bridge.stats().outgoing.lost.total(), 0);
}

#[test]
fn a_buffer_that_overflows_may_be_the_end_of_its_bridge() {
    let (mut server, bus) = (Restartable::start(""), bus());
    let bridge = start(builder(&bus, server.url(), 10, OverflowPolicy::Close).export("a"));
    let events = bridge.events();
    server.kill();
    event(&events, |event| (event == BridgeEvent::Disconnected).then_some(()));
    let client = bus.connect();
    let taken: usize = (0..15).map(|n| client.publish("a", n.to_string()).unwrap()).sum();
    assert_eq!(taken, 10);
    let flow = bridge.stats().outgoing;
    assert_eq!((flow.queued, flow.lost.of(LossReason::QueueFull)), (10, 5));
    server.restart();
    // The messages in it are sent; after that the bridge is closed.
    bridge.closed().wait();
    let flow = bridge.stats().outgoing;
    assert_eq!((flow.taken, flow.delivered, flow.lost.total()), (15, 10, 5), "{flow:?}");
    assert_eq!(bridge.state(), BridgeState::Closed);
    assert_eq!(client.publish("a", "").unwrap(), 0);
    let episode = event(&events, |event| match event {
        BridgeEvent::Lost(episode) if episode.ended => Some(episode),
        _ => None,
    });
    assert_eq!((episode.count, episode.first.subject.as_str()), (5, "a"));
    event(&events, |event| (event == BridgeEvent::Closed).then_some(()));
}

#[test]
fn so_may_one_for_what_comes_in_without_a_gap_before_its_end() {
    let (server, bus) = (NatsServer::start(""), bus());
    let remote = Remote::connect(&server.url());
    let gate = Arc::new(Mutex::new(()));
    let held = gate.lock().unwrap();
    let (waiting, seen) = (gate.clone(), Arc::new(Mutex::new(Vec::new())));
    let into = seen.clone();
    let _slow = bus.connect().subscribe_fn("in", move |message| {
        drop(waiting.lock().unwrap());
        into.lock().unwrap().push(message.payload_str().unwrap().parse::<u64>().unwrap());
    });
    let bridge = start(Bridge::builder(&bus).server(server.url()).import("in").incoming_capacity(
        10,
        1 << 20,
        OverflowPolicy::Close,
    ));
    for n in 0..1_000 {
        remote.publish("in", &n.to_string());
    }
    remote.flush();
    wait_until("it has overflown", || bridge.stats().incoming.lost.of(LossReason::QueueFull) > 0);
    drop(held);
    bridge.closed().wait();
    let (flow, seen) = (bridge.stats().incoming, seen.lock().unwrap());
    assert!(seen.iter().copied().eq(0..flow.delivered), "{seen:?}");
    assert!(flow.balances() && flow.queued == 0 && flow.delivered >= 10 && flow.delivered < 1_000, "{flow:?}");
}
