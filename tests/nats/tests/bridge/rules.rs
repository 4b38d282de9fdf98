//! The messages that cross, the subscriptions on both sides, and the receivers in queue groups.

use crate::fixture::{self, PATIENCE, Remote, bus, start, text, wait_until};
use crate::support::nats_server::NatsServer;
use postroom::bridge::{FlushError, Rule, RuleError, RuleKind, StartError};
use postroom::{Bridge, Bus, Clock, OverflowPolicy};
use std::collections::BTreeSet;
use std::time::Duration;

/// Subscriptions that clients other than the harness's own have on the server, by the monitoring port.
fn subscriptions(server: &NatsServer) -> BTreeSet<String> {
    let json = fixture::monitored(server, "/connz?subs=1");
    let connections = json["connections"].as_array().unwrap();
    let lists = connections.iter().filter_map(|connection| connection["subscriptions_list"].as_array());
    lists.flatten().map(|subject| subject.as_str().unwrap().to_owned()).collect()
}

fn with_monitor() -> NatsServer {
    NatsServer::start_with("", &["--http_port", "-1"])
}

#[test]
fn ten_thousand_interests_are_one_subscription_and_go_with_the_last() {
    let clock = Clock::manual();
    let (server, bus) = (with_monitor(), Bus::builder().clock(&clock).build());
    let bridge = start(Bridge::builder(&bus).server(server.url()).import("orders.>").import("other.>"));
    let before = subscriptions(&server);
    assert!(!before.iter().any(|subject| subject.starts_with("orders") || subject.starts_with("other")), "{before:?}");
    let client = bus.connect();
    let many: Vec<_> = (0..10_000).map(|n| client.subscribe(format!("orders.{n}.*")).unwrap()).collect();
    bridge.flush(PATIENCE).wait().unwrap();
    let after = subscriptions(&server);
    assert_eq!(after.difference(&before).collect::<Vec<_>>(), ["orders.>"]);
    let remote = Remote::connect(&server.url());
    remote.publish("orders.77.x", "1");
    assert_eq!(many[77].recv().unwrap().payload(), b"1");
    drop(many);
    // It is not wanted, but may be again at once.
    bridge.flush(PATIENCE).wait().unwrap();
    assert_eq!(subscriptions(&server), after);
    clock.wait_for_timers(1);
    wait_until("the time of grace is up", || {
        clock.advance(Duration::from_millis(200));
        bridge.stats().subscriptions == 0
    });
    bridge.flush(PATIENCE).wait().unwrap();
    assert_eq!(subscriptions(&server), before);
    let again = client.subscribe("orders.1.x").unwrap();
    bridge.flush(PATIENCE).wait().unwrap();
    assert_eq!(subscriptions(&server), after);
    drop(again);
}

#[test]
fn a_pinned_rule_keeps_its_subscription() {
    let (server, bus) = (with_monitor(), bus());
    let _bridge = start(Bridge::builder(&bus).server(server.url()).import(Rule::new("pinned.>").unwrap().pinned(true)));
    assert!(subscriptions(&server).contains("pinned.>"));
}

#[test]
fn no_message_crosses_twice_where_rules_overlap() {
    let (server, bus) = (NatsServer::start(""), bus());
    let remote = Remote::connect(&server.url());
    let mut there = remote.subscribe("out.>");
    let client = bus.connect();
    let here = client.subscribe("in.>").unwrap();
    let builder = Bridge::builder(&bus).server(server.url()).export("out.*").export("out.>").call("out.a");
    let bridge = start(builder.import("in.a").import("in.*").import("in.>"));
    for subject in ["out.a", "out.b", "out.b.c"] {
        assert_eq!(client.publish(subject, "").unwrap(), 1, "{subject}");
    }
    bridge.flush(PATIENCE).wait().unwrap();
    remote.flush();
    assert_eq!(std::iter::from_fn(|| there.try_next()).count(), 3);
    for subject in ["in.a", "in.b", "in.b.c", "in.end"] {
        remote.publish(subject, "");
    }
    // One subscription's messages may overtake another's.
    wait_until("all four are here", || here.len() >= 4);
    remote.flush();
    bridge.flush(PATIENCE).wait().unwrap();
    bridge.drain(PATIENCE).wait().unwrap();
    assert_eq!(here.len(), 4);
}

#[test]
fn inboxes_cross_only_where_they_are_named() {
    let (server, bus) = (NatsServer::start(""), bus());
    let remote = Remote::connect(&server.url());
    let mut spy = remote.subscribe("_INBOX.>");
    let bridge = start(Bridge::builder(&bus).server(server.url()).export(">").import(">"));
    let client = bus.connect();
    let here = client.subscribe("_INBOX.>").unwrap();
    let _answering = client.subscribe_fn("q", |question| drop(question.respond("a"))).unwrap();
    client.request("q", "").unwrap();
    assert_eq!(client.publish("_INBOX.by.hand", "").unwrap(), 1, "it stays here");
    bridge.flush(PATIENCE).wait().unwrap();
    let seen: Vec<String> = std::iter::from_fn(|| spy.try_next()).map(|message| text(&message)).collect();
    assert!(!seen.contains(&"a".to_owned()), "{seen:?}");
    remote.publish("_INBOX.by.hand", "from there");
    remote.publish("_POSTROOM.end", "");
    bridge.drain(PATIENCE).wait().unwrap();
    assert!(here.iter().take(here.len()).all(|message| message.payload() != b"from there"));
}

#[test]
fn a_message_of_a_queue_group_is_handled_once_and_at_home_if_it_can_be() {
    let (server, bus) = (NatsServer::start(""), bus());
    let remote = Remote::connect(&server.url());
    let mut there = remote.queue_subscribe("jobs.*", "workers");
    let rule = || Rule::new("jobs.*").unwrap().queue("workers");
    let bridge = start(Bridge::builder(&bus).server(server.url()).export(rule()).import(rule()));
    let client = bus.connect();
    let here = client.queue_subscribe("jobs.*", "workers").unwrap();
    for n in 0..200 {
        assert_eq!(client.publish("jobs.local", n.to_string()).unwrap(), 1);
    }
    bridge.flush(PATIENCE).wait().unwrap();
    remote.flush();
    assert_eq!((here.len(), there.texts().len()), (200, 0), "a local member is preferred (Q6)");
    // From the server's side both are members like any other.
    for n in 0..200 {
        remote.publish("jobs.far", &n.to_string());
    }
    remote.flush();
    let far = there.texts().len();
    wait_until("the rest is here", || here.len() == 400 - far);
    assert!(far > 20 && far < 180, "{far} of 200");
    // Without a member here, the one there takes it.
    drop(here);
    for n in 0..50 {
        assert_eq!(client.publish("jobs.local", n.to_string()).unwrap(), 1);
    }
    bridge.flush(PATIENCE).wait().unwrap();
    remote.flush();
    assert_eq!(there.texts().len(), 50);
}

#[test]
fn processes_share_the_requests_of_a_queue_group() {
    let server = NatsServer::start("");
    let remote = Remote::connect(&server.url());
    let buses = [bus(), bus()];
    let rule = || Rule::new("svc.>").unwrap().queue("servers");
    let bridges: Vec<_> = buses.iter().map(|bus| Bridge::builder(bus).server(server.url()).serve(rule())).collect();
    let serving: Vec<_> = buses
        .iter()
        .map(|bus| bus.connect().subscribe_fn("svc.echo", |question| drop(question.respond("!"))).unwrap())
        .collect();
    let bridges: Vec<_> = bridges.into_iter().map(start).collect();
    for _ in 0..100 {
        assert_eq!(text(&remote.block_on(remote.client.request("svc.echo", "".into())).unwrap()), "!");
    }
    let shares: Vec<u64> = bridges.iter().map(|bridge| bridge.stats().incoming.taken).collect();
    assert_eq!(shares.iter().sum::<u64>(), 100);
    assert!(shares.iter().all(|&share| share > 10), "{shares:?}");
    drop(serving);
}

#[test]
fn what_can_not_be_built_is_refused_with_the_reason() {
    let bus = bus();
    let builder = || Bridge::builder(&bus).server("nats://127.0.0.1:1");
    assert!(matches!(Bridge::builder(&bus).start(), Err(StartError::NoServer)));
    assert!(matches!(builder().server("no address").start(), Err(StartError::InvalidUrl { .. })));
    let wrong = builder().export("a").import("a..b").start();
    assert!(matches!(
        wrong,
        Err(StartError::Rule { number: 2, kind: RuleKind::Import, error: RuleError::Pattern { .. } })
    ));
    let lossy = Rule::new("a.*").unwrap().to("b").unwrap();
    let wrong = builder().call(lossy).start().unwrap_err();
    let said = wrong.to_string();
    assert!(said.contains("rule 1 (Call)") && said.contains("leaves out a wildcard"), "{said}");
    let wrong = builder().outgoing_capacity(0, 1, OverflowPolicy::DropNewest).start();
    assert!(matches!(wrong, Err(StartError::InvalidCapacity { .. })));
    let wrong = builder().incoming_capacity(1, 1, OverflowPolicy::Block(Duration::ZERO)).start();
    assert!(matches!(wrong, Err(StartError::UnsupportedOverflow)));
    bus.close();
    assert!(matches!(builder().start(), Err(StartError::BusClosed)));
}

#[test]
fn it_ends_with_its_bus_and_with_its_last_handle() {
    let (server, bus) = (NatsServer::start(""), bus());
    let remote = Remote::connect(&server.url());
    let first = start(Bridge::builder(&bus).server(server.url()).export("a"));
    let closed = first.closed();
    drop(first.clone());
    assert!(first.state().is_connected());
    drop(first);
    closed.wait();
    assert_eq!(bus.connect().publish("a", "").unwrap(), 0);
    let second = start(Bridge::builder(&bus).server(server.url()).export("a"));
    bus.close();
    second.closed().wait();
    assert!(matches!(second.flush(PATIENCE).wait(), Err(FlushError::Closed)));
    remote.flush();
}
