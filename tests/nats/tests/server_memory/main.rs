//! The memory that hostile peers may cost. A binary of its own: it measures the whole process.
//!
//! Goal: whatever a peer sends, or does not read, the server keeps no more of it than its limits say. Method: peers that would
//! fill hundreds of megabytes if they were let, and the size of the process meanwhile. Linux tells that size; elsewhere the
//! same is done and not measured.

#[path = "../server/wire.rs"]
#[allow(dead_code, reason = "shared with the tests of the server, which use all of it")]
mod wire;

use parking_lot::{Mutex, MutexGuard};
use postroom::server::ServerOptions;
use postroom::{Bus, Clock, Server};
use std::fmt::Write;
use wire::Wire;

const NONE: [&str; 0] = [];
const MIB: usize = 1 << 20;

/// One test after the other.
static ALONE: Mutex<()> = Mutex::new(());

struct Room {
    bus: Bus,
    server: Server,
    start: usize,
    _alone: MutexGuard<'static, ()>,
}

impl Room {
    fn new(options: ServerOptions) -> Self {
        let alone = ALONE.lock();
        // The clock stands still: no PINGs.
        let bus = Bus::builder().clock(Clock::manual()).build();
        let server = Server::builder(&bus).options(options).build().unwrap();
        // The memory that a first connection needs once and for all does not count.
        Wire::pipe(server.pipe()).connect("");
        Room { bus, server, start: resident(), _alone: alone }
    }

    fn wire(&self) -> Wire {
        Wire::pipe(self.server.pipe()).connect("")
    }

    #[track_caller]
    fn assert_grown_less_than(&self, mib: usize) {
        let grown = resident().saturating_sub(self.start);
        assert!(grown < mib * MIB, "{} KiB more than at the start", grown >> 10);
    }
}

/// Bytes of memory that the process has now.
fn resident() -> usize {
    let Ok(text) = std::fs::read_to_string("/proc/self/status") else { return 0 };
    let line = text.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("Linux tells");
    line.trim().trim_end_matches(" kB").parse::<usize>().expect("a number") << 10
}

#[test]
fn what_follows_a_ping_is_not_kept() {
    let room = Room::new(ServerOptions::new());
    let mut wire = room.wire();
    wire.send("PING");
    let junk = vec![b'x'; MIB];
    for _ in 0..256 {
        wire.send(&junk);
    }
    room.assert_grown_less_than(16);
    wire.send("\r\n");
    wire.expect("PONG");
}

#[test]
fn a_line_of_arguments_is_cut_off_at_its_bound() {
    let room = Room::new(ServerOptions::new());
    let junk = vec![b'x'; MIB];
    for op in ["SUB ", "PUB ", "CONNECT ", "UNSUB "] {
        let wires: Vec<Wire> = (0..100)
            .map(|_| {
                let mut wire = room.wire();
                wire.send(op);
                let _ = wire.try_send(&junk);
                wire
            })
            .collect();
        room.assert_grown_less_than(32);
        drop(wires);
    }
}

#[test]
fn half_a_payload_takes_no_more_than_the_whole() {
    let room = Room::new(ServerOptions::new().max_payload(MIB));
    let part = vec![b'x'; MIB - 1];
    let wires: Vec<Wire> = (0..50)
        .map(|_| {
            let mut wire = room.wire();
            wire.send(format!("PUB foo {MIB}\r\n"));
            wire.send(&part);
            wire
        })
        .collect();
    // 50 MiB are the clients' right; buffers that double may hold twice that for a moment.
    room.assert_grown_less_than(130);
    drop(wires);
}

#[test]
fn announced_payloads_take_nothing_before_they_come() {
    let room = Room::new(ServerOptions::new().max_payload(8 * MIB));
    let wires: Vec<Wire> = (0..100)
        .map(|_| {
            let mut wire = room.wire();
            wire.send(format!("PUB foo {}\r\n", 8 * MIB));
            wire
        })
        .collect();
    room.assert_grown_less_than(32);
    drop(wires);
}

#[test]
fn unsub_storms_on_one_subscription_leave_nothing() {
    let room = Room::new(ServerOptions::new());
    let mut wire = room.wire();
    assert_eq!(wire.ask("SUB foo 1\r\n"), NONE);
    let mut batch = String::new();
    for n in 0..10_000 {
        write!(batch, "UNSUB 1 {}\r\n", 1_000_000 + n).unwrap();
    }
    for _ in 0..200 {
        wire.send(&batch);
    }
    assert_eq!(wire.flush(), NONE);
    room.assert_grown_less_than(16);
}

#[test]
fn subscriptions_that_come_and_go_leave_nothing() {
    let room = Room::new(ServerOptions::new());
    let mut wire = room.wire();
    for round in 0..100 {
        let mut batch = String::new();
        for n in 0..2_000 {
            let subject = round * 2_000 + n;
            write!(batch, "SUB storm.{subject}.> {n}\r\nUNSUB {n} 5\r\nUNSUB {n}\r\n").unwrap();
        }
        assert_eq!(wire.ask(batch), NONE);
    }
    assert_eq!(room.bus.stats().subscriptions, 0);
    room.assert_grown_less_than(24);
}

#[test]
fn subjects_that_are_published_to_once_are_not_remembered() {
    let room = Room::new(ServerOptions::new());
    let mut wire = room.wire();
    let tail = "x".repeat(1_000);
    for round in 0..100 {
        let mut batch = String::new();
        for n in 0..1_000 {
            write!(batch, "PUB once.{round}.{n}.{tail} 0\r\n\r\n").unwrap();
        }
        assert_eq!(wire.ask(batch), NONE);
    }
    // 100 MB of subjects; each thread remembers 1,024 of them.
    room.assert_grown_less_than(32);
}

#[test]
fn connects_with_long_names_leave_nothing() {
    let room = Room::new(ServerOptions::new());
    let mut wire = room.wire();
    let name = "n".repeat(3_000);
    for _ in 0..30_000 {
        wire.send(format!("CONNECT {{\"verbose\":false,\"name\":\"{name}\"}}\r\n"));
    }
    assert_eq!(wire.flush(), NONE);
    room.assert_grown_less_than(24);
}

#[test]
fn who_never_reads_costs_no_more_than_may_wait_for_it() {
    let room = Room::new(ServerOptions::new().max_pending(8 * MIB));
    let client = room.bus.connect();
    let payload = vec![b'x'; 16 << 10];
    for _ in 0..20 {
        let mut slow = room.wire();
        assert_eq!(slow.ask("SUB foo 1\r\n"), NONE);
        while room.bus.has_interest("foo") {
            client.publish("foo", &payload[..]).unwrap();
        }
        // Not even while the peer still holds its end.
        room.assert_grown_less_than(40);
    }
}

#[test]
fn what_is_remembered_of_connections_that_are_gone_has_a_bound() {
    let room = Room::new(ServerOptions::new());
    let visit = |count: usize| {
        for _ in 0..count / 100 {
            let wires: Vec<Wire> = (0..100).map(|_| room.wire()).collect();
            drop(wires);
        }
    };
    // The last 10,000 are remembered for monitoring.
    visit(11_000);
    let after = resident();
    visit(11_000);
    let grown = resident().saturating_sub(after);
    assert!(grown < 8 * MIB, "{} KiB more for as many again", grown >> 10);
    room.assert_grown_less_than(64);
}
