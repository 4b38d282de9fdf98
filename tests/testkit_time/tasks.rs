//! Settling and moving time with tasks, on executors with one thread and with several.

use crate::{HOUR, SECOND, SHORT};
use postroom::TestKit;
use postroom::activity::ActivityKind;
use postroom::*;
use std::future::Future;
use std::pin::pin;
use std::task::{Context, Poll, Waker};
use tokio::runtime::{Builder, Runtime};
use tokio::sync::mpsc;

fn single() -> Runtime {
    Builder::new_current_thread().build().unwrap()
}

fn several() -> Runtime {
    Builder::new_multi_thread().worker_threads(3).build().unwrap()
}

/// Passes on what comes on `from` through a channel of the runtime's, which the bus does not see, to `to`.
fn relay(
    kit: &TestKit,
    from: &str,
    to: &'static str,
) -> (impl Future<Output = ()> + use<>, impl Future<Output = ()> + use<>) {
    let app = kit.bus().connect();
    let input = app.subscribe(from).unwrap();
    let (tell, mut told) = mpsc::channel::<Vec<u8>>(1);
    let taking = async move {
        while let Ok(message) = input.recv_async().await {
            let payload = message.payload().to_vec();
            drop(message);
            tokio::task::yield_now().await;
            tell.send(payload).await.unwrap();
        }
    };
    let giving = async move {
        while let Some(payload) = told.recv().await {
            app.publish(to, payload).unwrap();
        }
    };
    (taking, giving)
}

#[test]
fn on_one_thread_tasks_that_were_woken_by_other_means_have_run() {
    let kit = TestKit::new();
    let test = kit.client();
    let end = test.subscribe("c").unwrap();
    single().block_on(async {
        for (from, to) in [("a", "b"), ("b", "c")] {
            let (taking, giving) = relay(&kit, from, to);
            tokio::spawn(taking);
            tokio::spawn(giving);
        }
        for round in 1..=50 {
            test.publish("a", "x").unwrap();
            kit.settle_async().await;
            assert_eq!(end.len(), round);
        }
    });
}

#[test]
fn on_several_threads_wrapped_tasks_are_waited_for_exactly() {
    let kit = TestKit::new();
    let test = kit.client();
    let end = test.subscribe("c").unwrap();
    let runtime = several();
    for (from, to) in [("a", "b"), ("b", "c")] {
        let (taking, giving) = relay(&kit, from, to);
        runtime.spawn(kit.task(taking));
        runtime.spawn(kit.task(giving).named("giving"));
    }
    for round in 1..=500 {
        test.publish("a", "x").unwrap();
        kit.settle();
        assert_eq!(end.len(), round);
    }
    runtime.block_on(async {
        for round in 501..=1_000 {
            test.publish("a", "x").unwrap();
            kit.settle_async().await;
            assert_eq!(end.len(), round);
        }
    });
}

#[test]
fn a_task_counts_from_when_it_is_made_or_woken_until_it_waits() {
    let kit = TestKit::new();
    let (tell, mut told) = mpsc::channel::<()>(1);
    let mut task = Box::pin(kit.task(async move { told.recv().await }).named("listener"));
    let mut cx = Context::from_waker(Waker::noop());
    let unsettled = kit.try_settle(SHORT).unwrap_err();
    assert_eq!(unsettled.held, [ActivityKind::Part("task `listener`".into())]);
    assert!(task.as_mut().poll(&mut cx).is_pending());
    kit.settle();
    tell.try_send(()).unwrap();
    assert!(kit.try_settle(SHORT).is_err());
    assert_eq!(task.as_mut().poll(&mut cx), Poll::Ready(Some(())));
    kit.settle();
    // One that is dropped is over, wherever it was.
    let dropped = kit.task(std::future::pending::<()>());
    assert!(kit.try_settle(SHORT).unwrap_err().to_string().contains("pending"));
    drop(dropped);
    kit.settle();
}

#[test]
fn a_task_that_wakes_itself_while_it_runs_still_counts_after_it() {
    let kit = TestKit::new();
    let mut turns = 0;
    let mut task = pin!(kit.task(std::future::poll_fn(move |cx| {
        turns += 1;
        cx.waker().wake_by_ref();
        if turns == 2 { Poll::Ready(()) } else { Poll::Pending }
    })));
    let mut cx = Context::from_waker(Waker::noop());
    assert!(task.as_mut().poll(&mut cx).is_pending());
    assert!(kit.try_settle(SHORT).is_err());
    assert!(task.as_mut().poll(&mut cx).is_ready());
    kit.settle();
}

/// Asks a silent service for an hour, ten seconds each.
async fn ask_for_an_hour(app: Client) {
    for _ in 0..360 {
        assert!(app.request_timeout_async("ask", "", SECOND * 10).await.unwrap_err().is_timeout());
        app.publish("failed", "").unwrap();
    }
}

/// Takes and forgets what it is asked.
async fn be_silent(silent: Subscriber) {
    while silent.recv_async().await.is_ok() {}
}

#[test]
fn an_hour_of_timeouts_on_one_thread() {
    let kit = TestKit::new();
    let app = kit.bus().connect();
    let failed = kit.client().subscribe("failed").unwrap();
    single().block_on(async {
        tokio::spawn(be_silent(app.subscribe("ask").unwrap()));
        for _ in 0..4 {
            tokio::spawn(ask_for_an_hour(app.clone()));
        }
        for minute in 1..=60 {
            kit.advance_async(SECOND * 60).await;
            assert_eq!(failed.len(), minute * 4 * 6);
        }
    });
    assert_eq!(kit.clock().now(), HOUR);
}

#[test]
fn an_hour_of_timeouts_on_several_threads() {
    let kit = TestKit::new();
    let app = kit.bus().connect();
    let failed = kit.client().subscribe("failed").unwrap();
    let runtime = several();
    runtime.spawn(kit.task(be_silent(app.subscribe("ask").unwrap())));
    for _ in 0..4 {
        runtime.spawn(kit.task(ask_for_an_hour(app.clone())));
    }
    for minute in 1..=60 {
        kit.advance(SECOND * 60);
        assert_eq!(failed.len(), minute * 4 * 6);
    }
    assert_eq!(kit.clock().now(), HOUR);
}

#[test]
fn time_moves_by_itself_while_a_future_waits() {
    for runtime in [single(), several()] {
        let kit = TestKit::new();
        let app = kit.bus().connect();
        let silent = app.subscribe("ask").unwrap();
        runtime.spawn(kit.task(be_silent(silent)));
        runtime.block_on(kit.run_async(ask_for_an_hour(app)));
        assert_eq!(kit.clock().now(), HOUR);
    }
}

#[test]
fn a_future_that_needs_no_time_gets_none() {
    let kit = TestKit::new();
    let app = kit.bus().connect();
    let _doubler = app.subscribe_fn("double", |question| drop(question.respond("42"))).unwrap();
    let sleeping = kit.bus().sleep(SECOND);
    let mut sleeping = pin!(sleeping);
    assert!(sleeping.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
    single().block_on(kit.run_async(async {
        for _ in 0..100 {
            assert_eq!(app.request_async("double", "").await.unwrap().payload(), b"42");
            tokio::task::yield_now().await;
        }
    }));
    assert_eq!(kit.clock().now(), std::time::Duration::ZERO);
}

#[test]
fn who_waits_for_the_time_with_a_message_in_its_hands_is_no_hindrance() {
    let kit = TestKit::new();
    let app = kit.bus().connect();
    let _silent = kit.client().subscribe("backend").unwrap();
    let front = app.subscribe("front").unwrap();
    let test = kit.client();
    let answer = single().block_on(async {
        tokio::spawn(async move {
            while let Ok(question) = front.recv_async().await {
                let failed = app.request_timeout_async("backend", "", SECOND * 30).await.unwrap_err();
                question.respond(failed.is_timeout().to_string()).unwrap();
            }
        });
        kit.run_async(test.request_timeout_async("front", "", HOUR)).await.unwrap()
    });
    assert_eq!(answer.payload(), b"true");
    assert_eq!(kit.clock().now(), SECOND * 30);
}

#[test]
fn nobody_is_taken_to_wait_for_the_time_before_he_had_his_turns() {
    let kit = TestKit::new();
    let app = kit.bus().connect();
    let _silent = kit.client().subscribe("backend").unwrap();
    let (front, test) = (app.subscribe("front").unwrap(), kit.client());
    let elsewhere = Bus::new().connect().subscribe("never").unwrap();
    let answer = single().block_on(async {
        tokio::spawn(async move {
            let question = front.recv_async().await.unwrap();
            for _ in 0..4 {
                tokio::task::yield_now().await;
                // As on a machine that has much else to do: no task gets on, and real time passes.
                elsewhere.recv_timeout(SHORT * 4).unwrap_err();
            }
            let failed = app.request_timeout_async("backend", "", SECOND * 30).await.unwrap_err();
            question.respond(failed.is_timeout().to_string()).unwrap();
        });
        kit.run_async(test.request_timeout_async("front", "", HOUR)).await.unwrap()
    });
    assert_eq!(answer.payload(), b"true");
    assert_eq!(kit.clock().now(), SECOND * 30);
}
