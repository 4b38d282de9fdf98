//! G8: no thread but one, a timer thread for each bus that needs it, which ends with its bus.
//!
//! Goal: an application that links the bus gets no thread that it did not ask for. Method: counts the threads of this very process, so
//! this file has one test alone; ends are waited for by looking at that count.
#![cfg(target_os = "linux")]
#![allow(missing_docs)]

use postroom::request::RequestManyOptions;
use postroom::{Bus, Clock, OverflowPolicy, SubscribeOptions};
use std::pin::pin;
use std::sync::{Arc, mpsc};
use std::task::{Context, Wake, Waker};
use std::time::Duration;

/// Names of the threads of this process.
fn threads() -> Vec<String> {
    let tasks = std::fs::read_dir("/proc/self/task").expect("Linux tells");
    let name = |task: std::io::Result<std::fs::DirEntry>| std::fs::read_to_string(task.ok()?.path().join("comm")).ok();
    let mut names: Vec<String> = tasks.filter_map(name).map(|name| name.trim_end().to_owned()).collect();
    names.sort();
    names
}

/// The number of threads that are not in `before`. Counted, since a thread that was just started names itself a moment
/// later.
fn more_than(before: &[String]) -> usize {
    threads().len() - before.len()
}

/// Everything that needs no timer.
fn ordinary_life(bus: &Bus) {
    let client = bus.connect();
    let events = bus.events();
    let subscriber = client.subscribe("a").unwrap();
    let _service = client.subscribe_fn("svc", |question| assert!(question.respond("yes").is_ok()));
    client.publish("a", "").unwrap();
    subscriber.recv().unwrap();
    client.request("svc", "").unwrap();
    assert_eq!(client.request_many("svc", "", RequestManyOptions::new().max(1)).unwrap().into_iter().count(), 1);
    let mut receive = pin!(subscriber.recv_async());
    let mut cx = Context::from_waker(Waker::noop());
    assert!(receive.as_mut().poll(&mut cx).is_pending());
    client.publish("a", "").unwrap();
    assert!(receive.as_mut().poll(&mut cx).is_ready());
    assert!(pin!(client.request_async("svc", "")).poll(&mut cx).is_ready());
    assert!(events.try_recv().is_none());
}

/// Waits that a thread of the user's stands behind.
fn blocking_waits(bus: &Bus) {
    let wait = Duration::from_micros(1);
    let client = bus.connect();
    let subscriber =
        client.subscribe_with("a", SubscribeOptions::new().capacity(1).overflow(OverflowPolicy::Block(wait))).unwrap();
    assert!(subscriber.recv_timeout(wait).is_err());
    client.publish("a", "").unwrap();
    assert_eq!(client.publish("a", "").unwrap(), 0);
    let _silent = client.subscribe("svc").unwrap();
    assert!(client.request_timeout("svc", "", wait).unwrap_err().is_timeout());
    assert!(subscriber.drain().wait_timeout(wait).is_err());
    assert!(bus.events().recv_timeout(wait).is_none());
}

struct Tell(mpsc::Sender<()>);

impl Wake for Tell {
    fn wake(self: Arc<Self>) {
        self.0.send(()).expect("the test listens");
    }
}

#[test]
fn there_is_no_thread_but_the_timers() {
    let before = threads();
    let bus = Bus::new();
    ordinary_life(&bus);
    blocking_waits(&bus);
    assert_eq!(threads(), before, "neither ordinary life nor blocking waits need one");

    let clock = Clock::manual();
    let manual = Bus::builder().clock(&clock).build();
    let client = manual.connect();
    let _silent = client.subscribe("svc").unwrap();
    let mut waiting = pin!(client.request_async("svc", ""));
    assert!(waiting.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
    assert_eq!((clock.timers(), threads()), (1, before.clone()), "a manual clock fires on the thread that advances it");

    let (told, tell) = mpsc::channel();
    let waker = Waker::from(Arc::new(Tell(told)));
    let mut cx = Context::from_waker(&waker);
    let client = bus.connect();
    let silent = client.subscribe("svc").unwrap();
    let never = Duration::from_secs(3600);
    let mut all: Vec<_> = (0..1000).map(|_| Box::pin(client.request_timeout_async("svc", "", never))).collect();
    assert_eq!(more_than(&before), 0, "it starts with the first wait that has a deadline");
    all.iter_mut().for_each(|request| assert!(request.as_mut().poll(&mut cx).is_pending()));
    assert_eq!(more_than(&before), 1, "one for a thousand waits");
    let mut soon = Box::pin(client.request_timeout_async("svc", "", Duration::from_millis(1)));
    assert!(soon.as_mut().poll(&mut cx).is_pending());
    tell.recv().unwrap();
    assert!(soon.as_mut().poll(&mut cx).is_ready(), "and it keeps the time");
    assert_eq!(threads().iter().filter(|name| *name == "postroom-timer").count(), 1, "by now it runs and has its name");

    let other = Bus::new();
    let another = other.connect();
    let kept = another.subscribe("svc").unwrap();
    let mut request = Box::pin(another.request_async("svc", ""));
    assert!(request.as_mut().poll(&mut cx).is_pending());
    assert_eq!(more_than(&before), 2, "each bus has its own");
    drop((other, another, kept, request));
    wait_until("the timer threads of two buses have ended", || more_than(&before) <= 1);
    bus.close();
    drop((all, bus, client, silent));
    assert_eq!(more_than(&before), 1, "a future is a handle like any other");
    drop(soon);
    wait_until("the last timer thread has ended", || threads() == before);
}

/// Waits for the state; a promise that is broken is to fail, not to hang. The bound is far beyond what any machine needs.
fn wait_until(what: &str, mut reached: impl FnMut() -> bool) {
    let began = std::time::Instant::now();
    while !reached() {
        assert!(began.elapsed() < std::time::Duration::from_secs(60), "not in time: {what}");
        std::thread::yield_now();
    }
}
