//! The memory of a bridge while one of its sides stands still. A binary of its own: it measures the whole process.
//!
//! Goal: however much is published, a bridge keeps no more of it than its bounds say. Method: hundreds of megabytes against bounds
//! of a few, and the size of the process meanwhile. Linux tells that size; elsewhere the same is done and not measured.

#[path = "../bridge/fixture.rs"]
#[allow(dead_code, reason = "shared with the tests of the bridge, which use all of it")]
mod fixture;

use fixture::{PATIENCE, Remote, Restartable, bus, start, wait_until};
use parking_lot::{Mutex, MutexGuard};
use postroom::bridge::{FlowStats, FlushError};
use postroom::{Bridge, Bus, OverflowPolicy};
use postroom_nats_tests as support;

const MIB: usize = 1 << 20;

/// Messages that are published, of so many bytes each: 400 MiB.
const MESSAGES: u64 = 50_000;
const SIZE: usize = 8 << 10;

/// The bound of a buffer, and of a window.
const BOUND: usize = 4 * MIB;

/// The growth that the process is allowed, in all: the bounds, messages on their way between them, and memory that an allocator
/// does not give back.
const GROWTH_MAX: usize = 48 * MIB;

/// One test after the other.
static ALONE: Mutex<()> = Mutex::new(());

struct Room {
    server: Restartable,
    bus: Bus,
    start: usize,
    _alone: MutexGuard<'static, ()>,
}

impl Room {
    /// With a bridge that has carried something both ways: what a first message needs once and for all does not count.
    fn new(overflow: OverflowPolicy) -> (Self, Bridge) {
        let alone = ALONE.lock();
        let (server, bus) = (Restartable::start(""), bus());
        let builder = Bridge::builder(&bus).server(server.url()).export("out").import("in");
        let builder =
            builder.outgoing_capacity(usize::MAX, BOUND, overflow).incoming_capacity(usize::MAX, BOUND, overflow);
        let bridge = start(builder.window(1_000_000, BOUND));
        bus.connect().publish("out", vec![0; SIZE]).unwrap();
        bridge.flush(PATIENCE).wait().unwrap();
        (Room { server, bus, start: resident(), _alone: alone }, bridge)
    }

    #[track_caller]
    fn assert_bounded(&self) {
        let grown = resident().saturating_sub(self.start);
        assert!(grown < GROWTH_MAX, "{} KiB more than at the start", grown >> 10);
    }
}

/// Bytes of memory that the process has now.
fn resident() -> usize {
    let Ok(text) = std::fs::read_to_string("/proc/self/status") else { return 0 };
    let line = text.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("Linux tells");
    line.trim().trim_end_matches(" kB").parse::<usize>().expect("a number") << 10
}

/// Some of the published messages must wait, and most be lost: else nothing stood still.
#[track_caller]
fn assert_overflown(flow: FlowStats) {
    assert!(flow.balances() && flow.queued > 0 && flow.lost.total() > MESSAGES / 2, "{flow:?}");
}

fn a_server_stands_still(overflow: OverflowPolicy) {
    let (room, bridge) = Room::new(overflow);
    room.server.signal("-STOP");
    let client = room.bus.connect();
    for n in 0..MESSAGES {
        client.publish("out", vec![n as u8; SIZE]).unwrap();
        if n % 1_000 == 0 {
            room.assert_bounded();
        }
    }
    room.assert_bounded();
    assert_overflown(bridge.stats().outgoing);
    room.server.signal("-CONT");
    assert!(matches!(bridge.flush(PATIENCE).wait(), Err(FlushError::Lost { .. })));
    let flow = bridge.stats().outgoing;
    assert_eq!(flow.taken, flow.delivered + flow.lost.total(), "{flow:?}");
    room.assert_bounded();
}

#[test]
fn a_server_that_stands_still_costs_what_the_bounds_say_and_new_messages_go() {
    a_server_stands_still(OverflowPolicy::DropNewest);
}

#[test]
fn a_server_that_stands_still_costs_what_the_bounds_say_and_old_messages_go() {
    a_server_stands_still(OverflowPolicy::DropOldest);
}

fn a_subscriber_stands_still(overflow: OverflowPolicy) {
    let (room, bridge) = Room::new(overflow);
    let gate = std::sync::Arc::new(Mutex::new(()));
    let held = gate.lock();
    let waiting = gate.clone();
    let _slow = room.bus.connect().subscribe_fn("in", move |_| drop(waiting.lock())).unwrap();
    bridge.flush(PATIENCE).wait().unwrap();
    let remote = Remote::connect(&room.server.url());
    let payload = "x".repeat(SIZE);
    for n in 0..MESSAGES {
        remote.publish("in", &payload);
        if n % 1_000 == 999 {
            // Else what the publisher's own client holds would be measured, too.
            remote.flush();
            room.assert_bounded();
        }
    }
    wait_until("all have come", || bridge.stats().incoming.taken == MESSAGES);
    room.assert_bounded();
    assert_overflown(bridge.stats().incoming);
    drop(held);
    assert!(matches!(bridge.drain(PATIENCE).wait(), Err(FlushError::Lost { .. })));
    let flow = bridge.stats().incoming;
    assert_eq!(flow.taken, flow.delivered + flow.lost.total(), "{flow:?}");
    room.assert_bounded();
}

#[test]
fn a_subscriber_that_stands_still_costs_what_the_bounds_say_and_new_messages_go() {
    a_subscriber_stands_still(OverflowPolicy::DropNewest);
}

#[test]
fn a_subscriber_that_stands_still_costs_what_the_bounds_say_and_old_messages_go() {
    a_subscriber_stands_still(OverflowPolicy::DropOldest);
}
