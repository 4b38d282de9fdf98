//! G5 with clients on the wire: at quiet moments every copy is accounted for.

use crate::fixture::*;
use postroom::server::ServerOptions;
use postroom::{Bus, Limits, SubscribeOptions};

fn assert_balanced(bus: &Bus, moment: &str) {
    let stats = bus.stats();
    assert!(stats.ledger.balances(), "{moment}: {:?}", stats.ledger);
    assert_eq!(stats.traffic.routed, stats.ledger.matched, "{moment}");
}

#[test]
fn g5_the_ledger_balances_with_clients_of_both_kinds_at_every_stage() {
    Fixture::each(ServerOptions::new(), |fixture| {
        let bus = fixture.bus.clone();
        let client = fixture.client();
        let inside = client.subscribe_with("a.>", SubscribeOptions::new().capacity(5)).unwrap();
        let (mut one, mut two) = (fixture.wire(), fixture.wire());
        assert_eq!(one.ask("SUB a.* 1\r\nSUB a.b g 2\r\n"), [""; 0]);
        assert_eq!(two.ask("SUB > 1\r\nSUB a.b g 2\r\n"), [""; 0]);
        assert_balanced(&bus, "before");
        for n in 0..20 {
            client.publish("a.b", n.to_string()).unwrap();
            two.send("PUB a.b 0\r\n\r\n");
        }
        let (from_one, from_two) = (one.flush().len(), two.flush().len());
        let from_one = from_one + one.flush().len();
        assert_balanced(&bus, "after messages");
        let ledger = bus.stats().ledger;
        // 40 messages: three plain subscriptions and one group.
        assert_eq!(ledger.matched, 160);
        assert_eq!((inside.len(), ledger.queued, ledger.dropped.total()), (5, 5, 35));
        assert_eq!(from_one + from_two, 120);

        assert_eq!(one.ask("UNSUB 1\r\nUNSUB 2 1\r\n"), [""; 0]);
        client.publish("a.b", "").unwrap();
        assert_balanced(&bus, "after UNSUB");
        drop(one);
        fixture.wait_for_connections(1);
        client.publish("a.b", "").unwrap();
        assert_balanced(&bus, "after one left");
        fixture.server.shutdown();
        client.publish("a.b", "").unwrap();
        assert_balanced(&bus, "after the server ended");
        while inside.try_recv().is_ok() {}
        assert_balanced(&bus, "in the end");
        assert_eq!(bus.stats().ledger.queued, 0);
    });
}

#[test]
fn g5_a_connection_that_is_too_slow_leaves_a_balanced_ledger() {
    let options = ServerOptions::new().max_payload(1_000).max_pending(10_000);
    Fixture::each(options, |fixture| {
        let mut slow = fixture.wire();
        assert_eq!(slow.ask("SUB foo 1\r\n"), [""; 0]);
        let client = fixture.client();
        let payload = vec![b'x'; 1_000];
        // Sockets hold some; in the end it is too much.
        let mut delivered = 0;
        while fixture.bus.has_interest("foo") {
            delivered += client.publish("foo", &payload[..]).unwrap();
        }
        let stats = fixture.bus.stats();
        assert!(stats.ledger.balances(), "{:?}", stats.ledger);
        assert_eq!(stats.ledger.matched, delivered as u64);
        assert_eq!(stats.traffic.routed, stats.ledger.matched);
    });
}

#[test]
fn g5_subscriptions_beyond_the_bounds_of_the_bus_leave_no_trace() {
    let mut limits = Limits::default();
    limits.max_subscriptions = 3;
    let bus = Bus::builder().limits(limits).build();
    let server = postroom::Server::builder(&bus).build().unwrap();
    let mut wire = crate::wire::Wire::pipe(server.pipe()).connect("");
    let ops = wire.ask("SUB a 1\r\nSUB b 2\r\nSUB c 3\r\nSUB d 4\r\n");
    assert_eq!(ops, ["-ERR 'maximum subscriptions exceeded'"]);
    assert_eq!(bus.stats().subscriptions, 3);
    assert_eq!(wire.ask("UNSUB 4\r\nUNSUB 1\r\nSUB d 4\r\nPUB d 0\r\n\r\n"), ["MSG d 4 0|"]);
    assert_balanced(&bus, "in the end");
}
