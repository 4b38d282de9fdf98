//! All waiters are woken: threads, tasks, and both on one subscription.

use crate::{SECOND, assert_settled, block_on, bus, bus_on, model};
use futures_core::Stream;
use postroom::error::RecvTimeoutError;
use postroom::{Bus, Clock, OverflowPolicy, SubscribeOptions, Subscriber};
use shuttle::thread;
use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

fn subscribed(bus: &Bus) -> Arc<Subscriber> {
    Arc::new(bus.connect().subscribe("a").unwrap())
}

// Goal: a receiver that sleeps is woken by the message, or sees it before it sleeps. Method: one thread receives, one publishes.
#[test]
fn a_parked_receiver_is_woken() {
    model(4_000, || {
        let bus = bus();
        let subscriber = subscribed(&bus);
        let receiving = thread::spawn(move || (0..2).for_each(|_| drop(subscriber.recv().unwrap())));
        let client = bus.connect();
        (0..2).for_each(|_| assert_eq!(client.publish("a", "x"), Ok(1)));
        receiving.join().unwrap();
        assert_settled(&bus);
    });
}

// Goal: as many receivers as messages all get one. Method: two threads receive from one subscriber, two publish.
#[test]
fn two_parked_receivers_are_woken() {
    model(4_000, || {
        let bus = bus();
        let subscriber = subscribed(&bus);
        let receiving = [0, 1].map(|_| {
            let subscriber = subscriber.clone();
            thread::spawn(move || drop(subscriber.recv().unwrap()))
        });
        let client = bus.connect();
        let publishing = thread::spawn(move || assert_eq!(client.publish("a", "x"), Ok(1)));
        assert_eq!(bus.connect().publish("a", "x"), Ok(1));
        receiving.into_iter().chain([publishing]).for_each(|thread| thread.join().unwrap());
        assert_settled(&bus);
    });
}

// Goal: the end of the subscription wakes all waiters. Method: a parked thread, a suspended task, and an unsubscribe.
#[test]
fn the_end_wakes_everybody() {
    model(3_000, || {
        let bus = bus();
        let subscriber = subscribed(&bus);
        let (parked, suspended) = (subscriber.clone(), subscriber.clone());
        let threads = [
            thread::spawn(move || assert!(parked.recv().is_err())),
            thread::spawn(move || assert!(block_on(suspended.recv_async()).is_err())),
        ];
        subscriber.unsubscribe();
        threads.into_iter().for_each(|thread| thread.join().unwrap());
    });
}

// Goal: a task's waker is woken by the message. Method: `recv_async` and the `Stream`, polled until they are ready.
#[test]
fn a_suspended_task_is_woken() {
    model(4_000, || {
        let bus = bus();
        let client = bus.connect();
        let mut subscriber = client.subscribe("a").unwrap();
        let receiving = thread::spawn(move || {
            block_on(async {
                subscriber.recv_async().await.unwrap();
                poll_fn(|cx| Pin::new(&mut subscriber).poll_next(cx)).await.unwrap();
            });
        });
        (0..2).for_each(|_| assert_eq!(client.publish("a", "x"), Ok(1)));
        receiving.join().unwrap();
        assert_settled(&bus);
    });
}

// Goal: a thread and a task that wait on one subscriber both get a message. Method: two publishes from one thread.
#[test]
fn a_thread_and_a_task_are_woken() {
    model(4_000, || {
        let bus = bus();
        let subscriber = subscribed(&bus);
        let (parked, suspended) = (subscriber.clone(), subscriber);
        let threads = [
            thread::spawn(move || drop(parked.recv().unwrap())),
            thread::spawn(move || drop(block_on(suspended.recv_async()).unwrap())),
        ];
        let client = bus.connect();
        (0..2).for_each(|_| assert_eq!(client.publish("a", "x"), Ok(1)));
        threads.into_iter().for_each(|thread| thread.join().unwrap());
    });
}

// Goal: a future that is dropped passes on a wake-up that it will not use. Method: one that has registered first is dropped while
// one message comes for it and a thread that sleeps behind it.
#[test]
fn a_cancelled_future_passes_the_wake_up_on() {
    model(6_000, || {
        let bus = bus();
        let subscriber = subscribed(&bus);
        let cancelling = {
            let subscriber = subscriber.clone();
            thread::spawn(move || {
                let mut context = Context::from_waker(Waker::noop());
                pin!(subscriber.recv_async()).poll(&mut context).is_ready()
            })
        };
        let client = bus.connect();
        let publishing = thread::spawn(move || assert_eq!(client.publish("a", "x"), Ok(1)));
        let receiving = thread::spawn(move || drop(subscriber.recv()));
        if cancelling.join().unwrap() {
            // It got the message after all; the other one needs one of its own.
            bus.connect().publish("a", "x").unwrap();
        }
        publishing.join().unwrap();
        receiving.join().unwrap();
        assert_settled(&bus);
    });
}

// Goal: a future that is neither polled nor dropped keeps no other waiter asleep. Method: one that has registered first is left
// alone while one message comes for it and a thread, or a task, that sleeps behind it.
#[test]
fn a_future_that_is_left_alone_keeps_nobody_asleep() {
    for is_task in [false, true] {
        model(4_000, move || {
            let bus = bus();
            let subscriber = subscribed(&bus);
            let mut left = pin!(subscriber.recv_async());
            assert!(left.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
            let waiting = subscriber.clone();
            let receiving =
                thread::spawn(
                    move || {
                        if is_task { block_on(waiting.recv_async()).is_ok() } else { waiting.recv().is_ok() }
                    },
                );
            assert_eq!(bus.connect().publish("a", "x"), Ok(1));
            assert!(receiving.join().unwrap());
            assert_settled(&bus);
        });
    }
}

// Goal: the same for room. Method: a full queue, a publish that waits and is left alone, one behind it in a thread or a task, and one
// message that is taken.
#[test]
fn a_publish_that_is_left_alone_keeps_nobody_asleep() {
    for is_task in [false, true] {
        model(3_000, move || {
            let bus = bus();
            let client = bus.connect();
            let options = SubscribeOptions::new().capacity(1).overflow(OverflowPolicy::Block(Duration::MAX));
            let subscriber = client.subscribe_with("a", options).unwrap();
            assert_eq!(client.publish("a", "1"), Ok(1));
            let mut left = Box::pin(client.publish_async("a", "left"));
            assert!(left.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
            let publishing = thread::spawn(move || {
                let accepted =
                    if is_task { block_on(client.publish_async("a", "2")) } else { client.publish("a", "2") };
                assert_eq!(accepted, Ok(1));
            });
            assert_eq!(subscriber.recv().unwrap().payload(), b"1");
            publishing.join().unwrap();
            assert_eq!(subscriber.recv().unwrap().payload(), b"2");
            drop(left);
            assert_settled(&bus);
        });
    }
}

// Goal: a thread that runs what waits for its turn holds no wake-up. Method: a callback waits for a message; before it sleeps, its thread
// runs another callback, which waits for a message of its own, while one message comes and another thread waits, too.
#[test]
fn a_thread_that_runs_callbacks_holds_no_wake_up() {
    model(3_000, || {
        let bus = bus();
        let client = bus.connect();
        let subscriber = subscribed(&bus);
        let other = Arc::new(client.subscribe("b").unwrap());
        let (inner, blocked) = (subscriber.clone(), other.clone());
        let _first = client.subscribe_fn("run", move |_| drop(inner.recv())).unwrap();
        let _second = client.subscribe_fn("run", move |_| drop(blocked.recv())).unwrap();
        let running = thread::spawn(move || assert_eq!(client.publish("run", ""), Ok(2)));
        let receiving = {
            let subscriber = subscriber.clone();
            thread::spawn(move || drop(subscriber.recv()))
        };
        let publisher = bus.connect();
        assert_eq!(publisher.publish("a", "x"), Ok(1));
        // One of the two has it; then the other, and in between the callback that holds the thread.
        while subscriber.ledger().delivered == 0 {
            thread::yield_now();
        }
        assert_eq!(publisher.publish("b", "x"), Ok(1));
        assert_eq!(publisher.publish("a", "x"), Ok(1));
        receiving.join().unwrap();
        running.join().unwrap();
        assert_settled(&bus);
    });
}

// Goal: a wait with a deadline ends with the message or the time, and a timeout loses nothing. Method: a clock that is advanced
// while the message comes.
#[test]
fn a_wait_with_a_deadline_ends() {
    model(3_000, || {
        let clock = Clock::manual();
        let bus = bus_on(&clock);
        let subscriber = subscribed(&bus);
        let client = bus.connect();
        let publishing = thread::spawn(move || assert_eq!(client.publish("a", "x"), Ok(1)));
        let advancing = {
            let clock = clock.clone();
            thread::spawn(move || clock.advance(SECOND))
        };
        match subscriber.recv_timeout(SECOND) {
            Ok(_) => assert!(subscriber.is_empty()),
            Err(error) => {
                assert_eq!(error, RecvTimeoutError::Timeout);
                assert_eq!(clock.now(), SECOND);
                publishing.join().unwrap();
                advancing.join().unwrap();
                assert_eq!(subscriber.len(), 1);
                return;
            }
        }
        publishing.join().unwrap();
        advancing.join().unwrap();
        assert_eq!(clock.timers(), 0);
    });
}

// Goal: a stream that was polled once and then left alone keeps no wake-up from a thread. Method: one poll, then `recv`, as after a
// `select!` that took another branch; the same for the events.
#[test]
fn a_stream_left_alone_takes_no_wake_up() {
    model(3_000, || {
        let bus = bus();
        let mut subscriber = bus.connect().subscribe("a").unwrap();
        let mut events = bus.events();
        let mut context = Context::from_waker(Waker::noop());
        assert!(Pin::new(&mut subscriber).poll_next(&mut context).is_pending());
        assert!(Pin::new(&mut events).poll_next(&mut context).is_pending());
        let client = bus.connect();
        let publishing = thread::spawn(move || {
            assert_eq!(client.publish("a", "x"), Ok(1));
            client.close();
        });
        assert!(subscriber.recv().is_ok());
        assert!(events.recv().is_some());
        publishing.join().unwrap();
    });
}

// Goal: a waiter that is woken for nothing waits on. Method: a receiver that never waits takes messages away from one
// that sleeps.
#[test]
fn a_receiver_that_was_robbed_sleeps_again() {
    model(3_000, || {
        let bus = bus();
        let subscriber = subscribed(&bus);
        let receiving = {
            let subscriber = subscriber.clone();
            thread::spawn(move || drop(subscriber.recv().unwrap()))
        };
        let robbing = thread::spawn(move || subscriber.try_recv().is_ok());
        let client = bus.connect();
        assert_eq!(client.publish("a", "x"), Ok(1));
        if robbing.join().unwrap() {
            assert_eq!(client.publish("a", "x"), Ok(1));
        }
        receiving.join().unwrap();
        assert_settled(&bus);
    });
}

// Goal: a task whose waker changes is woken by the last one. Method: polled once with a waker that does nothing, then to the end.
#[test]
fn the_last_waker_counts() {
    model(3_000, || {
        let bus = bus();
        let subscriber = subscribed(&bus);
        let receiving = thread::spawn(move || {
            let mut next = pin!(subscriber.recv_async());
            match next.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
                Poll::Ready(message) => drop(message.unwrap()),
                Poll::Pending => drop(block_on(next).unwrap()),
            }
        });
        assert_eq!(bus.connect().publish("a", "x"), Ok(1));
        receiving.join().unwrap();
    });
}
