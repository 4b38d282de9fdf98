//! Threads that publish in process while clients on the wire come, listen, leave and break off. Every message that reaches a
//! client does so once, and in order for each publisher; and in the end the ledger balances. Long; CI runs it by name.

use crate::fixture::*;
use crate::wire::Wire;
use postroom::{Bus, Server};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};

const PUBLISHERS: usize = 3;
const LISTENERS: usize = 6;
const MESSAGES: u64 = 300_000;

/// Reads messages with `publisher:number` as payload, and checks the order of each publisher's.
#[derive(Default)]
struct Order(BTreeMap<String, u64>);

impl Order {
    fn check(&mut self, op: &str) {
        let (line, payload) = op.split_once('|').unwrap_or_else(|| panic!("{op}"));
        let (publisher, number) = payload.split_once(':').expect("tests send both");
        let number: u64 = number.parse().expect("a number");
        let sid = line.split(' ').nth(2).expect("a sid");
        let last = self.0.insert(format!("{sid}/{publisher}"), number);
        assert!(last.is_none_or(|last| last < number), "{publisher}: {number} after {last:?} on {sid}");
    }
}

/// One connection's life: listens, changes its mind, and leaves in one of three ways. Gives back how many messages it saw.
fn live(mut wire: Wire, round: u64, until: &AtomicBool) -> u64 {
    let mut seen = 0;
    let mut sid = 0;
    for _ in 0..(round % 7 + 1) {
        sid += 1;
        let how = match (round + sid) % 4 {
            0 => format!("SUB load.> {sid}\r\n"),
            1 => format!("SUB load.0 {sid}\r\n"),
            2 => format!("SUB load.* workers {sid}\r\n"),
            _ => format!("SUB load.> {sid}\r\nUNSUB {sid} 50\r\n"),
        };
        let mut order = Order::default();
        wire.send(how);
        for _ in 0..5 {
            for op in wire.flush() {
                order.check(&op);
                seen += 1;
            }
        }
        wire.send(format!("UNSUB {sid}\r\n"));
        for op in wire.flush() {
            order.check(&op);
            seen += 1;
        }
        if until.load(Ordering::Relaxed) {
            break;
        }
    }
    match round % 3 {
        0 => {}
        1 => wire.send("PUB load.0 100\r\nhalf"),
        _ => wire.send("SUB load.> 99\r\nSUB load.> g 98\r\n"),
    }
    seen
}

#[test]
#[ignore = "takes long; CI runs it by name"]
fn g3_g5_nothing_is_doubled_swapped_or_lost_from_the_ledger_under_load() {
    for way in WAYS {
        let bus = Bus::new();
        let server = Server::builder(&bus).bind("127.0.0.1:0").unwrap();
        let dial = || match way {
            Way::Tcp => Wire::tcp(server.address().unwrap()).connect(""),
            Way::Pipe => Wire::pipe(server.pipe()).connect(""),
        };
        let done = AtomicBool::new(false);
        let seen = std::thread::scope(|scope| {
            let publishers: Vec<_> = (0..PUBLISHERS)
                .map(|publisher| {
                    let client = bus.connect();
                    scope.spawn(move || {
                        for n in 0..MESSAGES {
                            client.publish(format!("load.{}", n % 3), format!("{publisher}:{n}")).unwrap();
                            if n % 64 == 0 {
                                // So that the others have a turn on a small machine.
                                std::thread::yield_now();
                            }
                        }
                    })
                })
                .collect();
            let listeners: Vec<_> = (0..LISTENERS as u64)
                .map(|listener| {
                    let (dial, done) = (&dial, &done);
                    scope.spawn(move || {
                        let mut seen = 0;
                        let mut round = listener;
                        while !done.load(Ordering::Relaxed) {
                            seen += live(dial(), round, done);
                            round += 1;
                        }
                        seen
                    })
                })
                .collect();
            publishers.into_iter().for_each(|publisher| publisher.join().unwrap());
            done.store(true, Ordering::Relaxed);
            listeners.into_iter().map(|listener| listener.join().unwrap()).sum::<u64>()
        });
        wait_until(|| connections(&server) == 0);
        let stats = bus.stats();
        assert!(stats.ledger.balances(), "{:?}", stats.ledger);
        assert_eq!(stats.traffic.routed, stats.ledger.matched);
        assert_eq!((stats.subscriptions, stats.ledger.queued), (0, 0));
        assert!(seen > 0 && seen <= stats.ledger.delivered, "{seen} seen of {:?}", stats.ledger);
    }
}

#[test]
#[ignore = "takes long; CI runs it by name"]
fn a_group_of_both_kinds_shares_all_messages_while_members_come_and_go() {
    let bus = Bus::new();
    let server = Server::builder(&bus).bind("127.0.0.1:0").unwrap();
    // One member stays, so that there is always a receiver.
    let stays = bus.connect().queue_subscribe("work", "g").unwrap();
    let done = AtomicBool::new(false);
    let all = std::thread::scope(|scope| {
        let collecting =
            scope.spawn(|| stays.iter().map(|got| got.payload_str().unwrap().to_owned()).collect::<Vec<_>>());
        let members: Vec<_> = (0..4)
            .map(|_| {
                scope.spawn(|| {
                    let mut got = Vec::new();
                    while !done.load(Ordering::Relaxed) {
                        let mut wire = Wire::tcp(server.address().unwrap()).connect("");
                        wire.send("SUB work g 1\r\n");
                        (0..20).for_each(|_| got.extend(wire.flush()));
                        // D7: what was on its way arrives before the PONG.
                        wire.send("UNSUB 1\r\n");
                        got.extend(wire.flush());
                    }
                    got
                })
            })
            .collect();
        let client = bus.connect();
        for n in 0..MESSAGES {
            assert_eq!(client.publish("work", n.to_string()).unwrap(), 1, "somebody is always there");
            if n % 16 == 0 {
                std::thread::yield_now();
            }
        }
        done.store(true, Ordering::Relaxed);
        let mut all: Vec<String> = Vec::new();
        for member in members {
            all.extend(member.join().unwrap().iter().map(|op| op.split_once('|').unwrap().1.to_owned()));
        }
        assert!(!all.is_empty(), "the wire had its share");
        stays.unsubscribe();
        all.extend(collecting.join().unwrap());
        all
    });
    let mut numbers: Vec<u64> = all.iter().map(|text| text.parse().unwrap()).collect();
    numbers.sort_unstable();
    let doubled = numbers.windows(2).filter(|two| two[0] == two[1]).count();
    numbers.dedup();
    assert_eq!((doubled, MESSAGES - numbers.len() as u64), (0, 0), "doubled and lost");
}
