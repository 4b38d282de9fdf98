//! The end of many subscriptions of one client delays no other client.

use crate::held::Room;
use postroom::server::ServerOptions;
use std::fmt::Write as _;

/// Subscriptions that end between two answers to another client, at most.
const AT_ONCE: usize = 3_000;

/// Has a client with 20,000 subscriptions do something that ends them all, and others ask meanwhile.
#[track_caller]
fn end(end: impl FnOnce(&Room, crate::held::Peer) -> Option<crate::held::Peer>) {
    let room = Room::new(ServerOptions::new());
    let (mut other, mut greedy) = (room.peer(""), room.peer(""));
    let mut batch = String::new();
    (0..20_000).for_each(|sid| write!(batch, "SUB a.{sid}.*.> {sid}\r\n").unwrap());
    room.send(&mut greedy, batch.as_bytes());
    room.flush(&mut greedy);
    let left = || room.bus.stats().subscriptions;
    let mut before = left();
    assert_eq!(before, 20_000);
    let _greedy = end(&room, greedy);
    while before > 0 {
        room.flush(&mut other);
        let now = left();
        assert!(before - now <= AT_ONCE, "{} subscriptions ended before a PING was answered", before - now);
        before = now;
    }
}

#[test]
fn others_are_served_while_a_connection_closes() {
    end(|_, greedy| {
        drop(greedy);
        None
    });
}

/// C12.
#[test]
fn others_are_served_while_a_second_connect_ends_all_subscriptions() {
    end(|room, mut greedy| {
        room.send(&mut greedy, b"CONNECT {\"verbose\":false}\r\n");
        Some(greedy)
    });
}
