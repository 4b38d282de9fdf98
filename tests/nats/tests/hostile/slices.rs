//! No client holds up the others: the work of one connection is done in slices, ends with the connection, and what it has brought
//! to others is on its way before code of users runs.
//!
//! The first tests run all tasks on the test's own thread, in an order that repeats; a clock that stands still leaves slices bounded by
//! work alone.

use crate::held::{Peer, Room, publish};
use postroom::server::ServerOptions;
use postroom::{Bus, Client, Message, OverflowPolicy, Server, SubscribeOptions};
use std::fmt::Write as _;
use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;
use tokio::runtime::{Builder, Runtime};

const KIB: usize = 1 << 10;

/// Longer than anything may take: only reached when something is broken.
const FOREVER: Duration = Duration::from_secs(30);

/// Subscriptions of one connection to one subject, and as many publishes to it in one packet as given.
fn subscribed(room: &Room, subscriptions: usize) -> Peer {
    let mut peer = room.peer("");
    let mut batch = String::new();
    (0..subscriptions).for_each(|sid| write!(batch, "SUB a {sid}\r\n").unwrap());
    room.send(&mut peer, batch.as_bytes());
    room.flush(&mut peer);
    peer
}

#[test]
fn others_are_served_between_the_slices_of_one_read() {
    let room = Room::new(ServerOptions::new());
    let mut greedy = subscribed(&room, 3_000);
    let mut other = room.peer("");
    let before = room.bus.stats().traffic.published;
    room.send(&mut greedy, &b"PUB a 0\r\n\r\n".repeat(500));
    room.flush(&mut other);
    let done = room.bus.stats().traffic.published - before;
    assert!(done <= 20, "{done} publishes of 3,000 deliveries each before a PING of another client was answered");
    // It is held up, not cut off.
    let mut pongs = 0;
    while room.bus.stats().traffic.published - before < 500 {
        room.flush(&mut other);
        pongs += 1;
    }
    assert!(pongs >= 100, "{pongs} PINGs were answered during 500 publishes");
}

#[test]
fn operations_that_reach_nobody_are_bounded_too() {
    let room = Room::new(ServerOptions::new());
    let (mut greedy, mut other) = (room.peer(""), room.peer(""));
    let batch = b"PUB a 0\r\n\r\n".repeat(5_000);
    for _ in 0..3 {
        // From now on all of it is read at once.
        room.send(&mut greedy, &batch);
        room.flush(&mut greedy);
    }
    let before = room.bus.stats().traffic.published;
    room.send(&mut greedy, &batch);
    room.flush(&mut other);
    let done = room.bus.stats().traffic.published - before;
    assert!(done < 5_000, "{done} publishes before a PING of another client was answered");
}

#[test]
fn a_connection_that_has_had_too_much_stops_within_the_read() {
    let room = Room::new(ServerOptions::new().max_payload(KIB).max_pending(64 * KIB));
    let mut greedy = subscribed(&room, 100);
    let before = room.bus.stats().traffic.published;
    // 22,000 bytes each: the third is more than may wait for it, a slice has twenty.
    room.send(&mut greedy, &publish("a", 200).repeat(200));
    let mut other = room.peer("");
    while room.server.varz().connections > 1 {
        room.flush(&mut other);
    }
    let done = room.bus.stats().traffic.published - before;
    assert!((3..=12).contains(&done), "{done} publishes of one who had too much after a few");
}

#[test]
fn a_connection_that_is_closed_stops_within_the_read() {
    let room = Room::new(ServerOptions::new());
    let mut greedy = subscribed(&room, 3_000);
    let before = room.bus.stats().traffic.published;
    room.send(&mut greedy, &b"PUB a 0\r\n\r\n".repeat(500));
    let mut other = room.peer("");
    room.flush(&mut other);
    room.server.shutdown();
    let done = room.bus.stats().traffic.published - before;
    room.drain(&mut greedy);
    assert_eq!(room.bus.stats().traffic.published - before, done, "nothing was published after the end");
    assert!(done <= 60, "{done}");
}

/// A server on a runtime with so many threads.
struct Threads {
    bus: Bus,
    server: Server,
    _runtime: Runtime,
}

fn on_threads(count: usize) -> Threads {
    let runtime = Builder::new_multi_thread().worker_threads(count).enable_all().build().unwrap();
    let bus = Bus::new();
    let server = {
        let _within = runtime.enter();
        Server::bind(&bus, "127.0.0.1:0").unwrap()
    };
    Threads { bus, server, _runtime: runtime }
}

impl Threads {
    /// A wire client that says what is given and has been heard.
    fn client(&self, says: &str) -> BufReader<TcpStream> {
        let mut stream = TcpStream::connect(self.server.address().unwrap()).unwrap();
        stream.set_read_timeout(Some(FOREVER)).unwrap();
        stream.write_all(format!("CONNECT {{\"verbose\":false}}\r\n{says}PING\r\n").as_bytes()).unwrap();
        let mut reader = BufReader::new(stream);
        while next_line(&mut reader) != "PONG" {}
        reader
    }
}

fn next_line(reader: &mut BufReader<TcpStream>) -> String {
    let mut line = String::new();
    reader.read_line(&mut line).expect("it does not take for ever");
    line.trim_end().to_owned()
}

#[test]
fn a_callback_set_off_by_a_wire_client_asks_another_wire_client() {
    for threads in [1, 2, 4] {
        type Ask = fn(&Client) -> Option<Message>;
        let ways: [Ask; 2] = [
            |client| client.request_timeout("price", "", FOREVER).ok(),
            |client| {
                let inbox = client.new_inbox();
                let answers = client.subscribe(&inbox).unwrap();
                client.publish_with_reply("price", &inbox, "").unwrap();
                answers.recv_timeout(FOREVER).ok()
            },
        ];
        for ask in ways {
            let room = on_threads(threads);
            let mut service = room.client("SUB price 1\r\n");
            thread::spawn(move || {
                let line = next_line(&mut service);
                let reply = line.split(' ').nth(3).expect("a request").to_owned();
                service.get_mut().write_all(format!("PUB {reply} 2\r\nok\r\n").as_bytes()).unwrap();
            });
            let (done, outcome) = mpsc::channel();
            let client = room.bus.connect();
            let asks = client.clone();
            let _guard = client.subscribe_fn("order", move |_| done.send(ask(&asks)).unwrap()).unwrap();
            let mut publisher = room.client("");
            publisher.get_mut().write_all(b"PUB order 1\r\nx\r\n").unwrap();
            let answer = outcome.recv().unwrap();
            assert_eq!(answer.expect("the service answers").payload(), b"ok", "{threads} threads");
        }
    }
}

#[test]
fn messages_are_on_their_way_before_a_callback_or_a_full_queue_holds_up_the_read() {
    for threads in [1, 2] {
        for blocks in [false, true] {
            let room = on_threads(threads);
            let mut fast = room.client("SUB fast 1\r\n");
            let client = room.bus.connect();
            let (seen, was_seen) = crossbeam_channel::bounded::<()>(1);
            let (calls, outcome) = mpsc::channel();
            let (mut guard, mut queue) = (None, None);
            if blocks {
                let options = SubscribeOptions::new().capacity(1).overflow(OverflowPolicy::Block(FOREVER));
                let full = client.subscribe_with("slow", options).unwrap();
                client.publish("slow", "").unwrap();
                queue = Some(full);
            } else {
                let callback = move |_| calls.send(was_seen.recv_timeout(FOREVER).is_ok()).unwrap();
                guard = Some(client.subscribe_fn("slow", callback).unwrap());
            }
            let mut publisher = room.client("");
            publisher.get_mut().write_all(b"PUB fast 1\r\nx\r\nPUB slow 1\r\nx\r\n").unwrap();
            // The read is held up until this has come.
            assert_eq!(next_line(&mut fast), "MSG fast 1 1", "{threads} threads");
            match queue {
                Some(queue) => assert_eq!(
                    (queue.recv().unwrap().payload(), queue.recv().unwrap().payload()),
                    (&b""[..], &b"x"[..])
                ),
                None => {
                    seen.send(()).unwrap();
                    assert!(outcome.recv().unwrap());
                }
            }
            drop(guard);
        }
    }
}
