//! `settle`: what it waits for, what it does not, and what it says when that does not end.

use crate::{HOUR, SECOND, SHORT};
use postroom::TestKit;
use postroom::activity::ActivityKind;
use postroom::time::Sleep;
use postroom::*;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc;

#[test]
fn an_idle_bus_is_settled_at_once_and_after_it_nothing_was_published() {
    let kit = TestKit::new();
    let test = kit.client();
    let never = test.subscribe("never").unwrap();
    kit.settle();
    kit.try_settle(std::time::Duration::ZERO).unwrap();
    assert!(never.is_empty());
    // A message that the test itself has taken does not count.
    kit.bus().connect().publish("never", "x").unwrap();
    kit.settle();
    let message = never.try_recv().unwrap();
    kit.settle();
    assert_eq!(message.payload(), b"x");
}

#[test]
fn a_chain_of_threads_is_waited_for() {
    const LINKS: usize = 6;
    let kit = TestKit::new();
    let threads: Vec<_> = (0..LINKS)
        .map(|link| {
            let client = kit.bus().connect();
            let input = client.subscribe(format!("chain.{link}")).unwrap();
            std::thread::spawn(move || {
                for message in &input {
                    let text = format!("{}{link}", message.payload_str().unwrap());
                    // From here on only the thread itself shows that there is still work.
                    drop(message);
                    std::thread::yield_now();
                    client.publish(format!("chain.{}", link + 1), text).unwrap();
                }
            })
        })
        .collect();
    let test = kit.client();
    let end = test.subscribe(format!("chain.{LINKS}")).unwrap();
    for round in 1..=50 {
        test.publish("chain.0", "").unwrap();
        kit.settle();
        assert_eq!(end.len(), round, "{:?}", kit.activity());
    }
    assert!(end.try_iter().all(|message| message.payload() == b"012345"));
    kit.bus().close();
    threads.into_iter().for_each(|thread| thread.join().unwrap());
}

#[test]
fn callbacks_that_publish_are_waited_for_from_another_thread() {
    let kit = TestKit::new();
    let (app, test) = (kit.bus().connect(), kit.client());
    let (began, begins) = mpsc::channel::<()>();
    let (go, wait) = mpsc::channel::<()>();
    let (wait, answering) = (shared(wait), app.clone());
    let _callback = app
        .subscribe_fn("ask", move |_| {
            began.send(()).unwrap();
            wait.lock().unwrap().recv().unwrap();
            answering.publish("told", "").unwrap();
        })
        .unwrap();
    let told = test.subscribe("told").unwrap();
    let publishing = std::thread::spawn(move || app.publish("ask", "").unwrap());
    begins.recv().unwrap();
    let unsettled = kit.try_settle(SHORT).unwrap_err();
    assert!(unsettled.held.iter().any(|held| matches!(held, ActivityKind::Callback { .. })), "{unsettled}");
    assert!(unsettled.to_string().contains("the callback of subscription"), "{unsettled}");
    assert!(told.is_empty());
    go.send(()).unwrap();
    kit.settle();
    assert_eq!(told.len(), 1);
    publishing.join().unwrap();
}

/// A callback has to be shared between threads, a receiver can't be.
fn shared<T>(value: T) -> std::sync::Mutex<T> {
    std::sync::Mutex::new(value)
}

#[test]
fn what_holds_it_up_is_listed_with_names_and_numbers() {
    let kit = TestKit::new();
    let app = kit.bus().connect();
    let queue = app.subscribe("orders.*").unwrap();
    for _ in 0..30 {
        app.publish("orders.eu", "").unwrap();
    }
    let upload = kit.busy("upload");
    let unsettled = kit.try_settle(SHORT).unwrap_err();
    assert_eq!((unsettled.limit, unsettled.held.len(), unsettled.queued), (SHORT, 31, 30));
    let text = unsettled.to_string();
    for part in [
        "not settled within 5ms of real time, at 0ns on the bus's clock: 31 things go on",
        "message 1 on `orders.eu` is queued or in somebody's hands",
        "and 11 more",
        "messages in queues: 30; next timer: none",
        "`TestKit::client`",
    ] {
        assert!(text.contains(part), "{part:?} is not in\n{text}");
    }
    drop((queue, upload));
    kit.settle();
}

#[test]
fn it_panics_with_that_text_when_its_limit_is_over() {
    let kit = TestKit::builder().settle_limit(SHORT).build();
    let _busy = kit.busy("the importer");
    let panic = catch_unwind(AssertUnwindSafe(|| kit.settle())).unwrap_err();
    assert!(panic.downcast_ref::<String>().unwrap().contains("the importer is busy"));
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let unsettled = runtime.block_on(kit.try_settle_async(SHORT)).unwrap_err();
    assert_eq!(unsettled.held, [ActivityKind::Part("the importer".into())]);
}

#[test]
fn messages_in_a_users_channel_count_until_they_are_dropped() {
    let kit = TestKit::new();
    let app = kit.bus().connect();
    let (into, channel) = crossbeam_channel::unbounded();
    let _guard = app.subscribe_channel("a", into).unwrap();
    app.publish("a", "x").unwrap();
    assert_eq!(kit.try_settle(SHORT).unwrap_err().held.len(), 1);
    drop(channel.try_recv().unwrap());
    kit.settle();
}

/// The reader of the channel is not of the bus: it may read in an hour. The publishers that wait for it hold up neither the test nor its
/// clock, and go on without a move of it.
#[test]
fn publishers_that_wait_for_a_full_users_channel_are_settled() {
    let kit = TestKit::new();
    let (app, test) = (kit.bus().connect(), kit.client());
    let (into, channel) = crossbeam_channel::bounded(1);
    let block = SubscribeOptions::new().overflow(OverflowPolicy::Block(HOUR));
    let _guard = test.subscribe_channel_with("a", block, into).unwrap();
    app.publish("a", "").unwrap();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).build().unwrap();
    let publisher = app.clone();
    let task = runtime.spawn(kit.task(async move { publisher.publish_async("a", "").await.unwrap() }));
    let thread = std::thread::spawn(move || app.publish("a", "").unwrap());
    kit.clock().wait_for_timers(2);
    for _ in 0..5 {
        kit.settle();
        runtime.block_on(kit.settle_async());
        kit.advance(SECOND);
    }
    for _ in 0..3 {
        channel.recv_timeout(std::time::Duration::from_secs(30)).unwrap();
    }
    assert_eq!((runtime.block_on(task).unwrap(), thread.join().unwrap()), (1, 1));
    kit.settle();
    assert_eq!((kit.clock().timers(), kit.clock().now()), (0, SECOND * 5));
}

#[test]
fn a_thread_that_ends_or_panics_with_a_message_has_come_to_its_end() {
    let kit = TestKit::new();
    let app = kit.bus().connect();
    let queue = Arc::new(app.subscribe("a").unwrap());
    for panics in [false, true] {
        app.publish("a", "").unwrap();
        let queue = queue.clone();
        let thread = std::thread::spawn(move || {
            let _message = queue.recv().unwrap();
            if panics {
                std::panic::panic_any("on purpose");
            }
        });
        assert_eq!(thread.join().is_err(), panics);
        kit.settle();
    }
}

#[test]
fn timers_that_were_set_too_late_are_fired_and_those_to_come_are_not() {
    let kit = TestKit::new();
    let fired = Arc::new(AtomicU64::new(0));
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    kit.clock().advance(HOUR);
    runtime.block_on(async {
        let (late, to_come) = (kit.bus().sleep_until(SECOND), kit.bus().sleep(SECOND));
        let count = |sleep: Sleep| {
            let fired = fired.clone();
            async move {
                sleep.await;
                fired.fetch_add(1, Ordering::Relaxed);
            }
        };
        let local = tokio::task::LocalSet::new();
        local.spawn_local(count(late));
        local.spawn_local(count(to_come));
        local.run_until(kit.settle_async()).await;
    });
    assert_eq!(fired.load(Ordering::Relaxed), 1);
}

#[test]
fn a_kit_on_the_systems_clock_settles_but_moves_no_time() {
    let kit = TestKit::builder().system_clock().build();
    let (app, test) = (kit.bus().connect(), kit.client());
    let (input, output) = (app.subscribe("in").unwrap(), test.subscribe("out").unwrap());
    let thread = std::thread::spawn(move || input.iter().for_each(|_| drop(app.publish("out", ""))));
    test.publish("in", "").unwrap();
    kit.settle();
    assert_eq!(output.len(), 1);
    let panic = catch_unwind(AssertUnwindSafe(|| kit.advance(SECOND))).unwrap_err();
    let text = panic.downcast_ref::<String>().cloned().or_else(|| panic.downcast_ref::<&str>().map(|s| s.to_string()));
    assert!(text.unwrap().contains("system's clock"));
    kit.bus().close();
    thread.join().unwrap();
}

#[test]
fn kits_know_nothing_of_each_other() {
    let (busy, idle) = (TestKit::new(), TestKit::new());
    let app = busy.bus().connect();
    let queue = app.subscribe("a").unwrap();
    app.publish("a", "").unwrap();
    idle.settle();
    idle.advance(HOUR);
    assert_eq!(busy.clock().now(), std::time::Duration::ZERO);
    assert!(busy.try_settle(SHORT).is_err());
    drop(queue);
    busy.settle();
}

#[test]
fn kits_may_share_a_clock() {
    let clock = Clock::manual();
    let kits = [1, 2].map(|_| TestKit::builder().clock(&clock).build());
    kits[0].advance(HOUR);
    assert_eq!((kits[1].clock().now(), kits[1].bus().clock().now(), clock.now()), (HOUR, HOUR, HOUR));
}

#[test]
fn what_the_bus_chooses_follows_from_the_seed() {
    let chosen = |seed: u64| {
        let kit = TestKit::builder().seed(seed).build();
        assert_eq!(kit.seed(), seed);
        let members = [1, 2].map(|_| kit.client().queue_subscribe("a", "group").unwrap());
        let app = kit.bus().connect();
        let choose = |_| {
            app.publish("a", "").unwrap();
            members[0].try_recv().is_ok()
        };
        (0..64).map(choose).collect::<Vec<_>>()
    };
    assert_eq!(chosen(1), chosen(1));
    assert_ne!(chosen(1), chosen(2));
}
