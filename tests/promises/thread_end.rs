//! The bus can be used while a thread ends, from destructors of thread-local storage.
//!
//! Goal: whatever they do works, and nothing aborts the process. Method: values that were stored before their thread used a bus, so that
//! they are dropped after all that the bus keeps per thread; and such that are the first to use one.

use postroom::{Bus, Client, Subscriber};
use std::cell::RefCell;

/// A closure that runs when its thread ends.
type Last = Box<dyn FnOnce()>;

struct AtTheEnd(Option<Last>);

impl Drop for AtTheEnd {
    fn drop(&mut self) {
        if let Some(last) = self.0.take() {
            last();
        }
    }
}

thread_local! {
    static END: RefCell<AtTheEnd> = const { RefCell::new(AtTheEnd(None)) };
}

/// On a thread of its own: stores `last`, does `work`, ends.
fn on_a_thread(work: impl FnOnce() + Send + 'static, last: impl FnOnce() + Send + 'static) {
    let run = move || {
        END.with_borrow_mut(|end| end.0 = Some(Box::new(last)));
        work();
    };
    std::thread::spawn(run).join().unwrap();
}

/// All that can be done with a client, and the handles with it.
fn everything(client: &Client, kept: Subscriber) {
    client.publish("metrics", "last").unwrap();
    client.publish("nobody", vec![7; 1_000]).unwrap();
    assert_eq!(client.request("svc", "last").unwrap().payload(), b"yes");
    let own = client.subscribe("own.*").unwrap();
    let publisher = client.publisher("own.1").unwrap();
    for _ in 0..3 {
        assert_eq!(publisher.publish("1").unwrap(), 1);
        assert_eq!(client.publish("own.1", "2").unwrap(), 1);
    }
    assert_eq!((own.recv().unwrap().payload(), own.len()), (&b"1"[..], 5));
    let called = client.subscribe_fn("fn", drop).unwrap();
    client.publish("fn", "").unwrap();
    assert_eq!(kept.try_recv().unwrap().payload(), b"kept");
    drop((own, publisher, called, kept));
    assert!(client.bus().stats().ledger.balances());
}

fn check(bus: &Bus, used_before: bool) {
    let client = bus.connect();
    let metrics = client.subscribe("metrics").unwrap();
    let _svc = client.subscribe_fn("svc", |question| _ = question.respond("yes").unwrap()).unwrap();
    let before = bus.stats();
    for _ in 0..20 {
        let kept = client.subscribe("kept").unwrap();
        client.publish("kept", "kept").unwrap();
        let (first, last) = (client.clone(), client.clone());
        let work = move || {
            if used_before {
                first.publish("metrics", "first").unwrap();
            }
        };
        on_a_thread(work, move || everything(&last, kept));
    }
    assert_eq!(metrics.len(), if used_before { 40 } else { 20 });
    let stats = bus.stats();
    assert!(stats.ledger.balances());
    assert_eq!(stats.traffic.routed, stats.ledger.matched);
    let published = stats.traffic.published - before.traffic.published;
    assert_eq!(published, if used_before { 12 * 20 + 20 } else { 12 * 20 }, "also what threads counted that ended");
    drop(client);
}

#[test]
fn destructors_of_threads_that_used_the_bus_use_it() {
    check(&Bus::new(), true);
}

#[test]
fn destructors_of_threads_that_never_used_it_use_it() {
    check(&Bus::new(), false);
}

/// Many end at once and share what such threads have of a bus.
#[test]
fn many_threads_that_end_at_once_lose_no_count() {
    let bus = Bus::new();
    let client = bus.connect();
    let all = client.subscribe("metrics").unwrap();
    let threads: Vec<_> = (0..8)
        .map(|_| {
            let (first, last) = (client.clone(), client.clone());
            std::thread::spawn(move || {
                let last = move || (0..500).for_each(|_| _ = last.publish("metrics", "").unwrap());
                END.with_borrow_mut(|end| end.0 = Some(Box::new(last)));
                first.publish("metrics", "").unwrap();
            })
        })
        .collect();
    threads.into_iter().for_each(|thread| thread.join().unwrap());
    assert_eq!((all.len(), bus.stats().traffic.published, bus.stats().traffic.routed), (8 * 501, 8 * 501, 8 * 501));
}

#[cfg(feature = "server")]
#[test]
fn a_wire_client_gets_what_a_thread_publishes_at_its_end() {
    use std::io::{Read, Write};
    let bus = Bus::new();
    let server = postroom::Server::bind(&bus, "127.0.0.1:0").unwrap();
    let mut wire = std::net::TcpStream::connect(server.address().unwrap()).unwrap();
    wire.set_read_timeout(Some(crate::common::FOREVER)).unwrap();
    wire.write_all(b"CONNECT {\"verbose\":false}\r\nSUB metrics 1\r\nPING\r\n").unwrap();
    let mut read_to = |end: &[u8]| {
        let (mut all, mut byte) = (Vec::new(), [0]);
        while !all.ends_with(end) {
            wire.read_exact(&mut byte).unwrap();
            all.push(byte[0]);
        }
    };
    read_to(b"PONG\r\n");
    let (first, last) = (bus.connect(), bus.connect());
    on_a_thread(
        move || assert_eq!(first.publish("metrics", "first").unwrap(), 1),
        move || assert_eq!(last.publish("metrics", "last").unwrap(), 1),
    );
    read_to(b"last\r\n");
}
