//! Limits on how much one peer may have: connections, subscriptions, tokens (L5, L6, S11, C24).

use crate::fixture::*;
use crate::wire::Wire;
use postroom::server::ServerOptions;
use postroom::{Bus, Clock, Limits, Server, Subject};

const NONE: [&str; 0] = [];

#[test]
fn l6_one_connection_too_many_is_told_so_and_sent_away() {
    Fixture::each(ServerOptions::new().max_connections(3), |fixture| {
        let mut wires: Vec<_> = (0..3).map(|_| fixture.wire()).collect();
        for _ in 0..10 {
            assert_eq!(fixture.dial().rest(), ["INFO", "-ERR 'maximum connections exceeded'"]);
        }
        for wire in &mut wires {
            assert_eq!(wire.flush(), NONE);
        }
        // One that goes makes room for another.
        drop(wires.pop());
        fixture.wait_for_connections(2);
        wires.push(fixture.wire());
        assert_eq!(fixture.dial().rest().len(), 2);
    });
}

#[test]
fn l6_without_a_bound_there_is_none() {
    Fixture::each(ServerOptions::new().max_connections(0), |fixture| {
        let wires: Vec<_> = (0..50).map(|_| fixture.wire()).collect();
        assert_eq!(fixture.connections(), wires.len());
    });
}

#[test]
fn l5_c24_at_the_bound_every_sub_is_refused_until_one_ends() {
    Fixture::each(ServerOptions::new().max_subscriptions(2), |fixture| {
        let full = ["-ERR 'maximum subscriptions exceeded'"];
        let mut wire = fixture.wire();
        assert_eq!(wire.ask("SUB a 1\r\nSUB b 2\r\n"), NONE);
        assert_eq!(wire.ask("SUB c 3\r\n"), full);
        assert_eq!(wire.ask("SUB a 1\r\n"), full, "even one that is there already");
        assert_eq!(wire.ask("UNSUB 1\r\nSUB c 3\r\n"), NONE);
        assert_eq!(wire.ask("SUB d 4\r\n"), full);
        // One that has had all it wanted makes room as well.
        assert_eq!(wire.ask("UNSUB 2 1\r\n"), NONE);
        assert_eq!(wire.ask("SUB d 4\r\n"), full);
        fixture.client().publish("b", "").unwrap();
        assert_eq!(wire.ask("SUB d 4\r\n"), ["MSG b 2 0|"]);
        // Others have a bound of their own.
        assert_eq!(fixture.wire().ask("SUB a 1\r\nSUB b 2\r\n"), NONE);
    });
}

#[test]
fn s11_a_subject_with_too_many_tokens_is_refused() {
    Fixture::each(ServerOptions::new().max_subscription_tokens(3), |fixture| {
        let mut wire = fixture.wire();
        assert_eq!(wire.ask("SUB a.b.c 1\r\n"), NONE);
        let text = r#"-ERR 'Permissions Violation for Subscription to "a.b.c.d", too many tokens'"#;
        assert_eq!(wire.ask("SUB a.b.c.d 2\r\n"), [text]);
        // It does not hold for publishing.
        assert_eq!(wire.ask("PUB a.b.c.d.e 0\r\n\r\n"), NONE);
    });
}

#[test]
fn l4_each_size_up_to_the_bound_is_taken() {
    Fixture::each(ServerOptions::new().max_payload(10), |fixture| {
        let mut wire = fixture.wire();
        assert_eq!(wire.info["max_payload"], 10);
        assert_eq!(wire.ask("SUB foo 1\r\nPUB foo 10\r\n0123456789\r\n"), ["MSG foo 1 10|0123456789"]);
        // In process the bus's own bound holds, not the server's.
        fixture.client().publish("foo", "0123456789A").unwrap();
        assert_eq!(wire.flush(), ["MSG foo 1 11|0123456789A"]);
        wire.send("PUB foo 11\r\n");
        assert_eq!(wire.rest(), ["-ERR 'Maximum Payload Violation'"]);
    });
}

#[test]
fn h4_a_server_without_headers_says_so() {
    Fixture::each(ServerOptions::new().headers(false), |fixture| {
        let mut wire = fixture.dial();
        wire.expect("INFO");
        assert_eq!(wire.info["headers"], false);
        // C10: no_responders needs them.
        wire.send("CONNECT {\"verbose\":false,\"headers\":true}\r\nHPUB foo 12 12\r\nNATS/1.0\r\n\r\n\r\n");
        assert_eq!(wire.rest(), NONE);
    });
}

/// S1, C21: nothing but the control line bounds a subject, unless the bus does.
#[test]
fn c21_a_subject_may_be_as_long_as_the_control_line() {
    let mut limits = Limits::default();
    limits.max_subject_len = Subject::MAX_LEN;
    let bus = Bus::builder().limits(limits).clock(Clock::manual()).build();
    let server = Server::builder(&bus).options(ServerOptions::new().max_control_line(1 << 20)).build().unwrap();
    let mut wire = Wire::pipe(server.pipe()).connect("");
    assert_eq!(wire.ask("SUB > 1\r\n"), NONE);
    // Tokens of one byte; one token; and bytes that are no UTF-8, which take four each.
    for subject in ["a.".repeat(33_000).as_bytes(), "a".repeat(200_000).as_bytes(), &b"\xff".repeat(100_000)] {
        let subject = [subject, b"z"].concat();
        let publish = [b"PUB ", &*subject, b" 1\r\nx\r\n"].concat();
        for _ in 0..3 {
            let got = wire.ask(&publish);
            assert_eq!(got.len(), 1);
            assert!(got[0].len() > subject.len() && got[0].ends_with(" 1 1|x"));
            let subscribe = [b"SUB ", &*subject, b" 2\r\n"].concat();
            assert_eq!(wire.ask([&*subscribe, &publish, b"UNSUB 2\r\n"].concat()).len(), 2);
        }
    }
    assert_eq!(bus.stats().matcher.cached_routes, 0, "long subjects are not remembered");
}
