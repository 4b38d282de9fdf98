//! Peers that take their messages too slowly (L1 to L3): they are sent away or slow their publishers down for a moment, and
//! no other client pays for it.

use crate::fixture::*;
use crate::wire::Wire;
use postroom::Client;
use postroom::server::ServerOptions;
use std::time::{Duration, Instant};

const NONE: [&str; 0] = [];
const KIB: usize = 1 << 10;

/// No PINGs to speak of.
fn options() -> ServerOptions {
    ServerOptions::new().ping_interval(SECOND * 1_000_000).ping_max(1_000).max_payload(64 * KIB)
}

/// A client that listens to `foo` and reads no more.
fn idle_reader(fixture: &Fixture) -> Wire {
    let mut wire = fixture.wire();
    assert_eq!(wire.ask("SUB foo 1\r\n"), NONE);
    wire
}

/// Publishes until the slow client is cut off. Gives back how many were taken.
fn flood(fixture: &Fixture, client: &Client, mut meanwhile: impl FnMut()) -> usize {
    let payload = vec![b'x'; 16 * KIB];
    let mut taken = 0;
    while fixture.bus.has_interest("foo") {
        taken += client.publish("foo", &payload[..]).unwrap();
        meanwhile();
        assert!(taken < 100_000, "{taken} messages for one who takes none");
    }
    taken
}

/// The unread rest, which must be messages and nothing else.
fn assert_cut_off(wire: &mut Wire) -> usize {
    let mut all = Vec::new();
    let mut buffer = vec![0; 64 * KIB];
    loop {
        let count = wire.read_some(&mut buffer);
        if count == 0 {
            break;
        }
        all.extend_from_slice(&buffer[..count]);
    }
    assert!(!all.windows(5).any(|five| five == b"-ERR "), "X16: no -ERR");
    all.len()
}

#[test]
fn l1_x16_who_never_reads_is_cut_off_without_a_word_and_others_are_served() {
    Fixture::each(options().max_pending(256 * KIB), |fixture| {
        let mut slow = idle_reader(&fixture);
        let mut other = fixture.wire();
        assert_eq!(other.ask("SUB other 1\r\n"), NONE);
        let client = fixture.client();
        // This thread is never held up: the clock stands still, so a wait would never end.
        let taken = flood(&fixture, &client, || {
            assert_eq!(other.ask("PUB other 1\r\nx\r\n"), ["MSG other 1 1|x"]);
        });
        assert!(taken * 16 * KIB >= 256 * KIB);
        fixture.wait_for_connections(1);
        assert_cut_off(&mut slow);
        assert_eq!(other.flush(), NONE);
        assert!(fixture.bus.stats().ledger.balances());
    });
}

#[test]
fn l1_a_wire_publisher_too_is_not_stopped_by_one_who_never_reads() {
    Fixture::each(options().max_pending(256 * KIB), |fixture| {
        let mut slow = idle_reader(&fixture);
        let mut publisher = fixture.wire();
        let message = format!("PUB foo {}\r\n{}\r\n", 16 * KIB, "x".repeat(16 * KIB));
        let mut sent = 0;
        while fixture.bus.has_interest("foo") {
            publisher.send(&message);
            publisher.send("PING\r\n");
            // It may be asked to wait for a moment (L3), no more; and meanwhile the server may send a PING of its own.
            publisher.until("PONG");
            sent += 1;
            assert!(sent < 10_000);
        }
        assert_cut_off(&mut slow);
        assert_eq!(publisher.flush(), NONE);
    });
}

#[test]
fn l1_one_burst_within_the_bound_is_no_reason_to_end() {
    Fixture::each(options().max_pending(8 << 20), |fixture| {
        let mut wire = idle_reader(&fixture);
        let payload = "x".repeat(16 * KIB);
        for _ in 0..400 {
            fixture.client().publish("foo", payload.as_str()).unwrap();
        }
        assert_eq!(wire.flush().len(), 400);
    });
}

#[test]
fn l2_a_write_that_does_not_end_in_time_ends_the_connection() {
    Fixture::each(options().max_pending(512 << 20).write_deadline(SECOND * 5), |fixture| {
        let mut slow = idle_reader(&fixture);
        let client = fixture.client();
        let mut rounds = 0;
        // A socket's buffers are deep, and there is no sign when they are full: but then the writer sets itself a
        // deadline.
        let payload = vec![b'x'; 64 * KIB];
        while fixture.bus.has_interest("foo") {
            for _ in 0..16 {
                client.publish("foo", &payload[..]).unwrap();
            }
            let due = fixture.clock.now() + SECOND * 5;
            if fixture.clock.next_timer().is_some_and(|next| next <= due) {
                fixture.clock.advance(SECOND * 5);
            }
            rounds += 1;
            assert!(rounds < 400, "nobody minds");
            std::thread::yield_now();
        }
        fixture.wait_for_connections(0);
        assert_cut_off(&mut slow);
    });
}

#[test]
fn l2_a_write_that_ends_in_time_is_none_the_worse() {
    let fixture = Fixture::new(Way::Pipe, options().write_deadline(SECOND));
    let mut wire = idle_reader(&fixture);
    // More than a pipe holds: the writer waits for its reader, and has set itself a deadline.
    let payload = "x".repeat(64 * KIB);
    for _ in 0..4 {
        fixture.client().publish("foo", payload.as_str()).unwrap();
    }
    fixture.next_deadline(SECOND..=SECOND);
    fixture.clock.advance(SECOND / 2);
    assert_eq!(wire.flush().iter().filter(|op| op.starts_with("MSG")).count(), 4);
    fixture.clock.advance(SECOND * 50);
    let _ = wire.flush();
    assert_eq!(fixture.connections(), 1);
}

/// Pipes only: what a socket holds depends on the machine.
fn stalling(no_stall: bool) -> (Fixture, Wire, Wire) {
    let fixture = Fixture::new(Way::Pipe, options().max_pending(1 << 20).no_fast_producer_stall(no_stall));
    let slow = idle_reader(&fixture);
    let publisher = fixture.wire();
    // Past the first PINGs.
    wait_until(|| fixture.clock.timers() == 2);
    fixture.clock.advance(SECOND * 3);
    (fixture, slow, publisher)
}

/// A publisher's message; the reader's bound is 32 of them.
fn large() -> String {
    format!("PUB foo {}\r\n{}\r\n", 32 * KIB, "x".repeat(32 * KIB))
}

/// Sends one message, and waits until the publisher is served again. The clock stands still: the server waits in real time.
fn publish_and_wait(publisher: &mut Wire) {
    publisher.send(large());
    publisher.send("PING\r\n");
    publisher.until("PONG");
}

#[test]
fn l3_a_publisher_waits_a_moment_for_a_reader_that_is_three_quarters_behind() {
    let (fixture, mut slow, mut publisher) = stalling(false);
    publisher.expect("PING");
    // The contents of the pipe itself, up to two messages, do not count.
    (0..27).for_each(|_| publish_and_wait(&mut publisher));
    let begun = Instant::now();
    (0..3).for_each(|_| publish_and_wait(&mut publisher));
    // Whether the last PONG came before the third wait or after it.
    assert!(begun.elapsed() >= Duration::from_millis(5) * 2);
    // A publisher in process does not wait.
    assert_eq!(fixture.client().publish("foo", "last").unwrap(), 1);
    // And once it is read, a publisher on the wire is served.
    let got = slow.flush();
    assert_eq!(got.iter().filter(|op| op.starts_with("MSG")).count(), 31);
    publish_and_wait(&mut publisher);
}

#[test]
fn l3_a_publisher_that_waits_goes_on_when_the_reader_catches_up() {
    let (_fixture, mut slow, mut publisher) = stalling(false);
    publisher.expect("PING");
    for _ in 0..28 {
        publish_and_wait(&mut publisher);
    }
    publisher.send(large());
    publisher.send("PING\r\n");
    let mut got = slow.flush();
    publisher.expect("PONG");
    got.extend(slow.flush());
    assert_eq!(got.iter().filter(|op| op.starts_with("MSG")).count(), 29);
}

#[test]
fn l3_without_stalls_what_is_too_much_is_dropped_and_the_reader_stays() {
    let (fixture, mut slow, mut publisher) = stalling(true);
    publisher.expect("PING");
    for _ in 0..100 {
        publisher.send(large());
    }
    // The clock stands still: no publisher waited.
    assert_eq!(publisher.flush(), NONE);
    assert_eq!(fixture.client().publish("foo", "x").map(|_| ()), Ok(()));
    let got = slow.flush();
    let arrived = got.iter().filter(|op| op.starts_with("MSG")).count();
    assert!((20..40).contains(&arrived), "{arrived}");
    publisher.send(large());
    assert_eq!(publisher.flush(), NONE);
    assert_eq!(slow.flush().len(), 1, "it is served again");
}

#[test]
fn l3_q4_r2_what_is_given_up_goes_to_another_member_or_has_no_responder() {
    let (fixture, mut slow, mut publisher) = stalling(true);
    publisher.expect("PING");
    for _ in 0..100 {
        publisher.send(large());
    }
    assert_eq!(publisher.flush(), NONE);
    // It is behind by now: nothing more is let in for it.
    let client = fixture.client();
    assert_eq!(client.publish("foo", "x").unwrap(), 0);
    assert!(client.request("foo", "").unwrap_err().is_no_responders());
    let asked = publisher.ask("SUB inb 1\r\nPUB foo inb 0\r\n\r\n");
    assert_eq!(asked, [r"HMSG inb 1 35 35|NATS/1.0 503\r\nNats-Subject: foo\r\n\r\n"]);
    let got = slow.ask("SUB work g 2\r\n");
    assert!(got.len() > 20);
    let member = client.queue_subscribe("work", "g").unwrap();
    for _ in 0..100 {
        publisher.send(large());
    }
    assert_eq!(publisher.flush(), NONE);
    for n in 0..20 {
        assert_eq!(client.publish("work", n.to_string()).unwrap(), 1);
    }
    assert_eq!(member.len(), 20);
    assert!(fixture.bus.stats().ledger.balances());
}

#[test]
fn shutdown_does_not_wait_long_for_who_never_reads() {
    Fixture::each(options(), |fixture| {
        let mut slow = idle_reader(&fixture);
        let payload = vec![b'x'; 64 * KIB];
        for _ in 0..500 {
            fixture.client().publish("foo", &payload[..]).unwrap();
        }
        // On a clock that stands still, at that.
        fixture.server.shutdown();
        assert!(!fixture.bus.has_interest("foo"));
        assert_cut_off(&mut slow);
    });
}

#[test]
fn a_slow_reader_that_goes_away_leaves_nothing_behind() {
    Fixture::each(options(), |fixture| {
        let slow = idle_reader(&fixture);
        let payload = vec![b'x'; 64 * KIB];
        for _ in 0..300 {
            fixture.client().publish("foo", &payload[..]).unwrap();
        }
        drop(slow);
        fixture.wait_for_connections(0);
        assert!(!fixture.bus.has_interest("foo"));
    });
}
