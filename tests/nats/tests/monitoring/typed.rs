//! The same values in process, and the monitor's own life.

use crate::both::{Ours, Wire, get};
use postroom::Bus;
use postroom::server::{
    ConnState, ConnzOptions, HealthzOptions, ServerOptions, ShowSubscriptions, SortBy, SubszOptions,
};
use std::net::TcpStream;
use std::time::Duration;

/// M2, M3, M5, M6; M4: why it ended.
#[test]
fn snapshots_have_the_values_of_the_connections() {
    let ours = Ours::start_with(ServerOptions::new().ping_interval(Duration::from_secs(20)).name("typed"), "");
    let mut wire =
        Wire::open(ours.port, "CONNECT {\"verbose\":false,\"name\":\"n\"}\r\nSUB foo.* 1\r\nSUB bar q 2\r\n");
    let client = ours.bus.connect();
    let _orders = client.subscribe("orders").unwrap();
    client.publish("foo.a", "12345").unwrap();
    wire.send("PUB orders 3\r\nabc\r\n");

    let varz = ours.server.varz();
    assert_eq!((varz.server_name.as_str(), varz.ping_interval.as_secs(), varz.port), ("typed", 20, ours.port));
    assert_eq!((varz.connections, varz.total_connections, varz.subscriptions), (1, 1, 3));
    assert_eq!((varz.in_msgs, varz.in_bytes, varz.out_msgs, varz.out_bytes), (1, 3, 1, 5));
    assert!(varz.now >= varz.start && varz.mem > 0 && varz.http_req_stats.is_empty());

    let options = ConnzOptions::new().subscriptions(ShowSubscriptions::Detail).sort(SortBy::MsgsFrom);
    let connz = ours.server.connz(&options).unwrap();
    let info = &connz.connections[0];
    assert_eq!((info.cid, info.name.as_deref(), info.ip.as_str(), info.subscriptions), (5, Some("n"), "127.0.0.1", 2));
    let detail: Vec<_> =
        info.subscriptions_list_detail.iter().map(|sub| (&*sub.subject, sub.qgroup.as_deref(), sub.msgs)).collect();
    assert_eq!(detail, [("foo.*", None, 1), ("bar", Some("q"), 0)]);

    let subsz = ours.server.subsz(&SubszOptions::new().subscriptions(true).test("foo.b")).unwrap();
    assert_eq!((subsz.stats.num_subscriptions, subsz.total), (3, 1));
    assert!(ours.server.subsz(&SubszOptions::new().test("foo.>")).is_err());
    assert_eq!(ours.server.healthz(&HealthzOptions::new()).status_code, 200);

    wire.close();
    let closed = loop {
        let closed = ours.server.connz(&ConnzOptions::new().state(ConnState::Closed)).unwrap();
        if closed.total == 1 {
            break closed;
        }
        std::thread::yield_now();
    };
    assert_eq!(closed.connections[0].reason.as_deref(), Some("Client Closed"));
    // Its counts stay.
    assert_eq!((ours.server.varz().in_msgs, ours.server.varz().connections), (1, 0));
}

#[test]
fn who_only_listens_is_active_when_it_gets_something() {
    let clock = postroom::Clock::manual();
    let bus = Bus::builder().clock(&clock).build();
    let server = postroom::Server::bind(&bus, "127.0.0.1:0").unwrap();
    let port = server.address().unwrap().port();
    let mut wire = Wire::open(port, "CONNECT {\"verbose\":false}\r\nSUB foo 1\r\n");
    clock.advance(Duration::from_secs(5));
    bus.connect().publish("foo", "x").unwrap();
    wire.send("");
    clock.advance(Duration::from_secs(2));
    let info = server.connz(&ConnzOptions::new()).unwrap().connections.remove(0);
    assert_eq!((info.uptime.as_secs(), info.idle.as_secs()), (7, 2));
}

#[test]
fn a_pipe_is_a_connection_without_an_address() {
    let bus = Bus::new();
    let server = postroom::Server::builder(&bus).build().unwrap();
    let _pipe = server.pipe();
    let info = loop {
        let mut connz = server.connz(&ConnzOptions::new()).unwrap();
        if let Some(info) = connz.connections.pop() {
            break info;
        }
        std::thread::yield_now();
    };
    assert_eq!((info.ip.as_str(), info.port, info.kind), ("", 0, "Client"));
    assert_eq!(server.healthz(&HealthzOptions::new()).status_code, 200, "nobody asked for a listener");
}

#[test]
fn the_monitor_ends_and_comes_back_with_the_server() {
    let ours = Ours::start();
    let first = ours.server.varz().server_id;
    assert_eq!(get(ours.monitor, "/healthz").status, 200);
    ours.server.restart().unwrap();
    assert_eq!(ours.server.monitor_address().map(|address| address.port()), Some(ours.monitor));
    let text = get(ours.monitor, "/varz").body;
    assert!(!text.contains(&first) && text.contains(&ours.server.id()), "{text}");
    ours.server.shutdown();
    assert!(TcpStream::connect(("127.0.0.1", ours.monitor)).is_err());
    assert_eq!(ours.server.monitor_address(), None);
    assert_eq!(ours.server.healthz(&HealthzOptions::new()).status_code, 500);
}

#[test]
fn a_monitor_can_move_and_says_when_it_cannot_be() {
    let ours = Ours::start();
    let next = ours.server.monitor("127.0.0.1:0", "").unwrap();
    assert!(TcpStream::connect(("127.0.0.1", ours.monitor)).is_err());
    assert_eq!(get(next.port(), "/healthz").status, 200);
    let taken = format!("127.0.0.1:{}", ours.port);
    let error = ours.server.monitor(&taken, "").unwrap_err().to_string();
    assert!(error.starts_with(&format!("can't listen to the monitor port {taken}: ")), "{error}");
}
