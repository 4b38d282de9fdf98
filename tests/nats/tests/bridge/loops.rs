//! Messages that could go round, and don't.

use crate::fixture::{PATIENCE, Remote, RemoteSubscriber, bus, start, wait_until};
use crate::support::nats_server::NatsServer;
use postroom::bridge::{LOOP_HEADER, LossReason};
use postroom::{Bridge, Bus, Subscriber};

const ROUNDS: usize = 50;

/// Everything that was published has settled: nothing is on its way any more.
fn settle(bridges: &[&Bridge], remotes: &[&Remote]) {
    // Each hop is over when all flushes are; more hops than there are bridges would be a loop.
    for _ in 0..2 * bridges.len() + 2 {
        bridges.iter().for_each(|bridge| bridge.flush(PATIENCE).wait().unwrap());
        remotes.iter().for_each(|remote| remote.flush());
        let quiet = |bridge: &Bridge| {
            let stats = bridge.stats();
            stats.incoming.queued + stats.incoming.in_flight == 0
        };
        wait_until("nothing is queued", || bridges.iter().all(|bridge| quiet(bridge)));
    }
}

fn payloads(subscriber: &Subscriber) -> Vec<String> {
    let mut all: Vec<String> = Vec::new();
    while let Ok(message) = subscriber.try_recv() {
        all.push(message.payload_str().unwrap().to_owned());
    }
    all
}

fn once(name: &str) -> Vec<String> {
    (0..ROUNDS).map(|n| format!("{name}{n}")).collect()
}

fn publish_here(bus: &Bus, name: &str) {
    let client = bus.connect();
    for n in 0..ROUNDS {
        client.publish("a.x", format!("{name}{n}")).unwrap();
    }
}

fn publish_there(remote: &Remote, name: &str) {
    for n in 0..ROUNDS {
        remote.publish("a.x", &format!("{name}{n}"));
    }
    remote.flush();
}

fn both_ways(bus: &Bus, server: &NatsServer) -> Bridge {
    start(Bridge::builder(bus).server(server.url()).import("a.>").export("a.>"))
}

#[test]
fn one_bridge_gets_nothing_back() {
    let (server, bus) = (NatsServer::start(""), bus());
    let remote = Remote::connect(&server.url());
    let (mut there, here) = (remote.subscribe("a.>"), bus.connect().subscribe("a.>").unwrap());
    let bridge = both_ways(&bus, &server);
    publish_here(&bus, "here");
    publish_there(&remote, "there");
    settle(&[&bridge], &[&remote]);
    check(&here, &mut there);
}

/// Both sides have got everything once.
fn check(here: &Subscriber, there: &mut RemoteSubscriber) {
    let (mut here, mut there) = (payloads(here), there.texts());
    here.sort();
    there.sort();
    let mut all = [once("here"), once("there")].concat();
    all.sort();
    assert_eq!(here, all);
    assert_eq!(there, all);
}

#[test]
fn two_bridges_from_one_bus_to_one_server() {
    let (server, bus) = (NatsServer::start(""), bus());
    let remote = Remote::connect(&server.url());
    let (mut there, here) = (remote.subscribe("b.>"), bus.connect().subscribe("b.>").unwrap());
    // Overlapping and complementary: what one brings in the other would take out, and what one takes out the other would bring in.
    let first = both_ways(&bus, &server);
    let second = start(Bridge::builder(&bus).server(server.url()).import("b.>").export("b.>"));
    let third = start(Bridge::builder(&bus).server(server.url()).import("b.>").export("b.>"));
    let client = bus.connect();
    for n in 0..ROUNDS {
        remote.publish("b.x", &format!("there{n}"));
        client.publish("c.x", "").unwrap();
    }
    settle(&[&first, &second, &third], &[&remote]);
    // Each of the two brings it to the bus, and neither sends it back.
    assert_eq!(payloads(&here).len(), 2 * ROUNDS);
    assert_eq!(there.texts().len(), ROUNDS);
    for n in 0..ROUNDS {
        client.publish("b.x", format!("here{n}")).unwrap();
    }
    settle(&[&first, &second, &third], &[&remote]);
    // Each of the two sends it, as each was told to; what comes back by the other is dropped.
    assert_eq!(payloads(&here), once("here"));
    assert_eq!(there.texts().len(), 2 * ROUNDS);
    let dropped: u64 = [&second, &third].iter().map(|bridge| bridge.stats().incoming.lost.of(LossReason::Loop)).sum();
    assert_eq!(dropped, 2 * ROUNDS as u64);
}

#[test]
fn two_buses_bridged_to_one_server() {
    let server = NatsServer::start("");
    let remote = Remote::connect(&server.url());
    let (left, right) = (bus(), bus());
    let mut there = remote.subscribe("a.>");
    let (on_left, on_right) = (left.connect().subscribe("a.>").unwrap(), right.connect().subscribe("a.>").unwrap());
    let bridges = [both_ways(&left, &server), both_ways(&right, &server)];
    publish_here(&left, "here");
    publish_there(&remote, "there");
    settle(&[&bridges[0], &bridges[1]], &[&remote]);
    check(&on_left, &mut there);
    let mut right = payloads(&on_right);
    right.sort();
    let mut all = [once("here"), once("there")].concat();
    all.sort();
    assert_eq!(right, all);
}

#[test]
fn two_servers_through_one_bus() {
    let (east, west) = (NatsServer::start(""), NatsServer::start(""));
    let (in_east, in_west) = (Remote::connect(&east.url()), Remote::connect(&west.url()));
    let bus = bus();
    let (mut of_east, mut of_west) = (in_east.subscribe("a.>"), in_west.subscribe("a.>"));
    let here = bus.connect().subscribe("a.>").unwrap();
    let (first, second) = (both_ways(&bus, &east), both_ways(&bus, &west));
    publish_there(&in_east, "there");
    publish_here(&bus, "here");
    settle(&[&first, &second], &[&in_east, &in_west]);
    // The bus forwards from one to the other, once.
    check(&here, &mut of_west);
    let mut east = of_east.texts();
    east.sort();
    let mut all = [once("here"), once("there")].concat();
    all.sort();
    assert_eq!(east, all);
    // The header is not needed to see that nothing came back.
    assert_eq!(first.stats().incoming.lost.total() + second.stats().incoming.lost.total(), 0);
}

#[test]
fn a_ring_of_two_buses_and_two_servers() {
    let (east, west) = (NatsServer::start(""), NatsServer::start(""));
    let (in_east, in_west) = (Remote::connect(&east.url()), Remote::connect(&west.url()));
    let (left, right) = (bus(), bus());
    let bridges =
        [both_ways(&left, &east), both_ways(&left, &west), both_ways(&right, &east), both_ways(&right, &west)];
    let all: Vec<&Bridge> = bridges.iter().collect();
    let here = left.connect().subscribe("a.>").unwrap();
    publish_here(&left, "here");
    publish_there(&in_east, "there");
    settle(&all, &[&in_east, &in_west]);
    let copies = payloads(&here).len();
    let lost: u64 = bridges.iter().map(|bridge| bridge.stats().incoming.lost.of(LossReason::Loop)).sum();
    // Messages that were published here came back over the other bus, and were stopped; those from the east came by
    // two ways.
    assert!(lost > 0, "nothing had to be stopped");
    assert!((2 * ROUNDS..=4 * ROUNDS).contains(&copies), "{copies} copies of {}", 2 * ROUNDS);
    let taken = || bridges.iter().map(|bridge| bridge.stats().outgoing.taken).sum::<u64>();
    let before = taken();
    settle(&all, &[&in_east, &in_west]);
    assert_eq!(taken(), before, "it still goes round");
}

#[test]
fn the_header_is_there_only_where_it_may_be_needed() {
    let (east, west) = (NatsServer::start(""), NatsServer::start(""));
    let in_east = Remote::connect(&east.url());
    let mut of_east = in_east.subscribe("a.>");
    let bus = bus();
    let first = both_ways(&bus, &east);
    bus.connect().publish("a.x", "1").unwrap();
    first.flush(PATIENCE).wait().unwrap();
    assert_eq!(of_east.next().headers, None);
    let second = both_ways(&bus, &west);
    bus.connect().publish("a.x", "2").unwrap();
    first.flush(PATIENCE).wait().unwrap();
    let via = of_east.next().headers.unwrap().get(LOOP_HEADER).unwrap().as_str().to_owned();
    assert_eq!(via, format!("{:016x}", bus.id()));
    second.close();
    second.closed().wait();
}

#[test]
fn two_accounts_of_one_server_are_two_systems() {
    let config = "accounts: {
        A: { users: [{ user: a, password: p }] }
        B: { users: [{ user: b, password: p }] }
    }";
    let (server, bus) = (NatsServer::start(config), bus());
    let options = |user: &str| async_nats::ConnectOptions::with_user_and_password(user.into(), "p".into());
    let [in_a, in_b] = ["a", "b"].map(|user| Remote::connect_with(&server.url(), options(user)));
    let mut of_b = in_b.subscribe("a.>");
    let bridge = |user: &str| {
        let builder = Bridge::builder(&bus).server(server.url()).connect_options(options(user));
        start(builder.import("a.>").export("a.>"))
    };
    let (first, second) = (bridge("a"), bridge("b"));
    publish_there(&in_a, "there");
    settle(&[&first, &second], &[&in_a, &in_b]);
    assert_eq!(of_b.texts(), once("there"));
}

#[test]
fn two_members_of_a_cluster_are_one_system() {
    // A port that was free a moment ago.
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let first = NatsServer::start(&format!("server_name: a, cluster {{ name: c, listen: \"127.0.0.1:{port}\" }}"));
    let routes = format!("routes: [\"nats://127.0.0.1:{port}\"]");
    let second =
        NatsServer::start(&format!("server_name: b, cluster {{ name: c, listen: \"127.0.0.1:-1\", {routes} }}"));
    let (at_first, at_second) = (Remote::connect(&first.url()), Remote::connect(&second.url()));
    let mut there = at_second.subscribe("a.>");
    wait_until("the cluster is one", || {
        at_first.publish("a.hello", "");
        at_first.flush();
        at_second.flush();
        there.try_next().is_some()
    });
    let bus = bus();
    let here = bus.connect().subscribe("a.>").unwrap();
    let bridges = [both_ways(&bus, &first), both_ways(&bus, &second)];
    at_second.flush();
    there.texts();
    publish_there(&at_first, "there");
    settle(&[&bridges[0], &bridges[1]], &[&at_first, &at_second]);
    // Each brings it in, and neither takes it out again.
    wait_until("both have brought it in", || here.len() >= 2 * ROUNDS);
    settle(&[&bridges[0], &bridges[1]], &[&at_first, &at_second]);
    assert_eq!(here.len(), 2 * ROUNDS);
    assert_eq!(there.texts(), once("there"));
    assert_eq!(bridges.iter().map(|bridge| bridge.stats().outgoing.taken).sum::<u64>(), 0);
}
