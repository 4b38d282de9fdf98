//! One thread publishes and receives.

use postroom::{Bus, Message, Payload, Subscriber};

use crate::bare::BATCH;
use crate::harness::{Setup, time};
use crate::letter::{STATIC_PAYLOAD, SUBJECT, Source, Tally, stamp};

/// How many patterns nobody uses `pair_wildcard` registers beside the one that matches.
const OTHERS: usize = 1_000;

/// Takes the message that must be there.
#[inline]
pub(super) fn take(subscriber: &Subscriber, tally: &mut Tally) {
    let message = subscriber.try_recv().expect("the message just published");
    tally.take(read(&message));
}

/// The number in the payload, which a receiver looks at as on the floor; the rest only has to be there.
#[inline]
pub(super) fn read(message: &Message) -> u64 {
    stamp(std::hint::black_box(message).payload())
}

/// A 16-byte payload, borrowed.
pub(crate) fn pair(setup: &Setup, iterations: u64) -> f64 {
    pair_of::<16>(setup, iterations)
}

/// A payload of 1 KiB, borrowed.
pub(crate) fn pair_1k(setup: &Setup, iterations: u64) -> f64 {
    pair_of::<1024>(setup, iterations)
}

fn pair_of<const N: usize>(setup: &Setup, iterations: u64) -> f64 {
    setup.pin(0);
    let client = Bus::new().connect();
    let subscriber = client.subscribe(SUBJECT).expect("a subscription");
    let (mut source, mut tally) = (Source::<N>::new(), Tally::default());
    let ns = time(iterations, || {
        client.publish(SUBJECT, source.next()).expect("published");
        take(&subscriber, &mut tally);
    });
    tally.check(source.expected(1));
    ns
}

/// A payload that lives for ever.
pub(crate) fn pair_static(setup: &Setup, iterations: u64) -> f64 {
    setup.pin(0);
    let client = Bus::new().connect();
    let subscriber = client.subscribe(SUBJECT).expect("a subscription");
    let (mut sent, mut tally) = (0, Tally::default());
    let ns = time(iterations, || {
        client.publish(SUBJECT, Payload::from_static(&STATIC_PAYLOAD)).expect("published");
        sent += 1;
        take(&subscriber, &mut tally);
    });
    tally.check(Tally::of_static(sent));
    ns
}

/// Through a prepared publisher: the subject was checked before the clock started.
pub(crate) fn pair_prepared(setup: &Setup, iterations: u64) -> f64 {
    setup.pin(0);
    let client = Bus::new().connect();
    let subscriber = client.subscribe(SUBJECT).expect("a subscription");
    let publisher = client.publisher(SUBJECT).expect("a publisher");
    let (mut source, mut tally) = (Source::<16>::new(), Tally::default());
    let ns = time(iterations, || {
        publisher.publish(source.next()).expect("published");
        take(&subscriber, &mut tally);
    });
    tally.check(source.expected(1));
    ns
}

/// The subscriber holds a pattern, among a thousand others that could match but do not.
pub(crate) fn pair_wildcard(setup: &Setup, iterations: u64) -> f64 {
    setup.pin(0);
    let client = Bus::new().connect();
    let others: Vec<_> = (0..OTHERS)
        .map(|number| match number % 4 {
            0 => format!("a.{number}.>"),
            1 => format!("a.*.{number}.*"),
            2 => format!("*.{number}.c"),
            _ => format!("b{number}.*.>"),
        })
        .map(|pattern| client.subscribe(pattern).expect("a subscription"))
        .collect();
    let subscriber = client.subscribe("a.*.>").expect("a subscription");
    let (mut source, mut tally) = (Source::<16>::new(), Tally::default());
    let ns = time(iterations, || {
        client.publish(SUBJECT, source.next()).expect("published");
        take(&subscriber, &mut tally);
    });
    tally.check(source.expected(1));
    assert!(others.iter().all(|other| other.try_recv().is_err()), "a pattern matched that should not");
    ns
}

/// One publish to `RECEIVERS` subscribers; the time of one delivery.
pub(crate) fn fanout<const RECEIVERS: usize>(setup: &Setup, iterations: u64) -> f64 {
    setup.pin(0);
    let client = Bus::new().connect();
    let subscribers: Vec<_> = (0..RECEIVERS).map(|_| client.subscribe(SUBJECT).expect("a subscription")).collect();
    let (mut source, mut tally) = (Source::<16>::new(), Tally::default());
    let ns = time(iterations.div_ceil(RECEIVERS as u64), || {
        client.publish(SUBJECT, source.next()).expect("published");
        for subscriber in &subscribers {
            take(subscriber, &mut tally);
        }
    });
    tally.check(source.expected(RECEIVERS as u64));
    ns / RECEIVERS as f64
}

/// A group of eight: a batch is published before the members are drained, since only the bus knows who got what.
pub(crate) fn queue8(setup: &Setup, iterations: u64) -> f64 {
    setup.pin(0);
    let client = Bus::new().connect();
    let members: Vec<_> = (0..8).map(|_| client.queue_subscribe(SUBJECT, "workers").expect("a subscription")).collect();
    let (mut source, mut tally) = (Source::<16>::new(), Tally::default());
    let ns = time(iterations.div_ceil(BATCH), || {
        for _ in 0..BATCH {
            client.publish(SUBJECT, source.next()).expect("published");
        }
        for member in &members {
            while let Ok(message) = member.try_recv() {
                tally.take(read(&message));
            }
        }
    });
    tally.check(source.expected(1));
    ns / BATCH as f64
}

/// Nobody wants it, and the bus says so.
pub(crate) fn no_interest(setup: &Setup, iterations: u64) -> f64 {
    setup.pin(0);
    let client = Bus::new().connect();
    let elsewhere = client.subscribe("a.b.d").expect("a subscription");
    let mut source = Source::<16>::new();
    let mut reached = 0;
    let ns = time(iterations, || reached += client.publish(SUBJECT, source.next()).expect("published"));
    assert_eq!(reached, 0, "somebody was reached");
    assert!(elsewhere.try_recv().is_err(), "a message went elsewhere");
    ns
}
