//! A line to the server that breaks anywhere, in the middle of a message too, while the server stays: what arrived is known exactly, and
//! the ledger has to say the same.

use crate::fixture::{PATIENCE, Remote, bus, start, text};
use crate::support::nats_server::NatsServer;
use postroom::Bridge;
use postroom::bridge::{BridgeEvent, FlushError, LossEpisode, LossReason};
use postroom::error::RecvTimeoutError;
use std::collections::BTreeSet;
use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, AtomicUsize, Ordering::SeqCst};
use std::thread;
use std::time::{Duration, Instant};

const CUTS: usize = 50;

/// Messages that may wait in the bridge while each publisher continues.
const QUEUED_MAX: u64 = 2_000;

/// Messages that may be on their way from the server.
const OPEN_MAX: u64 = 10_000;

/// Passes the bytes of one connection after the other on to a server, each but the last until some number of bytes has gone through.
struct Line {
    url: String,
    connections: Arc<AtomicUsize>,
    since: Instant,
}

/// Ends the threads that publish until then, also if the test has failed.
struct Ended<'a>(&'a AtomicBool);

impl Drop for Ended<'_> {
    fn drop(&mut self) {
        self.0.store(true, SeqCst);
    }
}

impl Line {
    fn to(server: &NatsServer) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("nats://{}", listener.local_addr().unwrap());
        let (connections, server) = (Arc::new(AtomicUsize::new(0)), server.addr());
        let mut rng = fastrand::Rng::with_seed(7);
        // Some end before the bridge is in.
        let mut lengths: Vec<i64> =
            (0..CUTS).map(|n| if n % 5 == 4 { rng.i64(1..2_000) } else { rng.i64(2_000..100_000) }).collect();
        lengths.push(i64::MAX);
        let count = connections.clone();
        thread::spawn(move || {
            for length in lengths {
                let (near, _) = listener.accept().unwrap();
                let far = TcpStream::connect(&server).unwrap();
                count.fetch_add(1, SeqCst);
                let left = AtomicI64::new(length);
                thread::scope(|scope| {
                    scope.spawn(|| {
                        pass(&near, &far, &left);
                        // Either may be closed already, here and below.
                        let _ = (near.shutdown(Shutdown::Both), far.shutdown(Shutdown::Write));
                    });
                    pass(&far, &near, &left);
                    let _ = near.shutdown(Shutdown::Both);
                    // The server works off all that it has got of a connection before it closes it. Else the next one could
                    // overtake.
                    let _ = std::io::copy(&mut &far, &mut std::io::sink());
                });
            }
        });
        Line { url, connections, since: Instant::now() }
    }

    /// Whether all cuts are made; fails if they take too long.
    fn is_whole(&self) -> bool {
        assert!(self.since.elapsed() < 4 * PATIENCE, "{:?} of {CUTS} cuts so far", self.connections);
        self.connections.load(SeqCst) > CUTS
    }
}

/// Passes bytes on until there are none left, or one of the two is gone.
fn pass(mut from: &TcpStream, mut to: &TcpStream, left: &AtomicI64) {
    let mut bytes = [0; 4_096];
    while let Ok(count @ 1..) = from.read(&mut bytes) {
        let may = left.fetch_sub(count as i64, SeqCst).clamp(0, count as i64) as usize;
        if to.write_all(&bytes[..may]).is_err() || may < count {
            break;
        }
    }
}

/// The outcome of publishing on the bus while the line breaks.
struct Outcome {
    /// By publisher.
    published: Vec<u64>,
    /// By publisher, in order.
    arrived: Vec<Vec<u64>>,
    lost: Vec<LossEpisode>,
    bridge: Bridge,
}

fn cut(publishers: usize, at_least_once: bool) -> Outcome {
    let (server, bus) = (NatsServer::start(""), bus());
    let remote = Remote::connect(&server.url());
    let mut all = remote.subscribe("n.>");
    let line = Line::to(&server);
    let builder = Bridge::builder(&bus).server(&line.url).export("n.>").reconnect_delay(|_| Duration::from_millis(1));
    let bridge = start(builder.at_least_once(at_least_once));
    let events = bridge.events();
    let (ended, received) = (AtomicBool::new(false), AtomicU64::new(0));
    let mut arrived = vec![Vec::new(); publishers];
    let mut take = |payload: &str| {
        let (publisher, number) = payload.split_once(' ').unwrap();
        arrived[publisher.parse::<usize>().unwrap()].push(number.parse::<u64>().unwrap());
        received.fetch_add(1, SeqCst);
    };
    let publish = |publisher: usize| {
        let client = bus.connect();
        let mut number = 0_u64;
        while !ended.load(SeqCst) {
            let flow = bridge.stats().outgoing;
            // Neither the bridge's buffer nor that of the receiver is to overflow.
            if flow.queued > QUEUED_MAX || flow.delivered > received.load(SeqCst) + OPEN_MAX {
                thread::yield_now();
                continue;
            }
            for _ in 0..50 {
                client.publish(format!("n.{publisher}.{number}"), format!("{publisher} {number}")).unwrap();
                number += 1;
            }
        }
        number
    };
    let published = thread::scope(|scope| {
        let publish = &publish;
        let publishing: Vec<_> = (0..publishers).map(|one| scope.spawn(move || publish(one))).collect();
        let end = Ended(&ended);
        while !line.is_whole() {
            match all.try_next() {
                Some(message) => take(&text(&message)),
                None => thread::yield_now(),
            }
        }
        drop(end);
        publishing.into_iter().map(|one| one.join().unwrap()).collect()
    });
    // Losses are the point of this test; a second barrier has only those that came after.
    assert!(matches!(bridge.flush(PATIENCE).wait(), Ok(()) | Err(FlushError::Lost { .. })));
    assert_eq!(bridge.flush(PATIENCE).wait(), Ok(()));
    remote.flush();
    all.texts().iter().for_each(|payload| take(payload));
    let lost = std::iter::from_fn(|| events.try_recv()).filter_map(|event| match event {
        BridgeEvent::Lost(episode) => Some(episode),
        _ => None,
    });
    Outcome { published, arrived, lost: lost.collect(), bridge }
}

fn number(subject: &str) -> u64 {
    subject.rsplit_once('.').unwrap().1.parse().unwrap()
}

#[test]
fn every_message_that_is_missing_is_one_that_the_ledger_names() {
    let Outcome { published, arrived, lost, bridge } = cut(1, false);
    let flow = bridge.stats().outgoing;
    assert!(flow.balances() && flow.queued == 0 && flow.in_flight == 0, "{flow:?}");
    assert_eq!(flow.taken, published[0]);
    assert_eq!(flow.lost.total(), flow.lost.of(LossReason::Unconfirmed), "{flow:?}");
    assert!(flow.lost.total() > 0, "a test in which nothing is lost shows nothing");
    assert_eq!(lost.iter().map(|episode| episode.count).sum::<u64>(), flow.lost.total());
    let ranges: Vec<_> = lost.iter().map(|lost| number(&lost.first.subject)..=number(&lost.last.subject)).collect();
    for (episode, range) in lost.iter().zip(&ranges) {
        assert_eq!(episode.count, range.end() - range.start() + 1, "{episode:?}");
    }
    let wrong = arrived[0].windows(2).find(|pair| pair[0] >= pair[1]);
    assert_eq!(wrong, None, "in order, and each once");
    let seen: BTreeSet<u64> = arrived[0].iter().copied().collect();
    let missing: Vec<u64> = (0..published[0]).filter(|number| !seen.contains(number)).collect();
    let unnamed = missing.iter().find(|number| !ranges.iter().any(|range| range.contains(number)));
    assert_eq!(unnamed, None, "missing, and in none of {ranges:?}");
    // A range is what one connection left unconfirmed. The server got the first of it, up to where the line broke, and nothing after that.
    for range in ranges {
        let mut numbers = range.clone();
        let first = numbers.find(|number| !seen.contains(number));
        assert_eq!(numbers.find(|number| seen.contains(number)), None, "arrived, after {first:?} of {range:?} had not");
    }
    println!("{} published, {} missing, {} unconfirmed", published[0], missing.len(), flow.lost.total());
}

#[test]
fn each_of_several_publishers_keeps_its_order() {
    let Outcome { published, arrived, bridge, .. } = cut(3, false);
    for arrived in &arrived {
        let wrong = arrived.windows(2).find(|pair| pair[0] >= pair[1]);
        assert_eq!(wrong, None, "in order, and each once");
    }
    let flow = bridge.stats().outgoing;
    let missing = published.iter().sum::<u64>() - arrived.iter().map(|arrived| arrived.len() as u64).sum::<u64>();
    assert!(flow.balances() && missing <= flow.lost.total(), "{missing} missing: {flow:?}");
    assert!(arrived.iter().all(|arrived| !arrived.is_empty()));
}

#[test]
fn at_least_once_is_each_at_least_once() {
    let Outcome { published, arrived, lost, bridge } = cut(3, true);
    let flow = bridge.stats().outgoing;
    assert_eq!((flow.lost.total(), lost), (0, vec![]));
    let mut again = 0;
    for (published, arrived) in published.iter().zip(&arrived) {
        let (mut next, mut seen) = (0, 0);
        for &number in arrived {
            assert!(number <= next, "{number} comes before {next}");
            next = next.max(number + 1);
            seen += 1;
        }
        assert_eq!(next, *published, "all of them");
        again += seen - published;
    }
    assert!(flow.repeated > 0 && again <= flow.repeated, "{again} came again: {flow:?}");
}

/// Messages that the server sends while there is no line are lost in NATS, and not counted by the
/// bridge.
#[test]
fn what_comes_in_comes_in_order_and_once() {
    let (server, bus) = (NatsServer::start(""), bus());
    let line = Line::to(&server);
    let builder = Bridge::builder(&bus).server(&line.url).import("n").reconnect_delay(|_| Duration::from_millis(1));
    let subscriber = bus.connect().subscribe("n").unwrap();
    let bridge = start(builder);
    let ended = AtomicBool::new(false);
    let mut arrived = Vec::new();
    let published = thread::scope(|scope| {
        let publishing = scope.spawn(|| {
            let remote = Remote::connect(&server.url());
            let mut number = 0_u64;
            while !ended.load(SeqCst) {
                for _ in 0..50 {
                    remote.publish("n", &number.to_string());
                    number += 1;
                }
                remote.flush();
            }
            number
        });
        let end = Ended(&ended);
        while !line.is_whole() {
            match subscriber.recv_timeout(Duration::from_millis(1)) {
                Ok(message) => arrived.push(message.payload_str().unwrap().parse::<u64>().unwrap()),
                Err(RecvTimeoutError::Timeout) => {}
                Err(closed) => panic!("{closed}"),
            }
        }
        drop(end);
        publishing.join().unwrap()
    });
    bridge.drain(PATIENCE).wait().unwrap();
    arrived.extend(subscriber.try_iter().map(|message| message.payload_str().unwrap().parse::<u64>().unwrap()));
    assert_eq!(arrived.windows(2).find(|pair| pair[0] >= pair[1]), None, "in order, and each once");
    let flow = bridge.stats().incoming;
    assert!(flow.balances(), "{flow:?}");
    assert_eq!((flow.delivered, flow.lost.total()), (arrived.len() as u64, 0));
    println!("{published} published, {} arrived", arrived.len());
}
