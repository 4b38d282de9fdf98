//! The options of a builder besides rules, and the bounds.

use crate::fixture::{PATIENCE, Remote, Restartable, bus, event, start, wait_until};
use crate::support::nats_server::NatsServer;
use postroom::bridge::{BridgeEvent, FlushError, LossReason};
use postroom::{Bridge, Event};
use std::future::Future;
use std::sync::{Arc, Mutex};
use std::task::{Context, Waker};
use std::time::Duration;

#[test]
fn of_too_many_requests_those_go_that_have_waited_longest() {
    let (server, bus) = (NatsServer::start(""), bus());
    let remote = Remote::connect(&server.url());
    let mut asked = remote.subscribe("svc");
    let bridge = start(Bridge::builder(&bus).server(server.url()).call("svc").requests_max(3));
    let client = bus.connect();
    let inboxes: Vec<_> = (0..5).map(|_| client.new_inbox()).collect();
    let answers: Vec<_> = inboxes.iter().map(|inbox| client.subscribe(inbox.clone()).unwrap()).collect();
    for inbox in inboxes {
        client.publish_with_reply("svc", inbox, "").unwrap();
    }
    let replies: Vec<_> = (0..5).map(|_| asked.next().reply.unwrap()).collect();
    assert_eq!(bridge.stats().open_requests, 3);
    for (n, reply) in replies.into_iter().enumerate() {
        remote.publish(&reply, &n.to_string());
    }
    wait_until("all answers have come", || bridge.stats().responses + bridge.stats().late_replies == 5);
    let got: Vec<_> = answers.iter().map(|inbox| inbox.try_recv().is_ok()).collect();
    assert_eq!(got, [false, false, true, true, true]);
    assert_eq!(bridge.stats().late_replies, 2);
}

#[test]
fn attempts_are_counted_from_one_and_begin_again_when_it_was_connected() {
    let (mut server, bus) = (Restartable::start(""), bus());
    let attempts = Arc::new(Mutex::new(Vec::new()));
    let seen = attempts.clone();
    let builder = Bridge::builder(&bus).server(server.url()).reconnect_delay(move |attempt| {
        seen.lock().unwrap().push(attempt);
        Duration::from_millis(1)
    });
    let bridge = start(builder);
    assert!(attempts.lock().unwrap().is_empty(), "the first is not waited for");
    for round in 0..2 {
        let events = bridge.events();
        server.kill();
        // The event of a connection may come after the connection itself.
        event(&events, |event| (event == BridgeEvent::Disconnected).then_some(()));
        wait_until("it has tried several times", || attempts.lock().unwrap().len() >= 3);
        server.restart();
        event(&events, |event| matches!(event, BridgeEvent::Connected { .. }).then_some(()));
        let tried = std::mem::take(&mut *attempts.lock().unwrap());
        assert!(tried.iter().copied().eq(1..=tried.len() as u32), "{round}: {tried:?}");
    }
}

#[test]
fn a_delay_that_panics_is_counted_and_the_default_takes_its_place() {
    let (mut server, bus) = (Restartable::start(""), bus());
    let bridge = start(Bridge::builder(&bus).server(server.url()).reconnect_delay(|_| panic!("no delay")));
    let events = bridge.events();
    server.kill();
    event(&events, |event| matches!(event, BridgeEvent::ConnectFailed { .. }).then_some(()));
    server.restart();
    event(&events, |event| matches!(event, BridgeEvent::Connected { .. }).then_some(()));
    assert!(bus.stats().traffic.panics > 0);
}

#[test]
fn of_too_many_unread_events_the_oldest_go_and_are_counted() {
    let config =
        "authorization { users: [{ user: u, password: p, permissions: { publish: { deny: \"secret.*\" } } }] }";
    let (server, bus) = (NatsServer::start(config), bus());
    let options = async_nats::ConnectOptions::with_user_and_password("u".into(), "p".into());
    let bridge = start(Bridge::builder(&bus).server(server.url()).connect_options(options).export("secret.*"));
    let events = bridge.events();
    let client = bus.connect();
    for round in 1..=11 {
        // The library passes on no more than 128 refusals at a time.
        for n in 0..100 {
            client.publish(format!("secret.{n}"), "").unwrap();
        }
        wait_until("all are refused", || bridge.stats().outgoing.lost.of(LossReason::Denied) == round * 100);
    }
    bridge.close();
    bridge.closed().wait();
    // The end is told a moment after it is so: until then, one more could be unread.
    wait_until("the end is told", || events.missed() + 1_024 > 1_101);
    let unread = std::iter::from_fn(|| events.recv_timeout(PATIENCE)).collect::<Vec<_>>();
    assert_eq!(unread.len(), 1_024);
    let all = unread.len() as u64 + events.missed();
    assert!((1_101..1_110).contains(&all), "each refusal, their episode, the end, and no more: {all}");
    assert_eq!(unread.last(), Some(&BridgeEvent::Closed));
}

/// The name of the connection that the bus next tells of as closed.
fn closed_name(events: &postroom::event::EventStream<postroom::Event>) -> Option<String> {
    loop {
        match events.recv_timeout(PATIENCE).expect("told in time") {
            Event::ClientClosed { name, .. } => return name,
            _ => continue,
        }
    }
}

#[test]
fn it_has_a_name_on_the_bus() {
    let (server, bus) = (NatsServer::start(""), bus());
    let events = bus.events();
    for (bridge, name) in [
        (Bridge::builder(&bus).server(server.url()), "bridge"),
        (Bridge::builder(&bus).server(server.url()).name("to the cluster"), "to the cluster"),
    ] {
        start(bridge).close();
        assert_eq!(closed_name(&events).as_deref(), Some(name));
    }
}

#[test]
fn a_start_that_nobody_waits_for_any_more_leaves_no_bridge() {
    let mut server = Restartable::start("");
    server.kill();
    let bus = bus();
    let events = bus.events();
    let builder = Bridge::builder(&bus).server(server.url()).export("a").require_connected(PATIENCE * 10);
    let mut starting = Box::pin(builder.start_async());
    assert!(starting.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
    assert!(bus.has_interest("a"));
    drop(starting);
    assert_eq!(closed_name(&events).as_deref(), Some("bridge"));
    assert!(!bus.has_interest("a"));
}

#[test]
fn one_that_is_closed_says_so() {
    let (server, bus) = (NatsServer::start(""), bus());
    let bridge = start(Bridge::builder(&bus).server(server.url()).export("a"));
    bridge.close();
    bridge.closed().wait();
    assert!(!bridge.connected(PATIENCE).wait());
    assert_eq!(bridge.flush(PATIENCE).wait(), Err(FlushError::Closed));
    assert_eq!(bridge.events().recv_timeout(PATIENCE), None);
    assert_eq!((bridge.events().recv(), bridge.events().try_recv(), (&bridge.events()).next()), (None, None, None));
    assert_eq!(bus.connect().publish("a", "").unwrap(), 0);
}

#[test]
fn each_time_may_be_zero_or_without_end() {
    let server = NatsServer::start("");
    for time in [Duration::ZERO, Duration::MAX] {
        let bus = bus();
        let builder = Bridge::builder(&bus).server(server.url()).import("in").export("out");
        let bridge = start(builder.grace(time).reconnect_delay(move |_| time));
        assert!(bridge.connected(Duration::MAX).wait());
        let client = bus.connect();
        let wanted = client.subscribe("in").unwrap();
        wait_until("it is wanted", || bridge.stats().subscriptions == 1);
        drop(wanted);
        client.publish("out", "").unwrap();
        bridge.flush(Duration::MAX).wait().unwrap();
        // It may be done before it is looked at.
        let at_once = bridge.flush(Duration::ZERO).wait();
        assert!(matches!(at_once, Ok(()) | Err(FlushError::Timeout { .. })), "{at_once:?}");
        // The subscription that is not wanted any more is kept for so long.
        wait_until("it is kept or gone", || bridge.stats().subscriptions == usize::from(!time.is_zero()));
        client.publish("out", "").unwrap();
        bridge.drain(Duration::MAX).wait().unwrap();
        assert_eq!(bridge.stats().outgoing.delivered, 2);
    }
    let bridge = Bridge::builder(&bus()).server("nats://127.0.0.1:1").export("out").reconnect_delay(|_| Duration::MAX);
    let bridge = bridge.start().unwrap();
    assert!(!bridge.connected(Duration::ZERO).wait());
    bridge.close();
    bridge.closed().wait();
}
