//! Servers that go, come late, refuse, or stand still.

use crate::fixture::{PATIENCE, Remote, Restartable, bus, event, start, text, wait_until};
use crate::support::nats_server::NatsServer;
use postroom::bridge::{BridgeEvent, BridgeState, Direction, FlushError, LossReason, StartError};
use postroom::{Bridge, Bus, Clock, OverflowPolicy};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Barrier, Mutex};
use std::time::Duration;

#[test]
fn a_server_that_comes_late_is_no_error_unless_asked() {
    let mut server = Restartable::start("");
    server.kill();
    let bus = bus();
    let strict = Bridge::builder(&bus).server(server.url()).require_connected(Duration::from_millis(50)).start();
    let Err(StartError::NotConnected { reason, .. }) = strict else { panic!("{strict:?}") };
    assert!(reason.contains("127.0.0.1"), "{reason}");
    let bridge = Bridge::builder(&bus).server(server.url()).export("a").import("b").start().unwrap();
    let events = bridge.events();
    let client = bus.connect();
    let b = client.subscribe("b").unwrap();
    assert_eq!(client.publish("a", "early").unwrap(), 1, "it waits for the server");
    assert!(matches!(bridge.state(), BridgeState::Connecting { .. }));
    assert_eq!(
        bridge.flush(Duration::from_millis(1)).wait(),
        Err(FlushError::Timeout { after: Duration::from_millis(1) })
    );
    server.restart();
    event(&events, |event| matches!(event, BridgeEvent::Connected { .. }).then_some(()));
    bridge.flush(PATIENCE).wait().unwrap();
    let remote = Remote::connect(&server.url());
    remote.publish("b", "late");
    assert_eq!(b.recv_timeout(PATIENCE).unwrap().payload(), b"late");
    assert_eq!(bridge.stats().outgoing.delivered, 1);
}

#[test]
fn a_wrong_password_is_a_typed_error_or_an_event() {
    let server = NatsServer::start("authorization { user: u, password: \"ri:ght\" }");
    let bus = bus();
    let options = |password: &str| async_nats::ConnectOptions::with_user_and_password("u".into(), password.into());
    let builder = |password: &str| Bridge::builder(&bus).server(server.url()).connect_options(options(password));
    let refused = builder("wrong").require_connected(PATIENCE).start();
    assert!(matches!(refused, Err(StartError::Refused { .. })), "{refused:?}");
    let patient = builder("wrong").start().unwrap();
    let reason = event(&patient.events(), |event| match event {
        BridgeEvent::ConnectFailed { reason, .. } => Some(reason),
        _ => None,
    });
    assert!(reason.contains("authorization violation"), "{reason}");
    let _in = start(builder("ri:ght"));
    let by_url = server.url().replace("nats://", "nats://u:ri%3aght@");
    let _in = start(Bridge::builder(&bus).server(by_url));
}

#[test]
fn a_bridge_that_keeps_failing_keeps_telling() {
    let mut server = Restartable::start("");
    server.kill();
    let bus = bus();
    let bridge = Bridge::builder(&bus).server(server.url()).reconnect_delay(|_| Duration::ZERO).start().unwrap();
    let events = bridge.events();
    let told = |number| {
        event(&events, |event| match event {
            BridgeEvent::ConnectFailed { attempts, reason } if attempts >= number => Some((attempts, reason)),
            _ => None,
        })
    };
    let (attempts, reason) = told(64);
    assert!(attempts.is_power_of_two() && reason.contains("refused"), "{attempts} {reason}");
    // The reason changes: that is told at once, and not at the next power of two.
    server.restart_with("authorization { user: u, password: p }");
    event(&events, |event| match event {
        BridgeEvent::ConnectFailed { reason, .. } => reason.contains("authorization violation").then_some(()),
        _ => None,
    });
    server.restart_with("");
    event(&events, |event| matches!(event, BridgeEvent::Connected { .. }).then_some(()));
    // The next outage is told from its first attempt on.
    server.kill();
    event(&events, |event| matches!(event, BridgeEvent::Disconnected).then_some(()));
    assert_eq!(told(1).0, 1);
}

const PERMISSIONS: &str = r#"authorization { users: [
    { user: root, password: p }
    { user: u, password: p, permissions: {
        publish: { allow: ["open.>", "_INBOX.>", "$SYS.REQ.USER.INFO"] }
        subscribe: { allow: ["open.>", "_INBOX.>"] }
    } }
    { user: shy, password: p, permissions: {
        publish: { allow: ["open.>", "_INBOX.>"] }
    } }
    { user: deaf, password: p, permissions: {
        subscribe: { allow: ["open.>"] }
    } }
    { user: mute, password: p, permissions: {
        publish: { allow: ["open.>"] }
    } }
] }"#;

fn as_user(user: &str) -> async_nats::ConnectOptions {
    async_nats::ConnectOptions::with_user_and_password(user.into(), "p".into())
}

#[test]
fn refused_subjects_are_counted_and_told() {
    let (server, bus) = (NatsServer::start(PERMISSIONS), bus());
    let _secret = bus.connect().subscribe("secret.in").unwrap();
    let builder = Bridge::builder(&bus).server(server.url()).connect_options(as_user("u"));
    let bridge = builder.export("open.>").export("secret.>").import("secret.in").start().unwrap();
    let events = bridge.events();
    let denied = |event| match event {
        BridgeEvent::Denied { subscribe, subject } => Some((subscribe, subject)),
        _ => None,
    };
    assert!(bridge.connected(PATIENCE).wait());
    let client = bus.connect();
    client.publish("secret.out", "1").unwrap();
    client.publish("open.out", "2").unwrap();
    let mut all = [event(&events, denied), event(&events, denied)];
    all.sort();
    assert_eq!(all, [(false, "secret.out".to_owned()), (true, "secret.in".to_owned())]);
    wait_until("both are settled", || {
        let flow = bridge.stats().outgoing;
        assert!(flow.balances());
        (flow.delivered, flow.lost.of(LossReason::Denied)) == (1, 1)
    });
}

/// Sends a thousand messages through a small window as this user; gives whether it was told that nothing can be confirmed.
fn sends_as(user: &str) -> bool {
    let (server, bus) = (NatsServer::start(PERMISSIONS), bus());
    let remote = Remote::connect_with(&server.url(), as_user("root"));
    let mut open = remote.subscribe("open.>");
    let builder = Bridge::builder(&bus).server(server.url()).connect_options(as_user(user)).export("open.>");
    let bridge = builder.window(64, 1 << 20).start().unwrap();
    let events = bridge.events();
    let mut told = false;
    while !matches!(events.recv_timeout(PATIENCE), Some(BridgeEvent::Connected { .. }) | None) {
        told = true;
    }
    let client = bus.connect();
    for n in 0..1_000 {
        client.publish("open.a", n.to_string()).unwrap();
    }
    bridge.flush(PATIENCE).wait().unwrap();
    for n in 0..1_000 {
        assert_eq!(text(&open.next()), n.to_string());
    }
    wait_until("all are counted", || bridge.stats().outgoing.delivered == 1_000);
    told
}

#[test]
fn a_user_who_may_not_ask_for_confirmation_is_served_all_the_same() {
    assert!(!sends_as("root") && !sends_as("u"));
    assert!(!sends_as("shy"), "one way is left");
    assert!(sends_as("mute") && sends_as("deaf"), "none is");
}

/// The server would answer with a 503; but another client has subscribed to all inboxes since, and gets the request.
fn gives_up_confirmation(messages: usize) {
    let (server, bus) = (NatsServer::start(PERMISSIONS), bus());
    let remote = Remote::connect_with(&server.url(), as_user("root"));
    let mut open = remote.subscribe("open.>");
    let builder = Bridge::builder(&bus).server(server.url()).connect_options(as_user("shy")).export("open.>");
    let bridge = start(builder.window(64, 1 << 20));
    let events = bridge.events();
    let _spy = remote.subscribe("_INBOX.>");
    let client = bus.connect();
    for n in 0..messages {
        client.publish("open.a", n.to_string()).unwrap();
    }
    bridge.flush(PATIENCE).wait().unwrap();
    event(&events, |event| (event == BridgeEvent::Unconfirmable).then_some(()));
    for n in 0..messages {
        assert_eq!(text(&open.next()), n.to_string());
    }
    assert_eq!((bridge.stats().outgoing.delivered, bridge.stats().connects), (messages as u64, 1));
}

#[test]
fn confirmation_that_does_not_come_any_more_is_given_up() {
    std::thread::scope(|scope| {
        scope.spawn(|| gives_up_confirmation(1_000));
        // The window has room; but a flush waits.
        scope.spawn(|| gives_up_confirmation(1));
    });
}

/// A server is waited for in real time: until it is known that it confirms nothing, and until messages are marked that nothing follows.
#[test]
fn a_manual_clock_that_stands_still_holds_up_no_wait_for_a_server() {
    let (server, bus) = (NatsServer::start(PERMISSIONS), Bus::builder().clock(Clock::manual()).build());
    let client = bus.connect();
    for user in ["u", "deaf"] {
        let builder = Bridge::builder(&bus).server(server.url()).connect_options(as_user(user));
        let bridge = builder.export("open.>").start().unwrap();
        wait_until("it is connected", || bridge.state().is_connected());
        client.publish("open.a", "").unwrap();
        wait_until("it is settled", || bridge.stats().outgoing.delivered == 1);
    }
}

#[test]
fn a_payload_that_is_too_large_is_counted_and_told() {
    let (server, bus) = (NatsServer::start("max_payload: 1000"), bus());
    let bridge = start(Bridge::builder(&bus).server(server.url()).export("a"));
    let events = bridge.events();
    let client = bus.connect();
    client.publish("a", vec![0; 1_000]).unwrap();
    client.publish("a", vec![0; 1_001]).unwrap();
    client.publish("a", vec![0; 1_000]).unwrap();
    assert_eq!(bridge.flush(PATIENCE).wait(), Err(FlushError::Lost { count: 1 }));
    let flow = bridge.stats().outgoing;
    assert_eq!((flow.delivered, flow.lost.of(LossReason::TooLarge)), (2, 1));
    let lost = event(&events, |event| match event {
        BridgeEvent::Lost(episode) => Some(episode),
        _ => None,
    });
    assert_eq!((lost.direction, lost.reason, lost.count), (Direction::Outgoing, LossReason::TooLarge, 1));
    assert_eq!((lost.first.subject.as_str(), lost.first.size), ("a", 1_001));
}

#[test]
fn what_is_refused_again_and_again_is_counted_once() {
    let (mut server, bus) = (Restartable::start(PERMISSIONS), bus());
    let builder = Bridge::builder(&bus).server(server.url()).connect_options(as_user("u")).at_least_once(true);
    let bridge = start(builder.export("open.>").export("secret.>"));
    let client = bus.connect();
    for round in 1..=3_u64 {
        client.publish("secret.out", "1").unwrap();
        client.publish("open.out", "2").unwrap();
        wait_until("it is refused", || bridge.stats().outgoing.lost.of(LossReason::Denied) == round);
        server.restart();
        assert!(bridge.connected(PATIENCE).wait());
        let _ = bridge.flush(PATIENCE).wait();
        wait_until("all is settled", || {
            let flow = bridge.stats().outgoing;
            assert!(flow.balances(), "{flow:?}");
            (flow.delivered, flow.lost.of(LossReason::Denied)) == (round, round)
        });
    }
}

#[test]
fn a_subject_that_would_end_the_connection_is_not_sent() {
    let (server, bus) = (NatsServer::start(""), bus());
    let bridge = start(Bridge::builder(&bus).server(server.url()).export(">").at_least_once(true));
    let client = bus.connect();
    client.publish("x".repeat(4_000), "").unwrap();
    client.publish("y".repeat(3_000), "").unwrap();
    assert_eq!(bridge.flush(PATIENCE).wait(), Err(FlushError::Lost { count: 1 }));
    let stats = bridge.stats();
    assert_eq!((stats.outgoing.delivered, stats.connects), (1, 1));
}

#[test]
fn while_the_server_is_away_the_buffer_is_bounded_and_one_episode_is_told() {
    for (overflow, kept, reason) in [
        (OverflowPolicy::DropNewest, 0..100, LossReason::QueueFull),
        (OverflowPolicy::DropOldest, 900..1_000, LossReason::Oldest),
    ] {
        let (mut server, bus) = (Restartable::start(""), bus());
        let builder = Bridge::builder(&bus).server(server.url()).export("a");
        let bridge = start(builder.outgoing_capacity(100, 1 << 20, overflow));
        let events = bridge.events();
        server.kill();
        event(&events, |event| (event == BridgeEvent::Disconnected).then_some(()));
        let client = bus.connect();
        let taken: usize = (0..1_000).map(|n| client.publish("a", n.to_string()).unwrap()).sum();
        assert_eq!(taken, if overflow == OverflowPolicy::DropNewest { 100 } else { 1_000 });
        let flow = bridge.stats().outgoing;
        assert_eq!((flow.taken, flow.queued, flow.lost.of(reason)), (1_000, 100, 900));
        assert!(flow.balances());
        let lost = |event| match event {
            BridgeEvent::Lost(episode) => Some(episode),
            _ => None,
        };
        server.restart();
        let remote = Remote::connect(&server.url());
        // Told at its beginning, and if that was read meanwhile, at its end.
        let mut episode = event(&events, lost);
        if !episode.ended {
            episode = event(&events, lost);
        }
        assert_eq!((episode.count, episode.reason, episode.ended), (900, reason, true), "{episode:?}");
        assert_eq!(bridge.flush(PATIENCE).wait(), Err(FlushError::Lost { count: 900 }));
        assert_eq!(bridge.flush(PATIENCE).wait(), Ok(()), "told once");
        assert_eq!(bridge.stats().outgoing.delivered, kept.len() as u64);
        remote.flush();
    }
}

#[test]
fn bytes_are_bounded_too() {
    let mut server = Restartable::start("");
    server.kill();
    let bus = bus();
    let builder = Bridge::builder(&bus).server(server.url()).export("a");
    let bridge = builder.outgoing_capacity(1_000, 10_000, OverflowPolicy::DropOldest).start().unwrap();
    for _ in 0..100 {
        bus.connect().publish("a", vec![0; 1_000]).unwrap();
    }
    assert_eq!((bridge.stats().outgoing.queued, bridge.stats().outgoing.queued_bytes), (10, 10_000));
    assert_eq!(bus.connect().publish("a", vec![0; 10_001]).unwrap(), 0, "it never fits");
    bridge.close();
    bridge.closed().wait();
    let flow = bridge.stats().outgoing;
    assert_eq!((flow.queued, flow.lost.of(LossReason::Discarded)), (0, 10));
    assert!(flow.balances());
}

#[test]
fn a_server_that_stands_still_costs_bounded_memory_and_loses_nothing_it_has_got() {
    let (server, bus) = (Restartable::start(""), bus());
    let remote = Remote::connect(&server.url());
    let mut all = remote.subscribe("a");
    let builder = Bridge::builder(&bus).server(server.url()).export("a");
    let bridge = start(builder.outgoing_capacity(500, 1 << 30, OverflowPolicy::DropNewest).window(1_000, 1 << 20));
    server.signal("-STOP");
    let client = bus.connect();
    let payload = "x".repeat(10_000);
    for n in 0..5_000 {
        client.publish("a", format!("{n} {payload}")).unwrap();
    }
    wait_until("the window is full", || bridge.stats().outgoing.in_flight >= 104);
    let flow = bridge.stats().outgoing;
    // A megabyte is on its way and 500 wait, apart from the messages that are taken from the buffer
    // in one go.
    assert!(flow.in_flight < 104 + 200 && flow.queued <= 500, "{flow:?}");
    assert!(flow.balances());
    server.signal("-CONT");
    let lost = bridge.flush(PATIENCE).wait().unwrap_err();
    let flow = bridge.stats().outgoing;
    assert_eq!(lost, FlushError::Lost { count: flow.lost.of(LossReason::QueueFull) });
    assert_eq!(flow.delivered + flow.lost.of(LossReason::QueueFull), 5_000);
    remote.flush();
    let got = std::iter::from_fn(|| all.try_next()).count() as u64;
    assert_eq!(got, flow.delivered);
}

#[test]
fn subscriptions_return_by_themselves() {
    let (mut server, bus) = (Restartable::start(""), bus());
    let client = bus.connect();
    let (plain, queue) = (client.subscribe("in.plain").unwrap(), client.subscribe("in.queue").unwrap());
    let rule = postroom::bridge::Rule::new("in.queue").unwrap().queue("w");
    let bridge = start(Bridge::builder(&bus).server(server.url()).import("in.plain").import(rule).serve("svc"));
    let events = bridge.events();
    let _serving = client.subscribe_fn("svc", |question| drop(question.respond("!"))).unwrap();
    for round in 0..3 {
        if round > 0 {
            server.restart();
            event(&events, |event| matches!(event, BridgeEvent::Connected { .. }).then_some(()));
        }
        bridge.flush(PATIENCE).wait().unwrap();
        let remote = Remote::connect(&server.url());
        remote.publish("in.plain", "p");
        remote.publish("in.queue", "q");
        assert_eq!(plain.recv_timeout(PATIENCE).unwrap().payload(), b"p");
        assert_eq!(queue.recv_timeout(PATIENCE).unwrap().payload(), b"q");
        assert_eq!(text(&remote.block_on(remote.client.request("svc", "".into())).unwrap()), "!");
        bridge.flush(PATIENCE).wait().unwrap();
    }
    assert_eq!(bridge.stats().connects, 3);
}

#[test]
fn what_comes_faster_than_the_bus_takes_it_is_bounded_counted_and_told() {
    let (server, bus) = (NatsServer::start(""), bus());
    let remote = Remote::connect(&server.url());
    let gate = Arc::new(Mutex::new(()));
    let held = gate.lock().unwrap();
    let waiting = gate.clone();
    let _slow = bus.connect().subscribe_fn("in", move |_| drop(waiting.lock().unwrap())).unwrap();
    let builder = Bridge::builder(&bus).server(server.url()).import("in");
    let bridge = start(builder.incoming_capacity(1_000, 1 << 20, OverflowPolicy::DropNewest));
    let events = bridge.events();
    for n in 0..20_000 {
        remote.publish("in", &n.to_string());
    }
    remote.flush();
    wait_until("all have come", || bridge.stats().incoming.taken == 20_000);
    let flow = bridge.stats().incoming;
    assert!(flow.balances() && flow.queued <= 1_000 && flow.in_flight <= 64, "{flow:?}");
    let lost = flow.lost.of(LossReason::QueueFull);
    assert!(lost >= 20_000 - 1_000 - 64, "{flow:?}");
    let episode = event(&events, |event| match event {
        BridgeEvent::Lost(episode) => Some(episode),
        _ => None,
    });
    assert_eq!((episode.direction, episode.reason), (Direction::Incoming, LossReason::QueueFull));
    drop(held);
    assert_eq!(bridge.drain(PATIENCE).wait(), Err(FlushError::Lost { count: lost }));
    let flow = bridge.stats().incoming;
    assert_eq!((flow.delivered, flow.queued, flow.in_flight), (20_000 - lost, 0, 0));
}

#[test]
fn a_drain_sends_and_publishes_all_there_is() {
    let (server, bus) = (NatsServer::start(""), bus());
    let remote = Remote::connect(&server.url());
    let mut out = remote.subscribe("out");
    let client = bus.connect();
    let inner = client.subscribe("in").unwrap();
    let bridge = start(Bridge::builder(&bus).server(server.url()).import("in").export("out"));
    let events = bridge.events();
    for n in 0..1_000 {
        client.publish("out", n.to_string()).unwrap();
        remote.publish("in", &n.to_string());
    }
    remote.flush();
    bridge.drain(PATIENCE).wait().unwrap();
    assert_eq!(bridge.state(), BridgeState::Closed);
    remote.flush();
    assert_eq!((out.texts().len(), inner.len()), (1_000, 1_000));
    assert_eq!(client.publish("out", "").unwrap(), 0);
    event(&events, |event| (event == BridgeEvent::Closed).then_some(()));
    assert_eq!(events.recv_timeout(PATIENCE), None);
    assert_eq!(bridge.drain(PATIENCE).wait(), Ok(()));
}

#[test]
fn a_drain_without_a_server_ends_with_its_time() {
    let mut server = Restartable::start("");
    server.kill();
    let bus = bus();
    let bridge = Bridge::builder(&bus).server(server.url()).export("a").start().unwrap();
    bus.connect().publish("a", "").unwrap();
    let after = Duration::from_millis(20);
    assert_eq!(bridge.drain(after).wait(), Err(FlushError::Timeout { after }));
    assert_eq!(bridge.stats().outgoing.lost.of(LossReason::Discarded), 1);
}

/// Runs under load while the server is killed and started again; gives what the servers got, in order, by their own records: what a server
/// has got, and not passed on when it is killed, is lost to its subscribers, and no bridge can know.
fn killed(times: usize, at_least_once: bool) -> (Vec<u64>, u64, Bridge) {
    let bus = bus();
    let mut server = Restartable::start("trace: true");
    let builder = Bridge::builder(&bus).server(server.url()).export("n");
    let bridge = start(builder.at_least_once(at_least_once));
    let ended = AtomicBool::new(false);
    let mut arrived = Vec::new();
    let published = std::thread::scope(|scope| {
        let publisher = scope.spawn(|| {
            let client = bus.connect();
            let mut n = 0_u64;
            while !ended.load(Ordering::SeqCst) {
                if bridge.stats().outgoing.queued < 2_000 {
                    for _ in 0..100 {
                        client.publish("n", n.to_string()).unwrap();
                        n += 1;
                    }
                }
            }
            n
        });
        for round in 0..=times {
            let enough = bridge.stats().outgoing.delivered + 500;
            wait_until("the bridge is under way", || bridge.stats().outgoing.delivered >= enough);
            if round < times {
                arrived.extend(payloads(&server.kill()));
                server.restart();
            }
        }
        ended.store(true, Ordering::SeqCst);
        publisher.join().unwrap()
    });
    // The losses on the way are expected.
    let _ = bridge.flush(PATIENCE).wait();
    arrived.extend(payloads(&server.kill()));
    (arrived, published, bridge)
}

/// The payloads that are numbers in a server's trace of what it got.
fn payloads(log: &str) -> Vec<u64> {
    let payload = |line: &str| {
        let (_, rest) = line.split_once("<<- MSG_PAYLOAD: [\"")?;
        rest.split_once('"')?.0.parse().ok()
    };
    log.lines().filter_map(payload).collect()
}

const KILLS: usize = 50;

#[test]
fn a_server_killed_under_load_costs_no_order_no_duplicates_and_no_count() {
    let (arrived, published, bridge) = killed(KILLS, false);
    let wrong = arrived.windows(2).find(|pair| pair[0] >= pair[1]);
    assert_eq!(wrong, None, "in order, and each once");
    let flow = bridge.stats().outgoing;
    assert!(flow.balances(), "{flow:?}");
    let missing = published - arrived.len() as u64;
    let counted = flow.lost.total();
    assert!(missing <= counted, "{missing} are missing, {counted} are counted: {flow:?}");
    println!("{published} published, {} arrived, {missing} missing, {counted} counted: {flow:?}", arrived.len());
}

#[test]
fn a_server_killed_under_load_loses_nothing_where_that_was_asked_for() {
    let (arrived, published, bridge) = killed(KILLS, true);
    let mut seen = std::collections::BTreeSet::new();
    let mut highest = None;
    for n in &arrived {
        let again = !seen.insert(*n);
        // Messages that come for the first time come in order.
        assert!(again || highest < Some(*n), "{n} after {highest:?}");
        highest = highest.max(Some(*n));
    }
    let flow = bridge.stats().outgoing;
    assert_eq!(flow.lost.total(), 0, "{flow:?}");
    let missing: Vec<u64> = (0..published).filter(|n| !seen.contains(n)).collect();
    assert!(missing.is_empty(), "{} of {published}: {missing:?}", missing.len());
    println!("{published} published, {} arrived, {} sent again", arrived.len(), flow.repeated);
}

#[test]
fn bridges_come_and_go_while_everybody_is_busy() {
    let (server, bus) = (NatsServer::start(""), bus());
    let ended = AtomicBool::new(false);
    std::thread::scope(|scope| {
        for worker in 0..3 {
            let (bus, ended) = (&bus, &ended);
            scope.spawn(move || {
                let client = bus.connect();
                while !ended.load(Ordering::SeqCst) {
                    let own = client.subscribe(format!("busy.{worker}")).unwrap();
                    for other in 0..3 {
                        client.publish(format!("busy.{other}"), "x").unwrap();
                    }
                    drop(own);
                    // Answered by a service that is there, or not at all.
                    drop(client.request_timeout("ask", "", Duration::from_millis(1)));
                }
            });
        }
        let mut lost = 0;
        for round in 0..30 {
            let builder =
                Bridge::builder(&bus).server(server.url()).import("busy.*").export("busy.*").call("ask").serve("ask");
            let bridge = builder.start().unwrap();
            if round % 3 > 0 {
                assert!(bridge.connected(PATIENCE).wait());
            }
            match round % 2 {
                0 => bridge.close(),
                _ => drop(bridge.drain(PATIENCE)),
            }
            bridge.closed().wait();
            let stats = bridge.stats();
            assert!(stats.outgoing.balances() && stats.incoming.balances(), "{stats:?}");
            assert_eq!((stats.outgoing.queued, stats.outgoing.in_flight), (0, 0), "{stats:?}");
            lost += stats.outgoing.lost.total();
        }
        ended.store(true, Ordering::SeqCst);
        assert!(lost > 0, "nothing was under way when they were closed");
    });
    assert!(bus.stats().ledger.balances());
}

#[test]
fn a_panic_while_it_connects_is_told_and_it_goes_on() {
    let (server, bus) = (NatsServer::start(""), bus());
    let asked = Arc::new(AtomicUsize::new(0));
    let count = asked.clone();
    let options = async_nats::ConnectOptions::with_auth_callback(move |_| {
        let first = count.fetch_add(1, Ordering::SeqCst) == 0;
        async move {
            assert!(!first, "no key yet");
            Ok(async_nats::Auth::new())
        }
    });
    let gate = Arc::new(Barrier::new(2));
    let waits = gate.clone();
    let delay = move |_| {
        waits.wait();
        Duration::ZERO
    };
    let builder = Bridge::builder(&bus).server(server.url()).connect_options(options).export("a");
    let bridge = builder.reconnect_delay(delay).start().unwrap();
    wait_until("it has failed", || match bridge.state() {
        BridgeState::Connecting { reason } => reason.is_some_and(|reason| reason.contains("a panic: no key yet")),
        _ => false,
    });
    gate.wait();
    assert!(bridge.connected(PATIENCE).wait());
    assert_eq!(asked.load(Ordering::SeqCst), 2);
}
